//! Which foreign keys can still hold when some values come as NULL, as masks or not at all.
//!
//! It is decided before any row is loaded, from what is withheld alone, and the same way on every system.

use crate::{LoadPlan, TableName};

/// What a foreign key ties together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tie {
    /// The table that refers.
    pub(crate) child: TableName,
    /// The table that is referred to.
    pub(crate) parent: TableName,
    /// Columns of the child and of the parent that are equal.
    pub(crate) columns: Vec<(String, String)>,
    /// Whether NULL in one of the child's columns asks for NULL in all of them, rather than for nothing.
    pub(crate) full: bool,
}

/// How the values of a column come.
#[derive(Debug, PartialEq, Eq)]
enum Comes<'a> {
    AsItWas,
    Null,
    /// Masked, as one of this kind.
    Masked(&'a str),
}

impl LoadPlan {
    /// Whether what is withheld or masked breaks a foreign key: the child has values that are not the parent's.
    pub(crate) fn breaks(&self, tie: &Tie) -> bool {
        if self.comes_empty(&tie.child) {
            return false;
        }
        let of_child = tie.columns.iter().map(|(column, _)| self.comes(&tie.child, column));
        let of_child: Vec<_> = of_child.collect();
        match of_child.iter().filter(|comes| **comes == Comes::Null).count() {
            0 => {}
            nulls => return tie.full && nulls < of_child.len(),
        }
        let mut pairs = of_child.iter().zip(&tie.columns);
        self.comes_empty(&tie.parent)
            || pairs.any(|(comes, (_, column))| *comes != self.comes(&tie.parent, column))
    }

    fn comes_empty(&self, table: &TableName) -> bool {
        self.withheld.iter().any(|withheld| is_table(&withheld.table, table) && withheld.whole)
    }

    fn comes(&self, table: &TableName, column: &str) -> Comes<'_> {
        let withheld = self.withheld.iter().find(|withheld| is_table(&withheld.table, table));
        let Some(withheld) = withheld else { return Comes::AsItWas };
        let masked = withheld.masked.iter().find(|masked| is_name(&masked.name, column, table));
        match masked {
            Some(masked) => Comes::Masked(&masked.kind),
            None if withheld.columns.iter().any(|name| is_name(name, column, table)) => Comes::Null,
            None => Comes::AsItWas,
        }
    }
}

fn is_table(one: &TableName, other: &TableName) -> bool {
    one.schema == other.schema && is_name(&one.name, &other.name, other)
}

/// Systems without schemas take a key's names in whatever case they are written.
fn is_name(one: &str, other: &str, table: &TableName) -> bool {
    one == other || table.schema.is_none() && one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MaskedColumn, PointInTime, Withheld};

    fn plan(child: (&[&str], &[(&str, &str)]), parent: (&[&str], &[(&str, &str)]), gone: &str) -> LoadPlan {
        let of = |name: &str, (null, masked): (&[&str], &[(&str, &str)])| Withheld {
            table: TableName { schema: None, name: name.into() },
            whole: gone == name,
            columns: null.iter().map(|name| (*name).to_owned()).collect(),
            masked: masked
                .iter()
                .map(|(name, kind)| MaskedColumn { name: (*name).into(), kind: (*kind).into() })
                .collect(),
        };
        LoadPlan {
            snapshot: String::new(),
            point: PointInTime {
                system: "sqlite".into(),
                server_version: String::new(),
                database: String::new(),
                time: String::new(),
                method: String::new(),
                log_position: None,
                plaintext: false,
                not_covered: Vec::new(),
            },
            schema: Vec::new(),
            tables: Vec::new(),
            whole: true,
            withheld: vec![of("child", child), of("parent", parent)],
        }
    }

    #[test]
    fn a_key_holds_where_both_sides_come_the_same_way_or_the_child_says_nothing() {
        let tie = Tie {
            child: TableName { schema: None, name: "child".into() },
            parent: TableName { schema: None, name: "Parent".into() },
            columns: vec![("a".into(), "x".into()), ("b".into(), "Y".into())],
            full: false,
        };
        let full = Tie { full: true, ..tie.clone() };
        let check = |plan: LoadPlan, expected: (bool, bool)| {
            assert_eq!((plan.breaks(&tie), plan.breaks(&full)), expected, "{:?}", plan.withheld);
        };
        let open: (&[&str], &[(&str, &str)]) = (&[], &[]);
        check(plan(open, open, ""), (false, false));
        check(plan(open, open, "parent"), (true, true));
        check(plan(open, open, "child"), (false, false));
        check(plan(open, (&["y"], &[]), ""), (true, true));
        check(plan((&["a"], &[]), (&["y"], &[]), ""), (false, true));
        check(plan((&["a", "b"], &[]), open, "parent"), (false, false));
        check(plan(open, (&[], &[("x", "text")]), ""), (true, true));
        check(plan((&[], &[("a", "text")]), open, ""), (true, true));
        check(plan((&[], &[("a", "text")]), (&[], &[("x", "text")]), ""), (false, false));
        check(plan((&[], &[("a", "integer to 9")]), (&[], &[("x", "text")]), ""), (true, true));
    }
}
