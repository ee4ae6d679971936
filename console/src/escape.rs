//! Text that somebody else chose, made safe to print.
//!
//! A table may be called `\x1b[2J` or carry a character that turns the rest of the line around; an
//! operator at 3 a.m. must see what is there.

use std::borrow::Cow;

/// Replaces control characters, and characters that reorder or break a line, with visible escapes.
///
/// The answer is one line. Everything else, Chinese and emoji included, stays as it is.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    Cow::Owned(escaped)
}

/// Escapes each line and sets those after the first in, so that none can pass for a line of our own.
pub(crate) fn escape_lines(text: &str) -> String {
    text.trim_end().lines().map(escape).collect::<Vec<_>>().join("\n  ")
}

/// Unicode's control characters, line and paragraph separators, and the marks, embeddings, overrides
/// and isolates of its bidirectional algorithm (UAX #9, table 1).
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        assert_eq!(escape(input), expected);
    }

    #[test]
    fn what_could_steer_a_terminal_is_shown_instead() {
        check("contacts", "contacts");
        check("客户 😀", "客户 😀");
        check("a\x1b[2Jb", "a\\u{1b}[2Jb");
        check("a\nerror: b\r\t\0", "a\\nerror: b\\r\\t\\u{0}");
        check("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}");
        check("x\u{202e}y\u{2066}\u{2028}", "x\\u{202e}y\\u{2066}\\u{2028}");
    }

    #[test]
    fn later_lines_are_set_in() {
        assert_eq!(escape_lines("denied\nhint: \x07all is well\n"), "denied\n  hint: \\u{7}all is well");
    }
}
