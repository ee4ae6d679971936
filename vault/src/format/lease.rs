//! The lease on deleting: numbered objects, each created once, of which the highest number holds.

use serde::{Deserialize, Serialize};

/// The JSON body of `lease/NUMBER`, signed by an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// Its number, so that a renamed one is noticed.
    pub number: u64,
    /// Drawn anew by whoever takes the lease: 32 hex digits. Empty once it is given back.
    pub holder: String,
    /// The agent's name, for people.
    pub agent: String,
    /// What is done under it, for people: `pruning`, `expiring`.
    pub purpose: String,
}
