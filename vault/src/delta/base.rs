//! An old part, made ready to be matched with: its records proven against its lists, and the rows of
//! chunks that are given up set apart.

use std::collections::HashMap;

use super::memory::Recalled;
use super::rules::{self, ChunkUse};
use super::{Bits, OldRows};
use crate::ChunkId;
use crate::format::fingerprints::{ListedChunk, Record};
use crate::format::recipe::{Gone, Part};
use crate::index::Location;
use crate::recipe::Left;

/// A part of the last snapshot.
pub(crate) struct OldPart {
    /// What the lists go on from; nothing when they have been renumbered.
    pub(crate) before: Option<Before>,
    /// Its chunks.
    pub(crate) chunks: Vec<ListedChunk>,
    /// Of each stream after the first, its chunks at the same places.
    pub(crate) more: Vec<Vec<ChunkId>>,
    /// What is gone of them, with the chunks that are given up.
    pub(crate) gone: Vec<Gone>,
    /// The rows that can stay, and those that are to be written anew.
    pub(crate) rows: OldRows,
    /// Places of rows that are to be written anew when they are found.
    given_up: Bits,
    /// Rows left of each chunk, those of chunks that are given up left out.
    alive: Vec<u32>,
}

/// A part as the last snapshot has it, one for each stream: how its lists begin.
pub(crate) struct Before {
    pub(crate) parts: Vec<Part>,
    /// How many chunks, and lines of what is gone.
    pub(crate) chunks: usize,
    pub(crate) gone: usize,
}

impl OldPart {
    /// Checks what was recalled against itself and against where its chunks are, and applies the rules:
    /// once, for the chunks of all streams at a place. `parts` is what the last snapshot has of it, as long
    /// as it is one part there; `small_bytes` is the smallest cut.
    ///
    /// # Errors
    /// In words, what does not fit; then nothing of it may be used.
    pub(crate) fn new(
        parts: Option<Vec<Part>>,
        recalled: Recalled,
        located: &HashMap<ChunkId, Location>,
        small_bytes: u32,
    ) -> Result<Self, String> {
        let Recalled { mut records, mut chunks, mut more, mut gone } = recalled;
        let left = Left::new(chunks.len(), &gone)?;
        let alive = alive(&left, &chunks, &records)?;
        let mut needed = vec![false; chunks.len()];
        left.places().for_each(|place| needed[place] = true);
        let widest = widest(&chunks, &more, located);
        let uses = (0..chunks.len()).map(|at| {
            let (rows, alive, needed) = (chunks[at].rows, alive[at], needed[at]);
            let unused = ChunkUse { rows, alive, bytes: 0, needed, segment: None };
            chunk_use(unused, ids_at(&chunks, &more, at), widest, located)
        });
        let given_up = rules::give_up(&uses.collect::<Vec<_>>(), small_bytes);
        let mut before = parts.map(|parts| Before { parts, chunks: chunks.len(), gone: gone.len() });
        let places = (0..).zip(&given_up).filter(|(_, given_up)| **given_up);
        gone.extend(places.map(|(place, _)| Gone::Chunk(place)));
        let mut places = Bits::new(starts(&chunks).last().map_or(0, |end| *end as usize));
        mark(&mut places, &chunks, &given_up);
        let mut alive: Vec<_> =
            alive.iter().zip(&given_up).map(|(alive, given_up)| if *given_up { 0 } else { *alive }).collect();
        let whole_gone = gone.iter().filter(|gone| matches!(gone, Gone::Chunk(_))).count();
        if rules::is_worn_out(chunks.len(), whole_gone) {
            let lists = (&mut chunks, &mut more);
            (records, places) = renumber(lists, &mut gone, &mut alive, &records, &places);
            before = None;
        }
        let rows = OldRows::new(records);
        Ok(Self { before, chunks, more, gone, rows, given_up: places, alive })
    }

    /// How many rows it had.
    pub(crate) fn rows_before(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Whether the row at this place is to be written anew.
    pub(crate) fn is_given_up(&self, place: u32) -> bool {
        self.given_up.get(place as usize)
    }

    /// Adds the rows that were not found to what is gone.
    pub(crate) fn bury(&mut self) {
        let mut places: Vec<_> = self.rows.places_left().filter(|place| !self.is_given_up(*place)).collect();
        places.sort_unstable();
        let starts = starts(&self.chunks);
        let mut chunk = 0;
        let mut lines: Vec<Gone> = Vec::new();
        for place in &places {
            while starts[chunk + 1] <= u64::from(*place) {
                chunk += 1;
            }
            self.alive[chunk] -= 1;
            let row = u32::try_from(u64::from(*place) - starts[chunk]).expect("within its chunk");
            let own = u32::try_from(chunk).expect("a list is bounded");
            match lines.last_mut() {
                Some(Gone::Rows { chunk, first, rows }) if *chunk == own && *first + *rows == row => {
                    *rows += 1
                }
                _ => lines.push(Gone::Rows { chunk: own, first: row, rows: 1 }),
            }
        }
        for line in lines {
            let Gone::Rows { chunk, .. } = line else { continue };
            if self.alive[chunk as usize] > 0 {
                self.gone.push(line);
            } else if self.gone.last() != Some(&Gone::Chunk(chunk)) {
                self.bury_chunk(chunk);
            }
        }
    }

    /// A chunk without a live row goes as a whole, and the pieces of its row before it.
    fn bury_chunk(&mut self, chunk: u32) {
        let pieces = self.chunks[..chunk as usize].iter().rev().take_while(|piece| piece.rows == 0).count();
        let first = chunk - u32::try_from(pieces).expect("a list is bounded");
        self.gone.extend((first..=chunk).map(Gone::Chunk));
    }
}

/// Where each chunk's rows begin among all rows of the list, and where the last one's end.
fn starts(chunks: &[ListedChunk]) -> Vec<u64> {
    let mut starts = Vec::with_capacity(chunks.len() + 1);
    let mut at = 0;
    starts.push(at);
    for chunk in chunks {
        at += u64::from(chunk.rows);
        starts.push(at);
    }
    starts
}

/// The chunks of all streams at a place, the first stream's first.
fn ids_at<'a>(
    chunks: &'a [ListedChunk],
    more: &'a [Vec<ChunkId>],
    at: usize,
) -> impl Iterator<Item = ChunkId> + use<'a> {
    std::iter::once(chunks[at].id).chain(more.iter().filter_map(move |ids| ids.get(at).copied()))
}

/// The stream that has most of the bytes: where its chunks lie decides which are read together.
fn widest(chunks: &[ListedChunk], more: &[Vec<ChunkId>], located: &HashMap<ChunkId, Location>) -> usize {
    let mut bytes = vec![0; more.len() + 1];
    if more.is_empty() {
        return 0;
    }
    for at in 0..chunks.len() {
        for (bytes, id) in bytes.iter_mut().zip(ids_at(chunks, more, at)) {
            *bytes += located.get(&id).map_or(0, |at| u64::from(at.bytes));
        }
    }
    (0..bytes.len()).max_by_key(|at| bytes[*at]).unwrap_or_default()
}

fn chunk_use(
    unused: ChunkUse,
    ids: impl Iterator<Item = ChunkId>,
    widest: usize,
    located: &HashMap<ChunkId, Location>,
) -> ChunkUse {
    // A chunk of another number of rows than remembered is as good as lost, and so is one that is to go.
    let usable = |at: &&Location| at.segment.is_reusable() && at.rows == unused.rows;
    let (mut used, mut lost) = (unused, false);
    for (stream, id) in ids.enumerate() {
        let location = located.get(&id);
        used.bytes += location.map_or(0, |at| at.bytes);
        let found = location.filter(usable);
        lost |= found.is_none();
        if stream == widest {
            used.segment = found.map(|at| at.segment.number);
        }
    }
    // A row that one of its streams has lost is written anew in all of them.
    used.segment = used.segment.filter(|_| !lost);
    used
}

/// Counts the rows left of each chunk: those that the lists leave and those that have a record, which must
/// be the same ones.
fn alive(left: &Left, chunks: &[ListedChunk], records: &[Record]) -> Result<Vec<u32>, String> {
    let starts = starts(chunks);
    let all = *starts.last().expect("there is an end");
    if all > u64::from(u32::MAX) {
        return Err("its chunks have too many rows".into());
    }
    let mut recorded = Bits::new(all as usize);
    for record in records {
        if u64::from(record.place()) >= all || recorded.set(record.place() as usize) {
            return Err(format!("the row at {} is remembered twice, or is none", record.place()));
        }
    }
    let mut alive = vec![0; chunks.len()];
    let mut rows = 0;
    for run in left.runs(|place| chunks[place].rows)? {
        let start = starts[run.chunk as usize] as usize + run.first as usize;
        if !(start..start + run.rows as usize).all(|place| recorded.get(place)) {
            return Err("a row of its recipe is not remembered".into());
        }
        alive[run.chunk as usize] += run.rows;
        rows += run.rows as usize;
    }
    if rows != records.len() {
        return Err(format!("{} rows are remembered of {rows}", records.len()));
    }
    Ok(alive)
}

fn mark(places: &mut Bits, chunks: &[ListedChunk], given_up: &[bool]) {
    let starts = starts(chunks);
    for at in (0..chunks.len()).filter(|at| given_up[*at]) {
        for place in starts[at]..starts[at + 1] {
            places.set(place as usize);
        }
    }
}

/// Leaves the chunks that are gone out of the lists. Rows to be written anew have no place any more: they
/// go behind all others.
fn renumber(
    (chunks, more): (&mut Vec<ListedChunk>, &mut Vec<Vec<ChunkId>>),
    gone: &mut Vec<Gone>,
    alive: &mut Vec<u32>,
    records: &[Record],
    given_up: &Bits,
) -> (Vec<Record>, Bits) {
    let before = starts(chunks);
    let mut is_gone = vec![false; chunks.len()];
    for line in gone.iter() {
        if let Gone::Chunk(chunk) = line {
            is_gone[*chunk as usize] = true;
        }
    }
    let mut place = 0;
    let moved: Vec<u32> = is_gone
        .iter()
        .map(|gone| {
            let at = place;
            place += u32::from(!gone);
            at
        })
        .collect();
    let mut stays = is_gone.iter().map(|gone| !gone);
    chunks.retain(|_| stays.next().unwrap_or(true));
    for ids in more {
        let mut stays = is_gone.iter().map(|gone| !gone);
        ids.retain(|_| stays.next().unwrap_or(true));
    }
    let mut stays = is_gone.iter().map(|gone| !gone);
    alive.retain(|_| stays.next().unwrap_or(true));
    gone.retain_mut(|line| match line {
        Gone::Rows { chunk, .. } if !is_gone[*chunk as usize] => {
            *chunk = moved[*chunk as usize];
            true
        }
        _ => false,
    });
    gone.sort_unstable_by_key(|line| match line {
        Gone::Chunk(chunk) => (*chunk, 0),
        Gone::Rows { chunk, first, .. } => (*chunk, *first),
    });
    let after = starts(chunks);
    let mut end = *after.last().expect("there is an end") as usize;
    let rewritten = records.iter().filter(|record| given_up.get(record.place() as usize)).count();
    let mut places = Bits::new(end + rewritten);
    let mut chunk = 0;
    let renumbered = records
        .iter()
        .map(|record| {
            let old = u64::from(record.place());
            let new = if given_up.get(old as usize) {
                places.set(end);
                end += 1;
                end - 1
            } else {
                if old < before[chunk] || before[chunk + 1] <= old {
                    chunk = before.partition_point(|start| *start <= old) - 1;
                }
                (after[moved[chunk] as usize] + old - before[chunk]) as usize
            };
            Record::new(record.fingerprint(), u32::try_from(new).expect("below what it was"))
        })
        .collect();
    (renumbered, places)
}
