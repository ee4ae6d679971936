//! The vault record: the first object read, and the last word on what the vault is.

use serde::{Deserialize, Serialize};

use crate::VaultId;

/// The JSON body of the object `vault`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultRecord {
    /// Drawn at random when the vault was made.
    pub id: VaultId,
    /// RFC 3339, UTC.
    pub created: String,
    /// Abilities beyond version 1 that a program must know to write (`write`) or to read (`read`).
    pub needs: Needs,
    /// The root's public Ed25519 key, hex.
    pub root: String,
    /// How streams are cut.
    pub chunks: ChunkSizes,
    /// The [`Secrets`] as JSON in an age file to the metadata key of epoch 1, base64.
    pub secrets: String,
}

/// What a program must understand beyond version 1; a name it does not know makes it refuse.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// To read.
    pub read: Vec<String>,
    /// To write.
    pub write: Vec<String>,
}

/// Sizes for FastCDC, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkSizes {
    /// For rows.
    pub rows: Sizes,
    /// For recipes, catalogues and schema files, which change in small places.
    pub metadata: Sizes,
}

/// One set of sizes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// No cut is proposed before.
    pub min: u32,
    /// The aim.
    pub average: u32,
    /// A cut is proposed here at the latest.
    pub max: u32,
}

impl Default for ChunkSizes {
    /// 64 KiB for rows: a good balance of index size against what a scattered update rewrites.
    fn default() -> Self {
        Self {
            rows: Sizes { min: 16 << 10, average: 64 << 10, max: 256 << 10 },
            metadata: Sizes { min: 2 << 10, average: 8 << 10, max: 32 << 10 },
        }
    }
}

/// What every writer of the vault shares and no stranger may know.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    /// Keys the ids of chunks and the digests of rows: 32 bytes, hex.
    pub dedup: String,
    /// Seeds FastCDC's gear table.
    pub gear: u64,
}
