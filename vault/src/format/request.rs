//! Requests for what several people decide, and what they answer. Each is an object of its own that never
//! changes; an answer names the request by the hash of its whole object, so that it is good for no other.

use serde::{Deserialize, Serialize};

use crate::{Grade, RequestId, SnapshotId};

/// The JSON inside the sealed body of `requests/ID/request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is to be done.
    pub kind: Wish,
    /// Exactly what, in words of the program's own, where it goes to included. What is carried out must come
    /// to the same words.
    pub plan: String,
    /// Grades whose keys are to be opened for it.
    pub grades: Vec<Grade>,
    /// The source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The snapshots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<SnapshotId>,
    /// Where rows go, without account and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The age recipient that was made for this request alone.
    pub recipient: String,
    /// Why, in words of whoever asks.
    pub reason: String,
    /// When it was made, by the clock of whoever asks: RFC 3339, UTC.
    pub made: String,
    /// Until when it may be approved and used.
    pub expires: String,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// Rows are restored: grades' keys are to be opened, or their restore approved.
    Restore,
    /// Keys are destroyed: the root's key is to be opened, and grades' where rows of other sources are sealed anew.
    Shred,
    /// Snapshots are removed by hand, whatever any rule keeps: no key is opened.
    Expire,
    /// Less is kept from now on than was agreed: no key is opened.
    Keep,
    /// Holds end: no key is opened.
    Release,
}

/// The JSON inside the sealed body of `requests/ID/approve-PERSON`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The request.
    pub request: RequestId,
    /// When, by the clock of whoever approves: RFC 3339, UTC.
    pub time: String,
    /// Their share of each key that the request needs and that is split.
    pub shares: Vec<SealedShare>,
}

/// A share, sealed to a request's own recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedShare {
    /// The wrap that it was opened from: it says which key it is of, and of which splitting.
    pub wrap: String,
    /// What is in that wrap, in an age file to the recipient, base64.
    pub sealed: String,
}

/// The JSON inside the sealed body of `requests/ID/refuse-PERSON` and of `requests/ID/revoke-PERSON`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objection {
    /// The request.
    pub request: RequestId,
    /// When, by the clock of whoever objects: RFC 3339, UTC.
    pub time: String,
    /// Why, in their words.
    pub reason: String,
}
