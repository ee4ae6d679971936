//! `hold`, `release` and `accept`: notes on a snapshot, signed by this host or by a person. To release takes two.

use std::path::Path;

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Kind, escape, print, print_json};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::format::note::Says;
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{
    AgentKey, NoteAuthor, NoteId, Notes, Selector, Snapshot, Vault, list_notes, list_snapshots, plan_id,
    release_in_words, write_note,
};
use serde_json::json;

use super::enroll::read_identities;
use crate::cli::{Noted, Release};
use crate::decision::{Decided, Question, place};
use crate::event::Check;
use crate::host;
use crate::notify::{Pace, Router};
use crate::record;
use crate::run_id::RunId;

/// Keeps the snapshot until it is released.
pub async fn hold(path: &Path, args: &Noted, json: bool) -> Result<(), CommandError> {
    let looked = Looked::at(path, &args.snapshot).await?;
    let note = looked.write(args, Says::Hold { snapshot: looked.snapshot.id }).await?;
    let text = format!("{} is held until it is released\n", looked.named());
    told(json, "held", note, &looked.snapshot, text)
}

/// Ends the holds on the snapshot, when two people have decided it.
pub async fn release(path: &Path, args: &Release, json: bool) -> Result<(), CommandError> {
    let looked = Looked::at(path, &args.snapshot).await?;
    let holds: Vec<_> = looked.notes.holds_on(looked.snapshot.id).collect();
    if holds.is_empty() {
        let text = format!("nobody holds {}", looked.named());
        return Err(
            CommandError::new(Kind::Failed, text).hint("`lifeboat-agent retention preview` shows the holds")
        );
    }
    let words = release_in_words(&holds);
    let deed = Deed {
        what: "release".into(),
        source: Some(looked.snapshot.manifest.source.clone()),
        snapshots: vec![looked.snapshot.id],
        plan: Some(plan_id(&words)),
        reason: Some(args.reason.clone()),
        ..Deed::default()
    };
    let (vault, short) = (&looked.vault, looked.snapshot.id.short());
    let question = Question {
        config: &looked.config,
        vault,
        key: &looked.key,
        kind: Wish::Release,
        plan: &words,
        deed: &deed,
        ask: format!("lifeboat-restore request-release {short} --reason TEXT {}", place(vault)),
    };
    let decided = question.decide(&args.deciding, json).await?;
    let (author, request) = match &decided {
        Decided::ByRequest(id, _) => (NoteAuthor::Agent(&looked.key), Some(*id)),
        Decided::Here(identities, _) => (NoteAuthor::Person(identities), None),
    };
    let says = Says::Release { holds: holds.iter().map(|hold| hold.note).collect(), request };
    let written = write_note(vault, author, decided.in_words(), &args.reason, says, Timestamp::now()).await;
    let written = written.map_err(CommandError::from);
    let ended = record::ended("release", written.as_ref().err());
    let detail = Some(decided.in_words().to_owned());
    let deed = Deed { detail, result: ended.result, kind: ended.kind, ..deed.clone() };
    record::write(vault, &looked.key, &deed, json).await;
    let note = written?;
    let ended = holds.iter().map(|hold| format!("  {} (by {})\n", escape(&hold.reason), escape(&hold.by)));
    let text = format!("{} is held no more; it was for\n{}", looked.named(), ended.collect::<String>());
    told(json, "released", note, &looked.snapshot, text)
}

/// Says that what is flagged is as it should be.
pub async fn accept(path: &Path, args: &Noted, json: bool) -> Result<(), CommandError> {
    let looked = Looked::at(path, &args.snapshot).await?;
    let flags = &looked.snapshot.manifest.flags;
    if flags.is_empty() {
        let text = format!("nothing is flagged about {}", looked.named());
        return Err(CommandError::new(Kind::Failed, text));
    }
    let flags: String = flags.iter().map(|flag| format!("  {}\n", escape(flag))).collect();
    let text = format!("accepted of {}:\n{flags}", looked.named());
    let note = looked.write(args, Says::Accept { snapshot: looked.snapshot.id }).await?;
    let router = Router::new(&looked.config, Pace::AtOnce);
    let source = Some(looked.snapshot.manifest.source.as_str());
    router.end(source, Check::Anomaly, None, RunId::new(), Timestamp::now()).await;
    told(json, "accepted", note, &looked.snapshot, text)
}

/// The snapshot that is meant, and what is noted so far.
struct Looked {
    config: Config,
    vault: Vault,
    key: AgentKey,
    snapshot: Snapshot,
    notes: Notes,
}

impl Looked {
    async fn at(path: &Path, snapshot: &str) -> Result<Self, CommandError> {
        let config = Config::load(path)?;
        let selector: Selector = snapshot.parse()?;
        let key = host::read_key(&config.agent)?;
        let vault = host::open_vault(&config, &key).await?;
        let (snapshots, _) = list_snapshots(&vault).await?;
        let snapshot = selector.find(&snapshots)?.clone();
        let (notes, _) = list_notes(&vault).await?;
        Ok(Self { config, vault, key, snapshot, notes })
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
