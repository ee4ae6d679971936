//! The record: chains that hold, and every way in which they can be broken.

use std::sync::Arc;

use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::{
    AgentKey, Anchor, AuditFinding, AuditReport, AuditWriter, Error, Grade, KeyChange, KeyPlan, Opener,
    Person, PersonKey, Result, Vault, read_audit, read_audit_after, record,
};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::lab::{Lab, now};

fn deed(what: &str) -> Deed {
    Deed { what: what.into(), result: "done".into(), ..Deed::default() }
}

/// A vault whose agent has written three entries and whose person two, in turn, the agent last.
struct Book {
    lab: Lab,
    person: PersonKey,
}

impl Book {
    async fn new() -> Self {
        let lab = Lab::new().await;
        let vault = lab.for_person().await.unwrap();
        let person = vault.person_keys(&lab.identities()).unwrap().remove(0);
        let book = Self { lab, person };
        for what in ["backup", "restore", "backup", "keys", "backup"] {
            book.write(what).await.unwrap();
        }
        book
    }

    async fn vault(&self) -> Vault {
        self.lab.for_person().await.unwrap()
    }

    async fn write(&self, what: &str) -> Result<u64> {
        let writer = match what {
            "backup" => AuditWriter::Agent(&self.lab.agent),
            _ => AuditWriter::Person(&self.person),
        };
        record(&self.vault().await, writer, "host", &deed(what), now()).await
    }

    async fn read(&self) -> AuditReport {
        read_audit(&self.vault().await).await.unwrap()
    }

    async fn findings(&self) -> Vec<String> {
        self.read().await.findings.iter().map(ToString::to_string).collect()
    }

    fn name(&self, writer: &str, sequence: u64) -> Path {
        let id = match writer {
            "agent" => self.lab.agent.id(),
            _ => self.person.id(),
        };
        Path::from(format!("audit/{id}/{sequence:08}"))
    }

    async fn bytes(&self, path: &Path) -> bytes::Bytes {
        self.lab.objects.get(path).await.unwrap().bytes().await.unwrap()
    }

    async fn put(&self, path: &Path, bytes: bytes::Bytes) {
        self.lab.objects.put(path, bytes.into()).await.unwrap();
    }

    async fn remove(&self, writer: &str, sequence: u64) {
        self.lab.objects.delete(&self.name(writer, sequence)).await.unwrap();
    }

    /// The same book with the same keys, in a store of its own.
    fn fork(&self) -> Self {
        let lab = Lab {
            objects: Arc::new(self.lab.objects.fork()),
            agent: self.lab.agent.clone(),
            person: self.lab.person.clone(),
            state: tempfile::tempdir().unwrap(),
            slices: 1,
        };
        Self { lab, person: self.person.clone() }
    }
}

#[tokio::test]
async fn what_agents_and_people_did_is_read_back_and_proven() {
    let book = Book::new().await;
    let report = book.read().await;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let told: Vec<_> = report
        .records
        .iter()
        .map(|record| {
            (record.name.as_str(), record.by_person, record.entry.sequence, &*record.entry.deed.what)
        })
        .collect();
    assert_eq!(told.len(), 5);
    assert!(
        told.contains(&("db1", false, 3, "backup")) && told.contains(&("wang", true, 2, "keys")),
        "{told:?}"
    );
    let mut again = book.read().await;
    let vault = book.vault().await;
    let anchor: Anchor = report.anchor(&vault).to_string().parse().unwrap();
    again.compare(&vault, &anchor).unwrap();
    assert!(again.findings.is_empty());
    // The agent, who opens no row, reads the same.
    let agent = book.lab.for_agent(book.lab.store()).await.unwrap();
    assert_eq!(read_audit(&agent).await.unwrap().records.len(), 5);
}

#[tokio::test]
async fn an_entry_altered_removed_replaced_or_moved_shows() {
    let book = Book::new().await;
    let check = async |broken: &Book, expected: &[&str]| {
        let found = broken.findings().await;
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for expected in expected {
            assert!(found.iter().any(|finding| finding.contains(expected)), "{expected}: {found:?}");
        }
    };
    // Removed in the middle, at the beginning, at the end.
    let broken = book.fork();
    broken.remove("agent", 2).await;
    check(&broken, &["entry 2 of"]).await;
    let broken = book.fork();
    broken.remove("agent", 1).await;
    check(&broken, &["entry 1 of"]).await;
    let broken = book.fork();
    broken.remove("person", 2).await;
    check(&broken, &["saw entry 2 of it: its end was removed"]).await;
    // Every bit flipped of one of them.
    let path = book.name("agent", 2);
    let good = book.bytes(&path).await;
    for bit in (0..good.len() * 8).step_by(97) {
        let broken = book.fork();
        let mut bytes = good.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        broken.put(&path, bytes.into()).await;
        assert!(!broken.findings().await.is_empty(), "bit {bit} flipped is believed");
    }
    let broken = book.fork();
    broken.put(&path, good.slice(..good.len() / 2)).await;
    check(&broken, &["cannot be trusted"]).await;
    // Two swapped; one put into another's chain.
    let broken = book.fork();
    let (one, two) = (book.name("agent", 1), book.name("agent", 2));
    broken.put(&one, book.bytes(&two).await).await;
    broken.put(&two, book.bytes(&one).await).await;
    check(&broken, &["00000001 cannot be trusted", "00000002 cannot be trusted"]).await;
    let broken = book.fork();
    broken.put(&book.name("person", 3), book.bytes(&two).await).await;
    check(&broken, &["it is another entry under this name"]).await;
    // Replaced by another that its writer signed: the end of the chain was removed and written anew.
    let broken = book.fork();
    broken.remove("agent", 3).await;
    broken.remove("agent", 2).await;
    broken.write("backup").await.unwrap();
    check(&broken, &["another than"]).await;
    let broken = book.fork();
    let last = book.bytes(&book.name("agent", 3)).await;
    broken.remove("agent", 3).await;
    broken.remove("agent", 2).await;
    broken.write("backup").await.unwrap();
    broken.put(&book.name("agent", 3), last).await;
    assert!(
        broken
            .read()
            .await
            .findings
            .iter()
            .any(|found| matches!(found, AuditFinding::Fork { sequence: 3, .. }))
    );
    // Another vault's entries.
    let other = Book::new().await;
    let broken = book.fork();
    broken.put(&book.name("agent", 4), other.bytes(&other.name("agent", 2)).await).await;
    check(&broken, &["cannot be trusted"]).await;
}

#[tokio::test]
async fn an_end_that_nobody_else_has_seen_is_missed_by_an_anchor_alone() {
    let book = Book::new().await;
    let vault = book.vault().await;
    let anchor = book.read().await.anchor(&vault);
    book.remove("agent", 3).await;
    assert!(book.findings().await.is_empty(), "in the vault alone it does not show");
    let mut report = book.read().await;
    report.compare(&vault, &anchor).unwrap();
    assert!(matches!(report.findings[..], [AuditFinding::Truncated { last: 2, seen: 3, .. }]), "{report:?}");
    // Written anew it is another entry.
    book.write("backup").await.unwrap();
    let mut report = book.read().await;
    report.compare(&vault, &anchor).unwrap();
    assert!(matches!(report.findings[..], [AuditFinding::Replaced { sequence: 3, .. }]), "{report:?}");
    let other = Lab::new().await.for_person().await.unwrap();
    assert!(matches!(book.read().await.compare(&other, &anchor), Err(Error::Untrusted { .. })));
}

#[tokio::test]
async fn a_writer_who_takes_entries_out_of_their_own_chain_and_goes_on_is_found_out() {
    let book = Book::new().await;
    for what in ["backup", "backup"] {
        book.write(what).await.unwrap();
    }
    let (vault, agent) = (book.vault().await, book.lab.agent.id());
    let anchor = book.read().await.anchor(&vault);
    book.write("restore").await.unwrap();
    // Two entries go, and the next, of a number behind theirs, names the one before them.
    let report = book.read().await;
    let before = report.records.iter().find(|record| (record.writer, record.entry.sequence) == (agent, 3));
    let mut entry = before.unwrap().entry.clone();
    (entry.sequence, entry.previous) = (6, Some(before.unwrap().hash.clone()));
    let object = crate::forge::entry(&vault, &book.lab.agent, &entry).await;
    book.put(&book.name("agent", 6), object.into()).await;
    for sequence in 4..=5 {
        book.remove("agent", sequence).await;
    }
    let found = book.findings().await;
    assert!(
        matches!(&found[..], [one] if one.starts_with("entry 5 of") && one.ends_with("missing")),
        "{found:?}"
    );
    // Where nobody has seen them, an anchor tells.
    book.remove("person", 3).await;
    assert!(book.findings().await.is_empty());
    let mut report = book.read().await;
    report.compare(&vault, &anchor).unwrap();
    assert!(matches!(report.findings[..], [AuditFinding::Gap { from: 5, to: 5, .. }]), "{report:?}");
}

#[tokio::test]
async fn whoever_remembers_the_ends_reads_only_what_is_new_and_misses_what_is_gone() {
    let book = Book::new().await;
    let vault = book.vault().await;
    let anchor = book.read().await.anchor(&vault);
    let after = async |book: &Book| read_audit_after(&book.vault().await, &anchor).await.unwrap();
    assert!(after(&book).await.records.is_empty());
    book.write("restore").await.unwrap();
    book.write("backup").await.unwrap();
    let report = after(&book).await;
    assert_eq!((report.records.len(), report.findings.len()), (2, 0), "{report:?}");
    assert_eq!(report.anchor_after(&anchor), book.read().await.anchor(&vault));
    for (sequence, expected) in [(5, "entry 4 of"), (4, "entry 4 of"), (3, "entry 3 of")] {
        let broken = book.fork();
        if sequence < 5 {
            broken.remove("agent", sequence).await;
        } else {
            broken.write("backup").await.unwrap();
            broken.remove("agent", 4).await;
        }
        let found: Vec<_> = after(&broken).await.findings.iter().map(ToString::to_string).collect();
        assert_eq!(found.is_empty(), sequence == 4, "an end that nobody has seen: {found:?}");
        assert!(found.iter().all(|finding| finding.contains(expected)), "{found:?}");
    }
    let cut = book.fork();
    for sequence in 3..=4 {
        cut.remove("agent", sequence).await;
    }
    let found = after(&cut).await.findings;
    assert!(found.iter().any(|found| matches!(found, AuditFinding::Truncated { seen: 3, .. })), "{found:?}");
}

#[tokio::test]
async fn garbage_behind_a_chain_s_end_is_told_and_passed_over() {
    let book = Book::new().await;
    let before = book.read().await.anchor(&book.vault().await);
    for sequence in [4, 1_000_000_000_000, u64::MAX] {
        book.put(&book.name("agent", sequence), b"garbage".to_vec().into()).await;
    }
    book.put(&book.name("person", 7), b"garbage".to_vec().into()).await;
    assert_eq!(book.write("backup").await.unwrap(), 5, "behind its verified end and what stands there");
    assert_eq!(book.write("restore").await.unwrap(), 3);
    let report = book.read().await;
    let told: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(report.findings.iter().all(|found| matches!(found, AuditFinding::Damaged { .. })), "{told:?}");
    let restore = report.records.iter().find(|record| (record.by_person, record.entry.sequence) == (true, 3));
    let ends = &before.ends[&book.lab.agent.id()];
    let seen = &restore.unwrap().entry.seen[&book.lab.agent.id()];
    assert!(seen.0 == 5 && ends.0 == 3, "the end that others saw is an entry");
    // Removed, it has never been there.
    for sequence in [4, 1_000_000_000_000, u64::MAX] {
        book.remove("agent", sequence).await;
    }
    book.remove("person", 7).await;
    assert_eq!(book.findings().await, Vec::<String>::new());
    assert_eq!(read_audit_after(&book.vault().await, &before).await.unwrap().findings.len(), 0);
}

#[tokio::test]
async fn a_gap_as_long_as_numbers_go_is_told_and_not_counted_through() {
    let book = Book::new().await;
    let (vault, agent) = (book.vault().await, &book.lab.agent);
    let mut entry = book.read().await.records.into_iter().find(|record| !record.by_person).unwrap().entry;
    // Whoever has the key may sign any number, the last one too.
    for sequence in [1_000_000_000_000, u64::MAX] {
        let forked = book.fork();
        entry.sequence = sequence;
        let object = crate::forge::entry(&vault, agent, &entry).await;
        forked.put(&forked.name("agent", sequence), object.into()).await;
        let found = forked.read().await.findings;
        assert!(
            matches!(found[..], [AuditFinding::Gap { from: 4, to, .. }] if to == sequence - 1),
            "{found:?}"
        );
        match forked.write("backup").await {
            Ok(next) => assert_eq!(next, sequence + 1),
            Err(error) => assert!(sequence == u64::MAX && error.is_damage(), "{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_with_the_same_key_at_once_write_one_chain() {
    let book = Book::new().await;
    let writes = (0..4).map(|_| book.write("restore"));
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    assert!(book.findings().await.is_empty());
    assert_eq!(book.read().await.records.len(), 9);
}

#[tokio::test]
async fn a_stranger_writes_nothing_and_a_retired_person_nothing_that_passes() {
    let book = Book::new().await;
    let stranger = AgentKey::generate("thief");
    let refused =
        record(&book.vault().await, AuditWriter::Agent(&stranger), "host", &deed("backup"), now()).await;
    assert!(matches!(refused, Err(Error::Untrusted { .. })), "{refused:?}");

    let second = age::x25519::Identity::generate();
    let li = Person {
        name: "li".into(),
        recipient: second.to_public().to_string(),
        grades: Grade::ALL.to_vec(),
        ..Person::default()
    };
    let identities = lifeboat_vault::Identities::new(vec![Box::new(second)]);
    let by = book.lab.identities();
    let change = async |change| {
        let plan = KeyPlan::make(&book.vault().await, &by, &change).await.unwrap();
        plan.carry_out(&[], now()).await.unwrap();
    };
    change(KeyChange::Add(li)).await;
    let vault = Vault::open(book.lab.store(), Opener::Person(&identities), None).await.unwrap();
    let key = vault.person_keys(&identities).unwrap().remove(0);
    assert_eq!(key.name, "li");
    let write = async |time| {
        record(&book.vault().await, AuditWriter::Person(&key), "host", &deed("restore"), time).await.unwrap()
    };
    write(now()).await;
    change(KeyChange::Retire { name: "li".into() }).await;
    assert!(book.findings().await.is_empty(), "what they signed before verifies still");
    write(now() + jiff::SignedDuration::from_secs(1)).await;
    let found = book.read().await.findings;
    assert!(
        matches!(&found[..], [AuditFinding::AfterRetirement { name, sequence: 2 }] if name == "li"),
        "{found:?}"
    );
}
