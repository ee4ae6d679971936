//! SQLite: the sample CRM is backed up, destroyed, restored and compared by what the sqlite3 program says.

use std::path::Path;

use lifeboat_tests::run;

use super::support::{check_lines, check_says, sqlite};
use crate::company::{Company, DB1, sqlite_crm, sqlite_day, sqlite_dump};

const SCALE: &str = "0.002";

/// All that `.dump` does not say: the class of every value, rowids and pragmas.
fn classes(path: &Path) -> String {
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' \
        AND name NOT LIKE '%!_search!_%' ESCAPE '!' ORDER BY name";
    let mut told = sqlite(path, "PRAGMA integrity_check; PRAGMA user_version; PRAGMA application_id");
    for table in sqlite(path, tables).lines() {
        let columns = format!(
            "SELECT group_concat('typeof(\"' || name || '\")', ' || '' '' || ') FROM pragma_table_info('{table}')"
        );
        let columns = sqlite(path, &columns);
        let without_rowid = table == "settings";
        let order = if without_rowid { "name" } else { "rowid" };
        told +=
            &sqlite(path, &format!("SELECT '{table}', {order}, {columns} FROM \"{table}\" ORDER BY {order}"));
    }
    told
}

fn restore(company: &Company, to: &Path, more: &[&str]) -> lifeboat_tests::Finished {
    let url = format!("sqlite://{}", to.display());
    run(&mut company.restore(&[&["restore", "crm@latest", "--to", &url], more].concat()))
}

fn crm(company: &Company) -> std::path::PathBuf {
    let path = company.path("crm.db");
    let source = sqlite_crm(&path, SCALE);
    company.configure(DB1, &[source]);
    company.init(DB1);
    path
}

#[test]
fn a_crm_that_was_destroyed_comes_back_as_it_was_on_each_day() {
    let company = Company::new();
    let path = crm(&company);
    sqlite(&path, "PRAGMA user_version = 7; PRAGMA application_id = 42");
    let days = ["1", "2"].map(|day| {
        sqlite_day(&path, day);
        company.back_up(DB1);
        (sqlite_dump(&path), classes(&path))
    });
    for file in std::fs::read_dir(path.parent().expect("a folder")).expect("the folder").flatten() {
        if file.file_name().to_string_lossy().starts_with("crm.db") {
            std::fs::remove_file(file.path()).expect("the database is destroyed");
        }
    }
    let told = restore(&company, &path, &[]).success().stdout;
    assert!(told.contains("rows and digests of every loaded table are the snapshot's"), "{told}");
    check_lines(sqlite_dump(&path).lines(), days[1].0.lines());
    check_lines(classes(&path).lines(), days[1].1.lines());

    let (yesterday, first) = (company.path("yesterday.db"), company.snapshots()[0].clone());
    let url = format!("sqlite://{}", yesterday.display());
    run(&mut company.restore(&["restore", &first, "--to", &url])).success();
    check_lines(sqlite_dump(&yesterday).lines(), days[0].0.lines());
    check_lines(classes(&yesterday).lines(), days[0].1.lines());
    company.verify();
}

#[test]
fn what_is_still_in_the_write_ahead_log_is_backed_up() {
    let company = Company::new();
    let path = crm(&company);
    let mut application = std::process::Command::new("sqlite3")
        .arg(&path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sqlite3 starts");
    let mut typed = application.stdin.take().expect("stdin is piped");
    let mut told = std::io::BufReader::new(application.stdout.take().expect("stdout is piped"));
    let sql = "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; INSERT INTO settings VALUES ('late', 'in the log'); SELECT 'done';\n";
    std::io::Write::write_all(&mut typed, sql.as_bytes()).expect("the application takes it");
    let mut line = String::new();
    while line != "done\n" {
        line.clear();
        assert!(
            std::io::BufRead::read_line(&mut told, &mut line).expect("it answers") > 0,
            "the application ended"
        );
    }
    company.back_up(DB1);
    let new = company.path("new.db");
    restore(&company, &new, &[]).success();
    assert_eq!(sqlite(&new, "SELECT value FROM settings WHERE name = 'late'"), "in the log");
    drop(typed);
    assert!(application.wait().expect("it ends").success());
}

#[test]
fn a_chosen_table_comes_back_alone() {
    let company = Company::new();
    let path = crm(&company);
    company.back_up(DB1);
    let new = company.path("new.db");
    restore(&company, &new, &["--table", "contacts"]).success();
    let rows = "SELECT * FROM contacts ORDER BY id";
    assert!(sqlite(&new, rows) == sqlite(&path, rows), "the rows are not the same");
    assert_eq!(
        sqlite(
            &new,
            "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ),
        "contacts"
    );
}

#[test]
fn a_dry_run_and_a_refusal_touch_nothing() {
    let company = Company::new();
    crm(&company);
    company.back_up(DB1);
    let new = company.path("new.db");
    restore(&company, &new, &["--dry-run"]).success();
    assert!(!new.exists(), "a dry run made the file");
    std::fs::write(&new, "mine").expect("a file");
    for more in [&[][..], &["--into-new"], &["--no-compare"]] {
        let refused = restore(&company, &new, more).exits(1);
        check_says(&refused, &["new.db is not empty: a file of 4 bytes is there"]);
        assert_eq!(std::fs::read(&new).expect("it is still there"), b"mine");
    }
    let there = company.path("there.db");
    std::fs::write(&there, "").expect("an empty file");
    check_says(&restore(&company, &there, &["--into-new"]).exits(1), &["a new one was asked for"]);
}

#[test]
fn a_source_that_is_no_database_is_refused() {
    let company = Company::new();
    let path = crm(&company);
    company.back_up(DB1);
    std::fs::write(&path, "a letter to the customer, and no database at all".repeat(100)).expect("a letter");
    let refused = run(&mut company.agent(DB1, &["backup"])).exits(1);
    check_says(&refused, &["source crm failed", "crm.db"]);
    assert_eq!(company.snapshots().len(), 1);
}

#[test]
fn a_snapshot_goes_back_into_the_system_it_came_from() {
    let company = Company::new();
    crm(&company);
    company.back_up(DB1);
    let to = "postgres://nobody@localhost:1/crm";
    let refused = run(&mut company.restore(&["restore", "crm@latest", "--to", to])).exits(1);
    check_says(&refused, &["restoring a snapshot of sqlite into PostgreSQL"]);
    let usage = company.path("new.db");
    check_says(&restore(&company, &usage, &["--no-owner"]).exits(2), &["--no-owner means nothing"]);
}
