//! What the daemon tells people by itself: slots that were missed, runs that could not tell their own end,
//! and whatever waits to be sent.
//!
//! Everything is told beside the loop, because a service may take its time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use lifeboat_config::{Config, Severity};
use tokio::task::{JoinHandle, JoinSet};

use crate::event::{Check, Event};
use crate::history::{Ended, RunOutcome};
use crate::job::{Job, Task};
use crate::notify::{Pace, Router};
use crate::run_id::RunId;

/// What waits is looked at so often at least: summaries have their hour, and a backup by hand leaves messages.
const DELIVER_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// Exit codes with which a backup or a copy ends that has told its end itself. One that was interrupted, that
/// did not get so far as to know whom to tell, or that met a fault of its own has told nobody.
const TOLD_ITSELF: [u8; 6] = [1, 3, 10, 12, 20, 22];

/// Another run of the same job is under way, and tells its own end.
const LOCKED: u8 = 11;

/// A daemon that stops waits no longer for services. What they do not take is told by the next one.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Tells whom the configuration names.
pub struct Teller {
    router: Arc<Router>,
    branch: String,
    telling: JoinSet<()>,
    delivery: Option<JoinHandle<Option<Timestamp>>>,
    deliver_at: Option<Timestamp>,
    /// Jobs that have missed a slot since their last good run.
    missed: BTreeSet<Job>,
}

impl Teller {
    /// For this configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            router: router(config),
            branch: config.branch.clone(),
            telling: JoinSet::new(),
            delivery: None,
            deliver_at: None,
            missed: BTreeSet::new(),
        }
    }

    /// The configuration was read again.
    pub fn reconfigure(&mut self, config: &Config) {
        self.router = router(config);
        self.branch.clone_from(&config.branch);
    }

    /// Sends what is due; called with each turn of the loop.
    pub fn turn(&mut self, now: Timestamp) {
        while self.telling.try_join_next().is_some() {}
        if let Some(delivery) = &mut self.delivery {
            let Some(delivered) = delivery.now_or_never() else { return };
            let next = now + DELIVER_EVERY;
            self.deliver_at = Some(delivered.ok().flatten().map_or(next, |at| at.min(next)));
            self.delivery = None;
        }
        // A time that was set by a wrong clock may be far off.
        if self.deliver_at.is_none_or(|at| at <= now || at > now + DELIVER_EVERY) {
            let router = Arc::clone(&self.router);
            self.delivery = Some(tokio::spawn(async move { router.deliver(now).await }));
        }
    }

    /// Waits until what is being told is told, or at least noted for the next daemon.
    pub async fn finish(&mut self) {
        let all = async { while self.telling.join_next().await.is_some() {} };
        // Noted it is by then; whoever is slow to take it is told again.
        let _ = tokio::time::timeout(LAST_WORDS, all).await;
    }

    /// No run was begun for these slots of a job.
    pub fn missed(&mut self, job: &Job, slots: &[Timestamp], now: Timestamp) {
        let Some(event) = missed(&self.branch, job, slots, now) else { return };
        self.missed.insert(job.clone());
        let router = Arc::clone(&self.router);
        self.telling.spawn(async move { router.tell(event).await });
    }

    /// A run has ended. A backup and a copy tell their own ends, unless they were ended from outside.
    pub fn ended(&mut self, job: &Job, id: RunId, ended: &Ended, now: Timestamp) {
        let (router, job) = (Arc::clone(&self.router), job.clone());
        if ended.outcome == RunOutcome::Good {
            // The first good run after a missed slot may be the one that is caught up; the next is on time.
            let is_on_time = !self.missed.remove(&job);
            self.telling.spawn(async move {
                let source = job.source.as_deref();
                if is_on_time {
                    router.end(source, Check::Schedule, subject(&job).as_deref(), id, now).await;
                }
                if job.task != Task::Backup {
                    router.end(source, check(job.task), job.copy.as_deref(), id, now).await;
                }
            });
        } else if let Some(event) = untold(&self.branch, &job, id, ended, now) {
            let code = ended.exit_code.unwrap_or(1);
            self.telling.spawn(async move {
                match job.task {
                    Task::Backup => router.failed(event, code).await,
                    // Services that wait for a call wait for backups.
                    _ => router.tell(event).await,
                }
            });
        }
    }
}

fn router(config: &Config) -> Arc<Router> {
    Arc::new(Router::new(config, Pace::Spread))
}

const fn check(task: Task) -> Check {
    match task {
        Task::Backup => Check::Backup,
        Task::Verify => Check::Verify,
        Task::Expire => Check::Expire,
        Task::Prune => Check::Prune,
        Task::Copy => Check::Copy,
    }
}

/// Other work has no source by which its schedules could be told apart.
fn subject(job: &Job) -> Option<String> {
    (job.task != Task::Backup).then(|| job.to_string())
}

/// That slots of a job were missed, if any were.
fn missed(branch: &str, job: &Job, slots: &[Timestamp], now: Timestamp) -> Option<Event> {
    let (first, last) = (slots.iter().min()?, slots.iter().max()?);
    let which = match slots.len() {
        1 => format!("the run of {job} that was due at {first} was not begun"),
        count => format!("{count} runs of {job} were not begun, due from {first} to {last}"),
    };
    Some(Event {
        source: job.source.clone(),
        subject: subject(job),
        since: Some(*first),
        why: format!("{which}: the agent was off, or another run took until the next was due"),
        ..Event::failed(Check::Schedule, Severity::Warning, branch, RunId::new(), now)
    })
}

/// That a run failed, when it has told nobody itself.
fn untold(branch: &str, job: &Job, id: RunId, ended: &Ended, now: Timestamp) -> Option<Event> {
    let severity = match ended.outcome {
        RunOutcome::Failed | RunOutcome::Killed => Severity::Critical,
        // Some packs were left alone, or some sources were held back.
        RunOutcome::Partial | RunOutcome::Held => Severity::Warning,
        RunOutcome::Running | RunOutcome::Good | RunOutcome::Stopped => return None,
    };
    let tells_itself = matches!(job.task, Task::Backup | Task::Copy)
        && ended.exit_code.is_some_and(|code| TOLD_ITSELF.contains(&code));
    let is_another = ended.exit_code == Some(LOCKED);
    (!tells_itself && !is_another).then(|| Event {
        source: job.source.clone(),
        subject: job.copy.clone(),
        why: ended.error.clone().unwrap_or_else(|| "it ended without a word".to_owned()),
        ..Event::failed(check(job.task), severity, branch, id, now)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use axum::http::StatusCode;
    use axum::routing::post;
    use serde_json::Value;

    use super::*;
    use crate::history::Counts;

    const INTERRUPTED: u8 = 130;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn ended(outcome: RunOutcome, exit_code: Option<u8>, error: Option<&str>) -> Ended {
        Ended { outcome, exit_code, error: error.map(str::to_owned), counts: Counts::default() }
    }

    /// A service that does not take the first message, and what it was sent.
    async fn service() -> (String, Arc<Mutex<Vec<Value>>>) {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let (shared, is_first) = (Arc::clone(&taken), Arc::new(Mutex::new(true)));
        let take = move |body: String| {
            let is_first = std::mem::take(&mut *is_first.lock().expect("no panic before"));
            if !is_first {
                shared.lock().expect("no panic before").push(serde_json::from_str(&body).expect("JSON"));
            }
            std::future::ready(if is_first { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK })
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let routes = axum::Router::new().route("/hook", post(take));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (url, taken)
    }

    fn teller(folder: &Path, url: &str) -> Teller {
        let _ = rustls::crypto::ring::default_provider().install_default();
        std::fs::write(folder.join("url"), url).expect("a file");
        let text = format!(
            "version = 1\nbranch = \"gz\"\nvault.url = \"file:///v\"\npeople.wang.recipient = \"age1a\"\n\
             agent.name = \"db1\"\nagent.state = \"{}/state\"\n\
             [[notify]]\nname = \"ops\"\ntype = \"webhook\"\nurl = \"{{file:url}}\"\n",
            folder.display()
        );
        Teller::new(&Config::parse(&text, &folder.join("lifeboat.toml")).expect("a good configuration"))
    }

    /// Waits for everything that is under way.
    async fn settle(teller: &mut Teller) {
        let patience = Duration::from_secs(30);
        let all = async { while teller.telling.join_next().await.is_some() {} };
        tokio::time::timeout(patience, all).await.expect("it is told in time");
        if let Some(delivery) = teller.delivery.take() {
            let next = tokio::time::timeout(patience, delivery).await.expect("in time").expect("no panic");
            teller.deliver_at = next;
        }
    }

    #[tokio::test]
    async fn the_daemon_tells_of_missed_slots_once_and_sends_what_waits() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (url, taken) = service().await;
        let mut teller = teller(folder.path(), &url);
        let types = || {
            let taken = taken.lock().expect("no panic before");
            taken
                .iter()
                .map(|event| event["event"].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        let (job, id, now) = (Job::backup("crm"), RunId::new(), time("2026-11-23T05:00:00Z"));
        let slots = [time("2026-11-22T02:30:00Z"), time("2026-11-23T02:30:00Z")];
        teller.missed(&job, &slots, now);
        settle(&mut teller).await;
        assert!(types().is_empty(), "the service does not answer");
        // Nothing runs, and the message leaves all the same.
        let later = now + SignedDuration::from_mins(10);
        teller.turn(later);
        settle(&mut teller).await;
        assert_eq!(types(), ["schedule.failed"]);
        let good = ended(RunOutcome::Good, Some(0), None);
        teller.ended(&job, id, &good, later);
        settle(&mut teller).await;
        assert_eq!(types().len(), 1, "the run that was caught up was late itself");
        teller.ended(&job, id, &good, later);
        settle(&mut teller).await;
        assert_eq!(types(), ["schedule.failed", "schedule.recovered"]);
    }

    #[tokio::test]
    async fn the_daemon_tells_of_a_run_that_hung() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (url, taken) = service().await;
        let mut teller = teller(folder.path(), &url);
        let (id, now) = (RunId::new(), time("2026-11-23T05:00:00Z"));
        let hung =
            ended(RunOutcome::Failed, Some(INTERRUPTED), Some("it made no progress for 1 h and was ended"));
        teller.ended(&Job::backup("crm"), id, &hung, now);
        settle(&mut teller).await;
        teller.turn(now + SignedDuration::from_mins(10));
        settle(&mut teller).await;
        let taken = taken.lock().expect("no panic before");
        assert_eq!(taken.len(), 1, "{taken:?}");
        assert_eq!(taken[0]["event"], "backup.failed");
        assert!(taken[0].to_string().contains("it made no progress for 1 h and was ended"), "{taken:?}");
    }

    #[tokio::test]
    async fn the_daemon_sends_what_waits_after_the_clock_was_set_back() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (url, taken) = service().await;
        let mut teller = teller(folder.path(), &url);
        let (job, wrong) = (Job::backup("crm"), time("2027-11-23T05:00:00Z"));
        teller.missed(&job, &[time("2027-11-23T02:30:00Z")], wrong);
        settle(&mut teller).await;
        teller.turn(wrong);
        settle(&mut teller).await;
        assert!(taken.lock().expect("no panic before").is_empty(), "the service does not answer at first");
        let mut now = time("2026-11-23T05:00:00Z");
        for _ in 0..30 {
            now += SignedDuration::from_mins(5);
            teller.turn(now);
            settle(&mut teller).await;
        }
        assert_eq!(taken.lock().expect("no panic before").len(), 1, "a year is too long to wait");
    }

    #[tokio::test]
    async fn a_daemon_that_stops_tells_what_it_has_to_tell() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (url, taken) = service().await;
        let mut first = teller(folder.path(), &url);
        let now = time("2026-11-23T05:00:00Z");
        let failed = ended(RunOutcome::Failed, Some(20), Some("the vault is damaged"));
        first.ended(&Job::of_vault(Task::Verify), RunId::new(), &failed, now);
        first.finish().await;
        drop(first);
        let mut next = teller(folder.path(), &url);
        next.turn(now + SignedDuration::from_mins(10));
        settle(&mut next).await;
        let taken = taken.lock().expect("no panic before");
        assert_eq!(taken.len(), 1, "{taken:?}");
        assert_eq!(taken[0]["event"], "verify.failed");
    }

    #[test]
    fn the_daemon_leaves_to_a_backup_what_it_has_told_itself() {
        let check = |job: &Job, outcome, exit_code| {
            let ended = ended(outcome, exit_code, Some("why"));
            untold("gz", job, RunId::new(), &ended, time("2026-11-23T05:00:00Z")).map(|event| event.name())
        };
        let (crm, verify) = (Job::backup("crm"), Job::of_vault(Task::Verify));
        assert_eq!(check(&crm, RunOutcome::Failed, Some(1)), None);
        assert_eq!(check(&crm, RunOutcome::Failed, None), Some("backup.failed".to_owned()));
        assert_eq!(check(&crm, RunOutcome::Killed, None), Some("backup.failed".to_owned()));
        let fault_of_its_own = check(&crm, RunOutcome::Failed, Some(101));
        assert_eq!(fault_of_its_own, Some("backup.failed".to_owned()));
        assert_eq!(check(&crm, RunOutcome::Failed, Some(40)), Some("backup.failed".to_owned()));
        assert_eq!(check(&crm, RunOutcome::Failed, Some(LOCKED)), None);
        assert_eq!(check(&crm, RunOutcome::Stopped, Some(INTERRUPTED)), None);
        assert_eq!(check(&verify, RunOutcome::Failed, Some(20)), Some("verify.failed".to_owned()));
        let (prune, copy) = (Job::of_vault(Task::Prune), Job::of_vault(Task::Copy));
        assert_eq!(check(&prune, RunOutcome::Partial, Some(3)), Some("prune.failed".to_owned()));
        assert_eq!(check(&copy, RunOutcome::Partial, Some(3)), None);
        assert_eq!(check(&copy, RunOutcome::Killed, None), Some("copy.failed".to_owned()));
        assert_eq!(check(&verify, RunOutcome::Good, Some(0)), None);
        let barn = Job::of_copy(Task::Prune, Some("barn"));
        let failed = ended(RunOutcome::Failed, Some(1), Some("why"));
        let now = time("2026-11-23T05:00:00Z");
        let event = untold("gz", &barn, RunId::new(), &failed, now).expect("nobody has told it");
        assert_eq!(event.dedup_key(), "lifeboat/gz/-/prune/barn");
        let event = missed("gz", &barn, &[now], now).expect("a missed slot");
        assert_eq!(event.dedup_key(), "lifeboat/gz/-/schedule/prune barn");
    }
}
