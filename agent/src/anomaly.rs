//! Is this snapshot like those before it? Pure: numbers in, sentences out.
//!
//! Whoever encrypts, empties or corrupts a database hopes that backups go on and push the good ones out. A
//! run that leaves the source's usual band is kept and flagged, and holds expiry back until a person has
//! looked. Bounds are generous: a false alarm a month would be accepted unread. Each sentence names the
//! baseline that was left, so that a person can judge in a minute.

use lifeboat_console::{human_bytes, human_rows};

/// Runs that make the baseline: two weeks of nights, so that a business that grows is no anomaly.
pub const BASELINE_RUNS: usize = 14;

/// Fewer runs than this are no band yet.
const BASELINE_RUNS_MIN: usize = 3;

/// Rows or bytes below half the fewest, or above twice the most.
const TOTAL_FACTOR: u64 = 2;

/// Sources and tables smaller than this change by any factor on an ordinary day.
const ROWS_MIN: u64 = 1000;
const BYTES_MIN: u64 = 1 << 20;

/// A table that has lost more than nine rows of ten.
const TABLE_LOSS: u64 = 10;

/// New bytes: a quarter of everything, and four times the usual share.
const SHARE_MIN: f64 = 0.25;
const SHARE_FACTOR: f64 = 4.0;

/// Compressed bytes for each raw one: half as much again as in runs of about the same size. Encrypted text
/// compresses to three quarters in base64 and half in hex, where a CRM's own is a third.
const RATIO_FACTOR: f64 = 1.4;
const RATIO_SIZE_FACTOR: u64 = 8;

/// Tables named one by one; more are counted.
const TABLES_NAMED_MAX: usize = 10;

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measures {
    /// Rows of all tables.
    pub rows: u64,
    /// Raw bytes of all rows and files.
    pub raw_bytes: u64,
    /// What was new, where that is known.
    pub new: Option<New>,
}

/// What of a run was new.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct New {
    /// Raw bytes.
    pub raw_bytes: u64,
    /// The same, compressed and sealed.
    pub sealed_bytes: u64,
    /// Whether the rows of the last snapshot were known; without that, everything may look new.
    pub remembered: bool,
}

/// What about this run is unusual, one sentence each; `past` are good runs, the newest last.
pub fn judge(run: &Measures, past: &[Measures]) -> Vec<String> {
    let past = &past[past.len().saturating_sub(BASELINE_RUNS)..];
    let totals = [
        total(run.rows, past.iter().map(|run| run.rows), ROWS_MIN, |rows| {
            format!("{} rows", human_rows(rows))
        }),
        total(run.raw_bytes, past.iter().map(|run| run.raw_bytes), BYTES_MIN, human_bytes),
    ];
    totals.into_iter().flatten().chain(share(run, past)).chain(compression(run, past)).collect()
}

/// Tables that have lost nearly all of their rows, or are gone; `before` of the last good run.
pub fn judge_tables(before: &[(String, u64)], now: &[(String, u64)]) -> Vec<String> {
    let rows_now: std::collections::HashMap<_, _> = now.iter().map(|(name, rows)| (name, *rows)).collect();
    let mut lost = Vec::new();
    for (name, rows) in before.iter().filter(|(_, rows)| *rows >= ROWS_MIN) {
        let had = human_rows(*rows);
        match rows_now.get(name) {
            None => lost.push(format!("table {name} is gone: it had {had} rows")),
            Some(0) => lost.push(format!("table {name} is empty: it had {had} rows")),
            Some(left) if *left < rows / TABLE_LOSS => {
                lost.push(format!("table {name} has {} rows left of {had}", human_rows(*left)));
            }
            Some(_) => {}
        }
    }
    let more = lost.len().saturating_sub(TABLES_NAMED_MAX);
    lost.truncate(TABLES_NAMED_MAX);
    if more > 0 {
        lost.push(format!("and so are {more} other tables"));
    }
    lost
}

fn total(
    now: u64,
    past: impl ExactSizeIterator<Item = u64> + Clone,
    at_least: u64,
    shown: impl Fn(u64) -> String,
) -> Option<String> {
    if past.len() < BASELINE_RUNS_MIN {
        return None;
    }
    let (fewest, most) = (past.clone().min()?, past.max()?);
    let inside = now >= fewest / TOTAL_FACTOR && now <= most.saturating_mul(TOTAL_FACTOR);
    if inside || now.max(most) < at_least {
        return None;
    }
    Some(format!("{} in all, where it is usually {} to {}", shown(now), shown(fewest), shown(most)))
}

fn share(run: &Measures, past: &[Measures]) -> Option<String> {
    let new = run.new.filter(|new| new.remembered && new.raw_bytes >= BYTES_MIN)?;
    let of = |run: &Measures, new: New| new.raw_bytes as f64 / run.raw_bytes.max(1) as f64;
    let usual: Vec<f64> =
        past.iter().filter_map(|run| run.new.filter(|new| new.remembered).map(|new| of(run, new))).collect();
    if usual.len() < BASELINE_RUNS_MIN {
        return None;
    }
    let (now, most) = (of(run, new), usual.iter().copied().fold(0.0, f64::max));
    let unusual = now >= SHARE_MIN && now > most * SHARE_FACTOR;
    unusual.then(|| {
        format!("{} of its bytes are new, where it is usually up to {}", percent(now), percent(most))
    })
}

/// Runs of about the same size are compared: a handful of scattered rows compresses worse than a table.
fn compression(run: &Measures, past: &[Measures]) -> Option<String> {
    let new = run.new.filter(|new| new.raw_bytes >= BYTES_MIN && past.len() >= BASELINE_RUNS_MIN)?;
    let alike = |other: &New| {
        other.raw_bytes >= BYTES_MIN
            && other.raw_bytes / RATIO_SIZE_FACTOR <= new.raw_bytes
            && new.raw_bytes / RATIO_SIZE_FACTOR <= other.raw_bytes
    };
    let of = |new: New| new.sealed_bytes as f64 / new.raw_bytes.max(1) as f64;
    let worst = past.iter().filter_map(|run| run.new.filter(alike).map(of)).reduce(f64::max)?;
    let now = of(new);
    (now > worst * RATIO_FACTOR).then(|| {
        format!(
            "what is new compresses to {} of its size, where it is usually {} at most: encrypted values do so",
            percent(now),
            percent(worst)
        )
    })
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A night of a CRM of 900 MB: rows, share of new bytes in per mille, compressed per cent.
    fn night(rows: u64, new_permille: u64, ratio_percent: u64) -> Measures {
        let raw_bytes = rows * 300;
        let new = raw_bytes * new_permille / 1000;
        let sealed_bytes = new * ratio_percent / 100;
        Measures { rows, raw_bytes, new: Some(New { raw_bytes: new, sealed_bytes, remembered: true }) }
    }

    /// The first night, when everything is new, and a week of ordinary ones.
    fn week() -> Vec<Measures> {
        let first = night(3_000_000, 1000, 33);
        let first = Measures { new: first.new.map(|new| New { remembered: false, ..new }), ..first };
        let nights = (1..8).map(|day| night(3_000_000 + day * 10_000, 3 + day % 3, 45));
        std::iter::once(first).chain(nights).collect()
    }

    #[track_caller]
    fn check(run: Measures, past: &[Measures], expected: &[&str]) {
        assert_eq!(judge(&run, past), expected);
    }

    #[test]
    fn an_ordinary_night_is_no_anomaly() {
        check(night(3_080_000, 5, 46), &week(), &[]);
        check(night(3_080_000, 15, 44), &week(), &[]);
        check(night(4_000_000, 240, 40), &week(), &[]);
        check(night(3_080_000, 0, 0), &week(), &[]);
    }

    #[test]
    fn a_source_that_shrinks_or_swells_is_told_with_its_band() {
        check(
            night(12, 0, 0),
            &week(),
            &[
                "12 rows in all, where it is usually 3,000,000 rows to 3,070,000 rows",
                "3.52 KiB in all, where it is usually 858 MiB to 878 MiB",
            ],
        );
        let swollen = judge(&night(9_000_000, 5, 45), &week());
        assert_eq!(swollen.len(), 2, "{swollen:?}");
    }

    #[test]
    fn columns_that_somebody_encrypts_are_told() {
        check(
            night(3_080_000, 980, 55),
            &week(),
            &[
                "98 % of its bytes are new, where it is usually up to 0.5 %",
                "what is new compresses to 55 % of its size, where it is usually 33 % at most: encrypted values do so",
            ],
        );
    }

    #[test]
    fn a_host_that_has_lost_its_memory_is_no_anomaly() {
        let run = night(3_080_000, 1000, 33);
        let run = Measures { new: run.new.map(|new| New { remembered: false, ..new }), ..run };
        check(run, &week(), &[]);
    }

    #[test]
    fn the_first_nights_are_no_band() {
        check(night(12, 0, 0), &week()[..2], &[]);
        check(night(3_000_000, 900, 33), &week()[..2], &[]);
        check(night(3_000_000, 900, 33), &[], &[]);
    }

    #[test]
    fn what_is_small_may_do_as_it_likes() {
        let small = |rows| Measures { rows, raw_bytes: rows * 100, new: None };
        check(small(900), &[small(1), small(2), small(3)], &[]);
    }

    #[test]
    fn growth_over_months_moves_the_band() {
        let mut past: Vec<Measures> = Vec::new();
        for month in 0..36 {
            let run = night(100_000 * 11u64.pow(month / 3) / 10u64.pow(month / 3), 5, 45);
            assert_eq!(judge(&run, &past), Vec::<String>::new(), "month {month}");
            past.extend([run; 30]);
        }
    }

    #[test]
    fn a_table_that_went_from_a_million_rows_to_none_is_told() {
        let table = |name: &str, rows| (name.to_owned(), rows);
        let before = [
            table("a", 1_000_000),
            table("b", 50_000),
            table("c", 20_000),
            table("d", 900),
            table("e", 5000),
        ];
        let now = [table("a", 0), table("b", 4999), table("d", 0), table("e", 2000), table("new", 7)];
        let expected = [
            "table a is empty: it had 1,000,000 rows",
            "table b has 4,999 rows left of 50,000",
            "table c is gone: it had 20,000 rows",
        ];
        assert_eq!(judge_tables(&before, &now), expected);
        let many: Vec<_> = (0..13).map(|number| table(&format!("t{number}"), 1000)).collect();
        let told = judge_tables(&many, &[]);
        assert_eq!((told.len(), told[10].as_str()), (11, "and so are 3 other tables"));
    }
}
