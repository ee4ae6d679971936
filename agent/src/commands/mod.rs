//! One file for each verb.

mod backup;
mod check;
mod classify;
mod config;
mod copy;
mod enroll;
mod expire;
mod init;
mod note;
mod notify;
mod prune;
mod retention;
mod run;
mod schedule;
mod status;
mod verify;

use lifeboat_console::CommandError;

use crate::cli::{self, Cli, Command};

/// Runs the verb.
pub async fn run(cli: Cli) -> Result<(), CommandError> {
    let (path, json) = (&*cli.config, cli.output.json);
    match cli.command {
        Command::Init(args) => init::run(path, args, json).await,
        Command::Enroll(args) => enroll::run(path, args, json).await,
        Command::Check(args) => check::run(path, &args.source, json).await,
        Command::Classify(args) => classify::run(path, &args.source, json).await,
        Command::Backup(args) => backup::run(path, &args, json).await,
        Command::Retention(cli::Retention::Preview { source }) => {
            retention::preview(path, &source, json).await
        }
        Command::Expire(args) => expire::run(path, &args, json).await,
        Command::Prune(args) => prune::run(path, &args, json).await,
        Command::Hold(args) => note::hold(path, &args, json).await,
        Command::Release(args) => note::release(path, &args, json).await,
        Command::Accept(args) => note::accept(path, &args, json).await,
        Command::Notify(cli::Notify::Test { name }) => notify::test(path, &name, json).await,
        Command::Copy(args) => copy::run(path, args, json).await,
        Command::Copies => copy::status(path, json).await,
        Command::Verify(args) => verify::run(path, &args, json).await,
        Command::Run => run::run(path, cli.output.verbose).await,
        Command::Schedule(cli::Schedule::Preview(args)) => schedule::preview(path, &args, json),
        Command::Status => status::run(path, json).await,
        Command::Config(what) => config::run(path, what, json),
    }
}
