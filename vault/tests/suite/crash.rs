//! The crash loop: fail the N-th store call, look at what is left, go on, raise N until the run
//! completes.

use std::sync::Arc;

use crate::lab::{Lab, first_day, impatient, next_day};
use crate::stores::{Fault, Faulty};

/// Runs a second day's backup against a store that fails at every call in turn. Whatever happens, the
/// first day stays whole, no half snapshot shows, and the same agent's next run completes.
async fn check(fault: impl Fn(u64) -> Fault) {
    let mut lab = Lab::new().await;
    let (first, second) = (first_day(), next_day(&first_day(), 1));
    lab.back_up(lab.store(), &first).await.unwrap();
    let before = lab.objects.fork();
    for call in 1.. {
        lab.objects = Arc::new(before.fork());
        lab.lose_state();
        let faulty = Faulty::new(Arc::clone(&lab.objects) as _, fault(call)).await;
        let result = lab.back_up(impatient(Arc::clone(&faulty) as _), &second).await;
        let met = faulty.calls() >= call;

        let left = lab.read_all().await.unwrap_or_else(|error| panic!("call {call}: {error}"));
        assert_eq!(left[&1], first, "call {call}: the first day is not what it was");
        match (&result, left.get(&2)) {
            (Ok(_), None) => panic!("call {call}: reported good, but not there"),
            (_, Some(day)) => assert_eq!(day, &second, "call {call}: half a snapshot shows"),
            (Err(_), None) => {}
        }
        lab.back_up(lab.store(), &second).await.unwrap_or_else(|error| panic!("after call {call}: {error}"));
        let left = lab.read_all().await.unwrap();
        assert_eq!(left.values().last(), Some(&second), "after call {call}");
        if !met {
            assert!(result.is_ok() && call > 10, "the loop ended early: {result:?}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failing_call_loses_nothing() {
    check(Fault::FailsOnce).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_goes_away_loses_nothing() {
    check(Fault::FailsFrom).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_carried_out_but_reported_as_failed_loses_nothing() {
    check(Fault::LiesAboutFailing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_run_reuses_every_pack_that_was_uploaded() {
    let mut lab = Lab::new().await;
    let day = first_day();
    // The last two writes of a run are the index and the manifest: without them, only packs are left.
    let rehearsal = Lab::new().await;
    let counting = Faulty::new(Arc::clone(&rehearsal.objects) as _, Fault::ForgetsWrite(u64::MAX)).await;
    rehearsal.back_up(impatient(Arc::clone(&counting) as _), &day).await.unwrap();
    let packs = rehearsal.store().list("packs").await.unwrap().len();

    let faulty = Faulty::new(Arc::clone(&lab.objects) as _, Fault::ForgetsWrite(packs as u64 + 1)).await;
    lab.back_up(impatient(faulty), &day).await.unwrap_err();
    assert_eq!(lab.store().list("packs").await.unwrap().len(), packs);
    assert!(lab.store().list("index").await.unwrap().is_empty());

    lab.lose_state();
    let written = lab.back_up(lab.store(), &day).await.unwrap();
    assert_eq!(written.new_raw_bytes, 0, "rows were uploaded again");
    assert_eq!(lab.read_all().await.unwrap()[&1], day);
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_faults_are_tried_again() {
    let lab = Lab::new().await;
    let store = |faulty: Arc<Faulty>| {
        let patience =
            lifeboat_vault::store::Patience { attempts: 3, pause: std::time::Duration::from_millis(1) };
        lifeboat_vault::Store::new(faulty, object_store::path::Path::default(), "memory:")
            .with_patience(patience)
    };
    for call in [1, 5, 9] {
        let faulty = Faulty::new(Arc::clone(&lab.objects) as _, Fault::FailsOnce(call)).await;
        lab.back_up(store(faulty), &next_day(&first_day(), call as usize)).await.unwrap();
    }
    assert_eq!(lab.read_all().await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_at_once_do_each_other_no_harm() {
    let lab = Lab::new().await;
    let other = tempfile::tempdir().unwrap();
    let (mine, theirs) = (first_day(), next_day(&first_day(), 3));
    let vault = lab.for_agent(lab.store()).await.unwrap();
    let (a, b) = tokio::join!(
        crate::lab::back_up(&vault, &lab.agent, lab.state.path(), &mine, 1),
        crate::lab::back_up(&vault, &lab.agent, other.path(), &theirs, 1),
    );
    let (a, b) = (a.unwrap().snapshot, b.unwrap().snapshot);
    let vault = lab.for_person().await.unwrap();
    let (snapshots, _) = lifeboat_vault::list_snapshots(&vault).await.unwrap();
    for snapshot in &snapshots {
        let expected = if snapshot.id == a { &mine } else { &theirs };
        assert_eq!(&crate::lab::read_day(&vault, snapshot).await.unwrap(), expected);
    }
    assert!(snapshots.iter().any(|s| s.id == a) && snapshots.iter().any(|s| s.id == b));
}
