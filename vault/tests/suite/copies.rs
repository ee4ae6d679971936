//! Copies in other stores: whole, alone, in order; caught up after an outage; and never mended in silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::store::Store;
use lifeboat_vault::{
    AgentKey, AuditWriter, CopyError, CopyFinding, CopyMemory, CopyOutcome, Copying, Extent, Pace,
    SnapshotId, list_snapshots, record,
};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tempfile::TempDir;

use crate::lab::{Day, Lab, Table, first_day, impatient, next_day, now};
use crate::stores::{Fault, Faulty};

/// Brings the copy in `to` up to date, reading the vault through `from`.
async fn copy_from(
    lab: &Lab,
    from: Store,
    to: Store,
    extent: &Extent,
) -> Result<CopyOutcome, lifeboat_vault::Error> {
    let vault = lab.for_agent(from).await?;
    let (snapshots, _) = list_snapshots(&vault).await?;
    let memory = CopyMemory::new(lab.state.path(), "b");
    let copying = Copying {
        vault: &vault,
        snapshots: &snapshots,
        agent: &lab.agent,
        to: &to,
        extent,
        state: lab.state.path(),
        memory: &memory,
    };
    Ok(copying.bring_up_to_date(&Pace::unlimited(), now(), &|_| {}).await)
}

async fn copy(lab: &Lab, to: Store) -> CopyOutcome {
    copy_from(lab, lab.store(), to, &Extent::Everything).await.unwrap()
}

/// The same people with the copy for their vault, and nothing of the first one.
fn alone(lab: &Lab, objects: &Arc<InMemory>) -> Lab {
    let agent: AgentKey = lab.agent.clone();
    let (objects, person) = (Arc::clone(objects), lab.person.clone());
    Lab { objects, agent, person, state: TempDir::new().unwrap(), slices: 1 }
}

async fn objects(store: &Store) -> BTreeMap<String, u64> {
    store.list("").await.unwrap().into_iter().map(|object| (object.name, object.bytes)).collect()
}

fn days(days: &[&Day]) -> BTreeMap<u64, Day> {
    (1..).zip(days).map(|(number, day)| (number, (*day).clone())).collect()
}

async fn put(objects: &InMemory, name: &str, bytes: Vec<u8>) {
    objects.put(&Path::from(name), PutPayload::from(Bytes::from(bytes))).await.unwrap();
}

/// The largest pack, which holds rows.
async fn largest_pack(store: &Store) -> String {
    let packs = store.list("packs").await.unwrap();
    packs.into_iter().max_by_key(|pack| pack.bytes).unwrap().name
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_holds_every_snapshot_and_restores_alone() {
    let lab = Lab::new().await;
    let other = Arc::new(InMemory::new());
    let (first, second) = (first_day(), next_day(&first_day(), 1));
    lab.back_up(lab.store(), &first).await.unwrap();
    let outcome = copy(&lab, impatient(Arc::clone(&other) as _)).await;
    assert!(outcome.is_complete() && outcome.findings.is_empty(), "{outcome:?}");
    assert_eq!(objects(&impatient(Arc::clone(&other) as _)).await, objects(&lab.store()).await);

    lab.back_up(lab.store(), &second).await.unwrap();
    let whole = objects(&lab.store()).await.len() as u64;
    let outcome = copy(&lab, impatient(Arc::clone(&other) as _)).await;
    assert!(outcome.is_complete() && outcome.stats.objects < whole / 2, "{outcome:?}");
    let outcome = copy(&lab, impatient(Arc::clone(&other) as _)).await;
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!((outcome.stats.objects, outcome.snapshots), (0, 2));

    let copied = alone(&lab, &other);
    drop(lab);
    assert_eq!(copied.read_all().await.unwrap(), days(&[&first, &second]));
    let third = next_day(&second, 2);
    copied.back_up(copied.store(), &third).await.unwrap();
    assert_eq!(copied.read_all().await.unwrap(), days(&[&first, &second, &third]));
}

/// Which of the two stores fails.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Vault,
    Copy,
}

/// Copies to or from a store that fails at every call in turn. Whatever the copy shows at any time is
/// whole, and the next run completes it.
async fn crash_loop(side: Side, fault: impl Fn(u64) -> Fault) {
    let lab = Lab::new().await;
    let (first, second) = (first_day(), next_day(&first_day(), 1));
    lab.back_up(lab.store(), &first).await.unwrap();
    lab.back_up(lab.store(), &second).await.unwrap();
    let expected = days(&[&first, &second]);
    for call in 1.. {
        let mut lab = alone(&lab, &lab.objects);
        let other = Arc::new(InMemory::new());
        let behind = if side == Side::Vault { &lab.objects } else { &other };
        let faulty = Faulty::new(Arc::clone(behind) as _, fault(call)).await;
        let store = impatient(Arc::clone(&faulty) as _);
        let sound = impatient(Arc::clone(&other) as _);
        let outcome = match side {
            Side::Vault => copy_from(&lab, store, sound.clone(), &Extent::Everything).await,
            Side::Copy => copy_from(&lab, lab.store(), store, &Extent::Everything).await,
        };
        let met = faulty.calls() >= call;
        let complete = outcome.as_ref().is_ok_and(CopyOutcome::is_complete);
        let copied = alone(&lab, &other);
        if sound.size("vault").await.unwrap().is_some() {
            for (number, day) in
                copied.read_all().await.unwrap_or_else(|error| panic!("call {call}: {error}"))
            {
                assert_eq!(day, expected[&number], "call {call}: the copy shows half a snapshot");
            }
        }
        assert!(met || complete, "call {call}: {outcome:?}");
        if call % 2 == 0 {
            lab.lose_state();
        }
        let outcome = copy(&lab, sound.clone()).await;
        assert!(outcome.is_complete() && outcome.findings.is_empty(), "after call {call}: {outcome:?}");
        assert_eq!(copied.read_all().await.unwrap(), expected, "after call {call}");
        if !met {
            assert!(call > 20, "the loop ended early");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failing_call_of_the_copy_loses_nothing() {
    crash_loop(Side::Copy, Fault::FailsOnce).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_goes_away_is_caught_up_later() {
    crash_loop(Side::Copy, Fault::FailsFrom).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_to_a_copy_that_is_reported_as_failed_loses_nothing() {
    crash_loop(Side::Copy, Fault::LiesAboutFailing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_goes_away_leaves_a_copy_that_is_caught_up_later() {
    crash_loop(Side::Vault, Fault::FailsFrom).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_forgets_a_write_is_noticed() {
    let mut lab = Lab::new().await;
    lab.back_up(lab.store(), &first_day()).await.unwrap();
    let writes = objects(&lab.store()).await.len() as u64;
    for write in 1..=writes {
        let other = Arc::new(InMemory::new());
        let faulty = Faulty::new(Arc::clone(&other) as _, Fault::ForgetsWrite(write)).await;
        // A copy never seen before: one that was there would be called gone.
        lab.lose_state();
        let outcome = copy(&lab, impatient(faulty)).await;
        assert!(outcome.stopped.is_some() && !outcome.is_complete(), "write {write}: {outcome:?}");
        let again = copy(&lab, impatient(other)).await;
        assert!(again.is_complete(), "write {write}: {again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_the_vault_is_not_copied_on_as_good() {
    let lab = Lab::new().await;
    let other = Arc::new(InMemory::new());
    let to = || impatient(Arc::clone(&other) as _);
    let first = first_day();
    lab.back_up(lab.store(), &first).await.unwrap();
    // Nothing of this day is stored already: its packs are its own.
    let second = first.iter().map(|(name, rows)| (name.clone(), renamed(rows))).collect();
    let before = objects(&lab.store()).await;
    lab.back_up(lab.store(), &second).await.unwrap();
    let packs = lab.store().list("packs").await.unwrap();
    let new =
        packs.iter().filter(|pack| !before.contains_key(&pack.name)).max_by_key(|pack| pack.bytes).unwrap();
    let mut bytes = lab.store().get(&new.name).await.unwrap().to_vec();
    bytes[20] ^= 1;
    put(&lab.objects, &new.name, bytes.clone()).await;

    for _ in 0..2 {
        let outcome = copy(&lab, to()).await;
        assert!(outcome.stopped.is_none() && !outcome.is_complete(), "{outcome:?}");
        let told = outcome
            .findings
            .iter()
            .any(|finding| matches!(finding, CopyFinding::DamagedInVault(what) if what.contains(&new.name)));
        assert!(told, "{:?}", outcome.findings);
        assert!(outcome.findings.iter().any(|finding| matches!(finding, CopyFinding::NotWhole { .. })));
        assert_eq!(outcome.held.len(), 1);
        assert_eq!(to().size(&new.name).await.unwrap(), None, "the damaged pack was copied");
        assert_eq!(alone(&lab, &other).read_all().await.unwrap(), days(&[&first]));
    }
    bytes[20] ^= 1;
    put(&lab.objects, &new.name, bytes).await;
    assert!(copy(&lab, to()).await.is_complete());
    assert_eq!(alone(&lab, &other).read_all().await.unwrap(), days(&[&first, &second]));
}

fn renamed(rows: &Table) -> Table {
    rows.iter().map(|row| [b"another ", &row[..]].concat()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_trouble_with_the_record_keeps_a_snapshot_back_or_puts_one_in_doubt() {
    let lab = Lab::new().await;
    let other = Arc::new(InMemory::new());
    let to = || impatient(Arc::clone(&other) as _);
    let (first, second) = (first_day(), next_day(&first_day(), 1));
    lab.back_up(lab.store(), &first).await.unwrap();
    let write = async || {
        let (vault, deed) = (lab.for_agent(lab.store()).await.unwrap(), Deed::default());
        record(&vault, AuditWriter::Agent(&lab.agent), "host", &deed, now()).await.unwrap();
    };
    write().await;
    let outcome = copy(&lab, to()).await;
    assert!(outcome.is_complete() && outcome.findings.is_empty(), "{outcome:?}");
    assert_eq!(objects(&to()).await, objects(&lab.store()).await);

    // One that is damaged in the vault, one that is in the copy, and a copy that takes no other.
    let entry = |number: u32| format!("audit/{}/{number:08}", lab.agent.id());
    put(&lab.objects, &entry(2), b"garbage".to_vec()).await;
    put(&other, &entry(1), b"short".to_vec()).await;
    lab.back_up(lab.store(), &second).await.unwrap();
    write().await;
    let refuses = Faulty::new(Arc::clone(&other) as _, Fault::FailsBelow("audit")).await;
    let outcome = copy(&lab, impatient(refuses)).await;
    assert!(outcome.stopped.is_some() && outcome.held.len() == 2, "{outcome:?}");
    assert_eq!(alone(&lab, &other).read_all().await.unwrap(), days(&[&first, &second]));
    let faulty = Faulty::new(Arc::clone(&other) as _, Fault::None).await;
    let outcome = copy(&lab, impatient(Arc::clone(&faulty) as _)).await;
    assert!(outcome.is_complete(), "{outcome:?}");
    let told: Vec<_> = outcome.findings.iter().map(ToString::to_string).collect();
    for (number, whose) in [(1, "copy"), (2, "vault")] {
        let is_told = |told: &String| told.contains(&entry(number)) && told.contains(whose);
        assert!(told.iter().any(is_told), "{number}: {told:?}");
    }
    let looked = faulty.calls();
    assert!(looked < 25, "nothing is in doubt, so nothing is proven again: {looked} calls");
    assert_eq!(to().size(&entry(3)).await.unwrap(), lab.store().size(&entry(3)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_a_copy_is_told_and_left_as_it_is() {
    let lab = Lab::new().await;
    let other = Arc::new(InMemory::new());
    let to = || impatient(Arc::clone(&other) as _);
    lab.back_up(lab.store(), &first_day()).await.unwrap();
    copy(&lab, to()).await;
    let pack = largest_pack(&to()).await;
    put(&other, &pack, b"short".to_vec()).await;
    for _ in 0..2 {
        let outcome = copy(&lab, to()).await;
        assert!(!outcome.is_complete() && outcome.held.is_empty(), "{outcome:?}");
        let told = outcome
            .findings
            .iter()
            .any(|finding| matches!(finding, CopyFinding::DamagedInCopy(what) if what.contains(&pack)));
        assert!(told, "{:?}", outcome.findings);
        assert_eq!(to().size(&pack).await.unwrap(), Some(5), "it was mended in silence");
    }
    other.delete(&Path::from(pack.as_str())).await.unwrap();
    let outcome = copy(&lab, to()).await;
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!(alone(&lab, &other).read_all().await.unwrap(), days(&[&first_day()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_rolled_back_is_noticed_and_filled_again() {
    let lab = Lab::new().await;
    let other = Arc::new(InMemory::new());
    let to = || impatient(Arc::clone(&other) as _);
    lab.back_up(lab.store(), &first_day()).await.unwrap();
    copy(&lab, to()).await;
    let earlier = objects(&to()).await;
    lab.back_up(lab.store(), &next_day(&first_day(), 1)).await.unwrap();
    copy(&lab, to()).await;
    for name in objects(&to()).await.keys().filter(|name| !earlier.contains_key(*name)) {
        other.delete(&Path::from(name.as_str())).await.unwrap();
    }
    let outcome = copy(&lab, to()).await;
    assert!(matches!(outcome.findings[..], [CopyFinding::Gone { .. }]), "{outcome:?}");
    assert!(outcome.is_complete(), "{outcome:?}");
    let outcome = copy(&lab, to()).await;
    assert!(outcome.findings.is_empty(), "it is told once: {outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_disk_is_not_mounted_is_not_begun_anew() {
    let lab = Lab::new().await;
    lab.back_up(lab.store(), &first_day()).await.unwrap();
    let other = Arc::new(InMemory::new());
    copy(&lab, impatient(Arc::clone(&other) as _)).await;
    let mountpoint = Arc::new(InMemory::new());
    let outcome = copy(&lab, impatient(Arc::clone(&mountpoint) as _)).await;
    assert!(matches!(outcome.stopped, Some(CopyError::Lost { .. })), "{outcome:?}");
    assert!(objects(&impatient(mountpoint)).await.is_empty());
    let outcome = copy(&lab, impatient(other)).await;
    assert!(outcome.is_complete() && outcome.findings.is_empty(), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_ahead_of_the_vault_is_noticed() {
    let lab = Lab::new().await;
    let other = Arc::new(InMemory::new());
    let to = || impatient(Arc::clone(&other) as _);
    lab.back_up(lab.store(), &first_day()).await.unwrap();
    let written = lab.back_up(lab.store(), &next_day(&first_day(), 1)).await.unwrap();
    copy(&lab, to()).await;
    lab.objects.delete(&Path::from(format!("snapshots/{}", written.snapshot))).await.unwrap();
    let outcome = copy(&lab, to()).await;
    assert!(matches!(outcome.findings[..], [CopyFinding::Ahead(_)]), "{outcome:?}");
    assert_eq!(alone(&lab, &other).read_all().await.unwrap().len(), 2, "the copy keeps it");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_vault_or_anything_else_in_its_place_is_left_alone() {
    let (lab, stranger) = (Lab::new().await, Lab::new().await);
    lab.back_up(lab.store(), &first_day()).await.unwrap();
    stranger.back_up(stranger.store(), &first_day()).await.unwrap();
    let before = objects(&stranger.store()).await;
    let outcome = copy(&lab, stranger.store()).await;
    let told = format!("{:?}", outcome.stopped);
    assert!(told.contains("another vault's record is there"), "{told}");
    assert_eq!(objects(&stranger.store()).await, before);

    let other = Arc::new(InMemory::new());
    put(&other, "holiday.jpg", vec![1]).await;
    let outcome = copy(&lab, impatient(Arc::clone(&other) as _)).await;
    let told = format!("{:?}", outcome.stopped);
    assert!(told.contains("holiday.jpg, which is not of this vault"), "{told}");
    assert_eq!(objects(&impatient(other)).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_may_hold_some_snapshots_only_and_what_they_need() {
    let lab = Lab::new().await;
    let other = Arc::new(InMemory::new());
    let to = || impatient(Arc::clone(&other) as _);
    let first = first_day();
    let second: Day = first.iter().map(|(name, rows)| (name.clone(), renamed(rows))).collect();
    let third = next_day(&second, 3);
    let mut ids: Vec<SnapshotId> = Vec::new();
    for day in [&first, &second, &third] {
        ids.push(lab.back_up(lab.store(), day).await.unwrap().snapshot);
    }
    let some = async |ids: &[SnapshotId]| {
        copy_from(&lab, lab.store(), to(), &Extent::Snapshots(ids.to_vec())).await.unwrap()
    };
    let outcome = some(&ids[1..2]).await;
    assert!(outcome.is_complete() && outcome.findings.is_empty(), "{outcome:?}");
    let all = lab.store().list("packs").await.unwrap().len();
    assert!(to().list("packs").await.unwrap().len() < all, "it holds what nobody needs");
    assert_eq!(alone(&lab, &other).read_all().await.unwrap(), BTreeMap::from([(2, second.clone())]));
    let index = to().list("index").await.unwrap().len();
    assert_eq!(index, 1, "its packs are named by an index object of its own");

    let outcome = some(&ids[1..]).await;
    assert!(outcome.is_complete() && outcome.findings.is_empty(), "{outcome:?}");
    let expected = BTreeMap::from([(2, second), (3, third)]);
    assert_eq!(alone(&lab, &other).read_all().await.unwrap(), expected);
    assert_eq!(some(&ids[1..]).await.stats.objects, 0);

    // What its own prune or a stranger took away is looked at again, and put back where it is needed.
    let pack = largest_pack(&to()).await;
    other.delete(&Path::from(pack.as_str())).await.unwrap();
    let outcome = some(&ids[1..]).await;
    assert!(outcome.is_complete() && outcome.stats.objects >= 1, "{outcome:?}");
    assert_eq!(alone(&lab, &other).read_all().await.unwrap(), expected);
}
