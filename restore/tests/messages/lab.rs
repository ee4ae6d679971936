//! A folder of its own for each test with a vault in it, the program run there, and its words made
//! comparable.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use age::secrecy::ExposeSecret;
use jiff::Timestamp;
use lifeboat_connectors::{CaptureOptions, open_source, row_channel};
use lifeboat_vault::format::manifest::{ColumnRecord, StreamRecord, TableHead, TableRecord};
use lifeboat_vault::format::record::ChunkSizes;
use lifeboat_vault::{
    AgentKey, Draft, Grade, NewVault, Opener, Person, SnapshotWriter, Store, Vault, create,
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tempfile::TempDir;
use url::Url;

/// When every snapshot of a lab is taken, an hour apart.
const FIRST: &str = "2026-11-23T03:00:00Z";

/// A vault with its people and its agent, and a small CRM in SQLite.
pub struct Lab {
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
    key: AgentKey,
    taken: std::cell::Cell<i64>,
}

impl Lab {
    /// A vault of no snapshots.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (wang, stranger) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
        let recipient = wang.to_public().to_string();
        let write = |name: &str, identity: age::x25519::Identity| {
            std::fs::write(folder.path().join(name), identity.to_string().expose_secret()).expect("a key");
        };
        write("wang.key", wang);
        write("stranger.key", stranger);
        let key = AgentKey::generate("db1");
        key.write_new(&folder.path().join("agent.key")).expect("the agent's key");
        let people =
            [Person { name: "wang".into(), recipient, grades: Grade::ALL.to_vec(), ..Person::default() }];
        let url = Url::from_directory_path(folder.path().join("vault")).expect("a URL");
        runtime.block_on(async {
            let store = Store::open(&url, true).expect("a store");
            let made: NewVault =
                create(store, &people, &[], ChunkSizes::default(), Timestamp::now()).await.expect("a vault");
            made.enrol(&key.request(), Timestamp::now()).await.expect("an enrolled agent");
        });
        Self { folder, runtime, key, taken: std::cell::Cell::new(0) }
    }

    /// A vault of one snapshot of a small CRM.
    pub fn with_snapshot() -> Self {
        let lab = Self::new();
        lab.sql(
            "CREATE TABLE contacts (id INTEGER PRIMARY KEY, name TEXT);
             INSERT INTO contacts VALUES (1, '王'), (2, 'Ada');
             CREATE TABLE deals (id INTEGER PRIMARY KEY, contact INTEGER REFERENCES contacts, amount REAL);
             INSERT INTO deals VALUES (1, 1, 1.5), (2, 2, 99);
             CREATE INDEX deals_contact ON deals (contact);",
        );
        lab.snapshot();
        lab
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The recipient of whoever has this key.
    pub fn recipient(&self, key: &str) -> String {
        let key = std::fs::read_to_string(self.path(key)).expect("a key");
        let identity: age::x25519::Identity = key.parse().expect("an identity");
        identity.to_public().to_string()
    }

    /// Runs statements on the CRM.
    pub fn sql(&self, statements: &str) {
        let url = format!("sqlite://{}?mode=rwc", self.path("crm.db").display());
        self.runtime.block_on(async {
            let mut connection = SqliteConnection::connect(&url).await.expect("the CRM");
            sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.expect("SQL");
            connection.close().await.expect("the CRM closes");
        });
    }

    /// Adds people who have grade high, each with a key in `NAME.key`, and lets so many open it together.
    pub fn with_quorum(people: &[&str], together: u8) -> Self {
        let lab = Self::with_snapshot();
        for person in people {
            let identity = age::x25519::Identity::generate();
            let recipient = identity.to_public();
            std::fs::write(lab.path(&format!("{person}.key")), identity.to_string().expose_secret())
                .expect("a key");
            lab.ok(&format!("keys add {person} --recipient {recipient} --grades high VAULT WANG"));
        }
        lab.ok(&format!("keys quorum high {together} VAULT WANG"));
        lab
    }

    /// Runs the program, which must end well, and returns what it said.
    #[track_caller]
    pub fn ok(&self, args: &str) -> String {
        let (code, stdout, stderr) = self.run(args);
        assert_eq!(code, Some(0), "{args}: {stderr}");
        stdout
    }

    /// Takes a snapshot of the CRM, as the agent does. Each table goes into packs of its own run, so that
    /// a test can damage one.
    pub fn snapshot(&self) {
        self.runtime.block_on(self.take());
    }

    async fn take(&self) {
        let url = Url::from_directory_path(self.path("vault")).expect("a URL");
        let store = Store::open(&url, false).expect("a store");
        let vault = Vault::open(store, Opener::Agent(&self.key), None).await.expect("the vault");
        let state = self.path("state");
        std::fs::create_dir_all(&state).expect("the state folder");
        let writer = SnapshotWriter::begin(&vault, &self.key, &state, "crm").await.expect("a writer");
        let crm = Url::from_file_path(self.path("crm.db")).expect("a path");
        let crm = Url::parse(&crm.as_str().replacen("file:", "sqlite:", 1)).expect("a URL");
        let source = open_source(&crm, None, false).expect("a source");
        let capture = source.capture(&CaptureOptions::default()).await.expect("a capture");
        let (mut tables, mut files) = (Vec::new(), Vec::new());
        for table in capture.tables() {
            let mut lane = writer.lane().expect("a lane");
            let (mut digest, mut parts) = (vault.row_digest(), Vec::new());
            for slice in &table.slices {
                let (sender, mut rows) = row_channel();
                let read = async {
                    let mut batches = Vec::new();
                    while let Some(batch) = rows.recv().await {
                        batches.push(batch);
                    }
                    batches
                };
                let (sent, batches) = tokio::join!(capture.read(slice, sender), read);
                sent.expect("rows");
                (lane, parts, digest) = tokio::task::spawn_blocking(move || {
                    let mut stream = lane.ordered(Grade::High);
                    for batch in batches {
                        digest.add_rows(&batch.bytes, &batch.ends);
                        stream.push(batch.bytes, batch.ends).expect("a chunk");
                    }
                    parts.extend(stream.finish().expect("a recipe").remove(0).parts);
                    (lane, parts, digest)
                })
                .await
                .expect("no panic");
            }
            tokio::task::spawn_blocking(move || lane.finish()).await.expect("no panic").expect("a segment");
            let columns = table.columns.iter().map(|column| ColumnRecord {
                name: column.name.clone(),
                type_name: column.type_name.clone(),
                key: column.key,
            });
            let head = TableHead {
                schema: None,
                name: table.name.name.clone(),
                kind: "table".into(),
                ancestors: Vec::new(),
                columns: columns.collect(),
            };
            let places = (0..table.columns.len() as u32).collect();
            let hex = digest.to_hex();
            let stream = StreamRecord { grade: Grade::High, columns: places, digest: hex.clone(), parts };
            tables.push(TableRecord { table: head, rows: digest.rows(), digest: hex, streams: vec![stream] });
        }
        for file in capture.schema().await.expect("a schema") {
            let mut lane = writer.lane().expect("a lane");
            let written = tokio::task::spawn_blocking(move || {
                let record = lane.file(&file.name, Grade::High, &file.bytes).expect("a file");
                lane.finish().expect("a segment");
                record
            });
            files.push(written.await.expect("no panic"));
        }
        let hours = self.taken.replace(self.taken.get() + 1);
        let first: Timestamp = FIRST.parse().expect("a time");
        let draft = Draft {
            time: first + jiff::SignedDuration::from_hours(hours),
            agent: "db1, Lifeboat".into(),
            point: serde_json::to_value(capture.point()).expect("JSON"),
            flags: Vec::new(),
            tags: Vec::new(),
            files,
            tables,
        };
        capture.finish().await.expect("the capture ends");
        writer.finish(draft).await.expect("a snapshot");
    }

    /// Flips a bit in the middle of what `object` begins with, such as `snapshots` or `packs`: of the
    /// largest one.
    pub fn damage(&self, folder: &str) {
        let path = self.largest(&self.path("vault").join(folder));
        let mut bytes = std::fs::read(&path).expect("an object");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .and_then(|mut file| file.write_all(&bytes))
            .expect("the object is damaged");
    }

    /// Removes the largest object below a folder of the vault.
    pub fn remove(&self, folder: &str) {
        std::fs::remove_file(self.largest(&self.path("vault").join(folder))).expect("an object");
    }

    fn largest(&self, folder: &Path) -> PathBuf {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let entry = entry.expect("an entry");
                let meta = entry.metadata().expect("its size");
                if meta.is_dir() {
                    folders.push(entry.path())
                } else {
                    found.push((meta.len(), entry.path()))
                }
            }
        }
        found.into_iter().max().expect("an object").1
    }

    /// Runs the program and returns its exit code, stdout and stderr. VAULT, WANG and TARGET stand for
    /// the vault, a person's key and a new file, LI and ZHAO for those of two more people.
    pub fn run(&self, args: &str) -> (Option<i32>, String, String) {
        let dir = self.dir();
        // The folder's name is drawn by chance, and may hold a person's.
        let args = args
            .replace("WANG", "--identity wang.key")
            .replace("LI", "--identity li.key")
            .replace("ZHAO", "--identity zhao.key")
            .replace("VAULT", &format!("--vault file://{dir}/vault"))
            .replace("TARGET", &format!("sqlite://{dir}/new.db"));
        let output = Command::new(env!("CARGO_BIN_EXE_lifeboat-restore"))
            .args(args.split_whitespace())
            .current_dir(self.folder.path())
            .env_remove("LIFEBOAT_LOG")
            .env("NO_COLOR", "1")
            .env("TMPDIR", self.folder.path())
            .env("HOME", self.folder.path())
            .output()
            .expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// How a control of the report comes out, for whoever has these options.
    pub fn control(&self, id: &str, who: &str) -> String {
        let (_, stdout, _) = self.run(&format!("report {who} --json"));
        let mut lines = stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
        let report = lines.find(|line| line["type"] == "report").expect("a report");
        let mut controls = report["results"].as_array().expect("a list").iter();
        let control = controls.find(|control| control["check"] == id).expect("the control");
        control["status"].as_str().expect("a word").to_owned()
    }

    /// Runs the program and compares everything it says with a golden file.
    #[track_caller]
    pub fn check(&self, golden: &str, args: &str) {
        let (code, stdout, stderr) = self.run(args);
        let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        let said = format!(
            "exit code {code}\n--- stdout\n{}--- stderr\n{}",
            self.comparable(&stdout),
            self.comparable(&stderr)
        );
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{golden}.txt"));
        if std::env::var_os("LIFEBOAT_GOLDEN").is_some_and(|wish| wish == "write") {
            std::fs::write(&path, &said).expect("the golden file is written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(said, expected, "{golden} is not what {} says", path.display());
    }

    fn dir(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// Replaces what differs from run to run: the folder, ids, keys, times, offsets.
    fn comparable(&self, text: &str) -> String {
        let text = text.replace(&self.dir(), "DIR");
        text.lines().map(|line| format!("{}\n", comparable_line(line))).collect()
    }
}

fn comparable_line(line: &str) -> String {
    if line.starts_with("finished ") || line.starts_with("server time ") || line.starts_with("system ") {
        return format!("{} …", line.split("  ").next().unwrap_or_default());
    }
    let line = match line.rfind(" in ").filter(|_| line.ends_with(" s") || line.ends_with(" ms")) {
        Some(at) => format!("{} in TIME", &line[..at]),
        None => line.to_owned(),
    };
    let line = match line.split_once(" in ") {
        Some((before, after)) if after.contains(" ms: ") || after.contains(" s: ") => {
            format!("{before} in TIME: {}", after.split_once(": ").unwrap_or_default().1)
        }
        _ => line,
    };
    let line = without_stored(&without_age(&line));
    // The record: when, and on which host.
    let line = match line.split_once("  ") {
        Some((time, rest)) if time.len() == 19 && time.starts_with("20") && rest.starts_with(['w', 'd']) => {
            let mut words = rest.split_whitespace();
            let (by, _) = (words.next().unwrap_or_default(), words.next());
            format!("TIME {by} HOST {}", words.collect::<Vec<_>>().join(" "))
        }
        _ => line,
    };
    let line = match line.split_once("retired 20") {
        Some((before, after)) => {
            format!("{before}retired TIME{}", after.get("26-11-23 03:00:00".len()..).unwrap_or_default())
        }
        None => line,
    };
    let line = without_now(&line);
    let line = match line.split_once("at offset ") {
        Some((before, _)) => format!("{before}at offset …"),
        None => line,
    };
    let mut shown = String::new();
    for word in line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_hex = bare.chars().all(|c| c.is_ascii_hexdigit() && !c.is_uppercase());
        match bare {
            bare if bare.len() >= 8 && is_hex => shown.push_str("HEX"),
            bare if bare.len() == 2 && is_hex && shown.ends_with("packs/") => shown.push_str("HE"),
            bare if bare.starts_with("age1") => shown.push_str("AGE"),
            bare => shown.push_str(bare),
        }
        shown.push_str(&word[bare.len()..]);
    }
    match shown.split_once("  from    sqlite ") {
        Some((_, rest)) => {
            format!("  from    sqlite VERSION, {}", rest.split_once(", ").unwrap_or_default().1)
        }
        None => shown,
    }
}

/// Replaces times to the second of any day but that of the snapshots.
fn without_now(line: &str) -> String {
    let (mut shown, mut rest) = (String::new(), line);
    while !rest.is_empty() {
        let is_time = |time: &str| {
            let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
            ["9999-99-99T99:99:99", "9999-99-99 99:99:99"].contains(&&*shape)
                && !time.starts_with(&FIRST[..10])
        };
        let length = match rest.get(..19).filter(|time| is_time(time)) {
            Some(_) => 19,
            None => rest.chars().next().map_or(1, char::len_utf8),
        };
        shown.push_str(if length == 19 { "TIME" } else { &rest[..length] });
        rest = &rest[length..];
    }
    shown
}

/// Replaces an age of days, which grows as the years go by, and the column's width with it.
fn without_age(line: &str) -> String {
    let columns = |before: &str, age: &str, after: &str| format!("{}  {age}{after}", before.trim_end());
    if let Some((before, after)) = line.split_once(" age  ") {
        return columns(before, "age", &format!("  {after}"));
    }
    match line.find(" d ").filter(|at| line.get(at + 5..at + 7) == Some(" h")) {
        Some(at) => {
            columns(line[..at].trim_end_matches(|c: char| c.is_ascii_digit()), "AGE", &line[at + 7..])
        }
        None => line.to_owned(),
    }
}

/// Replaces the bytes of a small vault: age lengthens its headers at random.
fn without_stored(line: &str) -> String {
    match line.split_once(" KiB  ") {
        Some((before, after)) => {
            let before = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
            format!("{}  SIZE  {after}", before.trim_end())
        }
        None => line.to_owned(),
    }
}
