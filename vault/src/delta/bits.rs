//! A fixed number of bits, none set at first.

/// One bit for each row of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn new(bits: usize) -> Self {
        Self(vec![0; bits.div_ceil(64)])
    }

    pub(crate) fn get(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    /// Sets a bit and returns whether it was set before.
    pub(crate) fn set(&mut self, at: usize) -> bool {
        let was = self.get(at);
        self.0[at / 64] |= 1 << (at % 64);
        was
    }
}
