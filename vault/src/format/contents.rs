//! Tables of contents: which chunks lie where in a pack.
//!
//! Text, one line each; the same lines stand at the end of a pack and, behind a `pack` line, in an
//! index:
//!
//! ```text
//! pack <pack id> <bytes of the object>
//! segment <offset> <sealed bytes> <raw bytes> <realm> <epoch> <BLAKE3 of the sealed bytes, first 16>
//! <chunk id> <raw bytes> <rows> [+]
//! ```
//!
//! Chunks stand in the order in which they lie in the raw segment, without gaps. `rows` counts the
//! ends of rows in the chunk; `+` marks a chunk that begins inside a row.

use std::fmt::Write;

use crate::{ChunkId, Error, PackId, Realm, Result};

/// No segment is larger when opened: a damaged or forged size is not believed.
pub const SEGMENT_RAW_BYTES_MAX: u32 = 128 << 20;

/// What a pack holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackContents {
    /// The pack.
    pub pack: PackId,
    /// The object's size.
    pub bytes: u64,
    /// Its segments, in order.
    pub segments: Vec<SegmentContents>,
}

/// What a segment holds, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentContents {
    /// Where it begins in the pack.
    pub offset: u64,
    /// Its bytes in the pack.
    pub sealed_bytes: u32,
    /// Its bytes when opened and decompressed.
    pub raw_bytes: u32,
    /// What it was sealed for.
    pub realm: Realm,
    /// Of which epoch.
    pub epoch: u32,
    /// Start of the BLAKE3 hash of its sealed bytes: proves a copy without a key.
    pub hash: [u8; 16],
    /// Its chunks, in order.
    pub chunks: Vec<ChunkContents>,
}

/// A chunk in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkContents {
    /// Its id.
    pub id: ChunkId,
    /// Its size.
    pub bytes: u32,
    /// Ends of rows in it.
    pub rows: u32,
    /// Whether it begins inside a row.
    pub continues: bool,
}

/// Writes the segments of one pack.
pub fn segments_to_text(segments: &[SegmentContents]) -> String {
    let mut text = String::new();
    for segment in segments {
        let SegmentContents { offset, sealed_bytes, raw_bytes, realm, epoch, hash, chunks } = segment;
        let hash = hex::encode(hash);
        let _ = writeln!(text, "segment {offset} {sealed_bytes} {raw_bytes} {realm} {epoch} {hash}");
        for ChunkContents { id, bytes, rows, continues } in chunks {
            let _ = writeln!(text, "{id} {bytes} {rows}{}", if *continues { " +" } else { "" });
        }
    }
    text
}

/// Writes the line that stands before a pack's segments in an index.
pub fn pack_to_text(pack: PackId, bytes: u64) -> String {
    format!("pack {pack} {bytes}\n")
}

/// Reads the table of contents of one pack; `what` is for messages.
pub fn segments_from_text(what: &str, text: &str) -> Result<Vec<SegmentContents>> {
    let mut segments = Vec::new();
    for line in text.lines() {
        read_line(&mut segments, line).ok_or_else(|| bad_line(what))?;
    }
    check_chunks(what, &segments)?;
    Ok(segments)
}

/// Reads an index; `what` is for messages.
pub fn packs_from_text(what: &str, text: &str) -> Result<Vec<PackContents>> {
    let mut packs: Vec<PackContents> = Vec::new();
    for line in text.lines() {
        let read = match line.strip_prefix("pack ") {
            Some(rest) => rest.split_once(' ').and_then(|(id, bytes)| {
                packs.push(PackContents {
                    pack: id.parse().ok()?,
                    bytes: bytes.parse().ok()?,
                    segments: Vec::new(),
                });
                Some(())
            }),
            None => packs.last_mut().and_then(|pack| read_line(&mut pack.segments, line)),
        };
        read.ok_or_else(|| bad_line(what))?;
    }
    for pack in &packs {
        check_chunks(what, &pack.segments)?;
    }
    Ok(packs)
}

fn read_line(segments: &mut Vec<SegmentContents>, line: &str) -> Option<()> {
    let words: Vec<_> = line.split(' ').collect();
    match words[..] {
        ["segment", offset, sealed_bytes, raw_bytes, realm, epoch, hash] => {
            let mut segment = SegmentContents {
                offset: offset.parse().ok()?,
                sealed_bytes: sealed_bytes.parse().ok()?,
                raw_bytes: raw_bytes.parse().ok()?,
                realm: realm.parse().ok()?,
                epoch: epoch.parse().ok()?,
                hash: [0; 16],
                chunks: Vec::new(),
            };
            hex::decode_to_slice(hash, &mut segment.hash).ok()?;
            segments.push(segment);
        }
        [id, bytes, rows] | [id, bytes, rows, "+"] => segments.last_mut()?.chunks.push(ChunkContents {
            id: id.parse().ok()?,
            bytes: bytes.parse().ok()?,
            rows: rows.parse().ok()?,
            continues: words.len() == 4,
        }),
        _ => return None,
    }
    Some(())
}

/// A segment is exactly its chunks.
fn check_chunks(what: &str, segments: &[SegmentContents]) -> Result<()> {
    for segment in segments {
        if segment.raw_bytes > SEGMENT_RAW_BYTES_MAX {
            let raw = segment.raw_bytes;
            return Err(Error::damaged(what, format!("a segment claims {raw} raw bytes, more than any has")));
        }
        let sum: u64 = segment.chunks.iter().map(|chunk| u64::from(chunk.bytes)).sum();
        if sum != u64::from(segment.raw_bytes) {
            let raw = segment.raw_bytes;
            return Err(Error::damaged(what, format!("a segment of {raw} bytes lists chunks of {sum}")));
        }
    }
    Ok(())
}

fn bad_line(what: &str) -> Error {
    Error::damaged(what, "its contents hold a line that cannot be read")
}
