//! `request`: asks those who have a share of a grade's key to open it for one restore, and nothing else.
//!
//! The one-time key is written to a file before the request is in the vault: a request without it would be
//! approved for nothing.

use std::path::{Path, absolute};

use age::secrecy::ExposeSecret;
use jiff::Timestamp;
use lifeboat_connectors::open_target;
use lifeboat_console::{CommandError, Interrupt, Kind, Progress, escape, print, print_json};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{Asked, Grade, NewRequest, Vault, plan_id, read_request};
use serde_json::json;

use super::keygen::write_new;
use super::restore::target_url;
use crate::approval::{indented, key_file, one_person, propose};
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
        let text = "nothing of this takes several people together: it needs no request";
        return Err(CommandError::new(Kind::Usage, text)
            .hint("restore it: the same words after `lifeboat-restore restore`")
            .hint("`lifeboat-restore keys quorum` says which grades take several people"));
    }
    let now = Timestamp::now();
    let asked = Asked {
        kind: Wish::Restore,
        plan: proposal.words.clone(),
        grades: proposal.together.clone(),
        source: Some(snapshot.manifest.source.clone()),
        snapshots: vec![snapshot.id],
        target: Some(words::place(&url)),
        reason: args.reason.clone(),
        life: args.life,
    };
    let deed = Deed {
        what: "request".into(),
        result: "done".into(),
        source: asked.source.clone(),
        snapshots: asked.snapshots.clone(),
        grades: asked.grades.clone(),
        target: asked.target.clone(),
        plan: Some(plan_id(&asked.plan)),
        reason: Some(asked.reason.clone()),
        ..Deed::default()
    };
    let request = NewRequest::make(vault, &person, asked, now)?;
    let file = absolute(args.request_key.clone().unwrap_or_else(|| key_file(request.id)))?;
    let secret = request.identity.to_string();
    let note = format!("# one-time key of request {}, good until {:.0}\n", request.id, request.expires);
    write_new(&file, &format!("{note}{}\n", secret.expose_secret()))?;
    request.write(vault).await?;
    let detail = Some(format!("request {} until {:.0}", request.id.short(), request.expires));
    recorder.write_at(&Deed { detail, ..deed }, now, &progress).await;
    progress.finish();
    let tally = read_request(vault, request.id).await?.tally(vault, now)?;
    let commands = Commands { vault, args, to: words::shown(&url), file: &file };
    let (approve, restore) = (commands.approve(&request), commands.restore(&request, &snapshot.id.short()));
    if json {
        return Ok(print_json(
            "summary",
            &json!({
                "request": request.id,
                "plan": proposal.words,
                "plan_id": plan_id(&proposal.words),
                "grades": proposal.together,
                "expires": request.expires,
                "needed": tally.needed,
                "able": tally.able,
                "key_file": file.display().to_string(),
                "approve": approve,
                "restore": restore,
            }),
        )?);
    }
    let mut text = format!("request {}, good until {:.0}\n", request.id, request.expires);
    text.push_str(&indented(&proposal.words));
    text.push_str(&format!(
        "\nit takes {} of {}; each types, on a machine of their own:\n  {approve}\n",
        words::counted(tally.needed as u64, "approval"),
        escape(&tally.able.join(", ")),
    ));
    text.push_str(&format!("then, here, before it expires:\n  {restore}\n"));
    text.push_str(&format!(
        "its one-time key is in {}: it stays on this machine\n",
        escape(&file.display().to_string())
    ));
    Ok(print(&text)?)
}

/// What others, and whoever asked, type next.
struct Commands<'a> {
    vault: &'a Vault,
    args: &'a Request,
    /// Without its password.
    to: String,
    file: &'a Path,
}

impl Commands<'_> {
    fn approve(&self, request: &NewRequest) -> String {
        format!(
            "lifeboat-restore approve {} --vault {} --root {} --identity YOUR.key",
            request.id.short(),
            quoted(self.vault.store().url()),
            self.vault.fingerprint()
        )
    }

    /// The snapshot by its id: there may be a later one by then.
    fn restore(&self, request: &NewRequest, snapshot: &str) -> String {
        let Wanted { table, grade, mask, into_new, skip_damaged, .. } = &self.args.wanted;
        let Wanted { map_role, no_owner, with_accounts, enable_events, allow_plaintext, .. } =
            &self.args.wanted;
        let mut text = format!("lifeboat-restore restore {snapshot} --to {}", quoted(&self.to));
        text.extend(table.iter().map(|table| format!(" --table {}", quoted(table))));
        text.extend(grade.iter().map(|grade| format!(" --grade {grade}")));
        let options = [
            ("--mask", mask),
            ("--into-new", into_new),
            ("--skip-damaged", skip_damaged),
            ("--no-owner", no_owner),
            ("--with-accounts", with_accounts),
            ("--enable-events", enable_events),
            ("--allow-plaintext", allow_plaintext),
        ];
        text.extend(options.iter().filter(|(_, asked)| **asked).map(|(option, _)| format!(" {option}")));
        text.extend(
            map_role.iter().map(|(old, new)| format!(" --map-role {}", quoted(&format!("{old}={new}")))),
        );
        let access = &self.args.access;
        match &access.config {
            Some(config) => text.push_str(&format!(" --config {}", quoted(&config.display().to_string()))),
            None => text.push_str(&format!(" --vault {}", quoted(self.vault.store().url()))),
        }
        text.extend(
            access.identity.iter().map(|file| format!(" --identity {}", quoted(&file.display().to_string()))),
        );
        let file = quoted(&self.file.display().to_string());
        text + &format!(" --request {} --request-key {file}", request.id.short())
    }
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", escape(&word.replace('\'', "'\\''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_change_it() {
        assert_eq!(quoted("sqlite:///srv/crm.db"), "sqlite:///srv/crm.db");
        assert_eq!(
            quoted("postgres://u@h/db?sslmode=require&x=1"),
            "'postgres://u@h/db?sslmode=require&x=1'"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
