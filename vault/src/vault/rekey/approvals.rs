//! Approvals hold shares of keys: those of a splitting that is no longer in force go with its wraps, or a key that
//! was destroyed could be put together from them.

use std::collections::BTreeSet;

use super::StoreOutcome;
use crate::format::names;
use crate::requests::{Answer, Says, read_answer};
use crate::store::Store;
use crate::{Error, Result, Vault};

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
        let Some((id, Some((verb @ "approve", person)))) = names::request_part(&object.name) else {
            continue;
        };
        let is_good = match store.get(&object.name).await {
            Ok(bytes) => match read_answer(vault, id, (&object.name, verb, person), &bytes) {
                Ok(Answer { says: Says::Approve(shares), .. }) => {
                    shares.iter().all(|share| in_force.contains(&share.wrap))
                }
                _ => false,
            },
            Err(Error::Missing { .. }) => continue,
            Err(error) => return Err(error),
        };
        if !is_good {
            old.push(object.name);
        }
    }
    Ok(old)
}
