//! What comes after the rows: unique keys of masked columns, foreign keys, proof that they and the checks hold,
//! routines, views, triggers and events; and last the marker goes.

use futures::{StreamExt as _, TryStreamExt as _};

use super::definition::ForeignKey;
use super::load::MysqlLoad;
use super::sql::{self, ident, literal};
use super::wire::Wire;
use super::{accounts, empty, programs};
use crate::Result;
use crate::load::left_out;

/// Makes the restore complete. What the target refuses goes into the report.
pub(super) async fn finish(load: &MysqlLoad) -> Result<()> {
    load.make_unique().await?;
    add_foreign_keys(load).await?;
    prove(load).await?;
    if load.plan.whole {
        load.create_windows().await?;
        let mut wire = load.take().await?;
        let grants = match load.options.with_accounts {
            true => accounts::create_all(load, &mut wire).await?,
            false => Vec::new(),
        };
        programs::create_all(load).await?;
        accounts::grant_all(load, &mut wire, &grants).await?;
        accounts::note_missing(load, &mut wire).await?;
        load.give_back(wire).await;
        comment(load).await?;
    } else {
        note_left_out(load).await;
    }
    let mut guard = load.guard.lock().await;
    empty::unmark(&mut guard).await.map_err(|error| load.map("taking the marker away", error))
}

/// Adds the foreign keys of the tables that were made without. With the checks off it is a note in the
/// dictionary; the proof comes next.
async fn add_foreign_keys(load: &MysqlLoad) -> Result<()> {
    for name in &load.late_keys {
        let Some(definition) = load.definitions.get(name) else { continue };
        let absent = load.keys_left_out(name, definition);
        let stays = |text: &str| !absent.iter().any(|(absent, _)| *absent == text);
        let keys = definition.foreign_keys().into_iter().filter(|(text, _)| stays(text));
        let added: Vec<_> = keys.map(|(text, _)| format!("ADD {text}")).collect();
        if added.is_empty() {
            continue;
        }
        let mut wire = load.take().await?;
        let statement = format!("ALTER TABLE {} {}", ident(name), added.join(", "));
        match wire.run(&statement).await {
            Ok(_) => {}
            Err(error) if error.code().is_some() => {
                let refusal = format!("foreign keys of {}: {error}", name.escape_debug());
                load.report.lock().await.refused.push(refusal);
            }
            Err(error) => return Err(load.map(&format!("foreign keys of {}", name.escape_debug()), error)),
        }
        load.give_back(wire).await;
    }
    Ok(())
}

/// Proves what the server was told not to check. A row that breaks it broke it in the source: it is
/// restored as it was, and named.
async fn prove(load: &MysqlLoad) -> Result<()> {
    let mut questions = Vec::new();
    for (name, definition) in &load.definitions {
        let checks =
            definition.left_out().iter().map(|check| left_out(&name.escape_debug().to_string(), check));
        load.report.lock().await.notes.extend(checks);
        let absent = load.keys_left_out(name, definition);
        for (text, key) in definition.foreign_keys() {
            if !absent.iter().any(|(absent, _)| *absent == text) {
                let what = format!("foreign key {} of {}", key.name.escape_debug(), name.escape_debug());
                questions.push((what, orphans(name, &key)));
            }
        }
        load.report.lock().await.notes.extend(absent.into_iter().map(|(_, said)| said));
    }
    questions.extend(checks(load).await?);
    let asking: Vec<_> = questions.into_iter().map(|(what, query)| ask(load, what, query)).collect();
    futures::stream::iter(asking).buffer_unordered(load.options.writers.max(1)).try_collect().await
}

async fn ask(load: &MysqlLoad, what: String, query: String) -> Result<()> {
    let mut wire = load.take().await?;
    let note = match sql::rows(&mut wire, &query).await {
        Ok(found) if found.is_empty() => None,
        Ok(_) => Some(format!("{what} does not hold for some rows, as it did not in the source")),
        // The parent may be in a database that is not here; a check may not know what to do with a value.
        Err(error) if error.code().is_some() => Some(format!("{what} could not be proven: {error}")),
        Err(error) => return Err(load.map(&format!("proving {what}"), error)),
    };
    load.give_back(wire).await;
    load.report.lock().await.notes.extend(note);
    Ok(())
}

/// One child without a parent. Each value is looked up once: the distinct ones come from the key's own index.
fn orphans(table: &str, key: &ForeignKey) -> String {
    let columns: Vec<_> = key.columns.iter().map(|column| ident(column)).collect();
    let parents: Vec<_> = key.parent_columns.iter().map(|column| ident(column)).collect();
    let not_null =
        columns.iter().map(|column| format!("{column} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
    let joined = columns.iter().zip(&parents).map(|(column, parent)| format!("c.{column} = p.{parent}"));
    let parent = key.parent.iter().map(|part| ident(part)).collect::<Vec<_>>().join(".");
    let first = parents.first().cloned().unwrap_or_default();
    format!(
        "SELECT 1 FROM (SELECT DISTINCT {} FROM {} WHERE {not_null}) c LEFT JOIN {parent} p ON {} WHERE p.{first} IS NULL LIMIT 1",
        columns.join(", "),
        ident(table),
        joined.collect::<Vec<_>>().join(" AND "),
    )
}

/// One row that breaks a check, for every table that has any. MySQL cannot be told to leave checks off.
async fn checks(load: &MysqlLoad) -> Result<Vec<(String, String)>> {
    if !load.server.is_mariadb() {
        return Ok(Vec::new());
    }
    let query = format!(
        "SELECT TABLE_NAME, GROUP_CONCAT(CONCAT('NOT (', CHECK_CLAUSE, ')') SEPARATOR ' OR ') \
         FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = {} GROUP BY TABLE_NAME",
        literal(&load.endpoint.database)
    );
    let mut guard = load.guard.lock().await;
    let failed = |error| load.map("looking at the checks", error);
    guard.run("SET group_concat_max_len = 16777216").await.map_err(failed)?;
    let found = sql::rows(&mut guard, &query).await.map_err(failed)?;
    let question = |row: sql::Row| {
        let (table, broken) = (row.text(0), row.text(1));
        let query = format!("SELECT 1 FROM {} WHERE {broken} LIMIT 1", ident(&table));
        (format!("a check of {}", table.escape_debug()), query)
    };
    Ok(found.into_iter().map(question).collect())
}

async fn comment(load: &MysqlLoad) -> Result<()> {
    let Some(comment) = &load.schema.comment else { return Ok(()) };
    let mut guard: tokio::sync::MutexGuard<'_, Wire> = load.guard.lock().await;
    let statement =
        format!("ALTER DATABASE {} COMMENT = '{}'", ident(&load.endpoint.database), sql::escape(comment));
    guard.run(&statement).await.map(drop).map_err(|error| load.map("the database's comment", error))
}

/// What a restore of chosen tables does not bring along.
async fn note_left_out(load: &MysqlLoad) {
    let chosen = |table: &Option<String>| {
        table.as_ref().is_some_and(|table| load.schema.tables.iter().any(|chosen| chosen.name == *table))
    };
    let triggers = load.schema.programs.iter().filter(|program| chosen(&program.table));
    let notes = triggers.map(|trigger| {
        format!("trigger {} is left out: it may need what was not restored", trigger.name.escape_debug())
    });
    load.report.lock().await.notes.extend(notes);
}
