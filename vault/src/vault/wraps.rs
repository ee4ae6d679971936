//! Whether the wrapped keys are still there: without them no person opens anything, however whole the rest.
//!
//! A wrap's name carries the beginning of its hash, so whoever can read the keyring can prove the bytes of
//! every wrap, without a key that opens it.

use super::Vault;
use crate::format::keys::Keyring;
use crate::format::names;
use crate::{Error, Result};

impl Vault {
    /// Reads every wrap that the keyring in force names, the root's too, and returns those that are missing
    /// or not what was written. What they hold, only their people can see.
    ///
    /// # Errors
    /// What kept it from looking: a store that does not answer.
    pub async fn check_wraps(&self) -> Result<Vec<Error>> {
        let mut damage = Vec::new();
        for name in self.wraps_in_force() {
            match self.store().get(name).await {
                Ok(wrap) if names::wrap_tag(name) == Some(&*tag(&wrap)) => {}
                Ok(_) => damage.push(Error::damaged(name, "its bytes do not hash to its name")),
                Err(error) if error.is_damage() => damage.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(damage)
    }
}

/// Every wrap and share that a keyring names.
pub(super) fn named_by(keyring: &Keyring) -> impl Iterator<Item = &str> {
    let keys = keyring.keys.iter().map(|key| (&key.wrap, key.shares.as_ref()));
    let all = keys.chain([(&keyring.root_wrap, keyring.root_shares.as_ref())]);
    let names = all.flat_map(|(wrap, shares)| {
        shares.into_iter().flat_map(|shares| &shares.wraps).chain([wrap]).map(String::as_str)
    });
    names.filter(|name| !name.is_empty())
}

/// What a wrap's name ends with: the first 4 bytes of its hash, in hex.
pub(crate) fn tag(wrap: &[u8]) -> String {
    hex::encode(&blake3::hash(wrap).as_bytes()[..4])
}
