//! The chain of manifests: each names the one before it, so that one that is missing shows, unless a note
//! says that it has expired.

use std::collections::{HashMap, HashSet};

use super::VerifyReport;
use crate::notes::Notes;
use crate::read::Snapshot;
use crate::{Error, SnapshotId};

/// Follows the chain of every source that `snapshots` belong to.
pub(super) fn check(
    snapshots: &[Snapshot],
    all: &[Snapshot],
    unreadable: &[Error],
    notes: &Notes,
    report: &mut VerifyReport,
) {
    let sources: HashSet<&str> = snapshots.iter().map(|snapshot| snapshot.manifest.source.as_str()).collect();
    let ids: HashSet<SnapshotId> = all.iter().map(|snapshot| snapshot.id).collect();
    let mut numbers: HashMap<(&str, u64), &Snapshot> = HashMap::new();
    for snapshot in all.iter().filter(|snapshot| sources.contains(snapshot.manifest.source.as_str())) {
        let manifest = &snapshot.manifest;
        if let Some(previous) = manifest.previous
            && !ids.contains(&previous)
            && !notes.expired.contains(&previous)
            && !is_named(unreadable, previous)
        {
            let missing = format!(
                "snapshot {} of {} (named by {}, the one after it)",
                previous.short(),
                manifest.source,
                snapshot.id.short()
            );
            report.note_damage(&Error::Missing { object: missing });
        }
        if let Some(other) = numbers.insert((manifest.source.as_str(), manifest.number), snapshot) {
            report.notes.push(format!(
                "{} has two snapshots of number {}, {} and {}: two agents backed it up at once",
                manifest.source,
                manifest.number,
                other.id.short(),
                snapshot.id.short()
            ));
        }
    }
}

/// Whether damage to this manifest is told already.
fn is_named(unreadable: &[Error], id: SnapshotId) -> bool {
    let name = id.to_string();
    unreadable.iter().any(|error| error.to_string().contains(&name))
}
