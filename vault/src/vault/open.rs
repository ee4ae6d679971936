//! Opening, first half: what leads from the root key to everything that is trusted.

use std::collections::{BTreeMap, HashMap};

use age::x25519;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::VerifyingKey;

use super::{Damage, Enrolled, unlock};
use crate::format::envelope::{Envelope, Kind, Signer};
use crate::format::keys::{Enrolment, Keyring, PersonRecord};
use crate::format::record::VaultRecord;
use crate::format::{VERSION, names};
use crate::keys::{self, AgentKey};
use crate::seal;
use crate::store::Store;
use crate::{AgentId, Error, Realm, Result, VaultId};

/// What a program must know to read keys that several people open together.
pub(super) const QUORUM: &str = "quorum";

/// What a program must know to restore where others must approve it.
pub(super) const APPROVALS: &str = "approvals";

pub(super) type Agents = HashMap<AgentId, (Enrolment, Enrolled)>;

/// Reads and checks the vault record.
pub(super) async fn record(store: &Store, pinned: Option<&str>) -> Result<(VaultRecord, VerifyingKey)> {
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
    if let Some(pinned) = pinned
        && !pinned.eq_ignore_ascii_case(&keys::fingerprint(&root))
    {
        let found = keys::fingerprint(&root);
        return Err(Error::untrusted(names::VAULT, format!("expected the root {pinned}, found {found}")));
    }
    if ![record.chunks.rows, record.chunks.metadata].iter().all(|sizes| sizes.are_usable()) {
        return Err(damaged("its sizes of chunks cannot be used"));
    }
    Ok((record, root))
}

/// Reads the newest keyring that the root has signed. One above it that is damaged, or that a stranger
/// put there, is noted and passed over: it must not close the vault.
pub(super) async fn keyring(
    store: &Store,
    root: &VerifyingKey,
    vault: VaultId,
    damage: &mut Damage,
) -> Result<Keyring> {
    let listed = store.list(names::KEYS).await?.into_iter();
    let mut sequences: Vec<u32> = listed.filter_map(|object| names::keyring_sequence(&object.name)).collect();
    sequences.sort_unstable();
    for sequence in sequences.into_iter().rev() {
        if let Some(keyring) = damage.or_open(read_keyring(store, sequence, root, vault).await)? {
            if let Some(need) =
                keyring.needs.read.iter().find(|need| ![QUORUM, APPROVALS].contains(&need.as_str()))
            {
                let found = format!("{VERSION} with {need}");
                return Err(Error::Unsupported { found, known: VERSION.to_string() });
            }
            return Ok(keyring);
        }
    }
    Err(damage.take_first().unwrap_or_else(|| Error::Missing { object: names::keyring(1) }))
}

/// Reads the keyring of this sequence number.
pub(super) async fn read_keyring(
    store: &Store,
    sequence: u32,
    root: &VerifyingKey,
    vault: VaultId,
) -> Result<Keyring> {
    let name = names::keyring(sequence);
    check_keyring(&name, &store.get(&name).await?, root, vault)
}

/// Checks that an object is the keyring of this name.
pub(super) fn check_keyring(
    name: &str,
    object: &[u8],
    root: &VerifyingKey,
    vault: VaultId,
) -> Result<Keyring> {
    let keyring: Keyring = read_signed_by_root(name, Kind::Keyring, object, root, vault)?;
    if names::keyring_sequence(name) != Some(keyring.sequence) {
        return Err(Error::untrusted(name, "it is another keyring under this name"));
    }
    Ok(keyring)
}

/// Reads every enrolment. A damaged one is noted: it must not close the vault.
pub(super) async fn agents(
    store: &Store,
    root: &VerifyingKey,
    vault: VaultId,
    damage: &mut Damage,
) -> Result<Agents> {
    let mut agents = HashMap::new();
    for object in store.list(names::AGENTS).await? {
        let Some(id) = names::id::<AgentId>(&object.name) else { continue };
        if let Some(agent) = damage.or_open(read_agent(store, id, root, vault).await)? {
            agents.insert(id, agent);
        }
    }
    Ok(agents)
}

async fn read_agent(
    store: &Store,
    id: AgentId,
    root: &VerifyingKey,
    vault: VaultId,
) -> Result<(Enrolment, Enrolled)> {
    let name = names::agent(id);
    check_agent(&name, &store.get(&name).await?, root, vault)
}

/// Checks that an object is the enrolment of this name.
pub(super) fn check_agent(
    name: &str,
    object: &[u8],
    root: &VerifyingKey,
    vault: VaultId,
) -> Result<(Enrolment, Enrolled)> {
    let enrolment: Enrolment = read_signed_by_root(name, Kind::Agent, object, root, vault)?;
    let signing = keys::verifying_key(&enrolment.signing);
    let signing = signing.ok_or_else(|| Error::damaged(name, "its signing key is no key"))?;
    if names::id(name) != Some(enrolment.id) {
        return Err(Error::untrusted(name, "it is another agent's enrolment under this name"));
    }
    let recipient = enrolment.recipient.as_ref().and_then(|recipient| recipient.parse().ok());
    let enrolled = Enrolled { name: enrolment.name.clone(), signing, recipient };
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

/// The metadata identities that an agent's enrolment, and the keyring, give it.
///
/// # Errors
/// `NoKey` when it is not enrolled, or was given no identity of the newest epoch; the damage, when its enrolment is what is damaged.
pub(super) fn agent_metadata(
    keyring: &Keyring,
    agent: &AgentKey,
    agents: &Agents,
    damage: &Damage,
) -> Result<BTreeMap<u32, x25519::Identity>> {
    let name = names::agent(agent.id());
    let Some((enrolment, _)) = agents.get(&agent.id()) else {
        let what = format!("the vault's metadata: agent {} is not enrolled in it", agent.name);
        return Err(damage.about(&name).unwrap_or_else(|| Error::no_key(what, None)));
    };
    let later = keyring.agents.iter().filter(|keys| keys.id == agent.id());
    let mut opened = BTreeMap::new();
    for sealed in later.map(|keys| &keys.metadata).chain([&enrolment.metadata]) {
        let sealed = BASE64_STANDARD.decode(sealed);
        let sealed = sealed.map_err(|_| Error::damaged(&name, "its metadata keys are not base64"))?;
        let plain = seal::open_own(&agent.identity, &name, &sealed)?;
        for line in plain.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let identity = unlock::parse_identity(&name, line)?;
            let recipient = identity.to_public().to_string();
            let own =
                keyring.keys.iter().filter(|key| key.realm == Realm::Metadata && key.recipient == recipient);
            opened.extend(own.map(|key| (key.epoch, identity.clone())));
        }
    }
    let newest = keyring.keys.iter().rfind(|key| key.realm == Realm::Metadata);
    if newest.is_none_or(|key| !opened.contains_key(&key.epoch)) {
        let what =
            "the vault's metadata: its newest key was not given to this agent, which must be enrolled anew";
        return Err(Error::no_key(what, None));
    }
    Ok(opened)
}

/// Opens the keyring's list of people.
pub(super) fn people(
    keyring: &Keyring,
    metadata: &BTreeMap<u32, x25519::Identity>,
) -> Result<Vec<PersonRecord>> {
    let name = names::keyring(keyring.sequence);
    let damaged = || Error::damaged(&name, "its list of people cannot be read");
    let sealed = BASE64_STANDARD.decode(&keyring.people).map_err(|_| damaged())?;
    let identities = metadata.values().map(|identity| identity as &dyn age::Identity);
    let plain = seal::open(identities, &sealed).map_err(|_| damaged())?;
    serde_json::from_slice(&plain).map_err(|_| damaged())
}
