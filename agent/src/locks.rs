//! Extending the locks of what is kept: after a backup, a copy and a prune, so that nobody need think of it.

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Kind};
use lifeboat_vault::{ExpirePlan, Locked, Vault, extend_locks};

use crate::copies::OpenCopy;
use crate::retention::keep_of;

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
    let unkept = plan.unkept();
    extend_locks(vault, &config.agent.state, |id| !unkept.contains(&id), now).await
}
