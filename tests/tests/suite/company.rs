//! A company with two people who may open its vault, and the two programs run on its behalf.
//!
//! Everything is in one folder that goes with the test. People's keys come from `age-keygen`, so that a
//! key which only our own code understands would be noticed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat_tests::{PostgresServer, agent, program, restore, run};
use serde_json::Value;
use tempfile::TempDir;

use crate::databases::support::sqlite;

/// People's keys, configurations, states and, unless a store is named, the vault.
pub struct Company {
    folder: TempDir,
    vault: String,
    environment: Vec<(String, String)>,
}

/// A database to back up.
pub struct Source<'a> {
    pub name: &'a str,
    pub url: String,
    pub password: Option<&'a str>,
}

/// Where a host's agent keeps its name, configuration and state.
#[derive(Clone, Copy)]
pub struct Host(pub &'static str);

pub const DB1: Host = Host("db1");
pub const DB2: Host = Host("db2");

impl Company {
    /// A company whose vault is in a folder.
    pub fn new() -> Self {
        let mut company = Self::with_store(String::new(), Vec::new());
        company.vault = format!("file://{}", company.path("vault").display());
        company
    }

    /// A company whose vault is at `vault`, reached by `environment`.
    pub fn with_store(vault: String, environment: Vec<(String, String)>) -> Self {
        let folder = TempDir::with_prefix("lifeboat-company-").expect("a temporary folder");
        let company = Self { folder, vault, environment };
        for person in ["wang", "li"] {
            run(Command::new("age-keygen").arg("-o").arg(company.identity(person))).success();
        }
        company
    }

    /// What leads its programs to the store, to be changed.
    pub fn environment(&mut self) -> &mut Vec<(String, String)> {
        &mut self.environment
    }

    /// Something in the company's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A person's secret key.
    pub fn identity(&self, person: &str) -> PathBuf {
        self.path(&format!("{person}.txt"))
    }

    /// A host's state folder.
    pub fn state(&self, host: Host) -> PathBuf {
        self.path(&format!("{}-state", host.0))
    }

    /// A host's configuration file.
    pub fn config(&self, host: Host) -> PathBuf {
        self.path(&format!("{}.toml", host.0))
    }

    /// The vault, where it is a folder.
    pub fn vault(&self) -> PathBuf {
        self.vault.strip_prefix("file://").expect("the vault is a folder").into()
    }

    /// The vault's URL.
    pub fn vault_url(&self) -> &str {
        &self.vault
    }

    /// Moves the vault before it is made.
    pub fn set_vault(&mut self, folder: &Path) {
        self.vault = format!("file://{}", folder.display());
    }

    /// Writes a host's configuration.
    pub fn configure(&self, host: Host, sources: &[Source]) {
        let name = host.0;
        let mut text = format!(
            "version = 1\n[vault]\nurl = \"{}\"\n[agent]\nname = \"{name}\"\nstate = \"{}\"\n",
            self.vault,
            self.state(host).display()
        );
        for person in ["wang", "li"] {
            let mut keygen = Command::new("age-keygen");
            let recipient = run(keygen.arg("-y").arg(self.identity(person))).success().stdout;
            text += &format!("[people.{person}]\nrecipient = \"{}\"\n", recipient.trim());
        }
        for source in sources {
            text += &format!("[[source]]\nname = \"{}\"\nurl = \"{}\"\n", source.name, source.url);
            if let Some(password) = source.password {
                let file = self.path(&format!("{}.password", source.name));
                fs::write(&file, password).expect("a password file");
                text += &format!("password = \"{{file:{}}}\"\n", file.display());
            }
        }
        fs::write(self.config(host), text).expect("a configuration");
    }

    /// Adds to a host's configuration, below its last source.
    pub fn add_to_config(&self, host: Host, more: &str) {
        let text = fs::read_to_string(self.config(host)).expect("a configuration");
        fs::write(self.config(host), text + more).expect("a configuration");
    }

    /// Lets Li open these grades only, before the vault is made.
    pub fn limit_li(&self, host: Host, grades: &str) {
        let text = fs::read_to_string(self.config(host)).expect("a configuration");
        let limited = text.replace("[people.li]\n", &format!("[people.li]\ngrades = {grades}\n"));
        assert!(limited != text, "Li is in the configuration");
        fs::write(self.config(host), limited).expect("a configuration");
    }

    /// Makes the vault and enrols `host`.
    pub fn init(&self, host: Host) {
        run(&mut self.agent(host, &["init"])).success();
    }

    /// Enrols another host: it asks, and Wang approves.
    pub fn enrol(&self, host: Host) {
        let asked = run(&mut self.agent(host, &["enroll", "--json"])).success().last_json();
        let line = asked["request"].as_str().expect("a request").to_owned();
        let identity = self.identity("wang").display().to_string();
        run(&mut self.agent(host, &["enroll", "--approve", &line, "--identity", &identity])).success();
    }

    /// A command of a host's agent.
    pub fn agent(&self, host: Host, args: &[&str]) -> Command {
        let mut command = agent();
        command.args(args).arg("--config").arg(self.config(host));
        self.lead_to_store(command)
    }

    /// Takes a snapshot and returns its summary.
    pub fn back_up(&self, host: Host) -> Value {
        run(&mut self.agent(host, &["backup", "--json"])).success().last_json()
    }

    /// A command of Wang, on a machine that knows the vault and the key alone.
    pub fn restore(&self, args: &[&str]) -> Command {
        self.restore_as("wang", args)
    }

    /// The same of another person.
    pub fn restore_as(&self, person: &str, args: &[&str]) -> Command {
        let mut command = restore();
        command.args(args).arg("--vault").arg(&self.vault).arg("--identity").arg(self.identity(person));
        // What a killed restore leaves there goes with the test.
        command.arg("--scratch").arg(self.folder.path());
        self.lead_to_store(command)
    }

    /// A command of Wang against another place that holds the vault; `environment` leads there.
    pub fn restore_from(&self, url: &str, environment: &[(String, String)], args: &[&str]) -> Command {
        let mut command = restore();
        command.args(args).arg("--vault").arg(url).arg("--identity").arg(self.identity("wang"));
        command.envs(environment.iter().cloned());
        command
    }

    /// Restores a snapshot of SQLite's from that place alone and compares: no configuration, no state, no
    /// first vault.
    pub fn restores_from(&self, url: &str, environment: &[(String, String)], snapshot: &str, expected: &str) {
        let restored = self.path("restored.db");
        // Whoever looked into the last one may have left its log beside it.
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(self.path(&format!("restored.db{suffix}")));
        }
        let target = format!("sqlite://{}", restored.display());
        run(&mut self.restore_from(url, environment, &["restore", snapshot, "--to", &target])).success();
        assert!(sqlite_dump(&restored) == expected, "{snapshot} of {url} is not what it was");
    }

    /// The snapshots that the vault shows, oldest first, as their ids.
    pub fn snapshots(&self) -> Vec<String> {
        let told = run(&mut self.restore(&["snapshots", "--json"])).success().stdout;
        let lines = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
        lines
            .filter(|line| line["type"] == "snapshot")
            .map(|line| line["id"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// Proves the vault whole, every row of every snapshot, and returns the summary.
    pub fn verify(&self) -> Value {
        let finished = run(&mut self.restore(&["verify", "--read-data", "--json"])).success();
        let summary = finished.last_json();
        assert_eq!(summary["damage"], Value::Array(Vec::new()), "{}", finished.stdout);
        summary
    }

    /// What leads a program to the store.
    pub fn store_environment(&self) -> impl Iterator<Item = (String, String)> {
        self.environment.iter().cloned()
    }

    fn lead_to_store(&self, mut command: Command) -> Command {
        for (variable, _) in std::env::vars_os() {
            let leads = variable.to_str().is_some_and(|name| {
                ["AWS_", "AZURE_", "AZURITE_", "GOOGLE_"].iter().any(|p| name.starts_with(p))
            });
            if leads {
                command.env_remove(variable);
            }
        }
        command.envs(self.environment.iter().cloned());
        command
    }
}

/// Settings as a file of them has them.
pub fn settings(environment: &[(String, String)]) -> String {
    environment.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

/// A sample CRM in the new SQLite file `path`, as a source.
pub fn sqlite_crm(path: &Path, scale: &str) -> Source<'static> {
    run(program("sample-crm").arg("sqlite").arg(path).args(["--scale", scale])).success();
    Source { name: "crm", url: format!("sqlite://{}", path.display()), password: None }
}

/// Makes a SQLite database by these statements.
pub fn sqlite_source(path: &Path, sql: &str) -> Source<'static> {
    sqlite(path, sql);
    Source { name: "crm", url: format!("sqlite://{}", path.display()), password: None }
}

/// Lets a working day pass in a SQLite CRM.
pub fn sqlite_day(path: &Path, day: &str) {
    run(program("sample-crm").args(["day", "sqlite"]).arg(path).args(["--day", day])).success();
}

/// What `sqlite3 .dump` says of a database: every table, row, index and trigger.
pub fn sqlite_dump(path: &Path) -> String {
    run(Command::new("sqlite3").arg("-readonly").arg(path).arg(".dump")).success().stdout
}

/// A sample CRM in a new database of `server`, as a source that reads as the backup role.
pub fn postgres_crm(server: &PostgresServer, scale: &str) -> Source<'static> {
    server.create_database("crm");
    let url = server.url("crm", "postgres");
    run(program("sample-crm").args(["postgres", &url, "--scale", scale])).success();
    postgres_source(server)
}

/// The sample CRM of `server` as a source.
pub fn postgres_source(server: &PostgresServer) -> Source<'static> {
    let url = server.url_without_password("crm", "backup");
    Source { name: "crm", url, password: Some(server.password("backup")) }
}
