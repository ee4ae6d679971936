//! Copies on a screen.

use std::time::Duration;

use lifeboat_console::{Align, Table, human_bytes, human_duration};
use lifeboat_vault::CopyStatus;

/// One line for each copy: how far it is behind, and why.
pub fn table(statuses: &[CopyStatus]) -> Table {
    let mut table = Table::new([
        ("copy", Align::Left),
        ("holds", Align::Left),
        ("behind for", Align::Left),
        ("last complete", Align::Left),
        ("size", Align::Right),
        ("last problem", Align::Left),
    ]);
    for status in statuses {
        let holds = format!("{} of {} snapshots", status.held, status.snapshots);
        let behind = match status.is_complete() {
            true => "not behind".to_owned(),
            false => human_duration(Duration::from_secs(status.lag_seconds)),
        };
        let verified = status.verified.map_or_else(|| "never".to_owned(), |time| format!("{time:.0}"));
        let problem = status.failure.as_ref().or(status.findings.first()).cloned().unwrap_or_default();
        table.row([status.name.clone(), holds, behind, verified, human_bytes(status.bytes), problem]);
    }
    table
}
