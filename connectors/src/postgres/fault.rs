//! From what the driver or server says to an [`Error`] that says what to do.

use sqlx::postgres::PgDatabaseError;

use crate::Error;

/// Where and during what something failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct During<'a> {
    /// Host and port or socket, without secrets.
    pub(super) endpoint: &'a str,
    /// The account.
    pub(super) user: &'a str,
    /// What was being done, or the table it was done to.
    pub(super) what: &'a str,
    /// How long a lock is waited for.
    pub(super) lock_seconds: u64,
}

impl During<'_> {
    /// Maps an error of a connection that was already up.
    pub(super) fn map(self, error: sqlx::Error) -> Error {
        match error {
            sqlx::Error::Database(error) => {
                let message = error.message().to_owned();
                match error.try_downcast_ref::<PgDatabaseError>() {
                    Some(error) => self.server(error),
                    None => self.failed(message),
                }
            }
            sqlx::Error::Io(error) => self.interrupted(error.to_string()),
            sqlx::Error::Protocol(reason) => self.interrupted(reason),
            sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed => {
                self.interrupted("connection closed".into())
            }
            other => self.failed(other.to_string()),
        }
    }

    /// Maps an error of connecting.
    pub(super) fn map_connect(self, error: sqlx::Error) -> Error {
        match error {
            sqlx::Error::Io(error) if is_tls(&error.to_string()) => self.insecure(error.to_string()),
            sqlx::Error::Io(error) => self.unreachable(error.to_string()),
            sqlx::Error::Tls(error) => self.insecure(chain(error.as_ref())),
            sqlx::Error::Configuration(error) if is_tls(&error.to_string()) => {
                self.insecure(error.to_string())
            }
            sqlx::Error::Protocol(reason) => self.unreachable(reason),
            sqlx::Error::Database(error)
                if error.code().is_some_and(|code| matches!(&*code, "57P03" | "53300")) =>
            {
                self.unreachable(error.message().to_owned())
            }
            other => self.map(other),
        }
    }

    fn server(self, error: &PgDatabaseError) -> Error {
        let message = error.message().to_owned();
        let what = self.what.to_owned();
        match error.code() {
            "28P01" | "28000" => Error::Denied {
                what: format!("login to {} as {}", self.endpoint, self.user),
                reason: message,
                hint: "is the password right, and does pg_hba.conf let this account in over TLS?".into(),
            },
            "3D000" => Error::NotFound { what: message.trim_end_matches(" does not exist").to_owned() },
            "42501" => self.denied(message, error.routine() == Some("check_enable_rls")),
            "55P03" => Error::Locked { what, seconds: self.lock_seconds },
            "57P01" | "57P02" | "57P03" | "25P03" | "40001" => self.interrupted(message),
            code if code.starts_with("08") => self.interrupted(message),
            "53200" if error.hint().is_some_and(|hint| hint.contains("max_locks_per_transaction")) => {
                Error::Failed {
                    what,
                    reason: format!(
                        "{message}: more locks than the server has room for; raise max_locks_per_transaction"
                    ),
                }
            }
            "XX001" | "XX002" => Error::Damaged { what, reason: message },
            "54000" => Error::Unsupported { what: format!("a value in {what}"), reason: message },
            code => {
                let message = without_values(code, &message);
                match error.r#where().and_then(place) {
                    Some(place) => self.failed(format!("{message} ({place})")),
                    None => self.failed(message),
                }
            }
        }
    }

    fn denied(self, message: String, by_policy: bool) -> Error {
        let hint = if by_policy {
            format!(
                "ALTER ROLE {} BYPASSRLS; a policy would hide rows from the backup",
                super::sql::ident(self.user)
            )
        } else {
            format!(
                "GRANT pg_read_all_data TO {}; (14 and newer), or grant SELECT on it",
                super::sql::ident(self.user)
            )
        };
        Error::Denied { what: self.what.to_owned(), reason: message, hint }
    }

    fn insecure(self, reason: String) -> Error {
        Error::Insecure {
            endpoint: self.endpoint.to_owned(),
            reason,
            hint: "name the server's certificate authority with sslrootcert=FILE in the URL, and use the host name \
                   that its certificate is for"
                .into(),
        }
    }

    fn unreachable(self, reason: String) -> Error {
        Error::Unreachable { endpoint: self.endpoint.to_owned(), reason }
    }

    fn interrupted(self, reason: String) -> Error {
        Error::Interrupted { endpoint: self.endpoint.to_owned(), reason }
    }

    fn failed(self, reason: String) -> Error {
        Error::Failed { what: self.what.to_owned(), reason }
    }
}

/// The server's words on a statement that it refused, without values of rows; nothing when it was not the
/// server who spoke.
pub(super) fn words(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    Some(without_values(&error.code().unwrap_or_default(), error.message()))
}

/// What values stand in, in one language or another.
const QUOTES: [char; 12] = ['"', '“', '”', '„', '‟', '«', '»', '「', '」', '‘', '’', '‚'];

/// Takes the values of rows out of a message: errors are read, logged and sent on by people who may not see
/// a row. Of the codes, those of class 22 quote what is wrong with a value, and nothing else.
fn without_values(code: &str, message: &str) -> String {
    if !code.starts_with("22") {
        return message.to_owned();
    }
    let first = message.char_indices().find(|(_, character)| QUOTES.contains(character));
    let last = message.char_indices().rfind(|(_, character)| QUOTES.contains(character));
    match (first, last) {
        (Some((first, _)), Some((last, quote))) if first < last => {
            format!("{}…{}", &message[..first], &message[last + quote.len_utf8()..])
        }
        _ => message.to_owned(),
    }
}

/// The table, line and column in a context such as `COPY contacts, line 7, column name: "Zhang"`: all of it but
/// the values. Other contexts may quote anything.
fn place(context: &str) -> Option<&str> {
    let line = context.lines().find(|line| line.starts_with("COPY ") && line.contains(", line "))?;
    Some(line.split_once(": ").map_or(line, |(place, _)| place))
}

/// The server's error code, where there is one.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

fn is_tls(text: &str) -> bool {
    let text = text.to_lowercase();
    ["certificate", "tls", "handshake"].iter().any(|word| text.contains(word))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_of_a_value_is_told_without_it() {
        let check = |code, message: &str, expected: &str| {
            assert_eq!(without_values(code, message), expected);
        };
        check(
            "22P02",
            "invalid input syntax for type integer: \"Wang \"X\"\"",
            "invalid input syntax for type integer: …",
        );
        check(
            "22P02",
            "ungültige Eingabesyntax für Typ integer: »Wang \"X\"«",
            "ungültige Eingabesyntax für Typ integer: …",
        );
        check(
            "22003",
            "value \"13812345678\" is out of range for type integer",
            "value … is out of range for type integer",
        );
        check(
            "22001",
            "value too long for type character varying(3)",
            "value too long for type character varying(3)",
        );
        check(
            "23505",
            "duplicate key value violates unique constraint \"t_pkey\"",
            "duplicate key value violates unique constraint \"t_pkey\"",
        );
    }

    #[test]
    fn a_context_is_told_up_to_its_values() {
        assert_eq!(place("COPY contacts, line 7: \"7\tZhang: Wei\""), Some("COPY contacts, line 7"));
        assert_eq!(
            place("COPY contacts, line 7, column name: \"Zhang\nWei\""),
            Some("COPY contacts, line 7, column name")
        );
        assert_eq!(
            place("COPY contacts, line 7, column name: null input"),
            Some("COPY contacts, line 7, column name")
        );
        assert_eq!(
            place("JSON data, line 1: {\"name\":\"Zhang\nCOPY contacts, line 7, column j: \"{\"a\""),
            Some("COPY contacts, line 7, column j")
        );
        assert_eq!(place("SQL statement \"SELECT 'Zhang'\""), None);
    }
}
