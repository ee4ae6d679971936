//! Whether a store keeps its word: asked once when a vault is made, and by `check`.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::{BucketLocks, Created, Store};
use crate::format::names;
use crate::{Error, Result};

/// What a store answered when it was asked to create an object twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// The second create was refused: two writers cannot overwrite each other.
    Conditional,
    /// The second create went through, or would in the gap between a look and a write: the store has no conditional
    /// create, or only pretends to.
    Overwrites,
}

impl Store {
    /// What the bucket says of locks. Where this store is to lock and may, the lock of the vault's record is
    /// extended, if there is one: so it shows whether these credentials may do that.
    ///
    /// # Errors
    /// `Denied` when they may not ask, or may not lock.
    pub async fn probe_locks(&self) -> Result<Option<BucketLocks>> {
        let said = self.bucket_locks().await?;
        if self.lock_policy().is_some() && said == Some(BucketLocks::OnRequest) {
            let before = self.lock_of(names::VAULT).await?;
            match self.extend_lock(names::VAULT, before).await {
                Ok(_) | Err(Error::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(said)
    }

    /// Writes a small object of a random name twice, reads it back, removes it, and says whether the
    /// second write was refused.
    ///
    /// The removal may be denied (an agent needs no right to delete); the object then stays.
    pub async fn probe_creation(&self) -> Result<Creation> {
        let name = format!("probe/{}", hex::encode(rand::random::<[u8; 16]>()));
        let first = Bytes::from_static(b"lifeboat 1 probe\n");
        self.create(&name, first.clone()).await?;
        let second = self.create(&name, Bytes::from_static(b"lifeboat 1 overwritten\n")).await?;
        let read = self.get(&name).await?;
        match self.remove(&name).await {
            Ok(_) | Err(Error::Denied { .. }) => {}
            Err(error) => return Err(error),
        }
        let looks_first = self.looks_first.load(Ordering::Relaxed);
        Ok(if second == Created::Exists && read == first && !looks_first {
            Creation::Conditional
        } else {
            Creation::Overwrites
        })
    }
}
