//! What kind of server this is, and what it can do.

use super::sql;
use super::wire::{Wire, WireError};
use crate::{Error, Result};

/// Which of the two families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    MySql,
    MariaDb,
}

/// What the server says of itself.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// As it prints it, such as `10.11.19-MariaDB-0+deb12u1`.
    pub(super) version: String,
    pub(super) family: Family,
    /// Major and minor, such as (10, 11).
    pub(super) number: (u32, u32),
    pub(super) encrypted: bool,
}

/// Asks, and refuses a version that is not supported.
pub(super) async fn ask(wire: &mut Wire) -> Result<Result<Server>, WireError> {
    let version = sql::row(wire, "SELECT VERSION()").await?.text(0);
    let server = Server::of(version, wire.encrypted);
    Ok(match server.refusal() {
        Some(reason) => Err(Error::Unsupported {
            what: format!("{} {}", server.name(), server.version),
            reason: reason.into(),
        }),
        None => Ok(server),
    })
}

impl Server {
    pub(super) fn of(version: String, encrypted: bool) -> Self {
        let family = if version.to_lowercase().contains("mariadb") { Family::MariaDb } else { Family::MySql };
        // Some builds go before their own number with one that old replicas believed.
        let number = version.strip_prefix("5.5.5-").unwrap_or(&version);
        let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        let number = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        Self { version, family, number, encrypted }
    }

    /// The product's name.
    pub(super) fn name(&self) -> &'static str {
        match self.family {
            Family::MySql => "MySQL",
            Family::MariaDb => "MariaDB",
        }
    }

    pub(super) fn is_mariadb(&self) -> bool {
        self.family == Family::MariaDb
    }

    fn refusal(&self) -> Option<&'static str> {
        match self.family {
            Family::MySql if (8, 4) <= self.number && self.number.0 <= 9 => None,
            Family::MySql => Some("8.4 and 9 are supported"),
            Family::MariaDb if (10, 6) <= self.number && self.number <= (11, 8) => None,
            Family::MariaDb => Some("10.6 to 11.8 are supported"),
        }
    }

    /// The assignments that lift the time limits on statements and on idle transactions.
    pub(super) fn no_limits(&self) -> &'static str {
        match self.family {
            Family::MySql => "max_execution_time = 0, information_schema_stats_expiry = 0",
            Family::MariaDb => {
                "max_statement_time = 0, idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0, \
                 idle_write_transaction_timeout = 0"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_versions_are_told_apart() {
        let check = |version: &str, family, number, supported: bool| {
            let server = Server::of(version.into(), true);
            assert_eq!((server.family, server.number), (family, number), "{version}");
            assert_eq!(server.refusal().is_none(), supported, "{version}");
        };
        check("10.11.19-MariaDB-0+deb12u1", Family::MariaDb, (10, 11), true);
        check("5.5.5-10.6.3-MariaDB", Family::MariaDb, (10, 6), true);
        check("10.5.29-MariaDB", Family::MariaDb, (10, 5), false);
        check("12.0.1-MariaDB", Family::MariaDb, (12, 0), false);
        check("8.4.3", Family::MySql, (8, 4), true);
        check("9.7.0-debian", Family::MySql, (9, 7), true);
        check("8.0.40-0ubuntu0.22.04.1", Family::MySql, (8, 0), false);
    }
}
