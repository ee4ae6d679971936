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

pub use enroll::read_identities;
use lifeboat_config::Config;
use lifeboat_console::CommandError;
use serde_json::Value;

use crate::cli::{self, Cli, Command};
use crate::explain::explain;
use crate::history::{ByHand, Ended};
use crate::host;
use crate::job::Job;
use crate::lock::{self, Lock};
use crate::run_id::RunId;
use crate::supervise::Supervision;

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

/// Does work as a run of its own: the only one of its job on this host, and in the history with how it ended.
async fn as_run(
    config: &Config,
    job: &Job,
    id: RunId,
    supervision: Supervision,
    work: impl Future<Output = Result<Value, CommandError>>,
) -> Result<(), CommandError> {
    host::make_state(&config.agent)?;
    let lock = lock::of_job(&config.agent.state, job)?;
    recorded(config, job, id, supervision, lock, work).await
}

/// The same under a lock that is held already.
async fn recorded(
    config: &Config,
    job: &Job,
    id: RunId,
    supervision: Supervision,
    _lock: Lock,
    work: impl Future<Output = Result<Value, CommandError>>,
) -> Result<(), CommandError> {
    let state = &config.agent.state;
    let mut entry = ByHand::begin(state, job, id, supervision).await;
    let done = work.await;
    entry.end(done.as_ref().map_or_else(Ended::with_error, Ended::good)).await;
    done.map(drop)
}

/// The first failure is the command's own; each that comes after it is told.
fn first_of(
    endings: impl IntoIterator<Item = Result<(), CommandError>>,
    json: bool,
) -> Result<(), CommandError> {
    let mut failures = endings.into_iter().filter_map(Result::err);
    let first = failures.next();
    for failure in failures {
        failure.classify(explain).report(json);
    }
    first.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use lifeboat_console::Kind;

    use super::*;

    #[test]
    fn the_first_failure_is_the_commands_own() {
        let failed = |kind| Err(CommandError::new(kind, "it failed"));
        let check = |endings: [Result<(), CommandError>; 3], expected| {
            let ended = first_of(endings, false);
            assert_eq!(ended.err().map(|error| error.kind()), expected);
        };
        check([Ok(()), Ok(()), Ok(())], None);
        check([Ok(()), failed(Kind::Partial), failed(Kind::Damage)], Some(Kind::Partial));
        check([failed(Kind::Anomaly), Ok(()), failed(Kind::Partial)], Some(Kind::Anomaly));
    }
}
