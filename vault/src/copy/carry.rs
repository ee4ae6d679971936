//! Carrying a plan out: stage after stage, each complete before the next begins.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::plan::{Object, Stage};
use super::prove::prove;
use super::{
    BYTES_AT_ONCE, CopyError, CopyFinding, CopyPlan, Copying, Extent, OBJECTS_AT_ONCE, Pace, unknown,
};
use crate::format::names;
use crate::index::{ChunkIndex, SyncReport};
use crate::read::SnapshotReader;
use crate::store::Created;
use crate::verify::{Depth, verify};
use crate::write::{PACKS_PER_INDEX, publish};
use crate::{Error, Opener, SnapshotId, Vault};

/// The unit in which memory is lent: a semaphore's numbers are small.
const LENT_AT_ONCE: u64 = 1 << 10;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyStats {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What bringing a copy up to date came to.
#[derive(Debug)]
pub struct CopyOutcome {
    /// What was written.
    pub stats: CopyStats,
    /// How many snapshots the copy shall hold.
    pub snapshots: u64,
    /// Those of them that it is known to hold whole.
    pub held: Vec<SnapshotId>,
    /// What is wrong with it.
    pub findings: Vec<CopyFinding>,
    /// Why it went no further, if it did not. What was written stays, and the next run goes on there.
    pub stopped: Option<CopyError>,
}

impl CopyOutcome {
    /// Whether the copy holds every snapshot that it shall hold.
    pub fn is_complete(&self) -> bool {
        self.stopped.is_none() && self.held.len() as u64 == self.snapshots
    }
}

impl Copying<'_> {
    /// Plans, carries the plan out, and notes what came of it for `status`. `seen` is told of bytes as
    /// they are written.
    pub async fn bring_up_to_date(
        &self,
        pace: &Pace,
        now: Timestamp,
        seen: &(dyn Fn(u64) + Sync),
    ) -> CopyOutcome {
        let mut there = None;
        let mut outcome = match self.plan().await {
            Ok(plan) => {
                let (outcome, objects) = self.carry_out(plan, pace, seen).await;
                there = Some(objects);
                outcome
            }
            Err(error) => CopyOutcome {
                stats: CopyStats::default(),
                snapshots: self.wanted().len() as u64,
                held: Vec::new(),
                findings: Vec::new(),
                stopped: Some(error),
            },
        };
        if let Err(error) = self.note(&outcome, there, now) {
            outcome.stopped.get_or_insert(CopyError::State(error));
        }
        outcome
    }

    /// Writes what the plan says is missing. Returns also every object that the copy has then.
    pub async fn carry_out(
        &self,
        plan: CopyPlan,
        pace: &Pace,
        seen: &(dyn Fn(u64) + Sync),
    ) -> (CopyOutcome, BTreeMap<String, u64>) {
        let CopyPlan { missing, findings, there, held, in_doubt, deletions, snapshots, .. } = plan;
        let lent = Semaphore::new((BYTES_AT_ONCE / LENT_AT_ONCE) as usize);
        let mut carrying = Carrying {
            copying: self,
            pace,
            seen,
            lent,
            findings,
            there,
            held,
            in_doubt,
            deletions,
            stats: CopyStats::default(),
        };
        let stopped = carrying.all(missing).await.err();
        if stopped.is_some() && carrying.in_doubt {
            // What is in doubt and was not proven is believed as far as it was proven before.
            let known = self.memory.record().map(|record| record.held).unwrap_or_default();
            carrying.held.retain(|id| known.contains(id));
        }
        let Carrying { findings, there, held, stats, .. } = carrying;
        let held = held.into_iter().collect();
        (CopyOutcome { stats, snapshots, held, findings, stopped }, there)
    }

    fn note(
        &self,
        outcome: &CopyOutcome,
        there: Option<BTreeMap<String, u64>>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let before = self.memory.record().filter(|record| record.url == self.to.url());
        let mut record = before.unwrap_or_else(|| unknown(self.to.url()));
        record.vault = Some(self.vault.id());
        record.tried = Some(now);
        record.failure = outcome.stopped.as_ref().map(chain);
        if let Some(there) = there {
            record.held = outcome.held.clone();
            let wanted: BTreeSet<_> = self.wanted().iter().map(|snapshot| snapshot.id).collect();
            let spared = self.snapshots.iter().map(|snapshot| snapshot.id).filter(|id| !wanted.contains(id));
            record.spared = spared.collect();
            record.objects = there.len() as u64;
            record.bytes = there.values().sum();
            record.findings = outcome.findings.iter().map(ToString::to_string).collect();
            self.memory.write_objects(&there)?;
        }
        if outcome.is_complete() {
            record.verified = Some(now);
        }
        self.memory.write_record(&record)
    }

    /// The copy's own index, in line with its store.
    pub(super) async fn copys_index(&self, copy: &Vault) -> Result<(ChunkIndex, SyncReport), CopyError> {
        let index = ChunkIndex::in_folder(self.memory.folder(), copy).await.map_err(CopyError::State)?;
        let report = index.sync(copy).await.map_err(self.in_copy())?;
        Ok((index, report))
    }
}

/// An error and its causes on one line.
fn chain(error: &CopyError) -> String {
    let mut line = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        line.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    line
}

/// A plan under way.
struct Carrying<'a> {
    copying: &'a Copying<'a>,
    pace: &'a Pace,
    seen: &'a (dyn Fn(u64) + Sync),
    /// Memory for objects on their way.
    lent: Semaphore,
    findings: Vec<CopyFinding>,
    there: BTreeMap<String, u64>,
    held: BTreeSet<SnapshotId>,
    in_doubt: bool,
    /// A number that changes whenever somebody is about to delete in the copy.
    deletions: Option<u64>,
    stats: CopyStats,
}

/// What came of one object.
enum Carried {
    /// It is in the copy; whether this run wrote it.
    There(Object, Created),
    /// It is not, and snapshots that need it are not whole.
    NotThere(Option<CopyFinding>),
}

impl Carrying<'_> {
    async fn all(&mut self, mut missing: BTreeMap<Stage, Vec<Object>>) -> Result<(), CopyError> {
        let record = missing.remove(&Stage::Audit).unwrap_or_default();
        self.snapshots(missing).await?;
        // What was in doubt is proven, and no trouble with the record puts a snapshot in doubt.
        self.in_doubt = false;
        self.objects(record, OBJECTS_AT_ONCE).await.map(drop)
    }

    /// Everything up to the manifests.
    async fn snapshots(&mut self, mut missing: BTreeMap<Stage, Vec<Object>>) -> Result<(), CopyError> {
        let manifests = missing.remove(&Stage::Manifests).unwrap_or_default();
        for (stage, objects) in missing {
            // A keyring must not be there before a newer one.
            let at_once = if stage == Stage::Keyrings { 1 } else { OBJECTS_AT_ONCE };
            self.in_doubt |= !self.objects(objects, at_once).await?;
        }
        self.in_doubt |= self.somebody_deleted().await?;
        if manifests.is_empty() && !self.in_doubt {
            return Ok(());
        }
        let copy = self.open_copy().await?;
        let manifests = match self.in_doubt || matches!(self.copying.extent, Extent::Snapshots(_)) {
            true => self.whole(&copy, manifests).await?,
            false => manifests,
        };
        let written: Vec<_> = manifests.iter().filter_map(|object| names::id(&object.name)).collect();
        self.in_doubt |= !self.objects(manifests, OBJECTS_AT_ONCE).await?;
        let there = written.into_iter().filter(|id| self.there.contains_key(&names::snapshot(*id)));
        self.held.extend(there);
        // What a prune took between the proof and the manifests is found out now, and not reported as held.
        if self.somebody_deleted().await? {
            self.in_doubt = true;
            self.whole(&copy, Vec::new()).await?;
        }
        Ok(())
    }

    /// Whether somebody has deleted in the copy since this was asked last, or is about to.
    async fn somebody_deleted(&mut self) -> Result<bool, CopyError> {
        let listed = self.copying.to.list(names::LEASE).await.map_err(self.copying.in_copy())?;
        let newest = listed.iter().filter_map(|object| names::lease_number(&object.name)).max();
        Ok(std::mem::replace(&mut self.deletions, newest) != newest)
    }

    /// The copy as a vault. Its keys have just been written: one that does not open now is no copy.
    async fn open_copy(&self) -> Result<Vault, CopyError> {
        let copying = self.copying;
        let root = copying.vault.fingerprint();
        let opened = Vault::open(copying.to.clone(), Opener::Agent(copying.agent), Some(&root)).await;
        opened.map_err(copying.in_copy())
    }

    /// Copies objects of one stage. Returns whether all of them are in the copy then.
    async fn objects(&mut self, objects: Vec<Object>, at_once: usize) -> Result<bool, CopyError> {
        let mut all = true;
        let (copying, pace, seen, lent) = (self.copying, self.pace, self.seen, &self.lent);
        let carried = objects.into_iter().map(|object| carry(copying, pace, seen, lent, object));
        let mut carried = futures::stream::iter(carried).buffer_unordered(at_once);
        while let Some(carried) = carried.next().await {
            match carried? {
                Carried::There(object, created) => {
                    if created == Created::New {
                        self.stats.objects += 1;
                        self.stats.bytes += object.bytes;
                    }
                    self.there.insert(object.name, object.bytes);
                }
                Carried::NotThere(finding) => {
                    all = false;
                    self.findings.extend(finding);
                }
            }
        }
        Ok(all)
    }

    /// Proves in the copy itself that it has what snapshots need, names packs there that no index object
    /// names, and returns the manifests of those that are whole. What it held and is not whole is held no
    /// longer.
    async fn whole(&mut self, copy: &Vault, manifests: Vec<Object>) -> Result<Vec<Object>, CopyError> {
        let copying = self.copying;
        let (index, report) = copying.copys_index(copy).await?;
        while publish(copy, copying.agent, copying.to, &index, PACKS_PER_INDEX)
            .await
            .map_err(copying.in_copy())?
        {}
        let new: BTreeSet<SnapshotId> =
            manifests.iter().filter_map(|object| names::id(&object.name)).collect();
        let judged = copying.wanted().into_iter();
        let judged = judged.filter(|s| new.contains(&s.id) || (self.in_doubt && self.held.contains(&s.id)));
        let judged: Vec<_> = judged.cloned().collect();
        let reader = SnapshotReader::on(copy, &index);
        let found = verify(&reader, &report, &judged, &judged, &[], Depth::Structure, &|_, _| {}).await;
        let mut not_whole = BTreeSet::new();
        for health in found.map_err(copying.in_copy())?.snapshots {
            let Some(part) = health.damaged.first() else { continue };
            not_whole.insert(health.id);
            let reason = format!("{}: {}", part.what, part.reason);
            self.findings.push(CopyFinding::NotWhole { snapshot: health.id, source: health.source, reason });
        }
        self.held.retain(|id| !not_whole.contains(id));
        let is_whole = |object: &Object| {
            names::id::<SnapshotId>(&object.name).is_some_and(|id| !not_whole.contains(&id))
        };
        Ok(manifests.into_iter().filter(is_whole).collect())
    }
}

/// Carries one object over: read, proven, written, asked for.
async fn carry(
    copying: &Copying<'_>,
    pace: &Pace,
    seen: &(dyn Fn(u64) + Sync),
    lent: &Semaphore,
    object: Object,
) -> Result<Carried, CopyError> {
    pace.wait(object.bytes).await;
    let memory = object.bytes.clamp(LENT_AT_ONCE, BYTES_AT_ONCE) / LENT_AT_ONCE;
    let _memory = lent.acquire_many(memory as u32).await.expect("it is never closed");
    let bytes = match copying.vault.store().get(&object.name).await {
        Ok(bytes) => bytes,
        // Pruned since it was listed, or lost: whether a snapshot needs it shows at its manifest.
        Err(Error::Missing { .. }) => return Ok(Carried::NotThere(None)),
        Err(error) => return Err(CopyError::Vault(error)),
    };
    if let Err(error) = prove(copying.vault, &object.name, &bytes) {
        return Ok(Carried::NotThere(Some(CopyFinding::DamagedInVault(error.to_string()))));
    }
    let size = bytes.len() as u64;
    let created = copying.to.create(&object.name, bytes).await.map_err(copying.in_copy())?;
    match copying.to.size(&object.name).await.map_err(copying.in_copy())? {
        Some(found) if found == size => {
            seen(size);
            Ok(Carried::There(Object { bytes: size, ..object }, created))
        }
        Some(found) => {
            let error = Error::damaged(&object.name, format!("expected {size} bytes, found {found}"));
            Ok(Carried::NotThere(Some(CopyFinding::DamagedInCopy(error.to_string()))))
        }
        None => Err(copying.in_copy()(Error::Missing { object: object.name })),
    }
}
