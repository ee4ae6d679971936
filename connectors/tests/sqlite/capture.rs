//! A capture sees one point and leaves no trace on the application's files.

use std::path::Path;

use lifeboat_connectors::{CaptureOptions, Severity};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::support::{Folder, backup, begin, read_all, source, sqlite3};

async fn writer(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    options.journal_mode(SqliteJournalMode::Wal).connect().await.expect("a writer")
}

fn content(path: &Path) -> (Vec<u8>, Vec<u8>) {
    let wal = format!("{}-wal", path.display());
    (std::fs::read(path).expect("the file"), std::fs::read(wal).unwrap_or_default())
}

#[tokio::test]
async fn the_application_s_wal_is_never_checkpointed() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    let mut application = writer(&path).await;
    application.execute("CREATE TABLE t (v); INSERT INTO t VALUES ('in the wal')").await.expect("written");
    // Copies of the files: reading the originals here would drop the locks of this process on them.
    let copy = folder.path("copy.db");
    for suffix in ["", "-wal"] {
        std::fs::copy(format!("{}{suffix}", path.display()), format!("{}{suffix}", copy.display()))
            .expect("copied");
    }
    application.close().await.expect("closed");

    let before = content(&copy);
    assert!(!before.1.is_empty());
    let snapshot = backup(&copy).await;
    assert_eq!(snapshot.lines("t"), vec![b"i1\ttin the wal\n".to_vec()]);
    assert!(before == content(&copy), "the capture changed the database or its wal");
    assert_eq!(sqlite3(&copy, "SELECT v FROM t"), "in the wal\n");
}

#[tokio::test]
async fn a_writer_s_open_wal_stays_as_it_is() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    let mut application = writer(&path).await;
    application.execute("CREATE TABLE t (v); INSERT INTO t VALUES (1)").await.expect("written");
    let sizes = || {
        ["", "-wal"]
            .map(|suffix| std::fs::metadata(format!("{}{suffix}", path.display())).expect("there").len())
    };
    let before = sizes();
    assert_eq!(backup(&path).await.lines("t").len(), 1);
    assert_eq!(before, sizes());
    application.execute("INSERT INTO t VALUES (2)").await.expect("the writer goes on");
    application.close().await.expect("closed");
}

#[tokio::test]
async fn every_reader_sees_the_point_that_was_fixed() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    let mut application = writer(&path).await;
    application
        .execute("CREATE TABLE a (v); CREATE TABLE b (v); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)")
        .await
        .expect("written");
    let capture = begin(&path).await.expect("a capture");
    application
        .execute("BEGIN; INSERT INTO a VALUES (2); DELETE FROM b; DROP TABLE b; COMMIT")
        .await
        .expect("the writer is not held up");
    let snapshot = read_all(capture).await;
    assert_eq!((snapshot.lines("a").len(), snapshot.lines("b").len()), (1, 1));
    application.close().await.expect("closed");
}

#[tokio::test]
async fn readers_agree_while_commits_rain() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    let mut application = writer(&path).await;
    application.execute("CREATE TABLE a (v); CREATE TABLE b (v)").await.expect("written");
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let rain = tokio::spawn(async move {
        while stopped.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            application
                .execute("BEGIN; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); COMMIT")
                .await
                .expect("written");
        }
        application.close().await.expect("closed");
    });
    for _ in 0..50 {
        let capture = source(&path)
            .capture(&CaptureOptions { readers: 4, ..CaptureOptions::default() })
            .await
            .expect("a capture");
        let snapshot = read_all(capture).await;
        assert_eq!(snapshot.lines("a").len(), snapshot.lines("b").len());
    }
    stop.send(()).expect("it still rains");
    rain.await.expect("it stops");
}

#[tokio::test]
async fn a_rollback_journal_database_says_that_writers_waited() {
    let folder = Folder::new();
    let path = folder.database("crm.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1)");
    assert!(backup(&path).await.point.method.contains("writers' commits waited"));
    let findings = source(&path).check().await.expect("findings");
    let journal = findings.iter().find(|finding| finding.subject == "journal").expect("a finding");
    assert_eq!(journal.severity, Severity::Warning);
    assert!(findings.iter().all(|finding| finding.severity != Severity::Problem), "{findings:?}");
}
