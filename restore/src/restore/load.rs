//! Tables out of the vault and into the target, several at once, the largest first.

use std::collections::VecDeque;
use std::sync::Arc;

use lifeboat_connectors::{Load, LoadReport, RowBatch, row_channel};
use lifeboat_console::{CommandError, Interrupt, Kind, Progress, TableProgress};
use lifeboat_vault::{Error as VaultError, Rows, SnapshotReader};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::mask::Masks;
use super::{Chosen, Plan};

/// Batches between the vault and the connector's own channel.
const BATCHES_WAITING: usize = 2;

/// What is left behind when a restore is stopped.
const UNFINISHED: &str =
    "the command: the target is not complete; the same command finds what is there and starts it over";

/// The first tables on their way out of the vault, while the target is being made ready for them.
pub struct Ahead(VecDeque<Reading>);

/// A table's rows on their way out of the vault.
struct Reading {
    rows: mpsc::Receiver<Rows>,
    /// One task, which ends with this.
    task: JoinSet<Result<(), VaultError>>,
}

impl Ahead {
    /// Starts to read as many tables as will be loaded at once; their channels bound what is in memory.
    pub fn start(reader: &SnapshotReader, plan: &Plan, writers: usize) -> Self {
        let tables = plan.largest_first().into_iter().take(writers).filter(|table| !table.is_left_empty());
        Self(tables.map(|table| Reading::start(reader, table)).collect())
    }
}

impl Reading {
    fn start(reader: &SnapshotReader, table: &Chosen) -> Self {
        let (out, rows) = mpsc::channel(BATCHES_WAITING);
        let (reader, record, shown) = (reader.clone(), table.record.clone(), table.shown.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { reader.table_rows(&record, &shown.read, &[], out).await });
        Self { rows, task }
    }
}

/// Loads every table of the plan and makes the restore complete, or gives it up.
///
/// # Errors
/// The first true cause; the target is then left such that the same command starts over.
pub async fn load(
    begun: Box<dyn Load>,
    ahead: Ahead,
    reader: &SnapshotReader,
    plan: &Plan,
    writers: usize,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<LoadReport, CommandError> {
    let load: Arc<Box<dyn Load>> = Arc::new(begun);
    let mut running = JoinSet::new();
    let interrupt = interrupt.during(UNFINISHED);
    let loading = load_tables(&load, ahead, reader, plan, writers, progress, &mut running);
    let loaded = interrupt.or(loading).await;
    running.shutdown().await;
    let load = Arc::into_inner(load).expect("nobody loads any more");
    if let Err(error) = loaded {
        load.abort().await;
        return Err(error);
    }
    progress.phase("completing");
    interrupt.or(load.finish()).await
}

async fn load_tables(
    load: &Arc<Box<dyn Load>>,
    mut ahead: Ahead,
    reader: &SnapshotReader,
    plan: &Plan,
    writers: usize,
    progress: &Progress,
    running: &mut JoinSet<Result<(), CommandError>>,
) -> Result<(), CommandError> {
    for table in plan.largest_first() {
        while running.len() >= writers {
            join_one(running).await?;
        }
        let load = Arc::clone(load);
        if table.is_left_empty() {
            running.spawn(leave_empty(load, table.clone()));
            continue;
        }
        let shown = progress.table(&table.name(), Some(table.record.rows));
        let reading = match ahead.0.pop_front() {
            Some(reading) => reading,
            None => Reading::start(reader, table),
        };
        running.spawn(load_one(load, reading, table.clone(), shown));
    }
    while !running.is_empty() {
        join_one(running).await?;
    }
    Ok(())
}

async fn join_one(running: &mut JoinSet<Result<(), CommandError>>) -> Result<(), CommandError> {
    match running.join_next().await {
        None => Ok(()),
        Some(Ok(done)) => done,
        Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// A table of no rows is loaded too, so that the connector knows of it.
async fn leave_empty(load: Arc<Box<dyn Load>>, table: Chosen) -> Result<(), CommandError> {
    let (sender, receiver) = row_channel();
    drop(sender);
    load.load(&table.load, 0, receiver).await?;
    Ok(())
}

/// Masks take longer than the runtime's own threads may be held.
async fn masked(masks: &Arc<Masks>, rows: Rows) -> Rows {
    let masks = Arc::clone(masks);
    let masked = tokio::task::spawn_blocking(move || masks.rows(&rows)).await;
    masked.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// Reading runs in a task of its own, so that it overlaps with loading on another core.
async fn load_one(
    load: Arc<Box<dyn Load>>,
    reading: Reading,
    table: Chosen,
    shown: TableProgress,
) -> Result<(), CommandError> {
    let Reading { rows: mut read_rows, task: mut reading } = reading;
    let (sender, receiver) = row_channel();
    let counted = &shown;
    let masks = table.shown.masks.clone();
    let pass = async move {
        while let Some(rows) = read_rows.recv().await {
            counted.add(rows.ends.len() as u64, rows.bytes.len() as u64);
            let Rows { bytes, ends } = match &masks {
                Some(masks) => masked(masks, rows).await,
                None => rows,
            };
            if sender.send(RowBatch { bytes, ends }).await.is_err() {
                return;
            }
        }
    };
    let (written, ()) = tokio::join!(load.load(&table.load, table.record.rows, receiver), pass);
    let read = match reading.join_next().await {
        Some(Ok(read)) => read,
        Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
        None => Ok(()),
    };
    // What the vault could not give is the cause; that the target then missed rows, its consequence.
    match (read, written) {
        (Err(error), _) if error.is_damage() => {
            let text = format!("table {} cannot be read", table.name());
            Err(CommandError::new(Kind::Damage, error.to_string()).context(text))
        }
        (Err(error), _) if !matches!(error, VaultError::Cancelled) => Err(error.into()),
        (_, Err(error)) => Err(error.into()),
        (Err(error), Ok(_)) => Err(error.into()),
        (Ok(()), Ok(_)) => {
            shown.finish();
            Ok(())
        }
    }
}
