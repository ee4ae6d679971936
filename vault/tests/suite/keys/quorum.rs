//! Keys that several people open together, all of them at one machine.

use super::*;

/// Everybody's identities together on one machine.
fn together(members: &[&Member]) -> Identities {
    let mut all = Identities::new(Vec::new());
    members.iter().for_each(|member| all.extend(member.identities()));
    all
}

async fn open_together(store: Store, members: &[&Member]) -> Result<Vault> {
    let identities = together(members);
    Vault::open(store, Opener::Person(&identities), None).await?.unlock(&identities).await
}

async fn change_together(
    team: &Team,
    by: &[&Member],
    change: KeyChange,
) -> Result<lifeboat_vault::KeyOutcome> {
    let vault = open_together(team.store(), by).await?;
    KeyPlan::make(&vault, &together(by), &change).await?.carry_out(&[], now()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_opens_together_and_one_share_too_few_opens_nothing() {
    let all = [Grade::High, Grade::Low];
    let (wang, li) = (Member::native("wang", &Grade::ALL), Member::ssh("li", &all));
    let (zhao, clerk) =
        (Member::passphrase("zhao", &all), Member::native("clerk", &[Grade::Medium, Grade::Low]));
    let team = Team::new(&[&wang, &li, &zhao, &clerk]).await;
    team.back_up(&first_day()).await.unwrap();
    let quorum = KeyChange::Quorum { grade: Grade::High, people: 2 };
    team.change(&wang, quorum).await.unwrap();
    team.back_up(&next_day(&first_day(), 1)).await.unwrap();
    for (members, opens) in [
        (vec![&wang], false),
        (vec![&li], false),
        (vec![&zhao], false),
        (vec![&wang, &clerk], false),
        (vec![&wang, &wang], false),
        (vec![&wang, &li], true),
        (vec![&li, &zhao], true),
        (vec![&wang, &li, &zhao], true),
    ] {
        let vault = open_together(team.store(), &members).await.unwrap();
        assert_eq!(vault.unlocked().contains(&Grade::High), opens);
        let read = newest_day(&vault).await;
        match opens {
            true => assert_eq!(read.unwrap(), next_day(&first_day(), 1)),
            false => assert!(matches!(read, Err(Error::NoKey { .. })), "{read:?}"),
        }
        // Nor does one of them change keys, which goes with grade high.
        let plan =
            KeyPlan::make(&vault, &together(&members), &KeyChange::Rotate(Realm::Rows(Grade::Low))).await;
        assert_eq!(plan.is_ok(), opens);
    }
    // Low and medium open for any of their people, and metadata for everybody.
    assert!(wang.open(team.store()).await.unwrap().unlocked().contains(&Grade::Low));
    let access = wang.open(team.store()).await.unwrap().access(&together(&[&wang, &li])).await.unwrap();
    for key in &access.keys {
        let split = matches!(key.key, WrappedKey::Root | WrappedKey::Sealing(Realm::Rows(Grade::High), _));
        assert_eq!((key.quorum, key.strangers), (if split { 2 } else { 1 }, 0), "{}", key.key);
        assert_eq!(key.people[1] == Standing::Seen, key.key.is_for(&all), "{}", key.key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_is_split_from_its_first_key_on() {
    let (wang, li) = (Member::native("wang", &Grade::ALL), Member::native("li", &Grade::ALL));
    let clerk = Member::native("clerk", &[Grade::Medium, Grade::Low]);
    let members = [&wang, &li, &clerk];
    let team = Team::with_quorum(&members, &[(Grade::High, 2), (Grade::Low, 3)]).await;
    // No object ever held a split key whole.
    for (key, holders) in [("root", 2), ("high", 2), ("low", 3), ("medium", 1), ("metadata", 1)] {
        let wraps = team.wraps().await.into_iter().filter(|name| name.starts_with(&format!("keys/{key}-1-")));
        let wraps: Vec<_> = wraps.collect();
        assert_eq!(wraps.len(), holders, "{key}");
        for name in wraps {
            let sealed = team.store().get(&name).await.unwrap();
            let opened =
                members.iter().filter_map(|member| age::decrypt(&member.native_identity(), &sealed).ok());
            let opened: Vec<_> = opened.collect();
            let shares = opened.iter().filter(|plain| plain.starts_with(b"lifeboat-share 1 ")).count();
            assert_eq!((opened.len() == 1, shares == 1), (holders > 1, holders > 1), "{name}");
        }
    }
    let keyring = team.store().get("keys/keyring-00000001").await.unwrap();
    let keyring = String::from_utf8_lossy(&keyring).into_owned();
    let keyring: serde_json::Value = serde_json::from_str(keyring.split_once("\n\n").unwrap().1).unwrap();
    assert_eq!(keyring["needs"]["read"], serde_json::json!(["quorum"]));
    team.back_up(&first_day()).await.unwrap();
    for (by, opens) in [
        (vec![&wang], vec![Grade::Medium]),
        (vec![&wang, &clerk], vec![Grade::Medium]),
        (vec![&wang, &li], vec![Grade::High, Grade::Medium]),
        (members.to_vec(), Grade::ALL.to_vec()),
    ] {
        let vault = open_together(team.store(), &by).await.unwrap();
        assert_eq!(vault.unlocked(), opens);
        let read = newest_day(&vault).await;
        match opens.contains(&Grade::High) {
            true => assert_eq!(read.unwrap(), first_day()),
            false => assert!(matches!(read, Err(Error::NoKey { .. })), "{read:?}"),
        }
    }
    change_together(&team, &[&wang, &li], KeyChange::Rotate(Realm::Rows(Grade::High))).await.unwrap();
    for too_many in [3, 0] {
        let people = [wang.person.clone(), li.person.clone()];
        let store = impatient(Arc::new(InMemory::new()));
        let made = create(store.clone(), &people, &[(Grade::High, too_many)], small_chunks(), now()).await;
        assert!(matches!(made, Err(Error::KeysRefused(_))), "{too_many}");
        assert!(store.list("").await.unwrap().is_empty(), "nothing was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_stays_when_people_come_and_go_and_is_never_more_than_there_are() {
    let members = ["wang", "li", "zhao"].map(|name| Member::native(name, &Grade::ALL));
    let [wang, li, zhao] = &members;
    let team = Team::new(&[wang, li, zhao]).await;
    team.change(wang, KeyChange::Quorum { grade: Grade::High, people: 2 }).await.unwrap();
    team.back_up(&first_day()).await.unwrap();
    let alone = team.change(wang, retire("zhao")).await;
    assert!(matches!(alone, Err(Error::NoKey { .. })), "{alone:?}");
    change_together(&team, &[wang, li], retire("zhao")).await.unwrap();
    let vault = open_together(team.store(), &[wang, li]).await.unwrap();
    assert_eq!(newest_day(&vault).await.unwrap(), first_day());
    let thin: Vec<_> = vault.thin_grades().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(thin.len(), 1, "{thin:?}");
    assert!(thin[0].contains("grade high takes 2 people together, and only wang, li have it"), "{thin:?}");
    for too_many in [KeyChange::Quorum { grade: Grade::High, people: 3 }, retire("li")] {
        let refused = change_together(&team, &[wang, li], too_many).await;
        assert!(matches!(refused, Err(Error::KeysRefused(_))), "{refused:?}");
    }
    change_together(&team, &[wang, li], KeyChange::Add(zhao.person.clone())).await.unwrap();
    let vault = open_together(team.store(), &[zhao, li]).await.unwrap();
    assert_eq!(newest_day(&vault).await.unwrap(), first_day());
    // Back to any of them.
    change_together(&team, &[wang, zhao], KeyChange::Quorum { grade: Grade::High, people: 1 }).await.unwrap();
    assert_eq!(newest_day(&li.open(team.store()).await.unwrap()).await.unwrap(), first_day());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_is_lost_or_another_is_done_without_and_one_too_many_is_told() {
    let members = ["wang", "li", "zhao"].map(|name| Member::native(name, &Grade::ALL));
    let [wang, li, zhao] = &members;
    let team = Team::new(&[wang, li, zhao]).await;
    team.change(wang, KeyChange::Quorum { grade: Grade::High, people: 2 }).await.unwrap();
    team.back_up(&first_day()).await.unwrap();
    let opens = async |store: &Store, by: &[&Member]| {
        open_together(store.clone(), by).await.unwrap().unlocked().contains(&Grade::High)
    };
    // Whose share of the rows' key is whose, and another share sealed to the same person.
    let mut shares = Vec::new();
    for member in &members {
        let mut own = Vec::new();
        for name in team.wraps().await.into_iter().filter(|name| name.starts_with("keys/high-2-")) {
            let sealed = team.store().get(&name).await.unwrap();
            if let Ok(plain) = age::decrypt(&member.native_identity(), &sealed) {
                own.push((name, plain));
            }
        }
        shares.push(own.remove(0));
        assert!(own.is_empty());
    }
    let recipient: age::x25519::Recipient = li.person.recipient.parse().unwrap();
    let other = age::encrypt(&recipient, b"lifeboat-share 1 0900\n").unwrap();
    let own = age::encrypt(&recipient, &shares[1].1).unwrap();
    let lis = Path::from(shares[1].0.as_str());
    for in_its_place in [None, Some(other), Some(own)] {
        let objects = Arc::new(team.objects.fork());
        match in_its_place {
            None => objects.delete(&lis).await.unwrap(),
            Some(bytes) => drop(objects.put(&lis, bytes.into()).await.unwrap()),
        }
        let store = impatient(Arc::clone(&objects) as _);
        assert!(opens(&store, &[wang, zhao]).await, "two of two that are left");
        assert!(opens(&store, &[wang, li, zhao]).await, "it stands in nobody's way");
        assert!(!opens(&store, &[wang, li]).await);
        let vault = open_together(store.clone(), &[wang, li]).await.unwrap();
        assert_eq!(vault.damage().count(), 0, "zhao's would open it, so it is a matter of keys");
        // One more: nobody opens it any more, and the damage says so.
        objects.delete(&Path::from(shares[2].0.as_str())).await.unwrap();
        let vault = open_together(store, &[wang, li, zhao]).await.unwrap();
        assert!(!vault.unlocked().contains(&Grade::High));
        let told: Vec<_> = vault.damage().map(ToString::to_string).collect();
        assert!(
            matches!(&told[..], [only] if shares[1..].iter().any(|(name, _)| only.contains(name))),
            "{told:?}"
        );
    }
}
