//! What an agent keeps, beside its key, of each copy of its vault. Never needed to restore.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{SnapshotId, VaultId};

/// The JSON in `copy.json` of a copy's folder in the agent's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyRecord {
    /// Where the copy is, without secrets.
    pub url: String,
    /// The vault that it is a copy of.
    pub vault: Option<VaultId>,
    /// When it was last looked at.
    pub tried: Option<Timestamp>,
    /// Why that came to nothing, if it did.
    pub failure: Option<String>,
    /// When it was last found, or made, to hold every snapshot that it shall hold.
    pub verified: Option<Timestamp>,
    /// The snapshots that it held whole when it was last reached.
    pub held: Vec<SnapshotId>,
    /// The snapshots of the vault that it need not hold, by its own retention.
    #[serde(default)]
    pub spared: Vec<SnapshotId>,
    /// Objects in it then.
    pub objects: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// What was found wrong with it then.
    pub findings: Vec<String>,
}
