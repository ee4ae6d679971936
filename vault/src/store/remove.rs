//! Taking objects away, and asking the store what time it is.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use object_store::ObjectStoreExt;

use super::Store;
use crate::{Error, Result};

/// What became of an object that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It is gone now.
    Now,
    /// It was not there.
    Before,
}

/// An object that the store would not let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRemoved {
    /// Its name.
    pub object: String,
    /// The store's words.
    pub reason: String,
}

impl Store {
    /// Removes objects at once; one that is gone already is as good. One that the store denies to remove is
    /// told, and keeps none of the others back.
    pub(crate) async fn remove_all(&self, names: &[String]) -> Result<Vec<NotRemoved>> {
        let removals = names.iter().map(|name| async move {
            match self.remove(name).await {
                Ok(_) => Ok(None),
                Err(Error::Denied { object, source, .. }) => {
                    Ok(Some(NotRemoved { object, reason: source.to_string() }))
                }
                Err(error) => Err(error),
            }
        });
        let removals =
            futures::stream::iter(removals.collect::<Vec<_>>()).buffer_unordered(names.len().max(1));
        removals.try_filter_map(|denied| async move { Ok(denied) }).try_collect().await
    }

    /// Removes an object.
    ///
    /// # Errors
    /// `Denied` when these credentials may not, or the object is locked.
    pub(crate) async fn remove(&self, name: &str) -> Result<Removed> {
        let path = self.path(name);
        match self.retry("remove", name, || self.inner.delete(&path)).await {
            Ok(()) => Ok(Removed::Now),
            Err(Error::Missing { .. }) => Ok(Removed::Before),
            Err(error) => Err(error),
        }
    }

    /// What time it is by the store's clock, which nobody who writes to it can set: the time it gives a
    /// small object that is written and removed again. Where removing is denied, the object stays.
    pub async fn time(&self) -> Result<Timestamp> {
        let name = format!("probe/{}", hex::encode(rand::random::<[u8; 16]>()));
        let written = self.create_confirmed(&name, Bytes::from_static(b"lifeboat 1 time\n")).await?;
        match self.remove(&name).await {
            Ok(_) | Err(Error::Denied { .. }) => Ok(written.modified),
            Err(error) => Err(error),
        }
    }
}
