//! Segments: chunks of one realm compressed together, sealed together, opened together.

use age::x25519;
use zstd::zstd_safe::CParameter;

use crate::format::contents::{ChunkContents, SegmentContents};
use crate::{ChunkId, Error, Realm, Result, seal};

/// Raw bytes after which a segment is sealed: compression sees many chunks, age's header is paid once,
/// and reading one row back costs no more than this.
pub(crate) const SEGMENT_RAW_BYTES: usize = 1 << 20;

/// zstd's level: above it, compression alone would take longer than reading the database.
const ZSTD_LEVEL: i32 = 3;

/// The shortest match that zstd looks for; level 3 takes five. Rows are short fields of text, where a
/// match of five bytes costs about as much to write as it saves: with six, 900 MB of a CRM take 0.5 %
/// fewer bytes and a fifth less time.
const ZSTD_MATCH_BYTES_MIN: u32 = 6;

/// A segment being filled.
#[derive(Default)]
pub(crate) struct OpenSegment {
    raw: Vec<u8>,
    chunks: Vec<ChunkContents>,
}

/// A segment ready to lie in a pack; its offset is not known yet.
pub(crate) struct SealedSegment {
    pub(crate) bytes: Vec<u8>,
    pub(crate) contents: SegmentContents,
}

/// Compresses and seals; one for each thread.
pub(crate) struct Sealer {
    compressor: zstd::bulk::Compressor<'static>,
}

impl OpenSegment {
    pub(crate) fn push(&mut self, id: ChunkId, plain: &[u8], rows: u32, continues: bool) {
        let bytes = u32::try_from(plain.len()).expect("a chunk is far below 4 GiB");
        self.raw.extend_from_slice(plain);
        self.chunks.push(ChunkContents { id, bytes, rows, continues });
    }

    pub(crate) fn raw_bytes(&self) -> usize {
        self.raw.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.raw.len() >= SEGMENT_RAW_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
}

impl Sealer {
    pub(crate) fn new() -> Self {
        let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).expect("memory for a context");
        let shortest = CParameter::MinMatch(ZSTD_MATCH_BYTES_MIN);
        compressor.set_parameter(shortest).expect("zstd knows this parameter");
        Self { compressor }
    }

    /// Seals what is in `segment` and leaves it empty.
    pub(crate) fn seal(
        &mut self,
        segment: &mut OpenSegment,
        realm: Realm,
        epoch: u32,
        recipient: &x25519::Recipient,
    ) -> SealedSegment {
        let compressed = self.compressor.compress(&segment.raw).expect("memory for a compressed segment");
        let bytes = seal::seal_to(recipient, &compressed);
        let contents = SegmentContents {
            offset: 0,
            sealed_bytes: u32::try_from(bytes.len()).expect("a segment is far below 4 GiB"),
            raw_bytes: u32::try_from(segment.raw.len()).expect("a segment is far below 4 GiB"),
            realm,
            epoch,
            hash: hash(&bytes),
            chunks: std::mem::take(&mut segment.chunks),
        };
        segment.raw.clear();
        SealedSegment { bytes, contents }
    }
}

/// What a table of contents says of sealed bytes.
pub(crate) fn hash(sealed: &[u8]) -> [u8; 16] {
    blake3::hash(sealed).as_bytes()[..16].try_into().expect("16 of 32 bytes")
}

/// Opens a segment; `name` is for messages.
pub(crate) fn open(
    name: &str,
    identity: &x25519::Identity,
    sealed: &[u8],
    raw_bytes: u32,
) -> Result<Vec<u8>> {
    let opened = seal::open(std::iter::once(identity as &dyn age::Identity), sealed);
    let compressed = opened.map_err(|error| match error {
        seal::NotOpened::NoKey(_) => {
            Error::damaged(name, "it is not sealed to the key that its contents name")
        }
        seal::NotOpened::Damaged(reason) => Error::damaged(name, reason),
    })?;
    let raw = zstd::bulk::decompress(&compressed, raw_bytes as usize)
        .map_err(|error| Error::damaged(name, error))?;
    if raw.len() != raw_bytes as usize {
        return Err(Error::damaged(name, format!("expected {raw_bytes} raw bytes, found {}", raw.len())));
    }
    Ok(raw)
}
