//! Products and decompositions of whole matrices, row-major, in f64.

use std::sync::Once;

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::Solve;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::control::{Control, Failure};
use crate::dense::gemm;

/// The product of row-major `rows × inner` and `inner × columns` matrices. Non-finite elements spread as in IEEE 754. The
/// same bits at any number of threads.
///
/// # Errors
/// [`Failure::Cancelled`].
///
/// # Panics
/// When a slice does not have its matrix's length.
pub fn product(
    left: &[f64],
    right: &[f64],
    [rows, inner, columns]: [usize; 3],
    control: &Control,
) -> Result<Vec<f64>, Failure> {
    let mut data = vec![0f64; rows * columns];
    if inner > 0 && !data.is_empty() {
        // Row-major matrices are their transposes by columns: Cᵀ = BᵀAᵀ.
        gemm(
            MatMut::from_column_major_slice_mut(&mut data, columns, rows),
            Accum::Replace,
            MatRef::from_column_major_slice(right, columns, inner),
            MatRef::from_column_major_slice(left, inner, rows),
            1.0,
            control,
        )?;
    }
    Ok(data)
}

/// Adds `factor`·left·rightᵀ to the row-major `rows × columns` matrix `sum`; `left` is `rows × inner` and `right` `columns × inner`,
/// row-major. The same bits at any number of threads.
///
/// # Errors
/// [`Failure::Cancelled`], which leaves `sum` updated in part.
///
/// # Panics
/// When a slice does not have its matrix's length.
pub fn add_outer_product(
    sum: &mut [f64],
    left: &[f64],
    right: &[f64],
    [rows, inner, columns]: [usize; 3],
    factor: f64,
    control: &Control,
) -> Result<(), Failure> {
    assert_eq!([sum.len(), left.len(), right.len()], [rows * columns, rows * inner, columns * inner]);
    if inner == 0 || sum.is_empty() {
        return Ok(());
    }
    // Blocks that are wide enough for the copies that the kernel makes of `right` to pay, and soon enough done to be interrupted.
    // They depend on the shapes alone.
    const WIDE: usize = 128;
    const DEEP: usize = 512;
    let right = MatRef::from_column_major_slice(right, inner, columns).transpose();
    let block = |(at, sum): (usize, &mut [f64])| {
        let count = sum.len() / columns;
        let left = MatRef::from_column_major_slice(&left[at * WIDE * inner..][..count * inner], inner, count);
        let mut sum = MatMut::from_column_major_slice_mut(sum, columns, count);
        for start in (0..inner).step_by(DEEP) {
            control.check()?;
            let depth = DEEP.min(inner - start);
            let (right, left) = (right.subcols(start, depth), left.subrows(start, depth));
            matmul(sum.as_mut(), Accum::Add, right, left, factor, Par::Seq);
        }
        Ok(())
    };
    if control.threads() > 1 {
        sum.par_chunks_mut(WIDE * columns).enumerate().with_max_len(1).try_for_each(block)
    } else {
        sum.chunks_mut(WIDE * columns).enumerate().try_for_each(block)
    }
}

/// A thin QR decomposition, both factors row-major, k = min(rows, columns).
#[derive(Clone, Debug, PartialEq)]
pub struct Qr {
    /// rows × k, with orthonormal columns.
    pub q: Vec<f64>,
    /// k × columns, upper triangular.
    pub r: Vec<f64>,
}

/// The QR decomposition of a row-major matrix by Householder reflections. As LAPACK's `geqrf` leaves them, the signs of R's
/// diagonal are those that avoid cancellation: the opposite of the column's head, and the head's own where there is nothing
/// below it.
///
/// # Errors
/// [`Failure::NotFinite`], [`Failure::Cancelled`].
///
/// # Panics
/// When `matrix` is not `rows · columns` long.
pub fn qr(matrix: &[f64], rows: usize, columns: usize, control: &Control) -> Result<Qr, Failure> {
    let view = checked(matrix, rows, columns, control)?;
    if matrix.is_empty() {
        let k = rows.min(columns);
        return Ok(Qr { q: vec![0.0; rows * k], r: vec![0.0; k * columns] });
    }
    let factors = view.qr();
    Ok(Qr { q: row_major(factors.compute_thin_Q().as_ref()), r: row_major(factors.thin_R()) })
}

/// A thin singular value decomposition, row-major, k = min(rows, columns).
#[derive(Clone, Debug, PartialEq)]
pub struct Svd {
    /// rows × k.
    pub u: Vec<f64>,
    /// Descending.
    pub s: Vec<f64>,
    /// k × columns.
    pub vt: Vec<f64>,
}

/// The singular value decomposition of a row-major matrix. The sign of each pair of vectors is whatever the algorithm
/// gives. `None` when the iteration does not converge. It cannot be interrupted once begun.
///
/// # Errors
/// [`Failure::NotFinite`], [`Failure::Cancelled`].
///
/// # Panics
/// When `matrix` is not `rows · columns` long.
pub fn svd(matrix: &[f64], rows: usize, columns: usize, control: &Control) -> Result<Option<Svd>, Failure> {
    let view = checked(matrix, rows, columns, control)?;
    let k = rows.min(columns);
    if k == 0 {
        return Ok(Some(Svd { u: Vec::new(), s: Vec::new(), vt: Vec::new() }));
    }
    let Ok(factors) = view.thin_svd() else {
        return Ok(None);
    };
    let s = factors.S().column_vector();
    Ok(Some(Svd {
        u: row_major(factors.U()),
        s: (0..k).map(|i| s[i]).collect(),
        vt: row_major(factors.V().transpose()),
    }))
}

/// The inverse of a row-major n × n matrix by LU decomposition with partial pivoting; `None` when a pivot is zero.
///
/// # Errors
/// [`Failure::NotFinite`], [`Failure::Cancelled`].
///
/// # Panics
/// When `matrix` is not n² long.
pub fn inverse(matrix: &[f64], n: usize, control: &Control) -> Result<Option<Vec<f64>>, Failure> {
    let view = checked(matrix, n, n, control)?;
    if n == 0 {
        return Ok(Some(Vec::new()));
    }
    let factors = view.partial_piv_lu();
    let upper = factors.U();
    if (0..n).any(|i| upper[(i, i)] == 0.0) {
        return Ok(None);
    }
    Ok(Some(row_major(factors.solve(Mat::<f64>::identity(n, n)).as_ref())))
}

/// The matrix, once it is known to be finite, ready for one of faer's decompositions. These run on one thread: on several
/// their results differ in the last bits with the number of threads.
fn checked<'a>(matrix: &'a [f64], rows: usize, columns: usize, control: &Control) -> Result<MatRef<'a, f64>, Failure> {
    static ONE_THREAD: Once = Once::new();
    ONE_THREAD.call_once(|| faer::set_global_parallelism(Par::Seq));
    control.check()?;
    let nan = matrix.iter().filter(|x| x.is_nan()).count();
    let infinite = matrix.iter().filter(|x| x.is_infinite()).count();
    if nan + infinite > 0 {
        return Err(Failure::NotFinite { nan, infinite });
    }
    Ok(MatRef::from_row_major_slice(matrix, rows, columns))
}

fn row_major(matrix: MatRef<'_, f64>) -> Vec<f64> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let mut data = vec![0f64; rows * columns];
    MatMut::from_row_major_slice_mut(&mut data, rows, columns).copy_from(matrix);
    data
}
