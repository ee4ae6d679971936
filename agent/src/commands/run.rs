//! `run`: the daemon.

use std::path::Path;

use lifeboat_console::CommandError;

use crate::daemon::Daemon;

/// Serves the schedule until a signal comes.
pub async fn run(path: &Path, verbose: u8) -> Result<(), CommandError> {
    Daemon::start(path, verbose).await?.serve().await
}
