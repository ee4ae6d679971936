//! What a backup came to, for a program and for a person.

use std::fmt;
use std::time::Duration;

use lifeboat_console::{human_bytes, human_duration, human_rows};
use serde::Serialize;

/// The last JSON line of a backup. Its first eight fields are documented; more may follow.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The source's name.
    pub source: String,
    /// The snapshot's id.
    pub snapshot: String,
    /// Rows in it.
    pub rows: u64,
    /// Raw bytes of its rows and schema files.
    pub raw_bytes: u64,
    /// Raw bytes of those that the vault did not have.
    pub new_raw_bytes: u64,
    /// Bytes added to the store by this run, everything counted.
    pub stored_bytes: u64,
    /// Wall time, opening and completing included.
    pub seconds: f64,
    /// When its point was fixed: RFC 3339, UTC.
    pub time: String,
    /// Tables in it.
    pub tables: u64,
    /// Schema files in it.
    pub files: usize,
    /// What could not be read or is not covered, one sentence each.
    pub not_covered: Vec<String>,
    /// Whether the rows crossed a network in plain text.
    pub plaintext: bool,
    /// Packs of an interrupted run that were taken over.
    pub adopted_packs: u64,
    /// What was found damaged in the vault; this snapshot does not use it.
    pub damage: Vec<String>,
}

/// Seconds to the millisecond.
pub fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed = human_duration(Duration::from_secs_f64(self.seconds));
        writeln!(f, "{}: snapshot {} is complete, in {elapsed}", self.source, &self.snapshot[..8])?;
        let (tables, rows) = (human_rows(self.tables), human_rows(self.rows));
        let raw = human_bytes(self.raw_bytes);
        writeln!(
            f,
            "  covered  {tables} tables, {rows} rows, {} schema files: {raw} of {}",
            self.files, self.time
        )?;
        let reused = human_bytes(self.raw_bytes.saturating_sub(self.new_raw_bytes));
        writeln!(f, "  new      {}; {reused} were in the vault already", human_bytes(self.new_raw_bytes))?;
        writeln!(f, "  stored   {} added to the vault", human_bytes(self.stored_bytes))
    }
}
