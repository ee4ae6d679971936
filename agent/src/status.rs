//! How things stand on this host, as a value: `status` prints it, and the metrics are made of it.
//!
//! It is made from the history, the configuration and the clock alone, so that it is quick, and answers while
//! the store or the daemon is away.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lifeboat_config::Config;
use lifeboat_console::CommandError;
use lifeboat_vault::{CopyMemory, CopyStatus, Grade};
use serde::Serialize;

use crate::copies;
use crate::history::{History, Run, RunOutcome};
use crate::job::{Job, Task};
use crate::lock;
use crate::locks::LocksSeen;
use crate::schedule::{Place, Rules};
use crate::seen::Seen;

mod shown;

/// Slots and runs are counted over this time.
const COUNTED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How things stand.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// When it was looked.
    pub time: Timestamp,
    /// This agent's name.
    pub agent: String,
    /// The vault.
    pub vault: String,
    /// The clock that schedules mean.
    #[serde(skip)]
    pub zone: TimeZone,
    /// The process that serves the schedule, if one does.
    pub daemon_pid: Option<u32>,
    /// Every configured source.
    pub sources: Vec<SourceStatus>,
    /// Work on the vault as a whole, by task.
    pub maintenance: BTreeMap<&'static str, JobStatus>,
    /// Work on single copies that has a schedule, or has been done.
    pub copy_maintenance: Vec<CopyMaintenance>,
    /// The state folder.
    pub state: StateStatus,
    /// The vault as a run of this host last saw it.
    pub seen: Option<VaultStatus>,
    /// Every configured copy, once the vault has been seen.
    pub copies: Vec<CopyStatus>,
    /// The locks of the vault and of each copy that is configured to lock, the vault's first.
    pub locks: Vec<LocksStatus>,
    /// Bytes free where the vault is, when that is a folder of this machine.
    pub vault_free_bytes: Option<u64>,
}

/// What a vault holds.
#[derive(Debug, Clone, Serialize)]
pub struct VaultStatus {
    /// When it was seen.
    pub time: Timestamp,
    /// Snapshots, of every source and host.
    pub snapshots: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Timestamp>,
    /// Packs.
    pub packs: u64,
    /// Bytes of packs, index and manifests.
    pub bytes: u64,
    /// How many people may open rows, by grade.
    pub recipients: BTreeMap<Grade, u64>,
}

/// How a source stands.
#[derive(Debug, Clone, Serialize)]
pub struct SourceStatus {
    /// Its name.
    pub source: String,
    /// Its backups.
    #[serde(flatten)]
    pub backup: JobStatus,
}

/// How the locks of a store stand.
#[derive(Debug, Clone, Serialize)]
pub struct LocksStatus {
    /// The copy; none for the vault itself.
    pub copy: Option<String>,
    /// What this host last saw of them, if it has seen to them.
    #[serde(flatten)]
    pub seen: Option<LocksSeen>,
}

/// How work on a copy stands.
#[derive(Debug, Clone, Serialize)]
pub struct CopyMaintenance {
    /// The copy's name.
    pub copy: String,
    /// The task.
    pub task: &'static str,
    /// Its runs.
    #[serde(flatten)]
    pub job: JobStatus,
}

/// How a job stands.
#[derive(Debug, Clone, Serialize)]
pub struct JobStatus {
    /// In one word.
    pub health: Health,
    /// The schedule's words.
    pub schedule: Vec<String>,
    /// The longest time between two slots, in seconds: what is older than half as much again is late.
    pub expected_seconds: Option<i64>,
    /// The age of the last good run's point, in seconds.
    pub age_seconds: Option<i64>,
    /// The last run that did what it was for.
    pub last_good: Option<Run>,
    /// The last run.
    pub last_run: Option<Run>,
    /// The last run that has ended.
    #[serde(skip)]
    pub last_ended: Option<Run>,
    /// The run under way.
    pub running: Option<Run>,
    /// How many runs of the last thirty days have ended in which way.
    pub runs: BTreeMap<String, u64>,
    /// When the first run that is known of was due.
    #[serde(skip)]
    pub first_due: Option<Timestamp>,
    /// When the next one begins, while a daemon runs.
    pub next: Option<Timestamp>,
    /// What the slots of the last thirty days came to.
    pub slots: BTreeMap<String, u64>,
}

/// Whether somebody has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// The last good run is as young as the schedule asks.
    Good,
    /// It is older.
    Late,
    /// There was none yet.
    Never,
}

/// The state folder.
#[derive(Debug, Clone, Serialize)]
pub struct StateStatus {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes of rows' fingerprints, by which the next run knows what has changed.
    pub fingerprint_bytes: u64,
    /// Everything else in it: the index, the history.
    pub other_bytes: u64,
    /// Bytes free on its disk.
    pub free_bytes: Option<u64>,
}

impl Status {
    /// Looks.
    ///
    /// # Errors
    /// When the history is there and cannot be read.
    pub async fn look(
        config: &Config,
        history: Option<&History>,
        now: Timestamp,
    ) -> Result<Self, CommandError> {
        let rules = Rules::of(config);
        let state = &config.agent.state;
        let daemon_pid = lock::daemon_pid(state);
        let mut looking = Looking::new(&rules, state, now);
        looking.is_served = daemon_pid.is_some();
        if let Some(history) = history {
            looking.ask(history).await?;
        }
        let seen = Seen::read(state);
        let copies = seen.as_ref().map_or_else(Vec::new, |seen| {
            let snapshots: Vec<_> = seen.snapshots.iter().map(|(id, time)| (*id, *time)).collect();
            copies::statuses(config, &snapshots, now)
        });
        let mut sources = Vec::new();
        for source in &config.sources {
            let backup = looking.job(&Job::backup(&source.name)).await?;
            sources.push(SourceStatus { source: source.name.clone(), backup });
        }
        let mut maintenance = BTreeMap::new();
        for task in Task::OF_VAULT {
            maintenance.insert(task.as_str(), looking.job(&Job::of_vault(task)).await?);
        }
        let mut copy_maintenance = Vec::new();
        for copy in &config.vault.copies {
            for task in Task::OF_COPY {
                let job = looking.job(&Job::of_copy(task, Some(&copy.name))).await?;
                if !job.schedule.is_empty() || job.last_run.is_some() {
                    copy_maintenance.push(CopyMaintenance {
                        copy: copy.name.clone(),
                        task: task.as_str(),
                        job,
                    });
                }
            }
        }
        Ok(Self {
            time: now,
            agent: config.agent.name.clone(),
            vault: config.vault.url.to_string(),
            zone: rules.zone().clone(),
            daemon_pid,
            sources,
            maintenance,
            copy_maintenance,
            state: StateStatus::of(state),
            seen: seen.map(VaultStatus::of),
            copies,
            locks: locks(config),
            vault_free_bytes: config.vault.url.to_file_path().ok().and_then(|path| free_bytes(&path)),
        })
    }
}

fn locks(config: &Config) -> Vec<LocksStatus> {
    let (vault, state) = (&config.vault, &config.agent.state);
    let own = vault.lock.map(|_| LocksStatus { copy: None, seen: LocksSeen::read(state) });
    let copies = vault.copies.iter().filter(|copy| copy.lock.is_some()).map(|copy| {
        let seen = LocksSeen::read(CopyMemory::new(state, &copy.name).folder());
        LocksStatus { copy: Some(copy.name.clone()), seen }
    });
    own.into_iter().chain(copies).collect()
}

/// What looking at every job needs. Whatever is asked of the whole history is asked once.
struct Looking<'a> {
    rules: &'a Rules,
    state: &'a Path,
    now: Timestamp,
    is_served: bool,
    history: Option<&'a History>,
    places: BTreeMap<Job, Place>,
    first_slots: BTreeMap<Job, Timestamp>,
    slots: BTreeMap<(Job, String), u64>,
    runs: BTreeMap<(Job, String), u64>,
}

impl<'a> Looking<'a> {
    /// Before anything has run.
    fn new(rules: &'a Rules, state: &'a Path, now: Timestamp) -> Self {
        let (slots, runs) = (BTreeMap::new(), BTreeMap::new());
        let (places, first_slots) = (BTreeMap::new(), BTreeMap::new());
        Self { rules, state, now, is_served: false, history: None, places, first_slots, slots, runs }
    }

    async fn ask(&mut self, history: &'a History) -> Result<(), CommandError> {
        let since = self.now.checked_sub(COUNTED)?;
        self.history = Some(history);
        self.places = history.places().await?;
        self.first_slots = history.first_slots().await?;
        self.slots = history.slot_counts(since).await?;
        self.runs = history.run_counts(since).await?;
        Ok(())
    }

    async fn job(&self, job: &Job) -> Result<JobStatus, CommandError> {
        let (mut last_good, mut last_run, mut last_ended, mut running) = (None, None, None, None);
        if let Some(history) = self.history {
            last_good = history.last_good(job).await?;
            last_run = history.last(job).await?.map(|run| self.as_it_is(run));
            last_ended = history.last_ended(job).await?;
            running = history.running(job).await?.filter(|_| lock::is_running(self.state, job));
        }
        let schedules =
            self.rules.jobs().find(|(of, _)| *of == job).map_or(&[][..], |(_, schedules)| schedules);
        let expected = self.rules.longest_gap(job, self.now);
        let point = last_good.as_ref().map(|run: &Run| run.counts.point.unwrap_or(run.started));
        let age = point.map(|point| self.now.duration_since(point));
        Ok(JobStatus {
            health: health(age, expected),
            schedule: schedules.iter().map(ToString::to_string).collect(),
            expected_seconds: expected.map(|expected| expected.as_secs()),
            age_seconds: age.map(|age| age.as_secs()),
            last_good,
            last_run,
            last_ended,
            running,
            runs: of(job, &self.runs),
            first_due: self.first_due(job),
            next: self.next(job, self.places.get(job)),
            slots: of(job, &self.slots),
        })
    }

    /// A slot is settled when its last run has ended: the first may be open still.
    fn first_due(&self, job: &Job) -> Option<Timestamp> {
        let last = self.places.get(job).and_then(|place| place.last);
        self.first_slots.get(job).copied().into_iter().chain(last).min()
    }

    fn next(&self, job: &Job, place: Option<&Place>) -> Option<Timestamp> {
        if self.is_served { self.rules.next_run(job, place, self.now) } else { None }
    }

    /// What is said to run and does not was killed.
    fn as_it_is(&self, mut run: Run) -> Run {
        if run.outcome == RunOutcome::Running && !lock::is_running(self.state, &run.job) {
            run.outcome = RunOutcome::Killed;
        }
        run
    }
}

/// What of all jobs' counts is one job's.
fn of(job: &Job, counts: &BTreeMap<(Job, String), u64>) -> BTreeMap<String, u64> {
    let own = counts.iter().filter(|((of, _), _)| of == job);
    own.map(|((_, word), count)| (word.clone(), *count)).collect()
}

fn health(age: Option<SignedDuration>, expected: Option<SignedDuration>) -> Health {
    match (age, expected) {
        (None, _) => Health::Never,
        (Some(age), Some(expected)) if age.as_secs() * 2 > expected.as_secs() * 3 => Health::Late,
        (Some(_), _) => Health::Good,
    }
}

impl Health {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Late => "LATE",
            Self::Never => "NEVER",
        }
    }
}

impl VaultStatus {
    fn of(seen: Seen) -> Self {
        Self {
            time: seen.time,
            snapshots: seen.snapshots.len() as u64,
            oldest: seen.snapshots.values().min().copied(),
            packs: seen.packs,
            bytes: seen.bytes,
            recipients: seen.recipients,
        }
    }
}

impl StateStatus {
    fn of(path: &Path) -> Self {
        let (mut fingerprint_bytes, mut other_bytes) = (0, 0);
        for entry in path.read_dir().into_iter().flatten().flatten() {
            let is_fingerprints = entry.file_name().to_string_lossy().starts_with("rows-");
            let bytes = if is_fingerprints { &mut fingerprint_bytes } else { &mut other_bytes };
            *bytes += bytes_of(&entry.path());
        }
        Self { path: path.to_owned(), fingerprint_bytes, other_bytes, free_bytes: free_bytes(path) }
    }
}

/// Of a file, or of the files of a folder and the folders below. What is gone meanwhile has none.
fn bytes_of(path: &Path) -> u64 {
    let Ok(meta) = path.symlink_metadata() else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    path.read_dir().into_iter().flatten().flatten().map(|entry| bytes_of(&entry.path())).sum()
}

fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_half_as_much_again_as_the_schedule_asks() {
        let hours = |hours| Some(SignedDuration::from_hours(hours));
        assert_eq!(health(None, hours(24)), Health::Never);
        assert_eq!(health(hours(36), hours(24)), Health::Good);
        assert_eq!(health(hours(37), hours(24)), Health::Late);
        assert_eq!(health(hours(9_999), None), Health::Good);
    }
}
