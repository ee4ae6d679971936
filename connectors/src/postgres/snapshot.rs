//! One consistent point: locks first, then the snapshot, then a second look.
//!
//! `LOCK TABLE` takes no snapshot, so in one transaction the locks come before it, and whatever
//! truncated or rewrote a table has then either finished before the snapshot or waits until its end. A
//! snapshot taken first would see such a table empty: TRUNCATE is not MVCC-safe. What the locks could not
//! cover, tables made or renamed meanwhile, shows in the second look, and the point is taken anew.

use sqlx::{Connection as _, PgConnection};

use super::connect::Endpoint;
use super::fault::{self, During};
use super::inventory::{self, Relation, Sizes};
use super::sql;
use crate::{Error, Result};

/// How often a point is tried before the schema is said to change too quickly to be caught.
const ATTEMPTS: usize = 5;

/// Tables locked by one statement: few round trips, statements of a size that logs can bear.
const LOCK_BATCH: usize = 200;

/// A point held open by the connection that exported it.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) connection: PgConnection,
    /// What readers and pg_dump import.
    pub(super) snapshot: String,
    pub(super) relations: Vec<Relation>,
    pub(super) facts: ServerFacts,
}

/// What the server says of itself at the point.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerFacts {
    pub(super) version: String,
    pub(super) version_number: u64,
    pub(super) block_bytes: u64,
    pub(super) time: String,
    pub(super) lsn: String,
    pub(super) standby: bool,
    pub(super) tls: bool,
    /// Whether this account may have it speak English, which it does not of itself.
    pub(super) may_speak_english: bool,
}

impl ServerFacts {
    /// The major version, such as 15.
    pub(super) fn major(&self) -> u32 {
        (self.version_number / 10_000) as u32
    }

    /// Settings for a tool's session that make the server speak English, if it would not: its words are all that the
    /// tool passes on. Only superusers may have them, and others could not connect.
    pub(super) fn english(&self) -> &'static str {
        if self.may_speak_english { "-c lc_messages=C" } else { "" }
    }
}

/// Reads what the server says of itself.
pub(super) async fn server_facts(connection: &mut PgConnection) -> Result<ServerFacts, sqlx::Error> {
    let query = "SELECT current_setting('server_version'), current_setting('server_version_num'), \
        current_setting('block_size'), \
        to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
        (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text, \
        pg_is_in_recovery(), COALESCE((SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()), false), \
        current_setting('is_superuser')::bool AND (SELECT reset_val !~* '^(C|POSIX|en)([_.]|$)' FROM pg_settings \
          WHERE name = 'lc_messages')";
    let row = sql::row(connection, query).await?;
    Ok(ServerFacts {
        version: row.text(0),
        version_number: row.number(1),
        block_bytes: row.number(2).max(1),
        time: row.text(3),
        lsn: row.text(4),
        standby: row.flag(5),
        tls: row.flag(6),
        may_speak_english: row.flag(7),
    })
}

/// Takes a consistent point of the whole database.
pub(super) async fn take(endpoint: &Endpoint, lock_timeout_ms: u64) -> Result<Point> {
    let mut connection = endpoint.connect(lock_timeout_ms).await?;
    let label = endpoint.label();
    let during =
        |what| During { endpoint: &label, user: &endpoint.user, what, lock_seconds: lock_timeout_ms / 1000 };
    let facts =
        server_facts(&mut connection).await.map_err(|e| during("asking the server's version").map(e))?;
    if !super::MAJORS.contains(&facts.major()) {
        return Err(Error::Unsupported {
            what: format!("PostgreSQL {}", facts.version),
            reason: format!("{} to {} are supported", super::MAJORS.start(), super::MAJORS.end()),
        });
    }
    let mut change = (String::new(), String::new());
    for _ in 0..ATTEMPTS {
        match attempt(&mut connection, endpoint, &during).await? {
            Attempt::Held { snapshot, relations } => {
                let facts =
                    server_facts(&mut connection).await.map_err(|e| during("asking the time").map(e))?;
                return Ok(Point { connection, snapshot, relations, facts });
            }
            Attempt::Torn { what, how } => change = (what, how),
        }
        sql::run(&mut connection, "ROLLBACK").await.map_err(|e| during("starting over").map(e))?;
    }
    // The answer is known; a server that minds how it is said good-bye to changes nothing.
    drop(connection.close().await);
    Err(Error::Changed { what: change.0, change: change.1 })
}

enum Attempt {
    Held { snapshot: String, relations: Vec<Relation> },
    Torn { what: String, how: String },
}

async fn attempt<'a>(
    connection: &mut PgConnection,
    endpoint: &Endpoint,
    during: &impl Fn(&'a str) -> During<'a>,
) -> Result<Attempt> {
    // Sizes wait for locks; they are asked once the tables are ours to read.
    let before = inventory::relations(connection, Sizes::Estimated)
        .await
        .map_err(|e| during("listing the tables").map(e))?;
    inventory::refuse_unreadable(&before, &endpoint.user)?;
    sql::run(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(|e| during("opening the transaction").map(e))?;
    if let Some(torn) = lock(connection, &before, endpoint, during).await? {
        return Ok(torn);
    }
    let snapshot = sql::row(connection, "SELECT pg_catalog.pg_export_snapshot()")
        .await
        .map_err(|e| during("exporting the snapshot").map(e))?
        .text(0);
    let after = inventory::relations(connection, Sizes::Exact)
        .await
        .map_err(|e| during("listing the tables again").map(e))?;
    if let Some((what, how)) = difference(&before, &after) {
        return Ok(Attempt::Torn { what, how });
    }
    let rewritten = "SELECT c.oid::regclass::text FROM pg_catalog.pg_class c WHERE c.relkind = 'r' \
        AND c.relfilenode <> 0 AND c.relpersistence <> 't' AND c.relnamespace::regnamespace::text !~ '^pg_' \
        AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid) LIMIT 1";
    let rewritten =
        sql::rows(connection, rewritten).await.map_err(|e| during("looking at the files").map(e))?;
    if let Some(row) = rewritten.first() {
        return Ok(Attempt::Torn { what: row.text(0), how: "it was truncated or rewritten".into() });
    }
    Ok(Attempt::Held { snapshot, relations: after })
}

/// Locks every table against whatever would change its shape or drop its rows unseen.
async fn lock<'a>(
    connection: &mut PgConnection,
    relations: &[Relation],
    endpoint: &Endpoint,
    during: &impl Fn(&'a str) -> During<'a>,
) -> Result<Option<Attempt>> {
    for batch in relations.chunks(LOCK_BATCH) {
        let names: Vec<_> =
            batch.iter().map(|relation| format!("ONLY {}", sql::table(&relation.name))).collect();
        let statement = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
        let Err(error) = sql::run(connection, &statement).await else { continue };
        if matches!(fault::code(&error).as_deref(), Some("42P01" | "3F000")) {
            let what = error.as_database_error().map(|error| error.message().to_owned()).unwrap_or_default();
            return Ok(Some(Attempt::Torn { what, how: "it was dropped or renamed".into() }));
        }
        let label = endpoint.label();
        let what = if batch.len() == 1 {
            batch[0].name.to_string()
        } else {
            format!(
                "one of the {} tables from {} to {}",
                batch.len(),
                batch[0].name,
                batch[batch.len() - 1].name
            )
        };
        let lock_seconds = during("").lock_seconds;
        return Err(During { endpoint: &label, user: &endpoint.user, what: &what, lock_seconds }.map(error));
    }
    Ok(None)
}

/// What differs between two looks at the tables, apart from sizes, which writers change all the time.
fn difference(before: &[Relation], after: &[Relation]) -> Option<(String, String)> {
    let same = |a: &Relation, b: &Relation| {
        a.oid == b.oid && a.name == b.name && a.columns == b.columns && a.partitioned == b.partitioned
    };
    if let Some(gone) = before.iter().find(|old| !after.iter().any(|new| new.oid == old.oid)) {
        return Some((gone.name.to_string(), "it was dropped".into()));
    }
    if let Some(fresh) = after.iter().find(|new| !before.iter().any(|old| old.oid == new.oid)) {
        return Some((fresh.name.to_string(), "it was created".into()));
    }
    let changed = before.iter().zip(after).find(|(old, new)| !same(old, new));
    changed.map(|(old, _)| (old.name.to_string(), "its name or columns changed".into()))
}
