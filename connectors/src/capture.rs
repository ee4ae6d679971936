//! Reading: a [`Source`] gives one consistent point as a [`Capture`].

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{LoadTable, Result, RowSender, Slice, Table};

/// A database that can be captured. Opening one connects to nothing yet.
#[async_trait]
pub trait Source: Send + Sync {
    /// Answers whether the next capture can work, and what it would not see: privileges, TLS,
    /// versions, tools, size. Changes nothing on the source.
    ///
    /// A database that cannot be reached is an error; everything found once connected is a finding.
    async fn check(&self) -> Result<Checked>;

    /// Fixes one consistent point of the whole source and holds it open until the capture is dropped
    /// or finished.
    async fn capture(&self, options: &CaptureOptions) -> Result<Box<dyn Capture>>;
}

/// What a check found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Everything found, good and bad.
    pub findings: Vec<Finding>,
    /// The tables that a capture would have now. Their slices are of no point, and cannot be read.
    pub tables: Vec<Table>,
}

/// One consistent point of a source, held open. Slices may be read in any order and several at once.
#[async_trait]
pub trait Capture: Send + Sync {
    /// When and where this point is.
    fn point(&self) -> &PointInTime;

    /// Every table at this point, in a stable order (by name).
    fn tables(&self) -> &[Table];

    /// Everything that is not rows: the files that [`crate::Target`] needs to rebuild the database
    /// around them. Their names are the connector's own.
    async fn schema(&self) -> Result<Vec<SchemaFile>>;

    /// What only the reading of the schema showed to be missing, as [`PointInTime::not_covered`] has it.
    fn also_not_covered(&self) -> Vec<String> {
        Vec::new()
    }

    /// Reads the rows of one slice into `rows`, in the table's order, and returns how many.
    ///
    /// Waits for a free reader when all are busy. Returns `Error::Cancelled` when the receiver is gone.
    async fn read(&self, slice: &Slice, rows: RowSender) -> Result<u64>;

    /// Confirms that the point held to the end and lets go of it.
    async fn finish(self: Box<Self>) -> Result<()>;
}

/// How to capture.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    /// Readers that may work at once, each a connection of its own on the same point.
    pub readers: usize,
    /// A slice is cut at about this many bytes of the source's storage.
    pub slice_bytes: u64,
    /// Milliseconds to wait for a lock before giving up with `Error::Locked`.
    pub lock_timeout_ms: u64,
    /// Milliseconds for which a server may leave the smallest question unanswered while a point is held on
    /// it. Then its host counts as gone: one that lost its power closes no connection.
    pub silence_ms_max: u64,
    /// A private folder for scratch files; the capture removes what it puts there.
    pub scratch: PathBuf,
    /// Tables whose columns are read in this order, should the source have the same ones in another: where
    /// a child inherits from a parent that was changed later, a restore cannot place its columns as they were.
    pub columns_as: Vec<LoadTable>,
}

impl Default for CaptureOptions {
    fn default() -> Self {
        Self {
            readers: 2,
            slice_bytes: 128 * 1024 * 1024,
            lock_timeout_ms: 30_000,
            silence_ms_max: 60_000,
            scratch: std::env::temp_dir(),
            columns_as: Vec::new(),
        }
    }
}

/// Where in the source's life a capture stands; kept in the manifest and printed by `show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointInTime {
    /// `postgres`, `sqlite`, …: names the connector that can load it again.
    pub system: String,
    /// The server's version as it prints it, such as `15.19 (Debian …)`.
    pub server_version: String,
    /// The database's name or the file's path.
    pub database: String,
    /// The time by the source's own clock, RFC 3339 in UTC.
    pub time: String,
    /// How the point was made consistent, in words: `exported snapshot 00000003-1, 48 tables locked`.
    pub method: String,
    /// The place in the source's log (`lsn 0/16B3748`), where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_position: Option<String>,
    /// Whether the connection was plaintext beyond this machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plaintext: bool,
    /// What could not be read or is not covered, one sentence each. Never empty words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_covered: Vec<String>,
}

/// One file of the schema. Never stored below the protection of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFile {
    /// Its name within the snapshot, such as `schema.pgdump`.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Ok,
    /// The backup works but would miss or expose something.
    Warning,
    /// The next backup would fail.
    Problem,
}

/// One line of `check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was looked at: `privileges`, `tls`, `version`, `tools`, `size`, …
    pub subject: String,
    /// What was found, a lower-case fragment without full stop.
    pub text: String,
    /// What to do about it: a command to type or a statement to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
