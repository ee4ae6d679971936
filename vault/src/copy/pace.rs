//! How fast a copy is written: objects wait until those before them have been paid for.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// A limit may change while an object waits: it is asked for again at least this often.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What may go out now, in bytes a second; none is without limit.
type Limit = Box<dyn Fn() -> Option<NonZeroU64> + Send + Sync>;

/// A limit to what is written, on the average of some objects: each goes out at the line's own speed, and
/// the next one waits. Packs are about 16 MiB.
pub struct Pace {
    limit: Limit,
    debt: Mutex<Debt>,
}

/// Bytes let out and not paid for yet, as of an instant.
struct Debt {
    bytes: f64,
    since: Instant,
}

impl Pace {
    /// Asks `limit` before each object, and again while one waits.
    pub fn new(limit: impl Fn() -> Option<NonZeroU64> + Send + Sync + 'static) -> Self {
        Self { limit: Box::new(limit), debt: Mutex::new(Debt { bytes: 0.0, since: Instant::now() }) }
    }

    /// As fast as it goes.
    pub fn unlimited() -> Self {
        Self::new(|| None)
    }

    /// Waits until an object of this size may go out. Who asks first goes first.
    pub(super) async fn wait(&self, bytes: u64) {
        let mut debt = self.debt.lock().await;
        while let Some(pause) = debt.ask(bytes, (self.limit)(), Instant::now()) {
            tokio::time::sleep(pause.min(LOOK_AGAIN)).await;
        }
    }
}

impl Debt {
    /// Lets these bytes out, or says how long to wait before asking again.
    fn ask(&mut self, bytes: u64, rate: Option<NonZeroU64>, now: Instant) -> Option<Duration> {
        let Some(rate) = rate else {
            *self = Self { bytes: 0.0, since: now };
            return None;
        };
        let rate = rate.get() as f64;
        let paid = now.duration_since(self.since).as_secs_f64() * rate;
        *self = Self { bytes: (self.bytes - paid).max(0.0), since: now };
        // Less than a byte is what rounding leaves.
        if self.bytes >= 1.0 {
            return Some(Duration::from_secs_f64(self.bytes / rate));
        }
        self.bytes = bytes as f64;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for objects at these seconds, at these rates; compares how long each is told to wait.
    fn check(asked: &[(u64, u64, u64, Option<u64>)]) {
        let start = Instant::now();
        let mut debt = Debt { bytes: 0.0, since: start };
        for (second, bytes, rate, expected) in asked {
            let told = debt.ask(*bytes, NonZeroU64::new(*rate), start + Duration::from_secs(*second));
            assert_eq!(told, expected.map(Duration::from_secs), "at {second} s of {asked:?}");
        }
    }

    #[test]
    fn an_object_waits_until_those_before_it_are_paid_for() {
        check(&[
            (0, 5000, 1000, None),
            (0, 2000, 1000, Some(5)),
            (3, 2000, 1000, Some(2)),
            (5, 2000, 1000, None),
            (6, 1, 1000, Some(1)),
            (100, 1, 1000, None),
        ]);
    }

    #[test]
    fn a_limit_that_changes_counts_from_then_on() {
        check(&[(0, 4000, 1000, None), (1, 1, 2000, Some(1)), (1, 1, 0, None), (1, 1, 1000, None)]);
    }
}
