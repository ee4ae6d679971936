//! When something runs: words or a cron expression, and the instants that they mean.
//!
//! The `cron` crate matches the clock on the wall as though it never changed; `jiff` knows when it does.
//! Time is walked in stretches between two changes of the clock, in which wall and instants go in step.
//! The rule for the changes:
//!
//! - A time that the clock skips in spring comes once, at the moment it skips to.
//! - A time that the clock shows twice in autumn comes once, the first time.
//! - What comes every hour or oftener goes on by the hours that pass, and neither rule touches it.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use cron::TimeUnitSpec;
use jiff::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use crate::values::Fault;

mod words;

/// Changes of the clock that a search looks across: more than a century of them. A schedule whose next
/// slot lies behind that has none.
const CHANGES_MAX: usize = 256;

/// When something runs, in the words of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    text: String,
    cron: cron::Schedule,
    /// Whether it comes in every hour of a day.
    hourly: bool,
}

/// One time at which something is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The instant.
    pub at: Timestamp,
    /// Whether the clock skips the time that was asked for, so that it comes right after.
    pub moved: bool,
}

impl Schedule {
    /// Reads words such as `daily 02:30` or a cron expression of five to seven fields.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let expression = words::to_cron(text)?;
        let cron = cron::Schedule::from_str(&expression)
            .map_err(|error| words::not_understood(&format!("`{text}`: {error}")))?;
        if cron.after(&DateTime::<Utc>::UNIX_EPOCH).next().is_none() {
            return Err(words::not_understood(&format!("`{text}` never comes")));
        }
        let hourly = cron.hours().is_all();
        Ok(Self { text: text.to_owned(), cron, hourly })
    }

    /// The words of the configuration.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first slot after an instant, on the clocks of `zone`.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Slot> {
        let mut from = Stretch::around(after, zone);
        let mut past = from.wall(after);
        for _ in 0..CHANGES_MAX {
            if !self.hourly {
                past = past.max(from.shown_before);
            }
            let wall = self.cron_after(past)?;
            if let Some(at) = from.instant(wall) {
                return Some(Slot { at, moved: false });
            }
            let next = from.next(zone)?;
            if !self.hourly && wall < next.begins_at_wall() {
                return Some(Slot { at: next.begins, moved: true });
            }
            // `cron` looks for what comes after a time: one second earlier lets the beginning itself count.
            past = next.begins_at_wall().checked_sub(jiff::Span::new().seconds(1)).ok()?;
            from = next;
        }
        None
    }

    /// The slots after an instant, in order. There may be no end to them.
    pub fn after<'a>(&'a self, after: Timestamp, zone: &'a TimeZone) -> impl Iterator<Item = Slot> + 'a {
        std::iter::successors(self.next_after(after, zone), |slot| self.next_after(slot.at, zone))
    }

    fn cron_after(&self, wall: civil::DateTime) -> Option<civil::DateTime> {
        let seconds = TimeZone::UTC.to_timestamp(wall).ok()?.as_second();
        let found = self.cron.after(&DateTime::from_timestamp(seconds, 0)?).next()?;
        Some(TimeZone::UTC.to_datetime(Timestamp::from_second(found.timestamp()).ok()?))
    }
}

/// A stretch of time in which the clock is not changed.
struct Stretch {
    begins: Timestamp,
    ends: Option<Timestamp>,
    offset: jiff::tz::Offset,
    /// The last that the clock showed before: later than the beginning when it was set back.
    shown_before: civil::DateTime,
}

impl Stretch {
    /// The stretch in which an instant lies.
    fn around(at: Timestamp, zone: &TimeZone) -> Self {
        let just_after = at.checked_add(jiff::Span::new().nanoseconds(1)).unwrap_or(at);
        let begins = zone.preceding(just_after).next().map(|change| change.timestamp());
        Self::beginning(begins.unwrap_or(Timestamp::MIN), at, zone)
    }

    /// The stretch that begins where this one ends.
    fn next(&self, zone: &TimeZone) -> Option<Self> {
        self.ends.map(|ends| Self::beginning(ends, ends, zone))
    }

    fn beginning(begins: Timestamp, within: Timestamp, zone: &TimeZone) -> Self {
        let offset = zone.to_offset(within);
        let ends = zone.following(within).next().map(|change| change.timestamp());
        let before = begins.checked_sub(jiff::Span::new().nanoseconds(1)).unwrap_or(begins);
        Self { begins, ends, offset, shown_before: zone.to_offset(before).to_datetime(before) }
    }

    fn wall(&self, at: Timestamp) -> civil::DateTime {
        self.offset.to_datetime(at)
    }

    fn begins_at_wall(&self) -> civil::DateTime {
        self.wall(self.begins)
    }

    /// The instant at which the clock shows this, unless it lies behind the end.
    fn instant(&self, wall: civil::DateTime) -> Option<Timestamp> {
        let at = self.offset.to_timestamp(wall).ok()?;
        self.ends.is_none_or(|ends| at < ends).then_some(at)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
