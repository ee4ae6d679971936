//! Roles: who holds one that may use the database, and the statements that give it to them again.

use std::collections::BTreeSet;

use super::accounts::{joined, quoted};
use super::scan::{Dialect, Kind, Piece, unquoted};
use super::sql;
use super::wire::{Wire, WireError};

/// Who holds which role, on either family. Whoever made a role holds it with the option to give it on, which
/// says nothing about using it.
const HELD: [&str; 2] = [
    "SELECT Role, '', User, Host FROM mysql.roles_mapping WHERE Admin_option = 'N'",
    "SELECT FROM_USER, FROM_HOST, TO_USER, TO_HOST FROM mysql.role_edges WHERE WITH_ADMIN_OPTION = 'N'",
];

/// Adds to `names` everybody who holds one of them as a role, by way of other roles too, as far as we may
/// know it.
pub(super) async fn add_holders(wire: &mut Wire, names: &mut BTreeSet<String>) -> Result<(), WireError> {
    let mut held = Vec::new();
    for query in HELD {
        match sql::rows(wire, query).await {
            Ok(rows) => held.extend(rows),
            // The other family's table, or one that we may not read.
            Err(error) if error.code().is_some() => {}
            Err(error) => return Err(error),
        }
    }
    let pair = |row: &sql::Row| (joined(&row.text(0), &row.text(1)), joined(&row.text(2), &row.text(3)));
    let held: Vec<_> = held.iter().map(pair).collect();
    loop {
        let new = held.iter().filter(|(role, holder)| names.contains(role) && !names.contains(holder));
        let new: Vec<_> = new.map(|(_, holder)| holder.clone()).collect();
        if new.is_empty() {
            return Ok(());
        }
        names.extend(new);
    }
}

/// The statement that sets the roles which `account` begins with, as MySQL's `SHOW CREATE USER` has them.
pub(super) fn default_roles(create: &str, account: &str) -> Option<String> {
    let told = told(create);
    let text = |at: usize| told.get(at).map_or("", |piece| &create[piece.at.clone()]);
    let at = (0..told.len()).find(|at| text(*at) == "DEFAULT" && text(at + 1) == "ROLE")?;
    let (roles, _) = names(create, &told, at + 2);
    (!roles.is_empty()).then(|| format!("SET DEFAULT ROLE {} TO {}", list(&roles), quoted(account)))
}

/// A statement that gives an account roles, or says which it begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Membership {
    verb: &'static str,
    pub(super) roles: Vec<String>,
    /// `TO`, or MariaDB's `FOR`.
    preposition: String,
    option: &'static str,
}

impl Membership {
    /// Takes a line of `SHOW GRANTS` apart; none if it grants anything but roles.
    pub(super) fn parse(statement: &str) -> Option<Self> {
        let told = told(statement);
        let text = |at: usize| told.get(at).map_or("", |piece| &statement[piece.at.clone()]);
        let (verb, first) = match (text(0), text(1), text(2)) {
            ("GRANT", ..) => ("GRANT", 1),
            ("SET", "DEFAULT", "ROLE") => ("SET DEFAULT ROLE", 3),
            _ => return None,
        };
        let (roles, after) = names(statement, &told, first);
        let preposition = text(after);
        if roles.is_empty() || !["TO", "FOR"].contains(&preposition) {
            return None;
        }
        let with = (after..told.len()).any(|at| text(at) == "WITH" && text(at + 1) == "ADMIN");
        let option = if with { " WITH ADMIN OPTION" } else { "" };
        Some(Self { verb, roles, preposition: preposition.to_owned(), option })
    }

    /// The statement for `account`, of those of its roles that `here` names as this server has them; none if
    /// that is none of them.
    pub(super) fn statement(&self, account: &str, here: impl Fn(&str) -> Option<String>) -> Option<String> {
        let roles: Vec<_> = self.roles.iter().filter_map(|role| here(role)).collect();
        let Self { verb, preposition, option, .. } = self;
        (!roles.is_empty())
            .then(|| format!("{verb} {} {preposition} {}{option}", list(&roles), quoted(account)))
    }
}

fn list(roles: &[String]) -> String {
    roles.iter().map(|role| quoted(role)).collect::<Vec<_>>().join(", ")
}

/// The accounts that stand at `at`, between commas, and where they end.
fn names(statement: &str, told: &[Piece], mut at: usize) -> (Vec<String>, usize) {
    let text = |at: usize| told.get(at).map_or("", |piece| &statement[piece.at.clone()]);
    let name = |at: usize| {
        let piece = told.get(at).filter(|piece| piece.kind == Kind::Name)?;
        Some(String::from_utf8_lossy(&unquoted(&statement.as_bytes()[piece.at.clone()])).into_owned())
    };
    let mut names = Vec::new();
    while let Some(user) = name(at) {
        let host = (text(at + 1) == "@").then(|| name(at + 2)).flatten();
        at += if host.is_some() { 3 } else { 1 };
        names.push(joined(&user, &host.unwrap_or_default()));
        if text(at) != "," {
            break;
        }
        at += 1;
    }
    (names, at)
}

fn told(statement: &str) -> Vec<Piece> {
    let mut pieces = Dialect::default().pieces(statement.as_bytes());
    pieces.retain(|piece| piece.kind != Kind::Gap);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_that_come_along_are_given_again_and_others_are_not() {
        let check = |line: &str, expected: Option<&str>| {
            let here = |role: &str| match role {
                "readers" => Some("reading".to_owned()),
                "clerks@%" => Some(role.to_owned()),
                _ => None,
            };
            let made = Membership::parse(line).and_then(|membership| membership.statement("li@%", here));
            assert_eq!(made.as_deref(), expected, "{line}");
        };
        check("GRANT `readers` TO `app`@`10.%`", Some("GRANT `reading` TO `li`@`%`"));
        check(
            "GRANT `clerks`@`%`,`others`@`%` TO `app`@`%` WITH ADMIN OPTION",
            Some("GRANT `clerks`@`%` TO `li`@`%` WITH ADMIN OPTION"),
        );
        check("SET DEFAULT ROLE `readers` FOR `app`@`10.%`", Some("SET DEFAULT ROLE `reading` FOR `li`@`%`"));
        check("GRANT `others` TO `app`@`%`", None);
        check("GRANT SELECT ON `readers`.* TO `app`@`%`", None);
        check("GRANT USAGE ON *.* TO `app`@`%`", None);
    }

    #[test]
    fn the_roles_that_an_account_begins_with_are_found() {
        let check = |create: &str, expected: Option<&str>| {
            assert_eq!(default_roles(create, "li@%").as_deref(), expected, "{create}");
        };
        check(
            "CREATE USER `li`@`%` IDENTIFIED WITH 'x' AS 'DEFAULT ROLE' DEFAULT ROLE `a`@`%`,`b`@`%` REQUIRE NONE",
            Some("SET DEFAULT ROLE `a`@`%`, `b`@`%` TO `li`@`%`"),
        );
        check("CREATE USER `li`@`%` REQUIRE SSL PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK", None);
    }
}
