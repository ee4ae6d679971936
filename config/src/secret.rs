//! Secrets by reference: the configuration says where one is kept, and it is read when it is needed.
//!
//! `{file:PATH}`, `{env:NAME}` and `{credential:NAME}` (systemd's `LoadCredential=`) are references;
//! any other text is the secret itself, which works and is warned of. Nothing here prints a secret:
//! not `Debug`, not an error, not `config show`.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::values::Fault;

/// What stands for a secret wherever one would be shown.
const MASK: &str = "********";

/// A password is a line; anything longer is the wrong file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where a secret is kept.
#[derive(Clone)]
#[non_exhaustive]
pub enum SecretRef {
    /// `{file:PATH}`: the content of a file, without the line end that closes it. A relative path
    /// starts from the configuration's folder.
    File(PathBuf),
    /// `{env:NAME}`: an environment variable.
    Env(String),
    /// `{credential:NAME}`: a file of that name in the folder that systemd passes in
    /// `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// The secret itself, written into the configuration.
    Literal(Secret),
}

/// A secret in memory, wiped when it is dropped and never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// A secret that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file that a reference names is not there.
    #[error("the secret's file {} does not exist", path.display())]
    FileMissing {
        /// The file.
        path: PathBuf,
        /// The reference as the configuration has it.
        reference: String,
    },
    /// The file is there and cannot be read.
    #[error("cannot read the secret's file {}", path.display())]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The environment variable is not set.
    #[error("the environment variable {name} is not set")]
    EnvMissing {
        /// The variable.
        name: String,
    },
    /// systemd passed no credentials.
    #[error("{{credential:{name}}} needs $CREDENTIALS_DIRECTORY, which is not set")]
    NoCredentials {
        /// The credential.
        name: String,
    },
    /// What was found is no password.
    #[error("{reference} {reason}")]
    Unusable {
        /// The reference as the configuration has it.
        reference: String,
        /// Why it is none.
        reason: &'static str,
    },
}

impl Secret {
    /// Wraps a secret.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl SecretRef {
    pub(crate) fn parse(text: &str, folder: &Path) -> Result<Self, Fault> {
        let Some(inner) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            return match text {
                "" => Err(fault("the secret is empty", "leave the key out when there is none")),
                _ => Ok(Self::Literal(Secret::new(text.into()))),
            };
        };
        match inner.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(folder.join(path))),
            Some(("env", name)) if is_env(name) => Ok(Self::Env(name.into())),
            Some(("credential", name)) if is_credential(name) => Ok(Self::Credential(name.into())),
            Some(("file" | "env" | "credential", _)) => {
                Err(fault("the reference names nothing that could be read", KINDS))
            }
            _ => Err(fault("this is no known reference to a secret", KINDS)),
        }
    }

    /// Reads the secret now, from this process's environment where the reference asks for it.
    ///
    /// # Errors
    /// [`SecretError`] says what is not there; its `hints` say what to do about it.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        self.resolve_in(|name| std::env::var_os(name))
    }

    /// Reads the secret now, with `env` as the environment.
    ///
    /// # Errors
    /// As [`SecretRef::resolve`].
    pub fn resolve_in(&self, env: impl Fn(&str) -> Option<OsString>) -> Result<Secret, SecretError> {
        let text = match self {
            Self::Literal(secret) => return Ok(secret.clone()),
            Self::File(path) => self.read(path)?,
            Self::Credential(name) => self.read(&credential_path(name, &env)?)?,
            Self::Env(name) => {
                let value = env(name).ok_or_else(|| SecretError::EnvMissing { name: name.clone() })?;
                let text = value.into_string().map_err(|_| self.unusable("is not UTF-8 text"))?;
                Zeroizing::new(text)
            }
        };
        match text.as_str() {
            "" => Err(self.unusable("is empty")),
            text if text.contains('\0') => Err(self.unusable("holds a NUL byte")),
            text => Ok(Secret::new(text.into())),
        }
    }

    /// What is unwise about where the secret is kept, in words; `None` when nothing is.
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Literal(_) => Some(
                "its password stands in the configuration itself: keep it in a file and write {file:PATH}"
                    .into(),
            ),
            Self::File(path) if is_open_to_others(path) => {
                Some(format!("everybody on this machine can read {}: run `chmod o= {0}`", path.display()))
            }
            _ => None,
        }
    }

    fn read(&self, path: &Path) -> Result<Zeroizing<String>, SecretError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => {
                SecretError::FileMissing { path: path.to_owned(), reference: self.to_string() }
            }
            _ => SecretError::FileUnreadable { path: path.to_owned(), source },
        };
        let mut text = Zeroizing::new(String::new());
        let file = File::open(path).map_err(failed)?;
        match file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text) {
            Ok(read) if read as u64 > SECRET_BYTES_MAX => {
                return Err(self.unusable("is too long for a secret"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(self.unusable("is not UTF-8 text"));
            }
            Err(error) => return Err(failed(error)),
        }
        let line = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned()))
    }

    fn unusable(&self, reason: &'static str) -> SecretError {
        SecretError::Unusable { reference: self.to_string(), reason }
    }
}

impl SecretError {
    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::FileMissing { path, reference } if reference.starts_with("{credential:") => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                vec![format!("add `LoadCredential={name}:/path/to/file` to the systemd unit")]
            }
            Self::FileMissing { path, .. } => {
                vec![format!("put the password into {} and run `chmod 600` on it", path.display())]
            }
            Self::FileUnreadable { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                vec![format!("make the user that runs this program the owner of {}", path.display())]
            }
            Self::EnvMissing { name } => vec![format!("set {name}, or use {{file:PATH}} instead")],
            Self::NoCredentials { name } => vec![
                format!("run under systemd with `LoadCredential={name}:/path/to/file`"),
                "elsewhere, use {file:PATH} instead".into(),
            ],
            Self::FileUnreadable { .. } | Self::Unusable { .. } => Vec::new(),
        }
    }
}

const KINDS: &str = "write {file:PATH}, {env:NAME} or {credential:NAME}";

fn fault(message: &str, hint: &str) -> Fault {
    Fault { message: message.into(), hints: vec![hint.into()] }
}

fn is_env(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// A credential is a file directly in systemd's folder: no path leads out of it.
fn is_credential(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

fn credential_path(name: &str, env: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, SecretError> {
    let folder =
        env("CREDENTIALS_DIRECTORY").ok_or_else(|| SecretError::NoCredentials { name: name.into() })?;
    Ok(PathBuf::from(folder).join(name))
}

/// Whether the file's mode lets everybody on the machine read it. A group may: that is how a service's
/// user is commonly given a file that root owns.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0)
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{{file:{}}}", path.display()),
            Self::Env(name) => write!(f, "{{env:{name}}}"),
            Self::Credential(name) => write!(f, "{{credential:{name}}}"),
            Self::Literal(_) => f.write_str(MASK),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
