//! Expire: manifests that no policy keeps are removed, and nothing else.
//!
//! What is removed is noted first, so that a snapshot that is gone without a note shows. Space is freed
//! by a prune later.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::format::names;
use crate::format::note::Says;
use crate::keys::AgentKey;
use crate::lease::Lease;
use crate::notes::{NoteAuthor, Notes, list_notes, list_notes_of, write_note};
use crate::read::{Snapshot, list_snapshots};
use crate::retention::{Candidate, Keep, Reason, RetentionPlan, judge_as_agreed, judge_by_hand};
use crate::store::NotRemoved;
use crate::{Error, NoteId, Result, SnapshotId, Vault};

/// Manifests deleted between two proofs of the lease, at once.
const DELETED_AT_ONCE: usize = 8;

/// Locks asked for at once.
const ASKED_AT_ONCE: usize = 16;

/// What expires, source by source.
#[derive(Debug)]
pub struct ExpirePlan {
    /// Every source that has snapshots, in the order of the alphabet.
    pub sources: Vec<RetentionPlan>,
    /// Manifests and notes that cannot be read.
    pub damage: Vec<String>,
    /// The notes that were read: when others are there, the plan is old.
    notes: HashSet<NoteId>,
    /// Snapshots that a note says have expired already: a delete was denied or is late.
    noted: HashSet<SnapshotId>,
    /// The vault that this is a copy of: a hold may come there as well.
    of: Option<Vault>,
    /// Why they go, for whoever reads the note of it.
    why: String,
}

/// What an expire has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expired {
    /// Snapshots that are gone now.
    pub snapshots: u64,
    /// Manifests that the store would not let go: they are there still, and a later expire tries again.
    pub denied: Vec<NotRemoved>,
}

impl ExpirePlan {
    /// Plans from what the vault has now. `keep` says the policy of a source, if there is one; what was agreed on
    /// and keeps more keeps it still. A damaged manifest is of no source, and takes no other's place.
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
        let keep = |source: &str| (keep(source), source.to_owned());
        let mut plan = Self::of(&snapshots, &notes, unread, &damage, keep, zone, now);
        plan.wait_for_locks(vault, now).await?;
        Ok(plan)
    }

    /// Plans to remove snapshots that people have named, from the vault or from a copy `of` it. What is held or
    /// locked stays, and so does in a copy what the vault has: it would be copied again.
    pub async fn by_hand(
        vault: &Vault,
        of: Option<&Vault>,
        named: &[SnapshotId],
        why: &str,
        now: Timestamp,
    ) -> Result<Self> {
        let vaults: Vec<_> = of.into_iter().chain([vault]).collect();
        let (notes, unread) = list_notes_of(&vaults).await?;
        let (mut snapshots, damage) = list_snapshots(vault).await?;
        snapshots.retain(|snapshot| named.contains(&snapshot.id));
        let judged = by_source(&snapshots, &notes)
            .into_iter()
            .map(|(source, own)| judge_by_hand(source, own, &unread));
        let mut plan = Self::judged(judged.collect(), &notes, &unread, &damage);
        plan.why = why.to_owned();
        if let Some(of) = of {
            for verdict in plan.sources.iter_mut().flat_map(|source| &mut source.verdicts) {
                if of.store().size(&names::snapshot(verdict.snapshot.id)).await?.is_some() {
                    verdict.keep.push(Reason::InVault);
                }
            }
            plan.watch(of.clone());
        }
        plan.wait_for_locks(vault, now).await?;
        Ok(plan)
    }

    /// What is locked stays until its lock ends: a delete would only hide it.
    pub(crate) async fn wait_for_locks(&mut self, vault: &Vault, now: Timestamp) -> Result<()> {
        let going = self.sources.iter_mut().flat_map(|source| &mut source.verdicts);
        let asked = going.filter(|verdict| verdict.goes()).map(|verdict| async move {
            let lock = vault.store().lock_of(&names::snapshot(verdict.snapshot.id)).await?;
            if let Some(lock) = lock.filter(|lock| lock.until > now) {
                verdict.keep.push(Reason::Locked { until: lock.until });
            }
            Ok::<_, Error>(())
        });
        futures::stream::iter(asked.collect::<Vec<_>>())
            .buffer_unordered(ASKED_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await
            .map(drop)
    }

    /// The same of snapshots that were read. `keep` says, of a source, the policy and what it is agreed on as.
    pub(crate) fn of(
        snapshots: &[Snapshot],
        notes: &Notes,
        unread: Vec<Error>,
        damage: &[Error],
        keep: impl Fn(&str) -> (Option<Keep>, String),
        zone: &TimeZone,
        now: Timestamp,
    ) -> Self {
        let judged = by_source(snapshots, notes).into_iter().map(|(source, candidates)| {
            let (keep, of) = keep(source);
            let shortened = keep.iter().flat_map(|keep| notes.shortened_by(&of, keep)).cloned().collect();
            judge_as_agreed(source, candidates, keep.as_ref(), shortened, &unread, (zone, now))
        });
        Self::judged(judged.collect(), notes, &unread, damage)
    }

    fn judged(sources: Vec<RetentionPlan>, notes: &Notes, unread: &[Error], damage: &[Error]) -> Self {
        let damage = damage.iter().chain(unread).chain(&notes.unbelieved).map(ToString::to_string).collect();
        let (notes, noted) = (notes.ids.clone(), notes.expired.clone());
        Self { sources, damage, notes, noted, of: None, why: "no rule of the policy keeps them".into() }
    }

    /// Watches the notes of the vault that this is a copy of.
    pub(crate) fn watch(&mut self, of: Vault) {
        self.of = Some(of);
    }

    /// Leaves only these sources in.
    pub fn retain(&mut self, sources: impl Fn(&str) -> bool) {
        self.sources.retain(|plan| sources(&plan.source));
    }

    /// The snapshots that go, the oldest of each source first.
    pub fn going(&self) -> Vec<SnapshotId> {
        self.sources.iter().flat_map(RetentionPlan::going).map(|verdict| verdict.snapshot.id).collect()
    }

    /// The snapshots that no rule keeps, whether or not their locks let them go yet.
    pub fn unkept(&self) -> HashSet<SnapshotId> {
        let verdicts = self.sources.iter().flat_map(|source| &source.verdicts);
        verdicts.filter(|verdict| !verdict.is_kept()).map(|verdict| verdict.snapshot.id).collect()
    }

    /// Removes them. Killed anywhere, it leaves snapshots that are whole, and the next run goes on.
    ///
    /// # Errors
    /// `HeldBack` when something was noted since the plan was made; `LeaseLost`; `Denied` when these
    /// credentials may delete nothing, not even an old lease.
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
            self.refuse_new_notes(vault, &known).await?;
            let new: Vec<_> = ids.iter().filter(|id| !self.noted.contains(id)).copied().collect();
            if !new.is_empty() {
                let says = Says::Expire { snapshots: new };
                let author = NoteAuthor::Agent(agent);
                known.insert(write_note(vault, author, &agent.name, &self.why, says, now).await?);
            }
            for ids in ids.chunks(DELETED_AT_ONCE) {
                lease.renew().await?;
                self.refuse_new_notes(vault, &known).await?;
                let names: Vec<_> = ids.iter().map(|id| names::snapshot(*id)).collect();
                let denied = vault.store().remove_all(&names).await?;
                expired.snapshots += (ids.len() - denied.len()) as u64;
                expired.denied.extend(denied);
            }
        }
        Ok(expired)
    }

    async fn refuse_new_notes(&self, vault: &Vault, known: &HashSet<NoteId>) -> Result<()> {
        for vault in [Some(vault), self.of.as_ref()].into_iter().flatten() {
            refuse_new_notes(vault, known).await?;
        }
        Ok(())
    }
}

/// Each source's snapshots as retention sees them.
fn by_source<'a>(snapshots: &'a [Snapshot], notes: &Notes) -> BTreeMap<&'a str, Vec<Candidate>> {
    let mut sources: BTreeMap<&str, Vec<Candidate>> = BTreeMap::new();
    for snapshot in snapshots {
        let own = sources.entry(&snapshot.manifest.source).or_default();
        own.push(Candidate::new(snapshot, notes));
    }
    sources
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
