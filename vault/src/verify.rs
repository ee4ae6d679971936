//! Verify: reads a vault and proves what is in it, as deep as asked.
//!
//! The structure needs no key that opens rows: signatures and hashes of every object on the way, the
//! chain of manifests, every run's chunk in a pack that is there with its right size. With data, rows
//! are opened, hashed, counted and compared with the digests that were taken while they were first
//! read. Damage never ends a verify: it is gathered, and so is what is still whole. What was not looked
//! at is never called good: [`Covered`] says how far it went, and [`VerifyReport::nothing_proven`] whether
//! there was anything to prove.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::StreamExt;

use crate::format::manifest::{StreamRecord, TableRecord};
use crate::format::names;
use crate::index::SyncReport;
use crate::notes::list_notes;
use crate::read::Snapshot;
use crate::{Error, Grade, PackId, Realm, Result, SnapshotId, SnapshotReader, Split};

mod chain;
mod data;

/// Tables read at once: keeps two cores busy while one table waits for its store.
const TABLES_AT_ONCE: usize = 4;

/// How deep to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Everything but the rows themselves.
    Structure,
    /// That, and about this many of a hundred stretches of rows, drawn at random.
    Sample {
        /// 1 to 100.
        percent: u8,
    },
    /// That, and every row and file.
    All,
}

/// What a verify found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// One for each snapshot that was asked for and has a manifest.
    pub snapshots: Vec<SnapshotHealth>,
    /// Objects that are damaged, missing or not to be trusted, each once.
    pub damage: Vec<String>,
    /// What an operator should know although nothing is damaged.
    pub notes: Vec<String>,
    /// How far it went.
    pub covered: Covered,
    /// Packs that are there, where the vault has no snapshot at all.
    packs_alone: Option<usize>,
}

/// A snapshot, table by table.
#[derive(Debug)]
pub struct SnapshotHealth {
    /// Its id.
    pub id: SnapshotId,
    /// Its source.
    pub source: String,
    /// Its time, RFC 3339, UTC.
    pub time: String,
    /// Tables in it.
    pub tables: u64,
    /// What of it cannot be restored.
    pub damaged: Vec<DamagedPart>,
}

/// A table or file that cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedPart {
    /// Which: `table public.contacts`, `the schema file schema.pgdump`, `the catalogue`.
    pub what: String,
    /// Why, with the object at fault.
    pub reason: String,
}

/// How far a verify went.
#[derive(Debug, Default, Clone)]
pub struct Covered {
    /// Snapshots whose structure was proven.
    pub snapshots: u64,
    /// Tables in them, those that stand in several snapshots unchanged counted once.
    pub tables: u64,
    /// Packs that are there with their right size.
    pub packs: u64,
    /// Rows opened and hashed.
    pub rows: u64,
    /// Raw bytes of them.
    pub raw_bytes: u64,
    /// Grades whose rows were to be read and could not be opened with the identities at hand.
    pub closed_grades: Vec<Grade>,
    /// What of them was not opened, and so is not proven; one for each of these grades that tables have.
    pub not_opened: Vec<NotOpened>,
}

/// Streams of one grade that no identity at hand opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOpened {
    /// Their grade.
    pub grade: Grade,
    /// How many there are, those that stand in several snapshots unchanged counted once.
    pub streams: u64,
    /// Rows in them.
    pub rows: u64,
    /// Raw bytes of them.
    pub raw_bytes: u64,
}

impl Covered {
    fn add_not_opened(&mut self, closed: NotOpened) {
        match self.not_opened.iter_mut().find(|known| known.grade == closed.grade) {
            Some(known) => {
                known.streams += closed.streams;
                known.rows += closed.rows;
                known.raw_bytes += closed.raw_bytes;
            }
            None => self.not_opened.push(closed),
        }
        self.not_opened.sort_unstable_by_key(|known| known.grade);
    }
}

impl NotOpened {
    fn of(stream: &StreamRecord) -> Self {
        let rows = stream.parts.iter().map(|part| part.rows).sum();
        let raw_bytes = stream.parts.iter().map(|part| part.bytes).sum();
        Self { grade: stream.grade, streams: 1, rows, raw_bytes }
    }
}

impl SnapshotHealth {
    /// Whether all of it can be restored, as far as was looked.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty()
    }
}

impl VerifyReport {
    /// Whether anything is damaged.
    pub fn found_damage(&self) -> bool {
        !self.damage.is_empty() || !self.snapshots.iter().all(SnapshotHealth::is_whole)
    }

    /// That nothing was proven, because the vault has no snapshot, not even a damaged one. Whoever asked has
    /// to know it; it is damage when packs are there all the same.
    pub fn nothing_proven(&self) -> Option<Error> {
        let packs = self.packs_alone.filter(|packs| *packs > 0 || !self.found_damage())?;
        Some(Error::NoSnapshot { packs })
    }

    fn note_damage(&mut self, error: &Error) {
        self.note_damage_told(error.to_string());
    }

    fn note_damage_told(&mut self, text: String) {
        if !self.damage.contains(&text) {
            self.damage.push(text);
        }
    }
}

/// Verifies `snapshots`; `all` are the vault's, `unreadable` what `list_snapshots` found damaged among
/// them, `sync` what opening the reader found. `seen` is told rows and raw bytes as they are read.
///
/// # Errors
/// Only what keeps it from going on: a store that does not answer, local state that fails.
pub async fn verify(
    reader: &SnapshotReader,
    sync: &SyncReport,
    snapshots: &[Snapshot],
    all: &[Snapshot],
    unreadable: &[Error],
    depth: Depth,
    seen: &(dyn Fn(u64, u64) + Sync),
) -> Result<VerifyReport> {
    let mut report = VerifyReport::default();
    let found = reader.vault.damage().chain(&sync.damage).chain(unreadable);
    found.for_each(|error| report.note_damage(error));
    reader.vault.check_wraps().await?.iter().for_each(|error| report.note_damage(error));
    let (notes, unread) = list_notes(&reader.vault).await?;
    unread.iter().for_each(|error| report.note_damage(error));
    // They end nothing, and what they would have ended is in force.
    report.notes.extend(notes.unbelieved.iter().map(|error| format!("a note is not believed: {error}")));
    chain::check(snapshots, all, unreadable, &notes, &mut report);
    reader.vault.outdated(all, unreadable).await?.iter().for_each(|error| report.note_damage(error));
    if all.is_empty() && unreadable.is_empty() {
        report.packs_alone = Some(reader.vault.store().list(names::PACKS).await?.len());
        let deleted = report.nothing_proven().filter(Error::is_damage);
        deleted.iter().for_each(|error| report.note_damage(error));
    }
    let (packs, closed) = (HashSet::new(), BTreeSet::new());
    let mut run = Run { reader, depth, seen, known: HashMap::new(), packs, closed };
    for snapshot in snapshots {
        let damaged = run.snapshot(snapshot, &mut report).await?;
        report.snapshots.push(SnapshotHealth {
            id: snapshot.id,
            source: snapshot.manifest.source.clone(),
            time: snapshot.manifest.time.clone(),
            tables: snapshot.manifest.tables,
            damaged,
        });
    }
    for damage in reader.take_worked_around() {
        report.note_damage_told(damage);
    }
    report.covered.snapshots = snapshots.len() as u64;
    report.covered.tables = run.known.len() as u64;
    report.covered.packs = run.packs.len() as u64;
    report.covered.closed_grades = run.closed.into_iter().collect();
    Ok(report)
}

/// A verify under way.
struct Run<'a> {
    reader: &'a SnapshotReader,
    depth: Depth,
    seen: &'a (dyn Fn(u64, u64) + Sync),
    /// Tables already looked at, by their whole record: most are the same in every snapshot.
    known: HashMap<String, Option<String>>,
    packs: HashSet<PackId>,
    closed: BTreeSet<Grade>,
}

/// What came of one table.
struct TableSeen {
    record: String,
    packs: HashSet<PackId>,
    closed: Vec<NotOpened>,
    rows: u64,
    raw_bytes: u64,
    damage: Option<Error>,
}

impl Run<'_> {
    async fn snapshot(&mut self, snapshot: &Snapshot, report: &mut VerifyReport) -> Result<Vec<DamagedPart>> {
        let mut damaged = Vec::new();
        for file in &snapshot.manifest.files {
            let read = self.depth != Depth::Structure && self.is_open(file.grade);
            let looked = match read {
                true => self.reader.file(file).await.map(drop),
                false => self.reader.check_file(file).await.map(|packs| self.packs.extend(packs)),
            };
            self.note(report, &mut damaged, format!("the schema file {}", file.name), looked)?;
        }
        let tables = match self.reader.tables(snapshot).await {
            Ok(tables) => tables,
            Err(error) => {
                self.note(report, &mut damaged, "the catalogue".into(), Err(error))?;
                return Ok(damaged);
            }
        };
        let counted = agrees(snapshot, &tables);
        self.note(report, &mut damaged, "the manifest".into(), counted)?;
        let records = tables.iter().map(|table| serde_json::to_string(table).expect("a record serialises"));
        let records: Vec<_> = records.collect();
        let new = tables.iter().zip(&records).filter(|(_, record)| !self.known.contains_key(*record));
        let new: Vec<_> = new.map(|(table, record)| (table.clone(), record.clone())).collect();
        let (reader, depth, seen) = (self.reader, self.depth, self.seen);
        // Of a small snapshot a sample may draw nothing: one table that has rows is sure to be looked into.
        let with_rows: Vec<_> = (0..new.len()).filter(|at| new[*at].0.rows > 0).collect();
        let sure = with_rows.get(rand::random_range(0..with_rows.len().max(1))).copied();
        let looks = new.into_iter().enumerate().map(|(at, (table, record))| {
            look(Look { reader, depth, seen, sure: sure == Some(at) }, table, record)
        });
        let mut looks = futures::stream::iter(looks).buffer_unordered(TABLES_AT_ONCE);
        while let Some(table) = looks.next().await {
            self.gather(table?, report);
        }
        drop(looks);
        for (table, record) in tables.iter().zip(&records) {
            if let Some(Some(reason)) = self.known.get(record) {
                let what = format!("table {}", table.table);
                damaged.push(DamagedPart { what, reason: reason.clone() });
            }
        }
        Ok(damaged)
    }

    fn gather(&mut self, table: TableSeen, report: &mut VerifyReport) {
        self.packs.extend(table.packs);
        self.closed.extend(table.closed.iter().map(|closed| closed.grade));
        for closed in table.closed {
            report.covered.add_not_opened(closed);
        }
        report.covered.rows += table.rows;
        report.covered.raw_bytes += table.raw_bytes;
        if let Some(error) = &table.damage {
            report.note_damage(error);
        }
        self.known.insert(table.record, table.damage.map(|error| error.to_string()));
    }

    /// Keeps damage as damage, and passes on what is not.
    fn note(
        &self,
        report: &mut VerifyReport,
        damaged: &mut Vec<DamagedPart>,
        what: String,
        looked: Result<()>,
    ) -> Result<()> {
        match looked {
            Err(error) if error.is_damage() => {
                report.note_damage(&error);
                damaged.push(DamagedPart { what, reason: error.to_string() });
                Ok(())
            }
            other => other,
        }
    }

    fn is_open(&mut self, grade: Grade) -> bool {
        let open = self.reader.vault.unlocked().contains(&grade);
        if !open {
            self.closed.insert(grade);
        }
        open
    }
}

/// How a table is looked at.
#[derive(Clone, Copy)]
struct Look<'a> {
    reader: &'a SnapshotReader,
    depth: Depth,
    seen: &'a (dyn Fn(u64, u64) + Sync),
    /// Whether a sample draws at least one part of it.
    sure: bool,
}

/// Looks at one table: its structure always, its rows as deep as asked. One whose streams do not have its
/// columns has no rows to be looked for.
async fn look(how: Look<'_>, table: TableRecord, record: String) -> Result<TableSeen> {
    let Look { reader, depth, .. } = how;
    let mut looked =
        TableSeen { record, packs: HashSet::new(), closed: Vec::new(), rows: 0, raw_bytes: 0, damage: None };
    if let Err(error) = Split::recorded(&table) {
        keep_damage(&mut looked, Err(error))?;
        return Ok(looked);
    }
    let open = reader.vault.unlocked();
    let is_open = |stream: &StreamRecord| stream.parts.is_empty() || open.contains(&stream.grade);
    // Rows of several streams are put together where all of them are open and read whole.
    let together = table.streams.len() > 1 && depth == Depth::All && table.streams.iter().all(is_open);
    for stream in &table.streams {
        let mut result = structure(reader, &table, stream, &mut looked.packs).await;
        if result.is_ok() && depth != Depth::Structure && !stream.parts.is_empty() {
            match is_open(stream) {
                true if together => {}
                true => result = data::read(how, &table, stream, &mut looked).await,
                false => looked.closed.push(NotOpened::of(stream)),
            }
        }
        keep_damage(&mut looked, result)?;
    }
    if together && looked.damage.is_none() {
        let result = data::read_together(how, &table, &mut looked).await;
        keep_damage(&mut looked, result)?;
    }
    Ok(looked)
}

fn keep_damage(looked: &mut TableSeen, result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.is_damage() => {
            looked.damage.get_or_insert(error);
            Ok(())
        }
        other => other,
    }
}

/// Every run of a stream lies in a chunk of a pack that is there, and they sum to the table's rows.
async fn structure(
    reader: &SnapshotReader,
    table: &TableRecord,
    stream: &StreamRecord,
    packs: &mut HashSet<PackId>,
) -> Result<()> {
    let what = format!("table {}", table.table);
    for part in &stream.parts {
        packs.extend(reader.check_part(&what, Realm::Rows(stream.grade), part).await?);
    }
    let rows: u64 = stream.parts.iter().map(|part| part.rows).sum();
    if rows != table.rows {
        return Err(Error::damaged(what, format!("expected {} rows, its recipe has {rows}", table.rows)));
    }
    // Of several streams, only a whole row has the table's digest.
    if table.streams.len() == 1 && stream.digest != table.digest {
        return Err(Error::damaged(what, "its digest is not that of its one stream"));
    }
    Ok(())
}

/// Whether a manifest counts what its catalogue does.
fn agrees(snapshot: &Snapshot, tables: &[TableRecord]) -> Result<()> {
    let manifest = &snapshot.manifest;
    let rows: u64 = tables.iter().map(|table| table.rows).sum();
    let parts = tables.iter().flat_map(|table| &table.streams).flat_map(|stream| &stream.parts);
    let files: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let raw_bytes = files + parts.map(|part| part.bytes).sum::<u64>();
    if (rows, raw_bytes) == (manifest.rows, manifest.raw_bytes) {
        return Ok(());
    }
    let reason = format!(
        "it counts {} rows and {} raw bytes, its catalogue and files {rows} and {raw_bytes}",
        manifest.rows, manifest.raw_bytes
    );
    Err(Error::damaged(format!("the manifest of snapshot {}", snapshot.id.short()), reason))
}
