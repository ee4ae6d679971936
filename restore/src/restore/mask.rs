//! Masks: other values in the place of those that are withheld, the same for the same value everywhere.
//!
//! A mask keeps a value's form, its length and that different values differ, so that joins, keys and
//! programs go on working. It is keyed by the most sensitive grade that is open: who can open that can turn
//! masks back into values, nobody else. Numbers keep how many digits they have, dates their year. What has no other
//! value of its form stays: 0, infinity, a number at the edge of its type. A type of which no other value can be
//! made is left NULL.

mod cipher;
mod shape;
mod text;
mod typed;

use lifeboat_vault::Rows;

pub use cipher::Cipher;
pub use shape::Shape;

const NULL: &[u8] = b"\\N";

/// How the columns of one table are masked.
pub struct Masks {
    cipher: Cipher,
    /// What is made of each column's fields.
    columns: Vec<Mask>,
}

/// What is made of a column's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// They stay.
    Open,
    /// Others of this shape.
    Shape(Shape),
    /// NULL.
    Null,
}

/// Without the key.
impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masks").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl Masks {
    /// Masks under this key.
    pub fn new(key: [u8; 32], columns: Vec<Mask>) -> Self {
        Self { cipher: Cipher::new(key), columns }
    }

    /// Masks whole rows.
    pub fn rows(&self, rows: &Rows) -> Rows {
        let mut masked = Rows { bytes: Vec::with_capacity(rows.bytes.len()), ends: Vec::new() };
        for line in rows.lines() {
            self.row(line.strip_suffix(b"\n").unwrap_or(line), &mut masked.bytes);
            masked.ends.push(masked.bytes.len());
        }
        masked
    }

    fn row(&self, line: &[u8], out: &mut Vec<u8>) {
        let mut columns = self.columns.iter();
        for (at, field) in line.split(|byte| *byte == b'\t').enumerate() {
            if at > 0 {
                out.push(b'\t');
            }
            match columns.next() {
                Some(Mask::Open) => out.extend_from_slice(field),
                Some(Mask::Shape(shape)) if field != NULL => typed::mask(&self.cipher, *shape, field, out),
                _ => out.extend_from_slice(NULL),
            }
        }
        out.push(b'\n');
    }
}
