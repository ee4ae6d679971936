//! Requests and approvals: what is opened by them, and every way in which one could be forged, replayed, altered
//! or used when it should not be.

use age::x25519;
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use jiff::{SignedDuration, Timestamp};
use lifeboat_vault::format::envelope::{Envelope, Kind, Signer, sign};
use lifeboat_vault::format::names;
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{
    AgentId, Asked, Error, Grade, Identities, KeyChange, KeyPlan, NewRequest, Opener, Person, PersonKey,
    REQUEST_LIFE_MAX, RequestId, RequestRecord, RequestState, Result, Tally, Vault, approve, expire_in_words,
    gather, list_requests, list_snapshots, read_request, refuse, revoke,
};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::lab::{Lab, first_day, read_day};

/// Three people of whom it takes some together to open grade high, and a snapshot.
struct Office {
    lab: Lab,
    people: Vec<(&'static str, x25519::Identity)>,
}

/// Which of them.
const WANG: usize = 0;
const LI: usize = 1;
const ZHAO: usize = 2;

impl Office {
    async fn new(together: u8) -> Self {
        let lab = Lab::new().await;
        let people = vec![
            ("wang", lab.person.clone()),
            ("li", x25519::Identity::generate()),
            ("zhao", x25519::Identity::generate()),
        ];
        let office = Self { lab, people };
        for (name, identity) in &office.people[LI..] {
            let recipient = identity.to_public().to_string();
            let person =
                Person { name: (*name).into(), recipient, grades: vec![Grade::High], ..Person::default() };
            office.change(&[WANG], KeyChange::Add(person)).await;
        }
        office.change(&[WANG], KeyChange::Quorum { grade: Grade::High, people: together }).await;
        office.lab.back_up(office.lab.store(), &first_day()).await.unwrap();
        office
    }

    async fn change(&self, by: &[usize], change: KeyChange) {
        let identities = self.identities(by);
        let vault = self.open(by).await;
        let plan = KeyPlan::make(&vault, &identities, &change).await.unwrap();
        assert!(plan.carry_out(&[], Timestamp::now()).await.unwrap().is_complete());
    }

    fn identities(&self, who: &[usize]) -> Identities {
        Identities::new(who.iter().map(|at| Box::new(self.people[*at].1.clone()) as _).collect())
    }

    /// The vault as these people have it together.
    async fn open(&self, who: &[usize]) -> Vault {
        let identities = self.identities(who);
        let vault = Vault::open(self.lab.store(), Opener::Person(&identities), None).await.unwrap();
        vault.unlock(&identities).await.unwrap()
    }

    async fn key(&self, who: usize) -> PersonKey {
        self.open(&[who]).await.person_keys(&self.identities(&[who])).unwrap().remove(0)
    }

    /// Asks as somebody for grade high.
    async fn ask(&self, who: usize) -> NewRequest {
        let (vault, key) = (self.open(&[who]).await, self.key(who).await);
        let request = NewRequest::make(&vault, &key, asked(), Timestamp::now()).unwrap();
        request.write(&vault).await.unwrap();
        request
    }

    async fn read(&self, id: RequestId) -> RequestRecord {
        read_request(&self.open(&[WANG]).await, id).await.unwrap()
    }

    async fn tally(&self, id: RequestId) -> Tally {
        self.tally_at(id, Timestamp::now()).await
    }

    async fn tally_at(&self, id: RequestId, now: Timestamp) -> Tally {
        self.read(id).await.tally(&self.open(&[WANG]).await, now).unwrap()
    }

    async fn approve(&self, id: RequestId, who: usize) -> Result<usize> {
        self.approve_at(id, who, Timestamp::now()).await
    }

    async fn approve_at(&self, id: RequestId, who: usize, now: Timestamp) -> Result<usize> {
        let (vault, record) = (self.open(&[who]).await, self.read(id).await);
        approve(&vault, &record, &self.key(who).await, &self.identities(&[who]), now).await
    }

    /// What whoever asked has open, with the shares that count.
    async fn redeem(&self, request: &NewRequest, who: usize) -> Vault {
        let (vault, record) = (self.open(&[who]).await, self.read(request.id).await);
        let given = gather(&vault, &record, &request.identity).unwrap();
        vault.unlock_with(&self.identities(&[who]), &given).await.unwrap()
    }

    async fn object(&self, name: &str) -> Bytes {
        self.lab.objects.get(&Path::from(name)).await.unwrap().bytes().await.unwrap()
    }

    async fn put(&self, name: &str, object: impl Into<Bytes>) {
        self.lab.objects.put(&Path::from(name), object.into().into()).await.unwrap();
    }

    /// What of the answers to a request is not believed, and how it stands.
    async fn check_unbelieved(&self, id: RequestId, expected: &str) {
        let record = self.read(id).await;
        let told: Vec<_> = record.unbelieved.iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains(expected), "{told:?}: {expected}");
        let tally = self.tally(id).await;
        assert_eq!((tally.state, tally.approved), (RequestState::Open, Vec::new()), "{expected}");
        let damaged = list_requests(&self.open(&[WANG]).await).await.unwrap().1;
        assert!(damaged.is_empty(), "the request itself is whole: {damaged:?}");
    }
}

fn asked() -> Asked {
    Asked {
        kind: Wish::Restore,
        plan: "restore everything\n".into(),
        grades: vec![Grade::High],
        source: Some("crm".into()),
        snapshots: Vec::new(),
        target: None,
        reason: "drill".into(),
        life: SignedDuration::from_hours(8),
    }
}

#[track_caller]
fn check_denied<T: std::fmt::Debug>(denied: Result<T>, expected: &str) {
    match denied {
        Err(Error::AgainstPolicy(reason)) => assert!(reason.contains(expected), "{reason}: {expected}"),
        other => panic!("{expected}: {other:?}"),
    }
}

#[tokio::test]
async fn a_quorum_opens_by_approvals_and_one_share_too_few_opens_nothing() {
    let office = Office::new(3).await;
    let request = office.ask(WANG).await;
    assert_eq!(office.tally(request.id).await.needed, 2, "whoever asks has a share too");
    // Of each epoch of the key.
    assert_eq!(office.approve(request.id, LI).await.unwrap(), 2);
    let tally = office.tally(request.id).await;
    assert_eq!((tally.state, tally.able), (RequestState::Open, vec!["zhao".to_owned()]));
    assert!(!office.redeem(&request, WANG).await.unlocked().contains(&Grade::High), "one share too few");
    office.approve(request.id, ZHAO).await.unwrap();
    assert_eq!(office.tally(request.id).await.state, RequestState::Approved);
    let vault = office.redeem(&request, WANG).await;
    assert!(vault.unlocked().contains(&Grade::High));
    let snapshot = list_snapshots(&vault).await.unwrap().0.remove(0);
    assert_eq!(read_day(&vault, &snapshot).await.unwrap(), first_day());
    // Another request's key opens none of these shares.
    let other = office.ask(WANG).await;
    let record = office.read(request.id).await;
    let refused = gather(&office.open(&[WANG]).await, &record, &other.identity);
    assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
}

#[tokio::test]
async fn whoever_has_no_share_needs_as_many_approvals_as_it_takes_people() {
    let office = Office::new(2).await;
    let low = x25519::Identity::generate();
    let recipient = low.to_public().to_string();
    let person = Person { name: "qian".into(), recipient, grades: vec![Grade::Low], ..Person::default() };
    office.change(&[WANG, LI], KeyChange::Add(person)).await;
    let office = Office { people: [office.people, vec![("qian", low)]].concat(), ..office };
    let request = office.ask(3).await;
    assert_eq!(office.tally(request.id).await.needed, 2);
    office.approve(request.id, LI).await.unwrap();
    assert!(!office.redeem(&request, 3).await.unlocked().contains(&Grade::High));
    office.approve(request.id, ZHAO).await.unwrap();
    assert!(office.redeem(&request, 3).await.unlocked().contains(&Grade::High));
    let asked_by_wang = office.ask(WANG).await;
    check_denied(office.approve(asked_by_wang.id, 3).await, "qian does not have grade high");
}

#[tokio::test]
async fn nobody_answers_their_own_request_or_approves_twice() {
    let office = Office::new(3).await;
    let request = office.ask(WANG).await;
    check_denied(office.approve(request.id, WANG).await, "of their own");
    office.approve(request.id, LI).await.unwrap();
    check_denied(office.approve(request.id, LI).await, "li has approved it already");
    // Not by somebody else's program either: what is under one's own name counts for nothing.
    let approval = office.object(&names::answer(request.id, "approve", office.key(LI).await.id())).await;
    let (vault, wang) = (office.open(&[WANG]).await, office.key(WANG).await);
    let identities = office.identities(&[WANG]);
    let other = office.ask(LI).await;
    let record = office.read(other.id).await;
    approve(&vault, &record, &wang, &identities, Timestamp::now()).await.unwrap();
    office.put(&names::answer(request.id, "approve", wang.id()), approval).await;
    assert_eq!(office.tally(request.id).await.approved, ["li"]);
}

#[tokio::test]
async fn an_approval_that_is_forged_replayed_or_altered_is_not_believed() {
    let office = Office::new(3).await;
    let (first, second) = (office.ask(WANG).await, office.ask(WANG).await);
    office.approve(first.id, LI).await.unwrap();
    let (li, zhao) = (office.key(LI).await.id(), office.key(ZHAO).await.id());
    let genuine = office.object(&names::answer(first.id, "approve", li)).await;
    let name = names::answer(second.id, "approve", li);
    let under = async |object: Vec<u8>, expected: &str| {
        office.put(&name, object).await;
        office.check_unbelieved(second.id, expected).await;
    };
    under(genuine.to_vec(), &format!("it answers request {}", first.id.short())).await;
    let mut altered = genuine.to_vec();
    *altered.last_mut().unwrap() ^= 1;
    under(altered, "does not verify").await;
    // A stranger, and the agent, in the name of Li and in their own.
    let body = Envelope::parse(&name, Kind::Approval, &genuine).unwrap().body.to_vec();
    let (stranger, vault) = (SigningKey::from_bytes(&[7; 32]), office.open(&[WANG]).await.id());
    let forged = |signer| sign(Kind::Approval, signer, &stranger, vault, &body);
    under(forged(Signer::Person(li)), "does not verify").await;
    under(forged(Signer::Person(AgentId([7; 16]))), "the keyring lists no person").await;
    under(forged(Signer::Agent(office.lab.agent.id())), "only people decide").await;
    under(forged(Signer::Root), "only people decide").await;
    office.lab.objects.delete(&Path::from(name.as_str())).await.unwrap();
    // In the name of somebody else of the vault, under the same request.
    let elsewhere = names::answer(first.id, "approve", zhao);
    office.put(&elsewhere, genuine).await;
    let record = office.read(first.id).await;
    assert!(record.unbelieved[0].to_string().contains("another person's answer"), "{:?}", record.unbelieved);
    assert_eq!(office.tally(first.id).await.approved, ["li"]);
}

#[tokio::test]
async fn a_request_that_is_altered_or_moved_is_not_believed() {
    let office = Office::new(3).await;
    let request = office.ask(WANG).await;
    let genuine = office.object(&names::request(request.id)).await;
    let other = RequestId([9; 32]);
    office.put(&names::request(other), genuine.clone()).await;
    let vault = office.open(&[WANG]).await;
    let (records, damage) = list_requests(&vault).await.unwrap();
    assert_eq!((records.len(), damage.len()), (1, 1), "{damage:?}");
    assert!(damage[0].to_string().contains("do not hash to its name"), "{damage:?}");
    let body = Envelope::parse("request", Kind::Request, &genuine).unwrap().body.to_vec();
    let stranger = SigningKey::from_bytes(&[7; 32]);
    let wang = office.key(WANG).await.id();
    for signer in [Signer::Person(wang), Signer::Agent(office.lab.agent.id())] {
        let forged = sign(Kind::Request, signer, &stranger, vault.id(), &body);
        let id = RequestId(*blake3::hash(&forged).as_bytes());
        office.put(&names::request(id), forged).await;
        let refused = read_request(&vault, id).await;
        assert!(matches!(refused, Err(Error::Untrusted { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_request_is_good_until_it_expires_and_from_no_later_day() {
    let office = Office::new(3).await;
    let request = office.ask(WANG).await;
    office.approve(request.id, LI).await.unwrap();
    let later = request.expires + SignedDuration::from_secs(1);
    check_denied(office.approve_at(request.id, ZHAO, later).await, "has expired");
    assert_eq!(office.tally_at(request.id, later).await.state, RequestState::Expired);
    office.approve(request.id, ZHAO).await.unwrap();
    assert_eq!(office.tally_at(request.id, later).await.state, RequestState::Expired);
    // A clock put back does not make it good again: the store dates what was written.
    let (vault, key) = (office.open(&[WANG]).await, office.key(WANG).await);
    let week_ago = Timestamp::now() - SignedDuration::from_hours(7 * 24);
    let old = NewRequest::make(&vault, &key, asked(), week_ago).unwrap();
    old.write(&vault).await.unwrap();
    check_denied(office.approve_at(old.id, LI, week_ago).await, "has expired");
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
    let early = NewRequest::make(&vault, &key, asked(), tomorrow).unwrap();
    early.write(&vault).await.unwrap();
    check_denied(office.approve(early.id, LI).await, "still to come");
    let long = Asked { life: REQUEST_LIFE_MAX + SignedDuration::from_secs(1), ..asked() };
    check_denied(NewRequest::make(&vault, &key, long, Timestamp::now()).map(|_| ()), "at most");
}

#[tokio::test]
async fn a_refusal_or_a_revocation_ends_it() {
    let office = Office::new(3).await;
    let (vault, zhao, wang) = (office.open(&[ZHAO]).await, office.key(ZHAO).await, office.key(WANG).await);
    let request = office.ask(WANG).await;
    office.approve(request.id, LI).await.unwrap();
    let record = office.read(request.id).await;
    check_denied(refuse(&vault, &record, &wang, "no", Timestamp::now()).await, "of their own");
    refuse(&vault, &record, &zhao, "who asked?", Timestamp::now()).await.unwrap();
    let refused = RequestState::Refused { by: "zhao".into(), reason: "who asked?".into() };
    assert_eq!(office.tally(request.id).await.state, refused);
    check_denied(office.approve(request.id, ZHAO).await, "zhao has refused");

    let request = office.ask(WANG).await;
    office.approve(request.id, LI).await.unwrap();
    office.approve(request.id, ZHAO).await.unwrap();
    let record = office.read(request.id).await;
    revoke(&vault, &record, &zhao, "mistaken", Timestamp::now()).await.unwrap();
    let tally = office.tally(request.id).await;
    assert_eq!((tally.state, tally.approved, tally.able), (RequestState::Open, vec!["li".into()], vec![]));
    assert!(!office.redeem(&request, WANG).await.unlocked().contains(&Grade::High));
    let record = office.read(request.id).await;
    check_denied(revoke(&vault, &record, &zhao, "again", Timestamp::now()).await, "already");
    revoke(&vault, &record, &wang, "found it", Timestamp::now()).await.unwrap();
    assert_eq!(office.tally(request.id).await.state, RequestState::Revoked { reason: "found it".into() });
}

#[tokio::test]
async fn approvals_of_people_who_left_and_of_keys_that_were_changed_do_not_count() {
    let office = Office::new(2).await;
    let request = office.ask(WANG).await;
    office.approve(request.id, LI).await.unwrap();
    assert_eq!(office.tally(request.id).await.state, RequestState::Approved);
    office.change(&[WANG, ZHAO], KeyChange::Rewrap).await;
    assert_eq!(office.tally(request.id).await.approved, Vec::<String>::new(), "shares of another splitting");
    let request = office.ask(ZHAO).await;
    office.approve(request.id, LI).await.unwrap();
    office.change(&[WANG, LI], KeyChange::Quorum { grade: Grade::High, people: 1 }).await;
    office.change(&[WANG], KeyChange::Retire { name: "zhao".into() }).await;
    let left = office.tally(request.id).await.state;
    assert!(
        matches!(&left, RequestState::Void(reason) if reason.contains("zhao is not in the vault")),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_policy_wants_approvals_of_a_grade_that_one_person_opens_alone() {
    let office = Office::new(1).await;
    let policy = |people| KeyChange::Approvals { grade: Grade::High, people };
    let (vault, identities) = (office.open(&[WANG]).await, office.identities(&[WANG]));
    let refused = KeyPlan::make(&vault, &identities, &policy(3)).await.err();
    assert!(
        matches!(refused, Some(Error::KeysRefused(_))),
        "there are two beside whoever restores: {refused:?}"
    );
    office.change(&[WANG], policy(2)).await;
    assert_eq!(office.open(&[LI]).await.approvers(Grade::High), 2);
    let request = office.ask(WANG).await;
    assert_eq!(office.approve(request.id, LI).await.unwrap(), 0, "there are no shares");
    assert_eq!(office.tally(request.id).await.state, RequestState::Open);
    office.approve(request.id, ZHAO).await.unwrap();
    assert_eq!(office.tally(request.id).await.state, RequestState::Approved);
    // It stays when the keys change, and nobody leaves while it could not be met then.
    office.change(&[WANG], KeyChange::Rewrap).await;
    let vault = office.open(&[WANG]).await;
    assert_eq!(vault.approvers(Grade::High), 2);
    let leaving = KeyChange::Retire { name: "zhao".into() };
    let refused = KeyPlan::make(&vault, &identities, &leaving).await.err();
    assert!(matches!(refused, Some(Error::KeysRefused(_))), "{refused:?}");
    office.change(&[WANG], policy(0)).await;
    assert_eq!(office.open(&[WANG]).await.approvers(Grade::High), 0);
}

#[tokio::test]
async fn what_no_key_opens_takes_one_other_person_of_grade_high_and_no_share() {
    for together in [1, 2] {
        let office = Office::new(together).await;
        let low = x25519::Identity::generate();
        let person = Person {
            name: "qian".into(),
            recipient: low.to_public().to_string(),
            grades: vec![Grade::Low],
            ..Person::default()
        };
        let by: &[usize] = if together == 1 { &[WANG] } else { &[WANG, LI] };
        office.change(by, KeyChange::Add(person)).await;
        let office = Office { people: [office.people, vec![("qian", low)]].concat(), ..office };
        let (vault, now) = (office.open(&[WANG]).await, Timestamp::now());
        let snapshots = list_snapshots(&vault).await.unwrap().0;
        let plan = expire_in_words(&snapshots.iter().collect::<Vec<_>>());
        let asked = Asked { kind: Wish::Expire, plan: plan.clone(), grades: Vec::new(), ..asked() };
        let request = NewRequest::make(&vault, &office.key(WANG).await, asked, now).unwrap();
        request.write(&vault).await.unwrap();
        let tally = office.tally(request.id).await;
        assert_eq!((tally.needed, tally.able), (1, vec!["li".to_owned(), "zhao".to_owned()]));
        check_denied(office.approve(request.id, WANG).await, "of their own");
        check_denied(office.approve(request.id, 3).await, "qian does not have grade high");
        let record = office.read(request.id).await;
        let too_few = record.check_approved(&vault, now);
        assert!(matches!(too_few, Err(Error::Unapproved { has: 0, needed: 1, .. })), "{too_few:?}");
        assert_eq!(office.approve(request.id, LI).await.unwrap(), 0, "no share of any key");
        let record = office.read(request.id).await;
        record.check_approved(&vault, now).unwrap();
        record.check_plan(Wish::Expire, &plan, &[]).unwrap();
        let other = record.check_plan(Wish::Expire, &expire_in_words(&[]), &[]);
        assert!(matches!(&other, Err(Error::AnotherPlan { asked, .. }) if asked.len() == 1), "{other:?}");
        check_denied(record.check_plan(Wish::Shred, &plan, &[]), "for something else");
        assert!(!office.redeem(&request, WANG).await.unlocked().contains(&Grade::High) || together == 1);
        // Whoever approved it leaves: nobody has, then.
        let by: &[usize] = if together == 1 { &[WANG] } else { &[WANG, ZHAO] };
        office.change(by, KeyChange::Retire { name: "li".into() }).await;
        assert_eq!(office.tally(request.id).await.state, RequestState::Open);
    }
}

#[tokio::test]
async fn shares_of_the_root_are_given_for_shredding_alone() {
    let office = Office::new(2).await;
    let (vault, wang) = (office.open(&[WANG]).await, office.key(WANG).await);
    let asked = Asked { kind: Wish::Shred, grades: Vec::new(), ..asked() };
    let request = NewRequest::make(&vault, &wang, asked, Timestamp::now()).unwrap();
    request.write(&vault).await.unwrap();
    assert_eq!(office.approve(request.id, LI).await.unwrap(), 1, "of the root, and of no grade");
    assert!(!office.redeem(&request, WANG).await.unlocked().contains(&Grade::High));
    let given = gather(&vault, &office.read(request.id).await, &request.identity).unwrap();
    let change = KeyChange::Shred { grade: Grade::High, epoch: Some(1) };
    let identities = office.identities(&[WANG]);
    let alone = KeyPlan::make(&vault, &identities, &change).await.err();
    assert!(matches!(alone, Some(Error::NoKey { .. })), "{alone:?}");
    let plan = KeyPlan::make_with(&vault, &identities, &given, &change).await.unwrap();
    assert!(plan.carry_out(&[], Timestamp::now()).await.unwrap().is_complete());
    assert_eq!(office.open(&[WANG]).await.shredded().len(), 1);
    // A restore's shares are of the grade alone.
    let restore = office.ask(WANG).await;
    office.approve(restore.id, ZHAO).await.unwrap();
    let given = gather(&vault, &office.read(restore.id).await, &restore.identity).unwrap();
    let refused = KeyPlan::make_with(&office.open(&[WANG]).await, &identities, &given, &change).await.err();
    assert!(matches!(refused, Some(Error::NoKey { .. })), "{refused:?}");
}
