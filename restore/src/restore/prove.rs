//! Reads every row of the plan without writing any, to know which tables are damaged before the target
//! is touched: not every target can take the first half of a table out again.

use lifeboat_console::{CommandError, Progress, TableProgress};
use lifeboat_vault::{Rows, SnapshotReader};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Chosen, Plan};

/// Batches read ahead.
const BATCHES_WAITING: usize = 2;

/// A place in the plan and why its table cannot be read.
type Proof = Result<Option<(usize, String)>, CommandError>;

/// Marks the tables whose rows are damaged.
pub async fn prove(
    plan: &mut Plan,
    reader: &SnapshotReader,
    at_once: usize,
    progress: &Progress,
) -> Result<(), CommandError> {
    let mut running: JoinSet<Proof> = JoinSet::new();
    let mut found = Vec::new();
    for (at, table) in plan.tables.iter().enumerate().filter(|(_, table)| !table.is_left_empty()) {
        while running.len() >= at_once {
            found.extend(join_one(&mut running).await?);
        }
        let shown = progress.table(&table.name(), Some(table.record.rows));
        running.spawn(prove_one(at, table.clone(), reader.clone(), shown));
    }
    while !running.is_empty() {
        found.extend(join_one(&mut running).await?);
    }
    for (at, reason) in found {
        plan.tables[at].damage = Some(reason);
    }
    Ok(())
}

async fn join_one(running: &mut JoinSet<Proof>) -> Proof {
    match running.join_next().await {
        None => Ok(None),
        Some(Ok(done)) => done,
        Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
    }
}

async fn prove_one(at: usize, table: Chosen, reader: SnapshotReader, shown: TableProgress) -> Proof {
    let (out, mut rows) = mpsc::channel::<Rows>(BATCHES_WAITING);
    let count = async {
        while let Some(batch) = rows.recv().await {
            shown.add(batch.ends.len() as u64, batch.bytes.len() as u64);
        }
    };
    let (read, ()) = tokio::join!(reader.table_rows(&table.record, &table.shown.read, &[], out), count);
    match read {
        Ok(()) => {
            shown.finish();
            Ok(None)
        }
        Err(error) if error.is_damage() => Ok(Some((at, error.to_string()))),
        Err(error) => Err(error.into()),
    }
}
