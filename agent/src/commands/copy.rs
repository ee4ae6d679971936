//! `copy`: brings the vault's copies up to date, and `copies`: says how far each is behind.

use std::path::Path;

use jiff::Timestamp;
use lifeboat_config::{Config, Copy};
use lifeboat_console::{
    Align, CommandError, Kind, Progress, Table, human_bytes, human_duration, print, print_json,
};
use lifeboat_vault::{CopyPlan, Stage, Vault, list_snapshots};
use serde_json::json;

use crate::cli;
use crate::copies::{self, Copies, CopyReport};
use crate::host;
use crate::interrupt::Interrupt;

/// Brings the named copies up to date, or all of them; with `--dry-run` says what they lack.
pub async fn run(path: &Path, args: cli::Copy, json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    let chosen = copies::choose(&config, &args.copy)?;
    let interrupt = Interrupt::listen("the copying: what is copied already is not copied again", None)?;
    let key = host::read_key(&config.agent)?;
    let vault = interrupt.or(host::open_vault(&config, &key)).await?;
    let (snapshots, _) = interrupt.or(list_snapshots(&vault)).await?;
    let copies = Copies { config: &config, key: &key, vault: &vault, snapshots: &snapshots };
    if args.dry_run {
        return show_plans(&copies, &chosen, json).await;
    }
    let progress = Progress::new(json);
    progress.phase("copying");
    let reports = tokio::select! {
        reports = copies.bring_up_to_date(&chosen, &progress) => reports,
        _ = interrupt.wait() => return Err(interrupted()),
    };
    progress.finish();
    tell(&reports, &progress, json)?;
    if json {
        let complete = reports.iter().filter(|report| report.is_complete()).count();
        progress.summary(&json!({ "copies": reports.len(), "complete": complete }))?;
    }
    judge(reports)
}

/// A signal came while copies were made. Nothing is lost by it.
pub fn interrupted() -> CommandError {
    CommandError::new(Kind::Interrupted, "a signal stopped the copying")
        .hint("what is copied is not copied again: `lifeboat-agent copy` goes on from there")
}

/// Prints what came of each copy.
pub fn tell(reports: &[CopyReport], progress: &Progress, json: bool) -> Result<(), CommandError> {
    for report in reports {
        report.warn(progress);
        match json {
            true => print_json("copy", &report.to_json())?,
            false => print(&report.to_string())?,
        }
    }
    Ok(())
}

/// One copy's failure is the command's own; of several, some of which are complete, it is partial.
fn judge(reports: Vec<CopyReport>) -> Result<(), CommandError> {
    let all = reports.len();
    let mut failed: Vec<_> = reports
        .into_iter()
        .filter_map(|report| Some((report.name.clone(), report.into_result().err()?)))
        .collect();
    if all == 1 {
        return failed.pop().map_or(Ok(()), |(_, error)| Err(error));
    }
    if failed.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = failed.iter().map(|(name, _)| name.as_str()).collect();
    let damaged = failed.iter().any(|(_, error)| error.kind() == Kind::Damage);
    let kind = match (damaged, failed.len() == all) {
        (true, _) => Kind::Damage,
        (false, true) => Kind::Failed,
        (false, false) => Kind::Partial,
    };
    let text = format!("{} of {all} copies are not as they should be: {}", failed.len(), names.join(", "));
    Err(CommandError::new(kind, text).hint("the warnings above say why; what is copied is not copied again"))
}

async fn show_plans(copies: &Copies<'_>, chosen: &[&Copy], json: bool) -> Result<(), CommandError> {
    let mut table = Table::new([
        ("copy", Align::Left),
        ("lacks", Align::Left),
        ("objects", Align::Right),
        ("size", Align::Right),
    ]);
    let mut notes = String::new();
    for copy in chosen {
        let plan = copies.plan(copy).await?;
        if json {
            print_json("plan", &plan_json(copy, &plan))?;
            continue;
        }
        for (stage, objects, bytes) in plan.stages() {
            table.row([copy.name.as_str(), word(stage), &objects.to_string(), &human_bytes(bytes)]);
        }
        if plan.objects() == 0 {
            table.row([copy.name.as_str(), "nothing"]);
        }
        for finding in plan.findings() {
            notes += &format!("warning: copy {}: {finding}\n  hint: {}\n", copy.name, finding.hint());
        }
        let (objects, bytes) = plan.surplus();
        if objects > 0 {
            let size = human_bytes(bytes);
            notes += &format!(
                "copy {} also holds {objects} objects, {size}, that the vault has no more\n",
                copy.name
            );
        }
    }
    if json {
        return Ok(print_json("summary", &json!({ "copies": chosen.len() }))?);
    }
    Ok(print(&format!("{table}{notes}"))?)
}

fn plan_json(copy: &Copy, plan: &CopyPlan) -> serde_json::Value {
    let (surplus_objects, surplus_bytes) = plan.surplus();
    json!({
        "copy": copy.name,
        "objects": plan.objects(),
        "bytes": plan.bytes(),
        "findings": plan.findings().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "surplus_objects": surplus_objects,
        "surplus_bytes": surplus_bytes,
    })
}

const fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Wraps => "wrapped keys",
        Stage::Keyrings => "keyrings",
        Stage::Record => "the vault record",
        Stage::Enrolments => "enrolments",
        Stage::Packs => "packs",
        Stage::Index => "index objects",
        Stage::Notes => "notes",
        Stage::Manifests => "snapshots",
    }
}

/// Says how far each copy is behind, from what this host knows of it.
pub async fn status(path: &Path, json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    copies::choose(&config, &[])?;
    let key = host::read_key(&config.agent)?;
    let vault: Vault = host::open_vault(&config, &key).await?;
    let (snapshots, _) = list_snapshots(&vault).await?;
    let statuses = copies::statuses(&config, &copies::times(&snapshots), Timestamp::now());
    if json {
        for status in &statuses {
            print_json("copy", status)?;
        }
        let complete = statuses.iter().filter(|status| status.is_complete()).count();
        return Ok(print_json("summary", &json!({ "copies": statuses.len(), "complete": complete }))?);
    }
    let mut table = Table::new([
        ("copy", Align::Left),
        ("holds", Align::Left),
        ("behind for", Align::Left),
        ("last complete", Align::Left),
        ("size", Align::Right),
        ("last problem", Align::Left),
    ]);
    for status in &statuses {
        let holds = format!("{} of {} snapshots", status.held, status.snapshots);
        let behind = match status.lag_seconds {
            0 => "not behind".to_owned(),
            lag => human_duration(std::time::Duration::from_secs(lag)),
        };
        let verified = status.verified.map_or_else(|| "never".to_owned(), |time| format!("{time:.0}"));
        let problem = status.failure.as_ref().or(status.findings.first()).cloned().unwrap_or_default();
        table.row([status.name.clone(), holds, behind, verified, human_bytes(status.bytes), problem]);
    }
    Ok(print(&table.to_string())?)
}
