//! What two people decide and a note says: that less is kept, and that holds end. Every way in which such a note
//! could be forged, replayed, or rest on an approval that is none.

use std::sync::Arc;

use age::x25519;
use jiff::SignedDuration;
use lifeboat_vault::format::note::Says;
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{
    Asked, Depth, Grade, Identities, Keep, KeyChange, KeyPlan, NewRequest, NoteAuthor, NoteId, Notes, Opener,
    Person, PersonKey, RequestId, SnapshotReader, Store, Vault, agree_to_keep, agree_to_keep_less, approve,
    keep_in_words, list_notes, list_notes_of, list_snapshots, read_request, refuse, release_in_words, revoke,
    verify, write_note,
};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::clock::Clocked;
use crate::expire::{expire, keep, nights, numbers};
use crate::lab::{Lab, impatient};

/// A vault of five nights with two people, in a store with a clock of its own.
struct House {
    lab: Lab,
    clock: Arc<Clocked>,
    li: x25519::Identity,
}

#[derive(Clone, Copy, PartialEq)]
enum Who {
    Wang,
    Li,
}
use Who::{Li, Wang};

impl House {
    async fn new() -> Self {
        let (lab, clock, _) = nights(5).await;
        let house = Self { lab, clock, li: x25519::Identity::generate() };
        let recipient = house.li.to_public().to_string();
        let person = Person { name: "li".into(), recipient, grades: vec![Grade::High], ..Person::default() };
        house.change(KeyChange::Add(person)).await;
        house
    }

    fn store(&self) -> Store {
        impatient(Arc::clone(&self.clock) as _)
    }

    fn identities(&self, who: Who) -> Identities {
        let identity = if who == Wang { &self.lab.person } else { &self.li };
        Identities::new(vec![Box::new(identity.clone())])
    }

    async fn open(&self, who: Who) -> Vault {
        let identities = self.identities(who);
        let vault = Vault::open(self.store(), Opener::Person(&identities), None).await.unwrap();
        vault.unlock(&identities).await.unwrap()
    }

    async fn key(&self, who: Who) -> PersonKey {
        self.open(who).await.person_keys(&self.identities(who)).unwrap().remove(0)
    }

    async fn change(&self, change: KeyChange) {
        let plan = KeyPlan::make(&self.open(Wang).await, &self.identities(Wang), &change).await.unwrap();
        assert!(plan.carry_out(&[], self.clock.now()).await.unwrap().is_complete());
    }

    async fn for_agent(&self) -> Vault {
        self.lab.for_agent(self.store()).await.unwrap()
    }

    async fn notes(&self) -> Notes {
        let (notes, damage) = list_notes(&self.for_agent().await).await.unwrap();
        assert!(damage.is_empty(), "{damage:?}");
        notes
    }

    /// Asks as Wang.
    async fn ask(&self, kind: Wish, plan: &str) -> RequestId {
        let asked = Asked {
            kind,
            plan: plan.into(),
            grades: Vec::new(),
            source: Some("crm".into()),
            snapshots: Vec::new(),
            target: None,
            reason: "the disk is full".into(),
            life: SignedDuration::from_hours(8),
        };
        let vault = self.open(Wang).await;
        let request = NewRequest::make(&vault, &self.key(Wang).await, asked, self.clock.now()).unwrap();
        request.write(&vault).await.unwrap();
        request.id
    }

    async fn approve(&self, id: RequestId) {
        let (vault, li) = (self.open(Li).await, self.key(Li).await);
        let record = read_request(&vault, id).await.unwrap();
        approve(&vault, &record, &li, &self.identities(Li), self.clock.now()).await.unwrap();
    }

    /// Asks as Wang, and approves as Li.
    async fn approved(&self, kind: Wish, plan: &str) -> RequestId {
        let id = self.ask(kind, plan).await;
        self.approve(id).await;
        id
    }

    /// What must be approved so that a rule takes the place of those in force.
    async fn words(&self, of: &str, rule: &Keep) -> String {
        keep_in_words(of, rule, &self.notes().await.shortened_by(of, rule))
    }

    async fn more(&self, rule: &Keep) -> bool {
        let (vault, notes) = (self.for_agent().await, self.notes().await);
        agree_to_keep(&vault, &self.lab.agent, &notes, ("crm", rule), self.clock.now())
            .await
            .unwrap()
            .is_some()
    }

    async fn less(&self, rule: &Keep, request: Option<RequestId>) {
        let (vault, notes) = (self.for_agent().await, self.notes().await);
        let (author, by) = (NoteAuthor::Agent(&self.lab.agent), ("wang and li", self.clock.now()));
        agree_to_keep_less(&vault, author, &notes, ("crm", rule), request, by).await.unwrap();
    }

    async fn say(&self, author: NoteAuthor<'_>, says: Says) -> NoteId {
        let vault = self.for_agent().await;
        write_note(&vault, author, "wang", "case 4711", says, self.clock.now()).await.unwrap()
    }

    /// What is there after an expiry by a rule.
    async fn after(&self, rule: &Keep) -> Vec<u64> {
        expire(&self.lab, self.store(), rule).await.unwrap();
        numbers(&self.lab).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_is_agreed_at_once_and_less_when_another_person_has_approved_it() {
    let house = House::new().await;
    assert!(house.more(&keep(3)).await, "the first rule seen");
    assert!(!house.more(&keep(3)).await);
    assert!(house.more(&keep(4)).await);
    assert!(!house.more(&keep(2)).await, "it is covered, and not agreed on anew");
    assert_eq!(house.after(&keep(1)).await, [2, 3, 4, 5], "as was agreed");
    let words = house.words("crm", &keep(2)).await;
    assert_eq!(words.matches("instead  ").count(), 2, "{words}");
    let id = house.ask(Wish::Keep, &words).await;
    house.less(&keep(2), Some(id)).await;
    house.clock.pass_hours(1);
    assert_eq!(house.after(&keep(2)).await, [2, 3, 4, 5], "nobody has approved it");
    house.approve(id).await;
    assert_eq!(house.after(&keep(2)).await, [2, 3, 4, 5], "it was not approved when the note was written");
    house.clock.pass_hours(1);
    house.less(&keep(2), Some(id)).await;
    assert_eq!(house.after(&keep(2)).await, [4, 5]);
    assert_eq!(house.after(&keep(1)).await, [4, 5], "for that rule, and for none that is shorter still");
    assert_eq!(house.notes().await.unbelieved.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_rule_rests_on_an_approval_of_these_very_words_or_on_nothing() {
    let house = House::new().await;
    assert!(house.more(&keep(3)).await);
    let agent = NoteAuthor::Agent(&house.lab.agent);
    let agreed = house.notes().await.agreed[0].note;
    let mut forged = 0;
    let mut check = async |says: Says, why: &str| {
        house.say(agent, says).await;
        forged += 1;
        let notes = house.notes().await;
        assert_eq!(notes.unbelieved.len(), forged, "{why}: {:?}", notes.unbelieved);
        assert!(notes.agreed.iter().any(|rule| rule.note == agreed), "{why}");
    };
    let says = |instead_of: &[NoteId], request| Says::Keep {
        of: "crm".into(),
        keep: keep(1),
        instead_of: instead_of.to_vec(),
        request,
    };
    check(says(&[agreed], None), "by a host alone").await;
    check(says(&[agreed], Some(RequestId([7; 32]))), "by a request that is not there").await;
    let other = house.approved(Wish::Keep, &house.words("crm", &keep(2)).await).await;
    check(says(&[agreed], Some(other)), "approved for another rule").await;
    let elsewhere = house.approved(Wish::Keep, &house.words("forms", &keep(1)).await).await;
    check(says(&[agreed], Some(elsewhere)), "approved for another source").await;
    let words = house.words("crm", &keep(1)).await;
    let removal = house.approved(Wish::Expire, &words).await;
    check(says(&[agreed], Some(removal)), "approved as something else").await;
    let unapproved = house.ask(Wish::Keep, &words).await;
    check(says(&[agreed], Some(unapproved)), "approved by nobody").await;
    let good = house.approved(Wish::Keep, &words).await;
    check(says(&[agreed, NoteId([7; 32])], Some(good)), "of a note that is not there").await;
    let taken_back = house.approved(Wish::Keep, &words).await;
    let record = read_request(&house.open(Wang).await, taken_back).await.unwrap();
    revoke(&house.open(Wang).await, &record, &house.key(Wang).await, "no", house.clock.now()).await.unwrap();
    check(says(&[agreed], Some(taken_back)), "taken back").await;
    house.clock.pass_hours(9);
    check(says(&[agreed], Some(good)), "over").await;
    assert_eq!(house.after(&keep(1)).await, [3, 4, 5]);
    // And once it is used, not again after more was agreed on.
    let good = house.approved(Wish::Keep, &house.words("crm", &keep(1)).await).await;
    house.less(&keep(1), Some(good)).await;
    assert!(house.more(&keep(2)).await);
    house.less(&keep(1), Some(good)).await;
    assert_eq!(house.notes().await.unbelieved.len(), forged + 1);
    assert_eq!(house.after(&keep(1)).await, [4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_stays_so_whoever_leaves_or_changes_their_mind_later() {
    let house = House::new().await;
    assert!(house.more(&keep(3)).await);
    let words = house.words("crm", &keep(2)).await;
    let (used, unused) = (house.approved(Wish::Keep, &words).await, house.approved(Wish::Keep, &words).await);
    house.less(&keep(2), Some(used)).await;
    house.clock.pass_hours(1);
    let record = read_request(&house.open(Wang).await, used).await.unwrap();
    revoke(&house.open(Wang).await, &record, &house.key(Wang).await, "no", house.clock.now()).await.unwrap();
    house.change(KeyChange::Retire { name: "li".into() }).await;
    let notes = house.notes().await;
    assert!(notes.unbelieved.is_empty(), "{:?}", notes.unbelieved);
    assert_eq!(house.after(&keep(2)).await, [4, 5]);
    // What was not used while Li was there is good for nothing now.
    assert!(house.more(&keep(3)).await);
    house.clock.pass_hours(1);
    house.less(&keep(2), Some(unused)).await;
    assert_eq!(house.notes().await.unbelieved.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_lets_less_be_kept_by_itself() {
    let house = House::new().await;
    assert!(house.more(&keep(3)).await);
    let (vault, notes, wang) = (house.for_agent().await, house.notes().await, house.identities(Wang));
    let by = ("wang and li", house.clock.now());
    agree_to_keep_less(&vault, NoteAuthor::Person(&wang), &notes, ("crm", &keep(1)), None, by).await.unwrap();
    assert_eq!(house.after(&keep(1)).await, [5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_end_by_an_approval_of_these_holds_whoever_holds() {
    let house = House::new().await;
    let (agent, wang) = (NoteAuthor::Agent(&house.lab.agent), house.identities(Wang));
    let snapshots = list_snapshots(&house.for_agent().await).await.unwrap().0;
    let hold = |at: usize| Says::Hold { snapshot: snapshots[at].id };
    let by_host = house.say(agent, hold(0)).await;
    let vault = house.open(Wang).await;
    let person = NoteAuthor::Person(&wang);
    let says = hold(1);
    let by_person = write_note(&vault, person, "wang", "a case", says, house.clock.now()).await.unwrap();
    assert_eq!(house.after(&keep(1)).await, [1, 2, 5]);
    let release = |holds: &[NoteId], request| Says::Release { holds: holds.to_vec(), request };
    house.say(agent, release(&[by_host, by_person], None)).await;
    assert_eq!(house.after(&keep(1)).await, [1, 2, 5], "a host alone ends no hold");
    let words = async |of: &[NoteId]| {
        let notes = house.notes().await;
        release_in_words(&notes.holds.iter().filter(|hold| of.contains(&hold.note)).collect::<Vec<_>>())
    };
    let of_host = house.approved(Wish::Release, &words(&[by_host]).await).await;
    house.say(agent, release(&[by_host, by_person], Some(of_host))).await;
    house.say(agent, release(&[by_person], Some(of_host))).await;
    assert_eq!(house.after(&keep(1)).await, [1, 2, 5], "of these holds, and of no others");
    assert_eq!(house.notes().await.unbelieved.len(), 3);
    house.say(agent, release(&[by_host], Some(of_host))).await;
    assert_eq!(house.after(&keep(1)).await, [2, 5]);
    let of_person = house.approved(Wish::Release, &words(&[by_person]).await).await;
    house.say(agent, release(&[by_person], Some(of_person))).await;
    assert_eq!(house.after(&keep(1)).await, [5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebodys_no_is_no_later_for_being_written_again_and_counts_from_any_store() {
    let house = House::new().await;
    assert!(house.more(&keep(3)).await);
    let words = house.words("crm", &keep(1)).await;
    let refused = house.approved(Wish::Keep, &words).await;
    let given_back = house.approved(Wish::Keep, &words).await;
    let taken_back = house.approved(Wish::Keep, &words).await;
    let before = Clocked::fork(&house.clock, Arc::new(house.lab.objects.fork()));
    house.clock.pass_hours(1);
    for (id, who) in [(refused, Li), (given_back, Li), (taken_back, Wang)] {
        let (vault, by, now) = (house.open(who).await, house.key(who).await, house.clock.now());
        let record = read_request(&vault, id).await.unwrap();
        match id == refused {
            true => refuse(&vault, &record, &by, "it is evidence", now).await.unwrap(),
            false => revoke(&vault, &record, &by, "no", now).await.unwrap(),
        }
    }
    house.clock.pass_hours(1);
    for id in [refused, given_back, taken_back] {
        house.less(&keep(1), Some(id)).await;
    }
    assert_eq!(house.notes().await.unbelieved.len(), 3);
    // A thief who may replace objects writes the same bytes again.
    house.clock.pass_hours(1);
    let mut objections = Vec::new();
    for object in house.store().list("requests").await.unwrap() {
        if ["/refuse-", "/revoke-"].iter().any(|verb| object.name.contains(verb)) {
            let bytes = house.store().get(&object.name).await.unwrap();
            objections.push(Path::from(object.name));
            house.clock.put(objections.last().unwrap(), bytes.into()).await.unwrap();
        }
    }
    assert_eq!(objections.len(), 3);
    assert_eq!(house.notes().await.unbelieved.len(), 3);
    assert_eq!(house.after(&keep(1)).await, [3, 4, 5]);
    // A copy that never heard the no does not outvote the vault, nor a vault that has lost it the copy.
    let vault = house.for_agent().await;
    let deaf = house.lab.for_agent(impatient(before)).await.unwrap();
    let whole = Clocked::fork(&house.clock, Arc::new(house.lab.objects.fork()));
    let whole = house.lab.for_agent(impatient(whole)).await.unwrap();
    let unbelieved = async |vaults: &[&Vault]| list_notes_of(vaults).await.unwrap().0.unbelieved.len();
    assert_eq!(unbelieved(&[&vault, &deaf]).await, 3);
    for name in &objections {
        house.clock.delete(name).await.unwrap();
    }
    assert_eq!(unbelieved(&[&vault, &whole]).await, 3);
    assert_eq!(unbelieved(&[&vault]).await, 0, "who can take an answer away can do so");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_is_not_believed_is_told_by_verify_and_is_no_damage() {
    let house = House::new().await;
    assert!(house.more(&keep(3)).await);
    let verified = async || {
        let (vault, scratch) = (house.for_agent().await, tempfile::tempdir().unwrap());
        let (reader, sync) = SnapshotReader::open(&vault, scratch.path()).await.unwrap();
        let (all, unreadable) = list_snapshots(&vault).await.unwrap();
        verify(&reader, &sync, &all, &all, &unreadable, Depth::Structure, &|_, _| ()).await.unwrap()
    };
    let report = verified().await;
    assert!(report.notes.is_empty() && !report.found_damage(), "{report:?}");
    let agent = NoteAuthor::Agent(&house.lab.agent);
    let forged = house.say(agent, Says::Release { holds: Vec::new(), request: None }).await;
    house.less(&keep(1), None).await;
    let report = verified().await;
    assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
    assert!(report.notes.iter().any(|note| note.contains(&forged.to_string())), "{:?}", report.notes);
    assert!(report.notes.iter().all(|note| note.starts_with("a note is not believed: ")));
    assert!(!report.found_damage(), "{report:?}");
}
