//! A PostgreSQL server with TLS, passwords and a read-only role, as a careful company runs it.
//!
//! Over TCP it accepts TLS and scram passwords only. The harness itself comes in as superuser through
//! a Unix socket in the server's private folder, which is also how an agent on the same host may.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::account::{Account, encoded};
use super::certificates::Certificates;
use super::keeper::Kept;
use super::port::{PORTS_TRIED_MAX, free_port};
use super::postgres_suite::relocated;
use super::tools::{tool, tools_folder};
use crate::{Finished, run};

const SUPERUSER: &str = "postgres";
const READER: &str = "backup";
const SUPERUSER_PASSWORD: &str = "harbour-master";
const READER_PASSWORD: &str = "reads only: p@ss/w%rd?";

const ACCESS: &str = "local all all trust
hostssl all all 127.0.0.1/32 scram-sha-256
hostssl all all ::1/128 scram-sha-256
";

/// Gives the read-only role, or takes from it, what is created later.
const READ_BY_DEFAULT: &str = "ALTER DEFAULT PRIVILEGES {change} SELECT ON TABLES {to} backup; \
    ALTER DEFAULT PRIVILEGES {change} SELECT ON SEQUENCES {to} backup; \
    ALTER DEFAULT PRIVILEGES {change} USAGE ON SCHEMAS {to} backup";

/// What a server may differ in.
#[derive(Debug, Default)]
pub struct PostgresOptions {
    /// Settings as `postgresql.conf` has them, after the harness's own.
    pub settings: Vec<(String, String)>,
    /// A folder with files of extensions that are added to the server's own.
    pub extensions: Option<PathBuf>,
}

/// A running server, gone with its data when dropped.
#[derive(Debug)]
pub struct PostgresServer {
    programs: PathBuf,
    /// The server's own program.
    postgres: PathBuf,
    port: u16,
    settings: Vec<(String, String)>,
    certificates: Certificates,
    server: Option<Kept>,
    folder: TempDir,
}

impl PostgresServer {
    /// Starts a server of the newest installed version, or of the one whose programs
    /// `LIFEBOAT_TEST_PG_BIN` names.
    ///
    /// # Panics
    /// When no server is installed or it does not start.
    pub fn start() -> Self {
        Self::start_with(PostgresOptions::default())
    }

    /// Starts a server with options.
    ///
    /// # Panics
    /// Like [`PostgresServer::start`].
    pub fn start_with(options: PostgresOptions) -> Self {
        let programs = programs();
        let folder = TempDir::with_prefix("lifeboat-pg-").expect("a temporary folder can be made");
        let template = template(&programs);
        let data = folder.path().join("data");
        run(Command::new("cp").arg("-a").arg("--reflink=auto").arg(&template).arg(&data)).success();
        fs::write(data.join("pg_hba.conf"), ACCESS).expect("the data folder can be written");
        let certificates = Certificates::create(folder.path());
        let postgres = match &options.extensions {
            Some(more) => relocated(&programs, &folder.path().join("usr"), more),
            None => programs.join("postgres"),
        };
        let settings = options.settings;
        let mut started = Self { programs, postgres, port: 0, settings, certificates, server: None, folder };
        started.give_to_server();
        started.launch();
        started.create_roles();
        started
    }

    /// A URL over TCP with TLS, verified in full, password included.
    pub fn url(&self, database: &str, user: &str) -> String {
        let password = encoded(self.password(user));
        self.tcp_url(database, &format!("{user}:{password}"), "verify-full", &self.certificates.authority)
    }

    /// The same URL without its password, for a configuration that keeps it elsewhere.
    pub fn url_without_password(&self, database: &str, user: &str) -> String {
        self.tcp_url(database, user, "verify-full", &self.certificates.authority)
    }

    /// A URL that asks for full verification and trusts an authority that did not sign this server.
    pub fn url_with_wrong_authority(&self, database: &str, user: &str) -> String {
        let password = encoded(self.password(user));
        self.tcp_url(database, &format!("{user}:{password}"), "verify-full", &self.certificates.stranger)
    }

    /// A URL that asks for no TLS, which this server refuses.
    pub fn url_without_tls(&self, database: &str, user: &str) -> String {
        let password = encoded(self.password(user));
        format!("postgres://{user}:{password}@localhost:{}/{database}?sslmode=disable", self.port)
    }

    /// A URL through the Unix socket, where the server asks for no password.
    pub fn socket_url(&self, database: &str, user: &str) -> String {
        format!("postgres:///{database}?host={}&port={}&user={user}", self.folder.path().display(), self.port)
    }

    /// The password of a role that the harness made.
    ///
    /// # Panics
    /// For any other role.
    pub fn password(&self, user: &str) -> &'static str {
        match user {
            SUPERUSER => SUPERUSER_PASSWORD,
            READER => READER_PASSWORD,
            other => panic!("the harness made no role {other:?}"),
        }
    }

    /// The certificate authority that signed this server's certificate.
    pub fn authority(&self) -> &Path {
        &self.certificates.authority
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that holds this server's Unix socket.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process id of the postmaster.
    ///
    /// # Panics
    /// When the server is down.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("the server runs").pid
    }

    /// The folder of the server's own programs (`pg_dump`, `psql`, …).
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// Makes an empty database that the read-only role may connect to.
    pub fn create_database(&self, name: &str) {
        let quoted = name.replace('"', "\"\"");
        self.psql("postgres", &format!("CREATE DATABASE \"{quoted}\""));
    }

    /// Runs SQL in `database` as superuser and returns what psql prints: rows of values between `|`.
    ///
    /// # Panics
    /// With what psql said, when the SQL fails.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let url = self.socket_url(database, SUPERUSER);
        let flags = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", sql];
        run(Command::new(self.programs.join("psql")).args(flags)).success().stdout.trim_end().to_owned()
    }

    /// Runs `pg_dump` on `database` as superuser and returns its text: what a round trip compares.
    ///
    /// # Panics
    /// With what pg_dump said, when it fails.
    pub fn dump(&self, database: &str, flags: &[&str]) -> String {
        let mut command = Command::new(self.programs.join("pg_dump"));
        let dumped =
            run(command.args(flags).arg("-d").arg(self.socket_url(database, SUPERUSER))).success().stdout;
        // Recent versions guard their text with a random word, different in every dump.
        let guard = |line: &&str| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ");
        dumped.lines().filter(guard).flat_map(|line| [line, "\n"]).collect()
    }

    /// PostgreSQL's own regression suite of this server's major version, as `tests/postgres-regression`
    /// fetched it.
    ///
    /// # Panics
    /// When it was not fetched.
    pub fn regression_suite(&self) -> PathBuf {
        let version: u32 = self.psql("postgres", "SHOW server_version_num").parse().expect("a number");
        tool(&format!("postgres-regression/{}", version / 10_000))
    }

    /// Runs `program` in the server's folder and under the server's account.
    pub fn run_as_server(&self, program: &Path, args: &[&str]) -> Finished {
        let program = program.display().to_string();
        let line = account().command_line(&[&[program.as_str()], args].concat());
        run(Command::new(&line[0]).args(&line[1..]).current_dir(self.folder.path()))
    }

    /// Stops the server in good order, ending every connection, and starts it again on its port.
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// Stops the server in good order.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.end("INT");
        }
    }

    /// Kills the server and all its processes at once, as a power cut does; [`PostgresServer::restart`]
    /// brings it back.
    pub fn kill9(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let children = format!("/proc/{0}/task/{0}/children", server.pid);
        let children = fs::read_to_string(children).unwrap_or_default();
        server.end("KILL");
        for child in children.split_whitespace() {
            // A child that saw its postmaster die may be gone already.
            let _ = Command::new("kill").args(["-KILL", child]).output();
        }
    }

    fn tcp_url(&self, database: &str, user: &str, mode: &str, authority: &Path) -> String {
        let authority = authority.display();
        format!("postgres://{user}@localhost:{}/{database}?sslmode={mode}&sslrootcert={authority}", self.port)
    }

    /// Everything in the folder belongs to whoever runs the server; the certificates must, by its rules.
    fn give_to_server(&self) {
        let account = account();
        account.own(self.folder.path());
        account.own(&self.folder.path().join("data/pg_hba.conf"));
        account.own(&self.certificates.server_key);
        run(Command::new("chmod").arg("600").arg(&self.certificates.server_key)).success();
    }

    /// Starts the server on its port, or the first time on any free one.
    fn launch(&mut self) {
        let log = self.folder.path().join("log");
        for _ in 0..PORTS_TRIED_MAX {
            let port = if self.port == 0 { free_port() } else { self.port };
            let server = Kept::start(&self.command_line(port), &log, "QUIT");
            let socket = self.folder.path().display().to_string();
            let ready = || {
                let mut asked = Command::new(self.programs.join("psql"));
                let url = format!("postgres:///postgres?host={socket}&port={port}&user={SUPERUSER}");
                asked
                    .args(["-X", "-q", "-c", "", "-d", &url])
                    .output()
                    .is_ok_and(|answer| answer.status.success())
            };
            if server.wait_until("PostgreSQL", &log, ready) {
                self.port = port;
                self.server = Some(server);
                return;
            }
        }
        panic!("PostgreSQL does not start; it said:\n{}", fs::read_to_string(&log).unwrap_or_default())
    }

    fn command_line(&self, port: u16) -> Vec<String> {
        let folder = self.folder.path().display();
        let own = [
            ("port", port.to_string()),
            ("listen_addresses", "localhost".into()),
            ("unix_socket_directories", folder.to_string()),
            ("ssl", "on".into()),
            ("ssl_cert_file", self.certificates.server.display().to_string()),
            ("ssl_key_file", self.certificates.server_key.display().to_string()),
            // A test's data need not survive the machine, only the server.
            ("fsync", "off".into()),
            ("shared_buffers", "32MB".into()),
            ("max_wal_size", "256MB".into()),
            // A server of another release would compile with this machine's libraries.
            ("jit", "off".into()),
            // 13 would keep passwords in a form that the access rules do not take.
            ("password_encryption", "scram-sha-256".into()),
        ];
        let data = self.folder.path().join("data").display().to_string();
        let mut line = account().command_line(&[&self.postgres.display().to_string(), "-D", &data]);
        let settings =
            own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(self.settings.clone());
        line.extend(settings.flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]));
        line
    }

    fn create_roles(&self) {
        let version: u32 = self.psql("postgres", "SHOW server_version_num").parse().expect("a number");
        self.psql("postgres", &format!("ALTER ROLE {SUPERUSER} PASSWORD '{SUPERUSER_PASSWORD}'"));
        self.psql("postgres", &format!("CREATE ROLE {READER} LOGIN PASSWORD '{READER_PASSWORD}'"));
        if version >= 140_000 {
            self.psql("postgres", &format!("GRANT pg_read_all_data TO {READER}"));
        } else {
            // What comes into any database to be: as near as 13 gets to a role that reads everything.
            self.psql("template1", &READ_BY_DEFAULT.replace("{change}", "GRANT").replace("{to}", "TO"));
        }
    }

    /// Takes from the read-only role what it may read in `database`; what is granted later, it may.
    pub fn withdraw_reading(&self, database: &str) {
        if self.psql(database, "SELECT count(*) FROM pg_roles WHERE rolname = 'pg_read_all_data'") == "1" {
            self.psql(database, &format!("REVOKE pg_read_all_data FROM {READER}"));
        } else {
            let withdraw = READ_BY_DEFAULT.replace("{change}", "REVOKE").replace("{to}", "FROM");
            self.psql(database, &format!("DROP OWNED BY {READER}; {withdraw}"));
        }
    }
}

/// The newest installed server's programs.
fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("LIFEBOAT_TEST_PG_BIN") {
        return folder.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/initdb").is_file())
        .max_by_key(version);
    newest.expect("no PostgreSQL server is installed: run `tests/run --install`").join("bin")
}

/// A cluster made once for all tests of a version and copied for each: `initdb` takes a second, a copy
/// a tenth of one.
fn template(programs: &Path) -> PathBuf {
    let version = run(Command::new(programs.join("postgres")).arg("--version")).success().stdout;
    let name: String = version.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let template = tools_folder().join(format!("cluster-{}", name.trim_end_matches('-')));
    if template.is_dir() {
        return template;
    }
    fs::create_dir_all(tools_folder()).expect("the tools folder can be made");
    let scratch = TempDir::with_prefix("lifeboat-initdb-").expect("a temporary folder can be made");
    account().own(scratch.path());
    let (initdb, data) = (programs.join("initdb").display().to_string(), scratch.path().join("data"));
    let data_text = data.display().to_string();
    let flags =
        ["-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust", "--no-sync", "-D", &data_text];
    let line = account().command_line(&[&[initdb.as_str()], &flags[..]].concat());
    run(Command::new(&line[0]).args(&line[1..])).success();
    // Made beside its place and renamed, so that tests that start at once see it whole or not at all.
    let mine =
        TempDir::with_prefix_in("cluster-new-", tools_folder()).expect("the tools folder can be written");
    let copied = mine.path().join("data");
    run(Command::new("cp").arg("-a").arg(&data).arg(&copied)).success();
    if let Err(error) = fs::rename(&copied, &template) {
        assert!(template.is_dir(), "cannot keep the new cluster: {error}");
    }
    template
}

/// The account to run servers under.
fn account() -> Account {
    Account::of(SUPERUSER)
}
