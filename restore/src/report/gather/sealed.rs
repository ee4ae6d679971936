//! How an object begins: sealed, public by design, or readable by whoever holds the store.

/// How an object looks to somebody without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// An age file, or an age file below a signed header.
    Sealed,
    /// A signed record that holds no rows and no names of tables: public keys, names of hosts.
    Public,
    /// Readable.
    Open,
    /// A signed object of a kind that this program does not know.
    Unjudged,
}

const AGE: &[u8] = b"age-encryption.org/v1";

/// Judges an object by its first bytes.
pub fn look_of(name: &str, beginning: &[u8]) -> Look {
    if beginning.starts_with(AGE) {
        return Look::Sealed;
    }
    let Some(rest) = beginning.strip_prefix(b"lifeboat 1 ") else { return Look::Open };
    let kind = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let body = rest.windows(2).position(|pair| pair == b"\n\n").map(|at| &rest[at + 2..]);
    match (body, kind) {
        (Some(body), _) if body.starts_with(AGE) => Look::Sealed,
        (_, b"vault" | b"keyring" | b"agent" | b"lease") => Look::Public,
        _ if ["packs/", "index/", "snapshots/", "notes/"].iter().any(|folder| name.starts_with(folder)) => {
            Look::Open
        }
        _ => Look::Unjudged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_readable_is_told_from_what_is_sealed() {
        let check = |name: &str, bytes: &[u8], look| assert_eq!(look_of(name, bytes), look, "{name}");
        check("packs/00/aa", b"age-encryption.org/v1\n-> X25519 abc", Look::Sealed);
        check(
            "snapshots/aa",
            b"lifeboat 1 manifest\nsigner x\nsignature y\n\nage-encryption.org/v1\n",
            Look::Sealed,
        );
        check("keys/keyring-00000001", b"lifeboat 1 keyring\nsigner root\nsignature y\n\n{", Look::Public);
        check("snapshots/aa", b"lifeboat 1 manifest\nsigner x\nsignature y\n\n{\"source\"", Look::Open);
        check("packs/00/aa", b"\x28\xb5\x2f\xfd zstd", Look::Open);
        check("dump.sql", b"CREATE TABLE contacts", Look::Open);
        check("later/aa", b"lifeboat 1 later\nsigner x\nsignature y\n\n{", Look::Unjudged);
    }
}
