//! Row-level deltas: the rows read now matched with those of the last snapshot, so that a day costs what
//! the day changed.
//!
//! ```text
//! rows read now ──fingerprints──▶ OldRows: known? ──yes──▶ stays where it is, in an old chunk
//!                                     ▲           └─no───▶ a new chunk
//!                  Memory, on disk ───┘            old rows not found ──▶ gone
//! ```
//!
//! A table is a set of rows, so a part's recipe keeps no order: rows that stay cost nothing wherever they
//! have moved to, and both of its lists only grow at their ends. What the agent remembers is a cache that
//! is believed only whole: bound to a snapshot, hashed, and compared with the chunks that the store has.
//! Memory is bounded: two old parts for each stream that is written.

mod base;
mod bits;
mod fingerprint;
mod memory;
mod old_rows;
mod proof;
mod record;
mod rules;

pub(crate) use base::{Before, OldPart};
pub(crate) use bits::Bits;
pub(crate) use fingerprint::{RowKey, Tally};
pub(crate) use memory::{Memory, Recalled};
pub(crate) use old_rows::OldRows;
pub(crate) use proof::prove;
pub(crate) use record::{RecordFile, RecordWriter, Recorded};
