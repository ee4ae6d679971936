//! A table's rows from its streams, read in step and put together.
//!
//! Streams of one table have the same rows in the same order. Those whose grade is not asked for are not
//! read; what stands in the place of their fields is the caller's.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::rows::BATCH_BYTES;
use super::{Rows, SnapshotReader};
use crate::format::manifest::TableRecord;
use crate::{Error, Grade, Result, Split};

/// Batches of each stream that wait to be put together.
const BATCHES_WAITING: usize = 2;

/// One stream on its way: what has come of it, and the row that is next.
struct Coming {
    batches: mpsc::Receiver<Rows>,
    rows: Rows,
    next: usize,
}

impl SnapshotReader {
    /// Sends a table's rows into `out`, made of its streams of the grades in `open`; every other column has
    /// the field that `absent` has at its place, `\N` where it has none.
    ///
    /// # Errors
    /// As [`SnapshotReader::rows`]; `Mismatch` when the table has rows and no stream of these grades.
    pub async fn table_rows(
        &self,
        table: &TableRecord,
        open: &[Grade],
        absent: &[Vec<u8>],
        out: mpsc::Sender<Rows>,
    ) -> Result<()> {
        let split = Split::recorded(table)?;
        if let ([stream], true) = (&table.streams[..], split.is_whole()) {
            return self.rows(&table.table, stream, out).await;
        }
        let mut tasks = JoinSet::new();
        let mut coming = Vec::new();
        for stream in &table.streams {
            if !open.contains(&stream.grade) {
                coming.push(None);
                continue;
            }
            let (sender, batches) = mpsc::channel(BATCHES_WAITING);
            let (own, head, stream) = (self.clone(), table.table.clone(), stream.clone());
            tasks.spawn(async move { own.rows(&head, &stream, sender).await });
            coming.push(Some(Coming { batches, rows: Rows::default(), next: 0 }));
        }
        if tasks.is_empty() {
            // Of no rows nothing is closed.
            if table.rows == 0 {
                return Ok(());
            }
            let reason = "none of its streams is open".to_owned();
            return Err(Error::Mismatch { what: format!("table {}", table.table), reason });
        }
        let together = put_together(table, &split, coming, absent, &out).await;
        // A stream that could not be read is the cause of whatever the others then seem to lack.
        while let Some(read) = tasks.join_next().await {
            match read {
                Ok(Err(error)) if !matches!(error, Error::Cancelled) => return Err(error),
                Ok(_) => {}
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        together
    }
}

/// Takes a row of each stream in turn.
async fn put_together(
    table: &TableRecord,
    split: &Split,
    mut coming: Vec<Option<Coming>>,
    absent: &[Vec<u8>],
    out: &mpsc::Sender<Rows>,
) -> Result<()> {
    let damaged = |reason: String| Error::damaged(format!("table {}", table.table), reason);
    let mut batch = Rows::default();
    loop {
        let mut streams = coming.iter_mut().flatten();
        let mut more = 0;
        for stream in &mut streams {
            more += usize::from(stream.fill().await);
        }
        if more == 0 {
            break;
        }
        if more < coming.iter().flatten().count() {
            return Err(damaged("its streams do not have the same number of rows".into()));
        }
        // As many rows as every stream has at hand.
        let at_hand = coming.iter().flatten().map(|stream| stream.rows.ends.len() - stream.next).min();
        for _ in 0..at_hand.unwrap_or_default() {
            let lines: Vec<_> = coming.iter_mut().map(|stream| stream.as_mut().map(Coming::take)).collect();
            split.put_together(&lines, absent, &mut batch.bytes).map_err(damaged)?;
            batch.ends.push(batch.bytes.len());
            if batch.bytes.len() >= BATCH_BYTES {
                out.send(std::mem::take(&mut batch)).await.map_err(|_| Error::Cancelled)?;
            }
        }
    }
    if batch.bytes.is_empty() { Ok(()) } else { out.send(batch).await.map_err(|_| Error::Cancelled) }
}

impl Coming {
    /// Makes sure that a row is at hand, if there is one.
    async fn fill(&mut self) -> bool {
        while self.next == self.rows.ends.len() {
            match self.batches.recv().await {
                Some(rows) => (self.rows, self.next) = (rows, 0),
                None => return false,
            }
        }
        true
    }

    /// The next row, which is at hand.
    fn take(&mut self) -> &[u8] {
        let start = if self.next == 0 { 0 } else { self.rows.ends[self.next - 1] };
        self.next += 1;
        &self.rows.bytes[start..self.rows.ends[self.next - 1]]
    }
}
