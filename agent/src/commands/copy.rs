//! `copy`: brings the vault's copies up to date, and `copies`: says how far each is behind.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_config::{Config, Copy};
use lifeboat_console::{
    Align, CommandError, Interrupt, Kind, Progress, Table, human_bytes, print, print_json,
};
use lifeboat_vault::{CopyPlan, Stage, Vault, list_snapshots};
use serde_json::{Value, json};

use super::recorded;
use crate::cli;
use crate::copies::{self, Copies, CopyReport};
use crate::host;
use crate::job::{Job, Task};
use crate::lock::{self, Lock};
use crate::notify::{Pace, Router};
use crate::run_id::RunId;
use crate::seen::Seen;
use crate::watch;

/// Bringing every copy up to date.
const JOB: Job = Job::of_vault(Task::Copy);

/// What a signal stops.
pub const STOPPED: &str = "the copying: what is copied already is not copied again";

/// Brings the named copies up to date, or all of them; with `--dry-run` says what they lack.
pub async fn run(path: &Path, args: cli::Copy, json: bool) -> Result<(), CommandError> {
    let (config, interrupt) = args.supervision.orders(path, STOPPED)?;
    let chosen = copies::choose(&config, &args.copy)?;
    let call = Call { config: &config, chosen: &chosen, interrupt: &interrupt, json };
    if args.dry_run {
        return call.show_plans().await;
    }
    let (id, supervision) = (args.supervision.run_id(), args.supervision);
    host::make_state(&config.agent)?;
    let lock = interrupt.or(in_turn(&config, json)).await?;
    let work = call.bring_up_to_date(id);
    if chosen.len() == config.vault.copies.len() {
        return recorded(&config, &JOB, id, supervision, lock, work).await;
    }
    // No run of what the schedule asks for: the others may be behind.
    work.await.map(drop)
}

/// Takes the lock of copying, after the copying that is under way, of a backup or by this verb: two would copy the
/// same twice. While it is waited for, a program that watches hears of it: that is no run that hangs.
///
/// # Errors
/// `Locked` when that takes longer than any run may.
pub async fn in_turn(config: &Config, json: bool) -> Result<Lock, CommandError> {
    let progress = Progress::new(json);
    let waits = |waited: Duration| match json {
        false if waited.is_zero() => progress.phase("waiting for the copying that is under way"),
        false => {}
        true => {
            let line = json!({ "for": JOB.task.as_str(), "seconds": waited.as_secs() });
            // Whoever reads no more need not hear of it.
            let _ = print_json("waiting", &line);
        }
    };
    let lock = lock::of_job_in_turn(&config.agent.state, &JOB, config.agent.deadline, waits).await;
    progress.finish();
    lock
}

/// One call of the verb.
struct Call<'a> {
    config: &'a Config,
    chosen: &'a [&'a Copy],
    interrupt: &'a Interrupt,
    json: bool,
}

impl Call<'_> {
    /// Tells its own end: each copy's, and that none could be tried.
    async fn bring_up_to_date(&self, id: RunId) -> Result<Value, CommandError> {
        let config = self.config;
        let router = Router::new(config, Pace::AtOnce);
        let work = async {
            let key = host::read_key(&config.agent)?;
            let vault = self.interrupt.or(host::open_vault(config, &key)).await?;
            watch::look_first(self.interrupt, &vault, config, &key, self.json).await?;
            let (snapshots, _) = self.interrupt.or(list_snapshots(&vault)).await?;
            let copies = Copies { config, key: &key, vault: &vault, snapshots: &snapshots };
            let progress = Progress::new(self.json);
            progress.phase("copying");
            let copying =
                async { Ok::<_, CommandError>(copies.bring_up_to_date(self.chosen, &progress).await) };
            let reports = self.interrupt.or(copying).await?;
            progress.finish();
            Seen::refresh(&config.agent.state, &vault).await;
            Ok::<_, CommandError>((reports, progress))
        };
        let (reports, progress) = match work.await {
            Ok(done) => done,
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => {
                copies::tell_failure(config, &router, id, &error).await;
                return Err(error);
            }
        };
        copies::tell(config, &router, &reports, id).await;
        tell(&reports, &progress, self.json)?;
        let complete = reports.iter().filter(|report| report.is_complete()).count();
        let summary = json!({ "copies": reports.len(), "complete": complete });
        progress.summary(&summary)?;
        judge(reports).map(|()| summary)
    }

    async fn show_plans(&self) -> Result<(), CommandError> {
        let key = host::read_key(&self.config.agent)?;
        let vault = self.interrupt.or(host::open_vault(self.config, &key)).await?;
        let (snapshots, _) = self.interrupt.or(list_snapshots(&vault)).await?;
        let copies = Copies { config: self.config, key: &key, vault: &vault, snapshots: &snapshots };
        show_plans(&copies, self.chosen, self.json).await
    }
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
        Stage::Requests => "requests and answers",
        Stage::Audit => "entries of the record",
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
    Ok(print(&copies::table(&statuses).to_string())?)
}
