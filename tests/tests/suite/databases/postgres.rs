//! PostgreSQL over TLS: the sample CRM is backed up, destroyed, restored and compared.

use lifeboat_tests::{PostgresServer, program, run};

use super::support::{Dump, Lab, check_says};
use crate::company::Company;

/// Big enough for every table to have rows, small enough for `pg_dump --inserts`.
const SCALE: &str = "0.002";

fn crm() -> Lab {
    let lab = Lab::new("");
    let url = lab.server.url("crm", "postgres");
    run(program("sample-crm").args(["postgres", &url, "--scale", SCALE])).success();
    lab
}

fn day(server: &PostgresServer, day: &str) {
    let url = server.url("crm", "postgres");
    run(program("sample-crm").args(["day", "postgres", &url, "--day", day])).success();
}

fn ids(company: &Company) -> Vec<String> {
    company.snapshots()
}

#[test]
fn a_crm_that_was_destroyed_comes_back_as_it_was_on_each_day() {
    let lab = crm();
    let first_day = Dump::of(&lab.server, "crm");
    lab.back_up().success();
    day(&lab.server, "1");
    let second_day = Dump::of(&lab.server, "crm");
    let summary = lab.company.back_up(crate::company::DB1);
    assert_eq!(summary["source"], "crm");
    assert!(
        summary["new_raw_bytes"].as_u64() < summary["raw_bytes"].as_u64(),
        "the second day found nothing of the first: {summary}"
    );

    lab.server.psql("postgres", "DROP DATABASE crm");
    let told = lab.restore_new("crm@latest", "crm").success().stdout;
    assert!(told.contains("rows and digests of every loaded table are the snapshot's"), "{told}");
    Dump::of(&lab.server, "crm").check_same(&second_day);

    lab.server.create_database("yesterday");
    let first = ids(&lab.company)[0].clone();
    run(&mut lab.restore_command(&first, "yesterday", &[])).success();
    Dump::of(&lab.server, "yesterday").check_same(&first_day);
    lab.company.verify();
}

#[test]
fn a_chosen_table_comes_back_alone() {
    let lab = crm();
    lab.back_up().success();
    let rows = "SELECT string_agg(c::text, E'\\n' ORDER BY id) FROM contacts c";
    let before = lab.server.psql("crm", rows);
    run(&mut lab.restore_command("crm@latest", "one", &["--into-new", "--table", "public.contacts"]))
        .success();
    assert!(lab.server.psql("one", rows) == before, "the rows are not the same");
    let tables = lab
        .server
        .psql("one", "SELECT string_agg(tablename, ' ') FROM pg_tables WHERE schemaname = 'public'");
    assert_eq!(tables, "contacts");
    let indexes = lab.server.psql(
        "one",
        "SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'public'",
    );
    assert_eq!(indexes, "contacts_account contacts_phone contacts_pkey");

    let unknown =
        run(&mut lab.restore_command("crm@latest", "two", &["--into-new", "--table", "contcats"])).exits(2);
    check_says(&unknown, &["no table `contcats`", "did you mean public.contacts"]);
    assert_eq!(databases(&lab, "two"), "0", "a database was made for a table that is not there");
}

#[test]
fn a_restore_without_comparison_says_so_and_restores_all_the_same() {
    let lab = crm();
    lab.back_up().success();
    let told = run(&mut lab.restore_command("crm@latest", "new", &["--into-new", "--no-compare", "--json"]))
        .success()
        .last_json();
    assert!(told["compare_seconds"].is_null() && told["load_seconds"].is_number(), "{told}");
    Dump::of(&lab.server, "new").check_same(&Dump::of(&lab.server, "crm"));
}

#[test]
fn a_dry_run_touches_nothing() {
    let lab = crm();
    lab.back_up().success();
    run(&mut lab.restore_command("crm@latest", "new", &["--into-new", "--dry-run"])).success();
    assert_eq!(databases(&lab, "new"), "0", "a dry run made a database");
    lab.server.create_database("empty");
    let before = Dump::of(&lab.server, "empty");
    let told = run(&mut lab.restore_command("crm@latest", "empty", &["--dry-run"])).success().stdout;
    assert!(told.contains("nothing was changed: this was a dry run"), "{told}");
    Dump::of(&lab.server, "empty").check_same(&before);
}

#[test]
fn a_target_that_is_not_empty_is_refused_and_left_as_it_was() {
    let lab = Lab::new("CREATE TABLE t AS SELECT i FROM generate_series(1, 10) i");
    lab.back_up().success();
    lab.server.create_database("taken");
    lab.server.psql("taken", "CREATE TABLE mine (n int); INSERT INTO mine VALUES (7)");
    let before = Dump::of(&lab.server, "taken");
    for more in [&[][..], &["--into-new"], &["--dry-run"], &["--skip-damaged"]] {
        let refused = run(&mut lab.restore_command("crm@latest", "taken", more)).exits(1);
        check_says(
            &refused,
            &["/taken is not empty: table public.mine", "hint: restore into an empty target"],
        );
        Dump::of(&lab.server, "taken").check_same(&before);
    }
}

#[test]
fn an_identity_and_the_vaults_place_are_all_that_a_restore_needs() {
    let lab = crm();
    lab.back_up().success();
    let before = Dump::of(&lab.server, "crm");
    // The database's host is lost with its configuration, key and state.
    let host = crate::company::DB1;
    std::fs::remove_dir_all(lab.company.state(host)).expect("the host's state");
    std::fs::remove_file(lab.company.config(host)).expect("the host's configuration");
    lab.restore_new("crm@latest", "crm_new").success();
    Dump::of(&lab.server, "crm_new").check_same(&before);
}

fn databases(lab: &Lab, name: &str) -> String {
    lab.server.psql("postgres", &format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'"))
}
