//! Rows of one stream on their way into chunks, and the recipe that comes out.

use super::Lane;
use crate::format::recipe::{PART_CHUNKS_MAX, PART_RUNS_MAX, Part, Run, chunks_to_text, runs_to_text};
use crate::{ChunkId, Error, Grade, Realm, Result};

/// Raw bytes gathered before they are cut: several chunks, so that look-ups are made by the dozen.
const GATHER_BYTES: usize = 2 << 20;

/// Chunks put at once; bounds what a single large row claims in one go.
const CUTS_AT_ONCE: usize = 256;

/// Cuts rows and notes the runs they are found in. Rows come back in the order they were pushed.
pub struct StreamWriter<'a> {
    lane: &'a mut Lane,
    realm: Realm,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    part: OpenPart,
    parts: Vec<Part>,
}

/// The part being written.
#[derive(Default)]
struct OpenPart {
    rows: u64,
    bytes: u64,
    chunks: Vec<ChunkId>,
    runs: Vec<Run>,
}

impl<'a> StreamWriter<'a> {
    pub(super) fn new(lane: &'a mut Lane, grade: Grade) -> Self {
        let (bytes, ends) = (Vec::new(), Vec::new());
        Self { lane, realm: Realm::Rows(grade), bytes, ends, part: OpenPart::default(), parts: Vec::new() }
    }

    /// Takes whole rows: `ends` are the ends of the rows in `bytes`, each after its newline.
    ///
    /// # Errors
    /// `Mismatch` when `ends` do not fit `bytes`; `Cancelled` when the packer has stopped.
    pub fn push(&mut self, bytes: Vec<u8>, ends: Vec<usize>) -> Result<()> {
        let whole = ends.last().copied().unwrap_or(0) == bytes.len();
        if !whole || ends.iter().any(|end| *end == 0 || bytes.get(end - 1) != Some(&b'\n')) {
            let reason = "a batch of rows does not end with its last row".to_owned();
            return Err(Error::Mismatch { what: "rows handed to the vault".into(), reason });
        }
        self.lane.shared.count_raw(bytes.len());
        if self.bytes.is_empty() {
            (self.bytes, self.ends) = (bytes, ends);
        } else {
            let base = self.bytes.len();
            self.bytes.extend_from_slice(&bytes);
            self.ends.extend(ends.into_iter().map(|end| base + end));
        }
        if self.bytes.len() >= GATHER_BYTES { self.cut(false) } else { Ok(()) }
    }

    /// Ends the stretch and returns its recipe.
    pub fn finish(mut self) -> Result<Vec<Part>> {
        self.cut(true)?;
        self.end_part()?;
        Ok(self.parts)
    }

    fn cut(&mut self, last: bool) -> Result<()> {
        let bytes = std::mem::take(&mut self.bytes);
        let ends = std::mem::take(&mut self.ends);
        let cuts = self.lane.rows.cut_rows(&bytes, &ends, last);
        for cuts in cuts.chunks(CUTS_AT_ONCE) {
            let ids = self.lane.put(self.realm, &bytes, cuts)?;
            for (cut, id) in cuts.iter().zip(ids) {
                self.note(id, cut.rows, cut.range.len())?;
            }
        }
        let done = cuts.last().map_or(0, |cut| cut.range.end);
        let done_rows = ends.partition_point(|end| *end <= done);
        self.bytes.extend_from_slice(&bytes[done..]);
        self.ends.extend(ends[done_rows..].iter().map(|end| end - done));
        Ok(())
    }

    /// Notes that the stream goes on with a whole chunk.
    fn note(&mut self, id: ChunkId, rows: u32, bytes: usize) -> Result<()> {
        let part = &mut self.part;
        let chunk = u32::try_from(part.chunks.len()).expect("a part is bounded");
        part.chunks.push(id);
        part.runs.push(Run { chunk, first: 0, rows });
        part.rows += u64::from(rows);
        part.bytes += bytes as u64;
        // A part ends with a row: the pieces of a large one stay together.
        let full = part.chunks.len() >= PART_CHUNKS_MAX || part.runs.len() >= PART_RUNS_MAX;
        if full && rows > 0 { self.end_part() } else { Ok(()) }
    }

    fn end_part(&mut self) -> Result<()> {
        let part = std::mem::take(&mut self.part);
        if part.runs.is_empty() {
            return Ok(());
        }
        let chunks = self.lane.text(chunks_to_text(&part.chunks))?;
        let runs = self.lane.text(runs_to_text(&part.runs))?;
        self.parts.push(Part { rows: part.rows, bytes: part.bytes, chunks, runs });
        Ok(())
    }
}
