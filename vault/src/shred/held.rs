//! What is held when keys are destroyed: a hold is somebody's word that a snapshot must stay, and without its keys
//! nothing of it does.

use std::path::Path;

use tempfile::TempDir;

use crate::format::names;
use crate::notes::{Hold, list_notes_of};
use crate::read::{Snapshot, list_snapshots};
use crate::{Error, Realm, Result, SnapshotReader, Vault};

/// What is destroyed.
#[derive(Clone, Copy)]
pub(crate) enum Destroyed<'a> {
    /// Whatever these keys open; index files to find that out are kept below the folder.
    Keys(&'a [(Realm, u32)], &'a Path),
    /// Whatever this source has stored: what others need is sealed anew before.
    Source(&'a str),
}

/// Refuses while a hold that stands in any of these stores of a vault is on a snapshot that loses something in
/// any of them.
///
/// # Errors
/// `Held` with the first such hold, also where nobody knows what its snapshot needs; `HeldBack` when a note cannot
/// be read, which may be a hold.
pub(crate) async fn refuse_held(vaults: &[&Vault], destroyed: Destroyed<'_>) -> Result<()> {
    let (notes, unread) = list_notes_of(vaults).await?;
    if let Some(error) = unread.first() {
        return Err(Error::HeldBack(format!("a note cannot be read, which may be a hold: {error}")));
    }
    if notes.holds.is_empty() {
        return Ok(());
    }
    for vault in vaults {
        if let Some(hold) = first_to_lose(vault, &notes.holds, destroyed).await? {
            return Err(Error::Held(Box::new(hold.clone())));
        }
    }
    Ok(())
}

/// The first of these holds whose snapshot is in this store and loses something, or may.
async fn first_to_lose<'a>(
    vault: &Vault,
    holds: &'a [Hold],
    destroyed: Destroyed<'_>,
) -> Result<Option<&'a Hold>> {
    let (snapshots, _) = list_snapshots(vault).await?;
    let looking = Looking::begin(vault, destroyed).await?;
    for hold in holds {
        let loses = match snapshots.iter().find(|snapshot| snapshot.id == hold.snapshot) {
            Some(snapshot) => looking.loses(snapshot).await?,
            // What is there and cannot be read may need anything.
            None => vault.store().size(&names::snapshot(hold.snapshot)).await?.is_some(),
        };
        if loses {
            return Ok(Some(hold));
        }
    }
    Ok(None)
}

/// How to find out what a snapshot loses.
enum Looking<'a> {
    /// In what its recipes need; the folder is gone with it.
    Needs { reader: SnapshotReader, keys: &'a [(Realm, u32)], _scratch: TempDir },
    /// By its source.
    Source(&'a str),
}

impl<'a> Looking<'a> {
    async fn begin(vault: &Vault, destroyed: Destroyed<'a>) -> Result<Self> {
        match destroyed {
            Destroyed::Source(source) => Ok(Self::Source(source)),
            Destroyed::Keys(keys, folder) => {
                let scratch = tempfile::Builder::new().prefix("lifeboat-index-").tempdir_in(folder);
                let scratch = scratch.map_err(|error| Error::io(folder, error))?;
                let (reader, _) = SnapshotReader::open(vault, scratch.path()).await?;
                Ok(Self::Needs { reader, keys, _scratch: scratch })
            }
        }
    }

    /// A chunk that lies under another key too counts as lost all the same: nobody has opened it there.
    async fn loses(&self, snapshot: &Snapshot) -> Result<bool> {
        match self {
            Self::Source(source) => Ok(snapshot.manifest.source == *source),
            Self::Needs { reader, keys, .. } => match reader.keys_of(snapshot).await {
                Ok(found) => Ok(keys.iter().any(|key| found.keys.contains_key(key))),
                Err(error) if error.is_damage() => Ok(true),
                Err(error) => Err(error),
            },
        }
    }
}
