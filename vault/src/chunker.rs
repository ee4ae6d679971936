//! Cutting a stream into chunks: FastCDC proposes, the end of a row disposes.
//!
//! A cut moves on to the end of the row it falls in, so that a chunk holds whole rows and can be read
//! alone. Only a row that would make the chunk larger than [`CHUNK_STRETCH`] times the largest proposal
//! is cut inside, by bytes. Equal rows from an equal starting point give equal chunks.

use std::borrow::Cow;
use std::ops::Range;

use fastcdc::v2020::{Normalization, cut_gear, get_gear_with_seed, select_masks};

use crate::format::record::Sizes;

/// How far beyond the largest proposal a chunk may reach to end with its row.
const CHUNK_STRETCH: usize = 4;

/// Proposes cuts with a vault's sizes and seed.
pub(crate) struct Cutter {
    sizes: Sizes,
    gear: Cow<'static, [u64]>,
    gear_shifted: Cow<'static, [u64]>,
    mask_small: u64,
    mask_large: u64,
}

/// A chunk in the bytes at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Where it lies.
    pub(crate) range: Range<usize>,
    /// Ends of rows in it.
    pub(crate) rows: u32,
    /// Whether it begins inside a row.
    pub(crate) continues: bool,
}

impl Cutter {
    pub(crate) fn new(sizes: Sizes, seed: u64) -> Self {
        let (gear, gear_shifted) = get_gear_with_seed(seed);
        let (mask_small, mask_large) = select_masks(sizes.average as usize, Normalization::Level1);
        Self { sizes, gear, gear_shifted, mask_small, mask_large }
    }

    /// Proposes the length of the chunk that begins at the start of `bytes`.
    fn propose(&self, bytes: &[u8]) -> usize {
        let (min, average, max) =
            (self.sizes.min as usize, self.sizes.average as usize, self.sizes.max as usize);
        let (small, large) = (self.mask_small, self.mask_large);
        let (_, length) = cut_gear(
            bytes,
            min,
            average,
            max,
            small,
            large,
            small << 1,
            large << 1,
            &self.gear,
            &self.gear_shifted,
        );
        length
    }

    /// Cuts `bytes`, which begin with a row and hold whole rows that end at `ends`. Unless this is the
    /// `last` of the stream, what may grow into a larger chunk is left: the cuts end where they end.
    pub(crate) fn cut_rows(&self, bytes: &[u8], ends: &[usize], last: bool) -> Vec<Cut> {
        let stretch = self.sizes.max as usize * CHUNK_STRETCH;
        let mut cuts = Vec::new();
        let (mut start, mut row) = (0, 0);
        while start < bytes.len() && (last || bytes.len() - start >= self.sizes.max as usize) {
            let proposed = start + self.propose(&bytes[start..]);
            let through = row + ends[row..].partition_point(|end| *end < proposed);
            let (end, through) = match ends.get(through) {
                Some(end) if *end - start <= stretch => (*end, through + 1),
                // The row at `through` is too large to come along: end before it, or cut it if it is first.
                _ if through > row => (ends[through - 1], through),
                _ => {
                    let end = *ends.get(row).expect("whole rows only");
                    cuts.extend(self.cut_row(bytes, start..end));
                    (start, row) = (end, row + 1);
                    continue;
                }
            };
            let rows = u32::try_from(through - row).expect("a chunk has fewer rows than bytes");
            cuts.push(Cut { range: start..end, rows, continues: false });
            (start, row) = (end, through);
        }
        cuts
    }

    /// Cuts one row by bytes; its last piece has the end of the row.
    pub(crate) fn cut_row(&self, bytes: &[u8], row: Range<usize>) -> Vec<Cut> {
        let mut cuts = Vec::new();
        let mut start = row.start;
        while start < row.end {
            let end = start + self.propose(&bytes[start..row.end]);
            let rows = u32::from(end == row.end);
            cuts.push(Cut { range: start..end, rows, continues: start > row.start });
            start = end;
        }
        cuts
    }

    /// Cuts bytes that are not rows, such as a file. Newlines count as ends of rows all the same: a
    /// chunk of equal bytes may stand in a table too.
    pub(crate) fn cut_bytes(&self, bytes: &[u8]) -> Vec<Cut> {
        cut_at(bytes, |rest| self.propose(rest))
    }

    /// Cuts bytes that will never change into pieces of the largest size.
    pub(crate) fn cut_evenly(&self, bytes: &[u8]) -> Vec<Cut> {
        cut_at(bytes, |rest| rest.len().min(self.sizes.max as usize))
    }
}

fn cut_at(bytes: &[u8], length: impl Fn(&[u8]) -> usize) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let end = start + length(&bytes[start..]);
        let rows = memchr::memchr_iter(b'\n', &bytes[start..end]).count();
        let rows = u32::try_from(rows).expect("a chunk has fewer rows than bytes");
        cuts.push(Cut { range: start..end, rows, continues: false });
        start = end;
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::record::ChunkSizes;

    fn rows(count: usize, length: impl Fn(usize) -> usize) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        let mut state = 42_u32;
        for row in 0..count {
            for _ in 0..length(row) {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                bytes.push(b'a' + (state >> 24) as u8 % 26);
            }
            bytes.push(b'\n');
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn check(bytes: &[u8], ends: &[usize]) -> Vec<Cut> {
        let cuts = Cutter::new(ChunkSizes::default().rows, 7).cut_rows(bytes, ends, true);
        let mut at = 0;
        for cut in &cuts {
            assert_eq!(cut.range.start, at, "chunks follow each other");
            at = cut.range.end;
            let newlines = memchr::memchr_iter(b'\n', &bytes[cut.range.clone()]).count();
            assert_eq!(cut.rows as usize, newlines, "rows are ends of rows");
            assert_eq!(cut.continues, cut.range.start > 0 && bytes[cut.range.start - 1] != b'\n');
        }
        assert_eq!(at, bytes.len(), "chunks cover everything");
        cuts
    }

    #[test]
    fn chunks_hold_whole_rows_of_about_the_average_size() {
        let (bytes, ends) = rows(40_000, |row| 50 + row % 200);
        let cuts = check(&bytes, &ends);
        assert!(cuts.iter().all(|cut| !cut.continues && cut.range.len() <= 4 * (256 << 10)));
        let average = bytes.len() / cuts.len();
        assert!((40 << 10..110 << 10).contains(&average), "average {average}");
    }

    #[test]
    fn a_row_larger_than_any_chunk_is_cut_inside_and_its_neighbours_are_not() {
        let (bytes, ends) = rows(300, |row| if row == 150 { 5 << 20 } else { 100 });
        let cuts = check(&bytes, &ends);
        let pieces: Vec<_> = cuts.iter().filter(|cut| cut.continues || cut.rows == 0).collect();
        assert!(pieces.len() > 10);
        assert_eq!(pieces.iter().map(|cut| cut.rows).sum::<u32>(), 1);
    }

    #[test]
    fn an_insertion_changes_only_the_chunks_around_it() {
        let (bytes, ends) = rows(40_000, |row| 50 + row % 200);
        let before = check(&bytes, &ends);
        let mut changed = bytes[..ends[20_000]].to_vec();
        changed.extend_from_slice(b"a new row\n");
        changed.extend_from_slice(&bytes[ends[20_000]..]);
        let changed_ends: Vec<_> = memchr::memchr_iter(b'\n', &changed).map(|at| at + 1).collect();
        let after = check(&changed, &changed_ends);
        let known: std::collections::HashSet<_> =
            before.iter().map(|cut| &bytes[cut.range.clone()]).collect();
        let new = after.iter().filter(|cut| !known.contains(&changed[cut.range.clone()])).count();
        assert!(new <= 3, "{new} of {} chunks are new", after.len());
    }
}
