//! PostgreSQL's own programs, found where packages put them and run without a password in sight.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::{Error, Result};

/// A program that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tool {
    /// Major and minor version.
    pub(super) version: (u32, u32),
    pub(super) path: PathBuf,
}

/// Every copy of one program on this machine. They are asked for their versions once, which takes a
/// moment: the packagers' wrappers are slow to start.
#[derive(Debug, Clone)]
pub(super) struct Installed {
    name: &'static str,
    found: OnceCell<BTreeSet<Tool>>,
}

impl Installed {
    /// `pg_dump` or `pg_restore`. Nothing is asked yet.
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, found: OnceCell::new() }
    }

    /// Asks, unless that was done before.
    pub(super) async fn ask(&self) -> &BTreeSet<Tool> {
        self.found
            .get_or_init(|| async {
                let asked = candidates(self.name).into_iter().map(ask_version);
                futures::future::join_all(asked).await.into_iter().flatten().collect()
            })
            .await
    }

    /// The one for a server of `major`: the lowest major that is not older, in its newest minor. Not the
    /// newest of all: an archive can only be read by a pg_restore that is no older than the pg_dump that
    /// wrote it, and the recovery machine should need no more than the server's own.
    pub(super) async fn fitting(&self, major: u32) -> Result<Tool> {
        let found = self.ask().await;
        choose(found, major).cloned().ok_or_else(|| {
            let seen: BTreeSet<_> = found.iter().map(|tool| tool.version.0.to_string()).collect();
            let seen = seen.into_iter().collect::<Vec<_>>().join(", ");
            let places = "on PATH, in /usr/lib/postgresql, /usr/pgsql-* or /opt";
            Error::ToolMissing {
                tool: format!("{} {major}", self.name),
                reason: match seen.as_str() {
                    "" => format!("was not found {places}"),
                    seen => format!("was not found {places}: only {seen}, which is older than the server"),
                },
                hint: format!(
                    "install the package postgresql-client-{major} (Debian, Ubuntu) or postgresql{major} (RPM)"
                ),
            }
        })
    }
}

async fn ask_version(path: PathBuf) -> Option<Tool> {
    let output = Command::new(&path).arg("--version").output().await.ok()?;
    Some(Tool { version: version(&String::from_utf8_lossy(&output.stdout))?, path })
}

fn choose(found: &BTreeSet<Tool>, major: u32) -> Option<&Tool> {
    let lowest = found.iter().find(|tool| tool.version.0 >= major)?.version.0;
    found.iter().rfind(|tool| tool.version.0 == lowest)
}

fn candidates(name: &str) -> BTreeSet<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for (parent, prefix, below) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/usr/local", "pgsql", "bin"),
        ("/opt", "", "bin"),
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/opt/homebrew/opt", "libpq", "bin"),
    ] {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        let fitting = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        folders.extend(fitting.map(|entry| entry.path().join(below)));
    }
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    // /bin is /usr/bin on most machines. The programs themselves may be links to a wrapper that looks at
    // the name it was called by.
    let folders = folders.into_iter().filter_map(|folder| folder.canonicalize().ok());
    folders.map(|folder| folder.join(name)).filter(|path| path.is_file()).collect()
}

fn version(text: &str) -> Option<(u32, u32)> {
    let number = text.split("(PostgreSQL) ").nth(1)?;
    let mut parts = number.split(|c: char| !c.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

/// Reads a file that a tool wrote.
pub(super) async fn read_file(path: &Path) -> Result<Vec<u8>> {
    tokio::fs::read(path).await.map_err(|source| Error::Io { path: path.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(major: u32, minor: u32) -> Tool {
        Tool { version: (major, minor), path: PathBuf::new() }
    }

    #[test]
    fn the_lowest_major_that_fits_wins_in_its_newest_minor() {
        let found = BTreeSet::from([tool(14, 9), tool(16, 1), tool(16, 4), tool(18, 0)]);
        assert_eq!(choose(&found, 14), Some(&tool(14, 9)));
        assert_eq!(choose(&found, 15), Some(&tool(16, 4)));
        assert_eq!(choose(&found, 19), None);
    }

    #[test]
    fn versions_are_read_as_packagers_print_them() {
        assert_eq!(version("pg_dump (PostgreSQL) 15.19 (Debian 15.19-1)\n"), Some((15, 19)));
        assert_eq!(version("pg_dump (PostgreSQL) 18beta1\n"), Some((18, 0)));
        assert_eq!(version("something else"), None);
    }
}
