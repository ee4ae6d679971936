//! Every row of a capture through the vault's lanes.
//!
//! ```text
//! capture.read (a task) ──batches──▶ lane (a thread): digest, cut, hash, compress, seal
//! ```
//!
//! One such pair for each reader, over a shared queue of slices, the largest first. The channel between
//! the two is bounded, so memory is too, and a slow store slows the database's readers down.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use lifeboat_connectors::{Capture, Error as SourceError, Slice, TableKind, TableName, row_channel};
use lifeboat_console::{CommandError, Interrupt, Kind, Progress};
use lifeboat_vault::format::manifest::FileRecord;
use lifeboat_vault::{Grade, Lane, RowDigest, SnapshotWriter, StreamWriter, Vault};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::stop::Stop;
use super::tables::{SliceDone, Tables};
use crate::grades::Catalogue;

/// What came of reading.
pub struct Read {
    /// The schema's files.
    pub files: Vec<FileRecord>,
    /// Every slice of every table.
    pub tables: Tables,
}

/// What the lanes share.
struct Shared {
    capture: Arc<Box<dyn Capture>>,
    queue: Mutex<VecDeque<Slice>>,
    tables: Tables,
    files: Mutex<Vec<FileRecord>>,
    /// The grade of the schema's files.
    schema_grade: Grade,
    stop: Stop,
    vault: Vault,
    progress: Progress,
    runtime: Handle,
}

/// Reads the schema and every slice with `readers` lanes, as `catalogue` grades them. When it returns, nobody holds the capture or a
/// lane any more.
///
/// # Errors
/// The first true cause. An error that says `Cancelled` means that the packer knows the cause.
pub async fn read(
    capture: Arc<Box<dyn Capture>>,
    catalogue: &Catalogue,
    readers: usize,
    writer: &SnapshotWriter,
    vault: &Vault,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<Read, CommandError> {
    let shared = Arc::new(Shared {
        queue: Mutex::new(queue(&**capture)),
        tables: Tables::new(capture.tables(), &catalogue.splits),
        files: Mutex::default(),
        schema_grade: catalogue.schema,
        stop: Stop::new(),
        vault: vault.clone(),
        progress: progress.clone(),
        runtime: Handle::current(),
        capture,
    });
    let mut threads = JoinSet::new();
    for _ in 0..readers {
        let (shared, lane) = (Arc::clone(&shared), writer.lane()?);
        let span = tracing::Span::current();
        threads.spawn_blocking(move || span.in_scope(|| shared.watch(|| shared.read_slices(lane))));
    }
    let (sharing, lane) = (Arc::clone(&shared), writer.lane()?);
    let span = tracing::Span::current();
    threads.spawn_blocking(move || span.in_scope(|| sharing.watch(|| sharing.read_schema(lane))));
    join(threads, &shared.stop, interrupt, progress).await;

    let shared = Arc::into_inner(shared).expect("every thread has ended");
    if shared.stop.is_stopped() {
        return Err(shared.stop.take_cause().unwrap_or_else(|| lifeboat_vault::Error::Cancelled.into()));
    }
    let files = shared.files.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Read { files, tables: shared.tables })
}

/// Slices, the largest first; equal ones in the order of their tables and rows.
fn queue(capture: &dyn Capture) -> VecDeque<Slice> {
    let mut slices: Vec<_> = capture.tables().iter().flat_map(|table| table.slices.iter().cloned()).collect();
    slices.sort_by_key(|slice| std::cmp::Reverse(slice.bytes_estimated));
    slices.into()
}

/// What a slice is called from one snapshot to the next.
fn stretch(table: &TableName, slice: usize) -> String {
    serde_json::json!([table.schema, table.name, slice]).to_string()
}

/// Waits for every thread; a signal stops them.
async fn join(mut threads: JoinSet<()>, stop: &Stop, interrupt: &Interrupt, progress: &Progress) {
    loop {
        tokio::select! {
            ended = threads.join_next() => match ended {
                None => return,
                Some(Ok(())) => {}
                Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
            },
            error = interrupt.wait(), if !stop.is_stopped() => {
                progress.note("stopping; a second signal stops at once and does no harm either");
                stop.fail(error);
            }
        }
    }
}

impl Shared {
    /// Runs a thread's work and tells everybody when it fails.
    fn watch(&self, work: impl FnOnce() -> Result<(), CommandError>) {
        if let Err(error) = work() {
            self.stop.fail(error);
        }
    }

    fn next(&self) -> Option<Slice> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn read_slices(self: &Arc<Self>, mut lane: Lane) -> Result<(), CommandError> {
        while let Some(slice) = self.next() {
            if self.stop.is_stopped() {
                return Err(SourceError::Cancelled.into());
            }
            let done = self.read_slice(&mut lane, &slice)?;
            self.tables.done(&slice, done);
        }
        Ok(lane.finish()?)
    }

    /// One slice: a task reads, this thread writes.
    fn read_slice(self: &Arc<Self>, lane: &mut Lane, slice: &Slice) -> Result<SliceDone, CommandError> {
        let progress = self.tables.begin(slice, &self.progress);
        let (sender, mut receiver) = row_channel();
        let (sharing, reading) = (Arc::clone(self), slice.clone());
        let reader = self.runtime.spawn(async move {
            tokio::select! {
                rows = sharing.capture.read(&reading, sender) => rows,
                () = sharing.stop.wait() => Err(SourceError::Cancelled),
            }
        });
        let mut digest = self.vault.row_digest();
        let mut stream = self.stream(lane, slice);
        let mut fault = None;
        while let Some(batch) = receiver.blocking_recv() {
            digest.add_rows(&batch.bytes, &batch.ends);
            progress.add(batch.rows() as u64, batch.bytes.len() as u64);
            if let Err(error) = stream.push(batch.bytes, batch.ends) {
                fault = Some(error);
                break;
            }
        }
        drop(receiver);
        let read = self.runtime.block_on(reader).unwrap_or_else(|panic| {
            std::panic::resume_unwind(panic.into_panic());
        });
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        self.expect(slice, read?, &digest)?;
        Ok(SliceDone { streams: stream.finish()?, digest })
    }

    /// A table's rows are a set, and those of yesterday stay where they are; pages of large objects have to
    /// come back in their order.
    fn stream<'a>(&self, lane: &'a mut Lane, slice: &Slice) -> StreamWriter<'a> {
        let table = &self.capture.tables()[slice.table];
        let split = self.tables.split(slice);
        match table.kind {
            TableKind::Table => lane.stretch(&split, &stretch(&table.name, slice.index)),
            TableKind::LargeObjects => {
                lane.ordered(split.streams().next().map_or(Grade::High, |(grade, _)| grade))
            }
        }
    }

    /// A row lost between the connector and the vault must never go unnoticed.
    fn expect(&self, slice: &Slice, sent: u64, digest: &RowDigest) -> Result<(), CommandError> {
        if sent == digest.rows() {
            return Ok(());
        }
        let name = &self.capture.tables()[slice.table].name;
        let text = format!("{name}: the connector read {sent} rows, {} arrived", digest.rows());
        Err(CommandError::new(Kind::Failed, text)
            .hint("this is a fault of Lifeboat: please report it with the log of `backup -vv`"))
    }

    fn read_schema(&self, mut lane: Lane) -> Result<(), CommandError> {
        let files = self.runtime.block_on(async {
            tokio::select! {
                files = self.capture.schema() => files,
                () = self.stop.wait() => Err(SourceError::Cancelled),
            }
        })?;
        let mut records = Vec::new();
        for file in files {
            self.progress.add_bytes(file.bytes.len() as u64);
            records.push(lane.file(&file.name, self.schema_grade, &file.bytes)?);
        }
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = records;
        Ok(lane.finish()?)
    }
}
