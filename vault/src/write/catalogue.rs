//! The catalogue that a run writes: the changes of the last snapshot's, or all of it anew.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Lane, Shared};
use crate::catalogue::{changes, to_text};
use crate::delta::Memory;
use crate::format::manifest::{Catalogue, TableRecord};
use crate::format::recipe::Text;
use crate::index::ChunkIndex;
use crate::read::{SnapshotReader, read_manifest};
use crate::segment::SealedSegment;
use crate::tasks::joined;
use crate::{PackId, Result, SnapshotId, Vault};

/// Chunks of changes, one a run, that a catalogue may have: every manifest names them, and every reader
/// fetches them.
const CHANGES_MAX: usize = 30;

/// Bytes of changes that a catalogue may have.
const CHANGES_BYTES_MAX: u64 = 1 << 20;

/// Bytes behind lists that a catalogue may have which was written as a whole, as tables had come or gone: where they
/// do so every night, no changes are counted, and all of this is written again every night.
const BEHIND_BYTES_MAX: usize = 64 << 10;

/// The last snapshot's catalogue, for this run's to go on from.
pub(super) struct Base {
    /// Whose it is.
    pub(super) snapshot: SnapshotId,
    /// What it says.
    pub(super) tables: Vec<TableRecord>,
    /// The packs that it is in.
    pub(super) packs: Vec<PackId>,
    catalogue: Catalogue,
}

impl Base {
    /// Reads that of the snapshot whose rows are remembered. There is none when nothing is, when it is not
    /// whole any more, and when its changes or what stands behind its lists have become many: then lists and
    /// catalogue are written anew.
    pub(super) async fn read(vault: &Vault, index: &ChunkIndex, memory: &Memory) -> Option<Self> {
        let snapshot = memory.snapshot()?;
        let (_, manifest) = read_manifest(vault, snapshot).await.ok()?;
        let catalogue = &manifest.catalogue;
        let ids: Vec<_> = catalogue.chunks().collect();
        let known = index.known(&ids).await.ok()?;
        let changes = index.locate(&catalogue.changes).await.ok()?;
        let bytes: u64 = changes.values().map(|at| u64::from(at.bytes)).sum();
        let goes_on = catalogue.changes.len() < CHANGES_MAX && bytes < CHANGES_BYTES_MAX;
        if !goes_on || ids.iter().any(|id| !known.contains_key(id)) {
            return None;
        }
        let tables = SnapshotReader::on(vault, index).tables_of(snapshot, &manifest).await.ok()?;
        if catalogue.changes.is_empty() && behind(&tables) > BEHIND_BYTES_MAX {
            return None;
        }
        Some(Self { snapshot, tables, packs: known.into_values().collect(), catalogue: manifest.catalogue })
    }
}

/// Bytes behind lists that would be cut into chunks if they were written now.
fn behind(tables: &[TableRecord]) -> usize {
    let parts = tables.iter().flat_map(|table| &table.streams).flat_map(|stream| &stream.parts);
    let texts = parts.flat_map(|part| [&part.chunks, &part.gone]);
    texts.filter(|text| !text.is_settled()).map(|text| text.inline.len()).sum()
}

/// Writes it through a lane of its own and lets go of the packer's channel.
pub(super) async fn write(
    shared: &Arc<Shared>,
    segments: mpsc::Sender<SealedSegment>,
    tables: &[TableRecord],
) -> Result<Catalogue> {
    let text = to_text(tables);
    let base = shared.base.as_ref().filter(|_| text.len() > Text::INLINE_BYTES_MAX);
    let grown = base.and_then(|base| Some((base.catalogue.clone(), changes(&base.tables, tables)?)));
    let shared = Arc::clone(shared);
    let write = move || {
        let mut lane = Lane::new(shared, segments)?;
        let catalogue = match grown {
            Some((mut catalogue, changes)) => {
                catalogue.changes.extend(lane.changes(&to_text(&changes))?);
                catalogue
            }
            None => Catalogue { tables: lane.text(text)?, changes: Vec::new() },
        };
        lane.finish()?;
        Ok(catalogue)
    };
    joined(tokio::task::spawn_blocking(write).await)?
}
