//! What a database holds, read within the transaction that will read its rows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use rusqlite::Connection;

use super::connection::{integer, quoted, rows, text};
use super::lacking::{Lacking, Trial};
use super::schema::{Object, Pragmas, Schema};
use crate::{Column, Result, Slice, Table, TableKind, TableName};

/// The three names of a rowid, in the order they are tried.
const ROWID_NAMES: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// Rowids in one slice, so that several readers share a large table. Slices begin where they began the last
/// time, whatever the table has grown to: a row that changed its slice would be stored anew.
const SLICE_ROWIDS: u64 = 1 << 18;

/// Slices a table is cut into at most. A table of higher rowids has slices twice as wide, once it has grown
/// to twice as many: what is stored anew then is less than what was added.
const SLICES_MAX: u64 = 256;

/// No row takes fewer bytes of a file than this: a bound on estimates from the largest rowid.
const ROW_BYTES_MIN: u64 = 8;

/// A database's schema and tables.
pub struct Catalog {
    /// What is not rows.
    pub schema: Schema,
    /// The tables with rows, by name.
    pub tables: Vec<Table>,
    /// What cannot be kept, one sentence each.
    pub not_covered: Vec<String>,
    /// What tables ask for that only the application has, by their names.
    pub lacking: BTreeMap<String, Lacking>,
    /// Tables whose rows repeat others'.
    derived: HashSet<String>,
    /// Under which name a table's rowid can be asked for, where it can.
    rowids: HashMap<String, String>,
}

impl Catalog {
    /// Reads the catalog.
    pub fn read(connection: &Connection, path: &Path) -> Result<Self> {
        let schema = Schema::new(pragmas(connection, path)?, objects(connection, path)?);
        let lacking = lacking(&schema)?;
        let described = columns(connection, path, &lacking)?;
        let with_pk_index = tables_with_pk_index(connection, path)?;
        let without_rowid = tables_without_rowid(connection, path)?;
        let derived = schema.virtual_tables().into_iter().flat_map(|of| of.beneath).collect();
        let (tables, not_covered, rowids) = (Vec::new(), Vec::new(), HashMap::new());
        let mut catalog = Self { schema, tables, not_covered, lacking, derived, rowids };
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
            let has_rowid = !without_rowid.contains(&name);
            if let Some(alias) = described.iter().find(|column| column.shown.key && has_rowid && has_alias) {
                catalog.rowids.insert(name.clone(), alias.shown.name.clone());
            }
            let table = catalog.table(name, described, has_rowid && !has_alias);
            catalog.tables.push(table);
        }
        catalog.tables.sort_by(|a, b| a.name.cmp(&b.name));
        catalog.cut(connection, path)?;
        Ok(catalog)
    }

    /// Under which name the rowid of this table can be asked for.
    pub fn rowid(&self, table: &Table) -> Option<&str> {
        self.rowids.get(&table.name.name).map(String::as_str)
    }

    fn table(&mut self, name: String, described: &[Described], rowid: bool) -> Table {
        let mut columns = Vec::with_capacity(described.len() + 1);
        if rowid {
            let taken =
                |alias: &&&str| !described.iter().any(|column| column.shown.name.eq_ignore_ascii_case(alias));
            match ROWID_NAMES.iter().find(taken) {
                Some(alias) => {
                    self.rowids.insert(name.clone(), (*alias).into());
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
        let derived = self.derived.contains(&name);
        let computed = self.lacking.get(&name).map(|lacking| lacking.computed.clone()).unwrap_or_default();
        let name = TableName { schema: None, name };
        Table {
            derived: derived || name.is_of_samples(),
            computed,
            name,
            ancestors: Vec::new(),
            kind: TableKind::Table,
            columns,
            slices: Vec::new(),
            rows_estimated: 0,
        }
    }

    /// Cuts every table into slices by its largest rowid, which costs one descent, and spreads the file's
    /// bytes by them.
    fn cut(&mut self, connection: &Connection, path: &Path) -> Result<()> {
        let pages = integer(connection, path, "PRAGMA page_count")?;
        let bytes = pages.saturating_mul(integer(connection, path, "PRAGMA page_size")?).unsigned_abs();
        let mut last = Vec::with_capacity(self.tables.len());
        for table in &self.tables {
            let Some(rowid) = self.rowid(table) else {
                last.push(0);
                continue;
            };
            let sql = format!("SELECT max({}) FROM {} NOT INDEXED", quoted(rowid), quoted(&table.name.name));
            last.push(integer(connection, path, &sql)?.max(0).unsigned_abs());
        }
        let rows = |last: u64| last.min(bytes / ROW_BYTES_MIN);
        let total = last.iter().map(|last| rows(*last)).sum::<u64>().max(1);
        for ((at, table), last) in self.tables.iter_mut().enumerate().zip(last) {
            table.rows_estimated = rows(last);
            let share = u128::from(bytes) * u128::from(rows(last)) / u128::from(total);
            table.slices = slices(at, last, u64::try_from(share).unwrap_or(u64::MAX));
        }
        Ok(())
    }
}

/// Cuts a table whose largest rowid is `last`.
fn slices(table: usize, last: u64, bytes: u64) -> Vec<Slice> {
    let mut width = SLICE_ROWIDS;
    while last / width >= SLICES_MAX {
        width *= 2;
    }
    let count = last / width + 1;
    let bound = |index: u64| (0 < index && index < count).then(|| index * width);
    let cut = (0..count).map(|index| Slice {
        table,
        index: usize::try_from(index).expect("slices are bounded"),
        range: (bound(index), bound(index + 1)),
        bytes_estimated: bytes / count,
    });
    cut.collect()
}

struct Described {
    shown: Column,
    generated: bool,
}

fn pragmas(connection: &Connection, path: &Path) -> Result<Pragmas> {
    Ok(Pragmas {
        page_size: integer(connection, path, "PRAGMA page_size")?,
        auto_vacuum: integer(connection, path, "PRAGMA auto_vacuum")?,
        encoding: text(connection, path, "PRAGMA encoding")?,
        user_version: integer(connection, path, "PRAGMA user_version")?,
        application_id: integer(connection, path, "PRAGMA application_id")?,
        default_cache_size: integer(connection, path, "PRAGMA default_cache_size")?,
        journal_mode: text(connection, path, "PRAGMA journal_mode")?,
    })
}

fn objects(connection: &Connection, path: &Path) -> Result<Vec<Object>> {
    let sql = "SELECT type, name, tbl_name, ifnull(rootpage, 0), sql FROM sqlite_schema ORDER BY rowid";
    rows(connection, path, sql, |row| {
        Ok(Object {
            kind: row.get(0)?,
            name: row.get(1)?,
            tbl_name: row.get(2)?,
            stored: row.get::<_, i64>(3)? > 0,
            sql: row.get(4)?,
        })
    })
}

/// What only the application has, wherever a definition asks for it.
fn lacking(schema: &Schema) -> Result<BTreeMap<String, Lacking>> {
    let trial = Trial::new()?;
    let tables = schema.objects.iter().filter(|object| object.has_rows() && !object.is_internal());
    let lacking = tables.filter_map(|table| {
        let lacking = trial.of(&table.name, table.sql.as_deref()?)?;
        Some((table.name.clone(), lacking))
    });
    Ok(lacking.collect())
}

fn columns(
    connection: &Connection,
    path: &Path,
    lacking: &BTreeMap<String, Lacking>,
) -> Result<BTreeMap<String, Vec<Described>>> {
    let sql = "SELECT s.name, c.name, c.type, c.pk, c.hidden FROM sqlite_schema s JOIN pragma_table_xinfo(s.name) c \
               WHERE s.type = 'table' AND s.rootpage > 0 ORDER BY s.name, c.cid";
    let read = rows(connection, path, sql, |row| {
        let type_name = row.get::<_, Option<String>>(2)?.unwrap_or_default();
        let shown = Column { name: row.get(1)?, type_name, key: row.get::<_, i64>(3)? > 0 };
        Ok((row.get::<_, String>(0)?, Described { shown, generated: row.get::<_, i64>(4)? >= 2 }))
    });
    let mut described: BTreeMap<String, Vec<Described>> = BTreeMap::new();
    for (table, mut column) in read? {
        // What cannot be computed here is read where it is on disk.
        let kept = lacking.get(&table).is_some_and(|lacking| lacking.columns.contains(&column.shown.name));
        column.generated &= !kept;
        described.entry(table).or_default().push(column);
    }
    Ok(described)
}

/// A primary key that is not the rowid itself has an index; `INTEGER PRIMARY KEY` has none.
fn tables_with_pk_index(connection: &Connection, path: &Path) -> Result<HashSet<String>> {
    let sql = "SELECT s.name FROM sqlite_schema s JOIN pragma_index_list(s.name) i \
               WHERE s.type = 'table' AND s.rootpage > 0 AND i.origin = 'pk'";
    names(connection, path, sql)
}

fn tables_without_rowid(connection: &Connection, path: &Path) -> Result<HashSet<String>> {
    names(
        connection,
        path,
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'view' AND wr",
    )
}

fn names(connection: &Connection, path: &Path, sql: &str) -> Result<HashSet<String>> {
    Ok(rows(connection, path, sql, |row| row.get(0))?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(last: u64, expected: &[(Option<u64>, Option<u64>)]) {
        let ranges: Vec<_> = slices(3, last, 1000).into_iter().map(|slice| slice.range).collect();
        assert_eq!(ranges, expected, "{last}");
    }

    #[test]
    fn slices_begin_where_they_began_however_a_table_grows() {
        let width = SLICE_ROWIDS;
        check(0, &[(None, None)]);
        check(width - 1, &[(None, None)]);
        check(width, &[(None, Some(width)), (Some(width), None)]);
        check(3 * width - 1, &[(None, Some(width)), (Some(width), Some(2 * width)), (Some(2 * width), None)]);
    }

    #[test]
    fn slices_are_bounded_whatever_the_rowids() {
        for last in [SLICE_ROWIDS * SLICES_MAX, i64::MAX.unsigned_abs()] {
            let slices = slices(0, last, u64::MAX);
            assert!(slices.len() as u64 <= SLICES_MAX && slices.len() as u64 > SLICES_MAX / 2);
        }
    }
}
