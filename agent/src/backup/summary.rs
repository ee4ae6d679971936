//! What a backup came to, for a program and for a person.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_console::{counted, human_bytes, human_duration};
use serde::Serialize;

/// The last JSON line of a backup, after those of its copies. Its first eight fields are documented; more may follow.
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
    /// When its point was fixed, by this machine's clock.
    pub time: Timestamp,
    /// Tables in it.
    pub tables: u64,
    /// Schema files in it.
    pub files: u64,
    /// What could not be read or is not covered, one sentence each.
    pub not_covered: Vec<String>,
    /// Whether the rows crossed a network in plain text.
    pub plaintext: bool,
    /// Bytes of the rows' fingerprints in this host's state, by which the next run knows them again.
    pub fingerprint_bytes: u64,
    /// Packs of an interrupted run that were taken over.
    pub adopted_packs: u64,
    /// What was found damaged in the vault; this snapshot does not use it.
    pub damage: Vec<String>,
    /// Wrapped keys that are missing or damaged: no person can open what they would open.
    pub lost_keys: Vec<String>,
    /// What is unusual about it, one sentence each: it holds expiry back until somebody accepts it.
    pub flags: Vec<String>,
    /// Tables and columns that are new and that nobody has graded: they are high, unless a key says otherwise.
    pub ungraded: Vec<String>,
}

/// Seconds to the millisecond.
pub fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed = human_duration(Duration::from_secs_f64(self.seconds));
        writeln!(f, "{}: snapshot {} is complete, in {elapsed}", self.source, &self.snapshot[..8])?;
        let (tables, rows) = (counted(self.tables, "table"), counted(self.rows, "row"));
        let (files, raw) = (counted(self.files, "schema file"), human_bytes(self.raw_bytes));
        writeln!(f, "  point    {:.0}", self.time)?;
        writeln!(f, "  covered  {tables}, {rows}, {files}: {raw}")?;
        let reused = human_bytes(self.raw_bytes.saturating_sub(self.new_raw_bytes));
        writeln!(f, "  new      {}; {reused} were in the vault already", human_bytes(self.new_raw_bytes))?;
        writeln!(f, "  stored   {} added to the vault", human_bytes(self.stored_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        Summary {
            source: "crm".into(),
            snapshot: "104e2080aa".into(),
            rows: 3_100_000,
            raw_bytes: 900 << 20,
            new_raw_bytes: 3 << 19,
            stored_bytes: 400 << 10,
            seconds: 4.104,
            time: "2026-11-23T03:00:00.5Z".parse().expect("a time"),
            tables: 43,
            files: 1,
            not_covered: Vec::new(),
            plaintext: false,
            fingerprint_bytes: 48 << 20,
            adopted_packs: 0,
            damage: Vec::new(),
            lost_keys: Vec::new(),
            flags: Vec::new(),
            ungraded: Vec::new(),
        }
    }

    #[test]
    fn the_documented_fields_of_the_summary_come_first() {
        let json = serde_json::to_string(&summary()).expect("JSON");
        let expected = r#"{"source":"crm","snapshot":"104e2080aa","rows":3100000,"raw_bytes":943718400,"new_raw_bytes":1572864,"stored_bytes":409600,"seconds":4.104,"#;
        assert!(json.starts_with(expected), "{json}");
    }

    #[test]
    fn a_person_reads_what_was_covered_and_what_was_new() {
        let expected = "\
crm: snapshot 104e2080 is complete, in 4.1 s
  point    2026-11-23T03:00:00Z
  covered  43 tables, 3,100,000 rows, 1 schema file: 900 MiB
  new      1.50 MiB; 898 MiB were in the vault already
  stored   400 KiB added to the vault
";
        assert_eq!(summary().to_string(), expected);
    }
}
