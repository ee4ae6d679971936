//! What stands between an agent and a database: names, passwords, certificates, and pg_dump.

use lifeboat_tests::run;

use super::support::{Lab, check_says, without_password};
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
    check(&lab, &url.replace("/crm?", "/crn?"), Some(password), &["\"crn\"", "check the spelling"]);
    check(
        &lab,
        &url.replace(&port, ":1/"),
        Some(password),
        &["cannot reach localhost:1", "is the server running"],
    );
    let unknown = url.replace("@localhost", "@db.invalid");
    check(&lab, &unknown, Some(password), &["cannot reach db.invalid", "is the server running"]);

    let stranger = without_password(&lab.server.url_with_wrong_authority("crm", "backup"));
    check(&lab, &stranger, Some(password), &["is not secure", "certificate", "sslrootcert=FILE"]);
    let bare = format!("postgres://backup@localhost{port}crm");
    check(&lab, &bare, Some(password), &["is not secure", "sslrootcert=FILE"]);
    let missing = format!("{bare}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem");
    check(&lab, &missing, Some(password), &["/nowhere/ca.pem"]);

    let plain = without_password(&lab.server.url_without_tls("crm", "backup"));
    check(&lab, &plain, Some(password), &["no pg_hba.conf entry", "over TLS?"]);
    let far = "postgres://backup@db.invalid/crm?sslmode=require";
    check(&lab, far, Some(password), &["its sslmode does not verify the server", "sslmode=verify-full"]);
    check(&lab, &format!("{url}&sslmod=disable"), Some(password), &["sslmod"]);

    // Nothing of all this harmed what was there.
    lab.company.configure(DB1, &[crate::company::postgres_source(&lab.server)]);
    lab.check_round_trip();
    lab.company.verify();
}

#[test]
fn a_password_file_that_cannot_be_read_is_a_fault_of_the_configuration() {
    let lab = Lab::new("");
    std::fs::remove_file(lab.company.path("crm.password")).expect("the password's file");
    lab.check_refused(40, &["crm.password does not exist"]);
}

/// `pg_dump` is looked for in the places of every package, so it is not hidden but spoilt: with a libpq that
/// is none, no installed `pg_dump` starts.
#[test]
fn a_host_without_pg_dump_is_told_the_package_to_install() {
    let lab = Lab::new("CREATE TABLE t AS SELECT 1 AS i");
    lab.back_up().success();
    let libraries = lab.company.path("libraries");
    std::fs::create_dir(&libraries).expect("a folder");
    std::fs::write(libraries.join("libpq.so.5"), "no library").expect("a file");
    let refused = |path: &str| {
        let mut agent = lab.company.agent(DB1, &["backup"]);
        run(agent.env("LD_LIBRARY_PATH", &libraries).env("PATH", path)).exits(1)
    };
    let major = lab.server.psql("crm", "SELECT current_setting('server_version_num')::int / 10000");
    let none = refused("/nowhere");
    check_says(&none, &[&format!("pg_dump {major}"), &format!("postgresql-client-{major}")]);

    let old = lab.company.path("bin");
    std::fs::create_dir(&old).expect("a folder");
    let script = old.join("pg_dump");
    std::fs::write(&script, "#!/bin/sh\necho 'pg_dump (PostgreSQL) 12.22'\n").expect("a script");
    run(std::process::Command::new("chmod").arg("755").arg(&script)).success();
    let old = refused(&format!("{}:/bin", old.display()));
    check_says(&old, &["only 12, which is older than the server", &format!("postgresql-client-{major}")]);
    assert_eq!(lab.company.snapshots().len(), 1, "a refused backup left a snapshot");
    lab.check_round_trip();
}
