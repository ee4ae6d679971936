//! Can the next capture work, and what would it cost the application?

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::Connection;

use super::catalog::Catalog;
use super::connection::{self, integer, open_to_read, rows, text};
use super::place::{beside, io_error};
use crate::{Checked, Error, Finding, Result, Severity};

/// Milliseconds to wait for a lock: a check must not hang.
const LOCK_TIMEOUT_MS: u64 = 5_000;

/// Databases up to this size are read whole by `quick_check`: a second or two.
const QUICK_CHECK_BYTES_MAX: i64 = 256 * 1024 * 1024;

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
        found.push(integrity(&connection, path)?);
    } else {
        let text = "not looked at, for its size".to_owned();
        found.push(hinted(finding(Severity::Ok, "integrity", text), "at a quiet hour: PRAGMA quick_check"));
    }
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

fn integrity(connection: &Connection, path: &Path) -> Result<Finding> {
    let lines: Vec<String> = match rows(connection, path, "PRAGMA quick_check(3)", |row| row.get(0)) {
        Ok(lines) => lines,
        // Damage can be such that it ends the check.
        Err(Error::Damaged { reason, .. }) => vec![reason],
        Err(error) => return Err(error),
    };
    if lines == ["ok"] {
        return Ok(finding(Severity::Ok, "integrity", "quick_check found nothing".into()));
    }
    let hint =
        "restore a good snapshot beside it, or recover what can be read with the sqlite3 program's .recover";
    Ok(hinted(finding(Severity::Problem, "integrity", lines.join("; ")), hint))
}

fn finding(severity: Severity, subject: &str, text: String) -> Finding {
    Finding { severity, subject: subject.into(), text, hint: None }
}

fn hinted(finding: Finding, hint: impl Into<String>) -> Finding {
    Finding { hint: Some(hint.into()), ..finding }
}
