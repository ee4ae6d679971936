//! What comes after the rows: indexes, SQLite's own tables, views, triggers and virtual tables, the
//! order of the schema, the checks, and at last the name.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use rusqlite::Connection;

use super::connection::{error_of, integer, literal, open_to_write, quoted, rows, run};
use super::load::{SqliteLoad, about};
use super::place::{beside, io_error};
use super::schema::Object;
use super::target::require_free;
use crate::load::left_out;
use crate::{Error, LoadReport, LoadTable, Result};

/// Lines of a check that are repeated to the operator; the rest are counted.
const LINES_SHOWN: usize = 20;

/// The name of the temporary table in which rows of SQLite's own `table` wait.
pub fn staged(table: &str) -> String {
    format!("lifeboat_{table}")
}

/// Completes the database and gives it its name.
pub fn finish(load: SqliteLoad) -> Result<LoadReport> {
    let mut report = LoadReport::default();
    {
        let writer = &*load.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // From here on a statement may fail and be left out, so it must be undone in part.
        run(writer, &load.partial, "COMMIT; PRAGMA journal_mode = MEMORY; BEGIN")?;
        create_indexes(&load, writer, &mut report)?;
        for table in &load.plan.tables {
            unstage(&load, writer, table, &mut report)?;
        }
        if load.plan.whole {
            write_definitions(&load, writer)?;
        } else {
            create_triggers(&load, writer, &mut report)?;
        }
        reorder(&load, writer)?;
        let pragmas = &load.schema.pragmas;
        let mut header = format!(
            "PRAGMA user_version = {}; PRAGMA application_id = {}; COMMIT",
            pragmas.user_version, pragmas.application_id
        );
        if pragmas.default_cache_size > 0 {
            header += &format!("; PRAGMA default_cache_size = {}", pragmas.default_cache_size);
        }
        run(writer, &load.partial, header)?;
    }
    for object in &load.schema.objects {
        let checks = load.table(object).map(|(_, checks)| checks).unwrap_or_default();
        report
            .notes
            .extend(checks.iter().map(|check| left_out(&object.name.escape_debug().to_string(), check)));
    }
    let why = match load.plan.withheld.is_empty() {
        true => "as in the source",
        false => "as in the source, or for what is withheld or masked",
    };
    let SqliteLoad { path, partial, writer, schema, lock, .. } = load;
    let writer = Arc::into_inner(writer).ok_or(Error::Cancelled)?;
    close(writer.into_inner().unwrap_or_else(PoisonError::into_inner), &partial)?;
    examine(&partial, schema.pragmas.journal_mode == "wal", why, &mut report)?;
    give_name(&partial, &path)?;
    drop(lock);
    Ok(report)
}

fn close(connection: Connection, partial: &Path) -> Result<()> {
    connection.close().map_err(|(_, error)| error_of(partial, error, 0))
}

fn create_indexes(load: &SqliteLoad, writer: &Connection, report: &mut LoadReport) -> Result<()> {
    for object in
        load.schema.objects.iter().filter(|object| object.kind == "index" && load.wants(&object.tbl_name))
    {
        if let Some(sql) = &object.sql {
            attempt(load, writer, object, sql, report)?;
        }
    }
    Ok(())
}

/// Creates an object that the database can live without. Returns whether it is there.
fn attempt(
    load: &SqliteLoad,
    writer: &Connection,
    object: &Object,
    sql: &str,
    report: &mut LoadReport,
) -> Result<bool> {
    match run(writer, &load.partial, sql) {
        Ok(()) => Ok(true),
        Err(Error::Failed { reason, .. }) if reason != "the disk is full" => {
            report.refused.push(refusal(object, &reason));
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn refusal(object: &Object, reason: &str) -> String {
    format!("{} {}: {reason}", object.kind, object.name.escape_debug())
}

/// Replaces the rows of one of SQLite's own tables by those that waited for it.
fn unstage(load: &SqliteLoad, writer: &Connection, table: &LoadTable, report: &mut LoadReport) -> Result<()> {
    let name = &table.name.name;
    let find = format!("SELECT count(*) FROM temp.sqlite_schema WHERE name = {}", literal(&staged(name)));
    if integer(writer, &load.partial, &find)? == 0 {
        return Ok(());
    }
    match name.to_ascii_lowercase().as_str() {
        // The table of sequences comes with the first AUTOINCREMENT, and stays.
        "sqlite_sequence" => {
            let sql = "CREATE TABLE lifeboat_sequence (id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE lifeboat_sequence";
            run(writer, &load.partial, sql)?;
        }
        "sqlite_stat1" | "sqlite_stat4" => run(writer, &load.partial, "ANALYZE sqlite_schema")?,
        _ => {
            report
                .notes
                .push(format!("the rows of {name} were left out: this SQLite no longer knows the table"));
            return Ok(());
        }
    }
    let names: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
    let (table, waiting) = (quoted(name), quoted(&staged(name)));
    let sql = format!(
        "DELETE FROM main.{table}; INSERT INTO main.{table} ({}) SELECT * FROM temp.{waiting}; DROP TABLE temp.{waiting}",
        names.join(", ")
    );
    run(writer, &load.partial, sql)
}

/// Writes views, triggers and virtual tables into the schema as they were, without running them.
fn write_definitions(load: &SqliteLoad, writer: &Connection) -> Result<()> {
    run(writer, &load.partial, "PRAGMA writable_schema = ON")?;
    for object in load.schema.objects.iter().filter(|object| !object.stored && object.kind != "index") {
        let sql = format!(
            "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ({}, {}, {}, 0, {})",
            literal(&object.kind),
            literal(&object.name),
            literal(&object.tbl_name),
            literal(object.sql.as_deref().unwrap_or_default())
        );
        run(writer, &load.partial, sql).map_err(|error| about(&object.name, error))?;
    }
    Ok(())
}

/// Creates the triggers of the chosen tables, save those that need what was not chosen: with such a
/// trigger the table could not be written to.
fn create_triggers(load: &SqliteLoad, writer: &Connection, report: &mut LoadReport) -> Result<()> {
    for object in
        load.schema.objects.iter().filter(|object| object.kind == "trigger" && load.wants(&object.tbl_name))
    {
        let Some(sql) = &object.sql else { continue };
        if !attempt(load, writer, object, sql, report)? {
            continue;
        }
        if let Err(error) = compile_writes(load, writer, &object.tbl_name) {
            run(writer, &load.partial, format!("DROP TRIGGER {}", quoted(&object.name)))?;
            let reason = if let Error::Failed { reason, .. } = error { reason } else { error.to_string() };
            report.refused.push(refusal(object, &reason));
        }
    }
    Ok(())
}

fn compile_writes(load: &SqliteLoad, writer: &Connection, table: &str) -> Result<()> {
    let wanted = load.plan.tables.iter().find(|wanted| wanted.name.name == table);
    let column = wanted
        .and_then(|wanted| wanted.columns.last())
        .map(|column| quoted(&column.name))
        .unwrap_or_default();
    let table = quoted(table);
    let sql = format!(
        "EXPLAIN INSERT INTO {table} DEFAULT VALUES; EXPLAIN DELETE FROM {table}; \
         EXPLAIN UPDATE {table} SET {column} = {column}"
    );
    run(writer, &load.partial, sql)
}

/// Gives the schema's rows the order they had: triggers fire, and `.dump` prints, by it.
fn reorder(load: &SqliteLoad, writer: &Connection) -> Result<()> {
    let objects = &load.schema.objects;
    let far = objects.len() * 2 + 1000;
    let mut sql = format!("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rowid = rowid + {far};");
    for (at, object) in objects.iter().enumerate() {
        sql.push_str(&format!(
            "UPDATE sqlite_schema SET rowid = {} WHERE type = {} AND name = {};",
            at + 1,
            literal(&object.kind),
            literal(&object.name)
        ));
    }
    sql.push_str("PRAGMA writable_schema = OFF");
    run(writer, &load.partial, sql)?;
    for extra in ["sqlite_stat1", "sqlite_stat4"] {
        if !objects.iter().any(|object| object.name == extra) {
            run(writer, &load.partial, format!("DROP TABLE IF EXISTS {extra}"))?;
        }
    }
    Ok(())
}

/// Whether a line of an integrity check is about a row that its table's definition does not allow, in
/// SQLite's words, and not about the file.
fn breaks_constraint(line: &str) -> bool {
    let begins = ["CHECK constraint failed in ", "NULL value in ", "NUMERIC value in ", "TEXT value in "];
    let of_strict_table = line.strip_prefix("non-").and_then(|rest| rest.split_once(' '));
    begins.iter().any(|words| line.starts_with(words))
        || of_strict_table.is_some_and(|(_, rest)| rest.starts_with("value in "))
}

/// Opens the finished file as an application would, and looks for damage; `why` says why a row may break what
/// its table's definition asks.
fn examine(partial: &Path, wal: bool, why: &str, report: &mut LoadReport) -> Result<()> {
    let connection = open_to_write(partial)?;
    let lines = integrity(&connection, partial, report)?;
    // Rows that break a constraint were in the source: the rows are compared by whoever restores.
    let (known, damage): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| breaks_constraint(line));
    if let Some(first) = damage.first() {
        return Err(Error::Damaged { what: partial.display().to_string(), reason: first.clone() });
    }
    note(report, known, why);
    match rows(&connection, partial, "PRAGMA foreign_key_check", |row| row.get::<_, String>(0)) {
        Ok(tables) => {
            let lines =
                tables.iter().map(|table| format!("a row of {table} refers to a row that is not there"));
            note(report, lines.collect(), why);
        }
        Err(error) => report.notes.push(format!("foreign keys could not be checked: {error}")),
    }
    if wal {
        run(&connection, partial, "PRAGMA journal_mode = WAL")?;
    }
    close(connection, partial)
}

fn integrity(connection: &Connection, partial: &Path, report: &mut LoadReport) -> Result<Vec<String>> {
    let lines = |sql: &str| -> Result<Vec<String>> {
        let mut lines = rows(connection, partial, sql, |row| row.get::<_, String>(0))?;
        lines.retain(|line| line != "ok");
        Ok(lines)
    };
    match lines("PRAGMA integrity_check") {
        Ok(lines) => Ok(lines),
        // A module or tokenizer of the application's own is not here: look at what can be looked at.
        Err(Error::Failed { reason, .. }) => {
            report.notes.push(format!("virtual tables could not be checked here: {reason}"));
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0";
            let mut found = Vec::new();
            for name in rows(connection, partial, sql, |row| row.get::<_, String>(0))? {
                found.extend(lines(&format!("PRAGMA integrity_check({})", literal(&name)))?);
            }
            Ok(found)
        }
        Err(error) => Err(error),
    }
}

fn note(report: &mut LoadReport, lines: Vec<String>, why: &str) {
    let more = lines.len().saturating_sub(LINES_SHOWN);
    report.notes.extend(lines.into_iter().take(LINES_SHOWN).map(|line| format!("{line}, {why}")));
    if more > 0 {
        report.notes.push(format!("{more} more of the same kind"));
    }
}

/// Makes the file durable and then gives it its name, never over another's.
fn give_name(partial: &Path, path: &Path) -> Result<()> {
    require_free(path)?;
    for suffix in ["-wal", "-shm"] {
        let left = beside(partial, suffix);
        if left.try_exists().map_err(io_error(&left))? {
            return Err(Error::Failed {
                what: left.display().to_string(),
                reason: "it is still in use".into(),
            });
        }
    }
    File::open(partial).and_then(|file| file.sync_all()).map_err(io_error(partial))?;
    match std::fs::metadata(path) {
        // The operator's empty file, which may have been made for its owner and mode.
        Ok(empty) => {
            std::fs::set_permissions(partial, empty.permissions()).map_err(io_error(partial))?;
            std::fs::rename(partial, path).map_err(io_error(path))?;
        }
        // A link, unlike a rename, fails when somebody was faster.
        Err(_) => {
            std::fs::hard_link(partial, path).map_err(io_error(path))?;
            std::fs::remove_file(partial).map_err(io_error(partial))?;
        }
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_breaks_a_constraint_is_told_from_damage() {
        for line in [
            "NULL value in t.c",
            "non-INTEGER value in t.c",
            "TEXT value in t.c",
            "CHECK constraint failed in t",
        ] {
            assert!(breaks_constraint(line), "{line}");
        }
        for line in [
            "row 3 missing from index value in",
            "non-unique entry in index value in ",
            "Tree 3 page 4: wrong value in cell",
        ] {
            assert!(!breaks_constraint(line), "{line}");
        }
    }
}
