//! What came of a copy, for a person and for a program.

use std::time::Duration;

use lifeboat_config::Copy;
use lifeboat_console::{CommandError, Kind, Progress, chain, counted, human_bytes, human_duration};
use lifeboat_vault::{CopyError, CopyOutcome, CopyStats, SnapshotId};
use serde_json::{Value, json};

use crate::explain::explain;
use crate::locks::not_extended;

/// One copy after a run.
pub struct CopyReport {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Snapshots that it shall hold.
    pub snapshots: u64,
    /// Those that it holds whole.
    pub held: Vec<SnapshotId>,
    /// What was written.
    pub stats: CopyStats,
    /// What is wrong with it, each with what to do about it.
    pub findings: Vec<(String, &'static str)>,
    /// Why it went no further.
    pub failure: Option<CommandError>,
    /// Why the locks of what it holds could not be extended.
    pub unlocked: Option<CommandError>,
    elapsed: Duration,
}

impl CopyReport {
    pub(super) fn of(
        copy: &Copy,
        outcome: CopyOutcome,
        unlocked: Option<lifeboat_vault::Error>,
        elapsed: Duration,
    ) -> Self {
        let context =
            |error: CopyError| CommandError::from(error).context(format!("copy {} is behind", copy.name));
        Self {
            name: copy.name.clone(),
            url: copy.url.to_string(),
            snapshots: outcome.snapshots,
            held: outcome.held,
            stats: outcome.stats,
            findings: outcome.findings.iter().map(|found| (found.to_string(), found.hint())).collect(),
            failure: outcome.stopped.map(context).map(|error| error.classify(explain)),
            unlocked: unlocked
                .map(|error| not_extended(error, &format!("of copy {}", copy.name)).classify(explain)),
            elapsed,
        }
    }

    /// A copy whose store could not even be opened.
    pub(super) fn failed(copy: &Copy, snapshots: u64, error: CommandError) -> Self {
        Self {
            name: copy.name.clone(),
            url: copy.url.to_string(),
            snapshots,
            held: Vec::new(),
            stats: CopyStats::default(),
            findings: Vec::new(),
            failure: Some(error.classify(explain)),
            unlocked: None,
            elapsed: Duration::ZERO,
        }
    }

    /// Whether it holds every snapshot that it shall hold.
    pub fn is_complete(&self) -> bool {
        self.failure.is_none() && self.held.len() as u64 == self.snapshots
    }

    /// Tells what is wrong, with what to do about it.
    pub fn warn(&self, progress: &Progress) {
        for (finding, hint) in &self.findings {
            progress.warn(&format!("copy {}: {finding}\n  hint: {hint}", self.name));
        }
        for error in self.failure.iter().chain(&self.unlocked) {
            let hints: String = error.hints().iter().map(|hint| format!("\n  hint: {hint}")).collect();
            progress.warn(&format!("{}{hints}", chain(error.error())));
        }
    }

    /// Why it is not as it should be, and what to do next; nothing when it is.
    pub fn trouble(&self) -> Option<(String, Vec<String>)> {
        let hints = self.findings.iter().map(|(_, hint)| (*hint).to_owned());
        if let Some(error) = self.failure.as_ref().or(self.unlocked.as_ref()) {
            return Some((chain(error.error()), error.hints().iter().cloned().chain(hints).collect()));
        }
        let findings: Vec<_> = self.findings.iter().map(|(finding, _)| finding.as_str()).collect();
        match (findings.is_empty(), self.is_complete()) {
            (true, true) => None,
            (true, false) => {
                Some((format!("it holds {} of {} snapshots", self.held.len(), self.snapshots), Vec::new()))
            }
            (false, _) => Some((findings.join("; "), hints.collect())),
        }
    }

    /// One line of JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "copy": self.name,
            "url": self.url,
            "complete": self.is_complete(),
            "snapshots": self.snapshots,
            "held": self.held.len(),
            "copied_objects": self.stats.objects,
            "copied_bytes": self.stats.bytes,
            "seconds": crate::backup::seconds(self.elapsed),
            "findings": self.findings.iter().map(|(finding, _)| finding).collect::<Vec<_>>(),
            "unlocked": self.unlocked.as_ref().map(|error| chain(error.error())),
            "failure": self.failure.as_ref().map(|error| chain(error.error())),
        })
    }

    /// What this copy alone makes of the command that asked for it.
    pub fn into_result(self) -> Result<(), CommandError> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        if self.findings.is_empty() {
            return self.unlocked.map_or(Ok(()), Err);
        }
        let text = match self.is_complete_apart_from_findings() {
            true => format!("copy {} is complete, but not as it was left", self.name),
            false => format!("copy {} holds {} of {} snapshots", self.name, self.held.len(), self.snapshots),
        };
        Err(CommandError::new(Kind::Damage, text).hint("each warning above says what to do about it"))
    }

    fn is_complete_apart_from_findings(&self) -> bool {
        self.held.len() as u64 == self.snapshots
    }
}

impl std::fmt::Display for CopyReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (held, all) = (self.held.len(), counted(self.snapshots, "snapshot"));
        match self.is_complete() {
            true => write!(f, "copy {} holds all {all}", self.name)?,
            false => write!(f, "copy {} holds {held} of {all}", self.name)?,
        }
        if self.stats.objects == 0 {
            return writeln!(f, "; nothing was copied");
        }
        let CopyStats { objects, bytes } = self.stats;
        let (objects, bytes) = (counted(objects, "object"), human_bytes(bytes));
        writeln!(f, "; {objects}, {bytes} copied, in {}", human_duration(self.elapsed))
    }
}
