//! `lifeboat-agent` runs beside the databases and writes their snapshots into a vault.
//!
//! It holds public keys only: what it has written, it cannot read back. This file parses, calls and
//! exits; each verb is a file of `commands/`, and `backup/` is the one place where connectors' reading
//! meets the vault's writing.

mod agreement;
mod anomaly;
mod backup;
mod check;
mod classify;
mod cli;
mod commands;
mod copies;
mod daemon;
mod decision;
mod event;
mod explain;
mod grades;
mod history;
mod host;
mod job;
mod lease;
mod lock;
mod locks;
mod metrics;
mod notify;
mod record;
mod retention;
mod run_id;
mod schedule;
mod seen;
mod sheet;
mod state_file;
mod status;
mod supervise;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use lifeboat_console::{CommandError, bound_arenas, init_logging};

/// How long threads may take to notice that the command has ended.
const SHUTDOWN: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    bound_arenas();
    let cli = cli::Cli::parse();
    let json = cli.output.json;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.classify(explain::explain).report(json),
    }
}

fn run(mut cli: cli::Cli) -> Result<(), CommandError> {
    cli.log_the_daemon();
    init_logging(&cli.output)?;
    // It fails only when a provider is there already, and then TLS has what it needs.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(commands::run(cli));
    runtime.shutdown_timeout(SHUTDOWN);
    done
}
