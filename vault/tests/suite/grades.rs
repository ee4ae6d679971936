//! Columns of several grades: random tables, gradings and days against a plain map, read by people who
//! may open different grades.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use lifeboat_vault::format::manifest::{ColumnRecord, StreamRecord, TableHead, TableRecord};
use lifeboat_vault::{
    AgentKey, Depth, Draft, Error, Grade, Identities, Opener, Person, Result, Rows, Snapshot, SnapshotReader,
    SnapshotWriter, Split, Store, Vault, Written, create, list_snapshots, verify,
};
use object_store::memory::InMemory;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use crate::lab::{impatient, now, small_chunks};

const HIGH: Grade = Grade::High;
const MEDIUM: Grade = Grade::Medium;
const LOW: Grade = Grade::Low;

/// Who may open what.
const PEOPLE: [(&str, &[Grade]); 5] = [
    ("all", &Grade::ALL),
    ("medium", &[MEDIUM, LOW]),
    ("low", &[LOW]),
    ("high", &[HIGH]),
    ("middle", &[MEDIUM]),
];

/// A table on one day.
#[derive(Clone)]
struct Table {
    grades: Vec<Grade>,
    rows: Vec<Vec<String>>,
}

type Day = BTreeMap<String, Table>;

struct Lab {
    objects: std::sync::Arc<InMemory>,
    people: Vec<age::x25519::Identity>,
    agent: AgentKey,
    state: TempDir,
}

impl Lab {
    async fn new() -> Self {
        let people: Vec<_> = PEOPLE.iter().map(|_| age::x25519::Identity::generate()).collect();
        let (objects, agent) = (std::sync::Arc::default(), AgentKey::generate("db1"));
        let lab = Self { objects, people, agent, state: tempfile::tempdir().unwrap() };
        let records = PEOPLE.iter().zip(&lab.people).map(|((name, grades), identity)| {
            let recipient = identity.to_public().to_string();
            Person { name: (*name).into(), recipient, grades: grades.to_vec(), ..Person::default() }
        });
        let made =
            create(lab.store(), &records.collect::<Vec<_>>(), &[], small_chunks(), now()).await.unwrap();
        made.enrol(&lab.agent.request(), now()).await.unwrap();
        lab
    }

    fn store(&self) -> Store {
        impatient(self.objects.clone())
    }

    /// The vault as one of the people has it.
    async fn open_as(&self, person: usize) -> Vault {
        let identities = Identities::new(vec![Box::new(self.people[person].clone())]);
        let vault = Vault::open(self.store(), Opener::Person(&identities), None).await.unwrap();
        vault.unlock(&identities).await.unwrap()
    }

    async fn back_up(&self, day: &Day, slices: usize) -> Result<Written> {
        back_up_in(self.store(), &self.agent, self.state.path(), day, slices).await
    }
}

async fn back_up_in(
    store: Store,
    agent: &AgentKey,
    state: &Path,
    day: &Day,
    slices: usize,
) -> Result<Written> {
    let vault = Vault::open(store, Opener::Agent(agent), None).await?;
    let writer = SnapshotWriter::begin(&vault, agent, state, "crm").await?;
    let (mut lane, day) = (writer.lane()?, day.clone());
    let write = move || {
        let mut records = Vec::new();
        for (name, table) in &day {
            records.push(table.write(&vault, &mut lane, name, slices)?);
        }
        lane.finish()?;
        Ok::<_, Error>(records)
    };
    let tables = tokio::task::spawn_blocking(write).await.unwrap()?;
    let (flags, tags, files) = (Vec::new(), Vec::new(), Vec::new());
    let point = serde_json::json!({});
    let (time, agent) = (Timestamp::now(), "test".into());
    writer.finish(Draft { time, agent, point, flags, tags, files, tables }).await
}

/// Backs up one table, with a column of each grade.
pub async fn back_up_each_grade(store: Store, agent: &AgentKey, state: &Path) {
    let rows = vec![Grade::ALL.iter().map(ToString::to_string).collect()];
    let day = Day::from([("each".into(), Table { grades: Grade::ALL.to_vec(), rows })]);
    back_up_in(store, agent, state, &day, 1).await.unwrap();
}

/// The rows of the column of a grade, of the newest snapshot.
pub async fn rows_of_grade(vault: &Vault, grade: Grade) -> Result<Vec<u8>> {
    let (snapshots, _) = list_snapshots(vault).await?;
    let scratch = tempfile::tempdir().unwrap();
    let (reader, _) = SnapshotReader::open(vault, scratch.path()).await?;
    let tables = reader.tables(snapshots.last().unwrap()).await?;
    let stream = tables[0].streams.iter().find(|stream| stream.grade == grade).unwrap();
    let (sender, mut batches) = tokio::sync::mpsc::channel::<Rows>(1000);
    reader.rows(&tables[0].table, stream, sender).await?;
    let mut bytes = Vec::new();
    while let Some(batch) = batches.recv().await {
        bytes.extend(batch.lines().flatten());
    }
    Ok(bytes)
}

impl Table {
    fn write(
        &self,
        vault: &Vault,
        lane: &mut lifeboat_vault::Lane,
        name: &str,
        slices: usize,
    ) -> Result<TableRecord> {
        let split = Split::of(&self.grades);
        let mut digest = vault.row_digest();
        let mut streams: Vec<_> = split.streams().map(|_| (vault.row_digest(), Vec::new())).collect();
        for (at, rows) in self.rows.chunks(self.rows.len().div_ceil(slices).max(1)).enumerate() {
            let mut own = vault.row_digest();
            let mut stream = lane.stretch(&split, &format!("{name}/{at}"));
            for rows in rows.chunks(70) {
                let (mut bytes, mut ends) = (Vec::new(), Vec::new());
                for row in rows {
                    bytes.extend_from_slice(line(row).as_bytes());
                    ends.push(bytes.len());
                }
                own.add_rows(&bytes, &ends);
                stream.push(bytes, ends)?;
            }
            for ((digest, parts), written) in streams.iter_mut().zip(stream.finish()?) {
                digest.merge(written.digest.as_ref().unwrap_or(&own));
                parts.extend(written.parts);
            }
            digest.merge(&own);
        }
        let column = |at| ColumnRecord { name: format!("c{at}"), type_name: "text".into(), key: false };
        let columns = (0..self.grades.len()).map(column).collect();
        let table = TableHead {
            schema: None,
            name: name.into(),
            kind: "table".into(),
            ancestors: Vec::new(),
            columns,
        };
        let streams = split.streams().zip(streams).map(|((grade, columns), (digest, parts))| StreamRecord {
            grade,
            columns: columns.to_vec(),
            digest: digest.to_hex(),
            parts,
        });
        let streams = streams.collect();
        Ok(TableRecord { table, rows: self.rows.len() as u64, digest: digest.to_hex(), streams })
    }

    /// Its rows as whoever opens these grades sees them, sorted.
    fn seen_with(&self, open: &[Grade]) -> Vec<String> {
        let seen = |row: &Vec<String>| {
            let fields = row.iter().zip(&self.grades);
            let fields =
                fields.map(|(field, grade)| if open.contains(grade) { field.clone() } else { "\\N".into() });
            line(&fields.collect::<Vec<_>>())
        };
        let mut rows: Vec<_> = self.rows.iter().map(seen).collect();
        rows.sort_unstable();
        rows
    }
}

fn line(row: &[String]) -> String {
    row.join("\t") + "\n"
}

async fn read(reader: &SnapshotReader, table: &TableRecord, open: &[Grade]) -> Result<Vec<String>> {
    let (sender, mut batches) = tokio::sync::mpsc::channel::<Rows>(2);
    let gather = async {
        let mut rows = Vec::new();
        while let Some(batch) = batches.recv().await {
            rows.extend(batch.lines().map(|line| String::from_utf8(line.to_vec()).unwrap()));
        }
        rows.sort_unstable();
        rows
    };
    let (read, rows) = tokio::join!(reader.table_rows(table, open, &[], sender), gather);
    read.map(|()| rows)
}

fn field(dice: &mut SmallRng) -> String {
    let length = match dice.random_range(0..300) {
        0 => dice.random_range(5_000..60_000),
        1..40 => 0,
        _ => dice.random_range(1..60),
    };
    (0..length).map(|_| char::from(dice.random_range(b' '..=b'~'))).collect()
}

fn row(dice: &mut SmallRng, columns: usize) -> Vec<String> {
    (0..columns).map(|_| field(dice)).collect()
}

fn grades(dice: &mut SmallRng, columns: usize) -> Vec<Grade> {
    (0..columns).map(|_| Grade::ALL[dice.random_range(0..3)]).collect()
}

fn change(day: &mut Day, dice: &mut SmallRng) {
    match dice.random_range(0..8) {
        0 | 1 => {
            let columns = dice.random_range(1..7);
            let rows = (0..dice.random_range(0..900)).map(|_| row(dice, columns)).collect();
            let name = format!("table {}", dice.random_range(0..4));
            day.insert(name, Table { grades: grades(dice, columns), rows });
        }
        2 => day.values_mut().for_each(|table| table.grades = grades(dice, table.grades.len())),
        3 => day.values_mut().for_each(|table| table.rows.shuffle(dice)),
        4 => day.values_mut().for_each(|table| drop(table.rows.drain(..table.rows.len() / 3))),
        _ => {
            for table in day.values_mut() {
                let columns = table.grades.len();
                for _ in 0..dice.random_range(0..12) {
                    let at = dice.random_range(0..=table.rows.len());
                    match dice.random_range(0..3) {
                        0 => table.rows.insert(at, row(dice, columns)),
                        1 if at < table.rows.len() => {
                            let column = dice.random_range(0..columns);
                            table.rows[at][column] = field(dice);
                        }
                        _ if at < table.rows.len() => drop(table.rows.remove(at)),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Every day as everybody sees it, and what they are refused.
async fn check_days(lab: &Lab, model: &BTreeMap<u64, Day>, seed: u64) {
    for (person, (name, open)) in PEOPLE.iter().enumerate() {
        let vault = lab.open_as(person).await;
        let scratch = tempfile::tempdir().unwrap();
        let (reader, _) = SnapshotReader::open(&vault, scratch.path()).await.unwrap();
        let (snapshots, damage) = list_snapshots(&vault).await.unwrap();
        assert!(damage.is_empty() && snapshots.len() == model.len(), "seed {seed}");
        for snapshot in &snapshots {
            let day = &model[&snapshot.manifest.number];
            let tables = reader.tables(snapshot).await.unwrap();
            assert!(tables.iter().map(|table| &table.table.name).eq(day.keys()), "seed {seed}");
            for table in &tables {
                check_table(&reader, table, &day[&table.table.name], open, &format!("seed {seed}, {name}"))
                    .await;
            }
        }
    }
}

async fn check_table(
    reader: &SnapshotReader,
    record: &TableRecord,
    table: &Table,
    open: &[Grade],
    what: &str,
) {
    let what = format!("{what}, {}", record.table);
    let of_table: Vec<_> = record.streams.iter().map(|stream| stream.grade).collect();
    match of_table.iter().any(|grade| open.contains(grade)) {
        true => {
            let rows = read(reader, record, open).await.unwrap();
            assert!(rows == table.seen_with(open), "{what}: other rows came back");
        }
        false if of_table.len() > 1 && table.rows.is_empty() => {
            assert_eq!(read(reader, record, open).await.unwrap(), Vec::<String>::new(), "{what}");
        }
        false if of_table.len() > 1 => {
            let refused = read(reader, record, open).await;
            assert!(matches!(refused, Err(Error::Mismatch { .. })), "{what}: {refused:?}");
        }
        false => {}
    }
    for stream in record.streams.iter().filter(|stream| !open.contains(&stream.grade) && record.rows > 0) {
        let (sender, _rows) = tokio::sync::mpsc::channel(1000);
        let refused = reader.rows(&record.table, stream, sender).await;
        assert!(matches!(refused, Err(Error::NoKey { .. })), "{what}, {}: {refused:?}", stream.grade);
    }
}

/// What is open is proven, and what is not is never counted as proven.
async fn check_proofs(lab: &Lab, last: &Day, seed: u64) {
    for (person, (name, open)) in PEOPLE.iter().enumerate() {
        let vault = lab.open_as(person).await;
        let scratch = tempfile::tempdir().unwrap();
        let (reader, sync) = SnapshotReader::open(&vault, scratch.path()).await.unwrap();
        let (snapshots, _) = list_snapshots(&vault).await.unwrap();
        let newest: Vec<Snapshot> = snapshots.last().cloned().into_iter().collect();
        let told = AtomicU64::new(0);
        let seen = |rows, _| {
            told.fetch_add(rows, Ordering::Relaxed);
        };
        let report = verify(&reader, &sync, &newest, &snapshots, &[], Depth::All, &seen).await.unwrap();
        assert!(!report.found_damage(), "seed {seed}, {name}: {report:?}");
        // A row of which something is open is one row.
        let opened = |table: &&Table| table.grades.iter().any(|grade| open.contains(grade));
        let rows: usize = last.values().filter(opened).map(|table| table.rows.len()).sum();
        assert_eq!(
            (report.covered.rows, told.into_inner()),
            (rows as u64, rows as u64),
            "seed {seed}, {name}"
        );
        for grade in Grade::ALL {
            let has = |table: &&Table| table.grades.contains(&grade) && !table.rows.is_empty();
            let closed = last.values().filter(has).filter(|_| !open.contains(&grade));
            let rows: usize = closed.map(|table| table.rows.len()).sum();
            let told = report.covered.not_opened.iter().find(|told| told.grade == grade);
            assert_eq!(told.map_or(0, |told| told.rows), rows as u64, "seed {seed}, {name}, {grade}");
            assert_eq!(report.covered.closed_grades.contains(&grade), rows > 0, "seed {seed}, {name}");
        }
    }
}

async fn check(seed: u64) {
    println!("seed {seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let lab = Lab::new().await;
    let (mut day, mut model) = (Day::new(), BTreeMap::new());
    for number in 1..=8 {
        for _ in 0..dice.random_range(1..4) {
            change(&mut day, &mut dice);
        }
        let written = lab.back_up(&day, dice.random_range(1..3)).await.unwrap();
        assert!(written.not_remembered.is_empty(), "seed {seed}: {written:?}");
        model.insert(number, day.clone());
    }
    check_days(&lab, &model, seed).await;
    check_proofs(&lab, &day, seed).await;
}

#[tokio::test]
async fn a_mask_is_undone_by_those_alone_who_open_the_most_sensitive_grade_of_whoever_made_it() {
    let lab = Lab::new().await;
    let mut keys = BTreeMap::<_, Vec<&[Grade]>>::new();
    for (person, (_, grades)) in PEOPLE.iter().enumerate() {
        let key = lab.open_as(person).await.mask_key().expect("everybody here opens a grade");
        keys.entry(key).or_default().push(grades);
    }
    assert_eq!(keys.len(), Grade::ALL.len());
    for of_one_key in keys.values() {
        let most: BTreeSet<_> = of_one_key.iter().map(|grades| grades.iter().min()).collect();
        assert_eq!(most.len(), 1, "{of_one_key:?}");
    }
    let agent = Vault::open(lab.store(), Opener::Agent(&lab.agent), None).await.unwrap();
    assert_eq!(agent.mask_key(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_the_columns_of_their_grades_back_and_no_others() {
    for seed in [1, 2, rand::random()] {
        check(seed).await;
    }
}

fn contacts(rows: usize) -> Day {
    let row = |at| vec![format!("{at}"), format!("name {}", at * 7919), format!("110101{at:012}")];
    let table = Table { grades: vec![LOW, MEDIUM, HIGH], rows: (0..rows).map(row).collect() };
    Day::from([("contacts".to_owned(), table)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_row_costs_that_row_in_every_stream_and_nothing_else() {
    let lab = Lab::new().await;
    let mut day = contacts(3000);
    let full = lab.back_up(&day, 1).await.unwrap();
    assert_eq!(full.new_raw_bytes, full.raw_bytes);
    let same = lab.back_up(&day, 1).await.unwrap();
    assert_eq!(same.new_raw_bytes, 0);
    let table = day.get_mut("contacts").unwrap();
    table.rows[1234][2] = "110101999999999999".into();
    let row = line(&table.rows[1234]).len();
    let changed = lab.back_up(&day, 1).await.unwrap();
    assert_eq!(changed.new_raw_bytes, row as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_graded_otherwise_is_sealed_anew_to_the_keys_of_its_new_grades() {
    let lab = Lab::new().await;
    let mut day = contacts(500);
    let first = lab.back_up(&day, 1).await.unwrap();
    day.get_mut("contacts").unwrap().grades = vec![LOW, HIGH, HIGH];
    let second = lab.back_up(&day, 1).await.unwrap();
    assert!(second.new_raw_bytes > first.raw_bytes / 2, "{second:?}");
    let model = BTreeMap::from([(1, contacts(500)), (2, day)]);
    check_days(&lab, &model, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_other_fields_than_its_table_has_columns_ends_the_run() {
    let lab = Lab::new().await;
    let mut day = contacts(10);
    day.get_mut("contacts").unwrap().rows[5].push("one too many".into());
    let refused = lab.back_up(&day, 1).await.unwrap_err();
    assert!(matches!(refused, Error::Mismatch { .. }), "{refused:?}");
}
