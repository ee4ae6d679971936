//! Destroying one source: keys are of a grade and an epoch, so what *other* sources need is moved out of their way.
//!
//! Equal rows of two sources are one chunk, a segment holds chunks of many tables, and what has expired lies in
//! packs, copies and versions of a bucket until it is pruned there. So no key seals one source alone, and which
//! epochs hold something of a source nobody can say. Every grade gets a new epoch; what the snapshots of all other
//! sources need is opened, by people who may, and sealed to it, in the vault and in each copy; then every older
//! epoch is shredded as ever. Whatever the source has stored stays sealed to keys that nobody has, wherever it lies.
//! A row that another source has too is that source's, and stays.
//!
//! What is sealed anew is signed by an agent that is enrolled for this alone and whose key is kept nowhere. Until
//! the older keys go, everything is as whole as before, whatever fails. A snapshot that another source completes in
//! the moment between is sealed anew after it, from keys still in memory; one completed later refuses itself, as
//! with every shredding.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use jiff::Timestamp;

use crate::format::names;
use crate::format::note::Says;
use crate::index::ChunkIndex;
use crate::keys::{AgentKey, Identities};
use crate::notes::{NoteAuthor, write_note};
use crate::read::Snapshot;
use crate::store::{NotRemoved, Store};
use crate::{Error, GivenShares, KeyChange, KeyOutcome, KeyPlan, Opener, Realm, Result, SnapshotId, Vault};

mod held;
mod reseal;

pub(crate) use held::{Destroyed, refuse_held};
use reseal::At;
pub use reseal::Resealed;

/// Manifests removed at once.
const REMOVED_AT_ONCE: usize = 8;

/// What destroying a source comes to.
pub struct SourcePlan {
    /// The source.
    pub source: String,
    /// Keys that go.
    pub shredded: Vec<(Realm, u32)>,
    /// The vault's store, then the copies'.
    pub stores: Vec<SourceIn>,
    given: GivenShares,
    vault: Vault,
    copies: Vec<Store>,
}

/// What a store holds of a source that is to be destroyed, and of others.
#[derive(Debug)]
pub struct SourceIn {
    /// The store.
    pub url: String,
    /// The source's snapshots there.
    pub snapshots: Vec<SnapshotId>,
    /// Every other source there, and its snapshots.
    pub others: BTreeMap<String, u64>,
    /// Raw bytes of rows that those need, which are to be sealed anew.
    pub raw_bytes: u64,
}

/// What was done.
#[derive(Debug)]
pub struct SourceShredded {
    /// The keys.
    pub keys: KeyOutcome,
    /// In the order of [`SourcePlan::stores`].
    pub stores: Vec<SourceGone>,
}

/// What was done in a store beside its keys.
#[derive(Debug, Default)]
pub struct SourceGone {
    /// What was sealed anew for other sources.
    pub resealed: Resealed,
    /// Manifests of the source that are gone now.
    pub removed: Vec<SnapshotId>,
    /// Those that the store would not let go. Their rows open for nobody all the same.
    pub left: Vec<NotRemoved>,
    /// Those of them that were written meanwhile, to keys that are not destroyed.
    pub written_meanwhile: Vec<SnapshotId>,
    /// What else failed after the keys were gone.
    pub failed: Option<Error>,
}

impl SourceShredded {
    /// Whether nothing of it is left to do.
    pub fn is_complete(&self) -> bool {
        let done = |store: &SourceGone| {
            store.left.is_empty() && store.written_meanwhile.is_empty() && store.failed.is_none()
        };
        self.keys.is_complete() && self.stores.iter().all(done)
    }
}

impl SourcePlan {
    /// Plans with identities that open the root and every row that another source needs. `vault` is opened with
    /// them; index files are kept below `scratch`.
    ///
    /// # Errors
    /// `NoSuchSnapshot` when no store has a snapshot of the source; `Held` when one is, and `HeldBack` when that is not known; `KeysRefused`
    /// when what another source needs cannot be read, which would be lost; `NoKey`; a copy that does not answer.
    pub async fn make(
        vault: &Vault,
        copies: &[Store],
        (by, given): (&Identities, GivenShares),
        source: &str,
        scratch: &Path,
    ) -> Result<Self> {
        KeyPlan::make_with(vault, by, &given, &KeyChange::RotateRows).await?;
        let vaults = open_all(vault, copies, (by, &given), scratch).await?;
        let mut stores = Vec::new();
        for at in &vaults {
            stores.push(look(at, source).await?);
        }
        if stores.iter().all(|store| store.snapshots.is_empty()) {
            let source = source.escape_debug();
            return Err(Error::NoSuchSnapshot(format!(
                "neither the vault nor a copy has a snapshot of `{source}`"
            )));
        }
        refuse_held(&of(&vaults), Destroyed::Source(source)).await?;
        let rows = vault.sealing_keys().iter().filter(|key| key.realm != Realm::Metadata);
        let shredded = rows.map(|key| (key.realm, key.epoch)).collect();
        let (source, vault, copies) = (source.to_owned(), vault.clone(), copies.to_vec());
        Ok(Self { source, shredded, stores, given, vault, copies })
    }

    /// Carries it out. `phase` is told what is being done.
    ///
    /// # Errors
    /// As long as the older keys are there, nothing is lost when it fails, and to do it again is safe: `Held` when
    /// a hold has come meanwhile. What fails after they are gone is told in the outcome.
    pub async fn carry_out(
        &self,
        by: &Identities,
        scratch: &Path,
        phase: &dyn Fn(&str),
        now: Timestamp,
    ) -> Result<SourceShredded> {
        let Self { source, given, vault, copies, .. } = self;
        phase("making new keys");
        let rotated = KeyPlan::make_with(vault, by, given, &KeyChange::RotateRows).await?;
        let rotated = rotated.carry_out(copies, now).await?;
        if let Some(failed) = rotated.stores.into_iter().find_map(|store| store.failed) {
            return Err(failed);
        }
        let agent = AgentKey::generate(&format!("destroyed source {source}"));
        enrol(vault, &agent, copies, (by, given), now).await?;
        let mut vaults = open_all(vault, copies, (by, given), scratch).await?;
        phase("sealing anew what other sources need");
        let mut done: Vec<_> = vaults.iter().map(|_| SourceGone::default()).collect();
        seal_anew(&mut vaults, &agent, source, &mut done).await?;
        // What has come while that took its time.
        seal_anew(&mut vaults, &agent, source, &mut done).await?;
        // A hold may have come since this was planned, too.
        refuse_held(&of(&vaults), Destroyed::Source(source)).await?;
        phase("destroying keys");
        let shredding = KeyPlan::make_with(&vaults[0].vault, by, given, &KeyChange::ShredOlder).await?;
        let keys = shredding.carry_out(copies, now).await;
        // Whatever came of it, the older keys are in memory still.
        let failed = seal_anew(&mut vaults, &agent, source, &mut done).await.err();
        let keys = keys?;
        done[0].failed = failed;
        phase("removing snapshots");
        for (at, gone) in vaults.iter().zip(&mut done) {
            if let Err(error) = remove(at, &agent, source, gone, now).await {
                gone.failed.get_or_insert(error);
            }
        }
        Ok(SourceShredded { keys, stores: done })
    }
}

/// Seals anew what is not yet, in the vault first: copies are given what lies there.
async fn seal_anew(vaults: &mut [At], agent: &AgentKey, source: &str, done: &mut [SourceGone]) -> Result<()> {
    for (number, done) in done.iter_mut().enumerate() {
        let (before, rest) = vaults.split_at_mut(number);
        done.resealed += rest[0].seal_anew(agent, source, before.first()).await?;
    }
    Ok(())
}

/// Removes the source's manifests, which is noted first. Those that were written to newer keys stay: they are
/// whole. It needs no lease: what the others' rows are sealed to is gone, so nobody's deletion depends on them.
async fn remove(
    at: &At,
    agent: &AgentKey,
    source: &str,
    gone: &mut SourceGone,
    now: Timestamp,
) -> Result<()> {
    let mut own = at.snapshots().await?;
    own.retain(|snapshot| snapshot.manifest.source == source);
    let made_since = |snapshot: &Snapshot| snapshot.manifest.keyring >= at.vault.keyring_sequence();
    let (since, own): (Vec<_>, Vec<_>) = own.into_iter().partition(made_since);
    gone.written_meanwhile = since.iter().map(|snapshot| snapshot.id).collect();
    if own.is_empty() {
        return Ok(());
    }
    let says = Says::Expire { snapshots: own.iter().map(|snapshot| snapshot.id).collect() };
    let reason = format!("the keys of source {source} were destroyed");
    write_note(&at.vault, NoteAuthor::Agent(agent), &agent.name, &reason, says, now).await?;
    for some in own.chunks(REMOVED_AT_ONCE) {
        let names: Vec<_> = some.iter().map(|snapshot| names::snapshot(snapshot.id)).collect();
        let left = at.vault.store().remove_all(&names).await?;
        let is_left = |id: SnapshotId| left.iter().any(|left| left.object == names::snapshot(id));
        gone.removed.extend(some.iter().map(|snapshot| snapshot.id).filter(|id| !is_left(*id)));
        gone.left.extend(left);
    }
    Ok(())
}

/// Opens the vault and its copies anew, by the keyring in force.
async fn open_all(
    vault: &Vault,
    copies: &[Store],
    (by, given): (&Identities, &GivenShares),
    scratch: &Path,
) -> Result<Vec<At>> {
    let (root, mut opened) = (vault.fingerprint(), Vec::new());
    for (number, store) in [vault.store()].into_iter().chain(copies).enumerate() {
        let vault = Vault::open(store.clone(), Opener::Person(by), Some(&root)).await?;
        let vault = vault.unlock_with(by, given).await?;
        let index = ChunkIndex::in_folder(&scratch.join(number.to_string()), &vault).await?;
        opened.push(At { vault, index, done: HashSet::new() });
    }
    Ok(opened)
}

fn of(vaults: &[At]) -> Vec<&Vault> {
    vaults.iter().map(|at| &at.vault).collect()
}

/// What a store holds, and whether what must be opened there opens.
async fn look(at: &At, source: &str) -> Result<SourceIn> {
    let (own, others): (Vec<_>, Vec<_>) =
        at.snapshots().await?.into_iter().partition(|snapshot| snapshot.manifest.source == source);
    at.gather(&others).await?;
    let mut raw_bytes = 0;
    for (realm, epoch, bytes) in at.index.live_keys().await? {
        at.vault.identity(realm, epoch)?;
        raw_bytes += bytes;
    }
    let mut counted = BTreeMap::new();
    for snapshot in others {
        *counted.entry(snapshot.manifest.source).or_default() += 1;
    }
    let snapshots = own.iter().map(|snapshot| snapshot.id).collect();
    Ok(SourceIn { url: at.vault.store().url().to_owned(), snapshots, others: counted, raw_bytes })
}

/// Enrols the agent that signs what is sealed anew, in the vault and in its copies.
async fn enrol(
    vault: &Vault,
    agent: &AgentKey,
    copies: &[Store],
    (by, given): (&Identities, &GivenShares),
    now: Timestamp,
) -> Result<()> {
    let id = vault.enrol_with(&agent.request(), (by, given), now).await?;
    let name = names::agent(id);
    let enrolment = vault.store().get(&name).await?;
    for copy in copies {
        copy.create_confirmed(&name, enrolment.clone()).await?;
    }
    Ok(())
}
