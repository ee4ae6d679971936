//! What other sources need is sealed anew, to the newest keys, so that every older one can be destroyed.
//!
//! A segment holds chunks of many tables, and of several sources where their rows are equal: each is opened, and
//! only the chunks that others need go into new segments. Nothing old is changed or removed, so that a run that is
//! killed leaves a vault as whole as it was.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use crate::format::names;
use crate::index::{ChunkIndex, Location};
use crate::keys::AgentKey;
use crate::pack::{self, PackBuilder};
use crate::prune::gather_live;
use crate::read::{Segments, Snapshot, list_snapshots, range};
use crate::segment::{OpenSegment, SealedSegment, Sealer};
use crate::write::{PACKS_PER_INDEX, publish};
use crate::{ChunkId, Error, Grade, PackId, Realm, Result, SnapshotId, Vault};

/// Packs carried to a copy at once; each is in memory while it is.
const CARRIED_AT_ONCE: usize = 2;

/// A store of the vault, opened by whoever destroys keys, and what lies where in it.
pub(super) struct At {
    pub(super) vault: Vault,
    pub(super) index: ChunkIndex,
    /// Snapshots whose needs are sealed anew.
    pub(super) done: HashSet<SnapshotId>,
}

/// What was sealed anew in a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Chunks.
    pub chunks: u64,
    /// Their raw bytes.
    pub raw_bytes: u64,
    /// Packs written, those that were carried from the vault included.
    pub packs: u64,
}

impl std::ops::AddAssign for Resealed {
    fn add_assign(&mut self, other: Self) {
        self.chunks += other.chunks;
        self.raw_bytes += other.raw_bytes;
        self.packs += other.packs;
    }
}

impl At {
    /// The snapshots of this store, which must all be readable: nobody knows what another one needs.
    pub(super) async fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let (snapshots, unreadable) = list_snapshots(&self.vault).await?;
        match unreadable.first() {
            None => Ok(snapshots),
            Some(error) => Err(Error::KeysRefused(format!("what a snapshot needs cannot be read: {error}"))),
        }
    }

    /// Gathers what these snapshots need.
    pub(super) async fn gather(&self, snapshots: &[Snapshot]) -> Result<()> {
        self.index.sync(&self.vault).await?;
        self.index.begin_live().await?;
        gather_live(&self.vault, &self.index, snapshots, None).await.map_err(|error| {
            match error.is_damage() {
                true => Error::KeysRefused(format!("what a snapshot needs cannot be read: {error}")),
                false => error,
            }
        })
    }

    /// Seals anew what the snapshots of every source but this one need, as far as that was not done. What `from`,
    /// where it was, holds of it is carried from there.
    ///
    /// # Errors
    /// `KeysRefused` when something that is needed can be opened nowhere in this store; `NoKey` when the
    /// identities at hand do not open it.
    pub(super) async fn seal_anew(
        &mut self,
        agent: &AgentKey,
        but: &str,
        from: Option<&At>,
    ) -> Result<Resealed> {
        let mut others = self.snapshots().await?;
        others.retain(|snapshot| snapshot.manifest.source != but);
        if others.iter().all(|snapshot| self.done.contains(&snapshot.id)) {
            return Ok(Resealed::default());
        }
        self.gather(&others).await?;
        let staying = newest_keys(&self.vault)?;
        self.index.begin_lacking(&staying).await?;
        let mut resealing = Resealing::new(self, agent, &staying);
        if let Some(from) = from {
            resealing.carry(from).await?;
        }
        for segment in self.index.segments_lacking().await? {
            resealing.segment(segment).await?;
        }
        let resealed = resealing.finish().await?;
        self.done.extend(others.into_iter().map(|snapshot| snapshot.id));
        Ok(resealed)
    }
}

/// The key of each grade that seals what is written now.
fn newest_keys(vault: &Vault) -> Result<Vec<(Realm, u32)>> {
    let newest = |grade| vault.sealing(Realm::Rows(grade)).map(|(epoch, _)| (Realm::Rows(grade), epoch));
    Grade::ALL.into_iter().map(newest).collect()
}

/// Segments and packs being filled.
struct Resealing<'a> {
    at: &'a At,
    agent: &'a AgentKey,
    segments: Segments,
    sealer: Sealer,
    open: Vec<(Realm, OpenSegment)>,
    pack: PackBuilder,
    unnamed: u32,
    done: Resealed,
    damage: Option<Error>,
}

impl<'a> Resealing<'a> {
    fn new(at: &'a At, agent: &'a AgentKey, staying: &[(Realm, u32)]) -> Self {
        Self {
            at,
            agent,
            segments: Segments::new(at.vault.clone()),
            sealer: Sealer::new(),
            open: staying.iter().map(|(realm, _)| (*realm, OpenSegment::default())).collect(),
            pack: PackBuilder::default(),
            unnamed: 0,
            done: Resealed::default(),
            damage: None,
        }
    }

    /// Carries packs that hold what is lacking, as they are.
    async fn carry(&mut self, from: &At) -> Result<()> {
        let mut after = None;
        loop {
            let ids = self.at.index.lacking_after(after).await?;
            let Some(last) = ids.last() else { return Ok(()) };
            after = Some(*last);
            let packs = from.index.packs_anew(&ids).await?;
            let carried = packs.into_iter().map(|(pack, bytes)| self.carry_pack(from, pack, bytes));
            let carried =
                futures::stream::iter(carried.collect::<Vec<_>>()).buffer_unordered(CARRIED_AT_ONCE);
            let carried: u64 = carried.try_fold(0, |sum, one| async move { Ok(sum + one) }).await?;
            self.done.packs += carried;
            self.name(PACKS_PER_INDEX).await?;
        }
    }

    /// Returns how many packs were written: none, when it is there already.
    async fn carry_pack(&self, from: &At, pack: PackId, bytes: u64) -> Result<u64> {
        let contents = pack::read_contents(&from.vault, pack, bytes).await?;
        let name = names::pack(pack);
        let object = from.vault.store().get(&name).await?;
        if PackId(*blake3::hash(&object).as_bytes()) != pack {
            return Err(Error::damaged(name, "its bytes do not hash to its name"));
        }
        self.at.vault.store().create_confirmed(&name, object).await?;
        let chunks = contents.segments.iter().flat_map(|segment| &segment.chunks);
        let ids: Vec<_> = chunks.map(|chunk| chunk.id).collect();
        self.at.index.insert(&[contents], false, None).await?;
        self.at.index.add_anew(pack).await?;
        self.at.index.not_lacking(&ids).await?;
        Ok(1)
    }

    /// Opens a segment and seals anew what is lacking of it. One that is damaged is passed over: what it holds
    /// may have another place.
    async fn segment(&mut self, number: i64) -> Result<()> {
        let chunks = self.at.index.lacking_in(number).await?;
        let Some((_, first)) = chunks.first() else { return Ok(()) };
        let location = Arc::clone(&first.segment);
        let raw = match self.segments.open(location.clone(), chunks.clone()).await {
            Ok(raw) => raw,
            Err(error) if error.is_damage() => {
                self.damage.get_or_insert(error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for (id, place) in &chunks {
            self.chunk(location.realm, *id, place, &raw[range(place)]).await?;
        }
        let ids: Vec<_> = chunks.iter().map(|(id, _)| *id).collect();
        self.at.index.not_lacking(&ids).await
    }

    async fn chunk(&mut self, realm: Realm, id: ChunkId, place: &Location, plain: &[u8]) -> Result<()> {
        let open = self.open.iter_mut().find(|(known, _)| *known == realm);
        let (_, segment) = open.expect("every grade has an open segment");
        segment.push(id, plain, place.rows, place.continues);
        self.done.chunks += 1;
        self.done.raw_bytes += plain.len() as u64;
        let full = segment.is_full();
        if full { self.seal(realm).await } else { Ok(()) }
    }

    async fn seal(&mut self, realm: Realm) -> Result<()> {
        let (epoch, recipient) = self.at.vault.sealing(realm)?;
        let open = self.open.iter_mut().find(|(known, _)| *known == realm);
        let (_, segment) = open.expect("every grade has an open segment");
        let sealed: SealedSegment = self.sealer.seal(segment, realm, epoch, &recipient);
        self.pack.push(sealed);
        if self.pack.is_full() { self.write().await } else { Ok(()) }
    }

    async fn write(&mut self) -> Result<()> {
        let (contents, object) = std::mem::take(&mut self.pack).finish(&self.at.vault, self.agent)?;
        self.at.vault.store().create_confirmed(&names::pack(contents.pack), object).await?;
        let pack = contents.pack;
        self.at.index.insert(&[contents], false, None).await?;
        self.at.index.add_anew(pack).await?;
        self.done.packs += 1;
        self.unnamed += 1;
        match self.unnamed >= PACKS_PER_INDEX {
            true => self.name(PACKS_PER_INDEX).await,
            false => Ok(()),
        }
    }

    /// Names packs in index objects, those included that an interrupted run has left.
    async fn name(&mut self, packs_max: u32) -> Result<()> {
        self.unnamed = 0;
        let At { vault, index, .. } = self.at;
        while publish(vault, self.agent, vault.store(), index, packs_max).await? {}
        Ok(())
    }

    /// Writes what is left, and proves that nothing is lacking.
    async fn finish(mut self) -> Result<Resealed> {
        let realms: Vec<_> =
            self.open.iter().filter(|(_, open)| !open.is_empty()).map(|(realm, _)| *realm).collect();
        for realm in realms {
            self.seal(realm).await?;
        }
        if !self.pack.is_empty() {
            self.write().await?;
        }
        self.name(PACKS_PER_INDEX).await?;
        let lacking = self.at.index.lacking().await? + self.at.index.live_and_lost().await?;
        if lacking == 0 {
            return Ok(self.done);
        }
        let url = self.at.vault.store().url();
        let reason = self.damage.map_or_else(String::new, |damage| format!(": {damage}"));
        Err(Error::KeysRefused(format!(
            "{lacking} chunks that snapshots of other sources need cannot be opened in {url}{reason}"
        )))
    }
}
