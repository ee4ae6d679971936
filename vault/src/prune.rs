//! Prune: frees the space of what no snapshot needs. It opens no row: it reads metadata and moves sealed
//! bytes.
//!
//! A pack that is not needed is *marked*, and goes at a later prune, when the mark is old and still
//! nothing needs it. Writers use nothing that is marked, so runs go on beside it. Out of a pack that is
//! mostly dead, live segments are copied as they are into a new one before it is marked. A chunk that
//! stands in two packs keeps both: a table of contents can lie about what it holds, so only the same
//! sealed bytes, read and hashed, count as a copy.

use std::collections::HashSet;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use crate::format::names;
use crate::index::ChunkIndex;
use crate::keys::AgentKey;
use crate::lease::Lease;
use crate::store::NotRemoved;
use crate::{MarkId, PackId, Result, Vault};

mod dropping;
mod live;
mod locked;
mod moving;
mod plan;

pub(crate) use live::gather as gather_live;

/// How patient a prune is. All ages are by the store's clock.
#[derive(Debug, Clone, Copy)]
pub struct PruneOptions {
    /// A marked pack goes after this: longer than a restore or a run that began before the mark takes.
    pub wait: SignedDuration,
    /// A pack that no snapshot needs is not marked before this age: it belongs to a run under way, or to
    /// one that was killed and will be taken up again.
    pub young: SignedDuration,
}

impl Default for PruneOptions {
    /// A day, and a week.
    fn default() -> Self {
        Self { wait: SignedDuration::from_hours(24), young: SignedDuration::from_hours(7 * 24) }
    }
}

/// A pack and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizedPack {
    /// The pack.
    pub pack: PackId,
    /// Bytes of the object.
    pub bytes: u64,
}

/// A pack that would go, and is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockedPack {
    /// The pack.
    pub pack: PackId,
    /// Bytes of the object.
    pub bytes: u64,
    /// When its lock ends, or that of the last index object that names it.
    pub until: Timestamp,
}

/// A pack that is mostly dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MostlyDead {
    /// The pack.
    pub pack: PackId,
    /// Bytes of the object.
    pub bytes: u64,
    /// Sealed bytes of its segments that are needed.
    pub live_bytes: u64,
}

/// What a prune will do.
pub struct PrunePlan {
    /// Why nothing is done; empty when nothing stands in the way.
    pub held_back: Vec<String>,
    /// Snapshots whose needs were gathered.
    pub snapshots: usize,
    /// Packs that the index knows, and their bytes.
    pub packs: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Marked long enough, and not needed: they go.
    pub going: Vec<SizedPack>,
    /// Marked, and waited for.
    pub waiting: Vec<SizedPack>,
    /// Marked long enough, not needed, and locked: they go when their locks have ended.
    pub locked: Vec<LockedPack>,
    /// When the first of those that wait may go.
    pub next: Option<Timestamp>,
    /// Marked, and needed all the same: they stay.
    pub revived: Vec<PackId>,
    /// Nothing in them is needed: they are marked.
    pub dead: Vec<SizedPack>,
    /// Little in them is needed: that is moved, and they are marked.
    pub mostly_dead: Vec<MostlyDead>,
    /// Not needed, and too young to be marked.
    pub young: Vec<SizedPack>,
    /// Not needed in this copy, and in the vault that it is a copy of: they would be copied again.
    pub in_vault: Vec<SizedPack>,
    /// Damage that was met, none of which stands in the way.
    pub damage: Vec<String>,
    /// Packs that an index names, that are not there and that nothing needs: it names them no more.
    forgotten: Vec<PackId>,
    /// Marks that are carried out with this plan, and the packs that they name.
    finished: Vec<(MarkId, Vec<PackId>)>,
    vault: Vault,
    index: ChunkIndex,
}

/// What a prune has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Packs that are gone now.
    pub packs: u64,
    /// Bytes of them.
    pub freed_bytes: u64,
    /// Packs marked.
    pub marked_packs: u64,
    /// Bytes of them.
    pub marked_bytes: u64,
    /// Bytes of live segments that were copied.
    pub moved_bytes: u64,
    /// Damage that was met on the way: what it is in was left alone.
    pub damage: Vec<String>,
    /// Objects that the store would not let go. They are marked still, and a later prune tries again.
    pub denied: Vec<NotRemoved>,
}

impl PrunePlan {
    /// Plans from what the vault has now. Its own index is kept in `state`, a cache. With a lease, it is
    /// kept while the plan is made; without one the plan is for looking at.
    ///
    /// # Errors
    /// A store that does not answer, local state that fails, a lost lease. What is damaged holds the plan
    /// back instead.
    pub async fn make(
        vault: &Vault,
        state: &Path,
        options: PruneOptions,
        lease: Option<&mut Lease>,
    ) -> Result<Self> {
        plan::make(vault, state, options, &HashSet::new(), lease).await
    }

    /// The same for a copy that is to hold everything of the vault: what the vault has stays.
    ///
    /// # Errors
    /// As [`PrunePlan::make`], and the vault's store.
    pub async fn make_for_copy(
        copy: &Vault,
        of: &Vault,
        state: &Path,
        options: PruneOptions,
        lease: Option<&mut Lease>,
    ) -> Result<Self> {
        let listed = of.store().list(names::PACKS).await?;
        let in_vault = listed.iter().filter_map(|object| names::id(&object.name)).collect();
        plan::make(copy, state, options, &in_vault, lease).await
    }

    /// Whether what is deleted stays as a version, whose space the store frees by a rule of its own.
    pub fn keeps_versions(&self) -> bool {
        self.vault.store().keeps_versions()
    }

    /// Carries it out under the lease it was made with. Killed anywhere, it leaves a vault in which every
    /// snapshot is whole, and the next prune goes on.
    ///
    /// # Errors
    /// `HeldBack` when something stood in its way; `LeaseLost`; `Denied` when these credentials may delete
    /// nothing, not even an old lease.
    pub async fn carry_out(&self, agent: &AgentKey, lease: &mut Lease) -> Result<Pruned> {
        if let Some(first) = self.held_back.first() {
            return Err(crate::Error::HeldBack(first.clone()));
        }
        lease.renew().await?;
        let mut pruned = Pruned::default();
        moving::name_strays(self, agent, lease).await?;
        dropping::drop_marked(self, agent, lease, &mut pruned).await?;
        let moved = moving::move_live(self, agent, lease, &mut pruned).await?;
        let dead = self.dead.iter().copied().chain(moved);
        let dead: Vec<_> = dead.collect();
        if !dead.is_empty() {
            lease.renew().await?;
            let packs: Vec<_> = dead.iter().map(|dead| dead.pack).collect();
            crate::marks::write_marks(&self.vault, agent, &packs).await?;
        }
        pruned.marked_packs = dead.len() as u64;
        pruned.marked_bytes = dead.iter().map(|dead| dead.bytes).sum();
        Ok(pruned)
    }
}

#[cfg(test)]
mod tests;
