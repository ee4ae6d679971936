//! Keys that are destroyed: for everybody, in every copy, and for runs that began before it.

use std::sync::Mutex;

use lifeboat_vault::format::note::Says;
use lifeboat_vault::store::{ObjectVersions, Version};
use lifeboat_vault::{NoteAuthor, OldVersions, write_note};

use super::*;

/// A bucket's versions of wraps, which it lists and removes as it is told to.
#[derive(Debug)]
struct Kept {
    versions: Mutex<Vec<Version>>,
    lists: bool,
    removes: bool,
}

#[async_trait::async_trait]
impl ObjectVersions for Kept {
    async fn list(&self, folder: &Path) -> object_store::Result<Vec<Version>> {
        match self.lists {
            true => {
                let kept = self.versions.lock().unwrap();
                Ok(kept.iter().filter(|one| one.path.prefix_matches(folder)).cloned().collect())
            }
            false => Err(denied(folder)),
        }
    }

    async fn remove(&self, version: &Version) -> object_store::Result<()> {
        match self.removes {
            true => self.versions.lock().unwrap().retain(|kept| kept != version),
            false => return Err(denied(&version.path)),
        }
        Ok(())
    }
}

fn denied(path: &Path) -> object_store::Error {
    let source = "these credentials may not".into();
    object_store::Error::PermissionDenied { path: path.to_string(), source }
}

/// Shreds in a bucket that keeps versions of a wrap that is deleted, of one in force and of one that another
/// change has just written; returns what is known of versions, what is left, and the versions then.
async fn shred_where(lists: bool, removes: bool) -> (OldVersions, usize, Vec<String>) {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    let version = |path: &str, id: &str, latest, is_marker| Version {
        path: Path::from(path),
        id: id.into(),
        latest,
        is_marker,
    };
    let in_force = team.wraps().await.into_iter().find(|wrap| wrap.contains("low-1")).unwrap();
    let versions = vec![
        version("keys/high-1-00000000.age", "deleted", true, true),
        version("keys/high-1-00000000.age", "old", false, false),
        version(&in_force, "in force", true, false),
        version("keys/high-9-00000000.age", "another change's", true, false),
        version("keys/keyring-00000001", "keyring", false, false),
        version("requests/ab/approve-cd", "no name of ours", false, false),
    ];
    let kept = Arc::new(Kept { versions: Mutex::new(versions), lists, removes });
    let store = team.store().with_object_versions(kept.clone());
    let shred = KeyChange::Shred { grade: Grade::High, epoch: None };
    let outcome = change_in(store, &wang, &shred, &[]).await.unwrap();
    let own = outcome.stores.into_iter().next().unwrap();
    let kept = kept.versions.lock().unwrap().iter().map(|version| version.id.clone()).collect();
    (own.versions, own.left.len(), kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_destroyed_wraps_go_and_what_cannot_be_proven_is_told() {
    let others = ["in force", "another change's", "keyring", "no name of ours"];
    let (known, left, kept) = shred_where(true, true).await;
    assert!(matches!(known, OldVersions::Removed(1)) && left == 0, "{known:?}");
    assert_eq!(kept, others);
    let (known, left, kept) = shred_where(true, false).await;
    assert!(matches!(known, OldVersions::Removed(0)), "{known:?}");
    assert_eq!((left, kept.len()), (1, 6), "a version that stays keeps the mark that hides it");
    let (known, left, _) = shred_where(false, false).await;
    assert!(matches!(known, OldVersions::Failed(Error::Denied { .. })) && left == 0, "{known:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shredded_opens_for_nobody_from_no_copy_and_is_stored_anew() {
    let (wang, li) = (Member::native("wang", &Grade::ALL), Member::ssh("li", &[Grade::High]));
    let team = Team::new(&[&wang, &li]).await;
    let first = first_day();
    team.back_up(&first).await.unwrap();
    let copies: Vec<_> = (0..2).map(|_| impatient(Arc::new(team.objects.fork()))).collect();
    let shred = KeyChange::Shred { grade: Grade::High, epoch: None };
    let outcome = change_in(team.store(), &wang, &shred, &copies).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!(outcome.stores.len(), 3);
    for store in [team.store()].iter().chain(&copies) {
        let left = store.list("keys").await.unwrap();
        assert!(left.iter().all(|object| !object.name.starts_with("keys/high-1-")), "{left:?}");
        for member in [&wang, &li] {
            let vault = member.open(store.clone()).await.unwrap();
            let read = newest_day(&vault).await;
            assert!(matches!(read, Err(Error::Damaged { .. })), "{}: {read:?}", member.person.name);
        }
    }
    // The agent knows the rows still, and reuses none that nobody can open.
    team.back_up(&first).await.unwrap();
    assert_eq!(newest_day(&wang.open(team.store()).await.unwrap()).await.unwrap(), first);
    let again = KeyChange::Shred { grade: Grade::High, epoch: Some(1) };
    assert!(team.change(&wang, again).await.unwrap().is_complete(), "a second time is no harm");
    assert_eq!(newest_day(&li.open(team.store()).await.unwrap()).await.unwrap(), first);
    let unknown = KeyChange::Shred { grade: Grade::High, epoch: Some(9) };
    assert!(matches!(team.change(&wang, unknown).await, Err(Error::KeysRefused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_before_a_shredding_makes_no_other_reuse_what_nobody_opens() {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    team.back_up(&first_day()).await.unwrap();
    let old = Vault::open(team.store(), Opener::Agent(&team.agent), None).await.unwrap();
    team.change(&wang, KeyChange::Shred { grade: Grade::High, epoch: None }).await.unwrap();
    let new = Vault::open(team.store(), Opener::Agent(&team.agent), None).await.unwrap();
    let writer = SnapshotWriter::begin(&new, &team.agent, team.state.path(), "crm").await.unwrap();
    // The other run's keyring does not have the key among the shredded, and its index is the same file.
    SnapshotReader::open(&old, team.state.path()).await.unwrap();
    crate::lab::write(writer, &new, &first_day(), 1).await.unwrap();
    assert_eq!(newest_day(&wang.open(team.store()).await.unwrap()).await.unwrap(), first_day());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_epoch_is_shredded_by_itself() {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    team.back_up(&first_day()).await.unwrap();
    team.change(&wang, KeyChange::Rotate(Realm::Rows(Grade::High))).await.unwrap();
    let mut second = first_day();
    second.insert("new".into(), [b"of the second epoch\n".to_vec()].into_iter().collect());
    team.back_up(&second).await.unwrap();
    team.change(&wang, KeyChange::Shred { grade: Grade::High, epoch: Some(1) }).await.unwrap();
    let vault = wang.open(team.store()).await.unwrap();
    assert_eq!(vault.unlocked(), Grade::ALL);
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let (reader, _) = SnapshotReader::open(&vault, scratch.path()).await.unwrap();
    for table in reader.tables(&snapshots[1]).await.unwrap().iter().filter(|table| table.rows > 0) {
        let read = crate::lab::read_table(&vault, &reader, table).await;
        assert_eq!(read.is_ok(), table.table.name == "new", "{}: {read:?}", table.table.name);
    }
    team.back_up(&second).await.unwrap();
    assert_eq!(newest_day(&wang.open(team.store()).await.unwrap()).await.unwrap(), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_sealed_to_a_key_which_is_shredded_meanwhile_is_not_reported_good() {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    let vault = Vault::open(team.store(), Opener::Agent(&team.agent), None).await.unwrap();
    let run = crate::lab::Run { vault: &vault, agent: &team.agent, state: team.state.path(), slices: 1 };
    let (writer, draft) = run.write(&first_day()).await.unwrap();
    team.change(&wang, KeyChange::Shred { grade: Grade::High, epoch: None }).await.unwrap();
    let finished = writer.finish(draft).await;
    assert!(matches!(finished, Err(Error::Removed { .. })), "{:?}", finished.map(drop));
    let opened = wang.open(team.store()).await.unwrap();
    assert!(list_snapshots(&opened).await.unwrap().0.is_empty());
    team.back_up(&first_day()).await.unwrap();
    assert_eq!(newest_day(&wang.open(team.store()).await.unwrap()).await.unwrap(), first_day());
}

fn held_for(shredded: Result<lifeboat_vault::KeyOutcome>, expected: &str) {
    match shredded {
        Err(error @ Error::Held(_)) => {
            let (text, hints) = (error.to_string(), error.hints().concat());
            assert!(text.contains(expected) && text.contains("held by db1"), "{text}");
            assert!(hints.contains("request-release") && hints.contains("lifeboat-agent release"), "{hints}");
        }
        other => panic!("expected a hold for {expected}, found {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_that_a_held_snapshot_needs_is_destroyed_until_two_people_end_the_hold() {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    let first = first_day();
    team.back_up(&first).await.unwrap();
    team.change(&wang, KeyChange::Rotate(Realm::Rows(Grade::High))).await.unwrap();
    let mut second = first.clone();
    second.insert("new".into(), [b"of the second epoch\n".to_vec()].into_iter().collect());
    team.back_up(&second).await.unwrap();
    let vault = Vault::open(team.store(), Opener::Agent(&team.agent), None).await.unwrap();
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let agent = NoteAuthor::Agent(&team.agent);
    let says = Says::Hold { snapshot: snapshots[0].id };
    let hold = write_note(&vault, agent, "db1", "a lawsuit", says, now()).await.unwrap();
    let shred = |epoch| KeyChange::Shred { grade: Grade::High, epoch };
    let before = team.wraps().await;
    for epoch in [None, Some(1)] {
        held_for(team.change(&wang, shred(epoch)).await, "a lawsuit");
    }
    assert_eq!(team.wraps().await, before, "nothing is written or taken away");
    assert_eq!(newest_day(&wang.open(team.store()).await.unwrap()).await.unwrap(), second);
    // What the held one does not need goes all the same: other grades, and the epoch after it.
    team.change(&wang, KeyChange::Shred { grade: Grade::Low, epoch: None }).await.unwrap();
    team.change(&wang, shred(Some(2))).await.unwrap();
    held_for(team.change(&wang, shred(None)).await, "a lawsuit");

    // A copy that has lost the release, or that alone has the hold, is asked too.
    let copy = impatient(Arc::new(team.objects.fork()));
    let by = wang.identities();
    let says = Says::Release { holds: vec![hold], request: None };
    write_note(&vault, NoteAuthor::Person(&by), "wang", "settled", says, now()).await.unwrap();
    let in_copy = Vault::open(copy.clone(), Opener::Agent(&team.agent), None).await.unwrap();
    let says = Says::Hold { snapshot: snapshots[0].id };
    write_note(&in_copy, agent, "db1", "in the copy", says, now()).await.unwrap();
    let both = change_in(team.store(), &wang, &shred(Some(1)), std::slice::from_ref(&copy)).await;
    held_for(both, "in the copy");

    // Nobody knows what a note says that cannot be read, nor what a held snapshot needs that cannot be.
    let name = Path::from("notes/".to_owned() + &"07".repeat(32));
    team.objects.put(&name, b"no note".to_vec().into()).await.unwrap();
    let unread = team.change(&wang, shred(Some(1))).await;
    assert!(
        matches!(&unread, Err(Error::HeldBack(reason)) if reason.contains("may be a hold")),
        "{unread:?}"
    );
    team.objects.delete(&name).await.unwrap();
    let says = Says::Hold { snapshot: snapshots[1].id };
    let unreadable = write_note(&vault, agent, "db1", "unreadable", says, now()).await.unwrap();
    let manifest = Path::from(format!("snapshots/{}", snapshots[1].id));
    let whole = team.objects.get(&manifest).await.unwrap().bytes().await.unwrap();
    team.objects.put(&manifest, b"damaged".to_vec().into()).await.unwrap();
    held_for(team.change(&wang, shred(Some(1))).await, "unreadable");
    team.objects.put(&manifest, whole.into()).await.unwrap();
    let says = Says::Release { holds: vec![unreadable], request: None };
    write_note(&vault, NoteAuthor::Person(&by), "wang", "settled", says, now()).await.unwrap();
    assert!(team.change(&wang, shred(Some(1))).await.unwrap().is_complete(), "no hold is left here");
}
