//! A thief of the agent's host: with every file and environment variable it has, and everything that
//! those open in the vault, not one segment of rows can be opened.
//!
//! Lifeboat's own code has no say here: sealed pieces are cut out of the objects by age's first line,
//! and opened by the `age` program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use lifeboat_tests::{PostgresServer, S3Server, run};
use object_store::{ObjectStore, ObjectStoreExt};

use super::victim::files;
use crate::company::{Company, DB1, postgres_crm};

const AGE: &[u8] = b"age-encryption.org/v1\n";

#[test]
fn nothing_that_an_agent_has_opens_a_row() {
    let (postgres, s3) = (PostgresServer::start(), S3Server::start());
    let company = Company::with_store(s3.url("v"), s3.environment());
    company.configure(DB1, &[postgres_crm(&postgres, "0.005")]);
    company.init(DB1);
    company.back_up(DB1);
    company.back_up(DB1);
    let vault = Vault::fetch(&s3);
    let rows = vault.rows(&company);
    assert!(rows.len() > 2, "the vault holds {} segments of rows", rows.len());

    let loot = loot(&company, &s3);
    let mut thief = Thief { keys: BTreeSet::new(), file: company.path("thief.txt") };
    loot.iter().for_each(|(_, content)| thief.learn(content));
    let opened = thief.open_all(&vault.sealed);
    assert!(opened.len() > 3, "an agent reads metadata, and the thief opened only {opened:?}");
    for segment in &rows {
        assert!(!opened.contains(segment), "the agent's keys open rows: segment {segment}");
    }
    no_file_is_a_key(&company, &loot, &vault, &rows);
}

/// No file of the host is an identity file for `age` or for `lifeboat-restore`.
fn no_file_is_a_key(company: &Company, loot: &[(String, Vec<u8>)], vault: &Vault, rows: &BTreeSet<usize>) {
    let segment = *rows.first().expect("there are some");
    let target = company.path("stolen.db");
    for (name, content) in loot {
        let file = company.path("loot");
        fs::write(&file, content).expect("written");
        assert!(decrypt(&file, &vault.sealed[segment]).is_none(), "{name} opens rows");
        let mut restore = lifeboat_tests::restore();
        restore.args(["restore", "crm@latest", "--to"]).arg(format!("sqlite://{}", target.display()));
        restore.arg("--vault").arg(company.vault_url()).arg("--identity").arg(&file).stdin(Stdio::null());
        let refused = run(restore.envs(company.store_environment()));
        assert!(refused.code().is_some_and(|code| code != 0), "{name} restores: {}", refused.stdout);
        if name.ends_with("agent.key") {
            let refused = refused.exits(12);
            assert!(refused.stderr.contains("rows"), "{}", refused.stderr);
        }
        assert!(!target.exists(), "{name} wrote rows");
    }
}

/// Every file and environment variable that an agent has, by name.
fn loot(company: &Company, s3: &S3Server) -> Vec<(String, Vec<u8>)> {
    let mut paths = files(&company.state(DB1));
    paths.extend([company.config(DB1), company.path("crm.password")]);
    let read = |path: PathBuf| (path.display().to_string(), fs::read(&path).expect("a file"));
    let mut loot: Vec<_> = paths.into_iter().map(read).collect();
    assert!(loot.iter().any(|(name, _)| name.ends_with("agent.key")), "the agent has no key");
    let variables = s3.environment().into_iter().map(|(name, value)| (name, value.into_bytes()));
    loot.extend(variables);
    loot
}

/// What the store's provider could hand out.
struct Vault {
    /// Every age file in it, wherever it lies.
    sealed: Vec<Vec<u8>>,
    /// The wraps of grade keys.
    wraps: Vec<Vec<u8>>,
}

impl Vault {
    #[tokio::main]
    async fn fetch(server: &S3Server) -> Self {
        use futures::TryStreamExt;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = server.store();
        let listed: Vec<_> = store.list(None).try_collect().await.expect("listed");
        let (mut sealed, mut wraps) = (Vec::new(), Vec::new());
        for meta in listed {
            let content = store.get(&meta.location).await.expect("read").bytes().await.expect("read");
            if ["high", "medium", "low"]
                .iter()
                .any(|grade| meta.location.as_ref().contains(&format!("keys/{grade}-")))
            {
                wraps.push(content.to_vec());
            }
            sealed.extend(cut(&content));
        }
        assert_eq!(wraps.len(), 3, "there is one key for each grade");
        Self { sealed, wraps }
    }

    /// Which sealed pieces the grades' own keys open, which people hold.
    fn rows(&self, company: &Company) -> BTreeSet<usize> {
        let grades = company.path("grades.txt");
        let opened = self.wraps.iter().map(|wrap| decrypt(&company.identity("wang"), wrap));
        let identities: Vec<_> = opened.map(|key| key.expect("Wang may read every grade")).collect();
        fs::write(&grades, identities.join(&b'\n')).expect("written");
        (0..self.sealed.len()).filter(|&piece| decrypt(&grades, &self.sealed[piece]).is_some()).collect()
    }
}

/// The age files in some bytes: bare, one after the other, or as base64 in text.
fn cut(content: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<_> =
        (0..content.len()).filter(|&at| content[at..].starts_with(AGE)).chain([content.len()]).collect();
    let bare = starts.windows(2).map(|piece| content[piece[0]..piece[1]].to_vec());
    let decoded = words(content).into_iter().filter_map(|word| BASE64_STANDARD.decode(word).ok());
    bare.chain(decoded.filter(|decoded| decoded.starts_with(AGE))).collect()
}

/// Gathers keys, and what they open, until nothing new turns up.
struct Thief {
    keys: BTreeSet<String>,
    file: PathBuf,
}

impl Thief {
    /// Takes every string that could be a key, as it stands or as bytes in hex or base64.
    fn learn(&mut self, content: &[u8]) {
        for word in words(content) {
            if word.starts_with("AGE-SECRET-KEY-1") {
                self.keys.insert(word.clone());
            }
            let decoded = [
                hex::decode(&word).ok(),
                BASE64_STANDARD.decode(&word).ok(),
                BASE64_STANDARD_NO_PAD.decode(&word).ok(),
                BASE64_URL_SAFE_NO_PAD.decode(&word).ok(),
            ];
            let scalars = decoded.into_iter().flatten().filter(|bytes| bytes.len() == 32);
            self.keys.extend(scalars.map(|bytes| identity(&bytes)));
        }
    }

    /// Opens whatever can be opened, learning from it.
    fn open_all(&mut self, sealed: &[Vec<u8>]) -> BTreeSet<usize> {
        let mut opened = BTreeSet::new();
        loop {
            let known = self.keys.len();
            assert!(known > 0, "the thief found nothing that looks like a key");
            let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
            fs::write(&self.file, keys.join("\n")).expect("written");
            for (number, piece) in sealed.iter().enumerate() {
                if opened.contains(&number) {
                    continue;
                }
                if let Some(plain) = decrypt(&self.file, piece) {
                    opened.insert(number);
                    self.learn(&unpacked(plain));
                }
            }
            if self.keys.len() == known {
                return opened;
            }
        }
    }
}

/// Words of characters that keys are written in, long enough to be one.
fn words(content: &[u8]) -> Vec<String> {
    let of_key = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte);
    let split = content.split(|byte| !of_key(byte)).filter(|word| word.len() >= 40);
    split.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Opens an age file with an identity file, through the `age` program.
fn decrypt(identities: &Path, sealed: &[u8]) -> Option<Vec<u8>> {
    let piece = identities.with_extension("sealed");
    fs::write(&piece, sealed).expect("written");
    let mut age = Command::new("age");
    let output = age.arg("-d").arg("-i").arg(identities).arg(&piece).stdin(Stdio::null()).output();
    let output = output.expect("age is installed: `tests/run --install`");
    output.status.success().then_some(output.stdout)
}

/// What the `zstd` program makes of bytes, or the bytes.
fn unpacked(plain: Vec<u8>) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), &plain).expect("written");
    let output = Command::new("zstd").args(["-d", "-c", "-q", "--no-check"]).arg(file.path()).output();
    let output = output.expect("zstd is installed: `tests/run --install`");
    if output.status.success() { output.stdout } else { plain }
}

/// 32 bytes as an age identity: Bech32, as BIP 173 has it.
fn identity(secret: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let prefix = b"age-secret-key-";
    let (mut data, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in secret {
        held = (held << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            data.push((held >> bits & 31) as u8);
        }
    }
    if bits > 0 {
        data.push((held << (5 - bits) & 31) as u8);
    }
    let spread = prefix.iter().map(|c| c >> 5).chain([0]).chain(prefix.iter().map(|c| c & 31));
    let checked = polymod(spread.chain(data.iter().copied()).chain([0; 6])) ^ 1;
    data.extend((0..6).map(|n| (checked >> (5 * (5 - n)) & 31) as u8));
    let letters: String = data.iter().map(|value| char::from(ALPHABET[usize::from(*value)])).collect();
    format!("age-secret-key-1{letters}").to_uppercase()
}

fn polymod(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1, |sum, value| {
        let top = sum >> 25;
        let sum = (sum & 0x1ff_ffff) << 5 ^ u32::from(value);
        (0..5).filter(|bit| top >> bit & 1 == 1).fold(sum, |sum, bit| sum ^ GENERATOR[bit])
    })
}

#[test]
fn thirty_two_bytes_become_the_identity_that_age_writes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, sealed) = (folder.path().join("key.txt"), folder.path().join("sealed.age"));
    fs::write(&file, identity(&[0x2a; 32])).expect("written");
    let mut recipient = Command::new("age-keygen");
    let recipient = run(recipient.arg("-y").arg(&file)).success().stdout;
    run(Command::new("age").args(["-r", recipient.trim(), "-o"]).arg(&sealed).arg(&file)).success();
    assert!(decrypt(&file, &fs::read(&sealed).expect("read")).is_some());
}
