//! What this host last saw of the vault: its snapshots and its space, for `status` and the metrics, which ask
//! no store. Written after every run that reached the store, and lost at no cost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lifeboat_console::{CommandError, chain};
use lifeboat_vault::format::names;
use lifeboat_vault::{Grade, SnapshotId, Vault};
use serde::{Deserialize, Serialize};

use crate::state_file;

const FILE: &str = "vault.json";

/// The vault, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When.
    pub time: Timestamp,
    /// Its snapshots, each with the time at which the store saw it.
    pub snapshots: BTreeMap<SnapshotId, Timestamp>,
    /// Its packs.
    pub packs: u64,
    /// Bytes of all its objects.
    pub bytes: u64,
    /// How many people may open what, by grade.
    pub recipients: BTreeMap<Grade, u64>,
}

impl Seen {
    /// What was last seen, if anything was.
    pub fn read(state: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path(state)).ok()?).ok()
    }

    /// Looks at the vault and keeps what is seen. What cannot be seen or kept is a warning: the run that
    /// asks has done its work.
    pub async fn refresh(state: &Path, vault: &Vault) {
        let refreshed = async {
            let seen = Self::look(vault).await?;
            seen.write(state)?;
            Ok::<_, CommandError>(())
        };
        if let Err(error) = refreshed.await {
            tracing::warn!("what the vault holds cannot be noted for `status`: {}", chain(error.error()));
        }
    }

    async fn look(vault: &Vault) -> Result<Self, CommandError> {
        let (store, mut bytes) = (vault.store(), 0);
        let mut packs = 0;
        let mut snapshots = BTreeMap::new();
        for folder in [names::PACKS, names::INDEX, names::SNAPSHOTS] {
            for object in store.list(folder).await? {
                bytes += object.bytes;
                packs += u64::from(folder == names::PACKS);
                let snapshot = names::id::<SnapshotId>(&object.name).filter(|_| folder == names::SNAPSHOTS);
                snapshots.extend(snapshot.map(|id| (id, object.modified)));
            }
        }
        let mut recipients: BTreeMap<Grade, u64> = Grade::ALL.map(|grade| (grade, 0)).into();
        for grade in vault.people()?.iter().flat_map(|person| &person.grades) {
            *recipients.entry(*grade).or_default() += 1;
        }
        Ok(Self { time: Timestamp::now(), snapshots, packs, bytes, recipients })
    }

    fn write(&self, state: &Path) -> Result<(), CommandError> {
        let json = serde_json::to_vec(self).expect("it serialises");
        Ok(state_file::replace(&path(state), &json)?)
    }
}

fn path(state: &Path) -> PathBuf {
    state.join(FILE)
}
