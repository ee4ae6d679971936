//! Notes: what people and programs say about snapshots after they were written. Each is an object of its
//! own that never changes; what it says ends only by another note that names it.

use serde::{Deserialize, Serialize};

use crate::{Keep, NoteId, RequestId, SnapshotId};

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
    /// These holds end.
    Release {
        /// The notes that said [`Says::Hold`].
        holds: Vec<NoteId>,
        /// The request by which they end. Without one, and not signed by the root, it ends none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
    },
    /// What is flagged about this snapshot has been looked at and is as it should be.
    Accept {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// So much is kept, whatever a configuration says.
    Keep {
        /// Of what: a source's name, or `copy NAME` for what a copy keeps of every source.
        of: String,
        /// How much.
        keep: Keep,
        /// Notes of this kind, of the same `of`, whose place it takes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        instead_of: Vec<NoteId>,
        /// The request by which it takes their place. Without one, and not signed by the root, it takes none's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
    },
    /// These snapshots are removed by policy. Written before their manifests are deleted, so that a
    /// snapshot that is gone without it shows.
    Expire {
        /// The snapshots.
        snapshots: Vec<SnapshotId>,
    },
}
