//! Letters and digits for letters and digits: what stays are separators, lengths and who writes in capitals.
//!
//! Every character belongs to one class at most, and another of its class takes its place: so masks of
//! different texts differ. A capital is masked as its small letter is, so that texts which differ in more than
//! capitals do so afterwards, as a key that knows no case asks.

use super::cipher::{Cipher, Symbol};

/// Alphabets whose members stand beside each other: first and last.
const ALPHABETS: [(char, char); 9] = [
    ('0', '9'),
    ('a', 'z'),
    ('\u{0430}', '\u{044F}'),
    ('\u{4E00}', '\u{9FFF}'),
    ('\u{3400}', '\u{4DBF}'),
    ('\u{AC00}', '\u{D7A3}'),
    ('\u{3041}', '\u{3096}'),
    ('\u{30A1}', '\u{30FA}'),
    ('\u{FF10}', '\u{FF19}'),
];

/// Other letters are replaced by one of those among the 64 code points that share all but the last byte of their
/// UTF-8.
const NEIGHBOURS: u32 = 64;

/// Characters that take each other's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// One of the alphabets.
    Alphabet(usize),
    /// Letters from this code point on: those that have capitals, or those that have none.
    Neighbours(u32, bool),
}

/// A character as it is masked.
struct Place {
    class: Class,
    /// Which of its class.
    value: u32,
    /// Whether its capital stands there.
    capital: bool,
}

/// Masks a text.
pub fn mask(cipher: &Cipher, text: &str) -> String {
    let places: Vec<_> = text.chars().map(|character| (character, of(character))).collect();
    let (mut symbols, mut format) = (Vec::new(), String::new());
    for (character, place) in &places {
        match place {
            Some(Place { class, value, .. }) => {
                symbols.push(Symbol { value: *value, radix: class.size() });
                format.extend(class.at(0));
            }
            None => format.push(*character),
        }
    }
    cipher.permute(&mut symbols, format.as_bytes());
    let mut symbols = symbols.into_iter();
    let put = |(character, place): (char, Option<Place>)| {
        let Some((place, symbol)) = place.and_then(|place| Some((place, symbols.next()?))) else {
            return character;
        };
        let other = place.class.at(symbol.value).unwrap_or(character);
        if place.capital { capital(other).unwrap_or(other) } else { other }
    };
    places.into_iter().map(put).collect()
}

/// Where a character belongs; nowhere, if it stays.
fn of(character: char) -> Option<Place> {
    let small = small(character);
    let letter = small.unwrap_or(character);
    let alphabet = alphabet(letter).map(Class::Alphabet);
    let is_other = letter.is_alphanumeric() && !letter.is_ascii();
    let neighbours = || Class::Neighbours(u32::from(letter) & !(NEIGHBOURS - 1), capital(letter).is_some());
    let class = alphabet.or_else(|| is_other.then(neighbours))?;
    let value = class.value_of(letter)?;
    Some(Place { class, value, capital: small.is_some() })
}

impl Class {
    /// How many characters it has.
    fn size(self) -> u32 {
        match self {
            Self::Alphabet(at) => u32::from(ALPHABETS[at].1) - u32::from(ALPHABETS[at].0) + 1,
            Self::Neighbours(first, capitals) => neighbours(first, capitals).count() as u32,
        }
    }

    /// One of them.
    fn at(self, value: u32) -> Option<char> {
        match self {
            Self::Alphabet(at) => char::from_u32(u32::from(ALPHABETS[at].0) + value),
            Self::Neighbours(first, capitals) => neighbours(first, capitals).nth(value as usize),
        }
    }

    /// Which of them a letter is.
    fn value_of(self, letter: char) -> Option<u32> {
        match self {
            Self::Alphabet(at) => u32::from(letter).checked_sub(ALPHABETS[at].0.into()),
            Self::Neighbours(first, capitals) => {
                neighbours(first, capitals).position(|member| member == letter).map(|at| at as u32)
            }
        }
    }
}

/// Letters from this code point on that are of no alphabet: those that have capitals, or those that have none.
fn neighbours(first: u32, capitals: bool) -> impl Iterator<Item = char> {
    let belongs = move |letter: &char| {
        letter.is_alphanumeric()
            && !letter.is_ascii()
            && alphabet(*letter).is_none()
            && small(*letter).is_none()
            && capital(*letter).is_some() == capitals
    };
    (first..first + NEIGHBOURS).filter_map(char::from_u32).filter(belongs)
}

fn alphabet(letter: char) -> Option<usize> {
    ALPHABETS.iter().position(|(first, last)| (first..=last).contains(&&letter))
}

/// The capital of a small letter: as long in UTF-8, and leading back to it.
fn capital(letter: char) -> Option<char> {
    let capital = only(letter.to_uppercase())?;
    is_pair(letter, capital).then_some(capital)
}

/// The small letter of a capital.
fn small(letter: char) -> Option<char> {
    let small = only(letter.to_lowercase())?;
    is_pair(small, letter).then_some(small)
}

fn is_pair(small: char, capital: char) -> bool {
    small != capital
        && small.len_utf8() == capital.len_utf8()
        && only(small.to_uppercase()) == Some(capital)
        && only(capital.to_lowercase()) == Some(small)
}

fn only(mut letters: impl Iterator<Item = char>) -> Option<char> {
    letters.next().filter(|_| letters.next().is_none())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn classes_share_no_character_and_a_mask_is_another_of_its_own() {
        let cipher = Cipher::new([3; 32]);
        let mut classes: BTreeMap<(Class, bool), BTreeSet<char>> = BTreeMap::new();
        let mut masks = BTreeSet::new();
        let characters: Vec<_> = (0..=0xFFFF).filter_map(char::from_u32).collect();
        for character in &characters {
            let masked: Vec<_> = mask(&cipher, &character.to_string()).chars().collect();
            let &[masked] = &masked[..] else { panic!("{character} became {masked:?}") };
            assert_eq!(masked.len_utf8(), character.len_utf8(), "{character} became {masked}");
            assert!(masks.insert(masked), "{masked} stands for {character} and another");
            let key = |character: char| of(character).map(|place| (place.class, place.capital));
            assert_eq!(key(masked), key(*character), "{character} became {masked}");
            match key(*character) {
                Some(class) => assert!(classes.entry(class).or_default().insert(*character)),
                None => assert!(masked == *character && !character.is_alphanumeric(), "{character} stays"),
            }
        }
        assert_eq!(masks.len(), characters.len());
        for ((class, capital), members) in &classes {
            assert_eq!(members.len(), class.size() as usize, "{class:?}");
            let other =
                classes.iter().find(|(key, all)| **key != (*class, *capital) && !all.is_disjoint(members));
            assert_eq!(other.map(|(key, _)| key), None, "{class:?}");
        }
    }

    #[test]
    fn what_comes_out_has_the_form_of_what_went_in() {
        let cipher = Cipher::new([3; 32]);
        for text in [
            "zhang.wei@example.com",
            "+86 138-0013-8000",
            "\u{5F20}\u{4F1F}",
            "M\u{FC}ller",
            "DE89 3704\n0044 \\x",
            "\u{041F}\u{0440}",
        ] {
            let masked = mask(&cipher, text);
            assert_ne!(masked, text);
            assert_eq!(masked.len(), text.len(), "{masked}");
            for (new, old) in masked.chars().zip(text.chars()) {
                assert_eq!(new.is_ascii_digit(), old.is_ascii_digit(), "{masked}");
                assert_eq!(new.is_ascii_uppercase(), old.is_ascii_uppercase(), "{masked}");
                assert!(old.is_alphanumeric() || new == old, "{masked}");
            }
            assert_eq!(masked, mask(&cipher, text));
        }
        assert_eq!(mask(&cipher, ""), "");
        assert!(mask(&cipher, "a\nb").contains('\n'));
    }

    #[test]
    fn texts_that_differ_in_capitals_only_still_do() {
        let cipher = Cipher::new([3; 32]);
        for (one, other) in [("Zhang", "zHANG"), ("M\u{FC}ller", "M\u{DC}LLER")] {
            assert_eq!(mask(&cipher, one).to_lowercase(), mask(&cipher, other).to_lowercase());
        }
    }
}
