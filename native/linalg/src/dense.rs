//! Dense matrices in column-major order, and products of them that can be interrupted.

use crate::control::{Control, Failure};
use crate::scalar::Scalar;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// A rows × columns matrix, element (i, j) at `i + j · rows`.
pub(crate) struct Dense<T> {
    data: Vec<T>,
    rows: usize,
    columns: usize,
}

impl<T: Scalar> Dense<T> {
    /// The given elements, column by column.
    pub(crate) fn from_columns(data: Vec<T>, rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns);
        Self { data, rows, columns }
    }

    pub(crate) fn zeros(rows: usize, columns: usize) -> Self {
        Self::from_columns(vec![T::ZERO; rows * columns], rows, columns)
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn as_ref(&self) -> MatRef<'_, T> {
        MatRef::from_column_major_slice(&self.data, self.rows, self.columns)
    }

    pub(crate) fn as_mut(&mut self) -> MatMut<'_, T> {
        MatMut::from_column_major_slice_mut(&mut self.data, self.rows, self.columns)
    }

    /// The transpose, built tile by tile so that both sides stay in cache.
    pub(crate) fn transposed(&self) -> Self {
        const TILE: usize = 32;
        let mut data = Vec::with_capacity(self.data.len());
        data.resize(self.data.len(), T::ZERO);
        for row in (0..self.rows).step_by(TILE) {
            for column in (0..self.columns).step_by(TILE) {
                for i in row..(row + TILE).min(self.rows) {
                    for j in column..(column + TILE).min(self.columns) {
                        data[j + i * self.columns] = self.data[i + j * self.rows];
                    }
                }
            }
        }
        Self::from_columns(data, self.columns, self.rows)
    }
}

/// Floating-point operations of one piece of a product: about a millisecond's work.
const PIECE: f64 = 4e7;

/// `product ← factor·left·right`, added to `product` when `accumulate` says so; ends soon after the caller has asked to
/// stop (with `product` in part updated).
///
/// Works on pieces that depend on the shapes alone, so the result is the same bits at any number of threads. Rayon hands
/// the pieces out one at a time; the threads of faer's own parallel products spin until the last of them is through, which
/// on a machine with other work, where a thread may lose its core for milliseconds, is slower than one thread alone.
pub(crate) fn gemm<T: Scalar>(
    product: MatMut<'_, T>,
    accumulate: Accum,
    left: MatRef<'_, T>,
    right: MatRef<'_, T>,
    factor: T,
    control: &Control,
) -> Result<(), Failure> {
    let (rows, columns) = (product.nrows(), product.ncols());
    if rows > columns {
        return gemm(product.transpose_mut(), accumulate, right.transpose(), left.transpose(), factor, control);
    }
    if rows == 0 {
        return Ok(());
    }
    let operations = 2.0 * rows as f64 * columns as f64 * left.ncols() as f64;
    let pieces = (operations / PIECE).ceil().max(1.0) as usize;
    // A multiple of the kernels' tiles.
    let step = columns.div_ceil(pieces).next_multiple_of(16);
    let piece = |first: usize, part: MatMut<'_, T>| {
        control.check()?;
        let right = right.subcols(first, part.ncols());
        matmul(part, accumulate, left, right, factor, Par::Seq);
        Ok(())
    };
    if control.threads() > 1 && step < columns {
        let parts = product.par_col_chunks_mut(step).enumerate().with_max_len(1);
        parts.try_for_each(|(index, part)| piece(index * step, part))
    } else {
        let mut product = product;
        (0..columns)
            .step_by(step)
            .try_for_each(|first| piece(first, product.as_mut().subcols_mut(first, step.min(columns - first))))
    }
}

/// AᵀA, both triangles. `report` is told the share of the work that is done.
pub(crate) fn gram_matrix<T: Scalar>(
    matrix: MatRef<'_, T>,
    control: &Control,
    report: &dyn Fn(f64),
) -> Result<Dense<T>, Failure> {
    /// Columns of A that are multiplied with all that follow: the waste is the upper triangles of the diagonal blocks.
    const BLOCK: usize = 256;
    /// Rows of A that are taken at once, so that they stay in cache.
    const SLICE: usize = 512;
    let (m, n) = (matrix.nrows(), matrix.ncols());
    let mut gram = Dense::zeros(n, n);
    for first in (0..m).step_by(SLICE) {
        let slice = matrix.subrows(first, SLICE.min(m - first));
        for at in (0..n).step_by(BLOCK) {
            let width = BLOCK.min(n - at);
            gemm(
                gram.as_mut().submatrix_mut(at, at, n - at, width),
                Accum::Add,
                slice.subcols(at, n - at).transpose(),
                slice.subcols(at, width),
                T::ONE,
                control,
            )?;
        }
        report((first + slice.nrows()) as f64 / m as f64);
    }
    let mut square = gram.as_mut();
    for j in 1..n {
        for i in 0..j {
            square[(i, j)] = square[(j, i)];
        }
    }
    Ok(gram)
}
