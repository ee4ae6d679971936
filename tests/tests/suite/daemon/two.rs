//! Two hosts' daemons on one vault: backups, expiries, prunes and verifies beside each other, a store that
//! goes away under both, and one of them killed.

use std::fs;

use lifeboat_tests::{Gate, S3Server, run};

use super::{Daemon, good_runs_on, log_of, schedule_on, wait_for, whole_status};
use crate::company::{Company, DB1, DB2, Host, Source, sqlite_crm};

/// Everything is due every few seconds.
const BUSY: &str = "schedule = [\"every 4 seconds\"]\nretries = 20\njobs = 3\nstalled_after = \"5s\"";
const MAINTENANCE: &str = "[maintenance]\nverify = [\"every 6 seconds\"]\nexpire = [\"every 10 seconds\"]\n\
                           prune = [\"every 12 seconds\"]\n";

/// Two enrolled hosts with a source each, whose vault is behind a gate.
fn company(server: &S3Server, gate: &Gate) -> Company {
    let mut environment = server.environment();
    let endpoint = environment.iter_mut().find(|(name, _)| name == "AWS_ENDPOINT").expect("it is set");
    endpoint.1 = format!("http://127.0.0.1:{}", gate.port());
    let company = Company::with_store(server.url("north"), environment);
    for (host, name) in [(DB1, "crm"), (DB2, "shop")] {
        let source = sqlite_crm(&company.path(&format!("{name}.db")), "0.001");
        company.configure(host, &[Source { name, ..source }]);
        let keep = "keep = { last = 3 }\nkeep_min_days = 0\n";
        let mut text =
            fs::read_to_string(company.config(host)).expect("a configuration") + keep + MAINTENANCE;
        if host.0 == DB1.0 {
            let barn = company.path("barn");
            fs::create_dir(&barn).expect("a disk elsewhere");
            text += "copy = [\"every 10 seconds\"]\n";
            text += &format!("[[vault.copy]]\nname = \"barn\"\nurl = \"file://{}\"\n", barn.display());
        }
        fs::write(company.config(host), text).expect("a configuration");
        schedule_on(&company, host, BUSY);
    }
    company.init(DB1);
    company.enrol(DB2);
    company
}

fn ran(company: &Company, host: Host, task: &str) -> u64 {
    whole_status(company, host)["maintenance"][task]["slots"]["ran"].as_u64().unwrap_or(0)
}

#[test]
fn two_daemons_serve_one_vault_through_an_outage_and_a_kill() {
    let server = S3Server::start();
    let gate = Gate::before(server.port());
    let company = company(&server, &gate);
    let daemons = [DB1, DB2].map(|host| Daemon::start_on(&company, host));
    for host in [DB1, DB2] {
        wait_for("two good backups", || (good_runs_on(&company, host) >= 2).then_some(()));
        // Only one of the two may delete at a time; whoever is refused comes again.
        for task in ["verify", "expire", "prune"] {
            wait_for(task, || (ran(&company, host, task) >= 1).then_some(()));
        }
    }

    wait_for("copy", || (ran(&company, DB1, "copy") >= 1).then_some(()));

    // The store goes away under both, and comes back.
    let failed = |host| whole_status(&company, host)["sources"][0]["runs"]["failed"].as_u64().unwrap_or(0);
    let before = [DB1, DB2].map(failed);
    gate.close();
    for (host, before) in [DB1, DB2].into_iter().zip(before) {
        wait_for("failed run", || (failed(host) > before).then_some(()));
    }
    gate.open();
    let before = [DB1, DB2].map(|host| good_runs_on(&company, host));
    for (host, before) in [DB1, DB2].into_iter().zip(before) {
        wait_for("good backups again", || (good_runs_on(&company, host) >= before + 2).then_some(()));
    }

    // One is killed in the middle of whatever it does; the other goes on.
    let [first, second] = daemons;
    drop(second);
    let before = good_runs_on(&company, DB1);
    wait_for("good backup beside a dead host", || (good_runs_on(&company, DB1) > before).then_some(()));
    first.signal("TERM");
    assert_eq!(first.ends(), Some(0));
    run(&mut company.agent(DB1, &["copy"])).success();
    let seen = whole_status(&company, DB1);
    assert_eq!(seen["copies"][0]["held"], seen["copies"][0]["snapshots"], "{seen}");
    let shown = company.snapshots().len() as u64;
    assert!(seen["seen"]["snapshots"].as_u64().is_some_and(|snapshots| snapshots <= shown + 1), "{seen}");
    // Of each source, what its schedule left and what came after.
    let verified = company.verify();
    assert_eq!(verified["covered"]["snapshots"].as_u64(), Some(shown));
    for host in [DB1, DB2] {
        run(&mut company.agent(host, &["backup"])).success();
        let log = fs::read_to_string(log_of(&company, host)).expect("a log");
        assert!(!log.contains("panicked"), "{log}");
    }
    assert_eq!(company.verify()["covered"]["snapshots"].as_u64(), Some(shown + 2));
}
