//! Keyrings and enrolments: which keys there are, who may open them, which agents may write.

use serde::{Deserialize, Serialize};

use crate::{AgentId, Grade, Realm};

/// The JSON body of `keys/keyring-N`, signed by the root; the highest `N` that verifies
/// holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyring {
    /// Its `N`, so that a renamed keyring is noticed.
    pub sequence: u32,
    /// RFC 3339, UTC.
    pub created: String,
    /// Abilities beyond version 1 that a program must know to write (`write`) or to read (`read`).
    pub needs: Needs,
    /// The [`Secrets`] as JSON in an age file to the newest metadata key, base64.
    pub secrets: String,
    /// Every sealing key, oldest epoch first; a realm's last one seals what is written now.
    pub keys: Vec<SealingKey>,
    /// Where the root's secret key is wrapped.
    pub root_wrap: String,
    /// A JSON list of [`PersonRecord`] in an age file to the newest metadata key, base64.
    pub people: String,
}

/// What a program must understand beyond version 1; a name it does not know makes it refuse.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// To read.
    pub read: Vec<String>,
    /// To write.
    pub write: Vec<String>,
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
    /// The metadata identities it may use, one a line, in an age file to the agent's own recipient,
    /// base64.
    pub metadata: String,
}

/// What every writer of the vault shares and no stranger may know.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    /// Keys the ids of chunks and the digests of rows: 32 bytes, hex.
    pub dedup: String,
    /// Seeds FastCDC's gear table.
    pub gear: u64,
}
