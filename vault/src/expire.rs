//! Expire: manifests that no policy keeps are removed, and nothing else.
//!
//! What is removed is noted first, so that a snapshot that is gone without a note shows. Space is freed
//! by a prune later.

use std::collections::{BTreeMap, HashSet};

use futures::TryStreamExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::format::names;
use crate::format::note::Says;
use crate::keys::AgentKey;
use crate::lease::Lease;
use crate::notes::{NoteAuthor, Notes, list_notes, write_note};
use crate::read::{Snapshot, list_snapshots};
use crate::retention::{Candidate, Keep, RetentionPlan, judge};
use crate::{Error, NoteId, Result, SnapshotId, Vault};

/// Manifests deleted between two proofs of the lease, at once.
const DELETED_AT_ONCE: usize = 8;

/// What expires, source by source.
#[derive(Debug)]
pub struct ExpirePlan {
    /// Every source that has snapshots, in the order of the alphabet.
    pub sources: Vec<RetentionPlan>,
    /// Manifests and notes that cannot be read.
    pub damage: Vec<String>,
    /// The notes that were read: when others are there, the plan is old.
    notes: HashSet<NoteId>,
}

/// What an expire has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expired {
    /// Snapshots that are gone now.
    pub snapshots: u64,
}

impl ExpirePlan {
    /// Plans from what the vault has now. `keep` says the policy of a source, if there is one; a damaged
    /// manifest is of no source, and takes no other's place.
    pub async fn make(
        vault: &Vault,
        keep: impl Fn(&str) -> Option<Keep>,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Result<Self> {
        // Notes first: a hold that comes between the two is of a snapshot that is judged without it, and
        // is noticed before anything is deleted.
        let (notes, unread) = list_notes(vault).await?;
        let (snapshots, damage) = list_snapshots(vault).await?;
        Ok(Self::of(&snapshots, &notes, unread, &damage, keep, zone, now))
    }

    fn of(
        snapshots: &[Snapshot],
        notes: &Notes,
        unread: Vec<Error>,
        damage: &[Error],
        keep: impl Fn(&str) -> Option<Keep>,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Self {
        let mut sources: BTreeMap<&str, Vec<Candidate>> = BTreeMap::new();
        for snapshot in snapshots {
            let own = sources.entry(&snapshot.manifest.source).or_default();
            own.push(Candidate::new(snapshot, notes));
        }
        let judged = sources
            .into_iter()
            .map(|(source, candidates)| judge(source, candidates, keep(source).as_ref(), &unread, zone, now));
        let sources = judged.collect();
        let damage = damage.iter().chain(&unread).map(ToString::to_string).collect();
        Self { sources, damage, notes: notes.ids.clone() }
    }

    /// Leaves only these sources in.
    pub fn retain(&mut self, sources: impl Fn(&str) -> bool) {
        self.sources.retain(|plan| sources(&plan.source));
    }

    /// The snapshots that go, the oldest of each source first.
    pub fn going(&self) -> Vec<SnapshotId> {
        self.sources.iter().flat_map(RetentionPlan::going).map(|verdict| verdict.snapshot.id).collect()
    }

    /// Removes them. Killed anywhere, it leaves snapshots that are whole, and the next run goes on.
    ///
    /// # Errors
    /// `HeldBack` when something was noted since the plan was made; `LeaseLost`; `Denied` when these
    /// credentials may not delete.
    pub async fn carry_out(
        &self,
        vault: &Vault,
        agent: &AgentKey,
        lease: &mut Lease,
        now: Timestamp,
    ) -> Result<Expired> {
        let mut expired = Expired::default();
        let going = self.going();
        let mut known = self.notes.clone();
        for ids in going.chunks(NOTED_AT_ONCE) {
            lease.renew().await?;
            refuse_new_notes(vault, &known).await?;
            let says = Says::Expire { snapshots: ids.to_vec() };
            let reason = "no rule of the policy keeps them";
            known.insert(write_note(vault, NoteAuthor::Agent(agent), &agent.name, reason, says, now).await?);
            for ids in ids.chunks(DELETED_AT_ONCE) {
                lease.renew().await?;
                refuse_new_notes(vault, &known).await?;
                let names = ids.iter().map(|id| names::snapshot(*id)).collect();
                remove_all(vault, names).await?;
                expired.snapshots += ids.len() as u64;
            }
        }
        Ok(expired)
    }
}

/// Snapshots that one note names.
const NOTED_AT_ONCE: usize = 1024;

/// A hold may have come since the plan was made.
async fn refuse_new_notes(vault: &Vault, known: &HashSet<NoteId>) -> Result<()> {
    let listed = vault.store().list(names::NOTES).await?;
    let ids = listed.iter().filter_map(|object| names::id::<NoteId>(&object.name));
    match ids.into_iter().find(|id| !known.contains(id)) {
        None => Ok(()),
        Some(id) => Err(Error::HeldBack(format!(
            "note {} was written since this was planned: run it again",
            id.short()
        ))),
    }
}

/// Removes objects at once; one that is gone already is as good.
pub(crate) async fn remove_all(vault: &Vault, names: Vec<String>) -> Result<()> {
    let removals = names.into_iter().map(|name| {
        let store = vault.store().clone();
        async move { store.remove(&name).await }
    });
    let removals: Vec<_> = removals.collect();
    let at_once = removals.len().max(1);
    futures::stream::iter(removals.into_iter().map(Ok::<_, Error>))
        .try_for_each_concurrent(at_once, |removal| async move { removal.await.map(drop) })
        .await
}
