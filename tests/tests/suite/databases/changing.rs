//! A database that will not hold still: changes under way when the backup begins, and a server that goes.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};

use lifeboat_tests::{finish, run};

use super::support::{Dump, Lab, check_says, wait_until};
use crate::company::DB1;

/// What a waiting backup looks like from the server.
const WAITING: &str = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
    WHERE NOT l.granted AND a.application_name = 'lifeboat'";

/// A session of the application's that is in the middle of something.
struct Session {
    psql: Child,
    typed: ChildStdin,
}

impl Session {
    fn begin(lab: &Lab, sql: &str) -> Self {
        let mut command = Command::new(lab.server.programs().join("psql"));
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &lab.server.socket_url("crm", "postgres")]);
        let mut psql = command.stdin(Stdio::piped()).spawn().expect("psql starts");
        let mut typed = psql.stdin.take().expect("stdin is piped");
        writeln!(typed, "BEGIN; {sql};").expect("psql reads");
        let held = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name = 'psql'";
        wait_until("the application's transaction", || lab.server.psql("crm", held) == "1");
        Self { psql, typed }
    }

    fn commit(mut self) {
        writeln!(self.typed, "COMMIT;").expect("psql reads");
        drop(self.typed);
        assert!(self.psql.wait().expect("psql ends").success(), "the application's change failed");
    }
}

/// Begins `sql`, lets a backup run into it, commits, and proves that the snapshot is the database after it.
#[track_caller]
fn check(sql: &str) {
    let lab = Lab::new(
        "CREATE TABLE a AS SELECT 1 AS i; CREATE TABLE z (n int); CREATE TABLE log (n int); \
         INSERT INTO z SELECT generate_series(1, 1000)",
    );
    // The change and a row elsewhere commit together: a consistent point has both or neither.
    let session = Session::begin(&lab, &format!("{sql}; INSERT INTO log VALUES (1)"));
    let backup = begin(&lab);
    wait_until("the backup's wait for a lock", || lab.server.psql("crm", WAITING) != "0");
    session.commit();
    finish(backup).success();
    let after = Dump::of(&lab.server, "crm");
    lab.restore_new("crm@latest", "new").success();
    Dump::of(&lab.server, "new").check_same(&after);
}

fn begin(lab: &Lab) -> Child {
    let mut agent = lab.company.agent(DB1, &["backup"]);
    agent.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the agent starts")
}

#[test]
fn a_table_truncated_while_the_backup_starts_is_empty_with_all_that_goes_with_it() {
    check("TRUNCATE z");
}

#[test]
fn a_table_rewritten_while_the_backup_starts_is_whole() {
    check("ALTER TABLE z ADD COLUMN c float DEFAULT random()");
}

#[test]
fn a_table_dropped_while_the_backup_starts_is_gone() {
    check("DROP TABLE z");
}

#[test]
fn a_table_replaced_while_the_backup_starts_is_the_new_one() {
    check("DROP TABLE z; CREATE TABLE z (m text); INSERT INTO z VALUES ('new')");
}

#[test]
fn a_server_restarted_in_the_middle_leaves_no_snapshot_and_the_next_backup_works() {
    let mut lab = Lab::new("CREATE TABLE small AS SELECT 1 AS i");
    lab.back_up().success();
    // More than the socket's buffers hold, so that a stopped agent stops the server's COPY.
    lab.server.psql(
        "crm",
        "CREATE TABLE large AS SELECT i, repeat(md5(i::text), 30) AS text FROM generate_series(1, 60000) i",
    );
    let reading = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'lifeboat' AND query LIKE 'COPY%' AND state = 'active'";
    let backup = begin(&lab);
    let signal = |name: &str| run(Command::new("kill").args([name, &backup.id().to_string()])).success();
    wait_until("the backup's reading", || lab.server.psql("crm", reading) != "0");
    signal("-STOP");
    assert_ne!(
        lab.server.psql("crm", reading),
        "0",
        "the table was too small to catch the backup reading it"
    );
    lab.server.restart();
    signal("-CONT");
    let failed = finish(backup).exits(1);
    check_says(&failed, &["source crm failed", "lost the connection", "run the same command again"]);
    assert_eq!(lab.company.snapshots().len(), 1, "a backup that failed left a snapshot");
    lab.check_round_trip();
    lab.company.verify();
}

#[test]
fn a_backup_that_is_asked_to_stop_stops_and_leaves_no_snapshot() {
    let lab = Lab::new("CREATE TABLE z (n int)");
    let session = Session::begin(&lab, "LOCK z");
    let backup = begin(&lab);
    wait_until("the backup's wait for a lock", || lab.server.psql("crm", WAITING) != "0");
    run(Command::new("kill").args(["-INT", &backup.id().to_string()])).success();
    let stopped = finish(backup).exits(130);
    check_says(&stopped, &["interrupted: ", "SIGINT"]);
    session.commit();
    assert!(lab.company.snapshots().is_empty());
    lab.check_round_trip();
}
