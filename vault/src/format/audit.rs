//! Entries of the record: who did what, each naming the one before it of the same writer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AgentId, Grade, SnapshotId};

/// The JSON inside the sealed body of `audit/WRITER/SEQUENCE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its place in its writer's chain, from 1.
    pub sequence: u64,
    /// BLAKE3 of the object before it in that chain, hex; of the first nothing.
    pub previous: Option<String>,
    /// The last entry that the writer saw in every other chain: its sequence and BLAKE3. So a chain that
    /// loses its end is found out by the others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub seen: BTreeMap<AgentId, (u64, String)>,
    /// When, by the writer's clock: RFC 3339, UTC.
    pub time: String,
    /// The keyring in force.
    pub keyring: u32,
    /// On which host, for people.
    pub host: String,
    /// What was done.
    #[serde(flatten)]
    pub deed: Deed,
}

/// What was done, and to what. No secret, no row, no person's data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// `backup`, `verify`, `restore`, `expire`, `prune`, `keys`, `request`, `approve`, `refuse`, `revoke`,
    /// `keep`, `release`, `break-glass`, `notify` (a test), `alert`, or what a later version does.
    pub what: String,
    /// How it ended: `begun`, `done`, `partial`, `failed`, `refused`.
    pub result: String,
    /// How it failed, or what was refused: the word for the program's exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The snapshots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<SnapshotId>,
    /// Grades of the rows that were read or written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grades: Vec<Grade>,
    /// Rows read or written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Of a verify, which rows it read; nothing where it read none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<RowsRead>,
    /// Where rows went, without account and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// BLAKE3 of the plan that was carried out, hex: the same plan has the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Of a restore that loaded what it meant to, how that went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded: Option<Loaded>,
    /// Of a backup, a test and an alert: those who are told such things, by the names that the configuration calls
    /// them. No address, no secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<String, Told>,
    /// Of an alert, the entries that it tells of: writer and sequence of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<(AgentId, u64)>,
    /// More about it, in words of the program's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Why, in words of whoever did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Somebody, or a service, that an agent tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// `email`, `dingtalk`, `ping` and so on.
    pub kind: String,
    /// When a message of this agent's, or the call after a run, was last accepted there, by the agent's clock
    /// (RFC 3339, UTC); nothing when none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

/// How a restore went that loaded what it meant to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Whether that is every table and column of the snapshot, as they were.
    pub whole: bool,
    /// Seconds until the target was complete, rounded up.
    pub load_seconds: u64,
    /// Seconds of reading it back and comparing it, rounded up; nothing where it was not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_seconds: Option<u64>,
    /// Tables whose rows or digests are not the manifest's; nothing likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differences: Option<u64>,
}

/// Which rows a verify read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowsRead {
    /// Every row of the snapshots that it is about.
    All,
    /// Some, drawn at random.
    Sample,
    /// What a later version says.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_depth_that_a_later_version_says_is_no_damage() {
        let read = |depth: &str| {
            let deed = format!("{{\"what\":\"verify\",\"result\":\"done\",\"depth\":\"{depth}\"}}");
            serde_json::from_str::<Deed>(&deed).expect("a deed").depth
        };
        assert_eq!(read("all"), Some(RowsRead::All));
        assert_eq!(read("every_second"), Some(RowsRead::Unknown));
    }
}
