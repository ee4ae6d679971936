//! A keyed permutation of short strings of symbols, each of an alphabet of its own size.
//!
//! An alternating Feistel network, as in NIST SP 800-38G, that adds digit by digit: one half is changed by
//! what a keyed hash makes of the other and of the string's format, in turn. So strings of one format are
//! permuted among each other: equal ones stay equal, different ones stay different.

/// Enough for the smallest halves; see Durak and Vaudenay, CRYPTO 2017.
const ROUNDS: u8 = 10;

/// One symbol: `value` below `radix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol {
    /// Which of its alphabet.
    pub value: u32,
    /// How many there are.
    pub radix: u32,
}

/// Permutes under a key.
pub struct Cipher {
    key: [u8; 32],
}

impl Cipher {
    /// Uses this key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Permutes a string among those of its `format`.
    pub fn permute(&self, symbols: &mut [Symbol], format: &[u8]) {
        match symbols {
            [] => {}
            [one] => *one = self.permute_one(*one, format),
            symbols => self.rounds(symbols, format),
        }
    }

    fn rounds(&self, symbols: &mut [Symbol], format: &[u8]) {
        let (left, right) = symbols.split_at_mut(symbols.len() / 2);
        for round in 0..ROUNDS {
            match round % 2 {
                0 => self.add(left, right, round, format),
                _ => self.add(right, left, round, format),
            }
        }
    }

    /// Adds to one half what the other half says.
    fn add(&self, half: &mut [Symbol], other: &[Symbol], round: u8, format: &[u8]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(format.len() as u64).to_le_bytes()).update(format).update(&[round]);
        for symbol in other {
            hasher.update(&symbol.value.to_le_bytes());
        }
        let mut stream = hasher.finalize_xof();
        for symbol in half {
            let mut word = [0; 8];
            stream.fill(&mut word);
            let sum = u64::from(symbol.value) + u64::from_le_bytes(word) % u64::from(symbol.radix);
            symbol.value = (sum % u64::from(symbol.radix)) as u32;
        }
    }

    /// A single symbol is two digits of about the root of its alphabet's size, permuted until they are one of
    /// the alphabet again.
    fn permute_one(&self, symbol: Symbol, format: &[u8]) -> Symbol {
        let radix = (1..=u32::from(u16::MAX)).find(|root| root * root >= symbol.radix).unwrap_or(1);
        let mut value = symbol.value;
        loop {
            let mut digits = [Symbol { value: value / radix, radix }, Symbol { value: value % radix, radix }];
            self.rounds(&mut digits, format);
            value = digits[0].value * radix + digits[1].value;
            if value < symbol.radix {
                return Symbol { value, ..symbol };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn check(radices: &[u32]) {
        let cipher = Cipher::new([7; 32]);
        let all: u32 = radices.iter().product();
        let mut seen = HashSet::new();
        let mut moved = 0;
        for number in 0..all {
            let mut rest = number;
            let mut symbols: Vec<_> = radices
                .iter()
                .map(|radix| {
                    let value = rest % radix;
                    rest /= radix;
                    Symbol { value, radix: *radix }
                })
                .collect();
            let before = symbols.clone();
            cipher.permute(&mut symbols, b"format");
            assert!(symbols.iter().all(|symbol| symbol.value < symbol.radix));
            moved += usize::from(symbols != before);
            seen.insert(symbols.iter().map(|symbol| symbol.value).collect::<Vec<_>>());
        }
        assert_eq!(seen.len(), all as usize, "{radices:?}");
        assert!(all < 50 || moved * 10 > all as usize * 9, "{moved} of {all} were moved");
    }

    #[test]
    fn strings_of_one_format_are_permuted_among_each_other() {
        for radices in [&[1][..], &[2], &[10], &[365], &[20992], &[10, 10], &[9, 10, 10], &[26, 10, 3, 24]] {
            check(radices);
        }
    }

    #[test]
    fn another_key_or_format_gives_another_permutation() {
        let string = [Symbol { value: 3, radix: 26 }; 12];
        let permuted = |key: u8, format: &[u8]| {
            let mut symbols = string;
            Cipher::new([key; 32]).permute(&mut symbols, format);
            symbols
        };
        assert_eq!(permuted(1, b"a"), permuted(1, b"a"));
        assert!(permuted(1, b"a") != permuted(2, b"a") && permuted(1, b"a") != permuted(1, b"b"));
    }
}
