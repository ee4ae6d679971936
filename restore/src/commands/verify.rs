//! `verify`: proves that snapshots can be restored, and says how far it looked.

use std::time::{Duration, Instant};

use lifeboat_console::{
    Align, CommandError, Interrupt, Kind, Progress, Table, escape, human_bytes, human_duration, print,
};
use lifeboat_vault::format::audit::{Deed, RowsRead};
use lifeboat_vault::{
    Covered, DamagedPart, Depth, NotOpened, Snapshot, SnapshotHealth, VerifyReport, verify,
};
use serde_json::{Value, json};

use crate::cli::Verify;
use crate::open::{AtHand, Opened};
use crate::record::{Recorder, ended};
use crate::words;

/// Verifies the named snapshots, or every one.
pub async fn run(args: &Verify, json: bool) -> Result<(), CommandError> {
    let started = Instant::now();
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let at_hand = AtHand::open(&args.access, &interrupt).await?;
    let recorder = Recorder::of(&at_hand);
    let opened = Opened::of(at_hand.vault, &interrupt).await?;
    let depth = args.read_data.unwrap_or(Depth::Structure);
    require_keys(&opened, depth)?;
    let chosen = choose(&opened, &args.specs)?;
    let progress = Progress::new(json);
    progress.phase("opening the index");
    let reading = opened.reading(&args.access, &interrupt).await?;
    progress.phase("verifying");
    let counting = progress.table("every table", None);
    let seen = |rows, bytes| counting.add(rows, bytes);
    let (all, unreadable) = (&opened.snapshots, &opened.unreadable);
    let report =
        interrupt.or(verify(&reading.reader, &reading.sync, &chosen, all, unreadable, depth, &seen)).await?;
    drop(counting);
    let elapsed = started.elapsed();
    progress.summary(&summary(&report, elapsed))?;
    if !json {
        print(&told(&report, depth, elapsed))?;
    }
    let ending = ending(&report);
    recorder.write(&ended(deed(&report, &chosen, args), &ending), &progress).await;
    ending
}

/// What of it is recorded: snapshots by their ids only where they were asked for.
fn deed(report: &VerifyReport, chosen: &[Snapshot], args: &Verify) -> Deed {
    let covered = &report.covered;
    let named = if args.specs.is_empty() { &[][..] } else { chosen };
    let what = words::counted(covered.snapshots, "snapshot");
    Deed {
        what: "verify".into(),
        snapshots: named.iter().map(|snapshot| snapshot.id).collect(),
        rows: args.read_data.map(|_| covered.rows),
        depth: match args.read_data {
            None | Some(Depth::Structure) => None,
            Some(Depth::Sample { .. }) => Some(RowsRead::Sample),
            Some(Depth::All) => Some(RowsRead::All),
        },
        detail: Some(match args.read_data {
            None => format!("{what}, no rows read"),
            Some(Depth::Sample { percent }) => format!("{what}, {percent} % of the rows read"),
            Some(_) => format!("{what}, every row read"),
        }),
        ..Deed::default()
    }
}

/// Rows that nobody here can open cannot be proven: better said before an hour of work.
fn require_keys(opened: &Opened, depth: Depth) -> Result<(), CommandError> {
    if depth == Depth::Structure || !opened.vault.unlocked().is_empty() {
        return Ok(());
    }
    Err(CommandError::new(Kind::NoUsableKey, "no identity given opens any rows, which --read-data reads")
        .hint("give the identity of a person on the recovery sheet with `--identity`")
        .hint("without --read-data, everything but the rows is proven"))
}

fn choose(opened: &Opened, specs: &[String]) -> Result<Vec<Snapshot>, CommandError> {
    if specs.is_empty() {
        return Ok(opened.snapshots.clone());
    }
    let mut chosen: Vec<Snapshot> = Vec::new();
    for spec in specs {
        let snapshot = opened.find(spec)?;
        if chosen.iter().all(|other| other.id != snapshot.id) {
            chosen.push(snapshot.clone());
        }
    }
    Ok(chosen)
}

fn told(report: &VerifyReport, depth: Depth, elapsed: Duration) -> String {
    let mut text = coverage(&report.covered, depth, elapsed);
    if !report.snapshots.is_empty() {
        text.push_str(&format!("\n{}", states(&report.snapshots)));
    }
    text.extend(report.notes.iter().map(|note| format!("note: {}\n", escape(note))));
    text.extend(report.damage.iter().map(|damage| format!("damaged: {}\n", escape(damage))));
    for snapshot in report.snapshots.iter().filter(|snapshot| !snapshot.is_whole()) {
        text.push_str(&format!("\nnot whole in {} of {}:\n", snapshot.id.short(), escape(&snapshot.source)));
        for (reason, parts) in by_reason(&snapshot.damaged) {
            text.push_str(&format!("  {}\n    {}\n", escape(reason), escape(&parts.join(", "))));
        }
    }
    text
}

/// One missing pack may hit many tables: the reason is told once.
fn by_reason(damaged: &[DamagedPart]) -> Vec<(&str, Vec<&str>)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for part in damaged {
        match reasons.iter_mut().find(|(reason, _)| *reason == part.reason) {
            Some((_, parts)) => parts.push(&part.what),
            None => reasons.push((&part.reason, vec![&part.what])),
        }
    }
    reasons
}

fn coverage(covered: &Covered, depth: Depth, elapsed: Duration) -> String {
    let (snapshots, tables) =
        (words::counted(covered.snapshots, "snapshot"), words::counted(covered.tables, "different table"));
    let packs = words::counted(covered.packs, "pack");
    let mut text = format!(
        "looked at {snapshots}, {tables} and {packs} in {}: signatures, hashes of metadata, the chain of \
         snapshots, every chunk's place\n",
        human_duration(elapsed)
    );
    let (rows, bytes) = (words::counted(covered.rows, "row"), human_bytes(covered.raw_bytes));
    text.push_str(&match depth {
        Depth::Structure => "rows were not read: add --read-data to open and hash them too\n".to_owned(),
        Depth::All => format!("read {rows} ({bytes}): opened, hashed, counted, digests compared\n"),
        Depth::Sample { percent } => {
            format!("read {rows} ({bytes}), about {percent} % drawn at random: opened, hashed, counted\n")
        }
    });
    text.extend(covered.not_opened.iter().map(not_opened));
    text
}

/// What no identity given opens is told for itself: it is not proven.
fn not_opened(closed: &NotOpened) -> String {
    let (streams, rows) = (words::counted(closed.streams, "stream"), words::counted(closed.rows, "row"));
    let bytes = human_bytes(closed.raw_bytes);
    format!("not opened (grade {}): {streams} of {rows}, {bytes}\n", closed.grade)
}

fn states(snapshots: &[SnapshotHealth]) -> Table {
    let mut table = Table::new([
        ("id", Align::Left),
        ("source", Align::Left),
        ("time (UTC)", Align::Left),
        ("tables", Align::Right),
        ("state", Align::Left),
    ]);
    for snapshot in snapshots {
        let state = match snapshot.damaged.len() as u64 {
            0 => "whole".to_owned(),
            damaged => format!("{} damaged", words::counted(damaged, "part")),
        };
        table.row([
            snapshot.id.short(),
            snapshot.source.clone(),
            words::time(&snapshot.time),
            snapshot.tables.to_string(),
            state,
        ]);
    }
    table
}

fn summary(report: &VerifyReport, elapsed: Duration) -> Value {
    let covered = &report.covered;
    let of_snapshot = |snapshot: &SnapshotHealth| {
        let damaged = snapshot.damaged.iter();
        json!({
            "id": snapshot.id,
            "source": snapshot.source,
            "time": snapshot.time,
            "tables": snapshot.tables,
            "whole": snapshot.is_whole(),
            "damaged": damaged.map(|part| json!({ "what": part.what, "reason": part.reason })).collect::<Vec<_>>(),
        })
    };
    json!({
        "snapshots": report.snapshots.iter().map(of_snapshot).collect::<Vec<_>>(),
        "damage": report.damage,
        "notes": report.notes,
        "covered": {
            "snapshots": covered.snapshots,
            "tables": covered.tables,
            "packs": covered.packs,
            "rows": covered.rows,
            "raw_bytes": covered.raw_bytes,
            "closed_grades": covered.closed_grades,
            "not_opened": covered.not_opened.iter().map(|closed| json!({
                "grade": closed.grade,
                "streams": closed.streams,
                "rows": closed.rows,
                "raw_bytes": closed.raw_bytes,
            })).collect::<Vec<_>>(),
        },
        "seconds": words::seconds(elapsed),
    })
}

fn ending(report: &VerifyReport) -> Result<(), CommandError> {
    if let Some(error) = report.nothing_proven() {
        return Err(error.into());
    }
    if report.found_damage() {
        return Err(damaged(report));
    }
    if report.covered.closed_grades.is_empty() {
        return Ok(());
    }
    let grades = words::listed(&report.covered.closed_grades);
    let text = format!("rows of grade {grades} were not read: no identity given opens them");
    Err(CommandError::new(Kind::Partial, text)
        .hint("give the identity of a person who may open them with `--identity`"))
}

fn damaged(report: &VerifyReport) -> CommandError {
    let whole = report.snapshots.iter().filter(|snapshot| snapshot.is_whole());
    let whole: Vec<_> =
        whole.map(|snapshot| format!("{} ({})", snapshot.id.short(), snapshot.source)).collect();
    let total = report.snapshots.len();
    let text = match total - whole.len() {
        0 if total == 0 => "the vault is damaged, and holds no snapshot that can be read".to_owned(),
        0 => "the vault is damaged, and every snapshot looked at is still whole".to_owned(),
        hit => format!("{hit} of {} cannot be restored whole", words::counted(total as u64, "snapshot")),
    };
    let mut error = CommandError::new(Kind::Damage, text);
    if let (Some(newest), true) = (whole.last(), whole.len() < total) {
        let some = words::counted(whole.len() as u64, "snapshot");
        error =
            error.hint(format!("{some} of those looked at can be restored whole, the newest is {newest}"));
    }
    for snapshot in report.snapshots.iter().rev().filter(|snapshot| !snapshot.is_whole()).take(1) {
        let hit = snapshot.damaged.iter().filter(|part| part.what.starts_with("table ")).count() as u64;
        if hit == snapshot.damaged.len() as u64 {
            error = error.hint(format!(
                "{} of {} tables of {} are whole: restore them with `--skip-damaged`",
                snapshot.tables.saturating_sub(hit),
                snapshot.tables,
                snapshot.id.short()
            ));
        }
    }
    error
}
