//! Bad input gets a clear error and loses nothing.

use std::path::Path;

use lifeboat_connectors::{Error, LoadOptions, Severity, open_target, row_channel};

use crate::support::{Folder, backup, begin, load_options, restore, source, sqlite3, url};

async fn check_source(path: &Path, expected: &str) {
    let error = begin(path).await.err().expect("an error");
    assert!(error.to_string().contains(expected), "{error}");
    assert!(source(path).check().await.is_err());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_in_words() {
    let folder = Folder::new();
    check_source(&folder.path("missing.db"), "does not exist").await;
    assert!(!folder.path("missing.db").exists());
    check_source(folder.0.path(), "it is not a file").await;
    let noise: Vec<u8> = (0..8192_u32).map(|i| (i * 31 % 251) as u8).collect();
    std::fs::write(folder.path("noise.db"), noise).expect("written");
    check_source(&folder.path("noise.db"), "not a SQLite database, or it is encrypted").await;
}

#[tokio::test]
async fn check_sees_pages_that_belong_to_two_tables_or_to_none() {
    let folder = Folder::new();
    let path = folder.database(
        "crm.db",
        "CREATE TABLE a (x); CREATE TABLE b (x); INSERT INTO a VALUES (1); PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'a') WHERE name = 'b'",
    );
    let findings = source(&path).check().await.expect("findings").findings;
    let problem = findings.iter().find(|finding| finding.severity == Severity::Problem);
    assert!(problem.is_some_and(|problem| problem.text.contains("*** in database main")), "{findings:?}");
}

#[tokio::test]
async fn a_path_with_spaces_and_percent_signs_is_a_path() {
    let folder = Folder::new();
    let before = folder.database("my crm 100%20 客户?.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1)");
    let after = folder.path("a new %41 one.db");
    restore(&backup(&before).await, &after, None).await.expect("a restore");
    assert_eq!(sqlite3(&after, "SELECT * FROM t"), "1\n");
}

#[tokio::test]
async fn a_locked_database_is_named_as_such() {
    let folder = Folder::new();
    let path = folder.database("crm.db", "CREATE TABLE t (v)");
    let mut other = sqlx::ConnectOptions::connect(&sqlx::sqlite::SqliteConnectOptions::new().filename(&path))
        .await
        .expect("open");
    sqlx::Executor::execute(&mut other, "BEGIN EXCLUSIVE").await.expect("locked");
    let error = begin(&path).await.err().expect("an error");
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    sqlx::Connection::close(other).await.expect("closed");
}

#[tokio::test]
async fn a_corrupt_database_fails_the_capture_or_its_check() {
    let folder = Folder::new();
    let path = folder.database(
        "crm.db",
        "CREATE TABLE t (v); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i FROM n",
    );
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[8192..12288].fill(0xee);
    std::fs::write(&path, bytes).expect("written");
    let capture = begin(&path).await.expect("the header is whole");
    let (sender, mut receiver) = row_channel();
    let drain = async { while receiver.recv().await.is_some() {} };
    let (read, ()) = tokio::join!(capture.read(&capture.tables()[0].slices[0], sender), drain);
    assert!(matches!(read, Err(Error::Damaged { .. })), "{read:?}");
    let findings = source(&path).check().await.expect("findings").findings;
    assert!(findings.iter().any(|finding| finding.severity == lifeboat_connectors::Severity::Problem));
}

#[tokio::test]
async fn an_interrupted_transaction_is_left_to_the_application() {
    let folder = Folder::new();
    let path = folder.database("crm.db", "CREATE TABLE t (v); INSERT INTO t VALUES (zeroblob(100000))");
    let mut writer =
        sqlx::ConnectOptions::connect(&sqlx::sqlite::SqliteConnectOptions::new().filename(&path))
            .await
            .expect("open");
    let sql = "PRAGMA cache_size = 5; BEGIN; UPDATE t SET v = randomblob(100000); INSERT INTO t VALUES (randomblob(900000))";
    sqlx::Executor::execute(&mut writer, sql).await.expect("spilled");
    // As a crash would leave them: a journal, and nobody who holds its lock.
    let crashed = folder.path("crashed.db");
    for suffix in ["", "-journal"] {
        std::fs::copy(format!("{}{suffix}", path.display()), format!("{}{suffix}", crashed.display()))
            .expect("copied");
    }
    sqlx::Connection::close(writer).await.expect("closed");
    let before = std::fs::read(&crashed).expect("read");
    check_source(&crashed, "open the database once with its application").await;
    assert!(before == std::fs::read(&crashed).expect("read"));
    sqlite3(&crashed, "SELECT count(*) FROM t");
    assert_eq!(backup(&crashed).await.lines("t").len(), 1);
}

#[tokio::test]
async fn a_target_that_holds_anything_is_left_untouched() {
    let folder = Folder::new();
    let before = folder.database("b.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1)");
    let snapshot = backup(&before).await;
    let taken = folder.path("taken.db");
    std::fs::write(&taken, b"something of mine").expect("written");
    let error = restore(&snapshot, &taken, None).await.expect_err("refused");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert_eq!(std::fs::read(&taken).expect("read"), b"something of mine");

    std::fs::write(folder.path("new.db-wal"), b"left behind").expect("written");
    let error = restore(&snapshot, &folder.path("new.db"), None).await.expect_err("refused");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");

    let error = restore(&snapshot, &folder.path("nowhere/new.db"), None).await.expect_err("refused");
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");

    std::fs::write(folder.path("empty.db"), b"").expect("written");
    restore(&snapshot, &folder.path("empty.db"), None).await.expect("an empty file is a fine target");
    assert_eq!(sqlite3(&folder.path("empty.db"), "SELECT * FROM t"), "1\n");
}

#[tokio::test]
async fn an_interrupted_restore_leaves_no_database_and_starts_over() {
    let folder = Folder::new();
    let before = folder.database("b.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1)");
    let snapshot = backup(&before).await;
    let after = folder.path("a.db");
    let target = open_target(&url(&after), None, false).expect("a target");
    let plan = snapshot.plan(None);
    assert_eq!(target.inspect(&plan).await.expect("free"), Vec::<String>::new());

    let load = target.begin(plan.clone(), &load_options()).await.expect("begun");
    let second = target.begin(plan.clone(), &load_options()).await.err().expect("one at a time");
    assert!(matches!(second, Error::Refused { .. }), "{second:?}");
    drop(load);
    assert!(!after.exists() && folder.path("a.db.lifeboat-partial").exists());
    let told = target.inspect(&plan).await.expect("free");
    assert!(told.len() == 1 && told[0].contains("starting it over"), "{told:?}");
    restore(&snapshot, &after, None).await.expect("a restore");
    assert_eq!(sqlite3(&after, "SELECT * FROM t"), "1\n");
    assert!(!folder.path("a.db.lifeboat-partial").exists());
}

#[tokio::test]
async fn rows_that_did_not_all_arrive_fail_the_table() {
    let folder = Folder::new();
    let snapshot = backup(&folder.database("b.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1)")).await;
    let after = folder.path("a.db");
    let target = open_target(&url(&after), None, false).expect("a target");
    let plan = snapshot.plan(None);
    let load = target.begin(plan.clone(), &load_options()).await.expect("begun");
    let (sender, receiver) = row_channel();
    drop(sender);
    let error = load.load(&plan.tables[0], 1, receiver).await.expect_err("a row is missing");
    assert!(error.to_string().contains("0 rows arrived where 1 were expected"), "{error}");
    load.abort().await;
    assert!(!after.exists() && !folder.path("a.db.lifeboat-partial").exists());
}

#[tokio::test]
async fn roles_and_other_systems_are_refused() {
    let folder = Folder::new();
    let mut snapshot = backup(&folder.database("b.db", "CREATE TABLE t (v)")).await;
    let target = open_target(&url(&folder.path("a.db")), None, false).expect("a target");
    let options = LoadOptions { map_roles: vec![("a".into(), "b".into())], ..load_options() };
    let error = target.begin(snapshot.plan(None), &options).await.err().expect("refused");
    assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
    snapshot.point.system = "postgres".into();
    let error = target.inspect(&snapshot.plan(None)).await.expect_err("refused");
    assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
    assert!(!folder.path("a.db").exists() && !folder.path("a.db.lifeboat-partial").exists());
}
