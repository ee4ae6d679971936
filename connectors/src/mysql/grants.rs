//! What the account was granted, as far as a backup needs to know.
//!
//! A table that an account may not read is not even listed to it: without a grant on the whole database
//! nobody can say that a backup is complete.

use super::connect::Endpoint;
use super::sql::{self, ident};
use super::wire::{Wire, WireError};

/// The account's privileges on everything and on one database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Grants(Vec<String>);

/// Reads the account's own grants.
pub(super) async fn read(wire: &mut Wire, database: &str) -> Result<Grants, WireError> {
    let rows = sql::rows(wire, "SHOW GRANTS").await?;
    Ok(Grants::of(rows.iter().map(|row| row.text(0)), database))
}

/// A sentence for a snapshot of an account that does not see the whole database.
pub(super) async fn unseen(wire: &mut Wire, endpoint: &Endpoint) -> Result<Option<String>, WireError> {
    let grants = read(wire, &endpoint.database).await?;
    Ok((!grants.has("SELECT")).then(|| {
        format!(
            "{} was granted single tables: what it may not read is not even listed to it, and is not here",
            endpoint.user
        )
    }))
}

impl Grants {
    fn of(lines: impl Iterator<Item = String>, database: &str) -> Self {
        let here = format!("{}.*", ident(database));
        let mut privileges = Vec::new();
        for line in lines {
            let Some((granted, rest)) = line.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON "))
            else {
                continue;
            };
            // In a database's name `_` and `%` are patterns, and escaped where they are not meant so.
            let plain = rest.replace("\\_", "_").replace("\\%", "%");
            if plain.starts_with("*.* ") || plain.starts_with(&format!("{here} ")) {
                privileges.extend(granted.split(", ").map(str::to_uppercase));
            }
        }
        Self(privileges)
    }

    /// Whether the account has `privilege` on the whole database.
    pub(super) fn has(&self, privilege: &str) -> bool {
        self.0.iter().any(|granted| granted == privilege || granted == "ALL PRIVILEGES" || granted == "ALL")
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
