//! When rows that have not changed are written anew all the same.
//!
//! Changes leave dead rows in old chunks and scatter a part over many small ones; both would be read at
//! every restore. Two rules bound that. They look at a part as the last snapshot left it:
//!
//! 1. The chunks of a part that lie in one segment are read together, so they are given up together. While
//!    more than [`READ_PERCENT_MAX`] of what lives is read, the segment of which least lives is given up, if
//!    that is less than [`ALIVE_PERCENT_MIN`] of it. With changes at random places the segments come to be of
//!    all ages, and those given up to have little alive: a threshold for each segment alone that would keep
//!    reading as low, would come due for all of a table in one night and write more anew.
//! 2. A part's small chunks, those with fewer live bytes than the smallest cut, are given up together
//!    once there are more than [`SMALL_CHUNKS_MAX`]: a table that changes a little every day is read
//!    from few places, and a row is moved for this reason about once.
//!
//! The first rule moves no more than three rows for two that have died.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// Small chunks that a part may have.
const SMALL_CHUNKS_MAX: usize = 24;

/// Of a part's live bytes, what is read with them, dead ones included.
const READ_PERCENT_MAX: u64 = 140;

/// Of a segment's bytes. A table of few segments would be written anew again and again for little otherwise.
const ALIVE_PERCENT_MIN: u64 = 60;

/// A chunk of a part's list, as far as the rules ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkUse {
    /// Ends of rows in it; 0 is a piece of a large row.
    pub(crate) rows: u32,
    /// How many of them the part has still.
    pub(crate) alive: u32,
    /// Raw bytes in it.
    pub(crate) bytes: u32,
    /// Whether the part needs it.
    pub(crate) needed: bool,
    /// The segment that it lies in; nothing when the store has lost it: then it is written anew.
    pub(crate) segment: Option<i64>,
}

impl ChunkUse {
    fn live_bytes(&self) -> u64 {
        match self.rows {
            _ if !self.needed => 0,
            0 => self.bytes.into(),
            rows => u64::from(self.bytes) * u64::from(self.alive) / u64::from(rows),
        }
    }
}

/// Says of each chunk whether its rows are to be written anew; `small_bytes` is the smallest cut.
pub(crate) fn give_up(chunks: &[ChunkUse], small_bytes: u32) -> Vec<bool> {
    let large = large_rows(chunks);
    let worn_out = worn_out_segments(chunks);
    let small = small(chunks, small_bytes, &large);
    let mut given_up: Vec<_> =
        chunks.iter().map(|chunk| chunk.segment.is_none_or(|segment| worn_out.contains(&segment))).collect();
    if small.len() > SMALL_CHUNKS_MAX {
        small.into_iter().for_each(|at| given_up[at] = true);
    }
    // The pieces of a large row go with its end, and its end with each of them.
    for row in large {
        if given_up[row.clone()].contains(&true) {
            given_up[row].fill(true);
        }
    }
    given_up.iter().zip(chunks).map(|(given_up, chunk)| *given_up && chunk.needed).collect()
}

/// The segments that the first rule gives up in this run.
fn worn_out_segments(chunks: &[ChunkUse]) -> HashSet<i64> {
    let mut segments: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    for chunk in chunks {
        let Some(segment) = chunk.segment else { continue };
        let (live, all) = segments.entry(segment).or_default();
        *live += chunk.live_bytes();
        *all += u64::from(chunk.bytes);
    }
    segments.retain(|_, (live, _)| *live > 0);
    let live: u64 = segments.values().map(|(live, _)| live).sum();
    let mut read: u64 = segments.values().map(|(_, all)| all).sum();
    let mut segments: Vec<_> = segments.into_iter().collect();
    segments.sort_by(|(_, (live, all)), (_, (other, other_all))| (live * other_all).cmp(&(other * all)));
    let is_due = |(_, (own, all)): &(i64, (u64, u64))| {
        let due = read * 100 > live * READ_PERCENT_MAX && own * 100 < all * ALIVE_PERCENT_MIN;
        read -= all - own;
        due
    };
    segments.into_iter().take_while(is_due).map(|(segment, _)| segment).collect()
}

/// The small chunks. One beside a large row is small for good, and does not count.
fn small(chunks: &[ChunkUse], small_bytes: u32, large: &[Range<usize>]) -> Vec<usize> {
    let is_small = |at: &usize| {
        let beside = at.saturating_sub(1)..chunks.len().min(at + 2);
        let live_bytes = chunks[*at].live_bytes();
        live_bytes > 0 && live_bytes < small_bytes.into() && !large.iter().any(|row| meet(row, &beside))
    };
    (0..chunks.len()).filter(is_small).collect()
}

/// The chunks of each large row: its pieces, and the chunk with its end.
fn large_rows(chunks: &[ChunkUse]) -> Vec<Range<usize>> {
    let mut large = Vec::new();
    let mut start = 0;
    for (at, chunk) in chunks.iter().enumerate().filter(|(_, chunk)| chunk.rows > 0) {
        debug_assert!(start == at || chunk.rows == 1);
        if start < at {
            large.push(start..at + 1);
        }
        start = at + 1;
    }
    large
}

fn meet(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// Whether a list is written anew without the chunks that are gone, rather than grown at its end: when
/// they are more than the others, so that a list's length is paid for by rows that were written.
pub(crate) fn is_worn_out(chunks: usize, gone: usize) -> bool {
    gone * 2 > chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chunk of so many rows, of which so many are alive, and bytes, in this segment.
    fn chunk(rows: u32, alive: u32, bytes: u32, segment: i64) -> ChunkUse {
        ChunkUse { rows, alive, bytes, needed: alive > 0 || rows == 0, segment: Some(segment) }
    }

    fn check(chunks: &[ChunkUse], expected: &[bool]) {
        assert_eq!(give_up(chunks, 1000), expected);
    }

    #[test]
    fn the_chunks_of_a_segment_are_given_up_together_when_it_makes_much_be_read() {
        let full = chunk(10, 10, 5000, 1);
        check(&[full, chunk(10, 5, 5000, 2), chunk(10, 3, 5000, 3)], &[false, false, true]);
        check(&[full, chunk(10, 5, 5000, 2), chunk(10, 7, 5000, 2)], &[false; 3]);
        check(&[chunk(100, 60, 5000, 2)], &[false]);
        check(&[chunk(100, 59, 5000, 2)], &[true]);
        check(&[chunk(10, 2, 5000, 2), chunk(10, 7, 5000, 2)], &[true; 2]);
        check(&[full, chunk(10, 0, 5000, 2), chunk(10, 7, 5000, 2)], &[false, false, true]);
        check(&[full, full, chunk(10, 0, 5000, 2), chunk(10, 0, 5000, 2)], &[false; 4]);
    }

    #[test]
    fn no_more_is_given_up_than_reading_is_to_be_less_the_emptiest_first() {
        let chunks: Vec<_> = (0..100).map(|at| chunk(1000, 500 + 2 * at, 50_000, at.into())).collect();
        let given_up = give_up(&chunks, 1000);
        let count = given_up.iter().filter(|given_up| **given_up).count();
        assert!(given_up[..count].iter().all(|given_up| *given_up));
        let (live, dead) = (100 * 500 + 99 * 100, |count: usize| count * 500 - count * (count - 1));
        let read = |count| 100_000 - dead(count);
        let most = live * READ_PERCENT_MAX as usize / 100;
        assert!(read(count) <= most && read(count - 1) > most, "{count} of 100");
    }

    #[test]
    fn small_chunks_are_given_up_together_when_they_are_many() {
        let mut chunks = vec![chunk(10, 10, 5000, 1); 3];
        chunks.extend((0..SMALL_CHUNKS_MAX).map(|_| chunk(10, 10, 900, 2)));
        check(&chunks, &[false; 3 + SMALL_CHUNKS_MAX]);
        chunks.push(chunk(10, 5, 1900, 3));
        let expected: Vec<_> = (0..chunks.len()).map(|at| at >= 3).collect();
        check(&chunks, &expected);
    }

    #[test]
    fn small_chunks_between_large_rows_stay_where_they_are() {
        let chunks = [chunk(0, 0, 5000, 1), chunk(1, 1, 10, 1), chunk(10, 10, 900, 1)];
        let chunks = chunks.repeat(SMALL_CHUNKS_MAX + 1);
        check(&chunks, &vec![false; chunks.len()]);
    }

    #[test]
    fn a_large_row_is_given_up_with_all_its_pieces() {
        let (piece, end) = (chunk(0, 0, 5000, 1), chunk(1, 1, 5000, 1));
        let lost = ChunkUse { segment: None, ..piece };
        check(&[end, piece, lost, end, piece, end], &[false, true, true, true, false, false]);
    }
}
