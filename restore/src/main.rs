//! `lifeboat-restore` runs on the recovery machine and reads: it lists, shows, verifies and restores.
//!
//! It needs three things: the vault's location, an identity and, to restore, a target; never the agent's
//! host or its state. This file parses, calls and exits; each verb is a file of `commands/`, and `restore/`
//! is the one place where the vault's reading meets connectors' writing.

mod approval;
mod cli;
mod commands;
mod explain;
mod fleet;
mod one_time_key;
mod open;
mod proven;
mod record;
mod report;
mod restore;
mod words;

use std::process::ExitCode;

use clap::Parser;
use lifeboat_console::{CommandError, bound_arenas, init_logging};

fn main() -> ExitCode {
    bound_arenas();
    let cli = cli::Cli::parse();
    let json = cli.output.json;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.classify(explain::explain).report(json),
    }
}

fn run(cli: cli::Cli) -> Result<(), CommandError> {
    init_logging(&cli.output)?;
    // It fails only when a provider is there already, and then TLS has what it needs.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(commands::run(cli));
    // What was stopped in the middle of a read ends with the process: told that the runtime is gone, it
    // would panic on the operator's terminal. Nothing is left to do for it.
    std::mem::forget(runtime);
    done
}
