//! What comes after the rows: sequences, indexes, constraints, triggers, large objects' owners,
//! materialised views, statistics, the database's settings; and last the marker goes.

use sqlx::PgConnection;

use super::facts::{self, Database, Grant, LargeObject, Roles, Sequences, Setting};
use super::load::PostgresLoad;
use super::{empty, fault, sql};
use crate::{LoadOptions, Result, TableKind, TableName};

/// Sequences set by one statement.
const SEQUENCE_BATCH: usize = 200;

/// Makes the restore complete. What the target refuses goes into the report.
pub(super) async fn finish(load: &PostgresLoad) -> Result<()> {
    set_sequences(load).await?;
    load.restore_section("post-data", load.options.writers).await?;
    let silenced = silence_event_triggers(load).await?;
    own_large_objects(load).await?;
    refresh_views(load).await?;
    analyze_expressions(load).await?;
    if load.plan.whole {
        set_database(load).await?;
    }
    note_roles(load).await?;
    note_subscriptions(load).await?;
    note_membership(load).await?;
    let mut guard = load.guard.lock().await;
    empty::unmark(&mut guard, &silenced).await.map_err(|error| load.map("taking the marker away", error))
}

/// Switches the database's event triggers off: they are the last definitions to come, and what is left to do is
/// the restore's business, not theirs. Returns the statements that switch each on again as it was.
async fn silence_event_triggers(load: &PostgresLoad) -> Result<Vec<String>> {
    let query = "SELECT format('ALTER EVENT TRIGGER %I', e.evtname), \
        CASE e.evtenabled WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END \
        FROM pg_catalog.pg_event_trigger e WHERE e.evtenabled <> 'D' AND NOT EXISTS (SELECT \
          FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_event_trigger'::regclass \
          AND d.objid = e.oid AND d.deptype = 'e')";
    let mut guard = load.guard.lock().await;
    let silence = async {
        let mut enable = Vec::new();
        for row in sql::rows(&mut guard, query).await? {
            sql::run(&mut guard, &format!("{} DISABLE", row.text(0))).await?;
            enable.push(format!("{} {}", row.text(0), row.text(1)));
        }
        Ok(enable)
    };
    silence.await.map_err(|error| load.map("keeping the event triggers quiet", error))
}

async fn set_sequences(load: &PostgresLoad) -> Result<()> {
    let sequences: Sequences = facts::parse(&load.plan.schema, "sequences.json")?;
    let mut guard = load.guard.lock().await;
    for batch in sequences.sequences.chunks(SEQUENCE_BATCH) {
        let calls = batch.iter().map(|sequence| {
            // A sequence of a table that was left out is not there, and a name of nothing sets nothing.
            let name = sql::literal(&sql::table(&sequence.name));
            format!(
                "pg_catalog.setval(pg_catalog.to_regclass({name}), {}, {})",
                sequence.last_value, sequence.is_called
            )
        });
        let statement = format!("SELECT {}", calls.collect::<Vec<_>>().join(", "));
        sql::run(&mut guard, &statement).await.map_err(|error| load.map("setting the sequences", error))?;
    }
    Ok(())
}

/// Runs one statement that may be refused without making the restore worthless.
async fn attempt(
    load: &PostgresLoad,
    guard: &mut PgConnection,
    object: &str,
    statement: &str,
) -> Result<bool> {
    match sql::run(guard, statement).await {
        Ok(()) => Ok(true),
        Err(error) => match fault::words(&error) {
            Some(message) => {
                load.refuse(format!("{object}: {message}"), statement).await;
                Ok(false)
            }
            None => Err(load.map(object, error)),
        },
    }
}

async fn own_large_objects(load: &PostgresLoad) -> Result<()> {
    if !load.plan.tables.iter().any(|table| table.kind == TableKind::LargeObjects) {
        return Ok(());
    }
    let mut guard = load.guard.lock().await;
    for object in &load.database.large_objects {
        for statement in around(object, &load.endpoint.user, load.options.no_owner, &load.options.map_roles) {
            attempt(load, &mut guard, &format!("large object {}", object.oid), &statement).await?;
        }
    }
    Ok(())
}

/// The statements that give an object its comment, grants and owner, the owner last.
fn around(object: &LargeObject, me: &str, no_owner: bool, roles: &[(String, String)]) -> Vec<String> {
    let role = |name: &str| sql::ident(mapped(name, roles));
    let oid = object.oid;
    let comment = object.comment.iter();
    let mut statements: Vec<_> =
        comment.map(|text| format!("COMMENT ON LARGE OBJECT {oid} IS {}", sql::literal(text))).collect();
    if !no_owner {
        let on = format!("LARGE OBJECT {oid}");
        statements.extend(object.grants.iter().map(|granted| grant(granted, &on, roles)));
        let other = mapped(&object.owner, roles) != me;
        statements
            .extend(other.then(|| format!("ALTER LARGE OBJECT {oid} OWNER TO {}", role(&object.owner))));
    }
    statements
}

fn grant(granted: &Grant, on: &str, roles: &[(String, String)]) -> String {
    let grantee = granted.grantee.as_deref();
    let grantee = grantee.map_or("PUBLIC".to_owned(), |name| sql::ident(mapped(name, roles)));
    let option = if granted.grantable { " WITH GRANT OPTION" } else { "" };
    format!("GRANT {} ON {on} TO {grantee}{option}", granted.privilege)
}

fn mapped<'a>(name: &'a str, roles: &'a [(String, String)]) -> &'a str {
    roles.iter().find(|(old, _)| old == name).map_or(name, |(_, new)| new)
}

/// Refreshes the materialised views that held rows. One may read another: those that fail for it come
/// round again, for as long as a round gets further.
async fn refresh_views(load: &PostgresLoad) -> Result<()> {
    if !load.plan.whole {
        return Ok(());
    }
    let mut guard = load.guard.lock().await;
    let mut left: Vec<&TableName> = load.database.populated_views.iter().collect();
    loop {
        let mut failed = Vec::new();
        for view in &left {
            let statement = format!("REFRESH MATERIALIZED VIEW {}", sql::table(view));
            match sql::run(&mut guard, &statement).await {
                Ok(()) => {}
                Err(error) => match fault::words(&error) {
                    Some(message) => failed.push((*view, message)),
                    None => return Err(load.map(&view.to_string(), error)),
                },
            }
        }
        if failed.is_empty() || failed.len() == left.len() {
            let sentences =
                failed.iter().map(|(view, why)| format!("materialized view {view} is not filled: {why}"));
            load.report.lock().await.refused.extend(sentences);
            return Ok(());
        }
        left = failed.into_iter().map(|(view, _)| view).collect();
    }
}

/// Tables were analysed right after their rows; what only indexes on expressions, statistics objects and
/// materialised views ask for could not be known then.
async fn analyze_expressions(load: &PostgresLoad) -> Result<()> {
    let query = "SELECT format('ANALYZE %I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND (c.relkind = 'm' OR c.relkind IN ('r', 'p') \
          AND (EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indexprs IS NOT NULL) \
            OR EXISTS (SELECT FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = c.oid) \
            OR c.relkind = 'p' AND NOT c.relispartition))";
    let mut guard = load.guard.lock().await;
    let statements = sql::rows(&mut guard, query).await.map_err(|error| load.map("analysing", error))?;
    for row in statements {
        attempt(load, &mut guard, "statistics", &row.text(0)).await?;
    }
    Ok(())
}

/// The database's settings, for the roles that stand in for others.
pub(super) fn settings(database: &Database, options: &LoadOptions) -> Vec<Setting> {
    let mapped = |setting: &Setting| Setting {
        role: setting.role.as_deref().map(|role| mapped(role, &options.map_roles).to_owned()),
        ..setting.clone()
    };
    database.settings.iter().map(mapped).collect()
}

async fn set_database(load: &PostgresLoad) -> Result<()> {
    let comment = &load.database.comment;
    let name = sql::ident(&load.endpoint.database);
    let mut guard = load.guard.lock().await;
    if let Some(comment) = comment {
        let statement = format!("COMMENT ON DATABASE {name} IS {}", sql::literal(comment));
        attempt(load, &mut guard, "the database's comment", &statement).await?;
    }
    for setting in settings(&load.database, &load.options) {
        let statement = setting.set(&name);
        attempt(load, &mut guard, &format!("setting {}", setting.name), &statement).await?;
    }
    // One that was there before keeps the owner and the doors that somebody gave it.
    if load.options.into_new {
        for statement in access(&load.database, &name, &load.options) {
            attempt(load, &mut guard, "the database's access", &statement).await?;
        }
    }
    Ok(())
}

/// The statements that give a new database its limit, grants and owner, the owner last.
fn access(database: &Database, name: &str, options: &LoadOptions) -> Vec<String> {
    let limit = database.connection_limit.iter();
    let mut statements: Vec<_> =
        limit.map(|limit| format!("ALTER DATABASE {name} CONNECTION LIMIT {limit}")).collect();
    if options.no_owner {
        return statements;
    }
    if let Some(grants) = &database.grants {
        statements.push(format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC"));
        let on = format!("DATABASE {name}");
        statements.extend(grants.iter().map(|granted| grant(granted, &on, &options.map_roles)));
    }
    let owner = sql::ident(mapped(&database.owner, &options.map_roles));
    statements.push(format!("ALTER DATABASE {name} OWNER TO {owner}"));
    statements
}

/// Names the roles that own or were granted something and are not here.
async fn note_roles(load: &PostgresLoad) -> Result<()> {
    if load.options.no_owner {
        return Ok(());
    }
    let roles: Roles = facts::parse(&load.plan.schema, "roles.json")?;
    let mut guard = load.guard.lock().await;
    let here = sql::rows(&mut guard, "SELECT rolname::text FROM pg_catalog.pg_roles")
        .await
        .map_err(|error| load.map("looking at the roles", error))?;
    let is_here = |name: &str| here.iter().any(|row| row.text(0) == name);
    let missing: Vec<_> = roles
        .roles
        .iter()
        .filter(|role| role.used_here && !is_here(mapped(&role.name, &load.options.map_roles)))
        .map(|role| role.name.as_str())
        .collect();
    if !missing.is_empty() {
        let note = format!(
            "roles that are not on this server, whose objects belong to {} now: {}",
            load.endpoint.user,
            missing.join(", ")
        );
        load.report.lock().await.notes.push(note);
    }
    Ok(())
}

/// Says what a subscription is that came back: the copy must not take the original's changes from it.
async fn note_subscriptions(load: &PostgresLoad) -> Result<()> {
    let query = "SELECT string_agg(subname, ', ' ORDER BY subname) FROM pg_catalog.pg_subscription \
        WHERE NOT subenabled AND subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";
    let mut guard = load.guard.lock().await;
    let names =
        sql::row(&mut guard, query).await.map_err(|error| load.map("looking at subscriptions", error))?;
    if let Some(names) = names.some(0) {
        load.report.lock().await.notes.push(format!(
            "subscriptions are disabled, and name the original's slots: ALTER SUBSCRIPTION … SET (slot_name = NONE) \
             before one is dropped or given a slot of its own: {names}"
        ));
    }
    Ok(())
}

/// Says what would help an account that may not give its objects to the roles they belonged to.
async fn note_membership(load: &PostgresLoad) -> Result<()> {
    let names: Vec<_> = load.unowned.lock().await.iter().map(|name| sql::literal(name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let right = if load.server.major() >= 16 { "SET" } else { "MEMBER" };
    let query = format!(
        "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname IN ({}) \
         AND NOT pg_catalog.pg_has_role(oid, '{right}') ORDER BY 1",
        names.join(", ")
    );
    let mut guard = load.guard.lock().await;
    let others =
        sql::rows(&mut guard, &query).await.map_err(|error| load.map("looking at the roles", error))?;
    let me = sql::ident(&load.endpoint.user);
    let notes = others.iter().map(|row| sql::ident(&row.text(0))).map(|role| {
        format!(
            "{me} may not give objects to {role}: GRANT {role} TO {me}; or leave owners out with --no-owner"
        )
    });
    load.report.lock().await.notes.extend(notes);
    Ok(())
}
