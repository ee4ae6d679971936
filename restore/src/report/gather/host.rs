//! On the agent's host: whether a person's identity lies in one of the usual places.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_vault::AgentKey;

use super::super::evidence::{Evidence, sha256};
use super::super::facts::HostFacts;

/// Larger files are no keys.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Of a folder of more files it is not known what is in them.
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
    let (mut files, mut unread) = (Vec::new(), Vec::new());
    for folder in folders.flatten() {
        match files_of(&folder, &mut files) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => unread.push(folder.display().to_string()),
        }
    }
    files.extend(given.iter().filter_map(|file| file.canonicalize().ok()));
    files.sort();
    files.dedup();
    let recipients: Vec<_> = config.people.values().map(|person| person.recipient.as_str()).collect();
    let mut found = Vec::new();
    for file in &files {
        match is_identity(file, &recipients) {
            Ok(true) => found.push(file.display().to_string()),
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => unread.push(file.display().to_string()),
        }
    }
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
        unread,
    })
}

/// Adds the small files of a folder by their full paths: one that is two of the places is looked through once.
fn files_of(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut count = 0;
    for entry in folder.canonicalize().and_then(std::fs::read_dir)? {
        let path = entry?.path();
        match std::fs::metadata(&path) {
            Ok(about) if about.is_file() && about.len() <= FILE_BYTES_MAX => {
                count += 1;
                files.push(path);
            }
            // Gone since, or a link to nothing.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if count > FILES_MAX {
            return Err(io::Error::other("more files than are looked through"));
        }
    }
    Ok(())
}

/// A secret key of age, or an SSH key whose public half is one of the vault's people.
fn is_identity(file: &Path, recipients: &[&str]) -> io::Result<bool> {
    let bytes = std::fs::read(file)?;
    if AgentKey::is_at(file) {
        return Ok(false);
    }
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    if holds(b"AGE-SECRET-KEY-1") {
        return Ok(true);
    }
    let mut beside = file.as_os_str().to_owned();
    beside.push(".pub");
    let public = match std::fs::read_to_string(beside) {
        Err(error) if holds(b"PRIVATE KEY-----") && error.kind() != ErrorKind::NotFound => return Err(error),
        public => public.unwrap_or_default(),
    };
    let key = |text: &str| text.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    let public = key(&public);
    let is_beside = public.len() == 2 && recipients.iter().any(|recipient| key(recipient) == public);
    Ok(is_beside || openssh(&bytes).is_some_and(|private| holds_public(&private, recipients)))
}

/// What is inside a private key of OpenSSH: its public half stands there in the clear, whatever passphrase it has.
fn openssh(file: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(file).ok()?;
    let (_, text) = text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----")?;
    let (text, _) = text.split_once("-----END OPENSSH PRIVATE KEY-----")?;
    BASE64_STANDARD.decode(text.split_whitespace().collect::<String>()).ok()
}

fn holds_public(private: &[u8], recipients: &[&str]) -> bool {
    let blobs = recipients.iter().filter_map(|recipient| {
        let mut words = recipient.split_whitespace();
        let kind = words.next().filter(|kind| kind.starts_with("ssh-"))?;
        BASE64_STANDARD.decode(words.next()?).ok().filter(|blob| blob.len() > kind.len())
    });
    blobs.into_iter().any(|blob| private.windows(blob.len()).any(|window| window == blob))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_not_called_looked_through_that_was_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = Vec::new();
        std::fs::write(folder.path().join("key"), "AGE-SECRET-KEY-1").expect("a file");
        files_of(folder.path(), &mut files).expect("it is read");
        assert!(files.len() == 1 && is_identity(&files[0], &[]).expect("it is read"));
        std::fs::remove_file(&files[0]).expect("it goes");
        assert!(is_identity(&files[0], &[]).is_err(), "what cannot be read is not called no key");
        for number in 0..=FILES_MAX {
            std::fs::write(folder.path().join(number.to_string()), "").expect("a file");
        }
        assert!(files_of(folder.path(), &mut files).is_err(), "more than are looked through");
        let missing = files_of(&folder.path().join("none"), &mut files).expect_err("it is not there");
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn an_ssh_key_is_known_by_what_is_in_it_with_a_public_half_beside_it_or_none() {
        const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACDf3djAnSMwAWSCsnAII2bc/RZjSyAtoRmwL4ScWuvpJgAAAIgPAD30DwA9
9AAAAAtzc2gtZWQyNTUxOQAAACDf3djAnSMwAWSCsnAII2bc/RZjSyAtoRmwL4ScWuvpJg
AAAEAcZKeNJsyhG61KEzJCvdhSHLeATEYaeXb+VxFSt6RqmN/d2MCdIzABZIKycAgjZtz9
FmNLIC2hGbAvhJxa6+kmAAAABHRlc3QB
-----END OPENSSH PRIVATE KEY-----
";
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("copied-without-its-public-half");
        std::fs::write(&file, KEY).expect("a file");
        let own = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN/d2MCdIzABZIKycAgjZtz9FmNLIC2hGbAvhJxa6+km somebody";
        let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGg0szyzWoi7NnpXGH5Xlu4ds/EfxwphMJ1M+vYiJPb9";
        assert!(is_identity(&file, &[other, own]).expect("it is read"));
        assert!(!is_identity(&file, &[other, "age1wang"]).expect("it is read"));
    }
}
