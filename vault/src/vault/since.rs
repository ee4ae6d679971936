//! Since when the keys in force seal what is written, by the keyrings that the root has signed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::{Damage, Vault, open};
use crate::format::keys::Keyring;
use crate::format::names;
use crate::{Realm, Result};

impl Vault {
    /// When each sealing key in force was made: when the first keyring that names it was written, by the earlier
    /// of its maker's clock and the store's. Wraps made anew make no key younger. A key whose first keyring, or
    /// the one before it, cannot be read is left out: its age is not known.
    ///
    /// # Errors
    /// A store that does not answer.
    pub async fn keys_since(&self) -> Result<BTreeMap<(Realm, u32), Timestamp>> {
        let listed = self.store().list(names::KEYS).await?.into_iter();
        let written: HashMap<_, _> = listed.map(|object| (object.name, object.modified)).collect();
        let dated = |keys: BTreeSet<_>, time: Option<_>| {
            keys.into_iter().filter_map(move |key| Some((key, time?))).collect::<Vec<_>>()
        };
        let (mut unknown, mut since, mut later) = (named(&self.inner.keyring), BTreeMap::new(), None);
        for sequence in (1..=self.keyring_sequence()).rev() {
            let name = names::keyring(sequence);
            let read = open::read_keyring(self.store(), sequence, &self.inner.root, self.id()).await;
            let Some(keyring) = Damage::default().or_open(read)? else { return Ok(since) };
            let before = named(&keyring);
            let (old, new) = unknown.into_iter().partition(|key| before.contains(key));
            since.extend(dated(new, later));
            unknown = old;
            let created = keyring.created.parse().ok();
            later = created.into_iter().chain(written.get(&name).copied()).min();
        }
        since.extend(dated(unknown, later));
        Ok(since)
    }
}

fn named(keyring: &Keyring) -> BTreeSet<(Realm, u32)> {
    keyring.keys.iter().map(|key| (key.realm, key.epoch)).collect()
}
