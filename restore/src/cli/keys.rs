//! `keys`, as an operator types it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use lifeboat_config::{LABEL, is_label};
use lifeboat_vault::{Grade, Realm};

use super::requests::life;
use super::{Access, grade};

/// `keys`.
#[derive(Args)]
pub struct Keys {
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// What to do with keys.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// List every key and who can open it, read from the wrapped keys in the vault
    List(KeysList),
    /// Say which keys a snapshot is sealed with, and who can open them
    WhoCanOpen(WhoCanOpen),
    /// Let a person open grades, of snapshots past and to come
    Add(KeysAdd),
    /// End a person's access: new keys for what is written next, old wrapped keys taken away
    Retire(KeysRetire),
    /// Seal what is written from now on to a new key
    Rotate(KeysRotate),
    /// Wrap every key anew to the people that the vault lists, and take leftovers away
    Rewrap(KeysRewrap),
    /// Say how many people it takes together to open a grade
    Quorum(KeysQuorum),
    /// Say how many others must approve a restore of a grade that one person opens alone
    Approvals(KeysApprovals),
    /// Destroy keys: nobody opens what was sealed to them, in any snapshot, ever again
    Shred(KeysShred),
}

/// `keys list`.
#[derive(Args)]
pub struct KeysList {
    #[command(flatten)]
    pub access: Access,
}

/// `keys who-can-open`.
#[derive(Args)]
pub struct WhoCanOpen {
    #[command(flatten)]
    pub access: Access,
    /// source@latest, source@2026-11-22, source@2026-11-22T02:30 or the beginning of an id
    #[arg(value_name = "SNAPSHOT")]
    pub spec: String,
}

/// How a change of keys is made.
#[derive(Args)]
pub struct Changing {
    #[command(flatten)]
    pub access: Access,
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `keys add`.
#[derive(Args)]
pub struct KeysAdd {
    #[command(flatten)]
    pub changing: Changing,
    /// What the person is called
    pub name: String,
    /// Their public key: age1…, ssh-ed25519 …, ssh-rsa … or that of a plugin
    #[arg(long)]
    pub recipient: String,
    /// What they may open, parted by commas: high, medium, low
    #[arg(long, required = true, value_delimiter = ',', value_parser = grade)]
    pub grades: Vec<Grade>,
    /// The branch that they belong to, such as "head office": a restore by somebody of another branch is told
    #[arg(long, value_name = "TEXT", value_parser = label)]
    pub branch: Option<String>,
    /// What they are there, to be shown beside their name
    #[arg(long, value_name = "TEXT", value_parser = label)]
    pub role: Option<String>,
}

/// `keys retire`.
#[derive(Args)]
pub struct KeysRetire {
    #[command(flatten)]
    pub changing: Changing,
    /// What the person is called
    pub name: String,
    /// Start no new metadata key: names and counts stay open to them, and every agent goes on as it is
    #[arg(long)]
    pub keep_metadata: bool,
}

/// `keys rotate`.
#[derive(Args)]
pub struct KeysRotate {
    #[command(flatten)]
    pub changing: Changing,
    /// high, medium, low or metadata
    #[arg(value_name = "KEY", value_parser = realm)]
    pub realm: Realm,
}

/// `keys rewrap`.
#[derive(Args)]
pub struct KeysRewrap {
    #[command(flatten)]
    pub changing: Changing,
}

/// `keys quorum`.
#[derive(Args)]
pub struct KeysQuorum {
    #[command(flatten)]
    pub changing: Changing,
    /// high, medium or low
    #[arg(value_parser = grade)]
    pub grade: Grade,
    /// So many of those who have it, together; 1 lets any of them open it alone
    #[arg(value_name = "PEOPLE", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub people: u8,
}

/// `keys approvals`.
#[derive(Args)]
pub struct KeysApprovals {
    #[command(flatten)]
    pub changing: Changing,
    /// high, medium or low
    #[arg(value_parser = grade)]
    pub grade: Grade,
    /// So many of those who have it, beside whoever restores; 0 ends that
    #[arg(value_name = "PEOPLE", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub people: u8,
    /// Let one person lower it although others could agree: on the record, and told to whoever watches
    #[arg(long, requires = "reason", conflicts_with = "dry_run")]
    pub break_glass: bool,
}

/// `keys shred`.
#[derive(Args)]
pub struct KeysShred {
    #[command(flatten)]
    pub changing: Changing,
    /// Destroy the keys of this grade: high, medium or low
    #[arg(long, value_parser = grade, required_unless_present = "source")]
    pub grade: Option<Grade>,
    /// Only this epoch of it, as `keys list` shows
    #[arg(long, value_name = "N", requires = "grade")]
    pub epoch: Option<u32>,
    /// Destroy whatever this source has stored: what other sources need is sealed anew, older keys go
    #[arg(long, value_name = "NAME", conflicts_with = "grade")]
    pub source: Option<String>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Let one person decide alone although others could: on the record, and told to whoever watches
    #[arg(long, requires = "reason", conflicts_with_all = ["ask", "request", "dry_run"])]
    pub break_glass: bool,
    /// Destroy nothing yet: ask others to approve it; it takes two people
    #[arg(long, conflicts_with_all = ["yes", "request", "dry_run"])]
    pub ask: bool,
    /// With --ask: how long it may be approved and used: 30m, 8h or 2d, 7d at most [default: 8h]
    #[arg(long = "for", value_name = "TIME", requires = "ask", value_parser = life)]
    pub life: Option<SignedDuration>,
    /// Use the shares that were given for this request
    #[arg(long, value_name = "ID", conflicts_with = "dry_run")]
    pub request: Option<String>,
    /// The request's one-time key, made with --ask [default: lifeboat-request-ID.key in this folder]
    #[arg(long, value_name = "PATH")]
    pub request_key: Option<PathBuf>,
}

fn label(text: &str) -> Result<String, String> {
    match is_label(text) {
        true => Ok(text.to_owned()),
        false => Err(LABEL.into()),
    }
}

fn realm(text: &str) -> Result<Realm, String> {
    text.parse().map_err(|_| "write high, medium, low or metadata".into())
}
