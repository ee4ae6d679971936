//! A stream's rows from its recipe, in order, with the next segments on their way.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::SnapshotReader;
use super::segments::{self, SEGMENTS_AHEAD};
use crate::format::manifest::{StreamRecord, TableHead};
use crate::format::recipe::{Part, Run, chunks_from_text, runs_from_text};
use crate::index::{Location, SegmentLocation};
use crate::{ChunkId, Error, PackId, Realm, Result};

/// Raw bytes after which a batch is handed on.
const BATCH_BYTES: usize = 512 << 10;

/// Whole rows, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The lines, each with its newline.
    pub bytes: Vec<u8>,
    /// The end of each row in `bytes`, its newline included.
    pub ends: Vec<usize>,
}

/// A part's recipe, with every chunk found.
struct Found {
    chunks: Vec<(ChunkId, Location)>,
    runs: Vec<Run>,
}

/// Runs that follow each other in one segment.
struct Step {
    segment: SegmentLocation,
    runs: Vec<Run>,
    /// Chunks that this part has not used before: to be proven.
    new: Vec<(ChunkId, Location)>,
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
            self.part_rows(&what, &found, &mut batch, &out).await?;
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
        Ok(found.chunks.iter().map(|(_, location)| location.segment.pack).collect())
    }

    async fn find(&self, what: &str, realm: Realm, part: &Part) -> Result<Found> {
        let ids = chunks_from_text(what, &self.text(what, &part.chunks).await?)?;
        let runs = runs_from_text(what, &self.text(what, &part.runs).await?, ids.len())?;
        let located = self.index.locate(&ids).await?;
        let mut chunks = Vec::with_capacity(ids.len());
        for id in ids {
            chunks.push((id, segments::usable(what, id, located.get(&id), realm)?.clone()));
        }
        for run in &runs {
            let (id, location) = &chunks[run.chunk as usize];
            let within = u64::from(run.first) + u64::from(run.rows) <= u64::from(location.rows);
            let piece_is_whole = run.rows > 0 || (run.first == 0 && location.rows == 0);
            if !within || !piece_is_whole {
                let reason = format!("a run lies outside chunk {} of {} rows", id.short(), location.rows);
                return Err(Error::damaged(what, reason));
            }
        }
        let rows: u64 = runs.iter().map(|run| u64::from(run.rows)).sum();
        if rows != part.rows {
            return Err(Error::damaged(
                what,
                format!("expected {} rows in a part, its runs have {rows}", part.rows),
            ));
        }
        Ok(Found { chunks, runs })
    }

    async fn part_rows(
        &self,
        what: &str,
        found: &Found,
        batch: &mut Rows,
        out: &mpsc::Sender<Rows>,
    ) -> Result<()> {
        let reads = steps(found).into_iter().map(|step| async move {
            let raw = self.segments.open(step.segment, step.new).await?;
            Ok::<_, Error>((raw, step.runs))
        });
        let mut reads = futures::stream::iter(reads).buffered(SEGMENTS_AHEAD);
        while let Some((raw, runs)) = reads.try_next().await? {
            for run in runs {
                let (id, location) = &found.chunks[run.chunk as usize];
                batch
                    .append(&raw[segments::range(location)], run, location.rows)
                    .map_err(|reason| Error::damaged(what, format!("chunk {}: {reason}", id.short())))?;
                if batch.bytes.len() >= BATCH_BYTES && batch.ends.last() == Some(&batch.bytes.len()) {
                    out.send(std::mem::take(batch)).await.map_err(|_| Error::Cancelled)?;
                }
            }
        }
        Ok(())
    }
}

/// Groups runs by the segment they lie in.
fn steps(found: &Found) -> Vec<Step> {
    let mut seen = vec![false; found.chunks.len()];
    let mut steps: Vec<Step> = Vec::new();
    for run in &found.runs {
        let at = run.chunk as usize;
        let (id, location) = &found.chunks[at];
        let number = location.segment.number;
        let step = match steps.last_mut() {
            Some(step) if step.segment.number == number => step,
            _ => {
                steps.push(Step { segment: location.segment.clone(), runs: Vec::new(), new: Vec::new() });
                steps.last_mut().expect("one was pushed")
            }
        };
        step.runs.push(*run);
        if !std::mem::replace(&mut seen[at], true) {
            step.new.push((*id, location.clone()));
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

    /// Appends the rows of a run over `chunk`, which must have `chunk_rows` ends of rows.
    fn append(&mut self, chunk: &[u8], run: Run, chunk_rows: u32) -> Result<(), String> {
        if run.rows == 0 {
            if memchr::memchr(b'\n', chunk).is_some() {
                return Err("a row ends in a piece that must not end one".into());
            }
            self.bytes.extend_from_slice(chunk);
            return Ok(());
        }
        let ends: Vec<_> = memchr::memchr_iter(b'\n', chunk).map(|at| at + 1).collect();
        if ends.len() != chunk_rows as usize {
            return Err(format!("expected {chunk_rows} rows, found {}", ends.len()));
        }
        let (first, last) = (run.first as usize, (run.first + run.rows) as usize);
        let start = if first == 0 { 0 } else { ends[first - 1] };
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&chunk[start..ends[last - 1]]);
        self.ends.extend(ends[first..last].iter().map(|end| base + end - start));
        Ok(())
    }
}
