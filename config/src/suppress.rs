//! What the control report is told to leave aside, by whom and until when.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

/// A control whose result is accepted as it is for a while. One without an expiry hides nothing, and the
/// report says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[non_exhaustive]
pub struct Suppression {
    /// The control's name in `lifeboat-restore report`, such as `CPY-01`.
    #[schemars(regex(pattern = "^[A-Z]{3}-[0-9]{2}$"))]
    pub control: String,
    /// Why its result is accepted.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it counts, such as `2027-03-31` (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub expires: Option<Date>,
    /// Who has approved it: two people at least.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub approved_by: Vec<String>,
}
