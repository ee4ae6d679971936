//! A database that will not hold still: writes and DDL under way when the backup begins, and a server that
//! goes.

use std::process::{Child, Command, Stdio};

use lifeboat_tests::{finish, run};

use super::support::{Dump, Lab, numbers};
use crate::company::DB1;
use crate::databases::support::{check_says, wait_until};

fn begin(lab: &Lab) -> Child {
    let mut agent = lab.company.agent(DB1, &["backup"]);
    agent.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the agent starts")
}

fn signal(process: &Child, name: &str) {
    run(Command::new("kill").args([name, &process.id().to_string()])).success();
}

/// A statement of the application's that runs on its own until it ends.
fn application(lab: &Lab, sql: &str) -> Child {
    let mut client = lab.server.client();
    client.args(["--database=crm", "--execute", sql]);
    client.stdout(Stdio::null()).spawn().expect("the client starts")
}

/// More than the socket's buffers hold, so that a stopped agent stops the server's sending.
fn large() -> String {
    let numbers = numbers(60_000);
    format!(
        "CREATE TABLE large (id int PRIMARY KEY, text text) AS SELECT seq AS id, REPEAT(SHA2(seq, 256), 15) AS text FROM {numbers}"
    )
}

/// A reader that is in the middle of it.
const READING: &str = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'backup' \
    AND INFO LIKE 'SELECT%FROM `large`%ORDER BY%' AND STATE <> ''";

/// Begins a backup and stops it in the middle of reading the large table.
fn caught_reading(lab: &Lab) -> Child {
    let backup = begin(lab);
    wait_until("the backup's reading", || lab.server.sql("mysql", READING) != "0");
    signal(&backup, "-STOP");
    assert_ne!(
        lab.server.sql("mysql", READING),
        "0",
        "the table was too small to catch the backup reading it"
    );
    backup
}

#[test]
fn a_change_of_a_table_waits_for_the_backup_and_writers_do_not() {
    let lab = Lab::new(&format!("{}; CREATE TABLE small (id int)", large()));
    let before = Dump::of(&lab.server, "crm");
    let backup = caught_reading(&lab);
    lab.server.sql("crm", "INSERT INTO small VALUES (1); INSERT INTO large VALUES (-1, 'late')");
    let mut ddl = application(&lab, "ALTER TABLE small ADD COLUMN late int; DROP TABLE large");
    let waits = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata lock'";
    wait_until("the application's wait", || lab.server.sql("mysql", waits) != "0");
    signal(&backup, "-CONT");
    finish(backup).success();
    assert!(ddl.wait().expect("it ends").success(), "the application's change failed");
    lab.restore_new("crm@latest", "new").success();
    Dump::of(&lab.server, "new").check_same(&before);
}

#[test]
fn every_reader_sees_the_same_moment() {
    // One transaction moves a unit from one table to the other; at every moment the sum is the same.
    let tables = format!(
        "CREATE TABLE a (id int PRIMARY KEY, n int, pad char(200)); CREATE TABLE b LIKE a; \
         INSERT INTO a SELECT seq, 1000, '' FROM {}; INSERT INTO b SELECT * FROM a;",
        numbers(3000)
    );
    let procedure = "\nDELIMITER //\nCREATE PROCEDURE shift() BEGIN DECLARE i int DEFAULT 0; WHILE i < 1000000 DO START TRANSACTION; \
         UPDATE a SET n = n - 1 WHERE id = 1 + i % 3000; UPDATE b SET n = n + 1 WHERE id = 1 + i % 3000; COMMIT; SET i = i + 1; END WHILE; END //\n";
    let lab = Lab::new(&format!("{tables}{procedure}"));
    let mut writing = application(&lab, "CALL shift()");
    wait_until("the writer's first change", || {
        lab.server.sql("crm", "SELECT SUM(n) <> 3000000 FROM a") == "1"
    });
    lab.back_up().success();
    let ended = "SELECT CONCAT('KILL ', ID) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'UPDATE%' OR INFO LIKE 'COMMIT%' OR INFO LIKE '%shift()' AND ID <> CONNECTION_ID() LIMIT 1";
    wait_until("the writer's end", || {
        let kill = lab.server.sql("mysql", ended);
        if !kill.is_empty() {
            // It may have ended between the look and the kill.
            let _ = application(&lab, &kill).wait();
        }
        writing.try_wait().expect("it can be asked").is_some()
    });
    lab.restore_new("crm@latest", "new").success();
    assert_eq!(lab.server.sql("new", "SELECT (SELECT SUM(n) FROM a) + (SELECT SUM(n) FROM b)"), "6000000");
    assert_ne!(
        lab.server.sql("new", "SELECT SUM(n) FROM a"),
        "3000000",
        "the snapshot is older than the writer"
    );
}

#[test]
fn a_server_restarted_in_the_middle_leaves_no_snapshot_and_the_next_backup_works() {
    let mut lab = Lab::new("CREATE TABLE small AS SELECT 1 AS i");
    lab.back_up().success();
    lab.server.sql("crm", &large());
    let backup = caught_reading(&lab);
    lab.server.kill9();
    lab.server.restart();
    signal(&backup, "-CONT");
    let failed = finish(backup).exits(1);
    check_says(&failed, &["source crm failed", "lost the connection", "run the same command again"]);
    assert_eq!(lab.company.snapshots().len(), 1, "a backup that failed left a snapshot");
    lab.check_round_trip();
    lab.company.verify();
}

#[test]
fn a_table_that_is_locked_for_a_while_is_waited_for() {
    let lab = Lab::new("CREATE TABLE t AS SELECT 1 AS i; REVOKE RELOAD, LOCK TABLES ON *.* FROM backup@'%'");
    // Longer than one try waits for it.
    let mut holding = application(&lab, "LOCK TABLES t WRITE; DO SLEEP(7)");
    let held = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'DO SLEEP%'";
    wait_until("the application's lock", || lab.server.sql("mysql", held) != "0");
    lab.back_up().success();
    assert!(holding.wait().expect("it ends").success());
    lab.restore_new("crm@latest", "new").success();
    assert_eq!(lab.server.sql("new", "SELECT i FROM t"), "1");
}
