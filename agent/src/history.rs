//! What has run, what became of every slot, and where the scheduler is: a SQLite file in the state folder.
//!
//! It may be lost at any time. One that cannot be read is put aside and begun anew, and what matters of it is
//! recalled from the vault, whose manifests know the last good run of every source. Nothing here is needed
//! to take or to restore a snapshot, so a backup by hand that cannot write it says so and goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lifeboat_console::CommandError;
use lifeboat_vault::{Vault, list_snapshots};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Row, SqlSafeStr};

use crate::job::{Job, Task};
use crate::run_id::RunId;
use crate::schedule::{Open, Outcome, Place};

mod by_hand;
mod run;

pub use by_hand::ByHand;
pub use run::{Counts, Ended, Origin, Run, RunOutcome};

const FILE: &str = "history.sqlite";

/// Runs and slots are kept for a year and a month, so that a yearly report finds all of them.
const KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Runs of one source that are recalled from the vault.
const RECALLED_MAX: usize = 100;

/// The file, open.
#[derive(Clone)]
pub struct History {
    pool: SqlitePool,
}

impl History {
    /// Opens the history in a state folder, or begins one.
    ///
    /// # Errors
    /// When the folder cannot be written, or the file was written by a newer Lifeboat.
    pub async fn open(state: &Path) -> Result<Self, CommandError> {
        let path = state.join(FILE);
        match Self::try_open(&path).await {
            Err(error) if is_damage(&error) => {
                tracing::warn!(%error, "the history cannot be read and is begun anew");
                put_aside(&path)?;
                Self::try_open(&path).await
            }
            opened => opened,
        }
        .map_err(|error| {
            CommandError::from(error).context(format!("the history {} cannot be opened", path.display()))
        })
    }

    /// Opens the history that is there, without making or changing anything.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn open_existing(state: &Path) -> Result<Option<Self>, CommandError> {
        if state.join(FILE).exists() { Self::open(state).await.map(Some) } else { Ok(None) }
    }

    async fn try_open(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(30));
        let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options).await?;
        let sound: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&pool).await?;
        if sound != "ok" {
            return Err(sqlx::Error::Protocol(sound));
        }
        let first = include_str!("history/migrations/0001_history.sql").into_sql_str();
        let migrations = vec![Migration::new(1, "history".into(), MigrationType::Simple, first, false)];
        Migrator::with_migrations(migrations).run(&pool).await?;
        Ok(Self { pool })
    }

    /// Forgets what is older than anybody asks for.
    pub async fn forget_old(&self, now: Timestamp) -> Result<(), CommandError> {
        let before = ms(now.checked_sub(KEPT)?);
        sqlx::query(
            "DELETE FROM runs WHERE started < ?1 AND EXISTS (SELECT 1 FROM runs AS newer WHERE newer.task = runs.task \
             AND newer.source = runs.source AND newer.outcome = 'good' AND newer.started > runs.started)",
        )
        .bind(before)
        .execute(&self.pool)
        .await?;
        sqlx::query("DELETE FROM slots WHERE slot < ?1").bind(before).execute(&self.pool).await?;
        Ok(())
    }

    /// Writes down what became of a slot. Said again, the later word counts: the clock may have been wrong.
    pub async fn settle(
        &self,
        job: &Job,
        slot: Timestamp,
        outcome: Outcome,
        run: Option<RunId>,
    ) -> Result<(), CommandError> {
        sqlx::query("INSERT OR REPLACE INTO slots (task, source, slot, outcome, run) VALUES (?, ?, ?, ?, ?)")
            .bind(job.task.as_str())
            .bind(job.of())
            .bind(ms(slot))
            .bind(outcome.as_str())
            .bind(run.map(RunId::hex))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// How many slots of each job came to what, since an instant.
    pub async fn slot_counts(&self, since: Timestamp) -> Result<BTreeMap<(Job, String), u64>, CommandError> {
        let rows = sqlx::query(
            "SELECT task, source, outcome, count(*) AS n FROM slots WHERE slot >= ? GROUP BY 1, 2, 3",
        )
        .bind(ms(since))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.iter().filter_map(counted).collect())
    }

    /// The first slot of each job that is known of.
    pub async fn first_slots(&self) -> Result<BTreeMap<Job, Timestamp>, CommandError> {
        let rows = sqlx::query("SELECT task, source, min(slot) AS slot FROM slots GROUP BY 1, 2")
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.iter().filter_map(|row| Some((job(row)?, at(row.get("slot"))))).collect())
    }

    /// Where the scheduler was left.
    pub async fn places(&self) -> Result<BTreeMap<Job, Place>, CommandError> {
        let rows = sqlx::query("SELECT * FROM places").fetch_all(&self.pool).await?;
        Ok(rows.iter().filter_map(|row| Some((job(row)?, place(row)?))).collect())
    }

    /// Keeps where the scheduler is.
    pub async fn keep_places(&self, places: &BTreeMap<Job, Place>) -> Result<(), CommandError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("DELETE FROM places").execute(&mut *transaction).await?;
        for (job, place) in places {
            let open = place.open.as_ref();
            sqlx::query("INSERT INTO places VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
                .bind(job.task.as_str())
                .bind(job.of())
                .bind(ms(place.seen_until))
                .bind(place.last.map(ms))
                .bind(open.map(|open| ms(open.slot)))
                .bind(open.map(|open| i64::from(open.attempts)))
                .bind(open.map(|open| ms(open.not_before)))
                .bind(open.map(|open| open.running))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Whether what the vault knows of past runs was taken over, or never has to be.
    pub async fn is_recalled(&self) -> Result<bool, CommandError> {
        Ok(sqlx::query_scalar("SELECT count(*) > 0 FROM recalled").fetch_one(&self.pool).await?)
    }

    /// Takes over what the vault knows of past runs: every snapshot was a good one.
    pub async fn recall(&self, vault: &Vault, now: Timestamp) -> Result<(), CommandError> {
        let (snapshots, _) = list_snapshots(vault).await?;
        let mut recalled: BTreeMap<&str, usize> = BTreeMap::new();
        let mut transaction = self.pool.begin().await?;
        for snapshot in snapshots.iter().rev() {
            let manifest = &snapshot.manifest;
            let Ok(point) = manifest.time.parse::<Timestamp>() else { continue };
            let count = recalled.entry(&manifest.source).or_default();
            *count += 1;
            if *count > RECALLED_MAX {
                continue;
            }
            let id = snapshot.id.to_string();
            sqlx::query(
                "INSERT INTO runs (id, task, source, origin, attempt, started, finished, outcome, snapshot, point, rows, \
                 raw_bytes) SELECT ?1, 'backup', ?2, 'vault', 1, ?3, ?4, 'good', ?5, ?3, ?6, ?7 \
                 WHERE NOT EXISTS (SELECT 1 FROM runs WHERE snapshot = ?5)",
            )
            .bind(&id[..32])
            .bind(&manifest.source)
            .bind(ms(point))
            .bind(ms(manifest.finished.parse().unwrap_or(point)))
            .bind(&id)
            .bind(manifest.rows as i64)
            .bind(manifest.raw_bytes as i64)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("INSERT INTO recalled VALUES (?)").bind(ms(now)).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Errors after which the file is of no use: not those of a full disk or of missing rights.
fn is_damage(error: &sqlx::Error) -> bool {
    const CORRUPT: &str = "11";
    const NOT_A_DATABASE: &str = "26";
    match error {
        sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code == CORRUPT || code == NOT_A_DATABASE)
        }
        _ => false,
    }
}

fn put_aside(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let with = |end: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            name.push(end);
            PathBuf::from(name)
        };
        match std::fs::rename(with(""), with(".damaged")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Milliseconds since 1970.
fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// One row of counts by job and outcome.
fn counted(row: &SqliteRow) -> Option<((Job, String), u64)> {
    Some(((job(row)?, row.get("outcome")), row.get::<i64, _>("n").cast_unsigned()))
}

/// The job of a row, whose column `source` names what it works on; none for a task that an older or newer Lifeboat
/// knows.
fn job(row: &SqliteRow) -> Option<Job> {
    Some(Job::named(Task::from_verb(row.get("task"))?, row.get("source")))
}

fn place(row: &SqliteRow) -> Option<Place> {
    let number = |name: &str| row.get::<Option<i64>, _>(name);
    let open = number("slot").map(|slot| Open {
        slot: at(slot),
        attempts: number("attempts").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        not_before: at(number("not_before").unwrap_or(slot)),
        running: number("running") == Some(1),
    });
    Some(Place { seen_until: at(number("seen_until")?), last: number("last").map(at), open })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[tokio::test]
    async fn places_and_slots_come_back_as_they_were() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let now = time("2026-11-23T02:30:00Z");
        let open = Open { slot: now, attempts: 2, not_before: now, running: true };
        let places = BTreeMap::from([
            (Job::backup("crm"), Place { seen_until: now, last: Some(now), open: Some(open) }),
            (Job::of_vault(Task::Verify), Place::new(now)),
        ]);
        {
            let history = History::open(state.path()).await.expect("a history");
            history.keep_places(&places).await.expect("kept");
            history.settle(&Job::backup("crm"), now, Outcome::Missed, None).await.expect("settled");
            history.settle(&Job::backup("crm"), now, Outcome::Ran, None).await.expect("settled");
        }
        let history = History::open(state.path()).await.expect("the same history");
        assert_eq!(history.places().await.expect("places"), places);
        let first = history.first_slots().await.expect("slots");
        assert_eq!(first, BTreeMap::from([(Job::backup("crm"), now)]));
        let counts = history.slot_counts(Timestamp::UNIX_EPOCH).await.expect("counts");
        assert_eq!(counts, BTreeMap::from([((Job::backup("crm"), "ran".to_owned()), 1)]));
    }

    #[tokio::test]
    async fn a_damaged_file_is_put_aside() {
        let state = tempfile::tempdir().expect("a scratch folder");
        std::fs::write(state.path().join(FILE), "no database, but long enough to look like one. ".repeat(30))
            .expect("a file");
        let history = History::open(state.path()).await.expect("a history");
        assert!(!history.is_recalled().await.expect("an answer"));
        assert!(state.path().join("history.sqlite.damaged").exists());
    }

    #[tokio::test]
    async fn old_runs_are_forgotten_but_the_last_good_one() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let history = History::open(state.path()).await.expect("a history");
        for (id, started, outcome) in
            [("a", "2024-01-01", "good"), ("b", "2024-01-02", "good"), ("c", "2024-01-03", "failed")]
        {
            sqlx::query("INSERT INTO runs (id, task, source, origin, attempt, started, outcome) VALUES (?, 'backup', 'crm', 'hand', 1, ?, ?)")
                .bind(id)
                .bind(ms(time(&format!("{started}T00:00:00Z"))))
                .bind(outcome)
                .execute(&history.pool)
                .await
                .expect("a run");
        }
        history.forget_old(time("2026-11-23T00:00:00Z")).await.expect("forgotten");
        let left: Vec<String> = sqlx::query_scalar("SELECT id FROM runs ORDER BY id")
            .fetch_all(&history.pool)
            .await
            .expect("runs");
        assert_eq!(left, ["b", "c"]);
    }
}
