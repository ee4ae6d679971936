//! What can go wrong with a vault, named by what the caller should do about it.

use crate::store::lock;
use crate::{Grade, Hold};

/// The result of a vault operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A vault's error. Text is a fragment; [`Error::hints`] says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no vault at this place.
    #[error("there is no vault at {url}")]
    NoVault {
        /// Where it was looked for.
        url: String,
    },
    /// There is a vault, or something else, where a new one was to be made.
    #[error("{url} already holds {found}")]
    NotEmpty {
        /// Where.
        url: String,
        /// What is there.
        found: String,
    },
    /// The store's URL or settings make no sense.
    #[error("the store {url} cannot be used: {reason}")]
    BadStore {
        /// As given, without secrets.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// An object that must be there is not.
    #[error("{object} is missing")]
    Missing {
        /// Its path in the store.
        object: String,
    },
    /// An object is not what was written.
    #[error("{object} is damaged: {reason}")]
    Damaged {
        /// Its path in the store.
        object: String,
        /// Where and how.
        reason: String,
    },
    /// An object carries no signature of anyone this vault trusts.
    #[error("{object} cannot be trusted: {reason}")]
    Untrusted {
        /// Its path in the store.
        object: String,
        /// Whose signature is missing or wrong.
        reason: String,
    },
    /// The vault was written by something newer (or older) than this program understands.
    #[error("the vault's format {found} is not one this program knows (it knows {known})")]
    Unsupported {
        /// What the vault says.
        found: String,
        /// What is understood.
        known: String,
    },
    /// None of the identities at hand opens what is needed.
    #[error("no identity given opens {what}{}", told(reason))]
    NoKey {
        /// Such as `the vault's metadata` or `rows of grade high, epoch 1`.
        what: String,
        /// Why one that might have opened it could not be used: a wrong passphrase, hardware not touched.
        reason: Option<String>,
    },
    /// A recipient or identity cannot be read.
    #[error("{what} is not usable: {reason}")]
    BadKey {
        /// Which one; never its secret.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// Somebody else is at work where only one may be.
    #[error("{what} is under way already: {holder}")]
    Busy {
        /// Such as `a backup of crm`.
        what: String,
        /// Who is at it, and since when.
        holder: String,
    },
    /// Nothing, or more than one thing, fits what was asked for.
    #[error("{0}")]
    NoSuchSnapshot(String),
    /// There is no snapshot, not even a damaged one, so nothing can be proven.
    #[error("{}", match packs {
        0 => "the vault holds no snapshot yet: nothing was proven".to_owned(),
        1 => "the vault holds no snapshot, while 1 pack is there".to_owned(),
        packs => format!("the vault holds no snapshot, while {packs} packs are there"),
    })]
    NoSnapshot {
        /// Packs that are there all the same: an interrupted first run left them, or snapshots were deleted.
        packs: usize,
    },
    /// The store does not answer, after retries.
    #[error("the store failed to {operation} {object}")]
    Unavailable {
        /// `read`, `write`, `list`.
        operation: &'static str,
        /// The object's path.
        object: String,
        /// The store's words.
        #[source]
        source: object_store::Error,
    },
    /// The store refuses these credentials.
    #[error("the store denies to {operation} {object}")]
    Denied {
        /// `read`, `write`, `list`.
        operation: &'static str,
        /// The object's path.
        object: String,
        /// The store's words.
        #[source]
        source: object_store::Error,
    },
    /// Rows handed in, or read back, contradict what they should be.
    #[error("{what}: {reason}")]
    Mismatch {
        /// The table or stream.
        what: String,
        /// Expected and found.
        reason: String,
    },
    /// Somebody else is deleting in this vault.
    #[error("{by} is {purpose} in this vault, and said so {seconds_ago} s ago")]
    Locked {
        /// Who, as far as the lease tells.
        by: String,
        /// What they do, such as `pruning`.
        purpose: String,
        /// How long ago, by the store's clock.
        seconds_ago: i64,
    },
    /// The right to delete was lost on the way: another host has it, or this one slept.
    #[error("the lease on deleting was lost: {reason}")]
    LeaseLost {
        /// How that was noticed.
        reason: String,
    },
    /// The store cannot keep two hosts from deleting at once.
    #[error(
        "this store lets a second write replace the first, so it cannot keep two hosts from deleting at once"
    )]
    NotExclusive,
    /// What a run reused has been taken away, or is about to be.
    #[error("chunks that this run reused are being removed from the vault: {reason}")]
    Removed {
        /// Which, or how many.
        reason: String,
    },
    /// Something forbids to delete now; nothing was.
    #[error("nothing is deleted: {0}")]
    HeldBack(String),
    /// A hold forbids to destroy keys that its snapshot needs; none was.
    #[error("nothing is destroyed: snapshot {} is held by {}: {}", .0.snapshot.short(), .0.by, .0.reason)]
    Held(Box<Hold>),
    /// A change of keys that makes no sense.
    #[error("the keys are left as they are: {0}")]
    KeysRefused(String),
    /// What was decided for this vault forbids it.
    #[error("{0}")]
    AgainstPolicy(String),
    /// No request fits what was asked for, or more than one does.
    #[error("{0}")]
    NoSuchRequest(String),
    /// A request is for something else than what is to be done.
    #[error("request {request} is for another plan than this")]
    AnotherPlan {
        /// Its id, in short.
        request: String,
        /// Lines of its plan that are not in the one at hand.
        asked: Vec<String>,
        /// Lines of the plan at hand that are not in its own.
        at_hand: Vec<String>,
    },
    /// Too few have approved a request.
    #[error("request {request} has {has} of {needed} approvals")]
    Unapproved {
        /// Its id, in short.
        request: String,
        /// How many have, and count.
        has: usize,
        /// How many it takes.
        needed: usize,
        /// Who still could.
        able: Vec<String>,
        /// Answers that are not believed, and why.
        unbelieved: Vec<String>,
    },
    /// The newest keyring was taken away or cannot be read, and the one before it is in force.
    #[error("keyring {in_force} is in force, but {sign}")]
    OldKeyring {
        /// The sequence of the newest keyring that can be read.
        in_force: u32,
        /// What gives it away.
        sign: String,
    },
    /// Somebody else changed the keys at the same time.
    #[error("somebody else has changed the keys meanwhile: {object} is there")]
    KeysChanged {
        /// The keyring that this change would have made.
        object: String,
    },
    /// The local state cannot be used.
    #[error("the local state failed")]
    State(#[from] sqlx::Error),
    /// A local file cannot be used.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// A worker of the run stopped early; the error beside it says why.
    #[error("the run was cancelled")]
    Cancelled,
}

impl Error {
    /// What the operator should do or ask next; may be empty.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::NoVault { .. } => "check the URL, or make a vault with `lifeboat-agent init`",
            Self::NotEmpty { .. } => "choose an empty place; an existing vault is never overwritten",
            Self::Missing { .. } | Self::Damaged { .. } => {
                "run `lifeboat-restore verify` to see which tables and snapshots are still whole"
            }
            Self::Untrusted { .. } => {
                "compare the vault's root fingerprint with the one on the recovery sheet"
            }
            Self::Unsupported { .. } => "install a version of Lifeboat that knows this format",
            Self::NoKey { reason: Some(_), .. } => {
                "it may be the right key: mind its passphrase, or plug it in and touch it, and try again"
            }
            Self::NoKey { .. } => "give the identity of a person on the recovery sheet with `--identity`",
            Self::Unavailable { source, .. } if is_disk_full(source) => {
                "free space on the store's disk and run the same command again; nothing written before is lost"
            }
            Self::Unavailable { .. } => {
                "is the store up, and do endpoint, region and network fit? run the same command again afterwards"
            }
            Self::Denied { operation: "remove", .. } => {
                "run this where the credential that may delete is; config/STORES.md says which rights it needs"
            }
            Self::Denied { operation: lock::ASK | lock::SET, .. } => {
                "the credentials need s3:GetObjectRetention and s3:PutObjectRetention: see config/STORES.md"
            }
            Self::Denied { .. } => "the credentials need put, get and list below the vault's prefix",
            Self::Locked { .. } => {
                "wait for it; when that host is gone for good, its lease ends by itself after ten minutes"
            }
            Self::LeaseLost { .. } => "run the same command again: it plans anew from what is there",
            Self::NotExclusive => {
                "see to it that only one host ever expires and prunes there, and say so with `--alone`, or with `alone = true` beside the store's url"
            }
            Self::OldKeyring { .. } => {
                return vec![
                    "put the newest keys/keyring-… back as it was: from a copy of the vault, the recovery medium, or the bucket's versions".into(),
                    "if nobody ever made it, a stranger put it there: remove that object".into(),
                ];
            }
            Self::NoSuchRequest(_) => "`lifeboat-restore requests` lists them",
            Self::AnotherPlan { asked, at_hand, .. } => {
                let asked = asked.iter().map(|line| format!("asked for:  {line}"));
                let hints = asked.chain(at_hand.iter().map(|line| format!("this would: {line}")));
                return hints.chain(["repeat what was asked for, or ask for this anew".into()]).collect();
            }
            Self::Unapproved { has, needed, able, unbelieved, .. } => {
                let next = match able.len() + has < *needed {
                    true => "not enough are left who could approve it; after keys were changed, or approvals taken back, ask anew".into(),
                    false => format!("who still can: {}", able.join(", ")),
                };
                return unbelieved.iter().cloned().chain([next]).collect();
            }
            Self::Held(hold) => {
                let snapshot = hold.snapshot.short();
                return vec![
                    format!(
                        "two people end a hold: lifeboat-restore request-release {snapshot} --reason TEXT, which another approves"
                    ),
                    format!(
                        "then, on the agent's host: lifeboat-agent release {snapshot} --reason TEXT --request ID"
                    ),
                ];
            }
            Self::KeysRefused(_) => "`lifeboat-restore keys list` shows who can open what",
            Self::KeysChanged { .. } => {
                "nothing was changed by this run; look at `lifeboat-restore keys list` and run it again if it is still needed"
            }
            Self::Removed { .. } => "run the same command again: what is missing is written anew",
            Self::Busy { .. } => "wait until it has ended; one that was killed holds nothing",
            Self::NoSnapshot { packs: 0 } => "`lifeboat-agent backup` makes the first one",
            Self::NoSnapshot { .. } => {
                return vec![
                    "if no backup has ever been complete, run `lifeboat-agent backup`: it uses these packs".into(),
                    "otherwise its snapshots were deleted: bring back snapshots/ from another copy or from the store's versions".into(),
                ];
            }
            Self::State(_) => {
                "is the disk of the state folder full? the files `index-….sqlite` in it are a cache and may be deleted"
            }
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }

    /// Whether this says that stored data is missing or not what was written.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Missing { .. }
            | Self::Damaged { .. }
            | Self::Untrusted { .. }
            | Self::OldKeyring { .. }
            | Self::Mismatch { .. } => true,
            Self::NoSnapshot { packs } => *packs > 0,
            _ => false,
        }
    }

    pub(crate) fn damaged(object: impl ToString, reason: impl ToString) -> Self {
        Self::Damaged { object: object.to_string(), reason: reason.to_string() }
    }

    pub(crate) fn untrusted(object: impl ToString, reason: impl ToString) -> Self {
        Self::Untrusted { object: object.to_string(), reason: reason.to_string() }
    }

    /// None of the identities at hand opens `what`; `reason` is why one of them could not be used.
    pub fn no_key(what: impl Into<String>, reason: Option<String>) -> Self {
        Self::NoKey { what: what.into(), reason }
    }

    pub(crate) fn no_grade_key(grade: Grade, epoch: u32) -> Self {
        Self::no_key(format!("rows of grade {grade}, epoch {epoch}"), None)
    }

    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }
}

fn told(reason: &Option<String>) -> String {
    reason.as_ref().map(|reason| format!(" (one of them could not be used: {reason})")).unwrap_or_default()
}

/// Whether the store's words mean that its disk is full.
fn is_disk_full(error: &object_store::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && matches!(io.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        {
            return true;
        }
        source = error.source();
    }
    false
}
