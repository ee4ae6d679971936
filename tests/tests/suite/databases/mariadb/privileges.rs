//! What the backup account may not see fails the backup or is said, with the statement that helps; it is
//! never left out in silence.

use lifeboat_tests::run;

use super::support::Lab;
use crate::company::DB1;

/// What an account that was granted single tables has.
const SINGLE: &str =
    "REVOKE ALL PRIVILEGES, GRANT OPTION FROM backup@'%'; GRANT SELECT ON crm.open TO backup@'%';";

#[test]
fn an_account_of_single_tables_is_told_that_nobody_can_say_what_it_misses() {
    let lab = Lab::new(
        &("CREATE TABLE open (n int); CREATE TABLE shut (n int); INSERT INTO shut VALUES (1);".to_owned()
            + SINGLE),
    );
    let told = lab.back_up().success();
    assert!(told.stderr.contains("not covered: backup was granted single tables"), "{}", told.stderr);
    let checked = run(&mut lab.company.agent(DB1, &["check"]));
    for word in ["has no SELECT on the whole database", "GRANT SELECT ON `crm`.* TO", "one reader only"] {
        assert!(checked.stdout.contains(word), "{word}:\n{}", checked.stdout);
    }
}

#[test]
fn a_column_that_the_account_may_not_read_fails_the_backup() {
    let lab = Lab::new(
        "CREATE TABLE half (a int, b int); REVOKE ALL PRIVILEGES, GRANT OPTION FROM backup@'%'; \
         GRANT SELECT (a) ON crm.half TO backup@'%'; GRANT INSERT (b) ON crm.half TO backup@'%'",
    );
    lab.check_refused(1, &["half", "GRANT SELECT"]);
}

#[test]
fn a_view_that_the_account_may_not_see_fails_the_backup() {
    let lab = Lab::new(
        "CREATE TABLE t (i int); CREATE VIEW v AS SELECT i FROM t; REVOKE SHOW VIEW ON *.* FROM backup@'%'",
    );
    lab.check_refused(1, &["reading view v is denied", "GRANT SHOW VIEW ON `crm`.*"]);
}

#[test]
fn a_routine_that_only_its_definer_sees_fails_the_backup() {
    let lab = Lab::new(
        "CREATE PROCEDURE p() SELECT 1; REVOKE ALL PRIVILEGES, GRANT OPTION FROM backup@'%'; GRANT SELECT, EXECUTE ON crm.* TO backup@'%'",
    );
    let helps = if lab.server.is_mariadb() { "GRANT SELECT ON mysql.proc" } else { "GRANT SHOW_ROUTINE" };
    lab.check_refused(1, &["reading procedure p is denied", helps]);
    let checked = run(&mut lab.company.agent(DB1, &["check"]));
    assert!(checked.stdout.contains("shown to their definer only"), "{}", checked.stdout);
}

#[test]
fn an_account_that_may_only_read_still_gets_a_consistent_backup() {
    let lab = Lab::new("CREATE TABLE t AS SELECT 1 AS i; REVOKE RELOAD, LOCK TABLES ON *.* FROM backup@'%'");
    lab.check_round_trip();
    let shown = run(&mut lab.company.restore(&["show", "crm@latest"])).success().stdout;
    assert!(shown.contains("1 snapshot of 1 reader"), "{shown}");
}

#[test]
fn an_account_that_may_lock_tables_stops_writers_by_them() {
    let lab = Lab::new("CREATE TABLE t AS SELECT 1 AS i; REVOKE RELOAD ON *.* FROM backup@'%'");
    lab.check_round_trip();
    let shown = run(&mut lab.company.restore(&["show", "crm@latest"])).success().stdout;
    assert!(shown.contains("LOCK TABLES READ"), "{shown}");
}
