//! A capture under way: the point held open, its tables, and what a reader asks of it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::task::JoinHandle;

use super::connect::Endpoint;
use super::empty::MARKER;
use super::facts::{self, Database, Roles, Sequences};
use super::fault::During;
use super::inventory::{self, Relation};
use super::read::{self, Readers};
use super::snapshot::{self, Point, ServerFacts};
use super::{large_objects, schema, sql};
use crate::{Capture, CaptureOptions, PointInTime, Result, RowSender, SchemaFile, Slice, Table, TableKind};

/// One consistent point of a PostgreSQL database.
#[derive(Debug)]
pub(super) struct PostgresCapture {
    endpoint: Endpoint,
    point: PointInTime,
    tables: Vec<Table>,
    /// The relation behind each table of `tables`; none for the large objects.
    relations: Vec<Option<Relation>>,
    readers: Arc<Readers>,
    pinger: JoinHandle<()>,
    snapshot: String,
    facts: ServerFacts,
    sequences: Sequences,
    roles: Roles,
    database: Database,
    lock_timeout_ms: u64,
    scratch: PathBuf,
    warnings: Mutex<Vec<String>>,
}

impl PostgresCapture {
    /// Takes the point and reads everything small at once, while it is freshest.
    pub(super) async fn begin(endpoint: &Endpoint, options: &CaptureOptions) -> Result<Self> {
        let Point { mut connection, snapshot, mut relations, facts } =
            snapshot::take(endpoint, options.lock_timeout_ms).await?;
        inventory::arrange_columns(&mut relations, &options.columns_as);
        let label = endpoint.label();
        let lock_seconds = options.lock_timeout_ms / 1000;
        let during = |what| During { endpoint: &label, user: &endpoint.user, what, lock_seconds };
        let sequences =
            schema::sequences(&mut connection).await.map_err(|e| during("reading the sequences").map(e))?;
        let (objects, unreadable) = large_objects::survey(&mut connection)
            .await
            .map_err(|e| during("counting the large objects").map(e))?;
        if let Some(oid) = unreadable {
            return Err(large_objects::denied(&oid, &endpoint.user));
        }
        let roles = schema::roles(&mut connection).await.map_err(|e| during("reading the roles").map(e))?;
        let database = schema::database(&mut connection, &facts, &relations)
            .await
            .map_err(|e| during("reading the database's properties").map(e))?;
        let not_covered =
            not_covered(&mut connection).await.map_err(|e| during("looking for foreign tables").map(e))?;
        let point = point(endpoint, &facts, &snapshot, relations.len(), not_covered);
        let (tables, relations) = tables(relations, objects, options, &facts);
        let readers = Arc::new(Readers::new(endpoint.clone(), snapshot.clone(), options, connection));
        Ok(Self {
            endpoint: endpoint.clone(),
            point,
            tables,
            relations,
            pinger: tokio::spawn({
                let readers = Arc::clone(&readers);
                async move { readers.keep_held().await }
            }),
            readers,
            snapshot,
            facts,
            sequences,
            roles,
            database,
            lock_timeout_ms: options.lock_timeout_ms,
            scratch: options.scratch.clone(),
            warnings: Mutex::default(),
        })
    }
}

impl Drop for PostgresCapture {
    fn drop(&mut self) {
        self.pinger.abort();
    }
}

#[async_trait]
impl Capture for PostgresCapture {
    fn point(&self) -> &PointInTime {
        &self.point
    }

    fn tables(&self) -> &[Table] {
        &self.tables
    }

    async fn schema(&self) -> Result<Vec<SchemaFile>> {
        let (facts, wait) = (&self.facts, self.lock_timeout_ms);
        let archive = schema::archive(&self.endpoint, &self.snapshot, facts, wait, &self.scratch);
        let archive = self.readers.while_held(archive).await?;
        *self.warnings.lock().unwrap_or_else(PoisonError::into_inner) = archive.warnings;
        Ok(vec![
            SchemaFile { name: facts::ARCHIVE.into(), bytes: archive.bytes },
            facts::file("sequences.json", &self.sequences)?,
            facts::file("roles.json", &self.roles)?,
            facts::file(
                "database.json",
                &Database { archive_major: archive.major, ..self.database.clone() },
            )?,
        ])
    }

    fn also_not_covered(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn read(&self, slice: &Slice, rows: RowSender) -> Result<u64> {
        let table = &self.tables[slice.table];
        let read = self.readers.read(table, self.relations[slice.table].as_ref(), slice, &rows);
        self.readers.while_held(read).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        // The pinger is ended by the drop, not before: with it would go the connection that it is speaking over.
        self.readers.finish().await
    }
}

fn point(
    endpoint: &Endpoint,
    facts: &ServerFacts,
    snapshot: &str,
    locked: usize,
    not_covered: Vec<String>,
) -> PointInTime {
    let standby = if facts.standby { ", on a standby" } else { "" };
    PointInTime {
        system: "postgres".into(),
        server_version: facts.version.clone(),
        database: endpoint.database.clone(),
        time: facts.time.clone(),
        method: format!("exported snapshot {snapshot}, {locked} tables locked{standby}"),
        log_position: Some(format!("lsn {}", facts.lsn)),
        plaintext: !facts.tls && !endpoint.is_local(),
        not_covered,
    }
}

/// The tables that are read, with the relation behind each.
pub(super) fn tables(
    relations: Vec<Relation>,
    objects: u64,
    options: &CaptureOptions,
    facts: &ServerFacts,
) -> (Vec<Table>, Vec<Option<Relation>>) {
    // Reading a range of pages is a plan of its own since 14; before, each slice would read the whole table.
    let can_slice = facts.major() >= 14;
    let mut tables: Vec<Table> = Vec::with_capacity(relations.len() + 1);
    let mut behind = Vec::with_capacity(relations.len() + 1);
    if objects > 0 {
        tables.push(large_objects::table(0, objects));
        behind.push(None);
    }
    for relation in relations.into_iter().filter(|relation| !relation.partitioned) {
        let slices = read::slices(&relation, tables.len(), options.slice_bytes, facts.block_bytes, can_slice);
        tables.push(Table {
            name: relation.name.clone(),
            ancestors: relation.ancestors.clone(),
            kind: TableKind::Table,
            derived: false,
            computed: Vec::new(),
            columns: relation.columns.clone(),
            slices,
            rows_estimated: relation.rows_estimated,
        });
        behind.push(Some(relation));
    }
    // By name, the large objects among the others.
    let mut order: Vec<usize> = (0..tables.len()).collect();
    order.sort_by(|a, b| tables[*a].name.cmp(&tables[*b].name));
    let sorted = order.iter().enumerate().map(|(place, old)| {
        let mut table = tables[*old].clone();
        table.slices.iter_mut().for_each(|slice| slice.table = place);
        (table, behind[*old].clone())
    });
    sorted.unzip()
}

/// What a restore from this point would miss.
async fn not_covered(connection: &mut sqlx::PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let query = "SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid), count(*)::text \
        FROM pg_catalog.pg_class c WHERE c.relkind = 'f'";
    let row = sql::row(connection, query).await?;
    let foreign = row.some(0).map(|names| {
        format!("rows of {} foreign tables live on another server and are not here: {names}", row.number(1))
    });
    let subscriptions = "SELECT has_table_privilege('pg_catalog.pg_subscription', 'SELECT'), \
        (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)";
    let row = sql::row(connection, subscriptions).await?;
    let hidden = (!row.flag(0) && !row.flag(1)).then(|| {
        "subscriptions, if there are any, can only be read by a superuser and are not here".to_owned()
    });
    let marker = format!("SELECT pg_catalog.to_regclass('{MARKER}.state') IS NOT NULL");
    let unfinished = sql::row(connection, &marker).await?.flag(0).then(|| {
        "a restore into this database has not finished: what it has yet to bring is not here".to_owned()
    });
    let unlogged = inventory::unlogged_elsewhere(connection).await?;
    let unlogged = (!unlogged.is_empty()).then(|| {
        format!(
            "rows of {} unlogged tables and sequences are on the primary alone and are not here: {}",
            unlogged.len(),
            unlogged.join(", ")
        )
    });
    Ok([foreign, hidden, unfinished, unlogged].into_iter().flatten().collect())
}
