//! What a run changes of its source's tables, one [`TableChange`] a line, so that a catalogue need not be
//! written anew for it.

use serde::{Deserialize, Serialize};

use super::recipe::Text;

/// A table that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableChange {
    /// Its place in the catalogue, from 0.
    pub table: usize,
    /// Its rows now.
    pub rows: u64,
    /// Its digest now.
    pub digest: String,
    /// Its streams, all of them, in order.
    pub streams: Vec<StreamChange>,
}

/// A stream of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamChange {
    /// Its digest now.
    pub digest: String,
    /// Those of its parts that changed, and those that came behind them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartChange>,
}

/// A part that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartChange {
    /// Its place in the stream, from 0.
    pub part: usize,
    /// Its rows now.
    pub rows: u64,
    /// Its raw bytes now.
    pub bytes: u64,
    /// Whether its lists are these alone. Otherwise these, which are inline then, come behind those that it had.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anew: bool,
    /// Of its list of chunks.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub chunks: Text,
    /// Of what is gone of them.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub gone: Text,
}
