//! One run as a process of its own.
//!
//! A process rather than a task, because it can hang in a driver, run out of memory or meet a fault without
//! taking the daemon along, and can be ended from outside whatever it does. The daemon links no database
//! and holds no key, so it stays small.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use lifeboat_console::{CommandError, human_bytes, human_duration, human_rows};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::systemd;
use crate::history::{Counts, Ended, RunOutcome};
use crate::job::Job;
use crate::run_id::RunId;
use crate::supervise;

/// A run that was asked to stop and does not is killed, after this or the time in which it has to make
/// progress, whichever is shorter.
const GRACE_MAX: Duration = Duration::from_secs(30);

/// A run may be completing its snapshot when the daemon stops. Shorter than the unit's `TimeoutStopSec`.
pub const STOP_GRACE: Duration = Duration::from_secs(240);

/// Progress is told no oftener.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// What a run needs.
pub struct Order {
    /// What to do.
    pub job: Job,
    /// Under which name.
    pub id: RunId,
    /// This program.
    pub program: PathBuf,
    /// Where the configuration came from, which is where its relative paths start.
    pub config_path: PathBuf,
    /// The configuration in force.
    pub config_text: String,
    /// How much to log.
    pub verbose: u8,
    /// It has to make progress within this time.
    pub stalled_after: Duration,
    /// It has to end within this time.
    pub deadline: Duration,
}

/// A line about a run.
pub struct Told {
    /// Which run.
    pub id: RunId,
    /// How far it is.
    pub line: String,
}

/// Why a run was asked to stop.
#[derive(Clone, Copy)]
enum Cause {
    Stalled,
    Late,
    Daemon,
}

/// Whether anything is left to be done about a run whose time is up.
#[derive(PartialEq, Eq)]
enum Last {
    NotYet,
    Resort,
}

/// A run under way.
struct Watched {
    order: Order,
    child: Child,
    cause: Option<Cause>,
    is_killed: bool,
    /// Ends the run: first asked, then killed.
    due: Instant,
    deadline: Instant,
    /// What counts as progress when it changes.
    last_seen: Value,
    summary: Option<Value>,
    error: Option<Value>,
    told_at: Option<Instant>,
}

/// Runs it to its end. `stop` becomes true when the daemon stops.
pub async fn run(order: Order, mut stop: watch::Receiver<bool>, tell: mpsc::Sender<Told>) -> Ended {
    let mut child = match start(&order) {
        Ok(child) => child,
        Err(error) => {
            let error =
                CommandError::from(error).context(format!("{} cannot be started", order.program.display()));
            // There is no program whose code it could be, nor one that has told anybody.
            return Ended { exit_code: None, ..Ended::with_error(&error) };
        }
    };
    // Closed when this function ends, and with the daemon: then the run stops.
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let stdout = child.stdout.take().expect("stdout is piped");
    // A run that does not read its orders ends, and says so by its exit code.
    let _ = stdin.write_all(supervise::first_line(&order.config_text).as_bytes()).await;
    let mut lines = BufReader::new(stdout).lines();
    let mut watched = Watched::new(order, child);
    loop {
        tokio::select! {
            line = lines.next_line() => match line {
                Ok(Some(line)) => watched.hear(&line, &tell),
                // The run closes stdout by ending.
                Ok(None) | Err(_) => break,
            },
            () = tokio::time::sleep_until(watched.due) => {
                if watched.end_now() == Last::Resort {
                    break;
                }
            }
            Ok(()) = stop.changed(), if watched.cause.is_none() => watched.ask_to_stop(Cause::Daemon),
        }
    }
    watched.wait().await
}

fn start(order: &Order) -> std::io::Result<Child> {
    let mut command = Command::new(&order.program);
    command
        .arg(order.job.task.as_str())
        .args(["--json", "--supervised", &order.id.hex(), "--config"])
        .arg(&order.config_path);
    if let Some(source) = &order.job.source {
        command.args(["--source", source]);
    }
    if let Some(copy) = &order.job.copy {
        command.args(["--copy", copy]);
    }
    command.args((0..order.verbose).map(|_| "-v"));
    for variable in systemd::VARIABLES {
        command.env_remove(variable);
    }
    // A group of its own: what the run starts can be killed with it, and Ctrl-C reaches the daemon alone.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()
}

impl Watched {
    fn new(order: Order, child: Child) -> Self {
        let now = Instant::now();
        let deadline = now + order.deadline;
        let due = (now + order.stalled_after).min(deadline);
        Self {
            order,
            child,
            cause: None,
            is_killed: false,
            due,
            deadline,
            last_seen: Value::Null,
            summary: None,
            error: None,
            told_at: None,
        }
    }

    fn hear(&mut self, line: &str, tell: &mpsc::Sender<Told>) {
        let Ok(value) = serde_json::from_str::<Value>(line) else { return };
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        let progress = kind == "progress";
        // A progress line comes every second; only what has grown since is progress.
        let seen = if progress { counters(&value) } else { value.clone() };
        if seen != self.last_seen {
            self.last_seen = seen;
            if self.cause.is_none() {
                self.due = (Instant::now() + self.order.stalled_after).min(self.deadline);
            }
        }
        if progress && self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            self.told_at = Some(Instant::now());
            // When the daemon has no time to listen, the next line will do.
            let _ = tell.try_send(Told { id: self.order.id, line: progress_line(&value) });
        }
        match kind {
            // The second comes last, when copies are made too.
            "snapshot" | "summary" => self.summary = Some(value),
            "error" => self.error = Some(value),
            _ => {}
        }
    }

    /// The time is up: the first time the run is asked, the second time it is killed. When its stdout is open
    /// even after that, somebody else holds it.
    fn end_now(&mut self) -> Last {
        if self.is_killed {
            return Last::Resort;
        } else if self.cause.is_some() {
            self.signal_group(Signal::KILL);
            self.is_killed = true;
            self.due = Instant::now() + GRACE_MAX.min(self.order.stalled_after);
        } else if Instant::now() >= self.deadline {
            self.ask_to_stop(Cause::Late);
        } else {
            self.ask_to_stop(Cause::Stalled);
        }
        Last::NotYet
    }

    fn ask_to_stop(&mut self, cause: Cause) {
        self.cause = Some(cause);
        let grace = match cause {
            Cause::Daemon => STOP_GRACE,
            Cause::Stalled | Cause::Late => GRACE_MAX.min(self.order.stalled_after),
        };
        self.due = Instant::now() + grace;
        if let Some(pid) = self.pid() {
            // One that is gone already needs no signal.
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
    }

    fn signal_group(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }

    fn pid(&self) -> Option<Pid> {
        self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }

    async fn wait(mut self) -> Ended {
        let status = match tokio::time::timeout(GRACE_MAX, self.child.wait()).await {
            Ok(status) => status.ok(),
            // Its stdout is closed and it does not end: whatever it still does is of no use.
            Err(_) => {
                self.signal_group(Signal::KILL);
                // One that a broken disk holds cannot be killed. Its lock stays taken, and other jobs go on.
                tokio::time::timeout(GRACE_MAX, self.child.wait()).await.ok().and_then(Result::ok)
            }
        };
        let counts = self.summary.as_ref().map(Counts::of).unwrap_or_default();
        let code = status.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
        let outcome = match (code, self.cause) {
            (Some(0), _) => RunOutcome::Good,
            (Some(3), _) => RunOutcome::Partial,
            (Some(22 | 30), _) => RunOutcome::Held,
            (_, Some(Cause::Daemon)) => RunOutcome::Stopped,
            (_, Some(Cause::Stalled | Cause::Late)) => RunOutcome::Failed,
            (Some(130), None) => RunOutcome::Stopped,
            (Some(_), None) => RunOutcome::Failed,
            (None, None) => RunOutcome::Killed,
        };
        let error = (outcome != RunOutcome::Good).then(|| self.why(status));
        Ended { outcome, exit_code: code, error, counts }
    }

    fn why(&self, status: Option<ExitStatus>) -> String {
        match (self.cause, &self.error) {
            (Some(Cause::Stalled), _) => {
                format!("it made no progress for {} and was ended", human_duration(self.order.stalled_after))
            }
            (Some(Cause::Late), _) => {
                format!(
                    "it was not done after {}, its deadline, and was ended",
                    human_duration(self.order.deadline)
                )
            }
            (_, Some(error)) => error_line(error),
            (_, None) => match status {
                Some(status) => format!("it ended without a word: {status}"),
                None => "it ended without a word".to_owned(),
            },
        }
    }
}

/// What grows while a run makes progress.
fn counters(progress: &Value) -> Value {
    ["phase", "rows", "bytes", "tables_done"].map(|key| progress.get(key).cloned().unwrap_or_default()).into()
}

/// `reading: 1,200,000 of 3,100,000 rows, 312 MiB`.
fn progress_line(progress: &Value) -> String {
    let number = |key: &str| progress.get(key).and_then(Value::as_u64);
    let phase = progress.get("phase").and_then(Value::as_str).unwrap_or("working");
    let bytes = human_bytes(number("bytes").unwrap_or(0));
    match (number("rows").unwrap_or(0), number("rows_estimated")) {
        (0, None) => format!("{phase}: {bytes}"),
        (done, None) => format!("{phase}: {} rows, {bytes}", human_rows(done)),
        (done, Some(of)) => format!("{phase}: {} of {} rows, {bytes}", human_rows(done), human_rows(of)),
    }
}

/// The error of a run and its causes, on one line.
fn error_line(error: &Value) -> String {
    let first = error.get("error").and_then(Value::as_str).unwrap_or("it failed");
    let causes = error.get("causes").and_then(Value::as_array).into_iter().flatten();
    causes.filter_map(Value::as_str).fold(first.to_owned(), |line, cause| format!("{line}: {cause}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_and_its_causes_are_one_line() {
        let error = json!({ "error": "source crm failed", "causes": ["no server", "connection refused"] });
        assert_eq!(error_line(&error), "source crm failed: no server: connection refused");
    }

    #[tokio::test]
    async fn a_run_whose_stdout_somebody_else_holds_ends_all_the_same() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let program = folder.path().join("run");
        let pid = folder.path().join("pid");
        // It leaves its group, as a daemon of its own would, and lives on.
        let script = format!("#!/bin/sh\nsetsid sleep 60 & echo $! >{}\nsleep 60\n", pid.display());
        std::fs::write(&program, script).expect("a program");
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .expect("its mode");
        let order = Order {
            job: Job::backup("crm"),
            id: RunId::new(),
            program,
            config_path: "/lifeboat.toml".into(),
            config_text: String::new(),
            verbose: 0,
            stalled_after: Duration::from_millis(500),
            deadline: Duration::from_secs(600),
        };
        let (_keep, stop) = watch::channel(false);
        let (tell, _told) = mpsc::channel(1);
        let ended = tokio::time::timeout(Duration::from_secs(30), run(order, stop, tell)).await;
        let sleeper = std::fs::read_to_string(&pid).expect("its number");
        std::process::Command::new("kill").arg(sleeper.trim()).status().expect("kill starts");
        let ended = ended.expect("it ends in time");
        assert_eq!(ended.outcome, RunOutcome::Failed);
        assert!(ended.error.is_some_and(|error| error.contains("made no progress")));
    }

    #[test]
    fn progress_is_told_in_numbers() {
        let progress = json!({ "phase": "reading", "rows": 1200, "rows_estimated": 3000, "bytes": 2048 });
        assert_eq!(progress_line(&progress), "reading: 1,200 of 3,000 rows, 2.00 KiB");
        assert_eq!(progress_line(&json!({ "phase": "opening" })), "opening: 0 B");
    }
}
