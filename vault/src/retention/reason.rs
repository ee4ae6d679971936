//! Why a snapshot stays, in words.

use std::fmt;

use jiff::Timestamp;

/// One reason why a snapshot stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is the newest whose times fit and that is not flagged.
    NewestGood,
    /// It is the newest by its number.
    Newest,
    /// It is among the newest ones.
    Last {
        /// Which of them, from 1.
        place: u32,
        /// How many there may be.
        of: u32,
    },
    /// It is the newest of a day, week, month or year.
    Period {
        /// The policy's word.
        rule: &'static str,
        /// Which day, week, month or year.
        period: String,
        /// Which of those that have a snapshot, from 1 for the newest.
        place: u32,
        /// How many there may be.
        of: u32,
    },
    /// It carries this word.
    Tag(String),
    /// Somebody holds it: why and who.
    Hold(String),
    /// It is younger than the policy's least age.
    Young {
        /// That age.
        days: u32,
    },
    /// Nothing of its source goes now.
    HeldBack,
    /// There is no policy for its source.
    NoPolicy,
    /// A rule keeps it that was agreed on and is longer than the configured one.
    Agreed(String),
    /// It is in a copy of a vault that has it still.
    InVault,
    /// No rule keeps it, but the store does.
    Locked {
        /// Until then.
        until: Timestamp,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewestGood => f.write_str("the newest good one"),
            Self::Newest => f.write_str("the newest by number"),
            Self::Last { place, of } => write!(f, "last ({place} of {of})"),
            Self::Period { rule, period, place, of } => write!(f, "{rule}: {period} ({place} of {of})"),
            Self::Tag(tag) => write!(f, "tag {tag}"),
            Self::Hold(hold) => write!(f, "held: {hold}"),
            Self::Young { days } => write!(f, "younger than {days} days"),
            Self::HeldBack => f.write_str("would go, but is held back"),
            Self::Locked { until } => {
                write!(f, "no rule keeps it, but it is locked until {}", until.strftime("%Y-%m-%d %H:%M UTC"))
            }
            Self::Agreed(keep) => write!(f, "as was agreed: {keep}"),
            Self::InVault => f.write_str("no rule keeps it, but the vault has it still"),
            Self::NoPolicy => f.write_str("no `keep` is configured for its source"),
        }
    }
}
