//! Watching the vault's record: what is unusual in it is told as soon as this agent sees it.
//!
//! The daemon looks every few minutes, and so does every run that opens the vault with the agent's key. The
//! agent remembers, in its state folder, up to where it has read and what is usual. So each look reads
//! only what is new, and the agent is a witness that remembers: a record that lost its end since shows.
//! Nothing here makes a run fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lifeboat_config::{Config, Severity};
use lifeboat_console::{CommandError, Interrupt, Progress, ResultExt, chain};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::format::keys::PersonRecord;
use lifeboat_vault::{
    AgentId, AgentKey, Anchor, AuditFinding, AuditRecord, AuditReport, Vault, read_audit_after,
};
use serde::{Deserialize, Serialize};

use crate::event::{Check, Event};
use crate::host;
use crate::lock;
use crate::notify::{Pace, Router};
use crate::record;
use crate::run_id::RunId;
use crate::state_file;

const STATE: &str = "record.json";

/// Hours of a working day, by the configured clock: who restores outside of them is told of.
const WORKING_HOURS: std::ops::Range<i8> = 7..21;

/// A restore of so many times the largest before is unusual.
const LARGER_BY: u64 = 2;

/// So many reasons of one alert stand in the record; a message has them all.
const REASONS_MAX: usize = 10;

/// What an agent writes about its own work, and tells where it happens.
const OWN_WORK: [&str; 6] = ["backup", "verify", "expire", "prune", "notify", "alert"];

/// Whoever reads the record for the first time, or anew, tells of what was refused or done by breaking the glass
/// so long before: a host that was away for its weekly backup, and a day. What is older, others have been asked
/// about or nobody will remember.
const TOLD_WHILE_LEARNING: SignedDuration = SignedDuration::from_hours(8 * 24);

/// What this host remembers of the record. Lost, the next look reads all of it and learns anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// The ends of all chains that were read, as an anchor has them.
    anchor: String,
    /// Who has restored before.
    restorers: BTreeSet<AgentId>,
    /// The most rows that one restore wrote.
    rows: u64,
    /// What was broken when it was last read, and has been told.
    broken: BTreeSet<String>,
}

/// Something to tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unusual {
    severity: Severity,
    subject: String,
    /// Who did what, and why that is unusual.
    why: String,
    /// Why alone, which names nobody.
    reasons: String,
    /// The entry, where it is one.
    about: Option<(AgentId, u64)>,
}

/// Reads what is new in the record and tells of what is unusual, once. While another run of this host does so, it
/// is left to that one.
pub async fn look(vault: &Vault, config: &Config, key: &AgentKey, json: bool) {
    let progress = Progress::new(json);
    if let Err(error) = see(vault, config, key, json, &progress).await {
        progress.warn(&chain(error.error()));
    }
}

/// The same at the beginning of a run, unless a signal comes first.
///
/// # Errors
/// `Interrupted`.
pub async fn look_first(
    interrupt: &Interrupt,
    vault: &Vault,
    config: &Config,
    key: &AgentKey,
    json: bool,
) -> Result<(), CommandError> {
    let look = async {
        look(vault, config, key, json).await;
        Ok::<_, CommandError>(())
    };
    interrupt.or(look).await
}

/// The same, with nothing else to do in the vault. What is broken and stays so is not said each time.
///
/// # Errors
/// When the vault cannot be opened or its record not read, or when what was read cannot be remembered.
pub async fn look_alone(config: &Config) -> Result<(), CommandError> {
    let key = host::read_key(&config.agent)?;
    let vault = host::open_vault(config, &key).await?;
    see(&vault, config, &key, false, &Progress::hidden()).await
}

async fn see(
    vault: &Vault,
    config: &Config,
    key: &AgentKey,
    json: bool,
    progress: &Progress,
) -> Result<(), CommandError> {
    let Some(_lock) = lock::of_record(&config.agent.state) else { return Ok(()) };
    let path = config.agent.state.join(STATE);
    let memory = read(&path);
    let known = memory.anchor.parse::<Anchor>().ok().filter(|anchor| anchor.vault == vault.id());
    let learning = known.is_none();
    let anchor = known.unwrap_or_else(|| Anchor { vault: vault.id(), ends: Default::default() });
    let report = read_audit_after(vault, &anchor).await;
    let report = report.map_err(CommandError::from).context(|| "the vault's record cannot be read")?;
    for finding in &report.findings {
        progress.warn(&format!("the vault's record is broken: {finding}"));
    }
    let mut memory = if learning { Memory { broken: memory.broken, ..Memory::default() } } else { memory };
    let elsewhere = match config.branch_is_named {
        true => elsewhere(&vault.people()?, &config.branch),
        false => BTreeMap::new(),
    };
    let (now, zone) = (Timestamp::now(), config.agent.zone());
    let judge = Judge { own: key.id(), learning, now, zone, elsewhere };
    let unusual = judge.judge(&report, &mut memory);
    let router = Router::new(config, Pace::AtOnce);
    if let Some(alert) = tell(unusual, &config.branch, &router).await {
        record::write(vault, key, &alert, json).await;
    }
    memory.anchor = report.anchor_after(&anchor).to_string();
    write(&path, &memory).context(|| "what was read of the vault's record is not remembered")
}

/// Tells of what is unusual. Returns what is to be put on the record about that, where there is anybody to tell.
async fn tell(unusual: Vec<Unusual>, branch: &str, router: &Router) -> Option<Deed> {
    for one in &unusual {
        tracing::info!("the vault's record, {}: {}", one.subject, one.reasons);
    }
    if unusual.is_empty() || router.is_empty() {
        return None;
    }
    let now = Timestamp::now();
    let event = |one: &Unusual| {
        let next = vec!["lifeboat-restore audit show".to_owned(), "ask whoever it names".to_owned()];
        let event = Event::failed(Check::Record, one.severity, branch, RunId::new(), now);
        Event { subject: Some(one.subject.clone()), why: one.why.clone(), next, ..event }
    };
    let events: Vec<_> = unusual.iter().map(event).collect();
    let accepted = router.announce(&events, now).await;
    let (reached, missed): (Vec<_>, Vec<_>) =
        unusual.into_iter().zip(&events).partition(|(_, event)| accepted.contains_key(&event.run));
    // What nobody has accepted is no alert yet, unless nothing is.
    let (result, told) = if reached.is_empty() { ("begun", missed) } else { ("done", reached) };
    let told: Vec<_> = told.into_iter().map(|(one, _)| one).collect();
    let names: BTreeSet<_> = accepted.into_values().flatten().collect();
    Some(Deed {
        what: "alert".into(),
        result: result.into(),
        about: told.iter().filter_map(|one| one.about).collect(),
        told: router.told(None).into_iter().filter(|(name, _)| names.contains(name)).collect(),
        detail: Some(in_short(&told)),
        ..Deed::default()
    })
}

/// The first few of what was told, without names.
fn in_short(told: &[Unusual]) -> String {
    let first = told.iter().take(REASONS_MAX).map(|one| format!("{}: {}", one.subject, one.reasons));
    let mut short = first.collect::<Vec<_>>().join("; ");
    if told.len() > REASONS_MAX {
        short.push_str(&format!("; and {} more", told.len() - REASONS_MAX));
    }
    short
}

/// By what one agent judges what is new in the record.
struct Judge {
    /// The agent itself.
    own: AgentId,
    /// Whether it reads the record for the first time, or has lost its memory.
    learning: bool,
    now: Timestamp,
    zone: TimeZone,
    /// People of other branches than the vault's, and of which.
    elsewhere: BTreeMap<AgentId, String>,
}

/// The people who are said to belong to another branch than `own`. Whether capitals are written is nothing to them.
fn elsewhere(people: &[PersonRecord], own: &str) -> BTreeMap<AgentId, String> {
    let own = own.to_lowercase();
    let is_other = |branch: &&String| branch.to_lowercase() != own;
    let other = people
        .iter()
        .filter_map(|person| Some((person.id()?, person.branch.as_ref().filter(is_other)?.clone())));
    other.collect()
}

impl Judge {
    /// What of the new entries is unusual. They are usual from then on.
    fn judge(&self, report: &AuditReport, memory: &mut Memory) -> Vec<Unusual> {
        let mut found = broken(report, memory);
        let told = self.told(report);
        for record in report.records.iter().filter(|record| !self.is_own_work(record)) {
            let reasons = self.reasons(record, memory);
            let deed = &record.entry.deed;
            if deed.what == "restore" && deed.result != "refused" {
                memory.restorers.insert(record.writer);
                memory.rows = memory.rows.max(deed.rows.unwrap_or(0));
            }
            let about = (record.writer, record.entry.sequence);
            if !reasons.is_empty() && !told.contains(&about) && self.is_to_be_told(record) {
                let severity =
                    if deed.what == "break-glass" { Severity::Critical } else { Severity::Warning };
                let reasons = reasons.join(", ");
                found.push(Unusual {
                    severity,
                    subject: format!("{}-{}", record.writer.short(), record.entry.sequence),
                    why: format!("{}: {reasons}", in_words(record)),
                    reasons,
                    about: Some(about),
                });
            }
        }
        found
    }

    fn reasons(&self, record: &AuditRecord, memory: &Memory) -> Vec<String> {
        let (entry, deed) = (&record.entry, &record.entry.deed);
        let mut reasons = Vec::new();
        let mut reason = |reason: &str| reasons.push(reason.to_owned());
        match (deed.what.as_str(), deed.result.as_str()) {
            (_, "refused") => reason("it was refused"),
            ("break-glass", _) => reason("the glass was broken: nobody else approved it"),
            ("keys", _) => reason("who can open the vault has changed"),
            // Of a restore that was begun, its end is no news.
            ("restore", "begun") => {
                if !memory.restorers.contains(&record.writer) {
                    reason("they have not restored before");
                }
                if let Some(branch) = self.elsewhere.get(&record.writer) {
                    reason(&format!("it is by someone of another branch: {branch}"));
                }
                let time = entry.time.parse::<Timestamp>();
                let hour = time.map(|time| time.to_zoned_datetime(self.zone.clone()).hour());
                if !hour.is_ok_and(|hour| WORKING_HOURS.contains(&hour)) {
                    reason("it is outside of working hours");
                }
                if memory.rows > 0 && deed.rows.unwrap_or(0) > memory.rows.saturating_mul(LARGER_BY) {
                    reason("it is larger than any before");
                }
            }
            _ => {}
        }
        reasons
    }

    /// Whether an entry is of this agent's own work. What somebody asked of it has a plan, and is theirs.
    fn is_own_work(&self, record: &AuditRecord) -> bool {
        let deed = &record.entry.deed;
        record.writer == self.own && OWN_WORK.contains(&deed.what.as_str()) && deed.plan.is_none()
    }

    /// Entries of which somebody has accepted an alert: this agent's, which it has perhaps forgotten; while it
    /// learns, any agent's.
    fn told(&self, report: &AuditReport) -> BTreeSet<(AgentId, u64)> {
        let counts = |record: &&AuditRecord| {
            let deed = &record.entry.deed;
            let by_agent = record.writer == self.own || (self.learning && !record.by_person);
            by_agent && deed.what == "alert" && deed.result == "done"
        };
        let alerts = report.records.iter().filter(counts);
        alerts.flat_map(|record| record.entry.deed.about.iter().copied()).collect()
    }

    /// Whoever learns does not know what is usual, but what is never so and not long ago.
    fn is_to_be_told(&self, record: &AuditRecord) -> bool {
        let deed = &record.entry.deed;
        let never_usual = deed.what == "break-glass" || deed.result == "refused";
        let time = record.entry.time.parse::<Timestamp>();
        let lately = time.map_or(true, |time| self.now.duration_since(time) <= TOLD_WHILE_LEARNING);
        !self.learning || (never_usual && lately)
    }
}

/// What is broken in the record and was not before.
fn broken(report: &AuditReport, memory: &mut Memory) -> Vec<Unusual> {
    let mut found = Vec::new();
    let before = std::mem::take(&mut memory.broken);
    for finding in &report.findings {
        let key = key(finding);
        if !before.contains(&key) {
            let (subject, why) = (finding.to_string(), format!("the record is broken: {finding}"));
            let reasons = "the record is broken".to_owned();
            found.push(Unusual { severity: Severity::Critical, subject, why, reasons, about: None });
        }
        memory.broken.insert(key);
    }
    found
}

/// What stays the same of a finding from one look to the next: a record that lost its end goes on from there.
fn key(finding: &AuditFinding) -> String {
    match finding {
        AuditFinding::Truncated { writer, seen, by, .. } => format!("{writer}: {by} saw {seen}"),
        finding => finding.to_string(),
    }
}

fn in_words(record: &AuditRecord) -> String {
    let (entry, deed) = (&record.entry, &record.entry.deed);
    let mut words = format!("{} on {} at {}: {}", record.name, entry.host, entry.time, deed.what);
    let more = [
        deed.source.as_ref().map(|source| format!(" of {source}")),
        deed.rows.map(|rows| format!(", {rows} rows")),
        deed.target.as_ref().map(|target| format!(", into {target}")),
        deed.detail.as_ref().map(|detail| format!(", {detail}")),
        deed.reason.as_ref().map(|reason| format!(", because: {reason}")),
    ];
    words.extend(more.into_iter().flatten());
    words
}

fn read(path: &Path) -> Memory {
    std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

fn write(path: &Path, memory: &Memory) -> std::io::Result<()> {
    state_file::replace(path, &serde_json::to_vec(memory).expect("plain data serialises"))
}

#[cfg(test)]
mod tests {
    use lifeboat_vault::format::audit::AuditEntry;
    use lifeboat_vault::format::keys::PersonSigning;

    use super::*;

    const WANG: AgentId = AgentId([1; 16]);
    const OWN: AgentId = AgentId([9; 16]);
    const OTHER: AgentId = AgentId([8; 16]);
    const NOON: &str = "2026-11-23T12:00:00Z";

    fn record(writer: AgentId, time: &str, what: &str, result: &str, rows: u64) -> AuditRecord {
        let deed = Deed { what: what.into(), result: result.into(), rows: Some(rows), ..Deed::default() };
        let entry = AuditEntry {
            sequence: 1,
            previous: None,
            seen: Default::default(),
            time: time.into(),
            keyring: 1,
            host: "laptop".into(),
            deed,
        };
        AuditRecord { writer, by_person: true, name: "wang".into(), hash: String::new(), entry }
    }

    fn judge(learning: bool) -> Judge {
        let now = "2026-11-24T03:00:00Z".parse().expect("a time");
        Judge { own: OWN, learning, now, zone: TimeZone::UTC, elsewhere: BTreeMap::new() }
    }

    fn check(records: Vec<AuditRecord>, learning: bool, memory: &mut Memory, expected: &[&str]) {
        let report = AuditReport { records, findings: Vec::new() };
        let told = judge(learning).judge(&report, memory);
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.why.ends_with(expected), "{}: {expected}", told.why);
        }
    }

    /// That `writer` has told of Wang's entry of that number.
    fn alert(writer: AgentId, result: &str, sequence: u64) -> AuditRecord {
        let mut alert = record(writer, NOON, "alert", result, 0);
        alert.by_person = false;
        alert.entry.deed.about = vec![(WANG, sequence)];
        alert
    }

    #[test]
    fn a_restore_is_told_of_when_it_is_by_someone_new_large_late_or_refused() {
        let mut memory = Memory::default();
        let first = || record(WANG, NOON, "restore", "begun", 1000);
        check(vec![first()], false, &mut memory, &["they have not restored before"]);
        check(vec![first()], false, &mut memory, &[]);
        check(vec![record(WANG, NOON, "restore", "done", 1000)], false, &mut memory, &[]);
        check(
            vec![record(WANG, NOON, "restore", "begun", 5000)],
            false,
            &mut memory,
            &["larger than any before"],
        );
        let late = record(WANG, "2026-11-23T03:00:00Z", "restore", "begun", 1000);
        check(vec![late], false, &mut memory, &["outside of working hours"]);
        check(vec![record(WANG, NOON, "restore", "refused", 0)], false, &mut memory, &["it was refused"]);
        check(
            vec![record(WANG, NOON, "keys", "done", 0)],
            false,
            &mut memory,
            &["who can open the vault has changed"],
        );
        check(
            vec![record(WANG, NOON, "break-glass", "begun", 10)],
            false,
            &mut memory,
            &["the glass was broken: nobody else approved it"],
        );
        check(vec![record(WANG, NOON, "approve", "refused", 0)], false, &mut memory, &["it was refused"]);
        check(vec![record(WANG, NOON, "request", "done", 0)], false, &mut memory, &[]);
        check(vec![record(WANG, NOON, "verify", "done", 9999)], false, &mut memory, &[]);
    }

    #[test]
    fn a_restore_by_somebody_of_another_branch_is_told_of_each_time() {
        let report = || AuditReport {
            records: vec![record(WANG, NOON, "restore", "begun", 1)],
            ..AuditReport::default()
        };
        let elsewhere = BTreeMap::from([(WANG, "head office".to_owned())]);
        let mut memory = Memory { restorers: BTreeSet::from([WANG]), ..Memory::default() };
        for _ in 0..2 {
            let told = Judge { elsewhere: elsewhere.clone(), ..judge(false) }.judge(&report(), &mut memory);
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(told[0].reasons, "it is by someone of another branch: head office");
        }
        assert!(judge(false).judge(&report(), &mut memory).is_empty());
    }

    #[test]
    fn whose_branch_is_not_said_or_is_written_otherwise_belongs_here() {
        // Public keys of RFC 8032.
        let keys = [
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        ];
        let person = |(public, branch): (&str, Option<&str>)| PersonRecord {
            name: "wang".into(),
            recipient: "age1wang".into(),
            grades: Vec::new(),
            retired: None,
            had: Vec::new(),
            signing: Some(PersonSigning { public: public.into(), secret: None }),
            branch: branch.map(str::to_owned),
            role: None,
        };
        let people: Vec<_> =
            keys.into_iter().zip([Some("Head Office"), Some("Hamburg"), None]).map(person).collect();
        let other = elsewhere(&people, "hamburg");
        assert_eq!(other.into_values().collect::<Vec<_>>(), ["Head Office"]);
    }

    #[test]
    fn what_was_refused_to_somebody_on_this_host_is_told_and_the_agents_own_work_is_not() {
        let check = |what: &str, result: &str, plan: Option<&str>, expected: &[&str]| {
            let mut record = record(OWN, NOON, what, result, 0);
            record.entry.deed.plan = plan.map(str::to_owned);
            check(vec![record], false, &mut Memory::default(), expected);
        };
        check("backup", "refused", None, &[]);
        check("expire", "refused", None, &[]);
        check("alert", "done", None, &[]);
        check("expire", "done", Some("ab"), &[]);
        check("expire", "refused", Some("ab"), &["it was refused"]);
        check("release", "refused", Some("ab"), &["it was refused"]);
        check("break-glass", "begun", Some("ab"), &["the glass was broken: nobody else approved it"]);
        check("restore", "refused", None, &["it was refused"]);
        check("keys", "done", None, &["who can open the vault has changed"]);
    }

    #[test]
    fn what_is_broken_is_told_once_until_it_is_broken_anew() {
        let mut memory = Memory::default();
        let mut check = |findings: Vec<AuditFinding>, expected: usize| {
            let report = AuditReport { records: Vec::new(), findings };
            let told = judge(false).judge(&report, &mut memory);
            assert_eq!(told.len(), expected, "{told:?}");
        };
        let cut = |last| AuditFinding::Truncated { writer: WANG, last, seen: 9, by: "the anchor".into() };
        let gap = || AuditFinding::Gap { writer: WANG, from: 3, to: 4 };
        check(vec![cut(5)], 1);
        check(vec![cut(5)], 0);
        check(vec![cut(6), gap()], 1);
        check(vec![cut(7), gap()], 0);
        check(Vec::new(), 0);
        check(vec![gap()], 1);
    }

    #[test]
    fn whoever_reads_the_record_for_the_first_time_learns_from_it_and_tells_nothing() {
        let mut memory = Memory::default();
        check(vec![record(WANG, NOON, "restore", "begun", 1000)], true, &mut memory, &[]);
        check(vec![record(WANG, NOON, "restore", "begun", 1000)], false, &mut memory, &[]);
    }

    #[test]
    fn whoever_learns_tells_what_was_refused_or_broken_lately_and_nobody_has_been_told_of() {
        let check = |time: &str, what: &str, result: &str, alerts: Vec<AuditRecord>, expected: &[&str]| {
            let records = [vec![record(WANG, time, what, result, 0)], alerts].concat();
            check(records, true, &mut Memory::default(), expected);
        };
        let (glass, refused) = ("the glass was broken: nobody else approved it", "it was refused");
        check(NOON, "break-glass", "begun", vec![], &[glass]);
        check(NOON, "restore", "refused", vec![], &[refused]);
        check("2026-11-16T03:00:00Z", "restore", "refused", vec![], &[refused]);
        check("2026-11-15T03:00:00Z", "restore", "refused", vec![], &[]);
        check("no time", "restore", "refused", vec![], &[refused]);
        check(NOON, "keys", "done", vec![], &[]);
        check(NOON, "break-glass", "begun", vec![alert(OTHER, "done", 1)], &[]);
        check(NOON, "break-glass", "begun", vec![alert(OWN, "done", 1)], &[]);
        check(NOON, "break-glass", "begun", vec![alert(OTHER, "done", 2)], &[glass]);
        check(NOON, "break-glass", "begun", vec![alert(OTHER, "begun", 1)], &[glass]);
        let forged = AuditRecord { by_person: true, ..alert(WANG, "done", 1) };
        check(NOON, "break-glass", "begun", vec![forged], &[glass]);
    }

    #[test]
    fn what_this_agent_told_and_forgot_is_not_told_again_and_another_agents_alert_does_not_keep_it_silent() {
        let glass = || record(WANG, NOON, "break-glass", "begun", 0);
        let broken = "the glass was broken: nobody else approved it";
        check(vec![glass(), alert(OWN, "done", 1)], false, &mut Memory::default(), &[]);
        check(vec![glass(), alert(OTHER, "done", 1)], false, &mut Memory::default(), &[broken]);
    }
}
