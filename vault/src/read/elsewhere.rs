//! A chunk that lies in two packs is read from the other when one copy is damaged: what two writers stored
//! at once, or one run again after another was cut off, heals a restore.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use super::SnapshotReader;
use super::segments::{self, OpenChunk};
use crate::index::{Location, SegmentLocation};
use crate::{ChunkId, Error, Result};

/// The chunks of one segment, read and proven.
pub(super) struct Opened {
    segment: Arc<Vec<u8>>,
    /// Chunks read from other segments, because this one is damaged.
    elsewhere: HashMap<ChunkId, Vec<u8>>,
}

impl Opened {
    /// A chunk, by where it lies in the segment.
    pub(super) fn chunk(&self, (id, location): &(ChunkId, Location)) -> &[u8] {
        match self.elsewhere.get(id) {
            Some(bytes) => bytes,
            None => &self.segment[segments::range(location)],
        }
    }
}

impl SnapshotReader {
    /// Tells what was found damaged and was read from another copy since the last call.
    pub fn take_worked_around(&self) -> Vec<String> {
        std::mem::take(&mut *self.worked_around.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads one chunk, from wherever a whole copy of it is.
    pub(super) async fn chunk(&self, id: ChunkId, location: Location) -> Result<OpenChunk> {
        match self.segments.chunk(id, location.clone()).await {
            Err(error) if error.is_damage() => self.chunk_elsewhere(id, &location, error).await,
            read => read,
        }
    }

    /// Reads these chunks of a segment, each from wherever a whole copy of it is.
    pub(super) async fn open_chunks(
        &self,
        segment: Arc<SegmentLocation>,
        chunks: Vec<(ChunkId, Location)>,
    ) -> Result<Opened> {
        let damage = match self.segments.open(segment, chunks.clone()).await {
            Err(error) if error.is_damage() => error.to_string(),
            read => return Ok(Opened { segment: read?, elsewhere: HashMap::new() }),
        };
        let mut elsewhere = HashMap::new();
        for (id, location) in chunks {
            // The damage may be another chunk's alone.
            let chunk = self.chunk(id, location).await?;
            elsewhere.insert(id, chunk.bytes().to_vec());
        }
        self.note_worked_around(damage);
        Ok(Opened { segment: Arc::default(), elsewhere })
    }

    /// Reads a chunk from another place than `damaged`, or says what is wrong with that one.
    async fn chunk_elsewhere(&self, id: ChunkId, damaged: &Location, damage: Error) -> Result<OpenChunk> {
        let (own, realm) = (damaged.segment.number, damaged.segment.realm);
        for place in self.index.places(id).await? {
            if place.segment.number == own || place.segment.realm != realm {
                continue;
            }
            match self.segments.chunk(id, place).await {
                Err(error) if error.is_damage() => {}
                read => {
                    self.note_worked_around(damage.to_string());
                    return read;
                }
            }
        }
        Err(damage)
    }

    fn note_worked_around(&self, damage: String) {
        let mut noted = self.worked_around.lock().unwrap_or_else(PoisonError::into_inner);
        if !noted.contains(&damage) {
            noted.push(damage);
        }
    }
}
