//! What is known of every branch's vault, for the controls that concern more than one.

use std::collections::{BTreeMap, BTreeSet};

use super::super::evidence::Evidence;

/// The vaults of the fleet's file.
#[derive(Debug, Clone)]
pub struct FleetFacts {
    /// The file.
    pub read: Evidence,
    /// One for each vault, in the file's order.
    pub vaults: Vec<BranchFacts>,
    /// What each vault's credentials reached of each other's store.
    pub tried: Vec<Tried>,
}

/// One branch's vault.
#[derive(Debug, Clone)]
pub struct BranchFacts {
    /// Its name in the file.
    pub name: String,
    /// What it is opened and sealed by, or why that is not known.
    pub keys: Result<BranchKeys, String>,
}

/// What a vault is opened and sealed by.
#[derive(Debug, Clone)]
pub struct BranchKeys {
    /// The vault's id.
    pub id: String,
    /// The public halves of its sealing keys, of every epoch.
    pub sealing: BTreeSet<String>,
    /// What a fixed row comes to under the secret that chunk ids are made with: of two vaults with one secret the same.
    pub mark: String,
    /// Its people who may open something: names by recipients, without what follows an SSH key.
    pub people: BTreeMap<String, String>,
}

/// What one vault's credentials reached of another's store.
#[derive(Debug, Clone)]
pub struct Tried {
    /// Whose credentials.
    pub of: String,
    /// Whose store.
    pub at: String,
    /// What came of it.
    pub reach: Reach,
}

/// What credentials reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Neither a listing nor an object.
    Denied,
    /// They list, or read.
    Open,
    /// It was not tried, or came to nothing, and why.
    Unknown(String),
}
