//! Packs: objects of many segments, ended by a signed table of contents that agents can read.

use std::io::Read;

use bytes::Bytes;

use crate::format::contents::{PackContents, SegmentContents, segments_from_text, segments_to_text};
use crate::format::names;
use crate::format::trailer::{TRAILER_BYTES, Trailer};
use crate::keys::AgentKey;
use crate::segment::SealedSegment;
use crate::{Error, PackId, Realm, Result, Vault, seal};

/// Bytes after which a pack is closed. A few of them are in memory at once.
pub(crate) const PACK_BYTES: usize = 16 << 20;

/// No table of contents is larger than this when unpacked; a damaged one is not believed.
const CONTENTS_BYTES_MAX: usize = 256 << 20;

/// Bytes read first from a pack's end: most tables of contents fit.
const TAIL_BYTES: u64 = 64 << 10;

/// A pack being filled.
#[derive(Default)]
pub(crate) struct PackBuilder {
    bytes: Vec<u8>,
    segments: Vec<SegmentContents>,
}

impl PackBuilder {
    pub(crate) fn push(&mut self, segment: SealedSegment) {
        let SealedSegment { bytes, mut contents } = segment;
        contents.offset = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&bytes);
        self.segments.push(contents);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= PACK_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Ends the pack and returns the object.
    pub(crate) fn finish(mut self, vault: &Vault, agent: &AgentKey) -> Result<(PackContents, Bytes)> {
        let (_, recipient) = vault.sealing(Realm::Metadata)?;
        let text = segments_to_text(&self.segments);
        let sealed = seal::seal_to(&recipient, &compress_text(&text));
        let trailer = Trailer::sign(&sealed, agent.id(), &agent.signing, vault.id());
        self.bytes.extend_from_slice(&sealed);
        self.bytes.extend_from_slice(&trailer);
        let pack = PackId(*blake3::hash(&self.bytes).as_bytes());
        let bytes = self.bytes.len() as u64;
        Ok((PackContents { pack, bytes, segments: self.segments }, Bytes::from(self.bytes)))
    }
}

/// Reads a pack's table of contents from its end.
pub(crate) async fn read_contents(vault: &Vault, pack: PackId, bytes: u64) -> Result<PackContents> {
    let name = names::pack(pack);
    if bytes < TRAILER_BYTES as u64 {
        return Err(Error::damaged(&name, format!("it has only {bytes} bytes")));
    }
    let tail_bytes = TAIL_BYTES.min(bytes);
    let tail = vault.store().get_range(&name, bytes - tail_bytes, tail_bytes).await?;
    let (before, trailer) = tail.split_at(tail.len() - TRAILER_BYTES);
    let trailer = Trailer::parse(&name, trailer, bytes)?;
    let contents_bytes = trailer.contents_bytes as usize;
    let sealed = match before.len().checked_sub(contents_bytes) {
        Some(start) => Bytes::copy_from_slice(&before[start..]),
        None => {
            let offset = bytes - TRAILER_BYTES as u64 - contents_bytes as u64;
            vault.store().get_range(&name, offset, contents_bytes as u64).await?
        }
    };
    trailer.verify(&name, &sealed, vault.agent_key(&name, trailer.agent)?, vault.id())?;
    let text = decompress_text(&name, &vault.open_metadata(&name, &sealed)?)?;
    let segments = segments_from_text(&name, &text)?;
    let end = bytes - TRAILER_BYTES as u64 - contents_bytes as u64;
    let mut at = 0;
    for segment in &segments {
        if segment.offset < at || segment.offset + u64::from(segment.sealed_bytes) > end {
            return Err(Error::damaged(&name, "its table of contents overlaps itself or the trailer"));
        }
        at = segment.offset + u64::from(segment.sealed_bytes);
    }
    Ok(PackContents { pack, bytes, segments })
}

pub(crate) fn compress_text(text: &str) -> Vec<u8> {
    zstd::bulk::compress(text.as_bytes(), 3).expect("memory for a compressed text")
}

pub(crate) fn decompress_text(name: &str, compressed: &[u8]) -> Result<String> {
    let mut plain = Vec::new();
    let decoder =
        zstd::stream::Decoder::with_buffer(compressed).map_err(|error| Error::damaged(name, error))?;
    let limited = std::io::Read::take(decoder, CONTENTS_BYTES_MAX as u64 + 1).read_to_end(&mut plain);
    limited.map_err(|error| Error::damaged(name, error))?;
    if plain.len() > CONTENTS_BYTES_MAX {
        return Err(Error::damaged(name, format!("it unpacks to more than {CONTENTS_BYTES_MAX} bytes")));
    }
    String::from_utf8(plain).map_err(|_| Error::damaged(name, "its contents are not text"))
}
