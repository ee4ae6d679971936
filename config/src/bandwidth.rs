//! How fast a copy may be written, by the hour: `"08:00-20:00 2MB/s"`.

use std::fmt;
use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::values::Fault;

/// Minutes in a day.
const DAY: u16 = 24 * 60;

/// Units of a rate, and the bytes in one.
const UNITS: [(&str, u64); 6] = [
    ("kB/s", 1_000),
    ("MB/s", 1_000_000),
    ("GB/s", 1_000_000_000),
    ("KiB/s", 1 << 10),
    ("MiB/s", 1 << 20),
    ("Mbit/s", 125_000),
];

const EXAMPLE: &str = "write `08:00-20:00 2MB/s`, `20:00-08:00 unlimited`, or a rate alone for the whole day";

/// A limit that holds at some hours of every day, by the agent's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth {
    /// The minute of the day at which it begins.
    from: u16,
    /// The minute of the day before which it ends; not after `from` when it lasts over midnight.
    to: u16,
    rate: Option<NonZeroU64>,
    unit: &'static str,
}

impl Bandwidth {
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let fault = |message: String| Fault { message, hints: vec![EXAMPLE.into()] };
        let (hours, rate) = match text.trim().split_once(' ') {
            Some((hours, rate)) => (Some(hours), rate.trim()),
            None => (None, text.trim()),
        };
        let (from, to) = match hours {
            None => (0, DAY),
            Some(hours) => hours
                .split_once('-')
                .and_then(|(from, to)| Some((minute(from)?, minute(to)?)))
                .filter(|(from, to)| from != to && *from < DAY)
                .ok_or_else(|| fault(format!("`{hours}` is no span of hours")))?,
        };
        let (rate, unit) = parse_rate(rate).ok_or_else(|| fault(format!("`{rate}` is no rate")))?;
        Ok(Self { from, to, rate, unit })
    }

    /// Whether it holds at this minute of the day, from 0.
    fn holds_at(&self, minute: u16) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }

    /// What may be written at this minute of the day, in bytes a second: the first of `limits` that holds
    /// then decides, and none means without limit.
    pub fn at(limits: &[Self], minute: u16) -> Option<NonZeroU64> {
        limits.iter().find(|limit| limit.holds_at(minute)).and_then(|limit| limit.rate)
    }
}

/// `08:00` as the minute of the day; `24:00` is its end.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |digits: &str| digits.parse::<u16>().ok().filter(|_| matches!(digits.len(), 1 | 2));
    let (hour, minute) = (number(hour)?, number(minute)?);
    let at = hour * 60 + minute;
    (minute < 60 && at <= DAY).then_some(at)
}

fn parse_rate(text: &str) -> Option<(Option<NonZeroU64>, &'static str)> {
    if text == "unlimited" {
        return Some((None, ""));
    }
    let (unit, bytes) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    Some((Some(NonZeroU64::new(number.checked_mul(bytes)?)?), unit))
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (self.from, self.to) != (0, DAY) {
            let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
            write!(f, "{}-{} ", time(self.from), time(self.to))?;
        }
        match self.rate {
            None => f.write_str("unlimited"),
            Some(rate) => {
                let bytes =
                    UNITS.into_iter().find(|(unit, _)| *unit == self.unit).map_or(1, |(_, bytes)| bytes);
                write!(f, "{}{}", rate.get() / bytes, self.unit)
            }
        }
    }
}

impl Serialize for Bandwidth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Bandwidth {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bandwidth".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^([0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2} )?(unlimited|[0-9]+ ?(kB|MB|GB|KiB|MiB|Mbit)/s)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(limits: &[&str], time: &str, expected: Option<u64>) {
        let parsed: Vec<_> = limits.iter().map(|text| Bandwidth::parse(text).expect("a limit")).collect();
        let shown: Vec<_> = parsed.iter().map(ToString::to_string).collect();
        assert_eq!(shown, limits);
        let found = Bandwidth::at(&parsed, minute(time).expect("a time"));
        assert_eq!(found.map(NonZeroU64::get), expected, "{limits:?} at {time}");
    }

    #[test]
    fn the_first_limit_that_holds_decides() {
        let office = ["08:00-20:00 2MB/s", "20:00-08:00 unlimited"];
        check(&office, "07:59", None);
        check(&office, "08:00", Some(2_000_000));
        check(&office, "19:59", Some(2_000_000));
        check(&office, "20:00", None);
        check(&["12:00-13:00 unlimited", "100Mbit/s"], "12:30", None);
        check(&["12:00-13:00 unlimited", "100Mbit/s"], "13:00", Some(12_500_000));
        check(&["22:00-06:00 512KiB/s"], "23:59", Some(512 << 10));
        check(&["22:00-06:00 512KiB/s"], "05:59", Some(512 << 10));
        check(&["22:00-24:00 1kB/s"], "21:59", None);
        check(&[], "12:00", None);
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in [
            "",
            "2",
            "2MB",
            "0MB/s",
            "fast",
            "08:00 2MB/s",
            "8-20 2MB/s",
            "08:60-20:00 1MB/s",
            "25:00-26:00 1MB/s",
        ] {
            assert!(Bandwidth::parse(text).is_err(), "{text}");
        }
    }
}
