//! How far a copy is behind, from what this host knows of it: asks no store.

use jiff::Timestamp;
use serde::Serialize;

use super::unknown;
use crate::SnapshotId;
use crate::format::copies::CopyRecord;

/// A copy, as `status` and metrics show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopyStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Snapshots that it shall hold.
    pub snapshots: u64,
    /// Those of them that it held whole when it was last reached.
    pub held: u64,
    /// For how long it has been behind: the age of the oldest snapshot that it shall hold and does not.
    /// 0 when it holds all of them. (That of the newest would begin anew with every night's backup, and
    /// an alert on it would never fire.)
    pub lag_seconds: u64,
    /// When the newest snapshot that it holds was taken: what a restore from it would give.
    pub newest_held: Option<Timestamp>,
    /// When it was last found, or made, complete.
    pub verified: Option<Timestamp>,
    /// When it was last looked at.
    pub tried: Option<Timestamp>,
    /// Why that failed, if it did.
    pub failure: Option<String>,
    /// What was found wrong with it.
    pub findings: Vec<String>,
    /// Objects in it when it was last reached.
    pub objects: u64,
    /// Bytes of them.
    pub bytes: u64,
}

impl CopyStatus {
    /// Whether it held everything that it shall hold when it was last reached.
    pub fn is_complete(&self) -> bool {
        self.held == self.snapshots
    }
}

/// Judges a copy by its record. `snapshots` are the vault's, with their times: it shall hold all but those
/// that its own retention spared when it was last reached.
pub fn copy_status(
    name: &str,
    url: &str,
    record: Option<&CopyRecord>,
    snapshots: &[(SnapshotId, Timestamp)],
    now: Timestamp,
) -> CopyStatus {
    // A record of another place says nothing of this one.
    let record = record.filter(|record| record.url == url).cloned().unwrap_or_else(|| unknown(url));
    let wanted: Vec<_> = snapshots.iter().filter(|(id, _)| !record.spared.contains(id)).collect();
    let (held, lacking): (Vec<_>, Vec<_>) =
        wanted.iter().copied().partition(|(id, _)| record.held.contains(id));
    let oldest = lacking.iter().map(|(_, time)| *time).min();
    let lag = oldest.map_or(0, |time| now.duration_since(time).as_secs().max(0).unsigned_abs());
    CopyStatus {
        name: name.to_owned(),
        url: url.to_owned(),
        snapshots: wanted.len() as u64,
        held: held.len() as u64,
        lag_seconds: lag,
        newest_held: held.iter().map(|(_, time)| *time).max(),
        verified: record.verified,
        tried: record.tried,
        failure: record.failure,
        findings: record.findings,
        objects: record.objects,
        bytes: record.bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "s3://b/v";

    fn id(number: u8) -> SnapshotId {
        SnapshotId([number; 32])
    }

    fn time(hour: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hour * 3600).expect("a time")
    }

    fn check(record_url: &str, held: &[u8], expected: (u64, u64, Option<Timestamp>)) {
        let record = CopyRecord { held: held.iter().map(|n| id(*n)).collect(), ..unknown(record_url) };
        let wanted = [(id(1), time(0)), (id(2), time(24)), (id(3), time(48))];
        let status = copy_status("b", URL, Some(&record), &wanted, time(50));
        assert_eq!((status.held, status.lag_seconds, status.newest_held), expected);
        assert_eq!(status.is_complete(), expected.1 == 0);
    }

    #[test]
    fn the_lag_is_the_age_of_the_oldest_snapshot_that_is_lacking() {
        check(URL, &[1, 2, 3], (3, 0, Some(time(48))));
        check(URL, &[1, 2], (2, 2 * 3600, Some(time(24))));
        check(URL, &[1], (1, 26 * 3600, Some(time(0))));
        check(URL, &[1, 3], (2, 26 * 3600, Some(time(48))));
        check(URL, &[], (0, 50 * 3600, None));
        check(URL, &[9], (0, 50 * 3600, None));
    }

    #[test]
    fn what_its_own_retention_spares_is_not_lacking() {
        let record = CopyRecord { held: vec![id(3)], spared: vec![id(1)], ..unknown(URL) };
        let status = copy_status("b", URL, Some(&record), &[(id(1), time(0)), (id(3), time(48))], time(50));
        assert_eq!((status.snapshots, status.held, status.lag_seconds), (1, 1, 0));
    }

    #[test]
    fn a_record_of_another_place_says_nothing() {
        check("s3://elsewhere/v", &[1, 2, 3], (0, 50 * 3600, None));
    }

    #[test]
    fn a_clock_that_is_behind_makes_no_lag() {
        let status = copy_status("b", URL, None, &[(id(1), time(3))], time(0));
        assert_eq!((status.lag_seconds, status.held), (0, 0));
        assert!(!status.is_complete());
    }
}
