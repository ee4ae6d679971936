//! Times of the sample company: seven years of work, then day after day.

use std::fmt::Write;
use std::sync::LazyLock;

/// The company's first day, 2019-12-02, in days since 1970.
const FIRST_DAY: i64 = 18_232;
/// How many days of history a new database holds.
pub(super) const HISTORY_DAYS: u64 = 2_548;
/// How far dates reach: history, simulated days, and birthdays before both.
const DAYS_BEFORE: i64 = 30_000;
const DAYS_AFTER: i64 = 4_000 + HISTORY_DAYS as i64;

static DATES: LazyLock<Vec<String>> = LazyLock::new(|| (-DAYS_BEFORE..DAYS_AFTER).map(date_text).collect());

/// The date `day` days after the company's first, as `2026-11-23`.
pub(super) fn date(day: i64) -> &'static str {
    &DATES[(day + DAYS_BEFORE).clamp(0, DAYS_BEFORE + DAYS_AFTER - 1) as usize]
}

/// The moment `second` seconds into `day`, in UTC with microseconds, as every database reads it.
pub(super) fn moment(out: &mut String, day: i64, second: u64, micros: u64) {
    let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
    let date = date(day);
    write!(out, "{date} {hour:02}:{minute:02}:{second:02}.{micros:06}+00")
        .expect("a string takes everything");
}

/// Howard Hinnant's `civil_from_days`.
fn date_text(day: i64) -> String {
    let z = FIRST_DAY + day + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (day, expected) in [
            (0, "2019-12-02"),
            (89, "2020-02-29"),
            (90, "2020-03-01"),
            (HISTORY_DAYS as i64, "2026-11-23"),
            (-18_232, "1970-01-01"),
        ] {
            assert_eq!(date(day), expected);
        }
    }
}
