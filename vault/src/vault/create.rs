//! Making a vault: keys are drawn, wrapped to the people, and the vault record is written last, so
//! that an interrupted `create` leaves no vault.

use age::secrecy::ExposeSecret;
use age::x25519;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use jiff::Timestamp;

use super::open::QUORUM;
use super::wraps::tag;
use super::{enrol, shares};
use crate::format::envelope::{Kind, Signer, sign};
use crate::format::keys::{Keyring, Needs, PersonRecord, PersonSigning, SealingKey, Secrets, Shares};
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

/// Makes a vault in an empty place. `quorum` says which grades take so many people together, from the first key
/// on; any of those who have another opens it alone.
///
/// # Errors
/// `NotEmpty` when there is a vault already, or what an interrupted `create` left; `BadKey` when a
/// person's recipient is unusable; `NoKey` when nobody could open a grade; `KeysRefused` when a grade would take
/// more people than have it.
pub async fn create(
    store: Store,
    people: &[Person],
    quorum: &[(Grade, u8)],
    chunks: ChunkSizes,
    now: Timestamp,
) -> Result<NewVault> {
    refuse_what_is_there(&store).await?;
    refuse_unopenable(people)?;
    let quorum_of =
        |grade: Grade| quorum.iter().find(|(of, _)| *of == grade).map_or(1, |(_, people)| *people);
    for grade in Grade::ALL {
        check_quorum(grade, quorum_of(grade), people.iter().map(|person| &*person.grades))?;
    }
    let id = VaultId(rand::random());
    let root = SigningKey::from_bytes(&rand::random());
    let wrapped_root = hex::encode(root.to_bytes());
    let high = quorum_of(Grade::High);
    let wrapped = wrap("root", 1, wrapped_root.as_bytes(), high, people, &[Grade::High])?;
    let (root_wrap, root_shares) = write_wraps(&store, wrapped).await?;

    let metadata = x25519::Identity::generate();
    let mut sealing_keys = Vec::new();
    for realm in Realm::ALL {
        let (identity, together, grades) = match realm {
            Realm::Metadata => (metadata.clone(), 1, Grade::ALL.to_vec()),
            Realm::Rows(grade) => (x25519::Identity::generate(), quorum_of(grade), vec![grade]),
        };
        let secret = identity.to_string();
        let secret = secret.expose_secret().as_bytes();
        let wrapped = wrap(realm.as_str(), 1, secret, together, people, &grades)?;
        let (wrap, shares) = write_wraps(&store, wrapped).await?;
        let recipient = identity.to_public().to_string();
        sealing_keys.push(SealingKey { realm, epoch: 1, recipient, wrap, shares });
    }
    let is_split = root_shares.is_some() || sealing_keys.iter().any(|key| key.shares.is_some());

    let metadata_recipient = metadata.to_public();
    let secrets = Secrets { dedup: hex::encode(rand::random::<[u8; 32]>()), gear: rand::random::<u64>() | 1 };
    let keyring = Keyring {
        sequence: 1,
        created: now.to_string(),
        needs: Needs { read: is_split.then(|| QUORUM.to_owned()).into_iter().collect(), write: Vec::new() },
        secrets: seal_json(&metadata_recipient, &secrets),
        keys: sealing_keys,
        root_wrap,
        root_shares,
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

/// Whether as many people have a grade as it would take together.
pub(super) fn check_quorum<'a>(
    grade: Grade,
    needed: u8,
    people: impl Iterator<Item = &'a [Grade]>,
) -> Result<()> {
    let there = people.filter(|grades| grades.contains(&grade)).count();
    match needed == 0 || there < usize::from(needed) {
        false => Ok(()),
        true => Err(Error::KeysRefused(format!(
            "grade {grade} would take {needed} people together, and {there} have it"
        ))),
    }
}

/// What a keyring says of a wrapped key, and the objects that are to be written before it.
pub(super) struct Wrapped {
    /// The one object that any of the people opens; empty where it takes several.
    pub(super) wrap: String,
    /// How it is split.
    pub(super) shares: Option<Shares>,
    pub(super) objects: Vec<(String, Bytes)>,
}

/// Wraps a secret to the people who have one of `grades`: so that any of them opens it, or `together` of them.
pub(super) fn wrap(
    key: &str,
    epoch: u32,
    secret: &[u8],
    together: u8,
    people: &[Person],
    grades: &[Grade],
) -> Result<Wrapped> {
    if together > 1 {
        let (shares, objects) = shares::split(key, epoch, secret, together, people, grades)?;
        return Ok(Wrapped { wrap: String::new(), shares: Some(shares), objects });
    }
    let mut recipients = Vec::new();
    for person in people.iter().filter(|person| person.grades.iter().any(|grade| grades.contains(grade))) {
        recipients.push(person.to_recipient()?);
    }
    let sealed = seal(recipients.iter().map(|recipient| &**recipient as &dyn age::Recipient), secret)?;
    let wrap = names::wrap(key, epoch, &tag(&sealed));
    Ok(Wrapped { objects: vec![(wrap.clone(), Bytes::from(sealed))], wrap, shares: None })
}

async fn write_wraps(store: &Store, wrapped: Wrapped) -> Result<(String, Option<Shares>)> {
    for (name, object) in wrapped.objects {
        store.create(&name, object).await?;
    }
    Ok((wrapped.wrap, wrapped.shares))
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
        let PersonRecord { name, recipient, grades, branch, role, .. } = record.clone();
        Self { name, recipient, grades, branch, role }
    }
}

impl From<&Person> for PersonRecord {
    fn from(person: &Person) -> Self {
        let Person { name, recipient, grades, branch, role } = person.clone();
        Self { name, recipient, grades, retired: None, had: Vec::new(), signing: None, branch, role }
    }
}
