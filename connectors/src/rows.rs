//! The one shape in which rows travel: tab-separated lines with backslash escapes and `\N` for NULL,
//! as PostgreSQL's COPY text format writes them. One row, one line, ended by a newline that no
//! value can contain.

use tokio::sync::mpsc;

use crate::{Error, Result};

/// Raw bytes a batch is filled to before it is sent on, unless a single row is larger.
///
/// Large enough that a channel hand-over costs nothing per row, small enough that a few in flight
/// fit any machine.
pub const ROW_BATCH_BYTES: usize = 512 * 1024;

/// Batches a channel holds before the sender waits: back-pressure from a slow store reaches the
/// database through this bound.
const ROW_CHANNEL_BATCHES: usize = 4;

/// Whole rows of one table (or of one stream of it), in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RowBatch {
    /// The lines, each with its newline.
    pub bytes: Vec<u8>,
    /// The end of each row in `bytes`, its newline included; the last one equals `bytes.len()`.
    pub ends: Vec<usize>,
}

/// Takes rows from a capture; sending waits while the receiver is behind and fails once it is gone.
pub type RowSender = mpsc::Sender<RowBatch>;
/// Gives rows to a load, or to the vault.
pub type RowReceiver = mpsc::Receiver<RowBatch>;

/// Makes the bounded channel that rows travel through.
pub fn row_channel() -> (RowSender, RowReceiver) {
    mpsc::channel(ROW_CHANNEL_BATCHES)
}

impl RowBatch {
    /// Returns an empty batch with room for [`ROW_BATCH_BYTES`].
    pub fn with_room() -> Self {
        Self {
            bytes: Vec::with_capacity(ROW_BATCH_BYTES + ROW_BATCH_BYTES / 8),
            ends: Vec::with_capacity(4096),
        }
    }

    /// Appends one row that already ends in its newline.
    pub fn push_line(&mut self, line: &[u8]) {
        debug_assert_eq!(line.last(), Some(&b'\n'));
        self.bytes.extend_from_slice(line);
        self.ends.push(self.bytes.len());
    }

    /// Whether it is time to send this batch on.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= ROW_BATCH_BYTES
    }

    /// Rows in the batch.
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// Iterates over the rows, each with its newline.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}

/// Gathers lines into batches and sends the full ones on.
pub(crate) struct Outgoing<'a> {
    rows: &'a RowSender,
    batch: RowBatch,
    sent: u64,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(rows: &'a RowSender) -> Self {
        Self { rows, batch: RowBatch::with_room(), sent: 0 }
    }

    /// The batch that the next line goes into.
    pub(crate) fn batch(&mut self) -> &mut RowBatch {
        &mut self.batch
    }

    /// Sends the batch on when it is full; fails with `Cancelled` once nobody takes rows any more.
    pub(crate) async fn pass_on(&mut self) -> Result<()> {
        if self.batch.is_full() { self.send().await } else { Ok(()) }
    }

    /// Sends what is left; returns how many rows there were.
    pub(crate) async fn finish(mut self) -> Result<u64> {
        if self.batch.rows() > 0 {
            self.send().await?;
        }
        Ok(self.sent)
    }

    async fn send(&mut self) -> Result<()> {
        self.sent += self.batch.rows() as u64;
        let full = std::mem::replace(&mut self.batch, RowBatch::with_room());
        self.rows.send(full).await.map_err(|_| Error::Cancelled)
    }
}
