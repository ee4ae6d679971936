//! `backup`: one source after the other, then the copies; one that fails does not stop the next.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use lifeboat_config::{Config, Severity, Source};
use lifeboat_console::{CommandError, Explanation, Interrupt, Kind, Progress, chain, print_json};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::{AgentKey, Vault, list_snapshots};
use serde_json::json;
use tracing::Instrument;

use super::{copy, first_of};
use crate::agreement;
use crate::backup::{Run, Summary};
use crate::cli::Backup;
use crate::copies::{self, Copies, CopyReport};
use crate::event::{Check, Event, Task};
use crate::explain::explain;
use crate::history::{ByHand, Ended, RunOutcome};
use crate::host;
use crate::job::Job;
use crate::lock::{self, Lock};
use crate::locks;
use crate::notify::{Pace, Router};
use crate::record;
use crate::run_id::RunId;
use crate::seen::Seen;
use crate::supervise::Supervision;
use crate::watch;

/// Backs up the named sources, or all of them.
pub async fn run(path: &Path, args: &Backup, json: bool) -> Result<(), CommandError> {
    let supervision = args.supervision;
    let (config, interrupt) = supervision.orders(path, "the backup: no snapshot was written")?;
    let sources = host::choose(&config, &args.source)?;
    let router = Router::new(&config, Pace::AtOnce);
    let open = async {
        let key = host::read_key(&config.agent)?;
        let vault = interrupt.or(host::open_vault(&config, &key)).await?;
        Ok::<_, CommandError>((key, vault))
    };
    let (key, vault) = match open.await {
        Ok(opened) => opened,
        // Whoever sends a signal need not be told.
        Err(error) if error.kind() == Kind::Interrupted => return Err(error),
        Err(error) => {
            for source in sources {
                tell_failure(&router, &config, source, supervision.run_id(), &error).await;
            }
            return Err(error);
        }
    };
    let (key, vault) = (&key, &vault);
    warn_of_thin_grades(vault, json);
    watch::look_first(&interrupt, vault, &config, key, json).await?;
    let (tags, router, interrupt) = (&args.tag, &router, &interrupt);
    let taken = Mutex::default();
    let night = Night { config: &config, key, vault, tags, router, interrupt, supervision, taken, json };
    let backed_up = match sources[..] {
        [source] => night.back_up(source).await,
        _ => night.back_up_all(&sources).await,
    };
    let interrupted = backed_up.as_ref().is_err_and(|error| error.kind() == Kind::Interrupted);
    let agreed = if interrupted { Ok(()) } else { night.agree(&sources).await };
    // After a failed night too: locks end, and copies may lack earlier snapshots.
    let locked = if interrupted { Ok(()) } else { night.extend_locks().await };
    let copied = if config.vault.copies.is_empty() || interrupted { Ok(()) } else { night.copy().await };
    if !interrupted {
        Seen::refresh(&config.agent.state, vault).await;
    }
    let after = [&agreed, &locked, &copied].into_iter().find_map(|ending| ending.as_ref().err());
    night.end(after).await?;
    first_of([backed_up, agreed, locked, copied], json)
}

/// What one lost key would lose is told with every backup, until a second person is there.
fn warn_of_thin_grades(vault: &Vault, json: bool) {
    let progress = Progress::new(json);
    match vault.thin_grades() {
        Ok(thin) => thin.iter().for_each(|thin| progress.warn(&thin.to_string())),
        Err(error) => progress.warn(&format!("who can open the vault is not known: {}", chain(&error))),
    }
    progress.finish();
}

/// A snapshot that nobody can open is not a good one, however whole it is.
fn openable(summary: &Summary) -> Result<(), CommandError> {
    if summary.lost_keys.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the snapshot of {} is in the vault, but keys to open it are lost: {}",
        summary.source,
        summary.lost_keys.join("; ")
    );
    Err(CommandError::new(Kind::Damage, text)
        .hint("put these objects of keys/ back from a copy of the vault or the recovery medium, then run `lifeboat-agent check`"))
}

/// What all sources of one call share.
struct Night<'a> {
    config: &'a Config,
    key: &'a AgentKey,
    vault: &'a Vault,
    tags: &'a [String],
    router: &'a Router,
    interrupt: &'a Interrupt,
    supervision: Supervision,
    taken: Mutex<Vec<Taken>>,
    json: bool,
}

/// A run whose snapshot is complete. It ends when the copies are made: until then it is under way for whoever
/// asks, and its summary is what a backup's JSON ends with.
struct Taken {
    summary: Summary,
    /// How it ended, copies apart.
    ended: Ended,
    entry: ByHand,
    _lock: Lock,
}

impl Night<'_> {
    async fn back_up_all(&self, sources: &[&Source]) -> Result<(), CommandError> {
        let (mut failed, mut held) = (Vec::new(), Vec::new());
        for source in sources {
            self.interrupt.check()?;
            let Err(error) = self.back_up(source).await else { continue };
            if error.kind() == Kind::Interrupted {
                return Err(error);
            }
            let list = if error.kind() == Kind::Anomaly { &mut held } else { &mut failed };
            list.push(source.name.as_str());
            error.classify(explain).report(self.json);
        }
        if failed.is_empty() {
            if held.is_empty() {
                return Ok(());
            }
            let text = format!("the snapshots of {} are complete and unusual", held.join(", "));
            return Err(CommandError::new(Kind::Anomaly, text));
        }
        let kind = if failed.len() == sources.len() { Kind::Failed } else { Kind::Partial };
        let text = format!("{} of {} sources failed: {}", failed.len(), sources.len(), failed.join(", "));
        let hint = failed.iter().map(|name| format!(" --source {name}")).collect::<String>();
        Err(CommandError::new(kind, text)
            .hint(format!("when the cause above is gone: lifeboat-agent backup{hint}")))
    }

    /// What the configuration keeps is agreed on, where it is more than before: whoever shortens it later asks.
    async fn agree(&self, sources: &[&Source]) -> Result<(), CommandError> {
        let backed_up = |name: &str| sources.iter().any(|source| source.name == name);
        let agreed = agreement::take_longer(self.config, self.vault, self.key, backed_up);
        let interrupt = self.interrupt.during("the agreeing on what is kept: the snapshots are written");
        let agreed = interrupt.or(agreed).await;
        agreed.map_err(|error| error.context("what the configuration keeps could not be agreed on"))
    }

    /// What the vault keeps stays locked; whoever is to see to it is told when it does not.
    async fn extend_locks(&self) -> Result<(), CommandError> {
        let interrupt = self.interrupt.during("the extending of locks: the snapshots are written");
        let extended = interrupt.or(locks::extend(self.config, self.vault)).await;
        let (run, now) = (self.supervision.run_id(), Timestamp::now());
        match &extended {
            Ok(_) => self.router.end(None, Check::Lock, None, run, now).await,
            Err(error) if error.kind() == Kind::Interrupted => {}
            Err(error) => {
                let (why, next) = (chain(error.error()), error.explained(explain).hints);
                let event = Event::failed(Check::Lock, Severity::Warning, &self.config.branch, run, now);
                self.router.tell(Event { why, next, ..event }).await;
            }
        }
        extended.map(drop)
    }

    /// Brings every copy up to date, and says whether as many of them as the operator asks for hold every
    /// snapshot.
    async fn copy(&self) -> Result<(), CommandError> {
        let run = self.supervision.run_id();
        let progress = Progress::new(self.json);
        let reports = match self.interrupt.during(copy::STOPPED).or(self.copy_in_turn(&progress)).await {
            Ok(reports) => reports,
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => {
                copies::tell_failure(self.config, self.router, run, &error).await;
                let text = "the vault holds every snapshot, but no copy could be tried";
                return Err(error.context(text).with_kind(Kind::Partial));
            }
        };
        progress.finish();
        copies::tell(self.config, self.router, &reports, run).await;
        copy::tell(&reports, &progress, self.json)?;
        let complete = reports.iter().filter(|report| report.is_complete()).count();
        let required = self.config.vault.copies_required();
        if self.json {
            let reached = json!({ "copies": reports.len(), "complete": complete, "required": required });
            print_json("copies", &reached)?;
        }
        if complete >= required {
            return Ok(());
        }
        let behind: Vec<_> = reports
            .iter()
            .filter(|report| !report.is_complete())
            .map(|report| report.name.as_str())
            .collect();
        let text = format!(
            "the vault holds every snapshot, but only {complete} of its copies do, and {required} must; behind: {}",
            behind.join(", ")
        );
        Err(CommandError::new(Kind::Partial, text)
            .hint("when the cause above is gone: lifeboat-agent copy; the next backup does it as well")
            .hint("how many must be reached, `require_copies` in [vault] says"))
    }

    async fn copy_in_turn(&self, progress: &Progress) -> Result<Vec<CopyReport>, CommandError> {
        let _lock = copy::in_turn(self.config, self.json).await?;
        progress.phase("copying");
        let (snapshots, _) = list_snapshots(self.vault).await?;
        let copies = Copies { config: self.config, key: self.key, vault: self.vault, snapshots: &snapshots };
        let configured: Vec<_> = self.config.vault.copies.iter().collect();
        Ok(copies.bring_up_to_date(&configured, progress).await)
    }

    /// One run of a source at a time, and each in the history.
    async fn back_up(&self, source: &Source) -> Result<(), CommandError> {
        let id = self.supervision.run_id();
        // Of the highest level, so that a line of any level carries the run's id.
        let span = tracing::error_span!("run", run = %id, source = source.name);
        self.run(source, id).instrument(span).await
    }

    async fn run(&self, source: &Source, id: RunId) -> Result<(), CommandError> {
        let (state, job) = (&self.config.agent.state, Job::backup(&source.name));
        let lock = lock::of_job(state, &job)?;
        let mut entry = ByHand::begin(state, &job, id, self.supervision).await;
        match self.take(source, id).await {
            Ok((summary, judged)) => {
                let ended = Ended::of_backup(&summary, judged.as_ref().err());
                self.taken().push(Taken { summary, ended, entry, _lock: lock });
                judged
            }
            Err(error) => {
                entry.end(Ended::with_error(&error)).await;
                Err(error)
            }
        }
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the snapshot; returns what it covered, and whether it is as it should be.
    async fn take(
        &self,
        source: &Source,
        id: RunId,
    ) -> Result<(Summary, Result<(), CommandError>), CommandError> {
        tracing::info!("the backup begins");
        let progress = Progress::new(self.json);
        let name = source.name.as_str();
        self.router.began(Some(name), Task::Backup, id).await;
        let run = Run {
            source,
            agent: &self.config.agent,
            key: self.key,
            vault: self.vault,
            tags: self.tags,
            interrupt: self.interrupt,
            progress: &progress,
        };
        let taken = run.take().await;
        // Told first, so that the entry says who was reached.
        let openable = self.tell(source, id, &taken).await;
        self.record(name, &taken).await;
        let summary = match taken {
            Ok(summary) => summary,
            Err(error) if error.kind() == Kind::Interrupted => return Err(error),
            Err(error) => return Err(error.context(format!("source {name} failed"))),
        };
        progress.finish();
        match self.json {
            // Said at once as well: whoever watches need not wait for the copies.
            true => print_json("snapshot", &summary)?,
            false => lifeboat_console::print(&summary.to_string())?,
        }
        let judged = match openable {
            Ok(()) => self.hold_back(name, id, &summary).await,
            Err(error) => Err(error),
        };
        Ok((summary, judged))
    }

    /// Ends every run whose snapshot is complete, with what locks and copies came to.
    async fn end(&self, after: Option<&CommandError>) -> Result<(), CommandError> {
        let taken = std::mem::take(&mut *self.taken());
        let mut summaries = Vec::new();
        for Taken { summary, ended, mut entry, _lock } in taken {
            let is_good = ended.outcome == RunOutcome::Good;
            entry.end(if is_good { Ended::of_backup(&summary, after) } else { ended }).await;
            summaries.push(summary);
        }
        for summary in summaries.iter().filter(|_| self.json) {
            print_json("summary", summary)?;
        }
        Ok(())
    }

    /// Tells how a run ended, and says whether its snapshot can be opened, if there is one.
    async fn tell(
        &self,
        source: &Source,
        id: RunId,
        taken: &Result<Summary, CommandError>,
    ) -> Result<(), CommandError> {
        let summary = match taken {
            Ok(summary) => summary,
            // Whoever sends a signal need not be told.
            Err(error) if error.kind() == Kind::Interrupted => return Ok(()),
            Err(error) => {
                tell_failure(self.router, self.config, source, id, error).await;
                return Ok(());
            }
        };
        tracing::info!(snapshot = summary.snapshot, "the snapshot is complete");
        let openable = openable(summary);
        match &openable {
            Ok(()) => self.router.succeeded(Some(&source.name), Task::Backup, id, Timestamp::now()).await,
            Err(error) => tell_failure(self.router, self.config, source, id, error).await,
        }
        openable
    }

    async fn record(&self, source: &str, taken: &Result<Summary, CommandError>) {
        let summary = taken.as_ref().ok();
        let deed = Deed {
            source: Some(source.to_owned()),
            snapshots: summary.and_then(|summary| summary.snapshot.parse().ok()).into_iter().collect(),
            rows: summary.map(|summary| summary.rows),
            told: self.router.told(Some(source)),
            ..record::ended("backup", taken.as_ref().err())
        };
        record::write(self.vault, self.key, &deed, self.json).await;
    }

    /// A snapshot that is unlike those before it is kept, told, and ends with a code of its own.
    async fn hold_back(&self, source: &str, run: RunId, summary: &Summary) -> Result<(), CommandError> {
        let now = Timestamp::now();
        if summary.flags.is_empty() {
            self.router.end(Some(source), Check::Anomaly, None, run, now).await;
            return Ok(());
        }
        let id = &summary.snapshot[..8];
        let next = format!("when the change was meant: lifeboat-agent accept {id} --reason TEXT");
        let event = Event {
            source: Some(source.to_owned()),
            why: summary.flags.join("; "),
            next: vec![format!("compare snapshot {id} of {source} with the one before"), next.clone()],
            ..Event::failed(Check::Anomaly, Severity::Critical, &self.config.branch, run, now)
        };
        self.router.tell(event).await;
        let text = format!(
            "the snapshot of {source} is complete and unusual, and nothing of {source} expires until somebody accepts it: {}",
            summary.flags.join("; ")
        );
        Err(CommandError::new(Kind::Anomaly, text).hint(next))
    }
}

async fn tell_failure(router: &Router, config: &Config, source: &Source, run: RunId, error: &CommandError) {
    let Explanation { kind, hints: next } = error.explained(explain);
    let event = Event {
        source: Some(source.name.clone()),
        why: chain(error.error()),
        next,
        ..Event::failed(Check::Backup, Severity::Critical, &config.branch, run, Timestamp::now())
    };
    router.failed(event, kind.exit_code()).await;
}
