//! Rows into one table: by `LOAD DATA LOCAL` where the server allows it, by INSERTs of many rows where not.
//!
//! Either way in one transaction. `LOAD DATA LOCAL` turns errors into warnings and passes over rows, so what
//! it says afterwards is read as strictly as an error.

use super::column::Shape;
use super::connect::Endpoint;
use super::fault::without_value;
use super::line;
use super::server::Family;
use super::sql::{self, ident};
use super::target::LOCK_TIMEOUT_MS;
use super::wire::{ServerError, Wire, WireError};
use crate::{Column, Error, LoadTable, Result, RowReceiver};

/// Bytes of an INSERT, at most: a fraction of the smallest `max_allowed_packet` that servers come with.
const INSERT_BYTES: usize = 1 << 20;
/// Data was truncated: also how a server takes back the empty value of an ENUM that was given none of its
/// members.
const TRUNCATED: u64 = 1265;
/// Out of range: also what is said of the largest number that a FLOAT or DOUBLE of declared digits keeps, which
/// the server rounded up when it was stored, and rounds up again.
const OUT_OF_RANGE: u64 = 1264;

/// A table to fill.
pub(super) struct Fill<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) family: Family,
    pub(super) table: &'a LoadTable,
    /// The column that counts by itself.
    pub(super) auto_increment: Option<String>,
    pub(super) rows_expected: u64,
}

impl Fill<'_> {
    /// Fills the table, all or nothing.
    pub(super) async fn run(&self, wire: &mut Wire, mut rows: RowReceiver) -> Result<u64> {
        let (arrived, loaded) = match wire.begin_data(&self.load_statement()).await {
            Ok(()) => self.send(wire, &mut rows).await?,
            Err(error) if is_forbidden(&error) => self.insert(wire, &mut rows).await?,
            Err(error) => return Err(self.map(error)),
        };
        if arrived == self.rows_expected && loaded == arrived {
            return Ok(loaded);
        }
        Err(Error::Damaged {
            what: self.table.name.to_string(),
            reason: format!(
                "{} rows were expected, {arrived} arrived and {loaded} were taken",
                self.rows_expected
            ),
        })
    }

    async fn send(&self, wire: &mut Wire, rows: &mut RowReceiver) -> Result<(u64, u64)> {
        let mut arrived = 0;
        while let Some(batch) = rows.recv().await {
            arrived += batch.rows() as u64;
            wire.send(&batch.bytes).await.map_err(|error| self.map(error))?;
        }
        if arrived != self.rows_expected {
            // The statement ends with its connection, and takes its rows back.
            return Ok((arrived, 0));
        }
        let done = wire.end_data().await.map_err(|error| self.map(error))?;
        if done.warnings > 0 {
            self.read_warnings(wire).await?;
        }
        Ok((arrived, done.affected))
    }

    async fn insert(&self, wire: &mut Wire, rows: &mut RowReceiver) -> Result<(u64, u64)> {
        wire.run("START TRANSACTION").await.map_err(|error| self.map(error))?;
        let head = format!(
            "INSERT INTO {} ({}) VALUES ",
            ident(&self.table.name.name),
            self.column_list().join(", ")
        );
        let wraps: Vec<_> = self.shapes().map(Wrap::of).collect();
        let (mut statement, mut arrived, mut loaded) = (head.clone().into_bytes(), 0, 0);
        while let Some(batch) = rows.recv().await {
            for line in batch.lines() {
                arrived += 1;
                if statement.len() > head.len() {
                    statement.push(b',');
                }
                values(&mut statement, line, &wraps);
                if statement.len() >= INSERT_BYTES {
                    loaded += self.insert_some(wire, &statement).await?;
                    statement.truncate(head.len());
                }
            }
        }
        if statement.len() > head.len() {
            loaded += self.insert_some(wire, &statement).await?;
        }
        if arrived == self.rows_expected && loaded == arrived {
            wire.run("COMMIT").await.map_err(|error| self.map(error))?;
        }
        Ok((arrived, loaded))
    }

    async fn insert_some(&self, wire: &mut Wire, statement: &[u8]) -> Result<u64> {
        let done = wire.run_bytes(statement).await.map_err(|error| self.map(error))?;
        if done.warnings > 0 {
            self.read_warnings(wire).await?;
        }
        Ok(done.affected)
    }

    /// A warning says that a value is not what it was.
    async fn read_warnings(&self, wire: &mut Wire) -> Result<()> {
        let rows = sql::rows(wire, "SHOW WARNINGS").await.map_err(|error| self.map(error))?;
        let harmless = |row: &sql::Row| {
            let (code, said) = (row.number(1), row.text(2));
            let Some(name) = spoken_of(&said) else { return false };
            let column = self.table.columns.iter().find(|column| column.name == name);
            // A column that is not loaded is computed from the others, as it was in the source.
            column.is_none_or(|column| is_harmless(code, column))
        };
        match rows.iter().find(|row| row.text(0) != "Note" && !harmless(row)) {
            Some(row) => Err(Error::Failed {
                what: format!("loading table {}", self.table.name),
                reason: format!(
                    "the server would not take a value as it is: {}",
                    without_value(row.number(1), row.text(2))
                ),
            }),
            None => Ok(()),
        }
    }

    fn load_statement(&self) -> String {
        let (mut fields, mut sets) = (Vec::new(), Vec::new());
        let makes = self.shapes().any(|shape| shape.write("").is_some());
        for (at, (column, shape)) in self.table.columns.iter().zip(self.shapes()).enumerate() {
            let (name, variable) = (ident(&column.name), format!("@v{at}"));
            // Beside a SET of another column, MariaDB counts on where a line says zero.
            let counts = makes && self.auto_increment.as_ref() == Some(&column.name);
            match shape.write(&variable).or_else(|| counts.then(|| variable.clone())) {
                Some(value) => {
                    sets.push(format!("{name} = {value}"));
                    fields.push(variable);
                }
                None => fields.push(name),
            }
        }
        // A table of generated columns only has one empty field to a line.
        let fields = if fields.is_empty() { "@nothing".to_owned() } else { fields.join(", ") };
        let sets = if sets.is_empty() { String::new() } else { format!(" SET {}", sets.join(", ")) };
        format!(
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {} CHARACTER SET binary FIELDS TERMINATED BY '\\t' \
             ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({fields}){sets}",
            ident(&self.table.name.name)
        )
    }

    fn column_list(&self) -> Vec<String> {
        self.table.columns.iter().map(|column| ident(&column.name)).collect()
    }

    fn shapes(&self) -> impl Iterator<Item = Shape> {
        self.table.columns.iter().map(|column| Shape::of(self.family, &column.type_name))
    }

    fn map(&self, error: WireError) -> Error {
        // A statement that is not understood is quoted in the answer, and its values with it.
        let error = match error {
            WireError::Server(ServerError { code: code @ 1064, .. }) => {
                let message = "the server does not understand an INSERT of its rows".into();
                WireError::Server(ServerError { code, message })
            }
            other => other,
        };
        self.endpoint.during(&self.table.name.to_string(), LOCK_TIMEOUT_MS).map(error)
    }
}

/// The column that a warning names.
fn spoken_of(warning: &str) -> Option<&str> {
    let (before, _) = warning.rsplit_once("' at row ")?;
    before.split_once("column '").map(|(_, name)| name)
}

/// Whether a warning of this number says nothing of a value of this column's that was read from a server.
fn is_harmless(code: u64, column: &Column) -> bool {
    let type_name = column.type_name.to_lowercase();
    match code {
        TRUNCATED => type_name.starts_with("enum"),
        OUT_OF_RANGE => type_name.starts_with("float(") || type_name.starts_with("double("),
        _ => false,
    }
}

/// `local_infile` is off, in the words of either family: not allowed, or disabled.
fn is_forbidden(error: &WireError) -> bool {
    matches!(error.code(), Some(1148 | 3948 | 4166))
}

/// What stands around a value of an INSERT.
struct Wrap {
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Wrap {
    fn of(shape: Shape) -> Self {
        let expression = shape.write("\0").unwrap_or_else(|| "\0".into());
        let (before, after) = expression.split_once('\0').unwrap_or_default();
        Self { before: before.into(), after: after.into() }
    }
}

/// Appends a line as `(…)`. A line's escapes are those of a string, which needs one more.
fn values(out: &mut Vec<u8>, line: &[u8], wraps: &[Wrap]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    out.push(b'(');
    for (at, (field, wrap)) in line::fields(line).zip(wraps).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let Some(field) = field else {
            out.extend_from_slice(b"NULL");
            continue;
        };
        out.extend_from_slice(&wrap.before);
        out.push(b'\'');
        for piece in field.split_inclusive(|byte| *byte == b'\'') {
            match piece.split_last() {
                Some((b'\'', rest)) => {
                    out.extend_from_slice(rest);
                    out.extend_from_slice(b"\\'");
                }
                _ => out.extend_from_slice(piece),
            }
        }
        out.push(b'\'');
        out.extend_from_slice(&wrap.after);
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_names_its_column() {
        assert_eq!(spoken_of("Out of range value for column 'it's' at row 1"), Some("it's"));
        assert_eq!(spoken_of("Row 1 doesn't contain data for all columns"), None);
    }

    #[test]
    fn a_line_becomes_the_values_of_an_insert() {
        let wraps = [Shape::Plain, Shape::Ascii, Shape::Plain].map(Wrap::of);
        let check = |line: &[u8], expected: &str| {
            let mut out = Vec::new();
            values(&mut out, line, &wraps);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check(b"1\t\\N\tit's\n", "('1',NULL,'it\\'s')");
        check(b"\\\\\t::1\t''\n", "('\\\\',CONVERT('::1' USING latin1),'\\'\\'')");
        check(b"\\\\'\t\t\\0\\n\n", "('\\\\\\'',CONVERT('' USING latin1),'\\0\\n')");
    }
}
