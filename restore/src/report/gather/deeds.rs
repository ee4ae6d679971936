//! What the record says of restores and of what was destroyed: when, by whom, and how many others agreed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_vault::format::audit::Loaded;
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{
    AgentId, AuditRecord, AuditReport, Grade, RequestRecord, Result, Says, Vault, list_requests, plan_id,
};

use super::super::evidence::{Evidence, sha256};
use super::super::facts::{DeedFacts, Destroyed, Measured, Restored};

/// A gap between two backups that ended earlier says nothing of how they are taken today.
const GAPS_SINCE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Reads the requests, and sets the record's deeds beside them.
pub async fn of(vault: &Vault, report: &AuditReport, now: Timestamp) -> Result<DeedFacts> {
    let (requests, _) = list_requests(vault).await?;
    let ids: String = requests.iter().map(|request| format!("{}\n", request.id)).collect();
    let read = Evidence {
        kind: "vault.requests",
        from: format!("{}/requests, {} read", vault.store().url(), requests.len()),
        at: now,
        digest: sha256(ids.as_bytes()),
    };
    let age = |record: &AuditRecord| {
        let time: Option<Timestamp> = record.entry.time.parse().ok();
        time.map_or(Duration::MAX, |time| Duration::try_from(now.duration_since(time)).unwrap_or_default())
    };
    let records = || report.records.iter();
    // Before the first row is opened: what was tried counts.
    let begun = records().filter(|record| is(record, "restore", "begun"));
    let done = records().filter(|record| is(record, "restore", "done") && whole(record).is_some());
    let broken = records().filter(|record| record.entry.deed.what == "break-glass");
    let destroying = records().filter_map(|record| destroyed(record, age(record)));
    let escrow = records().filter(|record| opened_rows(record) && names_escrow(record));
    let agreed = agreed(records());
    Ok(DeedFacts {
        read,
        begun: begun.map(|record| restored(record, age(record), &requests, &agreed)).collect(),
        done: done.map(|record| restored(record, age(record), &requests, &agreed)).collect(),
        glass: broken.map(age).min(),
        measured: measured(records().map(|record| (record, age(record)))),
        gaps: gaps(records().map(|record| (record, age(record)))),
        destroyed: destroying.collect(),
        escrow: escrow.map(age).min(),
    })
}

/// Whole restores and how they went, the newest first.
fn measured<'a>(records: impl Iterator<Item = (&'a AuditRecord, Duration)>) -> Vec<Measured> {
    let of = |(record, age): (&AuditRecord, Duration)| {
        let deed = &record.entry.deed;
        let loaded = whole(record).filter(|_| deed.what == "restore")?;
        Some(Measured {
            source: deed.source.clone()?,
            age,
            took: Duration::from_secs(
                loaded.load_seconds.saturating_add(loaded.compare_seconds.unwrap_or(0)),
            ),
            differences: loaded.differences,
        })
    };
    let mut measured: Vec<_> = records.filter_map(of).collect();
    measured.sort_by_key(|one| one.age);
    measured
}

/// The longest time between two backups of each source that made a snapshot, from now back to the first that is
/// older than [`GAPS_SINCE`].
fn gaps<'a>(records: impl Iterator<Item = (&'a AuditRecord, Duration)>) -> BTreeMap<String, Duration> {
    let mut ages: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for (record, age) in records {
        let deed = &record.entry.deed;
        if let Some(source) =
            deed.source.as_ref().filter(|_| deed.what == "backup" && !deed.snapshots.is_empty())
        {
            ages.entry(source.clone()).or_default().push(age);
        }
    }
    let longest = |mut ages: Vec<Duration>| {
        ages.sort_unstable();
        let starts = ages.iter().copied().zip([Duration::ZERO].into_iter().chain(ages.iter().copied()));
        let late = starts.filter(|(_, until)| *until <= GAPS_SINCE).map(|(from, until)| from - until);
        late.max().unwrap_or_default()
    };
    ages.into_iter().map(|(source, ages)| (source, longest(ages))).collect()
}

/// How everything was restored as it was, if so it was.
fn whole(record: &AuditRecord) -> Option<&Loaded> {
    record.entry.deed.loaded.as_ref().filter(|loaded| loaded.whole)
}

/// Who has approved each plan and did not take that back, as they put it on record themselves. An approval that a
/// change of keys removed from the vault has its place here still.
fn agreed<'a>(records: impl Iterator<Item = &'a AuditRecord>) -> BTreeMap<&'a str, BTreeSet<AgentId>> {
    let mut agreed: BTreeMap<&str, BTreeSet<AgentId>> = BTreeMap::new();
    for record in records.filter(|record| record.by_person && record.entry.deed.result == "done") {
        let Some(plan) = &record.entry.deed.plan else { continue };
        match record.entry.deed.what.as_str() {
            "approve" => agreed.entry(plan).or_default().insert(record.writer),
            "revoke" => agreed.entry(plan).or_default().remove(&record.writer),
            _ => continue,
        };
    }
    agreed
}

fn is(record: &AuditRecord, what: &str, result: &str) -> bool {
    record.entry.deed.what == what && record.entry.deed.result == result
}

fn restored(
    record: &AuditRecord,
    age: Duration,
    requests: &[RequestRecord],
    agreed: &BTreeMap<&str, BTreeSet<AgentId>>,
) -> Restored {
    let deed = &record.entry.deed;
    let asked = requests.iter().filter(|request| request.request.kind == Wish::Restore);
    let asked = asked.filter(|request| deed.plan.as_ref() == Some(&plan_id(&request.request.plan)));
    let approved = asked.map(approvals).max().unwrap_or(0);
    let on_record = deed.plan.as_ref().and_then(|plan| agreed.get(plan.as_str()));
    let on_record = on_record.map_or(0, |people| people.iter().filter(|by| **by != record.writer).count());
    let grades: BTreeSet<Grade> = deed.grades.iter().copied().collect();
    let detail = deed.detail.as_deref().unwrap_or_default();
    Restored {
        age,
        grades: grades.iter().map(|grade| grade.as_str().to_owned()).collect(),
        others: approved.max(on_record as u64).max(listed_after(detail, "together with ")),
    }
}

/// How many people other than whoever asked have approved a request and did not take that back.
fn approvals(request: &RequestRecord) -> u64 {
    let said = |by, revoked: bool| {
        request.answers.iter().any(|answer| {
            answer.by == by
                && match answer.says {
                    Says::Approve(_) => !revoked,
                    Says::Revoke(_) => revoked,
                    Says::Refuse(_) => false,
                }
        })
    };
    let people: BTreeSet<_> = request.answers.iter().map(|answer| answer.by).collect();
    let others = people.into_iter().filter(|by| *by != request.requester);
    others.filter(|by| said(*by, false) && !said(*by, true)).count() as u64
}

/// What cannot be undone and was done by hand.
fn destroyed(record: &AuditRecord, age: Duration) -> Option<Destroyed> {
    let deed = &record.entry.deed;
    let detail = deed.detail.as_deref().unwrap_or_default();
    let happened = matches!(deed.result.as_str(), "done" | "partial");
    let others = listed_after(detail, "approved by ")
        .max(listed_after(detail, "together with "))
        .max(listed_after(detail, "decided by ").saturating_sub(1));
    let what = if deed.what == "keys" { detail.to_owned() } else { deed.what.clone() };
    (is_by_hand(&deed.what, detail) && happened).then_some(Destroyed { what, age, others })
}

/// Whether people have destroyed something or let it go earlier, and not a rule.
fn is_by_hand(what: &str, detail: &str) -> bool {
    match what {
        "keys" => detail.starts_with("shred "),
        "expire" | "keep" => detail.contains("decided by ") || detail.contains("approved by "),
        _ => false,
    }
}

/// Whether rows were read in it.
fn opened_rows(record: &AuditRecord) -> bool {
    let deed = &record.entry.deed;
    is(record, "restore", "done") || (is(record, "verify", "done") && deed.depth.is_some())
}

fn names_escrow(record: &AuditRecord) -> bool {
    let detail = record.entry.deed.detail.as_deref().unwrap_or_default();
    let with = detail.split_once("together with ").map_or("", |(_, with)| with);
    record.by_person && (record.name.contains("escrow") || with.contains("escrow"))
}

/// How many names stand behind these words of the program's own, parted by commas, up to another word of it.
fn listed_after(detail: &str, words: &str) -> u64 {
    let Some((_, names)) = detail.split_once(words) else { return 0 };
    let end =
        [": ", ", together with ", ", approved by ", " alone"].iter().filter_map(|end| names.find(end)).min();
    names[..end.unwrap_or(names.len())].split(", ").filter(|name| !name.is_empty()).count() as u64
}

#[cfg(test)]
mod tests {
    use lifeboat_vault::SnapshotId;
    use lifeboat_vault::format::audit::{AuditEntry, Deed};

    use super::*;

    #[test]
    fn what_people_decided_is_told_from_what_a_rule_did() {
        let by_hand = |what: &str, detail: &str| assert!(is_by_hand(what, detail), "{what}: {detail}");
        by_hand("keys", "shred high 1: keyring 3");
        by_hand("expire", "by hand: request 1a2b of wang, approved by li");
        by_hand("keep", "decided by wang alone, by breaking the glass");
        assert!(!is_by_hand("expire", "2 snapshots") && !is_by_hand("keys", "rotate high: keyring 2"));
    }

    fn entry(deed: Deed) -> AuditRecord {
        let entry = AuditEntry {
            sequence: 1,
            previous: None,
            seen: BTreeMap::new(),
            time: String::new(),
            keyring: 1,
            host: "db1".into(),
            deed,
        };
        let writer = AgentId([1; 16]);
        AuditRecord { writer, by_person: false, name: "db1".into(), hash: String::new(), entry }
    }

    #[test]
    fn the_longest_time_between_two_backups_counts_up_to_now_and_not_of_last_year() {
        let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
        let check = |ages: &[u64], expected: Option<u64>| {
            let deed = |snapshots: usize| Deed {
                what: "backup".into(),
                source: Some("crm".into()),
                snapshots: vec![SnapshotId([1; 32]); snapshots],
                ..Deed::default()
            };
            let (good, failed) = (entry(deed(1)), entry(deed(0)));
            let records = ages.iter().map(|age| (&good, hours(*age))).chain([(&failed, hours(1))]);
            assert_eq!(gaps(records).get("crm").copied(), expected.map(hours), "{ages:?}");
        };
        check(&[2, 50, 26], Some(24));
        check(&[30, 40], Some(30));
        check(&[2, 26, 29 * 24, 40 * 24, 300 * 24], Some(28 * 24 - 2));
        check(&[800], Some(800));
        check(&[], None);
    }

    #[test]
    fn only_a_whole_restore_is_a_measure_and_the_newest_comes_first() {
        let restore = |whole: bool, compare_seconds: Option<u64>| {
            let differences = compare_seconds.map(|_| 0);
            let loaded = Some(Loaded { whole, load_seconds: 60, compare_seconds, differences });
            entry(Deed { what: "restore".into(), source: Some("crm".into()), loaded, ..Deed::default() })
        };
        let records = [restore(true, Some(5)), restore(false, Some(5)), restore(true, None)];
        let aged = records.iter().zip([9, 8, 7]).map(|(record, age)| (record, Duration::from_secs(age)));
        let found: Vec<_> = measured(aged).iter().map(|one| (one.took.as_secs(), one.differences)).collect();
        assert_eq!(found, [(60, None), (65, Some(0))]);
    }

    #[test]
    fn who_approved_is_counted_after_a_change_of_keys_and_not_whoever_took_it_back() {
        let said = |writer: u8, what: &str, result: &str| {
            let deed = Deed {
                what: what.into(),
                result: result.into(),
                plan: Some("plan".into()),
                ..Deed::default()
            };
            AuditRecord { writer: AgentId([writer; 16]), by_person: true, ..entry(deed) }
        };
        let check = |records: &[AuditRecord], expected: u64| {
            let restore = said(1, "restore", "begun");
            assert_eq!(restored(&restore, Duration::ZERO, &[], &agreed(records.iter())).others, expected);
        };
        let (li, zhao) = (said(2, "approve", "done"), said(3, "approve", "done"));
        check(&[li.clone(), zhao.clone(), said(1, "approve", "done")], 2);
        check(&[li.clone(), zhao, said(3, "revoke", "done")], 1);
        check(&[li, said(3, "approve", "refused"), said(4, "refuse", "done")], 1);
        check(&[], 0);
    }

    #[test]
    fn those_who_agreed_are_counted_by_the_words_that_the_programs_write() {
        let check = |detail: &str, words: &str, expected: u64| {
            assert_eq!(listed_after(detail, words), expected, "{detail}");
        };
        check("shred high, request 1a2b, approved by li, zhao: keyring 3", "approved by ", 2);
        check("shred high: keyring 3, together with li", "together with ", 1);
        check("2 snapshots, decided by wang, li", "decided by ", 2);
        check("2 snapshots, decided by wang alone: nobody else could", "decided by ", 1);
        check("contacts, request 1a2b, approved by li, together with zhao", "approved by ", 1);
        check("2 snapshots", "approved by ", 0);
    }
}
