//! Marks: which packs are to go. A writer uses nothing that is marked; a pack goes only when it has been
//! marked for a while and still nothing needs it.

use std::collections::HashSet;

use bytes::Bytes;
use futures::StreamExt;
use jiff::Timestamp;

use crate::format::envelope::{Kind, Signer, sign};
use crate::format::marks::{packs_from_text, packs_to_text};
use crate::format::names;
use crate::keys::AgentKey;
use crate::{Error, MarkId, PackId, Realm, Result, Vault, pack, seal};

/// Marks read at once.
const READS_AT_ONCE: usize = 8;

/// Packs that one mark names.
const PACKS_PER_MARK: usize = 4096;

/// A mark as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) id: MarkId,
    /// When the store saw it.
    pub(crate) seen: Timestamp,
    pub(crate) packs: Vec<PackId>,
}

/// Reads every mark, and what was found damaged among them: that marks nothing.
pub(crate) async fn list_marks(vault: &Vault) -> Result<(Vec<Mark>, Vec<Error>)> {
    let listed = vault.store().list(names::MARKS).await?;
    let ids = listed.iter().filter_map(|object| Some((names::id(&object.name)?, object.modified)));
    let reads = ids.map(|(id, seen)| read_mark(vault, id, seen));
    let mut reads = futures::stream::iter(reads).buffer_unordered(READS_AT_ONCE);
    let (mut marks, mut damage) = (Vec::new(), Vec::new());
    while let Some(read) = reads.next().await {
        match read {
            Ok(mark) => marks.push(mark),
            // Its holder has just carried it out.
            Err(Error::Missing { .. }) => {}
            Err(error) if error.is_damage() => damage.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok((marks, damage))
}

/// Marks packs.
pub(crate) async fn write_marks(vault: &Vault, agent: &AgentKey, packs: &[PackId]) -> Result<()> {
    let (_, recipient) = vault.sealing(Realm::Metadata)?;
    for packs in packs.chunks(PACKS_PER_MARK) {
        let sealed = seal::seal_to(&recipient, &pack::compress_text(&packs_to_text(packs)));
        let object = sign(Kind::Mark, Signer::Agent(agent.id()), &agent.signing, vault.id(), &sealed);
        let id = MarkId(*blake3::hash(&object).as_bytes());
        vault.store().create_confirmed(&names::mark(id), Bytes::from(object)).await?;
    }
    Ok(())
}

/// Every pack that some mark names.
pub(crate) fn marked(marks: &[Mark]) -> HashSet<PackId> {
    marks.iter().flat_map(|mark| &mark.packs).copied().collect()
}

async fn read_mark(vault: &Vault, id: MarkId, seen: Timestamp) -> Result<Mark> {
    let name = names::mark(id);
    let object = vault.store().get(&name).await?;
    if MarkId(*blake3::hash(&object).as_bytes()) != id {
        return Err(Error::damaged(name, "its bytes do not hash to its name"));
    }
    let (_, compressed) = vault.open_sealed(&name, Kind::Mark, &object)?;
    let packs = packs_from_text(&name, &pack::decompress_text(&name, &compressed)?)?;
    Ok(Mark { id, seen, packs })
}
