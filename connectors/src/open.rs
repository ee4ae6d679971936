//! From a URL to a connector.

use url::Url;

use crate::{Error, Result, Source, Target, postgres, sqlite};

/// Opens the source that `url` names; `password` is what the configuration gives beside it.
///
/// `postgres://…` and `postgresql://…` are PostgreSQL; `sqlite:///path` is SQLite.
/// `allow_plaintext` permits an unencrypted connection to another host.
pub fn open_source(url: &Url, password: Option<String>, allow_plaintext: bool) -> Result<Box<dyn Source>> {
    match url.scheme() {
        "postgres" | "postgresql" => {
            Ok(Box::new(postgres::PostgresSource::open(url, password, allow_plaintext)?))
        }
        "sqlite" => Ok(Box::new(sqlite::SqliteSource::open(url)?)),
        other => Err(unsupported(other)),
    }
}

/// Opens the target that `url` names.
pub fn open_target(url: &Url, password: Option<String>, allow_plaintext: bool) -> Result<Box<dyn Target>> {
    match url.scheme() {
        "postgres" | "postgresql" => {
            Ok(Box::new(postgres::PostgresTarget::open(url, password, allow_plaintext)?))
        }
        "sqlite" => Ok(Box::new(sqlite::SqliteTarget::open(url)?)),
        other => Err(unsupported(other)),
    }
}

fn unsupported(scheme: &str) -> Error {
    Error::Unsupported {
        what: format!("a database URL that begins with {scheme}:"),
        reason: "postgres:// and sqlite:// are known".into(),
    }
}
