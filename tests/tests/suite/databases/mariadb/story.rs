//! The sample CRM is backed up, destroyed, restored and compared.

use lifeboat_tests::{program, run};

use super::support::{Dump, Lab, numbers};
use crate::company::DB1;
use crate::databases::support::check_says;

/// Big enough for every table to have rows, small enough for dumps of single rows.
const SCALE: &str = "0.002";

fn crm() -> Lab {
    let lab = Lab::new("");
    let url = lab.server.socket_url("crm");
    run(program("sample-crm").args(["mysql", &url, "--scale", SCALE])).success();
    lab
}

fn databases(lab: &Lab, name: &str) -> String {
    let query = format!("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{name}'");
    lab.server.sql("mysql", &query)
}

#[test]
fn a_crm_that_was_destroyed_comes_back_as_it_was_on_each_day() {
    let lab = crm();
    let first_day = Dump::of(&lab.server, "crm");
    lab.back_up().success();
    let url = lab.server.socket_url("crm");
    run(program("sample-crm").args(["day", "mysql", &url, "--day", "1"])).success();
    let second_day = Dump::of(&lab.server, "crm");
    let summary = lab.company.back_up(DB1);
    assert_eq!(summary["source"], "crm");
    assert!(
        summary["new_raw_bytes"].as_u64() < summary["raw_bytes"].as_u64(),
        "the second day found nothing of the first: {summary}"
    );

    lab.server.sql("mysql", "DROP DATABASE crm");
    let told = lab.restore_new("crm@latest", "crm").success().stdout;
    assert!(told.contains("rows and digests of every loaded table are the snapshot's"), "{told}");
    Dump::of(&lab.server, "crm").check_same(&second_day);

    lab.server.create_database("yesterday");
    let first = lab.company.snapshots()[0].clone();
    run(&mut lab.restore_command(&first, "yesterday", &[])).success();
    Dump::of(&lab.server, "yesterday").check_same(&first_day);
    lab.company.verify();
}

#[test]
fn a_server_that_takes_no_local_files_gets_its_rows_by_inserts() {
    let lab = crm();
    lab.server.sql("crm", "SET GLOBAL local_infile = 0");
    lab.check_round_trip();
}

#[test]
fn a_chosen_table_comes_back_alone() {
    let lab = crm();
    lab.back_up().success();
    let rows = "SELECT * FROM contacts ORDER BY id";
    let told =
        run(&mut lab.restore_command("crm@latest", "one", &["--into-new", "--table", "contacts"])).success();
    assert!(lab.server.sql("one", rows) == lab.server.sql("crm", rows), "the rows are not the same");
    assert_eq!(lab.server.sql("one", "SHOW TABLES"), "contacts");
    let said = format!("{}{}", told.stdout, told.stderr);
    assert!(said.contains("trigger contacts_version is left out") && said.contains("foreign key"), "{said}");

    let unknown =
        run(&mut lab.restore_command("crm@latest", "two", &["--into-new", "--table", "contcats"])).exits(2);
    check_says(&unknown, &["no table `contcats`", "did you mean contacts"]);
    assert_eq!(databases(&lab, "two"), "0", "a database was made for a table that is not there");
}

#[test]
fn a_dry_run_touches_nothing() {
    let lab = crm();
    lab.back_up().success();
    run(&mut lab.restore_command("crm@latest", "new", &["--into-new", "--dry-run"])).success();
    assert_eq!(databases(&lab, "new"), "0", "a dry run made a database");
    lab.server.create_database("empty");
    let told = run(&mut lab.restore_command("crm@latest", "empty", &["--dry-run"])).success().stdout;
    assert!(told.contains("nothing was changed: this was a dry run"), "{told}");
    assert_eq!(lab.server.sql("empty", "SHOW TABLES"), "");
}

#[test]
fn a_target_that_is_not_empty_is_refused_and_left_as_it_was() {
    let lab = Lab::new("CREATE TABLE t AS SELECT 1 AS i");
    lab.back_up().success();
    lab.server.create_database("taken");
    lab.server.sql("taken", "CREATE TABLE mine (n int); INSERT INTO mine VALUES (7)");
    let before = Dump::of(&lab.server, "taken");
    for more in [&[][..], &["--into-new"], &["--dry-run"], &["--skip-damaged"]] {
        let refused = run(&mut lab.restore_command("crm@latest", "taken", more)).exits(1);
        check_says(&refused, &["/taken is not empty: table mine", "hint: restore into an empty target"]);
        Dump::of(&lab.server, "taken").check_same(&before);
    }
}

#[test]
fn an_interrupted_restore_starts_over() {
    let lab = crm();
    lab.back_up().success();
    let id = lab.company.snapshots()[0].clone();
    lab.server.create_database("again");
    let marker = format!(
        "CREATE TABLE lifeboat_restore AS SELECT '{id}' AS snapshot; CREATE TABLE users (half int); \
         CREATE VIEW v AS SELECT 1 AS one; CREATE PROCEDURE p() SELECT 1"
    );
    lab.server.sql("again", &marker);
    let told = run(&mut lab.restore_command("crm@latest", "again", &[])).success();
    let said = format!("{}{}", told.stdout, told.stderr);
    assert!(said.contains("found an interrupted restore of this snapshot: starting it over"), "{said}");
    Dump::of(&lab.server, "again").check_same(&Dump::of(&lab.server, "crm"));
}

#[test]
fn a_large_table_is_read_in_ranges_and_gets_its_indexes_after_its_rows() {
    let lab = Lab::new(&format!(
        "CREATE TABLE wide (id int NOT NULL PRIMARY KEY, a varchar(40), b int, body text, KEY by_a (a), UNIQUE KEY by_b (b, id), \
         FULLTEXT KEY words (body)) DEFAULT CHARSET utf8mb4; \
         INSERT INTO wide SELECT CAST(seq AS SIGNED) - 20000, LEFT(SHA2(seq, 256), 40), seq, REPEAT(SHA2(seq, 256), 30) FROM {}; \
         CREATE TABLE child (id int AUTO_INCREMENT PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES wide (id)); \
         INSERT INTO child (parent) SELECT id FROM wide LIMIT 10; ANALYZE TABLE wide",
        numbers(90_000)
    ));
    lab.check_round_trip();
}
