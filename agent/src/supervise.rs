//! How the daemon and the runs that it starts speak with each other.
//!
//! A run is this program itself with the verb that an operator would type, `--json` and `--supervised`. Its
//! stdout is the contract of `--json`. Its stdin begins with one line, the text of the configuration in
//! force: the file may have been edited since, and may be wrong. After that nothing comes, and when stdin
//! ends the daemon has ended: then the run stops as if by a signal, so that no run outlives its daemon.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use lifeboat_config::Config;
use lifeboat_console::{CommandError, Interrupt};
use tokio::sync::oneshot;

use crate::run_id::RunId;

/// No configuration is as long; what is longer is none.
const CONFIG_BYTES_MAX: u64 = 16 << 20;

/// What to do after a signal.
const AGAIN: &str = "run the same command again: what is in the vault already is not uploaded twice";

/// Whether a run was started by the daemon.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Supervision {
    /// Started by the daemon under this id; it hands over the configuration and is outlived by no run
    #[arg(long, hide = true, value_name = "RUN")]
    pub supervised: Option<RunId>,
}

impl Supervision {
    /// The run's name: the one that the daemon gave it, or one of its own.
    pub fn run_id(self) -> RunId {
        self.supervised.unwrap_or_else(RunId::new)
    }

    /// Reads the configuration from where it is, and listens from now on for what ends the run: signals, and the
    /// end of the daemon that started it, if one did. `work` is what that stops, see [`Interrupt::listen`].
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn orders(self, path: &Path, work: &'static str) -> Result<(Config, Interrupt), CommandError> {
        if self.supervised.is_none() {
            return Ok((Config::load(path)?, Interrupt::listen(work, None)?.hint(AGAIN)));
        }
        let mut stdin = BufReader::new(io::stdin());
        let mut line = String::new();
        stdin.by_ref().take(CONFIG_BYTES_MAX).read_line(&mut line)?;
        let config = Config::parse(&serde_json::from_str::<String>(&line)?, path)?;
        let (tell, daemon) = oneshot::channel();
        std::thread::spawn(move || {
            // An error is an end too.
            let _ = io::copy(&mut stdin, &mut io::sink());
            let _ = tell.send(());
        });
        let supervisor = ("the end of `lifeboat-agent run`", daemon);
        Ok((config, Interrupt::listen(work, Some(supervisor))?.hint(AGAIN)))
    }
}

/// The line that a run's stdin begins with.
pub fn first_line(config_text: &str) -> String {
    format!("{}\n", serde_json::Value::from(config_text))
}
