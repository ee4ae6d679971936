//! What a database holds, read within the transaction that will read its rows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::connection::{error_of, integer, quoted, rows, text};
use super::schema::{Object, Pragmas, Schema};
use crate::{Column, Result, Slice, Table, TableKind, TableName};

/// The three names of a rowid, in the order they are tried.
const ROWID_NAMES: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// No row takes fewer bytes of a file than this: a bound on estimates from the largest rowid.
const ROW_BYTES_MIN: i64 = 8;

/// A database's schema and tables.
pub struct Catalog {
    /// What is not rows.
    pub schema: Schema,
    /// The tables with rows, by name.
    pub tables: Vec<Table>,
    /// What cannot be kept, one sentence each.
    pub not_covered: Vec<String>,
}

impl Catalog {
    /// Reads the catalog.
    pub async fn read(connection: &mut SqliteConnection, path: &Path) -> Result<Self> {
        let schema = Schema::new(pragmas(connection, path).await?, objects(connection, path).await?);
        let described = columns(connection, path).await?;
        let with_pk_index = tables_with_pk_index(connection, path).await?;
        let without_rowid = tables_without_rowid(connection, path).await?;
        let mut catalog = Self { schema, tables: Vec::new(), not_covered: Vec::new() };
        let names: Vec<String> = catalog
            .schema
            .objects
            .iter()
            .filter(|object| object.has_rows())
            .map(|object| object.name.clone())
            .collect();
        for name in names {
            let described = described.get(&name).map(Vec::as_slice).unwrap_or_default();
            let keys = described.iter().filter(|column| column.shown.key).count();
            let has_alias = keys == 1 && !with_pk_index.contains(&name);
            let rowid = !without_rowid.contains(&name) && !has_alias;
            let table = catalog.table(name, described, rowid);
            catalog.tables.push(table);
        }
        catalog.tables.sort_by(|a, b| a.name.cmp(&b.name));
        estimate(connection, path, &mut catalog.tables, &without_rowid).await?;
        for (at, table) in catalog.tables.iter_mut().enumerate() {
            table.slices[0].table = at;
        }
        Ok(catalog)
    }

    fn table(&mut self, name: String, described: &[Described], rowid: bool) -> Table {
        let mut columns = Vec::with_capacity(described.len() + 1);
        if rowid {
            let taken =
                |alias: &&&str| !described.iter().any(|column| column.shown.name.eq_ignore_ascii_case(alias));
            match ROWID_NAMES.iter().find(taken) {
                Some(alias) => {
                    columns.push(Column { name: (*alias).into(), type_name: "INTEGER".into(), key: true });
                }
                None => self.not_covered.push(format!(
                    "the rowids of table {}: its own columns hide all three names of the rowid",
                    name.escape_debug()
                )),
            }
        }
        columns
            .extend(described.iter().filter(|column| !column.generated).map(|column| column.shown.clone()));
        let slice = Slice { table: 0, index: 0, range: (None, None), bytes_estimated: 0 };
        Table {
            name: TableName { schema: None, name },
            kind: TableKind::Table,
            columns,
            slices: vec![slice],
            rows_estimated: 0,
        }
    }
}

struct Described {
    shown: Column,
    generated: bool,
}

async fn pragmas(connection: &mut SqliteConnection, path: &Path) -> Result<Pragmas> {
    Ok(Pragmas {
        page_size: integer(connection, path, "PRAGMA page_size").await?,
        auto_vacuum: integer(connection, path, "PRAGMA auto_vacuum").await?,
        encoding: text(connection, path, "PRAGMA encoding").await?,
        user_version: integer(connection, path, "PRAGMA user_version").await?,
        application_id: integer(connection, path, "PRAGMA application_id").await?,
        default_cache_size: integer(connection, path, "PRAGMA default_cache_size").await?,
        journal_mode: text(connection, path, "PRAGMA journal_mode").await?,
    })
}

async fn objects(connection: &mut SqliteConnection, path: &Path) -> Result<Vec<Object>> {
    let sql = "SELECT type, name, tbl_name, ifnull(rootpage, 0), sql FROM sqlite_schema ORDER BY rowid";
    let read = |row: &SqliteRow| {
        Ok(Object {
            kind: row.try_get(0)?,
            name: row.try_get(1)?,
            tbl_name: row.try_get(2)?,
            stored: row.try_get_unchecked::<i64, _>(3)? > 0,
            sql: row.try_get(4)?,
        })
    };
    rows(connection, path, sql)
        .await?
        .iter()
        .map(|row| read(row).map_err(|error| error_of(path, error, 0)))
        .collect()
}

async fn columns(connection: &mut SqliteConnection, path: &Path) -> Result<BTreeMap<String, Vec<Described>>> {
    let sql = "SELECT s.name, c.name, c.type, c.pk, c.hidden FROM sqlite_schema s JOIN pragma_table_xinfo(s.name) c \
               WHERE s.type = 'table' AND s.rootpage > 0 ORDER BY s.name, c.cid";
    let read = |row: &SqliteRow| -> Result<(String, Described), sqlx::Error> {
        let shown = Column {
            name: row.try_get(1)?,
            type_name: row.try_get_unchecked::<Option<String>, _>(2)?.unwrap_or_default(),
            key: row.try_get_unchecked::<i64, _>(3)? > 0,
        };
        Ok((row.try_get(0)?, Described { shown, generated: row.try_get_unchecked::<i64, _>(4)? >= 2 }))
    };
    let mut described: BTreeMap<String, Vec<Described>> = BTreeMap::new();
    for row in rows(connection, path, sql).await? {
        let (table, column) = read(&row).map_err(|error| error_of(path, error, 0))?;
        described.entry(table).or_default().push(column);
    }
    Ok(described)
}

/// A primary key that is not the rowid itself has an index; `INTEGER PRIMARY KEY` has none.
async fn tables_with_pk_index(connection: &mut SqliteConnection, path: &Path) -> Result<HashSet<String>> {
    let sql = "SELECT s.name FROM sqlite_schema s JOIN pragma_index_list(s.name) i \
               WHERE s.type = 'table' AND s.rootpage > 0 AND i.origin = 'pk'";
    names(connection, path, sql).await
}

async fn tables_without_rowid(connection: &mut SqliteConnection, path: &Path) -> Result<HashSet<String>> {
    names(
        connection,
        path,
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'view' AND wr",
    )
    .await
}

async fn names(connection: &mut SqliteConnection, path: &Path, sql: &str) -> Result<HashSet<String>> {
    let read = |row: &SqliteRow| row.try_get(0).map_err(|error| error_of(path, error, 0));
    rows(connection, path, sql).await?.iter().map(read).collect()
}

/// Guesses rows from the largest rowid, which costs one descent, and spreads the file's bytes by them.
async fn estimate(
    connection: &mut SqliteConnection,
    path: &Path,
    tables: &mut [Table],
    without_rowid: &HashSet<String>,
) -> Result<()> {
    let pages = integer(connection, path, "PRAGMA page_count").await?;
    let bytes = pages.saturating_mul(integer(connection, path, "PRAGMA page_size").await?);
    let mut counts = HashMap::new();
    for table in tables.iter() {
        let name = &table.name.name;
        let alias = table.columns.iter().find(|column| column.key);
        let rows = match alias.filter(|_| !without_rowid.contains(name)) {
            Some(alias) if alias.type_name.eq_ignore_ascii_case("INTEGER") => {
                let sql = format!("SELECT max({}) FROM {} NOT INDEXED", quoted(&alias.name), quoted(name));
                integer(connection, path, &sql).await?
            }
            _ => 0,
        };
        counts.insert(name.clone(), rows.clamp(0, bytes / ROW_BYTES_MIN));
    }
    let total: i64 = counts.values().sum::<i64>().max(1);
    for table in tables {
        let rows = counts[&table.name.name];
        table.rows_estimated = rows.unsigned_abs();
        let share = i128::from(bytes) * i128::from(rows) / i128::from(total);
        table.slices[0].bytes_estimated = u64::try_from(share).unwrap_or(0);
    }
    Ok(())
}
