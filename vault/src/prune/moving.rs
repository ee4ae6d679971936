//! Live segments out of packs that are mostly dead, sealed as they are, into new packs.

use std::collections::HashSet;

use bytes::Bytes;

use super::dropping::has_copy;
use super::{PrunePlan, Pruned, SizedPack};
use crate::format::contents::PackContents;
use crate::format::names;
use crate::index;
use crate::keys::AgentKey;
use crate::lease::Lease;
use crate::pack::{self, PackBuilder};
use crate::segment::{self, SealedSegment};
use crate::{Error, Realm, Result};

/// Copies what is live, names the new packs in index objects and returns the packs that can be marked. One
/// that is damaged is left alone.
pub(super) async fn move_live(
    plan: &PrunePlan,
    agent: &AgentKey,
    lease: &mut Lease,
    pruned: &mut Pruned,
) -> Result<Vec<SizedPack>> {
    let mut new = NewPacks {
        plan,
        agent,
        rows: PackBuilder::default(),
        metadata: PackBuilder::default(),
        written: Vec::new(),
    };
    let mut moved = Vec::new();
    for pack in &plan.mostly_dead {
        lease.keep().await?;
        let sized = SizedPack { pack: pack.pack, bytes: pack.bytes };
        match live_segments(plan, sized).await {
            Ok(segments) => {
                for segment in segments {
                    pruned.moved_bytes += segment.bytes.len() as u64;
                    new.push(segment).await?;
                }
                moved.push(sized);
            }
            Err(error) if error.is_damage() => pruned.damage.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    let written = new.finish().await?;
    index::write_objects(&plan.vault, agent, &written).await?;
    Ok(moved)
}

/// Names packs that no index does: a prune or a run was killed after it wrote them.
pub(super) async fn name_strays(plan: &PrunePlan, agent: &AgentKey, lease: &mut Lease) -> Result<()> {
    loop {
        let strays = plan.index.unindexed(index::PACKS_PER_OBJECT as u32).await?;
        if strays.is_empty() {
            return Ok(());
        }
        lease.keep().await?;
        let (ids, texts): (Vec<_>, Vec<_>) = strays.into_iter().unzip();
        let id = index::write_object(&plan.vault, plan.vault.store(), agent, &texts.concat()).await?;
        plan.index.mark_indexed(&ids, id).await?;
    }
}

/// Reads the live segments of a pack and proves each by its hash. What they hold is what the pack itself
/// says, not an index, which may leave something out.
async fn live_segments(plan: &PrunePlan, pack: SizedPack) -> Result<Vec<SealedSegment>> {
    let name = names::pack(pack.pack);
    let live = plan.index.live_segments(pack.pack).await?;
    let live: HashSet<u64> = live.iter().map(|segment| segment.at).collect();
    let contents = pack::read_contents(&plan.vault, pack.pack, pack.bytes).await?;
    let (mut segments, mut found) = (Vec::new(), 0);
    for contents in contents.segments.into_iter().filter(|segment| live.contains(&segment.offset)) {
        found += 1;
        // A prune that was killed has copied it already.
        if has_copy(plan, pack.pack, &contents).await? {
            continue;
        }
        let length = contents.sealed_bytes.into();
        let bytes = plan.vault.store().get_range(&name, contents.offset, length).await?;
        if segment::hash(&bytes) != contents.hash {
            let reason = format!("at offset {}: its hash is not what its contents say", contents.offset);
            return Err(Error::damaged(name, reason));
        }
        segments.push(SealedSegment { bytes: bytes.to_vec(), contents });
    }
    match found == live.len() {
        true => Ok(segments),
        false => Err(Error::damaged(name, "its own table of contents is not what an index says of it")),
    }
}

/// Packs being filled, rows and metadata apart.
struct NewPacks<'a> {
    plan: &'a PrunePlan,
    agent: &'a AgentKey,
    rows: PackBuilder,
    metadata: PackBuilder,
    written: Vec<PackContents>,
}

impl NewPacks<'_> {
    async fn push(&mut self, segment: SealedSegment) -> Result<()> {
        let builder = match segment.contents.realm {
            Realm::Metadata => &mut self.metadata,
            Realm::Rows(_) => &mut self.rows,
        };
        builder.push(segment);
        if builder.is_full() {
            let full = std::mem::take(builder);
            self.write(full).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Vec<PackContents>> {
        for builder in [std::mem::take(&mut self.rows), std::mem::take(&mut self.metadata)] {
            if !builder.is_empty() {
                self.write(builder).await?;
            }
        }
        Ok(self.written)
    }

    async fn write(&mut self, builder: PackBuilder) -> Result<()> {
        let (contents, object): (PackContents, Bytes) = builder.finish(&self.plan.vault, self.agent)?;
        self.plan.vault.store().create_confirmed(&names::pack(contents.pack), object).await?;
        self.written.push(contents);
        Ok(())
    }
}
