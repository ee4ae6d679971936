//! `COPY … FROM STDIN` of one table's rows: in the binary format while every value is understood, in
//! text from the first batch on that holds one which is not. Both stand in one transaction.

use std::collections::HashMap;

use sqlx::PgConnection;
use sqlx::postgres::PgCopyIn;

use super::binary::{self, Encoder};
use super::load::Rows;
use super::sql;
use crate::{LoadTable, RowBatch, TableName};

/// What one message of COPY carries: the server copies it several times, and should find it in its
/// processor's cache each time.
const MESSAGE_BYTES: usize = 64 * 1024;

/// A column's type, that below a domain, and whether it is an enum.
type ColumnType = (u32, bool);

/// The types of every column of the target, by table and column.
#[derive(Debug, Default)]
pub(super) struct ColumnTypes(HashMap<TableName, HashMap<String, ColumnType>>);

const TYPES: &str = "WITH RECURSIVE base AS ( \
    SELECT t.oid AS type, t.oid AS below, t.typtype, t.typbasetype FROM pg_catalog.pg_type t \
    UNION ALL \
    SELECT b.type, t.oid, t.typtype, t.typbasetype FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typbasetype \
      WHERE b.typtype = 'd') \
  SELECT n.nspname::text, c.relname::text, a.attname::text, b.below::text, b.typtype = 'e' \
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
  JOIN base b ON b.type = a.atttypid AND b.typtype <> 'd' \
  WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

impl ColumnTypes {
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let mut types: HashMap<TableName, HashMap<String, ColumnType>> = HashMap::new();
        for row in sql::rows(connection, TYPES).await? {
            let table = TableName { schema: Some(row.text(0)), name: row.text(1) };
            let oid = u32::try_from(row.number(3)).unwrap_or_default();
            types.entry(table).or_default().insert(row.text(2), (oid, row.flag(4)));
        }
        Ok(Self(types))
    }

    /// Turns rows of a table, when every column of them is of a type that has a binary form here.
    fn encoder(&self, table: &LoadTable) -> Option<Encoder> {
        let types = self.0.get(&table.name)?;
        let types = table.columns.iter().map(|column| types.get(&column.name).copied());
        Encoder::new(types.collect::<Option<Vec<_>>>()?)
    }
}

/// What came of it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Copied {
    /// Rows that were received.
    pub(super) arrived: u64,
    /// Rows that the server says it stored.
    pub(super) loaded: u64,
    /// Their bytes as text.
    pub(super) bytes: usize,
}

/// Where rows go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Into<'a> {
    /// Into their table, which this transaction has emptied: frozen.
    Emptied,
    /// Into their table.
    Table,
    /// Into whichever of this one's partitions they belong to now.
    PartitionsOf(&'a TableName),
}

/// Copies rows of a table.
pub(super) async fn copy_in(
    connection: &mut PgConnection,
    table: &LoadTable,
    types: &ColumnTypes,
    into: Into<'_>,
    rows: &mut Rows,
) -> Result<Copied, sqlx::Error> {
    let columns = table.columns.iter().map(|column| sql::ident(&column.name)).collect::<Vec<_>>().join(", ");
    // No list means every column that is not generated, which is what a table of no columns needs.
    let columns = if columns.is_empty() { String::new() } else { format!("({columns})") };
    let (frozen, name) = match into {
        Into::Emptied => (true, &table.name),
        Into::Table => (false, &table.name),
        Into::PartitionsOf(above) => (false, above),
    };
    let into = format!("COPY {} {columns} FROM STDIN", sql::table(name));
    let mut copied = Copied::default();
    if let Some(encoder) = types.encoder(table) {
        let format = if frozen { "(FORMAT binary, FREEZE)" } else { "(FORMAT binary)" };
        let copy = connection.copy_in_raw(&format!("{into} {format}")).await?;
        if copy_binary(copy, encoder, rows, &mut copied).await? == Ended::Yes {
            return Ok(copied);
        }
    }
    let format = if frozen { "(FREEZE)" } else { "" };
    let mut copy = connection.copy_in_raw(&format!("{into} {format}")).await?;
    while let Some(batch) = rows.next().await {
        copied.count(&batch);
        send(&mut copy, &batch.bytes).await?;
    }
    copied.loaded += copy.finish().await?;
    Ok(copied)
}

/// Whether every row is in.
#[derive(PartialEq, Eq)]
enum Ended {
    Yes,
    /// The next batch holds what is not understood.
    No,
}

/// Copies rows for as long as they are understood.
async fn copy_binary(
    mut copy: PgCopyIn<&mut PgConnection>,
    mut encoder: Encoder,
    rows: &mut Rows,
    copied: &mut Copied,
) -> Result<Ended, sqlx::Error> {
    let mut ended = Ended::Yes;
    copy.send(binary::HEADER).await?;
    while let Some(batch) = rows.next().await {
        let Ok(encoded) = encoder.encode(&batch) else {
            rows.put_back(batch);
            ended = Ended::No;
            break;
        };
        copied.count(&batch);
        send(&mut copy, &encoded).await?;
    }
    copy.send(&binary::TRAILER[..]).await?;
    copied.loaded += copy.finish().await?;
    Ok(ended)
}

async fn send(copy: &mut PgCopyIn<&mut PgConnection>, bytes: &[u8]) -> Result<(), sqlx::Error> {
    for piece in bytes.chunks(MESSAGE_BYTES) {
        copy.send(piece).await?;
    }
    Ok(())
}

impl Copied {
    fn count(&mut self, batch: &RowBatch) {
        self.arrived += batch.rows() as u64;
        self.bytes += batch.bytes.len();
    }
}
