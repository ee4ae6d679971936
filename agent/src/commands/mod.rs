//! One file for each verb.

mod backup;
mod check;
mod config;
mod enroll;
mod init;

use lifeboat_console::CommandError;

use crate::cli::{Cli, Command};

/// Runs the verb.
pub async fn run(cli: Cli) -> Result<(), CommandError> {
    let (path, json) = (&*cli.config, cli.output.json);
    match cli.command {
        Command::Init(args) => init::run(path, args, json).await,
        Command::Enroll(args) => enroll::run(path, args, json).await,
        Command::Check(args) => check::run(path, &args.source, json).await,
        Command::Backup(args) => backup::run(path, &args.source, json).await,
        Command::Config(what) => config::run(path, what, json),
    }
}
