//! Reading the record back, and everything about it that does not fit.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use jiff::Timestamp;

use super::{Anchor, hash};
use crate::format::audit::AuditEntry;
use crate::format::envelope::Signer;
use crate::format::names;
use crate::{AgentId, Error, Result, Vault, pack};

/// Entries read at once.
const READS_AT_ONCE: usize = 16;

/// An entry that its writer's signature vouches for.
#[derive(Debug, Clone)]
pub struct AuditRecord {
    /// Whose chain it is in.
    pub writer: AgentId,
    /// Whether that is a person, and not an agent.
    pub by_person: bool,
    /// What the writer is called.
    pub name: String,
    /// BLAKE3 of the object.
    pub hash: String,
    /// What it says.
    pub entry: AuditEntry,
}

/// Something about the record that does not fit. `Display` says what.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuditFinding {
    /// An entry that cannot be read or believed.
    Damaged {
        /// Whose chain.
        writer: AgentId,
        /// Which entry.
        sequence: u64,
        /// Why.
        error: Error,
    },
    /// Entries are missing in the middle of a chain, or before its first.
    Gap {
        /// Whose chain.
        writer: AgentId,
        /// The first that is missing.
        from: u64,
        /// The last that is.
        to: u64,
    },
    /// An entry names another before it than the one that is there.
    Fork {
        /// Whose chain.
        writer: AgentId,
        /// The entry that names it.
        sequence: u64,
    },
    /// Somebody saw a later end of a chain than there is now.
    Truncated {
        /// Whose chain.
        writer: AgentId,
        /// Its end now.
        last: u64,
        /// The end that was seen.
        seen: u64,
        /// Who saw it: a writer, or an anchor.
        by: String,
    },
    /// Somebody saw another entry of that number than the one that is there now.
    Replaced {
        /// Whose chain.
        writer: AgentId,
        /// Which entry.
        sequence: u64,
        /// Who saw it.
        by: String,
    },
    /// A person's key wrote after they were retired.
    AfterRetirement {
        /// What they were called.
        name: String,
        /// Which entry of theirs.
        sequence: u64,
    },
}

impl std::fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damaged { error, .. } => error.fmt(f),
            Self::Gap { writer, from, to } if from == to => {
                write!(f, "entry {from} of {} is missing", writer.short())
            }
            Self::Gap { writer, from, to } => {
                write!(f, "entries {from} to {to} of {} are missing", writer.short())
            }
            Self::Fork { writer, sequence } => write!(
                f,
                "entry {sequence} of {} names another before it than the one that is there: one was replaced",
                writer.short()
            ),
            Self::Truncated { writer, last, seen, by } => write!(
                f,
                "the record of {} ends at {last}, and {by} saw entry {seen} of it: its end was removed",
                writer.short()
            ),
            Self::Replaced { writer, sequence, by } => {
                write!(f, "entry {sequence} of {} is another than {by} saw", writer.short())
            }
            Self::AfterRetirement { name, sequence } => {
                write!(f, "entry {sequence} of {name} was written after they were retired")
            }
        }
    }
}

/// The whole record.
#[derive(Debug, Default)]
pub struct AuditReport {
    /// Every entry that can be believed, oldest first by their writers' clocks.
    pub records: Vec<AuditRecord>,
    /// What does not fit.
    pub findings: Vec<AuditFinding>,
}

impl AuditReport {
    /// The ends of all chains, to be kept elsewhere.
    pub fn anchor(&self, vault: &Vault) -> Anchor {
        self.anchor_after(&Anchor { vault: vault.id(), ends: BTreeMap::new() })
    }

    /// The same, of a record that was read from `before` on.
    pub fn anchor_after(&self, before: &Anchor) -> Anchor {
        let mut ends = before.ends.clone();
        for (writer, chain) in chains(&self.records, &BTreeMap::new()) {
            ends.extend(
                chain.last_key_value().map(|(sequence, hash)| (writer, (*sequence, (*hash).to_owned()))),
            );
        }
        Anchor { vault: before.vault, ends }
    }

    /// Compares the whole record with ends that were kept elsewhere, and adds what does not fit.
    ///
    /// # Errors
    /// `Untrusted` when the anchor is of another vault.
    pub fn compare(&mut self, vault: &Vault, anchor: &Anchor) -> Result<()> {
        if anchor.vault != vault.id() {
            return Err(Error::untrusted("the anchor", "it is another vault's"));
        }
        let found = missed(&chains(&self.records, &BTreeMap::new()), &anchor.ends, "the anchor");
        let found: Vec<_> = found.into_iter().filter(|finding| !is_told(finding, &self.findings)).collect();
        self.findings.extend(found);
        Ok(())
    }
}

/// The last entry of each writer: its sequence and hash.
type Ends = BTreeMap<AgentId, (u64, String)>;

/// The hashes of the entries of each writer, by sequence.
type Chains<'a> = BTreeMap<AgentId, BTreeMap<u64, &'a str>>;

/// What was read, and what was known before.
fn chains<'a>(records: &'a [AuditRecord], before: &'a Ends) -> Chains<'a> {
    let mut chains = Chains::new();
    for (writer, (sequence, hash)) in before {
        chains.entry(*writer).or_default().insert(*sequence, hash);
    }
    for record in records {
        chains.entry(record.writer).or_default().insert(record.entry.sequence, &record.hash);
    }
    chains
}

/// Whether a gap is part of what is told already, as a longer gap or as damage.
fn is_told(finding: &AuditFinding, told: &[AuditFinding]) -> bool {
    let AuditFinding::Gap { writer: of, from: first, to: last } = finding else { return false };
    told.iter().any(|told| match told {
        AuditFinding::Gap { writer, from, to } => writer == of && from <= first && last <= to,
        AuditFinding::Damaged { writer, sequence, .. } => {
            writer == of && first == sequence && last == sequence
        }
        _ => false,
    })
}

/// What of these ends is not there any more.
fn missed(chains: &Chains<'_>, ends: &Ends, by: &str) -> Vec<AuditFinding> {
    let mut found = Vec::new();
    for (writer, (sequence, hash)) in ends {
        let (writer, seen, by) = (*writer, *sequence, by.to_owned());
        let chain = chains.get(&writer);
        let last = chain.and_then(|chain| chain.last_key_value()).map_or(0, |(last, _)| *last);
        match chain.and_then(|chain| chain.get(&seen)) {
            Some(there) if there == hash => {}
            Some(_) => found.push(AuditFinding::Replaced { writer, sequence: seen, by }),
            None if last < seen => found.push(AuditFinding::Truncated { writer, last, seen, by }),
            // Its writer may have passed over the number since, as though there had been no entry.
            None => found.push(AuditFinding::Gap { writer, from: seen, to: seen }),
        }
    }
    found
}

/// Reads every entry and proves every chain.
///
/// # Errors
/// A store that does not answer; damage of the keyring's list of people.
pub async fn read_audit(vault: &Vault) -> Result<AuditReport> {
    read_audit_after(vault, &Anchor { vault: vault.id(), ends: BTreeMap::new() }).await
}

/// Reads the entries after those that an anchor names, and proves every chain from there on.
///
/// # Errors
/// As [`read_audit`].
pub async fn read_audit_after(vault: &Vault, anchor: &Anchor) -> Result<AuditReport> {
    let listed = vault.store().list(names::AUDIT).await?;
    let known = |writer: &AgentId| anchor.ends.get(writer).map_or(0, |(sequence, _)| *sequence);
    let entries: Vec<_> = listed.iter().filter_map(|object| names::audit_entry(&object.name)).collect();
    let ends = ends_there(vault, anchor, &entries).await?;
    let entries = entries.into_iter().filter(|(writer, sequence)| *sequence > known(writer));
    let reads = entries.map(|(writer, sequence)| async move { read_entry(vault, writer, sequence).await });
    let mut reads = futures::stream::iter(reads).buffer_unordered(READS_AT_ONCE);
    let mut report = AuditReport::default();
    let mut unread: BTreeMap<AgentId, BTreeSet<u64>> = BTreeMap::new();
    while let Some((writer, sequence, read)) = reads.next().await {
        match read {
            Ok(record) => report.records.push(record),
            Err(error) if error.is_damage() => {
                report.findings.push(AuditFinding::Damaged { writer, sequence, error });
                unread.entry(writer).or_default().insert(sequence);
            }
            Err(error) => return Err(error),
        }
    }
    let order = |record: &AuditRecord| {
        (record.entry.time.parse::<Timestamp>().ok(), record.writer, record.entry.sequence)
    };
    report.records.sort_by_key(order);
    let mut found = ends;
    found.extend(prove_chains(&report.records, &unread, &anchor.ends));
    let chains = chains(&report.records, &anchor.ends);
    for record in &report.records {
        let by = format!("entry {} of {}", record.entry.sequence, record.name);
        let mut ends = record.entry.seen.clone();
        ends.retain(|writer, (sequence, _)| *sequence >= known(writer));
        for finding in missed(&chains, &ends, &by) {
            if !is_told(&finding, &report.findings) && !is_told(&finding, &found) {
                found.push(finding);
            }
        }
    }
    found.extend(after_retirement(vault, &report.records)?);
    report.findings.extend(without_repetition(found));
    Ok(report)
}

/// Whether the entries that an anchor names are there still, as they were.
async fn ends_there(vault: &Vault, anchor: &Anchor, listed: &[(AgentId, u64)]) -> Result<Vec<AuditFinding>> {
    let mut found = Vec::new();
    for (writer, (seen, expected)) in &anchor.ends {
        let (writer, seen, by) = (*writer, *seen, "whoever remembers it".to_owned());
        let last = listed.iter().filter(|(other, _)| *other == writer).map(|(_, last)| *last).max();
        match vault.store().get(&names::audit(writer, seen)).await {
            Ok(object) if hash(&object) == *expected => {}
            Ok(_) => found.push(AuditFinding::Replaced { writer, sequence: seen, by }),
            Err(Error::Missing { .. }) if last.is_some_and(|last| last > seen) => {
                found.push(AuditFinding::Gap { writer, from: seen, to: seen });
            }
            Err(Error::Missing { .. }) => {
                found.push(AuditFinding::Truncated { writer, last: last.unwrap_or(0), seen, by });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn read_entry(vault: &Vault, writer: AgentId, sequence: u64) -> (AgentId, u64, Result<AuditRecord>) {
    (writer, sequence, entry(vault, writer, sequence).await)
}

/// Reads one entry and proves that its writer signed it.
pub(super) async fn entry(vault: &Vault, writer: AgentId, sequence: u64) -> Result<AuditRecord> {
    let name = names::audit(writer, sequence);
    let object = vault.store().get(&name).await?;
    let (signer, compressed) = vault.open_audit(&name, &object)?;
    let json = pack::decompress_text(&name, &compressed)?;
    let entry: AuditEntry = serde_json::from_str(&json).map_err(|error| Error::damaged(&name, error))?;
    let (id, by_person) = match signer {
        Signer::Agent(id) => (id, false),
        Signer::Person(id) => (id, true),
        Signer::Root => return Err(Error::untrusted(name, "the root keeps no record")),
    };
    if id != writer || entry.sequence != sequence {
        return Err(Error::untrusted(name, "it is another entry under this name"));
    }
    let called = if by_person { vault.person_name(id) } else { vault.agent_name(id).map(str::to_owned) };
    Ok(AuditRecord {
        writer,
        by_person,
        name: called.unwrap_or_else(|| id.short()),
        hash: hash(&object),
        entry,
    })
}

/// Gaps and forks, from the ends on that were known before. What cannot be read is told as damage, not as a
/// gap; what follows it is not a fork.
fn prove_chains(
    records: &[AuditRecord],
    unread: &BTreeMap<AgentId, BTreeSet<u64>>,
    known: &Ends,
) -> Vec<AuditFinding> {
    let mut by_writer: BTreeMap<AgentId, BTreeMap<u64, &AuditRecord>> = BTreeMap::new();
    for record in records {
        by_writer.entry(record.writer).or_default().insert(record.entry.sequence, record);
    }
    let (mut found, nothing) = (Vec::new(), BTreeSet::new());
    for (writer, chain) in by_writer {
        let unread = unread.get(&writer).unwrap_or(&nothing);
        let (mut last, mut before) = match known.get(&writer) {
            Some((sequence, hash)) => (*sequence, Some(hash)),
            None => (0, None),
        };
        for (sequence, record) in chain {
            match missing(last, sequence, unread) {
                // Its writer passed over numbers at which there was no entry of this chain.
                _ if record.entry.previous.as_ref() == before => {}
                Some((from, to)) => found.push(AuditFinding::Gap { writer, from, to }),
                None if sequence - last == 1 => found.push(AuditFinding::Fork { writer, sequence }),
                None => {}
            }
            (before, last) = (Some(&record.hash), sequence);
        }
    }
    found
}

/// The first and the last number between two entries of which nothing is there. Whoever signs may choose any
/// number, so they are not counted through.
fn missing(last: u64, sequence: u64, unread: &BTreeSet<u64>) -> Option<(u64, u64)> {
    let (mut from, mut to) = (last.checked_add(1)?, sequence.checked_sub(1)?);
    while from <= to && unread.contains(&from) {
        from += 1;
    }
    while from <= to && unread.contains(&to) {
        to -= 1;
    }
    (from <= to).then_some((from, to))
}

/// Entries of people whose access had ended by then, as far as their own clock says.
fn after_retirement(vault: &Vault, records: &[AuditRecord]) -> Result<Vec<AuditFinding>> {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let mut found = Vec::new();
    for person in vault.people()? {
        let Some((id, retired)) = person.id().zip(person.retired.as_deref().and_then(time)) else { continue };
        let late = records.iter().filter(|record| record.writer == id);
        let late = late.filter(|record| time(&record.entry.time).is_none_or(|time| time > retired));
        found.extend(late.map(|record| AuditFinding::AfterRetirement {
            name: person.name.clone(),
            sequence: record.entry.sequence,
        }));
    }
    Ok(found)
}

/// Many entries saw the same end that is gone: it is told once, for the latest end.
fn without_repetition(found: Vec<AuditFinding>) -> Vec<AuditFinding> {
    let mut kept: Vec<AuditFinding> = Vec::new();
    for finding in found {
        let same = |other: &&mut AuditFinding| match (&finding, &**other) {
            (AuditFinding::Truncated { writer: a, .. }, AuditFinding::Truncated { writer: b, .. }) => a == b,
            (
                AuditFinding::Replaced { writer: a, sequence: m, .. },
                AuditFinding::Replaced { writer: b, sequence: n, .. },
            ) => (a, m) == (b, n),
            _ => false,
        };
        match kept.iter_mut().find(same) {
            None => kept.push(finding),
            Some(other) => {
                if let (AuditFinding::Truncated { seen: new, .. }, AuditFinding::Truncated { seen: old, .. }) =
                    (&finding, &*other)
                    && new > old
                {
                    *other = finding;
                }
            }
        }
    }
    kept
}
