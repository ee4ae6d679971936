//! One file for each verb.

mod answer;
mod approve;
mod asking;
mod audit;
mod confirm;
mod decide;
mod fleet;
mod keygen;
mod keys;
mod report;
mod request;
mod requests;
mod restore;
mod show;
mod snapshots;
mod verify;

pub use keygen::write_new;
use lifeboat_console::CommandError;

use crate::cli::{Cli, Command};

/// Runs the verb.
pub async fn run(cli: Cli) -> Result<(), CommandError> {
    let json = cli.output.json;
    match cli.command {
        Command::Keygen(args) => keygen::run(&args, json),
        Command::Snapshots(args) => snapshots::run(&args, json).await,
        Command::Show(args) => show::run(&args, json).await,
        Command::Verify(args) => verify::run(&args, json).await,
        Command::Restore(args) => restore::run(&args, json).await,
        Command::Request(args) => request::run(&args, json).await,
        Command::RequestExpire(args) => decide::expire(&args, json).await,
        Command::RequestKeep(args) => decide::keep(&args, json).await,
        Command::RequestRelease(args) => decide::release(&args, json).await,
        Command::Approve(args) => approve::run(&args, json).await,
        Command::Refuse(args) => answer::refuse(&args, json).await,
        Command::Revoke(args) => answer::revoke(&args, json).await,
        Command::Requests(args) => requests::run(&args, json).await,
        Command::Audit(args) => audit::run(&args.command, json).await,
        Command::Keys(args) => keys::run(&args.command, json).await,
        Command::Fleet(args) => fleet::run(&args, json).await,
        Command::Report(args) => report::run(&args, json).await,
    }
}
