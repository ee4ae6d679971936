//! The sample CRM in PostgreSQL, loaded by COPY on two connections.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, PgPool, raw_sql};
use tokio::sync::mpsc;

use super::day::{CHANGING, DayStats, GROWING, updated_columns};
use super::row::{Kind, Row};
use super::table::{Sizes, Table, World};

/// How much text goes to the server at once.
const COPY_BYTES: usize = 1 << 20;
/// How many such pieces may wait for the server, so that making rows and storing them overlap.
const PIECES_MAX: usize = 4;

/// Fills the empty database at `url`.
///
/// # Errors
/// When the database cannot be reached or is not empty.
pub async fn create(url: &str, seed: u64, scale: f64) -> sqlx::Result<()> {
    let world = World { seed, sizes: Sizes::of_scale(scale), day: None };
    let pool = PgPool::connect(url).await?;
    raw_sql(include_str!("postgres.sql")).execute(&pool).await?;
    let largest = async { load(&pool, &world, Table::Activities).await };
    let others = async {
        for table in Table::ALL.into_iter().filter(|&table| table != Table::Activities) {
            load(&pool, &world, table).await?;
        }
        Ok(())
    };
    tokio::try_join!(largest, others)?;
    raw_sql(include_str!("postgres_after.sql")).execute(&pool).await?;
    let mut connection = pool.acquire().await?;
    follow_sequences(&mut connection).await?;
    raw_sql("ANALYZE").execute(&mut *connection).await?;
    Ok(())
}

/// Applies working day `day` to the database at `url`.
///
/// # Errors
/// When the database cannot be reached or holds no sample CRM.
pub async fn work_a_day(url: &str, seed: u64, day: u64) -> sqlx::Result<DayStats> {
    let mut connection = PgConnection::connect(url).await?;
    let mut counts = [0; 8];
    for table in Table::ALL {
        counts[table as usize] = last_id(&mut connection, table).await?;
    }
    let world = World { seed, sizes: Sizes::counted(counts), day: Some(day) };
    let mut transaction = connection.begin().await?;
    let mut stats = DayStats::default();
    for table in CHANGING {
        stats.updated += update(&mut transaction, &world, table).await?;
    }
    for table in GROWING {
        let first = last_id(&mut transaction, table).await? + 1;
        stats.added += append(&mut transaction, &world, table, first).await?;
    }
    let gone: Vec<i64> = world.deleted_activities().into_iter().map(|id| id as i64).collect();
    let deleted = sqlx::query("DELETE FROM activities WHERE id = ANY ($1)").bind(gone);
    stats.deleted = deleted.execute(&mut *transaction).await?.rows_affected();
    follow_sequences(&mut transaction).await?;
    transaction.commit().await?;
    Ok(stats)
}

/// Fills one table. The rows are frozen as they arrive (which COPY does for a table made empty in the
/// same transaction), so that the first to read them does not rewrite every page.
async fn load(pool: &PgPool, world: &World, table: Table) -> sqlx::Result<()> {
    let mut connection = pool.acquire().await?;
    let name = table.name();
    raw_sql(AssertSqlSafe(format!("BEGIN; TRUNCATE {name}"))).execute(&mut *connection).await?;
    let statement = format!("COPY {name} ({}) FROM STDIN (FREEZE)", table.columns());
    let mut copy = connection.copy_in_raw(&statement).await?;
    let (sender, mut pieces) = mpsc::channel::<Vec<u8>>(PIECES_MAX);
    let world = *world;
    let making = tokio::task::spawn_blocking(move || {
        let (mut row, mut piece) = (Row::default(), Vec::with_capacity(COPY_BYTES * 2));
        for id in 1..=world.sizes.of(table) {
            world.fill(table, id, &mut row);
            copy_line(&row, &mut piece);
            if piece.len() >= COPY_BYTES {
                let full = std::mem::replace(&mut piece, Vec::with_capacity(COPY_BYTES * 2));
                if sender.blocking_send(full).is_err() {
                    return; // the server refused; its error is reported by the other side
                }
            }
        }
        let _ = sender.blocking_send(piece);
    });
    while let Some(piece) = pieces.recv().await {
        copy.send(piece).await?;
    }
    making.await.expect("making rows does not panic");
    copy.finish().await?;
    raw_sql("COMMIT").execute(&mut *connection).await?;
    Ok(())
}

async fn append(connection: &mut PgConnection, world: &World, table: Table, first: u64) -> sqlx::Result<u64> {
    let (mut row, mut lines) = (Row::default(), Vec::new());
    for id in first..first + world.added(table) {
        world.fill(table, id, &mut row);
        copy_line(&row, &mut lines);
    }
    let statement = format!("COPY {} ({}) FROM STDIN", table.name(), table.columns());
    let mut copy = connection.copy_in_raw(&statement).await?;
    copy.send(lines).await?;
    copy.finish().await
}

/// Updates the day's rows of `table` in one statement: one array for each column.
async fn update(connection: &mut PgConnection, world: &World, table: Table) -> sqlx::Result<u64> {
    let columns = updated_columns(table);
    let mut arrays = vec![Vec::new(); columns.len() + 1];
    let mut row = Row::default();
    for id in world.updated_ids(table) {
        world.fill_update(table, id, &mut row);
        for ((_, value), array) in row.values().zip(&mut arrays) {
            array.push(value.to_owned());
        }
    }
    let sets: Vec<String> = columns.iter().map(|(name, kind)| format!("{name} = v.{name}::{kind}")).collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let parameters: Vec<String> = (1..=arrays.len()).map(|number| format!("${number}::text[]")).collect();
    let sql = format!(
        "UPDATE {} AS t SET {} FROM unnest({}) AS v (id, {}) WHERE t.id = v.id::bigint",
        table.name(),
        sets.join(", "),
        parameters.join(", "),
        names.join(", ")
    );
    let query = arrays.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, array| query.bind(array));
    Ok(query.execute(connection).await?.rows_affected())
}

async fn last_id(connection: &mut PgConnection, table: Table) -> sqlx::Result<u64> {
    let sql = format!("SELECT coalesce(max(id), 0) FROM {}", table.name());
    let last: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await?;
    Ok(last as u64)
}

/// Rows came with their ids; whoever adds the next one asks the sequences.
async fn follow_sequences(connection: &mut PgConnection) -> sqlx::Result<()> {
    for table in Table::ALL.map(Table::name) {
        let sql = format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await?;
    }
    sqlx::query("SELECT setval('account_number', max(id)) FROM accounts").execute(connection).await?;
    Ok(())
}

/// One row as COPY's text format has it.
fn copy_line(row: &Row, out: &mut Vec<u8>) {
    let start = out.len();
    for (kind, value) in row.values() {
        if out.len() > start {
            out.push(b'\t');
        }
        match kind {
            Kind::Null => out.extend_from_slice(b"\\N"),
            Kind::Bytes => {
                out.extend_from_slice(b"\\\\x");
                out.extend_from_slice(value.as_bytes());
            }
            Kind::Text => escape(value, out),
            Kind::Integer | Kind::Decimal | Kind::Flag => out.extend_from_slice(value.as_bytes()),
        }
    }
    out.push(b'\n');
}

fn escape(value: &str, out: &mut Vec<u8>) {
    for &byte in value.as_bytes() {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            other => out.push(other),
        }
    }
}
