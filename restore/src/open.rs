//! From what an operator gives to an open vault and its snapshots.

use std::path::{Path, PathBuf};

use age::cli_common::UiCallbacks;
use lifeboat_config::{Branch, Config, Copy, SecretRef};
use lifeboat_console::{CommandError, Interrupt, Kind, Progress, ResultExt};
use lifeboat_vault::store::StoreSettings;
use lifeboat_vault::{
    AgentKey, Error, Identities, Opener, Selector, Snapshot, SnapshotReader, Store, SyncReport, Vault,
    list_snapshots,
};
use tempfile::TempDir;
use url::Url;

use crate::cli::Access;

/// A vault, opened as far as the identities reach, and what it holds.
pub struct Opened {
    /// The vault.
    pub vault: Vault,
    /// Its snapshots, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// Manifests that cannot be read.
    pub unreadable: Vec<Error>,
}

/// A vault, opened as far as the identities reach, with what it was opened with.
pub struct AtHand {
    /// The vault.
    pub vault: Vault,
    /// The people's identities that were given.
    pub identities: Identities,
    /// The agents' keys that were given.
    pub agents: Vec<AgentKey>,
    /// The configuration, where one was given.
    pub config: Option<Config>,
}

/// What reads a snapshot, with the scratch files it needs.
pub struct Reading {
    /// The reader.
    pub reader: SnapshotReader,
    /// What opening it found.
    pub sync: SyncReport,
    /// Removed when this is dropped.
    pub scratch: TempDir,
}

/// What the identity files hold.
pub struct Keys {
    people: Identities,
    has_people: bool,
    agents: Vec<AgentKey>,
}

impl AtHand {
    /// Opens the vault.
    pub async fn open(access: &Access, interrupt: &Interrupt) -> Result<Self, CommandError> {
        let config = access.config.as_deref().map(Config::load).transpose()?;
        Self::with(access, config, interrupt).await
    }

    /// The same by what the file that `access` names holds, which somebody has read already.
    pub async fn with(
        access: &Access,
        config: Option<Config>,
        interrupt: &Interrupt,
    ) -> Result<Self, CommandError> {
        let url = vault_url(access, config.as_ref())?;
        let root = access.root.as_deref().or(config.as_ref().and_then(|config| config.vault.root.as_deref()));
        let keys = Keys::read(&identity_files(access, config.as_ref())?)?;
        let settings = settings(access, config.as_ref())?;
        let store = Store::open_with(&url, false, &settings)?;
        let vault = interrupt.or(keys.open(store, root)).await?;
        Ok(Self { vault, identities: keys.people, agents: keys.agents, config })
    }
}

impl Opened {
    /// Opens the vault and lists its snapshots.
    pub async fn open(access: &Access, interrupt: &Interrupt) -> Result<Self, CommandError> {
        Self::of(AtHand::open(access, interrupt).await?.vault, interrupt).await
    }

    /// Lists the snapshots of an open vault.
    pub async fn of(vault: Vault, interrupt: &Interrupt) -> Result<Self, CommandError> {
        interrupt.or(Self::list(vault)).await
    }

    /// Opens the vault of a branch and lists its snapshots.
    pub async fn branch(branch: &Branch, keys: &Keys) -> Result<Self, CommandError> {
        Ok(Self::list(keys.open_branch(branch).await?).await?)
    }

    async fn list(vault: Vault) -> Result<Self, Error> {
        let (snapshots, unreadable) = list_snapshots(&vault).await?;
        Ok(Self { vault, snapshots, unreadable })
    }

    /// Finds one snapshot.
    pub fn find(&self, spec: &str) -> Result<&Snapshot, CommandError> {
        let selector: Selector = spec.parse::<Selector>().kind(Kind::Usage)?;
        selector
            .find(&self.snapshots)
            .map_err(CommandError::from)
            .hint("`lifeboat-restore snapshots` lists what there is")
    }

    /// Gathers the index in a private scratch folder.
    pub async fn reading(&self, access: &Access, interrupt: &Interrupt) -> Result<Reading, CommandError> {
        let scratch = scratch(access.scratch.as_deref())?;
        let (reader, sync) = interrupt.or(SnapshotReader::open(&self.vault, scratch.path())).await?;
        Ok(Reading { reader, sync, scratch })
    }

    /// What was found damaged before any snapshot was looked into, in words.
    pub fn damage(&self) -> impl Iterator<Item = String> {
        self.vault.damage().chain(&self.unreadable).map(ToString::to_string)
    }

    /// Tells of damage that may concern more than what was asked for.
    pub fn warn(&self, progress: &Progress) {
        for damage in self.vault.damage() {
            progress.warn(&format!("the vault is damaged: {damage}"));
        }
        for damage in &self.unreadable {
            progress.warn(&format!(
                "a snapshot cannot be read, so that `latest` may not be the latest: {damage}"
            ));
        }
    }
}

impl Keys {
    /// Reads every file; whether one opens anything shows later.
    pub fn read(files: &[PathBuf]) -> Result<Self, CommandError> {
        let mut keys = Self { people: Identities::new(Vec::new()), has_people: false, agents: Vec::new() };
        for file in files {
            if AgentKey::is_at(file) {
                keys.agents.push(AgentKey::read(file)?);
            } else {
                let read = Identities::read(file, UiCallbacks).kind(Kind::NoUsableKey);
                keys.people
                    .extend(read.context(|| format!("the identity {} cannot be used", file.display()))?);
                keys.has_people = true;
            }
        }
        Ok(keys)
    }

    /// Opens the vault of a branch.
    pub async fn open_branch(&self, branch: &Branch) -> Result<Vault, CommandError> {
        let store = Store::open_with(&branch.url, false, &settings_of(branch.credentials.as_ref())?)?;
        Ok(self.open(store, branch.root.as_deref()).await?)
    }

    /// Opens the metadata with the first key that fits, and the rows with whatever fits.
    async fn open(&self, store: Store, root: Option<&str>) -> Result<Vault, Error> {
        let mut opened = match self.has_people {
            true => Vault::open(store.clone(), Opener::Person(&self.people), root).await,
            false => Err(Error::no_key("the vault's metadata", None)),
        };
        for agent in &self.agents {
            if !matches!(opened, Err(Error::NoKey { .. })) {
                break;
            }
            opened = Vault::open(store.clone(), Opener::Agent(agent), root).await;
        }
        let vault = opened?;
        if self.has_people { vault.unlock(&self.people).await } else { Ok(vault) }
    }
}

fn vault_url(access: &Access, config: Option<&Config>) -> Result<Url, CommandError> {
    let Some(text) = &access.vault else {
        return config.map(|config| config.vault.url.clone()).ok_or_else(|| {
            CommandError::new(Kind::Usage, "no vault was named")
                .hint("--vault URL, as it stands on the recovery sheet, or --config PATH")
        });
    };
    Url::parse(text)
        .kind(Kind::Usage)
        .context(|| "the vault's URL is not understood")
        .hint("write file:///folder, s3://bucket/prefix, az://container/prefix or gs://bucket/prefix")
}

/// What leads to the store: the configuration's own settings for its own vault, else the environment.
fn settings(access: &Access, config: Option<&Config>) -> Result<StoreSettings, CommandError> {
    settings_of(
        config.filter(|_| access.vault.is_none()).and_then(|config| config.vault.credentials.as_ref()),
    )
}

/// What leads to a store: the settings that a reference names, else the environment.
pub fn settings_of(credentials: Option<&SecretRef>) -> Result<StoreSettings, CommandError> {
    let Some(reference) = credentials else { return Ok(StoreSettings::Environment) };
    StoreSettings::parse(reference.resolve()?.expose()).map_err(|line| {
        let text = format!("line {line} of {reference} is not of the form NAME=VALUE");
        CommandError::new(Kind::ConfigInvalid, text)
    })
}

/// Opens the store of one of the vault's copies.
pub fn copy_store(copy: &Copy) -> Result<Store, CommandError> {
    Ok(Store::open_with(&copy.url, false, &settings_of(copy.credentials.as_ref())?)?)
}

/// The files given; on an agent's host, its own key when none is.
fn identity_files(access: &Access, config: Option<&Config>) -> Result<Vec<PathBuf>, CommandError> {
    if !access.identity.is_empty() {
        return Ok(access.identity.clone());
    }
    let own = config.map(|config| config.agent.state.join("agent.key")).filter(|key| key.exists());
    own.map(|key| vec![key]).ok_or_else(|| {
        CommandError::new(Kind::NoUsableKey, "no identity was given, and a vault opens for nobody else")
            .hint("give the key file of a person on the recovery sheet: --identity key.txt")
    })
}

/// A folder for files that only this command needs.
pub fn scratch(folder: Option<&Path>) -> Result<TempDir, CommandError> {
    let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
    tempfile::Builder::new()
        .prefix("lifeboat-restore-")
        .tempdir_in(&folder)
        .context(|| format!("no scratch folder can be made in {}", folder.display()))
        .hint("name a folder with space that this account may write: --scratch DIR")
}
