//! The lease: one host deletes at a time, whatever clocks say, and one that slept finds out.

use std::sync::Arc;

use jiff::SignedDuration;
use lifeboat_vault::{AgentKey, Error, Lease, Vault};

use crate::clock::Clocked;
use crate::lab::{Lab, impatient, now};
use crate::stores::{Fault, Faulty};

async fn take(vault: &Vault, agent: &AgentKey) -> lifeboat_vault::Result<Lease> {
    Lease::take(vault, agent, "pruning", false).await
}

async fn lab() -> (Lab, Arc<Clocked>, Vault) {
    let lab = Lab::new().await;
    let clock = Clocked::new(Arc::clone(&lab.objects) as _, now());
    let vault = lab.for_agent(impatient(Arc::clone(&clock) as _)).await.unwrap();
    (lab, clock, vault)
}

#[tokio::test]
async fn a_second_host_waits_until_the_lease_is_given_back() {
    let (lab, _, vault) = lab().await;
    let mut first = take(&vault, &lab.agent).await.unwrap();
    first.renew().await.unwrap();
    let refused = take(&vault, &lab.agent).await.err();
    assert!(matches!(refused, Some(Error::Locked { ref by, .. }) if by == "db1"), "{refused:?}");
    first.give_back().await.unwrap();
    take(&vault, &lab.agent).await.unwrap();
    assert_eq!(vault.store().list("lease").await.unwrap().len(), 1, "superseded leases are removed");
}

#[tokio::test]
async fn a_host_that_was_killed_holds_nobody_up_for_long() {
    let (lab, clock, vault) = lab().await;
    drop(take(&vault, &lab.agent).await.unwrap());
    clock.pass(SignedDuration::from_mins(9));
    assert!(matches!(take(&vault, &lab.agent).await, Err(Error::Locked { .. })));
    clock.pass(SignedDuration::from_mins(2));
    take(&vault, &lab.agent).await.unwrap();
}

#[tokio::test]
async fn the_lock_that_a_laptop_lost_in_its_sleep_is_known_to_be_lost_when_it_wakes() {
    let (lab, clock, vault) = lab().await;
    let mut laptop = take(&vault, &lab.agent).await.unwrap();
    clock.pass_hours(9);
    let lost = laptop.renew().await;
    assert!(matches!(lost, Err(Error::LeaseLost { .. })), "nobody took it, but it is old: {lost:?}");

    let mut laptop = take(&vault, &lab.agent).await.err().map_or_else(
        || unreachable!(),
        |locked| {
            assert!(matches!(locked, Error::Locked { .. }), "its own last number is young: {locked:?}");
            laptop
        },
    );
    clock.pass_hours(9);
    let mut other = take(&vault, &lab.agent).await.unwrap();
    for _ in 0..3 {
        other.renew().await.unwrap();
    }
    for _ in 0..2 {
        // Its next number is free again, as the other one has removed it: that must not fool it.
        let lost = laptop.renew().await;
        assert!(matches!(lost, Err(Error::LeaseLost { .. })), "{lost:?}");
    }
    other.renew().await.unwrap();
}

#[tokio::test]
async fn of_two_hosts_that_take_it_in_one_moment_one_gets_it() {
    let (lab, _, vault) = lab().await;
    let tries = futures::future::join_all((0..8).map(|_| take(&vault, &lab.agent))).await;
    let mut holders: Vec<_> = tries.into_iter().filter_map(Result::ok).collect();
    let mut renewed = 0;
    for holder in &mut holders {
        renewed += usize::from(holder.renew().await.is_ok());
    }
    assert!(renewed <= 1, "{renewed} hosts hold it");
}

#[tokio::test]
async fn a_stranger_s_lease_is_somebody_s_until_it_is_old() {
    let (lab, clock, vault) = lab().await;
    vault.store().create("lease/000000000007", bytes::Bytes::from_static(b"mine")).await.unwrap();
    assert!(matches!(take(&vault, &lab.agent).await, Err(Error::Locked { .. })));
    clock.pass_hours(1);
    take(&vault, &lab.agent).await.unwrap();
}

#[tokio::test]
async fn a_store_that_cannot_keep_two_hosts_apart_is_refused_unless_the_operator_answers_for_it() {
    let (lab, _, _) = lab().await;
    let faulty = Faulty::new(Arc::clone(&lab.objects) as _, Fault::Overwrites).await;
    let vault = lab.for_agent(impatient(faulty)).await.unwrap();
    assert!(matches!(take(&vault, &lab.agent).await, Err(Error::NotExclusive)));
    Lease::take(&vault, &lab.agent, "pruning", true).await.unwrap();
}
