//! Can the next backup work, and what would it not see? Looks only; takes no lock.

use sqlx::PgConnection;

use super::connect::Endpoint;
use super::fault::During;
use super::inventory::Sizes;
use super::snapshot::{ServerFacts, server_facts};
use super::{capture, inventory, large_objects, sql, tools};
use crate::{CaptureOptions, Checked, Finding, Result, Severity, Table};

/// Names listed in one finding before the rest is counted.
const NAMES_MAX: usize = 5;

/// Looks at everything a backup depends on.
pub(super) async fn run(endpoint: &Endpoint) -> Result<Checked> {
    let mut connection = endpoint.connect(1000).await?;
    let label = endpoint.label();
    let during =
        During { endpoint: &label, user: &endpoint.user, what: "checking the database", lock_seconds: 1 };
    let facts = server_facts(&mut connection).await.map_err(|error| during.map(error))?;
    let mut findings = vec![version(&facts), tls(endpoint, &facts), tool(facts.major()).await];
    let (tables, found) =
        database(&mut connection, endpoint, &facts).await.map_err(|error| during.map(error))?;
    findings.extend(found);
    Ok(Checked { findings, tables })
}

fn finding(severity: Severity, subject: &str, text: impl Into<String>, hint: Option<String>) -> Finding {
    Finding { severity, subject: subject.into(), text: text.into(), hint }
}

fn version(facts: &ServerFacts) -> Finding {
    let text = format!("PostgreSQL {}", facts.version);
    if super::MAJORS.contains(&facts.major()) {
        return finding(Severity::Ok, "version", text, None);
    }
    let hint = format!("versions {} to {} are supported", super::MAJORS.start(), super::MAJORS.end());
    finding(Severity::Problem, "version", format!("{text} is not supported"), Some(hint))
}

fn tls(endpoint: &Endpoint, facts: &ServerFacts) -> Finding {
    match (facts.tls, endpoint.is_local()) {
        (true, _) => finding(Severity::Ok, "tls", "the connection is encrypted", None),
        (false, true) => finding(Severity::Ok, "tls", "the connection stays on this machine", None),
        (false, false) => {
            let hint = Some("use sslmode=verify-full in the source's URL".into());
            finding(Severity::Warning, "tls", "rows cross the network in plaintext", hint)
        }
    }
}

async fn tool(major: u32) -> Finding {
    match tools::Installed::new("pg_dump").fitting(major).await {
        Ok(tool) => {
            let text = format!("pg_dump {}.{} at {}", tool.version.0, tool.version.1, tool.path.display());
            finding(Severity::Ok, "tools", text, None)
        }
        Err(error) => {
            let hint = error.hints().into_iter().next();
            finding(Severity::Problem, "tools", error.to_string(), hint)
        }
    }
}

async fn database(
    connection: &mut PgConnection,
    endpoint: &Endpoint,
    facts: &ServerFacts,
) -> Result<(Vec<Table>, Vec<Finding>), sqlx::Error> {
    let relations = inventory::relations(connection, Sizes::Estimated).await?;
    let mut findings = privileges(connection, &relations, endpoint).await?;
    let (objects, unreadable) = large_objects::survey(connection).await?;
    if let Some(oid) = unreadable {
        let error = large_objects::denied(&oid, &endpoint.user);
        let hint = error.hints().into_iter().next();
        findings.push(finding(Severity::Problem, "large objects", error.to_string(), hint));
    } else if objects > 0 {
        findings.push(finding(Severity::Ok, "large objects", format!("{objects} large objects"), None));
    }
    findings.push(locks(connection, relations.len()).await?);
    findings.extend(blockers(connection).await?);
    let size = "SELECT pg_catalog.pg_size_pretty(pg_catalog.pg_database_size(current_database()))";
    let size = sql::row(connection, size).await?.text(0);
    findings.push(finding(Severity::Ok, "size", format!("{} tables, {size}", relations.len()), None));
    if facts.standby {
        let text = "a standby: a long backup can be cancelled by what it has to replay";
        let hint = Some("raise max_standby_streaming_delay, or set hot_standby_feedback = on".into());
        findings.push(finding(Severity::Warning, "standby", text, hint));
    }
    let unlogged = inventory::unlogged_elsewhere(connection).await?;
    if !unlogged.is_empty() {
        let text = format!(
            "{} unlogged tables and sequences have no rows on a standby and would come back empty: {}",
            unlogged.len(),
            unlogged.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ")
        );
        let hint = Some("back the primary up, or ALTER TABLE … SET LOGGED there".into());
        findings.push(finding(Severity::Warning, "standby", text, hint));
    }
    let foreign = "SELECT count(*)::text FROM pg_catalog.pg_class WHERE relkind = 'f'";
    let foreign = sql::row(connection, foreign).await?.number(0);
    if foreign > 0 {
        let text = format!(
            "{foreign} foreign tables are kept as definitions only; back their servers up on their own"
        );
        findings.push(finding(Severity::Warning, "foreign tables", text, None));
    }
    let (tables, _) = capture::tables(relations, objects, &CaptureOptions::default(), facts);
    Ok((tables, findings))
}

async fn privileges(
    connection: &mut PgConnection,
    relations: &[inventory::Relation],
    endpoint: &Endpoint,
) -> Result<Vec<Finding>, sqlx::Error> {
    let mut findings: Vec<_> = relations
        .iter()
        .filter_map(|relation| inventory::trouble(relation, &endpoint.user))
        .map(|(what, reason, hint)| {
            finding(Severity::Problem, "privileges", format!("{what} would fail: {reason}"), Some(hint))
        })
        .collect();
    // CASE, because a condition is asked in any order and the function minds what is no sequence.
    let sequences = "SELECT c.oid::regclass::text FROM pg_catalog.pg_class c \
        WHERE c.relnamespace::regnamespace::text !~ '^pg_' \
          AND (c.relpersistence <> 'u' OR NOT pg_catalog.pg_is_in_recovery()) \
          AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'SELECT') ELSE false END";
    let sequences = sql::rows(connection, sequences).await?;
    let user = sql::ident(&endpoint.user);
    findings.extend(sequences.iter().map(|row| {
        let hint = format!("GRANT SELECT ON SEQUENCE {} TO {user};", row.text(0));
        finding(
            Severity::Problem,
            "privileges",
            format!("reading sequence {} would fail", row.text(0)),
            Some(hint),
        )
    }));
    if findings.is_empty() {
        let text = format!("{} may read all {} tables", endpoint.user, relations.len());
        findings.push(finding(Severity::Ok, "privileges", text, None));
    }
    Ok(findings)
}

/// Every table is locked at once, by the connection that holds the snapshot and again by pg_dump.
async fn locks(connection: &mut PgConnection, tables: usize) -> Result<Finding, sqlx::Error> {
    let query = "SELECT (current_setting('max_locks_per_transaction')::int8 * (current_setting('max_connections')::int8 \
        + current_setting('max_prepared_transactions')::int8))::text";
    let room = sql::row(connection, query).await?.number(0);
    let text = format!("room for {room} locks, {tables} tables to lock");
    if (tables as u64) < room {
        return Ok(finding(Severity::Ok, "locks", text, None));
    }
    let hint = Some("raise max_locks_per_transaction and restart the server".into());
    Ok(finding(Severity::Problem, "locks", text, hint))
}

/// Who holds a lock that a backup would have to wait for.
async fn blockers(connection: &mut PgConnection) -> Result<Option<Finding>, sqlx::Error> {
    let query = "SELECT l.relation::regclass::text, l.pid::text FROM pg_catalog.pg_locks l \
        JOIN pg_catalog.pg_class c ON c.oid = l.relation \
        WHERE l.mode = 'AccessExclusiveLock' AND l.granted AND c.relkind IN ('r', 'p') \
          AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";
    let rows = sql::rows(connection, query).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let names: Vec<_> =
        rows.iter().take(NAMES_MAX).map(|row| format!("{} (process {})", row.text(0), row.text(1))).collect();
    let text = format!("{} tables are locked against reading: {}", rows.len(), names.join(", "));
    let hint = Some("a backup waits for these locks and then gives up; end the sessions, or wait".into());
    Ok(Some(finding(Severity::Warning, "locks", text, hint)))
}
