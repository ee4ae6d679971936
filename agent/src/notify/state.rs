//! The ledger in the state folder: read, changed and written under a lock, so that a backup by hand and
//! the daemon can tell at the same time.
//!
//! A full disk must not keep anybody from hearing of it: what cannot be written is kept in memory and
//! told all the same.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::ledger::Ledger;
use crate::state_file;

const LEDGER: &str = "notify.json";
const LOCK: &str = "notify.lock";
const SENDING_LOCK: &str = "notify-sending.lock";

/// Where the ledger is.
pub struct LedgerFile {
    folder: PathBuf,
    /// What could not be written.
    unwritten: Mutex<Option<Ledger>>,
}

impl LedgerFile {
    /// The ledger of the agent whose state is in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), unwritten: Mutex::new(None) }
    }

    /// Reads the ledger as it is.
    pub fn read(&self) -> Ledger {
        let unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        unwritten.clone().unwrap_or_else(|| self.load())
    }

    /// Changes the ledger.
    pub fn change<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a lock two programs may tell the same twice: better than telling nobody.
        let _lock = self.lock(LOCK);
        let before = unwritten.take();
        let was_written = before.is_none();
        let before = before.unwrap_or_else(|| self.load());
        let mut ledger = before.clone();
        let changed = change(&mut ledger);
        if ledger == before && was_written {
            return changed;
        }
        if let Err(error) = self.write(&ledger) {
            tracing::warn!(
                "what has been told cannot be noted in {}, and may be told again: {error}",
                self.folder.display()
            );
            *unwritten = Some(ledger);
        }
        changed
    }

    /// Waits until nobody else sends. `None` when there is no folder to lock in: then nobody else can.
    pub async fn sending(&self) -> Option<File> {
        let file = self.lock_file(SENDING_LOCK).ok()?;
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
        locked.ok()?.ok()
    }

    fn lock(&self, name: &str) -> io::Result<File> {
        let file = self.lock_file(name)?;
        file.lock()?;
        Ok(file)
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        crate::host::make_private(&self.folder)?;
        File::options().create(true).append(true).open(self.folder.join(name))
    }

    fn load(&self) -> Ledger {
        let path = self.folder.join(LEDGER);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!("{} is damaged, so that messages may be told again: {error}", path.display());
                Ledger::default()
            }),
            Err(_) => Ledger::default(),
        }
    }

    fn write(&self, ledger: &Ledger) -> io::Result<()> {
        state_file::replace(&self.folder.join(LEDGER), &serde_json::to_vec(ledger)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_kept_in_memory() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let nowhere = folder.path().join("file");
        std::fs::write(&nowhere, "").expect("a file where a folder should be");
        let file = LedgerFile::new(&nowhere);
        let mut expected = Ledger::default();
        let tell = |ledger: &mut Ledger| {
            let now = "2026-11-23T02:31:00Z".parse().expect("a time");
            ledger.ran("gz", Some("crm"), crate::event::Task::Backup, None, now, &[]);
        };
        file.change(tell);
        file.change(tell);
        tell(&mut expected);
        tell(&mut expected);
        assert_eq!(file.read(), expected);
    }

    #[test]
    fn a_damaged_ledger_is_begun_anew() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        std::fs::write(folder.path().join(LEDGER), "{").expect("a damaged file");
        assert_eq!(LedgerFile::new(folder.path()).read(), Ledger::default());
    }
}
