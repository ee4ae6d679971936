//! Rows into one table: by `LOAD DATA LOCAL` where the server allows it, by INSERTs of many rows where not.
//!
//! Either way in one transaction. `LOAD DATA LOCAL` turns errors into warnings and passes over rows, so what
//! it says afterwards is read as strictly as an error. Rows that only an INSERT takes as they are go beside
//! the others.

use super::column::Shape;
use super::connect::Endpoint;
use super::fault::without_value;
use super::insert::Insert;
use super::server::Family;
use super::sql::{self, ident};
use super::target::LOCK_TIMEOUT_MS;
use super::wire::{ServerError, Wire, WireError};
use crate::{Column, Error, LoadTable, Result, RowReceiver};

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
        let insert = self.insert_statement();
        if insert.may_be_needed() {
            wire.run("START TRANSACTION").await.map_err(|error| self.map(error))?;
        }
        let (arrived, loaded) = match wire.begin_data(&self.load_statement()).await {
            Ok(()) if insert.may_be_needed() => self.send_beside(wire, &mut rows, insert).await?,
            Ok(()) => self.send(wire, &mut rows).await?,
            Err(error) if is_forbidden(&error) => self.insert(wire, &mut rows, insert).await?,
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
        Ok((arrived, self.end_data(wire).await?))
    }

    async fn end_data(&self, wire: &mut Wire) -> Result<u64> {
        let done = wire.end_data().await.map_err(|error| self.map(error))?;
        if done.warnings > 0 {
            self.read_warnings(wire).await?;
        }
        Ok(done.affected)
    }

    /// The same where some rows need an INSERT: they are gathered, and run between two loads.
    async fn send_beside(
        &self,
        wire: &mut Wire,
        rows: &mut RowReceiver,
        mut insert: Insert,
    ) -> Result<(u64, u64)> {
        let (mut arrived, mut loaded) = (0, 0);
        while let Some(batch) = rows.recv().await {
            arrived += batch.rows() as u64;
            let (mut at, mut sent) = (0, 0);
            for line in batch.lines() {
                at += line.len();
                if insert.is_needed(line) {
                    insert.push(line);
                    let before = &batch.bytes[sent..at - line.len()];
                    wire.send(before).await.map_err(|error| self.map(error))?;
                    sent = at;
                }
            }
            wire.send(&batch.bytes[sent..]).await.map_err(|error| self.map(error))?;
            if insert.is_full() {
                loaded += self.end_data(wire).await? + self.run_insert(wire, &mut insert).await?;
                wire.begin_data(&self.load_statement()).await.map_err(|error| self.map(error))?;
            }
        }
        if arrived != self.rows_expected {
            return Ok((arrived, 0));
        }
        loaded += self.end_data(wire).await? + self.run_insert(wire, &mut insert).await?;
        self.commit(wire, arrived, loaded).await
    }

    async fn insert(
        &self,
        wire: &mut Wire,
        rows: &mut RowReceiver,
        mut insert: Insert,
    ) -> Result<(u64, u64)> {
        wire.run("START TRANSACTION").await.map_err(|error| self.map(error))?;
        let (mut arrived, mut loaded) = (0, 0);
        while let Some(batch) = rows.recv().await {
            for line in batch.lines() {
                arrived += 1;
                insert.push(line);
                if insert.is_full() {
                    loaded += self.run_insert(wire, &mut insert).await?;
                }
            }
        }
        loaded += self.run_insert(wire, &mut insert).await?;
        self.commit(wire, arrived, loaded).await
    }

    /// Keeps the rows if they are all.
    async fn commit(&self, wire: &mut Wire, arrived: u64, loaded: u64) -> Result<(u64, u64)> {
        if arrived == self.rows_expected && loaded == arrived {
            wire.run("COMMIT").await.map_err(|error| self.map(error))?;
        }
        Ok((arrived, loaded))
    }

    /// Runs what was gathered; the rows taken.
    async fn run_insert(&self, wire: &mut Wire, insert: &mut Insert) -> Result<u64> {
        if insert.is_empty() {
            return Ok(0);
        }
        let done = wire.run_bytes(insert.statement()).await.map_err(|error| self.map(error))?;
        insert.clear();
        if done.warnings > 0 {
            self.read_warnings(wire).await?;
        }
        Ok(done.affected)
    }

    fn insert_statement(&self) -> Insert {
        let columns = self.table.columns.iter().zip(self.shapes());
        Insert::new(&self.table.name.name, columns.map(|(column, shape)| (column.name.as_str(), shape)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_names_its_column() {
        assert_eq!(spoken_of("Out of range value for column 'it's' at row 1"), Some("it's"));
        assert_eq!(spoken_of("Row 1 doesn't contain data for all columns"), None);
    }
}
