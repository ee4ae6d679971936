//! Writing fingerprints while rows are read: one file a lane, into which its parts write in blocks.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Tally;
use crate::format::fingerprints::{BLOCK_RECORDS, ListedChunk, RECORD_BYTES, Record, Remembered};
use crate::format::recipe::{Gone, Part, gone_to_text};
use crate::{Error, Result};

/// The file of one lane, made when the first block is written.
pub(crate) struct RecordFile {
    folder: PathBuf,
    name: String,
    open: Option<File>,
    bytes: u64,
}

impl RecordFile {
    /// A file of a name that no other run or lane has.
    pub(crate) fn new(folder: &Path) -> Self {
        let name = format!("{:016x}.fingerprints", rand::random::<u64>());
        Self { folder: folder.to_owned(), name, open: None, bytes: 0 }
    }

    /// Appends bytes and returns where they begin.
    fn append(&mut self, bytes: &[u8]) -> Result<u64> {
        let path = self.folder.join(&self.name);
        let io = |error| Error::io(&path, error);
        if self.open.is_none() {
            std::fs::create_dir_all(&self.folder).map_err(|error| Error::io(&self.folder, error))?;
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
            self.open = Some(file);
        }
        let file = self.open.as_mut().expect("it was opened");
        file.write_all(bytes).map_err(io)?;
        let at = self.bytes;
        self.bytes += bytes.len() as u64;
        Ok(at)
    }
}

/// The records of one part.
pub(crate) struct RecordWriter {
    pending: Vec<u8>,
    blocks: Vec<u64>,
    hasher: blake3::Hasher,
    tally: Tally,
}

/// A part whose records are written.
pub(crate) struct Recorded {
    /// What the directory is to say of it.
    pub(crate) remembered: Remembered,
    /// Its rows.
    pub(crate) tally: Tally,
    /// Whether its recipe is another one than in the snapshot before.
    pub(crate) changed: bool,
}

impl RecordWriter {
    pub(crate) fn new() -> Self {
        Self {
            pending: Vec::new(),
            blocks: Vec::new(),
            hasher: blake3::Hasher::new(),
            tally: Tally::default(),
        }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, record: Record, file: &mut RecordFile) -> Result<()> {
        self.tally.add(record.fingerprint());
        self.pending.extend_from_slice(&record.to_bytes());
        if self.pending.len() >= BLOCK_RECORDS * RECORD_BYTES { self.end_block(file) } else { Ok(()) }
    }

    fn end_block(&mut self, file: &mut RecordFile) -> Result<()> {
        self.blocks.push(file.append(&self.pending)?);
        self.hasher.update(&self.pending);
        self.pending.clear();
        Ok(())
    }

    /// Writes what is left, and the part's lists.
    pub(crate) fn finish(
        mut self,
        stretch: &str,
        part: &Part,
        chunks: &[ListedChunk],
        gone: &[Gone],
        changed: bool,
        file: &mut RecordFile,
    ) -> Result<Recorded> {
        if !self.pending.is_empty() {
            self.end_block(file)?;
        }
        let gone = gone_to_text(gone);
        let mut lists = Vec::with_capacity(chunks.len() * ListedChunk::BYTES + gone.len());
        chunks.iter().for_each(|chunk| lists.extend_from_slice(&chunk.to_bytes()));
        lists.extend_from_slice(gone.as_bytes());
        self.hasher.update(&lists);
        let remembered = Remembered {
            stretch: stretch.to_owned(),
            part: part.clone(),
            file: file.name.clone(),
            blocks: self.blocks,
            lists: file.append(&lists)?,
            chunks: chunks.len() as u64,
            gone_bytes: gone.len() as u64,
            hash: self.hasher.finalize().to_hex().to_string(),
        };
        Ok(Recorded { remembered, tally: self.tally, changed })
    }
}
