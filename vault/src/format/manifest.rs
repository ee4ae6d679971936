//! Manifests: the root record of a snapshot, and the catalogue of its tables.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::recipe::{Part, Text};
use crate::{ChunkId, Grade, SnapshotId};

/// The JSON inside the sealed body of `snapshots/ID`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The source's name.
    pub source: String,
    /// 1 for the first snapshot of this source, and up.
    pub number: u64,
    /// The snapshot of this source before this one, as its writer saw it.
    pub previous: Option<SnapshotId>,
    /// When the point was fixed, by the agent's clock: RFC 3339, UTC.
    pub time: String,
    /// When the manifest was written, by the agent's clock: RFC 3339, UTC.
    pub finished: String,
    /// The agent's name and Lifeboat's version, for people.
    pub agent: String,
    /// The sequence of the keyring that was in force.
    pub keyring: u32,
    /// What the connector says of the point; opaque to the vault.
    pub point: Value,
    /// What was unusual about the run, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Words of the operator's that retention may go by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Tables in the catalogue.
    pub tables: u64,
    /// Rows in all tables.
    pub rows: u64,
    /// Raw bytes of all rows and files.
    pub raw_bytes: u64,
    /// What of it was new; left out by programs before it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    /// Schema files.
    pub files: Vec<FileRecord>,
    /// The snapshot's tables.
    pub catalogue: Catalogue,
}

/// What the tables are: those of an earlier snapshot of the source, and what has changed since.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// One [`TableRecord`] a line, as JSON.
    #[serde(flatten)]
    pub tables: Text,
    /// Metadata chunks of what has changed since, in order: one [`TableChange`] a line, as JSON.
    ///
    /// [`TableChange`]: super::changes::TableChange
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChunkId>,
}

impl Catalogue {
    /// Every chunk that it is in.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkId> {
        self.tables.chunks.iter().chain(&self.changes).copied()
    }
}

/// What of a snapshot was new to the vault, by which later runs know what is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Raw bytes of rows and files that were not stored before.
    pub new_raw_bytes: u64,
    /// The same, compressed and sealed.
    pub sealed_bytes: u64,
    /// Whether the writer knew the rows of the source's last snapshot; otherwise everything may look new.
    pub remembered: bool,
}

/// A file of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// The connector's name for it.
    pub name: String,
    /// Which key opens it.
    pub grade: Grade,
    /// Its size.
    pub bytes: u64,
    /// The chunks that make its content, in order.
    pub chunks: Vec<ChunkId>,
}

/// One line of the catalogue, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRecord {
    /// The table as the connector describes it; opaque to the vault but for `columns`' count.
    #[serde(flatten)]
    pub table: TableHead,
    /// Its rows.
    pub rows: u64,
    /// Order-independent digest of its whole rows as they were read: 32 hex digits.
    pub digest: String,
    /// One stream for each grade that its columns have.
    pub streams: Vec<StreamRecord>,
}

/// What a table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableHead {
    /// Schema, where the system has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Name.
    pub name: String,
    /// What its rows are, in the connector's words.
    pub kind: String,
    /// The tables that it is a partition of or inherits from, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<Ancestor>,
    /// The fields of a row, in order.
    pub columns: Vec<ColumnRecord>,
}

/// A table that another one has columns from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    /// Schema, where the system has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Name.
    pub name: String,
}

/// One field of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnRecord {
    /// Name.
    pub name: String,
    /// Type, in the system's words.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it belongs to the primary key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key: bool,
}

/// The columns of one grade, row for row in the table's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRecord {
    /// Which key opens it.
    pub grade: Grade,
    /// Places of its columns in the table's, in the order of the fields of its lines.
    pub columns: Vec<u32>,
    /// Order-independent digest of its own lines: 32 hex digits.
    pub digest: String,
    /// Its recipe.
    pub parts: Vec<Part>,
}

impl std::fmt::Display for TableHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", schema.escape_debug())?;
        }
        write!(f, "{}", self.name.escape_debug())
    }
}
