//! A MariaDB server, or a MySQL one, with TLS, passwords and a read-only account, as a careful company runs
//! it.
//!
//! Over TCP its accounts are let in with TLS and a password only. The harness itself comes in as root
//! through a Unix socket in the server's private folder, which is also how an agent on the same host may.
//! `LIFEBOAT_TEST_MYSQL_BIN` names the folder of another server's programs, such as the ones that
//! `tests/other-server` unpacks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::account::{Account, encoded};
use super::certificates::Certificates;
use super::keeper::Kept;
use super::port::{PORTS_TRIED_MAX, free_port};
use super::tools::{tool, tools_folder};
use crate::run;

const ADMIN: &str = "admin";
const READER: &str = "backup";
const ADMIN_PASSWORD: &str = "harbour-master";
const READER_PASSWORD: &str = "reads only: p@ss/w%rd?";

/// What a server may differ in.
#[derive(Debug, Default)]
pub struct MariadbOptions {
    /// Settings as the configuration file has them, after the harness's own.
    pub settings: Vec<(String, String)>,
    /// Whether it offers no TLS.
    pub without_tls: bool,
}

/// A running server, gone with its data when dropped.
#[derive(Debug)]
pub struct MariadbServer {
    programs: Programs,
    account: Account,
    port: u16,
    options: MariadbOptions,
    certificates: Certificates,
    server: Option<Kept>,
    folder: TempDir,
}

/// Where the server's programs are, and of which family.
#[derive(Debug)]
struct Programs {
    server: PathBuf,
    client: PathBuf,
    is_mariadb: bool,
    /// The folder that stands for their `/usr`, where they were not built for this machine's.
    home: Option<PathBuf>,
}

impl MariadbServer {
    /// Starts the installed MariaDB, or the server whose programs `LIFEBOAT_TEST_MYSQL_BIN` names: a folder
    /// of `mariadbd` or of `mysqld`.
    ///
    /// # Panics
    /// When no server is installed or it does not start.
    pub fn start() -> Self {
        Self::start_with(MariadbOptions::default())
    }

    /// Starts a server with options.
    ///
    /// # Panics
    /// Like [`MariadbServer::start`].
    pub fn start_with(options: MariadbOptions) -> Self {
        let (programs, account) = (programs(), Account::of("mysql"));
        let folder = TempDir::with_prefix("lifeboat-mariadb-").expect("a temporary folder can be made");
        let template = template(&programs, account);
        let data = folder.path().join("data");
        run(Command::new("cp").arg("-a").arg("--reflink=auto").arg(&template).arg(&data)).success();
        let certificates = Certificates::create(folder.path());
        account.own(folder.path());
        account.own(&certificates.server_key);
        run(Command::new("chmod").arg("600").arg(&certificates.server_key)).success();
        let mut started = Self { programs, account, port: 0, options, certificates, server: None, folder };
        started.launch();
        started.create_accounts();
        started
    }

    /// Whether it is a MariaDB and no MySQL.
    pub fn is_mariadb(&self) -> bool {
        self.programs.is_mariadb
    }

    /// A URL over TCP with TLS, verified in full, password included.
    pub fn url(&self, database: &str, user: &str) -> String {
        let password = encoded(self.password(user));
        self.tcp_url(database, &format!("{user}:{password}"), &self.certificates.authority)
    }

    /// The same URL without its password, for a configuration that keeps it elsewhere.
    pub fn url_without_password(&self, database: &str, user: &str) -> String {
        self.tcp_url(database, user, &self.certificates.authority)
    }

    /// A URL that asks for full verification and trusts an authority that did not sign this server.
    pub fn url_with_wrong_authority(&self, database: &str, user: &str) -> String {
        self.tcp_url(database, user, &self.certificates.stranger)
    }

    /// A URL that asks for no TLS, without which this server's accounts are not let in.
    pub fn url_without_tls(&self, database: &str, user: &str) -> String {
        format!("mysql://{user}@localhost:{}/{database}?ssl-mode=disabled", self.port)
    }

    /// A URL through the Unix socket, where the server asks root for no password.
    pub fn socket_url(&self, database: &str) -> String {
        format!("mysql://root@localhost/{database}?socket={}", self.socket().display())
    }

    /// The password of an account that the harness made.
    ///
    /// # Panics
    /// For any other account.
    pub fn password(&self, user: &str) -> &'static str {
        match user {
            ADMIN => ADMIN_PASSWORD,
            READER => READER_PASSWORD,
            other => panic!("the harness made no account {other:?}"),
        }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The process id of the server.
    ///
    /// # Panics
    /// When the server is down.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("the server runs").pid
    }

    /// What `tests/mariadb-regression` made of the suite that this server's sources carry.
    ///
    /// # Panics
    /// When it was not fetched.
    pub fn regression_suite(&self) -> PathBuf {
        let version = self.sql("mysql", "SELECT REGEXP_SUBSTR(VERSION(), '^[0-9]+[.][0-9]+')");
        tool(&format!("mariadb-regression/{version}"))
    }

    /// Makes an empty database.
    pub fn create_database(&self, name: &str) {
        let quoted = name.replace('`', "``");
        self.sql("mysql", &format!("CREATE DATABASE `{quoted}` CHARACTER SET utf8mb4"));
    }

    /// Runs SQL in `database` as root and returns what the client prints: rows of values between tabs.
    ///
    /// # Panics
    /// With what the client said, when the SQL fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut client = self.client();
        client.args(["--batch", "--raw", "--skip-column-names", "--default-character-set=utf8mb4"]);
        let script = self.folder.path().join("script.sql");
        fs::write(&script, sql).expect("the folder can be written");
        let input = fs::File::open(&script).expect("it was just written");
        run(client.arg("--database").arg(database).stdin(input)).success().stdout.trim_end().to_owned()
    }

    /// Runs `mariadb-dump`, or `mysqldump`, on `database` as root and returns its text: what a round trip
    /// compares.
    ///
    /// # Panics
    /// With what it said, when it fails.
    pub fn dump(&self, database: &str, flags: &[&str]) -> String {
        let name = if self.programs.is_mariadb { "mariadb-dump" } else { "mysqldump" };
        let mut command = Command::new(self.programs.client.with_file_name(name));
        self.let_in(&mut command);
        command.args(["--skip-comments", "--hex-blob", "--routines", "--events", "--triggers"]);
        if !self.programs.is_mariadb {
            command.arg("--set-gtid-purged=OFF");
        }
        run(command.args(flags).arg(database)).success().stdout
    }

    /// Stops the server in good order, ending every connection, and starts it again on its port.
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// Stops the server in good order.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.end("TERM");
        }
    }

    /// Kills the server at once, as a power cut does; [`MariadbServer::restart`] brings it back.
    pub fn kill9(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.end("KILL");
        }
    }

    /// The server's own client, let in as root.
    pub fn client(&self) -> Command {
        let mut command = Command::new(&self.programs.client);
        self.let_in(&mut command);
        command
    }

    /// Sends a program of the server's to its socket, which needs no TLS.
    fn let_in(&self, command: &mut Command) {
        let plain = if self.programs.is_mariadb { "--skip-ssl" } else { "--ssl-mode=disabled" };
        let socket = format!("--socket={}", self.socket().display());
        command.args(["--no-defaults", "--user=root", plain, &socket]);
    }

    fn tcp_url(&self, database: &str, user: &str, authority: &Path) -> String {
        let authority = authority.display();
        format!(
            "mysql://{user}@localhost:{}/{database}?ssl-mode=verify_identity&ssl-ca={authority}",
            self.port
        )
    }

    /// Starts the server on its port, or the first time on any free one.
    fn launch(&mut self) {
        let log = self.folder.path().join("log");
        for _ in 0..PORTS_TRIED_MAX {
            let port = if self.port == 0 { free_port() } else { self.port };
            let server = Kept::start(&self.command_line(port), &log, "KILL");
            let ready = || {
                let mut asked = self.client();
                asked.args(["--execute", "SELECT 1"]).output().is_ok_and(|answer| answer.status.success())
            };
            if server.wait_until("MariaDB", &log, ready) {
                self.port = port;
                self.server = Some(server);
                return;
            }
        }
        panic!("MariaDB does not start; it said:\n{}", fs::read_to_string(&log).unwrap_or_default())
    }

    fn command_line(&self, port: u16) -> Vec<String> {
        let own = [
            ("datadir", self.folder.path().join("data").display().to_string()),
            // A server that starts removes what it takes for an older one's temporary tables.
            ("tmpdir", self.folder.path().display().to_string()),
            ("socket", self.socket().display().to_string()),
            ("pid-file", self.folder.path().join("pid").display().to_string()),
            ("port", port.to_string()),
            ("bind-address", "127.0.0.1".into()),
            ("server-id", "1".into()),
            ("log-bin", "log-bin".into()),
            ("log-bin-trust-function-creators", "1".into()),
            // A test's data need not survive the machine, only the server.
            ("innodb-flush-log-at-trx-commit", "0".into()),
            ("innodb-flush-method", "nosync".into()),
            ("innodb-buffer-pool-size", "64M".into()),
            ("sync-binlog", "0".into()),
        ];
        let server = self.programs.server.display().to_string();
        let mut line = self.account.command_line(&[&server, "--no-defaults"]);
        line.extend(self.programs.places());
        if !self.programs.is_mariadb {
            // MariaDB lets clients send files unless it is told not to; MySQL does not.
            line.extend(["--mysqlx=0", "--secure-file-priv=NULL", "--local-infile=1"].map(str::to_owned));
        }
        let tls = match (self.options.without_tls, self.programs.is_mariadb) {
            (true, true) => vec![("ssl", "0".to_owned())],
            (true, false) => vec![("tls-version", String::new())],
            (false, _) => vec![
                ("ssl-cert", self.certificates.server.display().to_string()),
                ("ssl-key", self.certificates.server_key.display().to_string()),
                ("ssl-ca", self.certificates.authority.display().to_string()),
            ],
        };
        let own = own.into_iter().chain(tls).map(|(name, value)| (name.to_owned(), value));
        let settings = own.chain(self.options.settings.clone());
        line.extend(settings.map(|(name, value)| format!("--{name}={value}")));
        line
    }

    fn create_accounts(&self) {
        let more = if self.programs.is_mariadb {
            "BINLOG MONITOR"
        } else {
            "REPLICATION CLIENT, BACKUP_ADMIN, SHOW_ROUTINE"
        };
        let script = format!(
            "CREATE USER {ADMIN}@'%' IDENTIFIED BY '{ADMIN_PASSWORD}' REQUIRE SSL;
             GRANT ALL PRIVILEGES ON *.* TO {ADMIN}@'%' WITH GRANT OPTION;
             CREATE USER {READER}@'%' IDENTIFIED BY '{READER_PASSWORD}' REQUIRE SSL;
             GRANT SELECT, RELOAD, LOCK TABLES, SHOW VIEW, TRIGGER, EVENT, {more} ON *.* TO {READER}@'%';"
        );
        self.sql("mysql", &script);
    }
}

impl Programs {
    /// What a MariaDB that is not where it was built for has to be told; MySQL looks around itself.
    fn places(&self) -> Vec<String> {
        let Some(home) = self.home.as_ref().filter(|_| self.is_mariadb) else { return Vec::new() };
        let home = home.display();
        vec![
            format!("--basedir={home}"),
            format!("--lc-messages-dir={home}/share/mariadb"),
            format!("--character-sets-dir={home}/share/mariadb/charsets"),
            format!("--plugin-dir={home}/lib/mysql/plugin"),
        ]
    }
}

fn programs() -> Programs {
    let home = std::env::var_os("LIFEBOAT_TEST_MYSQL_BIN").map(|folder| {
        PathBuf::from(folder).parent().expect("a folder of programs is in a folder").to_owned()
    });
    let usr = home.clone().unwrap_or_else(|| "/usr".into());
    let find = |name: &str| {
        let paths = ["sbin", "bin", "libexec"].map(|folder| usr.join(folder).join(name));
        paths.into_iter().find(|path| path.is_file())
    };
    let client = |name: &str| find(name).unwrap_or_else(|| panic!("{} has no {name}", usr.display()));
    if let Some(server) = find("mariadbd") {
        return Programs { server, client: client("mariadb"), is_mariadb: true, home };
    }
    let server = find("mysqld").expect("no MariaDB server is installed: run `tests/run --install`");
    Programs { server, client: client("mysql"), is_mariadb: false, home }
}

/// A data folder made once for all tests of a version and copied for each: making one takes seconds.
fn template(programs: &Programs, account: Account) -> PathBuf {
    let version = run(Command::new(&programs.server).args(["--no-defaults", "--version"])).success().stdout;
    let version =
        version.split(" Ver ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("unknown").to_owned();
    let name: String = version.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let template = tools_folder().join(format!("mysql-data-{name}"));
    if template.is_dir() {
        return template;
    }
    fs::create_dir_all(tools_folder()).expect("the tools folder can be made");
    let scratch = TempDir::with_prefix("lifeboat-mariadb-install-").expect("a temporary folder can be made");
    account.own(scratch.path());
    let data = scratch.path().join("data");
    let datadir = format!("--datadir={}", data.display());
    let line = if programs.is_mariadb {
        let install = programs.client.with_file_name("mariadb-install-db").display().to_string();
        account.command_line(&[
            &install,
            "--no-defaults",
            &datadir,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-log-file-size=16M",
        ])
    } else {
        let server = programs.server.display().to_string();
        account.command_line(&[&server, "--no-defaults", "--initialize-insecure", &datadir])
    };
    run(Command::new(&line[0]).args(&line[1..])).success();
    // Made beside its place and renamed, so that tests that start at once see it whole or not at all.
    let mine =
        TempDir::with_prefix_in("mysql-data-new-", tools_folder()).expect("the tools folder can be written");
    let copied = mine.path().join("data");
    run(Command::new("cp").arg("-a").arg(&data).arg(&copied)).success();
    if let Err(error) = fs::rename(&copied, &template) {
        assert!(template.is_dir(), "cannot keep the new data folder: {error}");
    }
    template
}
