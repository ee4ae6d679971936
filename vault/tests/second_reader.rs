//! The second reader, a script that knows FORMAT.md, `age` and `zstd` but none of this crate, prints
//! what this crate wrote, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use age::secrecy::ExposeSecret;
use jiff::Timestamp;
use lifeboat_vault::format::manifest::{ColumnRecord, FileRecord, StreamRecord, TableHead, TableRecord};
use lifeboat_vault::format::record::ChunkSizes;
use lifeboat_vault::{
    AgentKey, Draft, Grade, Lane, Opener, Person, SnapshotWriter, Store, Vault, Written, create,
};
use tempfile::TempDir;
use url::Url;

const NOW: &str = "2026-11-23T02:30:00Z";
const SCHEMA_FILE: &[u8] =
    b"CREATE TABLE \xE5\xAE\xA2\xE6\x88\xB7 (id int);\n\0not text, and no newline at its end";

/// A column's name and its grade.
type Column = (&'static str, Grade);

/// A table as a test thinks of it.
#[derive(Clone)]
struct Table {
    schema: Option<&'static str>,
    name: &'static str,
    columns: Vec<Column>,
    rows: Vec<Vec<u8>>,
}

/// A vault in a folder, and the keys to it.
struct Lab {
    folder: TempDir,
    state: TempDir,
    identity: tempfile::NamedTempFile,
    agent: AgentKey,
    vault: Vault,
}

impl Lab {
    async fn new() -> Self {
        let (folder, state) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let person = age::x25519::Identity::generate();
        let identity = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(identity.path(), format!("{}\n", person.to_string().expose_secret())).unwrap();

        let store = Store::open(&Url::from_directory_path(folder.path()).unwrap(), true).unwrap();
        let recipient = person.to_public().to_string();
        let people = [Person { name: "wang".into(), recipient, grades: Grade::ALL.to_vec() }];
        let made = create(store.clone(), &people, ChunkSizes::default(), now()).await.unwrap();
        let agent = AgentKey::generate("db1");
        made.enrol(&agent.request(), now()).await.unwrap();
        let vault = Vault::open(store, Opener::Agent(&agent), None).await.unwrap();
        Self { folder, state, identity, agent, vault }
    }

    /// Backs tables up, through one lane.
    async fn back_up(&self, source: &str, tables: Vec<Table>) -> Written {
        let writer = SnapshotWriter::begin(&self.vault, &self.agent, self.state.path()).await.unwrap();
        let (mut lane, vault) = (writer.lane().unwrap(), self.vault.clone());
        let write = move || {
            let file = lane.file("schema.sql", Grade::High, SCHEMA_FILE).unwrap();
            let records: Vec<_> = tables.iter().map(|table| table.write(&vault, &mut lane)).collect();
            lane.finish().unwrap();
            (file, records)
        };
        let (file, tables) = tokio::task::spawn_blocking(write).await.unwrap();
        writer.finish(draft(source, file, tables)).await.unwrap()
    }

    /// Runs the second reader.
    fn read(&self, arguments: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/second-reader/read_vault.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(self.folder.path()).arg(self.identity.path()).args(arguments);
        command.output().expect("python3 runs: install the package `python3`")
    }

    /// What the second reader prints, with the index and without: the same.
    fn print(&self, arguments: &[&str]) -> Vec<u8> {
        let without_index = [arguments, &["--no-index"]].concat();
        let [with, without] = [self.read(arguments), self.read(&without_index)].map(|output| {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{arguments:?}: {said}");
            output.stdout
        });
        assert!(with == without, "{arguments:?} prints something else without the index");
        with
    }

    /// The objects in a folder of the vault.
    fn objects(&self, folder: &str) -> Vec<PathBuf> {
        files(&self.folder.path().join(folder))
    }
}

impl Table {
    /// Writes one stream for each grade that the columns have.
    fn write(&self, vault: &Vault, lane: &mut Lane) -> TableRecord {
        let mut digest = vault.row_digest();
        self.rows.iter().for_each(|row| digest.add(row));
        let grades = Grade::ALL.into_iter().filter(|grade| self.columns.iter().any(|(_, of)| of == grade));
        let streams = grades.map(|grade| self.write_stream(vault, lane, grade)).collect();
        let column =
            |(name, _): &Column| ColumnRecord { name: (*name).into(), type_name: "text".into(), key: false };
        let table = TableHead {
            schema: self.schema.map(Into::into),
            name: self.name.into(),
            kind: "table".into(),
            columns: self.columns.iter().map(column).collect(),
        };
        TableRecord { table, rows: self.rows.len() as u64, digest: digest.to_hex(), streams }
    }

    fn write_stream(&self, vault: &Vault, lane: &mut Lane, grade: Grade) -> StreamRecord {
        let columns: Vec<_> = (0..self.columns.len()).filter(|at| self.columns[*at].1 == grade).collect();
        let mut digest = vault.row_digest();
        let mut stream = lane.stream(grade);
        for rows in self.rows.chunks(1000) {
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            for row in rows {
                let fields: Vec<_> = row.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\t').collect();
                let own: Vec<_> = columns.iter().map(|at| fields[*at]).collect();
                let start = bytes.len();
                bytes.extend_from_slice(&own.join(&b'\t'));
                bytes.push(b'\n');
                digest.add(&bytes[start..]);
                ends.push(bytes.len());
            }
            stream.push(bytes, ends).unwrap();
        }
        let columns = columns.into_iter().map(|at| u32::try_from(at).unwrap()).collect();
        StreamRecord { grade, columns, digest: digest.to_hex(), parts: stream.finish().unwrap() }
    }

    fn text(&self) -> Vec<u8> {
        self.rows.concat()
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn draft(source: &str, file: FileRecord, tables: Vec<TableRecord>) -> Draft {
    let (source, agent) = (source.to_owned(), "db1".to_owned());
    Draft { source, time: now(), agent, point: serde_json::json!({}), files: vec![file], tables }
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// Letters that do not compress away.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 58) as usize]
    };
    (0..length).map(next).collect()
}

/// Several segments of short rows with one of some megabytes among them.
fn contacts() -> Table {
    let row = |at: u64| {
        let length = if at == 20_000 { 5 << 20 } else { 40 + at as usize % 60 };
        [format!("{at}\t\u{5F20}\\t\\N\t").as_bytes(), &noise(length, at), b"\n"].concat()
    };
    let columns = vec![("id", Grade::High), ("name", Grade::High), ("note", Grade::High)];
    Table { schema: Some("public"), name: "contacts", columns, rows: (0..40_000).map(row).collect() }
}

/// Columns of two grades, in turn.
fn deals() -> Table {
    let row = |at: u64| format!("{at}\tdeal {at}\t{}\t\\N\n", at * 100).into_bytes();
    let columns = vec![("id", Grade::Low), ("what", Grade::High), ("sum", Grade::Low), ("who", Grade::High)];
    Table { schema: None, name: "deals \u{1F4B0}\n\u{2028}'", columns, rows: (0..5000).map(row).collect() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_prints_every_table_and_file_as_it_was_written() {
    let lab = Lab::new().await;
    let empty = Table { name: "empty", rows: Vec::new(), ..deals() };
    lab.back_up("crm", vec![contacts(), deals(), empty]).await;

    // Every age file begins with this line: the segments, and each pack's table of contents.
    let packs: Vec<_> = lab.objects("packs").iter().map(|path| std::fs::read(path).unwrap()).collect();
    let sealed = |pack: &Vec<u8>| memchr::memmem::find_iter(pack, b"age-encryption.org/v1\n").count() - 1;
    let segments: usize = packs.iter().map(sealed).sum();
    assert!(segments > 5, "{segments} segments are no test of several");

    assert!(lab.print(&["--table", "public.contacts"]) == contacts().text(), "contacts differ");
    assert!(lab.print(&["--table", "contacts"]) == contacts().text(), "contacts differ by their short name");
    assert!(lab.print(&["--table", deals().name]) == deals().text(), "deals differ");
    assert!(lab.print(&["--table", "empty"]).is_empty());
    assert_eq!(lab.print(&["--schema-file", "schema.sql"]), SCHEMA_FILE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_finds_each_snapshot_by_its_source_and_by_its_id() {
    let lab = Lab::new().await;
    let mut changed = deals();
    let first = lab.back_up("crm", vec![deals()]).await;
    changed.rows.remove(700);
    changed.rows.push(b"5001\ta new deal\t1\tZhang\n".to_vec());
    let second = lab.back_up("crm", vec![changed.clone()]).await;
    lab.back_up("billing", Vec::new()).await;

    let name = deals().name;
    assert!(lab.print(&["latest:crm", "--table", name]) == changed.text(), "the newest differs");
    let (old, new) = (first.snapshot.to_string(), second.snapshot.to_string());
    assert!(lab.print(&[&old[..12], "--table", name]) == deals().text(), "the first differs");
    let list = String::from_utf8(lab.print(&["--list"])).unwrap();
    let ids: Vec<_> = list.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert!(ids.len() == 3 && ids.contains(&&*old) && ids.contains(&&*new), "{list}");
    let list = String::from_utf8(lab.print(&["latest:billing", "--list"])).unwrap();
    assert_eq!(list, format!("file\tschema.sql\t{} bytes\n", SCHEMA_FILE.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_needs_no_index_object_and_no_enrolment() {
    let lab = Lab::new().await;
    lab.back_up("crm", vec![deals()]).await;
    for object in [lab.objects("index"), lab.objects("agents")].concat() {
        std::fs::remove_file(object).unwrap();
    }
    assert!(lab.print(&["--table", deals().name]) == deals().text(), "deals differ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_says_what_it_cannot_open_or_find() {
    let lab = Lab::new().await;
    lab.back_up("crm", vec![deals()]).await;
    let refused = |arguments: &[&str], expected: &str| {
        let output = lab.read(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expected), "{arguments:?} says {said}");
    };
    refused(&["--table", "nothing"], "0 tables are called 'nothing'");
    refused(&["latest:erp", "--list"], "0 snapshots fit latest:erp");

    let stranger = age::x25519::Identity::generate();
    std::fs::write(lab.identity.path(), format!("{}\n", stranger.to_string().expose_secret())).unwrap();
    refused(&["--list"], "keys/metadata-1-");
}

#[test]
fn another_program_says_what_it_does_not_check() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/second-reader/read_vault.py");
    let output = Command::new("python3").arg(script).arg("--help").output();
    let output = output.expect("python3 runs: install the package `python3`");
    assert!(String::from_utf8(output.stdout).unwrap().contains("NOT check: signatures"));
}
