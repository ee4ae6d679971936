//! Can the next capture work, and what would it cost the application?

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::Connection;

use super::catalog::Catalog;
use super::connection::{self, integer, literal, open_to_read, rows, text};
use super::finish::breaks_constraint;
use super::lacking::Lacking;
use super::place::{beside, io_error};
use crate::{Checked, Error, Finding, Result, Severity};

/// Milliseconds to wait for a lock: a check must not hang.
const LOCK_TIMEOUT_MS: u64 = 5_000;

/// Databases up to this size are read whole by `quick_check`: a second or two.
const QUICK_CHECK_BYTES_MAX: i64 = 256 * 1024 * 1024;

/// Lines of a check that are repeated.
const LINES_SHOWN: usize = 3;

/// What a line of a check begins with that is about the file's pages.
const OF_THE_FILE: &str = "*** in database";

/// A WAL beyond this is not being checkpointed as it should.
const WAL_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Looks at the database and changes nothing.
pub fn run(path: &Path) -> Result<Checked> {
    let connection = open_to_read(path, LOCK_TIMEOUT_MS)?;
    connection::run(&connection, path, "BEGIN")?;
    let catalog = Catalog::read(&connection, path)?;
    let pragmas = &catalog.schema.pragmas;
    let pages = integer(&connection, path, "PRAGMA page_count")?;
    let bytes = pages.saturating_mul(pragmas.page_size);
    let version = text(&connection, path, "SELECT sqlite_version()")?;

    let mut found = vec![
        finding(Severity::Ok, "version", format!("read with SQLite {version}")),
        journal(&pragmas.journal_mode),
        finding(Severity::Ok, "size", format!("{} tables, {bytes} bytes", catalog.tables.len())),
    ];
    found.extend(wal(path));
    found.extend(permissions(path)?);
    if bytes <= QUICK_CHECK_BYTES_MAX {
        found.extend(integrity(&connection, path, &catalog)?);
    } else {
        let text = "not looked at, for its size".to_owned();
        found.push(hinted(finding(Severity::Ok, "integrity", text), "at a quiet hour: PRAGMA quick_check"));
    }
    found.extend(catalog.lacking.iter().map(|(table, lacking)| lacks(table, lacking)));
    found.extend(catalog.not_covered.iter().map(|text| finding(Severity::Warning, "coverage", text.clone())));
    Ok(Checked { findings: found, tables: catalog.tables })
}

fn journal(mode: &str) -> Finding {
    if mode == "wal" {
        return finding(Severity::Ok, "journal", "WAL mode: a backup holds nobody up".into());
    }
    let text = format!("journal mode is {mode}: its writers wait while a backup reads");
    hinted(finding(Severity::Warning, "journal", text), "run once on the database: PRAGMA journal_mode = WAL")
}

fn wal(path: &Path) -> Option<Finding> {
    let bytes = std::fs::metadata(beside(path, "-wal")).ok()?.len();
    if bytes <= WAL_BYTES_MAX {
        return Some(finding(Severity::Ok, "wal", format!("{bytes} bytes")));
    }
    let text = format!("{bytes} bytes: checkpoints do not keep up");
    Some(hinted(finding(Severity::Warning, "wal", text), "look for a reader that never ends its transaction"))
}

/// A reader of a WAL database may have to create `-shm` and `-wal`; made by another account than the
/// application's, they can lock the application out.
fn permissions(path: &Path) -> Result<Vec<Finding>> {
    let file = std::fs::metadata(path).map_err(io_error(path))?;
    let mut found = Vec::new();
    if file.mode() & 0o004 != 0 {
        let text = format!("every account of this machine may read {}", path.display());
        found.push(hinted(
            finding(Severity::Warning, "permissions", text),
            format!("chmod o-r '{}'", path.display()),
        ));
    }
    let own = Path::new("/proc/self");
    let uid = std::fs::metadata(own).map_err(io_error(own))?.uid();
    if uid != 0 && uid != file.uid() {
        let text = format!("the file belongs to account {}, this program runs as {uid}", file.uid());
        let hint =
            "give both accounts a common group, so that either can use the other's -shm and -wal files";
        found.push(hinted(finding(Severity::Warning, "permissions", text), hint));
    }
    Ok(found)
}

/// What only the application knows of a table's definition.
fn lacks(table: &str, lacking: &Lacking) -> Finding {
    let text = format!(
        "table {} asks for what only its application knows: {}",
        table.escape_debug(),
        lacking.what()
    );
    let hint = match lacking.own {
        true => "a restore brings it back as it is, and leaves out and names indexes that are made of that",
        false => {
            "a restore brings back its rows, and leaves that out of its definition: an index of its own is made of it"
        }
    };
    hinted(finding(Severity::Warning, "definitions", text), hint)
}

/// Looks at the file, then at each table on its own, so that none hides what is wrong with another: what a virtual
/// table's module finds is no damage to the file, and an index whose order only the application knows cannot be looked
/// at.
fn integrity(connection: &Connection, path: &Path, catalog: &Catalog) -> Result<Vec<Finding>> {
    let (mut damage, mut found) = (Vec::new(), Vec::new());
    let sound = || finding(Severity::Ok, "integrity", "quick_check found no damage".into());
    // Pages that are lost, or of two tables, belong to no table.
    match quick_check(connection, path, &LINES_SHOWN.to_string()) {
        // With every check of every row, so there is nothing to be told of any table.
        Ok(lines) if lines == ["ok"] && catalog.lacking.is_empty() => return Ok(vec![sound()]),
        Ok(lines) => damage.extend(lines.into_iter().filter(|line| line.starts_with(OF_THE_FILE))),
        Err(Error::Damaged { reason, .. }) => damage.push(reason),
        Err(Error::Failed { reason, .. }) => {
            let text = format!("the file as a whole could not be looked at, but each table: {reason}");
            found.push(finding(Severity::Warning, "integrity", text));
        }
        Err(error) => return Err(error),
    }
    for object in catalog.schema.objects.iter().filter(|object| object.kind == "table") {
        let name = object.name.escape_debug();
        match quick_check(connection, path, &literal(&object.name)) {
            Ok(lines) => {
                let lines = lines.into_iter().filter(|line| line != "ok");
                let (harmless, bad): (Vec<_>, Vec<_>) =
                    lines.partition(|line| !object.stored || breaks_constraint(line));
                damage.extend(bad);
                let harmless = harmless.iter().take(LINES_SHOWN).cloned().collect::<Vec<_>>().join("; ");
                if !harmless.is_empty() {
                    found.push(finding(Severity::Warning, "integrity", format!("table {name}: {harmless}")));
                }
            }
            // Damage can be such that it ends the check.
            Err(Error::Damaged { reason, .. }) if object.stored => damage.push(reason),
            Err(Error::Damaged { reason, .. } | Error::Failed { reason, .. }) => {
                let text = format!("table {name} could not be looked at: {reason}");
                found.push(finding(Severity::Warning, "integrity", text));
            }
            Err(error) => return Err(error),
        }
    }
    damage.dedup();
    damage.truncate(LINES_SHOWN);
    let first = match damage.is_empty() {
        true => sound(),
        false => hinted(
            finding(Severity::Problem, "integrity", damage.join("; ")),
            "restore a good snapshot beside it, or recover what can be read with the sqlite3 program's .recover",
        ),
    };
    found.insert(0, first);
    Ok(found)
}

/// The lines of one table, or so many of the whole file, if need be without checks: they may ask for what only the
/// application knows.
fn quick_check(connection: &Connection, path: &Path, of: &str) -> Result<Vec<String>> {
    let sql = format!("PRAGMA main.quick_check({of})");
    let lines = || rows(connection, path, &sql, |row| row.get(0));
    let with_checks = lines();
    if !matches!(with_checks, Err(Error::Failed { .. })) {
        return with_checks;
    }
    connection::run(connection, path, "PRAGMA ignore_check_constraints = ON")?;
    let without_checks = lines();
    connection::run(connection, path, "PRAGMA ignore_check_constraints = OFF")?;
    without_checks
}

fn finding(severity: Severity, subject: &str, text: String) -> Finding {
    Finding { severity, subject: subject.into(), text, hint: None }
}

fn hinted(finding: Finding, hint: impl Into<String>) -> Finding {
    Finding { hint: Some(hint.into()), ..finding }
}
