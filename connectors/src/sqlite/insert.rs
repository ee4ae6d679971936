//! Rows into one table: one prepared INSERT, and a statement of its own for a row with text that SQLite
//! would change on its way to UTF-16.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement};

use super::connection::{error_of, quoted, run};
use super::field::{Field, parse_line};
use crate::{Result, RowBatch};

/// Puts rows into one table.
pub struct Inserter {
    table: String,
    insert: String,
    columns: usize,
    encoding: Encoding,
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
        }
    }

    /// Inserts rows, in order; `name` is the table's for errors.
    pub fn insert(&self, connection: &Connection, path: &Path, batch: &RowBatch, name: &str) -> Result<()> {
        let failed = |error| error_of(path, error, 0);
        let sql = format!("{}({})", self.insert, vec!["?"; self.columns].join(", "));
        let mut usual = connection.prepare(&sql).map_err(failed)?;
        for line in batch.lines() {
            let fields = parse_line(line, self.columns, name)?;
            if fields.iter().any(|field| self.needs_cast(field)) {
                let mut own = connection.prepare(&self.with_casts(&fields)).map_err(failed)?;
                let bound = fields.iter().filter(|field| !self.needs_cast(field));
                execute(&mut own, bound).map_err(failed)?;
            } else {
                execute(&mut usual, fields.iter()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Takes every row out again: a table that did not arrive whole is left empty.
    pub fn clear(&self, connection: &Connection, path: &Path) -> Result<()> {
        run(connection, path, format!("DELETE FROM {}", self.table))
    }

    /// A blob written into the statement is cast by the database's own encoding; a bound one would be taken
    /// for UTF-8.
    fn with_casts(&self, fields: &[Field<'_>]) -> String {
        let mut sql = self.insert.clone();
        for (at, field) in fields.iter().enumerate() {
            sql.push_str(if at == 0 { "(" } else { ", " });
            if self.needs_cast(field) {
                sql.push_str("CAST(x'");
                sql.extend(self.stored(field).iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]));
                sql.push_str("' AS TEXT)");
            } else {
                sql.push('?');
            }
        }
        sql.push(')');
        sql
    }

    /// Whether a bound text would not arrive as it was: what is no Unicode, and U+FFFE and U+FFFF, become
    /// U+FFFD on the way to UTF-16. A UTF-8 database keeps the bytes as they are.
    fn needs_cast(&self, field: &Field<'_>) -> bool {
        match field {
            _ if self.encoding == Encoding::Utf8 => false,
            Field::Wide(_) => true,
            Field::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => text.contains(['\u{fffe}', '\u{ffff}']),
                Err(_) => true,
            },
            _ => false,
        }
    }

    /// A text's bytes as a UTF-16 database keeps them.
    fn stored(&self, field: &Field<'_>) -> Vec<u8> {
        let text = match field {
            Field::Text(text) => text,
            Field::Wide(bytes) => return bytes.to_vec(),
            _ => return Vec::new(),
        };
        let units = String::from_utf8_lossy(text).encode_utf16().collect::<Vec<_>>();
        let little = self.encoding == Encoding::Utf16Le;
        units
            .into_iter()
            .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
            .collect()
    }
}

fn execute<'a>(
    statement: &mut Statement<'_>,
    fields: impl Iterator<Item = &'a Field<'a>>,
) -> rusqlite::Result<()> {
    for (field, at) in fields.zip(1..) {
        let value = match field {
            Field::Null => ValueRef::Null,
            Field::Integer(value) => ValueRef::Integer(*value),
            Field::Real(value) => ValueRef::Real(*value),
            Field::Text(bytes) | Field::Wide(bytes) => ValueRef::Text(bytes),
            Field::Blob(bytes) => ValueRef::Blob(bytes),
        };
        statement.raw_bind_parameter(at, ToSqlOutput::Borrowed(value))?;
    }
    statement.raw_execute().map(drop)
}

fn hex(digit: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(digit & 15)])
}
