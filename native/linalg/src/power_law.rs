//! The power law that WeightWatcher fits to the eigenvalues λ = σ² of WᵀW.
//!
//! Maximum likelihood for a continuous power law above a cut-off, the cut-off being the eigenvalue that minimises the
//! Kolmogorov–Smirnov distance (Clauset, Shalizi, Newman, *Power-law distributions in empirical data*, SIAM Review 51
//! (2009)); the threshold on λ and the candidates are WeightWatcher's (Martin, Peng, Mahoney, Nature Communications 12
//! (2021), code version 0.7.5).

use crate::control::{Control, Failure};
use rayon::prelude::*;

/// Eigenvalues at or below this are left out, as WeightWatcher does on a CPU.
pub const SMALLEST_EIGENVALUE: f64 = 1e-5;

/// A fitted density p(λ) ∝ λ^−α for λ ≥ `xmin`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLaw {
    /// Exponent.
    pub alpha: f64,
    /// The cut-off, one of the eigenvalues.
    pub xmin: f64,
    /// Kolmogorov–Smirnov distance between the tail and the fit.
    pub distance: f64,
}

/// Fits λ = σ² for `values` (singular values in any order); `None` with fewer than two λ above
/// [`SMALLEST_EIGENVALUE`].
///
/// O(n²) in the worst case: every eigenvalue but the last is tried as cut-off. Its exponent costs O(1) by suffix sums;
/// its distance is abandoned once it exceeds the best one so far.
pub fn power_law(values: &[f64], control: &Control) -> Result<Option<PowerLaw>, Failure> {
    let mut eigenvalues: Vec<f64> = values.iter().map(|s| s * s).filter(|&l| l > SMALLEST_EIGENVALUE).collect();
    eigenvalues.sort_unstable_by(f64::total_cmp);
    if eigenvalues.len() < 2 {
        return Ok(None);
    }
    let logs: Vec<f64> = eigenvalues.iter().map(|l| l.ln()).collect();
    let exponents = exponents(&logs);

    // Chunks are a fixed size, each keeps its own best: the outcome is the same at any thread count.
    const CHUNK: usize = 64;
    let best_of = |chunk: usize| -> Result<Candidate, Failure> {
        control.check()?;
        let start = chunk * CHUNK;
        let mut best = Candidate::worst(start);
        for i in start..(start + CHUNK).min(exponents.len()) {
            best.keep_better(Candidate { index: i, distance: distance(&logs[i..], exponents[i], best.distance) });
        }
        Ok(best)
    };
    let chunks = exponents.len().div_ceil(CHUNK);
    let candidates: Vec<Candidate> = if control.threads() > 1 && eigenvalues.len() > 512 {
        (0..chunks).into_par_iter().map(best_of).collect::<Result<_, _>>()?
    } else {
        (0..chunks).map(best_of).collect::<Result<_, _>>()?
    };
    let mut best = candidates[0];
    for &candidate in &candidates[1..] {
        best.keep_better(candidate);
    }
    Ok(Some(PowerLaw { alpha: exponents[best.index], xmin: eigenvalues[best.index], distance: best.distance }))
}

#[derive(Clone, Copy)]
struct Candidate {
    index: usize,
    distance: f64,
}

impl Candidate {
    fn worst(index: usize) -> Self {
        Self { index, distance: 1.0 }
    }

    /// The first of equally good candidates wins, as in `argmin`.
    fn keep_better(&mut self, other: Candidate) {
        if other.distance < self.distance {
            *self = other;
        }
    }
}

/// `1 + n / Σ_{j≥i} (ln λ_j − ln λ_i)` for each i but the last, n = how many j there are.
fn exponents(logs: &[f64]) -> Vec<f64> {
    let mut exponents = vec![0.0; logs.len() - 1];
    // Σ (ln λ_j − ln λ_i) grows by (how many lie above)·(ln λ_{i+1} − ln λ_i): no cancellation, unlike Σ ln λ_j − n ln λ_i.
    let mut excess = 0.0;
    for i in (0..logs.len() - 1).rev() {
        let above = (logs.len() - 1 - i) as f64;
        excess += above * (logs[i + 1] - logs[i]);
        exponents[i] = 1.0 + (above + 1.0) / excess;
    }
    exponents
}

/// `max_k |1 − (λ_k/λ_0)^(1−α) − k/n|` over the tail with logarithms `logs`; 1 for exponents that define no distribution
/// (≤ 1 or infinite); some number ≥ `limit` as soon as it is certain that the distance is at least that.
fn distance(logs: &[f64], alpha: f64, limit: f64) -> f64 {
    if alpha.is_nan() || alpha <= 1.0 || alpha.is_infinite() {
        return 1.0;
    }
    let n = logs.len() as f64;
    let mut worst: f64 = 0.0;
    for (block, tail) in logs.chunks(32).enumerate() {
        for (j, log) in tail.iter().enumerate() {
            let model = -((1.0 - alpha) * (log - logs[0])).exp_m1();
            worst = worst.max((model - (block * 32 + j) as f64 / n).abs());
        }
        if worst >= limit {
            return worst;
        }
    }
    worst
}
