//! Routines, views, triggers and events: each made in the session that it was made in, as the account that
//! it runs as.
//!
//! They come after the rows, so that no trigger fires while they load. Views may stand on each other and on
//! functions in any order: those that fail come round again for as long as a round gets further. Events
//! arrive disabled unless asked for: a mailing that a restored copy sends is sent twice.

use super::accounts;
use super::facts::{Kind, Program};
use super::load::MysqlLoad;
use super::rename::{self, Mention};
use super::scan::Dialect;
use super::sql::{escape, ident};
use super::wire::Wire;
use crate::Result;

/// Makes everything; what the target refuses goes into the report.
pub(super) async fn create_all(load: &MysqlLoad) -> Result<()> {
    let mut left: Vec<&Program> = load.schema.programs.iter().collect();
    let (mut wire, _) = load.endpoint.connect(super::target::LOCK_TIMEOUT_MS).await?;
    loop {
        let mut failed = Vec::new();
        for program in &left {
            if let Err(error) = create(load, &mut wire, program).await? {
                failed.push((*program, error));
            }
        }
        if failed.is_empty() || failed.len() == left.len() {
            let sentences = failed.iter().map(|(program, why)| {
                format!("{} {}: {why}", program.kind.sql().to_lowercase(), program.name.escape_debug())
            });
            load.report.lock().await.refused.extend(sentences);
            break;
        }
        left = failed.into_iter().map(|(program, _)| program).collect();
    }
    note_events(load).await;
    note_names(load).await;
    Ok(())
}

/// Makes one; answers with the server's refusal, if it has one.
async fn create(load: &MysqlLoad, wire: &mut Wire, program: &Program) -> Result<Result<(), String>> {
    let what = format!("{} {}", program.kind.sql().to_lowercase(), program.name.escape_debug());
    for statement in session(load, program) {
        match wire.run(&statement).await {
            Ok(_) => {}
            Err(error) if error.code().is_some() => {
                reset(load, wire, program).await?;
                return Ok(Err(error.to_string()));
            }
            Err(error) => return Err(load.map(&what, error)),
        }
    }
    let made = wire.run_bytes(&statement(load, program)).await;
    reset(load, wire, program).await?;
    match made {
        Ok(_) => Ok(Ok(())),
        Err(error) if error.code().is_some() => Ok(Err(error.to_string())),
        Err(error) => Err(load.map(&what, error)),
    }
}

/// The session that the object was made in.
fn session(load: &MysqlLoad, program: &Program) -> Vec<String> {
    let mut settings = vec![format!("sql_mode = '{}'", escape(&program.sql_mode))];
    if !program.charset.is_empty() {
        settings.push(format!("character_set_client = {}", program.charset));
        settings.push(format!("collation_connection = {}", program.collation));
    }
    settings.extend(program.time_zone.iter().map(|zone| format!("time_zone = '{}'", escape(zone))));
    let mut statements = vec![format!("SET {}", settings.join(", "))];
    // What a routine declares without a collation has the database's of that time.
    if differs(load, program) {
        let database = ident(&load.endpoint.database);
        statements.insert(0, format!("ALTER DATABASE {database} COLLATE {}", program.database_collation));
    }
    statements
}

/// Back to a session in which statements are plain.
async fn reset(load: &MysqlLoad, wire: &mut Wire, program: &Program) -> Result<()> {
    let failed = |error| load.map("setting the session back", error);
    wire.run("SET NAMES binary, sql_mode = '', time_zone = '+00:00'").await.map_err(failed)?;
    if differs(load, program) {
        let alter =
            format!("ALTER DATABASE {} COLLATE {}", ident(&load.endpoint.database), load.schema.collation);
        match wire.run(&alter).await {
            // Unknown here, as was reported when the database was made.
            Err(error) if error.code().is_some() => {}
            other => drop(other.map_err(failed)?),
        }
    }
    Ok(())
}

fn differs(load: &MysqlLoad, program: &Program) -> bool {
    !program.database_collation.is_empty() && program.database_collation != load.schema.collation
}

/// The statement as this target should have it.
fn statement(load: &MysqlLoad, program: &Program) -> Vec<u8> {
    let mut statement = program.create.bytes();
    if let Some((from, to)) = definer(&statement) {
        let replacement = match accounts::mapped(&load.options, &program.definer) {
            Some(new) => Some(format!("DEFINER={} ", accounts::quoted(new))),
            None => load.options.no_owner.then(String::new),
        };
        if let Some(replacement) = replacement {
            let after = to + usize::from(statement.get(to) == Some(&b' '));
            statement.splice(from..after, replacement.into_bytes());
        }
    }
    let (old, new) = (load.schema.database.as_str(), load.endpoint.database.as_str());
    let dialect = Dialect::of(&program.sql_mode, &program.charset);
    match program.kind {
        // The server printed it, with its own quotes.
        Kind::View if old != new => rename::view(&statement, Dialect::of("", &program.charset), old, new),
        Kind::Trigger => {
            let beside = load.schema.programs.iter().filter(|other| other.table == program.table);
            let names: Vec<_> = beside.map(|other| other.name.as_bytes()).collect();
            rename::trigger(&statement, dialect, (old, new), |name| names.contains(&name))
        }
        Kind::Event if !load.options.enable_events => disabled(statement),
        _ => statement,
    }
}

/// Names the objects whose bodies name the database that the snapshot is of, if this one is called otherwise.
async fn note_names(load: &MysqlLoad) {
    let (old, new) = (&load.schema.database, &load.endpoint.database);
    if old == new {
        return;
    }
    let written = load.schema.programs.iter().filter(|program| program.kind != Kind::View);
    let notes = written.filter_map(|program| {
        let dialect = Dialect::of(&program.sql_mode, &program.charset);
        let place = match rename::mention(&statement(load, program), dialect, old)? {
            Mention::Code => "",
            Mention::Text => " in a string",
        };
        Some(format!(
            "{} {} names database {}{place}: it works on that one still, not on {}",
            program.kind.sql().to_lowercase(),
            program.name.escape_debug(),
            old.escape_debug(),
            new.escape_debug()
        ))
    });
    load.report.lock().await.notes.extend(notes);
}

/// Where `DEFINER=…` stands in the head of a statement.
fn definer(statement: &[u8]) -> Option<(usize, usize)> {
    let start = statement.windows(9).position(|window| window == b"DEFINER=`")?;
    let (mut at, mut quoted) = (start + b"DEFINER=".len(), false);
    while let Some(byte) = statement.get(at) {
        match byte {
            b'`' => quoted = !quoted,
            b' ' if !quoted => return Some((start, at)),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The event's statement with the first `ENABLE` after its schedule turned round. It stands right after how
/// long the event is kept, before the comment and what it does.
fn disabled(statement: Vec<u8>) -> Vec<u8> {
    let marker = b"PRESERVE ENABLE";
    let Some(at) = statement.windows(marker.len()).position(|window| window == marker) else {
        return statement;
    };
    [&statement[..at], b"PRESERVE DISABLE", &statement[at + marker.len()..]].concat()
}

async fn note_events(load: &MysqlLoad) {
    let events: Vec<_> = load.schema.programs.iter().filter(|program| program.kind == Kind::Event).collect();
    if load.options.enable_events {
        return;
    }
    if !events.is_empty() {
        let names: Vec<_> = events.iter().map(|event| event.name.escape_debug().to_string()).collect();
        let note = format!(
            "events arrive disabled; ALTER EVENT … ENABLE starts one, --enable-events leaves them as they were: {}",
            names.join(", ")
        );
        load.report.lock().await.notes.push(note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definer_is_found_whatever_it_is_called() {
        let check = |statement: &str, expected: Option<&str>| {
            let found = definer(statement.as_bytes()).map(|(from, to)| &statement[from..to]);
            assert_eq!(found, expected, "{statement}");
        };
        check("CREATE DEFINER=`a b`@`%` TRIGGER `t`", Some("DEFINER=`a b`@`%`"));
        check("CREATE ALGORITHM=MERGE DEFINER=`role` SQL SECURITY DEFINER VIEW", Some("DEFINER=`role`"));
        check("CREATE PROCEDURE p() SELECT 1", None);
    }

    #[test]
    fn an_event_is_turned_off_and_nothing_else_of_it() {
        let event = "CREATE DEFINER=`a`@`b` EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE DO SELECT 'PRESERVE ENABLE'";
        let off = String::from_utf8(disabled(event.into())).expect("text");
        assert!(off.contains("NOT PRESERVE DISABLE DO SELECT 'PRESERVE ENABLE'"), "{off}");
    }
}
