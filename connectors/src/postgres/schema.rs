//! Everything that is not rows: pg_dump's archive on the same snapshot, and what pg_dump leaves to
//! pg_dumpall or to its data section.

use std::collections::HashMap;
use std::path::Path;

use sqlx::PgConnection;
use tokio::process::Command;

use super::connect::Endpoint;
use super::empty::MARKER;
use super::facts::{
    Database, Grant, LargeObject, Membership, Partitioned, Role, Roles, Sequence, Sequences, Setting,
    TableOid,
};
use super::inventory::Relation;
use super::locale::Locale;
use super::snapshot::ServerFacts;
use super::{archive_time, sql, tools};
use crate::{Error, Result, TableName};

/// Of `pg_db_role_setting`: what is set for this database, or for a role in it.
pub(super) const HERE: &str =
    "s.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";

/// Sequences asked in one statement.
const SEQUENCE_BATCH: usize = 200;

/// What pg_dump gave.
pub(super) struct Archived {
    pub(super) bytes: Vec<u8>,
    /// Its own major version.
    pub(super) major: u32,
    /// What it did not understand or left out, one sentence each.
    pub(super) warnings: Vec<String>,
}

/// Runs pg_dump on the snapshot. What an unfinished restore marked itself with is left out.
pub(super) async fn archive(
    endpoint: &Endpoint,
    snapshot: &str,
    facts: &ServerFacts,
    lock_timeout_ms: u64,
    scratch: &Path,
) -> Result<Archived> {
    let tool = tools::Installed::new("pg_dump").fitting(facts.major()).await?;
    let folder = tempfile::Builder::new().prefix("lifeboat-schema-").tempdir_in(scratch);
    let folder = folder.map_err(|source| Error::Io { path: scratch.display().to_string(), source })?;
    let path = folder.path().join("schema.pgdump");
    let mut command = Command::new(&tool.path);
    command
        .args(["--format=custom", "--schema-only", "--no-sync", "--no-password"])
        .arg(format!("--exclude-schema={MARKER}"))
        .arg(format!("--dbname={}", endpoint.conninfo()))
        .arg(format!("--snapshot={snapshot}"))
        .arg(format!("--lock-wait-timeout={lock_timeout_ms}"))
        .arg("--file")
        .arg(&path)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    endpoint.lend(&mut command, facts.english());
    let output = command
        .output()
        .await
        .map_err(|source| Error::Io { path: tool.path.display().to_string(), source })?;
    if !output.status.success() {
        return Err(dump_failed(endpoint, lock_timeout_ms, &String::from_utf8_lossy(&output.stderr)));
    }
    let mut archive = tools::read_file(&path).await?;
    archive_time::take_out(&mut archive);
    let warnings = warnings(&String::from_utf8_lossy(&output.stderr));
    Ok(Archived { bytes: archive, major: tool.version.0, warnings })
}

fn warnings(said: &str) -> Vec<String> {
    let warnings = said.lines().filter_map(|line| line.strip_prefix("pg_dump: warning: "));
    // Told from the catalogue already.
    let warnings = warnings.filter(|warning| !warning.starts_with("subscriptions not dumped"));
    warnings.map(|warning| format!("pg_dump: {warning}")).collect()
}

/// Why pg_dump failed: in its own words, in the server's where that speaks English, and else by what was asked.
fn dump_failed(endpoint: &Endpoint, lock_timeout_ms: u64, said: &str) -> Error {
    let error = said.lines().find(|line| line.contains("error:")).unwrap_or(said).trim();
    let reason = error.trim_start_matches("pg_dump: error: ").to_owned();
    let what = "reading the schema with pg_dump".to_owned();
    let asked = said.split_once("uery was: ").map_or("", |(_, asked)| asked.trim_start());
    let lost = [
        "server closed the connection",
        "terminating connection",
        "connection to server",
        "invalid snapshot",
    ];
    if lost.iter().any(|words| said.contains(words)) || asked.starts_with("SET TRANSACTION SNAPSHOT") {
        return Error::Interrupted { endpoint: endpoint.label(), reason };
    }
    if reason.contains("permission denied") {
        let hint = format!("GRANT pg_read_all_data TO {}; (14 and newer)", sql::ident(&endpoint.user));
        return Error::Denied { what, reason, hint };
    }
    // Whether the tables may be read was looked at before, and while the point is held none goes away.
    let in_english = reason.contains("ERROR:") || reason.contains("FATAL:");
    if reason.contains("lock timeout") || (asked.starts_with("LOCK TABLE") && !in_english) {
        return Error::Locked {
            what: "a table that pg_dump asked for".into(),
            seconds: lock_timeout_ms / 1000,
        };
    }
    Error::Failed { what, reason }
}

/// Reads where every sequence stands.
pub(super) async fn sequences(connection: &mut PgConnection) -> Result<Sequences, sqlx::Error> {
    let query = "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' \
          AND (c.relpersistence <> 'u' OR NOT pg_catalog.pg_is_in_recovery()) \
          AND n.nspname <> 'information_schema' \
          AND (NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
              AND d.objid = c.oid AND d.deptype = 'e') \
            OR EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE c.oid = ANY (e.extconfig))) \
        ORDER BY n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\"";
    let names = sql::rows(connection, query).await?;
    let names: Vec<_> =
        names.iter().map(|row| TableName { schema: Some(row.text(0)), name: row.text(1) }).collect();
    let mut sequences = Vec::with_capacity(names.len());
    for batch in names.chunks(SEQUENCE_BATCH) {
        let each = batch.iter().enumerate().map(|(index, name)| {
            format!("SELECT {index} AS i, last_value::text, is_called FROM {}", sql::table(name))
        });
        let query = format!("{} ORDER BY i", each.collect::<Vec<_>>().join(" UNION ALL "));
        for (name, row) in batch.iter().zip(sql::rows(connection, &query).await?) {
            let last_value = row.text(1).parse().unwrap_or_default();
            sequences.push(Sequence { name: name.clone(), last_value, is_called: row.flag(2) });
        }
    }
    Ok(Sequences { sequences })
}

/// Reads the roles, without passwords, from what every account may see.
pub(super) async fn roles(connection: &mut PgConnection) -> Result<Roles, sqlx::Error> {
    let query = "SELECT r.rolname::text, concat_ws(' ', CASE WHEN r.rolsuper THEN 'SUPERUSER' END, \
        CASE WHEN NOT r.rolinherit THEN 'NOINHERIT' END, CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END, \
        CASE WHEN r.rolcreatedb THEN 'CREATEDB' END, CASE WHEN r.rolcanlogin THEN 'LOGIN' END, \
        CASE WHEN r.rolreplication THEN 'REPLICATION' END, CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END), \
        r.rolconnlimit::text, r.rolvaliduntil::text, \
        EXISTS (SELECT FROM pg_catalog.pg_shdepend d WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass \
          AND d.refobjid = r.oid \
          AND (d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))) \
        FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY r.rolname::text COLLATE \"C\"";
    let roles = sql::rows(connection, query).await?.into_iter().map(|row| Role {
        name: row.text(0),
        attributes: row.text(1).split_whitespace().map(str::to_owned).collect(),
        connection_limit: row.text(2).parse().unwrap_or(-1),
        valid_until: row.some(3),
        used_here: row.flag(4),
    });
    let roles = roles.collect();
    let query = "SELECT pg_catalog.pg_get_userbyid(m.roleid)::text, pg_catalog.pg_get_userbyid(m.member)::text, \
        bool_or(m.admin_option) FROM pg_catalog.pg_auth_members m GROUP BY 1, 2 ORDER BY 1, 2";
    let memberships = sql::rows(connection, query).await?.into_iter();
    let memberships = memberships
        .map(|row| Membership { role: row.text(0), member: row.text(1), admin: row.flag(2) })
        .collect();
    let settings = settings(connection, "s.setdatabase = 0 AND s.setrole <> 0").await?;
    Ok(Roles { roles, memberships, settings })
}

/// Reads the database's own properties, and its large objects' owners and grants.
pub(super) async fn database(
    connection: &mut PgConnection,
    facts: &ServerFacts,
    relations: &[Relation],
) -> Result<Database, sqlx::Error> {
    let query = "SELECT d.datname::text, pg_catalog.pg_get_userbyid(d.datdba)::text, \
        pg_catalog.shobj_description(d.oid, 'pg_database'), d.datacl IS NOT NULL, \
        CASE WHEN d.datconnlimit >= 0 THEN d.datconnlimit::text END \
        FROM pg_catalog.pg_database d WHERE d.datname = current_database()";
    let row = sql::row(connection, query).await?;
    let Locale { encoding, collate, ctype, provider, name, icu_rules } =
        Locale::here(connection, facts.major()).await?;
    Ok(Database {
        name: row.text(0),
        owner: row.text(1),
        encoding,
        collate,
        ctype,
        provider,
        locale: name,
        icu_rules,
        comment: row.some(2),
        settings: settings(connection, HERE).await?,
        grants: if row.flag(3) { Some(grants(connection).await?) } else { None },
        connection_limit: row.some(4).map(|_| row.number(4)),
        large_objects: large_objects(connection).await?,
        populated_views: populated_views(connection).await?,
        tables: relations.iter().map(|r| TableOid { name: r.name.clone(), oid: r.oid }).collect(),
        partitioned: partitioned(connection, relations).await?,
        archive_major: 0,
    })
}

async fn grants(connection: &mut PgConnection) -> Result<Vec<Grant>, sqlx::Error> {
    let query = "SELECT a.privilege_type::text, a.grantee <> 0, pg_catalog.pg_get_userbyid(a.grantee)::text, \
        a.is_grantable FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a \
        WHERE d.datname = current_database() AND a.grantee <> d.datdba ORDER BY 3, 1";
    let rows = sql::rows(connection, query).await?;
    let grant = |row: &sql::Row| Grant {
        grantee: row.flag(1).then(|| row.text(2)),
        privilege: row.text(0),
        grantable: row.flag(3),
    };
    Ok(rows.iter().map(grant).collect())
}

/// Reads settings of roles and databases.
pub(super) async fn settings(
    connection: &mut PgConnection,
    which: &str,
) -> Result<Vec<Setting>, sqlx::Error> {
    let query = format!(
        "SELECT CASE WHEN s.setrole <> 0 THEN pg_catalog.pg_get_userbyid(s.setrole)::text END, c.entry \
         FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) WITH ORDINALITY c(entry, place) \
         WHERE {which} ORDER BY 1 NULLS FIRST, c.place"
    );
    let rows = sql::rows(connection, &query).await?;
    let setting = |row: &sql::Row| {
        let entry = row.text(1);
        let (name, value) = entry.split_once('=')?;
        Some(Setting { role: row.some(0), name: name.to_owned(), value: value.to_owned() })
    };
    Ok(rows.iter().filter_map(setting).collect())
}

async fn large_objects(connection: &mut PgConnection) -> Result<Vec<LargeObject>, sqlx::Error> {
    let query = "SELECT m.oid::text, pg_catalog.pg_get_userbyid(m.lomowner)::text, \
        pg_catalog.obj_description(m.oid, 'pg_largeobject'), \
        a.privilege_type::text, a.grantee <> 0, pg_catalog.pg_get_userbyid(a.grantee)::text, a.is_grantable \
        FROM pg_catalog.pg_largeobject_metadata m \
        LEFT JOIN LATERAL pg_catalog.aclexplode(m.lomacl) a ON a.grantee <> m.lomowner ORDER BY m.oid";
    let mut objects: Vec<LargeObject> = Vec::new();
    for row in sql::rows(connection, query).await? {
        let oid = row.number(0);
        if objects.last().is_none_or(|last| last.oid != oid) {
            objects.push(LargeObject { oid, owner: row.text(1), comment: row.some(2), grants: Vec::new() });
        }
        if let (Some(privilege), Some(object)) = (row.some(3), objects.last_mut()) {
            let grantee = row.flag(4).then(|| row.text(5));
            object.grants.push(Grant { grantee, privilege, grantable: row.flag(6) });
        }
    }
    Ok(objects)
}

async fn partitioned(
    connection: &mut PgConnection,
    relations: &[Relation],
) -> Result<Vec<Partitioned>, sqlx::Error> {
    let query = "SELECT i.inhparent::text, i.inhrelid::text FROM pg_catalog.pg_inherits i \
        JOIN pg_catalog.pg_class c ON c.oid = i.inhparent WHERE c.relkind = 'p'";
    let mut below: HashMap<u64, Vec<u64>> = HashMap::new();
    for row in sql::rows(connection, query).await? {
        below.entry(row.number(0)).or_default().push(row.number(1));
    }
    let parents = relations.iter().filter(|relation| relation.partitioned).map(|parent| {
        let oids = below.remove(&parent.oid).unwrap_or_default();
        // In the order of the relations, so that the same partitions are the same file.
        let partitions = relations.iter().filter(|relation| oids.contains(&relation.oid));
        Partitioned {
            name: parent.name.clone(),
            partitions: partitions.map(|relation| relation.name.clone()).collect(),
            placed_by: parent.placed_by.clone(),
            placed_anew: parent.placed_anew,
        }
    });
    Ok(parents.collect())
}

async fn populated_views(connection: &mut PgConnection) -> Result<Vec<TableName>, sqlx::Error> {
    let query = "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND c.relispopulated \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
          AND d.objid = c.oid AND d.deptype = 'e') ORDER BY c.oid";
    let rows = sql::rows(connection, query).await?;
    Ok(rows.iter().map(|row| TableName { schema: Some(row.text(0)), name: row.text(1) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_pg_dump_failed_is_known_in_any_language() {
        let url = url::Url::parse("postgres://u@localhost/crm").expect("a URL");
        let endpoint = Endpoint::parse(&url, None, false).expect("an endpoint");
        let failed = |said: &str| dump_failed(&endpoint, 5000, said);
        for (lock, denied) in [
            ("ERROR:  canceling statement due to lock timeout", "ERROR:  permission denied for table t"),
            ("错误:  由于锁超时而取消语句", "ERROR:  permission denied for schema s"),
        ] {
            let said = format!(
                "pg_dump: error: query failed: {lock}\npg_dump: detail: Query was: LOCK TABLE public.t IN ACCESS SHARE MODE\n"
            );
            assert!(matches!(failed(&said), Error::Locked { seconds: 5, .. }), "{said}");
            let said = format!(
                "pg_dump: error: query failed: {denied}\npg_dump: error: query was: LOCK TABLE public.t\n"
            );
            assert!(matches!(failed(&said), Error::Denied { .. }), "{said}");
        }
        let lost = "pg_dump: error: query failed: 致命错误:  由于管理员命令中断联接\nserver closed the connection unexpectedly\n\
            pg_dump: detail: Query was: LOCK TABLE public.t IN ACCESS SHARE MODE\n";
        assert!(matches!(failed(lost), Error::Interrupted { .. }));
        let gone = "pg_dump: error: query failed: 错误:  快照标识符无效: \"x\"\npg_dump: error: query was: SET TRANSACTION SNAPSHOT 'x'\n";
        assert!(matches!(failed(gone), Error::Interrupted { .. }));
    }

    #[test]
    fn what_pg_dump_warns_of_is_kept() {
        let said = "pg_dump: warning: owner of function \"f\" appears to be invalid\n\
            pg_dump: warning: subscriptions not dumped because current user is not a superuser\n";
        assert_eq!(warnings(said), ["pg_dump: owner of function \"f\" appears to be invalid"]);
    }
}
