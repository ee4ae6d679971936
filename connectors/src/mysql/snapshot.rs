//! One consistent point over several connections, and nothing that could change its tables' shape.
//!
//! MySQL and MariaDB cannot hand a snapshot from one connection to another, so all are opened in an
//! instant in which nothing commits: under `FLUSH TABLES WITH READ LOCK`, or where the account may not,
//! under `LOCK TABLES … READ`. An account that may do neither gets one reader, whose own snapshot is
//! consistent by itself. DDL is kept out meanwhile by `BACKUP STAGE BLOCK_DDL` or `LOCK INSTANCE FOR
//! BACKUP`; where the account may not, by a metadata lock on every table, taken before the snapshot and
//! the list that goes with it. From then on a metadata lock on every table in every reader keeps it out,
//! which needs no privilege and holds up no writer. A list that is another one afterwards, or InnoDB's own
//! word that a table changed (error 1412), begins the whole anew.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::connect::{Endpoint, lock_seconds};
use super::inventory::{self, Others, Relation};
use super::server::Server;
use super::sql::{self, Row, ident, literal};
use super::wire::{Wire, WireError};
use crate::{CaptureOptions, Error, Result};

/// How long the instant of synchronising may wait for a long statement: everybody who writes waits
/// behind it.
const SYNC_SECONDS: u64 = 5;
const SYNC_MS: u64 = SYNC_SECONDS * 1000;
/// How often that is tried, and how long writers have to themselves in between.
const SYNC_ATTEMPTS: u32 = 10;
const SYNC_PAUSE: Duration = Duration::from_secs(3);
/// How often a point is tried for while DDL comes in between. All locks are let go of before the next try,
/// so that it gets through.
const TAKE_ATTEMPTS: u32 = 5;

/// A point held open by every one of `readers`.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) readers: Vec<Wire>,
    /// A connection beside the snapshot, for everything that is not rows; it keeps DDL out while it
    /// lives, where the account may.
    pub(super) keeper: Wire,
    pub(super) server: Server,
    pub(super) relations: Vec<Relation>,
    pub(super) others: Others,
    pub(super) method: String,
    pub(super) time: String,
    pub(super) log_position: Option<String>,
}

/// How the readers came to stand on one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    GlobalReadLock,
    TableLocks,
    OneReader,
}

/// Takes a consistent point of the whole database.
pub(super) async fn take(endpoint: &Endpoint, options: &CaptureOptions) -> Result<Point> {
    let (begun, patience) = (Instant::now(), Duration::from_millis(options.lock_timeout_ms));
    let mut attempt = 1;
    loop {
        let failed = match take_once(endpoint, options).await {
            Ok(point) => return Ok(point),
            Err(error) => error,
        };
        let again = match failed {
            Error::Changed { .. } => attempt < TAKE_ATTEMPTS,
            Error::Locked { .. } => begun.elapsed() < patience,
            _ => false,
        };
        if !again {
            return Err(failed);
        }
        tracing::debug!(attempt, "the snapshot is begun anew: {failed}");
        tokio::time::sleep(SYNC_PAUSE).await;
        attempt += 1;
    }
}

async fn take_once(endpoint: &Endpoint, options: &CaptureOptions) -> Result<Point> {
    let timeout = options.lock_timeout_ms;
    let (mut keeper, server) = endpoint.connect(timeout).await?;
    let ddl_blocked = block_ddl(&mut keeper, &server, endpoint, timeout).await?;
    let (before, _) = list(&mut keeper, &server, endpoint, timeout).await?;
    // Holds the tables' shapes until every reader does. A statement that waits for one of these locks has
    // everybody else wait behind it, so it is given way to soon.
    let (mut holder, _) = endpoint.connect(SYNC_MS.min(timeout)).await?;
    if ddl_blocked.is_none() {
        holder
            .run("START TRANSACTION READ ONLY")
            .await
            .map_err(|e| endpoint.during("taking locks", timeout).map(e))?;
        lock_shapes(&mut holder, &before, endpoint, Probe::Shape).await?;
        let (again, _) = list(&mut keeper, &server, endpoint, timeout).await?;
        require_same(&before, &again)?;
    }
    let (mut locker, _) = endpoint.connect(timeout).await?;
    let mut readers = Vec::new();
    for _ in 0..options.readers.max(1) {
        readers.push(endpoint.connect(SYNC_MS.min(timeout)).await?.0);
    }
    let sync = lock_writers(&mut locker, endpoint, &before, timeout).await?;
    let begun = Instant::now();
    if sync == Sync::OneReader {
        readers.truncate(1);
    }
    let position = begin_all(&mut readers, &mut locker, &server, sync).await;
    // Whatever came of it: nobody waits any longer than this.
    let unlocked = locker.run("UNLOCK TABLES").await;
    let held = begun.elapsed();
    let during = endpoint.during("taking the snapshot", timeout);
    let (time, log_position) = position.map_err(|error| during.map(error))?;
    unlocked.map_err(|error| during.map(error))?;

    for reader in &mut readers {
        lock_shapes(reader, &before, endpoint, Probe::Row).await?;
    }
    let (relations, others) = list(&mut keeper, &server, endpoint, timeout).await?;
    require_same(&before, &relations)?;
    let locked = relations.iter().filter(|relation| !relation.is_window()).count();
    let method = method(sync, held, readers.len(), locked, ddl_blocked);
    Ok(Point { readers, keeper, server, relations, others, method, time, log_position })
}

async fn list(
    wire: &mut Wire,
    server: &Server,
    endpoint: &Endpoint,
    timeout: u64,
) -> Result<(Vec<Relation>, Others)> {
    let during = endpoint.during("listing the tables", timeout);
    inventory::relations(wire, server, &endpoint.database).await.map_err(|error| during.map(error))
}

/// Keeps DDL out for as long as the keeper says, where the account may.
async fn block_ddl(
    wire: &mut Wire,
    server: &Server,
    endpoint: &Endpoint,
    timeout: u64,
) -> Result<Option<&'static str>> {
    let (statements, name): (&[&str], _) = if server.is_mariadb() {
        (&["BACKUP STAGE START", "BACKUP STAGE FLUSH", "BACKUP STAGE BLOCK_DDL"], "BACKUP STAGE BLOCK_DDL")
    } else {
        (&["LOCK INSTANCE FOR BACKUP"], "LOCK INSTANCE FOR BACKUP")
    };
    for statement in statements {
        match wire.run(statement).await {
            Ok(_) => {}
            Err(error) if is_denied(&error) => return Ok(None),
            Err(error) => return Err(endpoint.during("keeping DDL out", timeout).map(error)),
        }
    }
    Ok(Some(name))
}

/// Lets DDL go on. The metadata locks keep it off the tables.
pub(super) async fn allow_ddl(wire: &mut Wire, server: &Server) -> Result<(), WireError> {
    let statement = if server.is_mariadb() { "BACKUP STAGE END" } else { "UNLOCK INSTANCE" };
    match wire.run(statement).await {
        // Nothing was held, by an account that may not.
        Err(error) if error.code().is_some() => Ok(()),
        other => other.map(drop),
    }
}

/// Stops commits for an instant, by the means that the account has.
async fn lock_writers(
    wire: &mut Wire,
    endpoint: &Endpoint,
    relations: &[Relation],
    timeout: u64,
) -> Result<Sync> {
    let during = endpoint.during("the instant of synchronising the readers", SYNC_MS);
    let short = format!("SET lock_wait_timeout = {}", SYNC_SECONDS.min(lock_seconds(timeout)));
    wire.run(&short).await.map_err(|error| during.map(error))?;
    let own = relations.iter().filter(|relation| !relation.is_window());
    let tables = own.map(|relation| format!("{} READ", ident(&relation.name))).collect::<Vec<_>>();
    let statements = [
        (Sync::GlobalReadLock, "FLUSH TABLES WITH READ LOCK".to_owned()),
        (Sync::TableLocks, format!("LOCK TABLES {}", tables.join(", "))),
    ];
    for (sync, statement) in statements {
        if sync == Sync::TableLocks && tables.is_empty() {
            continue;
        }
        for attempt in 1.. {
            match wire.run(&statement).await {
                Ok(_) => return Ok(sync),
                Err(error) if is_denied(&error) => break,
                Err(error) if error.code() == Some(1205) && attempt < SYNC_ATTEMPTS => {
                    tracing::debug!(attempt, "a long statement holds up the snapshot");
                    tokio::time::sleep(SYNC_PAUSE).await;
                }
                Err(error) => return Err(during.map(error)),
            }
        }
    }
    Ok(Sync::OneReader)
}

/// Opens every reader's snapshot; says when, by the server's clock, and where in its log.
async fn begin_all(
    readers: &mut [Wire],
    locker: &mut Wire,
    server: &Server,
    sync: Sync,
) -> Result<(String, Option<String>), WireError> {
    for reader in readers.iter_mut() {
        reader.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
    }
    let clock = "SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ')";
    let time = sql::row(locker, clock).await?.text(0);
    Ok((time, log_position(&mut readers[0], server, sync).await?))
}

/// Where the snapshot stands in the binary log, as far as the account may know. MariaDB knows it of the
/// snapshot itself; elsewhere it is where the log stands while nobody writes.
async fn log_position(reader: &mut Wire, server: &Server, sync: Sync) -> Result<Option<String>, WireError> {
    let (file, gtid) = if server.is_mariadb() {
        let status =
            "SHOW SESSION STATUS WHERE Variable_name IN ('Binlog_snapshot_file', 'Binlog_snapshot_position')";
        let rows = sql::rows(reader, status).await?;
        let value = |name: &str| {
            rows.iter().find(|row| row.text(0).eq_ignore_ascii_case(name)).map(|row| row.text(1))
        };
        let place = value("Binlog_snapshot_file")
            .filter(|file| !file.is_empty())
            .zip(value("Binlog_snapshot_position"));
        let gtid = match &place {
            Some((file, position)) => {
                let query = format!("SELECT BINLOG_GTID_POS({}, {position})", literal(file));
                optional(reader, &query).await?.map(|row| row.text(0))
            }
            None => None,
        };
        (place, gtid)
    } else if sync == Sync::OneReader {
        (None, None)
    } else {
        let place = optional(reader, "SHOW BINARY LOG STATUS").await?;
        let gtid = optional(reader, "SELECT @@GLOBAL.gtid_executed").await?;
        (place.map(|row| (row.text(0), row.text(1))), gtid.map(|row| row.text(0).replace('\n', "")))
    };
    let file = file.map(|(file, position)| format!("binlog {file}:{position}"));
    let gtid = gtid.filter(|gtid| !gtid.is_empty()).map(|gtid| format!("gtid {gtid}"));
    let parts: Vec<_> = file.into_iter().chain(gtid).collect();
    Ok((!parts.is_empty()).then(|| parts.join(", ")))
}

/// The first row of an answer, if the account may have one.
async fn optional(wire: &mut Wire, query: &str) -> Result<Option<Row>, WireError> {
    match sql::rows(wire, query).await {
        Ok(rows) => Ok(rows.into_iter().next()),
        Err(error) if error.code().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes a metadata lock on every table. One that shows another's rows is not read, and may have nothing
/// behind it.
async fn lock_shapes(
    wire: &mut Wire,
    relations: &[Relation],
    endpoint: &Endpoint,
    probe: Probe,
) -> Result<()> {
    for relation in relations.iter().filter(|relation| !relation.is_window()) {
        let statement = format!("SELECT 1 FROM {} LIMIT {}", ident(&relation.name), probe as u8);
        let name = relation.table_name().to_string();
        wire.run(&statement).await.map_err(|error| match error.code() {
            Some(1142 | 1143) => denied(endpoint, relation, &error),
            _ => endpoint.during(&name, SYNC_MS).map(error),
        })?;
    }
    Ok(())
}

/// What is asked of a table to lock its shape.
#[derive(Debug, Clone, Copy)]
enum Probe {
    /// Its shape alone: opens no snapshot.
    Shape = 0,
    /// A row, because that is when InnoDB compares the table with the snapshot.
    Row = 1,
}

fn by_name(relations: &[Relation]) -> BTreeMap<&str, &Relation> {
    relations.iter().map(|relation| (relation.name.as_str(), relation)).collect()
}

/// Tables that came, went or changed between two lists: the snapshot would be of neither.
fn require_same(before: &[Relation], after: &[Relation]) -> Result<()> {
    let (before, after) = (by_name(before), by_name(after));
    let change = |name: &str| match (before.get(name), after.get(name)) {
        (Some(_), None) => Some("it was dropped or renamed"),
        (None, Some(_)) => Some("it was created or renamed"),
        (Some(before), Some(after)) if !before.has_shape_of(after) => Some("it was altered"),
        _ => None,
    };
    for (name, relation) in before.iter().chain(&after) {
        if let Some(change) = change(name) {
            return Err(Error::Changed { what: relation.table_name().to_string(), change: change.into() });
        }
    }
    Ok(())
}

fn denied(endpoint: &Endpoint, relation: &Relation, error: &WireError) -> Error {
    Error::Denied {
        what: format!("reading table {}", relation.table_name()),
        reason: error.to_string(),
        hint: format!(
            "GRANT SELECT ON {}.{} TO {}; or on {}.* for every table to come",
            ident(&endpoint.database),
            ident(&relation.name),
            ident(&endpoint.user),
            ident(&endpoint.database)
        ),
    }
}

fn method(sync: Sync, held: Duration, readers: usize, tables: usize, ddl_blocked: Option<&str>) -> String {
    let millis = held.as_millis();
    let snapshots = if readers == 1 { "1 snapshot".to_owned() } else { format!("{readers} snapshots") };
    let sync = match sync {
        Sync::GlobalReadLock => format!("{snapshots} opened under FLUSH TABLES WITH READ LOCK ({millis} ms)"),
        Sync::TableLocks => format!("{snapshots} opened under LOCK TABLES READ ({millis} ms)"),
        Sync::OneReader => "1 snapshot of 1 reader: the account may lock nothing".to_owned(),
    };
    let ddl = ddl_blocked.map_or_else(String::new, |name| format!(", DDL kept out by {name}"));
    format!("{sync}{ddl}, metadata locks on {tables} tables")
}

fn is_denied(error: &WireError) -> bool {
    matches!(error.code(), Some(1044 | 1045 | 1142 | 1227))
}

#[cfg(test)]
mod tests {
    use super::super::inventory::History;
    use super::*;

    fn relation(name: &str, engine: &str, rows_estimated: u64) -> Relation {
        Relation {
            name: name.into(),
            engine: engine.into(),
            columns: Vec::new(),
            key: Vec::new(),
            rows_estimated,
            bytes: rows_estimated,
            history: History::None,
        }
    }

    #[test]
    fn a_list_that_is_another_one_afterwards_is_told() {
        let check = |before: &[Relation], after: &[Relation], expected: Option<&str>| {
            let told = require_same(before, after).err().map(|error| error.to_string());
            assert_eq!(told.is_some(), expected.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().ends_with(expected.unwrap_or_default()));
        };
        let [a, b] = [relation("a", "InnoDB", 1), relation("b", "InnoDB", 1)];
        check(&[a.clone(), b.clone()], &[relation("a", "InnoDB", 9), b.clone()], None);
        check(&[a.clone(), b.clone()], std::slice::from_ref(&a), Some("it was dropped or renamed"));
        check(std::slice::from_ref(&a), &[a.clone(), b], Some("it was created or renamed"));
        check(&[a], &[relation("a", "MyISAM", 1)], Some("it was altered"));
    }
}
