//! What a change of keys comes to, before anything is written: who is there afterwards, whose wraps are made
//! anew, which keys are new and which go. It refuses what makes no sense.

use super::{KeyChange, create};
use crate::format::keys::{ApprovalPolicy, PersonRecord};
use crate::keys::Person;
use crate::{Error, Grade, Realm, Result, Vault};

/// What a change does beside changing the people.
#[derive(Default)]
pub(super) struct Effect {
    /// Grades whose wraps are made anew.
    pub(super) touched: Vec<Grade>,
    /// Realms that get a new epoch.
    pub(super) rotated: Vec<Realm>,
    /// Keys that go.
    pub(super) shredded: Vec<(Realm, u32)>,
}

/// Changes the people, and returns what else is to be done.
pub(super) fn apply(vault: &Vault, people: &mut Vec<PersonRecord>, change: &KeyChange) -> Result<Effect> {
    let everything = || Effect { touched: Grade::ALL.to_vec(), ..Effect::default() };
    match change {
        KeyChange::Add(person) => {
            person.to_recipient()?;
            Ok(Effect { touched: add(people, person)?, ..Effect::default() })
        }
        KeyChange::Retire { name } => {
            let Some(person) = people.iter_mut().find(|person| person.name == *name && person.is_active())
            else {
                return match people.iter().any(|person| person.name == *name) {
                    // Retired by a run that was interrupted: what it left is taken away now.
                    true => Ok(everything()),
                    false => Err(Error::KeysRefused(format!(
                        "nobody is called {name} in keyring {}",
                        vault.keyring_sequence()
                    ))),
                };
            };
            let touched = std::mem::take(&mut person.grades);
            person.had.clone_from(&touched);
            let realms = touched.iter().copied().map(Realm::Rows);
            let rotated = [Realm::Metadata].into_iter().chain(realms).collect();
            Ok(Effect { touched, rotated, ..Effect::default() })
        }
        // Whoever could open a key alone may have kept it: what is written next has another.
        KeyChange::Quorum { grade, .. } => {
            Ok(Effect { touched: vec![*grade], rotated: vec![Realm::Rows(*grade)], ..Effect::default() })
        }
        KeyChange::Approvals { .. } => Ok(Effect::default()),
        KeyChange::Rotate(realm) => Ok(Effect { rotated: vec![*realm], ..Effect::default() }),
        KeyChange::RotateRows => {
            let rotated = Grade::ALL.into_iter().map(Realm::Rows).collect();
            Ok(Effect { rotated, ..Effect::default() })
        }
        KeyChange::ShredOlder => shred_older(vault),
        KeyChange::Shred { grade, epoch } => shred(vault, *grade, *epoch),
        KeyChange::Rewrap => Ok(everything()),
    }
}

/// How many people open each grade together after a change.
pub(super) fn quorum_after(
    vault: &Vault,
    people: &[PersonRecord],
    change: &KeyChange,
) -> Result<Vec<(Grade, u8)>> {
    let mut quorum = Vec::new();
    for grade in Grade::ALL {
        let needed = match change {
            KeyChange::Quorum { grade: changed, people } if *changed == grade => *people,
            _ => vault.quorum(grade),
        };
        create::check_quorum(grade, needed, people.iter().map(|person| &*person.grades))?;
        quorum.push((grade, needed));
    }
    Ok(quorum)
}

/// Of which grades others must approve each restore after a change.
pub(super) fn approvals_after(
    vault: &Vault,
    people: &[PersonRecord],
    change: &KeyChange,
) -> Result<Vec<ApprovalPolicy>> {
    let mut approvals = Vec::new();
    for grade in Grade::ALL {
        let needed = match change {
            KeyChange::Approvals { grade: changed, people } if *changed == grade => *people,
            _ => vault.approvers(grade),
        };
        let there = people.iter().filter(|person| person.grades.contains(&grade)).count();
        if needed > 0 && there <= usize::from(needed) {
            let reason = format!(
                "a restore of grade {grade} would need {needed} beside whoever restores, and {there} have it"
            );
            return Err(Error::KeysRefused(reason));
        }
        approvals.extend((needed > 0).then_some(ApprovalPolicy { grade, people: needed }));
    }
    Ok(approvals)
}

/// The keys that go. Without its newest key a grade gets another first, so that the next backup seals to it.
fn shred(vault: &Vault, grade: Grade, epoch: Option<u32>) -> Result<Effect> {
    let realm = Realm::Rows(grade);
    let of_grade = vault.sealing_keys().iter().filter(|key| key.realm == realm).map(|key| key.epoch);
    let going: Vec<_> = of_grade.filter(|known| epoch.is_none_or(|epoch| epoch == *known)).collect();
    let (newest, _) = vault.sealing(realm)?;
    match epoch {
        Some(epoch) if vault.shredded().iter().any(|key| key.realm == realm && key.epoch == epoch) => {
            // By a run that was interrupted: whatever it left is taken away now.
            Ok(Effect::default())
        }
        Some(epoch) if going.is_empty() => {
            Err(Error::KeysRefused(format!("the vault has no key {grade} {epoch}")))
        }
        _ => Ok(Effect {
            rotated: going.contains(&newest).then_some(realm).into_iter().collect(),
            shredded: going.into_iter().map(|epoch| (realm, epoch)).collect(),
            ..Effect::default()
        }),
    }
}

/// Every key of rows but the newest of each grade.
fn shred_older(vault: &Vault) -> Result<Effect> {
    let mut shredded = Vec::new();
    for grade in Grade::ALL {
        let (newest, _) = vault.sealing(Realm::Rows(grade))?;
        let older = vault.epochs(grade).into_iter().filter(|epoch| *epoch != newest);
        shredded.extend(older.map(|epoch| (Realm::Rows(grade), epoch)));
    }
    Ok(Effect { shredded, ..Effect::default() })
}

/// Adds a person, or grades to one who is there, and what is said of where they belong and what they are. Returns
/// the grades that are new to them; all, when none is, so that what an interrupted run left is made whole.
fn add(people: &mut Vec<PersonRecord>, person: &Person) -> Result<Vec<Grade>> {
    let refused = |reason: String| Err(Error::KeysRefused(reason));
    if person.grades.is_empty() {
        return refused(format!("{} would be able to open nothing", person.name));
    }
    if let Some(known) = people.iter_mut().find(|known| known.name == person.name && known.is_active()) {
        if known.recipient.trim() != person.recipient.trim() {
            return refused(format!(
                "{} is there with another key: retire them first, or choose another name",
                person.name
            ));
        }
        let new: Vec<_> =
            person.grades.iter().filter(|grade| !known.grades.contains(grade)).copied().collect();
        known.grades.extend(&new);
        known.grades.sort_unstable();
        known.branch = person.branch.clone().or_else(|| known.branch.take());
        known.role = person.role.clone().or_else(|| known.role.take());
        return Ok(if new.is_empty() { Grade::ALL.to_vec() } else { new });
    }
    let same_key = |known: &&PersonRecord| known.recipient.trim() == person.recipient.trim();
    if let Some(other) = people.iter().filter(|known| known.is_active()).find(same_key) {
        return refused(format!(
            "{} has this key already: two people with one key are one person",
            other.name
        ));
    }
    people.push(PersonRecord::from(person));
    Ok(person.grades.clone())
}
