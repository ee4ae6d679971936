//! Numbers that prove themselves: identity and tax numbers, cards and accounts with check digits.
//!
//! Each function takes a value without separators. Sources are named beside each; where a number's check is
//! weak, many values must pass before a column is believed to hold such numbers.

/// China, GB 11643: 17 digits and a check letter; digits 7 to 14 are the date of birth.
pub fn chinese_identity(value: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let Some((digits, check)) = value.split_at_checked(17) else { return false };
    let Some(digits) = digits_of(digits) else { return false };
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    let expected = b"10X98765432"[(sum % 11) as usize];
    let born = (number(&digits[6..10]), number(&digits[10..12]), number(&digits[12..14]));
    check.to_ascii_uppercase().as_bytes() == [expected] && is_date(born)
}

/// Spain, DNI and NIE: eight digits, or X, Y, Z and seven, and a letter by their number modulo 23.
pub fn spanish_identity(value: &str) -> bool {
    let value = value.to_ascii_uppercase();
    let first = value.chars().next().unwrap_or_default();
    let value = match "XYZ".find(first) {
        Some(at) => format!("{at}{}", &value[1..]),
        None => value,
    };
    let Some((digits, letter)) = value.split_at_checked(8) else { return false };
    let Some(digits) = digits_of(digits) else { return false };
    letter.as_bytes() == [b"TRWAGMYFPDXBNJZSQVHLCKE"[(number(&digits) % 23) as usize]]
}

/// Italy, codice fiscale: sixteen letters and digits, the last by the sum of two tables.
pub fn italian_tax_code(value: &str) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let value = value.to_ascii_uppercase();
    let bytes = value.as_bytes();
    if bytes.len() != 16 || !bytes.iter().all(u8::is_ascii_alphanumeric) {
        return false;
    }
    let shape = |at: usize| if matches!(at, 6 | 7 | 9 | 10 | 12 | 13 | 14) { "#" } else { "A" };
    let letters = (0..16).all(|at| shape(at) == "#" || bytes[at].is_ascii_uppercase());
    let place = |byte: u8| u32::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' });
    let worth =
        |(at, byte): (usize, &u8)| if at % 2 == 0 { ODD[place(*byte) as usize] } else { place(*byte) };
    let sum: u32 = bytes[..15].iter().enumerate().map(worth).sum();
    letters && u32::from(bytes[15] - b'A') == sum % 26
}

/// The Netherlands, BSN: nine digits, the eleven-test with the last one counted negative.
pub fn dutch_citizen(value: &str) -> bool {
    let Some(digits) = digits_of(value).filter(|digits| digits.len() == 9) else { return false };
    let sum: u32 = digits[..8].iter().zip((2..=9).rev()).map(|(digit, weight)| digit * weight).sum();
    number(&digits) > 0 && sum % 11 == digits[8]
}

/// Poland, PESEL: eleven digits of which the first six are a date, its century in the month.
pub fn polish_citizen(value: &str) -> bool {
    const WEIGHTS: [u32; 10] = [1, 3, 7, 9, 1, 3, 7, 9, 1, 3];
    let Some(digits) = digits_of(value).filter(|digits| digits.len() == 11) else { return false };
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    let month = number(&digits[2..4]) % 20;
    (10 - sum % 10) % 10 == digits[10] && is_date((2000, month, number(&digits[4..6])))
}

/// Belgium, national number: nine digits and 97 less their remainder; of those born from 2000 on with a 2
/// before them.
pub fn belgian_citizen(value: &str) -> bool {
    let Some(digits) = digits_of(value).filter(|digits| digits.len() == 11) else { return false };
    let (first, check) = (number(&digits[..9]), number(&digits[9..]));
    let born = (2000, number(&digits[2..4]), number(&digits[4..6]));
    let fits = |number: u64| 97 - number % 97 == check;
    (fits(first) || fits(2_000_000_000 + first)) && is_date(born)
}

/// France, NIR: thirteen places and 97 less their remainder; Corsica's departments have letters.
pub fn french_insured(value: &str) -> bool {
    let value = value.to_ascii_uppercase().replacen("2A", "19", 1).replacen("2B", "18", 1);
    let Some(digits) = digits_of(&value).filter(|digits| digits.len() == 15) else { return false };
    let (first, check) = (number(&digits[..13]), number(&digits[13..]));
    matches!(digits[0], 1 | 2 | 7 | 8) && 97 - first % 97 == check
}

/// Germany, tax identification number: eleven digits, ISO 7064 modulo 11, 10; the first is not 0, and of the
/// first ten one stands twice or thrice.
pub fn german_taxpayer(value: &str) -> bool {
    let Some(digits) = digits_of(value).filter(|digits| digits.len() == 11 && digits[0] != 0) else {
        return false;
    };
    let product = digits[..10].iter().fold(10, |product, digit| {
        let sum = (digit + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    let counts = (0..10).map(|digit| digits[..10].iter().filter(|other| **other == digit).count());
    let repeated: Vec<_> = counts.filter(|count| *count > 1).collect();
    matches!(repeated[..], [2 | 3]) && (11 - product) % 10 == digits[10]
}

/// Bank cards, ISO 7812: 13 to 19 digits of a scheme's range with Luhn's check digit.
pub fn bank_card(value: &str) -> bool {
    let Some(digits) = digits_of(value).filter(|digits| (13..=19).contains(&digits.len())) else {
        return false;
    };
    let starts = |first: u64, last: u64, count: usize| (first..=last).contains(&number(&digits[..count]));
    let scheme = starts(4, 4, 1)
        || starts(51, 55, 2)
        || starts(2221, 2720, 4)
        || starts(34, 34, 2)
        || starts(37, 37, 2)
        || starts(62, 62, 2)
        || starts(65, 65, 2)
        || starts(3528, 3589, 4)
        || starts(6011, 6011, 4);
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    scheme && sum.is_multiple_of(10)
}

/// Accounts, IBAN of ISO 13616: two letters, two check digits, up to thirty more, modulo 97.
pub fn iban(value: &str) -> bool {
    let value = value.to_ascii_uppercase();
    let bytes = value.as_bytes();
    let shape = (15..=34).contains(&bytes.len())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit)
        && bytes.iter().all(u8::is_ascii_alphanumeric);
    let add = |rest: u32, byte: &u8| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
    };
    shape && bytes[4..].iter().chain(&bytes[..4]).fold(0, add) == 1
}

fn digits_of(text: &str) -> Option<Vec<u32>> {
    text.chars().map(|digit| digit.to_digit(10)).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
}

fn number(digits: &[u32]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(*digit))
}

fn is_date((year, month, day): (u64, u64, u64)) -> bool {
    let date = (i16::try_from(year), i8::try_from(month), i8::try_from(day));
    let (Ok(year), Ok(month), Ok(day)) = date else { return false };
    (1850..2200).contains(&year) && jiff::civil::Date::new(year, month, day).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A good number is known, and with any digit changed it mostly is not.
    fn check(known: impl Fn(&str) -> bool, good: &[&str]) {
        for value in good {
            assert!(known(value), "{value}");
            let changed = (0..value.len()).filter(|at| {
                let mut bytes = value.as_bytes().to_vec();
                bytes[*at] = if bytes[*at] == b'7' { b'3' } else { b'7' };
                known(std::str::from_utf8(&bytes).expect("text"))
            });
            assert!(changed.count() <= value.len() / 4, "{value}");
        }
        for bad in ["", "0", "7", "not a number", "123456789012345678901234567890123456"] {
            assert!(!known(bad), "{bad}");
        }
    }

    #[test]
    fn numbers_are_known_by_their_checks() {
        check(chinese_identity, &["11010519491231002X", "440524188001010014"]);
        check(spanish_identity, &["12345678Z", "X1234567L"]);
        check(italian_tax_code, &["RSSMRA85T10A562S"]);
        check(dutch_citizen, &["111222333"]);
        check(polish_citizen, &["44051401359"]);
        check(belgian_citizen, &["85073003328"]);
        check(french_insured, &["255081416802538"]);
        check(german_taxpayer, &["86095742719"]);
        check(bank_card, &["4111111111111111", "6250941006528599"]);
        check(iban, &["DE89370400440532013000", "GB82WEST12345698765432"]);
    }
}
