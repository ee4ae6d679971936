//! A company with a MariaDB server: its database crm, an account that only reads, and a vault.

use std::process::Command;

use lifeboat_tests::{Finished, MariadbOptions, MariadbServer, run};

use crate::company::{Company, DB1, Source};
use crate::databases::support::{check_lines, check_says};

/// The numbers from 1 to `count` as a table with a column `seq`, in words that both families know.
pub fn numbers(count: u32) -> String {
    let zeros = count - 1;
    format!(
        "JSON_TABLE(CONCAT('[0', REPEAT(',0', {zeros}), ']'), '$[*]' COLUMNS (seq FOR ORDINALITY)) AS numbers"
    )
}

/// A server with a database crm and the backup account, and a vault made for it.
pub struct Lab {
    pub server: MariadbServer,
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
        Self::with_options(MariadbOptions { settings, ..MariadbOptions::default() }, sql)
    }

    /// The same with what else a server may differ in.
    pub fn with_options(options: MariadbOptions, sql: &str) -> Self {
        let server = MariadbServer::start_with(options);
        server.create_database("crm");
        server.sql("crm", sql);
        let lab = Self { server, company: Company::new() };
        lab.company.configure(DB1, &[lab.source()]);
        lab.company.init(DB1);
        std::fs::write(lab.company.path("admin.password"), lab.server.password("admin"))
            .expect("a password file");
        lab
    }

    /// The database crm as a source that reads as the backup account.
    pub fn source(&self) -> Source<'static> {
        let url = self.server.url_without_password("crm", "backup");
        Source { name: "crm", url, password: Some(self.server.password("backup")) }
    }

    /// Backs crm up; gives whatever became of it.
    pub fn back_up(&self) -> Finished {
        run(&mut self.company.agent(DB1, &["backup"]))
    }

    /// The command that restores `snapshot` into `database` of the same server, over TLS, as the
    /// administrator whose password is in a file.
    pub fn restore_command(&self, snapshot: &str, database: &str, more: &[&str]) -> Command {
        let to = self.server.url_without_password(database, "admin");
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

/// Checks that a command said all of `words`, on whichever of its two outputs; returns both.
#[track_caller]
pub fn said(finished: &Finished, words: &[&str]) -> String {
    let said = format!("{}{}", finished.stdout, finished.stderr);
    for word in words {
        assert!(said.contains(word), "it does not say {word:?} but:\n{said}");
    }
    said
}

/// What `mariadb-dump`, or `mysqldump`, says of a database, and `CHECKSUM TABLE` of its rows, which sees what a dump rounds.
#[derive(PartialEq, Eq)]
pub struct Dump {
    schema: String,
    data: Vec<String>,
    checksums: String,
}

impl Dump {
    /// Dumps a database.
    pub fn of(server: &MariadbServer, database: &str) -> Self {
        let flags = [
            "--no-create-info",
            "--skip-triggers",
            "--skip-routines",
            "--skip-events",
            "--skip-extended-insert",
        ];
        let mut data: Vec<_> = server.dump(database, &flags).lines().map(str::to_owned).collect();
        data.sort_unstable();
        let schema = format!("'{}'", database.replace('\'', "''"));
        // MySQL's checksum of a table with a key of expressions is another one each time.
        let stable = match server.is_mariadb() {
            true => String::new(),
            false => format!(
                "AND TABLE_NAME NOT IN (SELECT TABLE_NAME FROM information_schema.STATISTICS \
                 WHERE TABLE_SCHEMA = {schema} AND EXPRESSION IS NOT NULL)"
            ),
        };
        let tables = format!(
            "SELECT CONCAT('`', REPLACE(TABLE_NAME, '`', '``'), '`') FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = {schema} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') {stable} ORDER BY TABLE_NAME"
        );
        let tables = server.sql("mysql", &tables).replace("`\n`", "`, `");
        let checksums = match tables.as_str() {
            "" => String::new(),
            tables => server.sql(database, &format!("CHECKSUM TABLE {tables}")),
        };
        let checksums =
            checksums.lines().map(|line| line.trim_start_matches(database).to_owned() + "\n").collect();
        // What a view says of itself names the database it is in.
        let schema = server.dump(database, &["--no-data"]).replace(&format!("`{database}`."), "");
        Self { schema, data, checksums }
    }

    /// Names the first difference, if there is any.
    #[track_caller]
    pub fn check_same(&self, expected: &Self) {
        check_lines(self.schema.lines(), expected.schema.lines());
        check_lines(self.data.iter().map(String::as_str), expected.data.iter().map(String::as_str));
        check_lines(self.checksums.lines(), expected.checksums.lines());
    }
}
