//! Versions: what a bucket keeps of objects that were deleted, until each version is deleted by its own id.
//!
//! A key that was destroyed opens again from a version of its wrap, so whoever destroys one asks for them. Only S3
//! is asked; a folder keeps none, and of other stores it is not known.

use std::fmt;

use object_store::Result as StoreResult;
use object_store::path::Path;

use super::Store;
use crate::Result;

/// A version of an object, or the mark of its deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The object, by its whole path in the bucket.
    pub path: Path,
    /// Which version of it.
    pub id: String,
    /// Whether this is what the name stands for now.
    pub latest: bool,
    /// Whether it says only that the object was deleted.
    pub is_marker: bool,
}

/// A store that can tell of versions.
#[async_trait::async_trait]
pub trait ObjectVersions: fmt::Debug + Send + Sync {
    /// Every version, and mark of a deletion, of the objects below a folder.
    async fn list(&self, folder: &Path) -> StoreResult<Vec<Version>>;

    /// Removes one for good.
    async fn remove(&self, version: &Version) -> StoreResult<()>;
}

/// What is known of the versions that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Versions {
    /// It keeps none, or these: each with the object's name below the vault's prefix.
    Known(Vec<(String, Version)>),
    /// This kind of store is not asked.
    Unknown,
}

impl Store {
    /// Gives a store what tells of its versions.
    pub fn with_object_versions(mut self, versions: std::sync::Arc<dyn ObjectVersions>) -> Self {
        self.versions = Some(versions);
        self
    }

    /// Every version of the objects below the folder `under`.
    ///
    /// # Errors
    /// `Denied` when these credentials may not ask.
    pub(crate) async fn versions(&self, under: &str) -> Result<Versions> {
        let Some(versions) = &self.versions else {
            return Ok(match self.url.starts_with("file:") {
                true => Versions::Known(Vec::new()),
                false => Versions::Unknown,
            });
        };
        let folder = self.path(under);
        let found = self.retry("list the versions of", under, || versions.list(&folder)).await?;
        let named = found.into_iter().filter_map(|version| Some((self.name(&version.path)?, version)));
        Ok(Versions::Known(named.collect()))
    }

    /// Removes a version for good.
    ///
    /// # Errors
    /// `Denied` when these credentials may not, or it is locked.
    pub(crate) async fn remove_version(&self, name: &str, version: &Version) -> Result<()> {
        let Some(versions) = &self.versions else { return Ok(()) };
        match self.retry("remove a version of", name, || versions.remove(version)).await {
            Err(crate::Error::Missing { .. }) => Ok(()),
            removed => removed,
        }
    }
}
