//! Making a vault: keys are drawn, wrapped to the people, and the vault record is written last, so
//! that an interrupted `create` leaves no vault.

use age::secrecy::ExposeSecret;
use age::x25519;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use jiff::Timestamp;

use super::enrol;
use super::wraps::tag;
use crate::format::envelope::{Kind, Signer, sign};
use crate::format::keys::{Keyring, Needs, PersonRecord, PersonSigning, SealingKey, Secrets};
use crate::format::names;
use crate::format::record::{ChunkSizes, VaultRecord};
use crate::keys::{self, EnrolmentRequest, Person};
use crate::seal::{seal, seal_to};
use crate::store::{Created, Store};
use crate::{AgentId, Error, Grade, Realm, Result, VaultId};

/// A vault just made, with the keys still in memory, so that this host can be enrolled at once.
pub struct NewVault {
    /// Its id.
    pub id: VaultId,
    /// The fingerprint of its root key, for the recovery sheet.
    pub fingerprint: String,
    store: Store,
    root: SigningKey,
    metadata: x25519::Identity,
}

impl NewVault {
    /// Enrols a host as an agent of the new vault.
    pub async fn enrol(&self, request: &EnrolmentRequest, now: Timestamp) -> Result<AgentId> {
        enrol::write(&self.store, self.id, &self.root, std::slice::from_ref(&self.metadata), request, now)
            .await
    }
}

/// Makes a vault in an empty place.
///
/// # Errors
/// `NotEmpty` when there is a vault already, or what an interrupted `create` left; `BadKey` when a
/// person's recipient is unusable; `NoKey` when nobody could open a grade.
pub async fn create(store: Store, people: &[Person], chunks: ChunkSizes, now: Timestamp) -> Result<NewVault> {
    refuse_what_is_there(&store).await?;
    refuse_unopenable(people)?;
    let id = VaultId(rand::random());
    let root = SigningKey::from_bytes(&rand::random());
    let wrapped_root = hex::encode(root.to_bytes());
    let root_wrap = wrap(&store, "root", 1, wrapped_root.as_bytes(), people, &[Grade::High]).await?;

    let metadata = x25519::Identity::generate();
    let mut sealing_keys = Vec::new();
    for realm in Realm::ALL {
        let (identity, grades) = match realm {
            Realm::Metadata => (metadata.clone(), Grade::ALL.to_vec()),
            Realm::Rows(grade) => (x25519::Identity::generate(), vec![grade]),
        };
        let secret = identity.to_string();
        let wrap =
            wrap(&store, realm.as_str(), 1, secret.expose_secret().as_bytes(), people, &grades).await?;
        sealing_keys.push(SealingKey {
            realm,
            epoch: 1,
            recipient: identity.to_public().to_string(),
            wrap,
            shares: None,
        });
    }

    let metadata_recipient = metadata.to_public();
    let secrets = Secrets { dedup: hex::encode(rand::random::<[u8; 32]>()), gear: rand::random::<u64>() | 1 };
    let keyring = Keyring {
        sequence: 1,
        created: now.to_string(),
        needs: Needs::default(),
        secrets: seal_json(&metadata_recipient, &secrets),
        keys: sealing_keys,
        root_wrap,
        root_shares: None,
        approvals: Vec::new(),
        people: seal_json(&metadata_recipient, &listed(people)?),
        agents: Vec::new(),
        shredded: Vec::new(),
    };
    write_signed(&store, &names::keyring(1), Kind::Keyring, &root, id, &keyring).await?;

    let record = VaultRecord {
        id,
        created: now.to_string(),
        root: hex::encode(root.verifying_key().as_bytes()),
        chunks,
    };
    write_signed(&store, names::VAULT, Kind::Vault, &root, id, &record).await?;
    Ok(NewVault { id, fingerprint: keys::fingerprint(&root.verifying_key()), store, root, metadata })
}

async fn refuse_what_is_there(store: &Store) -> Result<()> {
    let refuse = |found: String| Err(Error::NotEmpty { url: store.url().to_owned(), found });
    if store.size(names::VAULT).await?.is_some() {
        return refuse("a vault".into());
    }
    let listed = store.list("").await?;
    match listed.iter().find(|object| !object.name.starts_with("probe/")) {
        None => Ok(()),
        Some(first) if first.name.starts_with(names::KEYS) => {
            refuse(format!("{} left by an interrupted init: remove it first", first.name))
        }
        Some(first) => refuse(format!("{} and is not empty", first.name)),
    }
}

fn refuse_unopenable(people: &[Person]) -> Result<()> {
    for person in people {
        person.to_recipient()?;
    }
    match closed_grade(people) {
        Some(grade) => {
            Err(Error::no_key(format!("rows of grade {grade}: no person of the configuration may"), None))
        }
        None => Ok(()),
    }
}

/// A grade that none of these people may open.
pub(super) fn closed_grade(people: &[Person]) -> Option<Grade> {
    Grade::ALL.into_iter().find(|grade| !people.iter().any(|person| person.grades.contains(grade)))
}

/// The people as the keyring lists them, each with a signing key.
fn listed(people: &[Person]) -> Result<Vec<PersonRecord>> {
    let record = |person: &Person| {
        Ok(PersonRecord { signing: Some(PersonSigning::make(person)?), ..PersonRecord::from(person) })
    };
    people.iter().map(record).collect()
}

/// Seals a secret to the people who have one of `grades` and writes it as a wrap.
async fn wrap(
    store: &Store,
    key: &str,
    epoch: u32,
    secret: &[u8],
    people: &[Person],
    grades: &[Grade],
) -> Result<String> {
    let (name, sealed) = sealed(key, epoch, secret, people, grades)?;
    store.create(&name, Bytes::from(sealed)).await?;
    Ok(name)
}

/// A secret sealed to the people who have one of `grades`, and the name of that wrap.
pub(super) fn sealed(
    key: &str,
    epoch: u32,
    secret: &[u8],
    people: &[Person],
    grades: &[Grade],
) -> Result<(String, Vec<u8>)> {
    let mut recipients = Vec::new();
    for person in people.iter().filter(|person| person.grades.iter().any(|grade| grades.contains(grade))) {
        recipients.push(person.to_recipient()?);
    }
    let sealed = seal(recipients.iter().map(|recipient| &**recipient as &dyn age::Recipient), secret)?;
    Ok((names::wrap(key, epoch, &tag(&sealed)), sealed))
}

pub(super) fn seal_json(recipient: &x25519::Recipient, value: &impl serde::Serialize) -> String {
    let plain = serde_json::to_vec(value).expect("plain data serialises");
    BASE64_STANDARD.encode(seal_to(recipient, &plain))
}

/// Writes a document signed by the root; an object of that name must not be there.
pub(super) async fn write_signed(
    store: &Store,
    name: &str,
    kind: Kind,
    root: &SigningKey,
    vault: VaultId,
    value: &impl serde::Serialize,
) -> Result<()> {
    match store.create(name, signed(kind, root, vault, value)).await? {
        Created::New => Ok(()),
        Created::Exists => Err(Error::NotEmpty { url: store.url().to_owned(), found: name.to_owned() }),
    }
}

/// A document signed by the root.
pub(super) fn signed(kind: Kind, root: &SigningKey, vault: VaultId, value: &impl serde::Serialize) -> Bytes {
    let mut body = serde_json::to_vec_pretty(value).expect("plain data serialises");
    body.push(b'\n');
    Bytes::from(sign(kind, Signer::Root, root, vault, &body))
}

impl From<&PersonRecord> for Person {
    fn from(record: &PersonRecord) -> Self {
        Self { name: record.name.clone(), recipient: record.recipient.clone(), grades: record.grades.clone() }
    }
}

impl From<&Person> for PersonRecord {
    fn from(person: &Person) -> Self {
        let Person { name, recipient, grades } = person.clone();
        Self { name, recipient, grades, retired: None, signing: None }
    }
}
