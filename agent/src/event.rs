//! What an operator should hear of: one event, told once, and its end.
//!
//! An event names what was looked at (a [`Check`] of a source), not the run that found it: as long as the
//! same check fails, it is one event, and the first success ends it.

use std::fmt;

use jiff::Timestamp;
use lifeboat_config::Severity;
use serde::{Deserialize, Serialize};

use crate::run_id::RunId;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What was looked at.
    pub check: Check,
    /// Whether it is bad, good again, or only worth knowing.
    pub state: State,
    /// How bad it is; a recovery is as severe as what it ends.
    pub severity: Severity,
    /// The branch.
    pub branch: String,
    /// The source, unless it is about the whole agent.
    pub source: Option<String>,
    /// The copy, the target or whatever else of the check it is about.
    pub subject: Option<String>,
    /// The run that found it.
    pub run: RunId,
    /// When it was found.
    pub at: Timestamp,
    /// Since when it has been so, where that is earlier.
    pub since: Option<Timestamp>,
    /// The source's last good snapshot, where it is known.
    pub last_good: Option<Timestamp>,
    /// Why, in the words of the error. No row data, no secrets.
    pub why: String,
    /// What to do next: commands to type, questions to ask.
    pub next: Vec<String>,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// A source's snapshot was taken.
    Backup,
    /// Runs begin when they are due.
    Schedule,
    /// A snapshot is like those before it.
    Anomaly,
    /// A copy holds what it should.
    Copy,
    /// Old snapshots expire.
    Expire,
    /// Space is freed.
    Prune,
    /// What is stored is whole.
    Verify,
    /// A restore works.
    Drill,
    /// The agent itself: its configuration, its state, its clock.
    Agent,
    /// A place that is told takes what it is sent.
    Notify,
    /// What others do with the vault is usual, and its record whole.
    Record,
    /// What the vault keeps is locked for long enough.
    Lock,
}

/// What an event says of its check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It fails.
    Failed,
    /// It is good again.
    Recovered,
}

/// What an agent does, in the words of schedules, metrics and pings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Takes a snapshot.
    Backup,
    /// Proves what is stored.
    Verify,
    /// Restores into a scratch database.
    Drill,
    /// Drops snapshots by policy.
    Expire,
    /// Frees space.
    Prune,
    /// Brings copies up to date.
    Copy,
    /// Says how things are.
    Report,
}

impl Event {
    /// A check of this branch that fails now; everything else is filled in by the caller.
    pub fn failed(check: Check, severity: Severity, branch: &str, run: RunId, at: Timestamp) -> Self {
        Self {
            check,
            state: State::Failed,
            severity,
            branch: branch.to_owned(),
            source: None,
            subject: None,
            run,
            at,
            since: None,
            last_good: None,
            why: String::new(),
            next: Vec::new(),
        }
    }

    /// The end of this event, found by `run`.
    pub fn recovered(&self, run: RunId, at: Timestamp) -> Self {
        Self {
            state: State::Recovered,
            run,
            at,
            since: Some(self.since.unwrap_or(self.at)),
            why: String::new(),
            next: Vec::new(),
            last_good: None,
            ..self.clone()
        }
    }

    /// What stays the same from the first failure to the recovery.
    pub fn dedup_key(&self) -> String {
        dedup_key(&self.branch, self.source.as_deref(), self.check, self.subject.as_deref())
    }

    /// Its name for programs, such as `backup.failed`.
    pub fn name(&self) -> String {
        let state = match self.state {
            State::Failed => "failed",
            State::Recovered => "recovered",
        };
        format!("{}.{state}", self.check)
    }

    /// What the agent was doing.
    pub fn task(&self) -> Task {
        self.check.task()
    }
}

/// The key of a check: `lifeboat/BRANCH/SOURCE/CHECK`, with `-` for the agent as a whole.
pub fn dedup_key(branch: &str, source: Option<&str>, check: Check, subject: Option<&str>) -> String {
    let subject = subject.map(|subject| format!("/{subject}")).unwrap_or_default();
    format!("lifeboat/{branch}/{}/{check}{subject}", source.unwrap_or("-"))
}

impl Check {
    /// The task that it belongs to.
    pub const fn task(self) -> Task {
        match self {
            Self::Backup | Self::Schedule | Self::Anomaly | Self::Lock => Task::Backup,
            Self::Copy => Task::Copy,
            Self::Expire => Task::Expire,
            Self::Prune => Task::Prune,
            Self::Verify => Task::Verify,
            Self::Drill => Task::Drill,
            Self::Agent | Self::Notify | Self::Record => Task::Report,
        }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Schedule => "schedule",
            Self::Anomaly => "anomaly",
            Self::Copy => "copy",
            Self::Expire => "expire",
            Self::Prune => "prune",
            Self::Verify => "verify",
            Self::Drill => "drill",
            Self::Agent => "agent",
            Self::Notify => "notify",
            Self::Record => "record",
            Self::Lock => "lock",
        }
    }
}

impl Task {
    /// The check that fails when the task does.
    pub const fn check(self) -> Check {
        match self {
            Self::Backup => Check::Backup,
            Self::Verify => Check::Verify,
            Self::Drill => Check::Drill,
            Self::Expire => Check::Expire,
            Self::Prune => Check::Prune,
            Self::Copy => Check::Copy,
            Self::Report => Check::Agent,
        }
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Verify => "verify",
            Self::Drill => "drill",
            Self::Expire => "expire",
            Self::Prune => "prune",
            Self::Copy => "copy",
            Self::Report => "report",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
