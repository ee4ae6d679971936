//! What stands between an agent and a MariaDB server: names, passwords, certificates.

use lifeboat_tests::{MariadbOptions, run};

use super::support::Lab;
use crate::company::{DB1, Source};

/// Backs up from another URL or password and checks what is said; the vault keeps its one snapshot.
#[track_caller]
fn check(lab: &Lab, url: &str, password: Option<&str>, words: &[&str]) {
    lab.company.configure(DB1, &[Source { name: "crm", url: url.to_owned(), password }]);
    lab.check_refused(1, &[&["source crm failed"], words].concat());
    let checked = run(&mut lab.company.agent(DB1, &["check"])).exits(1);
    assert!(checked.stdout.contains("PROBLEM"), "check finds nothing wrong:\n{}", checked.stdout);
}

#[test]
fn a_server_that_does_not_let_the_agent_in_is_told_from_one_that_is_not_there() {
    let lab = Lab::new("CREATE TABLE t AS SELECT 1 AS i");
    lab.back_up().success();
    let (url, password) = (lab.server.url_without_password("crm", "backup"), lab.server.password("backup"));
    let port = format!(":{}/", lab.server.port());

    check(&lab, &url, Some("not the password"), &["login to localhost", "is the password right"]);
    check(&lab, &url, None, &["login to localhost", "is the password right"]);
    let nobody = url.replace("backup@", "nobody@");
    check(&lab, &nobody, Some(password), &["as nobody", "is the password right"]);
    check(
        &lab,
        &url.replace("/crm?", "/crn?"),
        Some(password),
        &["database crn does not exist", "check the spelling"],
    );
    let closed = url.replace(&port, ":1/");
    check(&lab, &closed, Some(password), &["cannot reach localhost:1", "is the server running"]);
    let unknown = url.replace("@localhost", "@db.invalid");
    check(&lab, &unknown, Some(password), &["cannot reach db.invalid", "is the server running"]);

    let stranger = lab.server.url_with_wrong_authority("crm", "backup");
    check(&lab, &stranger, Some(password), &["is not secure", "certificate", "ssl-ca=FILE"]);
    let bare = format!("mysql://backup@localhost{port}crm");
    check(&lab, &bare, Some(password), &["is not secure", "ssl-ca=FILE"]);
    let missing = format!("{bare}?ssl-ca=/nowhere/ca.pem");
    check(&lab, &missing, Some(password), &["/nowhere/ca.pem"]);
    let plain = lab.server.url_without_tls("crm", "backup");
    check(&lab, &plain, Some(password), &["login to localhost"]);
    let far = "mysql://backup@db.invalid/crm?ssl-mode=required";
    check(
        &lab,
        far,
        Some(password),
        &["its ssl-mode does not verify the server", "ssl-mode=verify_identity"],
    );
    check(&lab, &format!("{url}&sslmode=disable"), Some(password), &["sslmode"]);

    // Nothing of all this harmed what was there.
    lab.company.configure(DB1, &[lab.source()]);
    lab.check_round_trip();
    lab.company.verify();
}

#[test]
fn a_socket_needs_no_tls_and_a_missing_one_is_named() {
    let lab = Lab::new("CREATE TABLE t AS SELECT 1 AS i");
    let url = lab.server.socket_url("crm");
    lab.company.configure(DB1, &[Source { name: "crm", url: url.clone(), password: None }]);
    lab.check_round_trip();
    check(&lab, &url.replace("/socket", "/no-socket"), None, &["cannot reach", "no-socket"]);
}

#[test]
fn a_server_without_tls_is_refused() {
    let lab = Lab::with_options(
        MariadbOptions { without_tls: true, ..MariadbOptions::default() },
        "CREATE TABLE t AS SELECT 1 AS i",
    );
    lab.check_refused(1, &["is not secure: the server offers no TLS"]);
}
