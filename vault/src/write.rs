//! Writing a snapshot: many lanes cut, hash, compress and seal; one packer fills packs and uploads.
//!
//! ```text
//! Lane (a thread) ─┐                    ┌─ upload ─┐
//! Lane (a thread) ─┴─ sealed segments ──▶ packer ──┴─▶ local index ─▶ index objects ─▶ manifest
//! ```
//!
//! A lane is plain blocking code on a thread of its own; a bounded channel to the packer makes a slow
//! store slow the lanes down. A chunk is *claimed* before it is written, so that two lanes never write
//! the same one. The order is packs, then index, then manifest, each confirmed to be there before the
//! next: killed at any moment, a run leaves packs that the next run adopts, and no snapshot. Between index
//! and manifest, and once more when somebody has deleted meanwhile, the run asks whether all it needs is
//! still there and is to stay.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::delta::{Memory, Recorded, prove};
use crate::format::envelope::{Kind, Signer, sign};
use crate::format::manifest::{Catalogue, FileRecord, Manifest, Measured, TableRecord};
use crate::format::names;
use crate::index::{ChunkIndex, SyncReport};
use crate::keys::AgentKey;
use crate::notes::Notes;
use crate::read::{Snapshot, SnapshotReader, list_snapshots, newest_of};
use crate::segment::SealedSegment;
use crate::store::Store;
use crate::tasks::joined;
use crate::{ChunkId, Error, PackId, Realm, Result, SnapshotId, Vault, pack, seal};

mod apart;
mod catalogue;
mod lane;
mod matching;
mod packer;
mod part;
mod still_there;
mod stream;

use catalogue::Base;
use still_there::Needs;

pub use lane::Lane;
pub(crate) use packer::{PACKS_PER_INDEX, publish};
pub use stream::{StreamWriter, StreamWritten};

/// Sealed segments that may wait for the packer, about 3 MiB of them.
const SEGMENTS_WAITING: usize = 8;

/// What the caller says of the snapshot beside its rows.
#[derive(Debug, Clone)]
pub struct Draft {
    /// When the point was fixed.
    pub time: Timestamp,
    /// Agent and version, for people.
    pub agent: String,
    /// What the connector says of the point.
    pub point: Value,
    /// What is unusual about it, in words; until somebody accepts it, nothing of the source expires.
    pub flags: Vec<String>,
    /// Words of the operator's that retention may go by.
    pub tags: Vec<String>,
    /// Schema files, written by a lane.
    pub files: Vec<FileRecord>,
    /// Tables, their streams written by lanes; in the order in which they shall be listed.
    pub tables: Vec<TableRecord>,
}

/// What is known when a snapshot is complete but for its manifest, so that the caller can say what is
/// unusual about it.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// The tables now.
    pub tables: &'a [TableRecord],
    /// Raw bytes of all rows and files now.
    pub raw_bytes: u64,
    /// What of it is new.
    pub measured: Measured,
    /// The source's snapshots about which nothing is flagged, or all of it accepted, the oldest first.
    pub past: Vec<&'a Snapshot>,
    /// The tables of the last of them, where they can be read.
    pub tables_before: Option<Vec<TableRecord>>,
}

/// What a finished snapshot came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its id.
    pub snapshot: SnapshotId,
    /// Raw bytes of rows and files handed in.
    pub raw_bytes: u64,
    /// Raw bytes of those that were not stored before.
    pub new_raw_bytes: u64,
    /// Bytes added to the store by this run, everything counted.
    pub stored_bytes: u64,
    /// Bytes of the fingerprints kept beside the store, by which the next run knows these rows again.
    pub fingerprint_bytes: u64,
    /// Why fingerprints were not used or not kept. It costs bytes, now or the next time, and no row.
    pub not_remembered: Vec<String>,
    /// What is flagged about it.
    pub flags: Vec<String>,
}

/// A snapshot being written.
pub struct SnapshotWriter {
    shared: Arc<Shared>,
    packer: JoinHandle<Result<()>>,
    segments: mpsc::Sender<SealedSegment>,
    /// What was found while the local index was brought in line with the store.
    pub sync: SyncReport,
    /// Why the local index could not be kept in `state`, if it could not: it was gathered elsewhere, and
    /// will be again.
    pub index_elsewhere: Option<Error>,
}

/// What every lane and the packer share.
struct Shared {
    vault: Vault,
    agent: AgentKey,
    store: Store,
    index: ChunkIndex,
    source: String,
    /// What is known of the rows of the source's last snapshot.
    memory: Memory,
    /// The catalogue of that snapshot, to go on from; nothing when lists and catalogue are to be written anew.
    base: Option<Base>,
    /// What is to be known of this one's.
    recorded: Mutex<Vec<Recorded>>,
    runtime: Handle,
    /// Chunks claimed in this run that are not in the local index yet.
    pending: Mutex<HashSet<ChunkId>>,
    /// Packs that this run has written or has reused something of.
    counted_on: Mutex<HashSet<PackId>>,
    raw_bytes: AtomicU64,
    new_raw_bytes: AtomicU64,
    /// Bytes of sealed segments of rows and files.
    sealed_bytes: AtomicU64,
    /// Whether rows of the source's last snapshot were known at the start.
    remembered: bool,
}

impl SnapshotWriter {
    /// Starts a snapshot of `source`: recalls the rows of its last one, brings the local index in `state`
    /// in line with the store, and adopts what an interrupted run has uploaded.
    ///
    /// # Errors
    /// `Busy` when another run of this source has the same `state`; `Unsupported` when the vault needs an ability to write that this program does not have.
    pub async fn begin(vault: &Vault, agent: &AgentKey, state: &Path, source: &str) -> Result<Self> {
        if let Some(need) = vault.unknown_need_to_write() {
            return Err(Error::Unsupported { found: format!("1 with {need}"), known: "1".into() });
        }
        vault.agent_key("this agent's key", agent.id())?;
        // Where it cannot be made, what would be kept in it says so and goes without.
        let _ = std::fs::create_dir_all(state);
        let memory = Memory::open(vault, state, source).await?;
        let (index, index_elsewhere) = ChunkIndex::somewhere(state, vault).await?;
        let sync = index.sync(vault).await?;
        let base = Base::read(vault, &index, &memory).await;
        let counted_on = base.iter().flat_map(|base| &base.packs).copied().collect();
        let shared = Arc::new(Shared {
            vault: vault.clone(),
            agent: agent.clone(),
            store: vault.store().metered(),
            index,
            source: source.to_owned(),
            remembered: memory.remembers(),
            memory,
            base,
            recorded: Mutex::default(),
            runtime: Handle::current(),
            pending: Mutex::default(),
            counted_on: Mutex::new(counted_on),
            raw_bytes: AtomicU64::new(0),
            new_raw_bytes: AtomicU64::new(0),
            sealed_bytes: AtomicU64::new(0),
        });
        let (segments, waiting) = mpsc::channel(SEGMENTS_WAITING);
        let packer = tokio::spawn(packer::run(Arc::clone(&shared), waiting));
        Ok(Self { shared, packer, segments, sync, index_elsewhere })
    }

    /// Makes a lane. Call it from a thread that may block; every lane must be finished before
    /// [`SnapshotWriter::finish`].
    pub fn lane(&self) -> Result<Lane> {
        Lane::new(Arc::clone(&self.shared), self.segments.clone())
    }

    /// Completes the snapshot: only when this returns does it exist.
    pub async fn finish(self, draft: Draft) -> Result<Written> {
        self.finish_judged(draft, &Notes::default(), |_| Vec::new()).await
    }

    /// As [`SnapshotWriter::finish`]; what `judge` finds unusual is flagged. `notes` say what was accepted
    /// of earlier snapshots.
    pub async fn finish_judged(
        self,
        draft: Draft,
        notes: &Notes,
        judge: impl FnOnce(&Comparison<'_>) -> Vec<String>,
    ) -> Result<Written> {
        let Self { shared, packer, segments, .. } = self;
        let written = catalogue::write(&shared, segments, &draft.tables).await;
        let packed = joined(packer.await)?;
        packed?;
        let catalogue = written?;
        shared.refuse_lost_chunks()?;
        let recorded = std::mem::take(&mut *shared.recorded.lock().unwrap_or_else(PoisonError::into_inner));
        prove(&SnapshotReader::on(&shared.vault, &shared.index), &shared.memory, &draft.tables, &recorded)
            .await?;
        let needs = Needs { tables: &draft.tables, files: &draft.files, catalogue: &catalogue };
        let before = still_there::deletions(&shared).await?;
        still_there::prove(&shared, &needs).await?;
        let manifest = describe(&shared, &draft, &catalogue, notes, judge).await?;
        let snapshot = write_manifest(&shared, &manifest).await?;
        still_there::prove_again(&shared, &needs, snapshot, before).await?;
        let (fingerprint_bytes, not_remembered) = remember(&shared, snapshot, recorded).await?;
        Ok(Written {
            snapshot,
            raw_bytes: shared.raw_bytes.load(Ordering::Relaxed),
            new_raw_bytes: shared.new_raw_bytes.load(Ordering::Relaxed),
            stored_bytes: shared.store.bytes_written(),
            fingerprint_bytes,
            not_remembered,
            flags: manifest.flags,
        })
    }

    /// Gives up and returns why the packer stopped, if it was that which failed. What was uploaded
    /// stays for the next run to adopt.
    pub async fn abandon(self) -> Option<Error> {
        let Self { packer, segments, .. } = self;
        drop(segments);
        match packer.await {
            Ok(Err(error)) => Some(error),
            _ => None,
        }
    }
}

/// Keeps the fingerprints for the next run. The snapshot exists: what fails here costs the next one bytes.
async fn remember(
    shared: &Arc<Shared>,
    snapshot: SnapshotId,
    recorded: Vec<Recorded>,
) -> Result<(u64, Vec<String>)> {
    let own = Arc::clone(shared);
    let replace = move || own.memory.replace(snapshot, &recorded);
    let replaced = joined(tokio::task::spawn_blocking(replace).await)?;
    let mut not_remembered = shared.memory.dropped();
    let bytes = replaced.unwrap_or_else(|error| {
        not_remembered.push(error.to_string());
        0
    });
    Ok((bytes, not_remembered))
}

async fn describe(
    shared: &Shared,
    draft: &Draft,
    catalogue: &Catalogue,
    notes: &Notes,
    judge: impl FnOnce(&Comparison<'_>) -> Vec<String>,
) -> Result<Manifest> {
    let (snapshots, damage) = list_snapshots(&shared.vault).await?;
    let previous = newest_of(&snapshots, &shared.source);
    // A run ends under the keyring it began with; an old one that was put in force is another matter.
    if let Some(outdated) = shared.vault.outdated(&snapshots, &damage).await? {
        return Err(outdated);
    }
    let comparison = shared.compare(&draft.tables, &snapshots, notes).await;
    let mut flags = draft.flags.clone();
    flags.extend(judge(&comparison));
    // A damaged manifest may have had the next number: it is not given again.
    let skipped = damage.len() as u64;
    Ok(Manifest {
        number: previous.map_or(0, |snapshot| snapshot.manifest.number) + skipped + 1,
        previous: previous.map(|snapshot| snapshot.id),
        time: draft.time.to_string(),
        finished: Timestamp::now().to_string(),
        agent: draft.agent.clone(),
        keyring: shared.vault.keyring_sequence(),
        point: draft.point.clone(),
        flags,
        measured: Some(comparison.measured),
        tags: draft.tags.clone(),
        tables: draft.tables.len() as u64,
        rows: draft.tables.iter().map(|table| table.rows).sum(),
        raw_bytes: shared.raw_bytes.load(Ordering::Relaxed),
        files: draft.files.clone(),
        catalogue: catalogue.clone(),
        source: shared.source.clone(),
    })
}

async fn write_manifest(shared: &Shared, manifest: &Manifest) -> Result<SnapshotId> {
    let (_, recipient) = shared.vault.sealing(Realm::Metadata)?;
    let json = serde_json::to_string(manifest).expect("a manifest serialises");
    let sealed = seal::seal_to(&recipient, &pack::compress_text(&json));
    let object = shared.sign(Kind::Manifest, &sealed);
    let id = SnapshotId(*blake3::hash(&object).as_bytes());
    shared.store.create_confirmed(&names::snapshot(id), Bytes::from(object)).await?;
    Ok(id)
}

impl Shared {
    /// Of these chunks, marks those that the caller must write now, and that nobody else will.
    fn claim(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        let mut mine = Vec::with_capacity(ids.len());
        {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            mine.extend(ids.iter().map(|id| pending.insert(*id)));
        }
        let asked: Vec<_> = ids.iter().zip(&mine).filter(|(_, mine)| **mine).map(|(id, _)| *id).collect();
        if asked.is_empty() {
            return Ok(mine);
        }
        let known = self.runtime.block_on(self.index.known(&asked))?;
        self.count_on(known.values().copied());
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, mine) in ids.iter().zip(&mut mine) {
            if *mine && known.contains_key(id) {
                *mine = false;
                pending.remove(id);
            }
        }
        Ok(mine)
    }

    /// Whatever was claimed must be stored by now, or a lane was dropped before it was finished.
    fn refuse_lost_chunks(&self) -> Result<()> {
        match self.pending.lock().unwrap_or_else(PoisonError::into_inner).len() {
            0 => Ok(()),
            lost => {
                let reason = format!("{lost} chunks were claimed by a lane that did not finish");
                Err(Error::Mismatch { what: "the snapshot".into(), reason })
            }
        }
    }

    /// What is written now beside what was written before. What of the past cannot be read is left out: a
    /// snapshot is not lost for want of something to compare it with.
    async fn compare<'a>(
        &self,
        tables: &'a [TableRecord],
        snapshots: &'a [Snapshot],
        notes: &Notes,
    ) -> Comparison<'a> {
        let good =
            |snapshot: &&Snapshot| snapshot.manifest.source == self.source && !notes.is_flagged(snapshot);
        let past: Vec<_> = snapshots.iter().filter(good).collect();
        let tables_before = match past.last() {
            None => None,
            Some(last) => match &self.base {
                Some(base) if base.snapshot == last.id => Some(base.tables.clone()),
                _ => SnapshotReader::on(&self.vault, &self.index).tables(last).await.ok(),
            },
        };
        let measured = Measured {
            new_raw_bytes: self.new_raw_bytes.load(Ordering::Relaxed),
            sealed_bytes: self.sealed_bytes.load(Ordering::Relaxed),
            remembered: self.remembered,
        };
        Comparison {
            tables,
            raw_bytes: self.raw_bytes.load(Ordering::Relaxed),
            measured,
            past,
            tables_before,
        }
    }

    /// Notes packs that the snapshot will need.
    fn count_on(&self, packs: impl Iterator<Item = PackId>) {
        self.counted_on.lock().unwrap_or_else(PoisonError::into_inner).extend(packs);
    }

    fn record(&self, parts: Vec<Recorded>) {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).extend(parts);
    }

    fn count_raw(&self, bytes: usize) {
        self.raw_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn count_new(&self, bytes: usize) {
        self.new_raw_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn count_sealed(&self, bytes: usize) {
        self.sealed_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn sign(&self, kind: Kind, body: &[u8]) -> Vec<u8> {
        sign(kind, Signer::Agent(self.agent.id()), &self.agent.signing, self.vault.id(), body)
    }
}
