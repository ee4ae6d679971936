//! What the vault's record says of its last verification, by the clocks of those who verified.

use jiff::Timestamp;
use lifeboat_vault::format::audit::RowsRead;
use lifeboat_vault::{AuditRecord, AuditReport};

/// When every snapshot was last proven whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proven {
    /// All of it but the rows.
    pub structure: Option<Timestamp>,
    /// Every row too.
    pub rows: Option<Timestamp>,
}

impl Proven {
    /// Looks for the newest entries that say so.
    pub fn by(report: &AuditReport) -> Self {
        let is_whole = |record: &&AuditRecord| {
            let deed = &record.entry.deed;
            deed.what == "verify" && deed.result == "done" && deed.snapshots.is_empty()
        };
        let every_row = |record: &&AuditRecord| record.entry.deed.depth == Some(RowsRead::All);
        let time = |record: &AuditRecord| record.entry.time.parse().ok();
        let whole = || report.records.iter().filter(is_whole);
        Self {
            structure: whole().filter_map(time).max(),
            rows: whole().filter(every_row).filter_map(time).max(),
        }
    }
}
