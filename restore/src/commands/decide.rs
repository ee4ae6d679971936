//! `request-expire`: asks another person to approve what no key opens and two people decide. An agent carries it
//! out, on a host that may delete.

use std::collections::BTreeSet;

use lifeboat_console::{CommandError, Interrupt, Kind, Progress};
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{Asked, PersonKey, SnapshotId, Vault, expire_in_words};

use super::asking;
use crate::approval::one_person;
use crate::cli::{Asking, RequestExpire};
use crate::open::{AtHand, Opened};
use crate::record::Recorder;
use crate::words;

/// Asks that snapshots be removed.
pub async fn expire(args: &RequestExpire, json: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let asker = Asker::open(&args.asking, json, &interrupt).await?;
    let opened = Opened::of(asker.vault.clone(), &interrupt).await?;
    opened.warn(&asker.progress);
    let snapshots = args.specs.iter().map(|spec| opened.find(spec)).collect::<Result<Vec<_>, _>>()?;
    let sources: BTreeSet<_> = snapshots.iter().map(|snapshot| snapshot.manifest.source.as_str()).collect();
    let wish = Decision {
        kind: Wish::Expire,
        plan: expire_in_words(&snapshots),
        source: sources.into_iter().collect::<Vec<_>>().join(", "),
        snapshots: snapshots.iter().map(|snapshot| snapshot.id).collect(),
    };
    let named: String = wish.snapshots.iter().map(|id| format!(" --snapshot {}", id.short())).collect();
    asker.ask(wish, &format!("lifeboat-agent expire{named}")).await
}

/// What two people decide.
struct Decision {
    kind: Wish,
    plan: String,
    source: String,
    snapshots: Vec<SnapshotId>,
}

/// A person who asks another.
struct Asker<'a> {
    args: &'a Asking,
    vault: Vault,
    person: PersonKey,
    recorder: Recorder,
    progress: Progress,
    json: bool,
}

impl<'a> Asker<'a> {
    async fn open(args: &'a Asking, json: bool, interrupt: &Interrupt) -> Result<Self, CommandError> {
        let at_hand = AtHand::open(&args.access, interrupt).await?;
        let recorder = Recorder::of(&at_hand);
        let vault = at_hand.vault;
        let person = one_person(&vault, &at_hand.identities)?;
        if vault.others_who_decide(person.id())?.is_empty() {
            let text = "nobody else in this vault could approve it: there is nobody to ask";
            return Err(CommandError::new(Kind::Usage, text)
                .hint("`lifeboat-restore keys add` lets a second person in")
                .hint("until then one person decides alone, on the host that does it: --identity key.txt --reason TEXT"));
        }
        Ok(Self { args, vault, person, recorder, progress: Progress::new(json), json })
    }

    async fn ask(&self, wish: Decision, then: &str) -> Result<(), CommandError> {
        let Decision { kind, plan, source, snapshots } = wish;
        let asked = Asked {
            kind,
            plan,
            grades: Vec::new(),
            source: Some(source),
            snapshots,
            target: None,
            reason: self.args.reason.clone(),
            life: self.args.life,
        };
        let asking = asking::Asking {
            vault: &self.vault,
            access: &self.args.access,
            person: &self.person,
            recorder: &self.recorder,
            progress: &self.progress,
            key_file: None,
            json: self.json,
        };
        asking.ask(asked, then).await
    }
}
