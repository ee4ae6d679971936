//! An anchor: the ends of all chains in a few lines of text, to be kept where whoever can write to the store
//! cannot reach it: printed, mailed, in another company's hands.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::{AgentId, VaultId};

const FIRST_LINE: &str = "lifeboat-anchor 1";

/// The ends of a vault's chains at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Of which vault.
    pub vault: VaultId,
    /// The last entry of each writer: its sequence and BLAKE3.
    pub ends: BTreeMap<AgentId, (u64, String)>,
}

/// A text is no anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no anchor, as `audit anchor` prints it")]
pub struct NotAnAnchor;

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE} {}", self.vault)?;
        self.ends.iter().try_for_each(|(writer, (sequence, hash))| writeln!(f, "{writer} {sequence} {hash}"))
    }
}

impl FromStr for Anchor {
    type Err = NotAnAnchor;

    fn from_str(text: &str) -> Result<Self, NotAnAnchor> {
        let parse = || {
            let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let vault = lines.next()?.strip_prefix(FIRST_LINE)?.trim().parse().ok()?;
            let ends = lines.map(|line| {
                let mut words = line.split_whitespace();
                let end =
                    (words.next()?.parse().ok()?, (words.next()?.parse().ok()?, words.next()?.to_owned()));
                (words.next().is_none() && end.1.1.len() == 64).then_some(end)
            });
            Some(Self { vault, ends: ends.collect::<Option<_>>()? })
        };
        parse().ok_or(NotAnAnchor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_read_as_it_was_printed_and_nothing_else_is() {
        let ends = BTreeMap::from([(AgentId([7; 16]), (12, "ab".repeat(32)))]);
        let anchor = Anchor { vault: VaultId([1; 16]), ends };
        assert_eq!(anchor.to_string().parse(), Ok(anchor.clone()));
        assert_eq!(format!("\n  {}\n", anchor.to_string().replace('\n', "\r\n")).parse(), Ok(anchor.clone()));
        for wrong in
            ["", "lifeboat-anchor 2", &anchor.to_string().replace(" 12 ", " twelve "), &format!("{anchor}x")]
        {
            assert_eq!(wrong.parse::<Anchor>(), Err(NotAnAnchor), "{wrong}");
        }
    }
}
