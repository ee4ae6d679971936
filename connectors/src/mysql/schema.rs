//! Reading the definitions: `SHOW CREATE` for every kind of object, with the session that each was made in.

use std::collections::BTreeSet;

use super::accounts;
use super::connect::Endpoint;
use super::facts::{Code, Kind, Program, Schema, Sequence, TableDefinition};
use super::inventory::{History, Others, Relation};
use super::server::Server;
use super::sql::{self, Row, ident, literal};
use super::wire::{Wire, WireError};
use crate::{Error, Result};

/// A table of this many bytes has its indexes built after its rows: below, another statement costs more
/// than it saves.
const LARGE_BYTES: u64 = 16 * 1024 * 1024;

/// Reads everything that is not rows.
pub(super) async fn read(
    wire: &mut Wire,
    server: &Server,
    endpoint: &Endpoint,
    relations: &[Relation],
    others: &Others,
) -> Result<Schema> {
    let during = |what| endpoint.during(what, 0);
    let database = literal(&endpoint.database);
    let comment = if server.is_mariadb() { "SCHEMA_COMMENT" } else { "''" };
    let query = format!(
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, {comment} FROM information_schema.SCHEMATA \
         WHERE SCHEMA_NAME = {database}"
    );
    let about =
        sql::row(wire, &query).await.map_err(|e| during("reading the database's properties").map(e))?;
    let mut tables = Vec::with_capacity(relations.len());
    for relation in relations {
        let name = relation.table_name().to_string();
        let statement = format!("SHOW CREATE TABLE {}", ident(&relation.name));
        let row = sql::row(wire, &statement).await.map_err(|e| endpoint.during(&name, 0).map(e))?;
        tables.push(TableDefinition {
            name: relation.name.clone(),
            create: Code::of(row.bytes(1).unwrap_or_default()),
            // An index is not added to a table that keeps history by transactions.
            large: relation.bytes >= LARGE_BYTES
                && !relation.is_window()
                && relation.history != History::ByTransaction,
            versioned: relation.has_history(),
        });
    }
    let sequences =
        sequences(wire, &others.sequences).await.map_err(|e| during("reading the sequences").map(e))?;
    let mut programs = routines(wire, server, endpoint, &database).await?;
    programs.extend(views(wire, endpoint, &database).await?);
    programs.extend(triggers(wire, &database).await.map_err(|e| during("reading the triggers").map(e))?);
    programs.extend(events(wire, &database).await.map_err(|e| during("reading the events").map(e))?);
    let definers: BTreeSet<_> = programs.iter().map(|program| program.definer.clone()).collect();
    let accounts = accounts::read(wire, &endpoint.database, definers)
        .await
        .map_err(|e| during("reading the accounts").map(e))?;
    Ok(Schema {
        family: server.name().to_lowercase(),
        database: endpoint.database.clone(),
        charset: about.text(0),
        collation: about.text(1),
        comment: about.some(2).filter(|comment| !comment.is_empty()),
        tables,
        sequences,
        programs,
        accounts,
    })
}

async fn sequences(wire: &mut Wire, names: &[String]) -> Result<Vec<Sequence>, WireError> {
    let mut sequences = Vec::new();
    for name in names {
        let create = sql::row(wire, &format!("SHOW CREATE SEQUENCE {}", ident(name))).await?.text(1);
        let next =
            sql::row(wire, &format!("SELECT next_not_cached_value FROM {}", ident(name))).await?.text(0);
        sequences.push(Sequence { name: name.clone(), create, next });
    }
    Ok(sequences)
}

async fn routines(
    wire: &mut Wire,
    server: &Server,
    endpoint: &Endpoint,
    database: &str,
) -> Result<Vec<Program>> {
    let during = |what| endpoint.during(what, 0);
    let query = format!(
        "SELECT ROUTINE_TYPE, ROUTINE_NAME, DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {database} \
         ORDER BY ROUTINE_TYPE, ROUTINE_NAME"
    );
    let found = sql::rows(wire, &query).await.map_err(|e| during("listing the routines").map(e))?;
    let mut programs = Vec::new();
    for routine in found {
        let kind = match routine.text(0).as_str() {
            "PACKAGE" => Kind::Package,
            "PACKAGE BODY" => Kind::PackageBody,
            "FUNCTION" => Kind::Function,
            _ => Kind::Procedure,
        };
        let (name, definer) = (routine.text(1), routine.text(2));
        let what = format!("{} {}", kind.sql().to_lowercase(), name.escape_debug());
        let statement = format!("SHOW CREATE {} {}", kind.sql(), ident(&name));
        let row = sql::row(wire, &statement).await.map_err(|e| endpoint.during(&what, 0).map(e))?;
        // sql_mode, body, charset, collation, the database's collation follow the name.
        let Some(body) = row.bytes(2) else { return Err(hidden(server, endpoint, what)) };
        programs.push(Program {
            sql_mode: row.text(1),
            charset: row.text(3),
            collation: row.text(4),
            database_collation: row.text(5),
            ..program(kind, name, Code::of(body), definer)
        });
    }
    programs.sort_by_key(|program| program.kind);
    Ok(programs)
}

/// A routine whose body the account may not see.
fn hidden(server: &Server, endpoint: &Endpoint, what: String) -> Error {
    let user = ident(&endpoint.user);
    let hint = if server.is_mariadb() {
        format!(
            "GRANT SELECT ON mysql.proc TO {user}; or from 11.3 on, GRANT SHOW CREATE ROUTINE ON {}.* TO {user};",
            ident(&endpoint.database)
        )
    } else {
        format!("GRANT SHOW_ROUTINE ON *.* TO {user};")
    };
    Error::Denied {
        what: format!("reading {what}"),
        reason: "its body is shown to its definer only".into(),
        hint,
    }
}

async fn views(wire: &mut Wire, endpoint: &Endpoint, database: &str) -> Result<Vec<Program>> {
    let during = |what| endpoint.during(what, 0);
    let query = format!(
        "SELECT TABLE_NAME, DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION FROM information_schema.VIEWS \
         WHERE TABLE_SCHEMA = {database} ORDER BY TABLE_NAME"
    );
    let found = sql::rows(wire, &query).await.map_err(|e| during("listing the views").map(e))?;
    let mut programs = Vec::new();
    for view in found {
        let what = format!("view {}", view.text(0).escape_debug());
        let statement = format!("SHOW CREATE VIEW {}", ident(&view.text(0)));
        let row = sql::row(wire, &statement).await.map_err(|error| match error.code() {
            Some(1142) => Error::Denied {
                what: format!("reading {what}"),
                reason: error.to_string(),
                hint: format!(
                    "GRANT SHOW VIEW ON {}.* TO {}",
                    ident(&endpoint.database),
                    ident(&endpoint.user)
                ),
            },
            _ => endpoint.during(&what, 0).map(error),
        })?;
        let create = Code::of(row.bytes(1).unwrap_or_default());
        programs.push(Program {
            charset: view.text(2),
            collation: view.text(3),
            ..program(Kind::View, view.text(0), create, view.text(1))
        });
    }
    Ok(programs)
}

async fn triggers(wire: &mut Wire, database: &str) -> Result<Vec<Program>, WireError> {
    let query = format!(
        "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, DEFINER FROM information_schema.TRIGGERS \
         WHERE TRIGGER_SCHEMA = {database} \
         ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER"
    );
    let mut programs = Vec::new();
    for trigger in sql::rows(wire, &query).await? {
        let row = sql::row(wire, &format!("SHOW CREATE TRIGGER {}", ident(&trigger.text(0)))).await?;
        let made = show_create(&row, program(Kind::Trigger, trigger.text(0), Code::of(&[]), trigger.text(2)));
        programs.push(Program { table: Some(trigger.text(1)), ..made });
    }
    Ok(programs)
}

async fn events(wire: &mut Wire, database: &str) -> Result<Vec<Program>, WireError> {
    let query = format!(
        "SELECT EVENT_NAME, DEFINER, TIME_ZONE FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {database} \
         ORDER BY EVENT_NAME"
    );
    let mut programs = Vec::new();
    for event in sql::rows(wire, &query).await? {
        // sql_mode and time zone follow the name; then statement, charset, collation, the database's.
        let row = sql::row(wire, &format!("SHOW CREATE EVENT {}", ident(&event.text(0)))).await?;
        programs.push(Program {
            sql_mode: row.text(1),
            charset: row.text(4),
            collation: row.text(5),
            database_collation: row.text(6),
            time_zone: event.some(2),
            ..program(Kind::Event, event.text(0), Code::of(row.bytes(3).unwrap_or_default()), event.text(1))
        });
    }
    Ok(programs)
}

/// Takes what `SHOW CREATE TRIGGER` prints: name, sql_mode, statement, charset, collation, the database's.
fn show_create(row: &Row, program: Program) -> Program {
    Program {
        sql_mode: row.text(1),
        create: Code::of(row.bytes(2).unwrap_or_default()),
        charset: row.text(3),
        collation: row.text(4),
        database_collation: row.text(5),
        ..program
    }
}

fn program(kind: Kind, name: String, create: Code, definer: String) -> Program {
    Program {
        kind,
        name,
        create,
        // A role of MariaDB's has no host.
        definer: definer.strip_suffix('@').map(str::to_owned).unwrap_or(definer),
        sql_mode: String::new(),
        charset: String::new(),
        collation: String::new(),
        database_collation: String::new(),
        table: None,
        time_zone: None,
    }
}
