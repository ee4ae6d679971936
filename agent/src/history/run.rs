//! One run, from its beginning to its end.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lifeboat_console::{CommandError, Kind, chain};
use serde::Serialize;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{History, at, job, ms};
use crate::backup::Summary;
use crate::explain::explain;
use crate::job::Job;
use crate::run_id::RunId;

/// Who asked for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The schedule.
    Schedule,
    /// A person who typed the verb.
    Hand,
    /// Nobody knows: it is recalled from its manifest.
    Vault,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    /// It is under way.
    Running,
    /// It did what it was for.
    Good,
    /// It did a part.
    Partial,
    /// Its snapshot is kept and flagged, or it waits for somebody to approve what it would do.
    Held,
    /// It failed.
    Failed,
    /// A signal ended it.
    Stopped,
    /// It was gone without a word.
    Killed,
}

/// What a good run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The snapshot's id.
    pub snapshot: Option<String>,
    /// When its point was fixed.
    pub point: Option<Timestamp>,
    /// Rows in it.
    pub rows: Option<u64>,
    /// Raw bytes in it.
    pub raw_bytes: Option<u64>,
    /// Raw bytes that the vault did not have.
    pub new_raw_bytes: Option<u64>,
    /// Bytes added to the store.
    pub stored_bytes: Option<u64>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// In one word.
    pub outcome: RunOutcome,
    /// The program's exit code, when it had one.
    pub exit_code: Option<u8>,
    /// Why, on one line.
    pub error: Option<String>,
    /// What it came to.
    pub counts: Counts,
}

/// A run, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// What it is a run of.
    #[serde(skip)]
    pub job: Job,
    /// Who asked for it.
    pub origin: Origin,
    /// The slot it is for.
    pub slot: Option<Timestamp>,
    /// How many runs that slot has had, this one included.
    pub attempt: u32,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// How it stands.
    pub outcome: RunOutcome,
    /// Why it failed, on one line.
    pub error: Option<String>,
    /// What it came to.
    #[serde(flatten)]
    pub counts: Counts,
    /// The last line about it, while it runs.
    pub progress: Option<String>,
}

impl RunOutcome {
    const ALL: [Self; 7] =
        [Self::Running, Self::Good, Self::Partial, Self::Held, Self::Failed, Self::Stopped, Self::Killed];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Good => "good",
            Self::Partial => "partial",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
        }
    }

    fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word).unwrap_or(Self::Failed)
    }
}

impl Origin {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Hand => "hand",
            Self::Vault => "vault",
        }
    }
}

impl Ended {
    /// A run that did what it was for, as its summary tells.
    pub fn good(summary: &Value) -> Self {
        Self { outcome: RunOutcome::Good, exit_code: Some(0), error: None, counts: Counts::of(summary) }
    }

    /// A backup that took its snapshot, and what is amiss all the same.
    pub fn of_backup(summary: &Summary, amiss: Option<&CommandError>) -> Self {
        let good = Self::good(&serde_json::to_value(summary).expect("a summary is JSON"));
        amiss.map_or(good.clone(), |error| Self { counts: good.counts, ..Self::with_error(error) })
    }

    /// A run that ended with an error.
    pub fn with_error(error: &CommandError) -> Self {
        let kind = error.explained(explain).kind;
        let outcome = match kind {
            Kind::Partial => RunOutcome::Partial,
            Kind::Interrupted => RunOutcome::Stopped,
            Kind::Anomaly | Kind::ApprovalMissing => RunOutcome::Held,
            _ => RunOutcome::Failed,
        };
        let exit_code = Some(kind.exit_code());
        let text = chain(error.error());
        Self { outcome, exit_code, error: Some(text), counts: Counts::default() }
    }
}

impl Counts {
    /// Of the last JSON line of a run.
    pub fn of(summary: &Value) -> Self {
        let text = |key: &str| summary.get(key).and_then(Value::as_str);
        let number = |key: &str| summary.get(key).and_then(Value::as_u64);
        Self {
            snapshot: text("snapshot").map(str::to_owned),
            point: text("time").and_then(|time| time.parse().ok()),
            rows: number("rows"),
            raw_bytes: number("raw_bytes"),
            new_raw_bytes: number("new_raw_bytes"),
            stored_bytes: number("stored_bytes"),
        }
    }
}

impl History {
    /// Writes down that a run begins.
    pub async fn begin(
        &self,
        id: RunId,
        job: &Job,
        origin: Origin,
        slot: Option<(Timestamp, u32)>,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        sqlx::query(
            "INSERT INTO runs (id, task, source, origin, slot, attempt, started, outcome) \
             VALUES (?, ?, ?, ?, ?, ?, ?, 'running')",
        )
        .bind(id.hex())
        .bind(job.task.as_str())
        .bind(job.of())
        .bind(origin.as_str())
        .bind(slot.map(|(slot, _)| ms(slot)))
        .bind(slot.map_or(1, |(_, attempt)| i64::from(attempt)))
        .bind(ms(now))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Keeps the last line about a run.
    pub async fn progress(&self, id: RunId, line: &str) -> Result<(), CommandError> {
        sqlx::query("UPDATE runs SET progress = ? WHERE id = ?")
            .bind(line)
            .bind(id.hex())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Writes down how a run ended.
    pub async fn end(&self, id: RunId, ended: &Ended, now: Timestamp) -> Result<(), CommandError> {
        let counts = &ended.counts;
        let number = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
        sqlx::query(
            "UPDATE runs SET finished = ?, outcome = ?, exit_code = ?, error = ?, snapshot = ?, point = ?, rows = ?, \
             raw_bytes = ?, new_raw_bytes = ?, stored_bytes = ?, progress = NULL WHERE id = ?",
        )
        .bind(ms(now))
        .bind(ended.outcome.as_str())
        .bind(ended.exit_code.map(i64::from))
        .bind(&ended.error)
        .bind(&counts.snapshot)
        .bind(counts.point.map(ms))
        .bind(number(counts.rows))
        .bind(number(counts.raw_bytes))
        .bind(number(counts.new_raw_bytes))
        .bind(number(counts.stored_bytes))
        .bind(id.hex())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Runs that are said to be under way and are not were killed.
    pub async fn bury(&self, now: Timestamp, is_alive: impl Fn(&Run) -> bool) -> Result<(), CommandError> {
        let rows = sqlx::query("SELECT * FROM runs WHERE outcome = 'running'").fetch_all(&self.pool).await?;
        for run in rows.iter().filter_map(run).filter(|run| !is_alive(run)) {
            let error = Some("the program that ran it is gone: it was killed, or the machine stopped".into());
            let ended =
                Ended { outcome: RunOutcome::Killed, exit_code: None, error, counts: Counts::default() };
            self.end(run.id, &ended, now).await?;
        }
        Ok(())
    }

    /// The newest run of a job.
    pub async fn last(&self, job: &Job) -> Result<Option<Run>, CommandError> {
        self.newest(job, "1").await
    }

    /// The newest run of a job that has ended.
    pub async fn last_ended(&self, job: &Job) -> Result<Option<Run>, CommandError> {
        self.newest(job, "outcome <> 'running'").await
    }

    /// The newest run of a job that did what it was for, by the point of its snapshot. A backup that did a part,
    /// or was stopped, and has a snapshot lacks copies of it; the snapshot itself is whole.
    pub async fn last_good(&self, job: &Job) -> Result<Option<Run>, CommandError> {
        let such =
            "outcome IN ('good', 'held') OR (outcome IN ('partial', 'stopped') AND snapshot IS NOT NULL)";
        self.newest(job, such).await
    }

    /// Every run of a job that is under way.
    pub async fn running(&self, job: &Job) -> Result<Option<Run>, CommandError> {
        self.newest(job, "outcome = 'running'").await
    }

    /// How many runs of each job that began since an instant have ended in which way.
    pub async fn run_counts(&self, since: Timestamp) -> Result<BTreeMap<(Job, String), u64>, CommandError> {
        let rows = sqlx::query(
            "SELECT task, source, outcome, count(*) AS n FROM runs WHERE started >= ? AND outcome <> 'running' \
             AND origin <> 'vault' GROUP BY 1, 2, 3",
        )
        .bind(ms(since))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().filter_map(super::counted).collect())
    }

    async fn newest(&self, job: &Job, such: &'static str) -> Result<Option<Run>, CommandError> {
        let query = format!(
            "SELECT * FROM runs WHERE task = ? AND source = ? AND ({such}) \
             ORDER BY coalesce(point, started) DESC LIMIT 1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(job.task.as_str())
            .bind(job.of())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.as_ref().and_then(run))
    }
}

fn run(row: &SqliteRow) -> Option<Run> {
    let number = |name: &str| row.get::<Option<i64>, _>(name);
    let count = |name: &str| number(name).and_then(|count| u64::try_from(count).ok());
    let text = |name: &str| row.get::<Option<String>, _>(name);
    Some(Run {
        id: row.get::<&str, _>("id").parse().ok()?,
        job: job(row)?,
        origin: match row.get("origin") {
            "schedule" => Origin::Schedule,
            "hand" => Origin::Hand,
            _ => Origin::Vault,
        },
        slot: number("slot").map(at),
        attempt: number("attempt").and_then(|attempt| u32::try_from(attempt).ok()).unwrap_or(1),
        started: at(number("started")?),
        finished: number("finished").map(at),
        outcome: RunOutcome::from_word(row.get("outcome")),
        error: text("error"),
        counts: Counts {
            snapshot: text("snapshot"),
            point: number("point").map(at),
            rows: count("rows"),
            raw_bytes: count("raw_bytes"),
            new_raw_bytes: count("new_raw_bytes"),
            stored_bytes: count("stored_bytes"),
        },
        progress: text("progress"),
    })
}
