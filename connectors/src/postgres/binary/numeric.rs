//! `numeric` on the wire: digits of base 10,000 around the decimal point, as `numeric_recv` reads them.

/// Decimal digits in one of the wire's.
const GROUP: usize = 4;

/// Signs, as the wire has them.
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// Writes what `numeric_out` printed: an optional sign, digits, an optional point and digits. `None` for
/// anything else.
pub(super) fn write(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match value {
        b"NaN" => return special(NAN, out),
        b"Infinity" => return special(INFINITY, out),
        b"-Infinity" => return special(NEGATIVE_INFINITY, out),
        _ => {}
    }
    let (sign, digits) = value.strip_prefix(b"-").map_or((POSITIVE, value), |digits| (NEGATIVE, digits));
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    if whole.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return None;
    }
    let groups_before = whole.len().div_ceil(GROUP);
    let groups = groups_before + fraction.len().div_ceil(GROUP);
    let weight = i16::try_from(groups_before).ok()? - 1;
    out.extend(i16::try_from(groups).ok()?.to_be_bytes());
    out.extend(weight.to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend(i16::try_from(fraction.len()).ok()?.to_be_bytes());
    // The first group of the whole part may be short, and so may the fraction's last.
    let (short, full) = whole.split_at(whole.len() - (groups_before - 1) * GROUP);
    out.extend(group(short, short.len()).to_be_bytes());
    for digits in full.chunks(GROUP).chain(fraction.chunks(GROUP)) {
        out.extend(group(digits, GROUP).to_be_bytes());
    }
    Some(())
}

fn special(sign: u16, out: &mut Vec<u8>) -> Option<()> {
    out.extend([0; 4]);
    out.extend(sign.to_be_bytes());
    out.extend([0; 2]);
    Some(())
}

/// The number that up to four digits make, with zeros after them to a length of `width`.
fn group(digits: &[u8], width: usize) -> u16 {
    let digits = digits.iter().map(|byte| u16::from(byte - b'0'));
    digits.chain(std::iter::repeat(0)).take(width).fold(0, |number, digit| number * 10 + digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &[i32]) {
        let mut out = Vec::new();
        write(value.as_bytes(), &mut out).expect("a number");
        let expected: Vec<u8> = expected.iter().flat_map(|word| (*word as u16).to_be_bytes()).collect();
        assert_eq!(out, expected, "{value}");
    }

    #[test]
    fn digits_are_grouped_around_the_point() {
        check("0", &[1, 0, 0, 0, 0]);
        check("12345.60", &[3, 1, 0, 2, 1, 2345, 6000]);
        check("-0.00001", &[3, 0, 0x4000, 5, 0, 0, 1000]);
        check("1234", &[1, 0, 0, 0, 1234]);
        check("NaN", &[0, 0, 0xC000, 0]);
    }
}
