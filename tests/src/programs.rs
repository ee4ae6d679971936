//! The programs under test, as an operator starts them, and what they said.
//!
//! They are found beside the running test, so a test never runs an older build from somewhere else.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output};

/// Returns a command that runs `lifeboat-agent` as it was last built.
pub fn agent() -> Command {
    program("lifeboat-agent")
}

/// Returns a command that runs `lifeboat-restore` as it was last built.
pub fn restore() -> Command {
    program("lifeboat-restore")
}

/// Returns a command that runs the workspace's program `name`, without the settings that a
/// developer's own shell may carry for it.
///
/// # Panics
/// When it is not built: cargo builds a test's own package only, so `tests/run` builds the workspace.
pub fn program(name: &str) -> Command {
    let path = build_folder().join(name);
    assert!(path.is_file(), "{} is not built: run `cargo build --workspace` first", path.display());
    let mut command = Command::new(path);
    for (variable, _) in std::env::vars_os() {
        let of_ours =
            variable.to_str().is_some_and(|name| name.starts_with("LIFEBOAT_") || name.starts_with("PG"));
        if of_ours {
            command.env_remove(variable);
        }
    }
    command
}

/// The folder that holds the programs of this build: the test's own, or the one above `deps/`.
fn build_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.parent().expect("a file is in a folder");
    if folder.ends_with("deps") {
        folder.parent().expect("deps/ is in a folder").into()
    } else {
        folder.into()
    }
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Finished {
    /// The command line, for messages.
    pub line: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    status: ExitStatus,
}

/// Runs `command` to its end and keeps what it said.
///
/// # Panics
/// When the command cannot be started.
pub fn run(command: &mut Command) -> Finished {
    let line = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
    Finished::of(line, &output)
}

/// Waits for `child`, whose output is piped, and keeps what it said.
///
/// # Panics
/// When it cannot be waited for.
pub fn finish(child: Child) -> Finished {
    let line = format!("process {}", child.id());
    let output = child.wait_with_output().unwrap_or_else(|error| panic!("cannot wait for {line}: {error}"));
    Finished::of(line, &output)
}

impl Finished {
    fn of(line: String, output: &Output) -> Self {
        Self {
            line,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status,
        }
    }

    /// The exit code; none when a signal ended the command.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Returns itself when the command succeeded.
    ///
    /// # Panics
    /// With everything the command said, when it did not.
    pub fn success(self) -> Self {
        self.exits(0)
    }

    /// Returns itself when the command ended with `code`.
    ///
    /// # Panics
    /// With everything the command said, when it did not.
    pub fn exits(self, code: i32) -> Self {
        assert!(
            self.code() == Some(code),
            "{}\nended with {}, not with code {code}\n--- stdout\n{}\n--- stderr\n{}",
            self.line,
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard output's last line as JSON: a `--json` run's summary.
    ///
    /// # Panics
    /// When there is none.
    pub fn last_json(&self) -> serde_json::Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{}: {error} in {last:?}", self.line))
    }
}
