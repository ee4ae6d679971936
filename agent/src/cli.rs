//! The command line, as an operator types it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use lifeboat_console::OutputArgs;

/// Where the configuration is when nobody says otherwise.
const CONFIG: &str = "/etc/lifeboat/lifeboat.toml";

/// Backs up the databases of a CRM into an encrypted vault.
#[derive(Parser)]
#[command(name = "lifeboat-agent", version, disable_help_subcommand = true)]
pub struct Cli {
    /// The configuration
    #[arg(long, global = true, value_name = "PATH", default_value = CONFIG)]
    pub config: PathBuf,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// One verb each.
#[derive(Subcommand)]
pub enum Command {
    /// Make the vault and its keys, enrol this host and print the recovery sheet
    Init(Init),
    /// Give this host a key of its own, or approve another host's request
    #[command(alias = "enrol")]
    Enroll(Enroll),
    /// Answer whether the next backup can work: privileges, TLS, versions, space, clock, store
    Check(Check),
    /// Take a snapshot of every source, or of those that are named
    Backup(Backup),
    /// Show, check or describe the configuration
    #[command(subcommand)]
    Config(Config),
}

/// `init`.
#[derive(Args)]
pub struct Init {
    /// Make only the vault, on a machine that will not take backups; hosts follow with `enroll`
    #[arg(long)]
    pub no_enroll: bool,
    /// Accept that one person alone can open the vault
    #[arg(long)]
    pub single_person: bool,
    /// Write the recovery sheet into this new file as well
    #[arg(long, value_name = "PATH")]
    pub sheet: Option<PathBuf>,
}

/// `enroll`.
#[derive(Args)]
pub struct Enroll {
    /// The line that the new host printed; run on the machine of a person who may open the vault
    #[arg(long, value_name = "LINE", requires = "identity")]
    pub approve: Option<String>,
    /// A person's identity: an age identity file or an SSH private key (may be repeated)
    #[arg(long, value_name = "PATH", requires = "approve")]
    pub identity: Vec<PathBuf>,
    /// The vault, where there is no configuration
    #[arg(long, value_name = "URL", requires = "approve")]
    pub vault: Option<String>,
    /// The vault's root fingerprint, from the recovery sheet
    #[arg(long, value_name = "FINGERPRINT", requires = "vault")]
    pub root: Option<String>,
}

/// `check`.
#[derive(Args)]
pub struct Check {
    /// Only this source (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub source: Vec<String>,
}

/// `backup`.
#[derive(Args)]
pub struct Backup {
    /// Only this source (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub source: Vec<String>,
}

/// `config`.
#[derive(Subcommand, Clone, Copy)]
pub enum Config {
    /// Print the JSON Schema of the configuration
    Schema,
    /// Print the configuration in force, defaults filled in and passwords masked
    Show,
    /// Say whether the configuration is understood, and what in it is unwise
    Check,
}
