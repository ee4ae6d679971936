//! What comes after the rows: indexes, SQLite's own tables, views, triggers and virtual tables, the
//! order of the schema, the checks, and at last the name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use rusqlite::Connection;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::connection::{error_of, integer, literal, open_to_write, quoted, rows, run};
use super::lacking::{self, Lacking};
use super::load::{SqliteLoad, about};
use super::place::{beside, io_error};
use super::schema::{Object, VirtualTable};
use super::target::require_free;
use crate::load::left_out;
use crate::{Error, LoadReport, LoadTable, Result};

/// Lines of a check that are repeated to the operator; the rest are counted.
const LINES_SHOWN: usize = 20;

/// What an integrity check tells at most. By itself it ends at a hundred lines: with as many rows that break a
/// constraint, it would see no damage behind them.
const LINES_MAX: i32 = i32::MAX;

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
        define(&load, writer, &mut report)?;
        create_indexes(&load, writer, &mut report)?;
        for table in &load.plan.tables {
            unstage(&load, writer, table, &mut report)?;
        }
        if load.plan.whole {
            write_definitions(&load, writer, &mut report)?;
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
    let SqliteLoad { path, partial, writer, schema, lacking, lock, .. } = load;
    let writer = Arc::into_inner(writer).ok_or(Error::Cancelled)?;
    close(writer.into_inner().unwrap_or_else(PoisonError::into_inner), &partial)?;
    let connection = open_to_write(&partial)?;
    examine(&connection, &partial, &lacking, why, &mut report)?;
    examine_virtual(&connection, &partial, &schema.virtual_tables(), why, &mut report)?;
    if schema.pragmas.journal_mode == "wal" {
        run(&connection, &partial, "PRAGMA journal_mode = WAL")?;
    }
    close(connection, &partial)?;
    give_name(&partial, &path)?;
    drop(lock);
    Ok(report)
}

fn close(connection: Connection, partial: &Path) -> Result<()> {
    connection.close().map_err(|(_, error)| error_of(partial, error, 0))
}

/// Gives the tables that were filled under a stand-in their definition. It comes before their indexes: one that asks
/// for what is lacking must be refused, and not be ordered in another way.
fn define(load: &SqliteLoad, writer: &Connection, report: &mut LoadReport) -> Result<()> {
    for (table, lacking) in &load.lacking {
        let has = load.plan.tables.iter().find(|wanted| wanted.name.name == *table);
        let has =
            |name: &String| has.is_some_and(|has| has.columns.iter().any(|column| column.name == *name));
        let table_name = table.escape_debug();
        report.refused.extend(lacking.computed.iter().filter(|name| !has(name)).map(|name| {
            format!(
                "column {} of {table_name}: it is computed by what only its application knows, and the snapshot is of \
                 before its values were kept; an UPDATE of what it is computed from makes it anew",
                name.escape_debug()
            )
        }));
        run(writer, &load.partial, lacking::write(&literal(table), &lacking.definition))?;
        if !lacking.own {
            let (table, what) = (table.escape_debug(), lacking.what());
            report.refused.push(format!(
                "table {table}: its definition is restored without {what}, which only its application knows: an index \
                 that belongs to it is made of that"
            ));
        }
    }
    Ok(())
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
        Err(Error::Failed { reason, .. }) => {
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

/// Writes views, triggers and virtual tables into the schema as they were, without running them. A virtual table of
/// which rows are withheld is made anew or left out, and with it the triggers that name it: their tables could not be
/// written to.
fn write_definitions(load: &SqliteLoad, writer: &Connection, report: &mut LoadReport) -> Result<()> {
    let unstored = load.schema.objects.iter().filter(|object| !object.stored && object.kind != "index");
    let (triggers, rest): (Vec<_>, Vec<_>) = unstored.partition(|object| object.kind == "trigger");
    for object in rest {
        if !load.apart.iter().any(|apart| apart.name == object.name) {
            write_definition(load, writer, object)?;
        }
    }
    let mut gone = Vec::new();
    for apart in &load.apart {
        if !rebuild(load, writer, apart, report)? {
            gone.push(apart);
        }
    }
    for object in triggers {
        let sql = object.sql.as_deref().unwrap_or_default();
        match gone.iter().find(|gone| gone.is_named_by(sql)) {
            None => write_definition(load, writer, object)?,
            Some(gone) => {
                let reason = format!("it names {}, which is left out", gone.name.escape_debug());
                report.refused.push(refusal(object, &reason));
            }
        }
    }
    Ok(())
}

fn write_definition(load: &SqliteLoad, writer: &Connection, object: &Object) -> Result<()> {
    let sql = format!(
        "PRAGMA writable_schema = ON; \
         INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ({}, {}, {}, 0, {})",
        literal(&object.kind),
        literal(&object.name),
        literal(&object.tbl_name),
        literal(object.sql.as_deref().unwrap_or_default())
    );
    run(writer, &load.partial, sql).map_err(|error| about(&object.name, error))
}

/// Makes an index of text from what has come of that text. Returns whether it is there.
fn rebuild(
    load: &SqliteLoad,
    writer: &Connection,
    table: &VirtualTable,
    report: &mut LoadReport,
) -> Result<bool> {
    let is_its = |object: &&Object| object.is_virtual_table() && object.name == table.name;
    let Some(object) = load.schema.objects.iter().find(is_its) else { return Ok(false) };
    if !table.can_be_rebuilt {
        report.refused.push(format!(
            "virtual table {}: it is left out with the tables beneath it, of which rows are withheld, masked or \
             damaged: {}",
            table.name.escape_debug(),
            table.beneath.join(", ").escape_debug()
        ));
        return Ok(false);
    }
    // Its text may be that of a view, which has only been written down yet.
    run(writer, &load.partial, "PRAGMA writable_schema = RESET")?;
    if !attempt(load, writer, object, object.sql.as_deref().unwrap_or_default(), report)? {
        return Ok(false);
    }
    let name = quoted(&table.name);
    let made =
        attempt(load, writer, object, &format!("INSERT INTO {name}({name}) VALUES ('rebuild')"), report)?;
    match made {
        true => report.notes.push(format!(
            "full-text index {}: made anew from what has come of its text",
            table.name.escape_debug()
        )),
        false => run(writer, &load.partial, format!("DROP TABLE {name}"))?,
    }
    Ok(made)
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
        // What only the application knows is not there to compile with.
        if load.lacking.iter().any(|(table, _)| *table == object.tbl_name) {
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
pub(super) fn breaks_constraint(line: &str) -> bool {
    let begins = ["CHECK constraint failed in ", "NULL value in ", "NUMERIC value in ", "TEXT value in "];
    let of_strict_table = line.strip_prefix("non-").and_then(|rest| rest.split_once(' '));
    begins.iter().any(|words| line.starts_with(words))
        || of_strict_table.is_some_and(|(_, rest)| rest.starts_with("value in "))
}

/// Looks for damage; `why` says why a row may break what its table's definition asks.
fn examine(
    connection: &Connection,
    partial: &Path,
    lacking: &[(String, Lacking)],
    why: &str,
    report: &mut LoadReport,
) -> Result<()> {
    // A module's own check says nothing of the file, and what only the application knows cannot be asked here: both
    // are out of the way while the file is looked at.
    let mut plain = "PRAGMA journal_mode = MEMORY; BEGIN; PRAGMA writable_schema = ON; \
         DELETE FROM sqlite_schema WHERE ifnull(rootpage, 0) = 0; PRAGMA writable_schema = RESET; "
        .to_owned();
    for (table, lacking) in lacking {
        plain += &lacking::write(&literal(table), &lacking.stand_in);
        plain += ";";
    }
    run(connection, partial, plain)?;
    let broken = integrity(connection, partial)?;
    run(connection, partial, "ROLLBACK; PRAGMA writable_schema = RESET")?;
    // From here on the schema is read as an application reads it.
    integer(connection, partial, "SELECT count(*) FROM sqlite_schema")?;
    note(report, broken.into_iter().map(|(line, rows)| format!("{line} ({})", counted(rows))).collect(), why);
    let orphans = "SELECT \"table\", count(*) FROM pragma_foreign_key_check GROUP BY 1";
    match rows(connection, partial, orphans, |row| Ok((row.get::<_, String>(0)?, row.get(1)?))) {
        Ok(tables) => {
            let line = |(table, count): (String, i64)| {
                format!("in {}, {} to one that is not there", table.escape_debug(), refer(count))
            };
            note(report, tables.into_iter().map(line).collect(), why);
        }
        Err(error @ (Error::Cancelled | Error::Io { .. })) => return Err(error),
        Err(error) => report.notes.push(format!("foreign keys could not be checked: {error}")),
    }
    Ok(())
}

fn counted(rows: i64) -> String {
    if rows == 1 { "1 row".into() } else { format!("{rows} rows") }
}

fn refer(rows: i64) -> String {
    if rows == 1 { "1 row refers".into() } else { format!("{rows} rows refer") }
}

/// Lines about rows that break a constraint, and of how many: such were in the source, and whoever restores compares
/// them.
///
/// # Errors
/// `Error::Damaged` for any other line.
fn integrity(connection: &Connection, partial: &Path) -> Result<BTreeMap<String, i64>> {
    let failed = |error| error_of(partial, error, 0);
    let mut statement =
        connection.prepare(&format!("PRAGMA integrity_check({LINES_MAX})")).map_err(failed)?;
    let mut lines = statement.query([]).map_err(failed)?;
    let mut broken = BTreeMap::new();
    while let Some(row) = lines.next().map_err(failed)? {
        let line: String = row.get(0).map_err(failed)?;
        if breaks_constraint(&line) {
            *broken.entry(line).or_insert(0) += 1;
        } else if line != "ok" {
            let reason = line.lines().take(LINES_SHOWN).collect::<Vec<_>>().join("; ");
            return Err(Error::Damaged { what: partial.display().to_string(), reason });
        }
    }
    Ok(broken)
}

/// Lets the modules of virtual tables look at these. Their tables have come as they were, so whatever is found was in
/// the source: an index that was not kept up with its text, or one without text, which some modules cannot check.
fn examine_virtual(
    connection: &Connection,
    partial: &Path,
    tables: &[VirtualTable],
    why: &str,
    report: &mut LoadReport,
) -> Result<()> {
    let there = rows(connection, partial, "SELECT name FROM sqlite_schema", |row| row.get::<_, String>(0))?;
    let mut found = Vec::new();
    for VirtualTable { name, is_full_text, .. } in tables.iter().filter(|table| there.contains(&table.name)) {
        let sql = format!("PRAGMA main.integrity_check({})", literal(name));
        let again = match is_full_text {
            true => format!(
                "; if the index is out of date, INSERT INTO {0}({0}) VALUES ('rebuild') makes it anew",
                quoted(name)
            ),
            false => String::new(),
        };
        let name = name.escape_debug();
        match rows(connection, partial, sql, |row| row.get::<_, String>(0)) {
            Ok(lines) => {
                let lines = lines.into_iter().filter(|line| line != "ok");
                found.extend(lines.map(|line| format!("virtual table {name}: {line}, {why}{again}")));
            }
            Err(error @ (Error::Cancelled | Error::Io { .. })) => return Err(error),
            // A module or tokenizer of the application's own is not here.
            Err(error) => found.push(format!("virtual table {name} could not be checked here: {error}")),
        }
    }
    shorten(report, found);
    Ok(())
}

fn note(report: &mut LoadReport, lines: Vec<String>, why: &str) {
    shorten(report, lines.into_iter().map(|line| format!("{line}, {why}")).collect());
}

fn shorten(report: &mut LoadReport, lines: Vec<String>) {
    let more = lines.len().saturating_sub(LINES_SHOWN);
    report.notes.extend(lines.into_iter().take(LINES_SHOWN));
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
        Err(_) => take_name(partial, path, |partial, path| std::fs::hard_link(partial, path))?,
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(folder))
}

/// A link, unlike a rename, fails when somebody was faster. Where the filesystem has none, such as FAT, the kernel is
/// asked for a rename that does.
fn take_name(partial: &Path, path: &Path, link: impl FnOnce(&Path, &Path) -> io::Result<()>) -> Result<()> {
    match link(partial, path) {
        Ok(()) => std::fs::remove_file(partial).map_err(io_error(partial)),
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => {
            let renamed = renameat_with(CWD, partial, CWD, path, RenameFlags::NOREPLACE);
            renamed.map_err(|error| io_error(path)(error.into()))
        }
        Err(error) => Err(io_error(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filesystem_without_links_gets_the_file_too_and_never_over_anothers() {
        let folder = tempfile::tempdir().expect("a folder");
        let (partial, path) = (folder.path().join("partial"), folder.path().join("crm.db"));
        for kind in [ErrorKind::PermissionDenied, ErrorKind::Unsupported] {
            std::fs::write(&partial, "rows").expect("written");
            std::fs::write(&path, "theirs").expect("written");
            let taken = take_name(&partial, &path, |_, _| Err(kind.into())).expect_err("it is there");
            assert!(
                matches!(&taken, Error::Io { source, .. } if source.kind() == ErrorKind::AlreadyExists),
                "{taken:?}"
            );
            assert_eq!(std::fs::read_to_string(&path).expect("read"), "theirs");
            std::fs::remove_file(&path).expect("removed");
            take_name(&partial, &path, |_, _| Err(kind.into())).expect("renamed");
            assert_eq!(std::fs::read_to_string(&path).expect("read"), "rows");
            assert!(!partial.exists());
        }
    }

    #[test]
    fn damage_is_seen_behind_any_number_of_broken_constraints() {
        let connection = Connection::open_in_memory().expect("a database");
        let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)";
        let made = format!(
            "CREATE TABLE a (x CHECK (x > 0)); CREATE TABLE b (y); CREATE INDEX by_y ON b(y); CREATE TABLE c (z CHECK (z > 0));
             PRAGMA ignore_check_constraints = ON; {rows} INSERT INTO a SELECT -i FROM n; {rows} INSERT INTO c SELECT -i FROM n;
             PRAGMA ignore_check_constraints = OFF; INSERT INTO b VALUES (1), (2), (3);"
        );
        connection.execute_batch(&made).expect("made");
        let broken = integrity(&connection, Path::new("crm.db")).expect("no damage");
        let expected = ["a", "c"].map(|table| (format!("CHECK constraint failed in {table}"), 150));
        assert_eq!(broken, BTreeMap::from(expected));
        let damage = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX by_y ON b(y DESC)' \
            WHERE name = 'by_y'; PRAGMA writable_schema = RESET";
        connection.execute_batch(damage).expect("damaged");
        let error = integrity(&connection, Path::new("crm.db")).expect_err("damage");
        assert!(matches!(&error, Error::Damaged { reason, .. } if reason.contains("by_y")), "{error:?}");
    }

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
