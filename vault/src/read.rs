//! Reading snapshots back: manifests, catalogues, files and rows. Every chunk is hashed on the way.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::format::envelope::Kind;
use crate::format::manifest::{Catalogue, FileRecord, Manifest, TableRecord};
use crate::format::names;
use crate::format::recipe::Text;
use crate::index::{ChunkIndex, SyncReport};
use crate::{AgentId, ChunkId, Error, PackId, Realm, Result, SnapshotId, Vault, catalogue, pack};

mod elsewhere;
mod rows;
mod segments;
mod select;
mod together;

pub use rows::Rows;
pub(crate) use segments::{Segments, range};
pub use select::Selector;

/// Manifests read at once.
const READS_AT_ONCE: usize = 16;

/// A snapshot that its manifest proves to exist.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// Who wrote it.
    pub writer: AgentId,
    /// Its manifest.
    pub manifest: Manifest,
    /// When the store saw its manifest, by the store's clock.
    pub seen: Timestamp,
}

/// Lists the vault's snapshots, oldest first, and what was found damaged among them.
pub async fn list_snapshots(vault: &Vault) -> Result<(Vec<Snapshot>, Vec<Error>)> {
    let listed = vault.store().list(names::SNAPSHOTS).await?;
    let ids = listed.iter().filter_map(|object| Some((names::id(&object.name)?, object.modified)));
    let reads = ids.map(|(id, seen)| read_snapshot(vault, id, seen));
    let mut reads = futures::stream::iter(reads).buffer_unordered(READS_AT_ONCE);
    let (mut snapshots, mut damage) = (Vec::new(), Vec::new());
    while let Some(read) = reads.next().await {
        match read {
            Ok(snapshot) => snapshots.push(snapshot),
            Err(error) if error.is_damage() => damage.push(error),
            Err(error) => return Err(error),
        }
    }
    snapshots.sort_by_key(|snapshot| (snapshot.manifest.time.parse::<Timestamp>().ok(), snapshot.id));
    Ok((snapshots, damage))
}

/// The newest snapshot of a source, by its number.
pub(crate) fn newest_of<'a>(snapshots: &'a [Snapshot], source: &str) -> Option<&'a Snapshot> {
    snapshots.iter().filter(|snapshot| snapshot.manifest.source == source).max_by_key(|s| s.manifest.number)
}

async fn read_snapshot(vault: &Vault, id: SnapshotId, seen: Timestamp) -> Result<Snapshot> {
    let (writer, manifest) = read_manifest(vault, id).await?;
    Ok(Snapshot { id, writer, manifest, seen })
}

/// Reads a manifest; says whose it is.
pub(crate) async fn read_manifest(vault: &Vault, id: SnapshotId) -> Result<(AgentId, Manifest)> {
    let name = names::snapshot(id);
    let object = vault.store().get(&name).await?;
    if SnapshotId(*blake3::hash(&object).as_bytes()) != id {
        return Err(Error::damaged(name, "its bytes do not hash to its name"));
    }
    let (writer, compressed) = vault.open_sealed(&name, Kind::Manifest, &object)?;
    let json = pack::decompress_text(&name, &compressed)?;
    let manifest = serde_json::from_str(&json).map_err(|error| Error::damaged(&name, error))?;
    Ok((writer, manifest))
}

/// Reads what snapshots are made of. Cheap to clone.
#[derive(Clone)]
pub struct SnapshotReader {
    pub(crate) vault: Vault,
    pub(crate) index: ChunkIndex,
    pub(crate) segments: Segments,
    /// Damage that was read around.
    worked_around: Arc<Mutex<Vec<String>>>,
}

impl SnapshotReader {
    /// Gathers the vault's index in a scratch file below `scratch`. Damage found on the way is in the
    /// report: what does not need the damaged objects can still be read.
    pub async fn open(vault: &Vault, scratch: &Path) -> Result<(Self, SyncReport)> {
        let index = ChunkIndex::in_folder(scratch, vault).await?;
        let report = index.sync(vault).await?;
        Ok((Self::on(vault, &index), report))
    }

    /// Reads through an index that is in line with the store.
    pub(crate) fn on(vault: &Vault, index: &ChunkIndex) -> Self {
        Self {
            vault: vault.clone(),
            index: index.clone(),
            segments: Segments::new(vault.clone()),
            worked_around: Arc::default(),
        }
    }

    /// Reads the catalogue: the snapshot's tables, in the order in which they were listed.
    pub async fn tables(&self, snapshot: &Snapshot) -> Result<Vec<TableRecord>> {
        self.tables_of(snapshot.id, &snapshot.manifest).await
    }

    /// Reads the catalogue that a manifest names.
    pub(crate) async fn tables_of(&self, id: SnapshotId, manifest: &Manifest) -> Result<Vec<TableRecord>> {
        let what = format!("the catalogue of snapshot {}", id.short());
        let Catalogue { tables, changes } = &manifest.catalogue;
        let mut tables: Vec<TableRecord> = catalogue::from_text(&what, &self.text(&what, tables).await?)?;
        let changes = self.concat(&what, Realm::Metadata, changes).await?;
        for change in catalogue::from_text(&what, &changes)? {
            catalogue::apply(&mut tables, change).map_err(|reason| Error::damaged(&what, reason))?;
        }
        if tables.len() as u64 != manifest.tables {
            let reason = format!("expected {} tables, found {}", manifest.tables, tables.len());
            return Err(Error::damaged(&what, reason));
        }
        Ok(tables)
    }

    /// Reads a file of the schema.
    pub async fn file(&self, file: &FileRecord) -> Result<Vec<u8>> {
        let what = format!("the schema file {}", file.name);
        let bytes = self.concat(&what, Realm::Rows(file.grade), &file.chunks).await?;
        if bytes.len() as u64 != file.bytes {
            let reason = format!("expected {} bytes, found {}", file.bytes, bytes.len());
            return Err(Error::damaged(what, reason));
        }
        Ok(bytes)
    }

    /// Checks that every chunk of a schema file is there, without opening it. Returns the packs it needs.
    pub(crate) async fn check_file(&self, file: &FileRecord) -> Result<HashSet<PackId>> {
        let what = format!("the schema file {}", file.name);
        let located = self.index.locate(&file.chunks).await?;
        let (mut packs, mut bytes) = (HashSet::new(), 0);
        for id in &file.chunks {
            let location = segments::usable(&what, *id, located.get(id), Realm::Rows(file.grade))?;
            packs.insert(location.segment.pack);
            bytes += u64::from(location.bytes);
        }
        if bytes != file.bytes {
            return Err(Error::damaged(
                what,
                format!("expected {} bytes, its chunks have {bytes}", file.bytes),
            ));
        }
        Ok(packs)
    }

    /// Reads a text of metadata.
    pub(crate) async fn text(&self, what: &str, text: &Text) -> Result<Vec<u8>> {
        let mut bytes = self.concat(what, Realm::Metadata, &text.chunks).await?;
        bytes.extend_from_slice(text.inline.as_bytes());
        Ok(bytes)
    }

    /// Reads chunks one after another into memory.
    async fn concat(&self, what: &str, realm: Realm, chunks: &[ChunkId]) -> Result<Vec<u8>> {
        let located = self.index.locate(chunks).await?;
        let mut wanted = Vec::with_capacity(chunks.len());
        for id in chunks {
            wanted.push((*id, segments::usable(what, *id, located.get(id), realm)?.clone()));
        }
        let reads = wanted.into_iter().map(|(id, location)| self.chunk(id, location));
        futures::stream::iter(reads)
            .buffered(segments::SEGMENTS_AHEAD)
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(chunk.bytes());
                Ok(all)
            })
            .await
    }
}
