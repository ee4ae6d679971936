//! What there is to read: every table that holds rows of its own, with its columns and how it is
//! reached. Parents of partitions hold none and are locked but not read.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::sql;
use crate::{Ancestor, Column, Error, LoadTable, Result, TableName};

/// A table as the catalogue has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) oid: u64,
    pub(super) name: TableName,
    /// `r` holds rows; `p` only partitions.
    pub(super) partitioned: bool,
    /// Bytes of the table itself, without its long values, indexes and the like.
    pub(super) heap_bytes: u64,
    /// Bytes with its long values.
    pub(super) total_bytes: u64,
    pub(super) rows_estimated: u64,
    /// Whether it is stored as a heap, the only kind with pages to slice by.
    pub(super) heap: bool,
    pub(super) readable: bool,
    pub(super) schema_usable: bool,
    /// Whether a policy would hide rows from this account.
    pub(super) thinned: bool,
    /// An extension's own table: only the rows that this condition (perhaps empty) picks are the user's.
    pub(super) condition: Option<String>,
    pub(super) columns: Vec<Column>,
    /// The tables that it is a partition of or inherits from, the nearest first.
    pub(super) ancestors: Vec<Ancestor>,
    /// Its columns that say which of its partitions a row belongs to.
    pub(super) placed_by: Vec<String>,
    /// Whether rows have other places among its partitions in another database.
    pub(super) placed_anew: bool,
}

/// The tables of the database by name, members of extensions only where the extension says that users
/// keep rows in them. Foreign, temporary and the system's own are left out, and on a standby the unlogged:
/// their files are on the primary alone. An enum's label is hashed as the oid that it was given when it was made, a
/// regclass and the like as that of what it names; arrays, rows and ranges as what they hold.
const TABLES: &str = "SELECT c.oid::text, n.nspname::text, c.relname::text, (c.relkind = 'p')::text, \
    {sizes}, c.reltuples::int8::text, \
    COALESCE(a.amname = 'heap', false), \
    pg_catalog.has_table_privilege(c.oid, 'SELECT'), pg_catalog.has_schema_privilege(n.oid, 'USAGE'), \
    pg_catalog.row_security_active(c.oid), \
    (SELECT e.extcondition[i] FROM pg_catalog.pg_extension e, pg_catalog.generate_subscripts(e.extconfig, 1) i \
      WHERE e.extconfig[i] = c.oid), \
    EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p JOIN pg_catalog.pg_opclass o ON o.oid = ANY (p.partclass) \
      JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod WHERE p.partrelid = c.oid AND m.amname = 'hash' \
        AND o.opcnamespace = 'pg_catalog'::regnamespace \
        AND o.opcname IN ('enum_ops', 'oid_ops', 'array_ops', 'record_ops', 'range_ops', 'multirange_ops')) \
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
  LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam \
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' \
    AND (c.relpersistence <> 'u' OR NOT pg_catalog.pg_is_in_recovery()) \
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname <> 'lifeboat_restore' \
    AND (NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
        AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e') \
      OR EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE c.oid = ANY (e.extconfig))) \
  ORDER BY n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\"";

const COLUMNS: &str = "SELECT t.attrelid::text, t.attname::text, pg_catalog.format_type(t.atttypid, t.atttypmod), \
    COALESCE(t.attnum = ANY (k.conkey), false) \
  FROM pg_catalog.pg_attribute t JOIN pg_catalog.pg_class c ON c.oid = t.attrelid \
  LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p' \
  WHERE c.relkind IN ('r', 'p') AND t.attnum > 0 AND NOT t.attisdropped AND t.attgenerated = '' \
    AND c.relnamespace <> 'pg_catalog'::regnamespace \
  ORDER BY t.attrelid, t.attnum";

/// Every table above another one, the nearest first.
const ANCESTORS: &str = "WITH RECURSIVE up AS (SELECT inhrelid, inhparent, 1 AS steps, inhseqno AS place \
      FROM pg_catalog.pg_inherits \
    UNION ALL SELECT up.inhrelid, i.inhparent, up.steps + 1, i.inhseqno \
      FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.inhparent) \
  SELECT up.inhrelid::text, up.inhparent::text FROM up JOIN pg_catalog.pg_class c ON c.oid = up.inhrelid \
  WHERE c.relkind IN ('r', 'p') ORDER BY up.inhrelid, up.steps, up.place";

/// The columns of partition keys: by name, or in an expression. A partitioned table depends on them.
const PLACED_BY: &str = "SELECT t.attrelid::text, t.attname::text FROM pg_catalog.pg_partitioned_table p \
  JOIN pg_catalog.pg_attribute t ON t.attrelid = p.partrelid AND t.attnum > 0 \
  WHERE EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
    AND d.refclassid = d.classid AND d.objid = p.partrelid AND d.refobjid = p.partrelid \
    AND d.objsubid = t.attnum AND d.refobjsubid = 0 AND d.deptype = 'i') \
  ORDER BY t.attrelid, t.attnum";

/// How the tables' sizes are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sizes {
    /// As of the last ANALYZE. Waits for no lock.
    Estimated,
    /// As the files are now, which waits for whoever holds an exclusive lock.
    Exact,
}

/// Lists the tables that this session sees, by name.
pub(super) async fn relations(
    connection: &mut PgConnection,
    sizes: Sizes,
) -> Result<Vec<Relation>, sqlx::Error> {
    let mut columns: HashMap<u64, Vec<Column>> = HashMap::new();
    for row in sql::rows(connection, COLUMNS).await? {
        let column = Column { name: row.text(1), type_name: row.text(2), key: row.flag(3) };
        columns.entry(row.number(0)).or_default().push(column);
    }
    let mut placed_by: HashMap<u64, Vec<String>> = HashMap::new();
    for row in sql::rows(connection, PLACED_BY).await? {
        placed_by.entry(row.number(0)).or_default().push(row.text(1));
    }
    let tables = TABLES.replace(
        "{sizes}",
        match sizes {
            Sizes::Estimated => "(c.relpages::int8 * 8192)::text, (c.relpages::int8 * 8192)::text",
            Sizes::Exact => "pg_catalog.pg_relation_size(c.oid)::text, pg_catalog.pg_table_size(c.oid)::text",
        },
    );
    let relations = sql::rows(connection, &tables).await?.into_iter().map(|row| {
        let oid = row.number(0);
        Relation {
            oid,
            name: TableName { schema: Some(row.text(1)), name: row.text(2) },
            partitioned: row.text(3) == "true",
            heap_bytes: row.number(4),
            total_bytes: row.number(5),
            rows_estimated: row.number(6),
            heap: row.flag(7),
            readable: row.flag(8),
            schema_usable: row.flag(9),
            thinned: row.flag(10),
            condition: row.some(11),
            columns: columns.remove(&oid).unwrap_or_default(),
            ancestors: Vec::new(),
            placed_by: placed_by.remove(&oid).unwrap_or_default(),
            placed_anew: row.flag(12),
        }
    });
    let mut relations: Vec<_> = relations.collect();
    find_ancestors(connection, &mut relations).await?;
    Ok(relations)
}

/// Notes at each table those above it that are tables here too.
async fn find_ancestors(
    connection: &mut PgConnection,
    relations: &mut [Relation],
) -> Result<(), sqlx::Error> {
    let places: HashMap<_, _> =
        relations.iter().enumerate().map(|(place, relation)| (relation.oid, place)).collect();
    for row in sql::rows(connection, ANCESTORS).await? {
        let of = |field| places.get(&row.number(field)).copied();
        let (Some(child), Some(parent)) = (of(0), of(1)) else { continue };
        let Relation { name, columns, placed_by, placed_anew, .. } = &relations[parent];
        let ancestor = Ancestor {
            name: name.clone(),
            columns: columns.iter().map(|column| column.name.clone()).collect(),
            placed_by: placed_by.clone(),
            placed_anew: *placed_anew,
        };
        // One may be reached in two ways.
        if !relations[child].ancestors.contains(&ancestor) {
            relations[child].ancestors.push(ancestor);
        }
    }
    relations.iter_mut().for_each(arrange_shared_columns);
    Ok(())
}

/// Rows that may lie in any of several partitions are the same lines in each, whatever the order of its columns.
fn arrange_shared_columns(relation: &mut Relation) {
    let Relation { columns, ancestors, .. } = relation;
    if let Some(above) = Ancestor::placing_anew(ancestors) {
        columns.sort_by_key(|column| above.columns.iter().position(|name| *name == column.name));
    }
}

/// The unlogged tables and sequences that cannot be read because this is a standby.
pub(super) async fn unlogged_elsewhere(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let query = "SELECT c.oid::regclass::text FROM pg_catalog.pg_class c WHERE pg_catalog.pg_is_in_recovery() \
        AND c.relpersistence = 'u' AND c.relkind IN ('r', 'S') AND c.relnamespace::regnamespace::text !~ '^pg_' \
        ORDER BY c.oid";
    Ok(sql::rows(connection, query).await?.iter().map(|row| row.text(0)).collect())
}

/// Puts the columns of tables in the order that `like` has, where both have the same ones.
pub(super) fn arrange_columns(relations: &mut [Relation], like: &[LoadTable]) {
    let like: HashMap<_, _> = like.iter().map(|table| (&table.name, &table.columns)).collect();
    for relation in relations {
        let Some(wanted) = like.get(&relation.name) else { continue };
        let place = |column: &Column| wanted.iter().position(|wanted| wanted.name == column.name);
        if relation.columns.len() == wanted.len() && relation.columns.iter().all(|c| place(c).is_some()) {
            relation.columns.sort_by_key(place);
        }
    }
}

/// Refuses to begin when a table cannot be read whole by this account.
pub(super) fn refuse_unreadable(relations: &[Relation], user: &str) -> Result<()> {
    match relations.iter().find_map(|relation| trouble(relation, user)) {
        Some((what, reason, hint)) => Err(Error::Denied { what, reason, hint }),
        None => Ok(()),
    }
}

/// What keeps `user` from reading a table whole: what, why, and the statement that helps.
pub(super) fn trouble(relation: &Relation, user: &str) -> Option<(String, String, String)> {
    let user = sql::ident(user);
    let what = format!("reading {}", relation.name);
    let schema = sql::ident(relation.name.schema.as_deref().unwrap_or_default());
    if !relation.schema_usable {
        let reason = format!("no USAGE on schema {schema}");
        return Some((what, reason, format!("GRANT USAGE ON SCHEMA {schema} TO {user};")));
    }
    if !relation.readable {
        let hint = format!("GRANT SELECT ON {} TO {user};", sql::table(&relation.name));
        return Some((what, "no SELECT on the table".into(), hint));
    }
    if relation.thinned {
        let reason = "a row-level security policy would hide rows from the backup".into();
        return Some((what, reason, format!("ALTER ROLE {user} BYPASSRLS;")));
    }
    None
}
