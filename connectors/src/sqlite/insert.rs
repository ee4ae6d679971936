//! Rows into one table: prepared inserts of many rows at a time, and a statement of its own for a row
//! that holds text no string can carry.

use std::path::Path;

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe};

use super::connection::{error_of, quoted, run};
use super::field::Field;
use crate::{Error, Result};

/// Values bound at once: enough that a call's cost is spread, far below SQLite's limit of 32,766.
const VALUES_PER_STATEMENT: usize = 512;

/// Bytes of values held back for the next statement.
const PENDING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Rows on their way into one table.
pub struct Inserter {
    table: String,
    insert: String,
    columns: usize,
    encoding: Encoding,
    many: usize,
    pending: Vec<Field>,
    pending_bytes: usize,
}

/// How a database keeps its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-16, least significant byte first.
    Utf16Le,
    /// UTF-16, most significant byte first.
    Utf16Be,
}

impl Encoding {
    /// Reads what `PRAGMA encoding` says.
    pub fn of(pragma: &str) -> Self {
        match pragma {
            "UTF-16le" => Self::Utf16Le,
            "UTF-16be" => Self::Utf16Be,
            _ => Self::Utf8,
        }
    }
}

impl Inserter {
    /// Prepares for rows of `columns` into `table`, which is quoted already.
    pub fn new(table: &str, columns: &[String], encoding: Encoding) -> Self {
        let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        Self {
            insert: format!("INSERT INTO {table} ({}) VALUES ", names.join(", ")),
            table: table.to_owned(),
            columns: columns.len(),
            encoding,
            many: (VALUES_PER_STATEMENT / columns.len().max(1)).max(1),
            pending: Vec::new(),
            pending_bytes: 0,
        }
    }

    /// Takes one row; returns whether it is time to flush.
    pub fn push(&mut self, row: Vec<Field>) -> bool {
        self.pending_bytes += row.iter().map(bytes_of).sum::<usize>();
        self.pending.extend(row);
        self.is_full()
    }

    fn is_full(&self) -> bool {
        self.pending.len() >= self.many * self.columns || self.pending_bytes >= PENDING_BYTES_MAX
    }

    /// Writes every row taken so far, in order.
    pub async fn flush(&mut self, connection: &mut SqliteConnection, path: &Path) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        let odd = pending.iter().any(|field| self.needs_cast(field));
        if pending.len() == self.many * self.columns && !odd {
            return self.execute(pending, connection, path).await;
        }
        let mut fields = pending.into_iter().peekable();
        while fields.peek().is_some() {
            self.execute(fields.by_ref().take(self.columns).collect(), connection, path).await?;
        }
        Ok(())
    }

    /// Takes every row out again: a table that did not arrive whole is left empty.
    pub async fn clear(&mut self, connection: &mut SqliteConnection, path: &Path) -> Result<()> {
        self.pending.clear();
        self.pending_bytes = 0;
        run(connection, path, format!("DELETE FROM {}", self.table)).await
    }

    async fn execute(
        &self,
        fields: Vec<Field>,
        connection: &mut SqliteConnection,
        path: &Path,
    ) -> Result<()> {
        let casts = fields.iter().any(|field| self.needs_cast(field));
        let mut sql = self.insert.clone();
        let mut arguments = SqliteArguments::default();
        arguments.reserve(fields.len(), 0);
        for (at, field) in fields.into_iter().enumerate() {
            sql.push_str(match at {
                0 => "(",
                _ if at % self.columns == 0 => "),(",
                _ => ",",
            });
            self.bind(field, &mut sql, &mut arguments)
                .map_err(|error| Error::Failed { what: self.insert.clone(), reason: error.to_string() })?;
        }
        sql.push(')');
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(!casts);
        query.execute(connection).await.map(drop).map_err(|error| error_of(path, error, 0))
    }

    fn bind(
        &self,
        field: Field,
        sql: &mut String,
        into: &mut SqliteArguments,
    ) -> Result<(), sqlx::error::BoxDynError> {
        if self.needs_cast(&field) {
            // A blob written into the statement is cast by the database's own encoding; a bound one
            // would be taken for UTF-8.
            sql.push_str("CAST(x'");
            sql.extend(self.stored(field).iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]));
            sql.push_str("' AS TEXT)");
            return Ok(());
        }
        sql.push('?');
        match field {
            Field::Null => into.add(None::<i64>),
            Field::Integer(value) => into.add(value),
            Field::Real(value) => into.add(value),
            Field::Blob(value) | Field::Wide(value) => into.add(value),
            Field::Text(value) => into.add(String::from_utf8(value)?),
        }
    }

    /// Whether a bound string would not arrive as it was: SQLite has no place for text that is not
    /// Unicode in an API of strings, and turns U+FFFE and U+FFFF into U+FFFD on the way to UTF-16.
    fn needs_cast(&self, field: &Field) -> bool {
        match field {
            Field::Wide(_) => true,
            Field::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => self.encoding != Encoding::Utf8 && text.contains(['\u{fffe}', '\u{ffff}']),
                Err(_) => true,
            },
            _ => false,
        }
    }

    /// A text's bytes as the database keeps them.
    fn stored(&self, field: Field) -> Vec<u8> {
        let text = match field {
            Field::Text(text) if self.encoding != Encoding::Utf8 => text,
            Field::Text(bytes) | Field::Blob(bytes) | Field::Wide(bytes) => return bytes,
            _ => return Vec::new(),
        };
        let units = String::from_utf8_lossy(&text).encode_utf16().collect::<Vec<_>>();
        let little = self.encoding == Encoding::Utf16Le;
        units
            .into_iter()
            .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
            .collect()
    }
}

fn bytes_of(field: &Field) -> usize {
    match field {
        Field::Text(bytes) | Field::Blob(bytes) | Field::Wide(bytes) => bytes.len(),
        _ => 0,
    }
}

fn hex(digit: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(digit & 15)])
}
