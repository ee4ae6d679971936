//! What this host has: its configuration, its key, and the vault opened with it.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use lifeboat_config::{Agent, Config, Lock, SecretRef, Source};
use lifeboat_console::{CommandError, Kind, ResultExt};
use lifeboat_vault::store::{LockMode, LockPolicy, StoreSettings};
use lifeboat_vault::{AgentKey, Error, Opener, Store, Vault};
use url::Url;

/// The agent's key in its state folder.
const KEY: &str = "agent.key";

/// Set on a folder that everybody shares, such as /tmp.
const STICKY: u32 = 0o1000;

/// Where the agent's key is.
pub fn key_path(agent: &Agent) -> PathBuf {
    agent.state.join(KEY)
}

/// Makes the state folder, open to its owner alone.
pub fn make_state(agent: &Agent) -> Result<(), CommandError> {
    make_private(&agent.state)
        .context(|| format!("the state folder {} cannot be made", agent.state.display()))
        .hint("set `state` in [agent] to a folder of its own that this account may write")
}

/// Makes a folder that its owner alone may enter. One that is there already and that others may enter is
/// closed to them when it is empty or has a key in it, and refused otherwise: it is not ours to close.
pub fn make_private(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mode = folder.metadata()?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let ours = folder.join(KEY).exists() || std::fs::read_dir(folder)?.next().is_none();
    if !ours || mode & STICKY != 0 {
        return Err(std::io::Error::other("others may enter it, and it holds what is not Lifeboat's"));
    }
    std::fs::set_permissions(folder, Permissions::from_mode(mode & 0o7700))
}

/// Reads the agent's key.
pub fn read_key(agent: &Agent) -> Result<AgentKey, CommandError> {
    let path = key_path(agent);
    if !path.exists() {
        let text = format!("this host has no key: {} does not exist", path.display());
        return Err(CommandError::new(Kind::NoUsableKey, text).hint(
            "make one and have it enrolled with `lifeboat-agent enroll`, or make a new vault with `lifeboat-agent init`",
        ));
    }
    Ok(AgentKey::read(&path)?)
}

/// Opens a store, led by the settings that a reference names, or by the environment. What is written there is
/// locked where the configuration says so.
pub fn open_store(
    url: &Url,
    settings: Option<&SecretRef>,
    lock: Option<Lock>,
    create: bool,
) -> Result<Store, CommandError> {
    let settings = match settings {
        None => StoreSettings::Environment,
        Some(reference) => StoreSettings::parse(reference.resolve()?.expose()).map_err(|line| {
            let text = format!("line {line} of {reference} is not of the form NAME=VALUE");
            CommandError::new(Kind::ConfigInvalid, text)
        })?,
    };
    let store = Store::open_with(url, create, &settings)?;
    Ok(match lock {
        None => store,
        Some(lock) => store.locking(policy(lock), Timestamp::now())?,
    })
}

/// A lock as the vault takes it.
fn policy(lock: Lock) -> LockPolicy {
    let mode = match lock.mode {
        lifeboat_config::LockMode::Governance => LockMode::Governance,
        lifeboat_config::LockMode::Compliance => LockMode::Compliance,
    };
    LockPolicy { mode, period: SignedDuration::from_hours(24 * i64::from(lock.days)) }
}

/// Opens the store of the configured vault.
pub fn open_vault_store(config: &Config, create: bool) -> Result<Store, CommandError> {
    let vault = &config.vault;
    open_store(&vault.url, vault.credentials.as_ref(), vault.lock, create)
}

/// Opens the configured vault with the agent's key.
pub async fn open_vault(config: &Config, key: &AgentKey) -> Result<Vault, CommandError> {
    let store = open_vault_store(config, false)?;
    let opened = Vault::open(store, Opener::Agent(key), config.vault.root.as_deref()).await;
    opened.map_err(|error| match error {
        Error::NoKey { .. } => not_enrolled(config, key),
        error => error.into(),
    })
}

fn not_enrolled(config: &Config, key: &AgentKey) -> CommandError {
    let text = format!("agent {} ({}) is not enrolled in {}", key.name, key.id().short(), config.vault.url);
    CommandError::new(Kind::NoUsableKey, text)
        .hint("run `lifeboat-agent enroll` and have a person approve the line it prints")
}

/// The configured sources, or those of them that are named.
pub fn choose<'a>(config: &'a Config, names: &[String]) -> Result<Vec<&'a Source>, CommandError> {
    let known = || config.sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>().join(", ");
    if config.sources.is_empty() {
        return Err(CommandError::new(Kind::ConfigInvalid, "no [[source]] is configured").hint(
            "name a database: [[source]] with name = \"crm\" and url = \"postgres://…\", \"mysql://…\" or \"sqlite:///…\"",
        ));
    }
    if let Some(unknown) = names.iter().find(|name| config.source(name).is_none()) {
        return Err(CommandError::new(Kind::Usage, format!("the configuration has no source `{unknown}`"))
            .hint(format!("its sources are {}", known())));
    }
    let chosen = |source: &&Source| names.is_empty() || names.contains(&source.name);
    Ok(config.sources.iter().filter(chosen).collect())
}

/// Opens a source with the password that its configuration refers to.
pub fn open_source(source: &Source) -> Result<Box<dyn lifeboat_connectors::Source>, CommandError> {
    let password = source.password.as_ref().map(|password| password.resolve()).transpose()?;
    let password = password.map(|secret| secret.expose().to_owned());
    Ok(lifeboat_connectors::open_source(&source.url, password, source.allow_plaintext)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_ours_is_not_closed_to_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |name: &str, file: Option<&str>, expected: Option<u32>| {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).expect("a folder");
            std::fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("its mode");
            if let Some(file) = file {
                std::fs::write(path.join(file), "").expect("a file");
            }
            let made = make_private(&path).ok();
            let mode = path.metadata().expect("it is there").permissions().mode() & 0o777;
            assert_eq!(made.map(|()| mode), expected, "{name}");
            assert!(expected.is_some() || mode == 0o755, "{name}");
        };
        check("empty", None, Some(0o700));
        check("ours", Some(KEY), Some(0o700));
        check("others", Some("dpkg"), None);
    }
}
