//! A year of working days on a scaled-down table: what is stored, and what a restore has to read.

use std::sync::Arc;

use lifeboat_vault::format::record::{ChunkSizes, Sizes};
use lifeboat_vault::{Opener, SnapshotReader, Vault, list_snapshots};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::lab::{Day, Lab, Table, impatient, read_day, read_table};
use crate::stores::{Fault, Faulty};

const DAYS: u64 = 365;
const ROWS: usize = 24_000;
/// Of a thousand rows, so many are changed on a day, and so many added.
const CHANGED: usize = 5;
const ADDED: usize = 3;

/// Chunks of rows are an eighth of their usual size, as the table is small.
const SCALE: f64 = 8.0;

/// Loading a byte of rows takes a database so many times what fetching and opening it takes: README's
/// restore without comparison beside its `verify --read-data`, rounded down.
const LOADING: f64 = 6.0;

/// Opening a segment of its own takes as long as opening so many bytes more: a request to the store, and one
/// exchange of X25519 for age's header, about 0.2 ms at 500 MB/s.
const SEGMENT_BYTES: f64 = 100_000.0;

/// What a restore of the newest snapshot reads.
struct Work {
    bytes: u64,
    segments: u64,
}

impl Work {
    /// The time of a restore of `raw_bytes` of rows, counted in bytes opened.
    fn time(&self, raw_bytes: u64) -> f64 {
        self.bytes as f64 + self.segments as f64 * SEGMENT_BYTES / SCALE + raw_bytes as f64 * LOADING
    }
}

/// An eighth of the usual sizes.
fn chunks() -> ChunkSizes {
    let rows = Sizes { min: 2048, average: 8192, max: 32 << 10 };
    ChunkSizes { rows, ..ChunkSizes::default() }
}

/// A row of about 600 bytes. It does not compress by what stands near it, or the small segments of this
/// scale would cost what those of a real day do not.
fn row(id: u64, dice: &mut SmallRng) -> Vec<u8> {
    let text = (0..590).map(|_| dice.random_range(b'0'..=b'o') as char).collect::<String>();
    format!("{id}\t{text}\n")
        .into_bytes()
        .into_iter()
        .map(|byte| if byte == b'\\' { b'p' } else { byte })
        .collect()
}

/// What a restore of the newest snapshot's rows reads.
async fn work(lab: &Lab) -> Work {
    let counting = Faulty::new(Arc::clone(&lab.objects) as _, Fault::None).await;
    let identities = lab.identities();
    let store = impatient(Arc::clone(&counting) as _);
    let vault = Vault::open(store, Opener::Person(&identities), None).await.unwrap();
    let vault = vault.unlock(&identities).await.unwrap();
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let (reader, _) = SnapshotReader::open(&vault, scratch.path()).await.unwrap();
    let tables = reader.tables(snapshots.last().unwrap()).await.unwrap();
    let before = (counting.bytes_read(), counting.calls());
    for table in tables {
        read_table(&vault, &reader, &table).await.unwrap();
    }
    Work { bytes: counting.bytes_read() - before.0, segments: counting.calls() - before.1 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_scattered_changes_stays_small_and_is_restored_from_little() {
    let mut dice = SmallRng::seed_from_u64(3);
    let lab = Lab::with_chunks(chunks()).await;
    let mut table: Table = (0..ROWS as u64).map(|id| row(id, &mut dice)).collect();
    let day = |table: &Table| -> Day { [("contacts".to_owned(), table.clone())].into() };
    let full = lab.back_up(lab.store(), &day(&table)).await.unwrap().stored_bytes;
    let (mut changes, mut stored) = (0, full);
    let mut next_id = ROWS as u64;
    for _ in 0..DAYS {
        let mut changed = Vec::new();
        for _ in 0..ROWS * CHANGED / 1000 {
            let at = dice.random_range(0..table.len());
            table[at] = row(at as u64, &mut dice);
            changed.extend_from_slice(&table[at]);
        }
        for _ in 0..ROWS * ADDED / 1000 {
            table.push(row(next_id, &mut dice));
            next_id += 1;
            changed.extend_from_slice(table.last().unwrap());
        }
        changes += zstd::bulk::compress(&changed, 3).unwrap().len() as u64;
        stored += lab.back_up(lab.store(), &day(&table)).await.unwrap().stored_bytes;
    }
    let vault = lab.for_person().await.unwrap();
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let last = read_day(&vault, snapshots.last().unwrap()).await.unwrap();
    assert!(last == day(&table), "the last day is not what went in");
    let fresh = Lab::with_chunks(chunks()).await;
    fresh.back_up(fresh.store(), &day(&table)).await.unwrap();
    let (aged, anew) = (work(&lab).await, work(&fresh).await);
    let (read, fresh_read, raw) = (aged.bytes, anew.bytes, table.concat().len() as u64);
    let time = aged.time(raw) / anew.time(raw);
    println!(
        "full {full}, changed {changes}, stored {stored}; read {read} where a fresh full has {fresh_read}"
    );
    println!("{} segments where it has {}; {time:.2} times its time", aged.segments, anew.segments);
    let bound = full + changes * 3 / 2;
    assert!(stored <= bound, "{stored} bytes were stored, {bound} are the bound: {changes} bytes changed");
    assert!(2 * read <= 3 * fresh_read, "{read} bytes are read where a fresh full has {fresh_read}");
    assert!(time <= 1.25, "a restore takes {time:.2} times that of a fresh full");
}
