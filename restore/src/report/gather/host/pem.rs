//! Private keys in PEM, of the kinds that age takes or that become one of them: whether one is a recipient's, by its
//! public half.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair};

/// What every other key begins with in DER.
const SEQUENCE: &[u8] = &[0x30];

/// What in a key of PKCS #8 says that it is of RSA, and of Ed25519: their object identifiers in DER.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];

/// Whose the private keys of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// There are none, or none is one of the recipients'.
    Nobody,
    /// The public half of one cannot be told.
    Unknown,
    /// One is a recipient's.
    Recipient,
}

/// Looks into every private key of a file.
pub fn owner(file: &[u8], recipients: &[&str]) -> Owner {
    let publics: Vec<_> = recipients.iter().filter_map(|recipient| Public::parse(recipient)).collect();
    let text = String::from_utf8_lossy(file);
    blocks(&text).map(|(label, body)| of_block(label, body, &publics)).max().unwrap_or(Owner::Nobody)
}

/// The labels and bodies of PEM blocks; of one that does not end, all that is there.
fn blocks(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("-----BEGIN ").skip(1).filter_map(|block| {
        let (label, body) = block.split_once("-----")?;
        Some((label, body.split("-----END ").next().unwrap_or(body)))
    })
}

fn of_block(label: &str, body: &str, publics: &[Public]) -> Owner {
    let has = |kind: &str| publics.iter().any(|public| public.kind == kind);
    let (may_be_rsa, may_be_ed25519) = (has("ssh-rsa"), has("ssh-ed25519"));
    match label {
        "OPENSSH PRIVATE KEY" | "RSA PRIVATE KEY" | "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => {}
        _ => return Owner::Nobody,
    }
    let is_among = match label {
        "RSA PRIVATE KEY" => may_be_rsa,
        _ => may_be_rsa || may_be_ed25519,
    };
    if !is_among {
        return Owner::Nobody;
    }
    let decoded = BASE64_STANDARD.decode(body.split_whitespace().collect::<String>());
    let begins: &[u8] = if label == "OPENSSH PRIVATE KEY" { b"openssh-key-v1\0" } else { SEQUENCE };
    match (label, decoded) {
        // What a passphrase protects has lines before its bytes.
        (_, Err(_)) | ("ENCRYPTED PRIVATE KEY", _) => Owner::Unknown,
        (_, Ok(key)) if !key.starts_with(begins) => Owner::Unknown,
        // The public half stands in the clear, whatever passphrase it has.
        ("OPENSSH PRIVATE KEY", Ok(key)) => if_one(publics.iter().any(|public| holds(&key, &public.blob))),
        ("PRIVATE KEY", Ok(key)) if holds(&key, ED25519) => of_ed25519(&key, publics),
        ("PRIVATE KEY", Ok(key)) if !holds(&key, RSA) => Owner::Nobody,
        (_, Ok(key)) => if_one(publics.iter().filter_map(Public::modulus).any(|number| holds(&key, number))),
    }
}

fn of_ed25519(key: &[u8], publics: &[Public]) -> Owner {
    match Ed25519KeyPair::from_pkcs8_maybe_unchecked(key) {
        Ok(pair) => if_one(publics.iter().any(|public| public.blob.ends_with(pair.public_key().as_ref()))),
        Err(_) => Owner::Unknown,
    }
}

fn if_one(is_one: bool) -> Owner {
    if is_one { Owner::Recipient } else { Owner::Nobody }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A recipient's SSH key.
struct Public {
    kind: String,
    /// As SSH writes it: fields, each after its length in four bytes.
    blob: Vec<u8>,
}

impl Public {
    fn parse(recipient: &str) -> Option<Self> {
        let mut words = recipient.split_whitespace();
        let kind = words.next().filter(|kind| kind.starts_with("ssh-"))?;
        let blob = BASE64_STANDARD.decode(words.next()?).ok()?;
        // Shorter ones would be found in anything.
        (blob.len() > 32).then(|| Self { kind: kind.to_owned(), blob })
    }

    /// The number that an RSA key pair has in both halves: the last of kind, exponent and modulus.
    fn modulus(&self) -> Option<&[u8]> {
        if self.kind != "ssh-rsa" {
            return None;
        }
        let (mut rest, mut field) = (self.blob.as_slice(), &[][..]);
        for _ in 0..3 {
            let (length, after) = rest.split_first_chunk::<4>()?;
            (field, rest) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        }
        let number = field.strip_prefix(&[0]).unwrap_or(field);
        (number.len() > 32).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of RSA, in PKCS #1.
    const RSA_KEY: &str = "MIICXAIBAAKBgQDChUQymplO9qgVhA6QZWOwUYT3z3jFQDA/aRR5wI1fjV8X9da6R6SFDnrT+d6u5L/WGLrCKfQsux\
        5NmExP6uKtoS8tC7RnbuJFFgW3FVxO3pTlRrAM4ul+Smt821ZUwqetOM76wCNzbIAw0UvnMjcB4mqdudf/qsizBl5X\
        GNbEpQIDAQABAoGADi8/oN0LLunnqeH+WeM62MGpC5USfnfGzOjxuEslRAGAHLQtm1ncEmPS6yA+b8x4fLlC7SO4DY\
        b7l7byYaWEL/qSu26xLnm2EjfyppMkv3NtlQRPkBasCdBbyeOUUQ+NEbQEz2MVZJ6qRqfTQWsel5mRNJnaqSfyzcEo\
        Ras4LIUCQQDjodCzAX3sKUrDiWSXrvOLT6asBcuUcsxYgumsWm/+eImViLCQ0yNxBHAcyuy/3tFKLGG348v2O4ROys\
        iP3l9PAkEA2sMWvUQgDFy87r/li5Zl3mJO10XLVn30S0fbzTY/hGDIaETgEqqyb8jRyar2Wv0IW1jZOcHmv9s/HGOt\
        M/d/ywJBAJqSCLtk6fLxXxlENJBjdnFE1vK8xK66/VOlIbOtfZsYkqR9uxe8p7ZYwyBqEzV+wjNRy9Eo2BkN9Rvjyy\
        kWYTUCQCKclT9yxONP1PCtWeMg85Mg2LqEp2xS11EF2If6WkhWi767jvxFF6BKFK8kpn+04xqYzx2tSRX32V9jgebj\
        9MsCQC0oUSyWOz2Xy3TmflFuj3KgGY4CHnwb3vPcmuOl+MPs2mO4xdMvgZ1PsReglZj45L2mIQ0Has7dXSSWP+sS28\
        w=";
    const RSA_PUBLIC: &str = "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDChUQymplO9qgVhA6QZWOwUYT3z3jFQDA/aRR5wI1fjV8X9da6R6SFDnrT+d\
        6u5L/WGLrCKfQsux5NmExP6uKtoS8tC7RnbuJFFgW3FVxO3pTlRrAM4ul+Smt821ZUwqetOM76wCNzbIAw0UvnMjcB\
        4mqdudf/qsizBl5XGNbEpQ==";
    /// One of Ed25519, in PKCS #8.
    const ED25519_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIBWJkX+3YqQE7AL8LHGUwiZXYqTWUJ1zr+Neaz3CaVYI";
    const ED25519_PUBLIC: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAUuLLamiJiDcJjJavz0AD1oiNWk0VjMUXissShldh7E";
    /// One of an elliptic curve that age does not take, in PKCS #8.
    const CURVE_KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVazCbt4R9z+ICnCTSmggg0CUFrvEmtRoXfpe+Lo5p7\
        mhRANCAAQcXIwdqWHdQBgHy6k6qnxt1Iddp7tZok2Zq7zedF7SFSf6jWHAh1AU5IsnjkItlHPDTsFi3R0HAaBfQ0r5\
        UUFs";

    fn pem(label: &str, body: &str) -> String {
        let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    #[test]
    fn a_private_key_is_known_by_its_public_half_and_named_where_that_cannot_be_told() {
        let [rsa, ed25519] = [format!("ssh-rsa {RSA_PUBLIC} wang"), format!("ssh-ed25519 {ED25519_PUBLIC}")];
        let mut other = BASE64_STANDARD.decode(RSA_PUBLIC).expect("base64");
        *other.last_mut().expect("bytes") ^= 2;
        let other = format!("ssh-rsa {}", BASE64_STANDARD.encode(other));
        let [of_both, of_rsa] = [vec![rsa.as_str(), &ed25519], vec![rsa.as_str()]];
        let check = |file: &str, recipients: &[&str], expected: Owner| {
            assert_eq!(owner(file.as_bytes(), recipients), expected, "{recipients:?}: {file}");
        };
        let key = BASE64_STANDARD.decode(RSA_KEY).expect("base64");
        let wrapped = BASE64_STANDARD.encode([SEQUENCE, RSA, &key].concat());
        for file in [pem("RSA PRIVATE KEY", RSA_KEY), pem("PRIVATE KEY", &wrapped)] {
            check(&file, &of_both, Owner::Recipient);
            check(&file, &[&other, &ed25519], Owner::Nobody);
            check(&file, &["age1wang"], Owner::Nobody);
            check(&format!("{}{file}", pem("CERTIFICATE", RSA_KEY)), &of_rsa, Owner::Recipient);
        }
        let file = pem("PRIVATE KEY", ED25519_KEY);
        check(&file, &of_both, Owner::Recipient);
        check(&file, &of_rsa, Owner::Nobody);
        for nobodys in [pem("PRIVATE KEY", CURVE_KEY), pem("EC PRIVATE KEY", CURVE_KEY), RSA_KEY.into()] {
            check(&nobodys, &of_both, Owner::Nobody);
        }
        // A passphrase closes the public half too, but in OpenSSH's own form; what is cut short says nothing.
        let locked = format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,3A8A\n\n{RSA_KEY}");
        for unknown in [
            format!("-----BEGIN RSA PRIVATE KEY-----\n{locked}\n-----END RSA PRIVATE KEY-----\n"),
            pem("ENCRYPTED PRIVATE KEY", RSA_KEY),
            pem("OPENSSH PRIVATE KEY", RSA_KEY),
            pem("PRIVATE KEY", "not even base64"),
            pem("PRIVATE KEY", &RSA_KEY[4..]),
        ] {
            check(&unknown, &of_both, Owner::Unknown);
            check(&unknown, &["age1wang"], Owner::Nobody);
            check(&format!("{unknown}{}", pem("PRIVATE KEY", ED25519_KEY)), &of_both, Owner::Recipient);
        }
    }
}
