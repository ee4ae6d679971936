//! Whether a store keeps its word: asked once when a vault is made, and by `check`.

use bytes::Bytes;

use super::{Created, Store};
use crate::{Error, Result};

/// What a store answered when it was asked to create an object twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// The second create was refused: two writers cannot overwrite each other.
    Conditional,
    /// The second create went through: the store only pretends to have conditional create.
    Overwrites,
}

impl Store {
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
        Ok(if second == Created::Exists && read == first {
            Creation::Conditional
        } else {
            Creation::Overwrites
        })
    }
}
