//! A statement's bytes taken for what they are: words, quoted names, strings, comments.
//!
//! A statement stands in the character set of whoever typed it, in some of which a byte that looks like a
//! quote is half of a character. Knows no grammar; never copies.

use std::ops::Range;

/// How a statement is to be read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dialect {
    /// `"` quotes a name, as `ANSI_QUOTES` has it.
    ansi_quotes: bool,
    /// A backslash in a string is one, as `NO_BACKSLASH_ESCAPES` has it.
    plain_backslash: bool,
    /// Where a first byte from here on takes the next one along, whatever that is.
    pairs_from: Option<u8>,
}

/// What a stretch of a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, a number, or a name without quotes.
    Word,
    /// A name in its quotes.
    Name,
    /// A string in its quotes.
    Text,
    /// White space or a comment.
    Gap,
    /// One byte of anything else.
    Sign,
}

/// A stretch of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

impl Dialect {
    /// How a statement is read that was typed under `sql_mode` in `charset`.
    pub(super) fn of(sql_mode: &str, charset: &str) -> Self {
        let has = |mode: &str| sql_mode.split(',').any(|set| set.eq_ignore_ascii_case(mode));
        let pairs = ["gbk", "gb2312", "gb18030", "big5", "sjis", "cp932", "euckr"];
        Self {
            ansi_quotes: has("ANSI_QUOTES") || has("ANSI"),
            plain_backslash: has("NO_BACKSLASH_ESCAPES"),
            pairs_from: pairs.contains(&charset).then_some(0x81),
        }
    }

    /// Takes a statement apart; the pieces in order make the whole.
    pub(super) fn pieces(self, statement: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < statement.len() {
            let (kind, length) = self.next(&statement[at..]);
            pieces.push(Piece { kind, at: at..at + length });
            at += length;
        }
        pieces
    }

    /// What `rest` begins with, and how long it is.
    fn next(self, rest: &[u8]) -> (Kind, usize) {
        match rest {
            [b'`', ..] => (Kind::Name, self.quoted(rest)),
            [b'"', ..] if self.ansi_quotes => (Kind::Name, self.quoted(rest)),
            [b'\'' | b'"', ..] => (Kind::Text, self.quoted(rest)),
            // What is for some versions only is read as what it says.
            [b'/', b'*', b'!', ..] => (Kind::Gap, 3),
            [b'/', b'*', ..] => (Kind::Gap, find(rest, b"*/").map_or(rest.len(), |end| end + 2)),
            [b'#', ..] => (Kind::Gap, line(rest)),
            [b'-', b'-', after, ..] if after.is_ascii_whitespace() => (Kind::Gap, line(rest)),
            [space, ..] if space.is_ascii_whitespace() => {
                (Kind::Gap, rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count())
            }
            _ => match self.word(rest) {
                0 => (Kind::Sign, 1),
                length => (Kind::Word, length),
            },
        }
    }

    /// The length of a quoted stretch, its quotes included; all of the rest if it does not end.
    fn quoted(self, rest: &[u8]) -> usize {
        let quote = rest[0];
        let escapes = quote != b'`' && !self.plain_backslash && !(quote == b'"' && self.ansi_quotes);
        let mut at = 1;
        while at < rest.len() {
            let byte = rest[at];
            let doubled = byte == quote && rest.get(at + 1) == Some(&quote);
            if byte == quote && !doubled {
                return at + 1;
            }
            let two = doubled || (byte == b'\\' && escapes) || self.is_pair(byte);
            at += if two { 2 } else { 1 };
        }
        rest.len()
    }

    fn word(self, rest: &[u8]) -> usize {
        let mut at = 0;
        while let Some(byte) = rest.get(at) {
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)) {
                break;
            }
            at += if self.is_pair(*byte) { 2 } else { 1 };
        }
        at.min(rest.len())
    }

    fn is_pair(self, byte: u8) -> bool {
        self.pairs_from.is_some_and(|from| byte >= from)
    }
}

/// Where `wanted` stands in `bytes` for the first time.
pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len().max(1)).position(|window| window == wanted)
}

fn line(rest: &[u8]) -> usize {
    find(rest, b"\n").map_or(rest.len(), |end| end + 1)
}

/// A name without its quotes, or a word as it is.
pub(super) fn unquoted(piece: &[u8]) -> Vec<u8> {
    let (Some(&quote @ (b'`' | b'"')), Some(_)) = (piece.first(), piece.get(1)) else {
        return piece.to_vec();
    };
    let (mut name, mut at) = (Vec::with_capacity(piece.len()), 1);
    while at + 1 < piece.len() {
        name.push(piece[at]);
        at += if piece[at] == quote { 2 } else { 1 };
    }
    name
}

/// A definition that can be sent as UTF-8: a string of other bytes, such as a binary column's default, is
/// written in hexadecimal digits.
pub(super) fn as_utf8(definition: &[u8]) -> String {
    let mut text = String::with_capacity(definition.len());
    for Piece { kind, at } in Dialect::default().pieces(definition) {
        let piece = &definition[at];
        match std::str::from_utf8(piece) {
            Err(_) if kind == Kind::Text => {
                let digits = string(piece).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                // Apart from what introduces it.
                text.push_str(&format!(" x'{digits}'"));
            }
            _ => text.push_str(&String::from_utf8_lossy(piece)),
        }
    }
    text
}

/// The bytes that a quoted string stands for.
fn string(piece: &[u8]) -> Vec<u8> {
    let inner = &piece[1..piece.len().max(2) - 1];
    let (mut bytes, mut at) = (Vec::with_capacity(inner.len()), 0);
    while at < inner.len() {
        let (byte, length) = match (inner[at], inner.get(at + 1)) {
            (b'\\', Some(b'0')) => (0, 2),
            (b'\\', Some(b'n')) => (b'\n', 2),
            (b'\\', Some(b'r')) => (b'\r', 2),
            (b'\\', Some(b't')) => (b'\t', 2),
            (b'\\', Some(b'b')) => (8, 2),
            (b'\\', Some(b'Z')) => (0x1a, 2),
            (b'\\', Some(other)) => (*other, 2),
            (b'\'', Some(b'\'')) => (b'\'', 2),
            (other, _) => (other, 1),
        };
        bytes.push(byte);
        at += length;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(dialect: Dialect, statement: &[u8]) -> Vec<(Kind, String)> {
        let pieces = dialect.pieces(statement).into_iter();
        let told = pieces.filter(|piece| piece.kind != Kind::Gap);
        told.map(|piece| (piece.kind, String::from_utf8_lossy(&statement[piece.at]).into_owned())).collect()
    }

    #[test]
    fn a_statement_is_taken_apart() {
        let statement = b"SET @a=`x``y`.b/* 'no */ -- no\n, 'it''s \\' on', \"t\" # no";
        let words = |pieces: Vec<(Kind, String)>| -> Vec<String> {
            pieces.into_iter().map(|(kind, text)| format!("{kind:?} {text}")).collect()
        };
        assert_eq!(
            words(kinds(Dialect::default(), statement)),
            [
                "Word SET",
                "Sign @",
                "Word a",
                "Sign =",
                "Name `x``y`",
                "Sign .",
                "Word b",
                "Sign ,",
                "Text 'it''s \\' on'",
                "Sign ,",
                "Text \"t\""
            ]
        );
        let ansi = Dialect::of("PIPES_AS_CONCAT,ANSI_QUOTES", "utf8mb4");
        assert_eq!(kinds(ansi, b"\"t\""), [(Kind::Name, "\"t\"".to_owned())]);
        let plain = Dialect::of("NO_BACKSLASH_ESCAPES", "latin1");
        assert_eq!(kinds(plain, b"'a\\',b").len(), 3);
    }

    #[test]
    fn half_a_character_is_no_quote() {
        // 0x60 and 0x27 as second bytes.
        let gbk = Dialect::of("", "gbk");
        let statement = b"\x81\x60.b '\x81\x27'";
        let found: Vec<_> = gbk.pieces(statement).into_iter().map(|piece| piece.kind).collect();
        assert_eq!(found, [Kind::Word, Kind::Sign, Kind::Word, Kind::Gap, Kind::Text]);
    }

    #[test]
    fn a_statement_that_does_not_end_is_taken_to_its_end() {
        for statement in [&b"'abc\\"[..], b"`a``", b"/* x", b"-- ", b"\"", b""] {
            let pieces = Dialect::default().pieces(statement);
            assert_eq!(pieces.last().map_or(0, |piece| piece.at.end), statement.len());
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_written_in_digits() {
        let definition =
            b"CREATE TABLE `\xc3\xa9` (`b` binary(4) DEFAULT '\xff\\0''\\n', `c` int DEFAULT '\xc3\xa9')";
        let expected = "CREATE TABLE `é` (`b` binary(4) DEFAULT  x'ff00270a', `c` int DEFAULT 'é')";
        assert_eq!(as_utf8(definition), expected);
    }

    #[test]
    fn a_name_loses_its_quotes() {
        assert_eq!(unquoted(b"`a``b`"), b"a`b");
        assert_eq!(unquoted(b"\"a\""), b"a");
        assert_eq!(unquoted(b"word"), b"word");
    }
}
