//! People come and go: who opens what before and after, with every kind of identity, at every crash.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use lifeboat_vault::store::Store;
use lifeboat_vault::{
    AgentKey, Depth, Error, Grade, Identities, KeyChange, KeyPlan, Opener, Person, PruneOptions, PrunePlan,
    Realm, Result, SnapshotReader, SnapshotWriter, Standing, Vault, WrappedKey, create, list_snapshots,
};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::clock::Before;
use crate::grades::{back_up_each_grade, rows_of_grade};
use crate::lab::{Day, Lab, first_day, impatient, next_day, now, read_day, small_chunks};
use crate::stores::{Fault, Faulty};

mod quorum;
mod shredding;
mod source;
mod team;

use team::{
    Knows, LOCKED_SSH_KEY, LOCKED_SSH_PASSPHRASE, LOCKED_SSH_RECIPIENT, Member, RSA_KEY, RSA_RECIPIENT,
    SECOND_KEYRING, Team, change_in, newest_day, retire,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_identity_opens_its_own_grades_and_no_other() {
    let members = [
        Member::native("wang", &Grade::ALL),
        Member::ssh("li", &[Grade::Medium, Grade::Low]),
        Member::passphrase("zhao", &[Grade::High]),
        Member::native("auditor", &[Grade::Low]),
    ];
    let team = Team::new(&members.each_ref()).await;
    let check = async |expected_epochs: usize| {
        for member in &members {
            let vault = member.open(team.store()).await.unwrap();
            assert_eq!(vault.unlocked(), member.person.grades, "{}", member.person.name);
            let access = vault.access(&member.identities()).await.unwrap();
            for key in &access.keys {
                let expected = key.key.is_for(&member.person.grades);
                assert_eq!(key.opened, expected, "{} and {}", member.person.name, key.key);
                assert_eq!(key.strangers, 0, "{}", key.key);
                for (person, standing) in access.people.iter().zip(&key.people) {
                    let expected = match (key.key.is_for(&person.grades), person.name == "li") {
                        (true, true) => Standing::Seen,
                        (true, false) => Standing::Counted,
                        (false, _) => Standing::Closed,
                    };
                    assert_eq!(*standing, expected, "{} and {}", person.name, key.key);
                }
            }
            assert_eq!(access.keys.len(), expected_epochs + 1);
            assert!(access.leftovers.is_empty());
        }
    };
    check(4).await;
    team.change(&members[0], KeyChange::Rotate(Realm::Rows(Grade::High))).await.unwrap();
    team.change(&members[0], KeyChange::Rewrap).await.unwrap();
    check(5).await;
    // A person without the root, and the agent, change nothing.
    for without in [&members[1], &members[3]] {
        let refused = team.change(without, KeyChange::Rewrap).await;
        assert!(matches!(refused, Err(Error::NoKey { .. })), "{refused:?}");
    }
    let vault = Vault::open(team.store(), Opener::Agent(&team.agent), None).await.unwrap();
    let nobody = Identities::new(Vec::new());
    assert!(matches!(KeyPlan::make(&vault, &nobody, &KeyChange::Rewrap).await, Err(Error::NoKey { .. })));
    // Somebody with the root who cannot open what is to be wrapped anew.
    let refused = team.change(&members[2], KeyChange::Rewrap).await;
    assert!(matches!(refused, Err(Error::NoKey { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_identity_reads_the_rows_of_each_grade_that_it_has_and_of_no_other() {
    for shift in 0..Grade::ALL.len() {
        let grade = |kind: usize| [Grade::ALL[(kind + shift) % Grade::ALL.len()]];
        let members = [
            Member::native("native", &grade(0)),
            Member::ssh("ssh", &grade(1)),
            Member::passphrase("passphrase", &grade(2)),
            Member::with_file("locked-ssh", LOCKED_SSH_RECIPIENT, &grade(3), LOCKED_SSH_KEY.as_bytes()),
            Member::with_file("rsa", RSA_RECIPIENT, &grade(4), RSA_KEY.as_bytes()),
        ];
        let team = Team::new(&members.each_ref()).await;
        back_up_each_grade(team.store(), &team.agent, team.state.path()).await;
        for member in &members {
            let name = &member.person.name;
            let identities = match name.as_str() {
                "locked-ssh" => {
                    Identities::read(member.file.path(), Knows::new(LOCKED_SSH_PASSPHRASE)).unwrap()
                }
                _ => member.identities(),
            };
            let vault = Vault::open(team.store(), Opener::Person(&identities), None).await.unwrap();
            let vault = vault.unlock(&identities).await.unwrap();
            for grade in Grade::ALL {
                let read = rows_of_grade(&vault, grade).await;
                match member.person.grades.contains(&grade) {
                    true => assert_eq!(read.unwrap(), format!("{grade}\n").into_bytes(), "{name}"),
                    false => assert!(matches!(read, Err(Error::NoKey { .. })), "{name}, {grade}: {read:?}"),
                }
            }
        }
        let agent = Vault::open(team.store(), Opener::Agent(&team.agent), None).await.unwrap();
        for grade in Grade::ALL {
            let read = rows_of_grade(&agent, grade).await;
            assert!(matches!(read, Err(Error::NoKey { .. })), "the agent, {grade}: {read:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_passphrase_is_asked_for_it_once() {
    let wang = Member::with_file("wang", LOCKED_SSH_RECIPIENT, &Grade::ALL, LOCKED_SSH_KEY.as_bytes());
    let team = Team::new(&[&wang]).await;
    let knows = Knows::new(LOCKED_SSH_PASSPHRASE);
    let identities = Identities::read(wang.file.path(), knows.clone()).unwrap();
    let vault = Vault::open(team.store(), Opener::Person(&identities), None).await.unwrap();
    let vault = vault.unlock(&identities).await.unwrap();
    assert_eq!(vault.unlocked(), Grade::ALL);
    KeyPlan::make(&vault, &identities, &KeyChange::Rewrap)
        .await
        .unwrap()
        .carry_out(&[], now())
        .await
        .unwrap();
    assert_eq!(vault.person_keys(&identities).unwrap().remove(0).name, "wang");
    assert_eq!(knows.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_added_opens_snapshots_of_before_and_after() {
    let (wang, li) = (Member::native("wang", &Grade::ALL), Member::ssh("li", &[Grade::High]));
    let team = Team::new(&[&wang]).await;
    let (first, second) = (first_day(), next_day(&first_day(), 1));
    team.back_up(&first).await.unwrap();
    assert!(matches!(li.open(team.store()).await, Err(Error::NoKey { .. })));
    let outcome = team.change(&wang, KeyChange::Add(li.person.clone())).await.unwrap();
    assert_eq!((outcome.keyring, outcome.is_complete()), (2, true));
    assert_eq!(newest_day(&li.open(team.store()).await.unwrap()).await.unwrap(), first);
    team.back_up(&second).await.unwrap();
    assert_eq!(newest_day(&li.open(team.store()).await.unwrap()).await.unwrap(), second);
    assert_eq!(li.open(team.store()).await.unwrap().unlocked(), [Grade::High]);
    // Grades are added to those they have; the same again changes nobody's access.
    let more = Person { grades: vec![Grade::Low], ..li.person.clone() };
    for _ in 0..2 {
        team.change(&wang, KeyChange::Add(more.clone())).await.unwrap();
        assert_eq!(li.open(team.store()).await.unwrap().unlocked(), [Grade::High, Grade::Low]);
    }
    assert_eq!(team.wraps().await.len(), 5, "old wraps are taken away");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_person_belongs_is_kept_until_somebody_says_otherwise() {
    let (mut wang, li) = (Member::native("wang", &Grade::ALL), Member::native("li", &[Grade::Low]));
    wang.person.branch = Some("Hamburg".into());
    let team = Team::new(&[&wang]).await;
    let said = async || {
        let people = wang.open(team.store()).await.unwrap().people().unwrap();
        people.into_iter().map(|one| (one.name, one.branch, one.role)).collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    let of_wang = ("wang".to_owned(), text("Hamburg"), None);
    assert_eq!(said().await, std::slice::from_ref(&of_wang));
    let add = |branch: Option<&str>, role: Option<&str>, grade| {
        let (branch, role) = (branch.map(str::to_owned), role.map(str::to_owned));
        team.change(&wang, KeyChange::Add(Person { branch, role, grades: vec![grade], ..li.person.clone() }))
    };
    add(Some("总部"), Some("auditor"), Grade::Low).await.unwrap();
    add(None, None, Grade::Medium).await.unwrap();
    team.change(&wang, KeyChange::Rewrap).await.unwrap();
    assert_eq!(said().await, [of_wang.clone(), ("li".to_owned(), text("总部"), text("auditor"))]);
    add(Some("Hamburg"), None, Grade::Medium).await.unwrap();
    assert_eq!(said().await, [of_wang, ("li".to_owned(), text("Hamburg"), text("auditor"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_person_opens_nothing_that_is_written_afterwards() {
    let (wang, li) = (Member::native("wang", &Grade::ALL), Member::native("li", &[Grade::High, Grade::Low]));
    let team = Team::new(&[&wang, &li]).await;
    team.back_up(&first_day()).await.unwrap();
    // What li may have copied before: everything.
    let kept = team.objects.fork();
    let outcome = team.change(&wang, retire("li")).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:?}");
    let mut second = first_day();
    second.insert("secret".into(), [b"written after li left\n".to_vec()].into_iter().collect());
    team.back_up(&second).await.unwrap();
    assert_eq!(newest_day(&wang.open(team.store()).await.unwrap()).await.unwrap(), second);
    assert!(matches!(li.open(team.store()).await, Err(Error::NoKey { .. })));

    // With the old wraps and the old keyring put back beside the new objects, li reads what they could read
    // before and nothing else: not even that there is another snapshot.
    let objects = team.objects.fork();
    let (old, new) = (impatient(Arc::new(kept)), impatient(Arc::new(objects)));
    for object in old.list("keys").await.unwrap() {
        new.create(&object.name, old.get(&object.name).await.unwrap()).await.unwrap();
    }
    let stranger = li.open(new.clone()).await;
    assert!(matches!(stranger, Err(Error::Damaged { .. } | Error::NoKey { .. })), "{:?}", stranger.map(drop));
    assert_eq!(newest_day(&li.open(old).await.unwrap()).await.unwrap(), first_day());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_new_metadata_key_a_retired_person_sees_names_and_no_new_row() {
    let (wang, li) = (Member::native("wang", &Grade::ALL), Member::native("li", &[Grade::High]));
    let team = Team::new(&[&wang, &li]).await;
    team.back_up(&first_day()).await.unwrap();
    let kept = impatient(Arc::new(team.objects.fork()));
    let vault = wang.open(team.store()).await.unwrap();
    let mut plan = KeyPlan::make(&vault, &wang.identities(), &retire("li")).await.unwrap();
    plan.keep_metadata();
    plan.carry_out(&[], now()).await.unwrap();
    let mut second = first_day();
    second.insert("secret".into(), [b"written after li left\n".to_vec()].into_iter().collect());
    team.back_up(&second).await.unwrap();
    // The newest keyring is taken away with the wraps: as the vault was, with what was written since.
    let objects = impatient(Arc::new(team.objects.fork()));
    for object in kept.list("keys").await.unwrap() {
        objects.create(&object.name, kept.get(&object.name).await.unwrap()).await.unwrap();
    }
    let rolled_back = Arc::new(InMemory::new());
    for object in objects.list("").await.unwrap().iter().filter(|o| o.name != "keys/keyring-00000002") {
        let bytes = objects.get(&object.name).await.unwrap();
        impatient(rolled_back.clone()).create(&object.name, bytes).await.unwrap();
    }
    let vault = li.open(impatient(rolled_back)).await.unwrap();
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let (reader, _) = SnapshotReader::open(&vault, scratch.path()).await.unwrap();
    let tables = reader.tables(&snapshots[1]).await.unwrap();
    let table = |name: &str| tables.iter().find(|table| table.table.name == name).unwrap();
    let secret = crate::lab::read_table(&vault, &reader, table("secret")).await;
    assert!(matches!(secret, Err(Error::NoKey { .. })), "{secret:?}");
    // Rows that have not changed stay under the old key: said by `keys retire`, and so it is.
    crate::lab::read_table(&vault, &reader, table("accounts")).await.unwrap();
    let keys = reader.keys_of(&snapshots[1]).await.unwrap();
    let high = |epoch| keys.keys[&(Realm::Rows(Grade::High), epoch)].tables.clone();
    assert_eq!(high(2).into_iter().collect::<Vec<_>>(), ["secret"]);
    assert!(high(1).contains("accounts") && !high(1).contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_given_the_new_metadata_key_and_new_agents_every_one() {
    let wang = Member::native("wang", &Grade::ALL);
    let mut team = Team::new(&[&wang]).await;
    let first = first_day();
    team.back_up(&first).await.unwrap();
    for _ in 0..2 {
        team.change(&wang, KeyChange::Rotate(Realm::Metadata)).await.unwrap();
    }
    team.back_up(&next_day(&first, 1)).await.unwrap();
    team.agent = AgentKey::generate("db2");
    team.state = tempfile::tempdir().unwrap();
    let vault = wang.open(team.store()).await.unwrap();
    vault.enrol(&team.agent.request(), &wang.identities(), now()).await.unwrap();
    let last = next_day(&first, 2);
    team.back_up(&last).await.unwrap();
    assert_eq!(newest_day(&wang.open(team.store()).await.unwrap()).await.unwrap(), last);
    let seen = Vault::open(team.store(), Opener::Agent(&team.agent), None).await.unwrap();
    assert_eq!(list_snapshots(&seen).await.unwrap().0.len(), 3, "an agent reads metadata of every epoch");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_enrolment_cannot_be_read_keeps_what_it_was_given_and_is_told_when_it_is_not_enough() {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    team.back_up(&first_day()).await.unwrap();
    team.change(&wang, KeyChange::Rotate(Realm::Metadata)).await.unwrap();
    let path = Path::from(format!("agents/{}", team.agent.id()));
    let whole = team.objects.get(&path).await.unwrap().bytes().await.unwrap();
    let put = async |bytes: Vec<u8>| drop(team.objects.put(&path, bytes.into()).await.unwrap());
    let damage = async || {
        let mut damaged = whole.to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        put(damaged).await;
    };
    damage().await;
    team.change(&wang, KeyChange::Rotate(Realm::Rows(Grade::High))).await.unwrap();
    put(whole.to_vec()).await;
    team.back_up(&next_day(&first_day(), 1)).await.unwrap();
    let seen = Vault::open(team.store(), Opener::Agent(&team.agent), None).await.unwrap();
    assert_eq!(list_snapshots(&seen).await.unwrap().0.len(), 2);

    damage().await;
    let plan = async |realm| {
        let vault = wang.open(team.store()).await.unwrap();
        KeyPlan::make(&vault, &wang.identities(), &KeyChange::Rotate(realm)).await.unwrap()
    };
    assert!(plan(Realm::Rows(Grade::Low)).await.shut_out.is_empty());
    let metadata = plan(Realm::Metadata).await;
    assert_eq!(metadata.shut_out, [team.agent.id().to_string()]);
    metadata.carry_out(&[], now()).await.unwrap();
    put(whole.to_vec()).await;
    let closed = team.back_up(&first_day()).await.unwrap_err();
    assert!(closed.to_string().contains("must be enrolled anew"), "{closed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_changed_by_whoever_cannot_open_every_metadata_key() {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    team.change(&wang, KeyChange::Rotate(Realm::Metadata)).await.unwrap();
    let wraps = team.wraps().await;
    let first = wraps.iter().find(|name| name.starts_with("keys/metadata-1-")).unwrap();
    team.objects.delete(&Path::from(first.as_str())).await.unwrap();
    let before = team.store().list("keys").await.unwrap().len();
    let shred = KeyChange::Shred { grade: Grade::Low, epoch: None };
    for change in [KeyChange::Rotate(Realm::Rows(Grade::High)), KeyChange::Rotate(Realm::Metadata), shred] {
        let refused = team.change(&wang, change).await;
        assert!(
            matches!(&refused, Err(Error::NoKey { what, .. }) if what == "metadata of epoch 1"),
            "{refused:?}"
        );
    }
    assert_eq!(team.store().list("keys").await.unwrap().len(), before);
    // The agent goes on: it has the key by its enrolment.
    team.back_up(&first_day()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_would_close_a_grade_or_makes_no_sense_changes_nothing() {
    let (wang, li) = (Member::native("wang", &Grade::ALL), Member::native("li", &[Grade::Low]));
    let team = Team::new(&[&wang, &li]).await;
    let before = team.wraps().await;
    let other_key =
        Person { recipient: Member::native("li", &[Grade::Low]).person.recipient, ..li.person.clone() };
    let same_key = Person { name: "somebody".into(), ..li.person.clone() };
    let typo = Person {
        name: "zhao".into(),
        recipient: "age1typo".into(),
        grades: vec![Grade::Low],
        ..Person::default()
    };
    for change in [
        retire("wang"),
        retire("nobody"),
        KeyChange::Add(other_key),
        KeyChange::Add(same_key),
        KeyChange::Add(typo),
    ] {
        let refused = team.change(&wang, change.clone()).await;
        let expected =
            matches!(refused, Err(Error::NoKey { .. } | Error::KeysRefused(_) | Error::BadKey { .. }));
        assert!(expected, "{change:?}: {refused:?}");
    }
    assert_eq!(team.wraps().await, before);
}

/// Retires a person against a store that fails at every call in turn: the vault opens for who stays, the
/// agent backs up, and the same command once more ends what was begun.
async fn check_crash(fault: impl Fn(u64) -> Fault) {
    let (wang, li) = (Member::native("wang", &Grade::ALL), Member::native("li", &[Grade::High]));
    let mut team = Team::new(&[&wang, &li]).await;
    team.back_up(&first_day()).await.unwrap();
    let before = team.objects.fork();
    for call in 1.. {
        team.objects = Arc::new(before.fork());
        let copy = impatient(Arc::new(before.fork()));
        let faulty = Faulty::new(Arc::clone(&team.objects) as _, fault(call)).await;
        let change = retire("li");
        let first = change_in(impatient(faulty.clone()), &wang, &change, std::slice::from_ref(&copy)).await;
        let met = faulty.calls() >= call;
        let vault = wang.open(team.store()).await.unwrap_or_else(|error| panic!("call {call}: {error}"));
        assert_eq!(vault.unlocked(), Grade::ALL, "call {call}");
        assert!(vault.check_wraps().await.unwrap().is_empty(), "call {call}");
        assert_eq!(newest_day(&vault).await.unwrap(), first_day(), "call {call}");
        team.state = tempfile::tempdir().unwrap();
        team.back_up(&next_day(&first_day(), 1)).await.unwrap_or_else(|error| panic!("call {call}: {error}"));

        if !first.as_ref().is_ok_and(|outcome| outcome.is_complete()) {
            let again = change_in(team.store(), &wang, &change, std::slice::from_ref(&copy)).await;
            let again = again.unwrap_or_else(|error| panic!("after call {call}: {error}"));
            assert!(again.is_complete(), "after call {call}: {again:?}");
        }
        for store in [team.store(), copy] {
            let vault = wang.open(store.clone()).await.unwrap();
            let access = vault.access(&wang.identities()).await.unwrap();
            assert!(access.leftovers.is_empty(), "after call {call}: {:?}", access.leftovers);
            assert!(access.keys.iter().all(|key| key.opened && key.strangers == 0), "after call {call}");
            let closed = li.open(store).await;
            assert!(matches!(closed, Err(Error::NoKey { .. })), "after call {call}");
        }
        if !met {
            assert!(first.is_ok() && call > 20, "the loop ended early: {first:?}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_killed_at_any_call_leaves_a_vault_that_opens() {
    check_crash(Fault::FailsFrom).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_with_one_failing_call_leaves_a_vault_that_opens() {
    check_crash(Fault::FailsOnce).await;
    check_crash(Fault::LiesAboutFailing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_at_once_one_is_in_force_and_loses_no_wrap() {
    let (wang, li) = (Member::native("wang", &Grade::ALL), Member::native("li", &Grade::ALL));
    let team = Team::new(&[&wang, &li]).await;
    let (one, two) = (wang.open(team.store()).await.unwrap(), li.open(team.store()).await.unwrap());
    let zhao = Member::native("zhao", &[Grade::Low]);
    let one = KeyPlan::make(&one, &wang.identities(), &KeyChange::Rewrap).await.unwrap();
    let two = KeyPlan::make(&two, &li.identities(), &KeyChange::Add(zhao.person.clone())).await.unwrap();
    let (one, two) = tokio::join!(one.carry_out(&[], now()), two.carry_out(&[], now()));
    let lost = [one.as_ref().err(), two.as_ref().err()].into_iter().flatten().collect::<Vec<_>>();
    assert!(matches!(lost[..], [Error::KeysChanged { .. }]), "{one:?} {two:?}");
    let vault = wang.open(team.store()).await.unwrap();
    assert!(vault.check_wraps().await.unwrap().is_empty());
    let access = vault.access(&wang.identities()).await.unwrap();
    assert!(access.leftovers.is_empty(), "{:?}", access.leftovers);
    assert_eq!(zhao.open(team.store()).await.is_ok(), two.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrap_that_comes_while_keys_are_changed_is_told_as_left() {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    let objects = Arc::clone(&team.objects);
    const STRAY: &str = "keys/high-1-00000000.age";
    let comes = move || {
        let path = Path::from(STRAY);
        let put = objects.put(&path, b"age-encryption.org/v1".to_vec().into());
        futures::executor::block_on(put).map(drop).unwrap();
    };
    let store = Before::put_below("keys", Arc::clone(&team.objects) as _, comes);
    let outcome = change_in(impatient(store), &wang, &KeyChange::Rewrap, &[]).await.unwrap();
    let left: Vec<_> = outcome.stores[0].left.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((left, outcome.is_complete()), (vec![STRAY], false));
    assert_eq!(outcome.stores[0].removed.len(), 5, "what was there before is gone");
    assert!(team.change(&wang, KeyChange::Rewrap).await.unwrap().is_complete(), "the next one takes it away");
    assert_eq!(team.wraps().await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_with_another_keyring_of_that_number_and_size_loses_no_wrap() {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    let (own, elsewhere) = (Arc::clone(&team.objects), Arc::new(team.objects.fork()));
    let copy = impatient(Arc::clone(&elsewhere) as _);
    let before = copy.list("keys").await.unwrap();
    // Somebody else's is there first; it differs in a byte.
    let theirs = Arc::clone(&elsewhere);
    let comes = move || {
        futures::executor::block_on(async {
            let path = Path::from(SECOND_KEYRING);
            let mut bytes = own.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            theirs.put(&path, bytes.into()).await.unwrap();
        });
    };
    let store = impatient(Before::put_below("keys/keyring", elsewhere, comes));
    let change = change_in(team.store(), &wang, &KeyChange::Rewrap, &[store]).await.unwrap();
    assert!(matches!(change.stores[1].failed, Some(Error::KeysChanged { .. })), "{change:?}");
    let after: Vec<_> = copy.list("keys").await.unwrap().into_iter().map(|object| object.name).collect();
    assert!(before.iter().all(|object| after.contains(&object.name)), "{after:?}");
    assert_eq!(wang.open(copy).await.unwrap().unlocked(), Grade::ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_vault_in_the_place_of_a_copy_is_left_alone() {
    let (wang, li) = (Member::native("wang", &Grade::ALL), Member::native("li", &[Grade::High]));
    let team = Team::new(&[&wang, &li]).await;
    let other = Lab::new().await;
    let before = other.store().list("").await.unwrap().len();
    let change = change_in(team.store(), &wang, &retire("li"), &[other.store()]).await.unwrap();
    assert!(!change.is_complete());
    assert!(matches!(change.stores[1].failed, Some(Error::Untrusted { .. })), "{change:?}");
    assert_eq!(other.store().list("").await.unwrap().len(), before);
    assert!(matches!(li.open(team.store()).await, Err(Error::NoKey { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrap_with_somebody_whom_nobody_listed_shows() {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    let vault = wang.open(team.store()).await.unwrap();
    let stray = Member::native("stray", &[Grade::High]);
    team.change(&wang, KeyChange::Add(stray.person.clone())).await.unwrap();
    let with_stray = team.wraps().await;
    let access = vault.access(&wang.identities()).await.unwrap();
    let damaged: Vec<_> = access.keys.iter().filter(|key| key.damage.is_some()).map(|key| key.key).collect();
    assert_eq!(damaged.len(), 3, "the old keyring's wraps of what stray may open are gone: {damaged:?}");
    assert!(damaged.contains(&WrappedKey::Root));
    assert_eq!(access.leftovers.len(), 3);
    assert!(
        access.leftovers.iter().all(|left| with_stray.contains(&left.object) && left.recipients == Some(2))
    );

    // A keyring signed by the root whose list of people leaves one out: what a malicious root holder could do.
    let vault = wang.open(team.store()).await.unwrap();
    let listed: Vec<_> = vault.people().unwrap();
    let (mut keyring, wang_only) = (crate::forge::keyring(&team.store(), 2).await, &listed[..1]);
    assert!(vault.access(&wang.identities()).await.unwrap().keys.iter().all(|key| key.strangers == 0));
    keyring.sequence = 3;
    let forged = crate::forge::keyring_with(&vault, &wang.native_identity(), keyring, wang_only).await;
    team.objects.put(&Path::from("keys/keyring-00000003"), forged.into()).await.unwrap();
    let vault = wang.open(team.store()).await.unwrap();
    let access = vault.access(&wang.identities()).await.unwrap();
    assert_eq!((access.keyring, access.people.len()), (3, 1));
    for key in &access.keys {
        let expected = u64::from(key.key.is_for(&stray.person.grades));
        assert_eq!((key.strangers, &key.people[..]), (expected, &[Standing::Counted][..]), "{}", key.key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_old_keyring_is_in_force_nothing_is_changed_written_or_pruned_and_no_key_is_lost() {
    let (wang, li) = (Member::native("wang", &Grade::ALL), Member::native("li", &[Grade::High]));
    let (first, second) = (first_day(), next_day(&first_day(), 1));
    // Rows have a new key in the second keyring, or the metadata as well.
    for realm in [Realm::Rows(Grade::High), Realm::Metadata] {
        let team = Team::new(&[&wang, &li]).await;
        team.back_up(&first).await.unwrap();
        team.change(&wang, KeyChange::Rotate(realm)).await.unwrap();
        team.back_up(&second).await.unwrap();
        let path = Path::from(SECOND_KEYRING);
        let keyring = team.objects.get(&path).await.unwrap().bytes().await.unwrap();
        let (wraps, mut damaged) = (team.wraps().await, keyring.to_vec());
        damaged[keyring.len() / 2] ^= 1;
        for hurt in [None, Some(damaged)] {
            let is_there = hurt.is_some();
            match hurt {
                None => team.objects.delete(&path).await.unwrap(),
                Some(bytes) => drop(team.objects.put(&path, bytes.into()).await.unwrap()),
            }
            for change in [
                KeyChange::Rotate(Realm::Rows(Grade::High)),
                KeyChange::Rewrap,
                KeyChange::Shred { grade: Grade::Low, epoch: None },
                retire("li"),
            ] {
                let refused = team.change(&wang, change).await.unwrap_err();
                assert!(matches!(refused, Error::OldKeyring { in_force: 1, .. }), "{refused:?}");
                assert!(refused.is_damage() && refused.hints()[0].contains("copy"), "{refused}");
                assert_eq!(refused.to_string().contains(SECOND_KEYRING), is_there, "{refused}");
            }
            let refused = team.back_up(&next_day(&second, 2)).await.unwrap_err();
            assert!(matches!(refused, Error::OldKeyring { in_force: 1, .. }), "{refused:?}");
            let vault = Vault::open(team.store(), Opener::Agent(&team.agent), None).await.unwrap();
            let held_back = PrunePlan::make(&vault, team.state.path(), PruneOptions::default(), None).await;
            let held_back = held_back.unwrap().held_back;
            assert!(held_back.iter().any(|why| why.contains("keyring 1 is in force, but ")), "{held_back:?}");
        }
        team.objects.put(&path, keyring.into()).await.unwrap();
        assert_eq!(team.wraps().await, wraps);
        assert_eq!(newest_day(&wang.open(team.store()).await.unwrap()).await.unwrap(), second);
        team.change(&wang, KeyChange::Rewrap).await.unwrap();
        assert_eq!(newest_day(&wang.open(team.store()).await.unwrap()).await.unwrap(), second);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_under_the_keyring_it_began_with() {
    let wang = Member::native("wang", &Grade::ALL);
    let team = Team::new(&[&wang]).await;
    let (first, second) = (first_day(), next_day(&first_day(), 1));
    let begun = Vault::open(team.store(), Opener::Agent(&team.agent), None).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let run = crate::lab::Run { vault: &begun, agent: &team.agent, state: state.path(), slices: 1 };
    let (slow, draft) = run.write(&second).await.unwrap();
    team.change(&wang, KeyChange::Rotate(Realm::Rows(Grade::High))).await.unwrap();
    team.back_up(&first).await.unwrap();
    slow.finish(draft).await.unwrap();
    let vault = wang.open(team.store()).await.unwrap();
    let (snapshots, damage) = list_snapshots(&vault).await.unwrap();
    assert!(damage.is_empty(), "{damage:?}");
    let mut keyrings: Vec<_> = snapshots.iter().map(|snapshot| snapshot.manifest.keyring).collect();
    keyrings.sort_unstable();
    assert_eq!(keyrings, [1, 2]);
    for (snapshot, day) in snapshots.iter().zip([second, first]) {
        assert_eq!(read_day(&vault, snapshot).await.unwrap(), day);
    }
    assert!(!crate::damage::verify_in(&begun, Depth::Structure).await.unwrap().found_damage());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_as_old_as_the_first_keyring_that_names_it() {
    let lab = Lab::new().await;
    let change = async |change: KeyChange, hours: i64| {
        let vault = lab.for_person().await.unwrap();
        let plan = KeyPlan::make(&vault, &lab.identities(), &change).await.unwrap();
        plan.carry_out(&[], now() + jiff::SignedDuration::from_hours(hours)).await.unwrap();
    };
    change(KeyChange::Rotate(Realm::Rows(Grade::Low)), 1).await;
    change(KeyChange::Rewrap, 2).await;
    let (high, low) = ((Realm::Rows(Grade::High), 1), (Realm::Rows(Grade::Low), 2));
    let since = lab.for_person().await.unwrap().keys_since().await.unwrap();
    assert_eq!(since.len(), 5, "{since:?}");
    assert!(since[&low] > since[&high] && since[&(Realm::Rows(Grade::Low), 1)] == since[&high], "{since:?}");
    // Without the keyring before it, nobody knows whether it was the first that names a key.
    lab.objects.delete(&Path::from("keys/keyring-00000001")).await.unwrap();
    assert_eq!(lab.for_person().await.unwrap().keys_since().await.unwrap(), Default::default());
}
