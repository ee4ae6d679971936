//! When the daemon looks at the vault's record by itself: often, one look at a time, and beside the loop.
//!
//! Jobs look too, but a day may lie between two of them. A look that fails is said once, until one succeeds.

use jiff::{SignedDuration, Timestamp};
use lifeboat_console::{CommandError, chain};

/// Broken glass is told within five minutes of its entry, with what the loop's turn and the look itself take. A
/// look opens the vault, lists the record and reads the ends of its chains and what is new: some twenty small
/// requests to the store, which cost about as much in a month as one gigabyte kept.
const EVERY: SignedDuration = SignedDuration::from_mins(4);

/// The looks of one daemon.
#[derive(Debug, Default)]
pub struct Looks {
    /// When the last one began.
    begun: Option<Timestamp>,
    under_way: bool,
    failing: bool,
}

impl Looks {
    /// Whether a look begins at this time; if so, [`Looks::ended`] is to be told of its end.
    pub fn begins(&mut self, now: Timestamp) -> bool {
        // A time that a wrong clock showed may be far off.
        let wait = |begun: Timestamp| (SignedDuration::ZERO..EVERY).contains(&now.duration_since(begun));
        if self.under_way || self.begun.is_some_and(wait) {
            return false;
        }
        (self.begun, self.under_way) = (Some(now), true);
        true
    }

    /// The look has ended.
    pub fn ended(&mut self, look: Result<(), CommandError>) {
        self.under_way = false;
        let failed_before = std::mem::replace(&mut self.failing, look.is_err());
        match look {
            Err(error) if !failed_before => tracing::warn!(
                "what is unusual on the vault's record cannot be told until it can be read: {}",
                chain(error.error())
            ),
            Ok(()) if failed_before => tracing::info!("the vault's record is read again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_console::Kind;

    use super::*;

    #[test]
    fn the_record_is_looked_at_every_few_minutes_and_once_at_a_time() {
        let start: Timestamp = "2026-11-23T03:00:00Z".parse().expect("a time");
        let after = |minutes| start + SignedDuration::from_mins(minutes);
        let mut looks = Looks::default();
        assert!(looks.begins(start), "at the start");
        assert!(!looks.begins(after(10)), "one is under way");
        looks.ended(Ok(()));
        assert!(!looks.begins(after(3)) && looks.begins(after(4)));
        looks.ended(Err(CommandError::new(Kind::Failed, "the store does not answer")));
        assert!(!looks.begins(after(7)) && looks.begins(after(8)), "a failure changes nothing");
        looks.ended(Ok(()));
        assert!(looks.begins(after(-600)), "the clock was set back");
    }
}
