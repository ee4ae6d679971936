//! Approvals hold shares of keys: those of a splitting that is no longer in force go with its wraps, or a key that
//! was destroyed could be put together from them.

use std::collections::BTreeSet;

use super::StoreOutcome;
use crate::format::envelope::Kind;
use crate::format::names;
use crate::format::request::Approval;
use crate::store::Store;
use crate::{Error, Result, Vault, pack};

/// Takes away the approvals that hold a share of a wrap that is not in force, and those that cannot be read.
pub(super) async fn clean(
    vault: &Vault,
    store: &Store,
    in_force: &BTreeSet<String>,
    outcome: &mut StoreOutcome,
) {
    match old(vault, store, in_force).await {
        Ok(names) => {
            for name in names {
                match store.remove(&name).await {
                    Ok(_) => outcome.approvals.push(name),
                    Err(error) => outcome.left.push((name, error)),
                }
            }
        }
        Err(error) => outcome.failed = outcome.failed.take().or(Some(error)),
    }
}

async fn old(vault: &Vault, store: &Store, in_force: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut old = Vec::new();
    for object in store.list(names::REQUESTS).await? {
        if !matches!(names::request_part(&object.name), Some((_, Some(("approve", _))))) {
            continue;
        }
        let is_good = match store.get(&object.name).await {
            Ok(bytes) => wraps(vault, &object.name, &bytes)
                .is_ok_and(|wraps| wraps.iter().all(|wrap| in_force.contains(wrap))),
            Err(Error::Missing { .. }) => continue,
            Err(error) => return Err(error),
        };
        if !is_good {
            old.push(object.name);
        }
    }
    Ok(old)
}

/// The wraps that an approval has shares of.
fn wraps(vault: &Vault, name: &str, object: &[u8]) -> Result<Vec<String>> {
    let (_, body) = vault.open_of_person(name, Kind::Approval, object)?;
    let approval: Approval = serde_json::from_str(&pack::decompress_text(name, &body)?)
        .map_err(|error| Error::damaged(name, error))?;
    Ok(approval.shares.into_iter().map(|share| share.wrap).collect())
}
