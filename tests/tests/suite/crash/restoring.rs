//! `kill -9` of a restore: the same command starts over and completes.

use lifeboat_tests::{PostgresServer, run};

use super::victim::{Moment, Victim};
use crate::company::{Company, DB1, postgres_crm, sqlite_crm, sqlite_dump};

#[test]
fn a_restore_killed_half_way_starts_over_and_completes() {
    let server = PostgresServer::start();
    let company = Company::new();
    company.configure(DB1, &[postgres_crm(&server, "0.02")]);
    company.init(DB1);
    company.back_up(DB1);
    let expected = server.dump("crm", &[]);
    let moments = [
        Moment::Phase("loading"),
        Moment::Table(1),
        Moment::Table(5),
        Moment::Phase("completing"),
        Moment::Phase("comparing"),
    ];
    for (number, moment) in moments.into_iter().enumerate() {
        let name = format!("crm_{number}");
        server.create_database(&name);
        let target = server.socket_url(&name, "postgres");
        let args = ["restore", "crm@latest", "--to", &target, "--json"];
        let killed = Victim::start(company.restore(&args)).kill_at(moment, &company.vault());
        assert!(killed, "{moment:?}: the restore ended before it was killed");
        if matches!(moment, Moment::Phase("comparing")) {
            // Every row is there and the restore complete: a database in use is never touched again.
            run(&mut company.restore(&args)).exits(1);
        } else {
            let again = run(&mut company.restore(&args)).success();
            let early = matches!(moment, Moment::Phase(_));
            assert!(early || again.stdout.contains("starting it over"), "{moment:?}: {}", again.stdout);
        }
        assert!(sorted(&server.dump(&name, &[])) == sorted(&expected), "{moment:?}: it came back different");
    }
}

#[test]
fn a_restore_into_sqlite_killed_half_way_leaves_nothing_that_looks_like_a_database() {
    let company = Company::new();
    let database = company.path("crm.db");
    company.configure(DB1, &[sqlite_crm(&database, "0.01")]);
    company.init(DB1);
    company.back_up(DB1);
    let expected = sqlite_dump(&database);
    let mut interrupted = 0;
    for (number, moment) in
        [Moment::Phase("loading"), Moment::Table(1), Moment::Table(2)].into_iter().enumerate()
    {
        let restored = company.path(&format!("restored-{number}.db"));
        let target = format!("sqlite://{}", restored.display());
        let args = ["restore", "crm@latest", "--to", &target, "--json"];
        Victim::start(company.restore(&args)).kill_at(moment, &company.vault());
        if !restored.exists() {
            interrupted += 1;
            run(&mut company.restore(&args)).success();
        }
        assert!(sqlite_dump(&restored) == expected, "{moment:?}: it came back different");
    }
    assert!(interrupted > 0, "every restore had ended before it was killed");
}

/// Rows lie in another order after a restore.
fn sorted(dump: &str) -> Vec<&str> {
    let mut lines: Vec<_> = dump.lines().collect();
    lines.sort_unstable();
    lines
}
