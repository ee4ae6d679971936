//! From what the server or the network says to an [`Error`] that says what to do.

use super::connect::Endpoint;
use super::sql;
use super::wire::{ServerError, WireError};
use crate::Error;

/// Where and during what something failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct During<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// What was being done, or the table it was done to.
    pub(super) what: &'a str,
    /// How long a lock is waited for.
    pub(super) lock_seconds: u64,
}

impl During<'_> {
    /// Maps an error of a connection that was already up.
    pub(super) fn map(self, error: WireError) -> Error {
        match error {
            WireError::Server(error) => self.server(error),
            WireError::Io(error) => self.interrupted(io_words(&error)),
            WireError::Protocol(reason) => self.interrupted(reason),
            WireError::Insecure(reason) => self.insecure(reason),
            WireError::Unsupported(what) => {
                Error::Unsupported { what, reason: "Lifeboat does not speak it".into() }
            }
        }
    }

    /// Maps an error of connecting.
    pub(super) fn map_connect(self, error: WireError) -> Error {
        match error {
            WireError::Io(error) => self.unreachable(io_words(&error)),
            WireError::Protocol(reason) => self.unreachable(reason),
            WireError::Server(ServerError { code: 1040 | 1129 | 1203 | 1226 | 1053, message }) => {
                self.unreachable(message)
            }
            other => self.map(other),
        }
    }

    /// The numbers are those of MySQL's and MariaDB's error lists.
    fn server(self, ServerError { code, message }: ServerError) -> Error {
        let what = self.what.to_owned();
        match code {
            1045 | 1698 | 1130 | 1862 | 4151 | 3118 => Error::Denied {
                what: format!("login to {} as {}", self.endpoint.label(), self.endpoint.user),
                reason: message,
                hint: "is the password right, and may this account log in from this host over TLS?".into(),
            },
            1049 => Error::NotFound { what: format!("database {}", self.endpoint.database) },
            1044 | 1142 | 1143 | 1227 | 1370 | 1419 | 1356 => self.denied(message),
            1205 | 4042 => Error::Locked { what, seconds: self.lock_seconds },
            1412 | 1146 | 1051 | 1054 | 1615 => Error::Changed { what, change: message },
            1053 | 1077 | 1079 | 1152 | 1158..=1161 | 1213 | 1317 | 1927 | 1836 | 3169 => {
                self.interrupted(message)
            }
            1033..=1035 | 1194 | 1195 | 1712 | 126 | 127 | 145 => Error::Damaged { what, reason: message },
            1153 => Error::Failed {
                what,
                reason: format!("{message}: raise max_allowed_packet on the server above the longest row"),
            },
            _ => self.failed(without_value(code.into(), message)),
        }
    }

    fn denied(self, message: String) -> Error {
        let hint = format!(
            "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON {}.* TO {}; `lifeboat-agent check` says what is missing",
            sql::ident(&self.endpoint.database),
            sql::ident(&self.endpoint.user)
        );
        Error::Denied { what: self.what.to_owned(), reason: message, hint }
    }

    fn insecure(self, reason: String) -> Error {
        let endpoint = self.endpoint.label();
        let hint = if reason.contains("no TLS") {
            "turn TLS on in the server (ssl_cert and ssl_key); on a network that is trusted, ssl-mode=disabled has to be allowed in the configuration"
        } else {
            "name the server's certificate authority with ssl-ca=FILE in the URL, and use the host name that its certificate is for"
        };
        Error::Insecure { endpoint, reason, hint: hint.into() }
    }

    fn unreachable(self, reason: String) -> Error {
        Error::Unreachable { endpoint: self.endpoint.label(), reason }
    }

    fn interrupted(self, reason: String) -> Error {
        Error::Interrupted { endpoint: self.endpoint.label(), reason }
    }

    fn failed(self, reason: String) -> Error {
        Error::Failed { what: self.what.to_owned(), reason }
    }
}

/// What the server says of a value that it refuses, without the value: errors are read, logged and sent
/// on by people who may not see a row.
pub(super) fn without_value(code: u64, message: String) -> String {
    match code {
        // A duplicate; of the wrong type; no text; out of what a function takes; no such member; out of range.
        1062 | 1292 | 1300 | 1366 | 1367 | 1411 | 1525 | 1586 | 1690 => {
            let place = message.rsplit_once(" for ").map(|(_, place)| place);
            let place = place.filter(|place| place.starts_with("key ") || place.starts_with("column "));
            format!("a value is refused for {}", place.unwrap_or("its column"))
        }
        _ => message,
    }
}

/// What a connection failed with, for a sentence that names the server already.
pub(super) fn words(error: &WireError) -> String {
    match error {
        WireError::Io(error) => io_words(error),
        other => other.to_string(),
    }
}

/// The library's word for a closed connection is not a person's.
fn io_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the server closed the connection".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_refused_is_not_told() {
        let check = |code, message: &str, expected: &str| {
            assert_eq!(without_value(code, message.to_owned()), expected);
        };
        check(1062, "Duplicate entry 'li@crm.cn' for key 'PRIMARY'", "a value is refused for key 'PRIMARY'");
        check(
            1366,
            "Incorrect integer value: 'wait for it' for column `crm`.`t`.`n` at row 3",
            "a value is refused for column `crm`.`t`.`n` at row 3",
        );
        check(1292, "Truncated incorrect DOUBLE value: 'li'", "a value is refused for its column");
        check(1114, "The table 't' is full", "The table 't' is full");
    }
}
