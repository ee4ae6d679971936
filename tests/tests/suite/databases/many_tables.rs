//! Thousands of tables: a lock each, and a statement each.

use std::time::Instant;

use super::support::Lab;

const TABLES: u32 = 6_000;

/// SQL that makes the tables, a few in a transaction.
fn make() -> String {
    format!(
        "DO $$BEGIN FOR i IN 1..{TABLES} LOOP EXECUTE format('CREATE TABLE t%s (id int, name text); \
         INSERT INTO t%s VALUES (%s, ''one'')', i, i, i); IF i % 50 = 0 THEN COMMIT; END IF; END LOOP; END$$"
    )
}

#[test]
fn six_thousand_tables_come_back() {
    let lab = Lab::with_settings(&[("max_locks_per_transaction", "256")], &make());
    let begun = Instant::now();
    lab.back_up().success();
    println!("{TABLES} tables backed up in {:.1?}", begun.elapsed());
    let begun = Instant::now();
    lab.restore_new("crm@latest", "new").success();
    println!("{TABLES} tables restored and compared in {:.1?}", begun.elapsed());
    let told = "SELECT count(*), sum(n_live_tup), min(relname), max(relname) FROM pg_stat_user_tables";
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(lab.server.psql("new", tables), TABLES.to_string(), "{}", lab.server.psql("new", told));
    assert_eq!(lab.server.psql("new", "SELECT id, name FROM t4711"), "4711|one");
}

#[test]
fn more_tables_than_the_server_has_locks_for_names_the_setting() {
    let lab = Lab::with_settings(&[("max_locks_per_transaction", "10"), ("max_connections", "20")], "");
    lab.back_up().success();
    lab.server.psql("crm", &make().replace("6000", "2000"));
    lab.check_refused(1, &["source crm failed", "max_locks_per_transaction"]);
}
