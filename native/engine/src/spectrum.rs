//! The singular spectrum of a tensor's matrix view, and the quantities read off it.

use weight_loupe_linalg::measures::{self, Moments};
use weight_loupe_linalg::{self as linalg, Control, Failure, SingularValues};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::numeric::Numeric;
use crate::protocol::{EnergyRank, How, MarchenkoPastur, PowerLaw, SpectrumMode, SpectrumResult};
use crate::tensor::Tensor;

/// Most elements of a matrix whose spectrum is computed: 2³¹, 16 GiB as f64.
const MAX_ELEMENTS: u64 = 1 << 31;
/// Longest short side for all singular values; the work grows with its square and the long side.
const MAX_SHORT_SIDE: u64 = 1 << 15;
/// Progress is told in these units.
const PROGRESS_STEPS: f64 = 1000.0;

/// Whether spectra of tensors with so many stored bytes are computed fastest side by side, one thread each: up to about
/// 1024 × 1024 elements.
pub fn is_small(stored_bytes: u64) -> bool {
    stored_bytes <= 4 << 20
}

/// The spectrum of `tensor`, flattened to (first axis) × (product of the rest).
///
/// With the mode `Top` only the `k` largest values are known (16 when `k` is not given): `effective_rank` and
/// `condition_number` are NaN, `power_law` is `None`, and `matrix_rank`, `marchenko_pastur.above` and the energy ranks are
/// those of the known values, hence lower bounds once they reach k (an energy rank that the k values do not reach is
/// k + 1). The Frobenius norm and what follows from it are of all elements in every mode.
///
/// # Errors
/// `Undefined` for tensors with fewer than two axes, without elements or with elements that are not finite;
/// `InvalidParams` for a `k` of 0; `TooLarge` beyond 2³¹ elements or, for all values, a short side beyond 32,768;
/// `Cancelled`, `Io`, `Truncated`.
pub fn spectrum(tensor: &Tensor, mode: SpectrumMode, k: Option<u64>, context: &Context) -> Result<SpectrumResult> {
    let (rows, columns) = matrix_shape(tensor)?;
    let short = rows.min(columns);
    let top = match (mode, k) {
        (SpectrumMode::Top, Some(0)) => {
            return Err(Error::invalid("The number of singular values must be at least 1."));
        }
        (SpectrumMode::Top, k) => Some(k.unwrap_or(16).min(short)),
        _ => None,
    };
    if tensor.count() > MAX_ELEMENTS || (top.is_none() && short > MAX_SHORT_SIDE) {
        return Err(Error::too_large(format!(
            "The spectrum of a {rows} × {columns} matrix would need too much memory and time: at most {MAX_ELEMENTS} \
             elements and, for all singular values, {MAX_SHORT_SIDE} on the short side are computed."
        )));
    }
    let (rows, columns) = (rows as usize, columns as usize);
    let cancelled = || context.cancel.is_cancelled();
    let progress = |share: f64| (context.progress)((share * PROGRESS_STEPS) as u64, PROGRESS_STEPS as u64);
    let control = Control::new(context.threads, &cancelled, &progress);

    let (moments, found, residuals) = match (mode, top) {
        (SpectrumMode::Exact, _) => {
            let matrix = tensor.to_f64_matrix(context)?;
            (Moments::of(&matrix), linalg::exact(matrix, rows, columns, &control).map_err(refused)?, None)
        }
        (_, None) => {
            // Rounding and range of f32 suffice only for values that are brought near 1 first.
            let matrix = tensor.to_f64_matrix(context)?;
            let moments = Moments::of(&matrix);
            (moments, linalg::fast(matrix, rows, columns, &control).map_err(refused)?, None)
        }
        (_, Some(k)) => {
            let matrix = tensor.to_f64_matrix(context)?;
            let moments = Moments::of(&matrix);
            let top = linalg::top(matrix, rows, columns, k as usize, &control).map_err(refused)?;
            (moments, top.singular, top.residuals)
        }
    };
    let power_law = match top {
        None => linalg::power_law(&found.values, &control).map_err(refused)?,
        Some(_) => None,
    };
    let complete = found.values.len() == rows.min(columns);
    let largest = found.values[0];
    let frobenius = moments.frobenius_norm;
    let energy_rank = |share| {
        let known = found.values.len();
        measures::energy_rank(&found.values, frobenius, share).unwrap_or(if complete { known } else { known + 1 })
            as u64
    };
    let edge = measures::marchenko_pastur_edge(moments.standard_deviation, rows, columns);
    Ok(SpectrumResult {
        rows: rows as u64,
        columns: columns as u64,
        frobenius_norm: Numeric::Float(frobenius),
        spectral_norm: Numeric::Float(largest),
        stable_rank: Numeric::Float((frobenius / largest).powi(2)),
        effective_rank: Numeric::Float(if complete { measures::effective_rank(&found.values) } else { f64::NAN }),
        energy_rank: EnergyRank { e90: energy_rank(0.9), e95: energy_rank(0.95), e99: energy_rank(0.99) },
        matrix_rank: measures::matrix_rank(&found.values, rows, columns) as u64,
        condition_number: Numeric::Float(if complete {
            largest / found.values[found.values.len() - 1]
        } else {
            f64::NAN
        }),
        marchenko_pastur: MarchenkoPastur {
            edge: Numeric::Float(edge),
            above: found.values.iter().filter(|&&s| s > edge).count() as u64,
        },
        power_law: power_law.map(|fit| PowerLaw {
            alpha: Numeric::Float(fit.alpha),
            xmin: Numeric::Float(fit.xmin),
            distance: Numeric::Float(fit.distance),
        }),
        how: how(&found),
        flattened_from: (tensor.shape().len() > 2).then(|| tensor.shape().to_vec()),
        residuals,
        singular_values: found.values,
    })
}

fn how(found: &SingularValues) -> How {
    How {
        method: found.method.into(),
        precision: found.precision.into(),
        exact: found.exact,
        error_bound: Some(Numeric::Float(found.error_bound)),
        seed: found.seed,
        backend: "cpu".into(),
        threads: found.threads as u64,
    }
}

/// Rows and columns, both at least 1.
fn matrix_shape(tensor: &Tensor) -> Result<(u64, u64)> {
    let shape = tensor.shape();
    if shape.len() < 2 {
        return Err(Error::undefined(format!(
            "A singular spectrum is defined for matrices; this tensor has the shape {shape:?}."
        )));
    }
    if tensor.count() == 0 {
        return Err(Error::undefined(format!(
            "A singular spectrum needs elements; this tensor has the shape {shape:?}."
        )));
    }
    Ok((tensor.rows(), tensor.columns()))
}

fn refused(failure: Failure) -> Error {
    match failure {
        Failure::Cancelled => Error::cancelled(),
        Failure::Empty | Failure::NotFinite { .. } => {
            let mut sentence = failure.to_string();
            sentence[..1].make_ascii_uppercase();
            Error::undefined(sentence + ".")
        }
    }
}
