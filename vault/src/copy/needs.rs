//! Which packs a copy needs for some snapshots: those with chunks that no pack of the copy has.

use std::collections::{HashMap, HashSet};

use crate::index::ChunkIndex;
use crate::read::{Snapshot, SnapshotReader};
use crate::{ChunkId, Error, PackId, Realm, Result, needs};

/// Gathers packs, one list of chunks after the other, so that no more than a part is in memory.
pub(super) struct Needs<'a> {
    /// Reads the vault.
    pub(super) reader: &'a SnapshotReader,
    /// What the copy has; nothing of a copy that is not made yet.
    pub(super) copy: Option<&'a ChunkIndex>,
    /// Packs of the vault that the copy needs.
    pub(super) packs: HashSet<PackId>,
    /// Tables already looked at, by their whole record: most are the same in every snapshot.
    known: HashSet<String>,
}

impl<'a> Needs<'a> {
    pub(super) fn new(reader: &'a SnapshotReader, copy: Option<&'a ChunkIndex>) -> Self {
        Self { reader, copy, packs: HashSet::new(), known: HashSet::new() }
    }

    /// Adds what a snapshot needs. Damage in the vault ends it: what can be copied of it makes no
    /// snapshot.
    pub(super) async fn add(&mut self, snapshot: &Snapshot) -> Result<()> {
        let manifest = &snapshot.manifest;
        self.add_chunks(&needs::of_manifest(&manifest.files, &manifest.catalogue)).await?;
        for table in self.reader.tables(snapshot).await? {
            if !self.known.insert(serde_json::to_string(&table).expect("a record serialises")) {
                continue;
            }
            let what = format!("table {}", table.table);
            for stream in &table.streams {
                for part in &stream.parts {
                    self.add_chunks(&part.chunks.chunks).await?;
                    self.add_chunks(&part.gone.chunks).await?;
                    let found = self.reader.find(&what, Realm::Rows(stream.grade), part).await?;
                    let ids: Vec<_> = found.chunks.iter().flatten().map(|(id, _)| *id).collect();
                    self.add_chunks(&ids).await?;
                }
            }
        }
        Ok(())
    }

    async fn add_chunks(&mut self, ids: &[ChunkId]) -> Result<()> {
        let known = match self.copy {
            Some(copy) => copy.known(ids).await?,
            None => HashMap::new(),
        };
        let lacking: Vec<_> = ids.iter().filter(|id| !known.contains_key(id)).copied().collect();
        let located = self.reader.index.locate(&lacking).await?;
        for id in lacking {
            let location = located.get(&id).filter(|location| location.segment.present);
            let location = location.ok_or_else(|| {
                Error::damaged(
                    "the vault's index",
                    format!("chunk {} is in no pack that is there", id.short()),
                )
            })?;
            self.packs.insert(location.segment.pack);
        }
        Ok(())
    }
}
