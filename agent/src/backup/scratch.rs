//! The connector's scratch files: in a private folder below the agent's state, gone after the run.
//!
//! The folder is locked while its run lives, however long that is. One that a killed run has left is not,
//! and the next run removes it.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use lifeboat_console::{CommandError, ResultExt};
use tempfile::TempDir;

const PREFIX: &str = "scratch-";

/// A run makes its folder and then locks it; so young a folder may not be locked yet.
const LOCKED_WITHIN: Duration = Duration::from_secs(10 * 60);

/// The scratch folder of one run.
pub struct Scratch {
    folder: TempDir,
    /// Held to the end.
    _lock: File,
}

impl Scratch {
    /// Makes the folder, and removes those that killed runs have left. Where the state cannot be written,
    /// the folder is the system's temporary one.
    pub fn make(state: &Path, source: &str) -> Result<Self, CommandError> {
        remove_abandoned(state);
        let prefix = format!("{PREFIX}{source}-");
        let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(state);
        let made = made.or_else(|_| tempfile::Builder::new().prefix(&prefix).tempdir());
        let locked = made.and_then(|folder| {
            let lock = File::open(folder.path())?;
            lock.lock()?;
            Ok(Self { folder, _lock: lock })
        });
        locked.context(|| format!("no scratch folder can be made in {}", state.display()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// What cannot be removed costs space and nothing else, and is tried again by the next run.
fn remove_abandoned(state: &Path) {
    let Ok(entries) = state.read_dir() else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let age = entry.metadata().and_then(|meta| meta.modified()).map(|time| time.elapsed());
        let old = age.is_ok_and(|age| age.is_ok_and(|age| age > LOCKED_WITHIN));
        if ours && old && File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, FileTimes};
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn only_what_a_killed_run_left_is_removed() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let path = |name: &str| state.path().join(name);
        for name in ["scratch-crm-old", "scratch-crm-long", "scratch-crm-young", "other"] {
            fs::create_dir(path(name)).expect("a folder");
        }
        let under_way = File::open(path("scratch-crm-long")).expect("a folder");
        under_way.lock().expect("a lock");
        let old = FileTimes::new().set_modified(SystemTime::now() - LOCKED_WITHIN * 2);
        for name in ["scratch-crm-old", "scratch-crm-long", "other"] {
            File::open(path(name)).and_then(|folder| folder.set_times(old)).expect("its time");
        }
        let made = Scratch::make(state.path(), "crm").expect("a folder");
        assert!(made.path().is_dir() && made.path().starts_with(state.path()));
        let names = ["scratch-crm-old", "scratch-crm-long", "scratch-crm-young", "other"];
        assert_eq!(names.map(|name| path(name).exists()), [false, true, true, true]);
    }
}
