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
    /// The root's public Ed25519 key, hex.
    pub root: String,
    /// How streams are cut.
    pub chunks: ChunkSizes,
}

/// Sizes for FastCDC, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkSizes {
    /// For rows.
    pub rows: Sizes,
    /// For recipes, catalogues and schema files, which change in small places.
    pub metadata: Sizes,
}

/// One set of sizes, in bytes: even, and within what FastCDC takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// No cut is proposed before.
    pub min: u32,
    /// The aim.
    pub average: u32,
    /// A cut is proposed here at the latest.
    pub max: u32,
}

impl Sizes {
    /// Whether a stream can be cut by these.
    pub fn are_usable(&self) -> bool {
        let within =
            |size: u32, least: u32, most: u32| (least..=most).contains(&size) && size.is_multiple_of(2);
        within(self.min, 64, 1 << 20)
            && within(self.average, 256, 4 << 20)
            && within(self.max, 1024, 16 << 20)
            && self.min <= self.average
            && self.average <= self.max
    }
}

impl Default for ChunkSizes {
    /// 64 KiB for rows: a good balance of index size against what a scattered update rewrites. 2 KiB for
    /// metadata: when a list is written anew, its last chunk is, and half of one is what that costs.
    fn default() -> Self {
        Self {
            rows: Sizes { min: 16 << 10, average: 64 << 10, max: 256 << 10 },
            metadata: Sizes { min: 512, average: 2 << 10, max: 8 << 10 },
        }
    }
}
