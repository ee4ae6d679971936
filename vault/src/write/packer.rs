//! The packer: gathers sealed segments from every lane into packs, uploads them, and names them in
//! index objects.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Shared;
use crate::format::contents::PackContents;
use crate::format::names;
use crate::index::{self, ChunkIndex};
use crate::keys::AgentKey;
use crate::pack::PackBuilder;
use crate::segment::SealedSegment;
use crate::store::Store;
use crate::tasks::joined;
use crate::{Realm, Result, Vault};

/// Packs uploaded at once; each is in memory while it is.
const UPLOADS_AT_ONCE: usize = 2;

/// Packs that one index object names.
pub(crate) const PACKS_PER_INDEX: u32 = index::PACKS_PER_OBJECT as u32;

/// The packs being filled: rows and metadata lie apart, so that a damaged pack of rows costs no
/// catalogue, and so that what describes a snapshot can be read without passing over its rows.
#[derive(Default)]
struct Builders {
    rows: PackBuilder,
    metadata: PackBuilder,
}

impl Builders {
    fn of(&mut self, realm: Realm) -> &mut PackBuilder {
        match realm {
            Realm::Metadata => &mut self.metadata,
            Realm::Rows(_) => &mut self.rows,
        }
    }
}

/// Runs until every lane has let go of the channel, then writes what is left.
pub(super) async fn run(shared: Arc<Shared>, mut segments: mpsc::Receiver<SealedSegment>) -> Result<()> {
    let mut builders = Builders::default();
    let mut uploads = JoinSet::new();
    let mut uploaded = 0;
    while let Some(segment) = segments.recv().await {
        let builder = builders.of(segment.contents.realm);
        builder.push(segment);
        if !builder.is_full() {
            continue;
        }
        let full = std::mem::take(builder);
        while uploads.len() >= UPLOADS_AT_ONCE {
            uploaded += wait_for_one(&mut uploads).await?;
        }
        start_upload(&shared, &mut uploads, full)?;
        if uploaded >= PACKS_PER_INDEX {
            write_index(&shared, PACKS_PER_INDEX).await?;
            uploaded -= PACKS_PER_INDEX;
        }
    }
    for builder in [builders.rows, builders.metadata] {
        if !builder.is_empty() {
            start_upload(&shared, &mut uploads, builder)?;
        }
    }
    while !uploads.is_empty() {
        wait_for_one(&mut uploads).await?;
    }
    while write_index(&shared, PACKS_PER_INDEX).await? {}
    Ok(())
}

fn start_upload(shared: &Arc<Shared>, uploads: &mut JoinSet<Result<()>>, builder: PackBuilder) -> Result<()> {
    let (contents, object) = builder.finish(&shared.vault, &shared.agent)?;
    let shared = Arc::clone(shared);
    uploads.spawn(async move { upload(&shared, contents, object).await });
    Ok(())
}

async fn wait_for_one(uploads: &mut JoinSet<Result<()>>) -> Result<u32> {
    match uploads.join_next().await {
        None => Ok(0),
        Some(ended) => joined(ended)?.map(|()| 1),
    }
}

/// Uploads a pack; only then does the local index know its chunks.
async fn upload(shared: &Shared, contents: PackContents, object: Bytes) -> Result<()> {
    shared.store.create_confirmed(&names::pack(contents.pack), object).await?;
    shared.count_on(std::iter::once(contents.pack));
    shared.index.insert(std::slice::from_ref(&contents), false, None).await?;
    let mut pending = shared.pending.lock().unwrap_or_else(PoisonError::into_inner);
    for chunk in contents.segments.iter().flat_map(|segment| &segment.chunks) {
        pending.remove(&chunk.id);
    }
    Ok(())
}

/// Writes an index object for packs that none names yet, those of an interrupted run included.
/// Returns whether there were any.
async fn write_index(shared: &Shared, packs_max: u32) -> Result<bool> {
    publish(&shared.vault, &shared.agent, &shared.store, &shared.index, packs_max).await
}

/// Writes an index object into `store` for packs of the `known` ones that none names yet. Returns whether there
/// were any.
pub(crate) async fn publish(
    vault: &Vault,
    agent: &AgentKey,
    store: &Store,
    known: &ChunkIndex,
    packs_max: u32,
) -> Result<bool> {
    let packs = known.unindexed(packs_max).await?;
    if packs.is_empty() {
        return Ok(false);
    }
    let (ids, texts): (Vec<_>, Vec<_>) = packs.into_iter().unzip();
    let id = index::write_object(vault, store, agent, &texts.concat()).await?;
    known.mark_indexed(&ids, id).await?;
    Ok(true)
}
