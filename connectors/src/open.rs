//! From a URL to a connector.

use url::Url;

use crate::{Error, Result, Source, Target, mysql, postgres, sqlite};

/// Opens the source that `url` names; `password` is what the configuration gives beside it.
///
/// `mysql://…` is MySQL or MariaDB; `postgres://…` and `postgresql://…` are PostgreSQL; `sqlite:///path` is SQLite.
/// `allow_plaintext` permits an unencrypted connection to another host.
pub fn open_source(url: &Url, password: Option<String>, allow_plaintext: bool) -> Result<Box<dyn Source>> {
    match url.scheme() {
        "mysql" => Ok(Box::new(mysql::MysqlSource::open(url, password, allow_plaintext)?)),
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
        "mysql" => Ok(Box::new(mysql::MysqlTarget::open(url, password, allow_plaintext)?)),
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
        reason: "mysql://, postgres:// and sqlite:// are known".into(),
    }
}
