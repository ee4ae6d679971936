//! On the agent's host: whether a person's identity lies in one of the usual places.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_vault::AgentKey;

use super::super::evidence::{Evidence, sha256};
use super::super::facts::HostFacts;

/// Larger files are no keys.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// More files than this are no folder of keys.
const FILES_MAX: usize = 500;

/// Looks, where this is the agent's host: its key is here. `given` are the identities of this run.
pub fn look(config: &Config, path: &Path, given: &[PathBuf], now: Timestamp) -> Option<HostFacts> {
    let state = &config.agent.state;
    if !state.join("agent.key").exists() {
        return None;
    }
    let folders = [path.parent().map(Path::to_owned), Some(state.clone())];
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let of_home = |name: &str| home.as_ref().map(|home| home.join(name));
    let folders = folders.into_iter().chain([of_home(".config/age"), of_home(".ssh"), of_home("")]);
    let mut files: Vec<PathBuf> = folders.flatten().flat_map(|folder| files_of(&folder)).collect();
    files.extend(given.iter().filter_map(|file| file.canonicalize().ok()));
    files.sort();
    files.dedup();
    let recipients: Vec<_> = config.people.values().map(|person| person.recipient.as_str()).collect();
    let identities = files.iter().filter(|file| is_identity(file, &recipients));
    let mut found: Vec<_> = identities.map(|file| file.display().to_string()).collect();
    let holds = |value: &std::ffi::OsStr| value.to_string_lossy().contains("AGE-SECRET-KEY-");
    let variables = std::env::vars_os().filter(|(_, value)| holds(value));
    found.extend(variables.map(|(name, _)| format!("the environment variable {}", name.display())));
    let listed: String = files.iter().map(|file| format!("{}\n", file.display())).collect();
    let from = format!(
        "{} files of {}, the configuration's folder and the home, and the environment",
        files.len(),
        state.display()
    );
    Some(HostFacts {
        read: Evidence { kind: "host.files", from, at: now, digest: sha256(listed.as_bytes()) },
        identities: found,
    })
}

/// The small files of a folder, by their full paths: one that is two of the places is looked through once.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = folder.canonicalize().and_then(std::fs::read_dir);
    let Ok(entries) = entries else { return Vec::new() };
    let files = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= FILE_BYTES_MAX));
    files.map(|entry| entry.path()).take(FILES_MAX).collect()
}

/// A secret key of age, or an SSH key whose public half is one of the vault's people.
fn is_identity(file: &Path, recipients: &[&str]) -> bool {
    let Ok(bytes) = std::fs::read(file) else { return false };
    if AgentKey::is_at(file) {
        return false;
    }
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    if holds(b"AGE-SECRET-KEY-1") {
        return true;
    }
    let mut beside = file.as_os_str().to_owned();
    beside.push(".pub");
    let public = std::fs::read_to_string(beside).unwrap_or_default();
    let key = |text: &str| text.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    let public = key(&public);
    public.len() == 2 && recipients.iter().any(|recipient| key(recipient) == public)
}
