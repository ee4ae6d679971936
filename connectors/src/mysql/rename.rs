//! A database restored under another name: which statements name the old one, and which of those may be
//! changed.
//!
//! What the server printed qualifies names by itself, and follows the database. What a person wrote in a body
//! is left as it was written, strings above all, and told: it works on the old database still.

use super::scan::{Dialect, Kind, Piece, find, unquoted};
use super::sql::ident;

/// Replaces the qualifier `old` by `new` wherever it stands before a name, outside of strings.
pub(super) fn requalify(statement: &[u8], dialect: Dialect, old: &str, new: &str) -> Vec<u8> {
    let pieces = dialect.pieces(statement);
    let found = qualifiers(statement, &pieces, old);
    replaced(statement, found.into_iter().map(|place| (place, ident(new).into_bytes())))
}

/// The same in what a server prints of a view, where the name may also be a table's before its column: the
/// database is what stands before a table after FROM or JOIN, before a table and its column, before a
/// function's brackets and before a sequence.
pub(super) fn view(statement: &[u8], dialect: Dialect, old: &str, new: &str) -> Vec<u8> {
    let mut told = dialect.pieces(statement);
    told.retain(|piece| piece.kind != Kind::Gap);
    let view = View { statement, told: &told };
    let mut found = qualifiers(statement, &told, old);
    found.retain(|place| {
        told.iter().position(|piece| piece.at == *place).is_some_and(|at| view.is_database(at))
    });
    replaced(statement, found.into_iter().map(|place| (place, ident(new).into_bytes())))
}

/// A view's statement, taken apart.
struct View<'a> {
    statement: &'a [u8],
    told: &'a [Piece],
}

impl View<'_> {
    /// Whether the piece at `at` is `word`.
    fn is(&self, at: Option<usize>, word: &str) -> bool {
        let piece = at.and_then(|at| self.told.get(at));
        piece.is_some_and(|piece| self.statement[piece.at.clone()].eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Whether the name at `at`, before a dot and another name, is a database's.
    fn is_database(&self, at: usize) -> bool {
        if self.is(Some(at + 3), ".") || self.is(Some(at + 3), "(") {
            return true;
        }
        let before = at.checked_sub(1);
        let sequence = ["NEXTVAL", "LASTVAL", "SETVAL"].iter().any(|word| self.is(at.checked_sub(2), word));
        if self.is(before, "(") && sequence {
            return true;
        }
        let mut place = before;
        while self.is(place, "(") {
            place = place.and_then(|at| at.checked_sub(1));
        }
        let joined = self.is(place, "JOIN") || self.is(place, "STRAIGHT_JOIN");
        joined || (self.is(place, "FROM") && !self.is_argument(place))
    }

    /// Whether this FROM is no clause but a function's: `extract(year from …)`, `trim('x' from …)`.
    fn is_argument(&self, from: Option<usize>) -> bool {
        let (mut at, mut closed) = (from, 0_usize);
        while let Some(before) = at.and_then(|at| at.checked_sub(1)) {
            match (self.is(Some(before), ")"), self.is(Some(before), "(")) {
                (true, _) => closed += 1,
                (_, true) if closed == 0 => {
                    let function = before.checked_sub(1);
                    return self.is(function, "EXTRACT") || self.is(function, "TRIM");
                }
                (_, true) => closed -= 1,
                _ => {}
            }
            at = Some(before);
        }
        false
    }
}

/// The statement of a trigger for a database that may be called otherwise. Its head says which database the
/// trigger and its table are in, if whoever typed it said so. `is_known` tells the triggers of its table: one
/// that it stood before or after and that is gone since would keep it from being made.
pub(super) fn trigger(
    statement: &[u8],
    dialect: Dialect,
    (old, new): (&str, &str),
    is_known: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let pieces = dialect.pieces(statement);
    let told: Vec<_> = pieces.iter().filter(|piece| piece.kind != Kind::Gap).cloned().collect();
    let is = |at: usize, word: &str| {
        told.get(at).is_some_and(|piece| statement[piece.at.clone()].eq_ignore_ascii_case(word.as_bytes()))
    };
    let Some(row) = (0..told.len()).find(|at| is(*at, "FOR") && is(at + 1, "EACH") && is(at + 2, "ROW"))
    else {
        return statement.to_vec();
    };
    let mut changes = Vec::new();
    if old != new {
        let head = qualifiers(statement, &told[..row], old).into_iter();
        changes.extend(head.map(|place| (place, ident(new).into_bytes())));
    }
    let placed = is(row + 3, "FOLLOWS") || is(row + 3, "PRECEDES");
    let is_gone = |other: &&Piece| placed && !is_known(&unquoted(&statement[other.at.clone()]));
    if let Some(other) = told.get(row + 4).filter(is_gone) {
        changes.push((told[row + 3].at.start..other.at.end, Vec::new()));
    }
    replaced(statement, changes.into_iter())
}

/// How a body names a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mention {
    /// Before a name.
    Code,
    /// Within a string, which may become a statement.
    Text,
}

/// Whether `statement` names `database`.
pub(super) fn mention(statement: &[u8], dialect: Dialect, database: &str) -> Option<Mention> {
    let pieces = dialect.pieces(statement);
    if !qualifiers(statement, &pieces, database).is_empty() {
        return Some(Mention::Code);
    }
    let texts = pieces.iter().filter(|piece| piece.kind == Kind::Text);
    let mut texts = texts.map(|piece| &statement[piece.at.clone()]);
    texts.any(|text| qualifies_within(text, database)).then_some(Mention::Text)
}

/// Whether a string holds the name before a dot.
fn qualifies_within(text: &[u8], database: &str) -> bool {
    let name = database.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..);
    let mut from = 0;
    while let Some(at) = find(&text[from..], name).map(|at| from + at) {
        // Not the end of a longer name, and not a mail address.
        let begins = at == 0 || !(is_word(&text[at - 1]) || matches!(text[at - 1], b'.' | b'@'));
        let after = text[at + name.len()..].strip_prefix(b"`").unwrap_or(&text[at + name.len()..]);
        if begins && after.first() == Some(&b'.') {
            return true;
        }
        from = at + 1;
    }
    false
}

/// Where `database` stands before a dot, and no dot before it.
fn qualifiers(statement: &[u8], pieces: &[Piece], database: &str) -> Vec<std::ops::Range<usize>> {
    let told: Vec<_> = pieces.iter().filter(|piece| piece.kind != Kind::Gap).collect();
    let dot =
        |at: Option<usize>| at.and_then(|at| told.get(at)).is_some_and(|p| statement[p.at.clone()] == *b".");
    let names = |piece: &Piece| {
        let bytes = &statement[piece.at.clone()];
        let bare = piece.kind == Kind::Word && !bytes[0].is_ascii_digit();
        (bare || piece.kind == Kind::Name) && unquoted(bytes) == database.as_bytes()
    };
    let found = told.iter().enumerate();
    let found = found.filter(|(at, piece)| names(piece) && dot(Some(at + 1)) && !dot(at.checked_sub(1)));
    found.map(|(_, piece)| piece.at.clone()).collect()
}

fn replaced(statement: &[u8], changes: impl Iterator<Item = (std::ops::Range<usize>, Vec<u8>)>) -> Vec<u8> {
    let (mut out, mut copied) = (Vec::with_capacity(statement.len()), 0);
    for (place, by) in changes {
        out.extend_from_slice(&statement[copied..place.start]);
        out.extend_from_slice(&by);
        copied = place.end;
    }
    out.extend_from_slice(&statement[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_renamed_where_it_qualifies_and_nowhere_else() {
        let view =
            "select `crm`.`t`.`a` AS `crm`,'`crm`.' AS `x`,`s`.`crm`.`b`,1.5 from (`crm`.`t` join `s`)";
        let expected =
            "select `new`.`t`.`a` AS `crm`,'`crm`.' AS `x`,`s`.`crm`.`b`,1.5 from (`new`.`t` join `s`)";
        let renamed = requalify(view.as_bytes(), Dialect::default(), "crm", "new");
        assert_eq!(String::from_utf8_lossy(&renamed), expected);
        // A text need not be UTF-8.
        let latin1 = requalify(b"select '\xe9' from `crm`.`t`", Dialect::default(), "crm", "new");
        assert_eq!(latin1, b"select '\xe9' from `new`.`t`");
    }

    #[test]
    fn a_table_that_bears_the_databases_name_keeps_it() {
        let check = |statement: &str, expected: &str| {
            let made = view(statement.as_bytes(), Dialect::default(), "crm", "new");
            assert_eq!(String::from_utf8_lossy(&made), expected);
        };
        check(
            "select `crm`.`id` AS `id`,`two`() AS `n`,`crm`.`two`() AS `m` from (`crm` join `t` on(`t`.`id` = `crm`.`id`)) where `crm`.`id` > 0",
            "select `crm`.`id` AS `id`,`two`() AS `n`,`new`.`two`() AS `m` from (`crm` join `t` on(`t`.`id` = `crm`.`id`)) where `crm`.`id` > 0",
        );
        check(
            "select max(`crm`.`crm`.`d`),nextval(`crm`.`s`) from ((`crm`.`crm` left join `crm`.`d` `y` on(extract(year from `crm`.`d`) > (1))) join `other`.`crm`)",
            "select max(`new`.`crm`.`d`),nextval(`new`.`s`) from ((`new`.`crm` left join `new`.`d` `y` on(extract(year from `crm`.`d`) > (1))) join `other`.`crm`)",
        );
        check(
            "select trim(leading concat('x') from `crm`.`name`) from (select 1 from `crm`.`d`) `q`",
            "select trim(leading concat('x') from `crm`.`name`) from (select 1 from `new`.`d`) `q`",
        );
    }

    #[test]
    fn a_trigger_goes_where_its_table_goes_and_its_body_stays() {
        let check = |statement: &str, expected: &str| {
            let known = |name: &[u8]| name == b"here";
            let made = trigger(statement.as_bytes(), Dialect::default(), ("crm", "new"), known);
            assert_eq!(String::from_utf8_lossy(&made), expected);
        };
        check(
            "CREATE DEFINER=`crm`@`%` TRIGGER crm.t BEFORE INSERT ON `crm` . x FOR EACH ROW INSERT INTO crm.log VALUES ('crm.t')",
            "CREATE DEFINER=`crm`@`%` TRIGGER `new`.t BEFORE INSERT ON `new` . x FOR EACH ROW INSERT INTO crm.log VALUES ('crm.t')",
        );
        check(
            "TRIGGER t AFTER DELETE ON x FOR EACH ROW FOLLOWS `gone` SET @a=1",
            "TRIGGER t AFTER DELETE ON x FOR EACH ROW  SET @a=1",
        );
        check(
            "TRIGGER t AFTER DELETE ON x FOR EACH ROW\nprecedes here SET @a=1",
            "TRIGGER t AFTER DELETE ON x FOR EACH ROW\nprecedes here SET @a=1",
        );
    }

    #[test]
    fn a_body_that_names_a_database_is_found() {
        let check = |body: &str, expected: Option<Mention>| {
            assert_eq!(mention(body.as_bytes(), Dialect::default(), "crm"), expected, "{body}");
        };
        check("INSERT INTO crm.log VALUES (1)", Some(Mention::Code));
        check("CALL `crm` . p()", Some(Mention::Code));
        check("PREPARE s FROM 'DELETE FROM crm.log'", Some(Mention::Text));
        check("PREPARE s FROM \"DELETE FROM `crm`.log\"", Some(Mention::Text));
        check("SELECT 'li@crm.cn', x.crm.y, /* crm.a */ crm, 'my_crm.log', 'a.crm.b' -- crm.b\n", None);
    }
}
