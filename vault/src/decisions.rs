//! What no key opens and two people decide all the same: to remove snapshots by hand, to keep
//! less, and to end holds.
//!
//! Whoever asks and whoever carries it out come to the same words by themselves, from what is in the vault:
//! an approval is for these snapshots, and for nothing else.

use jiff::Timestamp;

use crate::format::request::Wish;
use crate::{AgentId, Hold, Identities, PersonKey, Result, Snapshot, Vault};

impl Wish {
    /// Whether people decide it, and no key is opened for it.
    pub fn is_decision(self) -> bool {
        match self {
            Self::Restore | Self::Shred => false,
            Self::Expire | Self::Keep | Self::Release => true,
        }
    }
}

impl Vault {
    /// Those who decide what no key opens, beside `person`: who may open grade high.
    ///
    /// # Errors
    /// Damage of the keyring's list of people.
    pub fn others_who_decide(&self, person: AgentId) -> Result<Vec<String>> {
        let people = self.people()?.into_iter();
        let others = people.filter(|other| other.may_decide() && other.id() != Some(person));
        Ok(others.map(|other| other.name).collect())
    }

    /// Those of the people with these identities who decide: who have grade high.
    ///
    /// # Errors
    /// As [`Vault::others_who_decide`].
    pub fn deciders(&self, identities: &Identities) -> Result<Vec<PersonKey>> {
        let mut keys = self.person_keys(identities)?;
        let people = self.people()?;
        keys.retain(|key| people.iter().any(|person| person.id() == Some(key.id()) && person.may_decide()));
        Ok(keys)
    }
}

/// To remove these snapshots, in words.
pub fn expire_in_words(snapshots: &[&Snapshot]) -> String {
    let mut snapshots = snapshots.to_vec();
    snapshots.sort_by_key(|snapshot| snapshot.id);
    snapshots.dedup_by_key(|snapshot| snapshot.id);
    let mut text: String =
        snapshots.iter().map(|snapshot| format!("remove   {}\n", named(snapshot))).collect();
    text.push_str("from     the vault and each of its copies\n");
    text
}

/// To end these holds, in words.
pub fn release_in_words(holds: &[&Hold]) -> String {
    let mut lines: Vec<_> = holds
        .iter()
        .map(|hold| {
            let Hold { note, snapshot, .. } = hold;
            let (by, reason) = (one_line(&hold.by), one_line(&hold.reason));
            format!("release  snapshot {snapshot}, held by {by} (note {note}): {reason}\n")
        })
        .collect();
    lines.sort_unstable();
    lines.concat()
}

/// What somebody has written makes no second line of a plan.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn named(snapshot: &Snapshot) -> String {
    let manifest = &snapshot.manifest;
    let time = manifest.time.parse::<Timestamp>();
    let time = time.map_or_else(|_| manifest.time.clone(), |time| format!("{time:.0}"));
    format!("snapshot {} of {}, {time}", snapshot.id, manifest.source)
}
