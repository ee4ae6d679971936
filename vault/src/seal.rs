//! Sealing and opening with age. Nothing else in this crate touches a cipher.

use std::io::{Read, Write};

use age::x25519;

use crate::{Error, Result};

/// Why sealed bytes did not open.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// No identity fits. One that might have could not be used, for this reason: a wrong passphrase, a
    /// key in hardware that was not touched.
    NoKey(Option<String>),
    /// The bytes are not what was sealed.
    Damaged(String),
}

/// Seals `plain` to every recipient; any one of their identities opens it.
pub(crate) fn seal<'a>(
    recipients: impl Iterator<Item = &'a dyn age::Recipient>,
    plain: &[u8],
) -> Result<Vec<u8>> {
    let failed = |reason: String| Error::BadKey { what: "a recipient".into(), reason };
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(|error| failed(error.to_string()))?;
    let mut sealed = Vec::with_capacity(plain.len() + plain.len() / 2048 + 512);
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(|error| failed(error.to_string()))?;
    writer.write_all(plain).and_then(|()| writer.finish()).expect("writing to memory does not fail");
    Ok(sealed)
}

/// Seals to one of Lifeboat's own keys.
pub(crate) fn seal_to(recipient: &x25519::Recipient, plain: &[u8]) -> Vec<u8> {
    let recipients = std::iter::once(recipient as &dyn age::Recipient);
    seal(recipients, plain).expect("sealing to a native recipient does not fail")
}

/// Opens with whichever identity fits.
pub(crate) fn open<'a>(
    identities: impl Iterator<Item = &'a dyn age::Identity>,
    sealed: &[u8],
) -> Result<Vec<u8>, NotOpened> {
    let damaged = |error: &dyn std::fmt::Display| NotOpened::Damaged(error.to_string());
    age::Decryptor::new_buffered(sealed).map_err(|error| damaged(&error))?;
    let mut unusable = None;
    // One at a time: given all of them, age stops at the first that cannot be used.
    for identity in identities {
        let decryptor = age::Decryptor::new_buffered(sealed).map_err(|error| damaged(&error))?;
        match decryptor.decrypt(std::iter::once(identity)) {
            Ok(mut reader) => {
                let mut plain = Vec::with_capacity(sealed.len());
                reader.read_to_end(&mut plain).map_err(|error| damaged(&error))?;
                return Ok(plain);
            }
            Err(age::DecryptError::NoMatchingKeys) => {}
            Err(
                error @ (age::DecryptError::KeyDecryptionFailed
                | age::DecryptError::Plugin(_)
                | age::DecryptError::PluginResolve(_)),
            ) => unusable = Some(error.to_string()),
            Err(other) => return Err(damaged(&other)),
        }
    }
    Err(NotOpened::NoKey(unusable))
}

/// Opens what must be sealed to this identity: not fitting is damage too.
pub(crate) fn open_own(identity: &x25519::Identity, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
    open(std::iter::once(identity as &dyn age::Identity), sealed).map_err(|error| match error {
        NotOpened::NoKey(_) => Error::damaged(name, "it is not sealed to this vault's metadata key"),
        NotOpened::Damaged(reason) => Error::damaged(name, reason),
    })
}
