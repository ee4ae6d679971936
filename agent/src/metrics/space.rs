//! What the vault, its copies and this host's disks hold.

use lifeboat_vault::CopyStatus;

use super::exposition::{Family, Kind, Labels};
use super::seconds;
use crate::status::{Status, VaultStatus};

/// Families about space. Those of a copy have its name as a label; those of the vault itself have none.
pub fn families(branch: &str, status: &Status) -> Vec<Family> {
    let mut vault = Vault::new();
    let of_vault: Labels = vec![("branch", branch.to_owned())];
    if let Some(seen) = &status.seen {
        vault.add(&of_vault, seen);
    }
    for copy in &status.copies {
        vault.add_copy(of_vault.iter().cloned().chain([("copy", copy.name.clone())]).collect(), copy);
    }
    vault.into_families().into_iter().chain([free(status), state(status)]).collect()
}

/// What the vault and each copy hold.
struct Vault {
    snapshots: Family,
    stored: Family,
    oldest: Family,
    recipients: Family,
    lag: Family,
    complete: Family,
}

impl Vault {
    fn new() -> Self {
        let gauge = |name, help| Family::new(name, Kind::Gauge, help);
        Self {
            snapshots: gauge("lifeboat_snapshots", "Snapshots that the vault holds, and each copy whole."),
            stored: gauge("lifeboat_stored_bytes", "Bytes of the vault, and of each copy."),
            oldest: gauge(
                "lifeboat_oldest_snapshot_timestamp_seconds",
                "When the oldest snapshot was written; 0 where there is none.",
            ),
            recipients: gauge("lifeboat_recipients", "People whose keys open rows of a grade."),
            lag: gauge(
                "lifeboat_copy_lag_seconds",
                "The age of the oldest snapshot that a copy shall hold and does not; 0 when it is complete.",
            ),
            complete: gauge(
                "lifeboat_copy_complete_timestamp_seconds",
                "When a copy was last found, or made, complete; 0 for never.",
            ),
        }
    }

    fn add(&mut self, labels: &Labels, seen: &VaultStatus) {
        self.snapshots.add(labels.clone(), seen.snapshots as f64);
        self.stored.add(labels.clone(), seen.bytes as f64);
        self.oldest.add(labels.clone(), seconds(seen.oldest));
        for (grade, people) in &seen.recipients {
            let grade = ("grade", grade.as_str().to_owned());
            self.recipients.add(labels.iter().cloned().chain([grade]).collect(), *people as f64);
        }
    }

    fn add_copy(&mut self, labels: Labels, copy: &CopyStatus) {
        self.snapshots.add(labels.clone(), copy.held as f64);
        self.stored.add(labels.clone(), copy.bytes as f64);
        self.lag.add(labels.clone(), copy.lag_seconds as f64);
        self.complete.add(labels, seconds(copy.verified));
    }

    fn into_families(self) -> Vec<Family> {
        let Self { snapshots, stored, oldest, recipients, lag, complete } = self;
        vec![snapshots, stored, oldest, recipients, lag, complete]
    }
}

fn free(status: &Status) -> Family {
    let help = "Bytes free on the disk of the state folder and of a vault in a folder.";
    let mut free = Family::new("lifeboat_free_bytes", Kind::Gauge, help);
    for (place, bytes) in [("state", status.state.free_bytes), ("vault", status.vault_free_bytes)] {
        if let Some(bytes) = bytes {
            free.add(vec![("place", place.to_owned())], bytes as f64);
        }
    }
    free
}

fn state(status: &Status) -> Family {
    let mut state = Family::new("lifeboat_state_bytes", Kind::Gauge, "Bytes of the state folder.");
    let kinds = [("fingerprints", status.state.fingerprint_bytes), ("other", status.state.other_bytes)];
    for (kind, bytes) in kinds {
        state.add(vec![("kind", kind.to_owned())], bytes as f64);
    }
    state
}
