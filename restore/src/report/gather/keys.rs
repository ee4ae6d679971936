//! The vault's keys: who can open them by their stored headers, and since when they are.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lifeboat_console::CommandError;
use lifeboat_vault::{Access, Identities, KeyAccess, Realm, Standing, Vault, WrappedKey};

use super::super::evidence::{Evidence, sha256};
use super::super::facts::KeyFacts;

/// When each sealing key was made.
type Since = BTreeMap<(Realm, u32), Timestamp>;

/// Reads every wrapped key's headers, and the keyrings.
pub async fn read(vault: &Vault, now: Timestamp) -> Result<(Access, Since, Evidence), CommandError> {
    let access = vault.access(&Identities::new(Vec::new())).await?;
    let since = vault.keys_since().await?;
    let mut listed = vault.store().list("keys").await?;
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let text: String = listed.iter().map(|object| format!("{} {}\n", object.name, object.bytes)).collect();
    let from = format!("{}/keys, keyring {}", vault.store().url(), access.keyring);
    Ok((access, since, Evidence { kind: "vault.keys", from, at: now, digest: sha256(text.as_bytes()) }))
}

/// The keys that seal what is written now.
pub fn newest(access: &Access, since: &Since) -> Vec<KeyFacts> {
    let facts = |key: &KeyAccess| {
        let WrappedKey::Sealing(realm, epoch) = key.key else { return None };
        let people = access.people.iter().zip(&key.people);
        let opens = people.filter(|(_, one)| matches!(one, Standing::Seen | Standing::Counted));
        Some(KeyFacts {
            realm: realm.to_string(),
            opens: key.damage.is_none().then(|| opens.map(|(person, _)| person.name.clone()).collect()),
            quorum: key.quorum.into(),
            since: since.get(&(realm, epoch)).copied(),
        })
    };
    access.keys.iter().filter(|key| key.newest).filter_map(facts).collect()
}

/// Keys of now, and the root, of whose wraps too many cannot be read.
pub fn unread(access: &Access) -> Vec<String> {
    let newest = access.keys.iter().filter(|key| key.newest);
    newest.filter(|key| key.damage.is_some()).map(|key| key.key.to_string()).collect()
}

/// Keys of now, and the root, that somebody can open whom the keyring does not list for them.
pub fn with_strangers(access: &Access) -> Vec<String> {
    let newest = access.keys.iter().filter(|key| key.newest);
    let strange = newest.filter(|key| key.strangers > 0 || key.people.contains(&Standing::Unlisted));
    strange.map(|key| key.key.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use lifeboat_vault::Grade;
    use lifeboat_vault::format::keys::PersonRecord;

    use super::*;

    const HIGH: Realm = Realm::Rows(Grade::High);

    fn access(people: [Standing; 2], strangers: u64) -> Access {
        let person = |name: &str| PersonRecord {
            name: name.into(),
            recipient: String::new(),
            grades: Grade::ALL.to_vec(),
            retired: None,
            had: Vec::new(),
            signing: None,
            branch: None,
            role: None,
        };
        let key = |key: WrappedKey| KeyAccess {
            key,
            newest: key != WrappedKey::Sealing(HIGH, 1),
            object: String::new(),
            quorum: 1,
            people: people.to_vec(),
            strangers,
            damage: None,
            opened: false,
        };
        let keys = [WrappedKey::Sealing(HIGH, 1), WrappedKey::Sealing(HIGH, 2), WrappedKey::Root];
        Access {
            keyring: 2,
            people: ["wang", "escrow"].map(person).into(),
            keys: keys.map(key).into(),
            leftovers: Vec::new(),
        }
    }

    #[test]
    fn nobody_counts_who_is_not_listed_or_perhaps_not_there() {
        use Standing::{Absent, Counted, Doubtful, Seen, Unlisted};
        let check = |people: [Standing; 2], strangers: u64, opens: &[&str], strange: &[&str]| {
            let access = access(people, strangers);
            let keys = newest(&access, &BTreeMap::new());
            assert_eq!(keys.len(), 1, "only what seals now");
            assert_eq!(keys[0].opens.as_deref().expect("no damage"), opens);
            assert_eq!(with_strangers(&access), strange);
        };
        check([Seen, Counted], 0, &["wang", "escrow"], &[]);
        check([Seen, Doubtful], 0, &["wang"], &[]);
        check([Seen, Absent], 1, &["wang"], &["high 2", "root"]);
        check([Seen, Unlisted], 0, &["wang"], &["high 2", "root"]);
    }
}
