//! Opening, second half: what a person's identities open.

use std::collections::BTreeMap;
use std::str::FromStr;

use age::x25519;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::{Damage, GivenShares, shares};
use crate::format::keys::{Keyring, SealingKey, Secrets};
use crate::format::names;
use crate::keys::Identities;
use crate::seal::{self, NotOpened};
use crate::store::Store;
use crate::{Error, Realm, Result};

/// Opens the metadata identities of every epoch that these identities open.
pub(super) async fn metadata(
    store: &Store,
    keyring: &Keyring,
    identities: &Identities,
    damage: &mut Damage,
) -> Result<BTreeMap<u32, x25519::Identity>> {
    let (mut opened, mut unusable) = (BTreeMap::new(), None);
    for key in keyring.keys.iter().filter(|key| key.realm == Realm::Metadata) {
        let wrap = wrap(store, key, identities, &GivenShares::default()).await;
        if let Err(Error::NoKey { reason: Some(reason), .. }) = &wrap {
            unusable = Some(reason.clone());
        }
        if let Some(identity) = damage.or_open(wrap)? {
            opened.insert(key.epoch, identity);
        }
    }
    if opened.is_empty() {
        let no_key = || Error::no_key("the vault's metadata", unusable);
        let wraps = keyring.keys.iter().filter(|key| key.realm == Realm::Metadata);
        return Err(wraps.filter_map(|key| damage.about(&key.wrap)).next().unwrap_or_else(no_key));
    }
    Ok(opened)
}

/// Opens one wrap. It carries no signature: the keyring says which key it must hold.
pub(crate) async fn wrap(
    store: &Store,
    key: &SealingKey,
    identities: &Identities,
    given: &GivenShares,
) -> Result<x25519::Identity> {
    let split = format!("{} {}", key.realm, key.epoch);
    let name = if key.shares.is_some() { &split } else { &key.wrap };
    let plain = match &key.shares {
        Some(shares) => shares::join(store, name, shares, identities, given).await?,
        None => {
            let sealed = store.get(name).await?;
            seal::open(identities.iter(), &sealed).map_err(|error| match error {
                NotOpened::NoKey(reason) => Error::no_key(name, reason),
                NotOpened::Damaged(reason) => Error::damaged(name, reason),
            })?
        }
    };
    let identity = parse_identity(name, &plain)?;
    if identity.to_public().to_string() != key.recipient {
        return Err(Error::untrusted(name, "it holds another key than the keyring names"));
    }
    Ok(identity)
}

pub(super) fn parse_identity(name: &str, plain: &[u8]) -> Result<x25519::Identity> {
    let text = std::str::from_utf8(plain).map_err(|_| Error::damaged(name, "it holds no key"))?;
    x25519::Identity::from_str(text.trim()).map_err(|reason| Error::damaged(name, reason))
}

/// Opens the secrets that every writer shares.
pub(super) fn secrets(keyring: &Keyring, metadata: &BTreeMap<u32, x25519::Identity>) -> Result<Secrets> {
    let name = names::keyring(keyring.sequence);
    let damaged = || Error::damaged(&name, "its secrets do not open with the metadata key");
    let sealed = BASE64_STANDARD.decode(&keyring.secrets).map_err(|_| damaged())?;
    let identities = metadata.values().map(|identity| identity as &dyn age::Identity);
    let plain = seal::open(identities, &sealed).map_err(|_| damaged())?;
    serde_json::from_slice(&plain).map_err(|_| damaged())
}
