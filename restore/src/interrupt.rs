//! Ctrl-C and SIGTERM: the first asks for a clean stop, the second ends the program at once.
//!
//! Ending at once is safe too: a target that is not complete is marked so, and the same command starts it
//! over.

use lifeboat_console::{CommandError, Kind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Says when to stop. Cheap to clone.
#[derive(Clone)]
pub struct Interrupt(watch::Receiver<Option<&'static str>>);

impl Interrupt {
    /// Listens for the two signals from now on.
    pub fn listen() -> std::io::Result<Self> {
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let (tell, told) = watch::channel(None);
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = int.recv() => "SIGINT",
                    _ = term.recv() => "SIGTERM",
                };
                if tell.send_replace(Some(name)).is_some() {
                    std::process::exit(i32::from(Kind::Interrupted.exit_code()));
                }
            }
        });
        Ok(Self(told))
    }

    /// Waits for a signal; returns its name.
    pub async fn wait(&self) -> &'static str {
        let mut told = self.0.clone();
        match told.wait_for(Option::is_some).await {
            Ok(signal) => signal.unwrap_or("a signal"),
            // The listener ends only with the runtime: nobody will be told any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// Runs `work`, which changes nothing, unless a signal comes first.
    pub async fn or<T, E: Into<CommandError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CommandError> {
        tokio::select! {
            done = work => done.map_err(Into::into),
            signal = self.wait() => Err(stopped(signal, "nothing was changed")),
        }
    }
}

/// The error to end with after a signal; `state` says what it leaves behind.
pub fn stopped(signal: &str, state: &str) -> CommandError {
    CommandError::new(Kind::Interrupted, format!("{signal} stopped the command: {state}"))
}
