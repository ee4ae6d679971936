//! Copies of the vault in other stores, as this host makes and knows them.
//!
//! Each copy stands for itself: one whose store is away, or whose settings are wrong, keeps none of the
//! others back, and is caught up by the next run.

mod open;
mod report;
mod shown;

use std::num::NonZeroU64;
use std::time::Instant;

use futures::StreamExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lifeboat_config::{Bandwidth, Config, Copy, Severity};
use lifeboat_console::{CommandError, Kind, Progress, chain};
use lifeboat_vault::{
    AgentKey, CopyMemory, CopyPlan, CopyStatus, Copying, Error, Extent, Pace, Snapshot, SnapshotId, Store,
    Vault, copy_status,
};

use crate::event::{Check, Event};
use crate::explain::explain;
use crate::host;
use crate::job::{Job, Task};
use crate::notify::Router;
use crate::run_id::RunId;
pub use open::{OpenCopy, own_keep};
pub use report::CopyReport;
pub use shown::table;

/// Copies written at once; each takes memory for what is on its way.
const COPIES_AT_ONCE: usize = 3;

/// What making copies needs.
pub struct Copies<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// This agent's key.
    pub key: &'a AgentKey,
    /// The vault, opened with it.
    pub vault: &'a Vault,
    /// The vault's snapshots, as they were listed.
    pub snapshots: &'a [Snapshot],
}

impl Copies<'_> {
    /// Brings these copies up to date, and reports on each in the order in which they were given. Fails for
    /// none of them: what went wrong is in its report, and noted for `status`.
    pub async fn bring_up_to_date(&self, copies: &[&Copy], progress: &Progress) -> Vec<CopyReport> {
        let runs = copies.iter().map(|copy| self.bring_one_up_to_date(copy, progress));
        futures::stream::iter(runs).buffered(COPIES_AT_ONCE).collect().await
    }

    async fn bring_one_up_to_date(&self, copy: &Copy, progress: &Progress) -> CopyReport {
        let started = Instant::now();
        let now = Timestamp::now();
        let memory = CopyMemory::new(&self.config.agent.state, &copy.name);
        let opened = match open_store(copy) {
            Ok(store) => self.extent(copy, &store).await.map(|extent| (store, extent)),
            Err(error) => Err(error),
        };
        let (store, extent) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let text = chain(error.error());
                if let Err(error) = memory.write_failure(copy.url.as_str(), &text, now) {
                    progress.warn(&format!("copy {}: {}", copy.name, chain(&error)));
                }
                return CopyReport::failed(copy, self.snapshots.len() as u64, error);
            }
        };
        let copying = self.copying(&store, &extent, &memory);
        let pace = pace(copy, self.config.agent.zone());
        let outcome = copying.bring_up_to_date(&pace, now, &|bytes| progress.add_bytes(bytes)).await;
        let unlocked = match outcome.stopped {
            None => self.extend_locks(copy, store).await.err(),
            Some(_) => None,
        };
        CopyReport::of(copy, outcome, unlocked, started.elapsed())
    }

    /// Extends the locks of what the copy keeps, where its store locks.
    async fn extend_locks(&self, copy: &Copy, store: Store) -> Result<(), Error> {
        if store.lock_policy().is_none() {
            return Ok(());
        }
        match OpenCopy::in_store(self.config, self.vault, self.key, copy, store).await? {
            Some(opened) => opened.extend_locks(self.vault).await.map(drop),
            None => Ok(()),
        }
    }

    async fn extent(&self, copy: &Copy, store: &Store) -> Result<Extent, CommandError> {
        let extent = open::extent(self.config, self.vault, self.key, copy, store).await;
        extent.map_err(|error| error.context(format!("copy {} is behind", copy.name)))
    }

    /// What a copy lacks.
    ///
    /// # Errors
    /// What keeps the two stores from being compared.
    pub async fn plan(&self, copy: &Copy) -> Result<CopyPlan, CommandError> {
        let store = open_store(copy)?;
        let memory = CopyMemory::new(&self.config.agent.state, &copy.name);
        let extent = self.extent(copy, &store).await?;
        Ok(self.copying(&store, &extent, &memory).plan().await?)
    }

    fn copying<'a>(&'a self, to: &'a Store, extent: &'a Extent, memory: &'a CopyMemory) -> Copying<'a> {
        Copying {
            vault: self.vault,
            snapshots: self.snapshots,
            agent: self.key,
            to,
            extent,
            state: &self.config.agent.state,
            memory,
        }
    }
}

/// Tells that no copy could be tried.
pub async fn tell_failure(config: &Config, router: &Router, run: RunId, error: &CommandError) {
    let (why, next) = (chain(error.error()), error.explained(explain).hints);
    let event = Event::failed(Check::Copy, Severity::Critical, &config.branch, run, Timestamp::now());
    router.tell(Event { why, next, ..event }).await;
}

/// Tells of each copy that is not as it should be, once, and of its recovery. It is critical when fewer copies
/// are complete than the operator asks for.
pub async fn tell(config: &Config, router: &Router, reports: &[CopyReport], run: RunId) {
    let now = Timestamp::now();
    router.end(None, Check::Copy, None, run, now).await;
    let complete = reports.iter().filter(|report| report.is_complete()).count();
    // Those that were not asked for are not judged.
    let others = config.vault.copies.len() - reports.len();
    let missing = config.vault.copies_required().saturating_sub(complete + others);
    let severity = if missing > 0 { Severity::Critical } else { Severity::Warning };
    for report in reports {
        let subject = Some(report.name.as_str());
        match report.trouble() {
            None => router.end(None, Check::Copy, subject, run, now).await,
            Some((why, next)) => {
                let subject = subject.map(str::to_owned);
                let event = Event::failed(Check::Copy, severity, &config.branch, run, now);
                router.tell(Event { subject, why, next, ..event }).await;
            }
        }
    }
}

/// How far each copy is behind, from what this host knows: asks no store. `snapshots` are the vault's.
pub fn statuses(config: &Config, snapshots: &[(SnapshotId, Timestamp)], now: Timestamp) -> Vec<CopyStatus> {
    let status = |copy: &Copy| {
        let record = CopyMemory::new(&config.agent.state, &copy.name).record();
        copy_status(&copy.name, copy.url.as_str(), record.as_ref(), snapshots, now)
    };
    config.vault.copies.iter().map(status).collect()
}

/// Snapshots with their times, for [`statuses`]. One whose time is none is as old as can be.
pub fn times(snapshots: &[Snapshot]) -> Vec<(SnapshotId, Timestamp)> {
    snapshots.iter().map(|s| (s.id, s.manifest.time.parse().unwrap_or(Timestamp::UNIX_EPOCH))).collect()
}

/// The configured copies, or those of them that are named.
///
/// # Errors
/// When there are none, or none of that name.
pub fn choose<'a>(config: &'a Config, names: &[String]) -> Result<Vec<&'a Copy>, CommandError> {
    let copies = &config.vault.copies;
    if copies.is_empty() {
        return Err(CommandError::new(Kind::ConfigInvalid, "no [[vault.copy]] is configured")
            .hint("name another store: [[vault.copy]] with name = \"frankfurt\" and url = \"s3://…\""));
    }
    if let Some(unknown) = names.iter().find(|name| config.copy(name).is_none()) {
        let known: Vec<_> = copies.iter().map(|copy| copy.name.as_str()).collect();
        return Err(CommandError::new(Kind::Usage, format!("the configuration has no copy `{unknown}`"))
            .hint(format!("its copies are {}", known.join(", "))));
    }
    Ok(copies.iter().filter(|copy| names.is_empty() || names.contains(&copy.name)).collect())
}

/// The job of a task on the vault, or on the copy that is named.
///
/// # Errors
/// When no such copy is configured.
pub fn job(config: &Config, task: Task, copy: Option<&str>) -> Result<Job, CommandError> {
    if let Some(name) = copy {
        choose(config, &[name.to_owned()])?;
    }
    Ok(Job::of_copy(task, copy))
}

/// Opens a copy's store, led by its own settings. A folder must be there: one that is made in place of a
/// disk that is not mounted would fill the wrong disk.
pub fn open_store(copy: &Copy) -> Result<Store, CommandError> {
    host::open_store(&copy.url, copy.credentials.as_ref(), copy.lock, false).map_err(|error| {
        let folder = copy.url.scheme() == "file";
        let error = error.context(format!("copy {} cannot be used", copy.name));
        if folder {
            error.hint("is its disk mounted? a copy's folder is not made by itself: mkdir makes it")
        } else {
            error
        }
    })
}

/// The copy's limits, by this machine's clock in the configured time zone.
fn pace(copy: &Copy, zone: TimeZone) -> Pace {
    let limits = copy.bandwidth.clone();
    Pace::new(move || -> Option<NonZeroU64> {
        let now = zone.to_datetime(Timestamp::now());
        let minute = now.hour().unsigned_abs() as u16 * 60 + now.minute().unsigned_abs() as u16;
        Bandwidth::at(&limits, minute)
    })
}
