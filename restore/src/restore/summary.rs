//! What a restore came to, for a program and for a person.

use std::fmt;
use std::time::Duration;

use lifeboat_connectors::LoadReport;
use lifeboat_console::{CommandError, Kind, escape, human_bytes, human_duration};
use lifeboat_vault::format::audit::Loaded;
use serde::Serialize;

use super::withhold::{Reason, by_reason};
use super::{Plan, Withheld};
use crate::words;

/// The last JSON line of a restore that was carried out.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The source's name.
    pub source: String,
    /// The snapshot's id.
    pub snapshot: String,
    /// The target, without secrets.
    pub target: String,
    /// Wall time of everything up to the complete target.
    pub load_seconds: f64,
    /// Wall time of the comparison, unless it was left out.
    pub compare_seconds: Option<f64>,
    /// Rows loaded.
    pub rows: u64,
    /// Raw bytes of them.
    pub raw_bytes: u64,
    /// Tables whose rows were loaded.
    pub tables: u64,
    /// What was kept back because of its grade, and why.
    pub withheld: Vec<Withheld>,
    /// Whether that is what was asked for.
    #[serde(skip)]
    pub withheld_as_asked: bool,
    /// Tables that are damaged in the vault and were left empty.
    pub skipped: Vec<Skipped>,
    /// What the target refused, one sentence each.
    pub refused: Vec<String>,
    /// What differs from the snapshot, one sentence each.
    pub differences: Vec<String>,
    /// What else an operator should know, one sentence each.
    pub notes: Vec<String>,
}

/// A table that was left empty.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// Its name.
    pub table: String,
    /// What is damaged.
    pub reason: String,
}

impl Summary {
    /// Of a target that is complete and not compared yet.
    pub fn loaded(plan: &Plan, report: LoadReport, elapsed: Duration) -> Self {
        let skipped = plan.skipped();
        Self {
            source: plan.snapshot.manifest.source.clone(),
            snapshot: plan.snapshot.id.to_string(),
            target: plan.target.clone(),
            load_seconds: words::seconds(elapsed),
            compare_seconds: None,
            rows: plan.rows(),
            raw_bytes: plan.bytes(),
            tables: plan.loaded().count() as u64,
            withheld: plan.withheld(),
            withheld_as_asked: false,
            skipped: skipped
                .map(|t| Skipped { table: t.name(), reason: t.damage.clone().unwrap_or_default() })
                .collect(),
            refused: report.refused,
            differences: Vec::new(),
            notes: told_once(report.notes),
        }
    }

    /// Takes in what the comparison found.
    pub fn compared(&mut self, differences: Vec<String>, elapsed: Duration) {
        self.differences = differences;
        self.compare_seconds = Some(words::seconds(elapsed));
    }

    /// The same for the record. `every_table`: whether the plan was for all of the snapshot's.
    pub fn on_record(&self, every_table: bool) -> Loaded {
        let up = |seconds: f64| seconds.ceil() as u64;
        let as_it_was = self.withheld.is_empty() && self.skipped.is_empty() && self.refused.is_empty();
        Loaded {
            whole: every_table && as_it_was,
            load_seconds: up(self.load_seconds),
            compare_seconds: self.compare_seconds.map(up),
            differences: self.compare_seconds.map(|_| self.differences.len() as u64),
        }
    }

    /// How the command ends.
    ///
    /// # Errors
    /// `Damage` when the target differs from the snapshot, `Partial` when something was left out.
    pub fn ending(&self) -> Result<(), CommandError> {
        if !self.differences.is_empty() {
            let text = format!(
                "the target differs from the snapshot in {}",
                words::counted(self.differences.len() as u64, "table")
            );
            return Err(CommandError::new(Kind::Damage, text)
                .hint("does something else write to the target? restore into an empty one once more")
                .hint("`lifeboat-restore verify --read-data` says whether the snapshot is good"));
        }
        let skipped = words::counted(self.skipped.len() as u64, "damaged table");
        let refused = words::counted(self.refused.len() as u64, "object");
        let told = [
            (!self.skipped.is_empty()).then(|| format!("{skipped} left empty")),
            (!self.refused.is_empty()).then(|| format!("{refused} refused by the target")),
            self.withheld_unasked(),
        ];
        let told: Vec<_> = told.into_iter().flatten().collect();
        if told.is_empty() {
            return Ok(());
        }
        Err(CommandError::new(Kind::Partial, format!("the restore is partial: {}", told.join(", "))))
    }

    /// What was kept back although nobody asked for that.
    fn withheld_unasked(&self) -> Option<String> {
        let unasked = |withheld: &&Withheld| !self.withheld_as_asked || withheld.reason == Reason::Closed;
        let columns: usize =
            self.withheld.iter().filter(unasked).map(|withheld| withheld.columns.len()).sum();
        (columns > 0).then(|| format!("{} withheld", words::counted(columns as u64, "column")))
    }
}

/// Sentences that are told again and again are told once, with how often.
fn told_once(sentences: Vec<String>) -> Vec<String> {
    let mut once: Vec<(String, u64)> = Vec::new();
    for sentence in sentences {
        match once.iter_mut().find(|(told, _)| *told == sentence) {
            Some((_, times)) => *times += 1,
            None => once.push((sentence, 1)),
        }
    }
    let told = |(sentence, times)| match times {
        1 => sentence,
        times => format!("{sentence} ({times} times)"),
    };
    once.into_iter().map(told).collect()
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = |seconds| human_duration(Duration::from_secs_f64(seconds));
        writeln!(f, "{}: snapshot {} is in {}", self.source, &self.snapshot[..8], escape(&self.target))?;
        let (tables, rows) = (words::counted(self.tables, "table"), words::counted(self.rows, "row"));
        let bytes = human_bytes(self.raw_bytes);
        writeln!(f, "  loaded    {tables}, {rows}: {bytes}, in {}", took(self.load_seconds))?;
        match self.compare_seconds {
            None => writeln!(f, "  compared  nothing: --no-compare left it out")?,
            Some(seconds) if self.differences.is_empty() && !self.withheld.is_empty() => {
                writeln!(
                    f,
                    "  compared  rows of every loaded table, and digests of what is not withheld, are the snapshot's, in {}",
                    took(seconds)
                )?;
            }
            Some(seconds) if self.differences.is_empty() => {
                writeln!(
                    f,
                    "  compared  rows and digests of every loaded table are the snapshot's, in {}",
                    took(seconds)
                )?;
            }
            Some(seconds) => writeln!(f, "  compared  with differences, in {}", took(seconds))?,
        }
        for difference in &self.differences {
            writeln!(f, "  differs   {}", escape(difference))?;
        }
        for (why, names) in by_reason(&self.withheld) {
            writeln!(f, "  withheld  {} ({})", escape(&names), escape(&why))?;
        }
        for skipped in &self.skipped {
            writeln!(f, "  empty     {}: {}", escape(&skipped.table), escape(&skipped.reason))?;
        }
        for refused in &self.refused {
            writeln!(f, "  refused   {}", escape(refused))?;
        }
        for note in &self.notes {
            writeln!(f, "  note      {}", escape(note))?;
        }
        Ok(())
    }
}
