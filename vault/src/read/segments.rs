//! Segments on their way back: fetched by range, opened on threads that may block, kept a while.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::format::names;
use crate::index::{Location, SegmentLocation};
use crate::tasks::joined;
use crate::{ChunkId, Error, Realm, Result, Vault, segment};

/// Segments of one stream fetched and opened ahead of their use.
pub(crate) const SEGMENTS_AHEAD: usize = 4;

/// Raw bytes of opened segments kept for the next chunk that lies in them: what a day changed lies in few
/// small segments, which the tables it changed share.
const BYTES_KEPT: usize = 48 << 20;

/// Opened segments by number, the one used last at the end.
type Kept = VecDeque<(i64, Arc<Vec<u8>>)>;

/// Fetches and opens segments. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Segments {
    vault: Vault,
    kept: Arc<Mutex<Kept>>,
}

/// A chunk in its opened segment.
pub(crate) struct OpenChunk {
    segment: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl OpenChunk {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.segment[self.range.clone()]
    }
}

impl Segments {
    pub(crate) fn new(vault: Vault) -> Self {
        Self { vault, kept: Arc::default() }
    }

    /// Reads one chunk and proves it.
    pub(crate) async fn chunk(&self, id: ChunkId, location: Location) -> Result<OpenChunk> {
        let range = range(&location);
        let segment = self.open(Arc::clone(&location.segment), vec![(id, location)]).await?;
        Ok(OpenChunk { segment, range })
    }

    /// Reads a segment and proves these of its chunks.
    pub(crate) async fn open(
        &self,
        location: Arc<SegmentLocation>,
        prove: Vec<(ChunkId, Location)>,
    ) -> Result<Arc<Vec<u8>>> {
        let kept = self.kept(location.number);
        let sealed = if kept.is_none() { self.fetch(&location).await? } else { Bytes::new() };
        let this = self.clone();
        let work = move || {
            let raw = match kept {
                Some(raw) => raw,
                None => Arc::new(this.open_sealed(&location, &sealed)?),
            };
            for (id, chunk) in &prove {
                this.prove(&location, *id, chunk, &raw)?;
            }
            this.keep(location.number, &raw);
            Ok(raw)
        };
        joined(tokio::task::spawn_blocking(work).await)?
    }

    async fn fetch(&self, location: &SegmentLocation) -> Result<Bytes> {
        self.vault
            .store()
            .get_range(&names::pack(location.pack), location.at, location.sealed_bytes.into())
            .await
    }

    fn open_sealed(&self, location: &SegmentLocation, sealed: &[u8]) -> Result<Vec<u8>> {
        let name = names::pack(location.pack);
        let hash = segment::hash(sealed);
        if hash != location.hash {
            let (expected, found) = (hex::encode(&location.hash[..4]), hex::encode(&hash[..4]));
            let reason = format!("at offset {}: expected hash {expected}, found {found}", location.at);
            return Err(Error::damaged(name, reason));
        }
        let identity = self.vault.identity(location.realm, location.epoch)?;
        segment::open(&name, identity, sealed, location.raw_bytes)
    }

    fn prove(&self, location: &SegmentLocation, id: ChunkId, chunk: &Location, raw: &[u8]) -> Result<()> {
        let derived = &self.vault.inner.derived;
        let found = raw.get(range(chunk)).map(|plain| derived.chunk_id(location.realm, plain));
        if found == Some(id) {
            return Ok(());
        }
        let reason = format!("at offset {}: chunk {} is not what its id says", location.at, id.short());
        Err(Error::damaged(names::pack(location.pack), reason))
    }

    fn kept(&self, number: i64) -> Option<Arc<Vec<u8>>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| *known == number).map(|(_, raw)| Arc::clone(raw))
    }

    fn keep(&self, number: i64, raw: &Arc<Vec<u8>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != number);
        kept.push_back((number, Arc::clone(raw)));
        let mut bytes: usize = kept.iter().map(|(_, raw)| raw.len()).sum();
        while bytes > BYTES_KEPT && kept.len() > 1 {
            bytes -= kept.pop_front().map_or(0, |(_, raw)| raw.len());
        }
    }
}

/// Where a chunk lies in its opened segment.
pub(crate) fn range(location: &Location) -> Range<usize> {
    let at = location.at as usize;
    at..at + location.bytes as usize
}

/// A location that can be read from, or why not; `what` needs it.
pub(crate) fn usable<'a>(
    what: &str,
    id: ChunkId,
    location: Option<&'a Location>,
    realm: Realm,
) -> Result<&'a Location> {
    let Some(location) = location else {
        return Err(Error::damaged(what, format!("chunk {} is in no index", id.short())));
    };
    if location.segment.realm != realm {
        let found = location.segment.realm;
        return Err(Error::damaged(
            what,
            format!("chunk {} is sealed as {found}, not as {realm}", id.short()),
        ));
    }
    if !location.segment.present {
        return Err(Error::Missing { object: names::pack(location.segment.pack) });
    }
    if location.segment.shredded {
        let SegmentLocation { realm, epoch, .. } = *location.segment;
        return Err(Error::damaged(
            what,
            format!("its key {realm} {epoch} was shredded: nobody can open it"),
        ));
    }
    Ok(location)
}
