//! Rows of a table that has several streams: each stream's lines, digests, and cuts at the same rows.

use crate::chunker::{Cut, Cutter};
use crate::{Result, RowDigest, Split, StreamDigests};

/// Bytes of a row in each stream, in their order; there is at most one stream a grade.
pub(super) type Lengths = [usize; 3];

/// Takes rows apart.
pub(super) struct Apart {
    digests: StreamDigests,
}

/// A stream's share of rows that were cut.
pub(super) struct Share {
    /// Its lines.
    pub(super) bytes: Vec<u8>,
    /// As many for each stream, with the same rows at the same places.
    pub(super) cuts: Vec<Cut>,
}

impl Apart {
    /// `digest` is an empty one of the vault's.
    pub(super) fn new(split: &Split, digest: &RowDigest) -> Self {
        Self { digests: StreamDigests::new(split.clone(), digest) }
    }

    /// Counts a row towards the streams' digests; returns the bytes of its lines.
    pub(super) fn count(&mut self, row: &[u8]) -> Result<Lengths> {
        self.digests.add(row)?;
        let mut lengths = Lengths::default();
        self.digests.lines().iter().zip(&mut lengths).for_each(|(line, length)| *length = line.len());
        Ok(lengths)
    }

    /// Of the lines of every row that was counted.
    pub(super) fn digests(&self) -> &[RowDigest] {
        self.digests.digests()
    }

    /// Divides rows, cut as whole ones, among the streams: a cut of each where the rows have one. A large
    /// row has as many pieces in each, empty ones where a stream needs fewer.
    pub(super) fn share(
        &self,
        bytes: &[u8],
        ends: &[usize],
        cuts: &[Cut],
        cutter: &Cutter,
    ) -> Result<Vec<Share>> {
        let split = self.digests.split();
        let mut lines = vec![Vec::new(); self.digests.lines().len()];
        let mut cuts_of = vec![Vec::new(); lines.len()];
        let mut row = 0;
        for cut in cuts.iter().filter(|cut| cut.rows > 0) {
            let starts: Vec<_> = lines.iter().map(Vec::len).collect();
            // The last piece of a large row stands for all of it.
            for end in &ends[row..row + cut.rows as usize] {
                let start = if row == 0 { 0 } else { ends[row - 1] };
                split.take_apart(&bytes[start..*end], &mut lines)?;
                row += 1;
            }
            let own = lines.iter().zip(starts);
            let own: Vec<_> = own
                .map(|(lines, start)| match cut.continues {
                    false => vec![Cut { range: start..lines.len(), rows: cut.rows, continues: false }],
                    true => cutter.cut_row(lines, start..lines.len()),
                })
                .collect();
            let places = own.iter().map(Vec::len).max().unwrap_or_default();
            for (all, own) in cuts_of.iter_mut().zip(own) {
                all.extend(with_places(own, places));
            }
        }
        Ok(lines.into_iter().zip(cuts_of).map(|(bytes, cuts)| Share { bytes, cuts }).collect())
    }
}

/// Puts empty pieces before a row's last one.
fn with_places(mut pieces: Vec<Cut>, places: usize) -> Vec<Cut> {
    let Some(last) = pieces.pop() else { return pieces };
    let start = last.range.start;
    pieces.resize(places - 1, Cut { range: start..start, rows: 0, continues: true });
    pieces.push(last);
    pieces
}
