//! Packs that would go and are locked wait for that: a delete would only hide them, and free nothing.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::{LockedPack, PrunePlan};
use crate::format::names;
use crate::{IndexId, PackId, Result};

/// Locks asked for at once.
const AT_ONCE: usize = 16;

/// Takes out of those that go each pack that is locked, or that a locked index object names: that must be
/// replaced before the pack goes.
pub(super) async fn set_aside(plan: &mut PrunePlan, now: Timestamp) -> Result<()> {
    let packs: Vec<_> = plan.going.iter().map(|pack| pack.pack).collect();
    let mut naming: HashMap<PackId, Vec<IndexId>> = HashMap::new();
    for pack in packs.iter().chain(&plan.forgotten) {
        naming.insert(*pack, plan.index.naming(&[*pack]).await?);
    }
    let indexes = naming.values().flatten().map(|id| names::index(*id));
    let mut names: Vec<String> = packs.iter().map(|pack| names::pack(*pack)).chain(indexes).collect();
    names.sort_unstable();
    names.dedup();
    let ends = ends(plan, names, now).await?;
    let end = |pack: &PackId| {
        let indexes = naming[pack].iter().map(|id| names::index(*id));
        indexes.chain([names::pack(*pack)]).filter_map(|name| ends.get(&name).copied()).max()
    };
    plan.forgotten.retain(|pack| end(pack).is_none());
    for pack in std::mem::take(&mut plan.going) {
        match end(&pack.pack) {
            None => plan.going.push(pack),
            Some(until) => plan.locked.push(LockedPack { pack: pack.pack, bytes: pack.bytes, until }),
        }
    }
    Ok(())
}

/// When the locks of these objects end, of those that are locked.
async fn ends(plan: &PrunePlan, names: Vec<String>, now: Timestamp) -> Result<HashMap<String, Timestamp>> {
    let store = plan.vault.store();
    let asked = names.into_iter().map(|name| async move {
        let lock = store.lock_of(&name).await?;
        Ok::<_, crate::Error>(lock.filter(|lock| lock.until > now).map(|lock| (name, lock.until)))
    });
    let asked = futures::stream::iter(asked).buffer_unordered(AT_ONCE);
    asked.try_filter_map(|found| async move { Ok(found) }).try_collect().await
}
