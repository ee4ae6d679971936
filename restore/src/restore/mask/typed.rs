//! Masks of fields by the shape of their values, so that the target takes them.

use jiff::civil::Date;

use super::cipher::{Cipher, Symbol};
use super::shape::Shape;
use super::text;

/// A number of a larger exponent might be masked beyond what its type holds.
const EXPONENT_MAX: i32 = 36;

/// Appends another value in the place of `field`, which is not NULL.
pub fn mask(cipher: &Cipher, shape: Shape, field: &[u8], out: &mut Vec<u8>) {
    if shape == Shape::Classed {
        return classed(cipher, field, out);
    }
    if shape == Shape::Bytes {
        return bytes(cipher, field, out);
    }
    // Text of SQLite's may be any bytes; of a server that is not UTF-8 no column is masked.
    let Ok(text) = std::str::from_utf8(field) else { return bytes(cipher, field, out) };
    let masked = match shape {
        Shape::Text | Shape::Bytes | Shape::Classed => escaped(&text::mask(cipher, &unescaped(field))),
        Shape::Integer(largest) => integer(cipher, text, largest),
        Shape::Decimal => decimal(cipher, text),
        Shape::Date | Shape::Time => time(cipher, text),
        Shape::Hex => hex(cipher, text),
        Shape::Json => escaped(&json(cipher, &unescaped(field))),
    };
    out.extend_from_slice(masked.as_bytes());
}

/// SQLite keeps the class of a value before it.
fn classed(cipher: &Cipher, field: &[u8], out: &mut Vec<u8>) {
    let Some((class, value)) = field.split_first() else { return };
    out.push(*class);
    match class {
        b'i' => mask(cipher, Shape::Integer(i64::MAX as u64), value, out),
        b'r' => mask(cipher, Shape::Decimal, value, out),
        b't' => mask(cipher, Shape::Text, value, out),
        _ => bytes(cipher, value, out),
    }
}

fn bytes(cipher: &Cipher, field: &[u8], out: &mut Vec<u8>) {
    let raw = unescaped_bytes(field);
    let mut symbols: Vec<_> = raw.iter().map(|byte| Symbol { value: (*byte).into(), radix: 256 }).collect();
    let format = (raw.len() as u64).to_le_bytes();
    cipher.permute(&mut symbols, &format);
    for symbol in symbols {
        match symbol.value as u8 {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => out.push(byte),
        }
    }
}

/// Digits in the place of digits, the first of them not 0, until the number is one that the type holds.
fn integer(cipher: &Cipher, text: &str, largest: u64) -> String {
    // The smallest is one further from zero.
    let largest = if text.starts_with('-') { largest.saturating_add(1) } else { largest };
    let value =
        |text: &str| text.trim_start_matches('-').parse::<u64>().ok().filter(|value| *value <= largest);
    if value(text).is_none() {
        return text.to_owned();
    }
    let mut masked = digits(cipher, text);
    while value(&masked).is_none() {
        masked = digits(cipher, &masked);
    }
    masked
}

fn decimal(cipher: &Cipher, text: &str) -> String {
    let (number, exponent) = match text.find(['e', 'E']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let power = exponent.get(1..).unwrap_or_default().parse::<i32>().unwrap_or_default();
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.'));
    match is_number && power.abs() <= EXPONENT_MAX {
        true => digits(cipher, number) + exponent,
        // NaN, Infinity and numbers at the edge of their type.
        false => text.to_owned(),
    }
}

/// Zeros that lead stay, so that a number keeps its size; the first digit after them is none. Whether the last one
/// after a point is zero stays too: numbers that are written in their shortest form differ as their texts do.
fn digits(cipher: &Cipher, text: &str) -> String {
    let mut leading = true;
    let last = if text.contains('.') { text.len() } else { 0 };
    let (mut symbols, mut format) = (Vec::new(), Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        let symbol = match byte {
            b'0' if at + 1 == last => None,
            b'1'..=b'9' if leading || at + 1 == last => Some(Symbol { value: digit - 1, radix: 9 }),
            b'0'..=b'9' if !leading => Some(Symbol { value: digit, radix: 10 }),
            _ => None,
        };
        leading &= symbol.is_none();
        format.push(symbol.map_or(byte, |symbol| if symbol.radix == 9 { b'1' } else { b'#' }));
        symbols.extend(symbol);
    }
    cipher.permute(&mut symbols, &format);
    let mut symbols = symbols.into_iter();
    let put = |byte: u8| match byte {
        b'1' | b'#' => {
            let symbol = symbols.next().unwrap_or(Symbol { value: 0, radix: 10 });
            char::from_digit(symbol.value + u32::from(symbol.radix == 9), 10).unwrap_or('0')
        }
        kept => char::from(kept),
    };
    format.into_iter().map(put).collect()
}

/// Another day of the same year, and another time of day; what is neither stays.
fn time(cipher: &Cipher, text: &str) -> String {
    let (mut symbols, mut format) = (Vec::new(), String::new());
    let day = Day::of(text);
    let mut rest = text;
    if let Some(day) = &day {
        let value = day.date.day_of_year().unsigned_abs() as u32 - 1;
        symbols.push(Symbol { value, radix: day.date.days_in_year().unsigned_abs().into() });
        format.push_str(day.year);
        rest = day.rest;
    }
    let clock = clock(rest);
    symbols.extend(&clock.symbols);
    format.push_str(&clock.format);
    cipher.permute(&mut symbols, format.as_bytes());
    let mut values = symbols.into_iter().map(|symbol| symbol.value);
    let day = day.and_then(|day| day.put(values.next()?));
    day.unwrap_or_default() + &clock.put(values)
}

/// The date that a text begins with. After the year 9999 it is one of a year that has the same days.
struct Day<'a> {
    year: &'a str,
    date: Date,
    rest: &'a str,
}

impl<'a> Day<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let at = text.find('-').filter(|at| *at >= 4)?;
        let (year, rest) = (&text[..at], text.get(at + 6..)?);
        let number: u64 = year.parse().ok()?;
        // The calendar repeats itself after so many years.
        let like = if number > 9999 { 2000 + number % 400 } else { number };
        let date = format!("{like:04}{}", &text[at..at + 6]).parse().ok()?;
        Some(Self { year, date, rest })
    }

    fn put(&self, day: u32) -> Option<String> {
        let first = Date::new(self.date.year(), 1, 1).ok()?;
        let date = first.checked_add(jiff::Span::new().days(i64::from(day))).ok()?;
        Some(format!("{}{}", self.year, date.strftime("-%m-%d")))
    }
}

/// Hours that are masked by others between the same bounds, so that they keep their digits and what has only so many
/// of them takes the mask: those of a day, and of an interval, which ends at 838 in MySQL.
const HOURS: [std::ops::Range<u32>; 6] = [0..24, 24..100, 100..838, 838..839, 839..1000, 1000..10_000];

/// A time of day or an interval within a text: `HH:MM:SS`, and digits of a second after a point.
struct Clock<'a> {
    before: &'a str,
    hours: std::ops::Range<u32>,
    symbols: Vec<Symbol>,
    format: String,
    after: &'a str,
}

fn clock(text: &str) -> Clock<'_> {
    let none = Clock { before: text, hours: 0..0, symbols: Vec::new(), format: text.to_owned(), after: "" };
    let Some(colon) = text.find(':') else { return none };
    let is_digit = |byte: &&u8| byte.is_ascii_digit();
    let start = colon - text.as_bytes()[..colon].iter().rev().take_while(is_digit).count();
    let (before, hour, time) = (&text[..start], &text[start..colon], &text[colon..]);
    let hours = HOURS.into_iter().find(|hours| hour.parse().is_ok_and(|hour| hours.contains(&hour)));
    let Some(hours) = hours.filter(|_| hour.len() >= 2) else { return none };
    let part = |at: usize| {
        let value = time.get(at..at + 2)?.parse::<u32>().ok()?;
        (value < 60).then_some(Symbol { value, radix: 60 })
    };
    let (Some(minute), Some(second), Some(":")) = (part(1), part(4), time.get(3..4)) else { return none };
    let value = hour.parse::<u32>().unwrap_or_default() - hours.start;
    let mut symbols = vec![Symbol { value, radix: hours.end - hours.start }, minute, second];
    let fraction = time[6..].strip_prefix('.').unwrap_or_default();
    let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
    symbols
        .extend(fraction.bytes().take(count).map(|byte| Symbol { value: u32::from(byte - b'0'), radix: 10 }));
    let after = if count > 0 { &fraction[count..] } else { &time[6..] };
    let format = match hours.start {
        0 => format!("{before}::{count}{after}"),
        start => format!("{before}{start}::{count}{after}"),
    };
    Clock { before, hours, symbols, format, after }
}

impl Clock<'_> {
    fn put(&self, mut values: impl Iterator<Item = u32>) -> String {
        if self.symbols.is_empty() {
            return self.before.to_owned();
        }
        let mut next = || values.next().unwrap_or_default();
        let (hour, minute, second) = (self.hours.start + next(), next(), next());
        let mut text = format!("{}{hour:02}:{minute:02}:{second:02}", self.before);
        if self.symbols.len() > 3 {
            text.push('.');
            text.extend((3..self.symbols.len()).map(|_| char::from_digit(next(), 10).unwrap_or('0')));
        }
        text + self.after
    }
}

/// Digits of base 16, but for a beginning that says so (`\\x`).
fn hex(cipher: &Cipher, text: &str) -> String {
    let (head, digits) = match text.find('x') {
        Some(at) => text.split_at(at + 1),
        None => ("", text),
    };
    let mut symbols: Vec<_> =
        digits.chars().filter_map(|digit| Some(Symbol { value: digit.to_digit(16)?, radix: 16 })).collect();
    let format: String =
        digits.chars().map(|digit| if digit.is_ascii_hexdigit() { '0' } else { digit }).collect();
    cipher.permute(&mut symbols, format.as_bytes());
    let mut values = symbols.into_iter();
    let put = |digit: char| match digit {
        '0' => values.next().and_then(|symbol| char::from_digit(symbol.value, 16)).unwrap_or('0'),
        kept => kept,
    };
    head.to_owned() + &format.chars().map(put).collect::<String>()
}

/// Strings and numbers of JSON; names of members, `true`, `false` and `null` stay.
fn json(cipher: &Cipher, text: &str) -> String {
    let (mut masked, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' => string_end(rest),
            '-' | '0'..='9' => rest.find([',', ']', '}', ' ', '\n', '\r', '\t']).unwrap_or(rest.len()),
            other => other.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        let is_name = first == '"' && after.trim_start().starts_with(':');
        match first {
            '"' if !is_name => {
                let string = serde_json::from_str::<String>(token).unwrap_or_default();
                masked += &serde_json::to_string(&text::mask(cipher, &string)).unwrap_or_default();
            }
            '-' | '0'..='9' => masked += &decimal(cipher, token),
            _ => masked += token,
        }
        rest = after;
    }
    masked
}

/// Where the string that a text begins with has ended.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn unescaped(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescaped_bytes(field)).into_owned()
}

fn unescaped_bytes(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        bytes.extend(rest.next().map(|escaped| match escaped {
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'0' => 0,
            b'Z' => 26,
            other => *other,
        }));
    }
    bytes
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn masked(shape: Shape, field: &str) -> String {
        let mut out = Vec::new();
        mask(&Cipher::new([5; 32]), shape, field.as_bytes(), &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn numbers_keep_their_digits_and_fit_their_type() {
        for value in ["2147483647", "1999999999", "-2000000000"] {
            let masked = masked(Shape::Integer(i32::MAX as u64), value);
            assert!(masked.parse::<i32>().is_ok() && masked.len() == value.len(), "{masked}");
        }
        let all: HashSet<_> = (100..1000).map(|n| masked(Shape::Integer(127), &n.to_string())).collect();
        assert_eq!(all.len(), 900, "what the type does not hold stays as it is");
        let small: HashSet<_> = (1..=127).map(|n| masked(Shape::Integer(127), &n.to_string())).collect();
        assert!(small.len() == 127 && small.iter().all(|n| n.parse::<i8>().is_ok()), "{small:?}");
        assert_eq!(masked(Shape::Integer(127), "0"), "0");
        let money = masked(Shape::Decimal, "-1234.50");
        assert!(money.len() == 8 && money.parse::<f64>().is_ok_and(|money| money <= -1000.0), "{money}");
        assert_eq!(masked(Shape::Decimal, "NaN"), "NaN");
        let smallest = masked(Shape::Integer(i64::MAX as u64), "-9223372036854775808");
        assert!(smallest != "-9223372036854775808" && smallest.parse::<i64>().is_ok(), "{smallest}");
        let negative: HashSet<_> = (1..=128).map(|n| masked(Shape::Integer(127), &format!("-{n}"))).collect();
        assert!(negative.len() == 128 && negative.iter().all(|n| n.parse::<i8>().is_ok()), "{negative:?}");
        assert!(masked(Shape::Decimal, "0.05").starts_with("0.0"));
    }

    #[test]
    fn different_numbers_with_a_point_have_different_masks_as_numbers() {
        let all: Vec<_> = (1..2000).map(|n| f64::from(n) / 100.0).collect();
        let masked: HashSet<_> = all
            .iter()
            .map(|number| {
                masked(Shape::Decimal, &number.to_string()).parse::<f64>().expect("a number").to_bits()
            })
            .collect();
        assert_eq!(masked.len(), all.len());
    }

    #[test]
    fn dates_and_times_are_others_of_the_same_year() {
        let days: HashSet<_> =
            (1..=28).map(|day| masked(Shape::Date, &format!("1949-12-{day:02}"))).collect();
        assert!(
            days.len() == 28
                && days.iter().all(|day| day.starts_with("1949-") && day.parse::<Date>().is_ok())
        );
        let time = masked(Shape::Time, "2026-11-23 02:30:00.125+01");
        assert!(time.starts_with("2026-") && time.ends_with("+01") && time.len() == 26, "{time}");
        assert!(time[..23].replace(' ', "T").parse::<jiff::civil::DateTime>().is_ok(), "{time}");
        assert_ne!(masked(Shape::Time, "12:34:56"), "12:34:56");
        for kept in ["infinity", "0000-00-00 00:00"] {
            assert_eq!(masked(Shape::Time, kept), kept);
        }
    }

    #[test]
    fn intervals_longer_than_a_day_and_far_years_are_masked_too() {
        for (text, hours) in [
            ("30:15:22", 24..100),
            ("-837:00:01", 100..838),
            ("1 day 999:00:01", 839..1000),
            ("4000:00:00", 1000..10_000),
        ] {
            let masked = masked(Shape::Time, text);
            let (before, clock) =
                masked.split_at(masked.len() - text.trim_start_matches(['1', ' ', 'd', 'a', 'y', '-']).len());
            let hour: u32 = clock.split(':').next().expect("an hour").parse().expect("a number");
            assert!(
                masked != text && masked.len() == text.len() && hours.contains(&hour),
                "{text}: {masked}"
            );
            assert!(text.starts_with(before), "{text}: {masked}");
        }
        let longest = masked(Shape::Time, "-838:59:59");
        assert!(longest != "-838:59:59" && longest.starts_with("-838:"), "{longest}");
        let far = masked(Shape::Date, "12024-02-29");
        assert!(far != "12024-02-29" && far.starts_with("12024-") && far.len() == 11, "{far}");
        let days: HashSet<_> =
            (1..=29).map(|day| masked(Shape::Date, &format!("12024-02-{day:02}"))).collect();
        assert_eq!(days.len(), 29);
        assert!(masked(Shape::Time, "0044-03-15 BC").ends_with(" BC"));
    }

    #[test]
    fn a_time_of_day_stays_one() {
        for second in 0..60 {
            let masked = masked(Shape::Time, &format!("23:59:{second:02}"));
            assert!(masked.parse::<jiff::civil::Time>().is_ok(), "{masked}");
        }
    }

    #[test]
    fn no_backslash_keeps_what_follows_it() {
        for (shape, field) in [(Shape::Text, "1\\\\2\\\\3"), (Shape::Json, "\"1\\\\\\\\2\\\\\\\\3\"")] {
            let all: HashSet<_> =
                ["4", "5", "6", "7"].iter().map(|last| masked(shape, &field.replace('3', last))).collect();
            let firsts: HashSet<_> = all.iter().map(|one| one.trim_matches('"').chars().next()).collect();
            let middles: HashSet<_> =
                all.iter().map(|one| one.chars().filter(char::is_ascii_digit).nth(1)).collect();
            assert!(all.len() == 4 && firsts.len() > 1 && middles.len() > 1, "{all:?}");
            assert!(all.iter().all(|one| one.len() == field.len()), "{all:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay_as_many_and_apart() {
        let text = |last: u8| {
            let mut out = Vec::new();
            mask(&Cipher::new([5; 32]), Shape::Classed, &[b't', 0xE9, 0xFF, last], &mut out);
            unescaped_bytes(&out)
        };
        let all: HashSet<_> = (0x80..=0xFF).map(text).collect();
        assert!(all.len() == 128 && all.iter().all(|one| one.len() == 4 && one[0] == b't'));
    }

    #[test]
    fn hex_json_and_classes_keep_their_form() {
        let uuid = masked(Shape::Hex, "6f1c2b3a-0000-4000-8000-123456789abc");
        assert!(uuid.len() == 36 && uuid.matches('-').count() == 4, "{uuid}");
        assert!(masked(Shape::Hex, "\\\\xdeadbeef").starts_with("\\\\x"));
        let json =
            masked(Shape::Json, "{\"name\": \"Zhang \\\\\"Wei\\\\\"\", \"age\": 41, \"ok\": [true, null]}");
        let value: serde_json::Value = serde_json::from_str(&unescaped(json.as_bytes())).expect("JSON");
        assert!(
            value["name"] != "Zhang \"Wei\"" && value["age"].is_u64() && value["ok"][0] == true,
            "{json}"
        );
        assert!(
            masked(Shape::Classed, "i42").starts_with('i') && masked(Shape::Classed, "tab").starts_with('t')
        );
    }
}
