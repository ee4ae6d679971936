//! The command line, as an operator types it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use lifeboat_console::OutputArgs;
use lifeboat_vault::{Depth, Grade, Realm};
use url::Url;

mod audit;
mod keys;
mod requests;

use crate::report::Language;
pub use audit::{Audit, AuditCommand, AuditShow};
pub use keys::{
    Changing, Keys, KeysAdd, KeysApprovals, KeysCommand, KeysList, KeysQuorum, KeysRetire, KeysRotate,
    KeysShred, WhoCanOpen,
};

pub use requests::{
    Approve, Asking, Objecting, Request, RequestExpire, RequestKeep, RequestRelease, Requests,
};

/// Lists, verifies and restores the snapshots in a Lifeboat vault.
#[derive(Parser)]
#[command(name = "lifeboat-restore", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// One verb each.
#[derive(Subcommand)]
pub enum Command {
    /// Make a key pair for a person who may open a vault
    Keygen(Keygen),
    /// List the snapshots in a vault
    Snapshots(Snapshots),
    /// Show what a snapshot is and what is in it
    Show(Show),
    /// Prove that snapshots can be restored: every one, or those that are named
    Verify(Verify),
    /// Write a snapshot into an empty target and compare it with what was read
    Restore(Restore),
    /// Ask others to approve a restore that takes several people
    Request(Request),
    /// Ask another person to approve that snapshots are removed by hand
    RequestExpire(RequestExpire),
    /// Ask another person to approve that less is kept than was agreed on
    RequestKeep(RequestKeep),
    /// Ask another person to approve that the holds on a snapshot end
    RequestRelease(RequestRelease),
    /// Approve a request: give your share for it, for it alone
    Approve(Approve),
    /// Refuse a request, for everybody
    Refuse(Objecting),
    /// Take back a request that you made, or your approval
    Revoke(Objecting),
    /// List requests and how they stand
    Requests(Requests),
    /// Show the vaults of every branch in one table
    Fleet(Fleet),
    /// Say who can open what, and change it
    Keys(Keys),
    /// Show and prove the record of who did what
    Audit(Audit),
    /// Show what is evidence for the controls that law and standards ask of backups
    Report(Report),
}

/// Which vault, and with what it is opened.
#[derive(Args)]
pub struct Access {
    /// The vault: file:///folder, s3://bucket/prefix, az://container/prefix or gs://bucket/prefix
    #[arg(long, value_name = "URL")]
    pub vault: Option<String>,
    /// Take the vault and its pinned root from this configuration instead
    #[arg(long, value_name = "PATH", conflicts_with = "vault")]
    pub config: Option<PathBuf>,
    /// An age identity file, an SSH private key or an agent's key, which opens no rows (may be repeated)
    #[arg(long, value_name = "PATH")]
    pub identity: Vec<PathBuf>,
    /// The vault's root fingerprint, from the recovery sheet
    #[arg(long, value_name = "FINGERPRINT")]
    pub root: Option<String>,
    /// Where scratch files go; they are removed again [default: the system's folder for them]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
}

/// `keygen`.
#[derive(Args)]
pub struct Keygen {
    /// The new file for the secret key; one that exists is never replaced
    pub file: PathBuf,
}

/// `snapshots`.
#[derive(Args)]
pub struct Snapshots {
    #[command(flatten)]
    pub access: Access,
    /// Only this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
}

/// `show`.
#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    pub access: Access,
    /// source@latest, source@2026-11-22, source@2026-11-22T02:30 or the beginning of an id
    #[arg(value_name = "SNAPSHOT")]
    pub spec: String,
}

/// `verify`.
#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    pub access: Access,
    /// source@latest, source@2026-11-22, source@2026-11-22T02:30 or the beginning of an id
    #[arg(value_name = "SNAPSHOT")]
    pub specs: Vec<String>,
    /// Open and hash the rows too: all of them, or about that share, drawn at random
    #[arg(
        long,
        value_name = "PERCENT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "100%",
        value_parser = depth
    )]
    pub read_data: Option<Depth>,
}

/// What is restored, how much of it, and where to: whoever asks says it in the same words as whoever restores.
#[derive(Args)]
pub struct Wanted {
    /// source@latest, source@2026-11-22, source@2026-11-22T02:30 or the beginning of an id
    #[arg(value_name = "SNAPSHOT")]
    pub spec: String,
    /// The target, which must be empty: postgres://user@host/database, mysql://user@host/database or sqlite:///path
    #[arg(long, value_name = "URL", alias = "target")]
    pub to: String,
    /// Only this table and what it needs (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub table: Vec<String>,
    /// Leave out columns above this grade (high, medium, low), as if no identity opened them
    #[arg(long, value_name = "GRADE", value_parser = grade)]
    pub grade: Option<Grade>,
    /// Put masked values in the place of columns above --grade, or of high ones: the same for the same value
    #[arg(long)]
    pub mask: bool,
    /// Create the database, which must not exist
    #[arg(long)]
    pub into_new: bool,
    /// Restore what is whole, leave damaged tables empty and list them (exit code 3)
    #[arg(long)]
    pub skip_damaged: bool,
    /// Let one role or account (user@host) stand in for another that the target does not have (may be repeated)
    #[arg(long, value_name = "OLD=NEW", value_parser = role)]
    pub map_role: Vec<(String, String)>,
    /// Leave ownership and grants out
    #[arg(long)]
    pub no_owner: bool,
    /// MySQL, MariaDB: make the accounts that the target lacks, locked and without a password, and give them
    /// their grants on the database
    #[arg(long, conflicts_with_all = ["no_owner", "table"])]
    pub with_accounts: bool,
    /// MySQL, MariaDB: let events run as they did, which otherwise arrive disabled
    #[arg(long, conflicts_with = "table")]
    pub enable_events: bool,
    /// Permit a connection to another host without TLS
    #[arg(long)]
    pub allow_plaintext: bool,
}

impl Wanted {
    /// Whether it counts what the schema of a snapshot of this system says of tables and columns, of which some are
    /// withheld or not. To a target of another system it means nothing, which is refused later.
    pub fn asks_of_schema(&self, target: &Url, system: &str, withholds: bool) -> bool {
        (!self.table.is_empty() || self.mask || withholds) && target.scheme().starts_with(system)
    }
}

/// `restore`.
#[derive(Args)]
pub struct Restore {
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub wanted: Wanted,
    /// Say what would be done, look at the target, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Use the approvals, and the shares, that were given for this request: for its plan, until it expires
    #[arg(long, value_name = "ID", conflicts_with_all = ["dry_run", "break_glass"])]
    pub request: Option<String>,
    /// The one-time key of the request [default: lifeboat-request-ID.key in this folder]
    #[arg(long, value_name = "PATH", requires = "request")]
    pub request_key: Option<PathBuf>,
    /// Restore without the approval that others must give: on the record, and told to whoever watches
    #[arg(long, requires = "reason")]
    pub break_glass: bool,
    /// Leave out reading the target back and comparing it with the snapshot
    #[arg(long)]
    pub no_compare: bool,
    /// Tables loaded at once [default: 2, or the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub writers: Option<u16>,
    /// A file that holds the target's password
    #[arg(long, value_name = "PATH", conflicts_with = "password_env")]
    pub password_file: Option<PathBuf>,
    /// An environment variable that holds the target's password
    #[arg(long, value_name = "NAME")]
    pub password_env: Option<String>,
}

/// `fleet`.
#[derive(Args)]
pub struct Fleet {
    /// The file that names every branch's vault and who opens it
    #[arg(long, value_name = "FILE")]
    pub vaults: PathBuf,
}

/// `report`.
#[derive(Args)]
pub struct Report {
    #[command(flatten)]
    pub access: Access,
    /// The file that names every branch's vault, as `fleet` reads it: what the vaults share is judged too
    #[arg(long, value_name = "FILE")]
    pub vaults: Option<PathBuf>,
    /// Write the report as one HTML file to print, too
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// The report's language; JSON has both
    #[arg(long, value_enum, default_value = "en")]
    pub lang: Language,
}

impl Wanted {
    /// What changes what is done without saying a value.
    pub fn options(&self) -> [(&'static str, bool); 7] {
        [
            ("--mask", self.mask),
            ("--into-new", self.into_new),
            ("--skip-damaged", self.skip_damaged),
            ("--no-owner", self.no_owner),
            ("--with-accounts", self.with_accounts),
            ("--enable-events", self.enable_events),
            ("--allow-plaintext", self.allow_plaintext),
        ]
    }
}

fn depth(text: &str) -> Result<Depth, String> {
    match text.strip_suffix('%').unwrap_or(text).parse() {
        Ok(100) => Ok(Depth::All),
        Ok(percent @ 1..=99) => Ok(Depth::Sample { percent }),
        _ => Err("write a share from 1% to 100%".into()),
    }
}

fn grade(text: &str) -> Result<Grade, String> {
    match text.parse() {
        Ok(Realm::Rows(grade)) => Ok(grade),
        _ => Err("write high, medium or low".into()),
    }
}

fn role(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.into(), new.into())),
        _ => Err("write the old and the new role: crm_owner=postgres".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_share_is_a_percentage() {
        assert_eq!(depth("100%"), Ok(Depth::All));
        assert_eq!(depth("10%"), Ok(Depth::Sample { percent: 10 }));
        assert_eq!(depth("10"), Ok(Depth::Sample { percent: 10 }));
        for wrong in ["0%", "101%", "-1", "half", ""] {
            assert!(depth(wrong).is_err(), "{wrong}");
        }
    }
}
