//! A stream's rows from its recipe, in order, with the next segments on their way.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::SnapshotReader;
use super::segments::{self, SEGMENTS_AHEAD};
use crate::format::manifest::{StreamRecord, TableHead};
use crate::format::recipe::{Part, chunks_from_text, gone_from_text};
use crate::index::{Location, SegmentLocation};
use crate::recipe::{Left, Run};
use crate::{ChunkId, Error, PackId, Realm, Result};

/// Raw bytes after which a batch is handed on.
pub(super) const BATCH_BYTES: usize = 512 << 10;

/// Whole rows, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The lines, each with its newline.
    pub bytes: Vec<u8>,
    /// The end of each row in `bytes`, its newline included.
    pub ends: Vec<usize>,
}

/// A part's recipe, with every chunk found.
pub(crate) struct Found {
    /// The chunks by their places in the list; nothing where a chunk is not needed.
    pub(crate) chunks: Vec<Option<(ChunkId, Location)>>,
    /// The rows that make the part.
    pub(crate) runs: Vec<Run>,
}

impl Found {
    fn chunk(&self, run: &Run) -> &(ChunkId, Location) {
        self.chunks[run.chunk as usize].as_ref().expect("what a run names was found")
    }
}

/// Runs that follow each other in one segment.
struct Step {
    segment: Arc<SegmentLocation>,
    runs: Vec<Run>,
    /// Their chunks.
    chunks: Vec<(ChunkId, Location)>,
}

impl SnapshotReader {
    /// Sends the rows of one stream of a table into `out`, in order.
    ///
    /// # Errors
    /// `Damaged` or `Missing` with the object at fault; `NoKey` when the grade is not unlocked;
    /// `Cancelled` when the receiver is gone.
    pub async fn rows(
        &self,
        table: &TableHead,
        stream: &StreamRecord,
        out: mpsc::Sender<Rows>,
    ) -> Result<()> {
        let what = format!("table {table}");
        let mut batch = Rows::default();
        for part in &stream.parts {
            let found = self.find(&what, Realm::Rows(stream.grade), part).await?;
            let bytes = self.part_rows(&what, &found, &mut batch, &out).await?;
            if bytes != part.bytes {
                let reason = format!("expected {} bytes in a part, found {bytes}", part.bytes);
                return Err(Error::damaged(what, reason));
            }
        }
        if batch.ends.last().copied().unwrap_or(0) != batch.bytes.len() {
            return Err(Error::damaged(what, "its last row does not end"));
        }
        if batch.bytes.is_empty() { Ok(()) } else { out.send(batch).await.map_err(|_| Error::Cancelled) }
    }

    /// Checks a part's recipe against the index without opening any row: every run lies in a chunk
    /// that is there and has that many rows. Returns the packs it needs.
    pub(crate) async fn check_part(&self, what: &str, realm: Realm, part: &Part) -> Result<HashSet<PackId>> {
        let found = self.find(what, realm, part).await?;
        Ok(found.chunks.iter().flatten().map(|(_, location)| location.segment.pack).collect())
    }

    /// Reads a part's recipe and finds the chunks that it needs.
    pub(crate) async fn find(&self, what: &str, realm: Realm, part: &Part) -> Result<Found> {
        let ids = chunks_from_text(what, &self.text(what, &part.chunks).await?)?;
        let gone = gone_from_text(what, &self.text(what, &part.gone).await?)?;
        let damaged = |reason| Error::damaged(what, reason);
        let left = Left::new(ids.len(), &gone).map_err(damaged)?;
        let needed: Vec<_> = left.places().map(|place| ids[place]).collect();
        let located = self.index.locate(&needed).await?;
        let mut chunks = vec![None; ids.len()];
        for place in left.places() {
            let id = ids[place];
            chunks[place] = Some((id, segments::usable(what, id, located.get(&id), realm)?.clone()));
        }
        let rows_of = |place: usize| chunks[place].as_ref().map_or(0, |(_, location)| location.rows);
        let runs = left.runs(rows_of).map_err(damaged)?;
        let rows: u64 = runs.iter().map(|run| u64::from(run.rows)).sum();
        if rows != part.rows {
            return Err(Error::damaged(
                what,
                format!("expected {} rows in a part, its recipe has {rows}", part.rows),
            ));
        }
        Ok(Found { chunks, runs })
    }

    /// Sends a part's rows; returns their bytes.
    async fn part_rows(
        &self,
        what: &str,
        found: &Found,
        batch: &mut Rows,
        out: &mpsc::Sender<Rows>,
    ) -> Result<u64> {
        let reads = steps(found).into_iter().map(|step| async move {
            let opened = self.open_chunks(step.segment, step.chunks).await?;
            Ok::<_, Error>((opened, step.runs))
        });
        let mut reads = futures::stream::iter(reads).buffered(SEGMENTS_AHEAD);
        let (mut ends, mut of, mut bytes) = (Vec::new(), None, 0);
        while let Some((opened, runs)) = reads.try_next().await? {
            for run in runs {
                let (id, location) = found.chunk(&run);
                let chunk = opened.chunk(found.chunk(&run));
                let damaged = |reason| Error::damaged(what, format!("chunk {}: {reason}", id.short()));
                // The runs of a chunk follow each other: its rows are looked for once.
                if of != Some(run.chunk) {
                    ends = row_ends(chunk, location.rows).map_err(damaged)?;
                    of = Some(run.chunk);
                }
                bytes += batch.append(chunk, &ends, run) as u64;
                if batch.bytes.len() >= BATCH_BYTES && batch.ends.last() == Some(&batch.bytes.len()) {
                    out.send(std::mem::take(batch)).await.map_err(|_| Error::Cancelled)?;
                }
            }
        }
        Ok(bytes)
    }
}

/// Groups runs by the segment they lie in.
fn steps(found: &Found) -> Vec<Step> {
    let mut last = None;
    let mut steps: Vec<Step> = Vec::new();
    for run in &found.runs {
        let (id, location) = found.chunk(run);
        let number = location.segment.number;
        let step = match steps.last_mut() {
            Some(step) if step.segment.number == number => step,
            _ => {
                steps.push(Step {
                    segment: Arc::clone(&location.segment),
                    runs: Vec::new(),
                    chunks: Vec::new(),
                });
                steps.last_mut().expect("one was pushed")
            }
        };
        step.runs.push(*run);
        // The runs of a chunk follow each other.
        if last.replace(run.chunk) != Some(run.chunk) {
            step.chunks.push((*id, location.clone()));
        }
    }
    steps
}

impl Rows {
    /// Iterates over the rows, each with its newline.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    /// Appends the rows of a run over `chunk`, whose rows have these ends; a piece of a row has none.
    /// Returns how many bytes they are.
    fn append(&mut self, chunk: &[u8], ends: &[usize], run: Run) -> usize {
        if run.rows == 0 {
            self.bytes.extend_from_slice(chunk);
            return chunk.len();
        }
        let (first, last) = (run.first as usize, (run.first + run.rows) as usize);
        let start = if first == 0 { 0 } else { ends[first - 1] };
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&chunk[start..ends[last - 1]]);
        self.ends.extend(ends[first..last].iter().map(|end| base + end - start));
        self.bytes.len() - base
    }
}

/// Where the rows of a chunk end, newlines included; there must be `rows` of them.
fn row_ends(chunk: &[u8], rows: u32) -> Result<Vec<usize>, String> {
    let ends: Vec<_> = memchr::memchr_iter(b'\n', chunk).map(|at| at + 1).collect();
    if ends.len() == rows as usize {
        Ok(ends)
    } else {
        Err(format!("expected {rows} rows, found {}", ends.len()))
    }
}
