//! The head of an age file, as far as it tells who may open it without opening it.
//!
//! age v1 begins with lines: its version, then for each recipient `-> TYPE ARGUMENTS` and the wrapped file
//! key in base64, then `--- MAC` (<https://c2sp.org/age>). An X25519 stanza is anonymous; an SSH one names the
//! first bytes of its key's hash.

/// One recipient of an age file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stanza {
    /// A native key. Whose, nobody can tell who cannot open it.
    Native,
    /// A key that can be recognised by its type and tag: SSH keys, and most plugins.
    Tagged(String, String),
}

/// Reads the recipients; nothing when this is not the head of an age file. What age's library adds at random,
/// to keep readers honest, is left out.
pub(super) fn of(sealed: &[u8]) -> Option<Vec<Stanza>> {
    let mut lines = sealed.split(|byte| *byte == b'\n').map(|line| std::str::from_utf8(line).ok());
    (lines.next()?? == "age-encryption.org/v1").then_some(())?;
    let mut stanzas = Vec::new();
    loop {
        let line = lines.next()??;
        if line.starts_with("--- ") {
            return Some(stanzas);
        }
        let Some(arguments) = line.strip_prefix("-> ") else { continue };
        let mut words = arguments.split(' ');
        let kind = words.next()?;
        match kind {
            "X25519" => stanzas.push(Stanza::Native),
            grease if grease.ends_with("-grease") => {}
            kind => {
                stanzas.push(Stanza::Tagged(kind.to_owned(), words.next().unwrap_or_default().to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_read_and_grease_is_not_taken_for_one() {
        let head = "age-encryption.org/v1\n-> X25519 CJM36AHmTbdHSuOQL+NESqyVQE75f2e610iRdLPEN20\nC3ZAeY64NXS4QFrksLm3EGz+uPRyI0eQsWw7LWbbYig\n-> X<qW-grease 6yZ\nabc\n-> ssh-ed25519 BjH7FA RO+wV4kbbl4NtSmp56lQcfRdRp3dEFpdQmWkaoiw6lY\n51eEu5Oo2JYAG7OU4oamH03FDRP18/GnzeCrY7Z+sa8\n--- fgMiVLJHMlg9fW7CVG/hPS5EAU4Zeg19LyCP7SoH5nA\n\u{0}\u{1}binary";
        let tagged = Stanza::Tagged("ssh-ed25519".into(), "BjH7FA".into());
        assert_eq!(of(head.as_bytes()), Some(vec![Stanza::Native, tagged]));
    }

    #[test]
    fn what_is_no_age_file_has_no_recipients() {
        assert_eq!(of(b""), None);
        assert_eq!(of(b"age-encryption.org/v1\n-> X25519 cut"), None);
        assert_eq!(of(b"lifeboat 1 vault\n"), None);
        assert_eq!(of(b"age-encryption.org/v1\n\xff\xfe\n"), None);
    }
}
