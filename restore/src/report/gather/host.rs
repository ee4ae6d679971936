//! On the agent's host: whether a person's identity lies in one of the usual places.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_vault::AgentKey;

use super::super::evidence::{Evidence, sha256};
use super::super::facts::HostFacts;

mod pem;

use pem::Owner;

/// Larger files are no keys.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Of a folder of more files it is not known what is in them.
const FILES_MAX: usize = 500;

/// Looks, where this is the agent's host: its key is here. `given` are the identities of this run, `people` the
/// vault's, with their recipients: they may be others than the configuration's.
pub fn look(
    config: &Config,
    path: &Path,
    given: &[PathBuf],
    people: &[(String, String)],
    now: Timestamp,
) -> Option<HostFacts> {
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
    let configured = config.people.values().map(|person| person.recipient.as_str());
    let recipients: Vec<_> =
        configured.chain(people.iter().map(|(_, recipient)| recipient.as_str())).collect();
    let mut found = Vec::new();
    for file in &files {
        match owner(file, &recipients) {
            Ok(Owner::Recipient) => found.push(file.display().to_string()),
            Ok(Owner::Unknown) => unread.push(file.display().to_string()),
            Ok(Owner::Nobody) => {}
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

/// Whose the keys in a file are. A secret key of age is taken for a recipient's; an SSH key is one by its public
/// half, which may lie beside it.
fn owner(file: &Path, recipients: &[&str]) -> io::Result<Owner> {
    let bytes = std::fs::read(file)?;
    if AgentKey::is_at(file) {
        return Ok(Owner::Nobody);
    }
    let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    if holds(b"AGE-SECRET-KEY-1") {
        return Ok(Owner::Recipient);
    }
    let owner = pem::owner(&bytes, recipients);
    let mut beside = file.as_os_str().to_owned();
    beside.push(".pub");
    let beside = match std::fs::read_to_string(beside) {
        Err(error) if error.kind() != ErrorKind::NotFound && owner == Owner::Unknown => return Err(error),
        public => public.unwrap_or_default(),
    };
    let key = |text: &str| text.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    let public = key(&beside);
    Ok(match public.len() == 2 {
        true if recipients.iter().any(|recipient| key(recipient) == public) => Owner::Recipient,
        true if owner == Owner::Unknown => Owner::Nobody,
        _ => owner,
    })
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
        assert_eq!(files.len(), 1);
        assert_eq!(owner(&files[0], &[]).expect("it is read"), Owner::Recipient);
        std::fs::remove_file(&files[0]).expect("it goes");
        assert!(owner(&files[0], &[]).is_err(), "what cannot be read is not called no key");
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
        let check = |recipients: &[&str], expected: Owner| {
            assert_eq!(owner(&file, recipients).expect("it is read"), expected, "{recipients:?}");
        };
        check(&[other, own], Owner::Recipient);
        check(&[other, "age1wang"], Owner::Nobody);
        // What its passphrase closes is told by its public half, where there is one.
        std::fs::write(&file, KEY.replace("OPENSSH", "ENCRYPTED")).expect("a file");
        check(&[other, own], Owner::Unknown);
        let beside = file.with_extension("pub");
        std::fs::write(&beside, own).expect("a file");
        check(&[other, own], Owner::Recipient);
        check(&[other], Owner::Nobody);
    }
}
