//! A vault, opened: its record, keyring and agents checked against the root, and the keys at hand.
//!
//! Opening trusts nothing but the root key: everything else must carry a signature that leads to it.
//! Rows stay closed until [`Vault::unlock`] is given a person's identities.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use age::secrecy::ExposeSecret;
use age::x25519;
use ed25519_dalek::{SigningKey, VerifyingKey};

use crate::format::envelope::{Envelope, Kind, Signer};
use crate::format::keys::{Keyring, PersonRecord, SealingKey, Shares, ShreddedKey};
use crate::format::names;
use crate::format::record::VaultRecord;
use crate::keys::{self, AgentKey, Derived, Identities, PersonKey};
use crate::seal::{self, NotOpened};
use crate::store::Store;
use crate::{AgentId, Error, Grade, Realm, Result, RowDigest, VaultId};

mod create;
mod enrol;
mod open;
mod outdated;
mod rekey;
mod shares;
mod since;
mod unlock;
mod wraps;

pub use create::{NewVault, create};
pub use rekey::{KeyChange, KeyOutcome, KeyPlan, OldVersions, StoreOutcome};
pub use shares::GivenShares;
pub(crate) use shares::open_own as open_own_share;
pub(crate) use unlock::wrap as open_wrap;
pub(crate) use wraps::tag;

/// Who opens a vault.
#[derive(Clone, Copy)]
pub enum Opener<'a> {
    /// A person, with whatever identities they have.
    Person(&'a Identities),
    /// An enrolled agent: metadata only.
    Agent(&'a AgentKey),
}

/// An open vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Clone)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) record: VaultRecord,
    pub(crate) derived: Derived,
    root: VerifyingKey,
    keyring: Keyring,
    agents: HashMap<AgentId, Enrolled>,
    /// Everybody whom the keyring lists and who has a signing key, the retired too.
    people: HashMap<AgentId, (String, VerifyingKey)>,
    metadata: BTreeMap<u32, x25519::Identity>,
    grades: BTreeMap<(Grade, u32), x25519::Identity>,
    damage: Damage,
}

/// What was found damaged on the way and could be done without.
#[derive(Clone, Default)]
struct Damage(Vec<Arc<Error>>);

impl Damage {
    /// Takes what was opened; notes damage; passes a key that does not fit as nothing, and any other
    /// error on.
    fn or_open<T>(&mut self, opened: Result<T>) -> Result<Option<T>> {
        match opened {
            Ok(opened) => Ok(Some(opened)),
            Err(Error::NoKey { .. }) => Ok(None),
            Err(error) if error.is_damage() => {
                self.0.push(Arc::new(error));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What was noted of an object, to be told as the reason for something.
    fn about(&self, name: &str) -> Option<Error> {
        self.0.iter().find_map(|error| match &**error {
            Error::Damaged { object, reason } if object == name => Some(Error::damaged(name, reason)),
            Error::Untrusted { object, reason } if object == name => Some(Error::untrusted(name, reason)),
            Error::Missing { object } if object == name => Some(Error::Missing { object: object.clone() }),
            _ => None,
        })
    }

    /// Agents whose enrolments were noted.
    fn enrolments(&self) -> impl Iterator<Item = AgentId> {
        self.0.iter().filter_map(|error| match &**error {
            Error::Damaged { object, .. } | Error::Untrusted { object, .. } | Error::Missing { object } => {
                object.strip_prefix(names::AGENTS)?.strip_prefix('/')?.parse().ok()
            }
            _ => None,
        })
    }

    /// The first thing noted, when nothing could be opened because of it.
    fn take_first(&mut self) -> Option<Error> {
        (!self.0.is_empty()).then(|| self.0.remove(0)).and_then(Arc::into_inner)
    }
}

/// An agent that the root has enrolled.
#[derive(Debug, Clone)]
struct Enrolled {
    name: String,
    signing: VerifyingKey,
    /// Not known of those enrolled by programs that did not write it down.
    recipient: Option<x25519::Recipient>,
}

impl Vault {
    /// Opens the vault in `store`; `root` pins the fingerprint that its root key must have.
    ///
    /// # Errors
    /// `NoVault`; `Unsupported` for a newer format; `Untrusted` when a signature or the pinned root does
    /// not fit; `NoKey` when the opener may not read its metadata.
    pub async fn open(store: Store, opener: Opener<'_>, root: Option<&str>) -> Result<Self> {
        let mut damage = Damage::default();
        let (record, root) = open::record(&store, root).await?;
        let keyring = open::keyring(&store, &root, record.id, &mut damage).await?;
        let agents = open::agents(&store, &root, record.id, &mut damage).await?;
        let metadata = match opener {
            Opener::Person(identities) => unlock::metadata(&store, &keyring, identities, &mut damage).await?,
            Opener::Agent(agent) => open::agent_metadata(&keyring, agent, &agents, &damage)?,
        };
        let secrets = unlock::secrets(&keyring, &metadata)?;
        let derived = Derived::from_secrets(&secrets).ok_or_else(|| {
            Error::damaged(names::keyring(keyring.sequence), "its secrets are not what they should be")
        })?;
        let agents = agents.into_iter().map(|(id, (_, enrolled))| (id, enrolled)).collect();
        // A list that cannot be read closes nothing but itself, and what people have signed.
        let people = damage.or_open(open::people(&keyring, &metadata))?.unwrap_or_default();
        let people = people.into_iter();
        let people =
            people.filter_map(|person| Some((person.id()?, (person.name.clone(), person.verifying_key()?))));
        let people = people.collect();
        let grades = BTreeMap::new();
        let inner = Inner { store, record, derived, root, keyring, agents, people, metadata, grades, damage };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens what these identities may open of the grades and returns the vault with it. A wrap that
    /// is damaged is left closed and stands in [`Vault::damage`].
    pub async fn unlock(&self, identities: &Identities) -> Result<Self> {
        self.unlock_with(identities, &GivenShares::default()).await
    }

    /// The same with shares that others gave for a request.
    pub async fn unlock_with(&self, identities: &Identities, given: &GivenShares) -> Result<Self> {
        let mut inner = Inner::clone(&self.inner);
        for key in &self.inner.keyring.keys {
            let Realm::Rows(grade) = key.realm else { continue };
            let opened = unlock::wrap(&inner.store, key, identities, given).await;
            if let Some(identity) = inner.damage.or_open(opened)? {
                inner.grades.insert((grade, key.epoch), identity);
            }
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Keyrings, wraps and enrolments that were found damaged while opening. What they would have
    /// opened or vouched for stays closed and unbelieved; everything else is as good as ever.
    pub fn damage(&self) -> impl ExactSizeIterator<Item = &Error> {
        self.inner.damage.0.iter().map(|error| &**error)
    }

    /// The vault's id.
    pub fn id(&self) -> VaultId {
        self.inner.record.id
    }

    /// The fingerprint of the root key, as the recovery sheet has it.
    pub fn fingerprint(&self) -> String {
        keys::fingerprint(&self.inner.root)
    }

    /// The same vault as it lies in another store, with the keys at hand: one of its copies.
    pub(crate) fn at(&self, store: Store) -> Self {
        Self { inner: Arc::new(Inner { store, ..Inner::clone(&self.inner) }) }
    }

    /// The store beneath.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Grades whose rows of every epoch can be opened.
    pub fn unlocked(&self) -> Vec<Grade> {
        let open = |grade: &Grade| {
            let epochs = self.inner.keyring.keys.iter().filter(|key| key.realm == Realm::Rows(*grade));
            epochs.clone().count() > 0
                && epochs.clone().all(|key| self.inner.grades.contains_key(&(*grade, key.epoch)))
        };
        Grade::ALL.into_iter().filter(open).collect()
    }

    /// The people who may open something, with their grades, and those who are retired, without.
    pub fn people(&self) -> Result<Vec<PersonRecord>> {
        open::people(&self.inner.keyring, &self.inner.metadata)
    }

    /// The people whose identities these are, with the keys that they sign with; nobody when the keyring lists
    /// none of them, or was made before people had signing keys.
    ///
    /// # Errors
    /// Damage of the keyring's list of people.
    pub fn person_keys(&self, identities: &Identities) -> Result<Vec<PersonKey>> {
        let people = self.people()?;
        let active = people.iter().filter(|person| person.is_active());
        Ok(active.filter_map(|person| person.open_key(identities)).collect())
    }

    /// What a person who signs is called.
    pub(crate) fn person_name(&self, id: AgentId) -> Option<String> {
        self.inner.people.get(&id).map(|(name, _)| name.clone())
    }

    /// A digest of rows under this vault's key.
    pub fn row_digest(&self) -> RowDigest {
        RowDigest::new(self.inner.derived.row_key())
    }

    /// The key of the values that stand in for others in a restore, of the most sensitive grade that is open: whoever
    /// has it can tell what they stand for. The same until that grade's keys are rotated; nothing where none is open.
    pub fn mask_key(&self) -> Option<[u8; 32]> {
        let grade = self.unlocked().into_iter().min()?;
        let (_, newest) = self.inner.grades.range((grade, 0)..=(grade, u32::MAX)).next_back()?;
        Some(blake3::derive_key("lifeboat 1 mask", newest.to_string().expose_secret().as_bytes()))
    }

    /// The sequence number of the keyring in force.
    pub fn keyring_sequence(&self) -> u32 {
        self.inner.keyring.sequence
    }

    /// What a writer must know that this program does not, if there is such a thing.
    pub(crate) fn unknown_need_to_write(&self) -> Option<&str> {
        self.inner.keyring.needs.write.first().map(String::as_str)
    }

    /// What an enrolled agent is called.
    pub fn agent_name(&self, id: AgentId) -> Option<&str> {
        self.inner.agents.get(&id).map(|agent| agent.name.as_str())
    }

    pub(crate) fn agent_key(&self, name: &str, id: AgentId) -> Result<&VerifyingKey> {
        let agent = self.inner.agents.get(&id);
        agent
            .map(|agent| &agent.signing)
            .ok_or_else(|| Error::untrusted(name, format!("agent {id} is not enrolled")))
    }

    /// Checks an object signed by an enrolled agent and opens its sealed body.
    pub(crate) fn open_sealed(&self, name: &str, kind: Kind, object: &[u8]) -> Result<(AgentId, Vec<u8>)> {
        let envelope = Envelope::parse(name, kind, object)?;
        let Signer::Agent(agent) = envelope.signer else {
            return Err(Error::untrusted(name, "it is signed by the root, which writes no such object"));
        };
        let body = envelope.verify(name, self.agent_key(name, agent)?, self.id())?;
        Ok((agent, self.open_metadata(name, body)?))
    }

    /// Checks a note, which an enrolled agent or the root may sign, and opens its body.
    pub(crate) fn open_note(&self, name: &str, object: &[u8]) -> Result<(Signer, Vec<u8>)> {
        let envelope = Envelope::parse(name, Kind::Note, object)?;
        let key = match envelope.signer {
            Signer::Root => &self.inner.root,
            Signer::Agent(agent) => self.agent_key(name, agent)?,
            Signer::Person(_) => {
                return Err(Error::untrusted(name, "it is signed by a person, who writes no notes"));
            }
        };
        let body = envelope.verify(name, key, self.id())?;
        Ok((envelope.signer, self.open_metadata(name, body)?))
    }

    /// The key that vouches for an entry of the record.
    pub(crate) fn audit_key(&self, name: &str, signer: Signer) -> Result<&VerifyingKey> {
        match signer {
            Signer::Agent(agent) => self.agent_key(name, agent),
            Signer::Person(id) => self
                .inner
                .people
                .get(&id)
                .map(|(_, key)| key)
                .ok_or_else(|| Error::untrusted(name, format!("the keyring lists no person {id}"))),
            Signer::Root => Err(Error::untrusted(name, "the root keeps no record")),
        }
    }

    /// Checks an entry of the record, and opens its body.
    pub(crate) fn open_audit(&self, name: &str, object: &[u8]) -> Result<(Signer, Vec<u8>)> {
        let envelope = Envelope::parse(name, Kind::Audit, object)?;
        let body = envelope.verify(name, self.audit_key(name, envelope.signer)?, self.id())?;
        Ok((envelope.signer, self.open_metadata(name, body)?))
    }

    /// Checks an object that only people sign, those who are retired too, and opens its body.
    pub(crate) fn open_of_person(&self, name: &str, kind: Kind, object: &[u8]) -> Result<(AgentId, Vec<u8>)> {
        let envelope = Envelope::parse(name, kind, object)?;
        let Signer::Person(person) = envelope.signer else {
            return Err(Error::untrusted(name, "it is not signed by a person, and only people decide"));
        };
        let body = envelope.verify(name, self.audit_key(name, envelope.signer)?, self.id())?;
        Ok((person, self.open_metadata(name, body)?))
    }

    /// Checks that an object is this vault's record.
    pub(crate) fn check_record(&self, object: &[u8]) -> Result<()> {
        let envelope = Envelope::parse(names::VAULT, Kind::Vault, object)?;
        envelope.verify(names::VAULT, &self.inner.root, self.id()).map(drop)
    }

    /// Checks that an object is the keyring of this name.
    pub(crate) fn check_keyring(&self, name: &str, object: &[u8]) -> Result<()> {
        open::check_keyring(name, object, &self.inner.root, self.id()).map(drop)
    }

    /// Checks that an object is the enrolment of this name.
    pub(crate) fn check_enrolment(&self, name: &str, object: &[u8]) -> Result<()> {
        open::check_agent(name, object, &self.inner.root, self.id()).map(drop)
    }

    /// The wrapped keys that the keyring in force names.
    pub(crate) fn wraps_in_force(&self) -> impl Iterator<Item = &str> {
        wraps::named_by(&self.inner.keyring)
    }

    /// Every sealing key, oldest epoch first.
    pub(crate) fn sealing_keys(&self) -> &[SealingKey] {
        &self.inner.keyring.keys
    }

    /// The public halves of every key that seals or has sealed.
    pub fn sealing_recipients(&self) -> impl Iterator<Item = &str> {
        self.sealing_keys().iter().map(|key| key.recipient.as_str())
    }

    /// The epochs of a grade's keys, oldest first.
    pub fn epochs(&self, grade: Grade) -> Vec<u32> {
        let of_grade = self.sealing_keys().iter().filter(|key| key.realm == Realm::Rows(grade));
        of_grade.map(|key| key.epoch).collect()
    }

    /// Whether several people open the root together.
    pub fn splits_root(&self) -> bool {
        self.root_wrap().1.is_some()
    }

    /// Keys that were destroyed on purpose, oldest first.
    pub fn shredded(&self) -> &[ShreddedKey] {
        &self.inner.keyring.shredded
    }

    /// A key that this vault was opened with and that has been destroyed since.
    pub(crate) async fn shredded_meanwhile(&self) -> Result<Option<(Realm, u32)>> {
        let now = self.keyring_now().await?;
        let is_gone = |key: &&SealingKey| {
            now.shredded.iter().any(|gone| (gone.realm, gone.epoch) == (key.realm, key.epoch))
        };
        Ok(self.sealing_keys().iter().find(is_gone).map(|key| (key.realm, key.epoch)))
    }

    /// The object that wraps the root's secret key, or how it is split.
    pub(crate) fn root_wrap(&self) -> (&str, Option<&Shares>) {
        (&self.inner.keyring.root_wrap, self.inner.keyring.root_shares.as_ref())
    }

    /// How many people it takes together to open what is sealed to a grade now: one, unless a policy says
    /// more.
    pub fn quorum(&self, grade: Grade) -> u8 {
        let newest = self.sealing_keys().iter().rfind(|key| key.realm == Realm::Rows(grade));
        newest.and_then(|key| key.shares.as_ref()).map_or(1, |shares| shares.threshold)
    }

    /// How many others must approve a restore that opens a grade, although one person could open it alone: none,
    /// unless a policy says so.
    pub fn approvers(&self, grade: Grade) -> u8 {
        let policy = self.inner.keyring.approvals.iter().find(|policy| policy.grade == grade);
        policy.map_or(0, |policy| policy.people)
    }

    pub(crate) fn open_metadata(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let identities = self.inner.metadata.values().map(|identity| identity as &dyn age::Identity);
        seal::open(identities, sealed).map_err(|error| match error {
            NotOpened::NoKey(_) if self.opens_all_metadata() => Error::OldKeyring {
                in_force: self.keyring_sequence(),
                sign: format!("{name} is sealed to a metadata key that it does not name"),
            },
            NotOpened::NoKey(_) => Error::damaged(name, "it is not sealed to a metadata key that is open"),
            NotOpened::Damaged(reason) => Error::damaged(name, reason),
        })
    }

    /// Whether the metadata key of every epoch is open.
    fn opens_all_metadata(&self) -> bool {
        let mut keys = self.sealing_keys().iter().filter(|key| key.realm == Realm::Metadata);
        keys.all(|key| self.inner.metadata.contains_key(&key.epoch))
    }

    pub(crate) fn identity(&self, realm: Realm, epoch: u32) -> Result<&x25519::Identity> {
        let identity = match realm {
            Realm::Metadata => self.inner.metadata.get(&epoch),
            Realm::Rows(grade) => self.inner.grades.get(&(grade, epoch)),
        };
        let destroyed = self.shredded().iter().find(|key| key.realm == realm && key.epoch == epoch);
        if let (None, Some(key)) = (identity, destroyed) {
            return Err(shredded(key));
        }
        identity.ok_or_else(|| match realm {
            Realm::Metadata => Error::no_key(format!("metadata of epoch {epoch}"), None),
            Realm::Rows(grade) => match self.quorum(grade) {
                1 => Error::no_grade_key(grade, epoch),
                some => Error::no_key(
                    format!("rows of grade {grade}, epoch {epoch}, which {some} people open together"),
                    None,
                ),
            },
        })
    }

    /// The key that seals what is written now.
    pub(crate) fn sealing(&self, realm: Realm) -> Result<(u32, x25519::Recipient)> {
        let name = names::keyring(self.inner.keyring.sequence);
        let key = self.inner.keyring.keys.iter().rfind(|key| key.realm == realm);
        let key = key.ok_or_else(|| Error::damaged(&name, format!("it has no key for {realm}")))?;
        let recipient = x25519::Recipient::from_str(&key.recipient);
        let recipient = recipient.map_err(|reason| Error::damaged(&name, reason))?;
        Ok((key.epoch, recipient))
    }

    /// The root's secret key, for those people whom it is wrapped to.
    pub(crate) async fn root_key(&self, identities: &Identities) -> Result<SigningKey> {
        self.root_key_with(identities, &GivenShares::default()).await
    }

    /// The same with shares that others gave for a request.
    pub(crate) async fn root_key_with(
        &self,
        identities: &Identities,
        given: &GivenShares,
    ) -> Result<SigningKey> {
        const WHAT: &str = "the vault's root key";
        let (name, shares) = self.root_wrap();
        let plain = match shares {
            Some(shares) => shares::join(&self.inner.store, WHAT, shares, identities, given).await?,
            None => {
                let sealed = self.inner.store.get(name).await?;
                seal::open(identities.iter(), &sealed).map_err(|error| match error {
                    NotOpened::NoKey(reason) => Error::no_key(WHAT, reason),
                    NotOpened::Damaged(reason) => Error::damaged(name, reason),
                })?
            }
        };
        let name = if name.is_empty() { WHAT } else { name };
        let mut seed = [0; 32];
        hex::decode_to_slice(plain.trim_ascii(), &mut seed)
            .map_err(|_| Error::damaged(name, "it holds no key"))?;
        let key = SigningKey::from_bytes(&seed);
        if key.verifying_key() != self.inner.root {
            return Err(Error::damaged(name, "it holds another vault's root key"));
        }
        Ok(key)
    }
}

/// What nobody can open any more, said where it is needed.
fn shredded(ShreddedKey { realm, epoch, time, .. }: &ShreddedKey) -> Error {
    Error::damaged(format!("what was sealed to {realm} {epoch}"), format!("its key was shredded at {time}"))
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({})", self.id())
    }
}
