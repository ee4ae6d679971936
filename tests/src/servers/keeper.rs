//! A server's process, held by a pipe: when the pipe closes, the server is ended.
//!
//! A small shell stands between test and server and reads a line from the pipe: the name of a signal
//! to end the server with, or nothing when the test is gone (the kernel closes the pipe of a test that
//! was killed). A parent-death signal would not do: it follows the thread that started the server, and
//! test threads come and go.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

const KEEPER: &str =
    r#"last=$1; shift; "$@" >&2 & echo $!; exec >&-; read -r signal; kill -s "${signal:-$last}" $!; wait $!"#;

/// How long a server may take to be ready: far more than any needs on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How often readiness is asked for.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A server that runs until this value is dropped.
#[derive(Debug)]
pub(super) struct Kept {
    keeper: Child,
    pipe: Option<ChildStdin>,
    /// The server's process id.
    pub pid: u32,
}

impl Kept {
    /// Starts `server`, writes what it says to `log`, and ends it with `last_signal` when dropped.
    pub fn start(server: &[impl AsRef<OsStr>], log: &Path, last_signal: &str) -> Self {
        let said = File::options().create(true).append(true).open(log).expect("the log can be written");
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper", last_signal])
            .args(server)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(said)
            .spawn()
            .expect("sh can be started");
        let pipe = keeper.stdin.take();
        let mut line = String::new();
        let stdout = keeper.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the keeper answers");
        let pid = line.trim().parse().expect("the keeper answers with the server's process id");
        Self { keeper, pipe, pid }
    }

    /// Asks `ready` until it says yes; false when the server ended before that.
    ///
    /// # Panics
    /// When the server is neither ready nor gone within two minutes.
    pub fn wait_until(&self, what: &str, log: &Path, ready: impl Fn() -> bool) -> bool {
        let started = Instant::now();
        while started.elapsed() < READY_WITHIN {
            if ready() {
                return true;
            }
            if !self.is_alive() {
                return false;
            }
            std::thread::sleep(ASK_EVERY);
        }
        let said = std::fs::read_to_string(log).unwrap_or_default();
        panic!("{what} is not ready after {READY_WITHIN:?}; it said:\n{said}")
    }

    /// Ends the server with `signal` and waits until it is gone.
    pub fn end(&mut self, signal: &str) {
        if let Some(mut pipe) = self.pipe.take() {
            // A keeper that is gone has no server left to end.
            let _ = writeln!(pipe, "{signal}");
        }
        let _ = self.keeper.wait();
    }

    fn is_alive(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.keeper.wait();
    }
}
