//! The locks of what a vault keeps, extended long before they end.
//!
//! An object is locked when it is written, for a period; what is kept for longer must be locked again, or a
//! thief need only wait. What is to go is left alone, so that its lock ends: packs that are marked, index
//! objects that name one, snapshots that no policy keeps. What this host remembers saves questions and decides
//! nothing that deletes.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use futures::StreamExt;
use jiff::Timestamp;

use crate::format::names;
use crate::index::ChunkIndex;
use crate::marks::{list_marks, marked};
use crate::store::{Retention, may_lock};
use crate::{Error, IndexId, PackId, Result, SnapshotId, Vault};

/// Objects asked for, or locked, at once: each is one small request.
const AT_ONCE: usize = 16;

/// A lock is extended once less than one part in so many of its period is left.
const EXTENDED_AT: i32 = 2;

/// What was done about a vault's locks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Locked {
    /// Objects that are kept, and locked now.
    pub objects: u64,
    /// Those of them whose locks were extended.
    pub extended: u64,
}

/// Sees to it that everything that is kept is locked for half a period at least. `keeps` says which
/// snapshots are; `state` is a folder of this host's. Does nothing where the store does not lock.
///
/// # Errors
/// `Denied` when these credentials may not lock, `BadStore` when the bucket cannot. What was extended until
/// then is.
pub async fn extend_locks(
    vault: &Vault,
    state: &Path,
    keeps: impl Fn(SnapshotId) -> bool,
    now: Timestamp,
) -> Result<Locked> {
    let store = vault.store();
    let Some(policy) = store.lock_policy() else { return Ok(Locked::default()) };
    let due = now + policy.period / EXTENDED_AT;
    let file = Remembered::of(vault, state);
    let mut known = file.read();
    let kept = kept(vault, state, keeps).await?;
    known.retain(|name, _| kept.contains(name));
    let locked_enough = |name: &&String| known.get(*name).is_some_and(|until| *until >= due);
    let unsure: Vec<String> = kept.iter().filter(|name| !locked_enough(name)).cloned().collect();
    let renewals = unsure.into_iter().map(|name| async move {
        let lock = renew(vault, &name, due).await;
        (name, lock)
    });
    let mut renewals = futures::stream::iter(renewals).buffer_unordered(AT_ONCE);
    let (mut locked, mut failed) = (Locked { objects: kept.len() as u64, extended: 0 }, None);
    while let Some((name, renewed)) = renewals.next().await {
        match renewed {
            Ok((lock, extended)) => {
                locked.extended += u64::from(extended);
                known.insert(name, lock.until);
            }
            // Pruned since it was listed.
            Err(Error::Missing { .. }) => {}
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    file.write(&known)?;
    failed.map_or(Ok(locked), Err)
}

/// Extends the lock of one object if it is due; says whether it was.
async fn renew(vault: &Vault, name: &str, due: Timestamp) -> Result<(Retention, bool)> {
    match vault.store().lock_of(name).await? {
        Some(lock) if lock.until >= due => Ok((lock, false)),
        lock => Ok((vault.store().extend_lock(name, lock).await?, true)),
    }
}

/// The names of everything that is kept and may be locked.
async fn kept(vault: &Vault, state: &Path, keeps: impl Fn(SnapshotId) -> bool) -> Result<HashSet<String>> {
    let (marks, _) = list_marks(vault).await?;
    let marked = marked(&marks);
    let naming = naming(vault, state, &marked).await?;
    let stays = |name: &str| match name.split_once('/').map(|(folder, _)| folder) {
        Some(names::PACKS) => names::id::<PackId>(name).is_some_and(|id| !marked.contains(&id)),
        Some(names::INDEX) => names::id::<IndexId>(name).is_some_and(|id| !naming.contains(&id)),
        Some(names::SNAPSHOTS) => names::id::<SnapshotId>(name).is_some_and(&keeps),
        _ => true,
    };
    let listed = vault.store().list("").await?;
    let names = listed.into_iter().map(|object| object.name);
    Ok(names.filter(|name| may_lock(name) && stays(name)).collect())
}

/// The index objects that name a marked pack: a prune replaces them when that pack goes.
async fn naming(vault: &Vault, state: &Path, marked: &HashSet<PackId>) -> Result<HashSet<IndexId>> {
    if marked.is_empty() {
        return Ok(HashSet::new());
    }
    let index = ChunkIndex::in_folder(state, vault).await?;
    index.sync(vault).await?;
    let marked: Vec<_> = marked.iter().copied().collect();
    Ok(index.naming(&marked).await?.into_iter().collect())
}

/// Until when this host knows objects to be locked. A cache: lost, each object is asked for.
struct Remembered {
    file: PathBuf,
}

impl Remembered {
    fn of(vault: &Vault, state: &Path) -> Self {
        Self { file: state.join(format!("locks-{}", vault.id())) }
    }

    fn read(&self) -> BTreeMap<String, Timestamp> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let line = |line: &str| {
            let (name, until) = line.split_once(' ')?;
            Some((name.to_owned(), Timestamp::from_second(until.parse().ok()?).ok()?))
        };
        text.lines().filter_map(line).collect()
    }

    fn write(&self, known: &BTreeMap<String, Timestamp>) -> Result<()> {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let text: String =
            known.iter().map(|(name, until)| format!("{name} {}\n", until.as_second())).collect();
        let write = || {
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.persist(&self.file).map_err(|error| error.error)
        };
        write().map(drop).map_err(|error| Error::io(&self.file, error))
    }
}
