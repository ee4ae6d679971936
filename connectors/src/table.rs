//! What a capture says of a table, and what a load is told of it. Stored in the manifest, so that a
//! restore needs no source.

use serde::{Deserialize, Serialize};

/// What SQLite calls its samples.
const SAMPLES: &str = "sqlite_stat4";

/// A table's name, in the spelling of its own system, unquoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// Schema (PostgreSQL) or nothing (SQLite).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Name within the schema.
    pub name: String,
}

impl TableName {
    /// Whether its rows are SQLite's own samples: values of every column that has an index, for its planner. No
    /// pattern that does not name it may open them, and masks would mislead the planner.
    pub fn is_of_samples(&self) -> bool {
        self.schema.is_none() && self.name == SAMPLES
    }
}

/// Shown as `schema.name`, for people: control characters are escaped, nothing is quoted.
impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", schema.escape_debug())?;
        }
        write!(f, "{}", self.name.escape_debug())
    }
}

/// What kind of rows a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// An ordinary table of the source.
    Table,
    /// Large objects, one row a page: PostgreSQL keeps them beside the tables.
    LargeObjects,
}

/// One column of a table's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name, unquoted.
    pub name: String,
    /// Its type as the source prints it, for people and for grading by pattern.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it belongs to the primary key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key: bool,
}

/// A stretch of a table that one reader reads alone; a table's slices in order make the table.
///
/// Opaque outside the connector that made it. Slices of an unchanged table stay the same from one
/// capture to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Index of the table in [`crate::Capture::tables`].
    pub table: usize,
    /// Index of the slice in the table, in row order.
    pub index: usize,
    /// First page (or key) of the slice and the one after its last; `None` is open.
    pub range: (Option<u64>, Option<u64>),
    /// Raw bytes it may hold, for progress and for giving large slices out first.
    pub bytes_estimated: u64,
}

/// A table that another one has its columns from: it is a partition of it, or inherits from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// Its name.
    pub name: TableName,
    /// Its columns.
    pub columns: Vec<String>,
    /// Those of them that say which partition a row belongs to.
    pub placed_by: Vec<String>,
    /// Whether a row may belong to another partition of it in another database: its place comes from a hash of what
    /// is new there, such as the numbers of an enum's labels.
    pub placed_anew: bool,
}

impl Ancestor {
    /// The farthest of a table's ancestors among whose partitions rows may have other places in another database.
    pub(crate) fn placing_anew(ancestors: &[Self]) -> Option<&Self> {
        ancestors.iter().rev().find(|ancestor| ancestor.placed_anew)
    }
}

/// A table of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: TableName,
    /// The tables that it has columns from, the nearest first.
    pub ancestors: Vec<Ancestor>,
    /// What its rows are.
    pub kind: TableKind,
    /// Whether its rows repeat what other tables hold, as a full-text index does: no pattern opens them that does
    /// not name it.
    pub derived: bool,
    /// Columns that are computed from others and kept: no pattern opens one that does not name it.
    pub computed: Vec<String>,
    /// The columns of its rows, in the order of the fields of a line; generated columns are not read.
    pub columns: Vec<Column>,
    /// How it is read: at least one slice.
    pub slices: Vec<Slice>,
    /// Rows as the source's statistics have it; for progress only.
    pub rows_estimated: u64,
}

impl Table {
    /// The tables that have this column too, the nearest first.
    pub fn ancestors_with<'a>(&'a self, column: &'a str) -> impl DoubleEndedIterator<Item = &'a Ancestor> {
        self.ancestors.iter().filter(move |ancestor| ancestor.columns.iter().any(|name| name == column))
    }

    /// Whether a row belongs to this table, and not to another partition, by this column.
    pub fn is_placed_by(&self, column: &str) -> bool {
        self.ancestors.iter().any(|ancestor| ancestor.placed_by.iter().any(|name| name == column))
    }

    /// The table among whose partitions its rows may have other places in another database: these are the same rows
    /// only together.
    pub fn shares_rows_of(&self) -> Option<&TableName> {
        Ancestor::placing_anew(&self.ancestors).map(|ancestor| &ancestor.name)
    }

    /// The name that people have for its rows: that of the farthest table which has every one of its columns.
    pub fn known_as(&self) -> &TableName {
        let has_all =
            |ancestor: &&Ancestor| self.columns.iter().all(|column| ancestor.columns.contains(&column.name));
        self.ancestors.iter().rev().find(has_all).map_or(&self.name, |ancestor| &ancestor.name)
    }
}
