//! Foreign keys that cannot hold because of what is withheld or masked: they are left out and named, before
//! the server would refuse them after all the rows.
//!
//! Which columns a key ties is read from the archive, as pg_restore prints it, so that it is known of every
//! snapshot. A key of a form that is not recognised is left to the server.

use std::collections::BTreeSet;

use super::load::PostgresLoad;
use super::subset;
use crate::load::left_out;
use crate::tie::Tie;
use crate::{Result, TableName};

/// A foreign key of the archive.
#[derive(Debug, PartialEq, Eq)]
struct ForeignKey {
    name: String,
    tie: Tie,
}

/// The entries of keys that are left out, and of what hangs on them, such as their comments; and what is said of
/// the keys.
pub(super) async fn broken(load: &PostgresLoad) -> Result<(BTreeSet<u64>, Vec<String>)> {
    let (mut entries, mut notes) = (BTreeSet::new(), Vec::new());
    let list = subset::foreign_keys(&load.listing);
    if load.plan.withheld.is_empty() || list.is_empty() {
        return Ok((entries, notes));
    }
    let lines = list.values().fold(String::new(), |lines, line| lines + line + "\n");
    for key in parse(&load.statements("post-data", &lines).await?) {
        let Some(table) = breaks(load, &key.tie) else { continue };
        let TableName { schema, name } = &key.tie.child;
        let text = format!(" FK CONSTRAINT {} {name} {} ", schema.as_deref().unwrap_or_default(), key.name);
        entries.extend(list.iter().filter(|(_, line)| line.contains(&text)).map(|(id, _)| *id));
        notes.push(left_out(&table.to_string(), &format!("foreign key {}", key.name.escape_debug())));
    }
    Ok((subset::with_what_hangs_on(&load.listing, entries), notes))
}

/// The table whose key does not hold, if it does not: rows of a partitioned one are its partitions'.
fn breaks<'a>(load: &PostgresLoad, tie: &'a Tie) -> Option<&'a TableName> {
    let leaves = |table: &TableName| -> Vec<TableName> {
        let partitioned = load.database.partitioned.iter().find(|known| known.name == *table);
        let leaves = partitioned.map_or_else(|| vec![table], |table| load.database.leaves(table));
        let restored = |leaf: &&TableName| load.plan.tables.iter().any(|table| table.name == **leaf);
        leaves.into_iter().filter(restored).cloned().collect()
    };
    let parents = leaves(&tie.parent);
    let of_leaves = leaves(&tie.child).into_iter().flat_map(|child| {
        let tie = |parent: &TableName| Tie { child: child.clone(), parent: parent.clone(), ..tie.clone() };
        parents.iter().map(tie).collect::<Vec<_>>()
    });
    of_leaves.into_iter().any(|tie| load.plan.breaks(&tie)).then_some(&tie.child)
}

/// Reads `ALTER TABLE ONLY s.t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES s.p(b);` out of a script. One that is not
/// checked (NOT VALID) is passed over: it can be there whatever the rows are.
fn parse(script: &str) -> Vec<ForeignKey> {
    let tokens = tokens(script);
    tokens.split(|token| token == ";").filter_map(foreign_key).collect()
}

fn foreign_key(statement: &[String]) -> Option<ForeignKey> {
    let is = |at: usize, word: &str| statement.get(at).is_some_and(|token| token == word);
    let start = statement.windows(2).position(|pair| pair[0] == "ALTER" && pair[1] == "TABLE")?;
    let (child, at) = qualified(statement, start + 2 + usize::from(is(start + 2, "ONLY")))?;
    if !(is(at, "ADD") && is(at + 1, "CONSTRAINT") && is(at + 3, "FOREIGN") && is(at + 4, "KEY")) {
        return None;
    }
    let (columns, at) = names(statement, at + 5)?;
    let (parent, at) = qualified(statement, at + usize::from(is(at, "REFERENCES")))?;
    let (parents, after) = names(statement, at)?;
    let rest = &statement[after..];
    let says = |words: [&str; 2]| rest.windows(2).any(|pair| pair == words);
    if says(["NOT", "VALID"]) || says(["NOT", "ENFORCED"]) || columns.len() != parents.len() {
        return None;
    }
    let key = statement.iter().position(|token| token == "CONSTRAINT")?;
    let columns = columns.into_iter().zip(parents).collect();
    let tie = Tie { child, parent, columns, full: says(["MATCH", "FULL"]) };
    Some(ForeignKey { name: unquoted(&statement[key + 1]), tie })
}

/// A table's name at `at`, with its schema, and what comes after.
fn qualified(statement: &[String], at: usize) -> Option<(TableName, usize)> {
    let (schema, name) = (statement.get(at)?, statement.get(at + 2)?);
    let name = TableName { schema: Some(unquoted(schema)), name: unquoted(name) };
    (statement.get(at + 1)? == ".").then_some((name, at + 3))
}

/// The columns in the brackets at `at`, and what comes after. A period's columns are like others here.
fn names(statement: &[String], at: usize) -> Option<(Vec<String>, usize)> {
    let end = at + statement.get(at..)?.iter().position(|token| token == ")")?;
    let inside = statement.get(at + 1..end).filter(|_| statement[at] == "(")?;
    let of_column = |tokens: &[String]| tokens.last().map(|name| unquoted(name));
    let names = inside.split(|token| token == ",").map(of_column).collect::<Option<_>>()?;
    Some((names, end + 1))
}

/// A name as it is, whether it is written in quotes or not.
pub(super) fn unquoted(name: &str) -> String {
    let inner = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    inner.map_or_else(|| name.to_owned(), |inner| inner.replace("\"\"", "\""))
}

/// Words, quoted ones with their quotes, and signs; comments are passed over.
fn tokens(script: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), script);
    while let Some(first) = rest.chars().next() {
        let is_word = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$');
        let end = match first {
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => quote_end(rest, first),
            _ if is_word(first) => rest.find(|character| !is_word(character)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        if !first.is_whitespace() && !token.starts_with("--") {
            tokens.push(token.to_owned());
        }
        rest = after;
    }
    tokens
}

/// Where the quote that a text begins with has closed.
pub(super) fn quote_end(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_pg_restore_prints_them() {
        let script = "--\n-- PostgreSQL; \"dump\n--\n\\restrict abc\nSET client_encoding = 'UTF8; ''';\n\n\
            -- Name: visits of; Type: FK CONSTRAINT\n\nALTER TABLE ONLY public.visits\n    ADD CONSTRAINT \"of;\"\"k\" \
            FOREIGN KEY (number, \"Day, (\") REFERENCES \"S\".customers(id_number, day) MATCH FULL ON DELETE CASCADE;\n\n\
            ALTER TABLE public.parted\n    ADD CONSTRAINT k FOREIGN KEY (a, PERIOD p) REFERENCES public.q(b, PERIOD r) ON DELETE SET NULL (a);\n\
            ALTER TABLE ONLY public.t\n    ADD CONSTRAINT l FOREIGN KEY (a) REFERENCES public.q(b) NOT VALID;\n";
        let table = |schema: &str, name: &str| TableName { schema: Some(schema.into()), name: name.into() };
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(child, parent)| ((*child).to_owned(), (*parent).to_owned())).collect()
        };
        let first = Tie {
            child: table("public", "visits"),
            parent: table("S", "customers"),
            columns: pairs(&[("number", "id_number"), ("Day, (", "day")]),
            full: true,
        };
        let second = Tie {
            child: table("public", "parted"),
            parent: table("public", "q"),
            columns: pairs(&[("a", "b"), ("p", "r")]),
            full: false,
        };
        let expected =
            [ForeignKey { name: "of;\"k".into(), tie: first }, ForeignKey { name: "k".into(), tie: second }];
        assert_eq!(parse(script), expected);
    }
}
