//! The vaults of many branches, for head office: a file of its own, beside no agent.
//!
//! A [`Branch`] is what `lifeboat-restore` needs to open one vault. Nothing here writes to a vault, and
//! nothing here is a secret: identities and credentials stand by reference.

use std::path::{Path, PathBuf};

use url::Url;

use crate::{ConfigError, SecretRef, read};

/// The vaults of every branch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fleet {
    /// One for each vault, in the order in which they are written.
    pub branches: Vec<Branch>,
}

/// One branch's vault.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Branch {
    /// What the listing calls it.
    pub name: String,
    /// The store, as in `[vault]` of a configuration.
    pub url: Url,
    /// The fingerprint of the vault's root key. A vault with another root is refused.
    pub root: Option<String>,
    /// Where this store's settings are kept; the environment when left out.
    pub credentials: Option<SecretRef>,
    /// The identity files that may open it.
    pub identities: Vec<PathBuf>,
}

impl Fleet {
    /// Reads and checks the file at `path`. Relative paths inside it start from its folder.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] when the file cannot be read, [`ConfigError::Invalid`] with line and
    /// column when it says something that cannot be meant.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Checks `text` as though it had been read from `path`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the first fault.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        read::fleet::fleet(text, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "version = 1\nidentity = \"head.key\"\n\
        [[vault]]\nname = \"hamburg\"\nurl = \"s3://b/hamburg\"\ncredentials = \"{file:h.env}\"\n\
        [[vault]]\nname = \"shanghai\"\nurl = \"file:///v\"\nidentity = [\"li.key\", \"/k/head.key\"]\nroot = \"ABCD\"\n";

    fn refused(text: &str, expected: &str) {
        let error = Fleet::parse(text, Path::new("/etc/fleet.toml")).expect_err("it is refused");
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn a_branch_has_the_identity_of_the_file_or_its_own() {
        let fleet = Fleet::parse(TWO, Path::new("/etc/fleet.toml")).expect("a good file");
        let [hamburg, shanghai] = &fleet.branches[..] else { panic!("{fleet:?}") };
        assert_eq!(hamburg.identities, [Path::new("/etc/head.key")]);
        assert!(
            matches!(&hamburg.credentials, Some(SecretRef::File(path)) if path == Path::new("/etc/h.env"))
        );
        assert_eq!(shanghai.identities, [Path::new("/etc/li.key"), Path::new("/k/head.key")]);
        assert_eq!(shanghai.root.as_deref(), Some("abcd"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        refused("version = 1\n", "`vault` is missing");
        refused("version = 1\nvault = []\n", "there is no [[vault]]");
        refused(&TWO.replace("shanghai", "hamburg"), "two vaults are called `hamburg`");
        refused(&TWO.replace("identity = \"head.key\"\n", ""), "no identity opens hamburg");
        refused(&TWO.replace("url = \"s3", "urll = \"s3"), "unknown key `urll`");
        refused(&TWO.replace("\"head.key\"", "\"AGE-SECRET-KEY-1QQ\""), "secret half of a key");
        refused(&TWO.replace("version = 1", "version = 2"), "version 2 is newer");
    }
}
