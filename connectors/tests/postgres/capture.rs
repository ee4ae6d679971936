//! What a capture refuses, waits for and survives.

use std::io::Write as _;
use std::process::Stdio;

use lifeboat_connectors::{CaptureOptions, Error, Severity, open_source};

use crate::support::{Backup, PASSWORD, Server, load_options, read};

async fn error(server: &Server, user: &str, database: &str) -> Error {
    let taken = Backup::take(server.source(user, database).as_ref(), &CaptureOptions::default()).await;
    taken.err().expect("the capture fails")
}

#[tokio::test]
async fn a_truncate_that_is_under_way_empties_the_table_wholly_or_not_at_all() {
    let server = Server::start("");
    server.sql("postgres", "CREATE TABLE a AS SELECT 1; CREATE TABLE log (n int); CREATE TABLE z (n int); INSERT INTO z VALUES (1), (2)");
    let mut session =
        server.session("postgres").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = session.stdin.take().unwrap();
    // The truncation and a row elsewhere commit together: a consistent point has both or neither.
    writeln!(input, "BEGIN; TRUNCATE z; INSERT INTO log VALUES (1);").unwrap();
    wait(&server, "SELECT count(*) FROM pg_locks WHERE relation = 'z'::regclass AND granted AND mode = 'AccessExclusiveLock'").await;
    let source = server.source("postgres", "postgres");
    let capture =
        tokio::spawn(async move { Backup::take(source.as_ref(), &CaptureOptions::default()).await });
    wait(&server, "SELECT count(*) FROM pg_locks WHERE relation = 'z'::regclass AND NOT granted").await;
    writeln!(input, "COMMIT;").unwrap();
    let backup = capture.await.unwrap().unwrap();
    assert_eq!((backup.rows("public.z"), backup.rows("public.log")), (0, 1));
    drop(input);
    session.wait().unwrap();
}

#[tokio::test]
async fn an_exclusive_lock_that_is_waited_for_does_not_stop_the_readers() {
    let server = Server::start("");
    server.sql("postgres", "CREATE TABLE t AS SELECT i FROM generate_series(1, 10) i");
    let source = server.source("postgres", "postgres");
    let capture = source.capture(&CaptureOptions::default()).await.unwrap();
    let mut session = server.session("postgres").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut input = session.stdin.take().unwrap();
    writeln!(input, "ALTER TABLE t ADD COLUMN more int;").unwrap();
    wait(&server, "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND NOT granted").await;
    let batches = read(capture.as_ref(), &capture.tables()[0].slices[0]).await.unwrap();
    assert_eq!(batches[0].rows(), 10);
    capture.finish().await.unwrap();
    drop(input);
    assert!(session.wait().unwrap().success());
}

#[tokio::test]
async fn a_lock_that_stays_is_told() {
    let server = Server::start("");
    server.sql("postgres", "CREATE TABLE held (n int)");
    let mut session =
        server.session("postgres").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = session.stdin.take().unwrap();
    writeln!(input, "BEGIN; LOCK held;").unwrap();
    wait(&server, "SELECT count(*) FROM pg_locks WHERE relation = 'held'::regclass AND granted").await;
    let options = CaptureOptions { lock_timeout_ms: 100, ..CaptureOptions::default() };
    let locked = Backup::take(server.source("postgres", "postgres").as_ref(), &options).await.err().unwrap();
    assert!(matches!(&locked, Error::Locked { what, .. } if what == "public.held"), "{locked}");
    drop(input);
    session.wait().unwrap();
}

#[tokio::test]
async fn a_server_restarted_in_the_middle_is_told_and_nothing_is_confirmed() {
    let server = Server::start("");
    server.sql("postgres", "CREATE TABLE t AS SELECT 1 AS i");
    let capture = server.source("postgres", "postgres").capture(&CaptureOptions::default()).await.unwrap();
    server.restart();
    let slice = capture.tables()[0].slices[0].clone();
    let lost = read(capture.as_ref(), &slice).await.unwrap_err();
    assert!(matches!(lost, Error::Interrupted { .. }), "{lost}");
    let lost = capture.finish().await.unwrap_err();
    assert!(matches!(lost, Error::Interrupted { .. }), "{lost}");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_told_to_whoever_waits_for_rows() {
    let server = Server::start("");
    server.sql("postgres", "CREATE TABLE t AS SELECT 1 AS i");
    let options = CaptureOptions { silence_ms_max: 1000, ..CaptureOptions::default() };
    let capture = server.source("postgres", "postgres").capture(&options).await.unwrap();
    let slice = capture.tables()[0].slices[0].clone();
    read(capture.as_ref(), &slice).await.unwrap();
    server.signal_sessions("STOP");
    let lost = read(capture.as_ref(), &slice).await.unwrap_err();
    server.signal_sessions("CONT");
    assert!(lost.to_string().contains("silent for 1 s"), "{lost}");
    let lost = capture.finish().await.unwrap_err();
    assert!(matches!(lost, Error::Interrupted { .. }), "{lost}");
}

#[tokio::test]
async fn a_standby_is_read_but_for_what_only_the_primary_has() {
    let server = Server::start("");
    server.sql(
        "postgres",
        "CREATE TABLE t AS SELECT i FROM generate_series(1, 10) i; CREATE SEQUENCE s; SELECT nextval('s'); \
         CREATE UNLOGGED TABLE cache (id serial, v text); INSERT INTO cache (v) VALUES ('x'); \
         CREATE DATABASE back; SELECT lo_from_bytea(7, 'x')",
    );
    let standby = server.standby();
    let source = standby.source("postgres", "postgres");
    let checked = source.check().await.unwrap();
    let named = |tables: &[lifeboat_connectors::Table]| -> Vec<_> {
        tables.iter().map(|table| (table.name.clone(), table.columns.clone())).collect()
    };
    let capture = source.capture(&CaptureOptions::default()).await.unwrap();
    assert_eq!(named(&checked.tables), named(capture.tables()));
    drop(capture);
    let findings = checked.findings;
    assert!(findings.iter().any(|f| f.subject == "standby" && f.text.contains("cache")), "{findings:?}");
    assert!(findings.iter().all(|finding| finding.severity < Severity::Problem), "{findings:?}");
    let backup = Backup::take(source.as_ref(), &CaptureOptions::default()).await.unwrap();
    assert!(backup.point.method.ends_with("on a standby"), "{}", backup.point.method);
    assert!(
        backup.point.not_covered.iter().any(|told| told.contains("cache")),
        "{:?}",
        backup.point.not_covered
    );
    assert_eq!((backup.tables.len(), backup.rows("public.t")), (2, 10));
    let refused = standby.target("back").begin(backup.plan(), &load_options(false)).await.err().unwrap();
    assert!(matches!(refused, Error::Unsupported { .. }), "{refused}");
    let report =
        backup.restore(server.target("back").as_ref(), backup.plan(), &load_options(false)).await.unwrap();
    assert_eq!(report.refused, Vec::<String>::new());
    assert_eq!(server.sql("back", "SELECT nextval('s'), (SELECT count(*) FROM cache)"), "2|0");
}

#[tokio::test]
async fn what_the_account_may_not_read_is_denied_with_the_statement_that_helps() {
    let server = Server::start("");
    server.sql(
        "postgres",
        &format!(
            "CREATE ROLE backup LOGIN PASSWORD '{}'; GRANT USAGE ON SCHEMA public TO backup; \
        CREATE TABLE open (n int); GRANT SELECT ON open TO backup; CREATE TABLE \"shut\"\"!\" (n int)",
            PASSWORD.replace('\'', "''")
        ),
    );
    let denied = error(&server, "backup", "postgres").await;
    assert_eq!(denied.hints(), [r#"GRANT SELECT ON "public"."shut""!" TO "backup";"#]);
    let findings = server.source("backup", "postgres").check().await.unwrap().findings;
    let problems: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Problem).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].hint.as_deref(), Some(r#"GRANT SELECT ON "public"."shut""!" TO "backup";"#));

    server.sql(
        "postgres",
        "GRANT SELECT ON \"shut\"\"!\" TO backup; ALTER TABLE open ENABLE ROW LEVEL SECURITY; \
        CREATE POLICY none ON open USING (false)",
    );
    let thinned = error(&server, "backup", "postgres").await;
    assert_eq!(thinned.hints(), [r#"ALTER ROLE "backup" BYPASSRLS;"#]);

    server.sql("postgres", "ALTER TABLE open DISABLE ROW LEVEL SECURITY; CREATE SEQUENCE s");
    let denied = error(&server, "backup", "postgres").await;
    assert!(denied.to_string().contains("sequence s"), "{denied}");

    server.sql("postgres", "GRANT SELECT ON SEQUENCE s TO backup; SELECT lo_create(77)");
    let denied = error(&server, "backup", "postgres").await;
    assert!(denied.hints()[0].starts_with("GRANT SELECT ON LARGE OBJECT 77"), "{denied}");
    server.sql("postgres", "GRANT SELECT ON LARGE OBJECT 77 TO backup");
    Backup::take(server.source("backup", "postgres").as_ref(), &CaptureOptions::default()).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_cannot_be_trusted_or_made_is_told_apart() {
    let server = Server::start("");
    let check = async |url: url::Url, password: &str| {
        open_source(&url, Some(password.into()), false).unwrap().check().await.err()
    };
    let url = server.url("postgres", "postgres");
    let wrong = check(url.clone(), "wrong secret").await.unwrap();
    assert!(matches!(wrong, Error::Denied { .. }), "{wrong}");
    assert!(!format!("{wrong:?}").contains("wrong secret"));
    let missing = check(server.url("postgres", "not_there"), PASSWORD).await.unwrap();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
    let unverified = check(server.bare_url(""), PASSWORD).await.unwrap();
    assert!(matches!(unverified, Error::Insecure { .. }), "{unverified:?}");
    let mut other_name = url.clone();
    other_name.set_host(Some("127.0.0.1")).unwrap();
    let misnamed = check(other_name, PASSWORD).await.unwrap();
    assert!(matches!(misnamed, Error::Insecure { .. }), "{misnamed:?}");
    let mut closed = url.clone();
    closed.set_port(Some(1)).unwrap();
    let unreachable = check(closed, PASSWORD).await.unwrap();
    assert!(matches!(unreachable, Error::Unreachable { .. }), "{unreachable:?}");
    let fine = check(url, PASSWORD).await;
    assert!(fine.is_none(), "{fine:?}");
    let far = url::Url::parse("postgres://u@db.example/crm?sslmode=require").unwrap();
    assert!(matches!(open_source(&far, None, false).err().unwrap(), Error::Insecure { .. }));
}

#[tokio::test]
async fn more_tables_than_locks_names_the_setting() {
    let server = Server::start("max_locks_per_transaction = 10\nmax_connections = 20");
    server.sql(
        "postgres",
        "DO $$BEGIN FOR i IN 1..3000 LOOP EXECUTE format('CREATE TABLE t%s ()', i); \
        IF i % 50 = 0 THEN COMMIT; END IF; END LOOP; END$$",
    );
    let full = error(&server, "postgres", "postgres").await;
    assert!(full.to_string().contains("max_locks_per_transaction"), "{full}");
    let findings = server.source("postgres", "postgres").check().await.unwrap().findings;
    assert!(findings.iter().any(|f| f.subject == "locks" && f.severity == Severity::Problem), "{findings:?}");
}

/// Waits until a query counts something.
async fn wait(server: &Server, query: &str) {
    for _ in 0..600 {
        if server.sql("postgres", query) != "0" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("never came true: {query}");
}
