//! From a URL to a connection: TLS verified unless asked otherwise, and a session whose settings make
//! every value print the same way each time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;

use super::fault::During;
use super::server::{self, Server};
use super::wire::{Login, Place, SslMode, TlsFiles, Wire};
use crate::{Error, Result};

/// How long a connection may take to come up: a firewall that drops packets must not hang a backup.
const CONNECT_SECONDS: u64 = 30;

/// What every session sets: bytes as they are stored, times in UTC, no mode that changes how anything
/// prints or is read, and no timeout that a slow store would run into.
const SESSION: &str = "SET NAMES binary, time_zone = '+00:00', sql_mode = '', autocommit = 1, \
    sql_quote_show_create = 1, sql_select_limit = 18446744073709551615, net_write_timeout = 86400, \
    net_read_timeout = 86400, wait_timeout = 86400";
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";

/// A server, an account and a database: everything needed to connect, as often as wanted.
#[derive(Clone)]
pub(super) struct Endpoint {
    login: Login,
    pub(super) user: String,
    pub(super) database: String,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({} as {} to {})", self.label(), self.user, self.database)
    }
}

impl Endpoint {
    /// Parses a URL. Refuses parameters it does not know, and connections that would not be secure.
    pub(super) fn parse(url: &Url, password: Option<String>, allow_plaintext: bool) -> Result<Self> {
        let host = decode(url.host_str().unwrap_or("localhost"));
        let mut place =
            Place::Tcp { host: host.trim_matches(['[', ']']).to_owned(), port: url.port().unwrap_or(3306) };
        let (mut mode, mut files) = (None, TlsFiles::default());
        for (key, value) in url.query_pairs() {
            match &*key {
                "socket" => place = Place::Socket(PathBuf::from(&*value)),
                "ssl-mode" => mode = Some(ssl_mode(&value)?),
                "ssl-ca" => files.authority = Some(PathBuf::from(&*value)),
                "ssl-cert" => files.certificate = Some(PathBuf::from(&*value)),
                "ssl-key" => files.key = Some(PathBuf::from(&*value)),
                other => return Err(unsupported("the URL's parameter", other)),
            }
        }
        if files.certificate.is_some() != files.key.is_some() {
            return Err(unsupported("one of ssl-cert and ssl-key alone", "a certificate needs its key"));
        }
        let user = decode(url.username());
        if user.is_empty() {
            return Err(unsupported("a URL without a user", "write mysql://USER@HOST/DATABASE"));
        }
        let database = decode(url.path().trim_start_matches('/'));
        if database.is_empty() {
            return Err(unsupported("a URL without a database", "write mysql://USER@HOST/DATABASE"));
        }
        if ["mysql", "sys", "information_schema", "performance_schema"]
            .contains(&database.to_lowercase().as_str())
        {
            return Err(unsupported(&format!("database {database}"), "it is the server's own"));
        }
        let mode = match place {
            Place::Socket(_) => SslMode::Disabled,
            Place::Tcp { .. } => mode.unwrap_or(SslMode::VerifyIdentity),
        };
        let password = password.or_else(|| url.password().map(decode));
        let login =
            Login { place, user: user.clone(), password, database: Some(database.clone()), mode, files };
        let this = Self { login, user, database };
        this.refuse_insecure(allow_plaintext)?;
        Ok(this)
    }

    fn refuse_insecure(&self, allow_plaintext: bool) -> Result<()> {
        let verified = matches!(self.login.mode, SslMode::VerifyIdentity | SslMode::VerifyCa);
        if verified || self.is_local() || allow_plaintext {
            return Ok(());
        }
        Err(Error::Insecure {
            endpoint: self.label(),
            reason: "its ssl-mode does not verify the server".into(),
            hint: "use ssl-mode=verify_identity (and ssl-ca=FILE for a private authority); plaintext beyond this \
                   machine has to be allowed in the configuration"
                .into(),
        })
    }

    /// Whether the connection stays on this machine.
    pub(super) fn is_local(&self) -> bool {
        match &self.login.place {
            Place::Socket(_) => true,
            Place::Tcp { host, .. } => {
                host == "localhost"
                    || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// Host and port, or socket: for people, without secrets.
    pub(super) fn label(&self) -> String {
        match &self.login.place {
            Place::Tcp { host, port } => format!("{host}:{port}"),
            Place::Socket(path) => path.display().to_string(),
        }
    }

    /// What failed, for messages.
    pub(super) fn during<'a>(&'a self, what: &'a str, lock_timeout_ms: u64) -> During<'a> {
        During { endpoint: self, what, lock_seconds: lock_seconds(lock_timeout_ms) }
    }

    /// Connects to the database and sets the session up.
    pub(super) async fn connect(&self, lock_timeout_ms: u64) -> Result<(Wire, Server)> {
        self.open(&self.login, lock_timeout_ms).await
    }

    /// Connects to the server without its database, to create it.
    pub(super) async fn connect_to_server(&self, lock_timeout_ms: u64) -> Result<(Wire, Server)> {
        let login = Login { database: None, ..self.login.clone() };
        self.open(&login, lock_timeout_ms).await
    }

    async fn open(&self, login: &Login, lock_timeout_ms: u64) -> Result<(Wire, Server)> {
        self.require_files()?;
        let during = self.during("connecting", lock_timeout_ms);
        let connecting = tokio::time::timeout(Duration::from_secs(CONNECT_SECONDS), login.connect()).await;
        let Ok(connected) = connecting else {
            let reason = format!("no answer in {CONNECT_SECONDS} s");
            return Err(Error::Unreachable { endpoint: self.label(), reason });
        };
        let mut wire = connected.map_err(|error| during.map_connect(error))?;
        let during = self.during("setting the session up", lock_timeout_ms);
        let server = server::ask(&mut wire).await.map_err(|error| during.map(error))??;
        let (no_limits, seconds) = (server.no_limits(), lock_seconds(lock_timeout_ms));
        for settings in [&format!("{SESSION}, {no_limits}, lock_wait_timeout = {seconds}"), ISOLATION] {
            wire.run(settings).await.map_err(|error| during.map(error))?;
        }
        Ok((wire, server))
    }

    fn require_files(&self) -> Result<()> {
        let TlsFiles { authority, certificate, key } = &self.login.files;
        let named = [("ssl-ca", authority), ("ssl-cert", certificate), ("ssl-key", key)];
        for (parameter, file) in named {
            if let Some(file) = file.as_deref().filter(|file: &&Path| !file.exists()) {
                return Err(Error::NotFound { what: format!("{parameter}'s file {}", file.display()) });
            }
        }
        Ok(())
    }
}

/// Whole seconds, as the servers count them, and at least one.
pub(super) fn lock_seconds(lock_timeout_ms: u64) -> u64 {
    lock_timeout_ms.div_ceil(1000).max(1)
}

fn ssl_mode(word: &str) -> Result<SslMode> {
    match word.to_lowercase().replace('-', "_").as_str() {
        "disabled" | "disable" => Ok(SslMode::Disabled),
        "preferred" | "prefer" => Ok(SslMode::Preferred),
        "required" | "require" => Ok(SslMode::Required),
        "verify_ca" => Ok(SslMode::VerifyCa),
        "verify_identity" => Ok(SslMode::VerifyIdentity),
        _ => Err(unsupported(
            &format!("ssl-mode={word}"),
            "known are disabled, preferred, required, verify_ca and verify_identity",
        )),
    }
}

fn unsupported(what: &str, reason: &str) -> Error {
    Error::Unsupported { what: what.to_owned(), reason: reason.to_owned() }
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
        let mode = parse("mysql://u@db/crm", false).map(|endpoint| endpoint.login.mode).ok();
        assert_eq!(mode, Some(SslMode::VerifyIdentity));
        for mode in ["disabled", "preferred", "REQUIRED"] {
            let url = format!("mysql://u@db/crm?ssl-mode={mode}");
            assert!(matches!(parse(&url, false), Err(Error::Insecure { .. })), "{mode}");
            assert!(parse(&url, true).is_ok(), "{mode}");
        }
        assert!(parse("mysql://u@127.0.0.1/crm?ssl-mode=disabled", false).is_ok());
        assert!(parse("mysql://u@localhost/crm?socket=/run/mysqld/mysqld.sock", false).is_ok());
    }

    #[test]
    fn what_the_url_asks_and_nobody_knows_is_refused() {
        let refused = ["u@db/crm?sslmode=disabled", "db/crm", "u@db", "u@db/mysql", "u@db/crm?ssl-mode=on"];
        for url in refused {
            let parsed = parse(&format!("mysql://{url}"), false);
            assert!(matches!(parsed, Err(Error::Unsupported { .. })), "{url}");
        }
    }

    #[test]
    fn a_password_never_shows() {
        let endpoint = parse("mysql://u:s3cr%20t@db/crm", false).expect("parses");
        assert_eq!(endpoint.login.password.as_deref(), Some("s3cr t"));
        assert!(!format!("{endpoint:?}").contains("s3cr"));
    }
}
