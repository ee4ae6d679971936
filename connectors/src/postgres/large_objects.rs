//! Large objects, as rows of a table: `oid`, `offset`, `data`.
//!
//! They are read through the functions that an object's owner may use, since the table they live in is
//! the superuser's. An empty object has one row of no data; holes arrive as the zeros they read as.

use std::fmt::Write as _;

use sqlx::PgConnection;

use super::sql;
use crate::{Column, Error, Result, RowBatch, Slice, Table, TableKind, TableName};

/// Bytes of an object that one row holds.
const PAGE_BYTES: u64 = 256 * 1024;

/// Bytes of statements sent at once while loading.
const STATEMENT_BYTES: usize = 4 * 1024 * 1024;

/// The pseudo-table of the large objects.
pub(super) fn table(index: usize, objects: u64) -> Table {
    let column =
        |name: &str, type_name: &str, key| Column { name: name.into(), type_name: type_name.into(), key };
    Table {
        name: TableName { schema: Some("pg_catalog".into()), name: "pg_largeobject".into() },
        ancestors: Vec::new(),
        kind: TableKind::LargeObjects,
        derived: false,
        computed: Vec::new(),
        columns: vec![
            column("oid", "oid", true),
            column("offset", "bigint", true),
            column("data", "bytea", false),
        ],
        slices: vec![Slice {
            table: index,
            index: 0,
            range: (None, None),
            bytes_estimated: objects * PAGE_BYTES,
        }],
        rows_estimated: objects,
    }
}

/// The statement that prints every object's pages, by oid and offset. The inner fences keep an object
/// opened once and closed after its size is known.
pub(super) fn copy_out() -> String {
    format!(
        "COPY (SELECT m.oid, p.at, pg_catalog.lo_get(m.oid, p.at, {PAGE_BYTES}) \
         FROM (SELECT oid FROM pg_catalog.pg_largeobject_metadata ORDER BY oid OFFSET 0) m \
         CROSS JOIN LATERAL (SELECT pg_catalog.lo_lseek64(f.fd, 0, 2) + 0 * pg_catalog.lo_close(f.fd) AS bytes \
           FROM (SELECT pg_catalog.lo_open(m.oid, 262144) AS fd OFFSET 0) f OFFSET 0) s \
         CROSS JOIN LATERAL pg_catalog.generate_series(0::bigint, GREATEST(s.bytes - 1, 0), {PAGE_BYTES}) p(at)) \
         TO STDOUT"
    )
}

/// How many objects there are, and the first that this account may not read.
pub(super) async fn survey(connection: &mut PgConnection) -> Result<(u64, Option<String>), sqlx::Error> {
    let query = "SELECT count(*)::text, min(CASE WHEN readable THEN NULL ELSE oid::int8 END)::text FROM ( \
        SELECT m.oid, (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) \
          OR current_setting('lo_compat_privileges')::bool OR pg_catalog.pg_has_role(m.lomowner, 'USAGE') \
          OR EXISTS (SELECT FROM pg_catalog.aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT' \
            AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE'))) AS readable \
        FROM pg_catalog.pg_largeobject_metadata m) o";
    let row = sql::row(connection, query).await?;
    Ok((row.number(0), row.some(1)))
}

/// The error for an object that may not be read.
pub(super) fn denied(oid: &str, user: &str) -> Error {
    Error::Denied {
        what: format!("reading large object {oid}"),
        reason: "no SELECT on the object".into(),
        hint: format!(
            "GRANT SELECT ON LARGE OBJECT {oid} TO {}; for every object of another owner",
            sql::ident(user)
        ),
    }
}

/// Collects rows into statements that write the objects.
#[derive(Debug, Default)]
pub(super) struct Writer {
    statement: String,
}

impl Writer {
    /// Takes a batch, running statements as they fill.
    pub(super) async fn write(
        &mut self,
        connection: &mut PgConnection,
        batch: &RowBatch,
    ) -> Result<Result<(), sqlx::Error>> {
        for line in batch.lines() {
            self.push(line)?;
            if self.statement.len() >= STATEMENT_BYTES
                && let Err(error) = self.flush(connection).await
            {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// Runs what is left.
    pub(super) async fn flush(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.statement.is_empty() {
            return Ok(());
        }
        let statement = std::mem::take(&mut self.statement);
        sql::run(connection, &statement).await
    }

    fn push(&mut self, line: &[u8]) -> Result<()> {
        let damaged =
            |reason: &str| Error::Damaged { what: "a row of large objects".into(), reason: reason.into() };
        let line = std::str::from_utf8(line).map_err(|_| damaged("it is not text"))?.trim_end_matches('\n');
        let mut fields = line.split('\t');
        let (Some(oid), Some(at), Some(data)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(damaged("it does not have three fields"));
        };
        let oid: u32 = oid.parse().map_err(|_| damaged("its oid is not a number"))?;
        let at: u64 = at.parse().map_err(|_| damaged("its offset is not a number"))?;
        let hex = data.strip_prefix("\\\\x").filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let hex = hex.ok_or_else(|| damaged("its data is not in hexadecimal"))?;
        let written = if at == 0 {
            write!(self.statement, "SELECT pg_catalog.lo_from_bytea({oid}, '\\x{hex}');")
        } else {
            write!(self.statement, "SELECT pg_catalog.lo_put({oid}, {at}, '\\x{hex}');")
        };
        written.map_err(|_| damaged("it is too long"))
    }
}
