//! `hold`, `release` and `accept`: notes on a snapshot, signed by this host or by a person.

use std::path::Path;

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Kind, escape, print, print_json};
use lifeboat_vault::format::note::Says;
use lifeboat_vault::{
    AgentKey, NoteAuthor, NoteId, Notes, Selector, Snapshot, Vault, list_notes, list_snapshots, write_note,
};
use serde_json::json;

use super::enroll::read_identities;
use crate::cli::Noted;
use crate::event::Check;
use crate::host;
use crate::notify::{Pace, Router};
use crate::run_id::RunId;

/// Keeps the snapshot until it is released.
pub async fn hold(path: &Path, args: &Noted, json: bool) -> Result<(), CommandError> {
    let looked = Looked::at(path, args).await?;
    let note = looked.write(args, Says::Hold { snapshot: looked.snapshot.id }).await?;
    let text = format!("{} is held until it is released\n", looked.named());
    told(json, "held", note, &looked.snapshot, text)
}

/// Ends the holds on the snapshot.
pub async fn release(path: &Path, args: &Noted, json: bool) -> Result<(), CommandError> {
    let looked = Looked::at(path, args).await?;
    let holds: Vec<_> = looked.notes.holds_on(looked.snapshot.id).collect();
    if holds.is_empty() {
        let text = format!("nobody holds {}", looked.named());
        return Err(
            CommandError::new(Kind::Failed, text).hint("`lifeboat-agent retention preview` shows the holds")
        );
    }
    if args.identity.is_empty() && holds.iter().any(|hold| hold.by_root) {
        let text = format!("{} is held by a person, and this host cannot release it", looked.named());
        return Err(CommandError::new(Kind::NoUsableKey, text)
            .hint("a person who may open grade high releases it with `--identity key.txt`"));
    }
    let ended = holds.iter().map(|hold| format!("  {} (by {})\n", escape(&hold.reason), escape(&hold.by)));
    let text = format!("{} is held no more; it was for\n{}", looked.named(), ended.collect::<String>());
    let note =
        looked.write(args, Says::Release { holds: holds.iter().map(|hold| hold.note).collect() }).await?;
    told(json, "released", note, &looked.snapshot, text)
}

/// Says that what is flagged is as it should be.
pub async fn accept(path: &Path, args: &Noted, json: bool) -> Result<(), CommandError> {
    let looked = Looked::at(path, args).await?;
    let flags = &looked.snapshot.manifest.flags;
    if flags.is_empty() {
        let text = format!("nothing is flagged about {}", looked.named());
        return Err(CommandError::new(Kind::Failed, text));
    }
    let flags: String = flags.iter().map(|flag| format!("  {}\n", escape(flag))).collect();
    let text = format!("accepted of {}:\n{flags}", looked.named());
    let note = looked.write(args, Says::Accept { snapshot: looked.snapshot.id }).await?;
    let router = Router::new(&Config::load(path)?, Pace::AtOnce);
    let source = Some(looked.snapshot.manifest.source.as_str());
    router.end(source, Check::Anomaly, None, RunId::new(), Timestamp::now()).await;
    told(json, "accepted", note, &looked.snapshot, text)
}

/// The snapshot that is meant, and what is noted so far.
struct Looked {
    vault: Vault,
    key: AgentKey,
    snapshot: Snapshot,
    notes: Notes,
}

impl Looked {
    async fn at(path: &Path, args: &Noted) -> Result<Self, CommandError> {
        let config = Config::load(path)?;
        let selector: Selector = args.snapshot.parse()?;
        let key = host::read_key(&config.agent)?;
        let vault = host::open_vault(&config, &key).await?;
        let (snapshots, _) = list_snapshots(&vault).await?;
        let snapshot = selector.find(&snapshots)?.clone();
        let (notes, _) = list_notes(&vault).await?;
        Ok(Self { vault, key, snapshot, notes })
    }

    fn named(&self) -> String {
        let manifest = &self.snapshot.manifest;
        let time =
            manifest.time.parse::<Timestamp>().map(|time| time.strftime("%Y-%m-%d %H:%M UTC").to_string());
        let time = time.unwrap_or_else(|_| manifest.time.clone());
        format!("{} of {} ({})", self.snapshot.id.short(), escape(&manifest.source), escape(&time))
    }

    async fn write(&self, args: &Noted, says: Says) -> Result<NoteId, CommandError> {
        let account = || std::env::var("USER").unwrap_or_else(|_| "unknown".into());
        let by = args.by.clone().unwrap_or_else(|| format!("{} on {}", account(), self.key.name));
        let identities = read_identities(&args.identity)?;
        let author = match args.identity.is_empty() {
            true => NoteAuthor::Agent(&self.key),
            false => NoteAuthor::Person(&identities),
        };
        Ok(write_note(&self.vault, author, &by, &args.reason, says, Timestamp::now()).await?)
    }
}

fn told(json: bool, did: &str, note: NoteId, snapshot: &Snapshot, text: String) -> Result<(), CommandError> {
    if json {
        let summary =
            json!({ "did": did, "note": note, "snapshot": snapshot.id, "source": snapshot.manifest.source });
        return Ok(print_json("summary", &summary)?);
    }
    Ok(print(&text)?)
}
