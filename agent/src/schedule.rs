//! What to do now: pure logic over schedules, what is remembered of each job, and a clock that is passed in.
//!
//! A slot is a time at which a job is due. At most one slot of a job is open: it waits, or a run serves it.
//! When a newer one comes due while it waits, the older is settled, so that slots never pile up and a
//! machine that was off catches up once. Every slot that came due is settled with an [`Outcome`].
//!
//! The clock may jump. Forward is the same as having been off. After it was set back, a slot that a run has
//! served under the wrong time counts as served when that run was nearer to it than to any other slot, by
//! half the way to the slot before; else it comes again. So no slot is lost and none is served twice.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lifeboat_config::{Config, Schedule, Slot};

use crate::job::{Job, Task};

/// The wait before the first retry; each next one waits four times as long.
const BACKOFF: Duration = Duration::from_secs(60);

/// No retry waits longer: a store that was away for hours is noticed soon after it is back.
const BACKOFF_MAX: Duration = Duration::from_secs(60 * 60);

/// Missed slots of one job that are settled one by one at one look; of more, the newest are.
const MISSED_MAX: usize = 1_000;

/// Slots that one look goes through before it skips to the last day.
const SLOTS_MAX: usize = 100_000;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What is configured of schedules.
#[derive(Debug, Clone)]
pub struct Rules {
    jobs: BTreeMap<Job, Vec<Schedule>>,
    zone: TimeZone,
    jitter: Duration,
    retries: u32,
    at_once: usize,
    /// Makes the delays of two hosts differ.
    host: String,
}

/// What is remembered of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The slots up to here are settled or open.
    pub seen_until: Timestamp,
    /// The newest slot that was opened.
    pub last: Option<Timestamp>,
    /// The slot that waits or is being served.
    pub open: Option<Open>,
}

/// A slot that waits or is being served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// When it came due.
    pub slot: Timestamp,
    /// Runs begun for it.
    pub attempts: u32,
    /// Its next run begins no earlier.
    pub not_before: Timestamp,
    /// Whether a run is under way.
    pub running: bool,
}

/// What became of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A run did what it was for.
    Ran,
    /// Every run for it failed.
    Failed,
    /// A run did a part and said so.
    Partial,
    /// No run was begun: the agent was off, or another run took until the next slot.
    Missed,
    /// A run was kept and flagged, and waits for a person.
    Held,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its slot is settled with this.
    Settled(Outcome),
    /// It failed in a way that may pass.
    Failed,
    /// The agent stops and has ended it: the slot stays open.
    Stopped,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Begin a run.
    Start {
        /// Of this.
        job: Job,
        /// For this slot.
        slot: Timestamp,
        /// From 1.
        attempt: u32,
    },
    /// Write down what became of a slot.
    Settle {
        /// Whose.
        job: Job,
        /// Which.
        slot: Timestamp,
        /// What.
        outcome: Outcome,
    },
}

/// Every job and its place.
pub struct Scheduler {
    rules: Rules,
    places: BTreeMap<Job, Place>,
}

impl Rules {
    /// As configured.
    pub fn of(config: &Config) -> Self {
        let backups =
            config.sources.iter().map(|source| (Job::backup(&source.name), source.schedule.clone()));
        let (of, agent) = (&config.maintenance, &config.agent);
        let maintenance = [
            (Task::Verify, &of.verify),
            (Task::Expire, &of.expire),
            (Task::Prune, &of.prune),
            (Task::Copy, &of.copy),
        ];
        let maintenance = maintenance.map(|(task, schedules)| (Job::of_vault(task), schedules.clone()));
        let copies = config.vault.copies.iter().flat_map(|copy| {
            let of_copy =
                |task, schedules: &Vec<_>| (Job::of_copy(task, Some(&copy.name)), schedules.clone());
            [of_copy(Task::Expire, &copy.expire), of_copy(Task::Prune, &copy.prune)]
        });
        let all = backups.chain(maintenance).chain(copies);
        Self {
            jobs: all.filter(|(_, schedules)| !schedules.is_empty()).collect(),
            zone: agent.zone(),
            jitter: agent.jitter,
            retries: agent.retries,
            at_once: agent.jobs,
            host: agent.name.clone(),
        }
    }

    /// Everything that has a schedule.
    pub fn jobs(&self) -> impl Iterator<Item = (&Job, &[Schedule])> {
        self.jobs.iter().map(|(job, schedules)| (job, &schedules[..]))
    }

    /// The clock that the schedules mean.
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The first slot of a job after an instant, and the schedule that it comes from.
    pub fn next_after(&self, job: &Job, after: Timestamp) -> Option<(Slot, &Schedule)> {
        let schedules = self.jobs.get(job)?.iter();
        let next = schedules.filter_map(|schedule| Some((schedule.next_after(after, &self.zone)?, schedule)));
        next.min_by_key(|(slot, _)| slot.at)
    }

    /// When a job's next run begins, as far as is known from its place.
    pub fn next_run(&self, job: &Job, place: Option<&Place>, now: Timestamp) -> Option<Timestamp> {
        let waiting = place.and_then(|place| place.open.as_ref()).filter(|open| !open.running);
        if let Some(open) = waiting {
            return Some(open.not_before.max(now));
        }
        let (slot, _) = self.next_after(job, place.map_or(now, |place| place.seen_until.max(now)))?;
        Some(later(slot.at, self.delay(job, slot.at)))
    }

    /// The longest time between two slots of a job in what comes after an instant.
    pub fn longest_gap(&self, job: &Job, after: Timestamp) -> Option<SignedDuration> {
        const SLOTS: usize = 40;
        let next = |at| self.next_after(job, at).map(|(slot, _)| slot.at);
        let slots: Vec<_> = std::iter::successors(next(after), |slot| next(*slot)).take(SLOTS).collect();
        slots.windows(2).map(|pair| pair[1].duration_since(pair[0])).max()
    }

    /// Slots after `seen_until` up to `now`: the newest of them, and those before it.
    fn due(&self, job: &Job, seen_until: Timestamp, now: Timestamp) -> VecDeque<Timestamp> {
        let mut due = VecDeque::new();
        let (mut at, mut count) = (seen_until, 0);
        while let Some((slot, _)) = self.next_after(job, at).filter(|(slot, _)| slot.at <= now) {
            due.push_back(slot.at);
            if due.len() > MISSED_MAX {
                due.pop_front();
            }
            count += 1;
            at = if count == SLOTS_MAX { slot.at.max(earlier(now, DAY)) } else { slot.at };
        }
        due
    }

    /// The run of a slot is delayed by chance, but the same after every restart, and by no more than half the
    /// way to the next slot.
    fn delay(&self, job: &Job, slot: Timestamp) -> SignedDuration {
        let next = self.next_after(job, slot).map(|(next, _)| next.at.duration_since(slot));
        let half = next.map_or(self.jitter, |gap| gap.unsigned_abs() / 2);
        let longest_ms = self.jitter.min(half).as_millis() as u64;
        let mut hasher = DefaultHasher::new();
        (&self.host, job, slot.as_millisecond()).hash(&mut hasher);
        SignedDuration::from_millis((hasher.finish() % (longest_ms + 1)) as i64)
    }

    /// Whether a run now that served this later slot was nearer to it than to the one before.
    fn is_nearest(&self, job: &Job, now: Timestamp, slot: Timestamp) -> bool {
        let ahead = slot.duration_since(now);
        // The slot before is the last one that lies at least as far back as this one lies ahead, if any does.
        let back = earlier(now, ahead);
        self.next_after(job, back).is_none_or(|(first, _)| first.at >= slot)
    }
}

impl Place {
    /// A job that is seen for the first time: what was due before is not its business.
    pub const fn new(now: Timestamp) -> Self {
        Self { seen_until: now, last: None, open: None }
    }
}

impl Scheduler {
    /// Every configured job, at the place where it was left. A run that was under way has been killed
    /// together with the agent.
    pub fn new(rules: Rules, mut places: BTreeMap<Job, Place>, now: Timestamp) -> Self {
        places.retain(|job, _| rules.jobs.contains_key(job));
        for open in places.values_mut().filter_map(|place| place.open.as_mut()) {
            open.running = false;
            open.not_before = open.not_before.min(now);
        }
        for job in rules.jobs.keys() {
            places.entry(job.clone()).or_insert_with(|| Place::new(now));
        }
        Self { rules, places }
    }

    /// The rules in force.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Every job's place.
    pub const fn places(&self) -> &BTreeMap<Job, Place> {
        &self.places
    }

    /// Puts other rules in force. A run of a job that is no longer configured may end; a slot of it that
    /// waits is settled.
    pub fn reconfigure(&mut self, rules: Rules, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        self.places.retain(|job, place| {
            let open = place.open.as_ref();
            if rules.jobs.contains_key(job) || open.is_some_and(|open| open.running) {
                return true;
            }
            actions.extend(open.map(|open| settle(job, open, unserved(open))));
            false
        });
        for job in rules.jobs.keys() {
            self.places.entry(job.clone()).or_insert_with(|| Place::new(now));
        }
        self.rules = rules;
        actions
    }

    /// Tells until when a job is known to have been served, from a source other than its own memory, which
    /// was lost. Slots after that are caught up.
    pub fn recall(&mut self, job: &Job, served_until: Timestamp) {
        if let Some(place) = self.places.get_mut(job).filter(|place| place.last.is_none()) {
            place.seen_until = place.seen_until.min(served_until);
        }
    }

    /// Looks at the clock: settles, opens and starts what is due.
    pub fn look(&mut self, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        for (job, place) in &mut self.places {
            look_at(&self.rules, job, place, now, &mut actions);
        }
        self.start(now, &mut actions);
        actions
    }

    fn start(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let is_running = |place: &&mut Place| place.open.as_ref().is_some_and(|open| open.running);
        let running = self.places.values_mut().filter(is_running).count();
        let waiting = self.places.iter_mut().filter_map(|(job, place)| Some((job, place.open.as_mut()?)));
        let mut ready: Vec<_> = waiting.filter(|(_, open)| !open.running && open.not_before <= now).collect();
        ready.sort_by_key(|(_, open)| open.not_before);
        for (job, open) in ready.into_iter().take(self.rules.at_once.saturating_sub(running)) {
            open.attempts += 1;
            open.running = true;
            actions.push(Action::Start { job: job.clone(), slot: open.slot, attempt: open.attempts });
        }
    }

    /// A run has ended.
    pub fn ended(&mut self, job: &Job, ending: Ending, now: Timestamp) -> Option<Action> {
        let place = self.places.get_mut(job)?;
        let open = place.open.as_mut()?;
        open.running = false;
        let outcome = match ending {
            Ending::Settled(outcome) => outcome,
            Ending::Stopped => {
                open.attempts = open.attempts.saturating_sub(1);
                open.not_before = now;
                return None;
            }
            Ending::Failed if open.attempts <= self.rules.retries && self.rules.jobs.contains_key(job) => {
                open.not_before = later(now, backoff(open.attempts));
                return None;
            }
            Ending::Failed => Outcome::Failed,
        };
        let settled = settle(job, open, outcome);
        place.open = None;
        if !self.rules.jobs.contains_key(job) {
            self.places.remove(job);
        }
        Some(settled)
    }

    /// When to look again at the latest, if nothing else happens.
    pub fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        let slots = self.places.iter().filter_map(|(job, place)| {
            self.rules.next_after(job, place.seen_until.max(now)).map(|(slot, _)| slot.at)
        });
        let waiting = self.places.values().filter_map(|place| place.open.as_ref());
        // One that is ready and was not started waits for a run to end.
        let waiting = waiting.filter(|open| !open.running && open.not_before > now);
        slots.chain(waiting.map(|open| open.not_before)).min()
    }
}

fn look_at(rules: &Rules, job: &Job, place: &mut Place, now: Timestamp, actions: &mut Vec<Action>) {
    if now < place.seen_until {
        let served = place.last.filter(|slot| *slot > now && rules.is_nearest(job, now, *slot));
        place.seen_until = served.unwrap_or(now);
    }
    if let Some(open) = place.open.as_mut().filter(|open| !open.running) {
        // A wait that was measured by a wrong clock would never end.
        let longest = SignedDuration::try_from(BACKOFF_MAX.max(rules.jitter)).unwrap_or(DAY);
        open.not_before = open.not_before.min(later(now, longest));
    }
    if place.open.as_ref().is_some_and(|open| open.running) {
        // What comes due meanwhile is looked at when the run has ended.
        return;
    }
    let mut due = rules.due(job, place.seen_until, now);
    place.seen_until = place.seen_until.max(now);
    let retries_spent = place.open.as_ref().is_some_and(|open| open.attempts > rules.retries);
    if let Some(open) = place.open.as_ref().filter(|_| retries_spent || !due.is_empty()) {
        actions.push(settle(job, open, unserved(open)));
        place.open = None;
    }
    let Some(newest) = due.pop_back() else { return };
    let missed = |slot| Action::Settle { job: job.clone(), slot, outcome: Outcome::Missed };
    actions.extend(due.into_iter().map(missed));
    let not_before = later(newest, rules.delay(job, newest));
    place.open = Some(Open { slot: newest, attempts: 0, not_before, running: false });
    place.last = Some(newest);
}

fn settle(job: &Job, open: &Open, outcome: Outcome) -> Action {
    Action::Settle { job: job.clone(), slot: open.slot, outcome }
}

/// What a slot comes to that no run will serve any more.
const fn unserved(open: &Open) -> Outcome {
    if open.attempts == 0 { Outcome::Missed } else { Outcome::Failed }
}

fn backoff(attempts: u32) -> SignedDuration {
    let wait = BACKOFF.saturating_mul(4_u32.saturating_pow(attempts.saturating_sub(1))).min(BACKOFF_MAX);
    SignedDuration::try_from(wait).expect("an hour at most")
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

impl Outcome {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Failed => "failed",
            Self::Partial => "partial",
            Self::Missed => "missed",
            Self::Held => "held",
        }
    }
}

#[cfg(test)]
mod tests;
