//! Statements that name roles: one that is mapped is replaced, and where one query holds several statements, such as
//! all grants on a table, each is tried on its own, so that a role that is missing takes no grant from others.
//!
//! What the server said of them is not looked at: it says it in its own language.

use super::foreign_key::{quote_end, unquoted};
use super::sql;

/// Statements that grant, one or several of them in a query.
const GRANTS: [&str; 4] = ["GRANT ", "REVOKE ", "ALTER DEFAULT PRIVILEGES ", "SET SESSION AUTHORIZATION "];

/// One statement of a query that was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// As it was refused.
    pub(super) statement: String,
    /// With the roles that stand in.
    pub(super) mapped: String,
}

impl Step {
    /// Whether it makes the session another role's, in whose name the following are.
    pub(super) fn begins(&self) -> bool {
        self.statement.starts_with("SET SESSION AUTHORIZATION ")
    }

    /// Whether it makes the session this account's again.
    pub(super) fn ends(&self) -> bool {
        self.statement.starts_with("RESET SESSION AUTHORIZATION")
    }
}

/// What to try instead of a query that was refused; nothing where nothing else can be tried.
pub(super) fn instead(query: &str, roles: &[(String, String)]) -> Option<Vec<Step>> {
    let query = query.trim();
    let grants = GRANTS.iter().any(|words| query.starts_with(words));
    let statements = if grants { split(query) } else { vec![query] };
    let steps: Vec<_> = statements
        .into_iter()
        .map(|statement| Step { statement: statement.to_owned(), mapped: map(statement, roles) })
        .collect();
    let other = steps.len() > 1 || steps.iter().any(|step| step.mapped != step.statement);
    other.then_some(steps)
}

/// The role that a statement gives something to.
pub(super) fn new_owner(statement: &str) -> Option<String> {
    let statement = statement.trim().trim_end_matches(';');
    let (_, name) = statement.rsplit_once(" OWNER TO ").filter(|_| statement.starts_with("ALTER "))?;
    Some(unquoted(name))
}

/// Cuts a query after each `;` that is in no quotes.
fn split(query: &str) -> Vec<&str> {
    let (mut statements, mut start, mut at) = (Vec::new(), 0, 0);
    while let Some(found) = query[at..].find(['"', '\'', ';']) {
        at += found;
        let rest = &query[at..];
        match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => at += quote_end(rest, quote),
            _ => {
                at += 1;
                statements.push(query[start..at].trim());
                start = at;
            }
        }
    }
    statements.extend(Some(query[start..].trim()).filter(|rest| !rest.is_empty()));
    statements
}

/// Rewrites a statement that names roles; any other stays as it is, whatever it looks like inside.
fn map(statement: &str, roles: &[(String, String)]) -> String {
    let names_roles = [&GRANTS[..], &["CREATE POLICY ", "CREATE USER MAPPING "]].concat();
    if new_owner(statement).is_none() && !names_roles.iter().any(|words| statement.starts_with(words)) {
        return statement.to_owned();
    }
    let mut mapped = statement.to_owned();
    for (old, new) in roles {
        let (quoted, new) = (sql::ident(old), sql::ident(new));
        for before in
            [" TO ", " FROM ", " FOR ROLE ", " FOR USER ", "USER MAPPING FOR ", "SESSION AUTHORIZATION "]
        {
            for spelling in [quoted.as_str(), old.as_str()] {
                for after in [";", " ", ",", "\n"] {
                    mapped = mapped
                        .replace(&format!("{before}{spelling}{after}"), &format!("{before}{new}{after}"));
                }
            }
        }
    }
    map_policy(&mapped, roles).unwrap_or(mapped)
}

/// A policy is the one definition that names several roles in a row.
fn map_policy(command: &str, roles: &[(String, String)]) -> Option<String> {
    let policy = command.trim_start().strip_prefix("CREATE POLICY ")?;
    let (head, rest) = policy.split_once(" TO ")?;
    let end = [" USING (", " WITH CHECK (", ";"].iter().filter_map(|end| rest.find(end)).min()?;
    let (names, tail) = rest.split_at(end);
    let stands_in = |name: &str| {
        let mapped = roles.iter().find(|(old, _)| name == old || name == sql::ident(old));
        mapped.map_or(name.to_owned(), |(_, new)| sql::ident(new))
    };
    let names = names.split(", ").map(stands_in).collect::<Vec<_>>().join(", ");
    Some(format!("CREATE POLICY {head} TO {names}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is tried instead, `bob` being mapped to `app`.
    fn tried(query: &str) -> Option<Vec<String>> {
        let steps = instead(query, &[("bob".into(), "app".into()), ("Mr X".into(), "x".into())])?;
        Some(steps.into_iter().map(|step| step.mapped).collect())
    }

    #[test]
    fn a_role_is_mapped_where_it_is_a_role_and_nowhere_else() {
        let owner = tried("ALTER TABLE public.bob OWNER TO bob;\n\n\n");
        assert_eq!(owner, Some(vec!["ALTER TABLE public.bob OWNER TO \"app\";".into()]));
        assert_eq!(tried("CREATE FUNCTION f() RETURNS text AS $$ SELECT ' TO bob;' $$;"), None);
        assert_eq!(tried("ALTER TABLE public.bob OWNER TO sales;"), None);
    }

    #[test]
    fn every_role_of_a_policy_is_mapped() {
        let policy = "CREATE POLICY own ON public.t TO sales, \"Mr X\", bob USING ((a = ', bob'::text));";
        let mapped =
            "CREATE POLICY own ON public.t TO sales, \"x\", \"app\" USING ((a = ', bob'::text));".to_owned();
        assert_eq!(tried(policy), Some(vec![mapped]));
    }

    #[test]
    fn every_statement_of_a_querys_grants_is_tried_on_its_own() {
        let grants = "GRANT ALL ON TABLE public.\"a;\"\"b\" TO sales;\nSET SESSION AUTHORIZATION bob;\n\
            GRANT SELECT ON TABLE public.t TO gone;\nRESET SESSION AUTHORIZATION;\n\n\n";
        let expected = [
            "GRANT ALL ON TABLE public.\"a;\"\"b\" TO sales;",
            "SET SESSION AUTHORIZATION \"app\";",
            "GRANT SELECT ON TABLE public.t TO gone;",
            "RESET SESSION AUTHORIZATION;",
        ];
        assert_eq!(tried(grants), Some(expected.map(str::to_owned).to_vec()));
        assert_eq!(tried("GRANT SELECT ON TABLE public.t TO gone;"), None);
    }

    #[test]
    fn a_new_owner_is_read_out_of_a_statement() {
        assert_eq!(new_owner("ALTER TABLE t OWNER TO \"Mr \"\"X\";\n").as_deref(), Some("Mr \"X"));
        assert_eq!(new_owner("COMMENT ON TABLE t IS ' OWNER TO bob'"), None);
    }
}
