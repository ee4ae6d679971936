//! The foreign keys in a table's definition, and the definition without some of them.
//!
//! What it does not recognise stays as it is.

use super::tokens::{Token, blanked, elements, tokens, unquoted};

/// A foreign key.
#[derive(Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Columns that refer.
    pub columns: Vec<String>,
    /// The table that is referred to.
    pub parent: String,
    /// Its columns; none where they are its primary key.
    pub parent_columns: Vec<String>,
}

/// The statement without the foreign keys that `leave_out` names, and these in words.
pub fn without(create: &str, leave_out: impl Fn(&ForeignKey) -> bool) -> (String, Vec<String>) {
    let tokens = tokens(create);
    let (mut blank, mut left_out) = (Vec::new(), Vec::new());
    for (comma, element) in elements(&tokens) {
        let mut gone = Vec::new();
        for (at, _) in element.iter().enumerate().filter(|(_, token)| token.is("references")) {
            let Some((key, start, end)) = key(&element, at).filter(|(key, ..)| leave_out(key)) else {
                continue;
            };
            let named = start.checked_sub(2).filter(|before| element[*before].is("constraint"));
            let name = named.map(|before| unquoted(element[before + 1].text));
            let name = name.unwrap_or_else(|| format!("({})", key.columns.join(", ")));
            gone.push((element[named.unwrap_or(start)].at, element[end - 1].end()));
            left_out.push(format!("foreign key {name}"));
        }
        // Of a constraint of the table's own nothing is left, its comma neither.
        let goes = |token: &&Token<'_>| gone.iter().any(|(start, end)| (*start..*end).contains(&token.at));
        if element.iter().all(goes) {
            blank.extend(comma.map(|comma| (comma, comma + 1)));
        }
        blank.extend(gone);
    }
    (blanked(create, &blank), left_out)
}

/// The foreign key whose `REFERENCES` stands at `at`, where its words begin and what comes after them.
fn key(element: &[&Token<'_>], at: usize) -> Option<(ForeignKey, usize, usize)> {
    let parent = unquoted(element.get(at + 1)?.text);
    let (parent_columns, after) = names(element, at + 2);
    let end = after + actions(&element[after..]);
    let of_table = element[..at].iter().rposition(|token| token.is("foreign"));
    let (columns, start) = match of_table.map(|start| (names(element, start + 2), start)) {
        Some(((columns, after), start)) if after == at => (columns, start),
        _ => (vec![unquoted(element.first()?.text)], at),
    };
    Some((ForeignKey { columns, parent, parent_columns }, start, end))
}

/// The names in the brackets that open at `at`, and what comes after; none if none open there.
fn names(element: &[&Token<'_>], at: usize) -> (Vec<String>, usize) {
    if !element.get(at).is_some_and(|token| token.is("(")) {
        return (Vec::new(), at);
    }
    let inside: Vec<_> = element[at + 1..].iter().take_while(|token| token.depth > 1).collect();
    let names = inside.iter().filter(|token| token.text != ",").map(|token| unquoted(token.text));
    (names.collect(), at + inside.len() + 2)
}

/// How many of the tokens say what becomes of the key, such as `ON DELETE CASCADE`.
fn actions(rest: &[&Token<'_>]) -> usize {
    let is = |at: usize, word: &str| rest.get(at).is_some_and(|token| token.is(word));
    let mut at = 0;
    loop {
        at += match () {
            () if is(at, "on") && (is(at + 2, "set") || is(at + 2, "no")) => 4,
            () if is(at, "on") => 3,
            () if is(at, "match") => 2,
            () if is(at, "not") && is(at + 1, "deferrable") => 2,
            () if is(at, "deferrable") => 1,
            () if is(at, "initially") => 2,
            () => return at.min(rest.len()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_named_go_and_others_stay() {
        let check = |create: &str, expected: &str, told: &[&str]| {
            let goes = |key: &ForeignKey| key.parent == "p" && key.columns != ["stays"];
            let (made, left_out) = without(create, goes);
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(
                (words(&made), left_out),
                (words(expected), told.iter().map(|told| (*told).to_owned()).collect())
            );
        };
        check(
            "CREATE TABLE t (a int CONSTRAINT k REFERENCES p ON DELETE SET NULL NOT DEFERRABLE NOT NULL, \
             stays int REFERENCES p, b text REFERENCES \"p\" (x) MATCH FULL DEFERRABLE INITIALLY DEFERRED DEFAULT ')')",
            "CREATE TABLE t (a int NOT NULL, stays int REFERENCES p, b text DEFAULT ')')",
            &["foreign key k", "foreign key (b)"],
        );
        check(
            "CREATE TABLE t (a, b, c, CONSTRAINT [my key] FOREIGN KEY (a, [b]) REFERENCES p (x, y) ON UPDATE NO ACTION, \
             FOREIGN KEY (stays) REFERENCES p (x), CHECK (a > b), FOREIGN KEY (c) REFERENCES p) STRICT",
            "CREATE TABLE t (a, b, c , FOREIGN KEY (stays) REFERENCES p (x), CHECK (a > b) ) STRICT",
            &["foreign key my key", "foreign key (c)"],
        );
    }

    #[test]
    fn a_key_says_what_it_ties_to_what() {
        let seen = std::cell::RefCell::new(Vec::new());
        without("CREATE TABLE t (a, b, FOREIGN KEY (a, \"b\") REFERENCES q (x, [y y]))", |key| {
            seen.borrow_mut().push(format!("{key:?}"));
            false
        });
        let expected = ForeignKey {
            columns: vec!["a".into(), "b".into()],
            parent: "q".into(),
            parent_columns: vec!["x".into(), "y y".into()],
        };
        assert_eq!(*seen.borrow(), [format!("{expected:?}")]);
    }
}
