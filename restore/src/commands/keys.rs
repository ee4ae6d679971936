//! `keys`: who can open what, and changing it.

mod alone;
mod change;
mod honest;
mod list;
mod matrix;
mod shred;
mod who;

use lifeboat_console::CommandError;

use crate::cli::KeysCommand;

/// Runs the verb.
pub async fn run(command: &KeysCommand, json: bool) -> Result<(), CommandError> {
    match command {
        KeysCommand::List(args) => list::run(args, json).await,
        KeysCommand::WhoCanOpen(args) => who::run(args, json).await,
        KeysCommand::Add(args) => change::add(args, json).await,
        KeysCommand::Retire(args) => change::retire(args, json).await,
        KeysCommand::Rotate(args) => change::rotate(args, json).await,
        KeysCommand::Quorum(args) => change::quorum(args, json).await,
        KeysCommand::Approvals(args) => change::approvals(args, json).await,
        KeysCommand::Shred(args) => shred::run(args, json).await,
        KeysCommand::Rewrap(args) => change::rewrap(&args.changing, json).await,
    }
}
