//! `status`: how things stand, on one screen.

use std::path::Path;

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, print, print_json};

use crate::history::History;
use crate::status::Status;

/// Prints how things stand.
pub async fn run(path: &Path, json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    let history = History::open_existing(&config.agent.state).await?;
    let status = Status::look(&config, history.as_ref(), Timestamp::now()).await?;
    if json {
        return Ok(print_json("status", &status)?);
    }
    Ok(print(&status.to_string())?)
}
