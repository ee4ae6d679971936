//! Keys in memory: people's recipients and identities, the root, an agent's own key, and what the
//! vault's secrets derive.

mod agent;
mod derived;
mod passphrases;
mod people;
mod signing;

pub use agent::{AgentKey, EnrolmentRequest};
pub(crate) use derived::Derived;
pub use people::{Identities, Person};
pub use signing::PersonKey;

use ed25519_dalek::VerifyingKey;

/// What people compare to know a vault for their own: 32 hex digits of the BLAKE3 hash of the root's
/// public key.
pub fn fingerprint(root: &VerifyingKey) -> String {
    hex::encode(&blake3::hash(root.as_bytes()).as_bytes()[..16])
}

/// Reads a public Ed25519 key from hex.
pub(crate) fn verifying_key(text: &str) -> Option<VerifyingKey> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}
