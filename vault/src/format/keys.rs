//! Keyrings and enrolments: which keys there are, who may open them, which agents may write.

use serde::{Deserialize, Serialize};

use crate::{AgentId, Grade, Realm};

/// The JSON body of `keys/keyring-N`, signed by the root; the highest `N` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyring {
    /// Its `N`, so that a renamed keyring is noticed.
    pub sequence: u32,
    /// RFC 3339, UTC.
    pub created: String,
    /// Every sealing key, oldest epoch first; a realm's last one seals what is written now.
    pub keys: Vec<SealingKey>,
    /// Where the root's secret key is wrapped.
    pub root_wrap: String,
    /// A JSON list of [`PersonRecord`] in an age file to the metadata key, base64.
    pub people: String,
}

/// A key pair made by Lifeboat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealingKey {
    /// What it seals.
    pub realm: Realm,
    /// 1 and up.
    pub epoch: u32,
    /// The public half, `age1…`.
    pub recipient: String,
    /// The object that holds its identity: an age file to the people who may read this.
    pub wrap: String,
}

/// A person who may open something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRecord {
    /// As in the configuration.
    pub name: String,
    /// Any kind of age recipient.
    pub recipient: String,
    /// What they may open.
    pub grades: Vec<Grade>,
}

/// The JSON body of `agents/ID`, signed by the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The agent's id.
    pub id: AgentId,
    /// Its name for people.
    pub name: String,
    /// RFC 3339, UTC.
    pub created: String,
    /// Its public Ed25519 key, hex.
    pub signing: String,
    /// The metadata identity, in an age file to the agent's own recipient, base64.
    pub metadata: String,
}
