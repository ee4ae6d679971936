//! A source that is destroyed among others: nothing of it opens, and nothing of theirs is lost, at every crash.

use std::sync::Mutex;

use lifeboat_vault::{
    AgentKey, GivenShares, NoteAuthor, Pruned, SourcePlan, SourceShredded, format::note::Says, write_note,
};

use object_store::ObjectStore;

use super::*;

/// A table of so many rows, and one that every source has.
fn rows_of(source: &str, rows: usize) -> Day {
    let mut day = Day::new();
    day.insert(source.into(), (0..rows).map(|n| format!("{n}\tof {source}\n").into_bytes()).collect());
    day.insert("shared".into(), (0..40).map(|n| format!("{n}\tof everybody\n").into_bytes()).collect());
    day
}

async fn back_up_in(
    store: &Store,
    agent: &AgentKey,
    state: &std::path::Path,
    source: &str,
    day: &Day,
) -> Result<()> {
    let vault = Vault::open(store.clone(), Opener::Agent(agent), None).await?;
    let writer = SnapshotWriter::begin(&vault, agent, state, source).await?;
    crate::lab::write(writer, &vault, day, 1).await.map(drop)
}

impl Team {
    async fn back_up_as(&self, source: &str, day: &Day) -> Result<()> {
        back_up_in(&self.store(), &self.agent, self.state.path(), source, day).await
    }
}

async fn shred_in(
    store: Store,
    by: &Member,
    copies: &[Store],
    source: &str,
    phase: &dyn Fn(&str),
) -> Result<SourceShredded> {
    let (scratch, identities) = (tempfile::tempdir().unwrap(), by.identities());
    let vault = by.open(store).await?;
    let given = (&identities, GivenShares::default());
    let plan = SourcePlan::make(&vault, copies, given, source, scratch.path()).await?;
    plan.carry_out(&identities, scratch.path(), phase, now()).await
}

/// Every snapshot of a source, read whole by a person.
async fn days_of(store: &Store, by: &Member, source: &str) -> Result<Vec<Day>> {
    let vault = by.open(store.clone()).await?;
    let (snapshots, damage) = list_snapshots(&vault).await?;
    assert!(damage.is_empty(), "{damage:?}");
    let mut days = Vec::new();
    for snapshot in snapshots.iter().filter(|snapshot| snapshot.manifest.source == source) {
        days.push(read_day(&vault, snapshot).await?);
    }
    Ok(days)
}

/// Marks what is dead, then drops it.
async fn prune_at_once(store: Store, agent: &AgentKey) -> Pruned {
    let state = tempfile::tempdir().unwrap();
    let mut pruned = Pruned::default();
    let vault = Vault::open(store, Opener::Agent(agent), None).await.unwrap();
    for _ in 0..2 {
        let mut lease = lifeboat_vault::Lease::take(&vault, agent, "pruning", false).await.unwrap();
        let at_once = PruneOptions { wait: jiff::SignedDuration::ZERO, young: jiff::SignedDuration::ZERO };
        let plan = PrunePlan::make(&vault, state.path(), at_once, Some(&mut lease)).await.unwrap();
        pruned = plan.carry_out(agent, &mut lease).await.unwrap();
        lease.give_back().await.unwrap();
    }
    pruned
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroyed_source_opens_nowhere_and_every_other_is_whole_everywhere() {
    let (wang, li) = (Member::native("wang", &Grade::ALL), Member::ssh("li", &[Grade::High]));
    let team = Team::new(&[&wang, &li]).await;
    let (first, second) = (rows_of("erp", 300), rows_of("erp", 350));
    team.back_up_as("crm", &rows_of("crm", 300)).await.unwrap();
    team.back_up_as("erp", &first).await.unwrap();
    // The copy has a snapshot that the vault has no longer, the vault one that the copy has not yet.
    let copy = impatient(Arc::new(team.objects.fork()));
    back_up_in(&copy, &team.agent, tempfile::tempdir().unwrap().path(), "erp", &rows_of("erp", 310))
        .await
        .unwrap();
    team.back_up_as("erp", &second).await.unwrap();
    let old_wraps = team.wraps().await;
    let all_old = team.objects.fork();

    let shredded = shred_in(team.store(), &wang, std::slice::from_ref(&copy), "crm", &|_| {}).await.unwrap();
    assert!(shredded.is_complete(), "{shredded:?}");
    assert!(shredded.stores.iter().all(|store| store.removed.len() == 1 && store.resealed.chunks > 0));
    for (store, expected) in [
        (team.store(), vec![first.clone(), second.clone()]),
        (copy.clone(), vec![first.clone(), rows_of("erp", 310)]),
    ] {
        assert!(days_of(&store, &wang, "crm").await.unwrap().is_empty());
        for member in [&wang, &li] {
            assert_eq!(days_of(&store, member, "erp").await.unwrap(), expected);
        }
        let left = store.list("keys").await.unwrap();
        let left: Vec<_> = left.iter().filter(|object| object.name.contains("-1-")).collect();
        assert!(
            left.iter().all(|object| object.name.contains("metadata-1-") || object.name.contains("root-1-")),
            "{left:?}"
        );
    }
    // Whoever puts a manifest back finds every row of the source sealed to keys that are nobody's.
    let gone = all_old.list(Some(&Path::from("snapshots")));
    let gone: Vec<_> = futures::TryStreamExt::try_collect(gone).await.unwrap();
    for meta in gone {
        let object = all_old.get(&meta.location).await.unwrap().bytes().await.unwrap();
        team.objects.put(&meta.location, object.into()).await.unwrap();
    }
    let closed = days_of(&team.store(), &wang, "crm").await;
    assert!(matches!(closed, Err(Error::Damaged { .. })), "{closed:?}");
    assert!(old_wraps.iter().any(|wrap| wrap.contains("high-1-")), "there was something to destroy");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_destroyed_source_leaves_is_pruned_and_backups_go_on() {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    team.back_up_as("crm", &rows_of("crm", 2000)).await.unwrap();
    team.back_up_as("erp", &rows_of("erp", 300)).await.unwrap();
    shred_in(team.store(), &wang, &[], "crm", &|_| {}).await.unwrap();
    team.back_up_as("erp", &rows_of("erp", 301)).await.unwrap();
    let pruned = prune_at_once(team.store(), &team.agent).await;
    assert!(pruned.packs >= 2 && pruned.damage.is_empty(), "{pruned:?}");
    let days = days_of(&team.store(), &wang, "erp").await.unwrap();
    assert_eq!(days, [rows_of("erp", 300), rows_of("erp", 301)]);
    let vault = wang.open(team.store()).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let (_, sync) = SnapshotReader::open(&vault, scratch.path()).await.unwrap();
    assert!(sync.damage.is_empty(), "{:?}", sync.damage);
    // A source that was the only one leaves nothing to seal anew.
    let shredded = shred_in(team.store(), &wang, &[], "erp", &|_| {}).await.unwrap();
    assert!(shredded.is_complete() && shredded.stores[0].resealed.chunks == 0, "{shredded:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_completed_meanwhile_is_whole_or_refuses_itself() {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    team.back_up_as("crm", &rows_of("crm", 100)).await.unwrap();
    let old = Vault::open(team.store(), Opener::Agent(&team.agent), None).await.unwrap();
    let begin = |state| SnapshotWriter::begin(&old, &team.agent, state, "erp");
    let states = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (early, late) = (begin(states[0].path()).await.unwrap(), begin(states[1].path()).await.unwrap());
    let waiting = Mutex::new((Some(early), Some(late)));
    let ended = Mutex::new(Vec::new());
    let phase = |name: &str| {
        let writer = match name {
            // Nothing that this one stores has been looked at, and the older keys go next.
            "destroying keys" => waiting.lock().unwrap().0.take(),
            "removing snapshots" => waiting.lock().unwrap().1.take(),
            _ => None,
        };
        if let Some(writer) = writer {
            let run = crate::lab::write(writer, &old, &FIRST_OF_ERP, 1);
            let run = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(run));
            ended.lock().unwrap().push(run.map(drop));
        }
    };
    let shredded = shred_in(team.store(), &wang, &[], "crm", &phase).await.unwrap();
    assert!(shredded.is_complete(), "{shredded:?}");
    let ended = ended.into_inner().unwrap();
    assert!(matches!(ended[..], [Ok(()), Err(Error::Removed { .. })]), "{ended:?}");
    assert_eq!(days_of(&team.store(), &wang, "erp").await.unwrap(), std::slice::from_ref(&*FIRST_OF_ERP));
}

static FIRST_OF_ERP: std::sync::LazyLock<Day> = std::sync::LazyLock::new(|| rows_of("erp", 120));

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_unknown_or_would_cost_another_source_is_refused() {
    let (wang, low) = (Member::native("wang", &Grade::ALL), Member::native("low", &[Grade::Low]));
    let team = Team::new(&[&wang, &low]).await;
    team.back_up_as("crm", &rows_of("crm", 100)).await.unwrap();
    team.back_up_as("erp", &rows_of("erp", 100)).await.unwrap();
    let before = team.wraps().await;
    let unknown = shred_in(team.store(), &wang, &[], "nothing", &|_| {}).await;
    assert!(matches!(unknown, Err(Error::NoSuchSnapshot(_))), "{unknown:?}");
    let closed = shred_in(team.store(), &low, &[], "crm", &|_| {}).await;
    assert!(matches!(closed, Err(Error::NoKey { .. })), "{closed:?}");
    let no_copy = impatient(Arc::new(InMemory::new()));
    let absent = shred_in(team.store(), &wang, &[no_copy], "crm", &|_| {}).await;
    assert!(matches!(absent, Err(Error::NoVault { .. })), "{absent:?}");

    let vault = Vault::open(team.store(), Opener::Agent(&team.agent), None).await.unwrap();
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let of = |source: &str| snapshots.iter().find(|snapshot| snapshot.manifest.source == source).unwrap().id;
    let says = Says::Hold { snapshot: of("crm") };
    let hold =
        write_note(&vault, NoteAuthor::Agent(&team.agent), "db1", "a lawsuit", says, now()).await.unwrap();
    let held = shred_in(team.store(), &wang, &[], "crm", &|_| {}).await;
    assert!(matches!(&held, Err(Error::Held(hold)) if hold.reason == "a lawsuit"), "{held:?}");
    let says = Says::Release { holds: vec![hold], request: None };
    let by = wang.identities();
    write_note(&vault, NoteAuthor::Person(&by), "wang", "settled", says, now()).await.unwrap();
    assert_eq!(team.wraps().await, before, "nothing was changed");

    // Sealing anew takes its time, and a hold may come in it.
    let held = Mutex::new(None);
    let phase = |name: &str| {
        if name == "sealing anew what other sources need" {
            let author = NoteAuthor::Agent(&team.agent);
            let hold =
                write_note(&vault, author, "db1", "a second one", Says::Hold { snapshot: of("crm") }, now());
            let hold = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(hold));
            *held.lock().unwrap() = Some(hold.unwrap());
        }
    };
    let late = shred_in(team.store(), &wang, &[], "crm", &phase).await;
    assert!(matches!(&late, Err(Error::Held(hold)) if hold.reason == "a second one"), "{late:?}");
    let left = team.wraps().await;
    assert!(before.iter().all(|wrap| left.contains(wrap)), "every older key is there: {left:?}");
    let says = Says::Release { holds: vec![held.into_inner().unwrap().unwrap()], request: None };
    write_note(&vault, NoteAuthor::Person(&by), "wang", "settled", says, now()).await.unwrap();

    // A row of the other source that cannot be read now would be lost with the keys.
    for object in team.store().list("packs").await.unwrap() {
        let path = Path::from(object.name);
        let mut bytes = team.objects.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
        bytes[300] ^= 1;
        team.objects.put(&path, bytes.into()).await.unwrap();
    }
    let damaged = shred_in(team.store(), &wang, &[], "crm", &|_| {}).await;
    assert!(matches!(damaged, Err(Error::KeysRefused(_))), "{damaged:?}");
    let left = team.wraps().await;
    assert!(before.iter().all(|wrap| left.contains(wrap)), "every older key is there: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_destroyed_against_a_store_that_goes_away_costs_no_other_anything() {
    let wang = Member::native("wang", &Grade::ALL);
    let mut team = Team::new(&[&wang]).await;
    let erp = rows_of("erp", 30);
    team.back_up_as("crm", &rows_of("crm", 30)).await.unwrap();
    team.back_up_as("erp", &erp).await.unwrap();
    let before = team.objects.fork();
    for call in 1.. {
        team.objects = Arc::new(before.fork());
        let copy = impatient(Arc::new(before.fork()));
        let faulty = Faulty::new(Arc::clone(&team.objects) as _, Fault::FailsFrom(call)).await;
        let copies = std::slice::from_ref(&copy);
        let first = shred_in(impatient(faulty.clone()), &wang, copies, "crm", &|_| {}).await;
        let met = faulty.calls() >= call;
        for store in [&team.store(), &copy] {
            let days = days_of(store, &wang, "erp").await;
            let days = days.unwrap_or_else(|error| panic!("call {call}: {error}"));
            assert_eq!(days, std::slice::from_ref(&erp), "call {call}");
        }
        if !first.as_ref().is_ok_and(SourceShredded::is_complete) {
            match shred_in(team.store(), &wang, copies, "crm", &|_| {}).await {
                Ok(again) => assert!(again.is_complete(), "after call {call}: {again:?}"),
                // Its snapshots were gone: what is left are old wraps, which every change takes away.
                Err(Error::NoSuchSnapshot(_)) => {
                    let rewrapped = change_in(team.store(), &wang, &KeyChange::Rewrap, copies).await.unwrap();
                    assert!(rewrapped.is_complete(), "after call {call}: {rewrapped:?}");
                }
                Err(error) => panic!("after call {call}: {error}"),
            }
        }
        for store in [&team.store(), &copy] {
            assert!(days_of(store, &wang, "crm").await.unwrap().is_empty(), "after call {call}");
            assert_eq!(days_of(store, &wang, "erp").await.unwrap(), std::slice::from_ref(&erp));
            let access = wang.open(store.clone()).await.unwrap().access(&wang.identities()).await.unwrap();
            assert!(access.leftovers.is_empty(), "after call {call}: {:?}", access.leftovers);
        }
        if !met {
            assert!(first.is_ok() && call > 50, "the loop ended early: {first:?}");
            return;
        }
    }
}
