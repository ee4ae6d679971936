//! A status on one screen.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_console::{Align, Table, counted, escape, human_bytes, human_duration};

use super::{CopyMaintenance, Health, JobStatus, LocksStatus, Status, VaultStatus};
use crate::copies;
use crate::history::{Run, RunOutcome};
use crate::locks::LocksSeen;

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "agent {} at {}, vault {}", self.agent, self.at(self.time), escape(&self.vault))?;
        match self.daemon_pid {
            Some(pid) => writeln!(f, "the schedule is served by process {pid}")?,
            None => writeln!(f, "NOBODY serves the schedule: start `lifeboat-agent run`")?,
        }
        write!(f, "\n{}", self.table())?;
        self.notes(f)?;
        if !self.copies.is_empty() {
            write!(f, "\n{}", copies::table(&self.copies))?;
        }
        if !self.locks.is_empty() {
            writeln!(f)?;
        }
        for locks in &self.locks {
            writeln!(f, "{}", self.locks(locks))?;
        }
        let state = &self.state;
        let free = state.free_bytes.map_or_else(String::new, |free| format!(", {} free", human_bytes(free)));
        writeln!(
            f,
            "\nstate {}: {} of fingerprints, {} of other files{free}",
            escape(&state.path.display().to_string()),
            human_bytes(state.fingerprint_bytes),
            human_bytes(state.other_bytes)
        )?;
        let seen = self.seen.as_ref().map(|seen| self.seen(seen));
        let free = self.vault_free_bytes.map(|free| format!("{} free on its disk", human_bytes(free)));
        let vault: Vec<_> = seen.into_iter().chain(free).collect();
        if vault.is_empty() { Ok(()) } else { writeln!(f, "vault: {}", vault.join("; ")) }
    }
}

impl Status {
    fn table(&self) -> Table {
        let mut table = Table::new([
            ("what", Align::Left),
            ("last good", Align::Left),
            ("age", Align::Right),
            ("state", Align::Left),
            ("next", Align::Left),
            ("schedule", Align::Left),
        ]);
        for source in &self.sources {
            self.row(&mut table, &source.source, &source.backup);
        }
        for (task, job) in &self.maintenance {
            if !job.schedule.is_empty() || job.last_run.is_some() {
                self.row(&mut table, task, job);
            }
        }
        for of in &self.copy_maintenance {
            self.row(&mut table, &of.name(), &of.job);
        }
        table
    }

    fn row(&self, table: &mut Table, what: &str, job: &JobStatus) {
        let good = job.last_good.as_ref();
        let schedule = if job.schedule.is_empty() { "by hand".to_owned() } else { job.schedule.join(", ") };
        table.row([
            what.to_owned(),
            good.map_or_else(|| "none yet".to_owned(), |run| self.at(point(run))),
            job.age_seconds.map_or_else(String::new, age),
            job.health.as_str().to_owned(),
            job.next.map_or_else(String::new, |next| self.at(next)),
            schedule,
        ]);
    }

    /// What a table has no room for: runs under way, and why the last one failed.
    fn notes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.sources.iter().map(|source| (source.source.clone(), &source.backup));
        let maintenance = self.maintenance.iter().map(|(task, job)| ((*task).to_owned(), job));
        let copies = self.copy_maintenance.iter().map(|of| (of.name(), &of.job));
        for (what, job) in sources.chain(maintenance).chain(copies) {
            if let Some(run) = &job.running {
                let line = run.progress.as_deref().unwrap_or("beginning");
                writeln!(f, "{what}: run {} since {}, {}", run.id, self.at(run.started), escape(line))?;
            } else if let Some(run) = job.last_run.as_ref().filter(|run| !is_well(run)) {
                let when = self.at(run.finished.unwrap_or(run.started));
                let why = run.error.as_deref().unwrap_or("it is gone without a word");
                writeln!(f, "{what}: run {} {} at {when}: {}", run.id, run.outcome.as_str(), escape(why))?;
            }
            if job.health == Health::Late {
                let expected = age(job.expected_seconds.unwrap_or_default());
                writeln!(f, "{what}: its schedule asks for one every {expected}")?;
            }
        }
        Ok(())
    }

    /// `locks of copy frankfurt: its newest snapshot is locked until 2026-12-22 02:30 +08:00, seen to on …`.
    fn locks(&self, locks: &LocksStatus) -> String {
        let of = locks.copy.as_ref().map_or_else(|| "the vault".to_owned(), |name| format!("copy {name}"));
        let Some(LocksSeen { snapshot, until, seen_to }) = &locks.seen else {
            return format!("locks of {of}: this host has not seen to them yet");
        };
        let verb = if *until > self.time { "is locked until" } else { "was locked, and its lock ENDED on" };
        let (snapshot, until, seen_to) = (snapshot.short(), self.at(*until), self.at(*seen_to));
        format!("locks of {of}: snapshot {snapshot}, its newest, {verb} {until}; seen to on {seen_to}")
    }

    /// `12 snapshots and 3 packs, 1.2 GiB, on 2026-11-23 02:30 +08:00`.
    fn seen(&self, seen: &VaultStatus) -> String {
        let (snapshots, packs) = (counted(seen.snapshots, "snapshot"), counted(seen.packs, "pack"));
        format!("{snapshots} and {packs}, {}, on {}", human_bytes(seen.bytes), self.at(seen.time))
    }

    fn at(&self, at: Timestamp) -> String {
        at.to_zoned_datetime(self.zone.clone()).strftime("%F %H:%M %:z").to_string()
    }
}

impl CopyMaintenance {
    /// `prune frankfurt`.
    fn name(&self) -> String {
        format!("{} {}", self.task, self.copy)
    }
}

fn is_well(run: &Run) -> bool {
    matches!(run.outcome, RunOutcome::Good | RunOutcome::Running)
}

fn point(run: &Run) -> Timestamp {
    run.counts.point.unwrap_or(run.started)
}

fn age(seconds: i64) -> String {
    human_duration(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::tz::TimeZone;
    use lifeboat_vault::CopyStatus;

    use super::*;
    use crate::history::{Counts, Origin};
    use crate::job::Job;
    use crate::status::{SourceStatus, StateStatus};

    fn time(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn job(health: Health, last_good: Option<Run>) -> JobStatus {
        JobStatus {
            health,
            schedule: vec!["daily 02:30".into()],
            expected_seconds: Some(86_400),
            age_seconds: last_good.as_ref().map(|_| 45_000),
            last_run: last_good.clone(),
            last_ended: last_good.clone(),
            last_good,
            running: None,
            runs: BTreeMap::new(),
            first_due: None,
            next: Some(time("2026-11-23T18:30:00Z")),
            slots: BTreeMap::new(),
        }
    }

    fn locked(until: &str) -> LocksSeen {
        let snapshot = lifeboat_vault::SnapshotId([42; 32]);
        LocksSeen { seen_to: time("2026-11-22T18:31:00Z"), snapshot, until: time(until) }
    }

    fn run(outcome: RunOutcome, error: Option<&str>, progress: Option<&str>) -> Run {
        Run {
            id: "7f3a19b1c29e00000000000000000000".parse().expect("a run"),
            job: Job::backup("crm"),
            origin: Origin::Schedule,
            slot: None,
            attempt: 1,
            started: time("2026-11-22T18:30:00Z"),
            finished: error.map(|_| time("2026-11-22T18:31:00Z")),
            outcome,
            error: error.map(str::to_owned),
            counts: Counts::default(),
            progress: progress.map(str::to_owned),
        }
    }

    #[test]
    fn a_status_fits_on_one_screen() {
        let mut late = job(Health::Late, Some(run(RunOutcome::Good, None, None)));
        late.last_run = Some(run(RunOutcome::Failed, Some("connection refused"), None));
        let mut never = job(Health::Never, None);
        never.running = Some(run(RunOutcome::Running, None, Some("reading: 1,200 of 3,000 rows, 2.00 MiB")));
        let good = job(Health::Good, Some(run(RunOutcome::Good, None, None)));
        let source = |source: &str, backup| SourceStatus { source: source.into(), backup };
        let status = Status {
            time: time("2026-11-23T07:00:00Z"),
            agent: "db1".into(),
            vault: "s3://crm-backups/hamburg".into(),
            zone: TimeZone::get("Asia/Shanghai").expect("a time zone"),
            daemon_pid: Some(4711),
            sources: vec![source("crm", good.clone()), source("shop", late), source("forms", never)],
            maintenance: BTreeMap::from([("verify", good.clone())]),
            copy_maintenance: vec![CopyMaintenance { copy: "frankfurt".into(), task: "prune", job: good }],
            state: StateStatus {
                path: "/var/lib/lifeboat".into(),
                fingerprint_bytes: 48 << 20,
                other_bytes: 12 << 20,
                free_bytes: Some(10 << 30),
            },
            seen: Some(VaultStatus {
                time: time("2026-11-22T18:31:00Z"),
                snapshots: 12,
                oldest: Some(time("2026-11-11T18:30:00Z")),
                packs: 1,
                bytes: 270 << 20,
                recipients: BTreeMap::new(),
            }),
            copies: vec![CopyStatus {
                name: "frankfurt".into(),
                url: "s3://crm/north".into(),
                snapshots: 12,
                held: 11,
                lag_seconds: 45_000,
                newest_held: Some(time("2026-11-21T18:30:00Z")),
                verified: Some(time("2026-11-21T18:32:00Z")),
                tried: Some(time("2026-11-22T18:31:00Z")),
                failure: Some("the store does not answer".into()),
                findings: Vec::new(),
                objects: 30,
                bytes: 250 << 20,
            }],
            locks: vec![
                LocksStatus { copy: None, seen: Some(locked("2026-12-22T18:31:00Z")) },
                LocksStatus { copy: Some("frankfurt".into()), seen: Some(locked("2026-11-23T06:59:00Z")) },
                LocksStatus { copy: Some("safe".into()), seen: None },
            ],
            vault_free_bytes: Some(80 << 30),
        };
        let expected = "\
agent db1 at 2026-11-23 15:00 +08:00, vault s3://crm-backups/hamburg
the schedule is served by process 4711

what             last good                        age  state  next                     schedule
crm              2026-11-23 02:30 +08:00  12 h 30 min  good   2026-11-24 02:30 +08:00  daily 02:30
shop             2026-11-23 02:30 +08:00  12 h 30 min  LATE   2026-11-24 02:30 +08:00  daily 02:30
forms            none yet                              NEVER  2026-11-24 02:30 +08:00  daily 02:30
verify           2026-11-23 02:30 +08:00  12 h 30 min  good   2026-11-24 02:30 +08:00  daily 02:30
prune frankfurt  2026-11-23 02:30 +08:00  12 h 30 min  good   2026-11-24 02:30 +08:00  daily 02:30
shop: run r-7f3a19b1 failed at 2026-11-23 02:31 +08:00: connection refused
shop: its schedule asks for one every 1 d 00 h
forms: run r-7f3a19b1 since 2026-11-23 02:30 +08:00, reading: 1,200 of 3,000 rows, 2.00 MiB

copy       holds               behind for   last complete            size  last problem
frankfurt  11 of 12 snapshots  12 h 30 min  2026-11-21T18:32:00Z  250 MiB  the store does not answer

locks of the vault: snapshot 2a2a2a2a, its newest, is locked until 2026-12-23 02:31 +08:00; seen to on 2026-11-23 02:31 +08:00
locks of copy frankfurt: snapshot 2a2a2a2a, its newest, was locked, and its lock ENDED on 2026-11-23 14:59 +08:00; seen to on 2026-11-23 02:31 +08:00
locks of copy safe: this host has not seen to them yet

state /var/lib/lifeboat: 48.0 MiB of fingerprints, 12.0 MiB of other files, 10.0 GiB free
vault: 12 snapshots and 1 pack, 270 MiB, on 2026-11-23 02:31 +08:00; 80.0 GiB free on its disk
";
        assert_eq!(status.to_string(), expected);
    }
}
