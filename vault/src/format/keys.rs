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
    /// Where the root's secret key is wrapped. Empty when it is split.
    pub root_wrap: String,
    /// How the root's secret key is split, if several people open it together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_shares: Option<Shares>,
    /// Grades of which others must approve each restore, although one person opens them alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalPolicy>,
    /// A JSON list of [`PersonRecord`] in an age file to the newest metadata key, base64.
    pub people: String,
    /// The metadata identities for agents that were enrolled before the newest of them was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentKeys>,
    /// Keys that were destroyed on purpose: nobody opens what they sealed, and nobody should look for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shredded: Vec<ShreddedKey>,
}

/// How many others must approve a restore that opens a grade. Programs enforce it; keys do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalPolicy {
    /// The grade.
    pub grade: Grade,
    /// How many, beside whoever restores.
    pub people: u8,
}

/// A key that was destroyed on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShreddedKey {
    /// What it sealed.
    pub realm: Realm,
    /// Of which epoch.
    pub epoch: u32,
    /// Its public half.
    pub recipient: String,
    /// When its wraps were taken away: RFC 3339, UTC.
    pub time: String,
}

/// What a keyring gives to an agent beyond its enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentKeys {
    /// Which agent.
    pub id: AgentId,
    /// As in [`Enrolment::metadata`].
    pub metadata: String,
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
    /// The object that holds its identity: an age file to the people who may read this. Empty when it is
    /// split.
    pub wrap: String,
    /// How it is split, if several people open it together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<Shares>,
}

/// A secret that several people open together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// How many of them it takes.
    pub threshold: u8,
    /// The objects that hold a share each: age files to one person.
    pub wraps: Vec<String>,
}

/// A person who may open something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRecord {
    /// As in the configuration.
    pub name: String,
    /// Any kind of age recipient.
    pub recipient: String,
    /// What they may open; nothing once they are retired.
    pub grades: Vec<Grade>,
    /// When they were retired: RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<String>,
    /// What they could open until they were retired: what they approved then stays approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub had: Vec<Grade>,
    /// What they sign the record with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<PersonSigning>,
    /// The branch that they belong to, in words of whoever listed them; it gives no access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// What they are there, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// A person's signing key, which Lifeboat made for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonSigning {
    /// The public half, hex.
    pub public: String,
    /// The secret half, 32 bytes in hex in an age file to their recipient, base64; not of who is retired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
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
    /// Its age recipient, so that it can be given what is made after its enrolment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_who_was_listed_before_branches_were_is_read_and_written_as_before() {
        let listed = r#"{"name":"wang","recipient":"age1wang","grades":["high"]}"#;
        let person: PersonRecord = serde_json::from_str(listed).expect("a person");
        assert_eq!((&person.branch, &person.role), (&None, &None));
        assert_eq!(serde_json::to_string(&person).expect("it serialises"), listed);
    }
}
