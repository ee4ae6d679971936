//! Whether what a run counts on is still there, and is to stay, when it comes to its end.
//!
//! A prune may have marked a pack after the run began. The run looks before it writes its manifest, and
//! once more after it when the lease on deleting has changed hands or numbers in between: whoever deletes
//! takes a new number first, so no sleep between the look and the manifest, however long, goes unseen.

use std::collections::HashSet;
use std::sync::PoisonError;

use super::Shared;
use crate::format::manifest::{Catalogue, FileRecord, TableRecord};
use crate::format::names;
use crate::index::SyncReport;
use crate::{ChunkId, Error, PackId, Result, SnapshotId, SnapshotReader, lease, needs};

/// What the snapshot will be made of.
pub(super) struct Needs<'a> {
    pub(super) tables: &'a [TableRecord],
    pub(super) files: &'a [FileRecord],
    pub(super) catalogue: &'a Catalogue,
}

/// What changes whenever somebody is about to delete, or has changed the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deletions {
    lease: Option<u64>,
    keyring: Option<u32>,
}

/// What it is now.
pub(super) async fn deletions(shared: &Shared) -> Result<Deletions> {
    let lease = lease::newest(&shared.vault).await?.map(|(number, _)| number);
    let listed = shared.vault.store().list(names::KEYS).await?;
    let keyring = listed.iter().filter_map(|object| names::keyring_sequence(&object.name)).max();
    Ok(Deletions { lease, keyring })
}

/// What was sealed to a key that is destroyed meanwhile, nobody will open.
async fn refuse_shredded(shared: &Shared) -> Result<()> {
    match shared.vault.shredded_meanwhile().await? {
        Some((realm, epoch)) => {
            Err(Error::Removed { reason: format!("the key {realm} {epoch} was shredded") })
        }
        None => Ok(()),
    }
}

/// Proves that all packs that were counted on are there and not marked, or that every chunk that is needed
/// has a place in one that is; and that no key was destroyed.
///
/// # Errors
/// `Removed`: the run must not write its manifest.
pub(super) async fn prove(shared: &Shared, needs: &Needs<'_>) -> Result<()> {
    refuse_shredded(shared).await?;
    let counted: HashSet<PackId> = shared.counted_on.lock().unwrap_or_else(PoisonError::into_inner).clone();
    shared.index.read_marks(&shared.vault, &mut SyncReport::default()).await?;
    let mut doubtful = !shared.index.marked_of(&counted).await?.is_empty();
    let listed = shared.vault.store().list(names::PACKS).await?;
    let listed: HashSet<PackId> = listed.iter().filter_map(|object| names::id(&object.name)).collect();
    // A listing may lag behind: what it does not show is asked for by name.
    for pack in counted.difference(&listed) {
        doubtful = doubtful || shared.vault.store().size(&names::pack(*pack)).await?.is_none();
    }
    if !doubtful {
        return Ok(());
    }
    shared.index.sync(&shared.vault).await?;
    prove_chunks(shared, needs).await
}

/// Proves it again if anybody may have deleted since `before`. A snapshot that does not hold is removed
/// where that is allowed, and never reported good.
pub(super) async fn prove_again(
    shared: &Shared,
    needs: &Needs<'_>,
    snapshot: SnapshotId,
    before: Deletions,
) -> Result<()> {
    if deletions(shared).await? == before {
        return Ok(());
    }
    let Err(error) = prove(shared, needs).await else { return Ok(()) };
    if let Error::Removed { reason } = &error {
        let removed = shared.vault.store().remove(&names::snapshot(snapshot)).await;
        if let Err(denied) = removed {
            let id = snapshot.short();
            let reason = format!("{reason}; snapshot {id} is not whole and cannot be removed ({denied})");
            return Err(Error::Removed { reason });
        }
    }
    Err(error)
}

async fn prove_chunks(shared: &Shared, needs: &Needs<'_>) -> Result<()> {
    prove_known(shared, &needs::of_manifest(needs.files, needs.catalogue)).await?;
    let reader = SnapshotReader::on(&shared.vault, &shared.index);
    for table in needs.tables {
        let what = format!("table {}", table.table);
        for part in table.streams.iter().flat_map(|stream| &stream.parts) {
            let needed = match needs::of_part(&reader, &what, part).await {
                Err(error) if error.is_damage() => return Err(Error::Removed { reason: error.to_string() }),
                needed => needed?,
            };
            prove_known(shared, &needed).await?;
        }
    }
    Ok(())
}

async fn prove_known(shared: &Shared, ids: &[ChunkId]) -> Result<()> {
    let known = shared.index.known(ids).await?;
    match ids.iter().find(|id| !known.contains_key(id)) {
        None => Ok(()),
        Some(lost) => {
            let reason = format!("chunk {} is in no pack that is to stay", lost.short());
            Err(Error::Removed { reason })
        }
    }
}
