//! How many people it takes together to open a grade, from the vault's first day on.

use schemars::JsonSchema;
use serde::Serialize;

use crate::Grade;

/// What `lifeboat-agent init` makes of the grades' keys. A vault that is there already is changed by
/// `lifeboat-restore keys quorum`, and `check` tells where the two differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Policies {
    /// For grade high, and for the vault's root key, which could make another policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Policy>,
    /// For grade medium.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<Policy>,
    /// For grade low.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<Policy>,
}

/// How a grade is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// So many people open it together, each with a share of its key; 1 lets any of them open it alone.
    #[schemars(range(min = 1, max = 100))]
    pub quorum: u8,
    /// Who has a share: everybody in [people] who has this grade, and nobody else. It may be left out; written
    /// down, it is held against [people], so that nobody gets a share unnoticed.
    #[schemars(with = "Option<Vec<String>>")]
    pub of: Vec<String>,
}

impl Policies {
    /// Each policy with its grade, the most sensitive first.
    pub fn iter(&self) -> impl Iterator<Item = (Grade, &Policy)> {
        let all = [(Grade::High, &self.high), (Grade::Medium, &self.medium), (Grade::Low, &self.low)];
        all.into_iter().filter_map(|(grade, policy)| Some((grade, policy.as_ref()?)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}
