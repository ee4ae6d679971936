//! Columns that come back without their values: before the rows, the target is made to take NULL or masks there.

use super::load::PostgresLoad;
use super::sql;
use crate::load::left_out;
use crate::{Result, Withheld};

/// Lets NULL into every withheld column, and takes the checks of withheld and of masked ones out, from the
/// table that they are inherited from on.
pub(super) async fn loosen(load: &PostgresLoad) -> Result<()> {
    for withheld in load.plan.withheld.iter().filter(|withheld| !withheld.whole) {
        let what = format!("letting NULL and masks into {}", withheld.table);
        let mut guard = load.guard.lock().await;
        let mut names = Vec::new();
        for query in [checks(withheld), columns(withheld), domains(withheld)].into_iter().flatten() {
            let statements = sql::rows(&mut guard, &query).await.map_err(|error| load.map(&what, error))?;
            for row in &statements {
                sql::run(&mut guard, &row.text(0)).await.map_err(|error| load.map(&what, error))?;
                names.extend(row.some(1));
            }
        }
        names.sort_unstable();
        names.dedup();
        let table = withheld.table.to_string();
        load.report.lock().await.notes.extend(names.iter().map(|name| left_out(&table, name)));
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

/// The names as a list, if there are any.
fn names(columns: &[String]) -> Option<String> {
    let names = columns.iter().map(|column| sql::literal(column)).collect::<Vec<_>>();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Statements that let NULL into the columns, and into those that are computed from others.
fn columns(withheld: &Withheld) -> Option<String> {
    let names = names(&withheld.columns)?;
    Some(format!(
        "{} SELECT format('ALTER TABLE %I.%I %sALTER COLUMN %I DROP NOT NULL', n.nspname, c.relname, \
           CASE WHEN a.attidentity <> '' THEN format('ALTER COLUMN %I DROP IDENTITY, ', a.attname) ELSE '' END, a.attname), NULL \
         FROM up JOIN pg_catalog.pg_class c ON c.oid = up.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull \
         WHERE a.attname IN ({names}) OR a.attgenerated <> '' ORDER BY up.depth DESC, a.attnum",
        up(withheld),
    ))
}

/// Statements that take out the checks of the columns, and the checks' names.
fn checks(withheld: &Withheld) -> Option<String> {
    let names = names(&withheld.unchecked())?;
    Some(format!(
        "{} SELECT format('ALTER TABLE %I.%I DROP CONSTRAINT IF EXISTS %I', n.nspname, c.relname, k.conname), 'check ' || k.conname \
         FROM up JOIN pg_catalog.pg_class c ON c.oid = up.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'c' \
         WHERE EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey) \
           AND a.attname IN ({names})) ORDER BY up.depth DESC",
        up(withheld),
    ))
}

/// Statements that let NULL into the domains of the columns, and what of them is left out. Views may need the
/// columns' types, so that these stay.
fn domains(withheld: &Withheld) -> Option<String> {
    let names = names(&withheld.columns)?;
    Some(format!(
        "{}, of_columns AS (SELECT a.atttypid AS oid FROM up JOIN pg_catalog.pg_attribute a ON a.attrelid = up.relid \
           AND a.attnum > 0 AND NOT a.attisdropped AND a.attname IN ({names}) \
         UNION SELECT t.typbasetype FROM of_columns JOIN pg_catalog.pg_type t ON t.oid = of_columns.oid WHERE t.typtype = 'd'), \
         domains AS (SELECT t.oid, format('%I.%I', n.nspname, t.typname) AS name, t.typname, t.typnotnull FROM of_columns \
           JOIN pg_catalog.pg_type t ON t.oid = of_columns.oid AND t.typtype = 'd' \
           JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace) \
         SELECT 'ALTER DOMAIN ' || name || ' DROP NOT NULL', 'NOT NULL of domain ' || typname FROM domains WHERE typnotnull \
         UNION ALL SELECT format('ALTER DOMAIN %s DROP CONSTRAINT %I', domains.name, k.conname), \
           'check ' || k.conname || ' of domain ' || typname \
         FROM domains JOIN pg_catalog.pg_constraint k ON k.contypid = domains.oid AND k.contype = 'c' \
         WHERE pg_catalog.pg_get_constraintdef(k.oid) ILIKE '%IS NOT NULL%'",
        up(withheld)
    ))
}
