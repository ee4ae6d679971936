//! What a copy lacks: both stores are listed and compared, and nothing is written.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::needs::Needs;
use super::prove::prove;
use super::{CopyError, CopyFinding, Copying, Extent};
use crate::format::names;
use crate::index::ChunkIndex;
use crate::read::{Snapshot, SnapshotReader, list_snapshots};
use crate::store::Listed;
use crate::{AgentId, Error, IndexId, NoteId, Opener, PackId, Result, SnapshotId, Vault};

/// What a step of copying writes. They follow each other in this order, so that whatever is in a copy can
/// be read with what was written before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Wrapped keys.
    Wraps,
    /// Keyrings, the newest first: an older one is never the newest there.
    Keyrings,
    /// The vault record: from here on the copy is a vault.
    Record,
    /// Enrolments.
    Enrolments,
    /// Packs.
    Packs,
    /// Index objects.
    Index,
    /// Notes: what they say of a snapshot is known before it is there.
    Notes,
    /// Manifests: from here on the snapshots are there.
    Manifests,
    /// Requests and answers: what is not there yet keeps no snapshot back.
    Requests,
    /// The record: the same.
    Audit,
}

/// An object of either store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) bytes: u64,
}

impl From<Listed> for Object {
    fn from(Listed { name, bytes, .. }: Listed) -> Self {
        Self { name, bytes }
    }
}

/// What a copy lacks, and what is wrong with it.
#[derive(Debug)]
pub struct CopyPlan {
    /// What is to be written, by stage.
    pub(super) missing: BTreeMap<Stage, Vec<Object>>,
    /// What is wrong.
    pub(super) findings: Vec<CopyFinding>,
    /// Every object of the copy.
    pub(super) there: BTreeMap<String, u64>,
    /// Snapshots that the copy shall hold and whose manifests it has.
    pub(super) held: BTreeSet<SnapshotId>,
    /// Whether those must be proven to be whole: something is not as it was left.
    pub(super) in_doubt: bool,
    /// A number that changes whenever somebody is about to delete in the copy.
    pub(super) deletions: Option<u64>,
    /// How many snapshots it shall hold.
    pub(super) snapshots: u64,
    /// Objects that the copy holds and the vault does not, and their bytes.
    surplus: (u64, u64),
}

/// The copy, as far as it can be opened.
struct OpenCopy {
    vault: Vault,
    snapshots: Vec<Snapshot>,
}

impl CopyPlan {
    /// Objects and bytes to write, by stage, in the order in which they are written.
    pub fn stages(&self) -> impl Iterator<Item = (Stage, u64, u64)> {
        self.missing.iter().map(|(stage, objects)| {
            (*stage, objects.len() as u64, objects.iter().map(|object| object.bytes).sum())
        })
    }

    /// Objects to write.
    pub fn objects(&self) -> u64 {
        self.stages().map(|(_, objects, _)| objects).sum()
    }

    /// Bytes to write.
    pub fn bytes(&self) -> u64 {
        self.stages().map(|(_, _, bytes)| bytes).sum()
    }

    /// Snapshots that the copy shall hold.
    pub fn snapshots(&self) -> u64 {
        self.snapshots
    }

    /// What is wrong with the copy or with the vault.
    pub fn findings(&self) -> &[CopyFinding] {
        &self.findings
    }

    /// Objects that the copy holds and the vault does not have any more, and their bytes. They stay. Not
    /// counted where the copy holds some snapshots only.
    pub fn surplus(&self) -> (u64, u64) {
        self.surplus
    }
}

impl Copying<'_> {
    /// Compares the two stores.
    ///
    /// # Errors
    /// `Copy` with `Untrusted` when another vault is there, with `NotEmpty` when something else is;
    /// `Vault` or `Copy` when a store does not answer.
    pub async fn plan(&self) -> Result<CopyPlan, CopyError> {
        let (there, deletions) = self.list_copy().await?;
        let before = self.objects_before();
        if let Some(lost) = self.lost(&there, before.as_ref()) {
            return Err(lost);
        }
        // Manifests were listed before; then index, packs, keys: what a manifest needs is not missed.
        let mut own = self.own_index_and_keys().await.map_err(CopyError::Vault)?;
        self.refuse_strangers(&there, &own).await?;
        let mut findings = Vec::new();
        let copy = self.open_copy(&there, &mut findings).await?;
        let wanted = self.wanted();
        let has = |snapshot: &&&Snapshot| {
            copy.as_ref().is_some_and(|copy| copy.snapshots.iter().any(|other| other.id == snapshot.id))
        };
        let held: BTreeSet<_> = wanted.iter().filter(has).map(|snapshot| snapshot.id).collect();
        let gone_there = |before: &BTreeMap<String, u64>| {
            before.keys().any(|name| stage(name) != Some(Stage::Audit) && !there.contains_key(name))
        };
        let own_extent = matches!(self.extent, Extent::Snapshots(_));
        let mut in_doubt = own_extent && before.as_ref().is_none_or(gone_there);

        let (index, damaged) = self.index().await?;
        in_doubt |= damaged;
        let packs = index.packs_present().await.map_err(CopyError::State)?;
        let needed = match self.extent {
            Extent::Everything => None,
            Extent::Snapshots(_) => {
                own.retain(|(stage, _)| *stage != Stage::Index);
                let lacking = wanted.iter().filter(|snapshot| in_doubt || !held.contains(&snapshot.id));
                Some(self.needed(&index, copy.as_ref(), lacking.copied(), &mut findings).await?)
            }
        };
        let packs =
            packs.into_iter().filter(|(id, _)| needed.as_ref().is_none_or(|needed| needed.contains(id)));
        own.extend(packs.map(|(id, bytes)| (Stage::Packs, Object { name: names::pack(id), bytes })));
        let manifests: HashSet<_> = wanted.iter().map(|snapshot| names::snapshot(snapshot.id)).collect();
        let listed = self.vault.store().list(names::SNAPSHOTS).await.map_err(CopyError::Vault)?;
        let listed = listed.into_iter().filter(|object| manifests.contains(&object.name));
        own.extend(listed.map(|object| (Stage::Manifests, object.into())));

        let surplus = if own_extent { (0, 0) } else { surplus(&there, &own) };
        let stale = self.stale_wraps(&there, &own);
        let (missing, wrong) = compare(own, &there);
        // No snapshot needs the record.
        in_doubt |= wrong.iter().any(|wrong| stage(&wrong.object.name) != Some(Stage::Audit));
        self.judge(wrong, &mut findings).await.map_err(CopyError::Vault)?;
        findings.extend(self.gone(&missing, before.as_ref()));
        if let Some(copy) = &copy {
            self.look_ahead(copy, &mut findings).await.map_err(CopyError::Vault)?;
        }
        findings.extend(stale);
        Ok(CopyPlan {
            missing,
            findings,
            there,
            held,
            in_doubt,
            deletions,
            snapshots: wanted.len() as u64,
            surplus,
        })
    }

    /// A disk that is not mounted looks like a copy that is not begun yet: it would be filled all over
    /// again, in the wrong place.
    fn lost(
        &self,
        there: &BTreeMap<String, u64>,
        before: Option<&BTreeMap<String, u64>>,
    ) -> Option<CopyError> {
        let before = before.filter(|before| before.contains_key(names::VAULT))?;
        (!there.contains_key(names::VAULT)).then(|| CopyError::Lost {
            url: self.to.url().to_owned(),
            objects: before.len() as u64,
            memory: self.memory.folder().to_owned(),
        })
    }

    /// Every object of the copy, with its size, and the number of the lease there. What a probe left means
    /// nothing, and what deleting in the copy itself needs comes and goes.
    async fn list_copy(&self) -> Result<(BTreeMap<String, u64>, Option<u64>), CopyError> {
        let listed = self.to.list("").await.map_err(self.in_copy())?;
        let lease = listed.iter().filter_map(|object| names::lease_number(&object.name)).max();
        let passing = ["probe", names::LEASE, names::MARKS];
        let listed = listed.into_iter().filter(|object| {
            object.name.split_once('/').is_none_or(|(folder, _)| !passing.contains(&folder))
        });
        Ok((listed.map(|object| (object.name, object.bytes)).collect(), lease))
    }

    /// The vault's index objects, notes, requests, enrolments, keys and record.
    async fn own_index_and_keys(&self) -> Result<Vec<(Stage, Object)>> {
        let store = self.vault.store();
        let mut own = Vec::new();
        let folders = [names::INDEX, names::NOTES, names::REQUESTS, names::AUDIT, names::AGENTS, names::KEYS];
        for folder in folders {
            let listed = store.list(folder).await?;
            own.extend(listed.into_iter().filter_map(|object| Some((stage(&object.name)?, object.into()))));
        }
        let bytes = store.size(names::VAULT).await?;
        let bytes = bytes.ok_or_else(|| Error::NoVault { url: store.url().to_owned() })?;
        own.push((Stage::Record, Object { name: names::VAULT.into(), bytes }));
        Ok(own)
    }

    /// Anything that another vault, or somebody else, has put where the copy shall be.
    async fn refuse_strangers(
        &self,
        there: &BTreeMap<String, u64>,
        own: &[(Stage, Object)],
    ) -> Result<(), CopyError> {
        if there.contains_key(names::VAULT) {
            let record = self.vault.store().get(names::VAULT).await.map_err(CopyError::Vault)?;
            return match self.to.get(names::VAULT).await.map_err(self.in_copy())? == record {
                true => Ok(()),
                false => {
                    Err(self.in_copy()(Error::untrusted(names::VAULT, "another vault's record is there")))
                }
            };
        }
        let ours: HashSet<_> = own.iter().map(|(_, object)| object.name.as_str()).collect();
        match there.keys().find(|name| !ours.contains(name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let url = self.to.url().to_owned();
                Err(self.in_copy()(Error::NotEmpty {
                    url,
                    found: format!("{name}, which is not of this vault"),
                }))
            }
        }
    }

    /// Opens the copy as the vault that it is; nothing while its keys are not there yet.
    async fn open_copy(
        &self,
        there: &BTreeMap<String, u64>,
        findings: &mut Vec<CopyFinding>,
    ) -> Result<Option<OpenCopy>, CopyError> {
        if !there.contains_key(names::VAULT) {
            return Ok(None);
        }
        let root = self.vault.fingerprint();
        let vault = match Vault::open(self.to.clone(), Opener::Agent(self.agent), Some(&root)).await {
            Ok(vault) => vault,
            Err(Error::NoKey { .. } | Error::Missing { .. }) => return Ok(None),
            Err(error) if error.is_damage() => {
                findings.push(CopyFinding::DamagedInCopy(error.to_string()));
                return Ok(None);
            }
            Err(error) => return Err(self.in_copy()(error)),
        };
        let (snapshots, damage) = list_snapshots(&vault).await.map_err(self.in_copy())?;
        let told = vault.damage().map(ToString::to_string).chain(damage.iter().map(ToString::to_string));
        findings.extend(told.map(CopyFinding::DamagedInCopy));
        Ok(Some(OpenCopy { vault, snapshots }))
    }

    /// The vault's own index, in line with its store, and whether the vault is damaged.
    async fn index(&self) -> Result<(ChunkIndex, bool), CopyError> {
        let index = ChunkIndex::in_folder(self.state, self.vault).await.map_err(CopyError::State)?;
        let report = index.sync(self.vault).await.map_err(CopyError::Vault)?;
        Ok((index, !report.damage.is_empty()))
    }

    /// The packs that the copy needs for these snapshots and has not.
    async fn needed(
        &self,
        index: &ChunkIndex,
        copy: Option<&OpenCopy>,
        snapshots: impl Iterator<Item = &Snapshot>,
        findings: &mut Vec<CopyFinding>,
    ) -> Result<HashSet<PackId>, CopyError> {
        let reader = SnapshotReader::on(self.vault, index);
        let known = match copy {
            Some(copy) => Some(self.copys_index(&copy.vault).await?.0),
            None => None,
        };
        let mut needs = Needs::new(&reader, known.as_ref());
        for snapshot in snapshots {
            match needs.add(snapshot).await {
                Err(error) if error.is_damage() => findings.push(CopyFinding::DamagedInVault(format!(
                    "snapshot {} of {}: {error}",
                    snapshot.id.short(),
                    snapshot.manifest.source
                ))),
                other => other.map_err(CopyError::Vault)?,
            }
        }
        Ok(needs.packs)
    }

    /// The objects that this host saw in the copy the last time.
    fn objects_before(&self) -> Option<BTreeMap<String, u64>> {
        let record = self.memory.record()?;
        let same = record.url == self.to.url() && record.vault == Some(self.vault.id());
        self.memory.objects().filter(|_| same)
    }

    /// What is to be copied although it was there.
    fn gone(
        &self,
        missing: &BTreeMap<Stage, Vec<Object>>,
        before: Option<&BTreeMap<String, u64>>,
    ) -> Option<CopyFinding> {
        let before = before?;
        let mut gone = missing.values().flatten().filter(|object| before.contains_key(&object.name));
        let example = gone.next()?.name.clone();
        let since = self.memory.record().and_then(|record| record.verified);
        Some(CopyFinding::Gone { objects: 1 + gone.count() as u64, example, since })
    }

    /// Finds snapshots and keyrings that the vault should have and does not.
    async fn look_ahead(&self, copy: &OpenCopy, findings: &mut Vec<CopyFinding>) -> Result<()> {
        let store = self.vault.store();
        let sequence = copy.vault.keyring_sequence();
        if sequence > self.vault.keyring_sequence() && store.size(&names::keyring(sequence)).await?.is_none()
        {
            let newest = self.vault.keyring_sequence();
            findings.push(CopyFinding::Ahead(format!(
                "its keyring is number {sequence}, the vault's newest is {newest}"
            )));
        }
        let mut newest: HashMap<&str, u64> = HashMap::new();
        for snapshot in self.snapshots {
            let number = newest.entry(&snapshot.manifest.source).or_default();
            *number = (*number).max(snapshot.manifest.number);
        }
        for snapshot in &copy.snapshots {
            let (source, number) = (&snapshot.manifest.source, snapshot.manifest.number);
            let known = newest.get(source.as_str()).copied().unwrap_or(0);
            // Another agent may have written it since the vault was listed.
            if number > known && store.size(&names::snapshot(snapshot.id)).await?.is_none() {
                findings.push(CopyFinding::Ahead(format!(
                    "it holds snapshot {} of {source}, number {number}; the vault's newest is {known}",
                    snapshot.id.short()
                )));
            }
        }
        Ok(())
    }

    /// Looks at the vault's own object before the copy is blamed for one of another size.
    async fn judge(&self, wrong: Vec<Wrong>, findings: &mut Vec<CopyFinding>) -> Result<()> {
        for Wrong { object, found } in wrong {
            let of_vault = match stage(&object.name) {
                // A pack's size is what the vault's index says.
                None => Ok(()),
                Some(_) => match self.vault.store().get(&object.name).await {
                    Ok(bytes) => prove(self.vault, &object.name, &bytes),
                    Err(error) => Err(error),
                },
            };
            findings.push(match of_vault {
                Ok(()) => {
                    let reason = format!("expected {} bytes, found {found}", object.bytes);
                    CopyFinding::DamagedInCopy(Error::damaged(object.name, reason).to_string())
                }
                Err(error) if error.is_damage() => CopyFinding::DamagedInVault(error.to_string()),
                Err(error) => return Err(error),
            });
        }
        Ok(())
    }

    /// Wraps of people whose access may have ended: the vault has them no longer, nor names them.
    fn stale_wraps(&self, there: &BTreeMap<String, u64>, own: &[(Stage, Object)]) -> Vec<CopyFinding> {
        let wraps = there.keys().filter(|name| stage(name) == Some(Stage::Wraps));
        let stale = wraps.filter(|name| {
            own.iter().all(|(_, object)| object.name != **name)
                && self.vault.wraps_in_force().all(|wrap| wrap != name.as_str())
        });
        stale.map(|name| CopyFinding::StaleWrap(name.clone())).collect()
    }
}

/// An object that has another size in the copy.
struct Wrong {
    object: Object,
    found: u64,
}

/// Which stage an object of this name belongs to; nothing for names that mean nothing.
fn stage(name: &str) -> Option<Stage> {
    match name.split_once('/') {
        Some((names::KEYS, own)) if !own.contains('/') => match names::keyring_sequence(name) {
            Some(_) => Some(Stage::Keyrings),
            None => own.ends_with(".age").then_some(Stage::Wraps),
        },
        Some((names::AGENTS, own)) => own.parse::<AgentId>().ok().map(|_| Stage::Enrolments),
        Some((names::INDEX, own)) => own.parse::<IndexId>().ok().map(|_| Stage::Index),
        Some((names::NOTES, own)) => own.parse::<NoteId>().ok().map(|_| Stage::Notes),
        Some((names::REQUESTS, _)) => names::request_part(name).map(|_| Stage::Requests),
        Some((names::AUDIT, _)) => names::audit_entry(name).map(|_| Stage::Audit),
        Some((names::SNAPSHOTS, own)) => own.parse::<SnapshotId>().ok().map(|_| Stage::Manifests),
        _ => None,
    }
}

/// What is not there, by stage, and what has another size there.
fn compare(
    own: Vec<(Stage, Object)>,
    there: &BTreeMap<String, u64>,
) -> (BTreeMap<Stage, Vec<Object>>, Vec<Wrong>) {
    let mut missing: BTreeMap<Stage, Vec<Object>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (stage, object) in own {
        match there.get(&object.name) {
            None => missing.entry(stage).or_default().push(object),
            Some(bytes) if *bytes != object.bytes => wrong.push(Wrong { object, found: *bytes }),
            Some(_) => {}
        }
    }
    if let Some(keyrings) = missing.get_mut(&Stage::Keyrings) {
        keyrings.sort_by(|a, b| b.name.cmp(&a.name));
    }
    (missing, wrong)
}

/// Objects of the copy that the vault does not have, and their bytes.
fn surplus(there: &BTreeMap<String, u64>, own: &[(Stage, Object)]) -> (u64, u64) {
    let ours: HashSet<_> = own.iter().map(|(_, object)| object.name.as_str()).collect();
    let counts = |name: &str| stage(name).is_some() || name.starts_with(names::PACKS);
    let surplus = there.iter().filter(|(name, _)| counts(name) && !ours.contains(name.as_str()));
    surplus.fold((0, 0), |(objects, sum), (_, bytes)| (objects + 1, sum + bytes))
}
