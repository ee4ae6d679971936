//! A part's recipe at work: which rows of which chunks are left when what is gone is taken away.
//!
//! The reader, the writer and the proof after a backup all ask [`Left`], so that there is one answer.

use crate::format::recipe::Gone;

/// Rows of one chunk that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// The chunk's place in the part's list.
    pub(crate) chunk: u32,
    /// First row of it.
    pub(crate) first: u32,
    /// How many; 0 is a piece of a row: the whole chunk.
    pub(crate) rows: u32,
}

/// A list of chunks without what is gone.
pub(crate) struct Left {
    whole_gone: Vec<bool>,
    /// Rows gone of chunks that are not gone as a whole: place, first, rows; sorted.
    rows_gone: Vec<(u32, u32, u32)>,
}

impl Left {
    /// Sorts out what is gone of a list of so many chunks.
    ///
    /// # Errors
    /// What is wrong with the list, in words.
    pub(crate) fn new(chunks: usize, gone: &[Gone]) -> Result<Self, String> {
        let mut whole_gone = vec![false; chunks];
        let outside = |chunk: u32| format!("chunk {chunk} of a list of {chunks} is gone");
        for line in gone {
            let (Gone::Chunk(chunk) | Gone::Rows { chunk, .. }) = *line;
            let place = whole_gone.get_mut(chunk as usize).ok_or_else(|| outside(chunk))?;
            if matches!(line, Gone::Chunk(_)) && std::mem::replace(place, true) {
                return Err(format!("chunk {chunk} is gone twice"));
            }
        }
        let mut rows_gone: Vec<_> = gone
            .iter()
            .filter_map(|line| match *line {
                Gone::Rows { chunk, first, rows } if !whole_gone[chunk as usize] => {
                    Some((chunk, first, rows))
                }
                _ => None,
            })
            .collect();
        rows_gone.sort_unstable();
        Ok(Self { whole_gone, rows_gone })
    }

    /// Places of the chunks that are needed still.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        self.whole_gone.iter().enumerate().filter(|(_, gone)| !**gone).map(|(place, _)| place)
    }

    /// The rows that are left, in order; `rows_of` says how many ends of rows a needed chunk has.
    ///
    /// # Errors
    /// What does not fit those chunks, in words.
    pub(crate) fn runs(&self, rows_of: impl Fn(usize) -> u32) -> Result<Vec<Run>, String> {
        let mut runs: Vec<Run> = Vec::with_capacity(self.whole_gone.len() + self.rows_gone.len());
        let mut gone = self.rows_gone.iter().peekable();
        for place in self.places() {
            let chunk = u32::try_from(place).expect("a list is bounded");
            let rows = rows_of(place);
            let mut next = 0;
            while let Some((_, first, count)) = gone.next_if(|(at, ..)| *at == chunk) {
                if *first < next {
                    return Err(format!("row {first} of chunk {chunk} is gone twice"));
                }
                push(&mut runs, Run { chunk, first: next, rows: first - next });
                next = first.checked_add(*count).filter(|end| *end <= rows).ok_or_else(|| {
                    format!(
                        "rows {first} to {} of chunk {chunk} are gone, which has {rows}",
                        *first as u64 + *count as u64
                    )
                })?;
            }
            match rows {
                0 => runs.push(Run { chunk, first: 0, rows: 0 }),
                _ => push(&mut runs, Run { chunk, first: next, rows: rows - next }),
            }
        }
        pieces_go_on(&runs)?;
        Ok(runs)
    }
}

fn push(runs: &mut Vec<Run>, run: Run) {
    if run.rows > 0 {
        runs.push(run);
    }
}

/// A row's pieces stay with its end: what follows a piece is the next chunk from its beginning.
fn pieces_go_on(runs: &[Run]) -> Result<(), String> {
    for (at, run) in runs.iter().enumerate().filter(|(_, run)| run.rows == 0) {
        let goes_on = runs.get(at + 1).is_some_and(|next| next.chunk == run.chunk + 1 && next.first == 0);
        if !goes_on {
            return Err(format!("chunk {} is a piece of a row whose end is gone", run.chunk));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[u32], gone: &[Gone], expected: &[(u32, u32, u32)]) {
        let left = Left::new(rows.len(), gone).expect("a sound list");
        let runs = left.runs(|place| rows[place]).expect("a sound recipe");
        let runs: Vec<_> = runs.iter().map(|run| (run.chunk, run.first, run.rows)).collect();
        assert_eq!(runs, expected);
    }

    fn refused(rows: &[u32], gone: &[Gone], expected: &str) {
        let error = Left::new(rows.len(), gone).and_then(|left| left.runs(|place| rows[place]));
        assert_eq!(error.expect_err("refused"), expected);
    }

    fn rows(chunk: u32, first: u32, rows: u32) -> Gone {
        Gone::Rows { chunk, first, rows }
    }

    #[test]
    fn what_is_left_are_the_rows_between_those_that_are_gone() {
        check(&[5, 3], &[], &[(0, 0, 5), (1, 0, 3)]);
        check(&[5, 3], &[rows(1, 2, 1), rows(0, 0, 2), rows(0, 3, 1)], &[(0, 2, 1), (0, 4, 1), (1, 0, 2)]);
        check(&[5, 3], &[rows(0, 1, 1), Gone::Chunk(0)], &[(1, 0, 3)]);
        check(&[2, 3], &[rows(0, 0, 2)], &[(1, 0, 3)]);
    }

    #[test]
    fn a_large_row_is_left_or_gone_as_a_whole() {
        check(&[0, 0, 1, 4], &[], &[(0, 0, 0), (1, 0, 0), (2, 0, 1), (3, 0, 4)]);
        check(&[0, 0, 1, 4], &[Gone::Chunk(0), Gone::Chunk(1), Gone::Chunk(2)], &[(3, 0, 4)]);
        refused(&[0, 1, 4], &[Gone::Chunk(1)], "chunk 0 is a piece of a row whose end is gone");
        refused(&[1, 0], &[], "chunk 1 is a piece of a row whose end is gone");
    }

    #[test]
    fn a_list_that_contradicts_itself_is_refused() {
        refused(&[5], &[Gone::Chunk(1)], "chunk 1 of a list of 1 is gone");
        refused(&[5], &[Gone::Chunk(0), Gone::Chunk(0)], "chunk 0 is gone twice");
        refused(&[5], &[rows(0, 1, 2), rows(0, 2, 1)], "row 2 of chunk 0 is gone twice");
        refused(&[5], &[rows(0, 4, 2)], "rows 4 to 6 of chunk 0 are gone, which has 5");
        refused(&[5], &[rows(0, 4, u32::MAX)], "rows 4 to 4294967299 of chunk 0 are gone, which has 5");
    }
}
