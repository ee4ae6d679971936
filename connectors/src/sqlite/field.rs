//! One field of a line: a value with its storage class. See the table in the module above.

use std::borrow::Cow;
use std::io::Write;

use crate::{Error, Result};

/// Bytes of a value looked at at once for what is to be escaped.
const BYTES_AT_ONCE: usize = 32;

/// A value read back from a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Field<'a> {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT in UTF-8, or in whatever bytes a UTF-8 database held.
    Text(Cow<'a, [u8]>),
    /// TEXT of a UTF-16 database that is no valid UTF-16.
    Wide(Cow<'a, [u8]>),
    /// BLOB.
    Blob(Cow<'a, [u8]>),
}

/// Appends NULL.
pub fn put_null(line: &mut Vec<u8>) {
    line.extend_from_slice(b"\\N");
}

/// Appends an INTEGER.
pub fn put_integer(line: &mut Vec<u8>, value: i64) {
    line.push(b'i');
    if value < 0 {
        line.push(b'-');
    }
    let start = line.len();
    let mut rest = value.unsigned_abs();
    while rest > 9 || line.len() == start {
        line.push(b'0' + (rest % 10) as u8);
        rest /= 10;
    }
    if rest > 0 {
        line.push(b'0' + rest as u8);
    }
    line[start..].reverse();
}

/// Appends a REAL. Rust prints the shortest decimal that parses to the same bits.
pub fn put_real(line: &mut Vec<u8>, value: f64) {
    write!(line, "r{value:?}").expect("a Vec takes every write");
}

/// Appends TEXT (`t`), a BLOB (`b`) or UTF-16 bytes (`w`).
pub fn put_bytes(line: &mut Vec<u8>, class: u8, value: &[u8]) {
    line.push(class);
    for bytes in value.chunks(BYTES_AT_ONCE) {
        let may_escape = bytes.iter().fold(false, |may, byte| may | (*byte < b' ') | (*byte == b'\\'));
        if !may_escape {
            line.extend_from_slice(bytes);
            continue;
        }
        for byte in bytes {
            match escape_of(*byte) {
                Some(letter) => line.extend([b'\\', letter]),
                None => line.push(*byte),
            }
        }
    }
}

/// Parses a line, its newline included, into exactly `count` fields.
///
/// # Errors
/// `Error::Damaged`, naming `table`, when it is anything else.
pub fn parse_line<'a>(line: &'a [u8], count: usize, table: &str) -> Result<Vec<Field<'a>>> {
    let damaged = |reason: &str| Error::Damaged { what: format!("a row of {table}"), reason: reason.into() };
    let line = line.strip_suffix(b"\n").ok_or_else(|| damaged("its line does not end"))?;
    let mut fields = Vec::with_capacity(count);
    let ends = memchr::memchr_iter(b'\t', line).chain([line.len()]);
    let mut start = 0;
    for end in ends {
        let field = &line[start..end];
        start = end + 1;
        fields.push(parse(field).ok_or_else(|| damaged("a field has no known form"))?);
    }
    if fields.len() != count {
        return Err(damaged(&format!("{} fields where {count} were expected", fields.len())));
    }
    Ok(fields)
}

fn parse(field: &[u8]) -> Option<Field<'_>> {
    if field == b"\\N" {
        return Some(Field::Null);
    }
    let (class, rest) = field.split_first()?;
    match class {
        b'i' => std::str::from_utf8(rest).ok()?.parse().ok().map(Field::Integer),
        b'r' => std::str::from_utf8(rest).ok()?.parse().ok().map(Field::Real),
        b't' => unescape(rest).map(Field::Text),
        b'b' => unescape(rest).map(Field::Blob),
        b'w' => unescape(rest).map(Field::Wide),
        _ => None,
    }
}

fn escape_of(byte: u8) -> Option<u8> {
    match byte {
        b'\\' => Some(b'\\'),
        b'\t' => Some(b't'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        8 => Some(b'b'),
        12 => Some(b'f'),
        11 => Some(b'v'),
        _ => None,
    }
}

fn unescape(field: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(first) = memchr::memchr(b'\\', field) else { return Some(Cow::Borrowed(field)) };
    let mut bytes = Vec::with_capacity(field.len());
    let (mut rest, mut next) = (field, Some(first));
    while let Some(plain) = next {
        bytes.extend_from_slice(&rest[..plain]);
        bytes.push(match rest.get(plain + 1)? {
            b'\\' => b'\\',
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            _ => return None,
        });
        rest = &rest[plain + 2..];
        next = memchr::memchr(b'\\', rest);
    }
    bytes.extend_from_slice(rest);
    Some(Cow::Owned(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands `check` a value as it is read back.
    fn read_back(put: impl Fn(&mut Vec<u8>), check: impl Fn(&Field<'_>)) {
        let mut line = Vec::new();
        put(&mut line);
        assert!(!line.contains(&b'\n') && !line.contains(&b'\t'));
        line.push(b'\n');
        check(&parse_line(&line, 1, "t").expect("it parses")[0]);
    }

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).collect();
        for length in 0..all.len() {
            for value in [&all[..length], &all[length..]] {
                read_back(
                    |line| put_bytes(line, b'b', value),
                    |read| assert_eq!(*read, Field::Blob(value.into())),
                );
            }
        }
        read_back(|line| put_bytes(line, b't', b"\\N"), |read| assert_eq!(*read, Field::Text(b"\\N".into())));
        read_back(put_null, |read| assert_eq!(*read, Field::Null));
    }

    #[test]
    fn every_number_survives_to_the_bit() {
        for value in [i64::MIN, -10, -1, 0, 1, 9, 10, 11, 99, 100, i64::MAX] {
            let mut line = Vec::new();
            put_integer(&mut line, value);
            assert_eq!(line, format!("i{value}").into_bytes());
            read_back(|line| put_integer(line, value), |read| assert_eq!(*read, Field::Integer(value)));
        }
        for value in [-0.0, 0.1, f64::MIN_POSITIVE, 5e-324, f64::MAX, f64::INFINITY, f64::NEG_INFINITY] {
            read_back(
                |line| put_real(line, value),
                |read| {
                    let Field::Real(read) = read else { panic!("a real") };
                    assert_eq!(read.to_bits(), value.to_bits());
                },
            );
        }
    }

    #[test]
    fn a_line_of_another_form_is_damage() {
        for line in [&b"i1"[..], b"i1\ti2\n", b"x1\n", b"i1x\n", b"t\\q\n", b"t\\\n", b"\n"] {
            assert!(matches!(parse_line(line, 1, "t"), Err(Error::Damaged { .. })), "{line:?}");
        }
    }
}
