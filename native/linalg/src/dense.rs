//! Dense matrices in column-major order, and products of them that can be interrupted.

use crate::control::{Control, Failure};
use crate::scalar::Scalar;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

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

/// Floating-point operations per thread between two looks at the cancellation flag: a few tens of milliseconds.
const UNINTERRUPTED: f64 = 5e8;

/// Operations below which threads cost more than they bring.
const WORTH_THREADS: f64 = 1e7;

/// How faer may spread a product of `operations` floating-point operations.
pub(crate) fn parallelism(operations: f64, control: &Control) -> Par {
    if control.threads() > 1 && operations > WORTH_THREADS { Par::rayon(control.threads()) } else { Par::Seq }
}

/// `product ← factor·left·right`, added to `product` when `accumulate` says so; in pieces, so that it ends soon after
/// the caller has asked to stop (with `product` in part updated).
pub(crate) fn gemm<T: Scalar>(
    mut product: MatMut<'_, T>,
    accumulate: Accum,
    left: MatRef<'_, T>,
    right: MatRef<'_, T>,
    factor: T,
    control: &Control,
) -> Result<(), Failure> {
    let (rows, columns, depth) = (product.nrows(), product.ncols(), left.ncols());
    let operations = 2.0 * rows as f64 * columns as f64 * depth as f64;
    let par = parallelism(operations, control);
    let pieces = (operations / (UNINTERRUPTED * control.threads() as f64)).ceil().max(1.0) as usize;
    if columns >= rows {
        let step = columns.div_ceil(pieces).max(1);
        for first in (0..columns).step_by(step) {
            control.check()?;
            let count = step.min(columns - first);
            let part = product.as_mut().subcols_mut(first, count);
            matmul(part, accumulate, left, right.subcols(first, count), factor, par);
        }
    } else {
        let step = rows.div_ceil(pieces).max(1);
        for first in (0..rows).step_by(step) {
            control.check()?;
            let count = step.min(rows - first);
            let part = product.as_mut().subrows_mut(first, count);
            matmul(part, accumulate, left.subrows(first, count), right, factor, par);
        }
    }
    Ok(())
}
