//! Whether an object read from the vault is what its name says, without opening it.

use crate::format::names;
use crate::requests::check_part;
use crate::{Error, Result, Vault};

/// Checks an object by the hash in its name, or by the root's signature where a name has none.
pub(super) fn prove(vault: &Vault, name: &str, object: &[u8]) -> Result<()> {
    let (folder, own) = name.split_once('/').unwrap_or(("", name));
    let own = own.rsplit('/').next().unwrap_or(own);
    let hash = || hex::encode(blake3::hash(object).as_bytes());
    let hashed = match folder {
        "" => return vault.check_record(object),
        names::AGENTS => return vault.check_enrolment(name, object),
        names::KEYS if names::keyring_sequence(name).is_some() => return vault.check_keyring(name, object),
        names::AUDIT => return vault.open_audit(name, object).map(drop),
        names::REQUESTS => return check_part(vault, name, object),
        // The tag in a wrap's name is the beginning of its hash.
        names::KEYS => own
            .strip_suffix(".age")
            .and_then(|stem| stem.rsplit('-').next())
            .is_some_and(|tag| hash().starts_with(tag)),
        _ => own == hash(),
    };
    if hashed { Ok(()) } else { Err(Error::damaged(name, "its bytes do not hash to its name")) }
}
