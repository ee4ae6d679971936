//! The definition of a table whose columns come back without their values: NULL is allowed where it was not.
//!
//! It knows quotes, comments and brackets of SQLite's SQL, and of its grammar that a column's definition
//! begins with the column's name: what it does not recognise stays as it is.

/// A piece of SQL, and how many brackets are open around it.
struct Token<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// The statement that creates a table, with NULL allowed in these columns and in computed ones.
pub fn allow_null(create: &str, columns: &[String]) -> String {
    let tokens = tokens(create);
    let mut left_out = Vec::new();
    let inside: Vec<_> = tokens.iter().filter(|token| token.depth > 0).collect();
    for element in inside.split(|token| token.depth == 1 && token.text == ",") {
        let named = element.first().is_some_and(|name| {
            let name = unquoted(name.text);
            columns.iter().any(|column| column.eq_ignore_ascii_case(&name))
        });
        let own: Vec<_> = element.iter().filter(|token| token.depth == 1).collect();
        if named || own.iter().any(|token| token.text.eq_ignore_ascii_case("as")) {
            left_out.extend(not_null(&own));
        }
    }
    let mut text = create.as_bytes().to_vec();
    for (start, end) in left_out {
        text[start..end].fill(b' ');
    }
    // Whole tokens were replaced, so what is left is text.
    String::from_utf8(text).unwrap_or_else(|_| create.to_owned())
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

fn tokens(sql: &str) -> Vec<Token<'_>> {
    let bytes = sql.as_bytes();
    let (mut tokens, mut at, mut depth) = (Vec::new(), 0, 0_usize);
    while at < bytes.len() {
        let start = at;
        at = match bytes[at] {
            quote @ (b'\'' | b'"' | b'`') => after_quote(bytes, at, quote),
            b'[' => memchr::memchr(b']', &bytes[at..]).map_or(bytes.len(), |end| at + end + 1),
            b'-' if bytes[at..].starts_with(b"--") => {
                at = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end + 1);
                continue;
            }
            b'/' if bytes[at..].starts_with(b"/*") => {
                let end = memchr::memmem::find(&bytes[at + 2..], b"*/");
                at = end.map_or(bytes.len(), |end| at + 2 + end + 2);
                continue;
            }
            byte if is_word(byte) => {
                at + bytes[at..].iter().position(|byte| !is_word(*byte)).unwrap_or(bytes.len() - at)
            }
            _ => at + 1,
        };
        let text = &sql[start..at];
        depth = if text == ")" { depth.saturating_sub(1) } else { depth };
        // The brackets around all definitions belong to none of them.
        let is_outer = depth == 0 && matches!(text, "(" | ")");
        if !text.trim().is_empty() && !is_outer {
            tokens.push(Token { text, at: start, depth });
        }
        depth += usize::from(text == "(");
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

/// Where the quote that opens at `at` has closed.
fn after_quote(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut at = at + 1;
    while let Some(end) = memchr::memchr(quote, &bytes[at..]) {
        at += end + 1;
        if bytes.get(at) != Some(&quote) {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

fn unquoted(name: &str) -> String {
    let quotes = [('"', '"'), ('`', '`'), ('\'', '\''), ('[', ']')];
    let inner = quotes.iter().find_map(|(open, close)| {
        let inner = name.strip_prefix(*open)?.strip_suffix(*close)?;
        Some(inner.replace(&format!("{close}{close}"), &close.to_string()))
    });
    inner.unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(create: &str, columns: &[&str], expected: &str) {
        let columns: Vec<_> = columns.iter().map(|column| (*column).to_owned()).collect();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&allow_null(create, &columns)), words(expected));
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
            "CREATE TABLE t (a text CHECK (a IS NOT NULL) DEFAULT 'NOT NULL,', b int NOT NULL)",
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
}
