//! People: what they may open (recipients) and what they open it with (identities).

use std::path::Path;
use std::str::FromStr;

use jiff::Timestamp;

use super::passphrases::Remembering;
use crate::format::keys::PersonRecord;
use crate::{Error, Grade, Result};

/// A person who may open something of a vault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// A name for messages.
    pub name: String,
    /// `age1…`, `ssh-ed25519 …`, `ssh-rsa …` or `age1NAME1…` of a plugin.
    pub recipient: String,
    /// What they may open.
    pub grades: Vec<Grade>,
    /// The branch that they belong to, if anybody says so; it gives no access.
    pub branch: Option<String>,
    /// What they are there, likewise.
    pub role: Option<String>,
}

impl Person {
    /// The age recipient, ready to seal to.
    ///
    /// # Errors
    /// `BadKey` when it is misspelt, of a kind age does not know, or its plugin is not installed.
    pub fn to_recipient(&self) -> Result<Box<dyn age::Recipient + Send>> {
        let text = self.recipient.trim();
        let bad = |reason: String| Error::BadKey { what: format!("the recipient of {}", self.name), reason };
        if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
            return Err(bad(
                "it is a secret key: put the public `age1…` line here and consider that key leaked".into(),
            ));
        }
        if text.starts_with("ssh-") {
            let recipient = age::ssh::Recipient::from_str(text);
            return recipient.map(|r| Box::new(r) as _).map_err(|error| bad(format!("{error:?}")));
        }
        if let Ok(native) = age::x25519::Recipient::from_str(text) {
            return Ok(Box::new(native));
        }
        match age::plugin::Recipient::from_str(text) {
            Ok(plugin) => {
                let name = plugin.plugin().to_owned();
                age::plugin::RecipientPluginV1::new(&name, &[plugin], &[], age::NoCallbacks)
                    .map(|recipient| Box::new(recipient) as _)
                    .map_err(|error| bad(format!("{error}: is age-plugin-{name} installed?")))
            }
            Err(_) => {
                Err(bad("it is no age, SSH or plugin recipient; is a character missing or wrong?".into()))
            }
        }
    }
}

impl PersonRecord {
    /// Whether they may open anything, and so are not retired.
    pub fn is_active(&self) -> bool {
        !self.grades.is_empty()
    }

    /// Puts back what they could open then, if they were retired later.
    pub(crate) fn as_of(&mut self, at: Timestamp) {
        let retired = self.retired.as_ref().and_then(|time| time.parse::<Timestamp>().ok());
        if retired.is_some_and(|retired| at < retired) {
            self.grades.clone_from(&self.had);
        }
    }

    /// Whether they decide what no key opens and two people decide: who may open the most sensitive data.
    pub fn may_decide(&self) -> bool {
        self.grades.contains(&Grade::High)
    }
}

/// What a person opens things with.
pub struct Identities(Vec<Box<dyn age::Identity>>);

impl Identities {
    /// Reads an age identity file (native, plugin, or protected by a passphrase that is asked for
    /// through `callbacks`, once) or an unencrypted or encrypted SSH private key.
    ///
    /// # Errors
    /// `BadKey` when it is none of these, `Io` when it cannot be read.
    pub fn read(path: &Path, callbacks: impl age::Callbacks) -> Result<Self> {
        let callbacks = Remembering::new(callbacks);
        let text = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        let what = path.display().to_string();
        let bad = |reason: String| Error::BadKey { what: what.clone(), reason };
        if text.starts_with(b"-----BEGIN ") && !text.starts_with(b"-----BEGIN AGE") {
            let ssh = age::ssh::Identity::from_buffer(&text[..], Some(what.clone()));
            return match ssh.map_err(|error| bad(error.to_string()))? {
                age::ssh::Identity::Unsupported(_) => {
                    Err(bad("this kind of SSH key is not supported by age".into()))
                }
                ssh => Ok(Self(vec![Box::new(ssh.with_callbacks(callbacks))])),
            };
        }
        if text.starts_with(b"age-encryption.org/") || text.starts_with(b"-----BEGIN AGE") {
            return Self::encrypted(text, &what, callbacks);
        }
        let file = age::IdentityFile::from_buffer(&text[..]);
        let file = file.map_err(|_| bad("it is no age identity file and no SSH private key".into()))?;
        let identities = file.with_callbacks(callbacks).into_identities().map_err(|e| bad(e.to_string()))?;
        if identities.is_empty() {
            return Err(bad("it holds no identity".into()));
        }
        Ok(Self(identities.into_iter().map(|identity| identity as _).collect()))
    }

    fn encrypted(text: Vec<u8>, what: &str, callbacks: impl age::Callbacks) -> Result<Self> {
        let bad = |reason: String| Error::BadKey { what: what.to_owned(), reason };
        let armored = age::armor::ArmoredReader::new(std::io::Cursor::new(text));
        let identity = age::encrypted::Identity::from_buffer(armored, Some(what.to_owned()), callbacks, None);
        match identity.map_err(|error| bad(error.to_string()))? {
            Some(identity) => Ok(Self(vec![Box::new(identity)])),
            None => Err(bad("it is an age file, but not one protected by a passphrase".into())),
        }
    }

    /// Takes identities that are already in memory.
    pub fn new(identities: Vec<Box<dyn age::Identity>>) -> Self {
        Self(identities)
    }

    /// Puts several files' identities together.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| &**identity)
    }
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}
