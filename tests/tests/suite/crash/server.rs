//! A database server that dies in the middle of a backup.

use lifeboat_tests::PostgresServer;

use super::victim::Victim;
use crate::company::{Company, DB1, postgres_crm};

/// A power cut, or an administrator who restarts it.
type Fault = fn(&mut PostgresServer);

#[test]
fn a_server_that_is_killed_mid_backup_leaves_no_snapshot() {
    ends_clearly(|server| {
        server.kill9();
        server.restart();
    });
}

#[test]
fn a_server_that_is_restarted_mid_backup_leaves_no_snapshot() {
    ends_clearly(PostgresServer::restart);
}

fn ends_clearly(fault: Fault) {
    let mut server = PostgresServer::start();
    let company = Company::new();
    company.configure(DB1, &[postgres_crm(&server, "0.05")]);
    company.init(DB1);
    company.back_up(DB1);
    let earlier = company.snapshots();
    // Large enough that reading has only begun when the phase is told.
    server.psql(
        "crm",
        "CREATE TABLE scans AS SELECT n, repeat(md5(n::text), 40) FROM generate_series(1, 60000) n",
    );

    let mut backup = Victim::start(company.agent(DB1, &["backup", "--json"]));
    assert!(backup.hear_phase("reading"), "the backup never began to read");
    fault(&mut server);
    let ended = backup.end();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("source crm failed"), "{}", ended.stderr);
    assert!(ended.stderr.contains("caused by: "), "{}", ended.stderr);
    assert_eq!(company.snapshots(), earlier, "a snapshot of half a database shows");

    company.back_up(DB1);
    assert_eq!(company.verify()["covered"]["snapshots"], 2);
}
