//! `lifeboat-agent run` as a real process: told by systemd's protocol, signals, kills, and what it leaves.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use lifeboat_tests::run;
use serde_json::Value;

use crate::company::{Company, DB1, Host, sqlite_crm};

mod days;
mod looks;
mod two;

/// Nothing that is waited for here takes longer.
const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A daemon under way, and what it tells systemd.
struct Daemon {
    child: Child,
    messages: Receiver<String>,
}

/// A company with one source that is due every two seconds.
fn company(agent: &str) -> Company {
    let company = Company::new();
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.01")]);
    company.init(DB1);
    schedule(&company, &format!("schedule = [\"every 2 seconds\"]\nretries = 20\n{agent}"));
    company
}

/// Adds lines to the agent's part of the configuration.
fn schedule(company: &Company, agent: &str) {
    schedule_on(company, DB1, agent);
}

fn schedule_on(company: &Company, host: Host, agent: &str) {
    let path = company.config(host);
    let text = fs::read_to_string(&path).expect("the configuration");
    let bare: Vec<_> = text.split("# schedule\n").step_by(2).collect();
    let text = bare.concat().replace("[agent]\n", &format!("[agent]\n# schedule\n{agent}\n# schedule\n"));
    fs::write(path, text).expect("the configuration");
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + WITHIN;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what} within {WITHIN:?}");
        thread::sleep(LOOK_EVERY);
    }
}

impl Daemon {
    fn start(company: &Company) -> Self {
        Self::start_on(company, DB1)
    }

    fn start_on(company: &Company, host: Host) -> Self {
        let path = company.path(&format!("{}.socket", host.0));
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let log = fs::File::options().create(true).append(true).open(log_of(company, host)).expect("a log");
        let mut command = company.agent(host, &["run"]);
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000").stderr(log);
        let daemon = Self {
            child: command.stdout(Stdio::null()).spawn().expect("it starts"),
            messages: listen(socket),
        };
        daemon.told("READY=1");
        daemon
    }

    /// Waits until systemd is told this, and returns the whole message.
    fn told(&self, words: &str) -> String {
        let deadline = Instant::now() + WITHIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left);
            let message = message.unwrap_or_else(|_| panic!("no {words} within {WITHIN:?}"));
            if message.contains(words) {
                return message;
            }
        }
    }

    /// Waits until it has looked at the clock once more from now on.
    fn looks(&self) {
        while self.messages.try_recv().is_ok() {}
        // The first may have been on its way.
        self.told("WATCHDOG=1");
        self.told("WATCHDOG=1");
    }

    fn signal(&self, name: &str) {
        signal(&self.child.id().to_string(), name);
    }

    /// Waits for its end and returns its exit code.
    fn ends(mut self) -> Option<i32> {
        wait_for("end of the daemon", || self.child.try_wait().expect("it can be asked")).code()
    }
}

/// Takes messages as they come, as systemd does: a full queue would lose some.
fn listen(socket: UnixDatagram) -> Receiver<String> {
    let (tell, messages) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = socket.recv(&mut buffer) {
            if tell.send(String::from_utf8_lossy(&buffer[..length]).into_owned()).is_err() {
                break;
            }
        }
    });
    messages
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_of(company: &Company, host: Host) -> PathBuf {
    company.path(&format!("{}.log", host.0))
}

fn signal(pid: &str, name: &str) {
    run(Command::new("kill").args([&format!("-{name}"), pid])).success();
}

/// All that `status` says.
fn whole_status(company: &Company, host: Host) -> Value {
    run(&mut company.agent(host, &["status", "--json"])).success().last_json()
}

/// What `status` says of the source.
fn status(company: &Company) -> Value {
    whole_status(company, DB1)["sources"][0].clone()
}

fn good_runs(company: &Company) -> u64 {
    good_runs_on(company, DB1)
}

fn good_runs_on(company: &Company, host: Host) -> u64 {
    whole_status(company, host)["sources"][0]["slots"]["ran"].as_u64().unwrap_or(0)
}

fn wait_for_good_runs(company: &Company, count: u64) {
    wait_for("good run", || (good_runs(company) >= count).then_some(()));
}

/// Catches a run in the middle and holds it there; returns its process.
fn hold_a_run(company: &Company) -> String {
    let lock = company.state(DB1).join("locks/backup-crm");
    let state = |pid: &str| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    wait_for("run to hold", || {
        let pid = fs::read_to_string(&lock).ok()?.trim().to_owned();
        let is_run = !pid.is_empty() && Path::new(&format!("/proc/{pid}")).exists();
        if !is_run
            || !Command::new("kill").args(["-STOP", &pid]).stderr(Stdio::null()).status().ok()?.success()
        {
            return None;
        }
        let held = wait_for("held run", || {
            let state = state(&pid);
            let (held, gone) = (state.contains("State:\tT"), state.is_empty() || state.contains("State:\tZ"));
            (held || gone).then_some(held)
        });
        held.then_some(pid)
    })
}

fn wait_until_gone(pid: &str) {
    wait_for("end of the run", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        (status.is_empty() || status.contains("State:\tZ")).then_some(())
    });
}

#[test]
fn a_daemon_keeps_to_few_arenas_and_to_its_arguments() {
    let company = company("");
    let daemon = Daemon::start(&company);
    let about = |what: &str| {
        let bytes = fs::read(format!("/proc/{}/{what}", daemon.child.id())).expect("the daemon runs");
        let words = bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        words.collect::<Vec<_>>()
    };
    assert!(about("environ").contains(&"MALLOC_ARENA_MAX=2".to_owned()));
    let config = company.config(DB1).display().to_string();
    assert_eq!(about("cmdline")[1..], ["run", "--config", &config, ""]);
}

#[test]
fn a_daemon_serves_its_schedule_reads_its_configuration_again_and_stops() {
    let company = company("");
    let daemon = Daemon::start(&company);
    daemon.told("WATCHDOG=1");
    daemon.told("running backup crm");
    wait_for_good_runs(&company, 2);
    let seen = status(&company);
    assert_eq!(
        (&seen["health"], &seen["last_good"]["origin"]),
        (&"good".into(), &"schedule".into()),
        "{seen}"
    );
    assert!(seen["next"].is_string(), "{seen}");

    let second = run(&mut company.agent(DB1, &["run"])).exits(11);
    assert!(second.stderr.contains("another lifeboat-agent runs"), "{}", second.stderr);

    let good = fs::read_to_string(company.config(DB1)).expect("the configuration");
    fs::write(company.config(DB1), good.replace("every 2 seconds", "evry 2 seconds")).expect("written");
    daemon.signal("HUP");
    daemon.told("RELOADING=1\nMONOTONIC_USEC=");
    daemon.told("READY=1");
    // The old one stays in force, for the runs too.
    fs::write(company.config(DB1), "broken").expect("written");
    daemon.told("running backup crm");
    daemon.told("waiting");
    fs::write(company.config(DB1), &good).expect("written");
    let runs = good_runs(&company);
    wait_for_good_runs(&company, runs + 1);

    schedule(&company, "schedule = [\"monthly 1 02:30\"]\ntimezone = \"Asia/Shanghai\"");
    daemon.signal("HUP");
    daemon.told("RELOADING=1");
    let ready = daemon.told("waiting; next is backup crm");
    assert!(ready.contains("02:30:00 +08:00"), "{ready}");

    daemon.signal("TERM");
    daemon.told("STOPPING=1");
    assert_eq!(daemon.ends(), Some(0));
    let seen = status(&company);
    assert!(seen["next"].is_null() && seen["slots"]["failed"].is_null(), "{seen}");
    company.verify();
    let log = fs::read_to_string(log_of(&company, DB1)).expect("the log");
    assert!(log.contains("means nothing here"), "{log}");
}

#[test]
fn a_run_that_is_stopped_or_killed_with_the_daemon_is_caught_up() {
    let company = company("");
    // SIGTERM in the middle: the run stops cleanly, and its slot stays open. One that is completing its
    // snapshot completes it, and the next is caught.
    let slot = wait_for("stopped run", || {
        let daemon = Daemon::start(&company);
        let held = hold_a_run(&company);
        daemon.signal("TERM");
        daemon.told("STOPPING=1");
        daemon.told("EXTEND_TIMEOUT_USEC=");
        signal(&held, "CONT");
        assert_eq!(daemon.ends(), Some(0));
        let run = status(&company)["last_run"].clone();
        (run["outcome"] == "stopped").then(|| run["slot"].clone())
    });

    // Meanwhile the schedule has become a rare one: what runs now is caught up.
    schedule(&company, "schedule = [\"monthly 1 02:30\"]\nretries = 20");
    let daemon = Daemon::start(&company);
    wait_for("caught-up run", || (status(&company)["last_good"]["slot"] == slot).then_some(()));
    drop(daemon);

    // SIGKILL in the middle: the run ends with its daemon, and the next daemon runs it again.
    schedule(&company, "schedule = [\"every 2 seconds\"]\nretries = 20");
    let daemon = Daemon::start(&company);
    let held = hold_a_run(&company);
    let slot = status(&company)["running"]["slot"].clone();
    drop(daemon);
    signal(&held, "CONT");
    wait_until_gone(&held);
    assert_eq!(status(&company)["last_run"]["outcome"], "killed");
    schedule(&company, "schedule = [\"monthly 1 02:30\"]\nretries = 20");
    let daemon = Daemon::start(&company);
    let good = wait_for("caught-up run", || {
        let good = status(&company)["last_good"].clone();
        (good["slot"] == slot).then_some(good)
    });
    assert_eq!(good["attempt"], 2, "{good}");
    drop(daemon);
    company.verify();
}

#[test]
fn a_run_that_hangs_is_ended_and_reported_and_lost_memory_is_recalled() {
    let company = company("stalled_after = \"3s\"");
    let daemon = Daemon::start(&company);
    let held = hold_a_run(&company);
    wait_until_gone(&held);
    // The next slot is due by then, so the failed run is not the last one for long: its slot tells.
    wait_for("failed slot", || (status(&company)["slots"]["failed"].as_u64() >= Some(1)).then_some(()));
    let log = fs::read_to_string(log_of(&company, DB1)).expect("a log");
    assert!(log.contains("made no progress for 3.0 s and was ended"), "{log}");
    daemon.signal("TERM");
    assert_eq!(daemon.ends(), Some(0));

    // One by hand is in the history too, and the history may be lost.
    company.back_up(DB1);
    assert_eq!(status(&company)["last_good"]["origin"], "hand");
    schedule(&company, "schedule = [\"monthly 1 02:30\"]");
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(company.state(DB1).join(format!("history.sqlite{suffix}")));
    }
    assert_eq!(status(&company)["health"], "never");
    let _daemon = Daemon::start(&company);
    let recalled = wait_for("recalled run", || {
        let good = status(&company)["last_good"].clone();
        good.is_object().then_some(good)
    });
    assert_eq!(recalled["origin"], "vault");
    assert_eq!(recalled["snapshot"], company.snapshots().last().expect("a snapshot").as_str());
}

#[test]
fn the_daemon_takes_from_a_copy_what_it_keeps_no_longer() {
    let company = company("jobs = 2");
    let barn = company.path("barn");
    fs::create_dir(&barn).expect("a disk elsewhere");
    company.add_to_config(
        DB1,
        &format!(
            "[[vault.copy]]\nname = \"barn\"\nurl = \"file://{}\"\nkeep = {{ last = 1 }}\n\
             expire = [\"every 3 seconds\"]\nprune = [\"every 3 seconds\"]\n",
            barn.display()
        ),
    );
    let daemon = Daemon::start(&company);
    for task in ["expire", "prune"] {
        wait_for(task, || {
            let status = whole_status(&company, DB1);
            let jobs = status["copy_maintenance"].as_array().expect("jobs of copies").clone();
            let job = jobs.iter().find(|job| job["task"] == task && job["copy"] == "barn")?;
            (job["slots"]["ran"].as_u64() >= Some(1)).then_some(())
        });
    }
    let there = |vault: &Path| fs::read_dir(vault.join("snapshots")).map_or(0, Iterator::count);
    wait_for("snapshot that is in the vault alone", || {
        (there(&barn) > 0 && there(&company.vault()) > there(&barn) + 1).then_some(())
    });
    daemon.signal("TERM");
    assert_eq!(daemon.ends(), Some(0));
    let status = whole_status(&company, DB1);
    assert!(status["maintenance"]["expire"]["last_run"].is_null(), "{status}");
}
