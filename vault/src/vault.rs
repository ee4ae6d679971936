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
use crate::format::keys::{Enrolment, Keyring, PersonRecord};
use crate::format::record::{Secrets, VaultRecord};
use crate::format::{VERSION, names};
use crate::keys::{self, AgentKey, Derived, Identities};
use crate::seal::{self, NotOpened};
use crate::store::Store;
use crate::{AgentId, Error, Grade, Realm, Result, RowDigest, VaultId};

mod create;
mod enrol;

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

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) record: VaultRecord,
    pub(crate) derived: Derived,
    root: VerifyingKey,
    keyring: Keyring,
    agents: HashMap<AgentId, Enrolled>,
    metadata: BTreeMap<u32, x25519::Identity>,
    grades: BTreeMap<(Grade, u32), x25519::Identity>,
    /// Enrolments that cannot be read: what those agents wrote cannot be trusted until they are mended.
    damage: Arc<Vec<Error>>,
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
        let (record, root) = read_record(&store, root).await?;
        let keyring = read_keyring(&store, &root, record.id).await?;
        let (agents, damage) = read_agents(&store, &root, record.id).await?;
        let metadata = match open_metadata(&store, opener, &keyring, &agents).await {
            Err(Error::NoKey { .. }) if matches!(opener, Opener::Agent(_)) && !damage.is_empty() => {
                return Err(damage.into_iter().next().expect("one at least"));
            }
            other => other?,
        };
        let secrets = open_secrets(&record, &metadata)?;
        let derived = Derived::from_secrets(&secrets)
            .ok_or_else(|| Error::damaged(names::VAULT, "its secrets are not what they should be"))?;
        let agents = agents.into_iter().map(|(id, (_, enrolled))| (id, enrolled)).collect();
        let (grades, damage) = (BTreeMap::new(), Arc::new(damage));
        let inner = Inner { store, record, derived, root, keyring, agents, metadata, grades, damage };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens what these identities may open of the grades and returns the vault with it.
    pub async fn unlock(&self, identities: &Identities) -> Result<Self> {
        let inner = &self.inner;
        let mut grades = inner.grades.clone();
        for key in &inner.keyring.keys {
            let Realm::Rows(grade) = key.realm else { continue };
            match open_wrap(&inner.store, &key.wrap, identities).await {
                Ok(identity) => grades.insert((grade, key.epoch), identity),
                Err(Error::NoKey { .. }) => continue,
                Err(error) => return Err(error),
            };
        }
        Ok(Self {
            inner: Arc::new(Inner {
                store: inner.store.clone(),
                record: inner.record.clone(),
                derived: inner.derived.clone(),
                root: inner.root,
                keyring: inner.keyring.clone(),
                agents: inner.agents.clone(),
                metadata: inner.metadata.clone(),
                grades,
                damage: Arc::clone(&inner.damage),
            }),
        })
    }

    /// Enrolments that were found damaged while opening. What their agents wrote is not believed;
    /// everything else is.
    pub fn damage(&self) -> &[Error] {
        &self.inner.damage
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

    pub(crate) fn open_metadata(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let identities = self.inner.metadata.values().map(|identity| identity as &dyn age::Identity);
        seal::open(identities, sealed).map_err(|error| match error {
            NotOpened::NoKey => Error::damaged(name, "it is not sealed to this vault's metadata key"),
            NotOpened::Damaged(reason) => Error::damaged(name, reason),
        })
    }

    pub(crate) fn identity(&self, realm: Realm, epoch: u32) -> Result<&x25519::Identity> {
        let identity = match realm {
            Realm::Metadata => self.inner.metadata.get(&epoch),
            Realm::Rows(grade) => self.inner.grades.get(&(grade, epoch)),
        };
        identity.ok_or_else(|| match realm {
            Realm::Metadata => Error::NoKey { what: format!("metadata of epoch {epoch}") },
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
            NotOpened::NoKey => Error::NoKey { what: "the vault's root key".into() },
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

/// Reads and checks the vault record.
async fn read_record(store: &Store, pinned: Option<&str>) -> Result<(VaultRecord, VerifyingKey)> {
    let object = match store.get(names::VAULT).await {
        Err(Error::Missing { .. }) => return Err(Error::NoVault { url: store.url().to_owned() }),
        other => other?,
    };
    let damaged = |reason: &str| Error::damaged(names::VAULT, reason);
    let envelope = Envelope::parse(names::VAULT, Kind::Vault, &object)?;
    let record: VaultRecord =
        serde_json::from_slice(envelope.body).map_err(|error| damaged(&error.to_string()))?;
    let root = keys::verifying_key(&record.root).ok_or_else(|| damaged("its root key is no key"))?;
    envelope.verify(names::VAULT, &root, record.id)?;
    if let Some(need) = record.needs.read.first() {
        return Err(Error::Unsupported {
            found: format!("{VERSION} with {need}"),
            known: VERSION.to_string(),
        });
    }
    if let Some(pinned) = pinned
        && !pinned.eq_ignore_ascii_case(&keys::fingerprint(&root))
    {
        let found = keys::fingerprint(&root);
        return Err(Error::untrusted(names::VAULT, format!("expected the root {pinned}, found {found}")));
    }
    Ok((record, root))
}

/// Reads the newest keyring.
async fn read_keyring(store: &Store, root: &VerifyingKey, vault: VaultId) -> Result<Keyring> {
    let listed = store.list(names::KEYS).await?;
    let newest = listed.into_iter().map(|object| object.name).filter(|name| name.contains("/keyring-")).max();
    let name = newest.ok_or_else(|| Error::Missing { object: names::keyring(1) })?;
    let object = store.get(&name).await?;
    let keyring: Keyring = read_signed_by_root(&name, Kind::Keyring, &object, root, vault)?;
    if names::keyring(keyring.sequence) != name {
        return Err(Error::untrusted(name, "it is another keyring under this name"));
    }
    Ok(keyring)
}

type Agents = HashMap<AgentId, (Enrolment, Enrolled)>;

/// Reads every enrolment, and says which cannot be read: one damaged object must not close the vault.
async fn read_agents(store: &Store, root: &VerifyingKey, vault: VaultId) -> Result<(Agents, Vec<Error>)> {
    let (mut agents, mut damage) = (HashMap::new(), Vec::new());
    for object in store.list(names::AGENTS).await? {
        match read_agent(store, &object.name, root, vault).await {
            Ok((enrolment, enrolled)) => drop(agents.insert(enrolment.id, (enrolment, enrolled))),
            Err(error) if error.is_damage() => damage.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok((agents, damage))
}

async fn read_agent(
    store: &Store,
    name: &str,
    root: &VerifyingKey,
    vault: VaultId,
) -> Result<(Enrolment, Enrolled)> {
    let object = store.get(name).await?;
    let enrolment: Enrolment = read_signed_by_root(name, Kind::Agent, &object, root, vault)?;
    let signing = keys::verifying_key(&enrolment.signing);
    let signing = signing.ok_or_else(|| Error::damaged(name, "its signing key is no key"))?;
    if names::agent(enrolment.id) != name {
        return Err(Error::untrusted(name, "it is another agent's enrolment under this name"));
    }
    let enrolled = Enrolled { name: enrolment.name.clone(), signing };
    Ok((enrolment, enrolled))
}

fn read_signed_by_root<T: serde::de::DeserializeOwned>(
    name: &str,
    kind: Kind,
    object: &[u8],
    root: &VerifyingKey,
    vault: VaultId,
) -> Result<T> {
    let envelope = Envelope::parse(name, kind, object)?;
    if envelope.signer != Signer::Root {
        return Err(Error::untrusted(name, "it is not signed by the root"));
    }
    let body = envelope.verify(name, root, vault)?;
    serde_json::from_slice(body).map_err(|error| Error::damaged(name, error))
}

/// Opens the metadata identities of every epoch.
async fn open_metadata(
    store: &Store,
    opener: Opener<'_>,
    keyring: &Keyring,
    agents: &Agents,
) -> Result<BTreeMap<u32, x25519::Identity>> {
    let epochs = keyring.keys.iter().filter(|key| key.realm == Realm::Metadata);
    let mut opened = BTreeMap::new();
    match opener {
        Opener::Person(identities) => {
            for key in epochs {
                match open_wrap(store, &key.wrap, identities).await {
                    Ok(identity) => opened.insert(key.epoch, identity),
                    Err(Error::NoKey { .. }) => continue,
                    Err(error) => return Err(error),
                };
            }
        }
        Opener::Agent(agent) => {
            let name = names::agent(agent.id());
            let what = || format!("the vault's metadata: agent {} is not enrolled in it", agent.name);
            let (enrolment, _) = agents.get(&agent.id()).ok_or_else(|| Error::NoKey { what: what() })?;
            let sealed = BASE64_STANDARD.decode(&enrolment.metadata);
            let sealed = sealed.map_err(|_| Error::damaged(&name, "its metadata key is not base64"))?;
            let plain = seal::open_own(&agent.identity, &name, &sealed)?;
            let identity = parse_identity(&name, &plain)?;
            let recipient = identity.to_public().to_string();
            opened.extend(
                epochs.filter(|key| key.recipient == recipient).map(|key| (key.epoch, identity.clone())),
            );
        }
    }
    if opened.is_empty() {
        return Err(Error::NoKey { what: "the vault's metadata".into() });
    }
    Ok(opened)
}

async fn open_wrap(store: &Store, name: &str, identities: &Identities) -> Result<x25519::Identity> {
    let sealed = store.get(name).await?;
    let plain = seal::open(identities.iter(), &sealed).map_err(|error| match error {
        NotOpened::NoKey => Error::NoKey { what: name.to_owned() },
        NotOpened::Damaged(reason) => Error::damaged(name, reason),
    })?;
    parse_identity(name, &plain)
}

fn parse_identity(name: &str, plain: &[u8]) -> Result<x25519::Identity> {
    let text = std::str::from_utf8(plain).map_err(|_| Error::damaged(name, "it holds no key"))?;
    x25519::Identity::from_str(text.trim()).map_err(|reason| Error::damaged(name, reason))
}

fn open_secrets(record: &VaultRecord, metadata: &BTreeMap<u32, x25519::Identity>) -> Result<Secrets> {
    let damaged = || Error::damaged(names::VAULT, "its secrets do not open with the metadata key");
    let sealed = BASE64_STANDARD.decode(&record.secrets).map_err(|_| damaged())?;
    let identities = metadata.values().map(|identity| identity as &dyn age::Identity);
    let plain = seal::open(identities, &sealed).map_err(|_| damaged())?;
    serde_json::from_slice(&plain).map_err(|_| damaged())
}
