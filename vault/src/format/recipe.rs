//! Recipes: what a stream is made of.
//!
//! A stream is a sequence of [`Part`]s. A part has a list of chunks and a list of what is gone of them;
//! both are text, one line each:
//!
//! ```text
//! chunks:  <chunk id, 64 hex digits>
//! gone:    <place of the chunk in the list, from 0> <first row> <rows>
//!          <place>                                          the whole chunk
//! ```
//!
//! The part's rows are the rows of its chunks, one chunk after another, without those that are gone. A
//! chunk without an end of row in it is a piece of a large row, which goes on in the next chunk. Both
//! lists only grow at their ends from one day to the next, so that what stood before is stored once: what
//! comes behind a list stands inline, in the catalogue's changes, until all is written anew.

use serde::{Deserialize, Serialize};

use crate::{ChunkId, Error, Result};

/// A stretch of a stream with a recipe of its own. Bounded, so that a reader can hold its lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Whole rows in it.
    pub rows: u64,
    /// Raw bytes in it.
    pub bytes: u64,
    /// Its list of chunks.
    pub chunks: Text,
    /// What is gone of them.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub gone: Text,
}

/// Text that is cut into metadata chunks, small enough to stand where it is used, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Metadata chunks that make the text, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<ChunkId>,
    /// The text behind that of the chunks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inline: String,
}

impl Text {
    /// Longer text is cut into chunks: below this, ids and index entries would cost more than it.
    pub const INLINE_BYTES_MAX: usize = 512;

    /// A text that stands where it is used.
    pub fn inline(text: String) -> Self {
        Self { chunks: Vec::new(), inline: text }
    }

    /// A text in metadata chunks.
    pub fn chunks(chunks: Vec<ChunkId>) -> Self {
        Self { chunks, inline: String::new() }
    }

    /// Whether it is the text of nothing.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.inline.is_empty()
    }

    /// Whether it would be the same if it were written as a whole now.
    pub(crate) fn is_settled(&self) -> bool {
        self.inline.is_empty() || self.chunks.is_empty() && self.inline.len() <= Self::INLINE_BYTES_MAX
    }

    /// The text with more behind it.
    pub(crate) fn then(&self, more: &str) -> Self {
        Self { chunks: self.chunks.clone(), inline: format!("{}{more}", self.inline) }
    }

    /// What comes behind `before` in it, if it begins so.
    pub(crate) fn after(&self, before: &Self) -> Option<&str> {
        self.inline.strip_prefix(&before.inline).filter(|_| self.chunks == before.chunks)
    }
}

/// A writer ends a part when its list has this many chunks.
pub const PART_CHUNKS_MAX: usize = 16 * 1024;

/// A writer ends a part when it has this many rows for each byte of an average chunk: 524 288 rows when
/// chunks have 64 KiB.
pub const PART_ROWS_PER_CHUNK_BYTE: u64 = 8;

/// Rows of a chunk that the stream does not have any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// All of the chunk at this place: nobody needs it for this part.
    Chunk(u32),
    /// Some of its rows.
    Rows {
        /// The chunk's place in the part's list.
        chunk: u32,
        /// First row that is gone.
        first: u32,
        /// How many, at least one.
        rows: u32,
    },
}

/// Writes a list of chunks.
pub fn chunks_to_text(chunks: &[ChunkId]) -> String {
    let mut text = String::with_capacity(chunks.len() * 65);
    for chunk in chunks {
        text.push_str(&chunk.to_string());
        text.push('\n');
    }
    text
}

/// Writes a list of what is gone.
pub fn gone_to_text(gone: &[Gone]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(gone.len() * 10);
    for gone in gone {
        let _ = match gone {
            Gone::Chunk(chunk) => writeln!(text, "{chunk}"),
            Gone::Rows { chunk, first, rows } => writeln!(text, "{chunk} {first} {rows}"),
        };
    }
    text
}

/// Reads a list of chunks; `what` is for messages.
pub fn chunks_from_text(what: &str, text: &[u8]) -> Result<Vec<ChunkId>> {
    lines(what, text)?
        .map(|line| {
            line.parse().map_err(|_| Error::damaged(what, "its list of chunks holds a line that is no id"))
        })
        .collect()
}

/// Reads a list of what is gone; `what` is for messages.
pub fn gone_from_text(what: &str, text: &[u8]) -> Result<Vec<Gone>> {
    let gone = |line: &str| {
        let mut numbers = line.split(' ').map(str::parse::<u32>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(chunk)), None, None, None) => Ok(Gone::Chunk(chunk)),
            (Some(Ok(chunk)), Some(Ok(first)), Some(Ok(rows)), None) if rows > 0 => {
                Ok(Gone::Rows { chunk, first, rows })
            }
            _ => Err(Error::damaged(what, "its list of what is gone holds a line that is none")),
        }
    };
    lines(what, text)?.map(gone).collect()
}

fn lines<'a>(what: &str, text: &'a [u8]) -> Result<std::str::Lines<'a>> {
    Ok(std::str::from_utf8(text).map_err(|_| Error::damaged(what, "its recipe is not text"))?.lines())
}
