//! Ctrl-C and SIGTERM: the first asks for a clean stop, the second ends the program at once.
//!
//! Ending at once is safe too: a snapshot exists only when its manifest does.

use lifeboat_console::{CommandError, Kind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

/// Says when to stop. Cheap to clone.
#[derive(Clone)]
pub struct Interrupt {
    told: watch::Receiver<Option<&'static str>>,
    /// What is stopped, and what that means.
    work: &'static str,
}

impl Interrupt {
    /// Listens for the two signals from now on, and for the end of the daemon where one started this run.
    /// `work` ends the sentence that says what was stopped.
    pub fn listen(
        work: &'static str,
        mut supervisor: Option<oneshot::Receiver<()>>,
    ) -> std::io::Result<Self> {
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let (tell, told) = watch::channel(None);
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = int.recv() => "SIGINT",
                    _ = term.recv() => "SIGTERM",
                    () = ended(&mut supervisor) => "the end of `lifeboat-agent run`",
                };
                if tell.send_replace(Some(name)).is_some() {
                    std::process::exit(i32::from(Kind::Interrupted.exit_code()));
                }
            }
        });
        Ok(Self { told, work })
    }

    /// The error to end with, when a signal has come.
    pub fn check(&self) -> Result<(), CommandError> {
        match *self.told.borrow() {
            None => Ok(()),
            Some(signal) => Err(self.error(signal)),
        }
    }

    /// Waits for a signal.
    pub async fn wait(&self) -> CommandError {
        let mut told = self.told.clone();
        let signal = match told.wait_for(Option::is_some).await {
            Ok(signal) => *signal,
            // The listener ends only with the runtime: nobody will be told any more.
            Err(_) => std::future::pending().await,
        };
        self.error(signal.unwrap_or("a signal"))
    }

    /// Runs `work` unless a signal comes first.
    pub async fn or<T, E: Into<CommandError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CommandError> {
        tokio::select! {
            done = work => done.map_err(Into::into),
            interrupted = self.wait() => Err(interrupted),
        }
    }

    fn error(&self, signal: &str) -> CommandError {
        CommandError::new(Kind::Interrupted, format!("{signal} stopped {}", self.work))
            .hint("run the same command again: what is in the vault already is not uploaded twice")
    }
}

/// The daemon ends once; after that there is nothing to wait for.
async fn ended(supervisor: &mut Option<oneshot::Receiver<()>>) {
    match supervisor {
        None => std::future::pending().await,
        Some(receiver) => {
            // The sender tells or is dropped, and either means the same.
            let _ = receiver.await;
            *supervisor = None;
        }
    }
}
