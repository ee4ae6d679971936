//! Chance that repeats itself: every row's values follow from the seed, its table and its number alone.
//!
//! So a row can be made again without the ones before it, on any number of threads, and two databases
//! of one seed hold the same company.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// The chances of one row.
pub(super) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// The dice of row `id` of what `purpose` names.
    pub fn new(seed: u64, purpose: u64, id: u64) -> Self {
        let mixed =
            seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ purpose.wrapping_mul(0xD1B5_4A32_D192_ED03) ^ id;
        Self(Xoshiro256PlusPlus::seed_from_u64(mixed))
    }

    pub fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// A number of a range, both ends included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True `percent` times of a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}
