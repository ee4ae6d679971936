//! The control report: what configuration, store, snapshots and keys show about the controls that law and
//! standards ask of backups, as evidence and never as a verdict.
//!
//! [`gather()`] does all the reading and makes [`Facts`]; every control of [`controls::ALL`] is a pure
//! function of them. What was not seen is `unknown`, which counts for nothing.

mod control;
mod controls;
mod evidence;
mod facts;
mod gather;
mod html;
mod json;
mod said;
mod suppress;
mod text;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub use control::{Counts, Status};
pub use evidence::sha256;
pub use facts::Facts;
pub use gather::{fleet::of as gather_fleet, gather};
pub use html::html;
pub use json::json;
pub use said::Language;
pub use text::text;

use control::Finding;

/// Every control, judged at one moment.
pub struct Report {
    /// When the facts were gathered.
    pub at: Timestamp,
    /// The branch, where a configuration names one.
    pub branch: Option<String>,
    /// The vault's id and URL.
    pub vault: (String, String),
    /// One for each control, in the order of [`controls::ALL`].
    pub findings: Vec<Finding>,
}

impl Report {
    /// Judges every control.
    pub fn of(facts: &Facts) -> Self {
        Self {
            at: facts.now,
            branch: facts.config.as_ref().map(|config| config.branch.clone()),
            vault: (facts.vault.id.clone(), facts.vault.url.clone()),
            findings: suppress::applied(facts),
        }
    }

    /// How many controls came out how.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.findings)
    }

    /// Names of the controls that came out so.
    pub fn named(&self, status: Status) -> Vec<&'static str> {
        let those = self.findings.iter().filter(|finding| finding.status == status);
        those.map(|finding| finding.control.id).collect()
    }
}
