//! A clock on the wall that a test sets: programs started with its environment live in its time.
//!
//! `libfaketime` stands between them and the C library. Only what is read from the wall is changed: timers
//! and timeouts go by the machine's own clock, as they do on a machine whose clock is set or that slept.

use std::fs;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

/// A clock that goes on from wherever it was last set to.
#[derive(Debug)]
pub struct Clock {
    folder: TempDir,
    library: PathBuf,
}

impl Clock {
    /// A clock that shows `time`.
    ///
    /// # Panics
    /// When libfaketime is not installed.
    pub fn showing(time: Timestamp) -> Self {
        let folder = TempDir::with_prefix("lifeboat-clock-").expect("a temporary folder can be made");
        let clock = Self { folder, library: library() };
        clock.set(time);
        clock
    }

    /// Sets it, for programs that run too.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn set(&self, time: Timestamp) {
        let ahead = time.duration_since(Timestamp::now());
        // Replaced as a whole: whoever reads it meanwhile finds either time.
        let new = self.folder.path().join("new");
        fs::write(&new, format!("{:+}\n", ahead.as_secs())).expect("the clock's file can be written");
        fs::rename(&new, self.file()).expect("the clock's file can be replaced");
    }

    /// Moves it by `by`, forward or back.
    ///
    /// # Panics
    /// As [`Clock::set`].
    pub fn turn(&self, by: SignedDuration) {
        self.set(self.now().checked_add(by).expect("a time within this calendar"));
    }

    /// What it shows.
    ///
    /// # Panics
    /// When its file is gone.
    pub fn now(&self) -> Timestamp {
        let ahead = fs::read_to_string(self.file()).expect("the clock's file");
        let ahead = SignedDuration::from_secs(ahead.trim().parse().expect("seconds"));
        Timestamp::now().checked_add(ahead).expect("a time within this calendar")
    }

    /// What makes a program live in its time.
    pub fn environment(&self) -> Vec<(String, String)> {
        let path = |path: PathBuf| path.to_str().expect("the path is text").to_owned();
        [
            ("LD_PRELOAD", path(self.library.clone())),
            ("FAKETIME_TIMESTAMP_FILE", path(self.file())),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("NO_FAKE_STAT", "1".into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ahead")
    }
}

/// Where Debian's package puts the library, for programs of several threads.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("/usr/lib can be read").flatten();
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    libraries.find(|path| path.exists()).expect("libfaketime is not installed: run `tests/run --install`")
}
