//! A capture under way: the point held open, its tables, and what a reader asks of it.

use std::sync::Arc;

use async_trait::async_trait;

use super::connect::Endpoint;
use super::facts::Schema;
use super::inventory::{History, Relation};
use super::pinger::Pinger;
use super::read::Readers;
use super::slices::{self, KeyKind};
use super::snapshot::{self, Point};
use super::sql::{self, ident};
use super::wire::{Wire, WireError};
use super::{grants, schema};
use crate::{Capture, CaptureOptions, PointInTime, Result, RowSender, SchemaFile, Slice, Table, TableKind};

/// Tables named in a sentence before the rest is counted.
const NAMES_MAX: usize = 5;

/// One consistent point of a MySQL or MariaDB database.
#[derive(Debug)]
pub(super) struct MysqlCapture {
    point: PointInTime,
    tables: Vec<Table>,
    /// The relation behind each table of `tables`.
    relations: Vec<Relation>,
    schema: Schema,
    readers: Arc<Readers>,
    pinger: Pinger,
}

impl MysqlCapture {
    /// Takes the point and reads everything small at once, while DDL is kept out.
    pub(super) async fn begin(endpoint: &Endpoint, options: &CaptureOptions) -> Result<Self> {
        let Point { mut readers, mut keeper, server, relations, others, method, time, log_position } =
            snapshot::take(endpoint, options).await?;
        let schema = schema::read(&mut keeper, &server, endpoint, &relations, &others).await?;
        let during = |what| endpoint.during(what, options.lock_timeout_ms);
        let mut not_covered = not_covered(&relations, &schema);
        not_covered.extend(
            grants::unseen(&mut keeper, &server, endpoint)
                .await
                .map_err(|e| during("reading the account's grants").map(e))?,
        );
        let relations: Vec<_> = relations.into_iter().filter(|relation| !relation.is_window()).collect();
        snapshot::allow_ddl(&mut keeper, &server).await.map_err(|e| during("letting DDL go on").map(e))?;
        let tables = tables(&mut readers[0], &relations, options.slice_bytes)
            .await
            .map_err(|e| during("looking at the tables' keys").map(e))?;
        let point = PointInTime {
            system: "mysql".into(),
            server_version: server.version.clone(),
            database: endpoint.database.clone(),
            time,
            method,
            log_position,
            plaintext: !server.encrypted && !endpoint.is_local(),
            not_covered,
        };
        let readers = Arc::new(Readers::new(endpoint.clone(), options.lock_timeout_ms, readers));
        Ok(Self { point, tables, relations, schema, pinger: Pinger::start(Arc::clone(&readers)), readers })
    }
}

#[async_trait]
impl Capture for MysqlCapture {
    fn point(&self) -> &PointInTime {
        &self.point
    }

    fn tables(&self) -> &[Table] {
        &self.tables
    }

    async fn schema(&self) -> Result<Vec<SchemaFile>> {
        Ok(vec![self.schema.to_file()?])
    }

    async fn read(&self, slice: &Slice, rows: RowSender) -> Result<u64> {
        self.readers.read(&self.relations[slice.table], slice, &rows).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.pinger.stop().await?;
        self.readers.finish().await
    }
}

async fn tables(
    reader: &mut Wire,
    relations: &[Relation],
    slice_bytes: u64,
) -> Result<Vec<Table>, WireError> {
    let mut tables = Vec::with_capacity(relations.len());
    for (place, relation) in relations.iter().enumerate() {
        let large = relation.bytes > slice_bytes && slices::key_kind(relation) == Some(KeyKind::Integer);
        let span = if large { span(reader, relation).await? } else { None };
        tables.push(table(relation, place, slice_bytes, span));
    }
    Ok(tables)
}

/// The table at this place among the others.
pub(super) fn table(
    relation: &Relation,
    place: usize,
    slice_bytes: u64,
    span: Option<(i128, i128)>,
) -> Table {
    Table {
        name: relation.table_name(),
        // Partitions are no tables of their own here.
        ancestors: Vec::new(),
        kind: TableKind::Table,
        derived: false,
        computed: Vec::new(),
        columns: relation.table_columns(),
        slices: slices::cut(relation, place, slice_bytes, span),
        rows_estimated: relation.rows_estimated,
    }
}

/// The lowest and highest key, as the snapshot has them.
async fn span(reader: &mut Wire, relation: &Relation) -> Result<Option<(i128, i128)>, WireError> {
    let Some(column) = relation.key.first().map(|column| ident(column)) else { return Ok(None) };
    let query = format!("SELECT MIN({column}), MAX({column}) FROM {}", ident(&relation.name));
    let row = sql::row(reader, &query).await?;
    Ok(row.text(0).parse().ok().zip(row.text(1).parse().ok()))
}

/// What a restore from this point would miss, or have from another moment.
fn not_covered(relations: &[Relation], schema: &Schema) -> Vec<String> {
    let mut sentences = Vec::new();
    let (windows, own): (Vec<_>, Vec<_>) = relations.iter().partition(|relation| relation.is_window());
    let numbered =
        own.iter().copied().filter(|relation| relation.history == History::ByTransaction).collect();
    let outside: Vec<_> = own.into_iter().filter(|relation| !relation.is_transactional()).collect();
    for (relations, what) in [
        (
            numbered,
            "tables whose history is kept by numbers of transactions, which mean nothing elsewhere, come back without it",
        ),
        (outside, "tables whose engine has no snapshots are read later than the others and may not fit them"),
        (windows, "tables that show rows of other tables come back by their definition only"),
    ] {
        if !relations.is_empty() {
            sentences.push(format!("{what}: {}", named(&relations)));
        }
    }
    if !schema.sequences.is_empty() {
        sentences.push(format!(
            "{} sequences know no snapshots: each comes back at or after where it stood",
            schema.sequences.len()
        ));
    }
    sentences
}

fn named(relations: &[&Relation]) -> String {
    let named = relations.iter().take(NAMES_MAX);
    let named: Vec<_> =
        named.map(|relation| format!("{} ({})", relation.table_name(), relation.engine)).collect();
    match relations.len().saturating_sub(NAMES_MAX) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
