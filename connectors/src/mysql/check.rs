//! Can the next backup work, and what would it not see? Looks only; takes no lock.

use super::capture;
use super::connect::Endpoint;
use super::grants::{self, Grants};
use super::inventory::{self, Relation};
use super::server::Server;
use super::sql::{self, ident, literal};
use super::wire::{Wire, WireError};
use crate::{Checked, Finding, Result, Severity};

/// Privileges that a backup reads with, and what it would not see without.
const NEEDED: [(&str, &str); 4] = [
    ("SELECT", "tables that it may not read are not even listed to it"),
    ("SHOW VIEW", "the definitions of views would be missing, and the backup fails"),
    ("TRIGGER", "triggers would not be seen"),
    ("EVENT", "events would not be seen"),
];

/// Looks at everything a backup depends on.
pub(super) async fn run(endpoint: &Endpoint) -> Result<Checked> {
    let (mut wire, server) = endpoint.connect(1000).await?;
    let during = endpoint.during("checking the database", 1000);
    let mut findings = vec![version(&server), tls(endpoint, &server)];
    let (relations, found) = look(&mut wire, &server, endpoint).await.map_err(|error| during.map(error))?;
    findings.extend(found);
    let relations = relations.iter().filter(|relation| !relation.is_window());
    let whole = |(place, relation)| capture::table(relation, place, u64::MAX, None);
    Ok(Checked { findings, tables: relations.enumerate().map(whole).collect() })
}

fn finding(severity: Severity, subject: &str, text: impl Into<String>, hint: Option<String>) -> Finding {
    Finding { severity, subject: subject.into(), text: text.into(), hint }
}

fn version(server: &Server) -> Finding {
    finding(Severity::Ok, "version", format!("{} {}", server.name(), server.version), None)
}

fn tls(endpoint: &Endpoint, server: &Server) -> Finding {
    match (server.encrypted, endpoint.is_local()) {
        (true, _) => finding(Severity::Ok, "tls", "the connection is encrypted", None),
        (false, true) => finding(Severity::Ok, "tls", "the connection stays on this machine", None),
        (false, false) => {
            let hint = Some("use ssl-mode=verify_identity in the source's URL".into());
            finding(Severity::Warning, "tls", "rows cross the network in plaintext", hint)
        }
    }
}

async fn look(
    wire: &mut Wire,
    server: &Server,
    endpoint: &Endpoint,
) -> Result<(Vec<Relation>, Vec<Finding>), WireError> {
    let grants = grants::read(wire, &endpoint.database).await?;
    let (relations, _) = inventory::relations(wire, server, &endpoint.database).await?;
    let mut findings = privileges(endpoint, &grants);
    findings.extend(unreadable(wire, endpoint, &relations).await?);
    findings.push(locks(endpoint, server, &grants));
    findings.extend(routines(wire, server, endpoint).await?);
    findings.extend(engines(&relations));
    findings.extend(blockers(wire).await?);
    let bytes: u64 = relations.iter().map(|relation| relation.bytes).sum();
    let text = format!("{} tables, about {} MiB", relations.len(), bytes >> 20);
    findings.push(finding(Severity::Ok, "size", text, None));
    Ok((relations, findings))
}

fn privileges(endpoint: &Endpoint, grants: &Grants) -> Vec<Finding> {
    let missing: Vec<_> = NEEDED.iter().filter(|(privilege, _)| !grants.has(privilege)).collect();
    if missing.is_empty() {
        let text = format!("{} may read the whole database", endpoint.user);
        return vec![finding(Severity::Ok, "privileges", text, None)];
    }
    let said = missing.iter().map(|(privilege, without)| {
        let text = format!("{} has no {privilege} on the whole database: {without}", endpoint.user);
        let hint =
            format!("GRANT {privilege} ON {}.* TO {};", ident(&endpoint.database), ident(&endpoint.user));
        finding(Severity::Warning, "privileges", text, Some(hint))
    });
    said.collect()
}

/// Tables that are listed and still cannot be read: granted by columns, or broken.
async fn unreadable(
    wire: &mut Wire,
    endpoint: &Endpoint,
    relations: &[Relation],
) -> Result<Vec<Finding>, WireError> {
    let mut findings = Vec::new();
    for relation in relations.iter().filter(|relation| !relation.is_window()) {
        let columns: Vec<_> = relation.columns.iter().map(|field| ident(&field.name)).collect();
        let columns = if columns.is_empty() { "1".to_owned() } else { columns.join(", ") };
        let probe = format!("SELECT {columns} FROM {} LIMIT 0", ident(&relation.name));
        match wire.run(&probe).await {
            Ok(_) => {}
            Err(error) if error.code().is_some() => {
                let text = format!("reading table {} would fail: {error}", relation.table_name());
                let hint = matches!(error.code(), Some(1142 | 1143)).then(|| {
                    let (database, table) = (ident(&endpoint.database), ident(&relation.name));
                    format!("GRANT SELECT ON {database}.{table} TO {};", ident(&endpoint.user))
                });
                findings.push(finding(Severity::Problem, "privileges", text, hint));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(findings)
}

fn locks(endpoint: &Endpoint, server: &Server, grants: &Grants) -> Finding {
    let reload = grants.has("RELOAD") || grants.has("FLUSH_TABLES");
    let user = ident(&endpoint.user);
    if reload && (server.is_mariadb() || grants.has("BACKUP_ADMIN")) {
        let text = "several readers can stand on one point, and DDL is kept out while it is taken";
        return finding(Severity::Ok, "locks", text, None);
    }
    let better = if server.is_mariadb() { "RELOAD" } else { "RELOAD, BACKUP_ADMIN" };
    let hint = Some(format!("GRANT {better} ON *.* TO {user};"));
    let text = if reload {
        "several readers can stand on one point; DDL in the instant of taking it fails the backup"
    } else if grants.has("LOCK TABLES") {
        "several readers stand on one point by LOCK TABLES, which waits for every open write: a moment without writes is needed"
    } else {
        "one reader only: the account may stop writes for no instant, so several cannot stand on one point"
    };
    finding(Severity::Warning, "locks", text, hint)
}

/// Routines whose body only their definer sees.
async fn routines(wire: &mut Wire, server: &Server, endpoint: &Endpoint) -> Result<Vec<Finding>, WireError> {
    let query = format!(
        "SELECT COUNT(*), SUM(ROUTINE_DEFINITION IS NULL) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {}",
        literal(&endpoint.database)
    );
    let row = sql::row(wire, &query).await?;
    if row.number(1) == 0 {
        return Ok(Vec::new());
    }
    let hint = if server.is_mariadb() {
        format!("GRANT SELECT ON mysql.proc TO {};", ident(&endpoint.user))
    } else {
        format!("GRANT SHOW_ROUTINE ON *.* TO {};", ident(&endpoint.user))
    };
    let text = format!(
        "{} of {} routines are shown to their definer only: the backup would fail",
        row.number(1),
        row.number(0)
    );
    Ok(vec![finding(Severity::Problem, "routines", text, Some(hint))])
}

fn engines(relations: &[Relation]) -> Option<Finding> {
    let outside = relations.iter().filter(|relation| !relation.is_transactional() && !relation.is_window());
    let outside: Vec<_> = outside.collect();
    let first = outside.first()?;
    let text = format!(
        "{} tables have no snapshots ({} is {}): they are read as they are then, and may not fit the others",
        outside.len(),
        first.table_name(),
        first.engine
    );
    let hint = Some(format!("ALTER TABLE {} ENGINE = InnoDB;", ident(&first.name)));
    Some(finding(Severity::Warning, "engines", text, hint))
}

/// Statements that the instant of synchronising would have to wait for.
async fn blockers(wire: &mut Wire) -> Result<Option<Finding>, WireError> {
    let query = "SELECT ID, USER, TIME FROM information_schema.PROCESSLIST WHERE COMMAND = 'Query' AND TIME >= 30 \
        AND ID <> CONNECTION_ID() ORDER BY TIME DESC LIMIT 1";
    let found = sql::rows(wire, query).await?;
    Ok(found.first().map(|row| {
        let text = format!(
            "connection {} of {} runs a statement for {} s: a backup may have to wait for it",
            row.text(0),
            row.text(1),
            row.text(2)
        );
        finding(Severity::Warning, "locks", text, None)
    }))
}
