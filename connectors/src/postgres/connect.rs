//! From a URL to a connection: TLS verified unless asked otherwise, and a session whose settings make
//! every value print the same way each time.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, PgConnection};
use url::Url;

use super::fault::During;
use super::sql;
use crate::socket::{keepalive_conninfo, send_at_once};
use crate::{Error, Result};

/// How long a connection may take to come up: a firewall that drops packets must not hang a backup.
const CONNECT_SECONDS: u64 = 30;

/// What every session sets. Sequential scans that join another's in the middle, or parallel workers,
/// would change the order of rows from one backup to the next.
const SESSION: &str = "SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; \
    SET bytea_output = 'hex'; SET timezone = 'UTC'; SET search_path = ''; SET statement_timeout = 0; \
    SET idle_in_transaction_session_timeout = 0; SET row_security = off; SET synchronize_seqscans = off; \
    SET max_parallel_workers_per_gather = 0; SET jit = off; SET standard_conforming_strings = on; \
    SET xmloption = 'content'; SET quote_all_identifiers = off; SET lc_monetary = 'C'";

/// Asks the encoding, and takes the limits away that only newer servers know: on a session that waits for
/// the store (14), and on a transaction that lasts as long as the backup (17). Where the account may choose, the
/// server speaks English.
const ENCODING: &str = "SELECT pg_catalog.current_setting('server_encoding'), \
    (SELECT count(pg_catalog.set_config(name, CASE name WHEN 'lc_messages' THEN 'C' ELSE '0' END, false)) \
      FROM pg_catalog.pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout') \
        OR name = 'lc_messages' AND pg_catalog.current_setting('is_superuser')::bool)";

/// A server, an account and a database: everything needed to connect, as often as wanted.
#[derive(Clone)]
pub(super) struct Endpoint {
    host: String,
    socket: Option<PathBuf>,
    port: u16,
    pub(super) user: String,
    pub(super) database: String,
    password: Option<String>,
    mode: PgSslMode,
    root_cert: Option<String>,
    client_cert: Option<String>,
    client_key: Option<String>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({} as {} to {})", self.label(), self.user, self.database)
    }
}

impl Endpoint {
    /// Parses a URL. Refuses parameters it does not know, and connections that would not be secure.
    pub(super) fn parse(url: &Url, password: Option<String>, allow_plaintext: bool) -> Result<Self> {
        let mut this = Self {
            host: decode(url.host_str().unwrap_or("localhost")).trim_matches(['[', ']']).to_owned(),
            socket: None,
            port: url.port().unwrap_or(5432),
            user: decode(url.username()),
            database: decode(url.path().trim_start_matches('/')),
            password: password.or_else(|| url.password().map(decode)),
            mode: PgSslMode::VerifyFull,
            root_cert: None,
            client_cert: None,
            client_key: None,
        };
        let mut asked_mode = None;
        for (key, value) in url.query_pairs() {
            match &*key {
                "host" => this.host = value.into_owned(),
                "port" => this.port = value.parse().map_err(|_| unsupported("the URL's port", &value))?,
                "user" => this.user = value.into_owned(),
                "dbname" => this.database = value.into_owned(),
                "sslmode" => asked_mode = Some(value.parse().map_err(|_| unsupported("sslmode", &value))?),
                "sslrootcert" => this.root_cert = Some(value.into_owned()),
                "sslcert" => this.client_cert = Some(value.into_owned()),
                "sslkey" => this.client_key = Some(value.into_owned()),
                other => return Err(unsupported("the URL's parameter", other)),
            }
        }
        if this.host.starts_with('/') {
            this.socket = Some(PathBuf::from(&this.host));
        }
        if this.user.is_empty() {
            return Err(unsupported("a URL without a user", "write postgres://USER@HOST/DATABASE"));
        }
        if this.database.is_empty() {
            this.database.clone_from(&this.user);
        }
        this.mode = if this.socket.is_some() {
            PgSslMode::Disable
        } else {
            asked_mode.unwrap_or(PgSslMode::VerifyFull)
        };
        this.refuse_insecure(allow_plaintext)?;
        Ok(this)
    }

    fn refuse_insecure(&self, allow_plaintext: bool) -> Result<()> {
        let verified = matches!(self.mode, PgSslMode::VerifyFull | PgSslMode::VerifyCa);
        if verified || self.is_local() || allow_plaintext {
            return Ok(());
        }
        Err(Error::Insecure {
            endpoint: self.label(),
            reason: "its sslmode does not verify the server".into(),
            hint: "use sslmode=verify-full (and sslrootcert=FILE for a private authority); plaintext beyond this \
                   machine has to be allowed in the configuration"
                .into(),
        })
    }

    /// The same server and account, another database.
    pub(super) fn with_database(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }

    /// Whether the connection stays on this machine.
    pub(super) fn is_local(&self) -> bool {
        let loopback = self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        self.socket.is_some() || self.host == "localhost" || loopback
    }

    /// Host and port, or socket: for people, without secrets.
    pub(super) fn label(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Connects and sets the session up.
    pub(super) async fn connect(&self, lock_timeout_ms: u64) -> Result<PgConnection> {
        self.require_files()?;
        let label = self.label();
        let during = During {
            endpoint: &label,
            user: &self.user,
            what: "connecting",
            lock_seconds: lock_timeout_ms / 1000,
        };
        let connecting =
            tokio::time::timeout(Duration::from_secs(CONNECT_SECONDS), self.options().connect()).await;
        let Ok(connected) = connecting else {
            return Err(Error::Unreachable {
                endpoint: label,
                reason: format!("no answer in {CONNECT_SECONDS} s"),
            });
        };
        let mut connection = connected.map_err(|error| during.map_connect(error))?;
        if self.socket.is_none() {
            send_at_once(self.port);
        }
        let settings = async {
            sql::run(&mut connection, &format!("{SESSION}; SET lock_timeout = {lock_timeout_ms}")).await?;
            let encoding = sql::row(&mut connection, ENCODING).await?.text(0);
            // A SQL_ASCII database holds bytes that no conversion may touch or doubt.
            if encoding == "SQL_ASCII" {
                sql::run(&mut connection, "SET client_encoding = 'SQL_ASCII'").await?;
            }
            Ok(())
        };
        settings.await.map_err(|error| during.map(error))?;
        Ok(connection)
    }

    /// The driver tells of a missing certificate as of a server that cannot be reached.
    fn require_files(&self) -> Result<()> {
        let named =
            [("sslrootcert", &self.root_cert), ("sslcert", &self.client_cert), ("sslkey", &self.client_key)];
        for (parameter, file) in named {
            if let Some(file) = file.as_deref().filter(|file| !std::path::Path::new(file).exists()) {
                return Err(Error::NotFound { what: format!("{parameter}'s file {file}") });
            }
        }
        Ok(())
    }

    fn options(&self) -> PgConnectOptions {
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .database(&self.database)
            .application_name("lifeboat")
            .ssl_mode(self.mode)
            .disable_statement_logging();
        if let Some(socket) = &self.socket {
            options = options.socket(socket);
        }
        if let Some(password) = &self.password {
            options = options.password(password);
        }
        if let Some(file) = &self.root_cert {
            options = options.ssl_root_cert(file);
        }
        if let Some(file) = &self.client_cert {
            options = options.ssl_client_cert(file);
        }
        if let Some(file) = &self.client_key {
            options = options.ssl_client_key(file);
        }
        options
    }

    /// What a PostgreSQL program connects to that has no variable in its environment.
    pub(super) fn conninfo(&self) -> String {
        format!("dbname='{}' {}", quote_conninfo(&self.database), keepalive_conninfo())
    }

    /// Gives a PostgreSQL program its connection through the environment, which a process list does not
    /// show; `settings` are for its sessions.
    pub(super) fn lend(&self, command: &mut tokio::process::Command, settings: &str) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command
            .env("PGHOST", &self.host)
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", &self.user)
            .env("PGDATABASE", &self.database)
            .env("PGAPPNAME", "lifeboat")
            .env("PGCONNECT_TIMEOUT", CONNECT_SECONDS.to_string())
            .env("PGSSLMODE", mode_name(self.mode))
            .env("PGOPTIONS", settings)
            .env("LC_ALL", "C");
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password);
        }
        if let Some(file) = self.root_cert.as_deref().or_else(|| self.system_roots()) {
            command.env("PGSSLROOTCERT", file);
        }
        if let Some(file) = &self.client_cert {
            command.env("PGSSLCERT", file);
        }
        if let Some(file) = &self.client_key {
            command.env("PGSSLKEY", file);
        }
    }

    /// libpq looks for a private authority's file by default; this names the system's, as rustls uses it.
    fn system_roots(&self) -> Option<&'static str> {
        let verifies = matches!(self.mode, PgSslMode::VerifyFull | PgSslMode::VerifyCa);
        let known =
            ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
        known.into_iter().find(|file| verifies && std::path::Path::new(file).exists())
    }
}

fn quote_conninfo(name: &str) -> String {
    name.replace('\\', "\\\\").replace('\'', "\\'")
}

fn mode_name(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

fn unsupported(what: &str, value: &str) -> Error {
    Error::Unsupported { what: what.to_owned(), reason: value.to_owned() }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, allow_plaintext: bool) -> Result<Endpoint> {
        Endpoint::parse(&Url::parse(url).expect("a URL"), None, allow_plaintext)
    }

    #[test]
    fn another_host_is_verified_unless_plaintext_is_allowed() {
        assert_eq!(parse("postgres://u@db/crm", false).map(|e| mode_name(e.mode)).ok(), Some("verify-full"));
        for mode in ["disable", "allow", "prefer", "require"] {
            let url = format!("postgres://u@db/crm?sslmode={mode}");
            assert!(matches!(parse(&url, false), Err(Error::Insecure { .. })), "{mode}");
            assert!(parse(&url, true).is_ok(), "{mode}");
        }
        assert!(parse("postgres://u@127.0.0.1/crm?sslmode=disable", false).is_ok());
        assert!(parse("postgres://u@localhost/crm?host=/run/postgresql", false).is_ok());
    }

    #[test]
    fn what_the_url_asks_and_nobody_knows_is_refused() {
        assert!(matches!(parse("postgres://u@db/crm?sslmod=disable", false), Err(Error::Unsupported { .. })));
        assert!(matches!(parse("postgres://db/crm", false), Err(Error::Unsupported { .. })));
    }

    #[test]
    fn a_password_never_shows() {
        let endpoint = parse("postgres://u:s3cr%20t@db/crm", false).expect("parses");
        assert_eq!(endpoint.password.as_deref(), Some("s3cr t"));
        assert!(!format!("{endpoint:?}").contains("s3cr"));
    }
}
