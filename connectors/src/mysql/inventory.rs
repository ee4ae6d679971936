//! What tables there are: their columns, keys and sizes.

use std::collections::BTreeMap;

use super::column::Shape;
use super::server::Server;
use super::sql::{self, literal};
use super::wire::{Wire, WireError};
use crate::{Column, TableName};

/// A table that has rows of its own.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) name: String,
    pub(super) engine: String,
    /// The columns that are read: not the generated ones.
    pub(super) columns: Vec<Field>,
    /// The columns of the primary key, in its order.
    pub(super) key: Vec<String>,
    pub(super) rows_estimated: u64,
    pub(super) bytes: u64,
    pub(super) history: History,
}

/// Whether rows that were changed or deleted are kept (MariaDB).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum History {
    None,
    /// By time: read and loaded with the rows.
    ByTime,
    /// By the numbers of transactions, which mean nothing on another server: left behind.
    ByTransaction,
}

/// A column that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) shape: Shape,
    /// Whether it says from when, or until when, a row was true.
    pub(super) period: bool,
}

/// What is not a table of rows: a name and what it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Others {
    pub(super) views: Vec<String>,
    pub(super) sequences: Vec<String>,
}

impl Relation {
    /// Whether a consistent snapshot covers it.
    pub(super) fn is_transactional(&self) -> bool {
        ["innodb", "rocksdb", "tokudb"].contains(&self.engine.to_lowercase().as_str())
    }

    /// Whether its rows are another table's, here or on another server: read, they would be stored twice,
    /// and loaded, they would be written there.
    pub(super) fn is_window(&self) -> bool {
        ["mrg_myisam", "federated", "spider", "connect"].contains(&self.engine.to_lowercase().as_str())
    }

    /// Whether its history is among its rows.
    pub(super) fn has_history(&self) -> bool {
        self.history == History::ByTime
    }

    /// Whether both are the same table, however many rows it has by now.
    pub(super) fn has_shape_of(&self, other: &Self) -> bool {
        (&self.name, &self.engine, &self.columns, &self.key, self.history)
            == (&other.name, &other.engine, &other.columns, &other.key, other.history)
    }

    pub(super) fn table_name(&self) -> TableName {
        TableName { schema: None, name: self.name.clone() }
    }

    pub(super) fn table_columns(&self) -> Vec<Column> {
        let column = |field: &Field| Column {
            name: field.name.clone(),
            type_name: field.type_name.clone(),
            key: self.key.contains(&field.name),
        };
        self.columns.iter().map(column).collect()
    }
}

/// Lists every table, and what else bears a table's name.
pub(super) async fn relations(
    wire: &mut Wire,
    server: &Server,
    database: &str,
) -> Result<(Vec<Relation>, Others), WireError> {
    let schema = literal(database);
    let tables = format!(
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = {schema}"
    );
    let tables = sql::rows(wire, &tables).await?;
    let mut columns = columns(wire, server, &schema).await?;
    let mut keys = keys(wire, &schema).await?;
    let (mut relations, mut others) = (Vec::new(), Others::default());
    for table in tables {
        let name = table.text(0);
        match table.text(1).as_str() {
            "VIEW" | "SYSTEM VIEW" => others.views.push(name),
            "SEQUENCE" => others.sequences.push(name),
            kind => relations.push(Relation {
                history: if kind == "SYSTEM VERSIONED" { History::ByTime } else { History::None },
                engine: table.text(2),
                columns: columns.remove(&name).unwrap_or_default(),
                key: keys.remove(&name).unwrap_or_default(),
                rows_estimated: table.number(3),
                bytes: table.number(4),
                name,
            }),
        }
    }
    relations.iter_mut().filter(|relation| relation.has_history()).for_each(with_period);
    // By bytes, whatever collation the server sorts its own names by.
    relations.sort_by(|a: &Relation, b: &Relation| a.name.cmp(&b.name));
    Ok((relations, others))
}

async fn columns(
    wire: &mut Wire,
    server: &Server,
    schema: &str,
) -> Result<BTreeMap<String, Vec<Field>>, WireError> {
    let query = format!(
        "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, EXTRA, GENERATION_EXPRESSION, CHARACTER_SET_NAME FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = {schema} ORDER BY TABLE_NAME, ORDINAL_POSITION"
    );
    let mut columns: BTreeMap<String, Vec<Field>> = BTreeMap::new();
    for row in sql::rows(wire, &query).await? {
        let (extra, expression) = (row.text(3).to_uppercase(), row.text(4).to_uppercase());
        let generated =
            ["VIRTUAL GENERATED", "STORED GENERATED", "PERSISTENT"].iter().any(|word| extra.contains(word));
        // A period's ends are generated, and the only trace of when a row was true.
        let period = expression == "ROW START" || expression == "ROW END";
        if generated && !period {
            continue;
        }
        let type_name = named(row.text(2), &row.text(5));
        let shape = Shape::of(server.family, &type_name);
        columns.entry(row.text(0)).or_default().push(Field { name: row.text(1), type_name, shape, period });
    }
    Ok(columns)
}

/// A list's members are told from bytes only where a character is one of them at least: of a wider
/// character set, the type says so.
fn named(type_name: String, charset: &str) -> String {
    let list = type_name.starts_with("enum") || type_name.starts_with("set");
    match list && ["ucs2", "utf16", "utf16le", "utf32"].contains(&charset) {
        true => format!("{type_name} character set {charset}"),
        false => type_name,
    }
}

async fn keys(wire: &mut Wire, schema: &str) -> Result<BTreeMap<String, Vec<String>>, WireError> {
    let query = format!(
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.STATISTICS \
         WHERE TABLE_SCHEMA = {schema} AND INDEX_NAME = 'PRIMARY' ORDER BY TABLE_NAME, SEQ_IN_INDEX"
    );
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in sql::rows(wire, &query).await? {
        keys.entry(row.text(0)).or_default().push(row.text(1));
    }
    Ok(keys)
}

/// A table versioned without naming the period has it all the same, hidden from every list.
fn with_period(relation: &mut Relation) {
    if let Some(field) = relation.columns.iter().find(|field| field.period) {
        if field.type_name.to_lowercase().starts_with("bigint") {
            relation.history = History::ByTransaction;
            relation.columns.retain(|field| !field.period);
        }
        return;
    }
    for name in ["row_start", "row_end"] {
        let (name, type_name) = (name.to_owned(), "timestamp(6)".to_owned());
        relation.columns.push(Field { name, type_name, shape: Shape::Plain, period: true });
    }
}
