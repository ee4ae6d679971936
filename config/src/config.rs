//! What a configuration says, once it has been found good.
//!
//! These are working types: they are made by reading a file (`read.rs`), shown again by
//! `config show`, and described by `config schema`, whose words are the comments here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use url::Url;

use crate::agent::duration_text;
use crate::{
    Agent, Bandwidth, ConfigError, Grading, Maintenance, Notify, Policies, Schedule, SecretRef, Suppression,
    read,
};

/// The configuration of one vault, of the people who may open it and of the agent that fills it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Lifeboat's configuration")]
#[non_exhaustive]
pub struct Config {
    /// The version of this file's layout: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// The branch that this vault belongs to, as messages, metrics and reports name it; the agent's name when
    /// left out.
    #[schemars(with = "Option<String>", length(min = 1, max = 64))]
    pub branch: String,
    /// Whether the file names the branch: people of other branches are told from its own then.
    #[serde(skip)]
    pub branch_is_named: bool,
    /// Where the snapshots are kept.
    pub vault: Vault,
    /// Who may open what is in the vault, by name.
    #[schemars(extend("minProperties" = 1, "propertyNames" = { "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$" }))]
    pub people: BTreeMap<String, Person>,
    /// How many of them it takes together to open a grade; any of them alone where nothing is said.
    #[serde(skip_serializing_if = "Policies::is_empty")]
    #[schemars(default)]
    pub policy: Policies,
    /// The agent on this machine.
    #[schemars(default = "Agent::default_for_schema")]
    pub agent: Agent,
    /// What the agent does beside backups, and when.
    #[serde(skip_serializing_if = "Maintenance::is_empty")]
    #[schemars(default)]
    pub maintenance: Maintenance,
    /// The databases to back up, in the order in which they are written.
    #[serde(rename = "source", skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub sources: Vec<Source>,
    /// Who is told when something is wrong.
    #[serde(rename = "notify", skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub notify: Vec<Notify>,
    /// Controls of `lifeboat-restore report` whose results are accepted for a while.
    #[serde(rename = "suppress", skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub suppressions: Vec<Suppression>,
}

/// The vault: the repository as a whole, one for each branch.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Vault {
    /// The store: `file:///folder`, `s3://bucket/prefix`, `az://container/prefix` or
    /// `gs://bucket/prefix`. Credentials and endpoint come from the environment.
    #[schemars(with = "String", regex(pattern = "^(file|s3|az|gs)://"))]
    pub url: Url,
    /// The fingerprint of the vault's root key, from the recovery sheet. A vault with another root is
    /// refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Which snapshots stay, for every source that has no `keep` of its own. Without it, everything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// Nothing goes that is younger than so many days.
    #[schemars(default = "Vault::default_keep_min_days", range(max = 36500))]
    pub keep_min_days: u32,
    /// Where the store's settings are kept, as lines of `NAME=VALUE`: `{file:PATH}`, `{env:NAME}` or
    /// `{credential:NAME}` (systemd). The names are those of the environment, such as
    /// `AWS_SECRET_ACCESS_KEY`; the environment itself then counts for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = "^\\{(file|env|credential):"))]
    pub credentials: Option<SecretRef>,
    /// Locks what is written, in a bucket of S3 that has object locks, so that nobody can delete it before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// Answers for it that this host alone expires and prunes there, as `--alone` does, where the store cannot keep
    /// another host from it: one that lets a second write replace the first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub alone: bool,
    /// Regions in which this branch's data may lie, as the store calls them, such as `eu-central-1`:
    /// `lifeboat-restore report` asks the bucket where it is and holds that against them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 32))]
    pub regions: Vec<String>,
    /// How many copies must hold a new snapshot whole before `backup` succeeds; all of them when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 8))]
    pub require_copies: Option<u32>,
    /// Other stores, each brought to hold every snapshot of the vault.
    #[serde(rename = "copy", skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 8))]
    pub copies: Vec<Copy>,
}

/// A copy of the vault in a store of its own: another region, another provider, another account.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Copy {
    /// What reports call it.
    #[schemars(regex(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"))]
    pub name: String,
    /// The store, as in `[vault]`.
    #[schemars(with = "String", regex(pattern = "^(file|s3|az|gs)://"))]
    pub url: Url,
    /// Where this store's settings are kept, as in `[vault]`; the environment when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = "^\\{(file|env|credential):"))]
    pub credentials: Option<SecretRef>,
    /// How fast it may be written, by the hour of `timezone` in `[agent]`: the first that holds decides,
    /// and where none does there is no limit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub bandwidth: Vec<Bandwidth>,
    /// Which snapshots it keeps, whatever the vault does; where left out, all that the vault has. `expire --copy`
    /// takes the others from it, `prune --copy` frees their space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// When `lifeboat-agent run` removes from it the snapshots that it keeps no longer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, with = "Vec<String>")]
    pub expire: Vec<Schedule>,
    /// When it frees their space there, as `prune` in `[maintenance]` does in the vault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, with = "Vec<String>")]
    pub prune: Vec<Schedule>,
    /// Locks what is written there, as in `[vault]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// Regions in which it may lie, as in `[vault]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = 32))]
    pub regions: Vec<String>,
    /// Answers for it that this host alone expires and prunes there, as in `[vault]`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub alone: bool,
}

/// How the objects of a store are locked. What must be shredded one day is never locked: the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Lock {
    /// For so many days from when an object is written. What is kept is locked for so long again, long before
    /// its lock ends, by every backup, copy and prune.
    #[schemars(range(min = 1, max = 36500))]
    pub days: u32,
    /// Who may end a lock early.
    #[schemars(default = "Lock::default_mode")]
    pub mode: LockMode,
}

/// Who may end an object's lock early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename_all = "lowercase")]
pub enum LockMode {
    /// An account with a right to that (`s3:BypassGovernanceRetention`).
    Governance,
    /// Nobody, the owner of the account included.
    Compliance,
}

/// A person who may open some grades of the vault.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Person {
    /// The public half of the person's key: `age1…`, `ssh-ed25519 …`, `ssh-rsa …` or a plugin's
    /// recipient.
    #[schemars(regex(pattern = "^(age1|ssh-ed25519 |ssh-rsa )"))]
    pub recipient: String,
    /// What this person may open; all three when left out.
    #[schemars(default = "Grade::all", length(min = 1), extend("uniqueItems" = true))]
    pub grades: Vec<Grade>,
    /// Where they belong, as `branch` at the top names it, such as head office: a restore by somebody of another
    /// branch is told. It opens and forbids nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub branch: Option<String>,
    /// What they are there, in your own words. It is shown beside their name, and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub role: Option<String>,
}

/// How many snapshots stay: the newest of each of so many days, weeks, months and years that have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Keep {
    /// So many of the newest ones.
    #[schemars(default, range(max = 100000))]
    pub last: u32,
    /// Of so many days the newest.
    #[schemars(default, range(max = 100000))]
    pub daily: u32,
    /// Of so many weeks, from Monday, the newest.
    #[schemars(default, range(max = 100000))]
    pub weekly: u32,
    /// Of so many months the newest.
    #[schemars(default, range(max = 100000))]
    pub monthly: u32,
    /// Of so many years the newest.
    #[schemars(default, range(max = 100000))]
    pub yearly: u32,
    /// Those that `backup --tag` gave one of these words.
    #[schemars(default)]
    pub tags: Vec<String>,
}

/// How sensitive data is. Each grade is sealed to a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename_all = "lowercase")]
pub enum Grade {
    /// What anybody in the company may see.
    Low,
    /// What those who work with customers may see.
    Medium,
    /// What identifies or exposes a customer; also everything that nobody has graded.
    High,
}

/// One database that is backed up.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Source {
    /// The name that snapshots carry, such as `crm` in `crm@latest`.
    #[schemars(regex(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"))]
    pub name: String,
    /// The database: `postgres://user@host/database`, `mysql://user@host/database` or `sqlite:///path`. It holds no password.
    #[schemars(with = "String", regex(pattern = "^(mysql|postgres|postgresql|sqlite):"))]
    pub url: Url,
    /// Where the password is kept: `{file:PATH}`, `{env:NAME}` or `{credential:NAME}` (systemd).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub password: Option<SecretRef>,
    /// Permits a connection to another host without TLS. Reports then say so.
    #[schemars(default)]
    pub allow_plaintext: bool,
    /// Which of its snapshots stay, instead of what [vault] says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// None of its snapshots goes that is younger than so many days, instead of what [vault] says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u32>", range(max = 36500))]
    pub keep_min_days: Option<u32>,
    /// When `lifeboat-agent run` backs it up, such as `daily 02:30`, `sun 03:30 weekly` or a cron expression;
    /// the schedule in `[agent]` when left out.
    #[schemars(with = "Option<Vec<String>>")]
    pub schedule: Vec<Schedule>,
    /// How soon it must be restored and compared, such as `4h`: `lifeboat-restore report` holds the slowest of its last
    /// restores against it, and nothing else does.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_optional_duration")]
    #[schemars(with = "Option<String>")]
    pub rto: Option<Duration>,
    /// How long the time between two of its backups may be, such as `25h`; held against the record likewise.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_optional_duration")]
    #[schemars(with = "Option<String>")]
    pub rpo: Option<Duration>,
    /// The grades of its columns, by pattern: `schema.table`, `schema.table.column`, or without the schema where
    /// the system has none; `*` stands for any characters. The most specific pattern wins; one that names a
    /// table means its partitions, and those that inherit from it, where none names theirs. What none names is high.
    #[serde(skip_serializing_if = "Grading::is_empty")]
    #[schemars(default)]
    pub grades: Grading,
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] when the file cannot be read, [`ConfigError::Invalid`] with line and
    /// column when it says something that cannot be meant.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Checks `text` as though it had been read from `path`, which appears in errors and is where
    /// relative paths inside the file start from.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the first fault, in the order of the file where that is possible.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        read::config(text, path)
    }

    /// The source called `name`.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == name)
    }

    /// Which snapshots of a source stay, and the days that each of them stays at least; nothing when
    /// everything stays. A source that is not configured here goes by what [vault] says.
    pub fn keep(&self, source: &str) -> Option<(&Keep, u32)> {
        let own = self.source(source);
        let keep = own.and_then(|source| source.keep.as_ref()).or(self.vault.keep.as_ref())?;
        let days = own.and_then(|source| source.keep_min_days).unwrap_or(self.vault.keep_min_days);
        Some((keep, days))
    }

    /// Grades that a source's columns have and nobody here may open, each with the first source that has it.
    pub fn grades_of_nobody(&self) -> Vec<(Grade, &str)> {
        let held = |grade: &Grade| self.people.values().any(|person| person.grades.contains(grade));
        let uses = |grade: Grade| {
            let of_source =
                |source: &&Source| source.grades.patterns().any(|pattern| pattern.grade() == grade);
            self.sources.iter().find(of_source).map(|source| (grade, source.name.as_str()))
        };
        Grade::all().into_iter().filter(|grade| !held(grade)).filter_map(uses).collect()
    }

    /// The copy called `name`.
    pub fn copy(&self, name: &str) -> Option<&Copy> {
        self.vault.copies.iter().find(|copy| copy.name == name)
    }

    /// Whether this host alone deletes in the vault, or in the copy that is named.
    pub fn deletes_alone(&self, copy: Option<&str>) -> bool {
        match copy {
            None => self.vault.alone,
            Some(name) => self.copy(name).is_some_and(|copy| copy.alone),
        }
    }

    /// Prints the configuration in force as TOML: defaults filled in, passwords that stand in the file
    /// as `********`, references to secrets as they are.
    pub fn to_masked_toml(&self) -> String {
        toml::to_string(self).expect("every value of a configuration has a form in TOML")
    }
}

impl Vault {
    /// A week to notice that something is wrong before anything goes.
    pub(crate) const fn default_keep_min_days() -> u32 {
        7
    }

    /// How many copies must hold a new snapshot whole before a backup has succeeded.
    pub fn copies_required(&self) -> usize {
        self.require_copies.map_or(self.copies.len(), |copies| copies as usize)
    }
}

impl Grade {
    /// All three, the highest first.
    pub fn all() -> Vec<Self> {
        vec![Self::High, Self::Medium, Self::Low]
    }

    /// The word that stands for this grade in configuration, reports and the vault.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn as_optional_duration<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration.map(duration_text).serialize(serializer)
}

impl Lock {
    /// A lock that was asked for by mistake can be ended by somebody.
    pub(crate) const fn default_mode() -> LockMode {
        LockMode::Governance
    }
}
