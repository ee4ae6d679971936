//! What this host remembers of a copy: a record for `status`, and the objects that were there, so that it
//! shows when some are gone. A cache: lost, the copy is looked at anew.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::unknown;
use crate::format::copies::CopyRecord;
use crate::{Error, Result};

/// A copy's folder in the agent's state.
#[derive(Debug, Clone)]
pub struct CopyMemory {
    folder: PathBuf,
}

impl CopyMemory {
    /// The folder of the copy called `name` below the agent's state; made when something is written.
    pub fn new(state: &Path, name: &str) -> Self {
        Self { folder: state.join("copies").join(name) }
    }

    /// Where caches of this copy lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is known of the copy; nothing when it was never looked at, or the record cannot be read.
    pub fn record(&self) -> Option<CopyRecord> {
        serde_json::from_slice(&std::fs::read(self.folder.join("copy.json")).ok()?).ok()
    }

    /// Replaces the record.
    pub fn write_record(&self, record: &CopyRecord) -> Result<()> {
        let json = serde_json::to_vec_pretty(record).expect("a record serialises");
        self.replace("copy.json", &json)
    }

    /// Notes that the copy could not be tried at all.
    pub fn write_failure(&self, url: &str, failure: &str, now: Timestamp) -> Result<()> {
        let known = self.record().filter(|record| record.url == url);
        let record = known.unwrap_or_else(|| unknown(url));
        self.write_record(&CopyRecord { tried: Some(now), failure: Some(failure.to_owned()), ..record })
    }

    /// The objects that the copy held, with their sizes; nothing when that is not known.
    pub(super) fn objects(&self) -> Option<BTreeMap<String, u64>> {
        let text = std::fs::read_to_string(self.folder.join("objects")).ok()?;
        let line = |line: &str| {
            let (name, bytes) = line.split_once(' ')?;
            Some((name.to_owned(), bytes.parse().ok()?))
        };
        text.lines().map(line).collect()
    }

    /// Replaces the list of objects.
    pub(super) fn write_objects(&self, objects: &BTreeMap<String, u64>) -> Result<()> {
        let text: String = objects.iter().map(|(name, bytes)| format!("{name} {bytes}\n")).collect();
        self.replace("objects", text.as_bytes())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        let write = || {
            std::fs::create_dir_all(&self.folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)
        };
        write().map(drop).map_err(|error| Error::io(&path, error))
    }
}
