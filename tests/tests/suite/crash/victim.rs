//! A program that is killed at a moment of its own making: after a line it prints, after an object it
//! writes, or after a time drawn at random.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// When to kill.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// After so many lines of JSON.
    Line(usize),
    /// After so many tables are done.
    Table(usize),
    /// When so many files have appeared in the vault, half-written ones included.
    File(usize),
    /// When the program has said that this phase begins.
    Phase(&'static str),
    /// After this time.
    Time(Duration),
}

/// Nothing that is killed here runs longer.
const ENDS_WITHIN: Duration = Duration::from_secs(120);
/// How often the vault's folder is looked at: far quicker than an object is written.
const LOOK_EVERY: Duration = Duration::from_micros(500);

/// A program under way that prints JSON lines.
pub struct Victim {
    child: Child,
    lines: Receiver<String>,
    stderr: thread::JoinHandle<String>,
    heard: Vec<String>,
}

/// How a program ended that was left alone.
pub struct Ended {
    pub code: Option<i32>,
    pub lines: Vec<String>,
    pub stderr: String,
}

impl Victim {
    /// Starts a command that was given `--json`.
    pub fn start(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let (tell, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let stderr = thread::spawn(move || {
            let mut said = String::new();
            stderr.read_to_string(&mut said).expect("stderr is text");
            said
        });
        Self { child, lines, stderr, heard: Vec::new() }
    }

    /// Kills the program at `moment`; false when it had ended before.
    pub fn kill_at(mut self, moment: Moment, vault: &Path) -> bool {
        let reached = match moment {
            Moment::Line(number) => self.hear(|heard| heard.len() >= number),
            Moment::Table(number) => self.hear(|heard| {
                heard.iter().filter(|line| line.contains("\"type\":\"table\"")).count() >= number
            }),
            Moment::Phase(phase) => self.hear_phase(phase),
            Moment::File(number) => self.see_file(number, vault),
            Moment::Time(time) => {
                thread::sleep(time);
                true
            }
        };
        let running = reached && self.child.try_wait().expect("the program can be asked").is_none();
        // SIGKILL: the program has no say in it.
        self.child.kill().expect("the program can be killed");
        self.child.wait().expect("the program ends");
        self.stderr.join().expect("stderr was read");
        running
    }

    /// Waits until the program says that `phase` begins; false when it ends without.
    pub fn hear_phase(&mut self, phase: &str) -> bool {
        let words = format!("\"phase\":\"{phase}\"");
        self.hear(|heard| {
            heard.iter().any(|line| line.contains("\"type\":\"phase\"") && line.contains(&words))
        })
    }

    /// Waits for the program's own end.
    pub fn end(mut self) -> Ended {
        self.hear(|_| false);
        let code = self.child.wait().expect("the program ends").code();
        Ended { code, lines: self.heard, stderr: self.stderr.join().expect("stderr was read") }
    }

    fn hear(&mut self, enough: impl Fn(&[String]) -> bool) -> bool {
        let deadline = Instant::now() + ENDS_WITHIN;
        while !enough(&self.heard) {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => panic!("no end in sight after {:?}", self.heard),
            }
        }
        true
    }

    fn see_file(&mut self, number: usize, vault: &Path) -> bool {
        let before = files(vault).len();
        let deadline = Instant::now() + ENDS_WITHIN;
        while files(vault).len() < before + number {
            if self.child.try_wait().expect("the program can be asked").is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "no file number {number} after {ENDS_WITHIN:?}");
            thread::sleep(LOOK_EVERY);
        }
        true
    }
}

/// Every file below a folder, half-written ones included.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // A folder may be renamed away while it is looked at.
    let Ok(entries) = folder.read_dir() else { return found };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
