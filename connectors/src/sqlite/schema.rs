//! `schema.json`: everything of a database that is not rows, as it is stored in a snapshot.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, SchemaFile};

/// The name of the schema's one file.
pub const SCHEMA_FILE: &str = "schema.json";

/// The form of the file; a reader refuses any other.
const FORM: u32 = 1;

/// The whole schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Which form of this file it is.
    pub form: u32,
    /// What the database's header says.
    pub pragmas: Pragmas,
    /// The rows of `sqlite_schema`, in their order.
    pub objects: Vec<Object>,
}

/// The pragmas that are kept in a database file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pragmas {
    /// Bytes of a page.
    pub page_size: i64,
    /// 0 none, 1 full, 2 incremental.
    pub auto_vacuum: i64,
    /// `UTF-8`, `UTF-16le` or `UTF-16be`.
    pub encoding: String,
    /// The application's own number.
    pub user_version: i64,
    /// The application's file type.
    pub application_id: i64,
    /// Pages of the cache that the file asks for; what is not positive leaves it to SQLite.
    #[serde(default)]
    pub default_cache_size: i64,
    /// `wal`, or the rollback journal's mode.
    pub journal_mode: String,
}

/// One row of `sqlite_schema`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// `table`, `index`, `view` or `trigger`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table it belongs to.
    pub tbl_name: String,
    /// Whether it has pages of its own: virtual tables, views and triggers have none.
    pub stored: bool,
    /// Its statement; an index that a constraint made has none.
    pub sql: Option<String>,
}

impl Schema {
    /// Puts a schema together in today's form.
    pub fn new(pragmas: Pragmas, objects: Vec<Object>) -> Self {
        Self { form: FORM, pragmas, objects }
    }

    /// Writes the schema down.
    pub fn to_file(&self) -> Result<SchemaFile> {
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::Failed { what: SCHEMA_FILE.into(), reason: error.to_string() })?;
        Ok(SchemaFile { name: SCHEMA_FILE.into(), bytes })
    }

    /// Finds and reads the schema among a snapshot's files.
    pub fn from_files(files: &[SchemaFile]) -> Result<Self> {
        let damaged = |reason: String| Error::Damaged { what: SCHEMA_FILE.into(), reason };
        let file = files.iter().find(|file| file.name == SCHEMA_FILE);
        let file = file.ok_or_else(|| damaged("the snapshot has none".into()))?;
        let schema: Self = serde_json::from_slice(&file.bytes).map_err(|error| damaged(error.to_string()))?;
        if schema.form == FORM {
            return Ok(schema);
        }
        Err(Error::Unsupported {
            what: format!("form {} of {SCHEMA_FILE}", schema.form),
            reason: format!("this program knows form {FORM}; use a newer one"),
        })
    }
}

impl Object {
    /// Whether it is a table with rows of its own.
    pub fn has_rows(&self) -> bool {
        self.kind == "table" && self.stored
    }

    /// Whether SQLite makes it by itself: `sqlite_sequence`, `sqlite_stat1` and their like.
    pub fn is_internal(&self) -> bool {
        self.name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"))
    }
}
