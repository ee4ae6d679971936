//! What is wrong with a copy, or with the vault it is made from. Told, and never mended in silence.

use std::fmt;

use jiff::Timestamp;

use crate::SnapshotId;

/// Something that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CopyFinding {
    /// An object of the vault is not what it should be. It is not copied.
    DamagedInVault(String),
    /// An object of the copy is not what it should be. It is left as it is.
    DamagedInCopy(String),
    /// A snapshot's manifest is kept back, or counts for nothing in the copy, because of damage.
    NotWhole {
        /// Which.
        snapshot: SnapshotId,
        /// Of which source.
        source: String,
        /// What of it is missing or damaged.
        reason: String,
    },
    /// The copy holds something newer than the vault: the vault was rolled back, or has lost it.
    Ahead(String),
    /// Objects that were in the copy are gone, and the vault still has them. They are copied again.
    Gone {
        /// How many.
        objects: u64,
        /// One of them.
        example: String,
        /// When they were last there.
        since: Option<Timestamp>,
    },
    /// A wrapped key that the vault no longer has: whom it was wrapped to can still open it here.
    StaleWrap(String),
}

impl CopyFinding {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::DamagedInVault(_) => {
                "run `lifeboat-restore verify` on the vault, and on its copies: an older copy may have the object whole"
            }
            Self::DamagedInCopy(_) => {
                "remove that object from the copy's store and run `lifeboat-agent copy` again: it is written anew from the vault"
            }
            Self::NotWhole { .. } => "the other snapshots of the copy are not concerned",
            Self::Ahead(_) => {
                "was the vault put back to an earlier day? expire nothing before that is known; the copy can be restored from with `--vault`"
            }
            Self::Gone { .. } => {
                "who can delete in the copy's store? use a credential there that cannot, versioning or object lock"
            }
            Self::StaleWrap(_) => "remove it from the copy's store when a person's access has ended",
        }
    }
}

impl fmt::Display for CopyFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DamagedInVault(what) => write!(f, "in the vault, {what}; it was not copied"),
            Self::DamagedInCopy(what) => write!(f, "in the copy, {what}"),
            Self::NotWhole { snapshot, source, reason } => {
                write!(f, "the copy does not hold snapshot {} of {source} whole: {reason}", snapshot.short())
            }
            Self::Ahead(what) => write!(f, "the copy is ahead of the vault: {what}"),
            Self::Gone { objects, example, since } => {
                let (noun, verb) = if *objects == 1 { ("object", "is") } else { ("objects", "are") };
                write!(f, "{objects} {noun} that the copy held")?;
                if let Some(since) = since {
                    write!(f, " on {since:.0}")?;
                }
                write!(f, " {verb} gone from it, such as {example}")
            }
            Self::StaleWrap(name) => write!(f, "{name} is in the copy, but no longer in the vault"),
        }
    }
}
