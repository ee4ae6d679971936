//! Dates and times on the wire: days and microseconds from the first of January 2000, in the proleptic
//! Gregorian calendar that PostgreSQL keeps. What is read is what DateStyle ISO prints.

const DAY_MICROSECONDS: i64 = 86_400_000_000;

/// Days from a date as ISO prints it, `BC` and the infinities included.
pub(super) fn date(value: &str) -> Option<i32> {
    match value {
        "infinity" => Some(i32::MAX),
        "-infinity" => Some(i32::MIN),
        _ => i32::try_from(days(value)?).ok(),
    }
}

/// Microseconds of a timestamp with or without an offset from UTC.
pub(super) fn timestamp(value: &str) -> Option<i64> {
    match value {
        "infinity" => return Some(i64::MAX),
        "-infinity" => return Some(i64::MIN),
        _ => {}
    }
    let (value, era) = value.strip_suffix(" BC").map_or((value, ""), |value| (value, " BC"));
    let (day, time) = value.split_once(' ')?;
    let offset_at = time.find(['+', '-']).unwrap_or(time.len());
    let (time, offset) = time.split_at(offset_at);
    let day = if era.is_empty() { days(day)? } else { days(&format!("{day}{era}"))? };
    day.checked_mul(DAY_MICROSECONDS)?.checked_add(time_of_day(time)? - self::offset(offset)?)
}

/// Microseconds since midnight of `hh:mm:ss` with up to six digits after a point.
pub(super) fn time_of_day(value: &str) -> Option<i64> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let mut parts = whole.split(':');
    let (hours, minutes, seconds) = (two(parts.next()?)?, two(parts.next()?)?, two(parts.next()?)?);
    let is_whole = parts.next().is_none() && fraction.len() <= 6 && !value.ends_with('.');
    if !is_whole || hours > 24 || minutes > 59 || seconds > 60 {
        return None;
    }
    let scale = 10_i64.pow(6 - u32::try_from(fraction.len()).ok()?);
    let fraction = if fraction.is_empty() { 0 } else { number(fraction)? };
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction * scale)
}

/// Microseconds that an offset as `+hh`, `-hh:mm` or `+hh:mm:ss` stands for.
fn offset(value: &str) -> Option<i64> {
    if value.is_empty() {
        return Some(0);
    }
    let (sign, parts) = (if value.starts_with('-') { -1 } else { 1 }, value.get(1..)?);
    let mut seconds = 0;
    let mut unit = 3600;
    for part in parts.split(':') {
        seconds += two(part)? * unit;
        unit /= 60;
    }
    Some(sign * seconds * 1_000_000)
}

/// Days from 2000-01-01 by Howard Hinnant's `days_from_civil`
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn days(value: &str) -> Option<i64> {
    let (value, before_christ) = value.strip_suffix(" BC").map_or((value, false), |value| (value, true));
    let mut parts = value.split('-');
    let (year, month, day) = (parts.next()?, two(parts.next()?)?, two(parts.next()?)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = number(year).filter(|year| (1..10_000_000).contains(year))?;
    let year = if before_christ { 1 - year } else { year };
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 730_425)
}

fn two(text: &str) -> Option<i64> {
    if text.len() == 2 { number(text) } else { None }
}

fn number(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_2000() {
        for (text, expected) in [
            ("2000-01-01", 0),
            ("1999-12-31", -1),
            ("2000-03-01", 60),
            ("2026-11-25", 9825),
            ("4714-11-24 BC", -2_451_545),
            ("0001-12-31 BC", -730_120),
            ("infinity", i32::MAX),
        ] {
            assert_eq!(date(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn timestamps_are_microseconds_in_utc() {
        for (text, expected) in [
            ("2000-01-01 00:00:00", 0),
            ("2000-01-01 00:00:00.5+00", 500_000),
            ("2000-01-01 08:00:00+08", 0),
            ("1999-12-31 23:59:59.999999+00", -1),
            ("0001-12-31 00:00:00 BC", -730_120 * DAY_MICROSECONDS),
            ("-infinity", i64::MIN),
        ] {
            assert_eq!(timestamp(text), Some(expected), "{text}");
        }
        for text in ["2000-01-01", "2000-01-01 1:00:00", "2000-01-01 00:00:00.", "x", "2000-01-01 00:00"] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }
}
