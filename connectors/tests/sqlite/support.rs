//! A story in few words: make a database with the sqlite3 program, capture it, restore it, compare.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lifeboat_connectors::{
    Capture, CaptureOptions, Error, LoadOptions, LoadPlan, LoadReport, LoadTable, PointInTime, Result,
    RowBatch, SchemaFile, Source, Table, open_source, open_target, row_channel,
};
use tempfile::TempDir;
use url::Url;

/// A folder of databases.
pub struct Folder(pub TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a scratch folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes a database by feeding `sql` to the sqlite3 program.
    pub fn database(&self, name: &str, sql: &str) -> PathBuf {
        let path = self.path(name);
        sqlite3(&path, sql);
        path
    }
}

/// Everything that a snapshot keeps.
pub struct Snapshot {
    pub point: PointInTime,
    pub schema: Vec<SchemaFile>,
    pub tables: Vec<(Table, Vec<RowBatch>)>,
}

impl Snapshot {
    pub fn plan(&self, chosen: Option<&[&str]>) -> LoadPlan {
        let wanted = |table: &&Table| chosen.is_none_or(|chosen| chosen.contains(&table.name.name.as_str()));
        LoadPlan {
            snapshot: "test".into(),
            point: self.point.clone(),
            schema: self.schema.clone(),
            tables: self.tables.iter().map(|(table, _)| table).filter(wanted).map(load_table).collect(),
            whole: chosen.is_none(),
            withheld: Vec::new(),
        }
    }

    /// The lines of a table.
    pub fn lines(&self, name: &str) -> Vec<Vec<u8>> {
        let (_, batches) = self.tables.iter().find(|(table, _)| table.name.name == name).expect("the table");
        batches.iter().flat_map(|batch| batch.lines().map(<[u8]>::to_vec)).collect()
    }

    pub fn all_lines(&self) -> Vec<(Table, Vec<Vec<u8>>)> {
        let strip = |table: &Table| {
            let mut table = table.clone();
            table.rows_estimated = 0;
            table.slices.clear();
            table
        };
        self.tables.iter().map(|(table, _)| (strip(table), self.lines(&table.name.name))).collect()
    }
}

pub fn load_table(table: &Table) -> LoadTable {
    LoadTable { name: table.name.clone(), kind: table.kind, columns: table.columns.clone() }
}

pub fn url(path: &Path) -> Url {
    let mut url = Url::parse("sqlite:///").expect("a URL");
    url.set_path(&path.to_str().expect("UTF-8").replace('%', "%25"));
    url
}

pub fn source(path: &Path) -> Box<dyn Source> {
    open_source(&url(path), None, false).expect("a source")
}

pub async fn begin(path: &Path) -> Result<Box<dyn Capture>> {
    source(path).capture(&CaptureOptions { lock_timeout_ms: 200, ..CaptureOptions::default() }).await
}

pub async fn backup(path: &Path) -> Snapshot {
    read_all(begin(path).await.expect("a capture")).await
}

pub async fn read_all(capture: Box<dyn Capture>) -> Snapshot {
    let mut tables = Vec::new();
    for table in capture.tables() {
        let mut batches = Vec::new();
        for slice in &table.slices {
            let (sender, mut receiver) = row_channel();
            let collect = async {
                let mut got = Vec::new();
                while let Some(batch) = receiver.recv().await {
                    got.push(batch);
                }
                got
            };
            let (count, got) = tokio::join!(capture.read(slice, sender), collect);
            assert_eq!(count.expect("rows"), got.iter().map(|batch| batch.rows() as u64).sum::<u64>());
            batches.extend(got);
        }
        tables.push((table.clone(), batches));
    }
    let snapshot = Snapshot {
        point: capture.point().clone(),
        schema: capture.schema().await.expect("a schema"),
        tables,
    };
    capture.finish().await.expect("the point held");
    snapshot
}

pub fn load_options() -> LoadOptions {
    LoadOptions {
        writers: 2,
        into_new: false,
        map_roles: Vec::new(),
        no_owner: false,
        with_accounts: false,
        enable_events: false,
        scratch: std::env::temp_dir(),
    }
}

pub async fn restore(snapshot: &Snapshot, path: &Path, chosen: Option<&[&str]>) -> Result<LoadReport> {
    restore_planned(snapshot, path, snapshot.plan(chosen)).await
}

/// Restores what a plan says; of tables that are withheld no row comes.
pub async fn restore_planned(snapshot: &Snapshot, path: &Path, plan: LoadPlan) -> Result<LoadReport> {
    let target = open_target(&url(path), None, false)?;
    target.inspect(&plan).await?;
    let load = target.begin(plan.clone(), &load_options()).await?;
    for table in &plan.tables {
        let (_, batches) = snapshot.tables.iter().find(|(kept, _)| kept.name == table.name).expect("kept");
        let batches = if plan.withheld_of(&table.name.name).is_some() { &[][..] } else { batches };
        let (sender, receiver) = row_channel();
        let send = async {
            for batch in batches {
                sender.send(batch.clone()).await.map_err(|_| Error::Cancelled)?;
            }
            drop(sender);
            Ok::<_, Error>(())
        };
        let expected = batches.iter().map(|batch| batch.rows() as u64).sum();
        let (sent, loaded) = tokio::join!(send, load.load(table, expected, receiver));
        loaded?;
        sent?;
    }
    load.finish().await
}

/// Makes a database, takes it through a snapshot, and compares the two in every way there is.
pub async fn check_round_trip(sql: &str) -> (Folder, Snapshot, LoadReport) {
    let folder = Folder::new();
    let before = folder.database("before.db", sql);
    let after = folder.path("after.db");
    let snapshot = backup(&before).await;
    let report = restore(&snapshot, &after, None).await.expect("a restore");
    assert_same(&before, &after, &snapshot).await;
    assert_eq!(report.refused, Vec::<String>::new());
    (folder, snapshot, report)
}

pub async fn assert_same(before: &Path, after: &Path, snapshot: &Snapshot) {
    assert_eq!(sqlite3(before, ".dump"), sqlite3(after, ".dump"));
    for pragma in [
        "page_size",
        "auto_vacuum",
        "encoding",
        "user_version",
        "application_id",
        "default_cache_size",
        "journal_mode",
    ] {
        let sql = format!("PRAGMA {pragma}");
        assert_eq!(sqlite3(before, &sql), sqlite3(after, &sql), "{pragma}");
    }
    let schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid";
    assert_eq!(sqlite3(before, schema), sqlite3(after, schema));
    for (table, _) in &snapshot.tables {
        let values = table.columns.iter().map(|column| quoted(&column.name));
        let values: Vec<String> =
            values.map(|name| format!("typeof({name}), quote({name}), hex({name})")).collect();
        let sql = format!("SELECT {} FROM {} NOT INDEXED", values.join(", "), quoted(&table.name.name));
        assert_eq!(sqlite3(before, &sql), sqlite3(after, &sql), "{}", table.name);
    }
    let again = backup(after).await;
    assert_eq!(snapshot.all_lines(), again.all_lines());
    assert_eq!(snapshot.schema, again.schema);
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Runs the sqlite3 program and returns what it prints.
pub fn sqlite3(path: &Path, input: &str) -> String {
    let mut child = Command::new("sqlite3")
        .args(["-batch", "-bail"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need the sqlite3 program: apt-get install sqlite3");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("sqlite3 ends");
    writer.join().expect("written").expect("sqlite3 reads all");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "sqlite3: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
