//! What a copy keeps, which may be less than the vault, or more, and what goes from it.
//!
//! Vault and copy are judged together, so that copying brings nothing back that was taken from the copy, and
//! takes nothing for expired that the vault has only lost. What the vault holds is dated by the vault's store.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Extent;
use crate::agreed::of_copy;
use crate::notes::{Notes, list_notes_of};
use crate::read::{Snapshot, list_snapshots};
use crate::retention::{Keep, Reason};
use crate::{Error, ExpirePlan, Result, SnapshotId, Vault};

/// Which snapshots a copy keeps.
pub enum CopyKeep<'a> {
    /// All that the vault has. Others stay for as long as the vault's own policy would keep them, if there is
    /// one for their source.
    AsVault(&'a dyn Fn(&str) -> Option<Keep>),
    /// Those that this policy keeps, whatever the vault does: that of the copy of this name.
    Own(&'a str, &'a Keep),
}

/// What both stores have.
struct Both {
    snapshots: Vec<Snapshot>,
    in_vault: HashSet<SnapshotId>,
    in_copy: HashSet<SnapshotId>,
    notes: Notes,
    /// Notes that cannot be read.
    unread: Vec<Error>,
    /// Manifests that cannot be read, in either.
    damage: Vec<Error>,
    /// Whether one of those is the vault's.
    vault_is_damaged: bool,
}

impl Both {
    async fn read(vault: &Vault, copy: Option<&Vault>) -> Result<Self> {
        // Notes first: a hold that comes between the two is noticed before anything is deleted.
        let vaults: Vec<_> = [Some(vault), copy].into_iter().flatten().collect();
        let (notes, unread) = list_notes_of(&vaults).await?;
        let (mut snapshots, mut damage) = list_snapshots(vault).await?;
        let in_vault: HashSet<_> = snapshots.iter().map(|snapshot| snapshot.id).collect();
        let (vault_is_damaged, mut in_copy) = (!damage.is_empty(), HashSet::new());
        if let Some(copy) = copy {
            let (own, damaged) = list_snapshots(copy).await?;
            in_copy.extend(own.iter().map(|snapshot| snapshot.id));
            snapshots.extend(own.into_iter().filter(|snapshot| !in_vault.contains(&snapshot.id)));
            damage.extend(damaged);
        }
        Ok(Self { snapshots, in_vault, in_copy, notes, unread, damage, vault_is_damaged })
    }

    /// Why the copy may be the only one that is whole: nothing goes from it then.
    fn suspicion(&self, source: &str) -> Option<String> {
        if self.vault_is_damaged {
            return Some("a manifest of the vault cannot be read, and the copy may have it whole".into());
        }
        let mut newest: HashMap<bool, u64> = HashMap::new();
        for snapshot in self.snapshots.iter().filter(|snapshot| snapshot.manifest.source == source) {
            let number = newest.entry(self.in_vault.contains(&snapshot.id)).or_default();
            *number = (*number).max(snapshot.manifest.number);
        }
        let (vaults, copys) = (newest.get(&true).unwrap_or(&0), newest.get(&false).unwrap_or(&0));
        (copys > vaults).then(|| {
            format!("the copy holds number {copys} of {source}, and the vault's newest is {vaults}: was the vault put back, or emptied?")
        })
    }
}

impl CopyKeep<'_> {
    /// The policy for a source, and what it is agreed on as.
    fn of(&self, source: &str) -> (Option<Keep>, String) {
        match self {
            Self::AsVault(policy) => (policy(source), source.to_owned()),
            Self::Own(name, keep) => (Some((*keep).clone()), of_copy(name)),
        }
    }

    /// What of the vault a copy shall hold; `copy` is nothing while it is not made yet.
    pub async fn extent(
        &self,
        vault: &Vault,
        copy: Option<&Vault>,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Result<Extent> {
        if matches!(self, Self::AsVault(_)) {
            return Ok(Extent::Everything);
        }
        let both = Both::read(vault, copy).await?;
        let policy = |source: &str| self.of(source);
        let plan = ExpirePlan::of(&both.snapshots, &both.notes, both.unread, &both.damage, policy, zone, now);
        let verdicts = plan.sources.iter().flat_map(|source| &source.verdicts);
        let staying = verdicts.filter(|verdict| !verdict.goes()).map(|verdict| verdict.snapshot.id);
        Ok(Extent::Snapshots(staying.filter(|id| both.in_vault.contains(id)).collect()))
    }

    /// What goes from a copy. The plan is carried out in the copy, under its own lease.
    ///
    /// # Errors
    /// Either store does not answer.
    pub async fn expire_plan(
        &self,
        vault: &Vault,
        copy: &Vault,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Result<ExpirePlan> {
        let mut both = Both::read(vault, Some(copy)).await?;
        let unread = std::mem::take(&mut both.unread);
        let (policy, all) = (|source: &str| self.of(source), &both.snapshots);
        let mut plan = ExpirePlan::of(all, &both.notes, unread, &both.damage, policy, zone, now);
        for source in &mut plan.sources {
            if let Some(reason) = both.suspicion(&source.source) {
                source.held_back.push(reason);
                let going = source.verdicts.iter_mut().filter(|verdict| verdict.goes());
                going.for_each(|verdict| verdict.keep.push(Reason::HeldBack));
            }
            source.verdicts.retain(|verdict| both.in_copy.contains(&verdict.snapshot.id));
            // It would be copied again.
            let held = source.verdicts.iter_mut().filter(|verdict| {
                matches!(self, Self::AsVault(_)) && both.in_vault.contains(&verdict.snapshot.id)
            });
            held.filter(|verdict| verdict.goes()).for_each(|verdict| verdict.keep.push(Reason::InVault));
        }
        plan.sources.retain(|source| !source.verdicts.is_empty());
        plan.watch(vault.clone());
        plan.wait_for_locks(copy, now).await?;
        Ok(plan)
    }
}
