//! A person's signing key. age does not sign, so Lifeboat makes each person an Ed25519 key, seals its secret
//! half to their recipient, and keeps both in the keyring's sealed list of people: whoever has the identity
//! has the key, on any machine.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{SigningKey, VerifyingKey};

use super::agent::id_of;
use super::{Identities, Person, verifying_key};
use crate::format::keys::{PersonRecord, PersonSigning};
use crate::{AgentId, Result, seal};

/// A person's key, opened: it signs what they do.
#[derive(Clone)]
pub struct PersonKey {
    /// What the keyring calls them.
    pub name: String,
    pub(crate) id: AgentId,
    pub(crate) signing: SigningKey,
}

impl PersonKey {
    /// What their entries are kept under.
    pub fn id(&self) -> AgentId {
        self.id
    }
}

impl PersonSigning {
    /// Makes a key for a person.
    ///
    /// # Errors
    /// `BadKey` when their recipient cannot be sealed to.
    pub(crate) fn make(person: &Person) -> Result<Self> {
        let key = SigningKey::from_bytes(&rand::random());
        let recipient = person.to_recipient()?;
        let recipients = std::iter::once(&*recipient as &dyn age::Recipient);
        let sealed = seal::seal(recipients, hex::encode(key.to_bytes()).as_bytes())?;
        Ok(Self {
            public: hex::encode(key.verifying_key().as_bytes()),
            secret: Some(BASE64_STANDARD.encode(sealed)),
        })
    }
}

impl PersonRecord {
    /// What their entries in the record are kept under; nothing while they have no signing key.
    pub fn id(&self) -> Option<AgentId> {
        self.verifying_key().map(|key| id_of(&key))
    }

    pub(crate) fn verifying_key(&self) -> Option<VerifyingKey> {
        verifying_key(&self.signing.as_ref()?.public)
    }

    /// Opens their signing key, if these identities are theirs.
    pub(crate) fn open_key(&self, identities: &Identities) -> Option<PersonKey> {
        let signing = self.signing.as_ref()?;
        let sealed = BASE64_STANDARD.decode(signing.secret.as_ref()?).ok()?;
        let plain = seal::open(identities.iter(), &sealed).ok()?;
        let mut seed = [0; 32];
        hex::decode_to_slice(plain.trim_ascii(), &mut seed).ok()?;
        let key = SigningKey::from_bytes(&seed);
        let public = key.verifying_key();
        (Some(public) == self.verifying_key()).then(|| PersonKey {
            name: self.name.clone(),
            id: id_of(&public),
            signing: key,
        })
    }
}
