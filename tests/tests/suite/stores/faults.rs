//! Stores that are not there, that refuse, or that would be spoken to in the clear: a clear error in
//! bounded time, and never a secret in it.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lifeboat_tests::{AzureServer, Finished, GcsServer, S3Server, run};
use lifeboat_vault::store::Patience;
use lifeboat_vault::{Error, Store};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ClientOptions, RetryConfig};

use super::conformance::install_tls;
use crate::company::{Company, DB1, sqlite_crm};

const SECRET: &str = "NotTheRightSecret0123456789abcdef";
/// The programs' own patience is about half a minute.
const PROGRAM_ENDS_WITHIN: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_unavailable_soon() {
    install_tls();
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let objects = AmazonS3Builder::new()
        .with_bucket_name("lifeboat")
        .with_endpoint(format!("http://127.0.0.1:{}", closed_port()))
        .with_region("us-east-1")
        .with_access_key_id("lifeboat")
        .with_secret_access_key(SECRET)
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_retry(retry)
        .build()
        .expect("the settings are complete");
    let patience = Patience { attempts: 3, pause: Duration::from_millis(10) };
    let store = Store::new(Arc::new(objects), Path::from("v"), "s3://lifeboat/v").with_patience(patience);
    let started = Instant::now();
    let answers = [
        store.create("a", Bytes::from_static(b"a")).await.map(|_| ()),
        store.get("a").await.map(|_| ()),
        store.get_range("a", 0, 1).await.map(|_| ()),
        store.size("a").await.map(|_| ()),
        store.list("packs").await.map(|_| ()),
    ];
    for answer in answers {
        let error = answer.expect_err("nobody is there");
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        assert!(!format!("{error:?}").contains(SECRET), "the secret is in the error");
    }
    assert!(started.elapsed() < Duration::from_secs(30), "it took {:?}", started.elapsed());
}

#[test]
fn a_store_that_went_away_ends_the_backup_with_a_hint() {
    let server = S3Server::start();
    let mut company = Company::with_store(server.url("v"), server.environment());
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    company.init(DB1);
    replace(&mut company, "AWS_ENDPOINT", &format!("http://127.0.0.1:{}", closed_port()));
    let started = Instant::now();
    let backup = run(&mut company.agent(DB1, &["backup"])).exits(1);
    assert!(started.elapsed() < PROGRAM_ENDS_WITHIN, "it took {:?}", started.elapsed());
    says(&backup, &["the store failed to", "is the store up"]);
}

#[test]
fn azure_refuses_a_wrong_key_and_nobody_prints_it() {
    let server = AzureServer::start();
    let mut company = Company::with_store(server.url("v"), server.environment());
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    company.init(DB1);
    let endpoint = company.environment().iter().find(|(name, _)| name == "AZURITE_BLOB_STORAGE_URL");
    let endpoint = format!("{}/devstoreaccount1", endpoint.expect("it leads to the server").1);
    // A key that is well-formed, and another account's.
    let key = "Tm90VGhlUmlnaHRTZWNyZXQwMTIzNDU2Nzg5YWJjZGVmTm90VGhlUmlnaHRTZWNyZXQwMTIzNDU2Nzg5YWI=";
    *company.environment() = [
        ("AZURE_STORAGE_ACCOUNT_NAME", "devstoreaccount1"),
        ("AZURE_STORAGE_ACCOUNT_KEY", key),
        ("AZURE_STORAGE_ENDPOINT", &endpoint),
        ("AZURE_ALLOW_HTTP", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for args in [["backup"], ["check"]] {
        let refused = run(&mut company.agent(DB1, &args)).exits(1);
        says(&refused, &["the store denies to", "put, get and list"]);
        assert!(!refused.stderr.contains(key) && !refused.stdout.contains(key), "the key is printed");
    }
}

#[test]
fn s3_refuses_a_wrong_secret_and_nobody_prints_it() {
    let server = S3Server::start();
    let mut company = Company::with_store(server.url("v"), server.environment());
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    replace(&mut company, "AWS_SECRET_ACCESS_KEY", SECRET);
    let started = Instant::now();
    let refused = run(&mut company.agent(DB1, &["init"])).exits(1);
    assert!(started.elapsed() < Duration::from_secs(20), "it was tried again: {:?}", started.elapsed());
    says(&refused, &["the store denies to", "put, get and list"]);
    assert!(!refused.stderr.contains(SECRET) && !refused.stdout.contains(SECRET), "the secret is printed");
    assert!(!company.state(DB1).join("agent.key").exists(), "the key of no vault stays behind");
}

#[test]
fn init_says_that_a_store_only_pretends_to_create_conditionally() {
    let server = GcsServer::start_pretending();
    let company = Company::with_store(server.url("v"), server.environment());
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    says(&run(&mut company.agent(DB1, &["init"])).success(), &["lets a second write replace the first"]);
    says(&run(&mut company.agent(DB1, &["check"])).success(), &["lets a second write replace the first"]);
    run(&mut company.agent(DB1, &["backup"])).success();
    company.verify();
}

#[test]
fn a_setting_that_the_store_does_not_know_is_told_by_its_line_and_not_shown() {
    let company = Company::new();
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    let file = company.path("b.env");
    std::fs::write(&file, format!("AWS_REGION=x\nAWS_SECRET_KEY={SECRET}\n")).expect("a file of settings");
    let mut text = std::fs::read_to_string(company.config(DB1)).expect("a configuration");
    text += &format!(
        "[[vault.copy]]\nname = \"b\"\nurl = \"s3://b/v\"\ncredentials = \"{{file:{}}}\"\n",
        file.display()
    );
    std::fs::write(company.config(DB1), text).expect("a configuration");
    company.init(DB1);
    let refused = run(&mut company.agent(DB1, &["copy"])).exits(1);
    says(&refused, &["copy b cannot be used", "line 2 of its credentials sets AWS_SECRET_KEY"]);
    assert!(!refused.stderr.contains(SECRET), "the secret is printed");
}

#[test]
fn plain_http_is_refused_until_it_is_asked_for() {
    let server = S3Server::start();
    let mut company = Company::with_store(server.url("v"), server.environment());
    company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
    company.environment().retain(|(name, _)| name != "AWS_ALLOW_HTTP");
    let started = Instant::now();
    let refused = run(&mut company.agent(DB1, &["init"])).exits(1);
    assert!(started.elapsed() < PROGRAM_ENDS_WITHIN, "it took {:?}", started.elapsed());
    says(&refused, &["is plain HTTP", "AWS_ALLOW_HTTP=true"]);
    let secret = "lifeboat-secret";
    assert!(!refused.stderr.contains(secret), "the secret is printed:\n{}", refused.stderr);
}

fn replace(company: &mut Company, variable: &str, value: &str) {
    let known = company.environment().iter_mut().find(|(name, _)| name == variable);
    known.expect("the variable is set").1 = value.to_owned();
}

/// A port on which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

#[track_caller]
fn says(finished: &Finished, words: &[&str]) {
    for word in words {
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert!(said.contains(word), "{} does not say {word:?}:\n{said}", finished.line);
    }
}
