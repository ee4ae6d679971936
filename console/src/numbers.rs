//! Numbers as people read them. JSON carries the plain ones.

use std::time::Duration;

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Bytes with three or four significant digits: `512 B`, `1.50 KiB`, `312 MiB`.
pub fn human_bytes(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 999.5 would be printed as 1000; from there on the next unit reads better.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A count with a comma every three digits: `3,100,000`.
pub fn human_rows(rows: u64) -> String {
    let digits = rows.to_string();
    let first = digits.len() % 3;
    let mut groups = if first > 0 { vec![&digits[..first]] } else { Vec::new() };
    groups.extend((first..digits.len()).step_by(3).map(|at| &digits[at..at + 3]));
    groups.join(",")
}

/// A number of things whose noun or verb is regular: `1 table`, `3,100,000 rows`.
pub fn counted(number: u64, what: &str) -> String {
    count(number, what, &format!("{what}s"))
}

/// A number with its word: `1 person`, `2 people`, `1 stays`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", human_rows(number), if number == 1 { one } else { many })
}

/// A length of time in at most two units: `850 ms`, `12.3 s`, `4 min 05 s`, `2 h 03 min`, `3 d 04 h`.
pub fn human_duration(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    if tenths < 10 {
        return format!("{} ms", duration.as_millis());
    }
    if tenths < 600 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    let seconds = (duration.as_millis() + 500) / 1000;
    match seconds {
        ..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_and_a_unit() {
        let check = |bytes: u64, expected: &str| assert_eq!(human_bytes(bytes), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1.00 KiB");
        check(1536, "1.50 KiB");
        check(10 * 1024, "10.0 KiB");
        check(1_023_999, "0.98 MiB");
        check(312 << 20, "312 MiB");
        check(u64::MAX, "16.0 EiB");
    }

    #[test]
    fn rows_have_commas() {
        let check = |rows: u64, expected: &str| assert_eq!(human_rows(rows), expected);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(3_100_000, "3,100,000");
        check(12_345_678, "12,345,678");
    }

    #[test]
    fn words_follow_their_number() {
        let check = |number: u64, expected: &str| assert_eq!(counted(number, "row"), expected);
        check(0, "0 rows");
        check(1, "1 row");
        check(3_100_000, "3,100,000 rows");
        assert_eq!([1, 2].map(|number| count(number, "stays", "stay")), ["1 stays", "2 stay"]);
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let check = |ms: u64, expected: &str| assert_eq!(human_duration(Duration::from_millis(ms)), expected);
        check(0, "0 ms");
        check(850, "850 ms");
        check(999, "1.0 s");
        check(12_345, "12.3 s");
        check(59_949, "59.9 s");
        check(59_950, "1 min 00 s");
        check(245_000, "4 min 05 s");
        check(3_599_600, "1 h 00 min");
        check(7_380_000, "2 h 03 min");
        check(273_600_000, "3 d 04 h");
    }
}
