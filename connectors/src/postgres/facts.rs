//! What a snapshot keeps beside rows and pg_dump's archive, as JSON files that a person can read.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, Result, SchemaFile, TableName};

/// pg_dump's archive, in its custom format.
pub(super) const ARCHIVE: &str = "schema.pgdump";

/// `sequences.json`: where every sequence stands. Read right after the snapshot; sequences know no
/// snapshots, so a value may be ahead of the rows, never behind them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Sequences {
    pub(super) sequences: Vec<Sequence>,
}

/// One sequence.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sequence {
    pub(super) name: TableName,
    pub(super) last_value: i64,
    pub(super) is_called: bool,
}

/// `roles.json`: the cluster's roles, without passwords; a restore creates none of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Roles {
    pub(super) roles: Vec<Role>,
    pub(super) memberships: Vec<Membership>,
    /// `ALTER ROLE … SET`, for every database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) settings: Vec<Setting>,
}

/// One role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Role {
    pub(super) name: String,
    /// As `CREATE ROLE` spells them: `LOGIN`, `CREATEDB`, …
    pub(super) attributes: Vec<String>,
    pub(super) connection_limit: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) valid_until: Option<String>,
    /// Whether it owns something in this database or was granted something in it.
    pub(super) used_here: bool,
}

/// Who belongs to whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Membership {
    pub(super) role: String,
    pub(super) member: String,
    pub(super) admin: bool,
}

/// `database.json`: the database around the objects.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Database {
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) encoding: String,
    pub(super) collate: String,
    pub(super) ctype: String,
    /// `c` for libc, `i` for ICU, `b` for builtin.
    pub(super) provider: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) locale: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) icu_rules: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    pub(super) settings: Vec<Setting>,
    /// Who else than the owner may do what with the database; nothing where that is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) grants: Option<Vec<Grant>>,
    /// Sessions that it takes at once, where that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) connection_limit: Option<u64>,
    pub(super) large_objects: Vec<LargeObject>,
    /// Materialised views that held rows, to be refreshed.
    pub(super) populated_views: Vec<TableName>,
    /// Every table's oid in the archive.
    pub(super) tables: Vec<TableOid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) partitioned: Vec<Partitioned>,
    /// Major version of the pg_dump that wrote the archive: a pg_restore must not be older.
    pub(super) archive_major: u32,
}

/// `ALTER DATABASE … SET` or `ALTER ROLE … SET`, in this database or in all of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Setting {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<String>,
    pub(super) name: String,
    pub(super) value: String,
}

/// A large object's surroundings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LargeObject {
    pub(super) oid: u64,
    pub(super) owner: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    /// `SELECT TO role`, … as `GRANT` takes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) grants: Vec<Grant>,
}

/// A privilege on a large object or on the database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Grant {
    /// Nobody in particular is `PUBLIC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) grantee: Option<String>,
    pub(super) privilege: String,
    pub(super) grantable: bool,
}

/// A table and its oid.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TableOid {
    pub(super) name: TableName,
    pub(super) oid: u64,
}

/// A table that holds no rows of its own, and the tables right below it, which hold them or are partitioned
/// themselves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Partitioned {
    pub(super) name: TableName,
    pub(super) partitions: Vec<TableName>,
    /// The columns by which a row belongs to one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) placed_by: Vec<String>,
    /// Whether rows have other places among the partitions in another database.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) placed_anew: bool,
}

impl Database {
    /// The tables that hold a partitioned table's rows, at any depth.
    pub(super) fn leaves<'a>(&'a self, table: &'a Partitioned) -> Vec<&'a TableName> {
        let below = |name: &TableName| self.partitioned.iter().find(|parent| parent.name == *name);
        let leaves = table.partitions.iter().map(|name| match below(name) {
            Some(parent) => self.leaves(parent),
            None => vec![name],
        });
        leaves.flatten().collect()
    }
}

/// Writes one of the above as a file.
pub(super) fn file<T: Serialize>(name: &str, value: &T) -> Result<SchemaFile> {
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::Failed { what: format!("writing {name}"), reason: error.to_string() })?;
    Ok(SchemaFile { name: name.to_owned(), bytes })
}

/// Reads one of the above from a snapshot's files.
pub(super) fn parse<T: DeserializeOwned>(files: &[SchemaFile], name: &str) -> Result<T> {
    serde_json::from_slice(bytes(files, name)?)
        .map_err(|error| Error::Damaged { what: name.to_owned(), reason: error.to_string() })
}

/// The content of one of a snapshot's files.
pub(super) fn bytes<'a>(files: &'a [SchemaFile], name: &str) -> Result<&'a [u8]> {
    let file = files.iter().find(|file| file.name == name);
    file.map(|file| file.bytes.as_slice()).ok_or_else(|| Error::Damaged {
        what: name.to_owned(),
        reason: "the snapshot does not have it".into(),
    })
}
