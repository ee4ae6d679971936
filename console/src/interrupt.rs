//! Ctrl-C and SIGTERM: the first asks for a clean stop, the second ends the program at once.
//!
//! Ending at once must be safe too, and is: a snapshot exists only when its manifest does, and a target that is
//! not complete is marked so.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::{CommandError, Kind};

/// Says when to stop. Cheap to clone.
#[derive(Clone)]
pub struct Interrupt {
    told: watch::Receiver<Option<&'static str>>,
    work: &'static str,
    hint: Option<&'static str>,
}

impl Interrupt {
    /// Listens for the two signals from now on, and for the end of `supervisor` where one started this command:
    /// its name, and what is told or dropped when it ends. `work` ends the sentence that says what was stopped:
    /// `the command: nothing was changed`.
    ///
    /// # Errors
    /// When the system lets nobody listen.
    pub fn listen(
        work: &'static str,
        mut supervisor: Option<(&'static str, oneshot::Receiver<()>)>,
    ) -> std::io::Result<Self> {
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let (tell, told) = watch::channel(None);
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = int.recv() => "SIGINT",
                    _ = term.recv() => "SIGTERM",
                    name = ended(&mut supervisor) => name,
                };
                if tell.send_replace(Some(name)).is_some() {
                    std::process::exit(i32::from(Kind::Interrupted.exit_code()));
                }
            }
        });
        Ok(Self { told, work, hint: None })
    }

    /// The same signals, of another part of the command's work.
    #[must_use]
    pub fn during(&self, work: &'static str) -> Self {
        Self { work, ..self.clone() }
    }

    /// What to do after a signal.
    #[must_use]
    pub fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// Whether a signal has come.
    ///
    /// # Errors
    /// What to end with, when one has.
    pub fn check(&self) -> Result<(), CommandError> {
        match *self.told.borrow() {
            None => Ok(()),
            Some(signal) => Err(self.error(signal)),
        }
    }

    /// Waits for a signal; returns what to end with.
    pub async fn wait(&self) -> CommandError {
        let mut told = self.told.clone();
        let signal = match told.wait_for(Option::is_some).await {
            Ok(signal) => *signal,
            // The listener ends only with the runtime: nobody will be told any more.
            Err(_) => std::future::pending().await,
        };
        self.error(signal.unwrap_or("a signal"))
    }

    /// Does `work` unless a signal comes first.
    ///
    /// # Errors
    /// Its own, or what to end with after a signal.
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
        CommandError::new(Kind::Interrupted, format!("{signal} stopped {}", self.work)).with_hints(self.hint)
    }
}

/// A supervisor ends once; after that there is nothing to wait for.
async fn ended(supervisor: &mut Option<(&'static str, oneshot::Receiver<()>)>) -> &'static str {
    let Some((name, receiver)) = supervisor else { return std::future::pending().await };
    let name = *name;
    // The sender tells or is dropped, and either means the same.
    let _ = receiver.await;
    *supervisor = None;
    name
}
