//! Grades of data, and which key a segment is sealed to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How sensitive data is. Until an operator grades a table, it is high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Opened by the fewest.
    High,
    /// In between.
    Medium,
    /// Opened by the most.
    Low,
}

impl Grade {
    /// Every grade, the most sensitive first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// Its name as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a chunk belongs to, and so which key opens its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Realm {
    /// Recipes and catalogues: agents can read them back.
    Metadata,
    /// Rows and schema files of this grade: agents cannot.
    #[serde(untagged)]
    Rows(Grade),
}

impl Realm {
    /// Every realm, in the order in which keys are listed.
    pub const ALL: [Self; 4] =
        [Self::Metadata, Self::Rows(Grade::High), Self::Rows(Grade::Medium), Self::Rows(Grade::Low)];

    /// Its name as stored: `metadata`, `high`, `medium`, `low`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Rows(grade) => grade.as_str(),
        }
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Realm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|realm| realm.as_str() == text)
            .ok_or_else(|| format!("unknown grade {text}"))
    }
}
