//! What an agent writes beside the store: by which fingerprints it knows the rows of its last snapshot
//! again. A cache, never needed to restore.
//!
//! ```text
//! directory:  <BLAKE3 of what follows, keyed by the vault's secret, 64 hex digits>
//!             a Head, as JSON
//!             a Remembered part a line, as JSON
//! file:       blocks of records, 16 bytes a row: 4 of its place, 12 of its fingerprint, little endian
//!             the part's lists: 36 bytes a chunk, its id and its rows; where a table has several streams, 32
//!             bytes for the id of each other stream's chunk at each place, one stream after another; then
//!             the text of what is gone
//! ```

use serde::{Deserialize, Serialize};

use super::recipe::Part;
use crate::{ChunkId, SnapshotId, VaultId};

/// Version of these files; another is dropped.
pub const VERSION: u32 = 1;

/// Bytes of a [`Record`] in a file.
pub const RECORD_BYTES: usize = 16;

/// Records in a block, but for a part's last.
pub const BLOCK_RECORDS: usize = 16 * 1024;

/// What the fingerprints belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`VERSION`].
    pub version: u32,
    /// The vault.
    pub vault: VaultId,
    /// The source's name.
    pub source: String,
    /// The snapshot whose rows these are.
    pub snapshot: SnapshotId,
}

/// A part of that snapshot, and where the fingerprints of its rows are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The stretch that it belongs to; a stretch's parts stand in order.
    pub stretch: String,
    /// The part as the snapshot has it; of the first stream, where the table has several.
    pub part: Part,
    /// The same part of the other streams, which have the same rows at the same places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Part>,
    /// The file's name in the directory's folder.
    pub file: String,
    /// Where its blocks of records begin.
    pub blocks: Vec<u64>,
    /// Where its lists begin.
    pub lists: u64,
    /// Chunks in its list.
    pub chunks: u64,
    /// Bytes of the text of what is gone.
    pub gone_bytes: u64,
    /// BLAKE3 of its blocks and lists, in hex.
    pub hash: String,
}

/// A chunk in a part's list, and how many ends of rows it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedChunk {
    /// Its id.
    pub id: ChunkId,
    /// Ends of rows in it.
    pub rows: u32,
}

impl ListedChunk {
    /// Bytes of one in a file.
    pub const BYTES: usize = 36;

    /// As it stands in a file.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..32].copy_from_slice(&self.id.0);
        bytes[32..].copy_from_slice(&self.rows.to_le_bytes());
        bytes
    }

    /// From exactly its bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, rows) = bytes.split_first_chunk::<32>()?;
        Some(Self { id: ChunkId(*id), rows: u32::from_le_bytes(rows.try_into().ok()?) })
    }
}

/// A row of the last snapshot, in the order in which it was read: 96 bits of keyed fingerprint, and its
/// place, counted over the rows of the part's chunks from the first chunk's first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record(u128);

impl Record {
    /// A row of this fingerprint, of which the low 96 bits count, at this place.
    pub fn new(fingerprint: u128, place: u32) -> Self {
        Self(fingerprint << 32 | u128::from(place))
    }

    /// Its fingerprint.
    pub fn fingerprint(self) -> u128 {
        self.0 >> 32
    }

    /// Its place.
    pub fn place(self) -> u32 {
        self.0 as u32
    }

    /// As it stands in a file.
    pub fn to_bytes(self) -> [u8; RECORD_BYTES] {
        self.0.to_le_bytes()
    }

    /// From its bytes.
    pub fn from_bytes(bytes: [u8; RECORD_BYTES]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }
}
