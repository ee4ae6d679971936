//! A simulated year: a backup every third night, by a clock that is wrong at times; expire and prune by two hosts
//! that crash and sleep; state that is lost. Whatever is listed is whole, and space does not grow.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lifeboat_vault::{Error, ExpirePlan, Keep, Lease, PruneOptions, PrunePlan, Store, list_snapshots};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::clock::Clocked;
use crate::lab::{Day, Lab, Table, impatient, now, read_day};
use crate::stores::{Fault, Faulty};

/// Every third night of a year: each of them costs a tenth of a second and more.
const NIGHTS: u64 = 122;
const HOURS_BETWEEN: i64 = 72;

fn keep() -> Keep {
    Keep { last: 2, daily: 5, weekly: 3, monthly: 3, yearly: 1, tags: Vec::new(), min_days: 2 }
}

fn change(day: &mut Day, dice: &mut SmallRng, salt: u64) {
    let rows = day.entry("contacts".into()).or_default();
    for n in 0..dice.random_range(0..40) {
        let text: String = (0..60).map(|_| dice.random_range(b'a'..=b'z') as char).collect();
        let row = format!("{salt}.{n}\t{text}\n").into_bytes();
        match dice.random_range(0..3) {
            0 if !rows.is_empty() => {
                let at = dice.random_range(0..rows.len());
                rows[at] = row;
            }
            1 if rows.len() > 300 => {
                let at = dice.random_range(0..rows.len());
                rows.remove(at);
            }
            _ => rows.push(row),
        }
    }
}

/// A host that deletes: it may be killed at a call, and it may fall asleep between plan and deed.
async fn clean(lab: &Lab, clock: &Arc<Clocked>, state: &tempfile::TempDir, dice: &mut SmallRng) {
    let fault = match dice.random_range(0..3) {
        0 => Fault::FailsFrom(dice.random_range(1..120)),
        _ => Fault::None,
    };
    let store = impatient(Faulty::new(Arc::clone(clock) as _, fault).await);
    let asleep = SignedDuration::from_mins(if dice.random_range(0..4) == 0 { 600 } else { 0 });
    match try_to_clean(lab, clock, store, state, asleep).await {
        Ok(()) => {}
        Err(Error::LeaseLost { .. }) => assert!(!asleep.is_zero(), "the lease was lost awake"),
        Err(Error::Unavailable { .. } | Error::Locked { .. }) => assert!(fault != Fault::None, "no fault"),
        Err(error) => panic!("{error:?}"),
    }
    // A lease that a killed host left runs out.
    clock.pass(SignedDuration::from_mins(11));
}

async fn try_to_clean(
    lab: &Lab,
    clock: &Arc<Clocked>,
    store: Store,
    state: &tempfile::TempDir,
    asleep: SignedDuration,
) -> lifeboat_vault::Result<()> {
    let vault = lab.for_agent(store).await?;
    let mut lease = Lease::take(&vault, &lab.agent, "cleaning", false).await?;
    let policy = |_: &str| Some(keep());
    let expire = ExpirePlan::make(&vault, policy, &TimeZone::UTC, lease.time()).await?;
    expire.carry_out(&vault, &lab.agent, &mut lease, clock.now()).await?;
    let plan = PrunePlan::make(&vault, state.path(), PruneOptions::default(), Some(&mut lease)).await?;
    clock.pass(asleep);
    plan.carry_out(&lab.agent, &mut lease).await?;
    lease.give_back().await
}

async fn check(lab: &Lab, model: &BTreeMap<u64, Day>, night: u64) -> usize {
    let vault = lab.for_person().await.unwrap();
    let (snapshots, damage) = list_snapshots(&vault).await.unwrap();
    assert!(damage.is_empty(), "night {night}: {damage:?}");
    for snapshot in &snapshots {
        let read = read_day(&vault, snapshot).await.unwrap_or_else(|error| panic!("night {night}: {error}"));
        assert!(read == model[&snapshot.manifest.number], "night {night}: not what went in");
    }
    snapshots.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_wrong_clocks_sleep_crashes_and_two_pruners_loses_nothing() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let mut lab = Lab::new().await;
    let clock = Clocked::new(Arc::clone(&lab.objects) as _, now());
    let hosts = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (mut day, mut model, mut good) = (Day::new(), BTreeMap::new(), 0);
    let filled = |n: u64| format!("{n}\t{}\n", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).into_bytes();
    day.insert("contacts".into(), (0..400).map(filled).collect::<Table>());
    let mut most_packs = 0;
    for night in 0..NIGHTS {
        change(&mut day, &mut dice, night);
        let skew = match dice.random_range(0..20) {
            0 => SignedDuration::from_hours(24 * 400),
            1 => SignedDuration::from_hours(-24 * 400),
            _ => SignedDuration::from_secs(dice.random_range(-1800..600)),
        };
        if dice.random_range(0..30) == 0 {
            lab.lose_state();
        }
        let fault = if night > 5 && dice.random_range(0..10) == 0 {
            Fault::FailsFrom(dice.random_range(1..60))
        } else {
            Fault::None
        };
        let store = impatient(Faulty::new(Arc::clone(&clock) as _, fault).await);
        let claimed: Timestamp = clock.now() + skew;
        let before = model.len() as u64;
        match lab.back_up_at(store, &day, claimed).await {
            Ok(_) => good = night,
            Err(_) => assert!(fault != Fault::None, "night {night}"),
        }
        let (snapshots, _) = list_snapshots(&lab.for_person().await.unwrap()).await.unwrap();
        let highest = snapshots.iter().map(|snapshot| snapshot.manifest.number).max().unwrap_or(before);
        model.entry(highest).or_insert_with(|| day.clone());
        clock.pass_hours(2);
        for host in &hosts {
            if dice.random_range(0..3) > 0 {
                clean(&lab, &clock, host, &mut dice).await;
            }
        }
        if night % 10 == 9 {
            let left = check(&lab, &model, night).await;
            assert!((4..=40).contains(&left), "night {night}: {left} snapshots are left");
            most_packs = most_packs.max(lab.store().list("packs").await.unwrap().len());
        }
        clock.pass_hours(HOURS_BETWEEN - 3);
    }
    assert!(good > NIGHTS - 10, "backups stopped being good");
    assert!(most_packs < 250, "{most_packs} packs were there at once");
    check(&lab, &model, NIGHTS).await;
    println!("at most {most_packs} packs");
}
