//! What `check` looks at, by place: this host, the vault, each source.
//!
//! Nothing here ends a check early: what cannot be looked at is a finding too.

pub mod host;
pub mod source;
pub mod vault;

use lifeboat_connectors::{Finding, Severity};
use lifeboat_console::{CommandError, chain};
use serde::Serialize;

use crate::explain::explain;

/// Everything found so far.
#[derive(Default)]
pub struct Findings(pub Vec<Found>);

/// One finding and where it belongs.
#[derive(Serialize)]
pub struct Found {
    /// The source it is about, if it is about one.
    pub source: Option<String>,
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
}

impl Findings {
    /// How many are this severe.
    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|found| found.finding.severity == severity).count()
    }

    fn add(&mut self, source: Option<&str>, finding: Finding) {
        self.0.push(Found { source: source.map(str::to_owned), finding });
    }

    fn ok(&mut self, subject: &str, text: impl Into<String>) {
        self.add(None, finding(Severity::Ok, subject, text, None));
    }

    fn warning(&mut self, subject: &str, text: impl Into<String>, hint: Option<String>) {
        self.add(None, finding(Severity::Warning, subject, text, hint));
    }

    fn problem(&mut self, subject: &str, text: impl Into<String>, hint: Option<String>) {
        self.add(None, finding(Severity::Problem, subject, text, hint));
    }

    /// An error that the next backup would end with.
    fn error(&mut self, source: Option<&str>, subject: &str, error: impl Into<CommandError>) {
        let error = error.into().classify(explain);
        let hint = Some(error.hints().join("\n")).filter(|hints| !hints.is_empty());
        self.add(source, finding(Severity::Problem, subject, chain(error.error()), hint));
    }
}

fn finding(severity: Severity, subject: &str, text: impl Into<String>, hint: Option<String>) -> Finding {
    Finding { severity, subject: subject.to_owned(), text: text.into(), hint }
}
