//! `run`: one loop that looks at the clock, begins runs, hears how they end, and obeys signals.
//!
//! What to do it asks [`Scheduler`], which is pure; what happened it writes into the [`History`]; each run is
//! a process of its own, see [`child`]. The loop turns at least every half minute, because a machine that
//! slept has another time than its timers expect. What cannot be written down is said in the log and does
//! not end the loop: backups that go on are worth more than their history.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Kind, chain};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::history::{Ended, History, Origin, RunOutcome};
use crate::job::{Job, Task};
use crate::lock::{self, Lock};
use crate::metrics::Server;
use crate::run_id::RunId;
use crate::schedule::{Action, Ending, Outcome, Place, Rules, Scheduler};
use crate::watch::look_alone;
use crate::{explain, host};
use child::{Order, Told};
use looks::Looks;
use systemd::Systemd;
use teller::Teller;

mod child;
mod looks;
mod systemd;
mod teller;

/// The loop turns no slower.
const PACE_MAX: Duration = Duration::from_secs(30);

/// A wait of nothing would turn the loop as fast as it can.
const PACE_MIN: Duration = Duration::from_millis(10);

/// Old rows are forgotten, killed runs found and lost memory recalled so often.
const CHORES_EVERY: Duration = Duration::from_secs(60);

/// Lines about runs that wait to be written down.
const TOLD_WAITING: usize = 64;

/// While runs end, systemd is told to wait so much longer, this often.
const EXTENSION: Duration = Duration::from_secs(30);

/// The configuration in force, and the text it was read from.
struct InForce {
    config: Config,
    text: String,
}

/// The daemon.
pub struct Daemon {
    path: PathBuf,
    program: PathBuf,
    verbose: u8,
    in_force: InForce,
    history: History,
    scheduler: Scheduler,
    metrics: Option<Server>,
    teller: Teller,
    systemd: Systemd,
    work: JoinSet<Done>,
    running: BTreeMap<Job, RunId>,
    recalling: bool,
    looks: Looks,
    stop: watch::Sender<bool>,
    tell: mpsc::Sender<Told>,
    told: mpsc::Receiver<Told>,
    kept: BTreeMap<Job, Place>,
    chores_at: Option<std::time::Instant>,
    hup: Signal,
    term: Signal,
    int: Signal,
    _lock: Lock,
}

/// What has ended.
enum Done {
    Run(Job, RunId, Ended),
    Recalled(Result<(), CommandError>),
    Looked(Result<(), CommandError>),
}

impl Daemon {
    /// Takes its place on this host and finds out where its predecessor was.
    ///
    /// # Errors
    /// When the configuration cannot be used, nothing has a schedule, this host has no key, another daemon
    /// runs here, or what `listen` says is no free address of this machine.
    pub async fn start(path: &Path, verbose: u8) -> Result<Self, CommandError> {
        // Before anything else: a signal that comes early must not end the process in the middle.
        let (hup, term, int) = (
            signal(SignalKind::hangup())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let in_force = InForce::read(path)?;
        let agent = &in_force.config.agent;
        host::read_key(agent)?;
        host::make_state(agent)?;
        let lock = lock::of_daemon(&agent.state)?;
        let history = History::open(&agent.state).await?;
        let now = Timestamp::now();
        let scheduler = Scheduler::new(Rules::of(&in_force.config), history.places().await?, now);
        let metrics = match in_force.config.agent.listen {
            Some(listen) => Some(Server::start(listen, &in_force.config, &history).await?),
            None => None,
        };
        let (tell, told) = mpsc::channel(TOLD_WAITING);
        let teller = Teller::new(&in_force.config);
        Ok(Self {
            path: path.to_owned(),
            program: std::env::current_exe()?,
            verbose,
            in_force,
            history,
            scheduler,
            metrics,
            teller,
            systemd: Systemd::from_environment(),
            work: JoinSet::new(),
            running: BTreeMap::new(),
            recalling: false,
            looks: Looks::default(),
            stop: watch::Sender::new(false),
            tell,
            told,
            kept: BTreeMap::new(),
            chores_at: None,
            hup,
            term,
            int,
            _lock: lock,
        })
    }

    /// Serves slots until a signal comes.
    pub async fn serve(mut self) -> Result<(), CommandError> {
        self.systemd.ready(&self.status_line());
        tracing::info!(pid = std::process::id(), "serving the schedule of {}", self.path.display());
        if let Some(metrics) = &self.metrics {
            tracing::info!("metrics are at http://{}/metrics", metrics.address());
        }
        loop {
            let now = Timestamp::now();
            if let Some(metrics) = &self.metrics {
                metrics.alive(now);
            }
            self.chores(now).await;
            let actions = self.scheduler.look(now);
            self.act(actions, now).await;
            self.keep_places().await;
            self.teller.turn(now);
            self.look_at_record(now);
            self.systemd.alive();
            tokio::select! {
                () = tokio::time::sleep(self.pause()) => {}
                Some(done) = self.work.join_next() => self.done(done).await,
                Some(told) = self.told.recv() => self.hear(told).await,
                Some(()) = self.hup.recv() => self.reload().await,
                Some(()) = self.term.recv() => return self.end("SIGTERM").await,
                Some(()) = self.int.recv() => return self.end("SIGINT").await,
            }
        }
    }

    /// How long nothing will happen by the clock alone.
    fn pause(&self) -> Duration {
        let now = Timestamp::now();
        let wake = self.scheduler.wake(now).map(|wake| wake.duration_since(now));
        let wake = wake.map_or(PACE_MAX, |wait| Duration::try_from(wait).unwrap_or(Duration::ZERO));
        let pace = self.systemd.pace().map_or(PACE_MAX, |pace| pace.min(PACE_MAX));
        wake.clamp(PACE_MIN, pace.max(PACE_MIN))
    }

    async fn act(&mut self, actions: Vec<Action>, now: Timestamp) {
        let mut missed: BTreeMap<Job, Vec<Timestamp>> = BTreeMap::new();
        for action in actions {
            match action {
                Action::Start { job, slot, attempt } => self.begin(job, slot, attempt, now).await,
                Action::Settle { job, slot, outcome } => {
                    tracing::warn!(%job, %slot, "slot {}", outcome.as_str());
                    self.settle(&job, slot, outcome, None).await;
                    if outcome == Outcome::Missed {
                        missed.entry(job).or_default().push(slot);
                    }
                }
            }
        }
        for (job, slots) in missed {
            self.teller.missed(&job, &slots, now);
        }
    }

    async fn begin(&mut self, job: Job, slot: Timestamp, attempt: u32, now: Timestamp) {
        let id = RunId::new();
        written(self.history.begin(id, &job, Origin::Schedule, Some((slot, attempt)), now).await);
        tracing::info!(run = %id, %job, %slot, attempt, "begins");
        let agent = &self.in_force.config.agent;
        let order = Order {
            job: job.clone(),
            id,
            program: self.program.clone(),
            config_path: self.path.clone(),
            config_text: self.in_force.text.clone(),
            verbose: self.verbose,
            stalled_after: match job.task {
                Task::Backup | Task::Copy => agent.stalled_after,
                // Whose work is counted in neither rows nor bytes tells nothing on the way.
                Task::Verify | Task::Expire | Task::Prune => agent.deadline,
            },
            deadline: agent.deadline,
        };
        self.running.insert(job.clone(), id);
        let (stop, tell) = (self.stop.subscribe(), self.tell.clone());
        self.work.spawn(async move { Done::Run(job, id, child::run(order, stop, tell).await) });
        self.systemd.status(&self.status_line());
    }

    async fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        match done {
            Ok(Done::Run(job, id, ended)) => self.run_ended(&job, id, &ended).await,
            Ok(Done::Recalled(recalled)) => self.recalled(recalled).await,
            Ok(Done::Looked(looked)) => self.looks.ended(looked),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    async fn run_ended(&mut self, job: &Job, id: RunId, ended: &Ended) {
        let now = Timestamp::now();
        match &ended.error {
            None => tracing::info!(run = %id, %job, snapshot = ended.counts.snapshot, "is good"),
            Some(error) => tracing::error!(run = %id, %job, error, "{}", ended.outcome.as_str()),
        }
        self.running.remove(job);
        self.teller.ended(job, id, ended, now);
        written(self.history.end(id, ended, now).await);
        let ending = ending(ended, *self.stop.borrow());
        if let Some(Action::Settle { job, slot, outcome }) = self.scheduler.ended(job, ending, now) {
            self.settle(&job, slot, outcome, Some(id)).await;
        }
        self.systemd.status(&self.status_line());
    }

    async fn settle(&self, job: &Job, slot: Timestamp, outcome: Outcome, run: Option<RunId>) {
        written(self.history.settle(job, slot, outcome, run).await);
    }

    async fn hear(&self, told: Told) {
        written(self.history.progress(told.id, &told.line).await);
        self.systemd.status(&format!("{}: {}", self.status_line(), told.line));
    }

    /// Written when a slot has changed, or with the chores: `seen_until` alone moves with every look.
    async fn keep_places(&mut self) {
        let places = self.scheduler.places();
        let slots = |places: &BTreeMap<Job, Place>| {
            places
                .iter()
                .map(|(job, place)| (job.clone(), place.last, place.open.clone()))
                .collect::<Vec<_>>()
        };
        if slots(places) != slots(&self.kept) {
            self.kept = places.clone();
            written(self.history.keep_places(places).await);
        }
    }

    async fn chores(&mut self, now: Timestamp) {
        if self.chores_at.is_some_and(|at| at.elapsed() < CHORES_EVERY) {
            return;
        }
        self.chores_at = Some(std::time::Instant::now());
        let state = &self.in_force.config.agent.state;
        let ours: Vec<_> = self.running.values().collect();
        let is_alive =
            |run: &crate::history::Run| ours.contains(&&run.id) || lock::is_running(state, &run.job);
        written(self.history.bury(now, is_alive).await);
        written(self.history.forget_old(now).await);
        written(self.history.keep_places(self.scheduler.places()).await);
        match self.history.is_recalled().await {
            Ok(false) if !self.recalling => self.recall(),
            recalled => written(recalled.map(drop)),
        }
    }

    /// Asks the vault what is known of past runs, beside the loop: the store may not answer for a long time.
    fn recall(&mut self) {
        self.recalling = true;
        let (config, history) = (self.in_force.config.clone(), self.history.clone());
        self.beside_the_loop(|| async move {
            let recall = async {
                let vault = host::open_vault(&config, &host::read_key(&config.agent)?).await?;
                history.recall(&vault, Timestamp::now()).await
            };
            Done::Recalled(recall.await)
        });
    }

    /// What somebody did is told without waiting for the next job.
    fn look_at_record(&mut self, now: Timestamp) {
        if self.looks.begins(now) {
            let config = self.in_force.config.clone();
            self.beside_the_loop(|| async move { Done::Looked(look_alone(&config).await) });
        }
    }

    /// Does what has to do with an opened vault: it holds keys that stay on one thread.
    fn beside_the_loop<Work: Future<Output = Done>>(&mut self, work: impl FnOnce() -> Work + Send + 'static) {
        let runtime = tokio::runtime::Handle::current();
        self.work.spawn_blocking(move || runtime.block_on(work()));
    }

    async fn recalled(&mut self, recalled: Result<(), CommandError>) {
        self.recalling = false;
        if let Err(error) = recalled {
            tracing::warn!("past runs cannot be recalled from the vault yet: {}", chain(error.error()));
            return;
        }
        let jobs: Vec<_> =
            self.scheduler.places().keys().filter(|job| job.task == Task::Backup).cloned().collect();
        for job in jobs {
            match self.history.last_good(&job).await {
                Ok(Some(run)) => self.scheduler.recall(&job, run.counts.point.unwrap_or(run.started)),
                other => written(other.map(drop)),
            }
        }
    }

    /// Reads the configuration again. A bad one is refused, and the old one stays in force.
    async fn reload(&mut self) {
        self.systemd.reloading();
        let read = InForce::read(&self.path).and_then(|read| match self.in_force.fixed(&read) {
            None => Ok(read),
            Some(key) => {
                let text = format!("`{key}` in [agent] cannot change while the agent runs");
                Err(CommandError::new(Kind::ConfigInvalid, text).hint("restart the agent"))
            }
        });
        match read {
            Ok(read) => {
                let now = Timestamp::now();
                let actions = self.scheduler.reconfigure(Rules::of(&read.config), now);
                self.in_force = read;
                if let Some(metrics) = &self.metrics {
                    metrics.reconfigure(&self.in_force.config);
                }
                self.teller.reconfigure(&self.in_force.config);
                self.act(actions, now).await;
                tracing::info!("the configuration was read again and is in force");
                self.systemd.ready(&self.status_line());
            }
            Err(error) => {
                let text = error.classify(explain::explain).render();
                tracing::error!(
                    "the configuration is refused and the old one stays in force: {}",
                    text.trim_end()
                );
                self.systemd.ready(&format!("{}; the new configuration was refused", self.status_line()));
            }
        }
    }

    /// Stops every run at its next safe point. A second signal ends everything at once, which does no harm.
    async fn end(mut self, name: &str) -> Result<(), CommandError> {
        tracing::info!("{name}: stopping");
        self.systemd.stopping("stopping: waiting for runs to end");
        self.stop.send_replace(true);
        while !self.running.is_empty() {
            self.systemd.extend(EXTENSION * 2);
            tokio::select! {
                () = tokio::time::sleep(EXTENSION) => {}
                Some(done) = self.work.join_next() => self.done(done).await,
                Some(told) = self.told.recv() => self.hear(told).await,
                Some(()) = self.term.recv() => break,
                Some(()) = self.int.recv() => break,
            }
        }
        written(self.history.keep_places(self.scheduler.places()).await);
        self.teller.finish().await;
        Ok(())
    }

    /// `2 jobs, running backup crm`.
    fn status_line(&self) -> String {
        let running: Vec<_> = self.running.keys().map(ToString::to_string).collect();
        if !running.is_empty() {
            return format!("running {}", running.join(", "));
        }
        let now = Timestamp::now();
        let places = self.scheduler.places();
        let rules = self.scheduler.rules();
        let next =
            places.iter().filter_map(|(job, place)| Some((rules.next_run(job, Some(place), now)?, job)));
        match next.min() {
            Some((at, job)) => {
                let at = at.to_zoned_datetime(rules.zone().clone());
                format!("waiting; next is {job} at {}", at.strftime("%F %T %:z"))
            }
            None => "waiting; nothing is due any more".to_owned(),
        }
    }
}

impl InForce {
    fn read(path: &Path) -> Result<Self, CommandError> {
        // The text is kept for the runs; what cannot be read is told as `Config::load` tells it.
        let text = std::fs::read_to_string(path).or_else(|_| Config::load(path).map(|_| String::new()))?;
        let config = Config::parse(&text, path)?;
        if Rules::of(&config).jobs().next().is_none() {
            return Err(CommandError::new(
                Kind::ConfigInvalid,
                "nothing has a schedule, so nothing would ever run",
            )
            .hint("add to [agent], for every source, or to one [[source]]: schedule = [\"daily 02:30\"]"));
        }
        Ok(Self { config, text })
    }

    /// The first key that is another in `read`, of those that hold for the daemon's whole life.
    fn fixed(&self, read: &Self) -> Option<&'static str> {
        let (old, new) = (&self.config.agent, &read.config.agent);
        match (old.state == new.state, old.listen == new.listen) {
            (false, _) => Some("state"),
            (true, false) => Some("listen"),
            (true, true) => None,
        }
    }
}

/// What a run's end means for its slot.
fn ending(ended: &Ended, stopping: bool) -> Ending {
    /// Usage, keys, damage and configuration: nothing changes before a person has looked.
    const FOR_A_PERSON: [u8; 4] = [2, 12, 20, 40];
    match ended.outcome {
        RunOutcome::Good => Ending::Settled(Outcome::Ran),
        RunOutcome::Partial => Ending::Settled(Outcome::Partial),
        RunOutcome::Held => Ending::Settled(Outcome::Held),
        RunOutcome::Stopped if stopping => Ending::Stopped,
        _ if ended.exit_code.is_some_and(|code| FOR_A_PERSON.contains(&code)) => {
            Ending::Settled(Outcome::Failed)
        }
        _ => Ending::Failed,
    }
}

fn written(result: Result<(), CommandError>) {
    if let Err(error) = result {
        tracing::error!("the history cannot be written: {}", chain(error.error()));
    }
}
