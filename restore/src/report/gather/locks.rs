//! Object locks, read back: having asked for one is no proof.

use jiff::Timestamp;
use lifeboat_vault::Store;
use lifeboat_vault::store::{BucketLocks, LockMode};

use super::super::facts::Locks;

/// Objects of each store whose lock is asked for.
const SAMPLES: usize = 25;

/// Asks for the locks of some of the objects that are to be locked; keys never are.
pub async fn of(store: &Store, names: &[(&str, u64)], now: Timestamp) -> Locks {
    match store.bucket_locks().await {
        Ok(None) if store.url().starts_with("file:") => return Locks::Impossible,
        Ok(Some(BucketLocks::Never)) => return Locks::Impossible,
        Ok(None) => return Locks::NotRead("only those of S3 are".into()),
        Ok(Some(BucketLocks::OnRequest | BucketLocks::Always(_))) => {}
        Err(error) => return Locks::NotRead(error.to_string()),
    }
    let to_be_locked = |name: &str| {
        name == "vault" || ["packs/", "index/", "snapshots/", "agents/"].iter().any(|at| name.starts_with(at))
    };
    let names: Vec<_> = names.iter().map(|(name, _)| *name).filter(|name| to_be_locked(name)).collect();
    let (mut asked, mut open) = (0, Vec::new());
    for name in names.iter().step_by(names.len().div_ceil(SAMPLES).max(1)) {
        match store.lock_of(name).await {
            Ok(Some(lock)) if lock.mode == LockMode::Compliance && lock.until > now => {}
            // Who may not ask is told nothing, as if there were no lock.
            Ok(None) if !store.keeps_versions() => {
                return Locks::NotRead("these credentials may not ask".into());
            }
            Ok(_) => open.push((*name).to_owned()),
            Err(error) => return Locks::NotRead(error.to_string()),
        }
        asked += 1;
    }
    Locks::Read { asked, open }
}
