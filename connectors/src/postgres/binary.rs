//! Rows from COPY's text format into its binary one, which the server takes in half the time: reading
//! numbers and timestamps out of text costs it more than storing them.
//!
//! Only types whose binary form has stayed the same since PostgreSQL 13 are known. A table with a column
//! of any other type is loaded as text, and so are the rows from the first one on that holds a value
//! this module does not understand: nothing depends on it but speed. What a value means is never
//! guessed: each is read whole, or not at all.
//!
//! The format: <https://www.postgresql.org/docs/current/sql-copy.html>, under "Binary Format".

use std::net::IpAddr;

use crate::RowBatch;

mod numeric;
mod time;

/// What comes before the first row: the signature, no flags, no extension.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What comes after the last.
pub(super) const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// A batch above this holds a huge row, which is better passed on as text than held twice.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How a type's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Bytea,
    Date,
    Float4,
    Float8,
    Inet,
    Int2,
    Int4,
    Int8,
    Jsonb,
    Numeric,
    /// The text itself: strings, `json`, and the labels of enums.
    Text,
    Time,
    Timestamp,
    Uuid,
}

/// A value that this module does not understand; the server may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotUnderstood;

/// Turns the rows of one table.
#[derive(Debug)]
pub(super) struct Encoder {
    kinds: Vec<Kind>,
    /// The value at hand, without its escapes.
    value: Vec<u8>,
}

impl Kind {
    /// The kind of a type by its oid, which is fixed for built-in types; enums have oids of their own.
    fn of(oid: u32, is_enum: bool) -> Option<Self> {
        Some(match oid {
            _ if is_enum => Self::Text,
            16 => Self::Bool,
            17 => Self::Bytea,
            20 => Self::Int8,
            21 => Self::Int2,
            23 => Self::Int4,
            // text, json, bpchar, varchar
            25 | 114 | 1042 | 1043 => Self::Text,
            700 => Self::Float4,
            701 => Self::Float8,
            869 => Self::Inet,
            1082 => Self::Date,
            1083 => Self::Time,
            // timestamp and timestamptz
            1114 | 1184 => Self::Timestamp,
            1700 => Self::Numeric,
            2950 => Self::Uuid,
            3802 => Self::Jsonb,
            _ => return None,
        })
    }

    fn write(self, value: &[u8], out: &mut Vec<u8>) -> Result<(), NotUnderstood> {
        match self {
            Self::Text => out.extend_from_slice(value),
            Self::Jsonb => {
                out.push(1); // the version of jsonb's form
                out.extend_from_slice(value);
            }
            Self::Bool => out.push(match value {
                b"t" => 1,
                b"f" => 0,
                _ => return Err(NotUnderstood),
            }),
            Self::Bytea => hex(value.strip_prefix(b"\\x").ok_or(NotUnderstood)?, out)?,
            Self::Int2 => out.extend(parse::<i16>(value)?.to_be_bytes()),
            Self::Int4 => out.extend(parse::<i32>(value)?.to_be_bytes()),
            Self::Int8 => out.extend(parse::<i64>(value)?.to_be_bytes()),
            Self::Float4 => out.extend(parse::<f32>(value)?.to_be_bytes()),
            Self::Float8 => out.extend(parse::<f64>(value)?.to_be_bytes()),
            Self::Date => out.extend(time::date(text(value)?).ok_or(NotUnderstood)?.to_be_bytes()),
            Self::Time => out.extend(time::time_of_day(text(value)?).ok_or(NotUnderstood)?.to_be_bytes()),
            Self::Timestamp => out.extend(time::timestamp(text(value)?).ok_or(NotUnderstood)?.to_be_bytes()),
            Self::Numeric => numeric::write(value, out).ok_or(NotUnderstood)?,
            Self::Inet => inet(text(value)?, out)?,
            Self::Uuid => uuid(value, out)?,
        }
        Ok(())
    }
}

impl Encoder {
    /// An encoder for rows of these columns, each the oid of its type (a domain's base) and whether it
    /// is an enum; `None` when one of them is not known.
    pub(super) fn new(columns: impl IntoIterator<Item = (u32, bool)>) -> Option<Self> {
        let kinds = columns.into_iter().map(|(oid, is_enum)| Kind::of(oid, is_enum));
        let kinds: Vec<_> = kinds.collect::<Option<_>>()?;
        Some(Self { kinds, value: Vec::new() })
    }

    /// Turns a batch, whole or not at all.
    pub(super) fn encode(&mut self, batch: &RowBatch) -> Result<Vec<u8>, NotUnderstood> {
        if batch.bytes.len() > BATCH_BYTES_MAX {
            return Err(NotUnderstood);
        }
        let mut out = Vec::with_capacity(batch.bytes.len() + batch.bytes.len() / 2);
        let fields = i16::try_from(self.kinds.len()).map_err(|_| NotUnderstood)?.to_be_bytes();
        for line in batch.lines() {
            out.extend_from_slice(&fields);
            self.row(line.strip_suffix(b"\n").ok_or(NotUnderstood)?, &mut out)?;
        }
        Ok(out)
    }

    fn row(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), NotUnderstood> {
        let mut rest = Some(line);
        for kind in &self.kinds {
            let (field, escaped, after) = first_field(rest.ok_or(NotUnderstood)?);
            rest = after;
            if field == b"\\N" {
                out.extend((-1_i32).to_be_bytes());
                continue;
            }
            let length_at = out.len();
            out.extend([0; 4]);
            if escaped {
                unescape(field, &mut self.value)?;
                kind.write(&self.value, out)?;
            } else {
                kind.write(field, out)?;
            }
            let length = i32::try_from(out.len() - length_at - 4).map_err(|_| NotUnderstood)?;
            out[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
        }
        if rest.is_none() { Ok(()) } else { Err(NotUnderstood) }
    }
}

/// The field that a line begins with, whether it holds escapes, and what follows the tab after it.
fn first_field(line: &[u8]) -> (&[u8], bool, Option<&[u8]>) {
    let mut escaped = false;
    for at in memchr::memchr2_iter(b'\t', b'\\', line) {
        if line[at] == b'\t' {
            return (&line[..at], escaped, Some(&line[at + 1..]));
        }
        escaped = true;
    }
    (line, escaped, None)
}

/// Takes COPY's escapes out, as far as COPY itself writes them.
fn unescape(field: &[u8], out: &mut Vec<u8>) -> Result<(), NotUnderstood> {
    out.clear();
    let mut rest = field;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        out.push(match rest.get(at + 1) {
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 11,
            Some(b'\\') => b'\\',
            _ => return Err(NotUnderstood),
        });
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

fn text(value: &[u8]) -> Result<&str, NotUnderstood> {
    std::str::from_utf8(value).map_err(|_| NotUnderstood)
}

fn parse<T: std::str::FromStr>(value: &[u8]) -> Result<T, NotUnderstood> {
    text(value)?.parse().map_err(|_| NotUnderstood)
}

fn hex(digits: &[u8], out: &mut Vec<u8>) -> Result<(), NotUnderstood> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).ok_or(NotUnderstood);
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(NotUnderstood);
    }
    for [high, low] in pairs {
        out.push((nibble(*high)? << 4 | nibble(*low)?) as u8);
    }
    Ok(())
}

fn uuid(value: &[u8], out: &mut Vec<u8>) -> Result<(), NotUnderstood> {
    if value.len() != 36 || [8, 13, 18, 23].iter().any(|at| value[*at] != b'-') {
        return Err(NotUnderstood);
    }
    [0..8, 9..13, 14..18, 19..23, 24..36].into_iter().try_for_each(|part| hex(&value[part], out))
}

/// Family, bits of the mask, not a `cidr`, bytes of the address, the address.
fn inet(value: &str, out: &mut Vec<u8>) -> Result<(), NotUnderstood> {
    let (address, bits) =
        value.split_once('/').map_or((value, None), |(address, bits)| (address, Some(bits)));
    let bits = bits.map(str::parse::<u8>).transpose().map_err(|_| NotUnderstood)?;
    match address.parse::<IpAddr>().map_err(|_| NotUnderstood)? {
        IpAddr::V4(address) => {
            out.extend([2, bits.unwrap_or(32), 0, 4]);
            out.extend(address.octets());
        }
        IpAddr::V6(address) => {
            out.extend([3, bits.unwrap_or(128), 0, 16]);
            out.extend(address.octets());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(oid: u32, field: &str) -> Result<Vec<u8>, NotUnderstood> {
        let mut batch = RowBatch::default();
        batch.push_line(format!("{field}\n").as_bytes());
        let out = Encoder::new([(oid, false)]).expect("a type that is known").encode(&batch)?;
        Ok(out[2..].to_vec())
    }

    #[test]
    fn a_row_is_its_fields_with_their_lengths() {
        assert_eq!(encoded(25, "a\\tb\\\\n"), Ok(b"\0\0\0\x05a\tb\\n".to_vec()));
        assert_eq!(encoded(20, "\\N"), Ok(vec![0xff; 4]));
        assert_eq!(encoded(20, "-2"), Ok([&[0, 0, 0, 8], &(-2_i64).to_be_bytes()[..]].concat()));
        assert_eq!(encoded(17, "\\\\x00ff"), Ok(vec![0, 0, 0, 2, 0, 0xff]));
        assert_eq!(encoded(869, "10.0.0.0/8"), Ok(vec![0, 0, 0, 8, 2, 8, 0, 4, 10, 0, 0, 0]));
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        for (oid, field) in [
            (16, "yes"),
            (17, "\\\\x0"),
            (20, "1.0"),
            (21, "32768"),
            (25, "a\\x41"),
            (25, "a\tb"),
            (869, "10.0.0"),
            (1082, "2026-13-01"),
            (1114, "noon"),
            (1700, "1e5"),
            (2950, "7d444840-9dc0-11d1-b245-5ffdce74fad"),
        ] {
            assert_eq!(encoded(oid, field), Err(NotUnderstood), "{field} as a value of type {oid}");
        }
        assert!(Encoder::new([(20, false), (600, false)]).is_none(), "a point is not known");
    }
}
