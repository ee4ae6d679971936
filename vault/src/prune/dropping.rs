//! Marked packs that go: index objects without them first, then those that name them, then the packs, and
//! last the marks. Killed in between, it leaves packs that no index names and that are marked still.

use std::collections::HashSet;

use super::{PrunePlan, Pruned, SizedPack};
use crate::format::contents::SegmentContents;
use crate::format::names;
use crate::index::{self, CopyAt};
use crate::keys::AgentKey;
use crate::lease::Lease;
use crate::store::NotRemoved;
use crate::{IndexId, PackId, Result, pack, segment};

/// Objects deleted between two proofs of the lease, at once.
const DELETED_AT_ONCE: usize = 8;

/// Carries out the marks that are due.
pub(super) async fn drop_marked(
    plan: &PrunePlan,
    agent: &AgentKey,
    lease: &mut Lease,
    pruned: &mut Pruned,
) -> Result<()> {
    let mut going: Vec<SizedPack> = Vec::new();
    for pack in &plan.going {
        lease.keep().await?;
        match may_go(plan, pack).await {
            Ok(true) => going.push(*pack),
            Ok(false) => pruned.damage.push(format!(
                "{} stays: an index or a copy is damaged, by which it was not needed",
                names::pack(pack.pack)
            )),
            Err(error) if error.is_damage() => pruned.damage.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    let gone: Vec<_> = going.iter().map(|pack| pack.pack).chain(plan.forgotten.iter().copied()).collect();
    let old = plan.index.naming(&gone).await?;
    leave_out(plan, agent, lease, &old, &gone.into_iter().collect()).await?;
    let denied = remove(plan, lease, old.iter().map(|id| names::index(*id)).collect()).await?;
    let stay = still_named(plan, &denied).await?;
    pruned.denied.extend(denied);
    let (stay, going): (Vec<_>, Vec<_>) = going.into_iter().partition(|pack| stay.contains(&pack.pack));
    let denied = remove(plan, lease, going.iter().map(|pack| names::pack(pack.pack)).collect()).await?;
    let refused: HashSet<PackId> = denied.iter().filter_map(|denied| names::id(&denied.object)).collect();
    pruned.denied.extend(denied);
    let went = going.iter().filter(|pack| !refused.contains(&pack.pack));
    for pack in went {
        pruned.packs += 1;
        pruned.freed_bytes += pack.bytes;
    }
    // A mark is kept for as long as a pack of it is there that is to go.
    let left = |pack: &PackId| refused.contains(pack) || stay.iter().any(|sized| sized.pack == *pack);
    let finished = plan.finished.iter().filter(|(_, packs)| !packs.iter().any(left));
    let denied = remove(plan, lease, finished.map(|(id, _)| names::mark(*id)).collect()).await?;
    pruned.denied.extend(denied);
    Ok(())
}

/// The packs that index objects name which the store would not let go: readers would look for them in vain.
async fn still_named(plan: &PrunePlan, denied: &[NotRemoved]) -> Result<HashSet<PackId>> {
    let mut named = HashSet::new();
    for id in denied.iter().filter_map(|denied| names::id::<IndexId>(&denied.object)) {
        let packs = index::read_object(&plan.vault, id).await?;
        named.extend(packs.into_iter().map(|pack| pack.pack));
    }
    Ok(named)
}

/// Whether nothing of the pack is needed but what has a copy elsewhere. The pack itself is asked what it
/// holds, not an index, which may lie.
async fn may_go(plan: &PrunePlan, pack: &SizedPack) -> Result<bool> {
    let contents = pack::read_contents(&plan.vault, pack.pack, pack.bytes).await?;
    for segment in &contents.segments {
        let ids: Vec<_> = segment.chunks.iter().map(|chunk| chunk.id).collect();
        let destroyed = plan.vault.shredded().iter();
        let is_closed =
            destroyed.map(|key| (key.realm, key.epoch)).any(|key| key == (segment.realm, segment.epoch));
        let needed = match is_closed {
            true => plan.index.any_live_and_closed(&ids).await?,
            false => plan.index.any_live(&ids).await?,
        };
        if needed && !has_copy(plan, pack.pack, segment).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether another pack that is to stay has the same sealed bytes and says so: read, and proven.
pub(super) async fn has_copy(plan: &PrunePlan, pack: PackId, segment: &SegmentContents) -> Result<bool> {
    for copy in plan.index.copies(pack, &segment.hash, segment.sealed_bytes).await? {
        match is_copy(plan, segment, &copy).await {
            Ok(false) => {}
            Err(error) if error.is_damage() => {}
            proven => return proven,
        }
    }
    Ok(false)
}

/// Reads a copy, and what its pack says of it.
async fn is_copy(plan: &PrunePlan, segment: &SegmentContents, copy: &CopyAt) -> Result<bool> {
    let contents = pack::read_contents(&plan.vault, copy.pack, copy.bytes).await?;
    let same = |other: &&SegmentContents| {
        other.offset == copy.at && SegmentContents { offset: segment.offset, ..(*other).clone() } == *segment
    };
    if contents.segments.iter().find(same).is_none() {
        return Ok(false);
    }
    let name = names::pack(copy.pack);
    let bytes = plan.vault.store().get_range(&name, copy.at, segment.sealed_bytes.into()).await?;
    Ok(segment::hash(&bytes) == segment.hash)
}

/// Writes what `old` index objects say without the packs that go.
async fn leave_out(
    plan: &PrunePlan,
    agent: &AgentKey,
    lease: &mut Lease,
    old: &[IndexId],
    going: &HashSet<PackId>,
) -> Result<()> {
    let (mut stay, mut known) = (Vec::new(), HashSet::new());
    for id in old {
        lease.keep().await?;
        let packs = index::read_object(&plan.vault, *id).await?;
        stay.extend(packs.into_iter().filter(|pack| !going.contains(&pack.pack) && known.insert(pack.pack)));
        while stay.len() >= index::PACKS_PER_OBJECT {
            let full: Vec<_> = stay.drain(..index::PACKS_PER_OBJECT).collect();
            index::write_objects(&plan.vault, agent, &full).await?;
        }
    }
    index::write_objects(&plan.vault, agent, &stay).await
}

/// Removes objects a few at a time, and returns those that the store would not let go.
async fn remove(plan: &PrunePlan, lease: &mut Lease, names: Vec<String>) -> Result<Vec<NotRemoved>> {
    let mut denied = Vec::new();
    for names in names.chunks(DELETED_AT_ONCE) {
        lease.renew().await?;
        denied.extend(plan.vault.store().remove_all(names).await?);
    }
    Ok(denied)
}
