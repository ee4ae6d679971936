//! Whether the wrapped keys are still there: without them no person opens anything, however whole the rest.
//!
//! A wrap's name carries the beginning of its hash, so whoever can read the keyring can prove the bytes of
//! every wrap, without a key that opens it.

use super::Vault;
use crate::format::names;
use crate::{Error, Result};

impl Vault {
    /// Reads every wrap that the keyring in force names, the root's too, and returns those that are missing
    /// or not what was written. What they hold, only their people can see.
    ///
    /// # Errors
    /// What kept it from looking: a store that does not answer.
    pub async fn check_wraps(&self) -> Result<Vec<Error>> {
        let keyring = &self.inner.keyring;
        let mut damage = Vec::new();
        for name in keyring.keys.iter().map(|key| &key.wrap).chain([&keyring.root_wrap]) {
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

/// What a wrap's name ends with: the first 4 bytes of its hash, in hex.
pub(super) fn tag(wrap: &[u8]) -> String {
    hex::encode(&blake3::hash(wrap).as_bytes()[..4])
}
