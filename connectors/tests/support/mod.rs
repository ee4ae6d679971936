//! A PostgreSQL server of a test's own, with TLS and passwords, and a snapshot of it held in memory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lifeboat_connectors::{
    Capture, CaptureOptions, Load, LoadOptions, LoadPlan, LoadReport, LoadTable, PointInTime, Result,
    RowBatch, SchemaFile, Slice, Source, Table, Target, open_source, open_target, row_channel,
};
use tempfile::TempDir;
use url::Url;

/// The superuser's password, with characters that a URL or a connection string might trip over.
pub const PASSWORD: &str = "p@ss w'rd%&\\";

/// A running server; stopped when dropped.
pub struct Server {
    folder: TempDir,
    bin: PathBuf,
    port: u16,
    /// Where it finds locales, if not where the machine keeps them.
    locales: Option<TempDir>,
}

impl Server {
    /// Makes and starts a server; `settings` are lines of postgresql.conf.
    pub fn start(settings: &str) -> Self {
        Self::start_with(settings, None)
    }

    /// The same, but it says everything in Chinese.
    pub fn start_in_chinese() -> Self {
        let folder = tempfile::Builder::new().prefix("lifeboat-locale-").tempdir().expect("a temp folder");
        shell(folder.path(), "chmod 755 . && localedef -i zh_CN -f UTF-8 ./zh_CN.UTF-8");
        let server = Self::start_with("lc_messages = 'zh_CN.UTF-8'\n", Some(folder));
        let mut refused = server.session("postgres");
        let said = refused.args(["-c", "DROP ROLE bob"]).output().expect("psql runs").stderr;
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains("角色 \"bob\" 不存在"), "it does not say it in Chinese: {said}");
        server
    }

    fn start_with(settings: &str, locales: Option<TempDir>) -> Self {
        let folder = tempfile::Builder::new().prefix("lifeboat-pg-").tempdir().expect("a temp folder");
        let port = free_port();
        let server = Self { folder, bin: newest_bin(), port, locales };
        let path = server.path();
        std::fs::write(path.join("password"), format!("{PASSWORD}\n")).expect("a password file");
        shell(
            path,
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test-ca \
            -keyout ca.key -out ca.crt 2>&1 && \
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout server.key \
            -out server.csr 2>&1 && printf 'subjectAltName=DNS:localhost' > san && \
            openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.crt \
            2>&1 && chmod 600 server.key && chmod 755 . && if [ $(id -u) = 0 ]; then chown -R postgres .; fi",
        );
        let data = path.join("data");
        let data = data.to_str().expect("a path in UTF-8");
        server.run(
            "initdb",
            &[
                "-D",
                data,
                "-U",
                "postgres",
                "-A",
                "scram-sha-256",
                "-N",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--pwfile",
                path.join("password").to_str().expect("a path"),
            ],
        );
        let conf = format!(
            "port = {port}\nlisten_addresses = 'localhost'\nunix_socket_directories = '{0}'\nssl = on\n\
             ssl_cert_file = '{0}/server.crt'\nssl_key_file = '{0}/server.key'\nfsync = off\n{settings}\n",
            path.display()
        );
        server.configure(&conf);
        server.launch();
        server
    }

    /// Makes and starts a standby of this server.
    pub fn standby(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("lifeboat-pg-").tempdir().expect("a temp folder");
        let standby = Self { folder, bin: self.bin.clone(), port: free_port(), locales: None };
        let path = standby.path().to_owned();
        let data = path.join("data").display().to_string();
        let from = self.path().display();
        shell(
            &path,
            &format!(
                "cp {from}/ca.crt . && chmod 755 . && if [ $(id -u) = 0 ]; then chown -R postgres .; fi"
            ),
        );
        let primary =
            format!("host='{from}' port={} user=postgres password='{}'", self.port, conninfo(PASSWORD));
        self.run("pg_basebackup", &["-D", &data, "-R", "-c", "fast", "-d", &primary]);
        standby.configure(&format!(
            "port = {}\nunix_socket_directories = '{}'\n",
            standby.port,
            path.display()
        ));
        standby.launch();
        standby
    }

    fn configure(&self, lines: &str) {
        use std::io::Write as _;
        let path = self.path().join("data/postgresql.conf");
        let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("the conf");
        file.write_all(lines.as_bytes()).expect("writing the conf");
    }

    fn launch(&self) {
        let (data, log) = (self.path().join("data"), self.path().join("log"));
        let (data, log) = (data.to_str().expect("a path"), log.to_str().expect("a path"));
        self.run("pg_ctl", &["-D", data, "-w", "-l", log, "start"]);
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Restarts the server at once, cutting every connection.
    pub fn restart(&self) {
        let data = self.path().join("data");
        let log = self.path().join("log");
        self.run(
            "pg_ctl",
            &[
                "-D",
                data.to_str().expect("a path"),
                "-w",
                "-m",
                "immediate",
                "-l",
                log.to_str().expect("a path"),
                "restart",
            ],
        );
    }

    /// Sends a signal to every session of Lifeboat's.
    pub fn signal_sessions(&self, signal: &str) {
        let sessions =
            "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name = 'lifeboat'";
        shell(self.path(), &format!("kill -{signal} {}", self.sql("postgres", sessions)));
    }

    /// The URL of a database, verified against the test's own authority.
    pub fn url(&self, user: &str, database: &str) -> Url {
        let root = self.path().join("ca.crt");
        let url =
            format!("postgres://{user}@localhost:{}/{database}?sslrootcert={}", self.port, root.display());
        Url::parse(&url).expect("a URL")
    }

    /// The same without a certificate to verify by, and `more` instead.
    pub fn bare_url(&self, more: &str) -> Url {
        Url::parse(&format!("postgres://postgres@localhost:{}/postgres?{more}", self.port)).expect("a URL")
    }

    /// A source for `user`.
    pub fn source(&self, user: &str, database: &str) -> Box<dyn Source> {
        open_source(&self.url(user, database), Some(PASSWORD.into()), false).expect("a source")
    }

    /// A target as superuser.
    pub fn target(&self, database: &str) -> Box<dyn Target> {
        open_target(&self.url("postgres", database), Some(PASSWORD.into()), false).expect("a target")
    }

    /// A target as `user`, whose password is the superuser's.
    pub fn target_as(&self, user: &str, database: &str) -> Box<dyn Target> {
        open_target(&self.url(user, database), Some(PASSWORD.into()), false).expect("a target")
    }

    /// Runs SQL as superuser, statement by statement, and returns what psql prints, without decoration.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let script = self.path().join("script.sql");
        std::fs::write(&script, sql).expect("a script");
        let mut command = self.client("psql", database);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f"]).arg(script);
        expect(command.output().expect("psql runs")).trim_end().to_owned()
    }

    /// The server's major version.
    pub fn major(&self) -> u32 {
        let number: u32 = self.sql("postgres", "SHOW server_version_num").parse().expect("a number");
        number / 10_000
    }

    /// A psql session that keeps a transaction open until its standard input is closed.
    pub fn session(&self, database: &str) -> Command {
        let mut command = self.client("psql", database);
        command.args(["-X", "-q", "-A", "-t"]);
        command
    }

    /// What pg_dump prints, apart from what differs each time.
    pub fn dump(&self, database: &str, more: &[&str]) -> String {
        let text = expect(self.client("pg_dump", database).args(more).output().expect("pg_dump runs"));
        let lines =
            text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        lines.fold(String::new(), |text, line| text + line + "\n")
    }

    fn client(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env("PGHOST", self.path()).env("PGPORT", self.port.to_string()).env("PGUSER", "postgres");
        command.env("PGPASSWORD", PASSWORD).env("PGDATABASE", database);
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let program = self.bin.join(program);
        let root = shell(Path::new("/"), "id -u").trim() == "0";
        let mut command = if root { Command::new("runuser") } else { Command::new(&program) };
        if root {
            command.args(["-u", "postgres", "--"]).arg(program);
        }
        if let Some(locales) = &self.locales {
            command.env("LOCPATH", locales.path());
        }
        let log = self.path().join("output");
        let file = std::fs::File::create(&log).expect("an output file");
        let status = command
            .args(arguments)
            .current_dir(self.path())
            .stdout(file.try_clone().expect("a handle"))
            .stderr(file)
            .status()
            .expect("the program runs");
        let said = std::fs::read_to_string(&log).expect("its output");
        assert!(status.success(), "{arguments:?}: {said}");
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.path().join("data");
        self.run("pg_ctl", &["-D", data.to_str().expect("a path"), "-m", "immediate", "-w", "stop"]);
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn conninfo(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn newest_bin() -> PathBuf {
    if let Some(folder) = std::env::var_os("LIFEBOAT_TEST_PG_BIN") {
        return folder.into();
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").is_file() && bin.join("pg_dump").is_file())
        .collect();
    found.extend(
        std::env::var_os("PATH")
            .iter()
            .flat_map(std::env::split_paths)
            .filter(|bin| bin.join("initdb").is_file()),
    );
    found.sort_by_key(|bin| {
        std::cmp::Reverse(bin.parent().and_then(|p| p.file_name()?.to_str()?.parse::<u32>().ok()))
    });
    found.into_iter().next().expect("these tests need a PostgreSQL server: install the package postgresql")
}

fn shell(folder: &Path, script: &str) -> String {
    expect(Command::new("sh").arg("-c").arg(script).current_dir(folder).output().expect("sh runs"))
}

fn expect(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// A whole snapshot in memory.
pub struct Backup {
    pub point: PointInTime,
    pub schema: Vec<SchemaFile>,
    pub tables: Vec<(Table, Vec<RowBatch>)>,
}

impl Backup {
    pub async fn take(source: &dyn Source, options: &CaptureOptions) -> Result<Self> {
        let capture = source.capture(options).await?;
        let mut tables = Vec::new();
        for table in capture.tables() {
            let mut batches = Vec::new();
            for slice in &table.slices {
                batches.extend(read(capture.as_ref(), slice).await?);
            }
            tables.push((table.clone(), batches));
        }
        let (point, schema) = (capture.point().clone(), capture.schema().await?);
        capture.finish().await?;
        Ok(Self { point, schema, tables })
    }

    pub fn rows(&self, table: &str) -> usize {
        let found = self.tables.iter().find(|(known, _)| known.name.to_string() == table);
        found.expect("the table is in the backup").1.iter().map(RowBatch::rows).sum()
    }

    pub fn plan(&self) -> LoadPlan {
        let tables = self.tables.iter().map(|(table, _)| load_table(table)).collect();
        let (point, schema) = (self.point.clone(), self.schema.clone());
        LoadPlan { snapshot: "0123abc".into(), point, schema, tables, whole: true, withheld: Vec::new() }
    }

    /// Restores what `plan` names, several tables at once.
    pub async fn restore(
        &self,
        target: &dyn Target,
        plan: LoadPlan,
        options: &LoadOptions,
    ) -> Result<LoadReport> {
        let chosen = plan.tables.clone();
        let load = target.begin(plan, options).await?;
        let all = self.tables.iter().filter(|(table, _)| chosen.contains(&load_table(table)));
        let loads = all.map(|(table, batches)| fill(load.as_ref(), table, batches));
        futures::future::try_join_all(loads).await?;
        load.finish().await
    }
}

pub fn load_table(table: &Table) -> LoadTable {
    LoadTable { name: table.name.clone(), kind: table.kind, columns: table.columns.clone() }
}

pub fn load_options(into_new: bool) -> LoadOptions {
    LoadOptions {
        writers: 2,
        into_new,
        map_roles: Vec::new(),
        no_owner: false,
        with_accounts: false,
        enable_events: false,
        scratch: std::env::temp_dir(),
    }
}

/// Reads one slice whole.
pub async fn read(capture: &dyn Capture, slice: &Slice) -> Result<Vec<RowBatch>> {
    let (sender, mut receiver) = row_channel();
    let collect = async {
        let mut batches = Vec::new();
        while let Some(batch) = receiver.recv().await {
            batches.push(batch);
        }
        batches
    };
    let (read, batches) = tokio::join!(capture.read(slice, sender), collect);
    assert_eq!(read? as usize, batches.iter().map(RowBatch::rows).sum::<usize>());
    Ok(batches)
}

/// Loads one table.
pub async fn fill(load: &dyn Load, table: &Table, batches: &[RowBatch]) -> Result<u64> {
    let (sender, receiver) = row_channel();
    let table = load_table(table);
    let rows = batches.iter().map(RowBatch::rows).sum::<usize>() as u64;
    let send = async {
        for batch in batches {
            if sender.send(batch.clone()).await.is_err() {
                break;
            }
        }
        drop(sender);
    };
    let (loaded, ()) = tokio::join!(load.load(&table, rows, receiver), send);
    loaded
}
