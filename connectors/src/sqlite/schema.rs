//! `schema.json`: everything of a database that is not rows, as it is stored in a snapshot.

use serde::{Deserialize, Serialize};

use super::tokens::{Token, tokens, unquoted};
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

/// A virtual table, and the tables beneath it that its module keeps its rows in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualTable {
    /// Its name.
    pub name: String,
    /// The names of the tables beneath.
    pub beneath: Vec<String>,
    /// Whether it is an index of text.
    pub is_full_text: bool,
    /// Whether it is an index of another table's text, from which it can be made anew.
    pub can_be_rebuilt: bool,
}

impl VirtualTable {
    /// Whether a statement names it or a table beneath it.
    pub fn is_named_by(&self, sql: &str) -> bool {
        let is_its = |name: &str| {
            self.name.eq_ignore_ascii_case(name)
                || self.beneath.iter().any(|table| table.eq_ignore_ascii_case(name))
        };
        tokens(sql).iter().any(|token| is_its(&unquoted(token.text)))
    }
}

impl Schema {
    /// Every virtual table.
    pub fn virtual_tables(&self) -> Vec<VirtualTable> {
        let made = self.objects.iter().filter(|object| object.is_virtual_table());
        made.map(|object| {
            let sql = object.sql.as_deref().unwrap_or_default();
            let tokens = tokens(sql);
            let module = module(&tokens);
            let beneath = self
                .objects
                .iter()
                .filter(|table| table.has_rows() && is_beneath(&table.name, &object.name, suffixes(&module)));
            VirtualTable {
                name: object.name.clone(),
                beneath: beneath.map(|table| table.name.clone()).collect(),
                is_full_text: module.starts_with("fts"),
                can_be_rebuilt: matches!(module.as_str(), "fts4" | "fts5") && has_content_elsewhere(&tokens),
            }
        })
        .collect()
    }

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

    /// Whether it is a table that has its rows elsewhere.
    pub fn is_virtual_table(&self) -> bool {
        self.kind == "table" && !self.stored
    }

    /// Whether SQLite makes it by itself: `sqlite_sequence`, `sqlite_stat1` and their like.
    pub fn is_internal(&self) -> bool {
        self.name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"))
    }
}

/// The module of a virtual table, in small letters.
fn module(tokens: &[Token<'_>]) -> String {
    let using = tokens.iter().position(|token| token.text.eq_ignore_ascii_case("using"));
    let module = using.and_then(|using| tokens.get(using + 1));
    module.map(|module| unquoted(module.text).to_ascii_lowercase()).unwrap_or_default()
}

/// What a module adds to a virtual table's name for the tables beneath it; nothing is known of an application's own.
fn suffixes(module: &str) -> Option<&'static [&'static str]> {
    match module {
        "fts5" => Some(&["data", "idx", "content", "docsize", "config"]),
        "fts3" | "fts4" => Some(&["content", "segments", "segdir", "docsize", "stat"]),
        "rtree" | "rtree_i32" | "geopoly" => Some(&["node", "parent", "rowid"]),
        "fts5vocab" | "fts4aux" | "fts3tokenize" | "dbstat" => Some(&[]),
        _ => None,
    }
}

fn is_beneath(table: &str, virtual_table: &str, suffixes: Option<&[&str]>) -> bool {
    let begins =
        table.get(..virtual_table.len()).is_some_and(|start| start.eq_ignore_ascii_case(virtual_table));
    let Some(suffix) = table.get(virtual_table.len()..).filter(|_| begins) else { return false };
    let Some(suffix) = suffix.strip_prefix('_') else { return false };
    suffixes.is_none_or(|known| known.iter().any(|known| known.eq_ignore_ascii_case(suffix)))
}

/// Whether a full-text index says that the text is another table's: `content = 'notes'`, and not that it keeps none.
fn has_content_elsewhere(tokens: &[Token<'_>]) -> bool {
    tokens.windows(3).any(|three| {
        let [name, equals, value] = three else { return false };
        name.is("content") && equals.text == "=" && !unquoted(value.text).is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_beneath_a_virtual_one_are_known_by_its_module() {
        let object = |name: &str, stored: bool, sql: &str| Object {
            kind: "table".into(),
            name: name.into(),
            tbl_name: name.into(),
            stored,
            sql: Some(sql.into()),
        };
        let check = |sql: &str, tables: &[&str], expected: &[&str], can_be_rebuilt: bool| {
            let tables = tables.iter().map(|table| object(table, true, "CREATE TABLE x (a)"));
            let objects = std::iter::once(object("n", false, sql)).chain(tables).collect();
            let pragmas = Pragmas {
                page_size: 4096,
                auto_vacuum: 0,
                encoding: "UTF-8".into(),
                user_version: 0,
                application_id: 0,
                default_cache_size: 0,
                journal_mode: "wal".into(),
            };
            let found = Schema::new(pragmas, objects).virtual_tables().remove(0);
            assert_eq!(
                (found.beneath, found.can_be_rebuilt),
                (expected.iter().map(|name| (*name).to_owned()).collect(), can_be_rebuilt),
                "{sql}"
            );
        };
        let all = ["n_data", "N_Content", "n_log", "nn_data", "n"];
        check("CREATE VIRTUAL TABLE n USING fts5(a)", &all, &["n_data", "N_Content"], false);
        check(
            "CREATE VIRTUAL TABLE \"n\" using FTS5(a, content = 'notes')",
            &all,
            &["n_data", "N_Content"],
            true,
        );
        check("CREATE VIRTUAL TABLE n USING fts4(content=\"\", a)", &all, &["N_Content"], false);
        check("CREATE VIRTUAL TABLE n USING fts5(a, content='')", &all, &["n_data", "N_Content"], false);
        check("CREATE VIRTUAL TABLE n USING theirs(a)", &all, &["n_data", "N_Content", "n_log"], false);
        check("CREATE VIRTUAL TABLE n USING fts5vocab(x, row)", &all, &[], false);
    }
}
