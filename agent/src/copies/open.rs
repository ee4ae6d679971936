//! A copy opened as the vault that it is, to take from it what it shall keep no longer.

use std::path::PathBuf;

use jiff::Timestamp;
use lifeboat_config::{Config, Copy};
use lifeboat_console::{CommandError, Kind};
use lifeboat_vault::{
    AgentKey, CopyKeep, CopyMemory, Error, ExpirePlan, Extent, Keep, Lease, Locked, Opener, PruneOptions,
    PrunePlan, Store, Vault,
};

use super::open_store;
use crate::locks;
use crate::retention::{keep_of, of};

/// A copy and what this host has of it.
pub struct OpenCopy<'a> {
    config: &'a Config,
    name: String,
    own: Option<Keep>,
    /// The copy, as a vault.
    pub vault: Vault,
    state: PathBuf,
}

impl<'a> OpenCopy<'a> {
    /// Opens the copy called `name`.
    ///
    /// # Errors
    /// When it is not configured, or is not made yet.
    async fn named(config: &'a Config, of: &Vault, key: &AgentKey, name: &str) -> Result<Self, CommandError> {
        let [copy] = super::choose(config, &[name.to_owned()])?[..] else {
            return Err(CommandError::new(Kind::Usage, "one copy at a time"));
        };
        let opened = Self::in_store(config, of, key, copy, open_store(copy)?).await?;
        opened.ok_or_else(|| {
            CommandError::new(Kind::VaultMissing, format!("copy {name} is not made yet"))
                .hint("`lifeboat-agent copy` makes it")
        })
    }

    /// Opens the copy that was named, if one was.
    ///
    /// # Errors
    /// As [`OpenCopy::named`].
    pub async fn if_named(
        config: &'a Config,
        of: &Vault,
        key: &AgentKey,
        name: Option<&str>,
    ) -> Result<Option<Self>, CommandError> {
        match name {
            Some(name) => Self::named(config, of, key, name).await.map(Some),
            None => Ok(None),
        }
    }

    /// Opens the copy in its store; nothing while it is not made yet.
    pub async fn in_store(
        config: &'a Config,
        of_vault: &Vault,
        key: &AgentKey,
        copy: &Copy,
        store: Store,
    ) -> lifeboat_vault::Result<Option<Self>> {
        let root = of_vault.fingerprint();
        let vault = match Vault::open(store, Opener::Agent(key), Some(&root)).await {
            Ok(vault) => vault,
            Err(Error::NoVault { .. } | Error::NoKey { .. } | Error::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let state = CopyMemory::new(&config.agent.state, &copy.name).folder().to_owned();
        Ok(Some(Self { config, name: copy.name.clone(), own: own_keep(copy), vault, state }))
    }

    /// What goes from it.
    pub async fn expire_plan(&self, of: &Vault, now: Timestamp) -> lifeboat_vault::Result<ExpirePlan> {
        let zone = self.config.agent.zone();
        let vaults = |source: &str| keep_of(self.config, source);
        let own = |keep| CopyKeep::Own(&self.name, keep);
        let keep = self.own.as_ref().map_or(CopyKeep::AsVault(&vaults), own);
        keep.expire_plan(of, &self.vault, &zone, now).await
    }

    /// What of it no snapshot needs.
    pub async fn prune_plan(
        &self,
        of: &Vault,
        options: PruneOptions,
        lease: Option<&mut Lease>,
    ) -> lifeboat_vault::Result<PrunePlan> {
        match self.own {
            Some(_) => PrunePlan::make(&self.vault, &self.state, options, lease).await,
            None => PrunePlan::make_for_copy(&self.vault, of, &self.state, options, lease).await,
        }
    }

    /// Extends the locks of what it keeps, where its store locks.
    pub async fn extend_locks(&self, of: &Vault) -> lifeboat_vault::Result<Locked> {
        if self.vault.store().lock_policy().is_none() {
            return Ok(Locked::default());
        }
        let now = Timestamp::now();
        let plan = self.expire_plan(of, now).await?;
        locks::see_to(&self.vault, &self.state, &plan, now).await
    }
}

/// What a copy shall hold of the vault: everything, unless it has a retention of its own.
pub async fn extent(
    config: &Config,
    of: &Vault,
    key: &AgentKey,
    copy: &Copy,
    store: &Store,
) -> Result<Extent, CommandError> {
    let Some(own) = own_keep(copy) else { return Ok(Extent::Everything) };
    let name = copy.name.clone();
    let opened = OpenCopy::in_store(config, of, key, copy, store.clone()).await;
    let opened = match opened {
        // What is wrong with it is told when it is compared with the vault.
        Err(error) if error.is_damage() => None,
        other => other?,
    };
    let (zone, copy) = (config.agent.zone(), opened.as_ref().map(|opened| &opened.vault));
    Ok(CopyKeep::Own(&name, &own).extent(of, copy, &zone, Timestamp::now()).await?)
}

/// What it keeps whatever the vault does, if it has a retention of its own.
pub fn own_keep(copy: &Copy) -> Option<Keep> {
    copy.keep.as_ref().map(|keep| of(keep, 0))
}
