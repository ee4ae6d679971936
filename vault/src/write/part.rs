//! A part under way: the old one it goes on from, if there is one, and what is new.

use super::Lane;
use super::apart::Lengths;
use crate::delta::{Before, OldPart, RecordFile, RecordWriter, Recorded};
use crate::format::fingerprints::{ListedChunk, Record};
use crate::format::recipe::{PART_CHUNKS_MAX, Part, chunks_to_text, gone_to_text};
use crate::{ChunkId, Result};

/// A part of the stream that is being written.
#[derive(Default)]
pub(super) struct OpenPart {
    /// What it goes on from.
    pub(super) old: Option<OldPart>,
    new: Vec<ListedChunk>,
    /// Of each stream after the first, its new chunks.
    more: Vec<Vec<ChunkId>>,
    /// Rows that stayed and rows that are new.
    rows: u64,
    new_rows: u64,
    /// Bytes of them in each stream.
    bytes: [u64; 3],
    /// Rows of its chunks, those included that are on their way into the next one.
    places: u64,
    records: Option<RecordWriter>,
}

/// What a part came to.
pub(super) struct Ended {
    /// For the recipes, one for each stream.
    pub(super) parts: Vec<Part>,
    /// For the agent's memory.
    pub(super) recorded: Option<Recorded>,
}

impl OpenPart {
    /// A new part; with records when its rows are to be known again.
    pub(super) fn new(remembers: bool) -> Self {
        Self { records: remembers.then(RecordWriter::new), ..Self::default() }
    }

    /// A part that goes on from an old one.
    pub(super) fn from_old(old: OldPart) -> Self {
        let places = old.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
        Self { places, old: Some(old), ..Self::new(true) }
    }

    /// A row stays at its place.
    pub(super) fn keep(&mut self, fingerprint: u128, place: u32, lengths: &Lengths, file: &mut RecordFile) {
        self.rows += 1;
        self.bytes.iter_mut().zip(lengths).for_each(|(bytes, length)| *bytes += *length as u64);
        if let Some(records) = &mut self.records {
            records.push(Record::new(fingerprint, place), file);
        }
    }

    /// A row comes at the end of the part's chunks.
    pub(super) fn add(&mut self, fingerprint: u128, lengths: &Lengths, file: &mut RecordFile) {
        let place = u32::try_from(self.places).expect("a part is bounded");
        self.places += 1;
        self.new_rows += 1;
        self.keep(fingerprint, place, lengths, file);
    }

    /// Rows come at the end of the part's chunks, not to be known again.
    pub(super) fn add_unknown(&mut self, rows: usize, bytes: usize) {
        self.rows += rows as u64;
        self.new_rows += rows as u64;
        self.bytes[0] += bytes as u64;
    }

    /// Notes that the new rows go on with a whole chunk.
    pub(super) fn chunk(&mut self, id: ChunkId, rows: u32) {
        self.new.push(ListedChunk { id, rows });
    }

    /// Notes the chunks of the streams after the first, `place` for `place` what [`OpenPart::chunk`] was told.
    pub(super) fn more_chunks(&mut self, more: Vec<Vec<ChunkId>>) {
        self.more.resize(more.len(), Vec::new());
        self.more.iter_mut().zip(more).for_each(|(all, ids)| all.extend(ids));
    }

    /// How many more new rows it takes.
    pub(super) fn room(&self, rows_max: u64) -> u64 {
        let (old_chunks, old_rows) =
            self.old.as_ref().map_or((0, 0), |old| (old.chunks.len(), old.rows_before()));
        let full = self.new.len() + old_chunks >= PART_CHUNKS_MAX;
        if full { 0 } else { rows_max.saturating_sub(old_rows + self.new_rows) }
    }

    /// Ends the part. Its new rows are in chunks; old ones that were not found are gone. Returns nothing
    /// for a part without rows.
    pub(super) fn end(self, stretch: Option<&str>, lane: &mut Lane) -> Result<Option<Ended>> {
        let Self { old, new, more: new_more, rows, bytes, records, .. } = self;
        if rows == 0 {
            return Ok(None);
        }
        let (mut chunks, mut more, mut gone, mut before) = (Vec::new(), new_more, Vec::new(), None);
        if let Some(mut old) = old {
            old.bury();
            let new_more = std::mem::replace(&mut more, old.more);
            more.iter_mut().zip(new_more).for_each(|(all, new)| all.extend(new));
            (chunks, gone, before) = (old.chunks, old.gone, old.before);
        }
        chunks.extend(new);
        let is_as_before = |before: &Before| before.chunks == chunks.len() && before.gone == gone.len();
        let changed = !before.as_ref().is_some_and(is_as_before);
        let first: Vec<_> = chunks.iter().map(|chunk| chunk.id).collect();
        let mut parts = Vec::with_capacity(1 + more.len());
        for (stream, (ids, bytes)) in std::iter::once(&first).chain(&more).zip(bytes).enumerate() {
            let old = before.as_ref().and_then(|before| Some((before.parts.get(stream)?, before)));
            let more_chunks = old.map(|(old, before)| (&old.chunks, chunks_to_text(&ids[before.chunks..])));
            let chunks = lane.list(more_chunks, || chunks_to_text(ids))?;
            let more_gone = old.map(|(old, before)| (&old.gone, gone_to_text(&gone[before.gone..])));
            let gone = lane.list(more_gone, || gone_to_text(&gone))?;
            parts.push(Part { rows, bytes, chunks, gone });
        }
        let recorded = match (records, stretch) {
            (Some(records), Some(stretch)) => {
                let lists = (&chunks[..], &more[..]);
                Some(records.finish(stretch, &parts, lists, &gone, changed, &mut lane.records))
            }
            _ => None,
        };
        Ok(Some(Ended { parts, recorded }))
    }
}
