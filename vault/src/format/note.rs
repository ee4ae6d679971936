//! Notes: what people and programs say about snapshots after they were written. Each is an object of its
//! own that never changes; what it says ends only by another note that names it.

use serde::{Deserialize, Serialize};

use crate::{NoteId, SnapshotId};

/// The JSON inside the sealed body of `notes/ID`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When it was written, by the writer's clock: RFC 3339, UTC. For people: nothing is decided by it.
    pub time: String,
    /// Who wrote it, in words.
    pub by: String,
    /// Why, in words.
    pub reason: String,
    /// What it says.
    #[serde(flatten)]
    pub says: Says,
}

/// What a note says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Says {
    /// This snapshot does not expire, whatever any policy says.
    Hold {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// These holds end. One that the root has signed ends only by the root.
    Release {
        /// The notes that said [`Says::Hold`].
        holds: Vec<NoteId>,
    },
    /// What is flagged about this snapshot has been looked at and is as it should be.
    Accept {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// These snapshots are removed by policy. Written before their manifests are deleted, so that a
    /// snapshot that is gone without it shows.
    Expire {
        /// The snapshots.
        snapshots: Vec<SnapshotId>,
    },
}
