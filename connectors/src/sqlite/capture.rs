//! One consistent point of a database, held open by a read transaction on each reader.
//!
//! SQLite cannot hand a snapshot from one connection to another, so the readers begin one after the
//! other, and a watching connection compares `PRAGMA data_version` from before the first with that
//! from after the last: equal means that nobody committed in between and all see the same commit.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqliteRow, SqliteValueRef};
use sqlx::{AssertSqlSafe, Connection, Decode, Row, TypeInfo, ValueRef};
use tokio::sync::Semaphore;

use super::catalog::Catalog;
use super::connection::{error_of, integer, open_to_read, quoted, run, text};
use super::field;
use crate::{
    Capture, CaptureOptions, Error, Outgoing, PointInTime, Result, RowSender, SchemaFile, Slice, Table,
};

/// Times the readers begin anew when a commit falls between them, before one reader has to do.
const BEGIN_TRIES: usize = 5;

/// Readers beyond this gain nothing on one file.
const READERS_MAX: usize = 8;

/// A capture of a SQLite database.
pub struct SqliteCapture {
    path: PathBuf,
    point: PointInTime,
    catalog: Catalog,
    readers: Mutex<Vec<SqliteConnection>>,
    free: Semaphore,
}

impl SqliteCapture {
    /// Begins the readers' transactions and reads the catalog within the first.
    pub async fn begin(path: &Path, options: &CaptureOptions) -> Result<Self> {
        let mut readers = begin_readers(path, options).await?;
        let first = &mut readers[0];
        let catalog = Catalog::read(first, path).await?;
        let point = point(first, path, &catalog, options).await?;
        let free = Semaphore::new(readers.len());
        Ok(Self { path: path.to_owned(), point, catalog, readers: Mutex::new(readers), free })
    }

    async fn send(&self, reader: &mut SqliteConnection, table: &Table, rows: &RowSender) -> Result<u64> {
        let wide = self.catalog.schema.is_utf16();
        let query = sqlx::query(AssertSqlSafe(select(table, wide))).persistent(false);
        let mut stream = query.fetch(reader);
        let (mut out, mut line) = (Outgoing::new(rows), Vec::new());
        while let Some(row) = stream.try_next().await.map_err(|error| error_of(&self.path, error, 0))? {
            line.clear();
            self.encode(&row, table.columns.len(), &mut line)
                .map_err(|error| error_of(&self.path, error, 0))?;
            out.batch().push_line(&line);
            out.pass_on().await?;
        }
        out.finish().await
    }

    fn encode(&self, row: &SqliteRow, columns: usize, line: &mut Vec<u8>) -> Result<(), sqlx::Error> {
        let little = self.catalog.schema.pragmas.encoding == "UTF-16le";
        for at in 0..columns {
            if at > 0 {
                line.push(b'\t');
            }
            if self.catalog.schema.is_utf16() {
                let is_text: bool = row.try_get_unchecked(2 * at)?;
                let value = row.try_get_raw(2 * at + 1)?;
                if is_text { put_utf16(line, bytes(value)?, little) } else { put(line, value)? }
            } else {
                put(line, row.try_get_raw(at)?)?;
            }
        }
        line.push(b'\n');
        Ok(())
    }
}

#[async_trait]
impl Capture for SqliteCapture {
    fn point(&self) -> &PointInTime {
        &self.point
    }

    fn tables(&self) -> &[Table] {
        &self.catalog.tables
    }

    async fn schema(&self) -> Result<Vec<SchemaFile>> {
        Ok(vec![self.catalog.schema.to_file()?])
    }

    async fn read(&self, slice: &Slice, rows: RowSender) -> Result<u64> {
        let _permit = self.free.acquire().await.map_err(|_| Error::Cancelled)?;
        let table = self.catalog.tables.get(slice.table).ok_or(Error::Cancelled)?;
        let mut reader = Reader::take(&self.readers)?;
        self.send(reader.connection(), table, &rows).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        let readers = self.readers.into_inner().unwrap_or_else(PoisonError::into_inner);
        for mut reader in readers {
            run(&mut reader, &self.path, "COMMIT").await?;
            reader.close().await.map_err(|error| error_of(&self.path, error, 0))?;
        }
        Ok(())
    }
}

/// A reader on loan: it goes back when the loan ends, however it ends.
struct Reader<'a> {
    connection: Option<SqliteConnection>,
    home: &'a Mutex<Vec<SqliteConnection>>,
}

impl<'a> Reader<'a> {
    fn take(home: &'a Mutex<Vec<SqliteConnection>>) -> Result<Self> {
        let connection = home.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if connection.is_none() {
            return Err(Error::Cancelled);
        }
        Ok(Self { connection, home })
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("a loan holds its reader until it ends")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        home.extend(self.connection.take());
    }
}

async fn begin_readers(path: &Path, options: &CaptureOptions) -> Result<Vec<SqliteConnection>> {
    let mut readers = Vec::new();
    for _ in 0..options.readers.clamp(1, READERS_MAX) {
        let mut reader = open_to_read(path, options.lock_timeout_ms).await?;
        run(&mut reader, path, "PRAGMA cell_size_check = ON; PRAGMA query_only = ON").await?;
        readers.push(reader);
    }
    let mut watcher = open_to_read(path, options.lock_timeout_ms).await?;
    for _ in 0..BEGIN_TRIES {
        let before = integer(&mut watcher, path, "PRAGMA data_version").await?;
        for reader in &mut readers {
            // The count makes the transaction begin in earnest.
            run(reader, path, "BEGIN").await?;
            let _ = integer(reader, path, "SELECT count(*) FROM sqlite_schema")
                .await
                .map_err(|error| waited(error, options))?;
        }
        let after = integer(&mut watcher, path, "PRAGMA data_version").await?;
        if before == after || readers.len() == 1 {
            return Ok(readers);
        }
        for reader in &mut readers {
            run(reader, path, "ROLLBACK").await?;
        }
    }
    readers.truncate(1);
    run(&mut readers[0], path, "BEGIN").await?;
    let _ = integer(&mut readers[0], path, "SELECT count(*) FROM sqlite_schema").await?;
    Ok(readers)
}

fn waited(error: Error, options: &CaptureOptions) -> Error {
    match error {
        Error::Locked { what, .. } => Error::Locked { what, seconds: options.lock_timeout_ms / 1000 },
        other => other,
    }
}

async fn point(
    connection: &mut SqliteConnection,
    path: &Path,
    catalog: &Catalog,
    options: &CaptureOptions,
) -> Result<PointInTime> {
    let method = if catalog.schema.pragmas.journal_mode == "wal" {
        "read transaction in WAL mode".to_owned()
    } else {
        "read transaction on a rollback-journal database: its writers' commits waited while it was read"
            .to_owned()
    };
    tracing::debug!(readers = options.readers, %method, "captured {}", path.display());
    Ok(PointInTime {
        system: "sqlite".into(),
        server_version: text(connection, path, "SELECT sqlite_version()").await?,
        database: path.display().to_string(),
        time: text(connection, path, "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now')").await?,
        method,
        log_position: None,
        plaintext: false,
        not_covered: catalog.not_covered.clone(),
    })
}

/// `NOT INDEXED` keeps a covering index from changing the order: the table's own b-tree is walked, by
/// rowid or by primary key.
fn select(table: &Table, wide: bool) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| quoted(&column.name))
        .map(|name| match wide {
            // A cast to BLOB shows the bytes as they are stored; reading TEXT would convert them.
            true => format!(
                "typeof({name}) = 'text', CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
            ),
            false => name,
        })
        .collect();
    format!("SELECT {} FROM main.{} NOT INDEXED", columns.join(", "), quoted(&table.name.name))
}

fn put(line: &mut Vec<u8>, value: SqliteValueRef<'_>) -> Result<(), sqlx::Error> {
    if value.is_null() {
        field::put_null(line);
        return Ok(());
    }
    let class = value.type_info().name().as_bytes().first().copied();
    match class {
        Some(b'I') => field::put_integer(line, decode(value)?),
        Some(b'R') => field::put_real(line, decode(value)?),
        Some(b'T') => field::put_bytes(line, b't', bytes(value)?),
        _ => field::put_bytes(line, b'b', bytes(value)?),
    }
    Ok(())
}

fn put_utf16(line: &mut Vec<u8>, stored: &[u8], little: bool) {
    let units = stored.chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
    });
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if stored.len().is_multiple_of(2) => field::put_bytes(line, b't', text.as_bytes()),
        _ => field::put_bytes(line, b'w', stored),
    }
}

fn bytes(value: SqliteValueRef<'_>) -> Result<&[u8], sqlx::Error> {
    decode(value)
}

fn decode<'r, T: Decode<'r, Sqlite>>(value: SqliteValueRef<'r>) -> Result<T, sqlx::Error> {
    T::decode(value).map_err(sqlx::Error::Decode)
}
