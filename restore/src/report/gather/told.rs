//! What the record says of those who are told: what they accepted, and which restores they were told of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_vault::{AgentId, AuditRecord, AuditReport};

use super::super::facts::{Place, ToldFacts};

/// An alert that is older says nothing of the rule today, and neither does what nobody was told of.
const ALERTS_SINCE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Reads what agents noted of those whom they tell.
pub fn of(report: &AuditReport, now: Timestamp) -> ToldFacts {
    let agents = || report.records.iter().filter(|record| !record.by_person);
    let mut facts = ToldFacts::default();
    for record in agents() {
        for (name, told) in &record.entry.deed.told {
            let accepted = told.accepted.as_deref().and_then(|time| age_of(time, now));
            younger(facts.places.entry(name.clone()).or_default(), &told.kind, accepted);
        }
    }
    for (source, backup) in newest_backups(agents(), now) {
        let pings = backup.entry.deed.told.values().filter(|told| told.kind == "ping");
        let called = pings.filter_map(|told| age_of(told.accepted.as_deref()?, now)).min();
        if !backup.entry.deed.told.is_empty() {
            facts.pings.insert(source.to_owned(), called);
        }
    }
    let alerts = Alerts::of(report, now);
    facts.caught =
        report.records.iter().filter(|record| is_restore(record) && alerts.told(record)).count() as u64;
    let missed = report.records.iter().filter(|record| alerts.missed(record, now));
    facts.missed =
        missed.map(|record| format!("{}-{}", record.writer.short(), record.entry.sequence)).collect();
    facts
}

/// How long ago a time was, of somebody's clock.
fn age_of(time: &str, now: Timestamp) -> Option<Duration> {
    let time: Timestamp = time.parse().ok()?;
    Some(Duration::try_from(now.duration_since(time)).unwrap_or_default())
}

fn age(record: &AuditRecord, now: Timestamp) -> Duration {
    age_of(&record.entry.time, now).unwrap_or(Duration::MAX)
}

fn younger(place: &mut Place, kind: &str, accepted: Option<Duration>) {
    let known = place.entry(kind.to_owned()).or_default();
    *known = [*known, accepted].into_iter().flatten().min();
}

/// The newest backup of each source, whichever agent took it.
fn newest_backups<'a>(
    records: impl Iterator<Item = &'a AuditRecord>,
    now: Timestamp,
) -> BTreeMap<&'a str, &'a AuditRecord> {
    let mut newest: BTreeMap<&str, &AuditRecord> = BTreeMap::new();
    for record in records.filter(|record| record.entry.deed.what == "backup") {
        let Some(source) = record.entry.deed.source.as_deref() else { continue };
        let known = newest.entry(source).or_insert(record);
        if age(record, now) < age(known, now) {
            *known = record;
        }
    }
    newest
}

/// Whether rows were to be carried away: the deeds of which an alert proves the rule about restores.
fn is_restore(record: &AuditRecord) -> bool {
    matches!(record.entry.deed.what.as_str(), "restore" | "break-glass")
}

/// What agents told of.
struct Alerts {
    told: BTreeSet<(AgentId, u64)>,
    /// How long ago the last backup was taken by an agent that says whom it tells: it looked then, if not since.
    looked: Duration,
}

impl Alerts {
    fn of(report: &AuditReport, now: Timestamp) -> Self {
        let agents = || report.records.iter().filter(|record| !record.by_person);
        let lately = |record: &&AuditRecord| age(record, now) <= ALERTS_SINCE;
        let alert =
            |record: &&AuditRecord| record.entry.deed.what == "alert" && record.entry.deed.result == "done";
        let alerts = agents().filter(lately).filter(alert);
        let looked =
            agents().filter(|one| one.entry.deed.what == "backup" && !one.entry.deed.told.is_empty());
        Self {
            told: alerts.flat_map(|record| record.entry.deed.about.iter().copied()).collect(),
            looked: looked.map(|record| age(record, now)).min().unwrap_or(Duration::MAX),
        }
    }

    fn told(&self, record: &AuditRecord) -> bool {
        self.told.contains(&(record.writer, record.entry.sequence))
    }

    /// Whether somebody did what every agent tells of, one has looked since, and nobody was told.
    fn missed(&self, record: &AuditRecord, now: Timestamp) -> bool {
        let deed = &record.entry.deed;
        let always = deed.what == "break-glass" || (deed.what == "restore" && deed.result == "refused");
        let age = age(record, now);
        always && age > self.looked && age <= ALERTS_SINCE && !self.told(record)
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_vault::format::audit::{AuditEntry, Deed, Told};

    use super::*;

    const NOW: &str = "2026-11-23T10:00:00Z";
    const DB1: AgentId = AgentId([1; 16]);
    const WANG: AgentId = AgentId([2; 16]);

    fn deed(what: &str, result: &str) -> Deed {
        Deed { what: what.into(), result: result.into(), source: Some("crm".into()), ..Deed::default() }
    }

    /// An entry of `writer` of the day in November.
    fn on(day: u32, writer: AgentId, sequence: u64, deed: Deed) -> AuditRecord {
        let time = format!("2026-11-{day:02}T03:00:00Z");
        let (previous, seen, host) = (None, BTreeMap::new(), "db1".into());
        let entry = AuditEntry { sequence, previous, seen, time, keyring: 1, host, deed };
        AuditRecord { writer, by_person: writer == WANG, name: String::new(), hash: String::new(), entry }
    }

    fn backup(accepted: Option<&str>) -> Deed {
        let told = |kind: &str| Told { kind: kind.into(), accepted: accepted.map(str::to_owned) };
        let told = [("alive", told("ping")), ("ops", told("email"))];
        Deed { told: told.map(|(name, told)| (name.to_owned(), told)).into(), ..deed("backup", "done") }
    }

    fn facts(records: Vec<AuditRecord>) -> ToldFacts {
        of(&AuditReport { records, findings: Vec::new() }, NOW.parse().expect("a time"))
    }

    #[test]
    fn the_newest_backup_says_whether_a_call_is_accepted_and_any_entry_whether_a_message_was() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 60 * 60));
        let records = vec![
            on(22, DB1, 1, backup(Some("2026-11-22T03:00:00Z"))),
            on(23, DB1, 2, backup(Some("2026-11-23T03:00:00Z"))),
            on(21, DB1, 3, backup(Some("2026-11-21T03:00:00Z"))),
        ];
        let seen = facts(records);
        assert_eq!(seen.pings["crm"], hours(7));
        assert_eq!(seen.places["ops"]["email"], hours(7));
        let silent =
            facts(vec![on(22, DB1, 1, backup(Some("2026-11-22T03:00:00Z"))), on(23, DB1, 2, backup(None))]);
        assert_eq!((silent.pings["crm"], silent.places["ops"]["email"]), (None, hours(31)));
        let older = facts(vec![on(23, DB1, 1, deed("backup", "done"))]);
        assert!(older.pings.is_empty() && older.places.is_empty(), "an agent from before says nothing");
        let forged = facts(vec![on(23, WANG, 1, backup(Some(NOW)))]);
        assert!(forged.pings.is_empty() && forged.places.is_empty(), "a person is no agent");
    }

    #[test]
    fn an_alert_counts_for_the_restore_that_it_tells_of_and_what_nobody_was_told_of_is_missed() {
        let alert =
            |result: &str, about: &[(AgentId, u64)]| Deed { about: about.to_vec(), ..deed("alert", result) };
        let check = |alert: Option<Deed>, what: Deed, expected: (u64, usize)| {
            let mut records = vec![on(21, WANG, 7, what), on(23, DB1, 2, backup(None))];
            records.extend(alert.map(|alert| on(22, DB1, 1, alert)));
            let facts = facts(records);
            assert_eq!((facts.caught, facts.missed.len()), expected);
        };
        let (refused, begun) = (|| deed("restore", "refused"), || deed("restore", "begun"));
        check(Some(alert("done", &[(WANG, 7)])), refused(), (1, 0));
        check(Some(alert("done", &[(WANG, 7)])), begun(), (1, 0));
        check(Some(alert("begun", &[(WANG, 7)])), refused(), (0, 1));
        check(Some(alert("done", &[(WANG, 6)])), refused(), (0, 1));
        check(None, deed("break-glass", "begun"), (0, 1));
        check(None, begun(), (0, 0));
        let forged = facts(vec![on(21, DB1, 1, refused()), on(23, DB1, 2, backup(None))]);
        assert_eq!(forged.missed.len(), 1, "whoever has an agent's key is no better than a person");
        check(Some(alert("done", &[(WANG, 7)])), deed("keys", "done"), (0, 0));
        // Nobody has looked since.
        let unseen = facts(vec![on(23, WANG, 1, refused()), on(22, DB1, 1, backup(None))]);
        assert!(unseen.missed.is_empty());
    }
}
