//! The end of a pack.
//!
//! A pack is its segments one after another, then the table of contents (zstd inside an age file to
//! the metadata key), then 92 bytes:
//!
//! ```text
//! 64  Ed25519 signature over "lifeboat 1 pack\nsigner agent ID\nvault VAULT-ID\n\n" and the sealed table
//! 16  the agent's id
//!  4  length of the sealed table in bytes, little endian
//!  8  the text LBPACK01
//! ```
//!
//! Segments are covered by the table's hashes, the whole object by its name.

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::VERSION;
use crate::{AgentId, Error, Result, VaultId};

/// Bytes of the trailer.
pub const TRAILER_BYTES: usize = 92;
const MAGIC: &[u8; 8] = b"LBPACK01";

/// The trailer taken apart, its signature not yet checked.
#[derive(Debug, Clone)]
pub struct Trailer {
    /// Who claims to have signed it.
    pub agent: AgentId,
    /// Bytes of the sealed table before it.
    pub contents_bytes: u32,
    signature: Signature,
}

impl Trailer {
    /// Signs the sealed table of contents.
    pub fn sign(contents: &[u8], agent: AgentId, key: &SigningKey, vault: VaultId) -> [u8; TRAILER_BYTES] {
        let signature = key.sign(&signed_text(contents, agent, vault));
        let mut trailer = [0; TRAILER_BYTES];
        trailer[..64].copy_from_slice(&signature.to_bytes());
        trailer[64..80].copy_from_slice(&agent.0);
        let length = u32::try_from(contents.len()).expect("a table of contents is far below 4 GiB");
        trailer[80..84].copy_from_slice(&length.to_le_bytes());
        trailer[84..].copy_from_slice(MAGIC);
        trailer
    }

    /// Reads the last bytes of a pack of `pack_bytes`.
    pub fn parse(name: &str, trailer: &[u8], pack_bytes: u64) -> Result<Self> {
        if trailer.len() != TRAILER_BYTES || &trailer[84..] != MAGIC {
            return Err(Error::damaged(name, "it does not end as a pack does"));
        }
        let (signature, rest) = trailer.split_at(64);
        let signature =
            Signature::from_slice(signature).map_err(|_| Error::damaged(name, "bad signature"))?;
        let agent = AgentId::from_slice(&rest[..16]).expect("sixteen bytes");
        let length: [u8; 4] = rest[16..20].try_into().expect("four bytes");
        let contents_bytes = u32::from_le_bytes(length);
        if u64::from(contents_bytes) + TRAILER_BYTES as u64 > pack_bytes {
            return Err(Error::damaged(name, "its table of contents is longer than the pack"));
        }
        Ok(Self { agent, contents_bytes, signature })
    }

    /// Checks the signature over the sealed table.
    pub fn verify(&self, name: &str, contents: &[u8], key: &VerifyingKey, vault: VaultId) -> Result<()> {
        key.verify_strict(&signed_text(contents, self.agent, vault), &self.signature).map_err(|_| {
            Error::untrusted(name, format!("its signature by agent {} does not verify", self.agent))
        })
    }
}

fn signed_text(contents: &[u8], agent: AgentId, vault: VaultId) -> Vec<u8> {
    let mut text = format!("lifeboat {VERSION} pack\nsigner agent {agent}\nvault {vault}\n\n").into_bytes();
    text.extend_from_slice(contents);
    text
}
