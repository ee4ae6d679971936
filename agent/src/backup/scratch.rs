//! The connector's scratch files: in a private folder below the agent's state, gone after the run.

use std::path::Path;
use std::time::Duration;

use lifeboat_console::{CommandError, ResultExt};
use tempfile::TempDir;

const PREFIX: &str = "scratch-";

/// A run that was killed leaves its folder behind. Another run may be using a younger one.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes the folder, and removes those that killed runs have left.
pub fn make(state: &Path, source: &str) -> Result<TempDir, CommandError> {
    remove_abandoned(state);
    let made = tempfile::Builder::new().prefix(&format!("{PREFIX}{source}-")).tempdir_in(state);
    made.context(|| format!("no scratch folder can be made in {}", state.display()))
}

/// What cannot be removed costs space and nothing else, and is tried again by the next run.
fn remove_abandoned(state: &Path) {
    let Ok(entries) = state.read_dir() else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let age = entry.metadata().and_then(|meta| meta.modified()).map(|time| time.elapsed());
        if ours && age.is_ok_and(|age| age.is_ok_and(|age| age > ABANDONED_AFTER)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes};
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn only_what_a_killed_run_left_is_removed() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let path = |name: &str| state.path().join(name);
        for name in ["scratch-crm-old", "scratch-crm-young", "other"] {
            fs::create_dir(path(name)).expect("a folder");
        }
        let old = FileTimes::new().set_modified(SystemTime::now() - ABANDONED_AFTER * 2);
        for name in ["scratch-crm-old", "other"] {
            File::open(path(name)).and_then(|folder| folder.set_times(old)).expect("its time");
        }
        let made = make(state.path(), "crm").expect("a folder");
        assert!(made.path().is_dir() && made.path().starts_with(state.path()));
        let there = ["scratch-crm-old", "scratch-crm-young", "other"].map(|name| path(name).exists());
        assert_eq!(there, [false, true, true]);
    }
}
