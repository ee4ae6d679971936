//! MySQL's JSON knows exact decimals, prints them like any number, and reads every number back as a double:
//! `1.10` as `1.1`, and of thirty digits seventeen. A value that holds one is therefore put together by an
//! expression, which casts each where it belongs.
//!
//! What else a value was cast from, such as a date, prints as a string and comes back as one: its text is the
//! same.

/// Digits that a double keeps for certain.
const DOUBLE_DIGITS: usize = 15;
/// Digits of a DECIMAL, and those after its point.
const DECIMAL_DIGITS_MAX: usize = 65;
const DECIMAL_PLACES_MAX: usize = 30;
/// MySQL itself takes a hundred levels.
const DEPTH_MAX: usize = 128;

/// The expression that makes `text`, a value as MySQL prints it, to the digit; none where its text alone does.
pub(super) fn exact(text: &[u8]) -> Option<Vec<u8>> {
    if !may_hold_decimals(text) {
        return None;
    }
    let mut reader = Reader { text, at: 0, path: b"$".to_vec(), found: Vec::new() };
    reader.value(0)?;
    if reader.found.is_empty() {
        return None;
    }
    let mut expression = b"JSON_REPLACE(".to_vec();
    push_text(&mut expression, text);
    for (path, number) in reader.found {
        expression.push(b',');
        push_text(&mut expression, &path);
        let (digits, places) = digits(number);
        let cast = format!(",CAST('{}' AS DECIMAL({digits},{places}))", String::from_utf8_lossy(number));
        expression.extend_from_slice(cast.as_bytes());
    }
    expression.push(b')');
    Some(expression)
}

/// Whether a number that a double might not keep can be there at all: most values have none.
fn may_hold_decimals(text: &[u8]) -> bool {
    let mut run = 0;
    text.iter().any(|byte| {
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        *byte == b'.' || run > DOUBLE_DIGITS
    })
}

/// Appends `'…'` as a string of characters: a session of bytes would make it one of those.
fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(b"CONVERT('");
    for byte in text {
        match byte {
            0 => out.extend_from_slice(b"\\0"),
            b'\\' | b'\'' => out.extend_from_slice(&[b'\\', *byte]),
            other => out.push(*other),
        }
    }
    out.extend_from_slice(b"' USING utf8mb4)");
}

/// How many digits a number has, and how many of them after its point.
fn digits(number: &[u8]) -> (usize, usize) {
    let all = number.iter().filter(|byte| byte.is_ascii_digit()).count();
    let places = number.iter().position(|byte| *byte == b'.').map_or(0, |point| number.len() - point - 1);
    (all, places)
}

/// Whether a number was no double and no integer, or might as well not have been: text that a double prints
/// again is left to be one.
fn is_decimal(number: &[u8]) -> bool {
    let (all, places) = digits(number);
    if number.iter().any(|byte| matches!(byte, b'e' | b'E'))
        || all > DECIMAL_DIGITS_MAX
        || places > DECIMAL_PLACES_MAX
    {
        return false;
    }
    if places == 0 {
        let text = std::str::from_utf8(number).unwrap_or_default();
        return text.parse::<i64>().is_err() && text.parse::<u64>().is_err();
    }
    // A whole double prints one zero after its point.
    all > DOUBLE_DIGITS || (number.ends_with(b"0") && places > 1)
}

/// Finds the decimals of a value, with the path to each.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    path: Vec<u8>,
    found: Vec<(Vec<u8>, &'a [u8])>,
}

impl<'a> Reader<'a> {
    /// Reads over a value; none if this is no JSON.
    fn value(&mut self, depth: usize) -> Option<()> {
        self.space();
        match self.text.get(self.at)? {
            _ if depth > DEPTH_MAX => None,
            b'{' => self.members(b'}', depth),
            b'[' => self.members(b']', depth),
            b'"' => self.string().map(drop),
            _ => {
                let word = self.word();
                if word.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-') && is_decimal(word)
                {
                    self.found.push((self.path.clone(), word));
                }
                (!word.is_empty()).then_some(())
            }
        }
    }

    /// An object or an array, up to what closes it.
    fn members(&mut self, end: u8, depth: usize) -> Option<()> {
        self.at += 1;
        for index in 0_usize.. {
            self.space();
            match (self.text.get(self.at)?, index) {
                (byte, _) if *byte == end => break,
                (b',', 1..) => self.at += 1,
                (_, 0) => {}
                _ => return None,
            }
            self.space();
            let outside = self.path.len();
            if end == b'}' {
                self.path.push(b'.');
                let key = self.string()?;
                self.path.extend_from_slice(key);
                self.space();
                self.take(b':')?;
            } else {
                self.path.extend_from_slice(format!("[{index}]").as_bytes());
            }
            self.value(depth + 1)?;
            self.path.truncate(outside);
        }
        self.take(end)
    }

    /// A string with its quotes, escaped as it stands: a path takes it like that.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.take(b'"')?;
        loop {
            match self.text.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(&self.text[start..self.at])
    }

    fn word(&mut self) -> &'a [u8] {
        let rest = &self.text[self.at..];
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'}' | b']' | b'"' | b':');
        let word = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.text.get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    fn space(&mut self) {
        let rest = self.text[self.at.min(self.text.len())..].iter();
        self.at += rest.take_while(|byte| byte.is_ascii_whitespace()).count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let made = exact(text.as_bytes()).map(|made| String::from_utf8_lossy(&made).into_owned());
        assert_eq!(made.as_deref(), expected, "{text}");
    }

    #[test]
    fn a_decimal_is_cast_where_it_stands() {
        check(
            r#"{"a": [1, 2.50], "it's \"\\": {"b": -0.10}}"#,
            Some(
                r#"JSON_REPLACE(CONVERT('{"a": [1, 2.50], "it\'s \\"\\\\": {"b": -0.10}}' USING utf8mb4),CONVERT('$."a"[1]' USING utf8mb4),CAST('2.50' AS DECIMAL(3,2)),CONVERT('$."it\'s \\"\\\\"."b"' USING utf8mb4),CAST('-0.10' AS DECIMAL(3,2)))"#,
            ),
        );
        check(
            "18446744073709551616",
            Some(
                "JSON_REPLACE(CONVERT('18446744073709551616' USING utf8mb4),CONVERT('$' USING utf8mb4),CAST('18446744073709551616' AS DECIMAL(20,0)))",
            ),
        );
    }

    #[test]
    fn what_a_double_or_an_integer_keeps_is_left_to_its_text() {
        for text in [
            r#"{"a": [1, 2.5], "b": 1.0, "c": -0.0, "d": 1e300, "e": "1.10", "1.10": true}"#,
            "[18446744073709551615, -9223372036854775808, 1.2345678901234568e29, 0.00001]",
            r#"{"unfinished": 1.10"#,
            "[1.10,, 2]",
            "",
            "{}",
            "null",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn more_digits_than_a_double_has_are_kept() {
        for number in ["0.30000000000000004", "12345678901234567890.12345", "-1.10", "100.00"] {
            assert!(is_decimal(number.as_bytes()), "{number}");
        }
    }

    #[test]
    fn what_is_nested_without_end_is_no_value() {
        check(&format!("{}1.10", "[".repeat(100_000)), None);
    }
}
