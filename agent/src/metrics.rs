//! What Prometheus reads of the daemon, and whether it is alive: `GET /metrics` and `GET /health` on `listen`.
//!
//! Times are told as timestamps, never as ages, and what never happened as 0, so that an alert on it fires at
//! once instead of staying absent. Labels are the branch, the source and the task: nothing that grows.

mod exposition;
mod serve;
mod space;

use jiff::Timestamp;

use crate::history::{Run, RunOutcome};
use crate::status::{JobStatus, Status};
pub use exposition::Format;
use exposition::{Family, Kind, Labels};
pub use serve::Server;

/// How a run ended, as far as alerts care.
const STATES: [&str; 4] = ["ok", "held", "partial", "failed"];

/// Messages to a place that came to an outcome: place, outcome, how many.
pub type Delivery = (String, String, u64);

/// Everything that is known, as families of samples.
pub fn families(branch: &str, status: &Status, deliveries: &[Delivery]) -> Vec<Family> {
    let mut build = Family::new("lifeboat_build", Kind::Info, "The program.");
    build.add(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0);
    let mut jobs = Jobs::new();
    for source in &status.sources {
        jobs.add(
            vec![("branch", branch.into()), ("source", source.source.clone())],
            "backup",
            &source.backup,
        );
    }
    for (task, job) in &status.maintenance {
        jobs.add(vec![("branch", branch.into())], task, job);
    }
    for of in &status.copy_maintenance {
        jobs.add(vec![("branch", branch.into()), ("copy", of.copy.clone())], of.task, &of.job);
    }
    let mut sent =
        Family::new("lifeboat_notify_deliveries", Kind::Counter, "Messages to places, by what came of them.");
    for (place, outcome, count) in deliveries {
        sent.add(vec![("place", place.clone()), ("outcome", outcome.clone())], *count as f64);
    }
    let space = space::families(branch, status);
    std::iter::once(build).chain(jobs.into_families()).chain([sent]).chain(space).collect()
}

/// The families that every task of every source is in.
struct Jobs {
    last_success: Family,
    last_run: Family,
    status: Family,
    duration: Family,
    target: Family,
    schedule: Family,
    first_due: Family,
    runs: Family,
    next: Family,
    running: Family,
    rows: Family,
    logical: Family,
    new: Family,
    stored: Family,
    dedup: Family,
    compression: Family,
    slots: Family,
}

impl Jobs {
    fn new() -> Self {
        let gauge = |name, help| Family::new(name, Kind::Gauge, help);
        Self {
            last_success: gauge(
                "lifeboat_last_success_timestamp_seconds",
                "When the point of the last good run was fixed; 0 for never.",
            ),
            last_run: gauge("lifeboat_last_run_timestamp_seconds", "When the last run began; 0 for never."),
            status: Family::new(
                "lifeboat_last_run_status",
                Kind::StateSet,
                "How the last run that ended has ended.",
            ),
            duration: gauge("lifeboat_run_duration_seconds", "How long the last run that ended took."),
            target: gauge(
                "lifeboat_rpo_target_seconds",
                "The longest time between two backups, by the schedule.",
            ),
            schedule: gauge(
                "lifeboat_schedule_seconds",
                "The longest time between two runs, by the schedule; absent where there is none.",
            ),
            first_due: gauge(
                "lifeboat_first_due_timestamp_seconds",
                "When the first run by the schedule was due, as far as is known; absent before that.",
            ),
            runs: gauge(
                "lifeboat_runs_30d",
                "Runs that began in the last thirty days and have ended, by outcome.",
            ),
            next: gauge("lifeboat_next_run_timestamp_seconds", "When the next run begins."),
            running: gauge("lifeboat_running", "1 while a run is under way."),
            rows: gauge("lifeboat_rows", "Rows in the last good snapshot."),
            logical: gauge("lifeboat_logical_bytes", "Raw bytes in the last good snapshot."),
            new: gauge("lifeboat_new_bytes", "Raw bytes of it that the vault did not have."),
            stored: gauge("lifeboat_added_bytes", "Bytes that it added to the store."),
            dedup: gauge("lifeboat_dedup_ratio", "New raw bytes for each raw byte of it."),
            compression: gauge(
                "lifeboat_compression_ratio",
                "Bytes added to the store for each new raw byte.",
            ),
            slots: gauge("lifeboat_slots", "What the slots of the last thirty days came to."),
        }
    }

    fn add(&mut self, labels: Labels, task: &str, job: &JobStatus) {
        let place = labels.clone();
        let mut labels = labels;
        labels.push(("task", task.to_owned()));
        let good = job.last_good.as_ref();
        self.last_success
            .add(labels.clone(), seconds(good.map(|run| run.counts.point.unwrap_or(run.started))));
        self.last_run.add(labels.clone(), seconds(job.last_run.as_ref().map(|run| run.started)));
        if let Some((run, state)) = job.last_ended.as_ref().and_then(|run| Some((run, state(run)?))) {
            self.status.add_state(&labels, &STATES, state);
            if let Some(finished) = run.finished {
                self.duration.add(labels.clone(), finished.duration_since(run.started).as_secs_f64());
            }
        }
        if let Some(expected) = job.expected_seconds {
            self.schedule.add(labels.clone(), expected as f64);
            if task == "backup" {
                self.target.add(place, expected as f64);
            }
        }
        if let Some(due) = job.first_due.filter(|_| job.expected_seconds.is_some()) {
            self.first_due.add(labels.clone(), seconds(Some(due)));
        }
        for (outcome, count) in &job.runs {
            let outcome = ("outcome", outcome.clone());
            self.runs.add(labels.iter().cloned().chain([outcome]).collect(), *count as f64);
        }
        if let Some(next) = job.next {
            self.next.add(labels.clone(), seconds(Some(next)));
        }
        self.running.add(labels.clone(), f64::from(u8::from(job.running.is_some())));
        for (outcome, count) in &job.slots {
            let mut labels = labels.clone();
            labels.push(("outcome", outcome.clone()));
            self.slots.add(labels, *count as f64);
        }
        if let Some(good) = good {
            self.add_counts(&labels, good);
        }
    }

    fn add_counts(&mut self, labels: &Labels, run: &Run) {
        let counts = &run.counts;
        let pairs = [
            (&mut self.rows, counts.rows),
            (&mut self.logical, counts.raw_bytes),
            (&mut self.new, counts.new_raw_bytes),
            (&mut self.stored, counts.stored_bytes),
        ];
        for (family, value) in pairs {
            if let Some(value) = value {
                family.add(labels.clone(), value as f64);
            }
        }
        for (family, part, whole) in [
            (&mut self.dedup, counts.new_raw_bytes, counts.raw_bytes),
            (&mut self.compression, counts.stored_bytes, counts.new_raw_bytes),
        ] {
            if let (Some(part), Some(whole @ 1..)) = (part, whole) {
                family.add(labels.clone(), part as f64 / whole as f64);
            }
        }
    }

    fn into_families(self) -> Vec<Family> {
        let Self { last_success, last_run, status, duration, target, schedule, first_due, .. } = self;
        let Self { runs, next, running, rows, logical, new, stored, dedup, compression, slots, .. } = self;
        vec![
            last_success,
            last_run,
            status,
            duration,
            target,
            schedule,
            first_due,
            runs,
            next,
            running,
            rows,
            logical,
            new,
            stored,
            dedup,
            compression,
            slots,
        ]
    }
}

/// A time as Prometheus wants it; 0 for never.
fn seconds(time: Option<Timestamp>) -> f64 {
    time.map_or(0.0, |time| time.as_second() as f64)
}

/// How a run ended, once it has.
fn state(run: &Run) -> Option<&'static str> {
    Some(match run.outcome {
        RunOutcome::Running => return None,
        RunOutcome::Good => "ok",
        RunOutcome::Held => "held",
        RunOutcome::Partial => "partial",
        RunOutcome::Failed | RunOutcome::Stopped | RunOutcome::Killed => "failed",
    })
}
