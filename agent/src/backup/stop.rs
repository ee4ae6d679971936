//! Stopping everything at once, and remembering why: the first true cause, not the cancellations that
//! follow from it.

use std::sync::{Mutex, PoisonError};

use lifeboat_console::CommandError;
use tokio::sync::watch;

/// Shared by everything that works on one snapshot.
pub struct Stop {
    cause: Mutex<Option<CommandError>>,
    stopped: watch::Sender<bool>,
}

impl Stop {
    /// Nothing has failed yet.
    pub fn new() -> Self {
        Self { cause: Mutex::new(None), stopped: watch::Sender::new(false) }
    }

    /// Stops everything. Keeps the error, unless another came first or it only says that something
    /// else did.
    pub fn fail(&self, error: CommandError) {
        if !is_cancelled(&error) {
            self.cause.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        self.stopped.send_replace(true);
    }

    /// Whether to stop.
    pub fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Waits until something has failed.
    pub async fn wait(&self) {
        let mut stopped = self.stopped.subscribe();
        // The sender is in `self`, so it outlives this wait.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// The first true cause, if one was told.
    pub fn take_cause(&self) -> Option<CommandError> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn is_cancelled(error: &CommandError) -> bool {
    let error = error.error();
    matches!(error.downcast_ref(), Some(lifeboat_vault::Error::Cancelled))
        || matches!(error.downcast_ref(), Some(lifeboat_connectors::Error::Cancelled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_true_cause_is_kept() {
        let stop = Stop::new();
        assert!(!stop.is_stopped());
        stop.fail(lifeboat_vault::Error::Cancelled.into());
        assert!(stop.is_stopped());
        stop.fail(std::io::Error::other("the disk is full").into());
        stop.fail(std::io::Error::other("too late").into());
        assert_eq!(stop.take_cause().expect("a cause").to_string(), "the disk is full");
    }
}
