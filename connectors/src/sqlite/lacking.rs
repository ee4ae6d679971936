//! Tables whose definition asks for what only the application has: functions and collations of its own. SQLite
//! creates no such table, but reads its definition where that stands in the schema.
//!
//! So a table is filled under a stand-in, which asks for none of it and keeps rows on disk in the same way, and gets
//! its definition afterwards. A definition by which an index of its own would be ordered by what is lacking is
//! written without that: what was unique is unique by its bytes too.

use std::path::Path;

use rusqlite::Connection;

use super::connection::{error_of, literal};
use super::nullable::{checks_of, is_one_of};
use super::tokens::{Token, blanked, elements, tokens, unquoted};
use crate::Result;

/// What a definition asks for that this SQLite lacks, and what is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// Functions.
    pub functions: Vec<String>,
    /// Collations.
    pub collations: Vec<String>,
    /// The definition that the table is filled under.
    pub stand_in: String,
    /// The columns of that which hold values: computed ones among them that are kept and cannot be computed here.
    pub columns: Vec<String>,
    /// Those among them that are computed.
    pub computed: Vec<String>,
    /// The definition that it has in the end.
    pub definition: String,
    /// Whether that is its own.
    pub own: bool,
}

impl Lacking {
    /// What is lacking: `function regexp, collation PINYIN`.
    pub fn what(&self) -> String {
        let named = |kind: &'static str, names: &[String]| {
            names.iter().map(move |name| format!("{kind} {}", name.escape_debug())).collect::<Vec<_>>()
        };
        [named("function", &self.functions), named("collation", &self.collations)].concat().join(", ")
    }
}

/// A database in memory, to try definitions in.
pub struct Trial(Connection);

impl Trial {
    /// Makes an empty one.
    pub fn new() -> Result<Self> {
        Connection::open_in_memory().map(Self).map_err(|error| error_of(Path::new(":memory:"), error, 0))
    }

    /// What the definition of a table asks for that this SQLite lacks; nothing if it lacks nothing, or if more than
    /// that is wrong with it.
    pub fn of(&self, table: &str, create: &str) -> Option<Lacking> {
        let (mut functions, mut collations) = (Vec::new(), Vec::new());
        let mut stand_in = create.to_owned();
        while let Err(error) = self.undone(|| self.0.execute_batch(&stand_in)) {
            let said = error.to_string();
            let (known, name) = match said.strip_prefix("no such function: ") {
                Some(name) => (&mut functions, name),
                None => (&mut collations, said.strip_prefix("no such collation sequence: ")?),
            };
            if known.iter().any(|known| known == name) {
                return None;
            }
            known.push(name.to_owned());
            stand_in = without(create, &functions, &collations);
        }
        if stand_in == create {
            return None;
        }
        let columns = self.undone(|| self.columns(table, &stand_in)).ok()?;
        let plain = without(create, &[], &collations);
        let candidates = [create, &plain].into_iter();
        let mut sound = candidates.filter(|definition| {
            self.undone(|| self.is_sound(table, &stand_in, definition, &collations)).unwrap_or(false)
        });
        let definition = sound.next().unwrap_or(&stand_in).to_owned();
        let own = definition == create;
        let computed = kept(create, &functions);
        Some(Lacking { functions, collations, stand_in, columns, computed, definition, own })
    }

    /// Does something in a transaction that is rolled back.
    fn undone<T>(&self, work: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.0.execute_batch("BEGIN")?;
        let done = work();
        self.0.execute_batch("ROLLBACK; PRAGMA writable_schema = RESET")?;
        done
    }

    fn columns(&self, table: &str, stand_in: &str) -> rusqlite::Result<Vec<String>> {
        self.0.execute_batch(stand_in)?;
        let sql = format!("SELECT name FROM pragma_table_xinfo({}) WHERE hidden = 0", literal(table));
        self.0.prepare(&sql)?.query_map([], |row| row.get(0))?.collect()
    }

    /// Whether a table that was filled under its stand-in may have this definition: it has the same indexes, and
    /// none of them is ordered by what is lacking.
    fn is_sound(
        &self,
        table: &str,
        stand_in: &str,
        definition: &str,
        collations: &[String],
    ) -> rusqlite::Result<bool> {
        let table = literal(table);
        let of_indexes = format!(
            "SELECT l.name, x.seqno, x.coll FROM pragma_index_list({table}) l, pragma_index_xinfo(l.name) x \
             WHERE x.key ORDER BY 1, 2"
        );
        let indexes = || -> rusqlite::Result<Vec<(String, i64, String)>> {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            self.0.prepare(&of_indexes)?.query_map([], read)?.collect()
        };
        self.0.execute_batch(stand_in)?;
        let before = indexes()?;
        self.0.execute_batch(&write(&table, definition))?;
        let after = indexes()?;
        let ordered = |coll: &str| collations.iter().any(|lacking| lacking.eq_ignore_ascii_case(coll));
        Ok(before.len() == after.len() && !after.iter().any(|(_, _, coll)| ordered(coll)))
    }
}

/// The statements that give a table, whose name is quoted as a text, another definition.
pub fn write(table: &str, definition: &str) -> String {
    format!(
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = {} WHERE type = 'table' AND name = {table}; \
         PRAGMA writable_schema = RESET",
        literal(definition)
    )
}

/// The statement that creates a table, without the checks, computed columns and orders that need these. A computed
/// column that is kept on disk stays, as a plain one.
fn without(create: &str, functions: &[String], collations: &[String]) -> String {
    let tokens = tokens(create);
    let elements = elements(&tokens);
    let mut blank: Vec<(usize, usize)> = tokens
        .windows(2)
        .filter(|pair| pair[0].text.eq_ignore_ascii_case("collate") && is_one_of(pair[1].text, collations))
        .map(|pair| (pair[0].at, pair[1].end()))
        .collect();
    let gone = gone(&elements, functions);
    let mut at_begin = true;
    for (comma, element) in &elements {
        let mut pieces: Vec<_> =
            checks_of(element, &gone).into_iter().map(|(start, end, _)| (start, end)).collect();
        match computed(element, &gone) {
            Some(computed) if computed.kept => pieces.push((computed.start, computed.end)),
            Some(_) => pieces.extend(whole(element)),
            None => {}
        }
        let goes = |token: &&Token<'_>| pieces.iter().any(|(start, end)| (*start..*end).contains(&token.at));
        let all = element.iter().all(goes);
        if all || at_begin {
            blank.extend(comma.map(|comma| (comma, comma + 1)));
        }
        at_begin &= all;
        blank.extend(pieces);
    }
    blanked(create, &blank)
}

/// The functions, and the columns that go with them: what names a column that goes, goes as well.
fn gone(elements: &[(Option<usize>, Vec<&Token<'_>>)], functions: &[String]) -> Vec<String> {
    let mut gone = functions.to_vec();
    while let Some(column) = elements.iter().find_map(|(_, element)| {
        let name = element.first().filter(|name| !is_one_of(name.text, &gone))?;
        computed(element, &gone).filter(|computed| !computed.kept).map(|_| unquoted(name.text))
    }) {
        gone.push(column);
    }
    gone
}

/// The columns that these functions compute and that are kept on disk.
fn kept(create: &str, functions: &[String]) -> Vec<String> {
    let tokens = tokens(create);
    let elements = elements(&tokens);
    let gone = gone(&elements, functions);
    let is_kept = |element: &[&Token<'_>]| computed(element, &gone).is_some_and(|computed| computed.kept);
    let kept = elements.iter().filter(|(_, element)| is_kept(element));
    kept.filter_map(|(_, element)| Some(unquoted(element.first()?.text))).collect()
}

fn whole(element: &[&Token<'_>]) -> Option<(usize, usize)> {
    Some((element.first()?.at, element.last()?.end()))
}

/// Where a column says what it is computed from.
struct Computed {
    start: usize,
    end: usize,
    /// Whether its values are on disk.
    kept: bool,
}

/// How a column is computed, where one of these names is needed for it.
fn computed(element: &[&Token<'_>], names: &[String]) -> Option<Computed> {
    let at = element.iter().position(|token| token.is("as"))?;
    let body: Vec<_> = element.get(at + 2..)?.iter().take_while(|token| token.depth > 1).collect();
    if !body.iter().any(|token| is_one_of(token.text, names)) {
        return None;
    }
    let close = at + 2 + body.len();
    let is = |at: usize, word: &str| element.get(at).is_some_and(|token| token.is(word));
    let long = at >= 2 && is(at - 2, "generated") && is(at - 1, "always");
    let kept = is(close + 1, "stored");
    let last = if kept || is(close + 1, "virtual") { close + 1 } else { close };
    Some(Computed { start: element[if long { at - 2 } else { at }].at, end: element.get(last)?.end(), kept })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what a definition lacks, what stands in for it, and what it is in the end: itself, if nothing is given.
    fn check(create: &str, what: &str, stand_in: &str, definition: Option<&str>) {
        let lacking = Trial::new().expect("a database").of("t", create).expect("something is lacking");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!((lacking.what().as_str(), words(&lacking.stand_in)), (what, words(stand_in)));
        assert_eq!(words(&lacking.definition), words(definition.unwrap_or(create)));
        assert_eq!(lacking.own, definition.is_none());
    }

    #[test]
    fn a_definition_that_lacks_nothing_is_left_alone() {
        let trial = Trial::new().expect("a database");
        for create in [
            "CREATE TABLE t (a TEXT COLLATE NOCASE UNIQUE CHECK (a LIKE 'x%'), b AS (lower(a)) STORED)",
            "CREATE TABLE t (a, a)",
        ] {
            assert_eq!(trial.of("t", create), None, "{create}");
        }
    }

    #[test]
    fn checks_go_while_a_table_is_filled_and_come_back() {
        check(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, email TEXT UNIQUE CHECK (email REGEXP '@'), n INT CHECK (n > 0), \
             CONSTRAINT c CHECK (mine(n) < their(email)), CHECK (n < 9)) STRICT",
            "function REGEXP, function their",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, email TEXT UNIQUE , n INT CHECK (n > 0) , CHECK (n < 9)) STRICT",
            None,
        );
    }

    #[test]
    fn a_computed_column_that_is_kept_is_a_plain_one_and_another_goes() {
        check(
            "CREATE TABLE t (v TEXT AS (mine(a)), a TEXT, s TEXT NOT NULL GENERATED ALWAYS AS (mine(a) || 'x') STORED \
             UNIQUE, w AS (v || 'y') VIRTUAL, known AS (lower(a)), CHECK (v > ''))",
            "function mine",
            "CREATE TABLE t ( a TEXT, s TEXT NOT NULL UNIQUE , known AS (lower(a)) )",
            None,
        );
        let create = "CREATE TABLE t (a, v AS (mine(a)), s AS (mine(a)) STORED)";
        let lacking = Trial::new().expect("a database").of("t", create).expect("something is lacking");
        assert_eq!(
            (lacking.columns, lacking.computed),
            (vec!["a".to_owned(), "s".into()], vec!["s".to_owned()])
        );
    }

    #[test]
    fn no_index_is_ordered_by_a_collation_that_is_lacking() {
        check(
            "CREATE TABLE t (id TEXT PRIMARY KEY, name TEXT COLLATE PINYIN)",
            "collation PINYIN",
            "CREATE TABLE t (id TEXT PRIMARY KEY, name TEXT )",
            None,
        );
        for (create, plain) in [
            (
                "CREATE TABLE t (name TEXT COLLATE PINYIN UNIQUE, n CHECK (mine(n)))",
                "CREATE TABLE t (name TEXT UNIQUE, n CHECK (mine(n)))",
            ),
            (
                "CREATE TABLE t (name TEXT COLLATE pinyin, n CHECK (mine(n)), PRIMARY KEY (name)) WITHOUT ROWID",
                "CREATE TABLE t (name TEXT , n CHECK (mine(n)), PRIMARY KEY (name)) WITHOUT ROWID",
            ),
            (
                "CREATE TABLE t (name TEXT, n CHECK (mine(n)), UNIQUE (n, name COLLATE \"PINYIN\"))",
                "CREATE TABLE t (name TEXT, n CHECK (mine(n)), UNIQUE (n, name ))",
            ),
        ] {
            let lacking = Trial::new().expect("a database").of("t", create).expect("something is lacking");
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!((words(&lacking.definition), lacking.own), (words(plain), false));
        }
    }
}
