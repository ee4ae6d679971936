//! Connections to a database file, and what SQLite's result codes mean to an operator.
//!
//! All of it blocks: [`blocking`] takes it to a thread that may.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use super::place::io_error;
use crate::{Error, Result};

/// The first SQLite that does not corrupt a WAL database when two processes checkpoint at once.
const VERSION_MIN: (u32, u32, u32) = (3, 51, 3);

/// Runs work on a thread that may block.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
        Err(_) => Err(Error::Cancelled),
    }
}

/// Opens an existing database for reading only, such that nothing of it is written, ever: a read-only
/// connection cannot checkpoint, not on close either.
pub fn open_to_read(path: &Path, lock_timeout_ms: u64) -> Result<Connection> {
    let meta = std::fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::NotFound { what: path.display().to_string() },
        ErrorKind::PermissionDenied => denied(path, &error.to_string()),
        _ => io_error(path)(error),
    })?;
    if !meta.is_file() {
        return Err(Error::Unsupported {
            what: path.display().to_string(),
            reason: "it is not a file".into(),
        });
    }
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, lock_timeout_ms)?;
    let version = text(&connection, path, "SELECT sqlite_version()")?;
    require_version(&version)?;
    Ok(connection)
}

/// Opens an existing file for writing, as its only user.
pub fn open_to_write(path: &Path) -> Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, 5_000)?;
    run(&connection, path, "PRAGMA foreign_keys = OFF")?;
    Ok(connection)
}

fn open(path: &Path, access: OpenFlags, lock_timeout_ms: u64) -> Result<Connection> {
    let opened = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let connection = opened.map_err(|error| error_of(path, error, lock_timeout_ms))?;
    let patience = Duration::from_millis(lock_timeout_ms.min(i32::MAX as u64));
    connection.busy_timeout(patience).map_err(|error| error_of(path, error, lock_timeout_ms))?;
    Ok(connection)
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

/// Runs statements whose rows nobody wants.
pub fn run(connection: &Connection, path: &Path, sql: impl AsRef<str>) -> Result<()> {
    connection.execute_batch(sql.as_ref()).map_err(|error| error_of(path, error, 0))
}

/// Returns what `read` makes of each row of a query that is small.
pub fn rows<T>(
    connection: &Connection,
    path: &Path,
    sql: impl AsRef<str>,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let all =
        || -> rusqlite::Result<Vec<T>> { connection.prepare(sql.as_ref())?.query_map([], read)?.collect() };
    all().map_err(|error| error_of(path, error, 0))
}

/// Returns the first column of the one row as text.
pub fn text(connection: &Connection, path: &Path, sql: &str) -> Result<String> {
    one(connection, path, sql, |value| match value {
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Null => String::new(),
    })
}

/// Returns the first column of the one row as an integer; what is none is 0.
pub fn integer(connection: &Connection, path: &Path, sql: &str) -> Result<i64> {
    one(connection, path, sql, |value| match value {
        ValueRef::Integer(value) => value,
        ValueRef::Real(value) => value as i64,
        _ => 0,
    })
}

fn one<T>(connection: &Connection, path: &Path, sql: &str, read: impl Fn(ValueRef<'_>) -> T) -> Result<T> {
    let value = connection.query_row(sql, [], |row| Ok(read(row.get_ref(0)?)));
    value.map_err(|error| error_of(path, error, 0))
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
pub fn error_of(path: &Path, error: rusqlite::Error, lock_timeout_ms: u64) -> Error {
    let what = path.display().to_string();
    let (code, message) = match &error {
        rusqlite::Error::SqliteFailure(failure, message) => (failure.extended_code, message.clone()),
        _ => return Error::Failed { what, reason: error.to_string() },
    };
    let reason = message.unwrap_or_else(|| error.to_string());
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
        (_, 9) => Error::Cancelled,
        (_, 7) => io(what, ErrorKind::OutOfMemory, reason),
        (_, 10) => io(what, ErrorKind::Other, reason),
        (_, 13) => io(what, ErrorKind::StorageFull, "the disk is full".into()),
        _ => Error::Failed { what, reason },
    }
}

fn io(path: String, kind: ErrorKind, reason: String) -> Error {
    Error::Io { path, source: std::io::Error::new(kind, reason) }
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
    fn what_stops_sqlite_is_told_from_what_it_refuses() {
        let of = |code| {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some("words".into()));
            error_of(Path::new("crm.db"), error, 0)
        };
        assert!(matches!(of(9), Error::Cancelled), "SQLITE_INTERRUPT");
        for (code, words) in [(7, "words"), (10 | 3 << 8, "words"), (13, "the disk is full")] {
            let error = of(code);
            assert!(matches!(&error, Error::Io { source, .. } if source.to_string() == words), "{error:?}");
        }
        assert!(matches!(of(1), Error::Failed { .. }), "SQLITE_ERROR");
    }

    #[test]
    fn a_sqlite_that_may_corrupt_a_wal_database_is_refused() {
        for (version, accepted) in
            [("3.51.3", true), ("3.52.0", true), ("4.0.0", true), ("3.51.2", false), ("3.9.9", false)]
        {
            assert_eq!(require_version(version).is_ok(), accepted, "{version}");
        }
    }
}
