//! Copies of a vault in other stores: sealed objects carried over as they are, in the writers' order.
//!
//! A copy is a vault at any moment, restores alone, and is made without opening a single row. A
//! [`CopyPlan`] says what a copy lacks and what is wrong with it; carrying it out writes objects that are
//! not there and nothing else: nothing is ever overwritten or removed, in either store. What is read from
//! the vault is proven by its name before it is written, so that damage does not travel, and a manifest
//! follows only when everything that its snapshot needs is in the copy.

use std::path::Path;

use crate::format::copies::CopyRecord;
use crate::keys::AgentKey;
use crate::read::Snapshot;
use crate::store::Store;
use crate::{Error, SnapshotId, Vault};

mod carry;
mod finding;
mod memory;
mod needs;
mod pace;
mod plan;
mod prove;
mod retention;
mod status;

pub use carry::{CopyOutcome, CopyStats};
pub use finding::CopyFinding;
pub use memory::CopyMemory;
pub use pace::Pace;
pub use plan::{CopyPlan, Stage};
pub use retention::CopyKeep;
pub use status::{CopyStatus, copy_status};

/// Bytes of objects in memory at once: two packs, or many small objects. A pack that is larger goes alone.
const BYTES_AT_ONCE: u64 = 32 << 20;

/// Objects on their way at once: enough to hide the way to a store on another continent.
const OBJECTS_AT_ONCE: usize = 8;

/// What of a vault its copy shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// Every object of the vault.
    Everything,
    /// These snapshots and what they need.
    Snapshots(Vec<SnapshotId>),
}

/// A vault and the store of one of its copies.
#[derive(Clone, Copy)]
pub struct Copying<'a> {
    /// The vault, opened by the agent.
    pub vault: &'a Vault,
    /// Its snapshots, as [`crate::list_snapshots`] gave them.
    pub snapshots: &'a [Snapshot],
    /// The agent's key: it opens the copy's metadata and signs index objects of its own where needed.
    pub agent: &'a AgentKey,
    /// The copy's store.
    pub to: &'a Store,
    /// What the copy shall hold.
    pub extent: &'a Extent,
    /// The agent's state folder, where the vault's index is cached.
    pub state: &'a Path,
    /// What this host knows of the copy.
    pub memory: &'a CopyMemory,
}

/// What ended a copying, and which of the two stores it is about.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The vault cannot be read.
    #[error("the vault cannot be read from")]
    Vault(#[source] Error),
    /// The copy cannot be read or written, or is none of this vault's.
    #[error("the copy at {url} cannot be used")]
    Copy {
        /// Where it is.
        url: String,
        /// Why.
        #[source]
        source: Error,
    },
    /// The copy held a vault, and there is nothing now: another disk, another bucket, or all of it deleted.
    #[error("the copy at {url} is gone: it held {objects} objects, and there is no vault now")]
    Lost {
        /// Where it was.
        url: String,
        /// How many objects it held.
        objects: u64,
        /// What this host knows of it; without that, the copy is begun anew.
        memory: std::path::PathBuf,
    },
    /// What this host keeps for itself cannot be used.
    #[error("this host's state cannot be used")]
    State(#[source] Error),
}

impl CopyError {
    /// What to do next, where the error beneath does not say it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Lost { memory, .. } => vec![
                "is its disk mounted, and is it the right bucket? then run the same command again".into(),
                format!("to begin the copy anew, remove {} first", memory.display()),
            ],
            _ => Vec::new(),
        }
    }
}

impl Copying<'_> {
    fn in_copy(&self) -> impl Fn(Error) -> CopyError {
        let url = self.to.url().to_owned();
        move |source| CopyError::Copy { url: url.clone(), source }
    }

    /// The snapshots that the copy shall hold, oldest first.
    fn wanted(&self) -> Vec<&Snapshot> {
        let wanted = |snapshot: &&Snapshot| match self.extent {
            Extent::Everything => true,
            Extent::Snapshots(ids) => ids.contains(&snapshot.id),
        };
        self.snapshots.iter().filter(wanted).collect()
    }
}

/// A record of a copy that has not been looked at.
fn unknown(url: &str) -> CopyRecord {
    CopyRecord { url: url.to_owned(), ..CopyRecord::default() }
}
