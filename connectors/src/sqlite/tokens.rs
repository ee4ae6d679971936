//! SQLite's SQL cut into tokens, as far as a table's definition must be understood to take something out of it:
//! it knows quotes, comments and brackets.

/// A piece of SQL, and how many brackets are open around it.
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) depth: usize,
}

impl Token<'_> {
    /// Where it ends.
    pub(super) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// Whether it is this word, in no bracket but the definition's own.
    pub(super) fn is(&self, word: &str) -> bool {
        self.depth == 1 && self.text.eq_ignore_ascii_case(word)
    }
}

/// One definition of a column or constraint after another, each with the place of the comma before it.
pub(super) fn elements<'a, 'b>(tokens: &'b [Token<'a>]) -> Vec<(Option<usize>, Vec<&'b Token<'a>>)> {
    let inside: Vec<_> = tokens.iter().filter(|token| token.depth > 0).collect();
    let mut comma = None;
    let cut = |element: &[&'b Token<'a>]| {
        let next = element.last().filter(|last| last.is(",")).map(|last| last.at);
        let element = if next.is_some() { &element[..element.len() - 1] } else { element };
        (std::mem::replace(&mut comma, next), element.to_vec())
    };
    inside.split_inclusive(|token| token.is(",")).map(cut).collect()
}

/// The text with spaces in these places, which are of whole tokens.
pub(super) fn blanked(create: &str, blank: &[(usize, usize)]) -> String {
    let mut text = create.as_bytes().to_vec();
    for (start, end) in blank {
        text[*start..*end].fill(b' ');
    }
    String::from_utf8(text).unwrap_or_else(|_| create.to_owned())
}

/// Cuts SQL into tokens.
pub(super) fn tokens(sql: &str) -> Vec<Token<'_>> {
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

/// A name without its quotes.
pub(super) fn unquoted(name: &str) -> String {
    let quotes = [('"', '"'), ('`', '`'), ('\'', '\''), ('[', ']')];
    let inner = quotes.iter().find_map(|(open, close)| {
        let inner = name.strip_prefix(*open)?.strip_suffix(*close)?;
        Some(inner.replace(&format!("{close}{close}"), &close.to_string()))
    });
    inner.unwrap_or_else(|| name.to_owned())
}
