//! An agent's own key: it signs what the agent writes and opens the metadata identity that its
//! enrolment holds. It opens no rows.

use std::path::Path;
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::verifying_key;
use crate::{AgentId, Error, Result};

/// The secret half, kept in the agent's state folder.
#[derive(Clone)]
pub struct AgentKey {
    /// The agent's name for people.
    pub name: String,
    pub(crate) signing: SigningKey,
    pub(crate) identity: age::x25519::Identity,
}

/// What a new host asks a person to enrol: its public keys.
#[derive(Debug, Clone)]
pub struct EnrolmentRequest {
    /// The host's name for people.
    pub name: String,
    pub(crate) signing: VerifyingKey,
    pub(crate) recipient: age::x25519::Recipient,
}

/// The file that an [`AgentKey`] is kept in.
#[derive(Serialize, Deserialize)]
struct KeyFile {
    lifeboat: String,
    name: String,
    signing: String,
    identity: String,
}

const KEY_FILE: &str = "agent key, version 1: signs and reads metadata, opens no rows";
const REQUEST: &str = "lifeboat-host-1";

impl AgentKey {
    /// Makes a new key.
    pub fn generate(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            signing: SigningKey::from_bytes(&rand::random()),
            identity: age::x25519::Identity::generate(),
        }
    }

    /// The agent's id.
    pub fn id(&self) -> AgentId {
        id_of(&self.signing.verifying_key())
    }

    /// The public half, for a person to enrol.
    pub fn request(&self) -> EnrolmentRequest {
        EnrolmentRequest {
            name: self.name.clone(),
            signing: self.signing.verifying_key(),
            recipient: self.identity.to_public(),
        }
    }

    /// Reads a key file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Self::parse(&text).ok_or_else(|| Error::BadKey {
            what: path.display().to_string(),
            reason: "it is not an agent's key file".into(),
        })
    }

    /// Whether the file at `path` is an agent's key, as far as its beginning tells.
    pub fn is_at(path: &Path) -> bool {
        std::fs::read_to_string(path).is_ok_and(|text| Self::parse(&text).is_some())
    }

    fn parse(text: &str) -> Option<Self> {
        let file: KeyFile = serde_json::from_str(text).ok()?;
        let mut seed = [0; 32];
        hex::decode_to_slice(&file.signing, &mut seed).ok()?;
        let identity = age::x25519::Identity::from_str(&file.identity).ok()?;
        Some(Self { name: file.name, signing: SigningKey::from_bytes(&seed), identity })
    }

    /// Writes a key file that only its owner may read; never replaces one.
    pub fn write_new(&self, path: &Path) -> Result<()> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let file = KeyFile {
            lifeboat: KEY_FILE.into(),
            name: self.name.clone(),
            signing: hex::encode(self.signing.to_bytes()),
            identity: self.identity.to_string().expose_secret().to_owned(),
        };
        let text = serde_json::to_string_pretty(&file).expect("plain text serialises");
        let write = || {
            let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            out.write_all(text.as_bytes())?;
            out.write_all(b"\n")?;
            out.sync_all()
        };
        write().map_err(|error| Error::io(path, error))
    }
}

impl EnrolmentRequest {
    /// The agent's id.
    pub fn id(&self) -> AgentId {
        id_of(&self.signing)
    }
}

impl std::fmt::Display for EnrolmentRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let signing = hex::encode(self.signing.as_bytes());
        write!(f, "{REQUEST}:{}:{signing}:{}", self.name, self.recipient)
    }
}

impl FromStr for EnrolmentRequest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let mut words = text.trim().split(':');
            let (REQUEST, name, signing, recipient, None) =
                (words.next()?, words.next()?, words.next()?, words.next()?, words.next())
            else {
                return None;
            };
            Some(Self {
                name: name.into(),
                signing: verifying_key(signing)?,
                recipient: recipient.parse().ok()?,
            })
        };
        parse().ok_or_else(|| Error::BadKey {
            what: "the host's request".into(),
            reason: format!("it must be the whole line `{REQUEST}:…` that the host printed"),
        })
    }
}

pub(super) fn id_of(key: &VerifyingKey) -> AgentId {
    AgentId::from_slice(&blake3::hash(key.as_bytes()).as_bytes()[..16]).expect("16 of 32 bytes")
}
