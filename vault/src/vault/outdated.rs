//! Whether an old keyring is in force because the newer one was taken away or cannot be read.
//!
//! The keyring of the highest number that verifies is in force, so whoever deletes or damages the newest one
//! puts the one before it in force. What was written under the newer one gives that away, as long as any of
//! it is left. Nothing is written, deleted or changed on the strength of such a keyring.

use super::{Damage, Vault, open};
use crate::format::keys::Keyring;
use crate::format::names;
use crate::read::{Snapshot, list_snapshots};
use crate::{Error, Result};

impl Vault {
    /// The keyring that the store has in force now: the keys may have been changed since the vault was opened.
    pub(super) async fn keyring_now(&self) -> Result<Keyring> {
        open::keyring(self.store(), &self.inner.root, self.id(), &mut Damage::default()).await
    }

    /// What shows among the vault's snapshots, and those that are `unreadable`, that an old keyring is in force.
    ///
    /// # Errors
    /// What kept it from looking: a store that does not answer.
    pub(crate) async fn outdated(
        &self,
        snapshots: &[Snapshot],
        unreadable: &[Error],
    ) -> Result<Option<Error>> {
        let newest = snapshots.iter().max_by_key(|snapshot| snapshot.manifest.keyring);
        let newest = newest.filter(|snapshot| snapshot.manifest.keyring > self.keyring_sequence());
        let sealed = unreadable.iter().find_map(|error| match error {
            Error::OldKeyring { sign, .. } => Some(sign.clone()),
            _ => None,
        });
        if newest.is_none() && sealed.is_none() {
            return Ok(None);
        }
        let in_force = self.keyring_now().await?.sequence;
        let named = newest.filter(|snapshot| snapshot.manifest.keyring > in_force).map(|snapshot| {
            let (id, keyring) = (snapshot.id.short(), snapshot.manifest.keyring);
            format!("snapshot {id} was written under keyring {keyring}, which is missing")
        });
        // A keyring that came since may name the key that this one does not.
        let sign = named.or(sealed.filter(|_| in_force == self.keyring_sequence()));
        Ok(sign.map(|sign| Error::OldKeyring { in_force, sign }))
    }

    /// Refuses to change the keys where an old keyring is in force: wraps that only the newer one names would
    /// be taken for leftovers, and with them go the keys of what was written since.
    ///
    /// # Errors
    /// `OldKeyring` for that; `KeysChanged` when somebody has changed the keys since the vault was opened.
    pub(super) async fn refuse_outdated(&self) -> Result<()> {
        let listed = self.store().list(names::KEYS).await?;
        let highest = listed.iter().filter_map(|object| names::keyring_sequence(&object.name)).max();
        // Looked for after the listing: what it shows and this one is not, cannot be read.
        let in_force = self.keyring_now().await?.sequence;
        if in_force != self.keyring_sequence() {
            return Err(Error::KeysChanged { object: names::keyring(in_force) });
        }
        if let Some(highest) = highest.filter(|highest| *highest > in_force) {
            let sign = format!("{} is there and cannot be read", names::keyring(highest));
            return Err(Error::OldKeyring { in_force, sign });
        }
        let (snapshots, unreadable) = list_snapshots(self).await?;
        self.outdated(&snapshots, &unreadable).await?.map_or(Ok(()), Err)
    }
}
