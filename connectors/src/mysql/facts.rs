//! `schema.json`: everything of a database that is not rows, as the statements that make it again.
//!
//! Statements stand as the server's own `SHOW CREATE` prints them, so that a person can run them by
//! hand. They change only when the database does, so that an unchanged schema is stored once.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, SchemaFile};

/// The file's name.
pub(super) const SCHEMA: &str = "schema.json";

/// A whole database around its rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Schema {
    /// `mysql` or `mariadb`: one's statements are not the other's.
    pub(super) family: String,
    pub(super) database: String,
    pub(super) charset: String,
    pub(super) collation: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    pub(super) tables: Vec<TableDefinition>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) sequences: Vec<Sequence>,
    /// Procedures, functions, packages, triggers, events and views, in the order they are made in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) programs: Vec<Program>,
    /// The accounts that objects run as and those that may use the database, with their grants where they
    /// could be read. Never passwords.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) accounts: Vec<Account>,
}

/// A table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TableDefinition {
    pub(super) name: String,
    pub(super) create: Code,
    /// Whether it is large enough for its indexes to be built after its rows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) large: bool,
    /// Whether it keeps its history.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) versioned: bool,
}

/// A sequence and where it stands: what it would give next, read after the snapshot and never behind it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sequence {
    pub(super) name: String,
    pub(super) create: String,
    pub(super) next: String,
}

/// What an object that holds statements is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Package,
    PackageBody,
    Function,
    Procedure,
    View,
    Trigger,
    Event,
}

impl Kind {
    /// As SQL says it.
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Package => "PACKAGE",
            Self::PackageBody => "PACKAGE BODY",
            Self::Function => "FUNCTION",
            Self::Procedure => "PROCEDURE",
            Self::View => "VIEW",
            Self::Trigger => "TRIGGER",
            Self::Event => "EVENT",
        }
    }
}

/// An object that holds statements, with the session that it was made in and runs in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Program {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) create: Code,
    pub(super) definer: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) sql_mode: String,
    pub(super) charset: String,
    pub(super) collation: String,
    /// The database's collation when it was made, which its variables have.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) database_collation: String,
    /// The table of a trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) table: Option<String>,
    /// The time zone of an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) time_zone: Option<String>,
}

/// A statement as the server keeps it: a body in the character set of whoever typed it, a table's definition
/// with what a binary column has for a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Code {
    Text(String),
    /// What is no UTF-8, in hexadecimal digits.
    Bytes {
        hex: String,
    },
}

impl Code {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Bytes { hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect() },
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Bytes { hex } => {
                let pairs = hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
                pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
            }
        }
    }
}

/// An account or a role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Account {
    /// `user@host`; a role of MariaDB's has no host.
    pub(super) account: String,
    /// What its connections must have, such as `REQUIRE SSL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) require: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) grants: Vec<String>,
}

impl Schema {
    pub(super) fn to_file(&self) -> Result<SchemaFile> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| Error::Failed {
            what: format!("writing {SCHEMA}"),
            reason: error.to_string(),
        })?;
        Ok(SchemaFile { name: SCHEMA.to_owned(), bytes })
    }

    pub(super) fn parse(files: &[SchemaFile]) -> Result<Self> {
        let damaged = |reason: String| Error::Damaged { what: SCHEMA.to_owned(), reason };
        let file = files.iter().find(|file| file.name == SCHEMA);
        let file = file.ok_or_else(|| damaged("the snapshot does not have it".into()))?;
        serde_json::from_slice(&file.bytes).map_err(|error| damaged(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_any_bytes_comes_back() {
        for bytes in [&b"SELECT 1"[..], b"SELECT '\xe4\xff'", b""] {
            let code = Code::of(bytes);
            let json = serde_json::to_string(&code).expect("JSON");
            assert_eq!(serde_json::from_str::<Code>(&json).expect("code").bytes(), bytes);
        }
    }
}
