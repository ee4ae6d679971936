//! Telling people and services what happened: each event once, its end once, and never a secret.
//!
//! The [`Router`] notes an event in its ledger first and sends it after; what cannot be sent stays there
//! and is tried again by whoever comes next, the daemon or a backup by hand. Nothing here makes a backup
//! fail. What a service thinks of a message is judged by the body of its answer, see `answer.rs`.

mod answer;
mod bucket;
mod email;
mod escape;
mod http;
mod ledger;
mod message;
mod ping;
mod robots;
mod send;
mod services;
mod sign;
mod state;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lifeboat_config::{Channel, Config, Notify, Severity};
use lifeboat_vault::format::audit::Told;

pub use answer::{Answer, Outcome};
pub use ping::Signal;

use crate::event::{Check, Event, Task, dedup_key};
use crate::run_id::RunId;
use ledger::{Batch, Content, Next};
use send::{Sender, Sending};
use state::LedgerFile;

/// Robots are told this much later at round times, when everybody's programs tell them something.
const SPREAD_SECONDS: std::ops::RangeInclusive<i64> = 20..=180;

/// Minutes after a full or half hour that count as round.
const ROUND_MINUTES: i64 = 2;

/// When messages leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At once: a person waits.
    AtOnce,
    /// Later at round times: the daemon has time.
    Spread,
}

/// Tells whom the configuration names.
pub struct Router {
    places: Vec<Notify>,
    branch: String,
    zone: TimeZone,
    pace: Pace,
    ledger: LedgerFile,
    sender: Sender,
}

impl Router {
    /// For this configuration; times are told by its clock.
    pub fn new(config: &Config, pace: Pace) -> Self {
        let zone = config.agent.zone();
        Self {
            places: config.notify.clone(),
            branch: config.branch.clone(),
            ledger: LedgerFile::new(&config.agent.state),
            sender: Sender::new(zone.clone()),
            zone,
            pace,
        }
    }

    /// A run begins: services that wait for a call get one.
    pub async fn began(&self, source: Option<&str>, task: Task, run: RunId) {
        self.ping(source, task, run, Signal::Start).await;
    }

    /// A run went well. Whatever event the task's failure was, it ends.
    pub async fn succeeded(&self, source: Option<&str>, task: Task, run: RunId, now: Timestamp) {
        if self.places.is_empty() {
            return;
        }
        self.ledger.change(|ledger| ledger.ran(&self.branch, source, task, Some(run), now, &self.places));
        self.ping(source, task, run, Signal::Exit(0)).await;
        self.deliver(now).await;
    }

    /// A run failed, with this exit code.
    pub async fn failed(&self, event: Event, exit_code: u8) {
        if self.places.is_empty() {
            return;
        }
        let (source, task, run, now) = (event.source.clone(), event.task(), event.run, event.at);
        self.ledger.change(|ledger| {
            ledger.ran(&self.branch, source.as_deref(), task, None, now, &self.places);
            ledger.tell(event, &self.places, |channel| self.delay(channel, now));
        });
        self.ping(source.as_deref(), task, run, Signal::Exit(exit_code)).await;
        self.deliver(now).await;
    }

    /// Something happened that is no run's end. It is told to those who want it, unless they know.
    pub async fn tell(&self, event: Event) {
        if self.places.is_empty() {
            return;
        }
        let now = event.at;
        self.ledger.change(|ledger| {
            ledger.tell(event, &self.places, |channel| self.delay(channel, now));
        });
        self.deliver(now).await;
    }

    /// Things happened that have no end: each is told once, and nobody waits for its recovery. Returns, by the runs
    /// of the events, who has accepted a message about it so far.
    pub async fn announce(&self, events: &[Event], now: Timestamp) -> HashMap<RunId, Vec<String>> {
        self.ledger.change(|ledger| {
            for event in events {
                ledger.announce(event, &self.places, |channel| self.delay(channel, now));
            }
        });
        let mut accepted: HashMap<RunId, Vec<String>> = HashMap::new();
        let (_, sent) = self.send_due(now).await;
        for batch in sent {
            let of_batch = batch.contents.iter().filter_map(|content| match content {
                Content::Event(event) => Some(event.run),
                Content::Digest(_) => None,
            });
            for run in of_batch.filter(|run| events.iter().any(|event| event.run == *run)) {
                accepted.entry(run).or_default().push(batch.place.clone());
            }
        }
        accepted
    }

    /// Those who are told of a source, and when they last accepted something.
    pub fn told(&self, source: Option<&str>) -> BTreeMap<String, Told> {
        let ledger = self.ledger.read();
        let places = self.places.iter().filter(|place| self.concerns(place, source));
        let told = places.map(|place| {
            let accepted = ledger.last_accepted(&place.name).map(|time| time.to_string());
            (place.name.clone(), Told { kind: place.channel.kind().to_owned(), accepted })
        });
        told.collect()
    }

    /// Whether there is anybody to tell.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// A check is good again: whoever was told that it fails is told.
    pub async fn end(
        &self,
        source: Option<&str>,
        check: Check,
        subject: Option<&str>,
        run: RunId,
        now: Timestamp,
    ) {
        if self.places.is_empty() {
            return;
        }
        let key = dedup_key(&self.branch, source, check, subject);
        self.ledger.change(|ledger| ledger.end(&key, run, now, &self.places));
        self.deliver(now).await;
    }

    /// Sends what is due, summaries too, and says when to come again. The daemon calls it then, and
    /// every few minutes.
    pub async fn deliver(&self, now: Timestamp) -> Option<Timestamp> {
        self.send_due(now).await.0
    }

    /// The same, with what was accepted.
    async fn send_due(&self, now: Timestamp) -> (Option<Timestamp>, Vec<Batch>) {
        let mut accepted = Vec::new();
        if self.places.is_empty() {
            return (None, accepted);
        }
        let _sending = self.ledger.sending().await;
        self.ledger.change(|ledger| {
            ledger.settle_interrupted();
            ledger.digest(&self.branch, &self.places, &self.zone, now);
        });
        loop {
            let batch = match self.ledger.change(|ledger| ledger.next(&self.places, now)) {
                Next::Send(batch) => batch,
                Next::Wait(time) => return (Some(time), accepted),
                Next::Idle => return (None, accepted),
            };
            let Some(place) = self.places.iter().find(|place| place.name == batch.place) else { continue };
            let sending = Sending { contents: &batch.contents, repeat: batch.repeat, id: batch.id };
            let answer = self.sender.send(place, sending).await;
            log(place, &answer);
            let run = RunId::new();
            self.ledger.change(|ledger| ledger.done(&batch, &answer, &self.branch, run, now, &self.places));
            if answer.outcome == Outcome::Accepted {
                accepted.push(batch);
            }
        }
    }

    /// Sends a message marked as a test to the place called `name`, whatever it is told otherwise. `None`
    /// when there is no such place.
    pub async fn test(&self, name: &str, now: Timestamp) -> Option<Answer> {
        let place = self.places.iter().find(|place| place.name == name)?;
        let event = Event::failed(Check::Notify, Severity::Info, &self.branch, RunId::new(), now);
        let answer = match place.channel {
            // Of a service that waits for runs, a test says nothing of them.
            Channel::Ping { .. } => {
                return Some(
                    self.sender.ping(place, &self.branch, None, Task::Report, event.run, Signal::Log).await,
                );
            }
            _ => self.sender.test(place, &event).await,
        };
        self.ledger.change(|ledger| ledger.accepted(name, &answer, now));
        Some(answer)
    }

    /// How many messages came to what, by place and outcome.
    #[cfg(test)]
    fn deliveries(&self) -> Vec<(String, String, u64)> {
        self.ledger.read().deliveries()
    }

    async fn ping(&self, source: Option<&str>, task: Task, run: RunId, signal: Signal) {
        let pings = self
            .places
            .iter()
            .filter(|place| matches!(place.channel, Channel::Ping { .. }) && self.concerns(place, source));
        let sends = pings.map(|place| async move {
            let answer = self.sender.ping(place, &self.branch, source, task, run, signal).await;
            log(place, &answer);
            self.ledger.change(|ledger| {
                ledger.count(&place.name, &answer);
                if matches!(signal, Signal::Exit(_)) {
                    ledger.accepted(&place.name, &answer, Timestamp::now());
                }
            });
        });
        futures::future::join_all(sends).await;
    }

    /// Whether a place is for this branch, and for a source.
    fn concerns(&self, place: &Notify, source: Option<&str>) -> bool {
        let listed =
            |names: &[String], name: &str| names.is_empty() || names.iter().any(|known| known == name);
        listed(&place.branches, &self.branch) && source.is_none_or(|source| listed(&place.sources, source))
    }

    fn delay(&self, channel: &Channel, now: Timestamp) -> SignedDuration {
        let robot =
            matches!(channel, Channel::DingTalk { .. } | Channel::WeCom { .. } | Channel::Feishu { .. });
        let round = now.as_second().rem_euclid(30 * 60) < ROUND_MINUTES * 60;
        match self.pace {
            Pace::Spread if robot && round => SignedDuration::from_secs(rand::random_range(SPREAD_SECONDS)),
            _ => SignedDuration::ZERO,
        }
    }
}

/// How many messages came to what, by place and outcome, as it is kept in the state folder.
pub fn deliveries(state: &Path) -> Vec<(String, String, u64)> {
    LedgerFile::new(state).read().deliveries()
}

/// The machine's name, for services that want to know who calls.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn log(place: &Notify, answer: &Answer) {
    let (name, outcome) = (&place.name, answer.outcome.as_str());
    match answer.outcome {
        Outcome::Accepted => tracing::info!("notify {name}: {outcome} ({})", answer.code),
        _ => tracing::warn!("notify {name}: {outcome} ({}): {}", answer.code, answer.reason),
    }
}

#[cfg(test)]
mod tests;
