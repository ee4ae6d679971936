//! Extending the locks of what is kept: after a backup, a copy and a prune, so that nobody need think of it.

use std::path::Path;

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Kind};
use lifeboat_vault::format::names;
use lifeboat_vault::{ExpirePlan, Locked, SnapshotId, Vault, extend_locks};
use serde::{Deserialize, Serialize};

use crate::copies::OpenCopy;
use crate::retention::keep_of;
use crate::state_file;

/// What was last seen of locks, for `status`.
const SEEN: &str = "locked.json";

/// What to do about a bucket that locks everything by itself.
pub const DEFAULT_HINT: &str = "take the default retention out of the bucket's object lock, which stays on, and write `lock = { days = 30 }` in the configuration: config/STORES.md";

/// What to do about a bucket that cannot lock.
pub const NONE_HINT: &str =
    "object lock is turned on when a bucket is made: make one with it, or take `lock` out";

/// Extends the locks of the configured vault, if it locks. Snapshots that no policy keeps are left alone, so
/// that their locks end.
///
/// # Errors
/// `Partial`: what is in the vault is whole, and not protected for as long as it should be.
pub async fn extend(config: &Config, vault: &Vault) -> Result<Option<Locked>, CommandError> {
    if vault.store().lock_policy().is_none() {
        return Ok(None);
    }
    let extended = try_to(config, vault).await;
    extended.map(Some).map_err(|error| not_extended(error, "of the vault"))
}

/// The same for a copy, by what it keeps.
///
/// # Errors
/// As [`extend`].
pub async fn extend_copy(copy: &OpenCopy<'_>, of: &Vault) -> Result<Option<Locked>, CommandError> {
    copy.extend_locks(of).await.map(Some).map_err(|error| not_extended(error, "of the copy"))
}

/// What is whole, and not protected for as long as it should be.
pub fn not_extended(error: lifeboat_vault::Error, whose: &str) -> CommandError {
    let text = format!("the locks {whose} could not be extended, and end one day");
    CommandError::from(error).context(text).with_kind(Kind::Partial)
}

async fn try_to(config: &Config, vault: &Vault) -> lifeboat_vault::Result<Locked> {
    let now = Timestamp::now();
    let policy = |source: &str| keep_of(config, source);
    let plan = ExpirePlan::make(vault, policy, &config.agent.zone(), now).await?;
    see_to(vault, &config.agent.state, &plan, now).await
}

/// Extends the locks of what the plan leaves, and keeps for `status`, in a folder of this host's, what that came to.
pub async fn see_to(
    vault: &Vault,
    state: &Path,
    plan: &ExpirePlan,
    now: Timestamp,
) -> lifeboat_vault::Result<Locked> {
    let unkept = plan.unkept();
    let locked = extend_locks(vault, state, |id| !unkept.contains(&id), now).await?;
    // Each source's verdicts begin with its newest.
    let newest = plan.sources.iter().filter_map(|source| source.verdicts.first());
    let newest = newest.max_by_key(|verdict| verdict.snapshot.seen);
    let Some(snapshot) = newest.map(|verdict| verdict.snapshot.id) else { return Ok(locked) };
    if let Some(lock) = vault.store().lock_of(&names::snapshot(snapshot)).await? {
        LocksSeen { seen_to: now, snapshot, until: lock.until }.keep(state);
    }
    Ok(locked)
}

/// The locks of a vault or a copy, as this host last saw to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocksSeen {
    /// When everything that is kept was found, or made, locked for long enough.
    pub seen_to: Timestamp,
    /// The newest snapshot then.
    pub snapshot: SnapshotId,
    /// Until when it is locked.
    pub until: Timestamp,
}

impl LocksSeen {
    /// What is known in this folder: the state folder for the vault, its own for a copy.
    pub fn read(state: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(state.join(SEEN)).ok()?).ok()
    }

    /// What cannot be kept is a warning: the locks are extended.
    fn keep(&self, state: &Path) {
        let json = serde_json::to_vec(self).expect("plain data serialises");
        if let Err(error) = state_file::replace(&state.join(SEEN), &json) {
            tracing::warn!("until when snapshots are locked cannot be noted for `status`: {error}");
        }
    }
}
