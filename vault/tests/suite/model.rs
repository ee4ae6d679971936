//! Random tables, changes, backups, expiries and prunes against a plain map of days. The seed is printed; a failing one
//! is kept in [`KEPT_SEEDS`].

use std::collections::BTreeMap;
use std::process::Command;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use crate::expire::{expire, keep};
use crate::lab::{Day, Lab};
use crate::prune::{HASTY, prune_with};

/// Seeds that once failed.
const KEPT_SEEDS: [u64; 2] = [1, 2];

fn row(dice: &mut SmallRng) -> Vec<u8> {
    let length = match dice.random_range(0..100) {
        0 => dice.random_range(5_000..40_000),
        1..10 => 0,
        _ => dice.random_range(1..200),
    };
    let mut row: Vec<u8> = (0..length).map(|_| dice.random_range(b' '..=b'~')).collect();
    row.push(b'\n');
    row
}

fn change(day: &mut Day, dice: &mut SmallRng) {
    match dice.random_range(0..10) {
        0 => {
            let rows = (0..dice.random_range(0..3000)).map(|_| row(dice)).collect();
            day.insert(format!("table {}", dice.random_range(0..6)), rows);
        }
        1 => {
            let name = day.keys().nth(dice.random_range(0..day.len().max(1))).cloned();
            name.map(|name| day.remove(&name));
        }
        2 => day.values_mut().for_each(|rows| rows.reverse()),
        3 => day.values_mut().for_each(|rows| rows.shuffle(dice)),
        4 => {
            // A stretch goes, and one comes, rows that are there already among it.
            for rows in day.values_mut() {
                let gone = dice.random_range(0..=rows.len() / 2);
                drop(rows.drain(..gone));
                let twice = rows.iter().take(dice.random_range(0..50)).cloned().collect::<Vec<_>>();
                rows.extend(twice);
            }
        }
        _ => {
            for rows in day.values_mut() {
                for _ in 0..dice.random_range(0..8) {
                    let at = dice.random_range(0..=rows.len());
                    match dice.random_range(0..3) {
                        0 => rows.insert(at, row(dice)),
                        1 if at < rows.len() => rows[at] = row(dice),
                        _ if at < rows.len() => drop(rows.remove(at)),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// A copy of a state folder, as a host's own backup would bring it back.
fn copy_of(state: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let all = format!("{}/.", state.path().display());
    assert!(Command::new("cp").arg("-a").arg(all).arg(copy.path()).status().unwrap().success());
    copy
}

async fn check(seed: u64) {
    println!("seed {seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let mut lab = Lab::new().await;
    let (mut other_host, mut older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut day = Day::new();
    let mut model: BTreeMap<u64, Day> = BTreeMap::new();
    for number in 1..=12 {
        for _ in 0..dice.random_range(0..3) {
            change(&mut day, &mut dice);
        }
        match dice.random_range(0..10) {
            0 => lab.lose_state(),
            // Another host's turn, with a memory of its own of an earlier day, or none.
            1..4 => std::mem::swap(&mut lab.state, &mut other_host),
            // A state folder comes back from a copy of its own.
            4 => older = copy_of(&lab.state),
            5 => lab.state = copy_of(&older),
            _ => {}
        }
        lab.slices = dice.random_range(1..4);
        let written = lab.back_up(lab.store(), &day).await.unwrap();
        // What a state folder remembers may have expired meanwhile.
        let expired = |why: &String| why.ends_with("is not in the vault");
        assert!(written.not_remembered.iter().all(expired), "seed {seed}: {written:?}");
        model.insert(number, day.clone());
        if dice.random_range(0..3) == 0 {
            let last = dice.random_range(1..5);
            expire(&lab, lab.store(), &keep(last)).await.unwrap();
            model = model.into_iter().rev().take(last as usize).collect();
        }
        if dice.random_range(0..3) == 0 {
            let vault = lab.for_agent(lab.store()).await.unwrap();
            let pruned = prune_with(&vault, &lab.agent, lab.state.path(), HASTY).await.unwrap();
            assert!(pruned.damage.is_empty(), "seed {seed}: {pruned:?}");
        }
    }
    let read = lab.read_all().await.unwrap();
    assert!(read == model, "seed {seed}: what came back is not what went in");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_days_come_back_as_a_plain_map_has_them() {
    let fresh = rand::random::<u64>();
    for seed in KEPT_SEEDS.into_iter().chain([fresh]) {
        check(seed).await;
    }
}
