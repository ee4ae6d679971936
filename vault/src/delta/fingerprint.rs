//! Fingerprints of rows: how an agent knows a row of yesterday again without having kept it.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

/// How many bits of a fingerprint count.
const BITS: u32 = 96;

/// Makes fingerprints: SipHash-1-3 with 128 bits of output, cut to 96, under a key of its own. Nothing is
/// shared with the digests in the manifest, so that what escapes here shows there.
#[derive(Clone, Copy)]
pub(crate) struct RowKey([u8; 16]);

impl RowKey {
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        Self(*key)
    }

    /// The fingerprint of a line with its newline.
    pub(crate) fn fingerprint(&self, line: &[u8]) -> u128 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(line);
        hasher.finish128().as_u128() & ((1 << BITS) - 1)
    }
}

/// How many rows, and the sum of their fingerprints: equal on both sides of the matching, or a row was
/// lost or doubled in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) rows: u64,
    sum: u128,
}

impl Tally {
    pub(crate) fn add(&mut self, fingerprint: u128) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(fingerprint);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}
