//! Taking the lease on deleting, after whoever has it: two hosts with the same schedule both get their work
//! done, one after the other.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Interrupt, Progress};
use lifeboat_vault::{AgentKey, Error, LEASE_SECONDS, Lease, Vault};

/// Each look is a few small requests.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Another holder is waited for so many looks, a quarter of an hour: longer than the lease of one that was killed
/// lasts, and than most expiries and prunes take. Whoever comes by schedule is tried again after that.
const LOOKS_MAX: u32 = 300;

/// What somebody wants to delete for, and by which right.
pub struct Claim<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// This agent's key.
    pub key: &'a AgentKey,
    /// What it does, such as `pruning`: the next who waits is told.
    pub purpose: &'static str,
    /// No other host deletes there: the operator answers for it.
    pub alone: bool,
    /// Prints JSON.
    pub json: bool,
}

impl Claim<'_> {
    /// Takes the lease of a vault, or of a copy. Waits a while for a holder, and says for whom.
    ///
    /// # Errors
    /// `Locked` when it was waited for long enough; whatever else [`Lease::take`] says, at once.
    pub async fn take(&self, vault: &Vault, interrupt: &Interrupt) -> Result<Lease, CommandError> {
        let progress = Progress::new(self.json);
        let mut told = String::new();
        let zone = self.config.agent.zone();
        let tell = |error: &Error| {
            let Some(line) = waiting(error, Timestamp::now(), &zone).filter(|line| *line != told) else {
                return;
            };
            progress.phase(&line);
            told = line;
        };
        let take = || Lease::take(vault, self.key, self.purpose, self.alone);
        let taken = interrupt.or(patiently(take, tell, tokio::time::sleep)).await;
        progress.finish();
        taken
    }
}

/// Tries until nobody has the lease, or the time is up.
async fn patiently<T>(
    mut take: impl AsyncFnMut() -> lifeboat_vault::Result<T>,
    mut tell: impl FnMut(&Error),
    mut pause: impl AsyncFnMut(Duration),
) -> lifeboat_vault::Result<T> {
    for _ in 1..LOOKS_MAX {
        match take().await {
            // Lost on the way to it: another was quicker, and has it now.
            Err(error @ (Error::Locked { .. } | Error::LeaseLost { .. })) => tell(&error),
            taken => return taken,
        }
        pause(LOOK_EVERY).await;
    }
    take().await
}

/// `waiting for db2, pruning under a lease until 02:51, unless it is renewed or given back`.
fn waiting(error: &Error, now: Timestamp, zone: &TimeZone) -> Option<String> {
    let Error::Locked { by, purpose, seconds_ago } = error else { return None };
    let left = SignedDuration::from_secs(LEASE_SECONDS.saturating_sub(*seconds_ago));
    let until = now.checked_add(left).ok()?.to_zoned_datetime(zone.clone());
    let until = until.strftime("%H:%M");
    Some(format!(
        "waiting for {by}, {purpose} under a lease until {until}, unless it is renewed or given back"
    ))
}

#[cfg(test)]
mod tests {
    use lifeboat_console::Kind;

    use super::*;
    use crate::explain::explain;

    fn locked() -> Error {
        Error::Locked { by: "db2".into(), purpose: "pruning".into(), seconds_ago: 60 }
    }

    #[tokio::test]
    async fn a_holder_is_waited_for_until_the_lease_is_given_back() {
        let lost = || Error::LeaseLost { reason: "another host has taken it".into() };
        let mut answers = vec![Ok(7), Err(lost()), Err(locked()), Err(locked())];
        let mut told = 0;
        let taken = patiently(
            async || answers.pop().expect("it has been taken"),
            |error| told += u32::from(matches!(error, Error::Locked { .. })),
            async |_| (),
        );
        assert_eq!(taken.await.expect("it was given back"), 7);
        assert_eq!(told, 2);
    }

    #[tokio::test]
    async fn a_holder_that_goes_on_is_waited_for_longer_than_one_that_was_killed() {
        let mut waited = Duration::ZERO;
        let taken = patiently(async || Err::<(), _>(locked()), |_| (), async |pause| waited += pause);
        let error = CommandError::from(taken.await.expect_err("it is held")).classify(explain);
        assert_eq!(error.kind(), Kind::Locked);
        assert!(waited.as_secs() > LEASE_SECONDS.unsigned_abs(), "{waited:?}");
    }

    #[tokio::test]
    async fn what_no_waiting_mends_is_told_at_once() {
        let unasked = |_: &Error| panic!("nobody holds it");
        let taken =
            patiently(async || Err::<(), _>(Error::NotExclusive), unasked, async |_| panic!("no wait"));
        assert!(matches!(taken.await, Err(Error::NotExclusive)));
    }

    #[test]
    fn who_waits_is_told_for_whom_and_until_when() {
        let now = "2026-11-23T02:42:10Z".parse().expect("a time");
        let zone = TimeZone::get("Asia/Shanghai").expect("a time zone");
        assert_eq!(
            waiting(&locked(), now, &zone).as_deref(),
            Some("waiting for db2, pruning under a lease until 10:51, unless it is renewed or given back")
        );
    }
}
