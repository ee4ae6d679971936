//! Changing who can open what: people come and go, keys get new epochs.
//!
//! A change is a plan first, then three steps in an order that a crash survives: new wraps under new names,
//! the keyring of the next sequence, and only then the old wraps are taken away, here and in every copy. Two
//! changes at once cannot both create that keyring, and a change takes away only wraps that it saw before
//! its own keyring was there: so none takes away what the other's keyring names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use age::x25519;
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use jiff::Timestamp;

use super::open::{APPROVALS, QUORUM};
use super::{GivenShares, Vault, create, enrol, unlock};
use crate::access::WrappedKey;
use crate::format::envelope::Kind;
use crate::format::keys::{
    AgentKeys, ApprovalPolicy, Keyring, PersonRecord, PersonSigning, SealingKey, Shares, ShreddedKey,
};
use crate::format::names;
use crate::keys::{Identities, Person};
use crate::shred::{Destroyed, refuse_held};
use crate::store::{Created, Store};
use crate::{AgentId, Error, Grade, Realm, Result};

mod approvals;
mod effect;
mod versions;

use effect::{Effect, apply, approvals_after, quorum_after};

/// What is to change.
#[derive(Debug, Clone)]
pub enum KeyChange {
    /// Somebody may open these grades, of every epoch; or more grades than before.
    Add(Person),
    /// Somebody may open nothing any more.
    Retire {
        /// As the keyring names them.
        name: String,
    },
    /// What is written from now on is sealed to a new key.
    Rotate(Realm),
    /// What is written from now on is sealed to new keys, of every grade.
    RotateRows,
    /// Keys of a grade are destroyed: nobody opens what was sealed to them, in any snapshot.
    Shred {
        /// The grade.
        grade: Grade,
        /// One epoch, or all of them.
        epoch: Option<u32>,
    },
    /// Every key of rows but the newest of each grade is destroyed: what is needed of what they sealed is sealed
    /// anew already.
    ShredOlder,
    /// So many people who have this grade open it together from now on, none of them alone; one means that
    /// any of them does.
    Quorum {
        /// The grade.
        grade: Grade,
        /// How many.
        people: u8,
    },
    /// So many others must approve a restore that opens this grade from now on; none ends that.
    Approvals {
        /// The grade.
        grade: Grade,
        /// How many, beside whoever restores.
        people: u8,
    },
    /// Every wrap is made anew, to the people that the keyring lists.
    Rewrap,
}

/// A change that can be carried out, and what it will do.
pub struct KeyPlan {
    /// The keyring that the change is made to.
    pub from: u32,
    /// Everybody after the change, the retired too.
    pub people: Vec<PersonRecord>,
    /// Keys that are made, by realm and epoch.
    pub new_epochs: Vec<(Realm, u32)>,
    /// Keys whose wraps are made anew.
    pub rewrapped: Vec<WrappedKey>,
    /// How many people open each grade together afterwards.
    pub quorum: Vec<(Grade, u8)>,
    /// Of which grades others must approve each restore afterwards, and how many.
    pub approvals: Vec<ApprovalPolicy>,
    /// Keys that are destroyed.
    pub shredded: Vec<(Realm, u32)>,
    /// Agents that could not be given the new metadata key and so are to be enrolled anew: by name, or by id
    /// where the enrolment cannot be read. Only where there is a new metadata key.
    pub shut_out: Vec<String>,
    /// Whether what those keys opened is lost with them: then no hold may be on it.
    loses: bool,
    scratch: PathBuf,
    vault: Vault,
    root: SigningKey,
}

/// What became of the wraps in one store.
#[derive(Debug)]
pub struct StoreOutcome {
    /// The store.
    pub url: String,
    /// Old wraps that are gone now.
    pub removed: Vec<String>,
    /// Approvals with shares of old wraps that are gone now.
    pub approvals: Vec<String>,
    /// What is known of versions that the store keeps of what was taken away.
    pub versions: OldVersions,
    /// Old wraps and approvals that are still there, and why; versions of them too.
    pub left: Vec<(String, Error)>,
    /// Why it was not given the new keys, or was not seen to be without the old ones.
    pub failed: Option<Error>,
}

/// What is known of versions of old wraps and approvals.
#[derive(Debug, Default)]
pub enum OldVersions {
    /// So many were removed, and none is listed any more that is not told of as left.
    Removed(u64),
    /// This kind of store cannot be asked: there may be some.
    #[default]
    Unknown,
    /// It could be asked, and did not answer.
    Failed(Error),
}

/// A change that is in force.
#[derive(Debug)]
pub struct KeyOutcome {
    /// The keyring in force.
    pub keyring: u32,
    /// The vault's store, then the copies'.
    pub stores: Vec<StoreOutcome>,
}

impl StoreOutcome {
    /// A store of which nothing is known yet.
    pub fn of(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            removed: Vec::new(),
            approvals: Vec::new(),
            versions: OldVersions::default(),
            left: Vec::new(),
            failed: None,
        }
    }
}

impl KeyOutcome {
    /// Whether an old wrap, or a copy without the new keys, is left.
    pub fn is_complete(&self) -> bool {
        self.stores.iter().all(|store| store.left.is_empty() && store.failed.is_none())
    }

    /// Whether every store has told that it keeps no version of what was taken away.
    pub fn is_proven(&self) -> bool {
        self.stores.iter().all(|store| matches!(store.versions, OldVersions::Removed(_)))
    }
}

impl KeyPlan {
    /// Plans a change with identities that open the root. `vault` is opened and unlocked with them: what is
    /// to be wrapped anew must be open.
    ///
    /// # Errors
    /// `NoKey` when these identities do not open the root or a key that is to be wrapped anew, or nobody
    /// could open a grade afterwards; `KeysRefused` when the change makes no sense; `BadKey` for a
    /// recipient that cannot be used; `OldKeyring` when the newest keyring is gone or cannot be read, and
    /// `KeysChanged` when there is a newer one than this vault was opened with.
    pub async fn make(vault: &Vault, by: &Identities, change: &KeyChange) -> Result<Self> {
        Self::make_with(vault, by, &GivenShares::default(), change).await
    }

    /// The same with shares of the root that others gave for a request.
    ///
    /// # Errors
    /// As [`KeyPlan::make`].
    pub async fn make_with(
        vault: &Vault,
        by: &Identities,
        given: &GivenShares,
        change: &KeyChange,
    ) -> Result<Self> {
        vault.refuse_outdated().await?;
        let root = vault.root_key_with(by, given).await?;
        let mut people = vault.people()?;
        let Effect { touched, rotated, shredded } = apply(vault, &mut people, change)?;
        if let Some(grade) = create::closed_grade(&active(&people)) {
            return Err(Error::KeysRefused(format!("nobody could open grade {grade} any more")));
        }
        let quorum = quorum_after(vault, &people, change)?;
        let approvals = approvals_after(vault, &people, change)?;
        // Agents are given every metadata key with each keyring, so none may be closed.
        for key in vault.sealing_keys().iter().filter(|key| key.realm == Realm::Metadata) {
            vault.identity(key.realm, key.epoch)?;
        }
        let in_force = vault.sealing_keys().iter().map(|key| WrappedKey::Sealing(key.realm, key.epoch));
        let rewrapped: Vec<_> =
            in_force.chain([WrappedKey::Root]).filter(|key| key.is_for(&touched)).collect();
        for key in &rewrapped {
            if let WrappedKey::Sealing(realm, epoch) = *key {
                vault.identity(realm, epoch)?;
            }
        }
        let newest = |realm| vault.sealing(realm).map(|(epoch, _)| (realm, epoch + 1));
        let new_epochs = rotated.into_iter().map(newest).collect::<Result<Vec<_>>>()?;
        let mut plan = Self {
            from: vault.keyring_sequence(),
            people,
            new_epochs,
            rewrapped,
            quorum,
            approvals,
            shredded,
            shut_out: Vec::new(),
            loses: matches!(change, KeyChange::Shred { .. }),
            scratch: std::env::temp_dir(),
            vault: vault.clone(),
            root,
        };
        if plan.new_metadata() {
            let unknown = plan.vault.inner.agents.values().filter(|agent| agent.recipient.is_none());
            let unreadable = plan.vault.inner.damage.enrolments().map(|id| id.to_string());
            plan.shut_out = unknown.map(|agent| agent.name.clone()).chain(unreadable).collect();
            plan.shut_out.sort_unstable();
        }
        Ok(plan)
    }

    /// Starts no new epoch of the metadata key, so that every agent goes on as it is: names and counts of
    /// what is written next stay open to whoever had the key.
    pub fn keep_metadata(&mut self) {
        self.new_epochs.retain(|(realm, _)| *realm != Realm::Metadata);
        self.shut_out.clear();
    }

    /// Whether the metadata key gets a new epoch.
    pub fn new_metadata(&self) -> bool {
        self.new_epochs.iter().any(|(realm, _)| *realm == Realm::Metadata)
    }

    /// Keeps index files below this folder, where what is held must be looked for.
    pub fn keep_scratch_in(&mut self, folder: &Path) {
        folder.clone_into(&mut self.scratch);
    }

    /// Refuses while a snapshot that needs a key which is to be destroyed is held, in the vault or in one of the
    /// `copies` that can be reached.
    ///
    /// # Errors
    /// `Held`; `HeldBack` when a note that may be a hold cannot be read.
    pub async fn refuse_held(&self, copies: &[Store]) -> Result<()> {
        if !self.loses || self.shredded.is_empty() {
            return Ok(());
        }
        let mut vaults = vec![self.vault.clone()];
        for copy in copies {
            // What is wrong with another is told when its turn comes.
            if self.look_at(copy).await.is_ok() {
                vaults.push(self.vault.at(copy.clone()));
            }
        }
        let vaults: Vec<_> = vaults.iter().collect();
        refuse_held(&vaults, Destroyed::Keys(&self.shredded, &self.scratch)).await
    }

    /// Carries the change out, in the vault and in its `copies`.
    ///
    /// # Errors
    /// Nothing is in force when it fails, unless the store lied; wraps may be left, which the next change
    /// takes away. `KeysChanged` when somebody else changed the keys meanwhile; as [`KeyPlan::refuse_held`].
    pub async fn carry_out(&self, copies: &[Store], now: Timestamp) -> Result<KeyOutcome> {
        self.refuse_held(copies).await?;
        let store = self.vault.store();
        let before = wraps(store).await?;
        let mut before_there = Vec::new();
        for copy in copies {
            before_there.push(self.look_at(copy).await);
        }
        let (keyring, objects) = self.keyring(now)?;
        for (name, wrap) in &objects {
            store.create_confirmed(name, wrap.clone()).await?;
        }
        let name = names::keyring(keyring.sequence);
        let signed = create::signed(Kind::Keyring, &self.root, self.vault.id(), &keyring);
        if let Err(error) = put_in_force(store, &name, &signed).await {
            if matches!(error, Error::KeysChanged { .. }) {
                for name in objects.keys() {
                    // What stays is taken away by the next change.
                    let _ = store.remove(name).await;
                }
            }
            return Err(error);
        }
        let in_force = super::wraps::named_by(&keyring).map(str::to_owned).collect();
        let mut own = clean(store, &before, &in_force).await;
        approvals::clean(&self.vault, store, &in_force, &mut own).await;
        versions::clean(store, &in_force, &mut own).await;
        let mut stores = vec![own];
        for (copy, before) in copies.iter().zip(before_there) {
            let carried = match before {
                Ok(before) => self.carry_to(copy, &in_force, (&name, &signed), &before).await,
                Err(error) => Err(error),
            };
            stores.push(carried.unwrap_or_else(|error| StoreOutcome {
                failed: Some(error),
                ..StoreOutcome::of(copy.url())
            }));
        }
        Ok(KeyOutcome { keyring: keyring.sequence, stores })
    }

    /// A copy's wraps. Another vault there is refused.
    async fn look_at(&self, copy: &Store) -> Result<Vec<String>> {
        let record = match copy.get(names::VAULT).await {
            Err(Error::Missing { .. }) => return Err(Error::NoVault { url: copy.url().to_owned() }),
            record => record?,
        };
        self.vault.check_record(&record)?;
        wraps(copy).await
    }

    /// Gives a copy the wraps and the keyring in force, then takes the old wraps away there.
    async fn carry_to(
        &self,
        copy: &Store,
        in_force: &BTreeSet<String>,
        (name, keyring): (&str, &Bytes),
        before: &[String],
    ) -> Result<StoreOutcome> {
        for wrap in in_force {
            if copy.size(wrap).await?.is_none() {
                let bytes = self.vault.store().get(wrap).await?;
                copy.create_confirmed(wrap, bytes).await?;
            }
        }
        put_in_force(copy, name, keyring).await?;
        let mut outcome = clean(copy, before, in_force).await;
        approvals::clean(&self.vault, copy, in_force, &mut outcome).await;
        versions::clean(copy, in_force, &mut outcome).await;
        Ok(outcome)
    }

    /// The next keyring and the wraps that are to be written for it.
    fn keyring(&self, now: Timestamp) -> Result<(Keyring, BTreeMap<String, Bytes>)> {
        let (vault, people) = (&self.vault, active(&self.people));
        let mut objects = BTreeMap::new();
        // To one for any of them, or in shares.
        let mut wrap =
            |key: WrappedKey, secret: &[u8], grades: &[Grade]| -> Result<(String, Option<Shares>)> {
                let (word, epoch) = match key {
                    WrappedKey::Sealing(realm, epoch) => (realm.as_str(), epoch),
                    WrappedKey::Root => ("root", 1),
                };
                let wrapped = create::wrap(word, epoch, secret, self.quorum_of(key), &people, grades)?;
                objects.extend(wrapped.objects);
                Ok((wrapped.wrap, wrapped.shares))
            };
        let mut shredded = vault.shredded().to_vec();
        let (gone, mut keys): (Vec<_>, Vec<_>) = vault
            .sealing_keys()
            .iter()
            .cloned()
            .partition(|key| self.shredded.contains(&(key.realm, key.epoch)));
        shredded.extend(gone.into_iter().map(|SealingKey { realm, epoch, recipient, .. }| ShreddedKey {
            realm,
            epoch,
            recipient,
            time: now.to_string(),
        }));
        for key in &mut keys {
            let named = WrappedKey::Sealing(key.realm, key.epoch);
            if self.rewrapped.contains(&named) {
                let identity = vault.identity(key.realm, key.epoch)?.to_string();
                let secret = identity.expose_secret().as_bytes();
                (key.wrap, key.shares) = wrap(named, secret, &grades_of(key.realm))?;
            }
        }
        let mut metadata: Vec<_> = vault.inner.metadata.values().cloned().collect();
        for (realm, epoch) in &self.new_epochs {
            let identity = x25519::Identity::generate();
            let secret = identity.to_string();
            let named = WrappedKey::Sealing(*realm, *epoch);
            let (wrap, shares) = wrap(named, secret.expose_secret().as_bytes(), &grades_of(*realm))?;
            let recipient = identity.to_public().to_string();
            keys.push(SealingKey { realm: *realm, epoch: *epoch, recipient, wrap, shares });
            if *realm == Realm::Metadata {
                metadata.push(identity);
            }
        }
        keys.sort_by_key(|key| key.epoch);
        let (root_wrap, root_shares) = match self.rewrapped.contains(&WrappedKey::Root) {
            true => wrap(WrappedKey::Root, hex::encode(self.root.to_bytes()).as_bytes(), &[Grade::High])?,
            false => {
                let (wrap, shares) = vault.root_wrap();
                (wrap.to_owned(), shares.cloned())
            }
        };
        let mut needs = vault.inner.keyring.needs.clone();
        needs.read.retain(|need| need != QUORUM && need != APPROVALS);
        if !self.approvals.is_empty() {
            needs.read.push(APPROVALS.to_owned());
        }
        if root_shares.is_some() || keys.iter().any(|key| key.shares.is_some()) {
            needs.read.push(QUORUM.to_owned());
        }
        let newest = metadata.last().expect("an open vault has a metadata key").to_public();
        let secrets = unlock::secrets(&vault.inner.keyring, &vault.inner.metadata)?;
        let keyring = Keyring {
            sequence: self.from + 1,
            created: now.to_string(),
            needs,
            secrets: create::seal_json(&newest, &secrets),
            keys,
            root_wrap,
            root_shares,
            approvals: self.approvals.clone(),
            people: create::seal_json(&newest, &self.people_at(now)?),
            agents: self.agents(&metadata),
            shredded,
        };
        Ok((keyring, objects))
    }

    /// How many people open a key together after the change. The metadata opens for each of them; the root, which
    /// could make another policy, goes with grade high.
    fn quorum_of(&self, key: WrappedKey) -> u8 {
        let grade = match key {
            WrappedKey::Sealing(Realm::Metadata, _) => return 1,
            WrappedKey::Sealing(Realm::Rows(grade), _) => grade,
            WrappedKey::Root => Grade::High,
        };
        self.quorum.iter().find(|(known, _)| *known == grade).map_or(1, |(_, people)| *people)
    }

    /// Whoever is retired by this change is so from now on, and signs nothing more; whoever has no signing key
    /// yet is given one.
    fn people_at(&self, now: Timestamp) -> Result<Vec<PersonRecord>> {
        let listed = |person: &PersonRecord| {
            let mut person = person.clone();
            if person.is_active() {
                if person.signing.is_none() {
                    person.signing = Some(PersonSigning::make(&Person::from(&person))?);
                }
                return Ok(person);
            }
            person.retired.get_or_insert_with(|| now.to_string());
            person.signing.iter_mut().for_each(|signing| signing.secret = None);
            Ok(person)
        };
        self.people.iter().map(listed).collect()
    }

    /// What agents need beyond their enrolments, once there is more than one metadata key. What was given to
    /// one whose enrolment cannot be read now stays as it is.
    fn agents(&self, metadata: &[x25519::Identity]) -> Vec<AgentKeys> {
        if metadata.len() < 2 {
            return Vec::new();
        }
        let given = self.vault.inner.keyring.agents.iter().cloned().map(|keys| (keys.id, keys));
        let mut agents: BTreeMap<AgentId, AgentKeys> = given.collect();
        agents.extend(self.vault.inner.agents.iter().filter_map(|(id, agent)| {
            let recipient = agent.recipient.as_ref()?;
            Some((*id, AgentKeys { id: *id, metadata: enrol::for_agent(recipient, metadata) }))
        }));
        agents.into_values().collect()
    }
}

fn active(people: &[PersonRecord]) -> Vec<Person> {
    people.iter().filter(|person| person.is_active()).map(Person::from).collect()
}

/// Who is given a realm's key: those who have one of these grades.
fn grades_of(realm: Realm) -> Vec<Grade> {
    match realm {
        Realm::Metadata => Grade::ALL.to_vec(),
        Realm::Rows(grade) => vec![grade],
    }
}

/// Creates a keyring. Another one of that name, whatever its size, is somebody else's change.
async fn put_in_force(store: &Store, name: &str, keyring: &Bytes) -> Result<()> {
    match store.create(name, keyring.clone()).await? {
        Created::Exists => return Err(Error::KeysChanged { object: name.to_owned() }),
        Created::New => {}
    }
    match store.size(name).await? {
        Some(bytes) if bytes == keyring.len() as u64 => Ok(()),
        _ => Err(Error::Missing { object: name.to_owned() }),
    }
}

/// The wraps that a store has, whoever they are of.
async fn wraps(store: &Store) -> Result<Vec<String>> {
    let listed = store.list(names::KEYS).await?.into_iter().map(|object| object.name);
    Ok(listed.filter(|name| name.ends_with(".age")).collect())
}

/// Takes away the wraps that were there before and are not in force, and asks the store what it lists then:
/// whatever is not in force is told as left.
async fn clean(store: &Store, before: &[String], in_force: &BTreeSet<String>) -> StoreOutcome {
    let mut outcome = StoreOutcome::of(store.url());
    for name in before.iter().filter(|name| !in_force.contains(*name)) {
        match store.remove(name).await {
            Ok(_) => outcome.removed.push(name.clone()),
            Err(error) => outcome.left.push((name.clone(), error)),
        }
    }
    match wraps(store).await {
        Ok(listed) => {
            let untold = |name: &String| outcome.left.iter().all(|(left, _)| left != name);
            let strays = listed.into_iter().filter(|name| !in_force.contains(name) && untold(name));
            for name in strays.collect::<Vec<_>>() {
                let reason = match outcome.removed.contains(&name) {
                    true => "the store says that it was removed, and still lists it",
                    false => "it was not there when the change began, and no keyring in force names it",
                };
                outcome.removed.retain(|removed| *removed != name);
                outcome.left.push((name.clone(), Error::damaged(&name, reason)));
            }
        }
        Err(error) => outcome.failed = Some(error),
    }
    outcome
}
