//! Reading rows: ranges of a table's key, over connections that stand on one point.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};

use super::connect::Endpoint;
use super::fault::words;
use super::inventory::Relation;
use super::sql::ident;
use super::wire::Wire;
use super::{line, slices};
use crate::{Error, Outgoing, Result, RowSender, Slice};

/// How long a waiting connection's answer may take.
const ANSWER_SECONDS: u64 = 60;

/// Connections on one point. All were opened with it; one that broke cannot be replaced.
#[derive(Debug)]
pub(super) struct Readers {
    endpoint: Endpoint,
    lock_timeout_ms: u64,
    permits: Semaphore,
    idle: Mutex<Vec<Wire>>,
    count: usize,
    /// Why one of them is gone, once it is.
    broken: OnceLock<String>,
}

impl Readers {
    pub(super) fn new(endpoint: Endpoint, lock_timeout_ms: u64, connections: Vec<Wire>) -> Self {
        let count = connections.len();
        Self {
            endpoint,
            lock_timeout_ms,
            permits: Semaphore::new(count),
            idle: Mutex::new(connections),
            count,
            broken: OnceLock::new(),
        }
    }

    /// Reads one slice once a reader is free.
    pub(super) async fn read(&self, relation: &Relation, slice: &Slice, rows: &RowSender) -> Result<u64> {
        let _permit = self.permits.acquire().await.map_err(|_| Error::Cancelled)?;
        let mut idle = self.idle.lock().await;
        if self.broken.get().is_some() {
            return Err(self.lost());
        }
        let mut wire = idle.pop().ok_or_else(|| self.lost())?;
        drop(idle);
        // A connection that failed, or whose receiver went away in mid-stream, is dropped with its state.
        let read = self.select(&mut wire, relation, slice, rows).await?;
        self.idle.lock().await.push(wire);
        Ok(read)
    }

    async fn select(
        &self,
        wire: &mut Wire,
        relation: &Relation,
        slice: &Slice,
        rows: &RowSender,
    ) -> Result<u64> {
        let name = relation.table_name().to_string();
        let during = self.endpoint.during(&name, self.lock_timeout_ms);
        let columns = wire.query(&select(relation, slice)).await.map_err(|error| during.map(error))?;
        let mut out = Outgoing::new(rows);
        while let Some(row) = wire.row().await.map_err(|error| during.map(error))? {
            line::push(out.batch(), row, columns).map_err(|error| during.map(error))?;
            out.pass_on().await?;
        }
        out.finish().await
    }

    /// Speaks to every reader that waits: firewalls and proxies cut what is silent. After a failure nothing
    /// more is read: the rest of the snapshot could not be.
    pub(super) async fn ping(&self) -> Result<()> {
        let mut idle = self.idle.lock().await;
        for wire in idle.iter_mut() {
            let asked = tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), wire.ping()).await;
            let failed = match asked {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => words(&error),
                Err(_) => format!("no answer in {ANSWER_SECONDS} s"),
            };
            let _ = self.broken.set(failed);
            return Err(self.lost());
        }
        Ok(())
    }

    /// Confirms that every reader held its point to the end, and lets go.
    pub(super) async fn finish(&self) -> Result<()> {
        let mut idle = self.idle.lock().await;
        if idle.len() < self.count {
            return Err(self.lost());
        }
        let during = self.endpoint.during("letting go of the snapshot", self.lock_timeout_ms);
        for wire in idle.iter_mut() {
            wire.run("COMMIT").await.map_err(|error| during.map(error))?;
        }
        Ok(())
    }

    fn lost(&self) -> Error {
        let why = self.broken.get().map_or_else(String::new, |why| format!(": {why}"));
        Error::Interrupted {
            endpoint: self.endpoint.label(),
            reason: format!("the snapshot is no longer held{why}"),
        }
    }
}

/// The statement that gives a slice's rows, in the order of their key where rows are kept in it.
fn select(relation: &Relation, slice: &Slice) -> String {
    let fields =
        relation.columns.iter().map(|field| field.shape.read(&field.name)).collect::<Vec<_>>().join(", ");
    // A table of generated columns only: its rows still count.
    let fields = if fields.is_empty() { "''".to_owned() } else { fields };
    let name = ident(&relation.name);
    let history = if relation.has_history() { " FOR SYSTEM_TIME ALL" } else { "" };
    if relation.key.is_empty() || !relation.is_transactional() {
        return format!("SELECT {fields} FROM {name}{history}");
    }
    let period = relation.columns.iter().filter(|field| field.period).map(|field| ident(&field.name));
    let order = relation.key.iter().map(|column| ident(column)).chain(period).collect::<Vec<_>>().join(", ");
    let condition = slices::condition(relation, slice);
    let index = if relation.has_history() { "" } else { " FORCE INDEX (PRIMARY)" };
    format!("SELECT {fields} FROM {name}{history}{index}{condition} ORDER BY {order}")
}
