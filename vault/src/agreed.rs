//! What has been agreed to keep. More is agreed as soon as an agent says it; less, when two people have said it.
//!
//! Agreed rules are notes, which are only ever added, so which of them are in force depends on no clock: each is,
//! until one that names it takes its place, and that counts only when the root has signed it, or when it was
//! written by a request that another person had approved then, for exactly these words. A snapshot goes when no
//! rule in force keeps it, whatever a configuration says.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;

use crate::format::note::Says;
use crate::keys::AgentKey;
use crate::notes::{NoteAuthor, Notes, write_note};
use crate::retention::Keep;
use crate::{NoteId, RequestId, Result, Vault};

/// A rule that was agreed on and is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreedKeep {
    /// The note that says it.
    pub note: NoteId,
    /// Of what: a source's name, or what [`of_copy`] says.
    pub of: String,
    /// The rule.
    pub keep: Keep,
}

/// What the rule of a copy that keeps less than the vault is agreed on as. No source can be called so.
pub fn of_copy(name: &str) -> String {
    format!("copy {name}")
}

impl Keep {
    /// Whether it keeps whatever the other keeps, and for as long.
    pub fn covers(&self, other: &Self) -> bool {
        let counts =
            |keep: &Self| [keep.last, keep.daily, keep.weekly, keep.monthly, keep.yearly, keep.min_days];
        counts(self).iter().zip(counts(other)).all(|(own, other)| *own >= other)
            && other.tags.iter().all(|tag| self.tags.contains(tag))
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            ("last", self.last),
            ("daily", self.daily),
            ("weekly", self.weekly),
            ("monthly", self.monthly),
            ("yearly", self.yearly),
        ];
        let counts =
            counts.iter().filter(|(_, count)| *count > 0).map(|(rule, count)| format!("{rule} {count}"));
        let tags = self.tags.iter().map(|tag| format!("tag {}", one_word(tag)));
        let least = (self.min_days > 0).then(|| format!("{} days at least", self.min_days));
        let rules: Vec<_> = counts.chain(tags).chain(least).collect();
        if rules.is_empty() { f.write_str("the newest alone") } else { f.write_str(&rules.join(", ")) }
    }
}

/// A tag that a note says may be any text, and must not read as another rule behind it.
fn one_word(tag: &str) -> Cow<'_, str> {
    let is_word = tag.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if is_word { tag.into() } else { format!("{tag:?}").into() }
}

impl Notes {
    /// The rules in force for a source or a copy.
    pub fn agreed_for(&self, of: &str) -> Vec<&AgreedKeep> {
        self.agreed.iter().filter(|agreed| agreed.of == of).collect()
    }

    /// Those of them that keep something which this rule does not.
    pub fn shortened_by(&self, of: &str, keep: &Keep) -> Vec<&AgreedKeep> {
        self.agreed_for(of).into_iter().filter(|agreed| !keep.covers(&agreed.keep)).collect()
    }
}

/// To keep less, in words: what whoever asks for it and whoever does it come to by themselves.
pub fn keep_in_words(of: &str, keep: &Keep, instead: &[&AgreedKeep]) -> String {
    let mut instead: Vec<_> =
        instead.iter().map(|agreed| format!("instead  {}, by note {}\n", agreed.keep, agreed.note)).collect();
    instead.sort_unstable();
    format!("keep     of {of} no more than: {keep}\n{}", instead.concat())
}

/// Takes a rule for agreed where none in force covers it: the first one, or one that keeps more.
///
/// # Errors
/// What the store says.
pub async fn agree_to_keep(
    vault: &Vault,
    agent: &AgentKey,
    notes: &Notes,
    (of, keep): (&str, &Keep),
    now: Timestamp,
) -> Result<Option<NoteId>> {
    if notes.agreed_for(of).iter().any(|agreed| agreed.keep.covers(keep)) {
        return Ok(None);
    }
    let says = Says::Keep { of: of.to_owned(), keep: keep.clone(), instead_of: Vec::new(), request: None };
    let reason = "the configuration keeps this, and nothing that was agreed covers it";
    write_note(vault, NoteAuthor::Agent(agent), &agent.name, reason, says, now).await.map(Some)
}

/// Lets a rule take the place of those in force that keep more. Whoever reads it believes it by its author, the
/// root, or by the request.
///
/// # Errors
/// `NoKey` when a person's identities do not open the root key.
pub async fn agree_to_keep_less(
    vault: &Vault,
    author: NoteAuthor<'_>,
    notes: &Notes,
    (of, keep): (&str, &Keep),
    request: Option<RequestId>,
    (by, now): (&str, Timestamp),
) -> Result<NoteId> {
    let instead_of = notes.shortened_by(of, keep).into_iter().map(|agreed| agreed.note).collect();
    let says = Says::Keep { of: of.to_owned(), keep: keep.clone(), instead_of, request };
    write_note(vault, author, by, "two people decided to keep less", says, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(last: u32, daily: u32, tags: &[&str], min_days: u32) -> Keep {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Keep { last, daily, tags, min_days, ..Keep::default() }
    }

    #[test]
    fn a_rule_covers_another_when_it_keeps_no_less_of_anything() {
        let agreed = keep(3, 7, &["before-upgrade"], 7);
        for longer in [agreed.clone(), keep(4, 7, &["before-upgrade", "nightly"], 7)] {
            assert!(longer.covers(&agreed), "{longer}");
        }
        for shorter in [
            keep(2, 30, &["before-upgrade"], 7),
            keep(3, 6, &["before-upgrade"], 7),
            keep(3, 7, &[], 7),
            keep(3, 7, &["before-upgrade"], 6),
        ] {
            assert!(!shorter.covers(&agreed), "{shorter}");
        }
    }

    #[test]
    fn a_rule_is_said_in_words() {
        assert_eq!(keep(3, 7, &["upgrade"], 7).to_string(), "last 3, daily 7, tag upgrade, 7 days at least");
        assert_eq!(Keep::default().to_string(), "the newest alone");
        let posing = keep(3, 0, &["upgrade, 30 days at least"], 0);
        assert_eq!(posing.to_string(), "last 3, tag \"upgrade, 30 days at least\"", "no tag says a rule");
    }
}
