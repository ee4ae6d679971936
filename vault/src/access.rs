//! Who can open what, read from the stored wraps and not from any configuration.
//!
//! A wrap says how many recipients it has and, for some kinds of keys, which; the keyring's sealed list says
//! who they should be. Where the two agree a person is *counted*, where the wrap itself names them *seen*;
//! whatever does not fit is told, because it is either damage or somebody whom nobody has listed.

use std::collections::BTreeSet;

use crate::format::keys::{PersonRecord, SealingKey, Shares};
use crate::format::names;
use crate::keys::{Identities, Person};
use crate::{Error, GivenShares, Grade, Realm, Result, Vault, seal};

mod snapshot;
mod stanzas;

pub use snapshot::{KeyUse, SnapshotKeys};
use stanzas::Stanza;

/// A key that is wrapped to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WrappedKey {
    /// What is sealed in this realm, of this epoch.
    Sealing(Realm, u32),
    /// The root, which signs keyrings and enrolments.
    Root,
}

impl WrappedKey {
    /// Whether someone with these grades is given it.
    pub fn is_for(self, grades: &[Grade]) -> bool {
        match self {
            Self::Sealing(Realm::Metadata, _) => !grades.is_empty(),
            Self::Sealing(Realm::Rows(grade), _) => grades.contains(&grade),
            Self::Root => grades.contains(&Grade::High),
        }
    }
}

impl std::fmt::Display for WrappedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sealing(realm, epoch) => write!(f, "{realm} {epoch}"),
            Self::Root => f.write_str("root"),
        }
    }
}

/// Whether a person can open a wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The wrap names their key.
    Seen,
    /// The keyring lists them, and the wrap has as many recipients of their kind as it lists.
    Counted,
    /// The keyring lists them, and the wrap has fewer recipients of their kind: perhaps not them.
    Doubtful,
    /// The keyring lists them, and the wrap would name their key and does not.
    Absent,
    /// The keyring does not list them, and the wrap names their key.
    Unlisted,
    /// Neither.
    Closed,
}

/// Who can open one wrapped key.
#[derive(Debug, Clone)]
pub struct KeyAccess {
    /// Which key.
    pub key: WrappedKey,
    /// Whether what is written now is sealed to it. Of the root, always.
    pub newest: bool,
    /// The object, or how many shares there are.
    pub object: String,
    /// How many people it takes together to open it.
    pub quorum: u8,
    /// How each of the people stands to it, in their order.
    pub people: Vec<Standing>,
    /// Recipients that none of the people accounts for.
    pub strangers: u64,
    /// Why the wrap opens for nobody, if it is missing or damaged.
    pub damage: Option<String>,
    /// Whether the identities at hand open it, to the key that the keyring names: proof, where all else is
    /// counting.
    pub opened: bool,
}

/// A wrap that the keyring in force does not name: whoever it is sealed to may still open it.
#[derive(Debug, Clone)]
pub struct Leftover {
    /// The object.
    pub object: String,
    /// How many recipients it has; nothing when it cannot be read.
    pub recipients: Option<u64>,
}

/// Who can open a vault.
#[derive(Debug, Clone)]
pub struct Access {
    /// The keyring that this was read from.
    pub keyring: u32,
    /// The people that it lists.
    pub people: Vec<PersonRecord>,
    /// Every wrapped key in force, the root last.
    pub keys: Vec<KeyAccess>,
    /// Wraps of earlier keyrings, or of a change that was interrupted.
    pub leftovers: Vec<Leftover>,
}

/// Grades that no more people can open than it takes: a lost key would lose their rows. `Display` says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThinGrades {
    /// Who can open them, if anybody.
    pub people: Vec<String>,
    /// How many of them it takes together.
    pub quorum: u8,
    /// The grades.
    pub grades: Vec<Grade>,
}

impl std::fmt::Display for ThinGrades {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let grades: Vec<_> = self.grades.iter().map(|grade| grade.as_str()).collect();
        let grades = grades.join(", ");
        match (&self.people[..], self.quorum) {
            ([], _) => write!(f, "nobody can open grade {grades}"),
            ([one], 1) => write!(f, "only {one} can open grade {grades}: a lost key would lose its rows"),
            (all, some) => write!(
                f,
                "grade {grades} takes {some} people together, and only {} have it: a lost key would lose its rows",
                all.join(", ")
            ),
        }
    }
}

impl Access {
    /// Grades that no more people can open than it takes.
    pub fn thin(&self) -> Vec<ThinGrades> {
        let quorum = |grade| {
            let of_grade =
                |key: &&KeyAccess| matches!(key.key, WrappedKey::Sealing(Realm::Rows(of), _) if of == grade);
            self.keys.iter().rfind(of_grade).map_or(1, |key| key.quorum)
        };
        thin(&self.people, quorum)
    }
}

fn thin(people: &[PersonRecord], quorum: impl Fn(Grade) -> u8) -> Vec<ThinGrades> {
    let mut thin: Vec<ThinGrades> = Vec::new();
    for grade in Grade::ALL {
        let with = people.iter().filter(|person| person.grades.contains(&grade));
        let (people, quorum): (Vec<_>, _) = (with.map(|person| person.name.clone()).collect(), quorum(grade));
        if people.len() > usize::from(quorum) {
            continue;
        }
        match thin.iter_mut().find(|thin| thin.people == people && thin.quorum == quorum) {
            Some(thin) => thin.grades.push(grade),
            None => thin.push(ThinGrades { people, quorum, grades: vec![grade] }),
        }
    }
    thin
}

impl Vault {
    /// Reads every wrap, and says who can open it. `identities` are tried on each; none are needed.
    ///
    /// # Errors
    /// Damage of the keyring's list of people; a store that does not answer.
    pub async fn access(&self, identities: &Identities) -> Result<Access> {
        let people = self.people()?;
        let tags: Vec<_> = people.iter().map(tag).collect();
        let newest = |key: &SealingKey| {
            self.sealing_keys().iter().rfind(|other| other.realm == key.realm).is_some_and(|last| last == key)
        };
        let mut keys = Vec::new();
        for key in self.sealing_keys() {
            let named = WrappedKey::Sealing(key.realm, key.epoch);
            let opened = self.opens(key, identities).await?;
            let place = (key.wrap.as_str(), key.shares.as_ref());
            keys.push(self.key_access(named, newest(key), place, opened, &people, &tags).await?);
        }
        let opened = match self.root_key(identities).await {
            Ok(_) => true,
            Err(error) if error.is_damage() || matches!(error, Error::NoKey { .. }) => false,
            Err(error) => return Err(error),
        };
        keys.push(self.key_access(WrappedKey::Root, true, self.root_wrap(), opened, &people, &tags).await?);
        Ok(Access { keyring: self.keyring_sequence(), people, keys, leftovers: self.leftovers().await? })
    }

    /// Grades that no more people can open than it takes, as the keyring lists them.
    ///
    /// # Errors
    /// Damage of the keyring's list of people.
    pub fn thin_grades(&self) -> Result<Vec<ThinGrades>> {
        Ok(thin(&self.people()?, |grade| self.quorum(grade)))
    }

    async fn key_access(
        &self,
        key: WrappedKey,
        newest: bool,
        (wrap, shares): (&str, Option<&Shares>),
        opened: bool,
        people: &[PersonRecord],
        tags: &[Option<Stanza>],
    ) -> Result<KeyAccess> {
        let (objects, quorum) = match shares {
            Some(shares) => (shares.wraps.iter().map(String::as_str).collect(), shares.threshold),
            None => (vec![wrap], 1),
        };
        let (mut found, mut damage, mut whole) = (Vec::new(), None, 0);
        for object in &objects {
            match self.stanzas(object).await? {
                Ok(stanzas) => {
                    found.extend(stanzas);
                    whole += 1;
                }
                Err(reason) => damage = damage.or(Some(reason)),
            }
        }
        let object = match &objects[..] {
            [one] => (*one).to_owned(),
            some => format!("{} of {} shares", quorum, some.len()),
        };
        // Of shares, the others open it as long as there are enough.
        let damage = damage.filter(|_| whole < usize::from(quorum));
        let (people, strangers) = match damage {
            None => judge(key, people, tags, &found),
            Some(_) => (vec![Standing::Closed; people.len()], 0),
        };
        Ok(KeyAccess { key, newest, object, quorum, people, strangers, damage, opened })
    }

    /// The recipients of a wrap or share, or what is wrong with it.
    async fn stanzas(&self, object: &str) -> Result<Result<Vec<Stanza>, String>> {
        match self.store().get(object).await {
            Ok(wrap) if names::wrap_tag(object) != Some(&*crate::vault::tag(&wrap)) => {
                Ok(Err(format!("{object}: its bytes do not hash to its name")))
            }
            Ok(wrap) => Ok(stanzas::of(&wrap).ok_or_else(|| format!("{object} is no age file"))),
            Err(error) if error.is_damage() => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    async fn opens(&self, key: &SealingKey, identities: &Identities) -> Result<bool> {
        match crate::vault::open_wrap(self.store(), key, identities, &GivenShares::default()).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_damage() || matches!(error, Error::NoKey { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn leftovers(&self) -> Result<Vec<Leftover>> {
        let in_force: BTreeSet<&str> = self.wraps_in_force().collect();
        let mut leftovers = Vec::new();
        for object in self.store().list(names::KEYS).await? {
            let name = object.name;
            if !name.ends_with(".age") || in_force.contains(name.as_str()) {
                continue;
            }
            let recipients = match self.store().get(&name).await {
                Ok(wrap) => stanzas::of(&wrap).map(|found| found.len() as u64),
                Err(error) if error.is_damage() => None,
                Err(error) => return Err(error),
            };
            leftovers.push(Leftover { object: name, recipients });
        }
        leftovers.sort_by(|a, b| a.object.cmp(&b.object));
        Ok(leftovers)
    }
}

/// What a wrap would name a person's key by; nothing for keys that are anonymous, and for those of plugins,
/// which would have to be run. A recipient that cannot be read names nobody.
fn tag(person: &PersonRecord) -> Option<Stanza> {
    if !person.recipient.trim_start().starts_with("ssh-") {
        return None;
    }
    let person = Person::from(person);
    let recipient = person.to_recipient().ok()?;
    let probe = seal::seal(std::iter::once(&*recipient as &dyn age::Recipient), b"").ok()?;
    stanzas::of(&probe)?.into_iter().find(|stanza| *stanza != Stanza::Native)
}

/// How each person stands to a wrap of these recipients, and how many recipients nobody accounts for.
fn judge(
    key: WrappedKey,
    people: &[PersonRecord],
    tags: &[Option<Stanza>],
    found: &[Stanza],
) -> (Vec<Standing>, u64) {
    let is_native = |person: &PersonRecord| person.recipient.parse::<age::x25519::Recipient>().is_ok();
    let seen = |tag: &Stanza| found.contains(tag);
    let listed_untagged = |native: bool| {
        let listed =
            people.iter().zip(tags).filter(|(person, tag)| tag.is_none() && key.is_for(&person.grades));
        listed.filter(|(person, _)| is_native(person) == native).count()
    };
    let natives = found.iter().filter(|stanza| **stanza == Stanza::Native).count();
    let known: BTreeSet<_> = tags.iter().flatten().collect();
    let plugins = found.iter().filter(|stanza| **stanza != Stanza::Native && !known.contains(stanza)).count();
    let (native_people, plugin_people) = (listed_untagged(true), listed_untagged(false));
    let standing = |(person, tag): (&PersonRecord, &Option<Stanza>)| match (tag, key.is_for(&person.grades)) {
        (Some(tag), true) if seen(tag) => Standing::Seen,
        (Some(_), true) => Standing::Absent,
        (Some(tag), false) if seen(tag) => Standing::Unlisted,
        (None, true) if is_native(person) && natives >= native_people => Standing::Counted,
        (None, true) if !is_native(person) && plugins >= plugin_people => Standing::Counted,
        (None, true) => Standing::Doubtful,
        (_, false) => Standing::Closed,
    };
    // A plugin may write more than one stanza for one key: more of them than people prove nothing.
    let strangers = natives.saturating_sub(native_people) + if plugin_people == 0 { plugins } else { 0 };
    (people.iter().zip(tags).map(standing).collect(), strangers as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str, recipient: &str, grades: &[Grade]) -> PersonRecord {
        let (name, recipient) = (name.into(), recipient.into());
        PersonRecord {
            name,
            recipient,
            grades: grades.to_vec(),
            retired: None,
            had: Vec::new(),
            signing: None,
            branch: None,
            role: None,
        }
    }

    fn native(name: &str, grades: &[Grade]) -> PersonRecord {
        person(name, &age::x25519::Identity::generate().to_public().to_string(), grades)
    }

    const LOW: WrappedKey = WrappedKey::Sealing(Realm::Rows(Grade::Low), 1);

    #[test]
    fn anonymous_recipients_are_counted_and_one_too_many_is_a_stranger() {
        let people =
            [native("wang", &Grade::ALL), native("li", &[Grade::Low]), native("zhao", &[Grade::High])];
        let check = |found: usize, expected: [Standing; 3], strangers: u64| {
            let judged = judge(LOW, &people, &[None, None, None], &vec![Stanza::Native; found]);
            assert_eq!(judged, (expected.to_vec(), strangers), "{found} recipients");
        };
        use Standing::{Closed, Counted, Doubtful};
        check(2, [Counted, Counted, Closed], 0);
        check(1, [Doubtful, Doubtful, Closed], 0);
        check(3, [Counted, Counted, Closed], 1);
    }

    #[test]
    fn an_ssh_key_is_seen_or_seen_to_be_absent() {
        let tag = |tag: &str| Stanza::Tagged("ssh-ed25519".into(), tag.into());
        let people =
            [person("wang", "ssh-ed25519 A", &[Grade::Low]), person("li", "ssh-ed25519 B", &[Grade::High])];
        let tags = [Some(tag("a")), Some(tag("b"))];
        let check = |found: &[Stanza], expected: [Standing; 2], strangers: u64| {
            assert_eq!(judge(LOW, &people, &tags, found), (expected.to_vec(), strangers), "{found:?}");
        };
        check(&[tag("a")], [Standing::Seen, Standing::Closed], 0);
        check(&[tag("b")], [Standing::Absent, Standing::Unlisted], 0);
        check(&[tag("a"), tag("c")], [Standing::Seen, Standing::Closed], 1);
    }
}
