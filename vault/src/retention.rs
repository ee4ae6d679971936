//! Which snapshots stay, and why: a pure function of what the vault has, a policy and the time.
//!
//! A snapshot has two times: the one it claims, by the clock of its agent, and the one at which the store
//! saw it. They differ when a clock was wrong, when a vault was copied, or when somebody lies. Snapshots
//! whose times do not fit are judged among themselves, so that none of them can take the place of a good
//! one; and nothing goes that is younger than the policy's least age by either time.

use std::collections::HashSet;

use jiff::civil::{Date, ISOWeekDate};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::agreed::AgreedKeep;
use crate::notes::Notes;
use crate::read::Snapshot;
use crate::{Error, SnapshotId};

mod reason;

pub use reason::Reason;

/// A run may have begun this long before the store saw its manifest.
const RUN_BEFORE_SEEN: SignedDuration = SignedDuration::from_hours(72);

/// A good clock may be ahead of the store's by this much.
const AHEAD_OF_SEEN: SignedDuration = SignedDuration::from_mins(15);

/// How many snapshots of a source stay; what is left out is none. So it stands in a note, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keep {
    /// The newest ones.
    pub last: u32,
    /// The newest of each of so many days that have one.
    pub daily: u32,
    /// The same for weeks, from Monday.
    pub weekly: u32,
    /// The same for months.
    pub monthly: u32,
    /// The same for years.
    pub yearly: u32,
    /// Those that were given one of these words.
    pub tags: Vec<String>,
    /// Nothing goes that is younger than so many days.
    pub min_days: u32,
}

/// Whether a snapshot's claimed time fits the time at which the store saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dating {
    /// It does.
    Straight,
    /// The store saw it long after the time it claims: copied, or forged.
    Late,
    /// It claims a time after the store saw it, or none that can be read: a wrong clock, or forged.
    Ahead,
}

/// A snapshot as retention sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: SnapshotId,
    /// Its number in its source.
    pub number: u64,
    /// The time it claims, if that is one.
    pub claimed: Option<Timestamp>,
    /// When the store saw it.
    pub seen: Timestamp,
    /// Words it was given.
    pub tags: Vec<String>,
    /// What is flagged about it and was not accepted.
    pub flags: Vec<String>,
    /// Who holds it and why, in words.
    pub holds: Vec<String>,
}

/// What becomes of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The snapshot.
    pub snapshot: Candidate,
    /// Whether its times fit.
    pub dating: Dating,
    /// Why it stays; it goes when there is no reason.
    pub keep: Vec<Reason>,
}

/// What becomes of a source's snapshots, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionPlan {
    /// The source.
    pub source: String,
    /// One for each of its snapshots.
    pub verdicts: Vec<Verdict>,
    /// Why nothing goes, although some of it might; empty when nothing is held back.
    pub held_back: Vec<String>,
    /// Rules that were agreed on and keep more than the one that this was judged by: they keep it still.
    pub shortened: Vec<AgreedKeep>,
}

impl Candidate {
    /// Puts together what a manifest and the notes say.
    pub fn new(snapshot: &Snapshot, notes: &Notes) -> Self {
        let manifest = &snapshot.manifest;
        let flags = if notes.is_flagged(snapshot) { manifest.flags.clone() } else { Vec::new() };
        let holds = notes.holds_on(snapshot.id).map(|hold| format!("{} (by {})", hold.reason, hold.by));
        Self {
            id: snapshot.id,
            number: manifest.number,
            claimed: manifest.time.parse().ok(),
            seen: snapshot.seen,
            tags: manifest.tags.clone(),
            flags,
            holds: holds.collect(),
        }
    }

    fn dating(&self) -> Dating {
        match self.claimed {
            None => Dating::Ahead,
            Some(claimed) if claimed.duration_since(self.seen) > AHEAD_OF_SEEN => Dating::Ahead,
            Some(claimed) if self.seen.duration_since(claimed) > RUN_BEFORE_SEEN => Dating::Late,
            Some(_) => Dating::Straight,
        }
    }

    /// The time it is judged by: the one it claims, unless that is after the store saw it.
    pub fn judged(&self) -> Timestamp {
        match (self.claimed, self.dating()) {
            (Some(claimed), Dating::Straight | Dating::Late) => claimed,
            _ => self.seen,
        }
    }

    /// The younger of its two times, which is what least ages go by.
    fn youngest(&self) -> Timestamp {
        self.judged().max(self.seen)
    }
}

impl Verdict {
    /// Whether it goes.
    pub fn goes(&self) -> bool {
        self.keep.is_empty()
    }

    /// Whether a rule keeps it, or somebody, and not its lock alone.
    pub fn is_kept(&self) -> bool {
        self.keep.iter().any(|reason| !matches!(reason, Reason::Locked { .. }))
    }
}

impl RetentionPlan {
    /// Those that go, the oldest first.
    pub fn going(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().rev().filter(|verdict| verdict.goes())
    }
}

/// Judges the snapshots of one source. Without a policy everything stays; `damage` is what could not be
/// read among the notes: a hold may be among it. Days, weeks and months are those of `zone`.
pub fn judge(
    source: &str,
    candidates: Vec<Candidate>,
    keep: Option<&Keep>,
    damage: &[Error],
    zone: &TimeZone,
    now: Timestamp,
) -> RetentionPlan {
    let verdict = |snapshot: Candidate| Verdict { dating: snapshot.dating(), snapshot, keep: Vec::new() };
    let mut verdicts: Vec<_> = candidates.into_iter().map(verdict).collect();
    verdicts.sort_by_key(|verdict| {
        let snapshot = &verdict.snapshot;
        std::cmp::Reverse((snapshot.judged(), snapshot.number, snapshot.id))
    });
    floor(&mut verdicts);
    match keep {
        Some(keep) => {
            for dating in [Dating::Straight, Dating::Late, Dating::Ahead] {
                apply(keep, dating, &mut verdicts, zone);
            }
            verdicts.iter_mut().for_each(|verdict| stay_anyway(keep, verdict, now));
        }
        None => verdicts.iter_mut().for_each(|verdict| verdict.keep.push(Reason::NoPolicy)),
    }
    let held_back = held_back(&verdicts, damage);
    if !held_back.is_empty() {
        let going = verdicts.iter_mut().filter(|verdict| verdict.goes());
        going.for_each(|verdict| verdict.keep.push(Reason::HeldBack));
    }
    RetentionPlan { source: source.to_owned(), verdicts, held_back, shortened: Vec::new() }
}

/// Judges by a policy and by rules that were agreed on and keep more: a snapshot goes when none of them keeps it.
pub(crate) fn judge_as_agreed(
    source: &str,
    candidates: Vec<Candidate>,
    keep: Option<&Keep>,
    shortened: Vec<AgreedKeep>,
    damage: &[Error],
    (zone, now): (&TimeZone, Timestamp),
) -> RetentionPlan {
    let by_agreed: Vec<_> = shortened
        .iter()
        .map(|agreed| judge(source, candidates.clone(), Some(&agreed.keep), damage, zone, now))
        .collect();
    let mut plan = judge(source, candidates, keep, damage, zone, now);
    for (agreed, judged) in shortened.iter().zip(&by_agreed) {
        let kept = judged.verdicts.iter().filter(|verdict| !verdict.goes());
        let kept: HashSet<_> = kept.map(|verdict| verdict.snapshot.id).collect();
        let going = plan.verdicts.iter_mut().filter(|verdict| verdict.goes());
        for verdict in going.filter(|verdict| kept.contains(&verdict.snapshot.id)) {
            verdict.keep.push(Reason::Agreed(agreed.keep.to_string()));
        }
    }
    RetentionPlan { shortened, ..plan }
}

/// Judges snapshots that people have named, whatever any policy says of them: what is held stays, and nothing
/// goes while a note cannot be read, which may be a hold.
pub(crate) fn judge_by_hand(source: &str, candidates: Vec<Candidate>, damage: &[Error]) -> RetentionPlan {
    let verdict = |snapshot: Candidate| {
        let keep = snapshot.holds.iter().cloned().map(Reason::Hold).collect();
        Verdict { dating: snapshot.dating(), keep, snapshot }
    };
    let mut verdicts: Vec<_> = candidates.into_iter().map(verdict).collect();
    let held_back: Vec<_> = damage.iter().map(unread).collect();
    if !held_back.is_empty() {
        verdicts.iter_mut().for_each(|verdict| verdict.keep.push(Reason::HeldBack));
    }
    RetentionPlan { source: source.to_owned(), verdicts, held_back, shortened: Vec::new() }
}

fn unread(error: &Error) -> String {
    format!("a note cannot be read, and may be a hold: {error}")
}

/// The newest good one stays whatever the policy: its times fit and nothing is flagged about it. So does
/// the one of the highest number, which the next one names.
fn floor(verdicts: &mut [Verdict]) {
    let good =
        |verdict: &&mut Verdict| verdict.dating == Dating::Straight && verdict.snapshot.flags.is_empty();
    if let Some(newest) = verdicts.iter_mut().find(good) {
        newest.keep.push(Reason::NewestGood);
    }
    let highest = verdicts.iter_mut().max_by_key(|verdict| verdict.snapshot.number);
    if let Some(highest) = highest.filter(|verdict| verdict.keep.is_empty()) {
        highest.keep.push(Reason::Newest);
    }
}

/// Applies the counting rules among those of one dating.
fn apply(keep: &Keep, dating: Dating, verdicts: &mut [Verdict], zone: &TimeZone) {
    let date = |verdict: &Verdict| zone.to_datetime(verdict.snapshot.judged()).date();
    let mut own: Vec<_> = verdicts.iter_mut().filter(|verdict| verdict.dating == dating).collect();
    for (at, verdict) in (1..).zip(own.iter_mut()).take(keep.last as usize) {
        verdict.keep.push(Reason::Last { place: at, of: keep.last });
    }
    type Period = fn(Date) -> String;
    let rules: [(&'static str, u32, Period); 4] = [
        ("daily", keep.daily, |date| date.to_string()),
        ("weekly", keep.weekly, |date| week(date.iso_week_date())),
        ("monthly", keep.monthly, |date| format!("{:04}-{:02}", date.year(), date.month())),
        ("yearly", keep.yearly, |date| format!("{:04}", date.year())),
    ];
    for (rule, of, period) in rules {
        let (mut place, mut last) = (0, None);
        for verdict in &mut own {
            let period = period(date(verdict));
            if last.as_ref() == Some(&period) {
                continue;
            }
            if place == of {
                break;
            }
            place += 1;
            verdict.keep.push(Reason::Period { rule, period: period.clone(), place, of });
            last = Some(period);
        }
    }
}

fn week(date: ISOWeekDate) -> String {
    format!("{}-W{:02}", date.year(), date.week())
}

/// What keeps a snapshot whatever others there are.
fn stay_anyway(keep: &Keep, verdict: &mut Verdict, now: Timestamp) {
    let snapshot = &verdict.snapshot;
    let tags = snapshot.tags.iter().filter(|tag| keep.tags.contains(tag));
    let mut reasons: Vec<_> = tags.map(|tag| Reason::Tag(tag.clone())).collect();
    reasons.extend(snapshot.holds.iter().cloned().map(Reason::Hold));
    let least = SignedDuration::from_hours(24 * i64::from(keep.min_days));
    if now.duration_since(snapshot.youngest()) < least {
        reasons.push(Reason::Young { days: keep.min_days });
    }
    verdict.keep.extend(reasons);
}

fn held_back(verdicts: &[Verdict], damage: &[Error]) -> Vec<String> {
    let flagged = verdicts.iter().filter(|verdict| !verdict.snapshot.flags.is_empty());
    let flagged = flagged.map(|verdict| {
        let Candidate { id, flags, .. } = &verdict.snapshot;
        format!("snapshot {} is flagged and nobody has accepted it: {}", id.short(), flags.join("; "))
    });
    flagged.chain(damage.iter().map(unread)).collect()
}

#[cfg(test)]
mod tests;
