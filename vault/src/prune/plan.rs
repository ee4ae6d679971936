//! The plan of a prune: what may go, by what every snapshot needs.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use jiff::Timestamp;

use super::{MostlyDead, PruneOptions, PrunePlan, SizedPack, live, locked};
use crate::format::names;
use crate::index::{ChunkIndex, PackUse};
use crate::lease::Lease;
use crate::marks::{Mark, list_marks};
use crate::read::{Snapshot, list_snapshots};
use crate::store::Listed;
use crate::{Error, PackId, Result, Vault};

/// A pack is mostly dead when less than one part in so many of its segments' bytes is needed.
const LIVE_SHARE: u64 = 2;

pub(super) async fn make(
    vault: &Vault,
    state: &Path,
    options: PruneOptions,
    in_vault: &HashSet<PackId>,
    mut lease: Option<&mut Lease>,
) -> Result<PrunePlan> {
    std::fs::create_dir_all(state).map_err(|error| Error::io(state, error))?;
    let index = ChunkIndex::open(&state.join(format!("prune-{}.sqlite", vault.id()))).await?;
    let sync = index.sync(vault).await?;
    if let Some(lease) = lease.as_deref_mut() {
        lease.renew().await?;
    }
    let now = match lease.as_deref() {
        Some(lease) => lease.time(),
        None => vault.store().time().await?,
    };
    let (marks, _) = list_marks(vault).await?;
    let listed = vault.store().list(names::PACKS).await?;
    let mut plan = PrunePlan {
        held_back: Vec::new(),
        snapshots: 0,
        packs: 0,
        bytes: 0,
        going: Vec::new(),
        waiting: Vec::new(),
        locked: Vec::new(),
        next: None,
        revived: Vec::new(),
        dead: Vec::new(),
        mostly_dead: Vec::new(),
        young: Vec::new(),
        in_vault: Vec::new(),
        damage: sync.damage.iter().map(ToString::to_string).collect(),
        forgotten: Vec::new(),
        finished: Vec::new(),
        vault: vault.clone(),
        index,
    };
    // Manifests are read after marks: whatever was written before a mark is seen.
    let (snapshots, unreadable) = list_snapshots(vault).await?;
    plan.snapshots = snapshots.len();
    plan.held_back = in_the_way(vault, &snapshots, &unreadable, listed.is_empty()).await?;
    plan.index.begin_live().await?;
    if plan.held_back.is_empty() {
        match live::gather(vault, &plan.index, &snapshots, lease).await {
            Err(error) if error.is_damage() => {
                plan.held_back.push(format!("what a snapshot needs cannot be read: {error}"))
            }
            gathered => gathered?,
        }
    }
    let uses = plan.index.uses().await?;
    plan.packs = uses.len() as u64;
    plan.bytes = uses.iter().map(|pack| pack.bytes).sum();
    if plan.held_back.is_empty() {
        let lost = plan.index.live_and_lost().await?;
        if lost > 0 {
            plan.damage.push(format!("{lost} chunks that snapshots need are in no pack"));
        }
        sort_out(&mut plan, &uses, &marks, &listed, Rules { options, in_vault, now }).await?;
    }
    Ok(plan)
}

/// What forbids to judge what is needed.
async fn in_the_way(
    vault: &Vault,
    snapshots: &[Snapshot],
    unreadable: &[Error],
    empty: bool,
) -> Result<Vec<String>> {
    let mut reasons: Vec<_> =
        unreadable.iter().map(|error| format!("what a snapshot needs cannot be read: {error}")).collect();
    if snapshots.is_empty() && unreadable.is_empty() && !empty {
        reasons.push("the vault lists packs and no snapshot: are all manifests there?".into());
    }
    reasons.extend(vault.outdated(snapshots, unreadable).await?.map(|error| error.to_string()));
    Ok(reasons)
}

/// What packs are sorted by.
struct Rules<'a> {
    options: PruneOptions,
    in_vault: &'a HashSet<PackId>,
    now: Timestamp,
}

/// Sorts every pack into one of the plan's lists, or into none when it stays as it is.
async fn sort_out(
    plan: &mut PrunePlan,
    uses: &[PackUse],
    marks: &[Mark],
    listed: &[Listed],
    Rules { options, in_vault, now }: Rules<'_>,
) -> Result<()> {
    let listed: HashMap<PackId, &Listed> =
        listed.iter().filter_map(|object| Some((names::id(&object.name)?, object))).collect();
    let mut marked: HashMap<PackId, Timestamp> = HashMap::new();
    for mark in marks {
        for pack in &mark.packs {
            let seen = marked.entry(*pack).or_insert(mark.seen);
            *seen = mark.seen.min(*seen);
        }
    }
    for pack in uses {
        let sized = SizedPack { pack: pack.pack, bytes: pack.bytes };
        let age = |since: Timestamp| now.duration_since(since);
        let is_marked = marked.contains_key(&pack.pack);
        let needed = pack.live_bytes > 0 && !(is_marked && is_copied(plan, pack.pack).await?);
        match (marked.get(&pack.pack), listed.get(&pack.pack)) {
            (_, None) if pack.live_bytes == 0 && !pack.present => plan.forgotten.push(pack.pack),
            (_, None) => {}
            (Some(_), Some(_)) if needed => plan.revived.push(pack.pack),
            (Some(seen), Some(_)) if age(*seen) >= options.wait => plan.going.push(sized),
            (Some(seen), Some(_)) => {
                let may_go = *seen + options.wait;
                plan.next = Some(plan.next.map_or(may_go, |next| next.min(may_go)));
                plan.waiting.push(sized);
            }
            (None, Some(_)) if in_vault.contains(&pack.pack) => {
                if pack.live_bytes == 0 {
                    plan.in_vault.push(sized);
                }
            }
            (None, Some(object)) if pack.live_bytes == 0 => match age(object.modified) >= options.young {
                true => plan.dead.push(sized),
                false => plan.young.push(sized),
            },
            (None, Some(object)) => {
                let mostly_dead = pack.live_bytes * LIVE_SHARE < pack.sealed_bytes;
                if pack.present && mostly_dead && age(object.modified) >= options.young {
                    let PackUse { pack, bytes, live_bytes, .. } = *pack;
                    plan.mostly_dead.push(MostlyDead { pack, bytes, live_bytes });
                }
            }
        }
    }
    locked::set_aside(plan, now).await?;
    let waiting = plan.waiting.iter().map(|waiting| waiting.pack);
    let waiting: HashSet<PackId> = waiting.chain(plan.locked.iter().map(|locked| locked.pack)).collect();
    let finished = marks.iter().filter(|mark| mark.packs.iter().all(|pack| !waiting.contains(pack)));
    plan.finished = finished.map(|mark| (mark.id, mark.packs.clone())).collect();
    Ok(())
}

/// Whether all that is needed in the pack has a copy elsewhere, as far as tables of contents tell.
async fn is_copied(plan: &PrunePlan, pack: PackId) -> Result<bool> {
    for segment in plan.index.live_segments(pack).await? {
        if plan.index.copies(pack, &segment.hash, segment.sealed_bytes).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}
