//! Which keys a snapshot is sealed with. Rows that have not changed for long lie under an epoch of long ago,
//! so the newest key alone does not say who can read a snapshot.

use std::collections::{BTreeMap, BTreeSet};

use crate::read::Snapshot;
use crate::{ChunkId, Realm, Result, SnapshotReader, needs};

/// What of a snapshot one key opens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyUse {
    /// Raw bytes of the chunks that it needs, each counted once for each list that it stands in.
    pub raw_bytes: u64,
    /// The tables that they are of; not those of schema files and of catalogues.
    pub tables: BTreeSet<String>,
}

/// The keys that a snapshot needs.
#[derive(Debug, Clone, Default)]
pub struct SnapshotKeys {
    /// By realm and epoch.
    pub keys: BTreeMap<(Realm, u32), KeyUse>,
    /// Chunks that lie in no pack: who could open them is not known.
    pub lost: u64,
}

impl SnapshotReader {
    /// Finds every key that opens something of a snapshot: a chunk that lies sealed under two epochs counts
    /// for both.
    ///
    /// # Errors
    /// Damage of the catalogue or of a recipe: then nobody knows what the snapshot needs.
    pub async fn keys_of(&self, snapshot: &Snapshot) -> Result<SnapshotKeys> {
        let mut found = SnapshotKeys::default();
        let manifest = &snapshot.manifest;
        let own = needs::of_manifest(&manifest.files, &manifest.catalogue);
        self.add_keys(&own, None, &mut found).await?;
        for table in self.tables(snapshot).await? {
            let name = table.table.to_string();
            let what = format!("table {name}");
            for part in table.streams.iter().flat_map(|stream| &stream.parts) {
                let ids = needs::of_part(self, &what, part).await?;
                self.add_keys(&ids, Some(&name), &mut found).await?;
            }
        }
        Ok(found)
    }

    async fn add_keys(&self, ids: &[ChunkId], table: Option<&str>, found: &mut SnapshotKeys) -> Result<()> {
        let places = self.index.all_places(ids).await?;
        let placed: BTreeSet<_> = places.iter().map(|(id, _)| *id).collect();
        found.lost += ids.iter().filter(|id| !placed.contains(id)).count() as u64;
        let mut counted = BTreeSet::new();
        for (id, place) in places {
            let key = (place.segment.realm, place.segment.epoch);
            if !counted.insert((id, key)) {
                continue;
            }
            let used = found.keys.entry(key).or_default();
            used.raw_bytes += u64::from(place.bytes);
            // A table's own lists are metadata, and every table has them.
            if key.0 != Realm::Metadata {
                used.tables.extend(table.map(str::to_owned));
            }
        }
        Ok(())
    }
}
