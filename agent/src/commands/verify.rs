//! `verify`: proves the structure of every snapshot with what this host may open, which is no row.
//!
//! Whether rows can be opened and are whole, `lifeboat-restore verify --read-data` proves with a person's
//! identity, on another machine.

use std::path::Path;
use std::time::Instant;

use lifeboat_config::Config;
use lifeboat_console::{CommandError, Interrupt, Kind, Progress, escape, human_duration, print};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::{Depth, SnapshotHealth, SnapshotReader, VerifyReport, list_snapshots, verify};
use serde_json::{Value, json};

use super::as_run;
use crate::cli::Verify;
use crate::host;
use crate::job::{Job, Task};
use crate::record;
use crate::seen::Seen;
use crate::watch;

/// Verifies everything that the vault holds.
pub async fn run(path: &Path, args: &Verify, json: bool) -> Result<(), CommandError> {
    let (config, interrupt) = args.supervision.orders(path, "the verification: nothing was changed")?;
    let work = prove(&config, &interrupt, json);
    as_run(&config, &Job::of_vault(Task::Verify), args.supervision.run_id(), args.supervision, work).await
}

async fn prove(config: &Config, interrupt: &Interrupt, json: bool) -> Result<Value, CommandError> {
    let started = Instant::now();
    let work = async {
        let key = host::read_key(&config.agent)?;
        let vault = host::open_vault(config, &key).await?;
        watch::look(&vault, config, &key, json).await;
        let progress = Progress::new(json);
        progress.phase("opening the index");
        let (snapshots, unreadable) = list_snapshots(&vault).await?;
        let (reader, sync) = SnapshotReader::open(&vault, &config.agent.state).await?;
        progress.phase("verifying");
        let report =
            verify(&reader, &sync, &snapshots, &snapshots, &unreadable, Depth::Structure, &|_, _| ()).await?;
        Seen::refresh(&config.agent.state, &vault).await;
        let covered = &report.covered;
        let summary = json!({
            "snapshots": covered.snapshots,
            "tables": covered.tables,
            "packs": covered.packs,
            "damage": report.damage,
            "notes": report.notes,
            "not_whole": report.snapshots.iter().filter(|one| !one.is_whole()).map(|one| one.id).collect::<Vec<_>>(),
            "seconds": started.elapsed().as_secs(),
        });
        progress.summary(&summary)?;
        Ok::<_, CommandError>((vault, key, report, summary))
    };
    let (vault, key, report, summary) = interrupt.or(work).await?;
    if !json {
        print(&told(&report, started))?;
    }
    let ending = ending(&report);
    let detail = Some(format!("{} snapshots, no rows read", report.covered.snapshots));
    let deed = Deed { detail, ..record::ended("verify", ending.as_ref().err()) };
    record::write(&vault, &key, &deed, json).await;
    ending.map(|()| summary)
}

fn told(report: &VerifyReport, started: Instant) -> String {
    let covered = &report.covered;
    let mut text = format!(
        "rows were not read; {} snapshots, {} different tables and {} packs were looked at in {}\n",
        covered.snapshots,
        covered.tables,
        covered.packs,
        human_duration(started.elapsed())
    );
    text.extend(report.notes.iter().map(|note| format!("note: {}\n", escape(note))));
    text.extend(report.damage.iter().map(|damage| format!("damaged: {}\n", escape(damage))));
    text
}

fn ending(report: &VerifyReport) -> Result<(), CommandError> {
    if let Some(error) = report.nothing_proven() {
        return Err(error.into());
    }
    if !report.found_damage() {
        return Ok(());
    }
    let hit = report.snapshots.iter().filter(|snapshot| !SnapshotHealth::is_whole(snapshot)).count();
    let text = match report.snapshots.len() {
        0 => "the vault is damaged, and holds no snapshot that can be read".to_owned(),
        all => format!("the vault is damaged: {hit} of {all} snapshots cannot be restored whole"),
    };
    Err(CommandError::new(Kind::Damage, text)
        .hint("`lifeboat-restore verify` says which tables of which snapshots, and what is still whole"))
}
