//! Who can open and who can write what.

use std::sync::Arc;

use lifeboat_vault::{
    AgentKey, Error, Grade, Identities, Opener, Person, SnapshotReader, Vault, create, list_snapshots,
};
use object_store::memory::InMemory;

use crate::lab::{Lab, first_day, impatient, now, read_day, read_table, small_chunks};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reads_every_table_s_name_and_no_row() {
    let lab = Lab::new().await;
    lab.back_up(lab.store(), &first_day()).await.unwrap();
    let vault = lab.for_agent(lab.store()).await.unwrap();
    assert!(vault.unlocked().is_empty());
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let (reader, _) = SnapshotReader::open(&vault, scratch.path()).await.unwrap();
    let tables = reader.tables(&snapshots[0]).await.unwrap();
    assert_eq!(tables.len(), first_day().len());
    for table in tables.iter().filter(|table| table.rows > 0) {
        let read = read_table(&vault, &reader, table).await;
        assert!(matches!(read, Err(Error::NoKey { .. })), "{}: {read:?}", table.table.name);
    }
    for file in &snapshots[0].manifest.files {
        assert!(matches!(reader.file(file).await, Err(Error::NoKey { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_that_an_agent_holds_opens_a_segment() {
    let lab = Lab::new().await;
    lab.back_up(lab.store(), &first_day()).await.unwrap();
    // Everything the agent has on disk, and everything it can read of the vault with it.
    let key_file = lab.state.path().join("agent.key");
    lab.agent.write_new(&key_file).unwrap();
    let text = std::fs::read_to_string(&key_file).unwrap();
    let secrets: Vec<_> = text.split('"').filter(|word| word.starts_with("AGE-SECRET-KEY-")).collect();
    assert_eq!(secrets.len(), 1, "the key file holds one age identity");
    let own: age::x25519::Identity = secrets[0].parse().unwrap();
    let identities = Identities::new(vec![Box::new(own)]);
    assert!(matches!(
        Vault::open(lab.store(), Opener::Person(&identities), None).await,
        Err(Error::NoKey { .. })
    ));
    let vault = lab.for_agent(lab.store()).await.unwrap();
    assert!(vault.unlock(&identities).await.unwrap().unlocked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_opens_the_grades_they_were_given_and_no_other() {
    let objects = Arc::new(InMemory::new());
    let (wang, li) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
    let person = |name: &str, identity: &age::x25519::Identity, grades: &[Grade]| Person {
        name: name.into(),
        recipient: identity.to_public().to_string(),
        grades: grades.to_vec(),
        ..Person::default()
    };
    let people = [person("wang", &wang, &Grade::ALL), person("li", &li, &[Grade::Low])];
    create(impatient(objects.clone()), &people, &[], small_chunks(), now()).await.unwrap();
    for (identity, grades) in [(wang, Grade::ALL.to_vec()), (li, vec![Grade::Low])] {
        let identities = Identities::new(vec![Box::new(identity)]);
        let vault = Vault::open(impatient(objects.clone()), Opener::Person(&identities), None).await.unwrap();
        assert_eq!(vault.unlock(&identities).await.unwrap().unlocked(), grades);
        assert_eq!(vault.people().unwrap().len(), 2);
    }
    let stranger = Identities::new(vec![Box::new(age::x25519::Identity::generate())]);
    let refused = Vault::open(impatient(objects), Opener::Person(&stranger), None).await;
    assert!(matches!(refused, Err(Error::NoKey { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_nobody_could_open_is_not_made() {
    let somebody = age::x25519::Identity::generate().to_public().to_string();
    let low = Person {
        name: "li".into(),
        recipient: somebody.clone(),
        grades: vec![Grade::Low],
        ..Person::default()
    };
    let typo = Person {
        name: "wang".into(),
        recipient: format!("{somebody}x"),
        grades: Grade::ALL.to_vec(),
        ..Person::default()
    };
    for people in [vec![low], vec![typo], Vec::new()] {
        let objects = Arc::new(InMemory::new());
        let made = create(impatient(objects.clone()), &people, &[], small_chunks(), now()).await;
        assert!(matches!(made, Err(Error::NoKey { .. } | Error::BadKey { .. })));
        assert!(impatient(objects).list("").await.unwrap().is_empty(), "something was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_vault_is_not_made_over_the_first() {
    let lab = Lab::new().await;
    let again = create(lab.store(), &[lab.person_record()], &[], small_chunks(), now()).await;
    assert!(matches!(again, Err(Error::NotEmpty { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_root_than_the_pinned_one_is_refused() {
    let lab = Lab::new().await;
    let identities = lab.identities();
    let vault = lab.for_person().await.unwrap();
    Vault::open(lab.store(), Opener::Person(&identities), Some(&vault.fingerprint())).await.unwrap();
    let refused = Vault::open(lab.store(), Opener::Person(&identities), Some(&"0".repeat(32))).await;
    assert!(matches!(refused, Err(Error::Untrusted { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_enrolled_writes_nothing() {
    let lab = Lab::new().await;
    let stranger = AgentKey::generate("thief");
    let opened = Vault::open(lab.store(), Opener::Agent(&stranger), None).await;
    assert!(matches!(opened, Err(Error::NoKey { .. })));
    let vault = lab.for_agent(lab.store()).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let written = crate::lab::back_up(&vault, &stranger, state.path(), &first_day(), 1).await;
    assert!(matches!(written, Err(Error::Untrusted { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_host_is_enrolled_anew_and_goes_on() {
    let mut lab = Lab::new().await;
    let day = first_day();
    lab.back_up(lab.store(), &day).await.unwrap();
    lab.agent = AgentKey::generate("db1-new");
    lab.lose_state();
    let request = lab.agent.request().to_string().parse().unwrap();
    lab.for_person().await.unwrap().enrol(&request, &lab.identities(), now()).await.unwrap();
    let written = lab.back_up(lab.store(), &day).await.unwrap();
    assert_eq!(written.new_raw_bytes, 0, "the new host reuses what the old one stored");
    let vault = lab.for_person().await.unwrap();
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    assert_eq!(snapshots[1].manifest.previous, Some(snapshots[0].id));
    assert_eq!(read_day(&vault, &snapshots[1]).await.unwrap(), day);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_equal_rows_differ_between_vaults() {
    let day = first_day();
    let mut names = Vec::new();
    for _ in 0..2 {
        let lab = Lab::new().await;
        lab.back_up(lab.store(), &day).await.unwrap();
        let vault = lab.for_person().await.unwrap();
        let (snapshots, _) = list_snapshots(&vault).await.unwrap();
        names.push(format!("{:?}", snapshots[0].manifest.files));
    }
    assert_ne!(names[0], names[1]);
}

/// A key in hardware that nobody touches.
struct Untouched;

impl age::Identity for Untouched {
    fn unwrap_stanza(
        &self,
        _: &age_core::format::Stanza,
    ) -> Option<std::result::Result<age_core::format::FileKey, age::DecryptError>> {
        Some(Err(age::DecryptError::KeyDecryptionFailed))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_cannot_be_used_stands_in_no_other_s_way_and_is_told() {
    let lab = Lab::new().await;
    let both = Identities::new(vec![Box::new(Untouched), Box::new(lab.person.clone())]);
    let vault = Vault::open(lab.store(), Opener::Person(&both), None).await.unwrap();
    assert_eq!(vault.unlock(&both).await.unwrap().unlocked(), Grade::ALL);
    let alone = Identities::new(vec![Box::new(Untouched)]);
    let refused = Vault::open(lab.store(), Opener::Person(&alone), None).await.map(|_| ());
    assert!(matches!(refused, Err(Error::NoKey { reason: Some(_), .. })), "{refused:?}");
}
