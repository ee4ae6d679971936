//! Versions that a bucket keeps of wraps and approvals: a key that was destroyed would open from them again.

use std::collections::BTreeSet;

use super::{OldVersions, StoreOutcome};
use crate::format::names;
use crate::store::{Store, Version, Versions};
use crate::{Error, Result};

/// Removes every version of each wrap that is not in force, and of each approval, once its name lists no object any
/// more; then asks again, and tells of what is left. What a name stands for now is another change's, or told of
/// already.
pub(super) async fn clean(store: &Store, in_force: &BTreeSet<String>, outcome: &mut StoreOutcome) {
    outcome.versions = match remove(store, in_force, outcome).await {
        Ok(versions) => versions,
        Err(error) => OldVersions::Failed(error),
    };
}

async fn remove(
    store: &Store,
    in_force: &BTreeSet<String>,
    outcome: &mut StoreOutcome,
) -> Result<OldVersions> {
    let Some(old) = old(store, in_force).await? else { return Ok(OldVersions::Unknown) };
    let (markers, contents): (Vec<_>, Vec<_>) = old.into_iter().partition(|(_, version)| version.is_marker);
    let mut stay = BTreeSet::new();
    for (name, version) in &contents {
        if let Err(error) = store.remove_version(name, version).await {
            outcome.left.push((told(name, version), error));
            stay.insert(name);
        }
    }
    // Without its mark, a version that stays would be what the name stands for.
    for (name, version) in markers.iter().filter(|(name, _)| !stay.contains(name)) {
        if let Err(error) = store.remove_version(name, version).await {
            tracing::warn!(name, %error, "the mark of a deletion is left, and means nothing");
        }
    }
    let left = old_but(store, in_force, outcome).await?;
    for (name, version) in &left {
        let reason = "the store says that this version was removed, and still lists it";
        let name = told(name, version);
        outcome.left.push((name.clone(), Error::damaged(name, reason)));
    }
    let gone = |(name, version): &&(String, Version)| {
        let told = told(name, version);
        outcome.left.iter().all(|(left, _)| *left != told)
    };
    Ok(OldVersions::Removed(contents.iter().filter(gone).count() as u64))
}

/// What is listed still and not told of yet.
async fn old_but(
    store: &Store,
    in_force: &BTreeSet<String>,
    outcome: &StoreOutcome,
) -> Result<Vec<(String, Version)>> {
    let mut left = old(store, in_force).await?.unwrap_or_default();
    let is_told = |name: &str, version: &Version| {
        outcome.left.iter().any(|(told_of, _)| *told_of == told(name, version))
    };
    left.retain(|(name, version)| !version.is_marker && !is_told(name, version));
    Ok(left)
}

/// Versions of what was taken away; nothing where the store cannot tell.
async fn old(store: &Store, in_force: &BTreeSet<String>) -> Result<Option<Vec<(String, Version)>>> {
    let mut old = Vec::new();
    for folder in [names::KEYS, names::REQUESTS] {
        let Versions::Known(versions) = store.versions(folder).await? else { return Ok(None) };
        let there: BTreeSet<String> = versions
            .iter()
            .filter(|(_, version)| version.latest && !version.is_marker)
            .map(|(name, _)| name.clone())
            .collect();
        let is_old = |name: &str| !there.contains(name) && !in_force.contains(name) && holds_a_secret(name);
        old.extend(versions.into_iter().filter(|(name, _)| is_old(name)));
    }
    Ok(Some(old))
}

/// Wraps, and approvals with shares of keys.
fn holds_a_secret(name: &str) -> bool {
    let is_approval = || matches!(names::request_part(name), Some((_, Some(("approve", _)))));
    (name.starts_with(names::KEYS) && name.ends_with(".age")) || is_approval()
}

fn told(name: &str, version: &Version) -> String {
    format!("{name}, version {}", version.id)
}
