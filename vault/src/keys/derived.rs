//! Keys derived from the vault's dedup secret, one for each use, by BLAKE3's key derivation.

use crate::format::keys::Secrets;
use crate::{ChunkId, Realm};

/// Everything keyed by the dedup secret. `state_key` proves that local files are this
/// vault's and whole.
#[derive(Clone)]
pub(crate) struct Derived {
    chunk_keys: [[u8; 32]; 4],
    row_key: [u8; 16],
    match_key: [u8; 16],
    pub(crate) state_key: [u8; 32],
    pub(crate) gear_seed: u64,
}

impl Derived {
    /// Nothing when the secret is not 32 bytes of hex.
    pub(crate) fn from_secrets(secrets: &Secrets) -> Option<Self> {
        let mut dedup = [0; 32];
        hex::decode_to_slice(&secrets.dedup, &mut dedup).ok()?;
        let chunk_keys = Realm::ALL.map(|realm| match realm {
            Realm::Metadata => blake3::derive_key("lifeboat 1 chunk id metadata", &dedup),
            Realm::Rows(grade) => blake3::derive_key(&format!("lifeboat 1 chunk id {grade}"), &dedup),
        });
        let short = |context| blake3::derive_key(context, &dedup)[..16].try_into().expect("16 of 32 bytes");
        Some(Self {
            chunk_keys,
            row_key: short("lifeboat 1 row digest"),
            match_key: short("lifeboat 1 row match"),
            state_key: blake3::derive_key("lifeboat 1 local state", &dedup),
            gear_seed: secrets.gear,
        })
    }

    /// The id of a chunk of this realm.
    pub(crate) fn chunk_id(&self, realm: Realm, plain: &[u8]) -> ChunkId {
        let at = Realm::ALL.iter().position(|known| *known == realm).expect("every realm is listed");
        ChunkId(*blake3::keyed_hash(&self.chunk_keys[at], plain).as_bytes())
    }

    /// The key of row digests.
    pub(crate) fn row_key(&self) -> &[u8; 16] {
        &self.row_key
    }

    /// The key of the fingerprints by which an agent knows a row again; never stored in the vault.
    pub(crate) fn match_key(&self) -> &[u8; 16] {
        &self.match_key
    }
}
