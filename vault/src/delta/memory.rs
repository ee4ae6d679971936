//! What an agent remembers of a source's last snapshot: a directory of parts, and the files of their rows'
//! fingerprints.
//!
//! Both lie in a folder of the agent's state and may be lost at any time. New files are written beside the
//! old ones under names of their own; they come into force when, after the manifest, the directory is
//! replaced by a rename. Killed before that, a run leaves the old directory: it describes an older
//! snapshot, whose chunks are there as long as its manifest is, so it is as good a base as before.
//!
//! One run at a time has the folder, by a lock that the system lets go of when the run ends, however it
//! ends. So whatever the directory does not name was left by a run that is over. Where the folder cannot
//! be written, nothing is remembered, and that is all it costs.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::{RecordFile, Recorded};
use crate::format::fingerprints::{
    BLOCK_RECORDS, Head, ListedChunk, RECORD_BYTES, Record, Remembered, VERSION,
};
use crate::format::names;
use crate::format::recipe::{Gone, gone_from_text};
use crate::{ChunkId, Error, Result, SnapshotId, Vault};

const CHUNK_ID_BYTES: usize = 32;

const DIRECTORY: &str = "directory.fingerprints";

/// Held by the run that has the folder; says who that is.
const LOCK: &str = "run.lock";

/// The fingerprints of one source.
pub(crate) struct Memory {
    folder: PathBuf,
    head: Head,
    key: [u8; 32],
    /// The lock, for as long as this run may touch the folder; nothing when the folder cannot be used.
    lock: Option<File>,
    /// The snapshot whose rows are remembered.
    snapshot: Option<SnapshotId>,
    /// Parts of the last snapshot by stretch, until they are asked for.
    parts: Mutex<HashMap<String, VecDeque<Remembered>>>,
    /// Why what was remembered is not used.
    dropped: Mutex<Vec<String>>,
}

/// A part as it was remembered, proven to be what was written.
pub(crate) struct Recalled {
    pub(crate) records: Vec<Record>,
    pub(crate) chunks: Vec<ListedChunk>,
    /// Of each stream after the first, its chunks at the same places.
    pub(crate) more: Vec<Vec<ChunkId>>,
    pub(crate) gone: Vec<Gone>,
}

impl Recalled {
    /// Makes one part of two: the other's chunks come behind this one's. Both lists grow at their ends
    /// only.
    pub(crate) fn join(&mut self, other: Self) {
        let rows: u64 = self.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
        let (rows, chunks) = (rows as u32, self.chunks.len() as u32);
        self.records.extend(
            other
                .records
                .iter()
                .map(|record| Record::new(record.fingerprint(), record.place().wrapping_add(rows))),
        );
        self.chunks.extend(other.chunks);
        self.more.iter_mut().zip(other.more).for_each(|(own, other)| own.extend(other));
        self.gone.extend(other.gone.into_iter().map(|gone| match gone {
            Gone::Chunk(chunk) => Gone::Chunk(chunk.wrapping_add(chunks)),
            Gone::Rows { chunk, first, rows } => {
                Gone::Rows { chunk: chunk.wrapping_add(chunks), first, rows }
            }
        }));
    }
}

impl Memory {
    /// Opens what is remembered in `state` of this source's last snapshot. What is not whole, of another
    /// vault or of a snapshot that the store does not have is dropped: then nothing is remembered.
    ///
    /// # Errors
    /// `Busy` when another run has this source's memory; else what the store says.
    pub(crate) async fn open(vault: &Vault, state: &Path, source: &str) -> Result<Self> {
        let tag = &blake3::hash(source.as_bytes()).to_hex()[..16];
        let folder = state.join(format!("rows-{}-{tag}", vault.id()));
        let head = Head {
            version: VERSION,
            vault: vault.id(),
            source: source.to_owned(),
            snapshot: SnapshotId([0; 32]),
        };
        let key = vault.inner.derived.state_key;
        let lock = None;
        let (parts, dropped) = (Mutex::default(), Mutex::default());
        let mut memory = Self { folder, head, key, lock, snapshot: None, parts, dropped };
        match take_lock(&memory.folder, source) {
            Ok(lock) => memory.lock = Some(lock),
            Err(error @ Error::Busy { .. }) => return Err(error),
            Err(error) => {
                memory.drop_because(error.to_string());
                return Ok(memory);
            }
        }
        let directory = memory.read_directory();
        let named = directory.iter().flatten().flat_map(|(_, parts)| parts).map(|part| part.file.as_str());
        memory.remove_others(&named.collect());
        match directory {
            Ok(None) => {}
            Ok(Some((head, parts))) => {
                if vault.store().size(&names::snapshot(head.snapshot)).await?.is_some() {
                    memory.snapshot = Some(head.snapshot);
                    memory.remember(parts);
                } else {
                    memory.drop_because(format!("snapshot {} is not in the vault", head.snapshot.short()));
                }
            }
            Err(reason) => memory.drop_because(reason),
        }
        Ok(memory)
    }

    fn read_directory(&self) -> Result<Option<(Head, Vec<Remembered>)>, String> {
        let text = match std::fs::read(self.folder.join(DIRECTORY)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| error.to_string())?,
        };
        let damaged = || "its directory is damaged".to_owned();
        let text = std::str::from_utf8(&text).map_err(|_| damaged())?;
        let (mac, rest) = text.split_once('\n').ok_or_else(damaged)?;
        let mac = blake3::Hash::from_hex(mac).map_err(|_| damaged())?;
        if blake3::keyed_hash(&self.key, rest.as_bytes()) != mac {
            return Err(damaged());
        }
        let mut lines = rest.lines();
        let head: Head = lines.next().and_then(|line| serde_json::from_str(line).ok()).ok_or_else(damaged)?;
        if head != (Head { snapshot: head.snapshot, ..self.head.clone() }) {
            return Err("it is another source's, or of another version".into());
        }
        let parts: Result<_, _> = lines.map(serde_json::from_str).collect();
        Ok(Some((head, parts.map_err(|_| damaged())?)))
    }

    fn remember(&self, parts: Vec<Remembered>) {
        let mut known = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        for part in parts {
            known.entry(part.stretch.clone()).or_default().push_back(part);
        }
    }

    /// Notes why something remembered is not used.
    pub(crate) fn drop_because(&self, reason: String) {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(reason);
    }

    /// What was not used, and why; each reason once.
    pub(crate) fn dropped(&self) -> Vec<String> {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone();
        dropped.sort_unstable();
        dropped.dedup();
        dropped
    }

    /// The snapshot whose rows are remembered.
    pub(crate) fn snapshot(&self) -> Option<SnapshotId> {
        self.snapshot
    }

    /// Whether anything is remembered that nobody has asked for yet.
    pub(crate) fn remembers(&self) -> bool {
        !self.parts.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The parts of a stretch, to be matched by whoever asks first.
    pub(crate) fn take(&self, stretch: &str) -> VecDeque<Remembered> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).remove(stretch).unwrap_or_default()
    }

    /// A file for a lane's fingerprints.
    pub(crate) fn record_file(&self) -> RecordFile {
        RecordFile::new(self.lock.is_some().then(|| self.folder.clone()))
    }

    /// Reads a part back; says in words what is wrong with it.
    pub(crate) fn recall(&self, part: &Remembered) -> Result<Recalled, String> {
        let damaged = || format!("the file {} is damaged", part.file);
        if part.file.contains('/') {
            return Err(damaged());
        }
        let file = File::open(self.folder.join(&part.file)).map_err(|error| error.to_string())?;
        let mut hasher = blake3::Hasher::new();
        let rows = usize::try_from(part.part.rows).map_err(|_| damaged())?;
        if rows.div_ceil(BLOCK_RECORDS) != part.blocks.len() {
            return Err(damaged());
        }
        let mut records = Vec::with_capacity(rows);
        let mut block = Vec::new();
        for at in &part.blocks {
            block.resize(BLOCK_RECORDS.min(rows - records.len()) * RECORD_BYTES, 0);
            file.read_exact_at(&mut block, *at).map_err(|_| damaged())?;
            hasher.update(&block);
            let (rows, _) = block.as_chunks::<RECORD_BYTES>();
            records.extend(rows.iter().map(|row| Record::from_bytes(*row)));
        }
        let chunk_bytes = usize::try_from(part.chunks).map_err(|_| damaged())? * ListedChunk::BYTES;
        let more_bytes = chunk_bytes / ListedChunk::BYTES * CHUNK_ID_BYTES;
        let gone_bytes = usize::try_from(part.gone_bytes).map_err(|_| damaged())?;
        let mut lists = vec![0; chunk_bytes + more_bytes * part.more.len() + gone_bytes];
        file.read_exact_at(&mut lists, part.lists).map_err(|_| damaged())?;
        hasher.update(&lists);
        if hasher.finalize().to_hex().as_str() != part.hash {
            return Err(damaged());
        }
        let (chunks, rest) = lists.split_at(chunk_bytes);
        let (more, gone) = rest.split_at(more_bytes * part.more.len());
        let ids = |list: &[u8]| list.as_chunks::<CHUNK_ID_BYTES>().0.iter().copied().map(ChunkId).collect();
        let more = match more_bytes {
            0 => vec![Vec::new(); part.more.len()],
            bytes => more.chunks_exact(bytes).map(ids).collect(),
        };
        let chunks =
            chunks.chunks_exact(ListedChunk::BYTES).map(ListedChunk::from_bytes).collect::<Option<_>>();
        let gone = gone_from_text(&part.file, gone).map_err(|_| damaged())?;
        Ok(Recalled { records, chunks: chunks.ok_or_else(damaged)?, more, gone })
    }

    /// Remembers a snapshot that exists now, instead of what was remembered. Returns the bytes that all
    /// of it takes. Parts whose records could not be written are left out.
    ///
    /// # Errors
    /// `Io`; then the next run knows what it knew before.
    pub(crate) fn replace(&self, snapshot: SnapshotId, parts: &[Recorded]) -> Result<u64> {
        if self.lock.is_none() {
            return Ok(0);
        }
        let head = Head { snapshot, ..self.head.clone() };
        let mut text = serde_json::to_string(&head).expect("a head serialises") + "\n";
        let mut files = HashSet::new();
        for part in parts.iter().filter_map(|part| part.remembered.as_ref()) {
            text += &serde_json::to_string(part).expect("a part serialises");
            text.push('\n');
            files.insert(part.file.as_str());
        }
        let text = format!("{}\n{text}", blake3::keyed_hash(&self.key, text.as_bytes()).to_hex());
        let mut bytes = text.len() as u64;
        let io = |error| Error::io(&self.folder, error);
        for file in &files {
            let file = File::open(self.folder.join(file)).map_err(io)?;
            file.sync_data().map_err(io)?;
            bytes += file.metadata().map_err(io)?.len();
        }
        let mut new = tempfile::NamedTempFile::new_in(&self.folder).map_err(io)?;
        new.write_all(text.as_bytes()).map_err(io)?;
        new.as_file().sync_all().map_err(io)?;
        new.persist(self.folder.join(DIRECTORY)).map_err(|error| io(error.error))?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        self.remove_others(&files);
        Ok(bytes)
    }

    /// Removes every file of runs that are over but those in force. One that cannot be removed costs space
    /// and nothing else.
    fn remove_others(&self, in_force: &HashSet<&str>) {
        let Ok(entries) = self.folder.read_dir() else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name != DIRECTORY && name != LOCK && !in_force.contains(name) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Makes the folder and takes its lock.
///
/// # Errors
/// `Busy` when another run has it, saying which; `Io` when it cannot be taken here at all.
fn take_lock(folder: &Path, source: &str) -> Result<File> {
    let path = folder.join(LOCK);
    let io = |error| Error::io(&path, error);
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).mode(0o600).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {
            let holder = format!("process {} since {:.0}", std::process::id(), Timestamp::now());
            file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(io)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&path).unwrap_or_default();
            let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
            Err(Error::Busy { what: format!("a backup of {source}"), holder })
        }
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}
