//! How a column's values leave the server as text that says all of them, and how they go back in.
//!
//! Most print exactly. The others are named here, each with its reason.

use super::server::Family;
use super::sql::ident;

/// What a column needs beyond being named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Prints exactly and is taken back as bytes.
    Plain,
    /// FLOAT prints six digits, and a declared precision rounds: both are asked for as DOUBLE, which
    /// prints the shortest text that reads back as the same number.
    Double,
    /// An ENUM or SET with an empty member, whose text would not tell that member from no member at all, or
    /// in a character set whose bytes are not taken back as a member's name.
    Number,
    /// MariaDB's UUID and INET types take text, and bytes are none.
    Ascii,
    /// MySQL's JSON refuses bytes.
    Utf8,
}

impl Shape {
    /// The shape of a column of `column_type`, as `information_schema` prints it.
    pub(super) fn of(family: Family, column_type: &str) -> Self {
        let lower = column_type.to_lowercase();
        let word = lower.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        match (family, word) {
            (_, "float" | "double" | "real") => Self::Double,
            (_, "enum" | "set") if has_empty_member(column_type) || is_wide(&lower) => Self::Number,
            (Family::MariaDb, "uuid" | "inet4" | "inet6") => Self::Ascii,
            (Family::MySql, "json") => Self::Utf8,
            _ => Self::Plain,
        }
    }

    /// What is selected for the column.
    pub(super) fn read(self, column: &str) -> String {
        let name = ident(column);
        match self {
            Self::Plain | Self::Ascii | Self::Utf8 => name,
            Self::Double => format!("CAST({name} AS DOUBLE)"),
            // Not `+0`, which counts in doubles: a SET may have 64 members, a bit for each.
            Self::Number => format!("CAST({name} AS UNSIGNED)"),
        }
    }

    /// What `value`, an expression of bytes, is made into before the column takes it; none when the
    /// bytes do.
    pub(super) fn write(self, value: &str) -> Option<String> {
        match self {
            Self::Plain | Self::Double => None,
            Self::Number => Some(format!("CAST({value} AS UNSIGNED)")),
            Self::Ascii => Some(format!("CONVERT({value} USING latin1)")),
            Self::Utf8 => Some(format!("CONVERT({value} USING utf8mb4)")),
        }
    }
}

fn is_wide(column_type: &str) -> bool {
    column_type.rsplit_once(')').is_some_and(|(_, after)| after.starts_with(" character set "))
}

/// Whether one of the members between the brackets is `''`.
fn has_empty_member(column_type: &str) -> bool {
    let members = column_type.split_once('(').map_or("", |(_, members)| members).as_bytes();
    let (mut at, mut length) = (0, None);
    while at < members.len() {
        match (members[at], length) {
            (b'\'', None) => length = Some(0),
            (b'\'', Some(_)) if members.get(at + 1) == Some(&b'\'') => {
                (at, length) = (at + 1, length.map(|length: usize| length + 1));
            }
            (b'\'', Some(0)) => return true,
            (b'\'', Some(_)) => length = None,
            (_, Some(inside)) => length = Some(inside + 1),
            _ => {}
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_print_exactly_is_asked_for_differently() {
        let check =
            |family, column_type, shape| assert_eq!(Shape::of(family, column_type), shape, "{column_type}");
        check(Family::MariaDb, "float(7,2)", Shape::Double);
        check(Family::MySql, "double unsigned", Shape::Double);
        check(Family::MariaDb, "uuid", Shape::Ascii);
        check(Family::MySql, "json", Shape::Utf8);
        check(Family::MariaDb, "enum('a','b')", Shape::Plain);
        check(Family::MariaDb, "enum('a','')", Shape::Number);
        check(Family::MariaDb, "set('','b')", Shape::Number);
        check(Family::MariaDb, "enum('a','b') character set utf16", Shape::Number);
        check(Family::MariaDb, "enum('it''s','''')", Shape::Plain);
        check(Family::MySql, "varchar(20)", Shape::Plain);
    }
}
