//! A vault on an in-memory store, with a person, an agent, and days of rows to back up.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_vault::format::manifest::{ColumnRecord, StreamRecord, TableHead, TableRecord};
use lifeboat_vault::format::record::{ChunkSizes, Sizes};
use lifeboat_vault::store::{Patience, Store};
use lifeboat_vault::{
    AgentKey, Draft, Error, Grade, Identities, Opener, Person, Result, Snapshot, SnapshotReader,
    SnapshotWriter, Split, Vault, Written, create, list_snapshots,
};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use tempfile::TempDir;

/// What a database holds on one day.
pub type Day = BTreeMap<String, Table>;

/// A table's rows, each ending in a newline, in the order in which they are read: two tables are equal
/// when they have the same rows as often, in whatever order.
#[derive(Debug, Clone, Default)]
pub struct Table(pub Vec<Vec<u8>>);

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        let sorted = |table: &Self| {
            let mut rows = table.0.clone();
            rows.sort_unstable();
            rows
        };
        self.0 == other.0 || sorted(self) == sorted(other)
    }
}

impl Deref for Table {
    type Target = Vec<Vec<u8>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Table {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl FromIterator<Vec<u8>> for Table {
    fn from_iter<T: IntoIterator<Item = Vec<u8>>>(rows: T) -> Self {
        Self(rows.into_iter().collect())
    }
}

pub const NOW: &str = "2026-11-23T02:30:00Z";

/// A vault, the people and agents around it, and the agent's state folder.
pub struct Lab {
    pub objects: Arc<InMemory>,
    pub agent: AgentKey,
    pub person: age::x25519::Identity,
    pub state: TempDir,
    /// Into how many slices readers split each table.
    pub slices: usize,
}

/// A store that gives up at once, so that a fault is seen and not retried.
pub fn impatient(objects: Arc<dyn ObjectStore>) -> Store {
    let patience = Patience { attempts: 1, pause: Duration::ZERO };
    Store::new(objects, Path::default(), "memory:").with_patience(patience)
}

/// Small chunks, so that a little data makes many of them.
pub fn small_chunks() -> ChunkSizes {
    let sizes = Sizes { min: 256, average: 1024, max: 4096 };
    ChunkSizes { rows: sizes, metadata: sizes }
}

impl Lab {
    pub async fn new() -> Self {
        Self::with_chunks(small_chunks()).await
    }

    pub async fn with_chunks(chunks: ChunkSizes) -> Self {
        let lab = Self {
            objects: Arc::new(InMemory::new()),
            agent: AgentKey::generate("db1"),
            person: age::x25519::Identity::generate(),
            state: tempfile::tempdir().unwrap(),
            slices: 1,
        };
        let made = create(lab.store(), &[lab.person_record()], &[], chunks, now()).await.unwrap();
        made.enrol(&lab.agent.request(), now()).await.unwrap();
        lab
    }

    pub fn person_record(&self) -> Person {
        let recipient = self.person.to_public().to_string();
        Person { name: "wang".into(), recipient, grades: Grade::ALL.to_vec(), ..Person::default() }
    }

    pub fn identities(&self) -> Identities {
        Identities::new(vec![Box::new(self.person.clone())])
    }

    pub fn store(&self) -> Store {
        impatient(Arc::clone(&self.objects) as _)
    }

    /// The vault as the agent has it.
    pub async fn for_agent(&self, store: Store) -> Result<Vault> {
        Vault::open(store, Opener::Agent(&self.agent), None).await
    }

    /// The vault as the person has it, every grade open.
    pub async fn for_person(&self) -> Result<Vault> {
        let identities = self.identities();
        Vault::open(self.store(), Opener::Person(&identities), None).await?.unlock(&identities).await
    }

    /// Backs a day up through `store`.
    pub async fn back_up(&self, store: Store, day: &Day) -> Result<Written> {
        self.back_up_at(store, day, Timestamp::now()).await
    }

    /// Backs a day up at a time.
    pub async fn back_up_at(&self, store: Store, day: &Day, time: Timestamp) -> Result<Written> {
        self.back_up_flagged(store, day, time, Vec::new()).await
    }

    /// Backs a day up at a time, with something flagged about it.
    pub async fn back_up_flagged(
        &self,
        store: Store,
        day: &Day,
        time: Timestamp,
        flags: Vec<String>,
    ) -> Result<Written> {
        let vault = self.for_agent(store).await?;
        let run = Run { vault: &vault, agent: &self.agent, state: self.state.path(), slices: self.slices };
        run.back_up(day, time, flags).await
    }

    /// Reads every snapshot back that the vault lists, by number.
    pub async fn read_all(&self) -> Result<BTreeMap<u64, Day>> {
        let vault = self.for_person().await?;
        let (snapshots, damage) = list_snapshots(&vault).await?;
        if let Some(damage) = damage.into_iter().next() {
            return Err(damage);
        }
        let mut days = BTreeMap::new();
        for snapshot in &snapshots {
            days.insert(snapshot.manifest.number, read_day(&vault, snapshot).await?);
        }
        Ok(days)
    }

    /// Forgets the agent's local state.
    pub fn lose_state(&mut self) {
        self.state = tempfile::tempdir().unwrap();
    }
}

pub fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// Backs a day up as an agent does.
pub async fn back_up(
    vault: &Vault,
    agent: &AgentKey,
    state: &std::path::Path,
    day: &Day,
    slices: usize,
) -> Result<Written> {
    Run { vault, agent, state, slices }.back_up(day, Timestamp::now(), Vec::new()).await
}

/// What a backup needs beside rows.
pub struct Run<'a> {
    pub vault: &'a Vault,
    pub agent: &'a AgentKey,
    pub state: &'a std::path::Path,
    pub slices: usize,
}

impl Run<'_> {
    pub async fn back_up(&self, day: &Day, time: Timestamp, flags: Vec<String>) -> Result<Written> {
        let (writer, mut draft) = self.write(day).await?;
        (draft.time, draft.flags) = (time, flags);
        writer.finish(draft).await
    }

    /// Everything but the end: lanes on threads, a table each in turn, slice by slice.
    pub async fn write(&self, day: &Day) -> Result<(SnapshotWriter, Draft)> {
        let writer = SnapshotWriter::begin(self.vault, self.agent, self.state, "crm").await?;
        let draft = write_rows(self.vault, &writer, day, self.slices).await;
        match draft {
            Ok(draft) => Ok((writer, draft)),
            Err(error) => Err(writer.abandon().await.unwrap_or(error)),
        }
    }
}

/// Writes a day through a writer that has begun.
pub async fn write(writer: SnapshotWriter, vault: &Vault, day: &Day, slices: usize) -> Result<Written> {
    match write_rows(vault, &writer, day, slices).await {
        Ok(draft) => writer.finish(draft).await,
        Err(error) => Err(writer.abandon().await.unwrap_or(error)),
    }
}

async fn write_rows(vault: &Vault, writer: &SnapshotWriter, day: &Day, slices: usize) -> Result<Draft> {
    let mut lanes = Vec::new();
    for turn in 0..2 {
        let mut lane = writer.lane()?;
        let tables: Vec<_> = day.clone().into_iter().skip(turn).step_by(2).collect();
        let vault = vault.clone();
        lanes.push(tokio::task::spawn_blocking(move || {
            let mut records = Vec::new();
            for (name, rows) in tables {
                let mut digest = vault.row_digest();
                let mut parts = Vec::new();
                for (at, slice) in rows.chunks(rows.len().div_ceil(slices).max(1)).enumerate() {
                    let mut stream = lane.stretch(&Split::whole(Grade::High), &format!("{name}/{at}"));
                    for batch in slice.chunks(50) {
                        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
                        for row in batch {
                            digest.add(row);
                            bytes.extend_from_slice(row);
                            ends.push(bytes.len());
                        }
                        stream.push(bytes, ends)?;
                    }
                    parts.extend(stream.finish()?.remove(0).parts);
                }
                records.push(record(&name, digest.rows(), &digest.to_hex(), parts));
            }
            let file = if turn == 0 { Some(lane.file("schema", Grade::High, SCHEMA)?) } else { None };
            lane.finish()?;
            Ok::<_, Error>((records, file))
        }));
    }
    let (mut tables, mut files, mut failed) = (Vec::new(), Vec::new(), None);
    for lane in lanes {
        match lane.await.unwrap() {
            Ok((records, file)) => {
                tables.extend(records);
                files.extend(file);
            }
            Err(error) => failed = Some(error),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    tables.sort_by(|a, b| a.table.name.cmp(&b.table.name));
    let point = serde_json::json!({ "system": "model" });
    let (flags, tags) = (Vec::new(), Vec::new());
    Ok(Draft { time: Timestamp::now(), agent: "test".into(), point, flags, tags, files, tables })
}

pub const SCHEMA: &[u8] = b"CREATE TABLE everything (anything);\n";

fn record(
    name: &str,
    rows: u64,
    digest: &str,
    parts: Vec<lifeboat_vault::format::recipe::Part>,
) -> TableRecord {
    let column = ColumnRecord { name: "anything".into(), type_name: "text".into(), key: false };
    TableRecord {
        table: TableHead {
            schema: None,
            name: name.into(),
            kind: "table".into(),
            ancestors: Vec::new(),
            columns: vec![column],
        },
        rows,
        digest: digest.into(),
        streams: vec![StreamRecord { grade: Grade::High, columns: vec![0], digest: digest.into(), parts }],
    }
}

/// Reads a snapshot back, comparing rows and digests on the way.
pub async fn read_day(vault: &Vault, snapshot: &Snapshot) -> Result<Day> {
    let scratch = tempfile::tempdir().unwrap();
    let (reader, _) = SnapshotReader::open(vault, scratch.path()).await?;
    let mut day = Day::new();
    for table in reader.tables(snapshot).await? {
        day.insert(table.table.name.clone(), read_table(vault, &reader, &table).await?);
    }
    for file in &snapshot.manifest.files {
        assert_eq!(reader.file(file).await?, SCHEMA);
    }
    Ok(day)
}

pub async fn read_table(vault: &Vault, reader: &SnapshotReader, table: &TableRecord) -> Result<Table> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(2);
    let read = reader.rows(&table.table, &table.streams[0], sender);
    let gather = async {
        let mut rows = Table::default();
        while let Some(batch) = receiver.recv().await {
            rows.extend(batch.lines().map(<[u8]>::to_vec));
        }
        rows
    };
    let (read, rows) = tokio::join!(read, gather);
    read?;
    let mut digest = vault.row_digest();
    rows.iter().for_each(|row| digest.add(row));
    digest.expect(&table.table.name, table.rows, &table.digest)?;
    Ok(rows)
}

/// A day of several tables: many rows, none, one large one.
pub fn first_day() -> Day {
    let mut day = Day::new();
    for table in ["accounts", "contacts", "orders"] {
        let rows = (0..800_u64)
            .map(|n| format!("{n}\t{table} of row {n}\t{}\n", n * n * 7919).into_bytes())
            .collect();
        day.insert(table.into(), rows);
    }
    day.insert("empty".into(), Table::default());
    let mut large: Vec<u8> =
        (0..60_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    large.retain(|byte| *byte != b'\n');
    large.push(b'\n');
    day.insert("large".into(), Table(vec![b"small\n".to_vec(), large, b"after\n".to_vec()]));
    day
}

/// A day later: a few changes here and there.
pub fn next_day(day: &Day, salt: usize) -> Day {
    let mut day = day.clone();
    let contacts = day.get_mut("contacts").unwrap();
    let count = contacts.len();
    contacts[(salt * 37) % count] = format!("changed on day {salt}\n").into_bytes();
    contacts.insert((salt * 91) % count, format!("inserted on day {salt}\n").into_bytes());
    contacts.remove((salt * 53) % count);
    day.get_mut("orders").unwrap().push(format!("appended on day {salt}\n").into_bytes());
    day
}
