//! The servers that tests start are as strict as the ones that companies run.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lifeboat_tests::{AzureServer, PostgresServer, S3Server, program};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use sqlx::{Connection, PgConnection};

#[tokio::test]
async fn postgres_answers_over_verified_tls_and_over_nothing_else() {
    let server = PostgresServer::start();
    server.create_database("crm");

    let mut reader = PgConnection::connect(&server.url("crm", "backup")).await.expect("TLS and password fit");
    let encrypted: bool = sqlx::query_scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .fetch_one(&mut reader)
        .await
        .expect("the server answers");
    assert!(encrypted);

    let refused = PgConnection::connect(&server.url_without_tls("crm", "backup")).await;
    assert!(refused.is_err(), "a connection without TLS was let in");
    let refused = PgConnection::connect(&server.url_with_wrong_authority("crm", "backup")).await;
    assert!(refused.is_err(), "a certificate of another authority was believed");
}

#[tokio::test]
async fn postgres_lets_the_backup_role_read_and_not_write() {
    let server = PostgresServer::start();
    server.create_database("crm");
    server.psql("crm", "CREATE TABLE t (a int); INSERT INTO t VALUES (7)");
    let mut reader = PgConnection::connect(&server.url("crm", "backup")).await.expect("the role can connect");
    let seven: i32 = sqlx::query_scalar("SELECT a FROM t").fetch_one(&mut reader).await.expect("it can read");
    assert_eq!(seven, 7);
    let written = sqlx::query("INSERT INTO t VALUES (8)").execute(&mut reader).await;
    assert!(written.is_err(), "the backup role wrote");
}

#[test]
fn postgres_comes_back_with_its_data_after_a_restart_and_after_a_power_cut() {
    let mut server = PostgresServer::start();
    server.create_database("crm");
    server.psql("crm", "CREATE TABLE t (a int); INSERT INTO t VALUES (7)");
    let port = server.port();
    server.restart();
    assert_eq!(server.psql("crm", "SELECT a FROM t"), "7");
    server.kill9();
    server.restart();
    assert_eq!(server.psql("crm", "SELECT a FROM t"), "7");
    assert_eq!(server.port(), port);
}

#[test]
fn a_dropped_server_is_gone() {
    let server = PostgresServer::start();
    let (pid, folder) = (server.pid(), server.socket_folder().to_owned());
    drop(server);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(!folder.exists());
}

/// Twenty writers create one object at once: one may win, and its bytes stay.
async fn check_creates_once(store: impl ObjectStore) {
    let path = Path::from("probe/object");
    let create = |writer: u32| {
        let (store, path) = (&store, &path);
        async move {
            let options = PutOptions { mode: PutMode::Create, ..Default::default() };
            match store.put_opts(path, writer.to_string().into(), options).await {
                Ok(_) => Some(writer),
                Err(Error::AlreadyExists { .. }) => None,
                Err(error) => panic!("neither created nor refused: {error}"),
            }
        }
    };
    let writers: FuturesUnordered<_> = (0..20).map(create).collect();
    let winners: Vec<u32> = writers.filter_map(|winner| async move { winner }).collect().await;
    assert_eq!(winners.len(), 1, "writers {winners:?} all believe that they created the object");
    let kept = store.get(&path).await.expect("it is there").bytes().await.expect("it can be read");
    assert_eq!(kept, winners[0].to_string());
}

#[tokio::test]
async fn s3_creates_an_object_once() {
    install_tls();
    let server = S3Server::start();
    check_creates_once(server.store()).await;
}

#[tokio::test]
async fn azure_creates_an_object_once() {
    install_tls();
    let server = AzureServer::start();
    check_creates_once(server.store()).await;
}

/// object_store's HTTP client wants a TLS provider even for plain HTTP; any test may be the first.
fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[test]
fn a_killed_test_leaves_no_server_behind() {
    let mut holder =
        program("postgres-server").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut told = String::new();
    let stdout = holder.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut told).expect("it says how to reach the server");
    let told: serde_json::Value = serde_json::from_str(&told).expect("it speaks JSON");
    let server = std::path::PathBuf::from(format!("/proc/{}", told["pid"]));
    assert!(server.exists());

    holder.kill().expect("SIGKILL can be sent");
    holder.wait().expect("it ends");
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.exists() {
        assert!(Instant::now() < deadline, "the server outlives the test that started it");
        std::thread::yield_now();
    }
    // A killed process cannot tidy up: its folder is this test's to remove.
    let folder = told["socket_folder"].as_str().expect("a path");
    std::fs::remove_dir_all(folder).expect("the folder is still there");
}
