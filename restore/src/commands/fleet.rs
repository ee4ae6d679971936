//! `fleet`: every branch's vault in one listing, and what of it cannot be reached or opened.

use jiff::Timestamp;
use lifeboat_config::Fleet;
use lifeboat_console::{
    Align, CommandError, Interrupt, Kind, Table, chain, escape, human_bytes, human_duration, human_rows,
    print, print_json,
};
use lifeboat_vault::Grade;
use serde_json::{Value, json};

use crate::cli;
use crate::fleet::{Known, Seen, SourceSeen, look};
use crate::words;

/// Opens every vault, prints what it holds, and fails when one could not be opened or is damaged.
pub async fn run(args: &cli::Fleet, json: bool) -> Result<(), CommandError> {
    let fleet = Fleet::load(&args.vaults)?;
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let seen = interrupt.or(async { Ok::<_, CommandError>(look(&fleet, Timestamp::now()).await) }).await?;
    match json {
        true => print_lines(&seen)?,
        false => print(&told(&seen))?,
    }
    ending(&seen)
}

fn told(seen: &[Seen]) -> String {
    let listing = sources(seen);
    let listing = if listing.is_empty() { "no snapshot in any vault\n".into() } else { listing.to_string() };
    let mut text = format!("{listing}\n{}", vaults(seen));
    for vault in seen {
        let Ok(known) = &vault.known else { continue };
        for source in &known.sources {
            let place = format!("{}, {}", vault.name, source.name);
            text.extend(source.flags.iter().map(|flag| format!("flagged: {place}: {}\n", escape(flag))));
            let gaps = source.not_covered.iter();
            text.extend(gaps.map(|gap| format!("not covered: {place}: {}\n", escape(gap))));
        }
        let damage = known.damage.iter();
        text.extend(damage.map(|damage| format!("damaged: {}: {}\n", vault.name, escape(damage))));
    }
    for (vault, error) in failed(seen) {
        text.push_str(&format!("not opened: {}: {}\n", vault.name, escape(&chain(error.error()))));
        text.extend(error.hints().iter().map(|hint| format!("  hint: {}\n", escape(hint))));
    }
    text
}

fn sources(seen: &[Seen]) -> Table {
    let mut table = Table::new([
        ("vault", Align::Left),
        ("source", Align::Left),
        ("last snapshot (UTC)", Align::Left),
        ("age", Align::Right),
        ("snapshots", Align::Right),
        ("rows", Align::Right),
        ("size", Align::Right),
        ("flags", Align::Right),
    ]);
    for (vault, known) in opened(seen) {
        for source in &known.sources {
            table.row([
                vault.name.clone(),
                source.name.clone(),
                words::time(&source.last),
                human_duration(source.age),
                human_rows(source.snapshots),
                human_rows(source.rows),
                human_bytes(source.raw_bytes),
                source.flags.len().to_string(),
            ]);
        }
    }
    table
}

fn vaults(seen: &[Seen]) -> Table {
    let mut table = Table::new([
        ("vault", Align::Left),
        ("snapshots", Align::Right),
        ("stored", Align::Right),
        ("verified (UTC)", Align::Left),
        ("opens", Align::Left),
        ("state", Align::Left),
    ]);
    for vault in seen {
        match &vault.known {
            Ok(known) => table.row([
                vault.name.clone(),
                human_rows(known.snapshots),
                human_bytes(known.stored_bytes),
                known.proven.structure.map_or("never".into(), |time| words::time(&time.to_string())),
                opens(&known.unlocked),
                state(known).to_owned(),
            ]),
            Err(_) => table.row([&vault.name, "", "", "", "", "not opened"]),
        }
    }
    table
}

fn opens(grades: &[Grade]) -> String {
    match grades {
        [] => "no rows".to_owned(),
        grades => words::listed(grades),
    }
}

/// One word for a vault that was opened.
fn state(known: &Known) -> &'static str {
    if known.damage.is_empty() { "ok" } else { "damaged" }
}

fn print_lines(seen: &[Seen]) -> Result<(), CommandError> {
    for vault in seen {
        let line = match &vault.known {
            Ok(known) => json!({
                "name": vault.name,
                "url": vault.url,
                "state": state(known),
                "sources": known.sources.iter().map(of_source).collect::<Vec<_>>(),
                "snapshots": known.snapshots,
                "stored_bytes": known.stored_bytes,
                "opens": known.unlocked,
                "verified": known.proven.structure,
                "rows_verified": known.proven.rows,
                "damage": known.damage,
            }),
            Err(error) => json!({
                "name": vault.name,
                "url": vault.url,
                "state": "not opened",
                "kind": error.kind().as_str(),
                "error": chain(error.error()),
                "hints": error.hints(),
            }),
        };
        print_json("vault", &line)?;
    }
    let failed: Vec<_> = failed(seen).map(|(vault, _)| &vault.name).collect();
    Ok(print_json(
        "summary",
        &json!({ "vaults": seen.len(), "not_opened": failed, "damaged": damaged(seen) }),
    )?)
}

fn of_source(source: &SourceSeen) -> Value {
    json!({
        "source": source.name,
        "last": source.last,
        "age_seconds": source.age.as_secs(),
        "snapshots": source.snapshots,
        "rows": source.rows,
        "raw_bytes": source.raw_bytes,
        "flags": source.flags,
        "not_covered": source.not_covered,
    })
}

fn opened(seen: &[Seen]) -> impl Iterator<Item = (&Seen, &Known)> {
    seen.iter().filter_map(|vault| Some((vault, vault.known.as_ref().ok()?)))
}

fn failed(seen: &[Seen]) -> impl Iterator<Item = (&Seen, &CommandError)> {
    seen.iter().filter_map(|vault| Some((vault, vault.known.as_ref().err()?)))
}

fn damaged(seen: &[Seen]) -> Vec<&str> {
    let damaged = opened(seen).filter(|(_, known)| !known.damage.is_empty());
    damaged.map(|(vault, _)| vault.name.as_str()).collect()
}

/// Damage is worse than a vault that was not reached: the first is there, the other may be.
fn ending(seen: &[Seen]) -> Result<(), CommandError> {
    let (damaged, closed) = (damaged(seen), failed(seen).map(|(vault, _)| vault.name.as_str()));
    let closed: Vec<_> = closed.collect();
    let of = words::counted(seen.len() as u64, "vault");
    if !damaged.is_empty() {
        let text = format!("{} of {of} damaged: {}", damaged.len(), damaged.join(", "));
        return Err(CommandError::new(Kind::Damage, text).hint(
            "`lifeboat-restore verify` on such a vault says which tables and snapshots are still whole",
        ));
    }
    match closed.len() {
        0 => Ok(()),
        all if all == seen.len() => Err(CommandError::new(Kind::Failed, "no vault could be opened")),
        some => {
            let text = format!("{some} of {of} could not be opened: {}", closed.join(", "));
            Err(CommandError::new(Kind::Partial, text))
        }
    }
}
