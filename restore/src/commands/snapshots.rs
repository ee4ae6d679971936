//! `snapshots`: what the vault holds, and what of it cannot be read.

use lifeboat_console::{
    Align, CommandError, Interrupt, Kind, Table, escape, human_bytes, human_rows, print, print_json,
};
use lifeboat_vault::Snapshot;
use serde_json::json;

use crate::cli::Snapshots;
use crate::open::Opened;
use crate::words;

/// Lists the snapshots, oldest first.
pub async fn run(args: &Snapshots, json: bool) -> Result<(), CommandError> {
    let opened = Opened::open(&args.access, &Interrupt::listen(words::UNCHANGED, None)?).await?;
    let of_source =
        |snapshot: &&Snapshot| args.source.as_ref().is_none_or(|source| snapshot.manifest.source == *source);
    let listed: Vec<_> = opened.snapshots.iter().filter(of_source).collect();
    if let (Some(source), []) = (&args.source, &listed[..]) {
        opened.find(&format!("{source}@latest"))?;
    }
    let damage: Vec<_> = opened.damage().collect();
    match json {
        true => print_lines(&listed, &damage)?,
        false => print(&format!("{}{}", table(&listed), told(&damage)))?,
    }
    match damage.len() {
        0 => Ok(()),
        1 => Err(damaged("1 object of the vault is damaged".into())),
        some => Err(damaged(format!("{some} objects of the vault are damaged"))),
    }
}

fn table(snapshots: &[&Snapshot]) -> String {
    let headings = [
        ("id", Align::Left),
        ("source", Align::Left),
        ("time (UTC)", Align::Left),
        ("rows", Align::Right),
        ("size", Align::Right),
        ("tables", Align::Right),
        ("agent", Align::Left),
    ];
    let mut table = Table::new(headings);
    for snapshot in snapshots {
        let manifest = &snapshot.manifest;
        table.row([
            snapshot.id.short(),
            manifest.source.clone(),
            words::time(&manifest.time),
            human_rows(manifest.rows),
            human_bytes(manifest.raw_bytes),
            human_rows(manifest.tables),
            manifest.agent.clone(),
        ]);
    }
    if table.is_empty() { "no snapshot in this vault can be listed\n".into() } else { table.to_string() }
}

fn told(damage: &[String]) -> String {
    damage.iter().map(|damage| format!("damaged: {}\n", escape(damage))).collect()
}

fn print_lines(snapshots: &[&Snapshot], damage: &[String]) -> Result<(), CommandError> {
    for snapshot in snapshots {
        let manifest = &snapshot.manifest;
        let line = json!({
            "id": snapshot.id,
            "source": manifest.source,
            "number": manifest.number,
            "time": manifest.time,
            "rows": manifest.rows,
            "raw_bytes": manifest.raw_bytes,
            "tables": manifest.tables,
            "agent": manifest.agent,
        });
        print_json("snapshot", &line)?;
    }
    Ok(print_json("summary", &json!({ "snapshots": snapshots.len(), "damage": damage }))?)
}

fn damaged(text: String) -> CommandError {
    CommandError::new(Kind::Damage, text)
        .hint("`lifeboat-restore verify` says which tables and snapshots are still whole")
}
