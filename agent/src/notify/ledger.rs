//! What has been told, what is still to be told, and to whom: every rule of the router, as a value.
//!
//! It is changed only by these methods, with `now` passed in, and written to the state folder after each
//! change. Lost, it costs a message that is sent again and nothing else.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lifeboat_config::{Channel, Notify, Severity};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Outcome};
use super::bucket::{Bucket, Rate};
use crate::event::{Check, Event, State, Task, dedup_key};
use crate::run_id::RunId;

/// More events than this for one place at once become one message.
const EVENTS_APART_MAX: usize = 3;

/// Events in one message; more follow in the next.
const EVENTS_TOGETHER_MAX: usize = 40;

/// Messages that may wait; beyond that the oldest that are not critical are given up.
const QUEUE_MAX: usize = 500;

/// Problems that are known at once. A vault has few sources, and each has few checks.
const INCIDENTS_MAX: usize = 2000;

/// A message that could not be sent for so long is given up: the state that it tells of is long past.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// A critical one is tried for longer.
const GIVE_UP_CRITICAL_AFTER: SignedDuration = SignedDuration::from_hours(72);

/// First and longest pause before another attempt.
const BACKOFF_FIRST_SECONDS: i64 = 30;
const BACKOFF_MAX_SECONDS: i64 = 3600;

/// A service that asks for a longer pause is asked again all the same.
const SILENT_MAX: SignedDuration = SignedDuration::from_hours(24);

/// All that is remembered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    incidents: BTreeMap<String, Incident>,
    places: BTreeMap<String, Place>,
    queue: Vec<Entry>,
    runs: BTreeMap<String, Runs>,
    next_id: u64,
}

/// Something that fails and has been told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Incident {
    event: Event,
    told: Vec<String>,
}

/// What is known of one place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    bucket: Option<Bucket>,
    silent_until: Option<Timestamp>,
    last_digest: Option<jiff::civil::Date>,
    /// Good and failed runs of which its summaries have told, or need not: those before it was met.
    summed: BTreeMap<String, (u64, u64)>,
    /// Whether it is known since when its summaries count.
    met: bool,
    /// When it last accepted something.
    accepted: Option<Timestamp>,
    deliveries: BTreeMap<String, u64>,
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    id: u64,
    place: String,
    content: Content,
    queued: Timestamp,
    not_before: Timestamp,
    attempts: u32,
    /// It may have arrived already.
    repeat: bool,
    /// It is being sent; found again, whoever sent it was killed.
    sending: bool,
}

/// What a message tells of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// One event.
    Event(Box<Event>),
    /// A day.
    Digest(Digest),
}

/// The summary of a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// The branch.
    pub branch: String,
    /// When it was made.
    pub at: Timestamp,
    /// What fails now.
    pub open: Vec<Event>,
    /// Every task of every source.
    pub runs: Vec<Runs>,
}

/// What came of a task of a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    /// The source, unless the task has none.
    pub source: Option<String>,
    /// The task.
    pub task: Task,
    /// When it last went well.
    pub last_good: Option<Timestamp>,
    /// Good runs, in a digest those since the last one.
    pub good: u64,
    /// Failed runs, likewise.
    pub failed: u64,
}

/// What is sent now.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The place's name.
    pub place: String,
    /// What it tells of, the worst first.
    pub contents: Vec<Content>,
    /// It may have arrived already.
    pub repeat: bool,
    /// Stays the same when it is sent again.
    pub id: u64,
    ids: Vec<u64>,
}

/// Whether there is something to send.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// This, now.
    Send(Batch),
    /// Something, then.
    Wait(Timestamp),
    /// Nothing.
    Idle,
}

impl Ledger {
    /// Takes up an event: told to every place that wants it, unless it is known already. `delay` says by
    /// how much each message waits.
    pub fn tell(
        &mut self,
        event: Event,
        places: &[Notify],
        mut delay: impl FnMut(&Channel) -> SignedDuration,
    ) {
        let key = event.dedup_key();
        let known = self.incidents.get(&key);
        if known.is_some_and(|known| known.event.severity >= event.severity)
            || (known.is_none() && self.incidents.len() >= INCIDENTS_MAX)
        {
            return;
        }
        let since = known.map_or(event.since, |known| known.event.since.or(Some(known.event.at)));
        let event = Event { since, ..event };
        let mut told = known.map(|known| known.told.clone()).unwrap_or_default();
        for place in places.iter().filter(|place| wants(place, &event)) {
            self.push(place, Content::Event(Box::new(event.clone())), event.at, delay(&place.channel));
            if !told.contains(&place.name) {
                told.push(place.name.clone());
            }
        }
        self.incidents.insert(key, Incident { event, told });
    }

    /// Tells every place that wants it of something that will not end: it is not remembered.
    pub fn announce(
        &mut self,
        event: &Event,
        places: &[Notify],
        mut delay: impl FnMut(&Channel) -> SignedDuration,
    ) {
        for place in places.iter().filter(|place| wants(place, event)) {
            self.push(place, Content::Event(Box::new(event.clone())), event.at, delay(&place.channel));
        }
    }

    /// Ends an event: whoever was told that it fails is told that it is good again.
    pub fn end(&mut self, key: &str, run: RunId, now: Timestamp, places: &[Notify]) {
        let Some(incident) = self.incidents.remove(key) else { return };
        let event = incident.event.recovered(run, now);
        for place in places.iter().filter(|place| incident.told.contains(&place.name)) {
            self.push(place, Content::Event(Box::new(event.clone())), now, SignedDuration::ZERO);
        }
    }

    /// Notes what came of a run; a good one ends the event that the task failed.
    pub fn ran(
        &mut self,
        branch: &str,
        source: Option<&str>,
        task: Task,
        good: Option<RunId>,
        now: Timestamp,
        places: &[Notify],
    ) {
        self.meet(places);
        let runs = self.runs.entry(format!("{}/{task}", source.unwrap_or("-"))).or_insert_with(|| Runs {
            source: source.map(str::to_owned),
            task,
            last_good: None,
            good: 0,
            failed: 0,
        });
        match good {
            None => runs.failed += 1,
            Some(run) => {
                runs.good += 1;
                runs.last_good = Some(now);
                self.end(&dedup_key(branch, source, task.check(), None), run, now, places);
            }
        }
    }

    /// Queues the summary of each place whose hour has come since its last one.
    pub fn digest(&mut self, branch: &str, places: &[Notify], zone: &TimeZone, now: Timestamp) {
        self.meet(places);
        let local = now.to_zoned_datetime(zone.clone());
        let due = |place: &Notify| {
            place
                .digest
                .is_some_and(|time| (local.hour(), local.minute()) >= (time.hour as i8, time.minute as i8))
        };
        for place in places.iter().filter(|place| due(place)) {
            let known = self.places.entry(place.name.clone()).or_default();
            match known.last_digest.replace(local.date()) {
                // A place that is new today has its first summary tomorrow.
                None => continue,
                Some(last) if last >= local.date() => continue,
                Some(_) => {}
            }
            // Places have hours of their own: each is told what came since its own last summary.
            let runs = self.runs.iter().map(|(key, runs)| {
                let (good, failed) =
                    known.summed.insert(key.clone(), (runs.good, runs.failed)).unwrap_or_default();
                let (good, failed) = (runs.good.saturating_sub(good), runs.failed.saturating_sub(failed));
                Runs { good, failed, ..runs.clone() }
            });
            let digest = Digest {
                branch: branch.to_owned(),
                at: now,
                open: self.incidents.values().map(|incident| incident.event.clone()).collect(),
                runs: runs.collect(),
            };
            self.push(place, Content::Digest(digest), now, SignedDuration::ZERO);
        }
    }

    /// Summaries of a place that is new tell of what comes from now on, not of all that ever ran.
    fn meet(&mut self, places: &[Notify]) {
        for place in places.iter().filter(|place| place.digest.is_some()) {
            let known = self.places.entry(place.name.clone()).or_default();
            if !known.met && known.last_digest.is_none() {
                let so_far = self.runs.iter().map(|(key, runs)| (key.clone(), (runs.good, runs.failed)));
                known.summed = so_far.collect();
            }
            known.met = true;
        }
    }

    /// What was being sent when whoever sent it was killed may have arrived.
    pub fn settle_interrupted(&mut self) {
        self.queue.retain_mut(|entry| {
            let again = entry.sending && entry.repeat;
            entry.repeat |= entry.sending;
            entry.sending = false;
            !again
        });
    }

    /// Chooses what to send now, and takes its token. Whatever is critical goes first.
    pub fn next(&mut self, places: &[Notify], now: Timestamp) -> Next {
        self.queue.retain(|entry| places.iter().any(|place| place.name == entry.place));
        self.forget_wrong_times(now);
        let mut wait: Option<Timestamp> = None;
        let mut until = |time: Timestamp| wait = Some(wait.map_or(time, |wait| wait.min(time)));
        for place in places {
            let known = self.places.entry(place.name.clone()).or_default();
            let mut due: Vec<usize> = Vec::new();
            for (at, entry) in self.queue.iter().enumerate().filter(|(_, entry)| entry.place == place.name) {
                let earliest = known.silent_until.map_or(entry.not_before, |time| entry.not_before.max(time));
                match earliest <= now {
                    true if !self.queue[..at]
                        .iter()
                        .any(|earlier| blocks(earlier, entry, &due, &self.queue)) =>
                    {
                        due.push(at);
                    }
                    true => {}
                    false => until(earliest),
                }
            }
            // The worst first; the queue's order among equals, so that a recovery follows its failure.
            due.sort_by_key(|at| (std::cmp::Reverse(self.queue[*at].severity()), *at));
            if due.is_empty() {
                continue;
            }
            let events =
                due.iter().filter(|at| matches!(self.queue[**at].content, Content::Event(_))).count();
            let together = is_for_people(&place.channel) && events > EVENTS_APART_MAX;
            let take = if together { events.min(EVENTS_TOGETHER_MAX) } else { 1 };
            let chosen: Vec<usize> = match take {
                1 => due[..1].to_vec(),
                take => {
                    let is_event = |at: &usize| matches!(self.queue[*at].content, Content::Event(_));
                    due.into_iter().filter(is_event).take(take).collect()
                }
            };
            let critical = self.queue[chosen[0]].severity() == Severity::Critical;
            let rate = Rate::of(&place.channel);
            let bucket = known.bucket.get_or_insert_with(|| Bucket::full(rate, now));
            match bucket.take(rate, critical, now) {
                Ok(()) => return Next::Send(self.start(chosen, &place.name)),
                Err(time) => until(time),
            }
        }
        wait.map_or(Next::Idle, Next::Wait)
    }

    /// A pause that was measured by a clock that ran ahead would not end.
    fn forget_wrong_times(&mut self, now: Timestamp) {
        let longest = |time: Timestamp, most: SignedDuration| time.min(now + most);
        for entry in &mut self.queue {
            entry.not_before = longest(entry.not_before, SignedDuration::from_secs(BACKOFF_MAX_SECONDS));
            entry.queued = entry.queued.min(now);
        }
        for place in self.places.values_mut() {
            place.silent_until = place.silent_until.map(|time| longest(time, SILENT_MAX));
        }
    }

    fn start(&mut self, chosen: Vec<usize>, place: &str) -> Batch {
        let mut batch =
            Batch { place: place.to_owned(), contents: Vec::new(), repeat: false, id: 0, ids: Vec::new() };
        for at in chosen {
            let entry = &mut self.queue[at];
            entry.sending = true;
            entry.attempts += 1;
            batch.repeat |= entry.repeat;
            batch.ids.push(entry.id);
            batch.contents.push(entry.content.clone());
        }
        batch.id = batch.ids[0];
        batch
    }

    /// Notes what came of a batch. A place that refuses is itself an event, told to the others.
    pub fn done(
        &mut self,
        batch: &Batch,
        answer: &Answer,
        branch: &str,
        run: RunId,
        now: Timestamp,
        places: &[Notify],
    ) {
        self.count(&batch.place, answer);
        self.accepted(&batch.place, answer, now);
        if let (Outcome::Retryable(Some(seconds)), Some(place)) =
            (answer.outcome, self.places.get_mut(&batch.place))
        {
            place.silent_until = Some(now + SignedDuration::from_secs(i64::from(seconds)));
        }
        self.queue.retain_mut(|entry| {
            if !batch.ids.contains(&entry.id) {
                return true;
            }
            entry.sending = false;
            let again = match answer.outcome {
                Outcome::Accepted | Outcome::Rejected => return false,
                Outcome::Retryable(_) => true,
                // Once more, marked as what it is; then it is not worth a third.
                Outcome::Unknown => !std::mem::replace(&mut entry.repeat, true),
            };
            let patience = match entry.severity() {
                Severity::Critical => GIVE_UP_CRITICAL_AFTER,
                _ => GIVE_UP_AFTER,
            };
            entry.not_before = now + backoff(entry.attempts);
            again && now.duration_since(entry.queued) < patience
        });
        let key = dedup_key(branch, None, Check::Notify, Some(&batch.place));
        match answer.outcome {
            Outcome::Accepted => self.end(&key, run, now, places),
            Outcome::Rejected => {
                let event = Event {
                    subject: Some(batch.place.clone()),
                    why: format!("{}: {}", answer.code, answer.reason),
                    ..Event::failed(Check::Notify, Severity::Warning, branch, run, now)
                };
                self.tell(event, places, |_| SignedDuration::ZERO);
            }
            Outcome::Retryable(_) | Outcome::Unknown => {}
        }
    }

    /// Counts a call that was no message of the queue's.
    pub fn count(&mut self, place: &str, answer: &Answer) {
        let place = self.places.entry(place.to_owned()).or_default();
        *place.deliveries.entry(answer.outcome.as_str().to_owned()).or_default() += 1;
    }

    /// Notes when a place has accepted something.
    pub fn accepted(&mut self, place: &str, answer: &Answer, now: Timestamp) {
        if answer.outcome == Outcome::Accepted {
            self.places.entry(place.to_owned()).or_default().accepted = Some(now);
        }
    }

    /// When a place last accepted something.
    pub fn last_accepted(&self, place: &str) -> Option<Timestamp> {
        self.places.get(place)?.accepted
    }

    /// How many messages came to what, by place and outcome.
    pub fn deliveries(&self) -> Vec<(String, String, u64)> {
        let of_place = |(name, place): (&String, &Place)| {
            let counts = place.deliveries.iter();
            counts.map(|(outcome, count)| (name.clone(), outcome.clone(), *count)).collect::<Vec<_>>()
        };
        self.places.iter().flat_map(of_place).collect()
    }

    /// What fails now.
    #[cfg(test)]
    pub fn open(&self) -> Vec<&str> {
        self.incidents.keys().map(String::as_str).collect()
    }

    fn push(&mut self, place: &Notify, content: Content, now: Timestamp, delay: SignedDuration) {
        if self.queue.len() >= QUEUE_MAX {
            let usual = self.queue.iter().position(|entry| entry.severity() < Severity::Critical);
            self.queue.remove(usual.unwrap_or(0));
        }
        self.next_id += 1;
        self.queue.push(Entry {
            id: self.next_id,
            place: place.name.clone(),
            content,
            queued: now,
            not_before: now + delay,
            attempts: 0,
            repeat: false,
            sending: false,
        });
    }
}

/// Whether `earlier`, which is not due, must be sent before `entry`: the failure before its recovery.
fn blocks(earlier: &Entry, entry: &Entry, due: &[usize], queue: &[Entry]) -> bool {
    let is_due = due.iter().any(|at| queue[*at].id == earlier.id);
    match (&earlier.content, &entry.content) {
        (Content::Event(before), Content::Event(after)) => {
            !is_due && earlier.place == entry.place && before.dedup_key() == after.dedup_key()
        }
        _ => false,
    }
}

impl Entry {
    fn severity(&self) -> Severity {
        match &self.content {
            Content::Event(event) if event.state == State::Failed => event.severity,
            _ => Severity::Info,
        }
    }
}

/// Whether a place is told of an event. Services that only wait for a call are told nothing.
fn wants(place: &Notify, event: &Event) -> bool {
    let listed = |names: &[String], name: &str| names.is_empty() || names.iter().any(|known| known == name);
    !matches!(place.channel, Channel::Ping { .. })
        && event.severity >= place.severity
        && listed(&place.branches, &event.branch)
        && event.source.as_deref().is_none_or(|source| listed(&place.sources, source))
        && !(event.check == Check::Notify && event.subject.as_deref() == Some(&place.name))
}

/// People read one message rather than many; programs want each event by itself.
const fn is_for_people(channel: &Channel) -> bool {
    !matches!(channel, Channel::Webhook { .. } | Channel::PagerDuty { .. } | Channel::Ping { .. })
}

fn backoff(attempts: u32) -> SignedDuration {
    let seconds = BACKOFF_FIRST_SECONDS << attempts.saturating_sub(1).min(16);
    SignedDuration::from_secs(seconds.min(BACKOFF_MAX_SECONDS))
}

#[cfg(test)]
mod tests;
