//! Accounts: those that objects run as, and those that may use the database.
//!
//! They are recorded with every snapshot, as far as the account that reads may know them, and never their
//! passwords. A restore makes them on request only: locked, and with what they were granted on this database.
//! What they were granted beyond it is named and left out, for it is another server's to give.

use std::collections::BTreeSet;

use super::facts::{Account, Schema};
use super::load::MysqlLoad;
use super::roles::{self, Membership};
use super::scan::{Dialect, Kind, Piece, unquoted};
use super::sql::{self, ident, literal};
use super::wire::{Wire, WireError};
use crate::{LoadOptions, Result};

/// Reads the accounts named in `definers`, those with a grant on `database`, and those that hold one of either
/// as a role.
pub(super) async fn read(
    wire: &mut Wire,
    database: &str,
    definers: BTreeSet<String>,
) -> Result<Vec<Account>, WireError> {
    let mut names = definers;
    let (plain, pattern) = (literal(database), literal(&as_pattern(database)));
    let query = format!(
        "SELECT User, Host FROM mysql.db WHERE Db IN ({plain}, {pattern}) \
         UNION SELECT User, Host FROM mysql.tables_priv WHERE Db = {plain} \
         UNION SELECT User, Host FROM mysql.procs_priv WHERE Db = {plain}"
    );
    match sql::rows(wire, &query).await {
        Ok(rows) => names.extend(rows.iter().map(|row| joined(&row.text(0), &row.text(1)))),
        Err(error) if error.code().is_some() => {}
        Err(error) => return Err(error),
    }
    roles::add_holders(wire, &mut names).await?;
    let mut accounts = Vec::with_capacity(names.len());
    for account in names {
        let grants = lines(wire, &format!("SHOW GRANTS FOR {}", quoted(&account))).await?;
        let mut grants: Vec<_> = grants.iter().map(|grant| without_password(grant)).collect();
        let made = lines(wire, &format!("SHOW CREATE USER {}", quoted(&account))).await?;
        let require = made.first().and_then(|made| requirement(made));
        grants.extend(made.first().and_then(|made| roles::default_roles(made, &account)));
        accounts.push(Account { account, require, grants });
    }
    Ok(accounts)
}

/// What a statement answers; nothing where we may not know.
async fn lines(wire: &mut Wire, statement: &str) -> Result<Vec<String>, WireError> {
    match sql::rows(wire, statement).await {
        Ok(rows) => Ok(rows.iter().map(|row| row.text(0)).collect()),
        Err(error) if error.code().is_some() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// `user@host`; a role of MariaDB's has no host.
pub(super) fn joined(user: &str, host: &str) -> String {
    if host.is_empty() { user.to_owned() } else { format!("{user}@{host}") }
}

/// An account as SQL takes it.
pub(super) fn quoted(account: &str) -> String {
    match account.rsplit_once('@') {
        Some((user, host)) => format!("{}@{}", ident(user), ident(host)),
        None => ident(account),
    }
}

/// The account that stands for `account` in this restore: `--map-role` names it in full, or by its name alone
/// where its host is `%`.
pub(super) fn mapped<'a>(options: &'a LoadOptions, account: &str) -> Option<&'a str> {
    let anywhere = account.strip_suffix("@%");
    let found = options.map_roles.iter().find(|(old, _)| old == account || Some(old.as_str()) == anywhere);
    found.map(|(_, new)| new.as_str())
}

/// Every account and role of the server; none where we may not know.
pub(super) async fn known(wire: &mut Wire) -> Result<Option<BTreeSet<String>>, WireError> {
    match sql::rows(wire, "SELECT User, Host FROM mysql.user").await {
        Ok(rows) => Ok(Some(rows.iter().map(|row| joined(&row.text(0), &row.text(1))).collect())),
        Err(error) if error.code().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is to be run, and what is left out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Accounts to make, each with its statement.
    made: Vec<(String, String)>,
    grants: Vec<String>,
    /// Grants beyond the database to accounts that are made.
    left_out: Vec<String>,
}

/// Makes the accounts that are not here, and returns what all of them are to be granted once everything that
/// can be granted is there.
pub(super) async fn create_all(load: &MysqlLoad, wire: &mut Wire) -> Result<Vec<String>> {
    let failed = |error| load.map("looking at the accounts", error);
    let known = known(wire).await.map_err(failed)?.unwrap_or_default();
    let plan = plan(&load.schema, &load.endpoint.database, &load.options, &known);
    let (mut made, mut refused) = (Vec::new(), Vec::new());
    for (account, statement) in &plan.made {
        match wire.run(statement).await {
            Ok(_) => made.push(account.escape_debug().to_string()),
            Err(error) if error.code().is_some() => {
                refused.push(format!("account {}: {error}", account.escape_debug()));
            }
            Err(error) => return Err(load.map("making the accounts", error)),
        }
    }
    let mut report = load.report.lock().await;
    if !made.is_empty() {
        report.notes.push(format!(
            "accounts made, locked and without a password; ALTER USER … IDENTIFIED BY … ACCOUNT UNLOCK lets one in: {}",
            made.join(", ")
        ));
    }
    let left_out = plan.left_out.iter();
    report
        .notes
        .extend(left_out.map(|grant| format!("left out, as it reaches beyond the database: {grant}")));
    report.refused.extend(refused);
    Ok(plan.grants)
}

/// Gives the accounts what they had on the database.
pub(super) async fn grant_all(load: &MysqlLoad, wire: &mut Wire, grants: &[String]) -> Result<()> {
    for grant in grants {
        match wire.run(grant).await {
            Ok(_) => {}
            Err(error) if error.code().is_some() => {
                load.report.lock().await.refused.push(format!("{grant}: {error}"));
            }
            Err(error) => return Err(load.map("granting", error)),
        }
    }
    Ok(())
}

fn plan(schema: &Schema, database: &str, options: &LoadOptions, known: &BTreeSet<String>) -> Plan {
    let mut plan = Plan::default();
    // What a role may do comes along where it is one of these.
    let recorded: BTreeSet<_> = schema.accounts.iter().map(|account| account.account.as_str()).collect();
    let role = |role: &str| recorded.contains(role).then(|| mapped(options, role).unwrap_or(role).to_owned());
    for Account { account, require, grants } in &schema.accounts {
        let replaced = mapped(options, account);
        let name = replaced.unwrap_or(account);
        let is_new = replaced.is_none() && !known.contains(account);
        if is_new {
            let require = require.as_ref().map_or_else(String::new, |require| format!(" {require}"));
            let statement = match account.contains('@') {
                true => format!("CREATE USER {}{require} ACCOUNT LOCK", quoted(account)),
                false => format!("CREATE ROLE {}", quoted(account)),
            };
            plan.made.push((account.clone(), statement));
        }
        for grant in grants {
            let made = match Membership::parse(grant) {
                Some(membership) => membership.statement(name, role),
                None => here(grant, &schema.database, database, name),
            };
            match made {
                Some(grant) => plan.grants.push(grant),
                None if is_new && !grant.starts_with("GRANT USAGE ON *.* ") => {
                    plan.left_out.push(grant.clone());
                }
                None => {}
            }
        }
    }
    plan
}

/// A grant on `old` made into one on `new`, to `account`; none if it is on anything else.
fn here(grant: &str, old: &str, new: &str, account: &str) -> Option<String> {
    let bytes = grant.as_bytes();
    let pieces = told(bytes);
    let text = |at: usize| pieces.get(at).map_or(&b""[..], |piece| &bytes[piece.at.clone()]);
    let mut on = (0..pieces.len()).find(|at| text(*at) == b"ON")? + 1;
    while ["TABLE", "PROCEDURE", "FUNCTION", "PACKAGE", "BODY"].iter().any(|word| text(on) == word.as_bytes())
    {
        on += 1;
    }
    let (whole, found) = (text(on + 2) == b"*", unquoted(text(on)));
    // Of a whole database the name is a pattern.
    let wanted = if whole { as_pattern(old) } else { old.to_owned() };
    let fits = pieces.get(on)?.kind == Kind::Name && text(on + 1) == b".";
    if !fits || (found != wanted.as_bytes() && found != old.as_bytes()) {
        return None;
    }
    let to = (on..pieces.len()).find(|at| text(*at) == b"TO")?;
    let option = (to..pieces.len()).find(|at| text(*at) == b"WITH").map(|at| pieces[at].at.start);
    let named = if whole { as_pattern(new) } else { new.to_owned() };
    let (head, place) = (&grant[..pieces[on].at.start], &grant[pieces[on].at.end..pieces[to].at.start]);
    let option = option.map_or_else(String::new, |at| format!(" {}", &grant[at..]));
    Some(format!("{head}{}{place}TO {}{option}", ident(&named), quoted(account)))
}

/// A database's name as the pattern that is only itself.
fn as_pattern(database: &str) -> String {
    database.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%")
}

fn told(bytes: &[u8]) -> Vec<Piece> {
    let mut pieces = Dialect::default().pieces(bytes);
    pieces.retain(|piece| piece.kind != Kind::Gap);
    pieces
}

/// A grant without the password that MariaDB prints in it, or its hash.
fn without_password(grant: &str) -> String {
    let identified =
        told(grant.as_bytes()).into_iter().find(|piece| &grant[piece.at.clone()] == "IDENTIFIED");
    identified.map_or(grant, |piece| grant[..piece.at.start].trim_end()).to_owned()
}

/// What a connection of the account's must have, such as `REQUIRE SSL`; none if nothing.
fn requirement(create: &str) -> Option<String> {
    let pieces = told(create.as_bytes());
    let text = |at: usize| pieces.get(at).map_or("", |piece| &create[piece.at.clone()]);
    let require = (0..pieces.len()).find(|at| text(*at) == "REQUIRE")?;
    let ends = |at: &usize| ["WITH", "PASSWORD", "ACCOUNT", "FAILED_LOGIN_ATTEMPTS"].contains(&text(*at));
    let end = (require..pieces.len()).find(ends).map_or(create.len(), |at| pieces[at].at.start);
    let clause = create[pieces[require].at.start..end].trim_end();
    (text(require + 1) != "NONE").then(|| clause.to_owned())
}

/// Names the accounts that objects run as and that are not here.
pub(super) async fn note_missing(load: &MysqlLoad, wire: &mut Wire) -> Result<()> {
    if load.options.no_owner {
        return Ok(());
    }
    let known = known(wire).await.map_err(|error| load.map("looking at the accounts", error))?;
    // Not to be known by this account.
    let Some(known) = known else { return Ok(()) };
    let definers = load.schema.programs.iter().map(|program| program.definer.as_str());
    let definers = definers.map(|account| mapped(&load.options, account).unwrap_or(account));
    let missing: BTreeSet<_> = definers.filter(|account| !known.contains(*account)).collect();
    if !missing.is_empty() {
        let missing: Vec<_> = missing.iter().map(|account| account.escape_debug().to_string()).collect();
        let note = format!(
            "accounts that are not on this server, so that what runs as them fails until they are made \
             (--with-accounts) or replaced (--map-role OLD=NEW): {}",
            missing.join(", ")
        );
        load.report.lock().await.notes.push(note);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_on_the_database_follows_it_and_no_other_does() {
        let check = |grant: &str, expected: Option<&str>| {
            assert_eq!(here(grant, "my_crm", "new_crm", "li@%").as_deref(), expected, "{grant}");
        };
        check(
            "GRANT SELECT, INSERT ON `my\\_crm`.* TO `app`@`10.%` WITH GRANT OPTION",
            Some("GRANT SELECT, INSERT ON `new\\_crm`.* TO `li`@`%` WITH GRANT OPTION"),
        );
        check(
            "GRANT SELECT (`a`, `TO`) ON `my_crm`.`t` TO 'app'@'%'",
            Some("GRANT SELECT (`a`, `TO`) ON `new_crm`.`t` TO `li`@`%`"),
        );
        check(
            "GRANT EXECUTE ON PROCEDURE `my_crm`.`p` TO `app`@`%`",
            Some("GRANT EXECUTE ON PROCEDURE `new_crm`.`p` TO `li`@`%`"),
        );
        check("GRANT SELECT ON *.* TO `app`@`%`", None);
        check("GRANT SELECT ON `my%`.* TO `app`@`%`", None);
        check("GRANT SELECT ON `other`.`my_crm` TO `app`@`%`", None);
        check("GRANT `my_crm` TO `app`@`%`", None);
    }

    #[test]
    fn a_password_is_cut_off_and_what_an_account_must_have_is_kept() {
        let grant = "GRANT USAGE ON *.* TO `a IDENTIFIED b`@`%` IDENTIFIED BY PASSWORD '*6BB4' REQUIRE SSL";
        assert_eq!(without_password(grant), "GRANT USAGE ON *.* TO `a IDENTIFIED b`@`%`");
        let check = |create: &str, expected: Option<&str>| {
            assert_eq!(requirement(create).as_deref(), expected, "{create}");
        };
        check(
            "CREATE USER `a`@`%` IDENTIFIED BY PASSWORD '*6B' REQUIRE SSL WITH MAX_USER_CONNECTIONS 3",
            Some("REQUIRE SSL"),
        );
        check(
            "CREATE USER `a`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 'x' REQUIRE NONE PASSWORD EXPIRE DEFAULT",
            None,
        );
        check(
            "CREATE USER `a`@`%` REQUIRE ISSUER '/CN=WITH' ACCOUNT LOCK",
            Some("REQUIRE ISSUER '/CN=WITH'"),
        );
        check("CREATE USER `a`@`%`", None);
    }
}
