//! One consistent point of a database, held open by a read transaction on each reader.
//!
//! SQLite cannot hand a snapshot from one connection to another, so the readers begin one after the
//! other, and a watching connection compares `PRAGMA data_version` from before the first with that
//! from after the last: equal means that nobody committed in between and all see the same commit.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use tokio::sync::Semaphore;

use super::catalog::Catalog;
use super::connection::{blocking, error_of, integer, open_to_read, quoted, run, text};
use super::field;
use super::insert::Encoding;
use crate::{
    Capture, CaptureOptions, Error, PointInTime, Result, RowBatch, RowSender, SchemaFile, Slice, Table,
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
    readers: Mutex<Vec<Connection>>,
    free: Semaphore,
}

impl SqliteCapture {
    /// Begins the readers' transactions and reads the catalog within the first.
    pub fn begin(path: &Path, options: &CaptureOptions) -> Result<Self> {
        let readers = begin_readers(path, options)?;
        let catalog = Catalog::read(&readers[0], path)?;
        for lacking in catalog.lacking.values() {
            readers.iter().try_for_each(|reader| order_by_bytes(reader, path, &lacking.collations))?;
        }
        let point = point(&readers[0], path, &catalog, options)?;
        let free = Semaphore::new(readers.len());
        Ok(Self { path: path.to_owned(), point, catalog, readers: Mutex::new(readers), free })
    }

    fn select(&self, table: &Table, slice: &Slice) -> Select {
        let encoding = Encoding::of(&self.catalog.schema.pragmas.encoding);
        let sql = select(table, slice, self.catalog.rowid(table), encoding != Encoding::Utf8);
        Select { path: self.path.clone(), sql, columns: table.columns.len(), encoding }
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
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
        let select = self.select(table, slice);
        // A reader whose loan does not end well is not given out again.
        let reader = self.readers().pop().ok_or(Error::Cancelled)?;
        let (reader, sent) = blocking(move || {
            let sent = select.send(&reader, &rows);
            Ok((reader, sent))
        })
        .await?;
        self.readers().push(reader);
        sent
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        blocking(move || {
            let Self { path, readers, .. } = *self;
            for reader in readers.into_inner().unwrap_or_else(PoisonError::into_inner) {
                run(&reader, &path, "COMMIT")?;
                reader.close().map_err(|(_, error)| error_of(&path, error, 0))?;
            }
            Ok(())
        })
        .await
    }
}

/// Lets a table be opened whose key has an order that only the application knows. It is read from its first row to
/// its last, which compares nothing.
fn order_by_bytes(reader: &Connection, path: &Path, collations: &[String]) -> Result<()> {
    let named = |name: &String| reader.create_collation(name.as_str(), |a: &str, b: &str| a.cmp(b));
    collations.iter().try_for_each(named).map_err(|error| error_of(path, error, 0))
}

/// The rows of one slice, as a thread that may block reads them.
struct Select {
    path: PathBuf,
    sql: String,
    columns: usize,
    encoding: Encoding,
}

impl Select {
    /// Sends every row and returns how many there were.
    fn send(&self, reader: &Connection, out: &RowSender) -> Result<u64> {
        let failed = |error| error_of(&self.path, error, 0);
        let mut statement = reader.prepare(&self.sql).map_err(failed)?;
        let mut rows = statement.raw_query();
        let (mut batch, mut sent) = (RowBatch::with_room(), 0);
        while let Some(row) = rows.next().map_err(failed)? {
            self.put(row, &mut batch.bytes).map_err(failed)?;
            batch.ends.push(batch.bytes.len());
            sent += 1;
            if batch.is_full() {
                let full = std::mem::replace(&mut batch, RowBatch::with_room());
                out.blocking_send(full).map_err(|_| Error::Cancelled)?;
            }
        }
        if batch.rows() > 0 {
            out.blocking_send(batch).map_err(|_| Error::Cancelled)?;
        }
        Ok(sent)
    }

    /// Appends a row as a line.
    fn put(&self, row: &Row<'_>, line: &mut Vec<u8>) -> rusqlite::Result<()> {
        for at in 0..self.columns {
            if at > 0 {
                line.push(b'\t');
            }
            if self.encoding == Encoding::Utf8 {
                put(line, row.get_ref(at)?);
                continue;
            }
            match (row.get_ref(2 * at)?, row.get_ref(2 * at + 1)?) {
                (ValueRef::Integer(1), ValueRef::Blob(stored)) => put_utf16(line, stored, self.encoding),
                (_, value) => put(line, value),
            }
        }
        line.push(b'\n');
        Ok(())
    }
}

fn begin_readers(path: &Path, options: &CaptureOptions) -> Result<Vec<Connection>> {
    let mut readers = Vec::new();
    for _ in 0..options.readers.clamp(1, READERS_MAX) {
        let reader = open_to_read(path, options.lock_timeout_ms)?;
        run(&reader, path, "PRAGMA cell_size_check = ON; PRAGMA query_only = ON")?;
        readers.push(reader);
    }
    let watcher = open_to_read(path, options.lock_timeout_ms)?;
    for _ in 0..BEGIN_TRIES {
        let before = integer(&watcher, path, "PRAGMA data_version")?;
        for reader in &readers {
            // The count makes the transaction begin in earnest.
            run(reader, path, "BEGIN")?;
            let _ = integer(reader, path, "SELECT count(*) FROM sqlite_schema")
                .map_err(|error| waited(error, options))?;
        }
        let after = integer(&watcher, path, "PRAGMA data_version")?;
        if before == after || readers.len() == 1 {
            return Ok(readers);
        }
        for reader in &readers {
            run(reader, path, "ROLLBACK")?;
        }
    }
    readers.truncate(1);
    run(&readers[0], path, "BEGIN")?;
    let _ = integer(&readers[0], path, "SELECT count(*) FROM sqlite_schema")?;
    Ok(readers)
}

fn waited(error: Error, options: &CaptureOptions) -> Error {
    match error {
        Error::Locked { what, .. } => Error::Locked { what, seconds: options.lock_timeout_ms / 1000 },
        other => other,
    }
}

fn point(
    connection: &Connection,
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
        server_version: text(connection, path, "SELECT sqlite_version()")?,
        database: path.display().to_string(),
        time: text(connection, path, "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now')")?,
        method,
        log_position: None,
        plaintext: false,
        not_covered: catalog.not_covered.clone(),
    })
}

/// `NOT INDEXED` keeps a covering index from changing the order: the table's own b-tree is walked, by
/// rowid or by primary key.
fn select(table: &Table, slice: &Slice, rowid: Option<&str>, wide: bool) -> String {
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
    let mut sql = format!("SELECT {} FROM main.{} NOT INDEXED", columns.join(", "), quoted(&table.name.name));
    let bounds = [(">=", slice.range.0), ("<", slice.range.1)];
    let bounds =
        bounds.into_iter().filter_map(|(is, bound)| Some(format!("{} {is} {}", quoted(rowid?), bound?)));
    let bounds: Vec<String> = bounds.collect();
    if !bounds.is_empty() {
        sql += &format!(" WHERE {}", bounds.join(" AND "));
    }
    sql
}

fn put(line: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => field::put_null(line),
        ValueRef::Integer(value) => field::put_integer(line, value),
        ValueRef::Real(value) => field::put_real(line, value),
        ValueRef::Text(bytes) => field::put_bytes(line, b't', bytes),
        ValueRef::Blob(bytes) => field::put_bytes(line, b'b', bytes),
    }
}

fn put_utf16(line: &mut Vec<u8>, stored: &[u8], encoding: Encoding) {
    let units = stored.chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        if encoding == Encoding::Utf16Le { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
    });
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if stored.len().is_multiple_of(2) => field::put_bytes(line, b't', text.as_bytes()),
        _ => field::put_bytes(line, b'w', stored),
    }
}
