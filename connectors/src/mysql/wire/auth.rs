//! Proving who we are: the answers to what a server may ask.
//!
//! Only what never shows the password to a listener: scrambles, or the password itself within TLS or a
//! socket. Sources: MySQL's "Authentication Methods", MariaDB's "Connection: authentication plugins".

use std::num::NonZeroU32;

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Sha512, VerifyingKey};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA512};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::Ed25519KeyPair;

use super::WireError;

/// Length of the server's challenge; a zero byte may follow it.
const SCRAMBLE: usize = 20;
/// The same for MariaDB's `ed25519`.
const SCRAMBLE_ED25519: usize = 32;
/// MariaDB's plugin whose challenge is followed by a salt, once that was asked for by an empty answer.
pub(super) const PARSEC: &str = "parsec";
/// What a salt begins with: the key is derived by PBKDF2.
pub(super) const PARSEC_SALT: u8 = b'P';
/// How often the derivation is run at least; the salt says how many times that is doubled.
const PARSEC_ROUNDS: NonZeroU32 = NonZeroU32::new(1024).expect("it is not zero");
const TWO: NonZeroU32 = NonZeroU32::new(2).expect("it is not zero");
/// Doublings at most: MariaDB's own clients stop at 3, and a quarter of a million rounds take half a second.
const PARSEC_DOUBLINGS_MAX: u8 = 8;

/// The answer to `plugin`'s challenge. `private` says that nobody can listen.
pub(super) fn answer(
    plugin: &str,
    password: &str,
    challenge: &[u8],
    private: bool,
) -> Result<Vec<u8>, WireError> {
    let password = password.as_bytes();
    if plugin == "client_ed25519" {
        return Ok(ed25519(password, &challenge[..challenge.len().min(SCRAMBLE_ED25519)]));
    }
    let challenge = &challenge[..challenge.len().min(SCRAMBLE)];
    match plugin {
        "mysql_native_password" | "caching_sha2_password" if password.is_empty() => Ok(Vec::new()),
        "mysql_native_password" => Ok(native(password, challenge)),
        "caching_sha2_password" => Ok(caching_sha2(password, challenge)),
        "mysql_clear_password" | "sha256_password" | "dialog" if private => Ok(clear(password)),
        "mysql_clear_password" | "sha256_password" | "dialog" => Err(needs_tls(plugin)),
        // The kernel says who is at the other end of a socket; the other asks for its salt first.
        "auth_socket" | "unix_socket" | "" | PARSEC => Ok(Vec::new()),
        other => Err(WireError::Unsupported(format!(
            "the account's authentication plugin {}",
            other.escape_debug()
        ))),
    }
}

/// The password itself, which ends `caching_sha2_password` when the server does not know it by heart.
pub(super) fn full(plugin: &str, password: &str, private: bool) -> Result<Vec<u8>, WireError> {
    if private { Ok(clear(password.as_bytes())) } else { Err(needs_tls(plugin)) }
}

/// The answer to `parsec`'s challenge and salt: 32 bytes of ours, and both challenges signed by a key that is
/// derived from the password.
pub(super) fn parsec(password: &str, challenge: &[u8], salt: &[u8]) -> Result<Vec<u8>, WireError> {
    let (&[PARSEC_SALT, doublings], salt) = salt.split_first_chunk().unwrap_or((&[0, 0], &[])) else {
        return Err(WireError::Protocol("the server's salt is of a kind that is not known".into()));
    };
    if doublings > PARSEC_DOUBLINGS_MAX {
        return Err(WireError::Unsupported(format!(
            "deriving a key in {PARSEC_ROUNDS} × 2^{doublings} rounds"
        )));
    }
    let unusable = |_| WireError::Protocol("no key can be made of the server's salt".into());
    let mut seed = [0; 32];
    let rounds = PARSEC_ROUNDS.saturating_mul(TWO.saturating_pow(doublings.into()));
    pbkdf2::derive(PBKDF2_HMAC_SHA512, rounds, salt, password.as_bytes(), &mut seed);
    let key = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(unusable)?;
    let mut ours = [0; SCRAMBLE_ED25519];
    SystemRandom::new().fill(&mut ours).map_err(|_| WireError::Protocol("no random numbers".into()))?;
    let theirs = &challenge[..challenge.len().min(SCRAMBLE_ED25519)];
    let signature = key.sign(&[theirs, &ours].concat());
    Ok([&ours[..], signature.as_ref()].concat())
}

fn needs_tls(plugin: &str) -> WireError {
    WireError::Insecure(format!("{plugin} would send the password in plaintext"))
}

fn clear(password: &[u8]) -> Vec<u8> {
    [password, b"\0"].concat()
}

fn native(password: &[u8], challenge: &[u8]) -> Vec<u8> {
    let hash = |bytes: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
    let once = hash(password);
    let mask = hash(&[challenge, hash(once.as_ref()).as_ref()].concat());
    xor(once.as_ref(), mask.as_ref())
}

fn caching_sha2(password: &[u8], challenge: &[u8]) -> Vec<u8> {
    let hash = |bytes: &[u8]| digest(&SHA256, bytes);
    let once = hash(password);
    let mask = hash(&[hash(once.as_ref()).as_ref(), challenge].concat());
    xor(once.as_ref(), mask.as_ref())
}

/// The challenge signed by a key that is the password's hash, where RFC 8032 would hash a secret of 32 bytes.
fn ed25519(password: &[u8], challenge: &[u8]) -> Vec<u8> {
    let mut expanded = [0; 64];
    expanded.copy_from_slice(digest(&SHA512, password).as_ref());
    let key = ExpandedSecretKey::from_bytes(&expanded);
    raw_sign::<Sha512>(&key, challenge, &VerifyingKey::from(&key)).to_bytes().to_vec()
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &[u8] = b"01234567890123456789\0";

    #[test]
    fn a_scramble_proves_the_password_to_who_knows_its_hash() {
        let hash = |bytes: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
        let stored = hash(hash(b"secret").as_ref());
        let sent = answer("mysql_native_password", "secret", CHALLENGE, false).expect("known");
        let once = xor(&sent, hash(&[&CHALLENGE[..SCRAMBLE], stored.as_ref()].concat()).as_ref());
        assert_eq!(hash(&once).as_ref(), stored.as_ref());
    }

    #[test]
    fn a_signature_proves_the_password_to_who_knows_its_public_key() {
        let mut expanded = [0; 64];
        expanded.copy_from_slice(digest(&SHA512, b"secret").as_ref());
        let public = VerifyingKey::from(&ExpandedSecretKey::from_bytes(&expanded));
        let sent = answer("client_ed25519", "secret", &[7; 33], false).expect("known");
        let signature = ed25519_dalek::Signature::from_slice(&sent).expect("a signature");
        assert!(public.verify_strict(&[7; 32], &signature).is_ok());
    }

    #[test]
    fn a_salt_that_asks_for_too_much_or_is_of_another_kind_is_refused() {
        assert_eq!(parsec("secret", &[7; 32], b"P\x00a salt of 18 bytes").expect("known").len(), 96);
        for salt in [&b"P\xffa salt"[..], b"X\x00a salt", b"P", b""] {
            assert!(parsec("secret", &[7; 32], salt).is_err(), "{salt:?}");
        }
    }

    #[test]
    fn a_password_is_never_sent_where_somebody_may_listen() {
        for plugin in ["mysql_clear_password", "sha256_password"] {
            assert!(matches!(answer(plugin, "secret", CHALLENGE, false), Err(WireError::Insecure(_))));
        }
        assert!(matches!(full("caching_sha2_password", "secret", false), Err(WireError::Insecure(_))));
        for plugin in ["mysql_native_password", "caching_sha2_password"] {
            let sent = answer(plugin, "secret", CHALLENGE, false).expect("known");
            assert!(!sent.windows(6).any(|window| window == b"secret"));
        }
    }
}
