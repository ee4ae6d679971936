//! Keeps the connections that wait for their turn alive, and says when that failed.
//!
//! A snapshot lives in its connection. One that was lost fails the backup at once, instead of when its turn
//! to read comes, hours later.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::read::Readers;
use crate::{Error, Result};

/// How often the connections that wait are spoken to.
const PING_SECONDS: u64 = 30;

/// Speaks to idle readers until it is stopped or dropped.
#[derive(Debug)]
pub(super) struct Pinger {
    /// Dropped or used, it ends the task between two rounds: one cut off would leave an answer unread.
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

impl Pinger {
    pub(super) fn start(readers: Arc<Readers>) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = &mut stopped => return Ok(()),
                    () = tokio::time::sleep(Duration::from_secs(PING_SECONDS)) => readers.ping().await?,
                }
            }
        });
        Self { stop, task }
    }

    /// Ends it once nothing is under way.
    ///
    /// # Errors
    /// What a round failed with: the snapshot was not held to the end.
    pub(super) async fn stop(self) -> Result<()> {
        // It may have ended by itself.
        let _ = self.stop.send(());
        self.task.await.map_err(|_| Error::Cancelled)?
    }
}
