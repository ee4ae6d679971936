//! A row as the server sends it, made into a line as `LOAD DATA` reads it.
//!
//! Fields are separated by tabs and ended by a newline; NULL is `\N`; backslash, tab, newline, carriage
//! return and the zero byte are escaped as `\\`, `\t`, `\n`, `\r` and `\0`. Every other byte stands as it
//! is stored, in whatever character set its column has.

use super::wire::{RawRow, WireError};
use crate::RowBatch;

/// Appends a row of `columns` values to `batch`.
pub(super) fn push(batch: &mut RowBatch, mut row: RawRow<'_>, columns: usize) -> Result<(), WireError> {
    for column in 0..columns {
        if column > 0 {
            batch.bytes.push(b'\t');
        }
        match row.value()? {
            Some(value) => escape(&mut batch.bytes, value),
            None => batch.bytes.extend_from_slice(b"\\N"),
        }
    }
    batch.bytes.push(b'\n');
    batch.ends.push(batch.bytes.len());
    Ok(())
}

/// Looks over the whole value first: most hold nothing to escape, and a loop that only looks is one that
/// the compiler turns into wide instructions.
#[inline]
fn escape(out: &mut Vec<u8>, value: &[u8]) {
    let special = value.iter().fold(false, |special, byte| special | (*byte < b' ') | (*byte == b'\\'));
    if !special {
        out.extend_from_slice(value);
        return;
    }
    for &byte in value {
        match byte {
            0 => out.extend_from_slice(b"\\0"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            other => out.push(other),
        }
    }
}

/// Splits a line, without its newline, into its fields, still escaped; none is NULL.
pub(super) fn fields(line: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    line.split(|byte| *byte == b'\t').map(|field| (field != b"\\N").then_some(field))
}

/// The bytes that a field stands for.
pub(super) fn unescaped(field: &[u8]) -> Vec<u8> {
    let (mut bytes, mut at) = (Vec::with_capacity(field.len()), 0);
    while let Some(byte) = field.get(at) {
        let (byte, length) = match (byte, field.get(at + 1)) {
            (b'\\', Some(b'0')) => (0, 2),
            (b'\\', Some(b't')) => (b'\t', 2),
            (b'\\', Some(b'n')) => (b'\n', 2),
            (b'\\', Some(b'r')) => (b'\r', 2),
            (b'\\', Some(other)) => (*other, 2),
            (other, _) => (*other, 1),
        };
        bytes.push(byte);
        at += length;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_any_bytes_stays_on_its_line() {
        let check = |value: &[u8], expected: &[u8]| {
            let mut out = Vec::new();
            escape(&mut out, value);
            assert_eq!(out, expected);
            assert_eq!(unescaped(&out), value);
        };
        check(b"plain \xe4\xb8\xad", b"plain \xe4\xb8\xad");
        check(b"a\tb\nc\rd\\e\0f\x1a", b"a\\tb\\nc\\rd\\\\e\\0f\x1a");
        check(b"\\N", b"\\\\N");
        check(b"", b"");
    }

    #[test]
    fn null_is_told_from_the_word() {
        let found: Vec<_> = fields(b"\\N\t\\\\N\t\tNULL").collect();
        assert_eq!(found, [None, Some(&b"\\\\N"[..]), Some(b""), Some(b"NULL")]);
    }
}
