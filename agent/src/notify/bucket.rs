//! How often a place may be told: a token bucket, with some tokens that only critical events may take.
//!
//! A service that is sent too much goes silent for minutes, and would swallow the one message that
//! matters. In any minute at most `burst + per_minute` messages leave.

use jiff::{SignedDuration, Timestamp};
use lifeboat_config::Channel;
use serde::{Deserialize, Serialize};

/// How often a kind of place may be told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Messages at once.
    pub burst: u32,
    /// Messages a minute after that.
    pub per_minute: u32,
    /// Of the burst, kept for critical events.
    pub reserved: u32,
}

/// What is left for one place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Rate {
    /// DingTalk and WeCom take 20 a minute, Feishu 5 a second and 100 a minute, Slack about one a second;
    /// all of these stay below.
    pub const fn of(channel: &Channel) -> Self {
        match channel {
            Channel::DingTalk { .. } | Channel::WeCom { .. } => {
                Self { burst: 10, per_minute: 10, reserved: 5 }
            }
            Channel::Feishu { .. } | Channel::Slack { .. } => Self { burst: 5, per_minute: 40, reserved: 2 },
            _ => Self { burst: 20, per_minute: 30, reserved: 5 },
        }
    }
}

impl Bucket {
    /// A full one.
    pub fn full(rate: Rate, now: Timestamp) -> Self {
        Self { tokens: f64::from(rate.burst), at: now }
    }

    /// Takes a token, or says when there will be one.
    ///
    /// # Errors
    /// The time to try again.
    pub fn take(&mut self, rate: Rate, critical: bool, now: Timestamp) -> Result<(), Timestamp> {
        let seconds = now.duration_since(self.at).as_secs_f64();
        // A clock that went back fills nothing and takes nothing.
        let filled = seconds.max(0.0) * f64::from(rate.per_minute) / 60.0;
        self.tokens = (self.tokens + filled).min(f64::from(rate.burst));
        self.at = now;
        let needed = if critical { 1.0 } else { 1.0 + f64::from(rate.reserved) };
        if self.tokens >= needed {
            self.tokens -= 1.0;
            return Ok(());
        }
        let seconds = (needed - self.tokens) * 60.0 / f64::from(rate.per_minute);
        Err(now + SignedDuration::from_millis((seconds * 1000.0).ceil() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 10, per_minute: 10, reserved: 5 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).expect("a time")
    }

    #[test]
    fn no_minute_has_more_than_a_service_takes() {
        let mut bucket = Bucket::full(RATE, at(0));
        let sent: Vec<i64> = (0..300).filter(|s| bucket.take(RATE, s % 3 == 0, at(*s)).is_ok()).collect();
        for start in 0..240 {
            let minute = sent.iter().filter(|s| (start..start + 60).contains(*s)).count();
            assert!(minute <= 20, "{minute} in the minute from {start}");
        }
        assert!(sent.len() >= 50, "{}", sent.len());
    }

    #[test]
    fn tokens_are_kept_for_critical_events() {
        let mut bucket = Bucket::full(RATE, at(0));
        let usual = (0..25).filter(|_| bucket.take(RATE, false, at(0)).is_ok()).count();
        assert_eq!(usual, 5);
        assert_eq!(bucket.take(RATE, false, at(0)), Err(at(6)));
        assert_eq!(bucket.take(RATE, true, at(0)), Ok(()));
        assert_eq!(bucket.take(RATE, false, at(-3600)), Err(at(-3600 + 12)), "a clock that went back");
    }
}
