//! What the account was granted, as far as a backup needs to know.
//!
//! A table that an account may not read is not even listed to it: without a grant on the whole database
//! nobody can say that a backup is complete.

use super::connect::Endpoint;
use super::server::Server;
use super::sql::{self, ident};
use super::wire::{Wire, WireError};

/// The account's privileges on one database, and those of them that it has on everything.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Grants {
    here: Vec<String>,
    everywhere: Vec<String>,
}

/// Reads the account's own grants.
pub(super) async fn read(wire: &mut Wire, database: &str) -> Result<Grants, WireError> {
    let rows = sql::rows(wire, "SHOW GRANTS").await?;
    Ok(Grants::of(rows.iter().map(|row| row.text(0)), database))
}

/// Sentences for a snapshot of an account that does not see the whole database.
pub(super) async fn unseen(
    wire: &mut Wire,
    server: &Server,
    endpoint: &Endpoint,
) -> Result<Vec<String>, WireError> {
    let grants = read(wire, &endpoint.database).await?;
    let user = &endpoint.user;
    let mut sentences = Vec::new();
    if !grants.has("SELECT") {
        sentences.push(format!(
            "{user} was granted single tables: what it may not read is not even listed to it, and is not here"
        ));
    }
    for (privilege, objects) in [("TRIGGER", "triggers"), ("EVENT", "events")] {
        if !grants.has(privilege) {
            sentences
                .push(format!("{objects} are not listed to {user}, who lacks {privilege}: none are here"));
        }
    }
    if !sees_routines(wire, server, &grants).await? {
        sentences
            .push(format!("procedures and functions of others may not be listed to {user}, and not be here"));
    }
    Ok(sentences)
}

/// Whether every routine is listed to the account. One that it cannot see leaves no trace in the list.
pub(super) async fn sees_routines(
    wire: &mut Wire,
    server: &Server,
    grants: &Grants,
) -> Result<bool, WireError> {
    if ["EXECUTE", "ALTER ROUTINE", "SHOW CREATE ROUTINE", "SHOW_ROUTINE"].iter().any(|p| grants.has(p)) {
        return Ok(true);
    }
    if !server.is_mariadb() {
        return Ok(grants.everywhere.iter().any(|granted| granted == "SELECT"));
    }
    match sql::rows(wire, "SELECT 1 FROM mysql.proc LIMIT 0").await {
        Ok(_) => Ok(true),
        Err(error) if error.code().is_some() => Ok(false),
        Err(error) => Err(error),
    }
}

impl Grants {
    fn of(lines: impl Iterator<Item = String>, database: &str) -> Self {
        let here = format!("{}.*", ident(database));
        let mut grants = Self::default();
        for line in lines {
            let Some((granted, rest)) = line.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON "))
            else {
                continue;
            };
            // In a database's name `_` and `%` are patterns, and escaped where they are not meant so.
            let plain = rest.replace("\\_", "_").replace("\\%", "%");
            let privileges = granted.split(", ").map(str::to_uppercase);
            if plain.starts_with("*.* ") {
                grants.everywhere.extend(privileges);
            } else if plain.starts_with(&format!("{here} ")) {
                grants.here.extend(privileges);
            }
        }
        grants
    }

    /// Whether the account has `privilege` on the whole database.
    pub(super) fn has(&self, privilege: &str) -> bool {
        self.here
            .iter()
            .chain(&self.everywhere)
            .any(|granted| granted == privilege || granted == "ALL PRIVILEGES" || granted == "ALL")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_on_one_table_is_none_on_the_database() {
        let grants = |lines: &[&str]| Grants::of(lines.iter().map(|line| (*line).to_owned()), "my_crm");
        let all = grants(&["GRANT RELOAD, SELECT ON *.* TO `b`@`%`"]);
        assert!(all.has("SELECT") && all.has("RELOAD") && !all.has("TRIGGER"));
        assert!(grants(&["GRANT ALL PRIVILEGES ON `my\\_crm`.* TO `b`@`%`"]).has("TRIGGER"));
        assert!(!grants(&["GRANT SELECT ON `my_crm`.`t` TO `b`@`%`"]).has("SELECT"));
        assert!(!grants(&["GRANT SELECT ON `other`.* TO `b`@`%`"]).has("SELECT"));
    }
}
