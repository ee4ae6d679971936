//! Order-independent digests of rows, so that a restored table can be compared with the original
//! without trusting any order.
//!
//! A row's fingerprint is SipHash-2-4 with 128 bits of output over its line without the newline,
//! keyed from the vault's dedup secret; a table's digest is the sum of its rows' fingerprints modulo
//! 2^128. Equal rows count as often as they stand. Without the key nobody can find two sets of rows
//! of equal digest, or test a guess at a row.

use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;

use crate::{Error, Result};

/// A digest under way.
#[derive(Debug, Clone)]
pub struct RowDigest {
    key: [u8; 16],
    sum: u128,
    rows: u64,
}

impl RowDigest {
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        Self { key: *key, sum: 0, rows: 0 }
    }

    /// One of no rows, under the same key.
    pub fn empty(&self) -> Self {
        Self::new(&self.key)
    }

    /// Adds one line; its newline, if it is there, does not count.
    pub fn add(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(line);
        self.sum = self.sum.wrapping_add(hasher.finish128().as_u128());
        self.rows += 1;
    }

    /// Adds every row of a batch; `ends` are the ends of its rows.
    pub fn add_rows(&mut self, bytes: &[u8], ends: &[usize]) {
        let mut start = 0;
        for end in ends {
            self.add(&bytes[start..*end]);
            start = *end;
        }
    }

    /// Adds what another reader of the same table counted.
    pub fn merge(&mut self, other: &Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.rows += other.rows;
    }

    /// Adds what a manifest says of the rows of a table called `what`.
    ///
    /// # Errors
    /// `Damaged` when that is no digest.
    pub fn add_recorded(&mut self, what: &str, rows: u64, digest: &str) -> Result<()> {
        let sum = u128::from_str_radix(digest, 16)
            .map_err(|_| Error::damaged(what, format!("its digest is {}", digest.escape_debug())))?;
        self.sum = self.sum.wrapping_add(sum);
        self.rows += rows;
        Ok(())
    }

    /// Rows added so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The digest as stored: 32 hex digits.
    pub fn to_hex(&self) -> String {
        format!("{:032x}", self.sum)
    }

    /// Compares with what a manifest says of the table called `what`.
    pub fn expect(&self, what: &str, rows: u64, digest: &str) -> Result<()> {
        let mismatch = |reason| Err(Error::Mismatch { what: what.to_owned(), reason });
        if self.rows != rows {
            return mismatch(format!("expected {rows} rows, found {}", self.rows));
        }
        if self.to_hex() != digest {
            return mismatch(format!("expected rows of digest {digest}, found {}", self.to_hex()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(rows: &[&[u8]]) -> String {
        let mut digest = RowDigest::new(&[3; 16]);
        rows.iter().for_each(|row| digest.add(row));
        digest.to_hex()
    }

    #[test]
    fn a_digest_knows_no_order_but_counts_equal_rows() {
        assert_eq!(digest(&[b"a\n", b"b\n"]), digest(&[b"b\n", b"a\n"]));
        assert_ne!(digest(&[b"a\n", b"a\n"]), digest(&[b"a\n"]));
        assert_ne!(digest(&[b"a\n", b"a\n"]), digest(&[b"b\n", b"b\n"]));
        assert_ne!(digest(&[b"ab\n"]), digest(&[b"a\n", b"b\n"]));
    }

    #[test]
    fn recorded_digests_of_parts_are_together_that_of_the_whole() {
        let mut sum = RowDigest::new(&[3; 16]);
        sum.add_recorded("part", 2, &digest(&[b"a", b"b"])).expect("a digest");
        sum.add_recorded("part", 1, &digest(&[b"c"])).expect("a digest");
        assert_eq!((sum.rows(), sum.to_hex()), (3, digest(&[b"b", b"c", b"a"])));
        assert!(sum.add_recorded("part", 1, "no digest").is_err());
    }

    #[test]
    fn the_newline_does_not_count() {
        assert_eq!(digest(&[b"a\n"]), digest(&[b"a"]));
    }
}
