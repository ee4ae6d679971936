//! What all snapshots need, gathered on disk. Most parts are the same in every snapshot: each is walked
//! once.

use crate::index::ChunkIndex;
use crate::lease::Lease;
use crate::read::Snapshot;
use crate::{Result, SnapshotReader, Vault, needs};

/// Gathers it. `lease` is kept meanwhile.
///
/// # Errors
/// Damage of a recipe or catalogue: then nobody knows what its snapshot needs.
pub(crate) async fn gather(
    vault: &Vault,
    index: &ChunkIndex,
    snapshots: &[Snapshot],
    mut lease: Option<&mut Lease>,
) -> Result<()> {
    let reader = SnapshotReader::on(vault, index);
    for snapshot in snapshots {
        let manifest = &snapshot.manifest;
        index.add_live(&snapshot.id.0, &needs::of_manifest(&manifest.files, &manifest.catalogue)).await?;
        for table in reader.tables(snapshot).await? {
            let what = format!("table {} of snapshot {}", table.table, snapshot.id.short());
            for part in table.streams.iter().flat_map(|stream| &stream.parts) {
                let text = serde_json::to_string(part).expect("a part serialises");
                let hash = blake3::hash(text.as_bytes());
                if index.is_walked(hash.as_bytes()).await? {
                    continue;
                }
                if let Some(lease) = lease.as_deref_mut() {
                    lease.keep().await?;
                }
                let needed = needs::of_part(&reader, &what, part).await?;
                index.add_live(hash.as_bytes(), &needed).await?;
            }
        }
    }
    Ok(())
}
