//! Recipes: what a stream is made of.
//!
//! A stream is a sequence of [`Part`]s. A part has a list of chunks, in the order in which it first
//! uses them, and a list of runs over that list; both are text, one line each:
//!
//! ```text
//! chunks:  <chunk id, 64 hex digits>
//! runs:    <place of the chunk in the list, from 0> <first row> <rows>
//! ```
//!
//! A run stands for `rows` whole rows of its chunk from row `first` on. A run of 0 rows stands for
//! the whole chunk without an end of row in it: a piece of a large row, which goes on in the next run. New chunks are appended to the list, so that a list and its runs stay the same, and are
//! stored once, wherever nothing changed.

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
    /// Its runs.
    pub runs: Text,
}

/// Text that is small enough to stand where it is used, or is cut into metadata chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Text {
    /// The text itself.
    Inline(String),
    /// Metadata chunks that make the text, in order.
    Chunks(Vec<ChunkId>),
}

impl Text {
    /// Longer text is cut into chunks: below this, ids and index entries would cost more than it.
    pub const INLINE_BYTES_MAX: usize = 512;
}

/// A part holds at most this many runs and chunks; a writer starts the next part before.
pub const PART_CHUNKS_MAX: usize = 16 * 1024;
/// See [`PART_CHUNKS_MAX`].
pub const PART_RUNS_MAX: usize = 512 * 1024;

/// Rows of one chunk that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The chunk's place in the part's list.
    pub chunk: u32,
    /// First row of it.
    pub first: u32,
    /// How many rows; 0 is a piece of a row.
    pub rows: u32,
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

/// Writes a list of runs.
pub fn runs_to_text(runs: &[Run]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(runs.len() * 12);
    for run in runs {
        let _ = writeln!(text, "{} {} {}", run.chunk, run.first, run.rows);
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

/// Reads a list of runs and checks that each names a chunk of the list.
pub fn runs_from_text(what: &str, text: &[u8], chunks: usize) -> Result<Vec<Run>> {
    let run = |line: &str| {
        let mut numbers = line.split(' ').map(str::parse::<u32>);
        let (Some(Ok(chunk)), Some(Ok(first)), Some(Ok(rows)), None) =
            (numbers.next(), numbers.next(), numbers.next(), numbers.next())
        else {
            return Err(Error::damaged(what, "its runs hold a line that is not three numbers"));
        };
        if chunk as usize >= chunks {
            return Err(Error::damaged(what, format!("a run names chunk {chunk} of a list of {chunks}")));
        }
        Ok(Run { chunk, first, rows })
    };
    lines(what, text)?.map(run).collect()
}

fn lines<'a>(what: &str, text: &'a [u8]) -> Result<std::str::Lines<'a>> {
    Ok(std::str::from_utf8(text).map_err(|_| Error::damaged(what, "its recipe is not text"))?.lines())
}
