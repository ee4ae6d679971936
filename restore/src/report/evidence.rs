//! What was read, from where, when, and its digest: whoever doubts a result reads the same thing again.

use jiff::Timestamp;
use serde::Serialize;

/// One thing that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What kind of thing: `config`, `store.listing`, `vault.keyring`, …
    pub kind: &'static str,
    /// Where it is: a path, a URL, an object.
    pub from: String,
    /// When it was read.
    pub at: Timestamp,
    /// `sha256:…` of what was read: of a file its bytes, of a listing its lines of name and size, by name.
    pub digest: String,
}

/// The digest of some bytes, as evidence has it.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
