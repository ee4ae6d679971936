//! People and companies that look real and are nobody: names of many languages, mail addresses,
//! telephone numbers, and identity numbers whose checksums hold.

use std::fmt::Write;

use super::calendar::date;
use super::dice::Dice;
use super::words::*;

/// A made-up person.
pub(super) struct Person {
    pub name: String,
    /// The name in Latin letters, for a mail address.
    pub latin: String,
    pub chinese: bool,
    /// Days before the company's first day.
    pub born: i64,
}

impl Person {
    /// Two people of three are Chinese, the others from anywhere.
    pub fn new(dice: &mut Dice) -> Self {
        let chinese = dice.percent(66);
        let born = -(dice.between(7_000, 24_000) as i64);
        if !chinese {
            let (first, last) = (dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES));
            return Self { name: format!("{first} {last}"), latin: syllables(dice, 2, 3), chinese, born };
        }
        let (surname, surname_latin) = dice.pick(SURNAMES);
        let (mut name, mut latin) = (surname.to_owned(), surname_latin.to_owned());
        for _ in 0..dice.between(1, 2) {
            let (given, given_latin) = dice.pick(GIVEN);
            name.push_str(given);
            latin.push_str(given_latin);
        }
        Self { name, latin, chinese, born }
    }

    pub fn email(&self, dice: &mut Dice) -> String {
        format!("{}{}@{}", self.latin, dice.below(10_000), dice.pick(MAIL_HOSTS))
    }

    /// A Chinese identity number (GB 11643) or a passport's.
    pub fn id_number(&self, dice: &mut Dice) -> String {
        if !self.chinese {
            let letter = char::from(b'A' + dice.below(26) as u8);
            return format!("{letter}{:08}", dice.below(100_000_000));
        }
        let (_, district, _) = dice.pick(CITIES);
        let mut number = format!("{district}{}{:03}", date(self.born).replace('-', ""), dice.below(1000));
        number.push(id_check_digit(&number));
        number
    }
}

/// The check digit of a Chinese identity number's first 17 digits (ISO 7064, MOD 11-2).
fn id_check_digit(first: &str) -> char {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = first.bytes().map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits.zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    char::from(b"10X98765432"[(sum % 11) as usize])
}

pub(super) fn phone(dice: &mut Dice, chinese: bool) -> String {
    if chinese {
        return format!("+86 1{}{:09}", dice.between(3, 9), dice.below(1_000_000_000));
    }
    format!(
        "+{} {:03} {:07}",
        dice.pick(&[1, 33, 44, 48, 49, 55, 65, 81, 90]),
        dice.below(1000),
        dice.below(10_000_000)
    )
}

/// A made-up company.
pub(super) struct Company {
    pub name: String,
    pub city: &'static str,
    pub address: String,
    pub chinese: bool,
}

impl Company {
    /// Seven of ten are Chinese, the others from anywhere.
    pub fn new(dice: &mut Dice) -> Self {
        if dice.percent(70) {
            let (city, _, street) = dice.pick(CITIES);
            let (one, two, trade) = (dice.pick(COMPANY_WORDS), dice.pick(GIVEN).0, dice.pick(TRADES));
            let form = dice.pick(&["有限公司", "股份有限公司", "（集团）有限公司"]);
            let (number, room) = (dice.between(1, 999), dice.between(101, 3208));
            let address = format!("{city}市{street}{number}号{room}室");
            return Self { name: format!("{city}{one}{two}{trade}{form}"), city, address, chinese: true };
        }
        let (city, country, street) = dice.pick(FOREIGN_CITIES);
        let (name, word, form) =
            (dice.pick(FOREIGN_COMPANIES), syllables(dice, 1, 2), dice.pick(LEGAL_FORMS));
        let (number, code) = (dice.between(1, 400), dice.below(100_000));
        let address = format!("{number} {street}, {code:05} {city}, {country}");
        Self { name: format!("{name} {word} {form}"), city, address, chinese: false }
    }
}

/// A pronounceable word that no dictionary has.
pub(super) fn syllables(dice: &mut Dice, low: u64, high: u64) -> String {
    (0..dice.between(low, high)).map(|_| dice.pick(SYLLABLES)).collect()
}

/// What somebody typed after a call: stock phrases with names, sums and references of the day between.
pub(super) fn prose(out: &mut String, dice: &mut Dice, phrases: u64) {
    for phrase in 0..phrases {
        if phrase > 0 {
            out.push_str(dice.pick(JOINERS));
        }
        match dice.below(11) {
            0 => write!(
                out,
                "{}{}，电话 1{:010}",
                dice.pick(SURNAMES).0,
                dice.pick(TITLES),
                dice.below(10_000_000_000)
            ),
            1 => write!(out, "¥{}.{:02}", dice.below(5_000_000), dice.below(100)),
            2 => write!(out, "ref {:012X}", dice.below(1 << 48)),
            3 => write!(out, "{} {}", dice.pick(PRODUCTS), syllables(dice, 2, 4)),
            4 => write!(out, "{}{}@{}", syllables(dice, 2, 4), dice.below(10_000), dice.pick(MAIL_HOSTS)),
            _ => write!(out, "{}", dice.pick(PHRASES)),
        }
        .expect("a string takes everything");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_numbers_carry_the_check_digit_of_the_standard() {
        // The examples of GB 11643-1999.
        assert_eq!(id_check_digit("11010519491231002"), 'X');
        assert_eq!(id_check_digit("44052418800101001"), '4');
    }
}
