//! What a value looks like. Nothing here keeps or shows one.

use lifeboat_config::Grade;

use super::numbers;

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    ChineseIdentity,
    SpanishIdentity,
    ItalianTaxCode,
    FrenchInsured,
    BelgianCitizen,
    PolishCitizen,
    GermanTaxpayer,
    DutchCitizen,
    Iban,
    BankCard,
    Coordinates,
    Mobile,
    Email,
    Health,
}

/// Words of illness and treatment, of which a few in a column are enough.
const HEALTH: &[&str] = &[
    "diabetes",
    "cancer",
    "tumor",
    "tumour",
    "hiv",
    "hepatitis",
    "asthma",
    "pregnan",
    "depression",
    "epilep",
    "chemotherap",
    "allergic",
    "糖尿病",
    "高血压",
    "癌",
    "肿瘤",
    "艾滋",
    "肝炎",
    "哮喘",
    "怀孕",
    "抑郁",
    "癫痫",
    "过敏",
    "手术",
    "住院",
    "病史",
];

impl Kind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::ChineseIdentity => "Chinese resident identity numbers",
            Self::SpanishIdentity => "Spanish identity numbers (DNI, NIE)",
            Self::ItalianTaxCode => "Italian tax codes",
            Self::FrenchInsured => "French social insurance numbers",
            Self::BelgianCitizen => "Belgian national numbers",
            Self::PolishCitizen => "Polish citizens' numbers (PESEL)",
            Self::GermanTaxpayer => "German tax identification numbers",
            Self::DutchCitizen => "Dutch citizens' numbers (BSN)",
            Self::Iban => "bank accounts (IBAN)",
            Self::BankCard => "bank cards",
            Self::Coordinates => "coordinates",
            Self::Mobile => "telephone numbers",
            Self::Email => "e-mail addresses",
            Self::Health => "words of health",
        }
    }

    /// How sensitive it is.
    pub fn grade(self) -> Grade {
        match self {
            Self::Mobile | Self::Email => Grade::Medium,
            _ => Grade::High,
        }
    }

    /// Of a hundred values, so many must look like it: the weaker its check, the more.
    pub fn percent_min(self) -> u64 {
        match self {
            Self::Health => 1,
            Self::ChineseIdentity
            | Self::SpanishIdentity
            | Self::ItalianTaxCode
            | Self::Iban
            | Self::Email => 20,
            Self::FrenchInsured | Self::BelgianCitizen | Self::PolishCitizen | Self::GermanTaxpayer => 50,
            Self::BankCard | Self::Coordinates | Self::Mobile => 60,
            Self::DutchCitizen => 90,
        }
    }
}

/// A kind, and what knows it.
type Known = (Kind, fn(&str) -> bool);

/// Everything that a value may be.
pub fn kinds(value: &str) -> Vec<Kind> {
    let bare: String =
        value.chars().filter(|character| !matches!(character, ' ' | '-' | '.' | '/')).collect();
    let numbers: [Known; 10] = [
        (Kind::ChineseIdentity, numbers::chinese_identity),
        (Kind::SpanishIdentity, numbers::spanish_identity),
        (Kind::ItalianTaxCode, numbers::italian_tax_code),
        (Kind::FrenchInsured, numbers::french_insured),
        (Kind::BelgianCitizen, numbers::belgian_citizen),
        (Kind::PolishCitizen, numbers::polish_citizen),
        (Kind::GermanTaxpayer, numbers::german_taxpayer),
        (Kind::DutchCitizen, numbers::dutch_citizen),
        (Kind::Iban, numbers::iban),
        (Kind::BankCard, numbers::bank_card),
    ];
    let texts: [Known; 4] = [
        (Kind::Coordinates, is_coordinates),
        (Kind::Mobile, is_mobile),
        (Kind::Email, is_email),
        (Kind::Health, is_of_health),
    ];
    let of_numbers = numbers.into_iter().filter(|(_, known)| known(&bare)).map(|(kind, _)| kind);
    of_numbers.chain(texts.into_iter().filter(|(_, known)| known(value)).map(|(kind, _)| kind)).collect()
}

/// A Chinese mobile number, or a number with a country's code (E.164).
fn is_mobile(value: &str) -> bool {
    let bare: String =
        value.chars().filter(|character| !matches!(character, ' ' | '-' | '.' | '(' | ')' | '/')).collect();
    let digits = |text: &str, counts: std::ops::RangeInclusive<usize>| {
        counts.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    match bare.strip_prefix('+').or(bare.strip_prefix("00")) {
        Some(rest) => digits(rest, 8..=15) && !rest.starts_with('0'),
        None => digits(&bare, 11..=11) && bare.starts_with('1') && bare.as_bytes()[1] >= b'3',
    }
}

fn is_email(value: &str) -> bool {
    let Some((local, domain)) = value.trim().split_once('@') else { return false };
    let plain = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '@');
    let top = domain.rsplit_once('.').map_or("", |(_, top)| top);
    plain(local) && plain(domain) && top.chars().count() >= 2 && top.chars().all(char::is_alphabetic)
}

/// Latitude and longitude with enough places to find a house.
fn is_coordinates(value: &str) -> bool {
    let inner = value.trim().trim_start_matches(['(', '[']).trim_end_matches([')', ']']);
    let Some((first, second)) = inner.split_once([',', ' ', ';']) else { return false };
    let degrees = |text: &str, most: f64| {
        let places = text.trim().split_once('.').map_or(0, |(_, places)| places.len());
        places >= 3 && text.trim().parse::<f64>().is_ok_and(|degrees| degrees.abs() <= most)
    };
    degrees(first, 180.0) && degrees(second, 180.0)
}

fn is_of_health(value: &str) -> bool {
    let value = value.to_lowercase();
    HEALTH.iter().any(|word| value.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_known_by_what_they_look_like() {
        let check = |value: &str, kind| assert!(kinds(value).contains(&kind), "{value}: {:?}", kinds(value));
        check("110105 19491231 002X", Kind::ChineseIdentity);
        check("+86 138 0013 8000", Kind::Mobile);
        check("13800138000", Kind::Mobile);
        check("+49 (30) 1234-5678", Kind::Mobile);
        check("zhang.wei@example.com.cn", Kind::Email);
        check("4111 1111 1111 1111", Kind::BankCard);
        check("DE89 3704 0044 0532 0130 00", Kind::Iban);
        check("39.9042, 116.4074", Kind::Coordinates);
        check("患者有糖尿病史", Kind::Health);
        for plain in ["", "Lifeboat", "12", "2026-11-23", "3.14", "a@b", "10800138000"] {
            assert_eq!(kinds(plain), [], "{plain}");
        }
    }
}
