//! The envelope: four lines of text that say what a body is and who signed it, then the body.
//!
//! ```text
//! lifeboat 1 manifest
//! signer agent 0f1e2d3c4b5a69788796a5b4c3d2e1f0
//! signature <base64 of 64 bytes>
//!
//! <body: JSON, or an age file>
//! ```
//!
//! The signature is Ed25519 over the text `lifeboat 1 KIND\nsigner SIGNER\nvault VAULT-ID\n\n`
//! followed by the body, so that an object can stand neither for another kind nor in another vault.
//! To open a sealed one by hand: `sed 1,4d OBJECT | age -d -i metadata.txt`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::VERSION;
use crate::{AgentId, Error, Result, VaultId};

/// What an envelope holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The vault record: JSON, signed by the root key.
    Vault,
    /// A keyring: JSON, signed by the root key.
    Keyring,
    /// An enrolment: JSON, signed by the root key.
    Agent,
    /// An index: sealed, signed by an agent.
    Index,
    /// A manifest: sealed, signed by an agent.
    Manifest,
    /// A note: sealed, signed by an agent or by the root key.
    Note,
    /// A lease: JSON, signed by an agent.
    Lease,
    /// A mark: sealed, signed by an agent.
    Mark,
    /// An entry of the record: sealed, signed by an agent or a person.
    Audit,
    /// A request for what several people decide: sealed, signed by a person.
    Request,
    /// An approval of one: the same.
    Approval,
    /// A refusal of one: the same.
    Refusal,
    /// What takes a request or an approval back: the same.
    Revocation,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Keyring => "keyring",
            Self::Agent => "agent",
            Self::Index => "index",
            Self::Manifest => "manifest",
            Self::Note => "note",
            Self::Lease => "lease",
            Self::Mark => "mark",
            Self::Audit => "audit",
            Self::Request => "request",
            Self::Approval => "approval",
            Self::Refusal => "refusal",
            Self::Revocation => "revocation",
        }
    }
}

/// Whose key signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The vault's root key.
    Root,
    /// An enrolled agent.
    Agent(AgentId),
    /// A person whom the keyring lists.
    Person(AgentId),
}

impl std::fmt::Display for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Agent(id) => write!(f, "agent {id}"),
            Self::Person(id) => write!(f, "person {id}"),
        }
    }
}

/// An object taken apart, its signature not yet checked.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// Who claims to have signed it.
    pub signer: Signer,
    /// What was signed, unopened.
    pub body: &'a [u8],
    kind: Kind,
    signature: Signature,
}

/// Puts a signed header before `body`.
pub fn sign(kind: Kind, signer: Signer, key: &SigningKey, vault: VaultId, body: &[u8]) -> Vec<u8> {
    let signature = key.sign(&signed_text(kind, signer, vault, body));
    let mut object = format!(
        "lifeboat {VERSION} {}\nsigner {signer}\nsignature {}\n\n",
        kind.as_str(),
        BASE64_STANDARD.encode(signature.to_bytes())
    )
    .into_bytes();
    object.extend_from_slice(body);
    object
}

fn signed_text(kind: Kind, signer: Signer, vault: VaultId, body: &[u8]) -> Vec<u8> {
    let mut text =
        format!("lifeboat {VERSION} {}\nsigner {signer}\nvault {vault}\n\n", kind.as_str()).into_bytes();
    text.extend_from_slice(body);
    text
}

impl<'a> Envelope<'a> {
    /// Takes an object apart; `name` is for messages.
    ///
    /// # Errors
    /// `Unsupported` when it is of another format version, `Damaged` when it is no such envelope.
    pub fn parse(name: &str, kind: Kind, object: &'a [u8]) -> Result<Self> {
        let damaged = |reason: &str| Error::damaged(name, reason);
        let (first, rest) = line(object).ok_or_else(|| damaged("it has no first line"))?;
        let words: Vec<_> = first.split(' ').collect();
        let ["lifeboat", version, found] = words[..] else {
            return Err(damaged("its first line is not Lifeboat's"));
        };
        // Only the vault record, which is read first, decides the version for all: anywhere else a
        // stranger's object must not pass for a newer format and close the vault.
        if version != VERSION.to_string() && kind != Kind::Vault {
            return Err(damaged(&format!("expected format {VERSION}, found {}", version.escape_debug())));
        }
        if version != VERSION.to_string() {
            return Err(Error::Unsupported { found: version.to_owned(), known: VERSION.to_string() });
        }
        if found != kind.as_str() {
            return Err(damaged(&format!("expected a {}, found a {}", kind.as_str(), found.escape_debug())));
        }
        let (second, rest) = line(rest).ok_or_else(|| damaged("it ends in its header"))?;
        let signer = match second.split(' ').collect::<Vec<_>>()[..] {
            ["signer", "root"] => Signer::Root,
            ["signer", "agent", id] => {
                Signer::Agent(id.parse().map_err(|_| damaged("its signer is not an agent's id"))?)
            }
            ["signer", "person", id] => {
                Signer::Person(id.parse().map_err(|_| damaged("its signer is not a person's id"))?)
            }
            _ => return Err(damaged("its second line names no signer")),
        };
        let (third, rest) = line(rest).ok_or_else(|| damaged("it ends in its header"))?;
        let signature = third.strip_prefix("signature ").and_then(|text| BASE64_STANDARD.decode(text).ok());
        let signature = signature.and_then(|bytes| Signature::from_slice(&bytes).ok());
        let signature = signature.ok_or_else(|| damaged("its third line is no signature"))?;
        let body = rest.strip_prefix(b"\n").ok_or_else(|| damaged("its header does not end"))?;
        Ok(Self { signer, body, kind, signature })
    }

    /// Checks the signature and returns the body.
    pub fn verify(&self, name: &str, key: &VerifyingKey, vault: VaultId) -> Result<&'a [u8]> {
        let text = signed_text(self.kind, self.signer, vault, self.body);
        key.verify_strict(&text, &self.signature).map_err(|_| {
            Error::untrusted(name, format!("its signature by {} does not verify", self.signer))
        })?;
        Ok(self.body)
    }
}

fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    /// Longer than any line of a header: a damaged object is not searched to its end.
    const LINE_BYTES_MAX: usize = 256;
    let end = memchr::memchr(b'\n', &bytes[..bytes.len().min(LINE_BYTES_MAX)])?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    const VAULT: VaultId = VaultId([1; 16]);

    #[test]
    fn an_envelope_comes_back_as_it_was_signed() {
        let object = sign(Kind::Index, Signer::Agent(AgentId([2; 16])), &key(), VAULT, b"body\n\nmore");
        let envelope = Envelope::parse("x", Kind::Index, &object).expect("parses");
        assert_eq!(envelope.verify("x", &key().verifying_key(), VAULT).expect("verifies"), b"body\n\nmore");
    }

    #[test]
    fn no_flipped_bit_of_an_envelope_is_accepted() {
        let object = sign(Kind::Manifest, Signer::Root, &key(), VAULT, b"body");
        for bit in 0..object.len() * 8 {
            let mut object = object.clone();
            object[bit / 8] ^= 1 << (bit % 8);
            let accepted = Envelope::parse("x", Kind::Manifest, &object)
                .and_then(|envelope| envelope.verify("x", &key().verifying_key(), VAULT).map(<[u8]>::to_vec));
            assert!(accepted.is_err(), "bit {bit} flipped was accepted");
        }
    }

    #[test]
    fn an_envelope_stands_for_no_other_kind_and_no_other_vault() {
        let object = sign(Kind::Manifest, Signer::Root, &key(), VAULT, b"body");
        assert!(matches!(Envelope::parse("x", Kind::Index, &object), Err(Error::Damaged { .. })));
        let envelope = Envelope::parse("x", Kind::Manifest, &object).expect("parses");
        let elsewhere = envelope.verify("x", &key().verifying_key(), VaultId([9; 16]));
        assert!(matches!(elsewhere, Err(Error::Untrusted { .. })));
    }

    #[test]
    fn a_newer_format_is_called_so_by_the_vault_record_alone() {
        let refused = Envelope::parse("x", Kind::Vault, b"lifeboat 2 vault\nwhatever follows");
        assert!(matches!(refused, Err(Error::Unsupported { found, .. }) if found == "2"));
        let elsewhere = Envelope::parse("x", Kind::Manifest, b"lifeboat 2 manifest\nwhatever follows");
        assert!(matches!(elsewhere, Err(Error::Damaged { .. })), "only the vault record speaks for all");
    }
}
