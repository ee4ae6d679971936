//! Columns that come back without their values: before the rows, the target is made to take NULL there.

use super::load::PostgresLoad;
use super::sql;
use crate::{Result, Withheld};

/// Lets NULL into every withheld column, from the table that it is inherited from on.
pub(super) async fn allow_nulls(load: &PostgresLoad) -> Result<()> {
    for withheld in load.plan.withheld.iter().filter(|withheld| !withheld.columns.is_empty()) {
        let what = format!("letting NULL into {}", withheld.table);
        let mut guard = load.guard.lock().await;
        let checks =
            sql::rows(&mut guard, &checks(withheld)).await.map_err(|error| load.map(&what, error))?;
        for row in &checks {
            sql::run(&mut guard, &row.text(0)).await.map_err(|error| load.map(&what, error))?;
        }
        let columns = sql::rows(&mut guard, &columns(withheld)).await;
        for row in columns.map_err(|error| load.map(&what, error))? {
            sql::run(&mut guard, &row.text(0)).await.map_err(|error| load.map(&what, error))?;
        }
        let mut names: Vec<_> = checks.iter().map(|row| row.text(1)).collect();
        names.sort_unstable();
        names.dedup();
        let notes = names.into_iter().map(|name| {
            format!("{}: check {name} is left out: it asks for what is withheld", withheld.table)
        });
        load.report.lock().await.notes.extend(notes);
    }
    Ok(())
}

/// The table and those that it inherits from, with how far away they are.
fn up(withheld: &Withheld) -> String {
    let table = sql::literal(&sql::table(&withheld.table));
    format!(
        "WITH RECURSIVE up AS (SELECT {table}::pg_catalog.regclass::pg_catalog.oid AS relid, 0 AS depth \
         UNION ALL SELECT i.inhparent, up.depth + 1 FROM pg_catalog.pg_inherits i JOIN up ON i.inhrelid = up.relid)"
    )
}

fn names(withheld: &Withheld) -> String {
    withheld.columns.iter().map(|column| sql::literal(column)).collect::<Vec<_>>().join(", ")
}

/// Statements that let NULL into the columns, and into those that are computed from others.
fn columns(withheld: &Withheld) -> String {
    format!(
        "{} SELECT format('ALTER TABLE %I.%I %sALTER COLUMN %I DROP NOT NULL', n.nspname, c.relname, \
           CASE WHEN a.attidentity <> '' THEN format('ALTER COLUMN %I DROP IDENTITY, ', a.attname) ELSE '' END, a.attname) \
         FROM up JOIN pg_catalog.pg_class c ON c.oid = up.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull \
         WHERE a.attname IN ({}) OR a.attgenerated <> '' ORDER BY up.depth DESC, a.attnum",
        up(withheld),
        names(withheld)
    )
}

/// Statements that take out the checks of the columns, and the checks' names.
fn checks(withheld: &Withheld) -> String {
    format!(
        "{} SELECT format('ALTER TABLE %I.%I DROP CONSTRAINT IF EXISTS %I', n.nspname, c.relname, k.conname), k.conname \
         FROM up JOIN pg_catalog.pg_class c ON c.oid = up.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'c' \
         WHERE EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey) \
           AND a.attname IN ({})) ORDER BY up.depth DESC",
        up(withheld),
        names(withheld)
    )
}
