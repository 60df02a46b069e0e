//! Messages about the order of units and the singular spaces of two tensors.

use serde::{Deserialize, Serialize};

use super::{Expression, How};
use crate::numeric::Numeric;

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

/// Two tensors whose units are brought together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchTerm {
    /// Whose units are put into another order.
    pub a: Expression,
    /// Whose order they are put into.
    pub b: Expression,
    /// 0 where rows of the matrix views hold the units, 1 for columns.
    pub axis: u64,
}

/// Parameters of `match`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MatchParams {
    /// All that the units are compared by.
    pub terms: Vec<MatchTerm>,
    /// Neighbouring rows or columns in one unit, in each term.
    pub group: u64,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
}

/// Answer of `match`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchResult {
    /// The unit of A that stands at each place in B.
    pub permutation: Vec<u64>,
    /// Σ‖A − B‖² of all terms as they are.
    pub before: Numeric,
    /// The same with A's units in B's order.
    pub after: Numeric,
    /// How it was computed.
    pub how: How,
}

/// Parameters of `subspaces`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubspacesParams {
    /// One matrix.
    pub a: Expression,
    /// Another of its shape.
    pub b: Expression,
    /// Dimension of the spaces whose principal angles are computed (1 … 256).
    pub k: u64,
    /// Shares of σ₁ that a singular value must have to count.
    pub gammas: Vec<f64>,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
}

/// A left singular vector of B that no left singular vector of A resembles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intruder {
    /// Which of B's.
    pub index: u64,
    /// The largest |⟨u(B), u(A)⟩|.
    pub similarity: Numeric,
}

/// The numerator and denominator of R for one γ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// The share of σ₁.
    pub gamma: f64,
    /// Σ (u_i·u_j)(v_i·v_j) over the singular values that count.
    pub sum: Numeric,
    /// The larger number of them.
    pub count: u64,
}

/// |⟨u_i(A), u_j(B)⟩| of the first vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alignment {
    /// Vectors of each side.
    pub side: u64,
    /// Base64 of little-endian f32, row-major.
    pub values: String,
}

/// Answer of `subspaces`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "documented in src/engine/protocol.ts")]
pub struct SubspacesResult {
    pub k: u64,
    pub left: Vec<Numeric>,
    pub right: Vec<Numeric>,
    pub intruders: Vec<Intruder>,
    pub matching: Vec<Matching>,
    pub inner: Numeric,
    pub dot: Numeric,
    pub alignment: Alignment,
    pub singular_values_a: Vec<f64>,
    pub singular_values_b: Vec<f64>,
    pub how: How,
}
