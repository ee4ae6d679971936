//! A lane: one thread's way from rows to sealed segments. It keeps one open segment a realm, across
//! tables, so that many small tables share a segment.

use std::sync::Arc;

use age::x25519;
use tokio::sync::mpsc;

use super::matching::Matching;
use super::{Shared, StreamWriter};
use crate::chunker::{Cut, Cutter};
use crate::delta::RecordFile;
use crate::format::manifest::FileRecord;
use crate::format::recipe::{PART_ROWS_PER_CHUNK_BYTE, Text};
use crate::segment::{OpenSegment, SealedSegment, Sealer};
use crate::{ChunkId, Error, Grade, Realm, Result, Split};

/// A part's rows get a segment of their own when they come to so many average chunks.
const OWN_SEGMENT_CHUNKS: usize = 4;

/// What a list may grow by in one run and not be cut into chunks for it.
const MORE_BYTES_MAX: usize = 16 << 10;

/// Turns rows and files into sealed segments. Blocking: belongs on a thread of its own.
pub struct Lane {
    pub(super) shared: Arc<Shared>,
    pub(super) rows: Cutter,
    metadata: Cutter,
    /// Where this lane keeps the fingerprints of the rows it writes.
    pub(super) records: RecordFile,
    segments: mpsc::Sender<SealedSegment>,
    sealer: Sealer,
    open: Vec<Open>,
}

/// The open segment of one realm, and what seals it.
struct Open {
    realm: Realm,
    epoch: u32,
    recipient: x25519::Recipient,
    segment: OpenSegment,
}

impl Lane {
    pub(super) fn new(shared: Arc<Shared>, segments: mpsc::Sender<SealedSegment>) -> Result<Self> {
        let sizes = shared.vault.inner.record.chunks;
        let seed = shared.vault.inner.derived.gear_seed;
        let mut open = Vec::new();
        for realm in Realm::ALL {
            let (epoch, recipient) = shared.vault.sealing(realm)?;
            open.push(Open { realm, epoch, recipient, segment: OpenSegment::default() });
        }
        Ok(Self {
            rows: Cutter::new(sizes.rows, seed),
            metadata: Cutter::new(sizes.metadata, seed),
            records: shared.memory.record_file(),
            shared,
            segments,
            sealer: Sealer::new(),
            open,
        })
    }

    /// Starts rows of one grade, as one stream, that come back in the order in which they are pushed. Chunks that are
    /// stored already are not stored again.
    pub fn ordered(&mut self, grade: Grade) -> StreamWriter<'_> {
        let rows_max = self.part_rows_max();
        StreamWriter::new(self, &Split::whole(grade), rows_max, None)
    }

    /// Starts a stretch of a table's rows, whose order does not matter: rows that were in the same stretch
    /// the last time stay where they are, and only others are stored. `stretch` names it from one
    /// snapshot to the next, and is written once in a snapshot. Rows are divided among streams as `split`
    /// says; where it is another one than the last time, nothing stays: rows are sealed to the keys of their
    /// new grades.
    pub fn stretch(&mut self, split: &Split, stretch: &str) -> StreamWriter<'_> {
        let rows_max = self.part_rows_max();
        let whole_high = split.is_whole() && split.streams().all(|(grade, _)| grade == Grade::High);
        let stretch = if whole_high { stretch.to_owned() } else { format!("{stretch} as {split}") };
        let matching = Matching::new(&stretch, rows_max, &self.shared);
        StreamWriter::new(self, split, rows_max, Some(matching))
    }

    fn part_rows_max(&self) -> u64 {
        u64::from(self.shared.vault.inner.record.chunks.rows.average) * PART_ROWS_PER_CHUNK_BYTE
    }

    /// Writes a file of the schema.
    pub fn file(&mut self, name: &str, grade: Grade, bytes: &[u8]) -> Result<FileRecord> {
        self.shared.count_raw(bytes.len());
        let cuts = self.metadata.cut_bytes(bytes);
        let chunks = self.put(Realm::Rows(grade), bytes, &cuts)?;
        Ok(FileRecord { name: name.to_owned(), grade, bytes: bytes.len() as u64, chunks })
    }

    /// Writes a text of metadata, unless it is short enough to stand where it is used.
    pub(super) fn text(&mut self, text: String) -> Result<Text> {
        if text.len() <= Text::INLINE_BYTES_MAX {
            return Ok(Text::inline(text));
        }
        let cuts = self.metadata.cut_bytes(text.as_bytes());
        Ok(Text::chunks(self.put(Realm::Metadata, text.as_bytes(), &cuts)?))
    }

    /// Writes a list of a part. `grown` is the text that it had and what comes behind that, if it had one.
    pub(super) fn list(
        &mut self,
        grown: Option<(&Text, String)>,
        whole: impl FnOnce() -> String,
    ) -> Result<Text> {
        let anew = self.shared.base.is_none();
        match grown {
            Some((old, more)) if more.is_empty() && (!anew || old.is_settled()) => Ok(old.clone()),
            Some((old, more)) if !anew && more.len() <= MORE_BYTES_MAX => Ok(old.then(&more)),
            _ => self.text(whole()),
        }
    }

    /// Writes what has changed of the source's tables: it never changes again, so it is cut for size alone.
    pub(super) fn changes(&mut self, text: &str) -> Result<Vec<ChunkId>> {
        let cuts = self.rows.cut_evenly(text.as_bytes());
        self.put(Realm::Metadata, text.as_bytes(), &cuts)
    }

    /// Stores those of the chunks that are new and returns the ids of all, in order.
    pub(super) fn put(&mut self, realm: Realm, bytes: &[u8], cuts: &[Cut]) -> Result<Vec<ChunkId>> {
        let derived = &self.shared.vault.inner.derived;
        let ids: Vec<_> = cuts.iter().map(|cut| derived.chunk_id(realm, &bytes[cut.range.clone()])).collect();
        let mine = self.shared.claim(&ids)?;
        for ((cut, id), mine) in cuts.iter().zip(&ids).zip(mine) {
            if !mine {
                continue;
            }
            if realm != Realm::Metadata {
                self.shared.count_new(cut.range.len());
            }
            let at = self.open_at(realm);
            self.open[at].segment.push(*id, &bytes[cut.range.clone()], cut.rows, cut.continues);
            if self.open[at].segment.is_full() {
                self.seal(at)?;
            }
        }
        Ok(ids)
    }

    /// A part has ended. What it wrote is sealed by itself once that is worth a segment, so that reading
    /// it later reads little of others.
    pub(super) fn part_ended(&mut self, realm: Realm) -> Result<()> {
        let at = self.open_at(realm);
        let enough = self.shared.vault.inner.record.chunks.rows.average as usize * OWN_SEGMENT_CHUNKS;
        if self.open[at].segment.raw_bytes() >= enough { self.seal(at) } else { Ok(()) }
    }

    fn open_at(&self, realm: Realm) -> usize {
        self.open.iter().position(|open| open.realm == realm).expect("every realm has a segment")
    }

    fn seal(&mut self, at: usize) -> Result<()> {
        let Open { realm, epoch, recipient, segment } = &mut self.open[at];
        let sealed = self.sealer.seal(segment, *realm, *epoch, recipient);
        if *realm != Realm::Metadata {
            self.shared.count_sealed(sealed.bytes.len());
        }
        self.segments.blocking_send(sealed).map_err(|_| Error::Cancelled)
    }

    /// Sends what is left in the open segments.
    pub fn finish(mut self) -> Result<()> {
        for at in 0..self.open.len() {
            if !self.open[at].segment.is_empty() {
                self.seal(at)?;
            }
        }
        if let Some(reason) = self.records.failure() {
            self.shared.memory.drop_because(reason.to_owned());
        }
        Ok(())
    }
}
