//! Prune: what no snapshot needs goes, in its time, and nothing else does; whatever is killed, asleep or
//! running beside it.

use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;
use lifeboat_vault::{
    AgentKey, Depth, Error, Lease, PruneOptions, PrunePlan, Pruned, Result, Store, Vault, list_snapshots,
};

use crate::clock::{Before, Clocked};
use crate::damage::{flip, verify_all};
use crate::expire::{expire, keep, nights, numbers};
use crate::lab::{Day, Lab, Run, first_day, impatient, next_day};
use crate::stores::{Fault, Faulty};

/// Waits for nothing.
pub const HASTY: PruneOptions = PruneOptions { wait: SignedDuration::ZERO, young: SignedDuration::ZERO };

/// Prunes as the program does.
pub async fn prune_with(
    vault: &Vault,
    agent: &AgentKey,
    state: &Path,
    options: PruneOptions,
) -> Result<Pruned> {
    let mut lease = Lease::take(vault, agent, "pruning", false).await?;
    let plan = PrunePlan::make(vault, state, options, Some(&mut lease)).await?;
    let pruned = plan.carry_out(agent, &mut lease).await?;
    lease.give_back().await?;
    Ok(pruned)
}

async fn prune(lab: &Lab, store: Store) -> Result<Pruned> {
    let vault = lab.for_agent(store).await?;
    prune_with(&vault, &lab.agent, lab.state.path(), PruneOptions::default()).await
}

fn at(clock: &Arc<Clocked>) -> Store {
    impatient(Arc::clone(clock) as _)
}

async fn stored(lab: &Lab) -> u64 {
    lab.store().list("packs").await.unwrap().iter().map(|object| object.bytes).sum()
}

/// Ten nights of which one snapshot is left; in between, `accounts` was replaced as a whole.
async fn mostly_expired() -> (Lab, Arc<Clocked>, Day) {
    let (lab, clock, mut model) = nights(10).await;
    let mut day = model.pop().unwrap();
    let accounts = (0..800).map(|n| format!("{n}\tanother account {}\n", n * 7919 % 1009).into_bytes());
    day.insert("accounts".into(), accounts.collect());
    day.remove("large");
    lab.back_up_at(at(&clock), &day, clock.now()).await.unwrap();
    expire(&lab, at(&clock), &keep(1)).await.unwrap();
    clock.pass_hours(24 * 8);
    (lab, clock, day)
}

async fn is_whole(lab: &Lab, number: u64, day: &Day) {
    let report = verify_all(lab, Depth::All).await.unwrap();
    assert!(!report.found_damage(), "{report:?}");
    assert_eq!(&lab.read_all().await.unwrap()[&number], day);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_is_marked_then_freed_and_the_rest_is_whole() {
    let (lab, clock, day) = mostly_expired().await;
    let before = stored(&lab).await;
    let marked = prune(&lab, at(&clock)).await.unwrap();
    assert!(marked.marked_packs > 0 && marked.moved_bytes > 0 && marked.freed_bytes == 0, "{marked:?}");
    is_whole(&lab, 11, &day).await;
    assert_eq!(prune(&lab, at(&clock)).await.unwrap(), Pruned::default(), "nothing twice");
    clock.pass_hours(25);
    let freed = prune(&lab, at(&clock)).await.unwrap();
    assert!(freed.freed_bytes > 0 && freed.marked_packs == 0 && freed.damage.is_empty(), "{freed:?}");
    assert_eq!(freed.freed_bytes, marked.marked_bytes);
    assert!(stored(&lab).await < before * 3 / 4, "{} of {before} are left", stored(&lab).await);
    assert!(lab.store().list("marks").await.unwrap().is_empty());
    is_whole(&lab, 11, &day).await;
    // The agent, whose local index knows what is gone, goes on.
    let next = next_day(&day, 40);
    let written = lab.back_up_at(at(&clock), &next, clock.now()).await.unwrap();
    assert!(written.new_raw_bytes * 4 < written.raw_bytes, "{written:?}");
    is_whole(&lab, 12, &next).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_of_a_killed_run_are_kept_for_the_next_one_for_a_week() {
    let (lab, clock, model) = nights(1).await;
    let faulty = Faulty::new(Arc::clone(&clock) as _, Fault::ForgetsWrite(3)).await;
    lab.back_up_at(impatient(faulty), &next_day(&first_day(), 77), clock.now()).await.unwrap_err();
    clock.pass_hours(24 * 6);
    assert_eq!(prune(&lab, at(&clock)).await.unwrap().marked_packs, 0);
    clock.pass_hours(24 * 2);
    prune(&lab, at(&clock)).await.unwrap();
    clock.pass_hours(25);
    prune(&lab, at(&clock)).await.unwrap();
    is_whole(&lab, 1, &model[0]).await;
}

/// A day of rows that only expired snapshots have.
fn old_day(day: &Day) -> Day {
    let mut old = day.clone();
    old.insert("accounts".into(), first_day()["accounts"].clone());
    old
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_adopted_chunks_which_prune_is_about_to_drop_fails_and_the_next_one_writes_them() {
    let (mut lab, clock, day) = mostly_expired().await;
    lab.lose_state();
    let vault = lab.for_agent(at(&clock)).await.unwrap();
    let run = Run { vault: &vault, agent: &lab.agent, state: lab.state.path(), slices: 1 };
    let (writer, draft) = run.write(&old_day(&day)).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let marked = prune_with(&vault, &lab.agent, other.path(), PruneOptions::default()).await.unwrap();
    assert!(marked.marked_packs > 0);
    let outrun = writer.finish(draft).await;
    assert!(matches!(outrun, Err(Error::Removed { .. })), "{outrun:?}");
    assert_eq!(numbers(&lab).await, [11]);
    // One that begins now knows of the marks.
    lab.back_up_at(at(&clock), &old_day(&day), clock.now()).await.unwrap();
    clock.pass_hours(25);
    prune(&lab, at(&clock)).await.unwrap();
    is_whole(&lab, 12, &old_day(&day)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_sleeps_before_its_manifest_while_prune_drops_what_it_reused_is_not_called_good() {
    let (mut lab, clock, day) = mostly_expired().await;
    lab.lose_state();
    let (time, agent, own) =
        (Arc::clone(&clock), lab.agent.clone(), lab.for_agent(at(&clock)).await.unwrap());
    let runtime = tokio::runtime::Handle::current();
    let sleep = move || {
        let other = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let pruned = prune_with(&own, &agent, other.path(), PruneOptions::default());
            runtime.block_on(pruned).unwrap();
            time.pass_hours(25);
        }
    };
    let sleeps = Before::put_below("snapshots", Arc::clone(&clock) as _, sleep);
    let outrun = lab.back_up_at(impatient(sleeps), &old_day(&day), clock.now()).await;
    assert!(matches!(outrun, Err(Error::Removed { .. })), "{outrun:?}");
    assert_eq!(numbers(&lab).await, [11], "its manifest is taken back");
    is_whole(&lab, 11, &day).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_prune_that_is_held_back_says_why() {
    let lab = Lab::new().await;
    let written = lab.back_up(lab.store(), &first_day()).await.unwrap();
    flip(&lab, &format!("snapshots/{}", written.snapshot)).await;
    let vault = lab.for_agent(lab.store()).await.unwrap();
    let plan = PrunePlan::make(&vault, lab.state.path(), HASTY, None).await.unwrap();
    assert!(matches!(&plan.held_back[..], [why] if why.contains("cannot be read")), "{:?}", plan.held_back);
    assert!(plan.dead.is_empty() && plan.packs > 0, "{:?}", plan.dead);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_comes_back_while_its_packs_are_marked_keeps_them() {
    let (lab, clock, model) = nights(10).await;
    let (snapshots, _) = list_snapshots(&lab.for_person().await.unwrap()).await.unwrap();
    let name = format!("snapshots/{}", snapshots[2].id);
    let manifest = lab.store().get(&name).await.unwrap();
    expire(&lab, at(&clock), &keep(1)).await.unwrap();
    clock.pass_hours(24 * 8);
    prune(&lab, at(&clock)).await.unwrap();
    lab.store().create(&name, manifest).await.unwrap();
    clock.pass_hours(25);
    prune(&lab, at(&clock)).await.unwrap();
    is_whole(&lab, 3, &model[2]).await;
    is_whole(&lab, 10, &model[9]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_pruners_the_one_that_slept_deletes_nothing() {
    let (lab, clock, day) = mostly_expired().await;
    prune(&lab, at(&clock)).await.unwrap();
    clock.pass_hours(25);
    let vault = lab.for_agent(at(&clock)).await.unwrap();
    let slow = tempfile::tempdir().unwrap();
    let mut lease = Lease::take(&vault, &lab.agent, "pruning", false).await.unwrap();
    let plan = PrunePlan::make(&vault, slow.path(), PruneOptions::default(), Some(&mut lease)).await.unwrap();
    assert!(!plan.going.is_empty());
    assert!(matches!(prune(&lab, at(&clock)).await, Err(Error::Locked { .. })), "the lease is held");
    clock.pass_hours(1);
    let before = lab.store().list("packs").await.unwrap().len();
    let lost = plan.carry_out(&lab.agent, &mut lease).await;
    assert!(matches!(lost, Err(Error::LeaseLost { .. })), "nobody took it, but it slept: {lost:?}");
    assert_eq!(lab.store().list("packs").await.unwrap().len(), before);
    clock.pass_hours(1);
    assert!(prune(&lab, at(&clock)).await.unwrap().freed_bytes > 0);
    assert!(matches!(plan.carry_out(&lab.agent, &mut lease).await, Err(Error::LeaseLost { .. })));
    is_whole(&lab, 11, &day).await;
}

/// Prunes against a store that fails at every call in turn. Whatever is left is whole at once, and the
/// prunes after it finish the work.
async fn crash(due: bool, fault: impl Fn(u64) -> Fault) {
    let (mut lab, clock, day) = mostly_expired().await;
    if due {
        prune(&lab, at(&clock)).await.unwrap();
        clock.pass_hours(25);
    }
    let before = lab.objects.fork();
    for call in 1.. {
        lab.objects = Arc::new(before.fork());
        lab.lose_state();
        let clock = clock.fork(Arc::clone(&lab.objects) as _);
        let faulty = Faulty::new(Arc::clone(&clock) as _, fault(call)).await;
        let result = prune(&lab, impatient(Arc::clone(&faulty) as _)).await;
        assert_eq!(lab.read_all().await.unwrap()[&11], day, "call {call}");
        let report = verify_all(&lab, Depth::Structure).await.unwrap();
        assert!(!report.found_damage(), "call {call}: {report:?}");
        for _ in 0..3 {
            clock.pass_hours(25);
            prune(&lab, at(&clock)).await.unwrap_or_else(|error| panic!("after call {call}: {error}"));
            // What a killed prune has moved is nobody's, for a week.
            clock.pass_hours(24 * 7);
        }
        is_whole(&lab, 11, &day).await;
        assert!(lab.store().list("marks").await.unwrap().is_empty(), "after call {call}");
        if faulty.calls() < call {
            assert!(result.is_ok() && call > 20, "the loop ended early: {result:?}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_that_marks_and_moves_may_be_killed_at_any_call() {
    crash(false, Fault::FailsFrom).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_that_drops_may_be_killed_at_any_call() {
    crash(true, Fault::FailsFrom).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_that_drops_survives_a_call_that_is_carried_out_and_reported_as_failed() {
    crash(true, Fault::LiesAboutFailing).await;
}
