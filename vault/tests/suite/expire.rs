//! Expire: what the policy lets go, goes, in every order of events that a year can bring; what is held,
//! flagged or not understood, stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use lifeboat_vault::format::note::Says;
use lifeboat_vault::{
    Error, ExpirePlan, Expired, Keep, Lease, NoteAuthor, Result, Store, Vault, list_notes, list_snapshots,
    write_note,
};

use crate::clock::Clocked;
use crate::lab::{Day, Lab, first_day, impatient, next_day, now};
use crate::stores::{Fault, Faulty};

/// Keeps the last `last` alone.
pub fn keep(last: u32) -> Keep {
    Keep { last, ..Keep::default() }
}

/// A lab whose store has a clock of its own, with a snapshot a day for each of `days`.
pub async fn nights(days: usize) -> (Lab, Arc<Clocked>, Vec<Day>) {
    let lab = Lab::new().await;
    let clock = Clocked::new(Arc::clone(&lab.objects) as _, now());
    let mut day = first_day();
    let mut model = Vec::new();
    for salt in 0..days {
        day = next_day(&day, salt);
        lab.back_up_at(impatient(Arc::clone(&clock) as _), &day, clock.now()).await.unwrap();
        model.push(day.clone());
        clock.pass_hours(24);
    }
    (lab, clock, model)
}

/// Expires as the program does.
pub async fn expire(lab: &Lab, store: Store, keep: &Keep) -> Result<Expired> {
    let vault = lab.for_agent(store).await?;
    let mut lease = Lease::take(&vault, &lab.agent, "expiring", false).await?;
    let plan = plan(&vault, keep).await?;
    let expired = plan.carry_out(&vault, &lab.agent, &mut lease, now()).await?;
    lease.give_back().await?;
    Ok(expired)
}

async fn plan(vault: &Vault, keep: &Keep) -> Result<ExpirePlan> {
    let now = vault.store().time().await?;
    ExpirePlan::make(vault, |_| Some(keep.clone()), &TimeZone::UTC, now).await
}

/// The numbers of the snapshots that are there.
pub async fn numbers(lab: &Lab) -> Vec<u64> {
    let (snapshots, damage) = list_snapshots(&lab.for_person().await.unwrap()).await.unwrap();
    assert!(damage.is_empty());
    snapshots.iter().map(|snapshot| snapshot.manifest.number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_rule_keeps_goes_and_is_noted_and_the_rest_is_whole() {
    let (lab, clock, model) = nights(5).await;
    let expired = expire(&lab, impatient(Arc::clone(&clock) as _), &keep(2)).await.unwrap();
    assert_eq!(expired.snapshots, 3);
    assert_eq!(numbers(&lab).await, [4, 5]);
    let days = lab.read_all().await.unwrap();
    assert_eq!((&days[&4], &days[&5]), (&model[3], &model[4]));
    let vault = lab.for_person().await.unwrap();
    assert_eq!(list_notes(&vault).await.unwrap().0.expired.len(), 3);
    assert!(!crate::damage::verify_all(&lab, lifeboat_vault::Depth::All).await.unwrap().found_damage());
    let again = expire(&lab, impatient(Arc::clone(&clock) as _), &keep(2)).await.unwrap();
    assert_eq!(again.snapshots, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_a_snapshot_until_people_release_it() {
    let (lab, clock, _) = nights(4).await;
    let store = || impatient(Arc::clone(&clock) as _);
    let vault = lab.for_agent(store()).await.unwrap();
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let (agent, identities) = (NoteAuthor::Agent(&lab.agent), lab.identities());
    let person = NoteAuthor::Person(&identities);
    let note = |author, says| write_note(&vault, author, "wang", "case 4711", says, now());
    let mine = note(agent, Says::Hold { snapshot: snapshots[0].id }).await.unwrap();
    let theirs = note(person, Says::Hold { snapshot: snapshots[1].id }).await.unwrap();
    expire(&lab, store(), &keep(1)).await.unwrap();
    assert_eq!(numbers(&lab).await, [1, 2, 4]);
    note(agent, Says::Release { holds: vec![mine, theirs], request: None }).await.unwrap();
    expire(&lab, store(), &keep(1)).await.unwrap();
    assert_eq!(numbers(&lab).await, [1, 2, 4], "a host alone releases nothing");
    note(person, Says::Release { holds: vec![mine, theirs], request: None }).await.unwrap();
    expire(&lab, store(), &keep(1)).await.unwrap();
    assert_eq!(numbers(&lab).await, [4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_that_nobody_accepted_holds_its_source_back() {
    let (lab, clock, model) = nights(3).await;
    let store = || impatient(Arc::clone(&clock) as _);
    let flags = vec!["contacts has no rows".to_owned()];
    lab.back_up_flagged(store(), &model[2], clock.now(), flags).await.unwrap();
    let vault = lab.for_agent(store()).await.unwrap();
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let (notes, _) = list_notes(&vault).await.unwrap();
    let flagged = notes.flagged(&snapshots);
    assert_eq!((flagged.len(), flagged[0].manifest.number), (1, 4));
    assert_eq!(expire(&lab, store(), &keep(1)).await.unwrap().snapshots, 0);
    let says = Says::Accept { snapshot: flagged[0].id };
    write_note(&vault, NoteAuthor::Agent(&lab.agent), "li", "the table was split", says, now())
        .await
        .unwrap();
    assert_eq!(expire(&lab, store(), &keep(1)).await.unwrap().snapshots, 3);
    assert_eq!(numbers(&lab).await, [4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_is_damaged_or_of_a_later_program_may_be_a_hold() {
    let (lab, clock, _) = nights(3).await;
    let store = || impatient(Arc::clone(&clock) as _);
    let vault = lab.for_agent(store()).await.unwrap();
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let says = Says::Hold { snapshot: snapshots[0].id };
    let note = write_note(&vault, NoteAuthor::Agent(&lab.agent), "li", "case", says, now()).await.unwrap();
    crate::damage::flip(&lab, &format!("notes/{note}")).await;
    assert_eq!(expire(&lab, store(), &keep(1)).await.unwrap().snapshots, 0);
    let report = crate::damage::verify_all(&lab, lifeboat_vault::Depth::Structure).await.unwrap();
    assert!(report.damage.iter().any(|damage| damage.contains(&note.to_string())), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_comes_after_the_plan_is_seen_before_anything_is_deleted() {
    let (lab, clock, _) = nights(4).await;
    let vault = lab.for_agent(impatient(Arc::clone(&clock) as _)).await.unwrap();
    let mut lease = Lease::take(&vault, &lab.agent, "expiring", false).await.unwrap();
    let plan = plan(&vault, &keep(1)).await.unwrap();
    let says = Says::Hold { snapshot: plan.going()[0] };
    write_note(&vault, NoteAuthor::Agent(&lab.agent), "li", "case", says, now()).await.unwrap();
    let refused = plan.carry_out(&vault, &lab.agent, &mut lease, now()).await;
    assert!(matches!(refused, Err(Error::HeldBack(_))), "{refused:?}");
    assert_eq!(numbers(&lab).await, [1, 2, 3, 4]);
}

/// Expires against a store that fails at every call in turn: nothing that is kept goes, what is left is
/// whole, and once the lease has run out the next run completes.
async fn crash(fault: impl Fn(u64) -> Fault) {
    let (mut lab, clock, _) = nights(4).await;
    let before = lab.objects.fork();
    for call in 1.. {
        lab.objects = Arc::new(before.fork());
        let clock = clock.fork(Arc::clone(&lab.objects) as _);
        let faulty = Faulty::new(Arc::clone(&clock) as _, fault(call)).await;
        let result = expire(&lab, impatient(Arc::clone(&faulty) as _), &keep(2)).await;
        let left: BTreeSet<_> = numbers(&lab).await.into_iter().collect();
        assert!(left.is_superset(&BTreeSet::from([3, 4])), "call {call}: {left:?}");
        assert!(result.is_err() || left.len() == 2, "call {call}: reported good, left {left:?}");
        clock.pass_hours(1);
        expire(&lab, impatient(Arc::clone(&clock) as _), &keep(2)).await.unwrap();
        assert_eq!(numbers(&lab).await, [3, 4], "after call {call}");
        let report = crate::damage::verify_all(&lab, lifeboat_vault::Depth::Structure).await.unwrap();
        assert!(!report.found_damage(), "after call {call}: {report:?}");
        if faulty.calls() < call {
            assert!(result.is_ok() && call > 10, "the loop ended early: {result:?}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expire_killed_at_any_call_loses_nothing_that_is_kept() {
    crash(Fault::FailsOnce).await;
    crash(Fault::FailsFrom).await;
    crash(Fault::LiesAboutFailing).await;
}
