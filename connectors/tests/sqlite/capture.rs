//! A capture sees one point and leaves no trace on the application's files.

use std::path::Path;

use lifeboat_connectors::{CaptureOptions, Severity};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, Executor};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::support::{Folder, assert_same, backup, begin, read_all, restore, source, sqlite3};

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
    let checked = source(&path).check().await.expect("findings");
    let capture = source(&path).capture(&CaptureOptions::default()).await.expect("a capture");
    let named = |tables: &[lifeboat_connectors::Table]| -> Vec<_> {
        tables.iter().map(|table| (table.name.clone(), table.columns.clone())).collect()
    };
    assert_eq!(named(&checked.tables), named(capture.tables()));
    let findings = checked.findings;
    let journal = findings.iter().find(|finding| finding.subject == "journal").expect("a finding");
    assert_eq!(journal.severity, Severity::Warning);
    assert!(findings.iter().all(|finding| finding.severity != Severity::Problem), "{findings:?}");
}

/// A value, and the field it must become.
#[derive(Debug, Clone)]
enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Value {
    fn random(dice: &mut SmallRng) -> Self {
        let length = [0, 1, 7, 31, 32, 33, 64, 300][dice.random_range(0..8)];
        match dice.random_range(0..9) {
            0 => Self::Null,
            1 => Self::Integer(dice.random_range(-1000..1000)),
            2 => Self::Integer(dice.random()),
            3 => {
                Self::Real(Some(f64::from_bits(dice.random())).filter(|real| !real.is_nan()).unwrap_or(-0.0))
            }
            4 => Self::Real(f64::from(dice.random_range(-100_000..100_000)) / 100.0),
            5 => Self::Text((0..length).map(|_| dice.random_range(b' '..=b'z')).collect()),
            6 => Self::Text((0..length).map(|_| dice.random::<u8>() % 16).collect()),
            7 => Self::Text((0..length).map(|_| dice.random()).collect()),
            _ => Self::Blob((0..length).map(|_| dice.random()).collect()),
        }
    }

    /// One byte after the other, as the table of forms in `src/sqlite/mod.rs` has it.
    fn field(&self) -> Vec<u8> {
        let (class, bytes) = match self {
            Self::Null => return b"\\N".to_vec(),
            Self::Integer(value) => return format!("i{value}").into_bytes(),
            Self::Real(value) => return format!("r{value:?}").into_bytes(),
            Self::Text(bytes) => (b't', bytes),
            Self::Blob(bytes) => (b'b', bytes),
        };
        let escaped = bytes.iter().flat_map(|byte| match byte {
            b'\\' => b"\\\\".to_vec(),
            b'\t' => b"\\t".to_vec(),
            b'\n' => b"\\n".to_vec(),
            b'\r' => b"\\r".to_vec(),
            8 => b"\\b".to_vec(),
            11 => b"\\v".to_vec(),
            12 => b"\\f".to_vec(),
            byte => vec![*byte],
        });
        [class].into_iter().chain(escaped).collect()
    }
}

#[tokio::test]
async fn every_line_is_what_its_values_are_whichever_reader_has_its_slice() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    let mut application = writer(&path).await;
    application.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c)").await.expect("made");
    let dice = &mut SmallRng::seed_from_u64(11);
    let mut ids = vec![i64::MIN, -1, 0, 262_143, 262_144, 262_145, 524_287, 524_288, 9_000_000];
    ids.extend((0..3000).map(|at| at * 400 + 7));
    let mut expected = Vec::new();
    application.execute("BEGIN").await.expect("begun");
    for id in ids {
        let values = [0; 3].map(|_| Value::random(dice));
        let places = values.each_ref().map(|value| match value {
            Value::Text(_) => "CAST(? AS TEXT)",
            _ => "?",
        });
        let sql = format!("INSERT INTO t VALUES ({id}, {})", places.join(", "));
        let mut insert = sqlx::query(sqlx::AssertSqlSafe(sql));
        for value in &values {
            insert = match value.clone() {
                Value::Null => insert.bind(None::<i64>),
                Value::Integer(value) => insert.bind(value),
                Value::Real(value) => insert.bind(value),
                Value::Text(bytes) | Value::Blob(bytes) => insert.bind(bytes),
            };
        }
        insert.execute(&mut application).await.expect("inserted");
        let fields = [Value::Integer(id)].iter().chain(&values).map(Value::field).collect::<Vec<_>>();
        expected.push([fields.join(&b'\t'), b"\n".to_vec()].concat());
    }
    application.execute("COMMIT").await.expect("written");
    application.close().await.expect("closed");

    let snapshot = backup(&path).await;
    assert_eq!(snapshot.tables[0].0.slices.len(), 35);
    let (mut lines, mut expected) = (snapshot.lines("t"), expected);
    lines.sort_unstable();
    expected.sort_unstable();
    assert!(lines == expected, "a line is not what its values are");
    let restored = folder.path("restored.db");
    restore(&snapshot, &restored, None).await.expect("a restore");
    assert_same(&path, &restored, &snapshot).await;
}
