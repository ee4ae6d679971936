//! A company with a PostgreSQL server: its database crm, a role that only reads, and a vault.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use lifeboat_tests::{Finished, PostgresOptions, PostgresServer, run};

use crate::company::{Company, DB1, Source, postgres_source};

/// No wait for something that a test made happen may take longer.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A server with an empty database crm and the backup role, and a vault made for it.
pub struct Lab {
    pub server: PostgresServer,
    pub company: Company,
}

impl Lab {
    /// Starts the server and makes the vault; the database is filled by `sql`.
    pub fn new(sql: &str) -> Self {
        Self::with_settings(&[], sql)
    }

    /// The same with settings of the server.
    pub fn with_settings(settings: &[(&str, &str)], sql: &str) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self::with_options(PostgresOptions { settings, ..PostgresOptions::default() }, sql)
    }

    /// The same with whatever a server may differ in.
    pub fn with_options(options: PostgresOptions, sql: &str) -> Self {
        let server = PostgresServer::start_with(options);
        server.create_database("crm");
        server.psql("crm", sql);
        let lab = Self { server, company: Company::new() };
        lab.company.configure(DB1, &[postgres_source(&lab.server)]);
        lab.company.init(DB1);
        std::fs::write(lab.company.path("admin.password"), lab.server.password("postgres"))
            .expect("a password file");
        lab
    }

    /// Makes `database` the one that is backed up as crm, read by the superuser.
    pub fn back_up_as_superuser(&self, database: &str) {
        let url = self.server.url_without_password(database, "postgres");
        let password = Some(self.server.password("postgres"));
        self.company.configure(DB1, &[Source { name: "crm", url, password }]);
    }

    /// Backs crm up; gives whatever became of it.
    pub fn back_up(&self) -> Finished {
        run(&mut self.company.agent(DB1, &["backup"]))
    }

    /// The command that restores `snapshot` into `database` of the same server, over TLS, as the superuser
    /// whose password is in a file.
    pub fn restore_command(&self, snapshot: &str, database: &str, more: &[&str]) -> Command {
        let to = self.server.url_without_password(database, "postgres");
        let password = self.company.path("admin.password").display().to_string();
        let args = ["restore", snapshot, "--to", &to, "--password-file", &password];
        self.company.restore(&[&args, more].concat())
    }

    /// Restores `snapshot` into a new database; gives whatever became of it.
    pub fn restore_new(&self, snapshot: &str, database: &str) -> Finished {
        run(&mut self.restore_command(snapshot, database, &["--into-new"]))
    }

    /// Backs crm up, restores it beside itself and proves that the two are the same.
    #[track_caller]
    pub fn check_round_trip(&self) {
        self.back_up().success();
        let before = Dump::of(&self.server, "crm");
        self.restore_new("crm@latest", "crm_new").success();
        Dump::of(&self.server, "crm_new").check_same(&before);
    }

    /// Checks that the next backup fails with `code` and says all of `words`, and that the vault is whole
    /// and has as many snapshots as before.
    #[track_caller]
    pub fn check_refused(&self, code: i32, words: &[&str]) -> Finished {
        let before = self.company.snapshots();
        let finished = self.back_up().exits(code);
        check_says(&finished, words);
        assert_eq!(self.company.snapshots(), before, "a refused backup left a snapshot");
        finished
    }
}

/// What `pg_dump` says of a database, in a form that two databases can be compared by: the order of rows
/// is not part of what a database is.
#[derive(PartialEq, Eq)]
pub struct Dump {
    schema: String,
    data: Vec<String>,
}

impl Dump {
    /// Dumps a database.
    pub fn of(server: &PostgresServer, database: &str) -> Self {
        let flags = ["--data-only", "--inserts", "--blobs"];
        let data = Self::sorted(&server.dump(database, &flags));
        Self { schema: server.dump(database, &["--schema-only"]), data }
    }

    /// The lines of a dump of rows without their order.
    pub fn sorted(dump: &str) -> Vec<String> {
        let mut lines: Vec<_> = dump.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    }

    /// Names the first difference, if there is any.
    #[track_caller]
    pub fn check_same(&self, expected: &Self) {
        check_lines(self.schema.lines(), expected.schema.lines());
        check_lines(self.data.iter().map(String::as_str), expected.data.iter().map(String::as_str));
    }
}

/// Compares two texts by lines, so that a failure shows one line and not two databases.
#[track_caller]
pub fn check_lines<'a>(found: impl Iterator<Item = &'a str>, expected: impl Iterator<Item = &'a str>) {
    let (found, expected): (Vec<_>, Vec<_>) = (found.collect(), expected.collect());
    if let Some(at) = found.iter().zip(&expected).position(|(found, expected)| found != expected) {
        panic!("line {} is\n{}\nand was\n{}", at + 1, found[at], expected[at]);
    }
    assert_eq!(found.len(), expected.len(), "one is longer than the other");
}

/// Checks that a program's error names what went wrong and what to do.
#[track_caller]
pub fn check_says(finished: &Finished, words: &[&str]) {
    for word in words {
        assert!(
            finished.stderr.contains(word),
            "{}\ndoes not say {word:?} but:\n{}",
            finished.line,
            finished.stderr
        );
    }
}

/// Waits until `is_so`; what it waits for is the test's own doing, so it is never given up quietly.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT_MAX;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come true in {WAIT_MAX:?}");
        std::thread::yield_now();
    }
}

/// `url` without its password, which a configuration refuses there.
pub fn without_password(url: &str) -> String {
    let (start, place) = url.rsplit_once('@').expect("the URL names an account");
    let (scheme, account) = start.split_once("://").expect("a URL");
    let user = account.split(':').next().unwrap_or_default();
    format!("{scheme}://{user}@{place}")
}

/// Runs SQL in a SQLite file with the sqlite3 program.
#[track_caller]
pub fn sqlite(path: &Path, sql: &str) -> String {
    run(Command::new("sqlite3").arg("-bail").arg(path).arg(sql)).success().stdout.trim_end().to_owned()
}
