//! Reading rows: slices of a table by `COPY … TO STDOUT`, over connections that share the snapshot.
//!
//! Each message of the server's is one row, so a batch is filled by appending, with nothing parsed.

use std::time::Duration;

use futures::TryStreamExt as _;
use sqlx::PgConnection;
use tokio::sync::{Mutex, Semaphore, watch};

use super::connect::Endpoint;
use super::fault::{self, During};
use super::inventory::Relation;
use super::{large_objects, sql};
use crate::{CaptureOptions, Error, Outgoing, Result, RowSender, Slice, Table, TableKind};

/// Connections on one exported snapshot, made when first needed.
#[derive(Debug)]
pub(super) struct Readers {
    endpoint: Endpoint,
    snapshot: String,
    lock_timeout_ms: u64,
    permits: Semaphore,
    idle: Mutex<Vec<PgConnection>>,
    /// The connection that exported the snapshot and holds every table's lock. Missing once it broke.
    keeper: Mutex<Option<PgConnection>>,
    /// How long the keeper may be waited for.
    silence_max: Duration,
    /// Why the point is lost, once it is.
    lost: watch::Sender<Option<String>>,
}

impl Readers {
    pub(super) fn new(
        endpoint: Endpoint,
        snapshot: String,
        options: &CaptureOptions,
        keeper: PgConnection,
    ) -> Self {
        Self {
            endpoint,
            snapshot,
            lock_timeout_ms: options.lock_timeout_ms,
            permits: Semaphore::new(options.readers.max(1)),
            idle: Mutex::default(),
            keeper: Mutex::new(Some(keeper)),
            silence_max: Duration::from_millis(options.silence_ms_max),
            lost: watch::Sender::new(None),
        }
    }

    /// Speaks to the keeper now and then until it is gone: firewalls and proxies cut what is silent, and
    /// nothing else would tell of a host that vanished, since who only receives waits for ever.
    pub(super) async fn keep_held(&self) {
        loop {
            tokio::time::sleep(self.silence_max / 2).await;
            if let Err(error) = self.ping().await {
                let reason = match error {
                    Error::Interrupted { reason, .. } => reason,
                    other => other.to_string(),
                };
                self.lost.send_replace(Some(reason));
                return;
            }
        }
    }

    /// Does `work` for as long as the point is held.
    pub(super) async fn while_held<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut lost = self.lost.subscribe();
        tokio::select! {
            done = work => done,
            // The sender is in `self`, so it outlives this wait.
            Ok(reason) = lost.wait_for(Option::is_some) => Err(Error::Interrupted {
                endpoint: self.endpoint.label(),
                reason: reason.clone().unwrap_or_default(),
            }),
        }
    }

    /// Reads one slice once a reader is free.
    pub(super) async fn read(
        &self,
        table: &Table,
        relation: Option<&Relation>,
        slice: &Slice,
        rows: &RowSender,
    ) -> Result<u64> {
        let _permit = self.permits.acquire().await.map_err(|_| Error::Cancelled)?;
        let name = table.name.to_string();
        let label = self.endpoint.label();
        let during = self.during(&label, &name);
        let statement = match (table.kind, relation) {
            (TableKind::Table, Some(relation)) => copy_out(relation, slice),
            _ => large_objects::copy_out(),
        };
        let mut connection = self.take().await?;
        if let Some(relation) = relation {
            let lock = format!("LOCK TABLE ONLY {} IN ACCESS SHARE MODE NOWAIT", sql::table(&relation.name));
            match sql::run(&mut connection, &lock).await {
                Ok(()) => {}
                Err(error) if fault::code(&error).as_deref() == Some("55P03") => {
                    return self.read_by_keeper(&statement, rows, during).await;
                }
                Err(error) => return Err(during.map(error)),
            }
        }
        // A connection that failed, or whose receiver went away in mid-stream, is dropped with its state.
        let read = copy(&mut connection, &statement, rows, during).await?;
        self.idle.lock().await.push(connection);
        Ok(read)
    }

    /// Somebody waits for an exclusive lock that only the keeper is ahead of: a reader would queue
    /// behind him, who waits for the keeper, who waits for the reader.
    async fn read_by_keeper(&self, statement: &str, rows: &RowSender, during: During<'_>) -> Result<u64> {
        let mut keeper = self.keeper.lock().await;
        let mut connection = keeper.take().ok_or_else(|| self.lost())?;
        let read = copy(&mut connection, statement, rows, during).await?;
        *keeper = Some(connection);
        Ok(read)
    }

    async fn take(&self) -> Result<PgConnection> {
        if let Some(connection) = self.idle.lock().await.pop() {
            return Ok(connection);
        }
        let mut connection =
            self.endpoint.connect(self.lock_timeout_ms).await.map_err(|error| match error {
                // The snapshot was taken over this endpoint: it was there a moment ago.
                Error::Unreachable { endpoint, reason } => Error::Interrupted { endpoint, reason },
                other => other,
            })?;
        let label = self.endpoint.label();
        let during = self.during(&label, "joining the snapshot");
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        sql::run(&mut connection, begin).await.map_err(|error| during.map(error))?;
        let join = format!("SET TRANSACTION SNAPSHOT {}", sql::literal(&self.snapshot));
        sql::run(&mut connection, &join).await.map_err(|error| match fault::code(&error).as_deref() {
            Some("22023" | "42704" | "55000") => self.lost(),
            _ => during.map(error),
        })?;
        Ok(connection)
    }

    /// Proves that the point is still held.
    async fn ping(&self) -> Result<()> {
        let mut keeper = self.keeper.lock().await;
        let mut connection = keeper.take().ok_or_else(|| self.lost())?;
        self.ask(&mut connection, "SELECT 1", "holding the snapshot").await?;
        *keeper = Some(connection);
        Ok(())
    }

    /// Confirms the point a last time and lets go of it, once a ping under way is answered.
    pub(super) async fn finish(&self) -> Result<()> {
        let mut connection = self.keeper.lock().await.take().ok_or_else(|| self.lost())?;
        self.ask(&mut connection, "COMMIT", "letting go of the snapshot").await
    }

    /// Runs a statement that a server answers at once or never.
    async fn ask(&self, connection: &mut PgConnection, statement: &str, what: &str) -> Result<()> {
        let label = self.endpoint.label();
        match tokio::time::timeout(self.silence_max, sql::run(connection, statement)).await {
            Ok(answer) => answer.map_err(|error| self.during(&label, what).map(error)),
            Err(_) => Err(Error::Interrupted {
                endpoint: label,
                reason: format!("the server was silent for {} s", self.silence_max.as_secs()),
            }),
        }
    }

    fn during<'a>(&'a self, endpoint: &'a str, what: &'a str) -> During<'a> {
        During { endpoint, user: &self.endpoint.user, what, lock_seconds: self.lock_timeout_ms / 1000 }
    }

    fn lost(&self) -> Error {
        Error::Interrupted {
            endpoint: self.endpoint.label(),
            reason: "the snapshot is no longer held".into(),
        }
    }
}

async fn copy(
    connection: &mut PgConnection,
    statement: &str,
    rows: &RowSender,
    during: During<'_>,
) -> Result<u64> {
    let mut stream = connection.copy_out_raw(statement).await.map_err(|error| during.map(error))?;
    let mut out = Outgoing::new(rows);
    while let Some(line) = stream.try_next().await.map_err(|error| during.map(error))? {
        out.batch().push_line(&line);
        out.pass_on().await?;
    }
    out.finish().await
}

/// The statement that prints a slice's rows.
fn copy_out(relation: &Relation, slice: &Slice) -> String {
    let name = sql::table(&relation.name);
    let columns =
        relation.columns.iter().map(|column| sql::ident(&column.name)).collect::<Vec<_>>().join(", ");
    let pages: Vec<_> = [slice.range.0.map(|page| (">=", page)), slice.range.1.map(|page| ("<", page))]
        .into_iter()
        .flatten()
        .map(|(operator, page)| format!("ctid {operator} '({page},0)'::pg_catalog.tid"))
        .collect();
    let condition = match (&relation.condition, pages.is_empty()) {
        (Some(condition), _) if !condition.is_empty() => condition.clone(),
        (_, false) => format!("WHERE {}", pages.join(" AND ")),
        // An empty list of columns is no syntax of COPY's; without one, a row of no columns is an empty line.
        _ if columns.is_empty() => return format!("COPY {name} TO STDOUT"),
        _ => return format!("COPY {name} ({columns}) TO STDOUT"),
    };
    format!("COPY (SELECT {columns} FROM ONLY {name} {condition}) TO STDOUT")
}

/// Cuts a table into slices of whole pages. They start at fixed pages, so that an unchanged stretch is
/// read the same way each night; the last is open, for pages that were added since the size was asked.
pub(super) fn slices(
    relation: &Relation,
    table: usize,
    slice_bytes: u64,
    block_bytes: u64,
    can: bool,
) -> Vec<Slice> {
    let pages_each = (slice_bytes / block_bytes).max(1);
    let pages = relation.heap_bytes.div_ceil(block_bytes);
    let count = if can && relation.heap && relation.condition.is_none() {
        pages.div_ceil(pages_each).max(1)
    } else {
        1
    };
    (0..count)
        .map(|index| Slice {
            table,
            index: index as usize,
            range: (
                (index > 0).then_some(index * pages_each),
                (index + 1 < count).then_some((index + 1) * pages_each),
            ),
            bytes_estimated: relation.total_bytes / count,
        })
        .collect()
}
