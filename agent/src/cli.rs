//! The command line, as an operator types it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use lifeboat_console::OutputArgs;

use crate::supervise::Supervision;

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

impl Cli {
    /// What the daemon does is news, even to somebody who did not ask to be told more.
    pub fn log_the_daemon(&mut self) {
        if matches!(self.command, Command::Run) {
            self.output.verbose = self.output.verbose.max(1);
        }
    }
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
    /// Look at a sample of a source and propose grades for its columns, to be reviewed
    Classify(Classify),
    /// Take a snapshot of every source, or of those that are named
    Backup(Backup),
    /// Explain which snapshots stay and which go
    #[command(subcommand)]
    Retention(Retention),
    /// Remove the snapshots that no policy keeps; `prune` frees their space later
    Expire(Expire),
    /// Free the space of what no snapshot needs: mark it now, remove it a day later
    Prune(Prune),
    /// Keep a snapshot, whatever any policy says, until it is released
    Hold(Noted),
    /// End the holds on a snapshot; takes two people
    Release(Release),
    /// Say that what is flagged about a snapshot is as it should be
    Accept(Noted),
    /// Try who is told when something is wrong
    #[command(subcommand)]
    Notify(Notify),
    /// Bring the vault's copies in other stores up to date, or those that are named
    Copy(Copy),
    /// Say how far each copy is behind, from what this host knows of it
    Copies,
    /// Prove that every snapshot is whole, as far as this host can see, which is all but the rows
    Verify(Verify),
    /// Serve the schedule, until a signal comes: SIGTERM stops, SIGHUP reads the configuration again
    Run,
    /// Show what the schedule means
    #[command(subcommand)]
    Schedule(Schedule),
    /// Show how things stand: last good snapshots, what runs, what comes next, space
    Status,
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

/// `classify`.
#[derive(Args)]
pub struct Classify {
    /// The source
    #[arg(long, value_name = "NAME")]
    pub source: String,
}

/// `backup`.
#[derive(Args)]
pub struct Backup {
    /// Only this source (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub source: Vec<String>,
    /// A word that `keep.tags` of the configuration may name (may be repeated)
    #[arg(long, value_name = "WORD")]
    pub tag: Vec<String>,
    #[command(flatten)]
    pub supervision: Supervision,
}

/// `retention`.
#[derive(Subcommand)]
pub enum Retention {
    /// Say of every snapshot why it stays, or that it goes; changes nothing
    Preview {
        /// Only this source of the vault (may be repeated)
        #[arg(long, value_name = "NAME")]
        source: Vec<String>,
    },
}

/// `expire`.
#[derive(Args)]
pub struct Expire {
    /// Say what would go, and change nothing
    #[arg(long, conflicts_with_all = ["request", "identity", "break_glass"])]
    pub dry_run: bool,
    /// Only this source of the vault (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub source: Vec<String>,
    /// Of this copy, by its own retention, instead of the vault
    #[arg(long, value_name = "NAME")]
    pub copy: Option<String>,
    /// Remove this snapshot, whatever any policy keeps; takes two people (may be repeated)
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "source")]
    pub snapshot: Vec<String>,
    #[command(flatten)]
    pub deciding: Deciding,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub deleting: Deleting,
    #[command(flatten)]
    pub supervision: Supervision,
}

/// Who decides what takes two people.
#[derive(Args, Clone)]
pub struct Deciding {
    /// Use the approval that was given for this request: for exactly this, until it expires
    #[arg(long, value_name = "ID", requires = "snapshot", conflicts_with_all = ["identity", "break_glass"])]
    pub request: Option<String>,
    /// The identity of a person who may open grade high and decides here (may be repeated); two need no request
    #[arg(long, value_name = "PATH")]
    pub identity: Vec<PathBuf>,
    /// Let one person decide alone although others could: on the record, and told to whoever watches
    #[arg(long, requires_all = ["identity", "reason"])]
    pub break_glass: bool,
}

/// `prune`.
#[derive(Args)]
pub struct Prune {
    /// Say what would be done, and change nothing in the vault
    #[arg(long)]
    pub dry_run: bool,
    /// In this copy, instead of the vault
    #[arg(long, value_name = "NAME")]
    pub copy: Option<String>,
    #[command(flatten)]
    pub deleting: Deleting,
    #[command(flatten)]
    pub supervision: Supervision,
}

/// What every verb that deletes takes.
#[derive(Args)]
pub struct Deleting {
    /// Answer for it that no other host expires or prunes there, where the store cannot keep it from that; for a
    /// schedule, `alone` in the configuration does
    #[arg(long)]
    pub alone: bool,
}

/// `hold` and `accept`.
#[derive(Args)]
pub struct Noted {
    /// The snapshot: crm@latest, crm@2026-11-22, crm@2026-11-22T02:30 (UTC) or the beginning of its id
    pub snapshot: String,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who says so; the account that runs this when left out
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Sign as a person who may open grade high, not as this host
    #[arg(long, value_name = "PATH")]
    pub identity: Vec<PathBuf>,
}

/// `release`.
#[derive(Args)]
pub struct Release {
    /// The snapshot: crm@latest, crm@2026-11-22, crm@2026-11-22T02:30 (UTC) or the beginning of its id
    pub snapshot: String,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    #[command(flatten)]
    pub deciding: Deciding,
}

/// `notify`.
#[derive(Subcommand)]
pub enum Notify {
    /// Send a message marked as a test and print what the service answers
    Test {
        /// The `name` of a [[notify]]
        name: String,
    },
}

/// `copy`.
#[derive(Args)]
pub struct Copy {
    /// Only this copy (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub copy: Vec<String>,
    /// Only say what is missing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub supervision: Supervision,
}

/// `verify`.
#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    pub supervision: Supervision,
}

/// `schedule`.
#[derive(Subcommand)]
pub enum Schedule {
    /// Print what will run and when, across changes of the clock
    Preview(Preview),
}

/// `schedule preview`.
#[derive(Args)]
pub struct Preview {
    /// How many runs to print
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub next: usize,
    /// Begin then instead of now, such as 2027-03-27
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
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
