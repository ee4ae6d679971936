//! One look at the counters, and the words for it.

use std::time::Duration;

use serde::Serialize;

use crate::{escape, human_bytes, human_duration, human_rows};

/// How many tables a line or a JSON object names at most; the rest are counted.
const TABLES_NAMED: usize = 3;

/// A phase as it stood at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) phase: String,
    pub(crate) elapsed: Duration,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) rows_expected: Option<u64>,
    pub(crate) bytes_expected: Option<u64>,
    pub(crate) tables_done: u64,
    pub(crate) tables: Vec<TableStatus>,
}

/// A table under way.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TableStatus {
    pub(crate) name: String,
    pub(crate) rows: u64,
    #[serde(rename = "rows_estimated")]
    pub(crate) rows_expected: Option<u64>,
    pub(crate) bytes: u64,
}

impl Status {
    /// The share that is done, from 0 to 1; an estimate that was too low gives 1.
    pub(crate) fn share(&self) -> Option<f64> {
        let (done, expected) = match (self.rows_expected, self.bytes_expected) {
            (Some(rows), _) => (self.rows, rows),
            (None, Some(bytes)) => (self.bytes, bytes),
            (None, None) => return None,
        };
        Some((done as f64 / expected as f64).min(1.0))
    }

    /// Bytes per second since the phase began.
    pub(crate) fn rate(&self) -> Option<u64> {
        let seconds = self.elapsed.as_secs_f64();
        (seconds > 0.0 && self.bytes > 0).then(|| (self.bytes as f64 / seconds) as u64)
    }

    /// The time left at the pace so far. Says nothing before a hundredth is done, when it could only be
    /// a guess.
    pub(crate) fn left(&self) -> Option<Duration> {
        let share = self.share().filter(|share| (0.01..1.0).contains(share))?;
        Some(Duration::from_secs_f64((self.elapsed.as_secs_f64() * (1.0 - share) / share).round()))
    }

    /// `1,200,000 of 3,100,000 rows (39 %), 312 MiB, 104 MiB/s, 5 s left`.
    pub(crate) fn numbers(&self) -> String {
        let mut parts = Vec::new();
        if self.rows > 0 || self.rows_expected.is_some() {
            parts.push(rows(self.rows, self.rows_expected));
        }
        let bytes_expected = self.bytes_expected.filter(|_| self.rows_expected.is_none());
        parts.push(of(self.bytes, bytes_expected, human_bytes));
        if let Some(share) = self.share()
            && let Some(part) = parts.first_mut()
        {
            part.push_str(&format!(" ({:.0} %)", (share * 100.0).floor()));
        }
        parts.extend(self.rate().map(|rate| format!("{}/s", human_bytes(rate))));
        parts.extend(self.left().map(|left| format!("{} left", whole_seconds(left))));
        parts.join(", ")
    }

    /// The line of a run that goes on.
    pub(crate) fn line(&self) -> String {
        let names: Vec<_> = self.tables.iter().take(TABLES_NAMED).map(|table| escape(&table.name)).collect();
        let more = self.tables.len().saturating_sub(TABLES_NAMED);
        let now = match (names.is_empty(), more) {
            (true, _) => String::new(),
            (false, 0) => format!(", now {}", names.join(", ")),
            (false, more) => format!(", now {} and {more} more", names.join(", ")),
        };
        format!("{}: {}{now}", self.phase, self.numbers())
    }

    /// The line at a phase's end.
    pub(crate) fn last_line(&self) -> String {
        let mut parts = Vec::new();
        match self.tables_done {
            0 => {}
            1 => parts.push("1 table".to_owned()),
            tables => parts.push(format!("{} tables", human_rows(tables))),
        }
        if self.rows > 0 {
            parts.push(rows(self.rows, None));
        }
        if self.bytes > 0 {
            parts.push(human_bytes(self.bytes));
        }
        let what = if parts.is_empty() { "done".to_owned() } else { parts.join(", ") };
        format!("{}: {what} in {}", self.phase, human_duration(self.elapsed))
    }

    /// The fields of a JSON progress line.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "phase": self.phase,
            "rows": self.rows,
            "rows_estimated": self.rows_expected,
            "bytes": self.bytes,
            "bytes_estimated": self.bytes_expected,
            "seconds": seconds(self.elapsed),
            "bytes_per_second": self.rate(),
            "seconds_left": self.left().map(seconds),
            "tables_done": self.tables_done,
            "tables": self.tables.iter().take(TABLES_NAMED).collect::<Vec<_>>(),
        })
    }
}

impl TableStatus {
    /// `412,000 of 1,000,000 rows, 120 MiB`.
    pub(crate) fn numbers(&self) -> String {
        format!("{}, {}", rows(self.rows, self.rows_expected), human_bytes(self.bytes))
    }
}

fn of(done: u64, expected: Option<u64>, show: impl Fn(u64) -> String) -> String {
    match expected {
        Some(expected) => format!("{} of {}", show(done), show(expected)),
        None => show(done),
    }
}

fn rows(done: u64, expected: Option<u64>) -> String {
    match (done, expected) {
        (1, None) | (_, Some(1)) => format!("{} row", of(done, expected, human_rows)),
        _ => format!("{} rows", of(done, expected, human_rows)),
    }
}

/// A guess has no tenths.
fn whole_seconds(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        _ => human_duration(left),
    }
}

/// Milliseconds are enough, and keep the lines short.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(rows: u64, mib: u64, rows_expected: Option<u64>) -> Status {
        Status {
            phase: "reading".into(),
            elapsed: Duration::from_secs(3),
            rows,
            bytes: mib << 20,
            rows_expected,
            bytes_expected: None,
            tables_done: 0,
            tables: Vec::new(),
        }
    }

    fn check(status: &Status, expected: &str) {
        assert_eq!(status.line(), expected);
    }

    #[test]
    fn a_line_says_rows_bytes_rate_and_time_left() {
        check(
            &status(1_200_000, 312, Some(3_100_000)),
            "reading: 1,200,000 of 3,100,000 rows (38 %), 312 MiB, 104 MiB/s, 5 s left",
        );
        check(&status(1_200_000, 312, None), "reading: 1,200,000 rows, 312 MiB, 104 MiB/s");
        check(&status(0, 0, None), "reading: 0 B");
        check(&status(0, 0, Some(10)), "reading: 0 of 10 rows (0 %), 0 B");
        check(&status(12, 3, Some(10)), "reading: 12 of 10 rows (100 %), 3.00 MiB, 1.00 MiB/s");
        let verify = Status { bytes_expected: Some(600 << 20), ..status(0, 300, None) };
        check(&verify, "reading: 300 MiB of 600 MiB (50 %), 100 MiB/s, 3 s left");
    }

    #[test]
    fn a_line_names_three_tables_and_counts_the_rest() {
        let table = |name: &str| TableStatus { name: name.into(), rows: 0, rows_expected: None, bytes: 0 };
        let tables = ["contacts", "a\nb", "deals", "notes", "calls"].map(table).to_vec();
        check(
            &Status { tables, ..status(1, 0, None) },
            "reading: 1 row, 0 B, now contacts, a\\nb, deals and 2 more",
        );
    }

    #[test]
    fn a_phase_ends_with_what_it_did() {
        let done = Status { tables_done: 43, ..status(3_100_000, 900, None) };
        assert_eq!(done.last_line(), "reading: 43 tables, 3,100,000 rows, 900 MiB in 3.0 s");
        assert_eq!(status(0, 0, None).last_line(), "reading: done in 3.0 s");
    }
}
