//! The proof after a backup: a sample of the recipes as the store has them against the rows remembered
//! while they were read. It needs no key that opens rows. A part whose records were not kept, or cannot
//! be read back from the agent's own disk, is no witness.

use rand::seq::SliceRandom;

use super::{Bits, Memory, Recalled, Recorded};
use crate::format::fingerprints::Remembered;
use crate::format::manifest::TableRecord;
use crate::format::recipe::Part;
use crate::{ChunkId, Error, Realm, Result, SnapshotReader};

/// Parts looked at, those that changed before others.
const PARTS_PROVEN: usize = 8;

/// Proves a sample of the parts that were recorded.
///
/// # Errors
/// `Damaged`, `Missing` or `Mismatch`: then the snapshot must not come to exist.
pub(crate) async fn prove(
    reader: &SnapshotReader,
    memory: &Memory,
    tables: &[TableRecord],
    recorded: &[Recorded],
) -> Result<()> {
    let kept = recorded.iter().filter_map(|part| Some((part.changed, part.remembered.as_ref()?)));
    let mut sample: Vec<_> = kept.collect();
    sample.shuffle(&mut rand::rng());
    sample.sort_by_key(|(changed, _)| !changed);
    sample.truncate(PARTS_PROVEN);
    let streams = || tables.iter().flat_map(|table| &table.streams);
    for (_, remembered) in sample {
        let Remembered { stretch, part, more, .. } = remembered;
        let what = format!("the recipe of {stretch}");
        let recalled = match memory.recall(remembered) {
            Ok(recalled) => recalled,
            Err(reason) => {
                memory.drop_because(reason);
                continue;
            }
        };
        let first: Vec<_> = recalled.chunks.iter().map(|chunk| chunk.id).collect();
        for (part, ids) in std::iter::once((part, &first)).chain(more.iter().zip(&recalled.more)) {
            let stream = streams().find(|stream| stream.parts.contains(part));
            let stream = stream.ok_or_else(|| mismatch(&what, "the catalogue does not have it"))?;
            prove_part(reader, &what, Realm::Rows(stream.grade), part, &recalled, ids).await?;
        }
    }
    Ok(())
}

/// Reads a part's recipe back: its chunks are stored and are `ids`, its rows are those remembered, each once.
async fn prove_part(
    reader: &SnapshotReader,
    what: &str,
    realm: Realm,
    part: &Part,
    recalled: &Recalled,
    ids: &[ChunkId],
) -> Result<()> {
    let found = reader.find(what, realm, part).await?;
    if found.chunks.len() != recalled.chunks.len() {
        return Err(mismatch(what, "its list of chunks is not the one that was written"));
    }
    let mut starts = Vec::with_capacity(found.chunks.len());
    let mut rows = 0;
    for ((found, listed), own) in found.chunks.iter().zip(&recalled.chunks).zip(ids) {
        starts.push(rows);
        rows += listed.rows as usize;
        if found.as_ref().is_some_and(|(id, location)| id != own || location.rows != listed.rows) {
            return Err(mismatch(what, "a chunk is not the one that was written"));
        }
    }
    let mut remembered = Bits::new(rows);
    for record in &recalled.records {
        if record.place() as usize >= rows || remembered.set(record.place() as usize) {
            return Err(mismatch(what, "two rows have one place"));
        }
    }
    for run in &found.runs {
        let start = starts[run.chunk as usize] + run.first as usize;
        if !(start..start + run.rows as usize).all(|place| remembered.get(place)) {
            return Err(mismatch(what, "it has a row that was not read"));
        }
    }
    let has: u64 = found.runs.iter().map(|run| u64::from(run.rows)).sum();
    match has == part.rows && part.rows == recalled.records.len() as u64 {
        true => Ok(()),
        false => Err(mismatch(what, &format!("it has {has} rows, {} were read", recalled.records.len()))),
    }
}

fn mismatch(what: &str, reason: &str) -> Error {
    Error::Mismatch { what: what.to_owned(), reason: reason.to_owned() }
}
