//! Whether a target is empty, whose leftovers it holds if not, and how those are cleared away.
//!
//! A restore's first act is a marker with the snapshot's id, its last act to drop it: whatever lies in a
//! database with our marker was put there by that restore, since it began in an empty one.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::facts::Setting;
use super::{fault, schema, sql};

/// The marker's schema.
pub(super) const MARKER: &str = "lifeboat_restore";

/// Objects dropped by one statement: each takes locks, and the server has room for a few thousand.
const DROP_BATCH: usize = 50;

/// Held by a session that restores, so that a second one does not take it for an interrupted one.
const LOCK: &str = "SELECT pg_catalog.pg_try_advisory_lock(7810209834211)";

/// How long sessions that are told to end may take.
const END_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(100);

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

/// User objects of a database apart from extensions' members, as kind and name. What is in no schema is told
/// from the system's by its oid: those begin at 16384.
const OBJECTS: &str = "WITH own AS (SELECT oid, nspname FROM pg_catalog.pg_namespace \
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'lifeboat_restore')), \
  member AS (SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e') \
  SELECT kind, name FROM ( \
    SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' \
        WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END AS kind, \
      format('%I.%I', own.nspname, relname) AS name, 'pg_class'::regclass AS class, c.oid AS object \
      FROM pg_catalog.pg_class c JOIN own ON own.oid = relnamespace WHERE relkind IN ('r','p','v','m','S','f','c') \
    UNION ALL SELECT 'routine', p.oid::regprocedure::text, 'pg_proc'::regclass, p.oid \
      FROM pg_catalog.pg_proc p JOIN own ON own.oid = pronamespace \
    UNION ALL SELECT 'type', format('%I.%I', own.nspname, typname), 'pg_type'::regclass, t.oid \
      FROM pg_catalog.pg_type t JOIN own ON own.oid = typnamespace \
      WHERE typrelid = 0 AND typcategory <> 'A' AND typtype IN ('b', 'd', 'e', 'r') \
    UNION ALL SELECT 'operator', o.oid::regoperator::text, 'pg_operator'::regclass, o.oid \
      FROM pg_catalog.pg_operator o JOIN own ON own.oid = oprnamespace \
    UNION ALL SELECT 'collation', format('%I.%I', own.nspname, collname), 'pg_collation'::regclass, o.oid \
      FROM pg_catalog.pg_collation o JOIN own ON own.oid = collnamespace \
    UNION ALL SELECT 'text search configuration', format('%I.%I', own.nspname, cfgname), 'pg_ts_config'::regclass, \
      o.oid FROM pg_catalog.pg_ts_config o JOIN own ON own.oid = cfgnamespace \
    UNION ALL SELECT 'text search dictionary', format('%I.%I', own.nspname, dictname), 'pg_ts_dict'::regclass, \
      o.oid FROM pg_catalog.pg_ts_dict o JOIN own ON own.oid = dictnamespace \
    UNION ALL SELECT 'schema', format('%I', nspname), 'pg_namespace'::regclass, oid FROM own WHERE nspname <> 'public' \
    UNION ALL SELECT 'text search parser', format('%I.%I', own.nspname, prsname), 'pg_ts_parser'::regclass, \
      o.oid FROM pg_catalog.pg_ts_parser o JOIN own ON own.oid = prsnamespace \
    UNION ALL SELECT 'text search template', format('%I.%I', own.nspname, tmplname), 'pg_ts_template'::regclass, \
      o.oid FROM pg_catalog.pg_ts_template o JOIN own ON own.oid = tmplnamespace \
    UNION ALL SELECT 'conversion', format('%I.%I', own.nspname, conname), 'pg_conversion'::regclass, o.oid \
      FROM pg_catalog.pg_conversion o JOIN own ON own.oid = connamespace \
    UNION ALL SELECT 'operator family', format('%I.%I USING %I', own.nspname, opfname, amname), \
      'pg_opfamily'::regclass, o.oid FROM pg_catalog.pg_opfamily o JOIN own ON own.oid = opfnamespace \
      JOIN pg_catalog.pg_am a ON a.oid = opfmethod \
    UNION ALL SELECT 'cast', format('(%s AS %s)', castsource::regtype, casttarget::regtype), 'pg_cast'::regclass, oid \
      FROM pg_catalog.pg_cast WHERE oid >= 16384 \
    UNION ALL SELECT 'language', format('%I', lanname), 'pg_language'::regclass, oid \
      FROM pg_catalog.pg_language WHERE oid >= 16384 \
    UNION ALL SELECT 'access method', format('%I', amname), 'pg_am'::regclass, oid \
      FROM pg_catalog.pg_am WHERE oid >= 16384 \
    UNION ALL SELECT 'subscription', format('%I', subname), 'pg_subscription'::regclass, 0::oid \
      FROM pg_catalog.pg_subscription \
      WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
    UNION ALL SELECT 'publication', format('%I', pubname), 'pg_publication'::regclass, oid \
      FROM pg_catalog.pg_publication \
    UNION ALL SELECT 'event trigger', format('%I', evtname), 'pg_event_trigger'::regclass, oid \
      FROM pg_catalog.pg_event_trigger \
    UNION ALL SELECT 'server', format('%I', srvname), 'pg_foreign_server'::regclass, oid \
      FROM pg_catalog.pg_foreign_server \
    UNION ALL SELECT 'foreign data wrapper', format('%I', fdwname), 'pg_foreign_data_wrapper'::regclass, oid \
      FROM pg_catalog.pg_foreign_data_wrapper) o \
  WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = o.class AND m.objid = o.object) \
  ORDER BY kind = 'schema', kind, name";

/// The statements that take default privileges back, each with its role: all of them are revoked, and then granted
/// what is so without them. Those in a schema only add to that.
const DEFAULT_PRIVILEGES: &str = "WITH kept AS (SELECT d.oid, d.defaclrole, d.defaclnamespace, d.defaclacl, \
      r.rolname::text AS role, CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END AS type, \
      CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' \
        WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END AS kind, \
      format('ALTER DEFAULT PRIVILEGES FOR ROLE %I', r.rolname) \
        || CASE WHEN n.oid IS NULL THEN '' ELSE format(' IN SCHEMA %I', n.nspname) END AS head \
    FROM pg_catalog.pg_default_acl d JOIN pg_catalog.pg_roles r ON r.oid = d.defaclrole \
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace), \
  steps AS (SELECT oid, 1 AS step, role, format('%s REVOKE ALL ON %s FROM ', head, kind) AS words, a.grantee \
      FROM kept, pg_catalog.aclexplode(defaclacl) a \
    UNION SELECT oid, 2, role, format('%s GRANT %s ON %s TO ', head, a.privilege_type, kind), a.grantee \
      FROM kept, pg_catalog.aclexplode(pg_catalog.acldefault(type, defaclrole)) a WHERE defaclnamespace = 0) \
  SELECT words || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', pg_catalog.pg_get_userbyid(grantee)) END, role \
  FROM steps ORDER BY oid, step";

/// Looks at what a database holds; changes nothing.
pub(super) async fn content(connection: &mut PgConnection, snapshot: &str) -> Result<Content, sqlx::Error> {
    let marker = format!("SELECT to_regclass('{MARKER}.state') IS NOT NULL");
    if sql::row(connection, &marker).await?.flag(0) {
        let state = sql::rows(connection, &format!("SELECT snapshot FROM {MARKER}.state")).await?;
        let whose = state.first().map(|row| row.text(0)).unwrap_or_default();
        if whose != snapshot {
            return Ok(Content::Else(format!("an interrupted restore of another snapshot, {whose}")));
        }
        let held = "SELECT count(*)::text FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted \
            AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
            AND ((classid::int8 << 32) | objid::int8) = 7810209834211 AND pid <> pg_backend_pid()";
        if sql::row(connection, held).await?.number(0) > 0 {
            return Ok(Content::Else("another restore of this snapshot is under way".into()));
        }
        return Ok(Content::Ours);
    }
    let objects = sql::rows(connection, OBJECTS).await?;
    let large = sql::row(connection, "SELECT count(*)::text FROM pg_catalog.pg_largeobject_metadata")
        .await?
        .number(0);
    Ok(match (objects.as_slice(), large) {
        ([], 0) => Content::Nothing,
        ([], large) => Content::Else(format!("{large} large objects")),
        ([one], _) => Content::Else(format!("{} {}", one.text(0), one.text(1))),
        ([first, rest @ ..], _) => {
            Content::Else(format!("{} {} and {} more objects", first.text(0), first.text(1), rest.len()))
        }
    })
}

/// Claims the database for this session; false when another restore holds it.
pub(super) async fn hold(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    Ok(sql::row(connection, LOCK).await?.flag(0))
}

/// Ends this account's other sessions of Lifeboat in this database. A restore that was killed took its claim
/// with it, but not the pg_restore that it had started: that one would go on to build indexes and keys, on
/// the tables of the restore that starts over. Returns how many would not end.
pub(super) async fn end_leftovers(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let end = "SELECT count(pg_catalog.pg_terminate_backend(pid))::text FROM pg_catalog.pg_stat_activity \
        WHERE datname = current_database() AND usename = current_user AND application_name = 'lifeboat' \
          AND pid <> pg_backend_pid()";
    let deadline = Instant::now() + END_WITHIN;
    loop {
        // Told again each time: a pg_restore between two sessions comes back once.
        let left = sql::row(connection, end).await?.number(0);
        if left == 0 || Instant::now() >= deadline {
            return Ok(left);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Leaves the marker that tells this restore's objects from anybody else's.
pub(super) async fn mark(connection: &mut PgConnection, snapshot: &str) -> Result<(), sqlx::Error> {
    let statement = format!(
        "CREATE SCHEMA {MARKER}; CREATE TABLE {MARKER}.state AS SELECT {}::text AS snapshot, now() AS begun, \
         ARRAY(SELECT extname::text FROM pg_catalog.pg_extension) AS extensions",
        sql::literal(snapshot)
    );
    sql::run(connection, &statement).await
}

/// Takes the marker away and runs `last`, both or neither: the restore is complete.
pub(super) async fn unmark(connection: &mut PgConnection, last: &[String]) -> Result<(), sqlx::Error> {
    let drop = format!("DROP SCHEMA {MARKER} CASCADE");
    let statements = [&["BEGIN".to_owned(), drop], last, &["COMMIT".to_owned()]].concat();
    sql::run(connection, &statements.join("; ")).await
}

/// Drops everything that an interrupted restore made in `database`, and takes back which of `settings` are made
/// there; the marker stays until the next one is through. Returns what would not go.
pub(super) async fn clear(
    connection: &mut PgConnection,
    database: &str,
    settings: &[Setting],
) -> Result<Option<String>, sqlx::Error> {
    // An event trigger of the restored database must not meddle with clearing it away.
    let triggers =
        "SELECT format('DROP EVENT TRIGGER IF EXISTS %I', evtname) FROM pg_catalog.pg_event_trigger";
    for row in sql::rows(connection, triggers).await? {
        sql::run(connection, &row.text(0)).await?;
    }
    drop_subscriptions(connection).await?;
    let extensions = format!(
        "SELECT format('DROP EXTENSION IF EXISTS %I CASCADE', extname) FROM pg_catalog.pg_extension \
         WHERE extname <> ALL (SELECT unnest(extensions) FROM {MARKER}.state)"
    );
    for row in sql::rows(connection, &extensions).await? {
        sql::run(connection, &row.text(0)).await?;
    }
    drop_objects(connection).await?;
    let unlink = "SELECT count(pg_catalog.lo_unlink(oid))::text FROM (SELECT oid FROM \
        pg_catalog.pg_largeobject_metadata LIMIT 1000) o";
    while sql::row(connection, unlink).await?.number(0) > 0 {}
    if let Some(left) = forget_settings(connection, database, settings).await? {
        return Ok(Some(left));
    }
    if let Some(left) = forget_default_privileges(connection).await? {
        return Ok(Some(left));
    }
    let left = sql::rows(connection, OBJECTS).await?;
    Ok(left.first().map(|row| format!("{} {}", row.text(0), row.text(1))))
}

/// Takes back which of `settings` are made; returns one that would not go.
async fn forget_settings(
    connection: &mut PgConnection,
    database: &str,
    settings: &[Setting],
) -> Result<Option<String>, sqlx::Error> {
    let database = sql::ident(database);
    for made in schema::settings(connection, schema::HERE).await? {
        let is_ours = settings.iter().any(|ours| ours.name == made.name && ours.role == made.role);
        if is_ours && !permitted(sql::run(connection, &made.reset(&database)).await)? {
            return Ok(Some(format!("the database's setting {}", made.name)));
        }
    }
    Ok(None)
}

/// Makes every role's default privileges those of a new database: they would give to others what the restore makes.
/// Returns what would not go.
async fn forget_default_privileges(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    for row in sql::rows(connection, DEFAULT_PRIVILEGES).await? {
        if !permitted(sql::run(connection, &row.text(0)).await)? {
            return Ok(Some(format!("default privileges of role {}", row.text(1))));
        }
    }
    Ok(None)
}

/// Whether a statement was run; false where this account may not.
fn permitted(run: Result<(), sqlx::Error>) -> Result<bool, sqlx::Error> {
    match run {
        Err(error) if fault::code(&error).as_deref() == Some("42501") => Ok(false),
        run => run.map(|()| true),
    }
}

/// Drops the database's subscriptions and leaves the publisher's slots alone: they are the original's.
pub(super) async fn drop_subscriptions(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let query = "SELECT format('%I', subname) FROM pg_catalog.pg_subscription \
        WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";
    for row in sql::rows(connection, query).await? {
        let name = row.text(0);
        for statement in [
            format!("ALTER SUBSCRIPTION {name} DISABLE"),
            format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"),
            format!("DROP SUBSCRIPTION {name}"),
        ] {
            sql::run(connection, &statement).await?;
        }
    }
    Ok(())
}

async fn drop_objects(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let objects = sql::rows(connection, OBJECTS).await?;
    let of_kind = |kind: &str| {
        objects.iter().filter(|row| row.text(0) == kind).map(|row| row.text(1)).collect::<Vec<_>>()
    };
    for kind in [
        "table",
        "foreign table",
        "view",
        "materialized view",
        "sequence",
        "cast",
        "operator family",
        "routine",
        "operator",
        "type",
        "collation",
        "text search configuration",
        "text search dictionary",
        "text search parser",
        "text search template",
        "conversion",
        "access method",
        "language",
        "publication",
        "server",
        "foreign data wrapper",
        "schema",
    ] {
        let names = of_kind(kind);
        for batch in names.chunks(DROP_BATCH) {
            let statements: Vec<_> =
                batch.iter().map(|name| format!("DROP {kind} IF EXISTS {name} CASCADE")).collect();
            sql::run(connection, &statements.join("; ")).await?;
        }
    }
    Ok(())
}
