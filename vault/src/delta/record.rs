//! Writing fingerprints while rows are read: one file a lane, into which its parts write in blocks.
//!
//! A file that cannot be written costs its parts' fingerprints, never the snapshot.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Tally;
use crate::ChunkId;
use crate::format::fingerprints::{BLOCK_RECORDS, ListedChunk, RECORD_BYTES, Record, Remembered};
use crate::format::recipe::{Gone, Part, gone_to_text};

/// The file of one lane, made when the first block is written.
pub(crate) struct RecordFile {
    /// Where it is; nothing when nothing is recorded, from the start or since a write failed.
    folder: Option<PathBuf>,
    name: String,
    open: Option<File>,
    bytes: u64,
    failed: Option<String>,
}

impl RecordFile {
    /// A file of a name that no other run or lane has; without a folder, nothing is recorded.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        let name = format!("{:016x}.fingerprints", rand::random::<u64>());
        Self { folder, name, open: None, bytes: 0, failed: None }
    }

    /// Why it could not be written to its end, if it could not.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Appends bytes and returns where they begin; nothing from the first write on that fails.
    fn append(&mut self, bytes: &[u8]) -> Option<u64> {
        let path = self.folder.as_ref()?.join(&self.name);
        match self.write(&path, bytes) {
            Ok(()) => {
                let at = self.bytes;
                self.bytes += bytes.len() as u64;
                Some(at)
            }
            Err(error) => {
                self.failed = Some(format!("{}: {error}", path.display()));
                self.folder = None;
                None
            }
        }
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let file = match &mut self.open {
            Some(file) => file,
            none => none.insert(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?),
        };
        file.write_all(bytes)
    }
}

/// The records of one part.
pub(crate) struct RecordWriter {
    pending: Vec<u8>,
    /// Where its blocks are in the file; nothing once one could not be written.
    blocks: Option<Vec<u64>>,
    hasher: blake3::Hasher,
    tally: Tally,
}

/// A part whose records are written.
pub(crate) struct Recorded {
    /// What the directory is to say of it, if its records could be written.
    pub(crate) remembered: Option<Remembered>,
    /// Its rows.
    pub(crate) tally: Tally,
    /// Whether its recipe is another one than in the snapshot before.
    pub(crate) changed: bool,
}

impl RecordWriter {
    pub(crate) fn new() -> Self {
        Self {
            pending: Vec::new(),
            blocks: Some(Vec::new()),
            hasher: blake3::Hasher::new(),
            tally: Tally::default(),
        }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, record: Record, file: &mut RecordFile) {
        self.tally.add(record.fingerprint());
        self.pending.extend_from_slice(&record.to_bytes());
        if self.pending.len() >= BLOCK_RECORDS * RECORD_BYTES {
            self.end_block(file);
        }
    }

    fn end_block(&mut self, file: &mut RecordFile) {
        match (&mut self.blocks, file.append(&self.pending)) {
            (Some(blocks), Some(at)) => blocks.push(at),
            (blocks, _) => *blocks = None,
        }
        self.hasher.update(&self.pending);
        self.pending.clear();
    }

    /// Writes what is left, and the part's lists. `parts` are those of the table's streams, `more` the
    /// chunks of each after the first.
    pub(crate) fn finish(
        mut self,
        stretch: &str,
        parts: &[Part],
        (chunks, more): (&[ListedChunk], &[Vec<ChunkId>]),
        gone: &[Gone],
        changed: bool,
        file: &mut RecordFile,
    ) -> Recorded {
        if !self.pending.is_empty() {
            self.end_block(file);
        }
        let gone = gone_to_text(gone);
        let mut lists = Vec::with_capacity(chunks.len() * ListedChunk::BYTES + gone.len());
        chunks.iter().for_each(|chunk| lists.extend_from_slice(&chunk.to_bytes()));
        more.iter().flatten().for_each(|id| lists.extend_from_slice(&id.0));
        lists.extend_from_slice(gone.as_bytes());
        self.hasher.update(&lists);
        let place = self.blocks.take().zip(file.append(&lists)).zip(parts.split_first());
        let remembered = place.map(|((blocks, lists), (part, more))| Remembered {
            stretch: stretch.to_owned(),
            part: part.clone(),
            more: more.to_vec(),
            file: file.name.clone(),
            blocks,
            lists,
            chunks: chunks.len() as u64,
            gone_bytes: gone.len() as u64,
            hash: self.hasher.finalize().to_hex().to_string(),
        });
        Recorded { remembered, tally: self.tally, changed }
    }
}
