//! Row-level deltas: what a day costs, what is found again, and what becomes of the agent's memory when
//! it is stale, foreign, damaged or lost.

use std::path::{Path, PathBuf};

use lifeboat_vault::{Error, SnapshotReader, SnapshotWriter, Written, list_snapshots};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::lab::{Day, Lab, Table, first_day, next_day, read_day, write};

/// A table of so many rows of about 100 bytes that do not compress well.
fn rows(count: u64, salt: u64) -> Table {
    let mut dice = SmallRng::seed_from_u64(salt);
    (0..count)
        .map(|n| {
            format!("{n}\t{salt}\t{:032x}{:032x}\n", dice.random::<u128>(), dice.random::<u128>())
                .into_bytes()
        })
        .collect()
}

fn day(rows: Table) -> Day {
    [("contacts".to_owned(), rows)].into()
}

/// Backs up `before`, then `after`, reads both back and returns what the second day added.
async fn second_day(before: Table, after: Table) -> Written {
    let lab = Lab::new().await;
    let days = [day(before), day(after)];
    lab.back_up(lab.store(), &days[0]).await.unwrap();
    let written = lab.back_up(lab.store(), &days[1]).await.unwrap();
    let read = lab.read_all().await.unwrap();
    assert!(read[&1] == days[0] && read[&2] == days[1], "what came back is not what went in");
    written
}

/// Expects that the second day writes no more rows than this.
async fn check(before: Table, after: Table, new_rows: u64) {
    let written = second_day(before, after).await;
    assert!(
        written.new_raw_bytes <= new_rows * 110,
        "{} rows' worth: {written:?}",
        written.new_raw_bytes / 100
    );
    assert!(written.not_remembered.is_empty(), "{written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rows_are_written_and_their_neighbours_are_not() {
    let before = rows(20_000, 1);
    let mut after = before.clone();
    let changes = rows(100, 2);
    for (at, change) in changes.iter().enumerate() {
        after[at * 199] = change.clone();
    }
    check(before, after, 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inserted_and_deleted_stretches_cost_what_is_new_in_them() {
    let before = rows(20_000, 1);
    let mut after = before.clone();
    drop(after.drain(15_000..19_000));
    after.splice(9000..9000, rows(500, 2).0);
    drop(after.drain(10..700));
    check(before, after, 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_were_lost_with_their_pack_are_written_anew() {
    let lab = Lab::new().await;
    let tables = (0..12).map(|n| (format!("t{n}"), rows(4000, n)));
    let day: Day = tables.collect();
    lab.back_up(lab.store(), &day).await.unwrap();
    // The packs of rows are the large ones.
    let packs = lab.store().list("packs").await.unwrap();
    let lost = packs.iter().min_by_key(|pack| pack.bytes).unwrap();
    let path = object_store::path::Path::from(lost.name.as_str());
    object_store::ObjectStoreExt::delete(&*lab.objects, &path).await.unwrap();
    lab.back_up(lab.store(), &day).await.unwrap();
    let vault = lab.for_person().await.unwrap();
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let newest = snapshots.iter().max_by_key(|snapshot| snapshot.manifest.number).unwrap();
    assert!(read_day(&vault, newest).await.unwrap() == day, "what came back is not what went in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_table_every_night_lets_nothing_pile_up_behind_the_lists() {
    let lab = Lab::new().await;
    let mut day = day(rows(40_000, 1));
    let (mut dice, mut behind) = (SmallRng::seed_from_u64(5), Vec::new());
    for night in 0..28 {
        day.insert(format!("visits_{night}"), rows(1, night));
        let contacts = day.get_mut("contacts").unwrap();
        for row in rows(400, 100 + night).0 {
            let at = dice.random_range(0..contacts.len());
            contacts[at] = row;
        }
        lab.back_up(lab.store(), &day).await.unwrap();
        let vault = lab.for_person().await.unwrap();
        let (snapshots, _) = list_snapshots(&vault).await.unwrap();
        let newest = snapshots.iter().max_by_key(|snapshot| snapshot.manifest.number).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let (reader, _) = SnapshotReader::open(&vault, scratch.path()).await.unwrap();
        let tables = reader.tables(newest).await.unwrap();
        let parts = tables.iter().flat_map(|table| &table.streams).flat_map(|stream| &stream.parts);
        behind.push(parts.map(|part| part.chunks.inline.len() + part.gone.inline.len()).sum::<usize>());
    }
    let most = behind.iter().max().unwrap();
    assert!(*most > 64 << 10, "it would pile up: {behind:?}");
    assert!(*most < 96 << 10, "bytes behind the lists: {behind:?}");
    assert!(lab.read_all().await.unwrap()[&28] == day, "what came back is not what went in");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_only_moved_within_reach_cost_nothing() {
    let before = rows(8000, 1);
    let mut after = before.clone();
    after.shuffle(&mut SmallRng::seed_from_u64(7));
    check(before, after, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_after_a_deleted_stretch_of_many_parts_are_found_again() {
    // Parts have 8192 rows here, so most of them go without one row seen.
    let before = rows(120_000, 1);
    let after: Table = before[..3000].iter().chain(&before[80_000..]).cloned().collect();
    check(before, after, 33_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_rows_of_a_table_without_keys_are_counted() {
    let before: Table = (0..9000).map(|n| format!("{}\n", n % 3).into_bytes()).collect();
    let mut after = before.clone();
    drop(after.drain(100..301));
    check(before.clone(), after.clone(), 0).await;
    check(after, before, 201).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_row_that_goes_leaves_no_piece_behind() {
    let large = |salt: u8| -> Vec<u8> {
        let mut dice = SmallRng::seed_from_u64(salt.into());
        (0..60_000).map(|_| dice.random_range(b'a'..=b'z')).chain([b'\n']).collect()
    };
    let mut before = rows(1000, 1);
    before.insert(500, large(1));
    before.insert(300, large(2));
    let mut after = before.clone();
    after.remove(501);
    check(before.clone(), after, 0).await;
    before.push(large(3));
    let mut without = before.clone();
    without.remove(300);
    check(before, without, 0).await;
}

/// A table of so many rows of this length, but for the newline, made by chance.
fn rows_of(count: u64, length: usize, salt: u64) -> Table {
    let mut dice = SmallRng::seed_from_u64(salt);
    let row = |_| (0..length).map(|_| dice.random_range(b'a'..=b'z')).chain([b'\n']).collect();
    (0..count).map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_updated_in_every_row_costs_a_full_and_no_more() {
    let (before, after) = (rows(20_000, 1), rows(20_000, 2));
    let written = second_day(before.clone(), after.clone()).await;
    assert_eq!(written.new_raw_bytes as usize, after.concat().len());
    let fresh = Lab::new().await;
    let full = fresh.back_up(fresh.store(), &day(after)).await.unwrap();
    assert!(written.stored_bytes * 100 < full.stored_bytes * 103, "{written:?} {full:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn short_and_long_rows_cost_what_changed_of_them() {
    for (count, length) in [(60_000, 19), (2000, 3000), (25, 200_000)] {
        let before = rows_of(count, length, 1);
        let mut after = before.clone();
        for (at, change) in rows_of(3, length, 2).iter().enumerate() {
            after[at * 7] = change.clone();
        }
        let written = second_day(before, after).await;
        assert!(written.new_raw_bytes as usize <= 3 * (length + 1), "{length}: {written:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_on_which_nothing_changed_costs_the_same_for_a_large_table_as_for_none() {
    let nothing = second_day(Table::default(), Table::default()).await.stored_bytes;
    let large = second_day(rows(60_000, 1), rows(60_000, 1)).await.stored_bytes;
    assert!(large < nothing + 800, "{large} bytes, {nothing} without a row");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_catalogue_are_written_anew_once_a_month_and_changes_between() {
    let lab = Lab::new().await;
    let mut table = rows(8000, 1);
    for night in 0..33 {
        table[night * 100] = rows(1, 50 + night as u64).remove(0);
        let written = lab.back_up(lab.store(), &day(table.clone())).await.unwrap();
        assert!(written.not_remembered.is_empty(), "{written:?}");
    }
    let vault = lab.for_person().await.unwrap();
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let changes = |night: usize| snapshots[night].manifest.catalogue.changes.len();
    let expected: Vec<_> = (0..=30).chain(0..2).collect();
    assert_eq!((0..33).map(changes).collect::<Vec<_>>(), expected);
    assert_eq!(snapshots[1].manifest.catalogue.tables, snapshots[30].manifest.catalogue.tables);
    assert_eq!(read_day(&vault, &snapshots[32]).await.unwrap(), day(table));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_grows_a_little_every_day_keeps_few_parts() {
    let lab = Lab::new().await;
    let mut table = rows(20_000, 1);
    for salt in 2..12 {
        lab.back_up(lab.store(), &day(table.clone())).await.unwrap();
        table.extend(rows(300, salt).0);
    }
    let vault = lab.for_person().await.unwrap();
    let (snapshots, _) = lifeboat_vault::list_snapshots(&vault).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let (reader, _) = lifeboat_vault::SnapshotReader::open(&vault, scratch.path()).await.unwrap();
    let tables = reader.tables(snapshots.last().unwrap()).await.unwrap();
    let parts = tables[0].streams[0].parts.len();
    assert!(parts <= 5, "{parts} parts of 22 700 rows");
}

/// The files in which the agent remembers rows.
fn memory(state: &Path) -> Vec<PathBuf> {
    let folders = state.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| folder.read_dir().unwrap().map(|entry| entry.unwrap().path()));
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

/// Lets `hurt` work on the agent's memory between two days: the second is whole and says so, and the third
/// costs what it changed again.
async fn check_memory(hurt: impl Fn(&Lab, &Path), said: &str) {
    let lab = Lab::new().await;
    let days = [day(rows(20_000, 1)), day(rows(20_100, 1)), day(rows(20_200, 1))];
    lab.back_up(lab.store(), &days[0]).await.unwrap();
    for file in memory(lab.state.path()) {
        hurt(&lab, &file);
    }
    let second = lab.back_up(lab.store(), &days[1]).await.unwrap();
    assert_eq!(second.not_remembered.is_empty(), said.is_empty(), "{second:?}");
    assert!(second.not_remembered.iter().all(|reason| reason.contains(said)), "{second:?}");
    let third = lab.back_up(lab.store(), &days[2]).await.unwrap();
    assert!(third.not_remembered.is_empty() && third.new_raw_bytes < 110 * 500, "{third:?}");
    let read = lab.read_all().await.unwrap();
    days.iter().zip(1..).for_each(|(day, number)| assert!(read[&number] == *day, "day {number} differs"));
    // The directory, the one lane's file, the lock.
    assert_eq!(memory(lab.state.path()).len(), 3, "what is not used any more is left behind");
}

fn change(file: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(file).unwrap();
    change(&mut bytes);
    std::fs::write(file, bytes).unwrap();
}

fn is_directory(file: &Path) -> bool {
    file.ends_with("directory.fingerprints")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_that_is_lost_is_made_anew() {
    check_memory(|_, file| std::fs::remove_file(file).unwrap(), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_memory_is_noticed_and_dropped() {
    let damages: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[7] ^= 1,
        |bytes| {
            let at = bytes.len() / 2;
            bytes[at] ^= 1
        },
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.clear(),
    ];
    for damage in damages {
        check_memory(
            |_, file| {
                if is_directory(file) {
                    change(file, damage)
                }
            },
            "directory is damaged",
        )
        .await;
        check_memory(
            |_, file| {
                if !is_directory(file) {
                    change(file, damage)
                }
            },
            ".fingerprints is damaged",
        )
        .await;
    }
    check_memory(
        |_, file| {
            if !is_directory(file) {
                std::fs::remove_file(file).unwrap()
            }
        },
        "No such file",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_of_another_vault_is_dropped() {
    let other = Lab::new().await;
    other.back_up(other.store(), &day(rows(20_000, 1))).await.unwrap();
    let theirs = memory(other.state.path());
    let take_over = |_: &Lab, file: &Path| {
        let same = theirs.iter().find(|their| is_directory(their) == is_directory(file)).unwrap();
        std::fs::copy(same, file).unwrap();
    };
    check_memory(take_over, "directory is damaged").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_between_its_manifest_and_its_memory_leaves_an_older_one_that_is_still_good() {
    let lab = Lab::new().await;
    let days = [day(rows(20_000, 1)), day(rows(20_100, 1)), day(rows(20_200, 1))];
    lab.back_up(lab.store(), &days[0]).await.unwrap();
    let kept: Vec<_> =
        memory(lab.state.path()).into_iter().map(|file| (std::fs::read(&file).unwrap(), file)).collect();
    lab.back_up(lab.store(), &days[1]).await.unwrap();
    for (bytes, file) in kept {
        std::fs::write(file, bytes).unwrap();
    }
    let third = lab.back_up(lab.store(), &days[2]).await.unwrap();
    assert!(third.not_remembered.is_empty() && third.new_raw_bytes < 110 * 500, "{third:?}");
    let read = lab.read_all().await.unwrap();
    days.iter().zip(1..).for_each(|(day, number)| assert!(read[&number] == *day, "day {number} differs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_of_a_snapshot_that_the_vault_does_not_have_is_dropped() {
    let mut lab = Lab::new().await;
    let before = lab.objects.fork();
    lab.back_up(lab.store(), &first_day()).await.unwrap();
    lab.objects = std::sync::Arc::new(before);
    let next = next_day(&first_day(), 1);
    let written = lab.back_up(lab.store(), &next).await.unwrap();
    assert!(written.not_remembered[0].contains("is not in the vault"), "{written:?}");
    assert!(lab.read_all().await.unwrap()[&1] == next);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_pack_that_was_lost_are_written_anew() {
    let lab = Lab::new().await;
    let day = day(rows(20_000, 1));
    lab.back_up(lab.store(), &day).await.unwrap();
    let packs = lab.store().list("packs").await.unwrap();
    let largest = packs.into_iter().max_by_key(|pack| pack.bytes).unwrap();
    object_store::ObjectStoreExt::delete(&*lab.objects, &object_store::path::Path::from(largest.name))
        .await
        .unwrap();
    let written = lab.back_up(lab.store(), &day).await.unwrap();
    assert!(written.new_raw_bytes > 0);
    let vault = lab.for_person().await.unwrap();
    let (snapshots, _) = lifeboat_vault::list_snapshots(&vault).await.unwrap();
    assert!(crate::lab::read_day(&vault, snapshots.last().unwrap()).await.unwrap() == day);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_of_one_source_in_one_state_folder_is_refused_at_once() {
    let lab = Lab::new().await;
    let vault = lab.for_agent(lab.store()).await.unwrap();
    let state = lab.state.path();
    let first = SnapshotWriter::begin(&vault, &lab.agent, state, "crm").await.unwrap();
    let Err(refused) = SnapshotWriter::begin(&vault, &lab.agent, state, "crm").await else {
        panic!("two runs share one memory")
    };
    assert!(matches!(&refused, Error::Busy { .. }), "{refused}");
    let expected = format!("a backup of crm is under way already: process {} since ", std::process::id());
    assert!(refused.to_string().starts_with(&expected), "{refused}");
    let other = SnapshotWriter::begin(&vault, &lab.agent, state, "another source").await.unwrap();
    assert!(other.abandon().await.is_none() && first.abandon().await.is_none());
    lab.back_up(lab.store(), &first_day()).await.unwrap();
}

/// Days that are backed up whole although the state folder fails them, and what is said of it.
async fn check_unwritable(hurt: impl Fn(&Path, &str), said: &str) {
    let lab = Lab::new().await;
    let days = [day(rows(9000, 1)), day(rows(9100, 1))];
    let vault = lab.for_agent(lab.store()).await.unwrap();
    hurt(lab.state.path(), &vault.id().to_string());
    for day in &days {
        let written = lab.back_up(lab.store(), day).await.unwrap();
        assert_eq!(written.not_remembered.is_empty(), said.is_empty(), "{written:?}");
        assert!(written.not_remembered.iter().all(|reason| reason.contains(said)), "{written:?}");
    }
    let read = lab.read_all().await.unwrap();
    days.iter().zip(1..).for_each(|(day, number)| assert!(read[&number] == *day, "day {number} differs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_that_cannot_be_written_costs_the_memory_and_not_the_backup() {
    // A file where a folder should be keeps everybody out, root too.
    check_unwritable(
        |state, _| {
            std::fs::remove_dir(state).unwrap();
            std::fs::write(state, b"").unwrap();
        },
        "Not a directory",
    )
    .await;
    check_unwritable(|state, id| std::fs::create_dir(state.join(format!("index-{id}.sqlite"))).unwrap(), "")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_that_fails_while_rows_are_read_costs_their_fingerprints() {
    let lab = Lab::new().await;
    let days = [day(rows(9000, 1)), day(rows(9100, 1)), day(rows(9200, 1))];
    lab.back_up(lab.store(), &days[0]).await.unwrap();
    let vault = lab.for_agent(lab.store()).await.unwrap();
    let writer = SnapshotWriter::begin(&vault, &lab.agent, lab.state.path(), "crm").await.unwrap();
    let folder = memory(lab.state.path())[0].parent().unwrap().to_owned();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, b"").unwrap();
    let second = write(writer, &vault, &days[1], 1).await.unwrap();
    assert!(second.not_remembered.iter().any(|reason| reason.contains("Not a directory")), "{second:?}");
    std::fs::remove_file(&folder).unwrap();
    let third = lab.back_up(lab.store(), &days[2]).await.unwrap();
    assert!(third.not_remembered.is_empty(), "{third:?}");
    let read = lab.read_all().await.unwrap();
    days.iter().zip(1..).for_each(|(day, number)| assert!(read[&number] == *day, "day {number} differs"));
}
