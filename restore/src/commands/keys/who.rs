//! `keys who-can-open`: which keys a snapshot is sealed with, found in its own recipes, and who opens them.

use std::collections::BTreeMap;

use lifeboat_console::{
    Align, CommandError, Interrupt, Kind, Progress, Table, escape, human_bytes, print, print_json,
};
use lifeboat_vault::{Access, Error, KeyAccess, KeyUse, Realm, Snapshot, SnapshotKeys, WrappedKey};
use serde_json::json;

use super::matrix;
use crate::cli::WhoCanOpen;
use crate::open::{AtHand, Opened};
use crate::words;

/// Tables named one by one; of more, only how many.
const TABLES_NAMED: usize = 6;

/// Reads the snapshot's recipes and every wrapped key.
pub async fn run(args: &WhoCanOpen, json: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let AtHand { vault, identities, .. } = AtHand::open(&args.access, &interrupt).await?;
    let progress = Progress::new(json);
    let opened = Opened::of(vault.clone(), &interrupt).await?;
    opened.warn(&progress);
    let snapshot = opened.find(&args.spec)?;
    progress.phase("reading the recipes");
    let reading = opened.reading(&args.access, &interrupt).await?;
    let found = interrupt.or(reading.reader.keys_of(snapshot)).await?;
    let access = interrupt.or(vault.access(&identities)).await?;
    progress.finish();
    let (shown, nowhere) = used(&access, &found);
    let doubts = matrix::doubts(&access, shown.iter().map(|(key, _)| *key));
    if json {
        print_lines(snapshot, &access, &shown, &nowhere, &doubts)?;
    } else {
        print(&told(snapshot, &access, &shown, &doubts))?;
    }
    ending(&nowhere, found.lost, &doubts)
}

/// A key, and what of the snapshot it opens.
type Used<'a> = (&'a KeyAccess, &'a KeyUse);

/// The keys that the snapshot needs with who opens them, and those that the keyring does not have.
fn used<'a>(access: &'a Access, found: &'a SnapshotKeys) -> (Vec<Used<'a>>, Vec<(Realm, u32)>) {
    let by_key: BTreeMap<_, _> = access.keys.iter().map(|key| (key.key, key)).collect();
    let (mut shown, mut nowhere) = (Vec::new(), Vec::new());
    for ((realm, epoch), uses) in &found.keys {
        match by_key.get(&WrappedKey::Sealing(*realm, *epoch)) {
            Some(key) => shown.push((*key, uses)),
            None => nowhere.push((*realm, *epoch)),
        }
    }
    (shown, nowhere)
}

fn told(snapshot: &Snapshot, access: &Access, shown: &[Used<'_>], doubts: &[String]) -> String {
    let manifest = &snapshot.manifest;
    let mut text = format!(
        "snapshot {} of {} ({} UTC) is sealed with {}\n\n",
        snapshot.id.short(),
        escape(&manifest.source),
        words::time(&manifest.time),
        words::counted(shown.len() as u64, "key")
    );
    let mut uses = Table::new([("key", Align::Left), ("opens", Align::Right), ("tables", Align::Left)]);
    for (key, used) in shown {
        uses.row([key.key.to_string(), human_bytes(used.raw_bytes), tables(used)]);
    }
    text.push_str(&format!("{uses}\n{}", matrix::table(access, shown.iter().map(|(key, _)| *key))));
    text.push_str(&matrix::belonging(access));
    text.push_str(matrix::UNKNOWN);
    text.extend(doubts.iter().map(|doubt| format!("does not fit: {doubt}\n")));
    text
}

fn tables(used: &KeyUse) -> String {
    match used.tables.len() {
        0 => "-".to_owned(),
        some if some > TABLES_NAMED => words::counted(some as u64, "table"),
        _ => used.tables.iter().map(|name| escape(name).to_string()).collect::<Vec<_>>().join(", "),
    }
}

fn print_lines(
    snapshot: &Snapshot,
    access: &Access,
    shown: &[Used<'_>],
    nowhere: &[(Realm, u32)],
    doubts: &[String],
) -> Result<(), CommandError> {
    let uses = shown.iter().map(|(key, used)| {
        json!({ "key": key.key.to_string(), "raw_bytes": used.raw_bytes, "tables": used.tables })
    });
    let nowhere = nowhere.iter().map(|(realm, epoch)| format!("{realm} {epoch}"));
    let people = access.people.iter().filter(|person| person.is_active());
    let people = people.map(|one| json!({ "name": one.name, "branch": one.branch, "role": one.role }));
    let summary = json!({
        "snapshot": snapshot.id,
        "source": snapshot.manifest.source,
        "uses": uses.collect::<Vec<_>>(),
        "people": people.collect::<Vec<_>>(),
        "keys": matrix::json(access, shown.iter().map(|(key, _)| *key)),
        "not_in_keyring": nowhere.collect::<Vec<_>>(),
        "contradictions": doubts,
    });
    Ok(print_json("summary", &summary)?)
}

fn ending(nowhere: &[(Realm, u32)], lost: u64, doubts: &[String]) -> Result<(), CommandError> {
    if let Some((realm, epoch)) = nowhere.first() {
        return Err(CommandError::from(Error::no_key(
            format!("{realm} {epoch}, which the keyring does not have"),
            None,
        ))
        .hint("is a newer keyring missing from this store? `lifeboat-restore verify` says so"));
    }
    if lost > 0 || !doubts.is_empty() {
        let text = match lost {
            0 => format!("{} in who can open what", words::counted(doubts.len() as u64, "contradiction")),
            lost => format!("{} of the snapshot lie in no pack", words::counted(lost, "chunk")),
        };
        return Err(CommandError::new(Kind::Damage, text)
            .hint("`lifeboat-restore verify` says which tables and snapshots are still whole"));
    }
    Ok(())
}
