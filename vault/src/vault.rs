//! A vault, opened: its record, keyring and agents checked against the root, and the keys at hand.
//!
//! Opening trusts nothing but the root key: everything else must carry a signature that leads to it.
//! Rows stay closed until [`Vault::unlock`] is given a person's identities.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use age::x25519;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{SigningKey, VerifyingKey};

use crate::format::envelope::{Envelope, Kind, Signer};
use crate::format::keys::{Keyring, PersonRecord};
use crate::format::names;
use crate::format::record::VaultRecord;
use crate::keys::{self, AgentKey, Derived, Identities};
use crate::seal::{self, NotOpened};
use crate::store::Store;
use crate::{AgentId, Error, Grade, Realm, Result, RowDigest, VaultId};

mod create;
mod enrol;
mod open;
mod unlock;
mod wraps;

pub use create::{NewVault, create};

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
        let grades = BTreeMap::new();
        let inner = Inner { store, record, derived, root, keyring, agents, metadata, grades, damage };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens what these identities may open of the grades and returns the vault with it. A wrap that
    /// is damaged is left closed and stands in [`Vault::damage`].
    pub async fn unlock(&self, identities: &Identities) -> Result<Self> {
        let mut inner = Inner::clone(&self.inner);
        for key in &self.inner.keyring.keys {
            let Realm::Rows(grade) = key.realm else { continue };
            let opened = unlock::wrap(&inner.store, key, identities).await;
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

    /// The people who may open something, with their grades.
    pub fn people(&self) -> Result<Vec<PersonRecord>> {
        let name = names::keyring(self.inner.keyring.sequence);
        let damaged = || Error::damaged(&name, "its list of people cannot be read");
        let sealed = BASE64_STANDARD.decode(&self.inner.keyring.people).map_err(|_| damaged())?;
        let identities = self.inner.metadata.values().map(|identity| identity as &dyn age::Identity);
        let plain = seal::open(identities, &sealed).map_err(|_| damaged())?;
        serde_json::from_slice(&plain).map_err(|_| damaged())
    }

    /// A digest of rows under this vault's key.
    pub fn row_digest(&self) -> RowDigest {
        RowDigest::new(self.inner.derived.row_key())
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
        };
        let body = envelope.verify(name, key, self.id())?;
        Ok((envelope.signer, self.open_metadata(name, body)?))
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
        let keyring = &self.inner.keyring;
        keyring.keys.iter().map(|key| key.wrap.as_str()).chain([keyring.root_wrap.as_str()])
    }

    pub(crate) fn open_metadata(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let identities = self.inner.metadata.values().map(|identity| identity as &dyn age::Identity);
        seal::open(identities, sealed).map_err(|error| match error {
            NotOpened::NoKey(_) => Error::damaged(name, "it is not sealed to this vault's metadata key"),
            NotOpened::Damaged(reason) => Error::damaged(name, reason),
        })
    }

    pub(crate) fn identity(&self, realm: Realm, epoch: u32) -> Result<&x25519::Identity> {
        let identity = match realm {
            Realm::Metadata => self.inner.metadata.get(&epoch),
            Realm::Rows(grade) => self.inner.grades.get(&(grade, epoch)),
        };
        identity.ok_or_else(|| match realm {
            Realm::Metadata => Error::no_key(format!("metadata of epoch {epoch}"), None),
            Realm::Rows(grade) => Error::no_grade_key(grade, epoch),
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
        let name = &self.inner.keyring.root_wrap;
        let sealed = self.inner.store.get(name).await?;
        let plain = seal::open(identities.iter(), &sealed).map_err(|error| match error {
            NotOpened::NoKey(reason) => Error::no_key("the vault's root key", reason),
            NotOpened::Damaged(reason) => Error::damaged(name, reason),
        })?;
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
