//! A vault in good order on one fixed morning, for tests to spoil.

use std::time::Duration;

use jiff::Timestamp;

use super::evidence::{Evidence, sha256};
use super::facts::{
    AuditFacts, BranchFacts, BranchKeys, ConfigFacts, DeedFacts, Destroyed, Facts, FleetFacts, HostFacts,
    KeyFacts, Listing, Locks, Measured, Place, Planned, Reach, Restored, SnapshotFacts, StoreFacts,
    ToldFacts, Tried, VaultFacts,
};

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub const HOUR: Duration = Duration::from_secs(60 * 60);

/// Two stores in two regions, three people, one source, everything in time.
pub fn good() -> Facts {
    let now = "2026-11-23T10:00:00Z".parse().expect("a time");
    Facts {
        now,
        config: Some(ConfigFacts {
            read: read("config", "/etc/lifeboat/lifeboat.toml", now),
            branch: "hamburg".into(),
            sources: vec![Planned {
                name: "crm".into(),
                gap: Some(DAY),
                rto: Some(HOUR * 4),
                rpo: Some(HOUR * 25),
                ungraded: Some(Vec::new()),
            }],
            people: people(),
            channels: vec![("ops".into(), "email"), ("robot".into(), "dingtalk"), ("alive".into(), "ping")],
            suppressions: Vec::new(),
        }),
        vault: VaultFacts {
            id: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
            url: "s3://crm-backups/hamburg".into(),
            manifests: read("vault.manifests", "s3://crm-backups/hamburg/snapshots, 2 read", now),
            snapshots: vec![snapshot(DAY * 2, &["rows: 1,000 of 1,000,000"]), snapshot(DAY / 3, &[])],
            damage: Vec::new(),
            unreadable: 0,
            keyring: read("vault.keys", "s3://crm-backups/hamburg/keys, keyring 1", now),
            people: people(),
            keys: ["metadata", "high", "medium", "low"].map(key).into(),
            others_for_high: 2,
            root_people: 3,
            grades: vec!["high".into(), "low".into()],
            strangers: Vec::new(),
            unread_keys: Vec::new(),
        },
        stores: vec![store("vault", "eu-central-1", now), store("shanghai", "cn-shanghai", now)],
        host: Some(HostFacts {
            read: read("host.files", "12 files of /var/lib/lifeboat", now),
            identities: Vec::new(),
            unread: Vec::new(),
        }),
        audit: AuditFacts {
            read: read("vault.audit", "s3://crm-backups/hamburg/audit, 31 entries", now),
            entries: 31,
            broken: Vec::new(),
            verified: Some(DAY),
            rows_verified: Some(DAY * 20),
        },
        fleet: Some(FleetFacts {
            read: read("fleet", "/etc/lifeboat/fleet.toml", now),
            vaults: [
                ("hamburg", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "age1li"),
                ("shanghai", "1", "age1zhao"),
                ("munich", "2", "age1weber"),
            ]
            .map(branch)
            .into(),
            tried: [("hamburg", "shanghai"), ("shanghai", "hamburg")].map(denied).into(),
        }),
        told: ToldFacts {
            places: [("ops", "email"), ("robot", "dingtalk"), ("alive", "ping")].map(told).into(),
            pings: [("crm".to_owned(), Some(HOUR * 8))].into(),
            caught: 1,
            missed: Vec::new(),
        },
        deeds: DeedFacts {
            read: read("vault.requests", "s3://crm-backups/hamburg/requests, 2 read", now),
            begun: vec![restored(20, &["high", "low"], 2), restored(10, &["low"], 0)],
            done: vec![restored(20, &["high", "low"], 2), restored(10, &["low"], 0)],
            glass: None,
            measured: [20, 80, 130, 170].map(measured).into(),
            gaps: [("crm".to_owned(), HOUR * 24)].into(),
            destroyed: vec![Destroyed { what: "shred high 1".into(), age: DAY * 30, others: 1 }],
            escrow: Some(DAY * 100),
        },
    }
}

/// The same vault, and nothing else known: no configuration, no store, another machine.
pub fn bare() -> Facts {
    let mut facts = good();
    facts.config = None;
    facts.host = None;
    facts.stores.clear();
    facts.vault.snapshots.clear();
    facts.vault.keys.clear();
    facts.audit.entries = 0;
    facts.audit.verified = None;
    facts.audit.rows_verified = None;
    facts.deeds.begun.clear();
    facts.deeds.done.clear();
    facts.fleet = None;
    facts.told = ToldFacts::default();
    facts.deeds.measured.clear();
    facts.deeds.gaps.clear();
    facts.deeds.destroyed.clear();
    facts.deeds.escrow = None;
    facts
}

pub fn restored(days: u32, grades: &[&str], others: u64) -> Restored {
    let grades = grades.iter().map(|grade| (*grade).to_owned()).collect();
    Restored { age: DAY * days, grades, others }
}

/// A restore of the CRM in half an hour, so many days ago.
pub fn measured(days: u32) -> Measured {
    Measured { source: "crm".into(), age: DAY * days, took: HOUR / 2, differences: Some(0) }
}

/// A vault of head office's Wang and of one person of its own.
fn branch((name, id, own): (&str, &str, &str)) -> BranchFacts {
    let people = [("age1wang", "wang"), (own, own)].map(|(key, name)| (key.to_owned(), name.to_owned()));
    let sealing = [format!("age1high{name}"), format!("age1low{name}")].into();
    let keys = BranchKeys { id: id.to_owned(), sealing, mark: name.to_owned(), people: people.into() };
    BranchFacts { name: name.to_owned(), keys: Ok(keys) }
}

fn denied((of, at): (&str, &str)) -> Tried {
    Tried { of: of.to_owned(), at: at.to_owned(), reach: Reach::Denied }
}

/// Somebody who has accepted a message three days ago.
fn told((name, kind): (&str, &str)) -> (String, Place) {
    (name.to_owned(), [(kind.to_owned(), Some(DAY * 3))].into())
}

fn read(kind: &'static str, from: &str, at: Timestamp) -> Evidence {
    Evidence { kind, from: from.to_owned(), at, digest: sha256(from.as_bytes()) }
}

fn people() -> Vec<(String, String)> {
    [("wang", "age1wang"), ("li", "ssh-ed25519 AAAA li@example.com"), ("escrow", "age1escrow")]
        .map(|(name, recipient)| (name.to_owned(), recipient.to_owned()))
        .into()
}

fn key(realm: &str) -> KeyFacts {
    let opens = people().into_iter().map(|(name, _)| name).collect();
    let since = Some("2026-10-01T00:00:00Z".parse().expect("a time"));
    KeyFacts { realm: realm.to_owned(), opens: Some(opens), quorum: 1, since }
}

fn snapshot(age: Duration, flags: &[&str]) -> SnapshotFacts {
    SnapshotFacts {
        source: "crm".into(),
        age,
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        accepted: true,
        not_covered: Vec::new(),
        measured: true,
    }
}

fn store(name: &str, region: &str, now: Timestamp) -> StoreFacts {
    let url = format!("s3://crm-{name}/hamburg");
    StoreFacts {
        name: name.to_owned(),
        provider: format!("{name}.example"),
        account: sha256(name.as_bytes()),
        account_is_known: false,
        region: Some(region.to_owned()),
        allowed: vec![region.to_owned()],
        lies_in: Ok(region.to_owned()),
        in_part: false,
        found: Ok(Listing {
            read: read("store.listing", &url, now),
            snapshots: 2,
            lacking: 0,
            sampled: 20,
            open: Vec::new(),
            unjudged: Vec::new(),
            locks: Locks::Read { asked: 25, open: Vec::new() },
        }),
        url,
    }
}
