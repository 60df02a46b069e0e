//! Messages about several tensors at once: `difference`, `relations`, `residual`.

use serde::{Deserialize, Serialize};

use super::{Expression, How};
use crate::numeric::Numeric;

/// Parameters of `difference`: B − A of two tensors of equally many elements, in row-major order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DifferenceParams {
    /// What is subtracted.
    pub a: Expression,
    /// What it is subtracted from.
    pub b: Expression,
    /// An element is changed beyond tolerance when |b − a| > tolerance·max(|a|, |b|); default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// What takes more than the pass itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<DifferenceDetail>,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
}

/// How lines, histogram and blocks of a difference are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DifferenceDetail {
    /// Rows of the matrix view; divides the number of elements.
    pub rows: u64,
    /// Bins per factor of ten of the histogram of |Δ| (1 … 64).
    pub bins_per_decade: u64,
    /// Neighbouring elements of one row in a block (1 … 65536).
    pub block: u64,
}

/// One side of a difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DifferenceSide {
    /// Norm of the elements that are finite on both sides.
    pub l2: Numeric,
    /// NaN elements.
    pub nan: u64,
    /// Elements that are +∞.
    pub positive_infinity: u64,
    /// Elements that are −∞.
    pub negative_infinity: u64,
}

/// Answer of `difference`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DifferenceResult {
    /// Elements on each side.
    pub count: u64,
    /// Elements that are finite on both sides.
    pub compared: u64,
    /// What is subtracted.
    pub a: DifferenceSide,
    /// What it is subtracted from.
    pub b: DifferenceSide,
    /// ‖B − A‖.
    pub norm: Numeric,
    /// ⟨A, B⟩.
    pub dot: Numeric,
    /// Σ|b − a|.
    pub sum_abs: Numeric,
    /// The largest |b − a|; 0 when nothing was compared.
    pub max_abs: Numeric,
    /// Row-major position of the first element with it; none when nothing was compared.
    pub max_at: Option<u64>,
    /// Elements that are not the same bits once decoded; all NaN are the same.
    pub differing: u64,
    /// Elements changed beyond tolerance.
    pub beyond: u64,
    /// Elements with a·b < 0.
    pub sign_flips: u64,
    /// Of |Δ|.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histogram: Option<DifferenceHistogram>,
    /// Of each row of the matrix view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<DifferenceLines>,
    /// Of each column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<DifferenceLines>,
    /// The blocks with the largest ‖Δ‖.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_blocks: Option<Vec<WorstBlock>>,
    /// How it was computed.
    pub how: How,
}

/// Of |Δ|, by its sign: bin i covers [10^(minExponent + i/binsPerDecade), 10^(minExponent + (i+1)/binsPerDecade)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DifferenceHistogram {
    /// log10 of the lower end of the first bin.
    pub min_exponent: i64,
    /// Bins per factor of ten.
    pub bins_per_decade: u64,
    /// Elements that became smaller, by bin.
    pub negative: Vec<u64>,
    /// Elements that became larger.
    pub positive: Vec<u64>,
    /// Elements with Δ = 0.
    pub zeros: u64,
}

/// Of each row, or each column, of the matrix view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DifferenceLines {
    /// How many.
    pub count: u64,
    /// Base64 of little-endian f64: Σ Δ² over the elements that are finite on both sides.
    pub squares: String,
    /// Base64 of little-endian f64: Σ a² over them.
    pub reference: String,
    /// Base64 of little-endian u32: differing elements.
    pub differing: String,
}

/// Neighbouring elements of one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorstBlock {
    /// Row-major position of the first.
    pub start: u64,
    /// How many.
    pub length: u64,
    /// ‖Δ‖ of the block.
    pub norm: Numeric,
    /// ‖Δ‖/‖A‖ of it.
    pub relative: Numeric,
}

/// Parameters of `relations`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelationsParams {
    /// 1 … 32, of equally many elements.
    pub tensors: Vec<Expression>,
    /// What is subtracted from each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Expression>,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
}

/// Answer of `relations`: τ_i is tensor i less the base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelationsResult {
    /// Elements of each.
    pub count: u64,
    /// Elements that are finite in all.
    pub compared: u64,
    /// ⟨τ_i, τ_j⟩.
    pub gram: Vec<Vec<Numeric>>,
    /// Elements with τ_i ≠ 0.
    pub changed: Vec<u64>,
    /// Elements with τ_i ≠ 0 and τ_j ≠ 0.
    pub both_changed: Vec<Vec<u64>>,
    /// Elements with τ_i·τ_j < 0.
    pub conflicts: Vec<Vec<u64>>,
    /// Elements changed in two or more tensors, without and with a conflict.
    pub signs: (u64, u64),
    /// How it was computed.
    pub how: How,
}

/// Parameters of `residual`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResidualParams {
    /// What is to be explained.
    pub target: Expression,
    /// What it is explained by.
    pub terms: Vec<Expression>,
    /// One for each term.
    pub coefficients: Vec<f64>,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
}

/// Answer of `residual`: of target − Σ coefficients[i]·terms[i].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResidualResult {
    /// Elements of each.
    pub count: u64,
    /// Elements that are finite in all.
    pub compared: u64,
    /// Its norm.
    pub norm: Numeric,
    /// Norm of the target.
    pub target_norm: Numeric,
    /// Its inner products with the terms.
    pub dots: Vec<Numeric>,
    /// How it was computed.
    pub how: How,
}
