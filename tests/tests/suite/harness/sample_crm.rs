//! The sample CRM is the same for the same seed, and a day changes what a day may change.

use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat_tests::{PostgresServer, program, run};
use tempfile::TempDir;

const SCALE: &str = "0.002";

fn make_sqlite(folder: &TempDir, name: &str, seed: &str) -> PathBuf {
    let path = folder.path().join(name);
    run(program("sample-crm").arg("sqlite").arg(&path).args(["--scale", SCALE, "--seed", seed])).success();
    path
}

fn sqlite(path: &Path, sql: &str) -> String {
    run(Command::new("sqlite3").arg(path).arg(sql)).success().stdout.trim_end().to_owned()
}

#[test]
fn a_seed_makes_the_same_sqlite_database_every_time() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let dump = |name, seed| sqlite(&make_sqlite(&folder, name, seed), ".dump");
    let first = dump("first.db", "1");
    assert!(first == dump("again.db", "1"), "two databases of one seed differ");
    assert!(first != dump("other.db", "2"), "the seed makes no difference");
}

#[test]
fn a_sqlite_file_that_exists_is_left_alone() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("mine.db");
    std::fs::write(&path, "mine").expect("the folder can be written");
    run(program("sample-crm").arg("sqlite").arg(&path)).exits(1);
    assert_eq!(std::fs::read(&path).expect("it is still there"), b"mine");
}

#[test]
fn a_sqlite_database_stays_sound_through_a_week() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = make_sqlite(&folder, "crm.db", "1");
    let before: u32 = sqlite(&path, "SELECT count(*) FROM activities").parse().expect("a number");
    for day in ["1", "2", "3", "4", "5"] {
        run(program("sample-crm").args(["day", "sqlite"]).arg(&path).args(["--day", day])).success();
    }
    assert_eq!(sqlite(&path, "PRAGMA integrity_check; PRAGMA foreign_key_check"), "ok");
    let after: u32 = sqlite(&path, "SELECT count(*) FROM activities").parse().expect("a number");
    assert!(after > before, "{before} activities became {after}");
    let found: u32 =
        sqlite(&path, "SELECT count(*) FROM notes_search('discount')").parse().expect("a number");
    assert!(found > 0, "full-text search finds nothing");
}

#[test]
fn a_seed_makes_the_same_postgres_database_and_the_same_days() {
    let server = PostgresServer::start();
    let dump = |name: &str| {
        server.create_database(name);
        let url = server.url(name, "postgres");
        run(program("sample-crm").args(["postgres", &url, "--scale", SCALE])).success();
        let day = run(program("sample-crm").args(["day", "postgres", &url, "--day", "1"])).success().stdout;
        assert_eq!(day, "day 1: 5 rows updated, 15 added, 1 deleted\n");
        // Updated rows lie where there was room: order by content.
        let mut lines: Vec<String> = server.dump(name, &[]).lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert!(dump("one") == dump("two"), "two databases of one seed differ");
}

#[test]
fn a_postgres_application_goes_on_after_the_sample() {
    let server = PostgresServer::start();
    server.create_database("crm");
    let url = server.url("crm", "postgres");
    run(program("sample-crm").args(["postgres", &url, "--scale", SCALE])).success();
    let number = server.psql(
        "crm",
        "INSERT INTO accounts (name, owner_id, created_at, updated_at) VALUES ('新客户', 1, now(), now()) RETURNING number",
    );
    assert_eq!(number, "A00000121");
    let versions =
        server.psql("crm", "UPDATE opportunities SET stage = 'won' WHERE id = 1 RETURNING version");
    assert_eq!(versions, "2");
}
