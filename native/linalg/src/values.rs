//! All singular values of a dense matrix.

use crate::band;
use crate::bidiagonal;
use crate::chase;
use crate::control::{Control, Failure};
use crate::dense::{Dense, gemm, gram_matrix};
use crate::isa::Isa;
use crate::panel::{self, Triangles};
use crate::scalar::Scalar;
use faer::{Accum, MatMut};
use rayon::prelude::*;

/// Singular values and how they were found.
#[derive(Clone, Debug, PartialEq)]
pub struct SingularValues {
    /// Descending; min(rows, columns) of them.
    pub values: Vec<f64>,
    /// The algorithm, in words.
    pub method: &'static str,
    /// Arithmetic of the reduction: `"f64"` or `"f32"`.
    pub precision: &'static str,
    /// No value is further than this from a singular value of the stored matrix, up to rounding's usual modest factor.
    pub error_bound: f64,
    /// Whether the values are those of the stored matrix up to f64 rounding.
    pub exact: bool,
    /// Seed of the random start, where there was one.
    pub seed: Option<u64>,
    /// Threads that took part.
    pub threads: usize,
}

/// A matrix whose longer side is this many times the shorter is first brought to a square one.
const HIGH_ASPECT: f64 = 1.6;

/// Below this ratio to σ₁ a singular value out of a Gram matrix has lost too many digits to decide a rank.
const GRAM_FLOOR: f64 = 1e-6;

/// Singular values in f64: each within about `max(rows, columns)·2⁻⁵²·σ₁`, so that the numerical rank is LAPACK's.
///
/// `matrix` is row-major, `rows · columns` long, and is overwritten. Square and nearly square matrices are reduced
/// directly in two stages; of long ones the Gram matrix of the short side is, and when that shows a singular value below
/// 10⁻⁶·σ₁, where squaring has cost the digits that a rank needs, the matrix is reduced again by way of its QR
/// factorisation.
///
/// # Errors
/// [`Failure::Empty`], [`Failure::NotFinite`], [`Failure::Cancelled`].
///
/// # Panics
/// When `matrix` is not `rows · columns` long.
pub fn exact(matrix: Vec<f64>, rows: usize, columns: usize, control: &Control) -> Result<SingularValues, Failure> {
    let Some(prepared) = Prepared::<f64>::new(matrix, rows, columns, control)? else {
        return Ok(zero(rows.min(columns), f64::NAME));
    };
    let (short, long) = (rows.min(columns), rows.max(columns));
    if short >= 64 && long as f64 >= HIGH_ASPECT * short as f64 {
        if let Some(found) = by_gram_matrix(&prepared, control)? {
            return Ok(found);
        }
    }
    directly(prepared, control)
}

/// Singular values in f32 arithmetic: each within about 10⁻⁵·σ₁, in roughly half the time of [`exact`].
///
/// `matrix` is given in f64 because its elements need not fit the range of f32 before they are scaled.
///
/// # Errors
/// As for [`exact`].
///
/// # Panics
/// As for [`exact`].
pub fn fast(matrix: Vec<f64>, rows: usize, columns: usize, control: &Control) -> Result<SingularValues, Failure> {
    let prepared = Prepared::<f32>::rounded(&matrix, rows, columns, control)?;
    drop(matrix);
    match prepared {
        Some(prepared) => directly(prepared, control),
        None => Ok(zero(rows.min(columns), f32::NAME)),
    }
}

pub(crate) fn zero(count: usize, precision: &'static str) -> SingularValues {
    SingularValues {
        values: vec![0.0; count],
        method: "zero matrix",
        precision,
        error_bound: 0.0,
        exact: true,
        seed: None,
        threads: 1,
    }
}

/// A finite, nonzero matrix or its transpose, with its largest element between ½ and 1.
pub(crate) struct Prepared<T> {
    pub(crate) matrix: Dense<T>,
    /// What the singular values are to be multiplied with: a power of two.
    pub(crate) unscale: f64,
}

impl Prepared<f64> {
    /// Row-major `rows` × `columns` taken as column-major `columns` × `rows`: the transpose has the same singular
    /// values. `None` for a matrix of zeros.
    fn new(mut matrix: Vec<f64>, rows: usize, columns: usize, control: &Control) -> Result<Option<Self>, Failure> {
        let Some(scale) = Scale::of(&matrix, rows, columns, control)? else {
            return Ok(None);
        };
        if control.threads() > 1 {
            matrix.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|x| *x = scale.apply(*x)));
        } else {
            matrix.iter_mut().for_each(|x| *x = scale.apply(*x));
        }
        Ok(Some(Self { matrix: Dense::from_columns(matrix, columns, rows), unscale: scale.inverse }))
    }
}

impl Prepared<f32> {
    /// As for `f64`, rounded to f32 after scaling.
    pub(crate) fn rounded(
        matrix: &[f64],
        rows: usize,
        columns: usize,
        control: &Control,
    ) -> Result<Option<Self>, Failure> {
        let Some(scale) = Scale::of(matrix, rows, columns, control)? else {
            return Ok(None);
        };
        let narrow = |&x: &f64| scale.apply(x) as f32;
        let rounded = if control.threads() > 1 {
            matrix.par_iter().with_min_len(CHUNK).map(narrow).collect()
        } else {
            matrix.iter().map(narrow).collect()
        };
        Ok(Some(Self { matrix: Dense::from_columns(rounded, columns, rows), unscale: scale.inverse }))
    }
}

/// Elements that one thread passes over at a time.
const CHUNK: usize = 1 << 16;

/// Multiplication with a power of two, in two steps because the reciprocal of a subnormal number may overflow.
struct Scale {
    factors: [f64; 2],
    inverse: f64,
}

impl Scale {
    /// Brings the largest element between ½ and 1; `None` when all are zero.
    fn of(matrix: &[f64], rows: usize, columns: usize, control: &Control) -> Result<Option<Self>, Failure> {
        assert_eq!(Some(matrix.len()), rows.checked_mul(columns), "a {rows} × {columns} matrix");
        if matrix.is_empty() {
            return Err(Failure::Empty);
        }
        control.check()?;
        let largest = largest_magnitude(matrix, control)?;
        if largest == 0.0 {
            return Ok(None);
        }
        // Within ±1023, where 2^exponent and both factors are normal numbers.
        let exponent = (largest.log2().floor() as i32 + 1).clamp(-1022, 1023);
        let half = exponent / 2;
        Ok(Some(Self { factors: [2f64.powi(-half), 2f64.powi(half - exponent)], inverse: 2f64.powi(exponent) }))
    }

    #[inline(always)]
    fn apply(&self, x: f64) -> f64 {
        x * self.factors[0] * self.factors[1]
    }
}

/// max |x|, or how many elements are not finite.
fn largest_magnitude(matrix: &[f64], control: &Control) -> Result<f64, Failure> {
    // The exponent of NaN and ∞ is the largest, so that one integer maximum finds all of them.
    let of_chunk = |chunk: &[f64]| chunk.iter().fold(0u64, |m, x| m.max(x.to_bits() & (u64::MAX >> 1)));
    let largest = if control.threads() > 1 {
        matrix.par_chunks(CHUNK).map(of_chunk).max().unwrap_or(0)
    } else {
        of_chunk(matrix)
    };
    let largest = f64::from_bits(largest);
    if largest.is_finite() {
        return Ok(largest);
    }
    let nan = matrix.iter().filter(|x| x.is_nan()).count();
    let infinite = matrix.iter().filter(|x| x.is_infinite()).count();
    Err(Failure::NotFinite { nan, infinite })
}

/// Two-stage bidiagonalisation, after a QR factorisation when the matrix is long.
fn directly<T: Scalar>(prepared: Prepared<T>, control: &Control) -> Result<SingularValues, Failure> {
    let Prepared { mut matrix, unscale } = prepared;
    if matrix.rows() < matrix.columns() {
        matrix = matrix.transposed();
    }
    let (m, n) = (matrix.rows(), matrix.columns());
    let isa = Isa::detect();
    let long = m as f64 >= HIGH_ASPECT * n as f64 && n > 1;
    let start = if long { 0.4 } else { 0.0 };
    if long {
        matrix = triangular_factor(isa, matrix, control, &|share| control.report(start * share))?;
    }
    let values = two_stage(isa, matrix, control, start)?;
    Ok(scaled(
        values,
        unscale,
        SingularValues {
            values: Vec::new(),
            method: if long {
                "QR factorisation and two-stage bidiagonalisation"
            } else {
                "two-stage bidiagonalisation"
            },
            precision: T::NAME,
            error_bound: m as f64 * T::EPSILON.into(),
            exact: T::NAME == f64::NAME,
            seed: None,
            threads: control.threads(),
        },
    ))
}

/// Puts `values` into `frame`, whose error bound is relative to σ₁.
fn scaled(mut values: Vec<f64>, unscale: f64, frame: SingularValues) -> SingularValues {
    values.iter_mut().for_each(|s| *s *= unscale);
    let error_bound = frame.error_bound * values[0];
    SingularValues { values, error_bound, ..frame }
}

/// Values of a matrix with rows ≥ columns, whose work is the part of the progress from `start` to 1.
pub(crate) fn two_stage<T: Scalar>(
    isa: Isa,
    mut matrix: Dense<T>,
    control: &Control,
    start: f64,
) -> Result<Vec<f64>, Failure> {
    let n = matrix.columns();
    let report =
        |from: f64, to: f64| move |share: f64| control.report(start + (1.0 - start) * (from + (to - from) * share));
    let mut band = band::reduce(isa, &mut matrix, bandwidth(n), control, &report(0.0, 0.75))?;
    drop(matrix);
    let bidiagonal = chase::reduce(isa, &mut band, control, &report(0.75, 0.95))?;
    drop(band);
    let bits = if T::NAME == f32::NAME { 30 } else { 53 };
    let values = bidiagonal::singular_values(isa, &bidiagonal, bits, control)?;
    control.report(1.0);
    Ok(values)
}

/// The band that balances the first stage, which likes it wide, against the second, which likes it narrow.
fn bandwidth(n: usize) -> usize {
    match n {
        0..128 => 8,
        128..768 => 16,
        768..1536 => 32,
        1536..3072 => 48,
        _ => 64,
    }
}

/// The square upper triangular factor of a long matrix.
fn triangular_factor<T: Scalar>(
    isa: Isa,
    mut matrix: Dense<T>,
    control: &Control,
    report: &dyn Fn(f64),
) -> Result<Dense<T>, Failure> {
    const WIDTH: usize = 64;
    let (m, n) = (matrix.rows(), matrix.columns());
    let mut triangle = Dense::zeros(n, n);
    let mut triangles = Triangles::new(WIDTH);
    let mut vc = vec![T::ZERO; WIDTH * n];
    let mut svc = vec![T::ZERO; WIDTH * n];
    for k in (0..n).step_by(WIDTH) {
        control.check()?;
        let width = WIDTH.min(n - k);
        let (mut v, mut c) = matrix.as_mut().submatrix_mut(k, k, m - k, n - k).split_at_col_mut(width);
        panel::factor(isa, v.as_mut(), &mut triangles);
        triangle.as_mut().submatrix_mut(k, k, width, width).copy_from(triangles.r());
        let columns = c.ncols();
        if columns == 0 {
            break;
        }
        let v = v.as_ref();
        let mut vc = MatMut::from_column_major_slice_mut(&mut vc[..width * columns], width, columns);
        let mut svc = MatMut::from_column_major_slice_mut(&mut svc[..width * columns], width, columns);
        gemm(vc.as_mut(), Accum::Replace, v.transpose(), c.as_ref(), T::ONE, control)?;
        gemm(svc.as_mut(), Accum::Replace, triangles.s().transpose(), vc.as_ref(), T::ONE, control)?;
        gemm(c.as_mut(), Accum::Add, v, svc.as_ref(), -T::ONE, control)?;
        triangle.as_mut().submatrix_mut(k, k + width, width, columns).copy_from(c.as_ref().subrows(0, width));
        let left = (n - k - width) as f64 / n as f64;
        report(1.0 - left * left);
    }
    Ok(triangle)
}

/// Square roots of the singular values of AᵀA; `None` when one of them is too small to be trusted.
fn by_gram_matrix(prepared: &Prepared<f64>, control: &Control) -> Result<Option<SingularValues>, Failure> {
    let matrix = prepared.matrix.as_ref();
    let matrix = if matrix.nrows() < matrix.ncols() { matrix.transpose() } else { matrix };
    let (m, n) = (matrix.nrows(), matrix.ncols());
    let start = 0.3;
    let gram = gram_matrix(matrix, control, &|share| control.report(start * share))?;
    let squares = two_stage(Isa::detect(), gram, control, start)?;
    let values: Vec<f64> = squares.iter().map(|s| s.sqrt()).collect();
    let ratio = values[n - 1] / values[0];
    if ratio < GRAM_FLOOR {
        return Ok(None);
    }
    Ok(Some(scaled(
        values,
        prepared.unscale,
        SingularValues {
            values: Vec::new(),
            method: "Gram matrix of the short side and two-stage bidiagonalisation",
            precision: f64::NAME,
            error_bound: m as f64 * f64::EPSILON / ratio,
            exact: true,
            seed: None,
            threads: control.threads(),
        },
    )))
}
