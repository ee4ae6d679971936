//! `request`: asks others to open grades for one restore, or to approve it, and nothing else.

use lifeboat_connectors::open_target;
use lifeboat_console::{CommandError, Interrupt, Kind, Progress};
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{Asked, Grade};

use super::asking::{Asking, quoted};
use super::restore::target_url;
use crate::approval::{one_person, propose};
use crate::cli::{Request, Wanted};
use crate::open::{AtHand, Opened};
use crate::record::Recorder;
use crate::words;

/// Writes a request.
pub async fn run(args: &Request, json: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let url = target_url(&args.wanted, &[])?;
    let target = open_target(&url, None, args.wanted.allow_plaintext)?;
    let progress = Progress::new(json);
    progress.phase("opening the vault");
    let at_hand = AtHand::open(&args.access, &interrupt).await?;
    let recorder = Recorder::of(&at_hand);
    let person = one_person(&at_hand.vault, &at_hand.identities)?;
    let opened = Opened::of(at_hand.vault, &interrupt).await?;
    opened.warn(&progress);
    let snapshot = opened.find(&args.wanted.spec)?.clone();
    let reading = opened.reading(&args.access, &interrupt).await?;
    let vault = &opened.vault;
    let split: Vec<_> = Grade::ALL.into_iter().filter(|grade| vault.quorum(*grade) > 1).collect();
    let proposing = propose(vault, &reading.reader, &snapshot, &*target, (&args.wanted, &url), &split);
    let proposal = interrupt.or(proposing).await?;
    if proposal.together.is_empty() {
        let text = "nothing of this takes several people, or an approval: it needs no request";
        return Err(CommandError::new(Kind::Usage, text)
            .hint("restore it: the same words after `lifeboat-restore restore`")
            .hint("`lifeboat-restore keys quorum` lets a grade take several people, `keys approvals` an approval"));
    }
    let asked = Asked {
        kind: Wish::Restore,
        plan: proposal.words,
        grades: proposal.together,
        source: Some(snapshot.manifest.source.clone()),
        snapshots: vec![snapshot.id],
        target: Some(words::place(&url)),
        reason: args.reason.clone(),
        life: args.life,
    };
    let asking = Asking {
        vault,
        access: &args.access,
        person: &person,
        recorder: &recorder,
        progress: &progress,
        key_file: args.request_key.as_deref(),
        json,
    };
    // The snapshot by its id: there may be a later one by then.
    asking.ask(asked, &restore(&args.wanted, &snapshot.id.short(), &words::shown(&url))).await
}

/// The restore that is asked for, as it will be typed.
fn restore(wanted: &Wanted, snapshot: &str, to: &str) -> String {
    let mut text = format!("lifeboat-restore restore {snapshot} --to {}", quoted(to));
    text.extend(wanted.table.iter().map(|table| format!(" --table {}", quoted(table))));
    text.extend(wanted.grade.iter().map(|grade| format!(" --grade {grade}")));
    let options = wanted.options();
    text.extend(options.iter().filter(|(_, asked)| *asked).map(|(option, _)| format!(" {option}")));
    let roles = wanted.map_role.iter().map(|(old, new)| quoted(&format!("{old}={new}")));
    text.extend(roles.map(|role| format!(" --map-role {role}")));
    text
}
