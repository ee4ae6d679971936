//! Whether a target is empty, whose leftovers it holds if not, and how those are cleared away.
//!
//! A restore's first act is a marker table with the snapshot's id, its last act to drop it: whatever lies
//! in a database with our marker was put there by that restore, since it began in an empty one.

use super::sql::{self, Row, ident, literal};
use super::wire::{Wire, WireError};

/// The marker's name.
const MARKER: &str = "lifeboat_restore";

/// What is in a target.
#[derive(Debug)]
pub(super) enum Content {
    /// Nothing that a new database would not have.
    Nothing,
    /// What an interrupted restore of the same snapshot left.
    Ours,
    /// Somebody's data, in words.
    Else(String),
}

/// Looks at what a database holds; changes nothing.
pub(super) async fn content(wire: &mut Wire, database: &str, snapshot: &str) -> Result<Content, WireError> {
    let objects = objects(wire, database).await?;
    if objects.iter().any(|row| row.text(1) == MARKER) {
        let state = sql::rows(wire, &format!("SELECT snapshot FROM {}", ident(MARKER))).await?;
        let whose = state.first().map(|row| row.text(0)).unwrap_or_default();
        if whose != snapshot {
            return Ok(Content::Else(format!("an interrupted restore of another snapshot, {whose}")));
        }
        let held = format!("SELECT IS_USED_LOCK({}) <> CONNECTION_ID()", lock_name(database));
        if sql::row(wire, &held).await?.flag(0) {
            return Ok(Content::Else("another restore of this snapshot is under way".into()));
        }
        return Ok(Content::Ours);
    }
    let words = |row: &Row| format!("{} {}", row.text(0).to_lowercase(), row.text(1).escape_debug());
    Ok(match objects.as_slice() {
        [] => Content::Nothing,
        [one] => Content::Else(words(one)),
        [first, rest @ ..] => Content::Else(format!("{} and {} more objects", words(first), rest.len())),
    })
}

/// Every object, as kind and name.
async fn objects(wire: &mut Wire, database: &str) -> Result<Vec<Row>, WireError> {
    let schema = literal(database);
    let query = format!(
        "SELECT CASE TABLE_TYPE WHEN 'VIEW' THEN 'VIEW' WHEN 'SEQUENCE' THEN 'SEQUENCE' ELSE 'TABLE' END, TABLE_NAME \
         FROM information_schema.TABLES WHERE TABLE_SCHEMA = {schema} \
         UNION ALL SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {schema} \
         UNION ALL SELECT 'EVENT', EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {schema}"
    );
    sql::rows(wire, &query).await
}

/// Claims the database for this session; false when another restore holds it.
pub(super) async fn hold(wire: &mut Wire, database: &str) -> Result<bool, WireError> {
    Ok(sql::row(wire, &format!("SELECT GET_LOCK({}, 0)", lock_name(database))).await?.flag(0))
}

/// A lock's name has 64 characters at most. MySQL has MD5 no more unless a component brings it.
fn lock_name(database: &str) -> String {
    format!("CONCAT('lifeboat ', LEFT(SHA2({}, 256), 32))", literal(database))
}

/// Leaves the marker that tells this restore's objects from anybody else's.
pub(super) async fn mark(wire: &mut Wire, snapshot: &str) -> Result<(), WireError> {
    let create = format!("CREATE TABLE {} AS SELECT {} AS snapshot", ident(MARKER), literal(snapshot));
    wire.run(&create).await.map(drop)
}

/// Takes the marker away: the restore is complete.
pub(super) async fn unmark(wire: &mut Wire) -> Result<(), WireError> {
    wire.run(&format!("DROP TABLE {}", ident(MARKER))).await.map(drop)
}

/// Drops everything that an interrupted restore made; the marker stays until the next one is through.
pub(super) async fn clear(wire: &mut Wire, database: &str) -> Result<(), WireError> {
    wire.run("SET foreign_key_checks = 0").await?;
    let mut objects = objects(wire, database).await?;
    // A package takes its body along.
    objects.retain(|row| row.text(1) != MARKER && row.text(0) != "PACKAGE BODY");
    // What tables draw their defaults from goes after them.
    objects.sort_by_key(|row| row.text(0) == "SEQUENCE");
    for object in objects {
        wire.run(&format!("DROP {} IF EXISTS {}", object.text(0), ident(&object.text(1)))).await?;
    }
    Ok(())
}
