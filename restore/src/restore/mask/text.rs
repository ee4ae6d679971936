//! Letters and digits for letters and digits: what stays are separators, lengths and who writes in capitals.

use super::cipher::{Cipher, Symbol};

/// Alphabets of which a letter is replaced by another of the same: first and last.
const ALPHABETS: [(char, char); 6] = [
    ('\u{4E00}', '\u{9FFF}'),
    ('\u{3400}', '\u{4DBF}'),
    ('\u{AC00}', '\u{D7A3}'),
    ('\u{3041}', '\u{3096}'),
    ('\u{30A1}', '\u{30FA}'),
    ('\u{FF10}', '\u{FF19}'),
];

/// Alphabets with capitals: first and last small letter, first capital.
const WITH_CAPITALS: [(char, char, char); 2] = [('a', 'z', 'A'), ('\u{0430}', '\u{044F}', '\u{0410}')];

/// Other letters are replaced by one of the 64 code points that share all but the last byte of their UTF-8.
const NEIGHBOURS: u32 = 64;

/// How a masked character is put back.
enum Place {
    Digit,
    /// Above this code point.
    From(u32),
    /// It stays.
    Kept(char),
}

/// Masks a text; a backslash and what it escapes stay.
pub fn mask(cipher: &Cipher, text: &str) -> String {
    let (mut symbols, mut places, mut format) = (Vec::new(), Vec::new(), String::new());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            for kept in std::iter::once(character).chain(characters.next()) {
                places.push(Place::Kept(kept));
                format.push(kept);
            }
            continue;
        }
        let (place, symbol, class) = of(character);
        places.push(place);
        symbols.extend(symbol);
        format.push(class);
    }
    cipher.permute(&mut symbols, format.as_bytes());
    let mut values = symbols.into_iter().map(|symbol| symbol.value);
    let put = |place: Place| match place {
        Place::Kept(character) => character,
        Place::Digit => values.next().and_then(|value| char::from_digit(value, 10)).unwrap_or('0'),
        Place::From(first) => values.next().and_then(|value| char::from_u32(first + value)).unwrap_or('x'),
    };
    places.into_iter().map(put).collect()
}

/// Where a character goes, what of it is permuted, and what of it its format shows. Capitals are no part of
/// the format: what differs in more than capitals does so afterwards, as a key that knows no case asks.
fn of(character: char) -> (Place, Option<Symbol>, char) {
    if let Some(value) = character.to_digit(10) {
        return (Place::Digit, Some(Symbol { value, radix: 10 }), '0');
    }
    let code = u32::from(character);
    let within = |first: char, radix: u32| Symbol { value: code - u32::from(first), radix };
    for (first, last, capital) in WITH_CAPITALS {
        let radix = u32::from(last) - u32::from(first) + 1;
        for begin in [first, capital] {
            if (u32::from(begin)..u32::from(begin) + radix).contains(&code) {
                return (Place::From(begin.into()), Some(within(begin, radix)), first);
            }
        }
    }
    if let Some((first, last)) = ALPHABETS.iter().find(|(first, last)| (first..=last).contains(&&character)) {
        let radix = u32::from(*last) - u32::from(*first) + 1;
        return (Place::From((*first).into()), Some(within(*first, radix)), *first);
    }
    let first = code & !(NEIGHBOURS - 1);
    let whole = (first..first + NEIGHBOURS).all(|code| char::from_u32(code).is_some());
    match character.is_alphanumeric() && !character.is_ascii() && whole {
        true => {
            let symbol = Symbol { value: code - first, radix: NEIGHBOURS };
            (Place::From(first), Some(symbol), char::from_u32(first).unwrap_or(character))
        }
        false => (Place::Kept(character), None, character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_out_has_the_form_of_what_went_in() {
        let cipher = Cipher::new([3; 32]);
        for text in [
            "zhang.wei@example.com",
            "+86 138-0013-8000",
            "\u{5F20}\u{4F1F}",
            "M\u{FC}ller",
            "DE89 3704\\n0044",
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
        assert!(mask(&cipher, "a\\nb").contains("\\n"));
    }

    #[test]
    fn texts_that_differ_in_capitals_only_still_do() {
        let cipher = Cipher::new([3; 32]);
        assert_eq!(mask(&cipher, "Zhang").to_lowercase(), mask(&cipher, "zHANG").to_lowercase());
    }
}
