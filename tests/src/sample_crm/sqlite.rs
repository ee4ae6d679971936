//! The sample CRM in SQLite, in WAL mode as an application keeps it.

use std::path::Path;

use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection, Sqlite, raw_sql};

use super::day::{CHANGING, DayStats, GROWING, updated_columns};
use super::row::{Kind, Row};
use super::table::{Sizes, Table, World};

/// Rows in one INSERT: enough to pay for the statement, few enough for SQLite's limit on parameters.
const ROWS_AT_ONCE: usize = 64;

/// Makes a database in the new file `path`.
///
/// # Errors
/// When the file exists or cannot be written.
pub async fn create(path: &Path, seed: u64, scale: f64) -> sqlx::Result<()> {
    let world = World { seed, sizes: Sizes::of_scale(scale), day: None };
    // A file that is there already is somebody's database.
    std::fs::File::create_new(path)?;
    let mut connection = open(path).await?;
    raw_sql(include_str!("sqlite.sql")).execute(&mut connection).await?;
    let mut transaction = connection.begin().await?;
    for table in Table::ALL {
        insert(&mut transaction, &world, table, 1, world.sizes.of(table)).await?;
    }
    raw_sql(include_str!("sqlite_after.sql")).execute(&mut *transaction).await?;
    transaction.commit().await?;
    raw_sql("ANALYZE").execute(&mut connection).await?;
    connection.close().await
}

/// Applies working day `day` to the database in `path`.
///
/// # Errors
/// When the file is not there or holds no sample CRM.
pub async fn work_a_day(path: &Path, seed: u64, day: u64) -> sqlx::Result<DayStats> {
    let mut connection = open(path).await?;
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
        let rows = world.added(table);
        insert(&mut transaction, &world, table, first, rows).await?;
        stats.added += rows;
    }
    for id in world.deleted_activities() {
        let deleted = sqlx::query("DELETE FROM activities WHERE id = ?").bind(id as i64);
        stats.deleted += deleted.execute(&mut *transaction).await?.rows_affected();
    }
    transaction.commit().await?;
    connection.close().await?;
    Ok(stats)
}

async fn open(path: &Path) -> sqlx::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off);
    SqliteConnection::connect_with(&options).await
}

async fn insert(
    to: &mut SqliteConnection,
    world: &World,
    table: Table,
    first: u64,
    rows: u64,
) -> sqlx::Result<()> {
    let columns = table.columns();
    let values = format!("(?{})", ", ?".repeat(columns.matches(',').count()));
    let statement = |rows: usize| {
        let all = vec![values.as_str(); rows].join(", ");
        format!("INSERT INTO {} ({columns}) VALUES {all}", table.name())
    };
    let whole = statement(ROWS_AT_ONCE);
    let (mut row, mut next, end) = (Row::default(), first, first + rows);
    while next < end {
        let count = ROWS_AT_ONCE.min((end - next) as usize);
        let sql = if count == ROWS_AT_ONCE { whole.clone() } else { statement(count) };
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for id in next..next + count as u64 {
            world.fill(table, id, &mut row);
            query = bind(query, &row);
        }
        query.execute(&mut *to).await?;
        next += count as u64;
    }
    Ok(())
}

async fn update(to: &mut SqliteConnection, world: &World, table: Table) -> sqlx::Result<u64> {
    let columns = updated_columns(table).iter().zip(2..);
    let sets: Vec<String> = columns.map(|((name, _), number)| format!("{name} = ?{number}")).collect();
    let sql = format!("UPDATE {} SET {} WHERE id = ?1", table.name(), sets.join(", "));
    let (mut row, mut updated) = (Row::default(), 0);
    for id in world.updated_ids(table) {
        world.fill_update(table, id, &mut row);
        let query = bind(sqlx::query(AssertSqlSafe(sql.clone())), &row);
        updated += query.execute(&mut *to).await?.rows_affected();
    }
    Ok(updated)
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

fn bind<'q>(query: Query<'q>, row: &Row) -> Query<'q> {
    row.values().fold(query, |query, (kind, value)| match kind {
        Kind::Null => query.bind(None::<i64>),
        Kind::Integer => query.bind(value.parse::<i64>().expect("the row wrote an integer")),
        Kind::Decimal => query.bind(value.parse::<f64>().expect("the row wrote a number")),
        Kind::Text => query.bind(value.to_owned()),
        Kind::Flag => query.bind(value == "true"),
        Kind::Bytes => query.bind(from_hex(value)),
    })
}

fn from_hex(digits: &str) -> Vec<u8> {
    let pair =
        |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("the row wrote hexadecimal digits");
    (0..digits.len()).step_by(2).map(pair).collect()
}

async fn last_id(connection: &mut SqliteConnection, table: Table) -> sqlx::Result<u64> {
    let sql = format!("SELECT coalesce(max(id), 0) FROM {}", table.name());
    let last: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await?;
    Ok(last as u64)
}
