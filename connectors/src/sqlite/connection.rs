//! Connections to a database file, and what SQLite's result codes mean to an operator.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};

use super::place::io_error;
use crate::{Error, Result};

/// The first SQLite that does not corrupt a WAL database when two processes checkpoint at once.
const VERSION_MIN: (u32, u32, u32) = (3, 51, 3);

/// Opens an existing database for reading only, such that nothing of it is written, ever: a read-only
/// connection cannot checkpoint, not on close either.
pub async fn open_to_read(path: &Path, lock_timeout_ms: u64) -> Result<SqliteConnection> {
    let meta = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound { what: path.display().to_string() },
        std::io::ErrorKind::PermissionDenied => denied(path, &error.to_string()),
        _ => io_error(path)(error),
    })?;
    if !meta.is_file() {
        return Err(Error::Unsupported {
            what: path.display().to_string(),
            reason: "it is not a file".into(),
        });
    }
    let options = options(path, lock_timeout_ms).read_only(true);
    let mut connection = options.connect().await.map_err(|error| error_of(path, error, lock_timeout_ms))?;
    let version = text(&mut connection, path, "SELECT sqlite_version()").await?;
    require_version(&version)?;
    Ok(connection)
}

/// Opens an existing file for writing, as its only user.
pub async fn open_to_write(path: &Path) -> Result<SqliteConnection> {
    options(path, 5_000).connect().await.map_err(|error| error_of(path, error, 5_000))
}

fn options(path: &Path, lock_timeout_ms: u64) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(false)
        .busy_timeout(Duration::from_millis(lock_timeout_ms.min(i32::MAX as u64)))
        .disable_statement_logging()
}

fn require_version(version: &str) -> Result<()> {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    if (next(), next(), next()) >= VERSION_MIN {
        return Ok(());
    }
    let (major, minor, patch) = VERSION_MIN;
    Err(Error::Unsupported {
        what: format!("SQLite {version} in this program"),
        reason: format!("{major}.{minor}.{patch} is the first that is safe beside a checkpoint"),
    })
}

/// Runs statements that return nothing.
pub async fn run(connection: &mut SqliteConnection, path: &Path, sql: impl Into<String>) -> Result<()> {
    connection.execute(AssertSqlSafe(sql.into())).await.map(drop).map_err(|error| error_of(path, error, 0))
}

/// Returns the rows of a query that is small.
pub async fn rows(
    connection: &mut SqliteConnection,
    path: &Path,
    sql: impl Into<String>,
) -> Result<Vec<SqliteRow>> {
    connection.fetch_all(AssertSqlSafe(sql.into())).await.map_err(|error| error_of(path, error, 0))
}

/// Returns the first column of the one row as text.
pub async fn text(connection: &mut SqliteConnection, path: &Path, sql: &str) -> Result<String> {
    let row = one(connection, path, sql).await?;
    row.try_get_unchecked(0).map_err(|error| error_of(path, error, 0))
}

/// Returns the first column of the one row as an integer; NULL is 0.
pub async fn integer(connection: &mut SqliteConnection, path: &Path, sql: &str) -> Result<i64> {
    let row = one(connection, path, sql).await?;
    row.try_get_unchecked::<Option<i64>, _>(0)
        .map(Option::unwrap_or_default)
        .map_err(|error| error_of(path, error, 0))
}

async fn one(connection: &mut SqliteConnection, path: &Path, sql: &str) -> Result<SqliteRow> {
    connection.fetch_one(AssertSqlSafe(sql.to_owned())).await.map_err(|error| error_of(path, error, 0))
}

/// Quotes a name for SQL.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text for SQL.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Says what SQLite's result code means for the file at `path`.
pub fn error_of(path: &Path, error: sqlx::Error, lock_timeout_ms: u64) -> Error {
    let what = path.display().to_string();
    let sqlx::Error::Database(database) = &error else {
        return Error::Failed { what, reason: error.to_string() };
    };
    let reason = database.message().to_owned();
    let code: i32 = database.code().and_then(|code| code.parse().ok()).unwrap_or(1);
    // Extended codes keep the primary one in their low byte: https://www.sqlite.org/rescode.html
    match (code, code & 0xff) {
        (776, _) => Error::Failed {
            what,
            reason: "an interrupted transaction waits to be rolled back, which a reader may not do; \
                     open the database once with its application"
                .into(),
        },
        (264 | 520 | 1288, _) | (_, 8 | 3 | 23 | 14) => denied(path, &reason),
        (_, 5 | 6) => Error::Locked { what, seconds: lock_timeout_ms / 1000 },
        (_, 26) => Error::Damaged { what, reason: "it is not a SQLite database, or it is encrypted".into() },
        (_, 11) => Error::Damaged { what, reason },
        (_, 13) => Error::Failed { what, reason: "the disk is full".into() },
        _ => Error::Failed { what, reason },
    }
}

fn denied(path: &Path, reason: &str) -> Error {
    Error::Denied {
        what: format!("opening {}", path.display()),
        reason: reason.into(),
        hint: "the account needs to read the file, and in WAL mode to write its -shm file or to create it in the folder"
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_that_may_corrupt_a_wal_database_is_refused() {
        for (version, accepted) in
            [("3.51.3", true), ("3.52.0", true), ("4.0.0", true), ("3.51.2", false), ("3.9.9", false)]
        {
            assert_eq!(require_version(version).is_ok(), accepted, "{version}");
        }
    }
}
