//! Messages about the order of units and the singular spaces of two tensors.

use serde::{Deserialize, Serialize};

use super::Expression;

/// Parameters of `lineHashes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LineHashesParams {
    /// What to read.
    pub tensor: Expression,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
    /// 0 for rows of the matrix view, 1 for columns.
    pub axis: u64,
    /// Neighbouring lines that are hashed together; must divide their number.
    pub group: u64,
}

/// Answer of `lineHashes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineHashesResult {
    /// How many groups.
    pub count: u64,
    /// Base64 of the first eight bytes of each group's hash.
    pub hashes: String,
}
