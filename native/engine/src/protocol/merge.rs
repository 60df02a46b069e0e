//! Merge methods with their parameters, and cuts over several tensors, as `src/engine/protocol.ts` defines them.

use serde::{Deserialize, Serialize};

use super::{Expression, FloatingPoint, How};
use crate::numeric::Numeric;

/// Where a merge rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MergeProfile {
    /// To the compute type after every step, decisions taken on the rounded values, as mergekit 0.1.5 does.
    Mergekit,
    /// Once at the end.
    Paper,
}

/// A merge method and its parameters, resolved for one tensor. Lists have an entry for each input; τ_i = θ_i − base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "said in src/engine/protocol.ts")]
pub enum MergeMethod {
    Linear {
        weights: Vec<f64>,
        normalize: bool,
    },
    Slerp {
        t: f64,
    },
    Nuslerp {
        weights: Vec<f64>,
        flatten: bool,
        row_wise: bool,
    },
    Multislerp {
        weights: Vec<f64>,
        normalize_weights: bool,
        eps: f64,
    },
    Karcher {
        max_iterations: u64,
        tolerance: f64,
    },
    TaskVectors {
        weights: Vec<f64>,
        /// Named even where it is null.
        #[serde(deserialize_with = "Option::deserialize")]
        sparsify: Option<Sparsify>,
        elect: bool,
        normalize: bool,
        lambda: f64,
    },
    ModelStock {
        filter_wise: bool,
    },
    Nearswap {
        t: f64,
    },
    ArceeFusion {},
    Sce {
        top_k: f64,
    },
    Ram {
        epsilon: f64,
    },
    RamPlus {
        epsilon: f64,
        r: f64,
        alpha: f64,
    },
    Fisher {
        coefficients: Vec<f64>,
        floor: f64,
    },
    Passthrough {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scale: Option<f64>,
    },
}

/// How task vectors are made sparse; lists have an entry for each input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "said in src/engine/protocol.ts")]
pub enum Sparsify {
    Magnitude {
        densities: Vec<f64>,
        rescale: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cuts: Option<Vec<f64>>,
    },
    Random {
        densities: Vec<f64>,
        rescale: bool,
        /// Decimal u64.
        seeds: Vec<String>,
    },
    Outliers {
        densities: Vec<f64>,
        rescale: bool,
        gammas: Vec<f64>,
    },
    Ranked {
        densities: Vec<f64>,
        rescale: bool,
        epsilons: Vec<f64>,
        /// Decimal u64.
        seeds: Vec<String>,
    },
}

/// Parameters of `cut`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CutParams {
    /// At least one.
    pub tensors: Vec<TaskVector>,
    /// What task vectors are rounded to.
    pub dtype: FloatingPoint,
    /// In (0, 1).
    pub density: f64,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
}

/// A tensor less its base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskVector {
    /// The tensor.
    pub of: Expression,
    /// Its base, of the same shape.
    pub base: Expression,
}

/// Answer of `cut`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutResult {
    /// The max(1, ⌊density·n⌋)-th largest |τ| of all n elements.
    pub cut: Numeric,
    /// n.
    pub count: u64,
    /// How it was computed.
    pub how: How,
}
