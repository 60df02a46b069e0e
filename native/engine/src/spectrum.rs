//! The singular spectrum of a tensor's matrix view, and the quantities read off it.

use weight_loupe_linalg::measures::{self, Moments};
use weight_loupe_linalg::{self as linalg, Control, SingularValues, factors};

use crate::compute::{LowRank, low_rank, refused, with_control};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::numeric::Numeric;
use crate::protocol::{EnergyRank, Expression, How, MarchenkoPastur, PowerLaw, SpectrumMode, SpectrumResult};
use crate::source::Access;
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
    let [rows, columns] = matrix_shape(tensor.shape())?;
    let short = rows.min(columns);
    let top = wanted(mode, k, short)?;
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
    let how = how(&found);
    Ok(describe(Described {
        shape: tensor.shape(),
        rows,
        columns,
        moments,
        values: found.values,
        residuals,
        power_law,
        how,
    }))
}

/// The spectrum of what `expression` describes. Of a product of two thin matrices it is computed from the factors, without
/// forming the product: L = Q₁R₁ and Rᵀ = Q₂R₂ make L·R = Q₁·(R₁R₂ᵀ)·Q₂ᵀ, whose singular values are those of the small core
/// R₁R₂ᵀ and zeros. With the mode `Top` its `k` largest are answered, without residuals.
///
/// # Errors
/// As `spectrum`, and what opening the tensor fails with.
pub fn of_expression(
    expression: &Expression,
    mode: SpectrumMode,
    k: Option<u64>,
    context: &Context,
) -> Result<SpectrumResult> {
    match low_rank(expression, context)? {
        Some(product) => of_product(product, mode, k, context),
        None => spectrum(&Tensor::open_in(expression, Access::Sequential, context)?, mode, k, context),
    }
}

fn of_product(product: LowRank, mode: SpectrumMode, k: Option<u64>, context: &Context) -> Result<SpectrumResult> {
    let LowRank { left, right, rows, inner, columns, shape } = product;
    let short = rows.min(columns);
    let top = wanted(mode, k, short as u64)?;
    with_control(context, |control| {
        let sums = column_sums(&left, inner);
        let mean: f64 = right.chunks(columns).zip(&sums).map(|(row, sum)| sum * row.iter().sum::<f64>()).sum();
        let mean = mean / (rows as f64 * columns as f64);
        let left = factors::qr(&left, rows, inner, control).map_err(refused)?.r;
        let right = factors::qr(&transposed(&right, inner, columns), columns, inner, control).map_err(refused)?.r;
        // Rounding in R₁ and R₂ is relative to their norms, which the product's may be far below.
        let rounding =
            inner as f64 * f64::EPSILON * Moments::of(&left).frobenius_norm * Moments::of(&right).frobenius_norm;
        let core = factors::product(&left, &transposed(&right, inner, inner), [inner; 3], control).map_err(refused)?;
        let frobenius_norm = Moments::of(&core).frobenius_norm;
        let count = rows as f64 * columns as f64;
        let variance = (frobenius_norm / count.sqrt()).powi(2) - mean * mean;
        let moments = Moments { frobenius_norm, standard_deviation: variance.max(0.0).sqrt() };
        let found = linalg::exact(core, inner, inner, control).map_err(refused)?;
        let method = format!(
            "QR of the factors of a product of inner dimension {inner}, then the core's {}; the other values are 0",
            found.method
        );
        let how = How { method, error_bound: Some(Numeric::Float(found.error_bound + rounding)), ..how(&found) };
        let mut values = found.values;
        values.resize(short, 0.0);
        let power_law = match top {
            None => linalg::power_law(&values, control).map_err(refused)?,
            Some(k) => {
                values.truncate(k as usize);
                None
            }
        };
        let (shape, residuals) = (&shape[..], None);
        Ok(describe(Described { shape, rows, columns, moments, values, residuals, power_law, how }))
    })
}

fn column_sums(matrix: &[f64], columns: usize) -> Vec<f64> {
    matrix.chunks(columns).fold(vec![0f64; columns], |mut sums, row| {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        sums
    })
}

/// The transpose of a row-major `rows × columns` matrix.
fn transposed(matrix: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}

/// How many of the largest values are asked for; all when that is not said.
fn wanted(mode: SpectrumMode, k: Option<u64>, short: u64) -> Result<Option<u64>> {
    match (mode, k) {
        (SpectrumMode::Top, Some(0)) => Err(Error::invalid("The number of singular values must be at least 1.")),
        (SpectrumMode::Top, k) => Ok(Some(k.unwrap_or(16).min(short))),
        _ => Ok(None),
    }
}

/// A spectrum before what is read off it.
struct Described<'a> {
    shape: &'a [u64],
    rows: usize,
    columns: usize,
    moments: Moments,
    values: Vec<f64>,
    residuals: Option<Vec<f64>>,
    power_law: Option<linalg::PowerLaw>,
    how: How,
}

fn describe(spectrum: Described) -> SpectrumResult {
    let Described { shape, rows, columns, moments, values, residuals, power_law, how } = spectrum;
    let complete = values.len() == rows.min(columns);
    let largest = values[0];
    let frobenius = moments.frobenius_norm;
    let energy_rank = |share| {
        let known = values.len();
        measures::energy_rank(&values, frobenius, share).unwrap_or(if complete { known } else { known + 1 }) as u64
    };
    let edge = measures::marchenko_pastur_edge(moments.standard_deviation, rows, columns);
    SpectrumResult {
        rows: rows as u64,
        columns: columns as u64,
        frobenius_norm: Numeric::Float(frobenius),
        spectral_norm: Numeric::Float(largest),
        stable_rank: Numeric::Float((frobenius / largest).powi(2)),
        effective_rank: Numeric::Float(if complete { measures::effective_rank(&values) } else { f64::NAN }),
        energy_rank: EnergyRank { e90: energy_rank(0.9), e95: energy_rank(0.95), e99: energy_rank(0.99) },
        matrix_rank: measures::matrix_rank(&values, rows, columns) as u64,
        condition_number: Numeric::Float(if complete { largest / values[values.len() - 1] } else { f64::NAN }),
        marchenko_pastur: MarchenkoPastur {
            edge: Numeric::Float(edge),
            above: values.iter().filter(|&&s| s > edge).count() as u64,
        },
        power_law: power_law.map(|fit| PowerLaw {
            alpha: Numeric::Float(fit.alpha),
            xmin: Numeric::Float(fit.xmin),
            distance: Numeric::Float(fit.distance),
        }),
        how,
        flattened_from: (shape.len() > 2).then(|| shape.to_vec()),
        residuals,
        singular_values: values,
    }
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

/// Rows and columns of the matrix view of `shape`, both at least 1.
pub(crate) fn matrix_shape(shape: &[u64]) -> Result<[u64; 2]> {
    if shape.len() < 2 {
        return Err(Error::undefined(format!(
            "A singular spectrum is defined for matrices; this tensor has the shape {shape:?}."
        )));
    }
    if shape.contains(&0) {
        return Err(Error::undefined(format!(
            "A singular spectrum needs elements; this tensor has the shape {shape:?}."
        )));
    }
    Ok([shape[0], shape[1..].iter().product()])
}
