//! The definition of a table whose columns come back without their values: NULL is allowed where it was not,
//! and no check asks for what does not come.
//!
//! Of SQLite's grammar it knows that a column's definition begins with the column's name: what it does not
//! recognise stays as it is.

use super::tokens::{Token, blanked, elements, tokens, unquoted};
use crate::Withheld;

/// The statement that creates a table, with NULL allowed in withheld columns and in computed ones, without the
/// checks that name a withheld or masked one; and these checks, in words.
pub fn loosened(create: &str, withheld: &Withheld) -> (String, Vec<String>) {
    let tokens = tokens(create);
    let (mut blank, mut checks) = (Vec::new(), Vec::new());
    let unchecked = withheld.unchecked();
    for (comma, element) in elements(&tokens) {
        let named = element.first().is_some_and(|name| is_one_of(name.text, &withheld.columns));
        let own: Vec<_> = element.iter().filter(|token| token.depth == 1).collect();
        let computed = own.iter().any(|token| token.text.eq_ignore_ascii_case("as"));
        if named || (computed && !withheld.columns.is_empty()) {
            blank.extend(not_null(&own));
        }
        let found = checks_of(&element, &unchecked);
        // Of a constraint of the table's own nothing is left, its comma neither.
        let goes =
            |token: &&Token<'_>| found.iter().any(|(start, end, _)| (*start..*end).contains(&token.at));
        if element.iter().all(goes) {
            blank.extend(comma.map(|comma| (comma, comma + 1)));
        }
        for (start, end, name) in found {
            blank.push((start, end));
            checks.push(name.unwrap_or_else(|| create[start..end].to_owned()));
        }
    }
    (blanked(create, &blank), checks)
}

/// Whether a token is one of these names.
pub(super) fn is_one_of(name: &str, columns: &[String]) -> bool {
    let name = unquoted(name);
    columns.iter().any(|column| column.eq_ignore_ascii_case(&name))
}

/// Where an element has a check that names one of these columns or functions, and what the check is called.
pub(super) fn checks_of(element: &[&Token<'_>], columns: &[String]) -> Vec<(usize, usize, Option<String>)> {
    let mut found = Vec::new();
    for (at, token) in element.iter().enumerate().filter(|(_, token)| token.is("check")) {
        let body = element[at + 1..].iter().skip(1).take_while(|token| token.depth > 1);
        let (mut names, mut count) = (false, 0);
        body.for_each(|token| (names, count) = (names || is_one_of(token.text, columns), count + 1));
        let Some(close) = element.get(at + 2 + count).filter(|_| names) else { continue };
        let named = at.checked_sub(2).filter(|before| element[*before].is("constraint"));
        let start = named.map_or(token.at, |before| element[before].at);
        let name = named.map(|before| format!("check {}", unquoted(element[before + 1].text)));
        found.push((start, close.end(), name));
    }
    found
}

/// Where a column says NOT NULL, and what is to be done when it is.
fn not_null(element: &[&&Token<'_>]) -> Vec<(usize, usize)> {
    let is = |at: usize, word: &str| {
        element.get(at).is_some_and(|token: &&&Token<'_>| token.text.eq_ignore_ascii_case(word))
    };
    let mut found = Vec::new();
    for at in 0..element.len() {
        if is(at, "not") && is(at + 1, "null") {
            let last = if is(at + 2, "on") && is(at + 3, "conflict") { at + 4 } else { at + 1 };
            let last = element[last.min(element.len() - 1)];
            found.push((element[at].at, last.at + last.text.len()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MaskedColumn, TableName};

    fn check(create: &str, columns: &[&str], expected: &str) {
        check_masked(create, columns, &[], expected);
    }

    fn check_masked(create: &str, columns: &[&str], masked: &[&str], expected: &str) {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let masked = masked.iter().map(|name| MaskedColumn { name: (*name).into(), kind: "any".into() });
        let table = TableName { schema: None, name: "t".into() };
        let withheld = Withheld { table, whole: false, columns: names(columns), masked: masked.collect() };
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&loosened(create, &withheld).0), words(expected));
    }

    #[test]
    fn null_is_allowed_where_it_is_asked_for_and_nowhere_else() {
        check(
            "CREATE TABLE t (id integer NOT NULL PRIMARY KEY, a text NOT NULL, b text not null)",
            &["A"],
            "CREATE TABLE t (id integer NOT NULL PRIMARY KEY, a text , b text not null)",
        );
        check(
            "CREATE TABLE t (a text CHECK (a IS NOT NULL) NOT NULL ON CONFLICT ABORT DEFAULT 'NOT NULL,', b int NOT NULL)",
            &["a"],
            "CREATE TABLE t (a text DEFAULT 'NOT NULL,', b int NOT NULL)",
        );
        check(
            "CREATE TABLE \"(\" (/* a, */ [a b] NOT NULL -- why\n, \"c\"\"d\" decimal(10,2) NOT NULL)",
            &["a b", "c\"d"],
            "CREATE TABLE \"(\" (/* a, */ [a b] -- why\n, \"c\"\"d\" decimal(10,2) )",
        );
        check(
            "CREATE TABLE t (a text NOT NULL, b text NOT NULL AS (a || 'x') STORED) STRICT",
            &["a"],
            "CREATE TABLE t (a text , b text AS (a || 'x') STORED) STRICT",
        );
    }
    #[test]
    fn checks_of_what_does_not_come_go_and_others_stay() {
        check_masked(
            "CREATE TABLE t (a text NOT NULL CONSTRAINT \"long\" CHECK (length(A) = 18), b int CHECK (b > 0),
              CONSTRAINT k CHECK (b < 9 AND (a <> '')), CHECK (b <> 3))",
            &[],
            &["a"],
            "CREATE TABLE t (a text NOT NULL , b int CHECK (b > 0) , CHECK (b <> 3))",
        );
        check_masked(
            "CREATE TABLE t (a text, b int, CHECK (\"a\" > ''), CHECK (b > a))",
            &["b"],
            &["a"],
            "CREATE TABLE t (a text, b int )",
        );
    }
}
