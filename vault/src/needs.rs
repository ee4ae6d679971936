//! What a snapshot needs: the ids of all its chunks, whether they are there or not.

use crate::format::manifest::{Catalogue, FileRecord};
use crate::format::recipe::{Part, chunks_from_text, gone_from_text};
use crate::recipe::Left;
use crate::{ChunkId, Error, Result, SnapshotReader};

/// The chunks that a manifest names itself: those of its files and of its catalogue.
pub(crate) fn of_manifest(files: &[FileRecord], catalogue: &Catalogue) -> Vec<ChunkId> {
    let files = files.iter().flat_map(|file| &file.chunks);
    files.copied().chain(catalogue.chunks()).collect()
}

/// The chunks of a part of a stream: those that its lists are in, and those that are not gone as a whole.
///
/// # Errors
/// Damage, when its lists cannot be read: then nobody knows what it needs.
pub(crate) async fn of_part(reader: &SnapshotReader, what: &str, part: &Part) -> Result<Vec<ChunkId>> {
    let ids = chunks_from_text(what, &reader.text(what, &part.chunks).await?)?;
    let gone = gone_from_text(what, &reader.text(what, &part.gone).await?)?;
    let left = Left::new(ids.len(), &gone).map_err(|reason| Error::damaged(what, reason))?;
    let mut needed: Vec<_> = left.places().map(|place| ids[place]).collect();
    needed.extend(&part.chunks.chunks);
    needed.extend(&part.gone.chunks);
    Ok(needed)
}
