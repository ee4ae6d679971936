//! Writing: a [`Target`] takes one snapshot into an empty place as a [`Load`].

use std::path::PathBuf;

use async_trait::async_trait;

use crate::{Column, PointInTime, Result, RowReceiver, SchemaFile, Source, TableKind, TableName};

/// A place that a snapshot can be restored to. Opening one connects to nothing yet.
#[async_trait]
pub trait Target: Send + Sync {
    /// Looks at the target without changing it: reachable, of a version that can take the snapshot,
    /// and empty (or left behind by an interrupted restore of the same snapshot). Returns what the
    /// operator should know before it starts, such as `found an interrupted restore of this snapshot:
    /// starting it over`.
    ///
    /// # Errors
    /// `Error::Refused` when the target holds anything else, which is left untouched.
    async fn inspect(&self, plan: &LoadPlan) -> Result<Vec<String>>;

    /// What the schema says of tables and columns beyond names and types; `schema` is as the capture gave it.
    ///
    /// # Errors
    /// `Error::Damaged` when the files do not say.
    fn outline(&self, schema: &[SchemaFile]) -> Result<Outline> {
        let _ = schema;
        Ok(Outline::default())
    }

    /// Prepares the target and creates everything that must exist before rows arrive.
    async fn begin(&self, plan: LoadPlan, options: &LoadOptions) -> Result<Box<dyn Load>>;

    /// The target as a source, to read back what was restored.
    fn as_source(&self) -> Box<dyn Source>;
}

/// What is restored: everything needed beside the rows.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// The snapshot's id: tells an interrupted restore of it from somebody else's data.
    pub snapshot: String,
    /// Where the snapshot came from.
    pub point: PointInTime,
    /// The schema files as the capture gave them.
    pub schema: Vec<SchemaFile>,
    /// The tables whose rows will be loaded.
    pub tables: Vec<LoadTable>,
    /// Whether `tables` is everything; if not, only these tables and what they need are created.
    pub whole: bool,
    /// What comes without its values.
    pub withheld: Vec<Withheld>,
}

/// What of a table comes without its values: whoever restores it may not read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The table.
    pub table: TableName,
    /// Whether no row comes at all.
    pub whole: bool,
    /// Columns that are NULL in every row, whatever their definition says.
    pub columns: Vec<String>,
    /// Columns with other values of the same form, which need not be what a check asks for.
    pub masked: Vec<MaskedColumn>,
}

/// A column with other values than it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedColumn {
    /// Its name.
    pub name: String,
    /// Of two columns of one kind, the same value has the same mask.
    pub kind: String,
}

impl Withheld {
    /// Columns of which no check is asked any more.
    pub(crate) fn unchecked(&self) -> Vec<String> {
        let masked = self.masked.iter().map(|masked| &masked.name);
        self.columns.iter().chain(masked).cloned().collect()
    }
}

/// What is said of a check, or the like, that asks for values which do not come.
pub(crate) fn left_out(table: &str, what: &str) -> String {
    format!("{table}: {what} is left out: it asks for what is withheld or masked")
}

impl LoadPlan {
    /// What is withheld of a table, if anything is.
    pub fn withheld_of(&self, table: &str) -> Option<&Withheld> {
        self.withheld.iter().find(|withheld| withheld.table.name == table)
    }
}

/// A table to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadTable {
    /// Its name.
    pub name: TableName,
    /// What its rows are.
    pub kind: TableKind,
    /// The fields of a line, in order.
    pub columns: Vec<Column>,
}

/// What a schema says of tables and columns beyond names and types.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The names that stand for several tables.
    pub groups: Vec<TableGroup>,
    /// Which text is in another encoding than UTF-8: of all columns, or of these.
    pub other_text: OtherText,
    /// Tables that cannot do without one another.
    pub bound: Vec<Bound>,
}

/// Tables beneath a virtual one, such as a full-text index: without any of them it cannot be read, nor the table be
/// written whose text it follows. If rows of one are withheld, the target makes them itself or leaves all out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// What they make together.
    pub name: TableName,
    /// The tables.
    pub tables: Vec<TableName>,
}

/// Columns whose text is in another encoding than UTF-8, so that other text may not be text there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OtherText {
    /// Every column.
    All,
    /// These.
    Of(Vec<(TableName, String)>),
}

impl Default for OtherText {
    fn default() -> Self {
        Self::Of(Vec::new())
    }
}

impl OtherText {
    /// Whether this column is one of them.
    pub fn has(&self, table: &TableName, column: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(columns) => columns.iter().any(|(of, name)| of == table && name == column),
        }
    }
}

/// A table whose rows are other tables', such as a partitioned one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableGroup {
    /// Its name.
    pub name: TableName,
    /// The tables that hold its rows; perhaps none.
    pub tables: Vec<TableName>,
    /// The columns by which a row belongs to one of them and to no other.
    pub placed_by: Vec<String>,
}

impl Outline {
    /// Whether a row belongs to this table, and not to another of its group, by this column.
    pub fn is_placed_by(&self, table: &TableName, column: &str) -> bool {
        let mut groups = self.groups.iter().filter(|group| group.tables.contains(table));
        groups.any(|group| group.placed_by.iter().any(|name| name == column))
    }
}

/// How to restore.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Connections that may load or build indexes at once.
    pub writers: usize,
    /// Create the database; one that is there must be empty, or left by an interrupted restore of this snapshot.
    pub into_new: bool,
    /// Names of roles to replace by others, old to new.
    pub map_roles: Vec<(String, String)>,
    /// Leave ownership and grants out.
    pub no_owner: bool,
    /// Make the accounts that the snapshot knows and the target lacks, locked, and give them their grants on
    /// the database (MySQL, MariaDB).
    pub with_accounts: bool,
    /// Let events run as they did, which otherwise arrive disabled (MySQL, MariaDB).
    pub enable_events: bool,
    /// A private folder for scratch files; the load removes what it puts there.
    pub scratch: PathBuf,
}

/// One restore under way. Tables may be loaded in any order and several at once.
#[async_trait]
pub trait Load: Send + Sync {
    /// Loads one table's rows, all or nothing, and returns how many the target took.
    ///
    /// The channel's end means the end of the rows only if the sender said so by sending all of them:
    /// a caller that fails must call [`Load::abort`] rather than let a table look complete. To that end
    /// `rows_expected` is compared with what arrived before the table is committed.
    async fn load(&self, table: &LoadTable, rows_expected: u64, rows: RowReceiver) -> Result<u64>;

    /// Builds what comes after the rows (indexes, constraints, triggers, sequences' values, statistics)
    /// and makes the restore complete.
    async fn finish(self: Box<Self>) -> Result<LoadReport>;

    /// Gives up: leaves the target such that the same command starts over cleanly.
    async fn abort(self: Box<Self>);
}

/// What a finished load has to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Objects the target refused, one sentence each: a partial restore, not a failed one.
    pub refused: Vec<String>,
    /// What else the operator should know, one sentence each.
    pub notes: Vec<String>,
}
