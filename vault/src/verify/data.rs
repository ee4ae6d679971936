//! Rows read to be proven: every chunk is hashed on the way, every row counted and digested.

use super::{Depth, Look, TableSeen};
use crate::format::manifest::{StreamRecord, TableRecord};
use crate::tasks::joined;
use crate::{Error, Grade, Result, RowDigest, SnapshotReader, Split, StreamDigests};

/// Batches between reading and digesting.
const BATCHES_WAITING: usize = 4;

/// Reads a stream's rows, all or a sample of its parts.
pub(super) async fn read(
    how: Look<'_>,
    table: &TableRecord,
    stream: &StreamRecord,
    looked: &mut TableSeen,
) -> Result<()> {
    let Look { reader, depth, seen, sure } = how;
    let chosen = match depth {
        Depth::Structure => return Ok(()),
        Depth::All => stream.clone(),
        Depth::Sample { percent } => {
            let drawn = stream.parts.iter().filter(|_| rand::random_range(0..100) < percent);
            let mut parts: Vec<_> = drawn.cloned().collect();
            if sure && parts.is_empty() {
                parts.push(stream.parts[rand::random_range(0..stream.parts.len())].clone());
            }
            StreamRecord { parts, ..stream.clone() }
        }
    };
    let digest = digest(reader, table, &chosen).await?;
    let raw_bytes = chosen.parts.iter().map(|part| part.bytes).sum();
    // A row is one, in however many streams it has fields.
    let new_rows = digest.rows().saturating_sub(looked.rows);
    seen(new_rows, raw_bytes);
    looked.rows += new_rows;
    looked.raw_bytes += raw_bytes;
    match depth {
        Depth::All => digest.expect(&format!("table {}", table.table), table.rows, &stream.digest),
        _ => Ok(()),
    }
}

/// Reads every row of a table whose streams are all open: whole rows and each stream's lines have their
/// digests.
pub(super) async fn read_together(how: Look<'_>, table: &TableRecord, looked: &mut TableSeen) -> Result<()> {
    let Look { reader, seen, .. } = how;
    let (sender, mut rows) = tokio::sync::mpsc::channel(BATCHES_WAITING);
    let (own, record) = (reader.clone(), table.clone());
    let read = tokio::spawn(async move { own.table_rows(&record, &Grade::ALL, &[], sender).await });
    let mut whole = reader.vault.row_digest();
    let mut streams = StreamDigests::new(Split::recorded(table)?, &whole);
    let count = tokio::task::spawn_blocking(move || {
        while let Some(batch) = rows.blocking_recv() {
            whole.add_rows(&batch.bytes, &batch.ends);
            batch.lines().try_for_each(|row| streams.add(row))?;
        }
        Ok::<_, Error>((whole, streams))
    });
    let (read, counted) = tokio::join!(read, count);
    joined(read)??;
    let (whole, streams) = joined(counted)??;
    let raw_bytes = table.streams.iter().flat_map(|stream| &stream.parts).map(|part| part.bytes).sum();
    seen(whole.rows(), raw_bytes);
    looked.rows += whole.rows();
    looked.raw_bytes += raw_bytes;
    let what = format!("table {}", table.table);
    for (stream, digest) in table.streams.iter().zip(streams.digests()) {
        digest.expect(&format!("{what}, grade {}", stream.grade), table.rows, &stream.digest)?;
    }
    whole.expect(&what, table.rows, &table.digest)
}

/// Reads rows through the recipe; the digest is taken on a thread of its own.
async fn digest(reader: &SnapshotReader, table: &TableRecord, stream: &StreamRecord) -> Result<RowDigest> {
    let (sender, mut rows) = tokio::sync::mpsc::channel(BATCHES_WAITING);
    let (own, head, parts) = (reader.clone(), table.table.clone(), stream.clone());
    let read = tokio::spawn(async move { own.rows(&head, &parts, sender).await });
    let mut digest = reader.vault.row_digest();
    let count = tokio::task::spawn_blocking(move || {
        while let Some(batch) = rows.blocking_recv() {
            digest.add_rows(&batch.bytes, &batch.ends);
        }
        digest
    });
    let (read, digest) = tokio::join!(read, count);
    joined(read)??;
    joined(digest)
}
