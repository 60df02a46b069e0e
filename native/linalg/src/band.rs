//! Dense → upper band: the first, compute-bound stage of the two-stage bidiagonalisation (Großer & Lang, *Efficient
//! parallel reduction to bidiagonal form*, Parallel Computing 25 (1999); Gates, Tomov, Dongarra, *Accelerating the SVD
//! two stage bidiagonal reduction and divide and conquer using GPUs*, Parallel Computing 74 (2018)).

use crate::control::{Control, Failure};
use crate::dense::{Dense, gemm};
use crate::isa::Isa;
use crate::panel::{self, Triangles};
use crate::scalar::Scalar;
use faer::{Accum, Mat, MatMut, MatRef};

/// An upper band matrix of order n: element (i, j) may differ from zero for i ≤ j ≤ i + `bandwidth`.
///
/// Stored by columns with room for the bulges of [`crate::chase`]: column j holds rows j − 2b + 1 … j + b − 1 (b the
/// bandwidth), so that any b × b block on or beside the diagonal is a dense block with stride 3b − 1. Columns beyond n and
/// rows outside the matrix are zero.
pub(crate) struct Band<T> {
    pub(crate) order: usize,
    pub(crate) bandwidth: usize,
    pub(crate) data: Vec<T>,
}

impl<T: Scalar> Band<T> {
    fn zeros(order: usize, bandwidth: usize) -> Self {
        Self { order, bandwidth, data: vec![T::ZERO; (order + 3 * bandwidth) * 3 * bandwidth] }
    }

    /// Where element (i, j) is kept.
    pub(crate) fn at(&self, i: usize, j: usize) -> usize {
        let b = self.bandwidth;
        debug_assert!(i < j + b && j < i + 2 * b);
        j * 3 * b + (i + 2 * b - 1 - j)
    }
}

/// Reduces `matrix` (m × n, m ≥ n, overwritten) to an upper band with the same singular values. `report` is told the
/// share of the work that is done.
///
/// Each step annihilates b columns below the diagonal (QR) and b rows beyond the band (LQ). Both transformations reach the
/// trailing matrix T in one product of rank 2b: T ← T − [V₁ X₂]·[Y₁ V₂]ᵀ with Y₁ = TᵀV₁S₁ and
/// X₂ = T·V₂S₂ − V₁·(Y₁ᵀV₂S₂).
pub(crate) fn reduce<T: Scalar>(
    isa: Isa,
    matrix: &mut Dense<T>,
    bandwidth: usize,
    control: &Control,
    report: &dyn Fn(f64),
) -> Result<Band<T>, Failure> {
    let (m, n) = (matrix.rows(), matrix.columns());
    let mut band = Band::zeros(n, bandwidth);
    let mut triangles = Triangles::new(bandwidth);
    let mut tall = vec![T::ZERO; m * 2 * bandwidth];
    let mut wide = vec![T::ZERO; n.max(bandwidth) * 2 * bandwidth];
    let mut product = vec![T::ZERO; m.max(n) * bandwidth];
    let mut small = Mat::<T>::zeros(bandwidth, bandwidth);

    for k in (0..n).step_by(bandwidth) {
        control.check()?;
        let width = bandwidth.min(n - k);
        let (rows, columns) = (m - k, n - k - width);
        let (panel, trailing) = matrix.as_mut().submatrix_mut(k, k, rows, n - k).split_at_col_mut(width);
        let left = MatMut::from_column_major_slice_mut(&mut tall[..rows * 2 * width], rows, 2 * width);
        let (mut v1, x2) = left.split_at_col_mut(width);

        // QR of the panel.
        v1.copy_from(panel.as_ref());
        panel::factor(isa, v1.as_mut(), &mut triangles);
        for j in 0..width {
            for i in 0..=j {
                let at = band.at(k + i, k + j);
                band.data[at] = triangles.r()[(i, j)];
            }
        }
        if columns == 0 {
            break;
        }

        // Y₁ = TᵀV₁S₁, and QᵀT for the first rows of T.
        let height = columns.max(width);
        let right = MatMut::from_column_major_slice_mut(&mut wide[..height * 2 * width], height, 2 * width);
        let (y1, mut v2) = right.split_at_col_mut(width);
        let mut y1 = y1.subrows_mut(0, columns);
        let mut tv = MatMut::from_column_major_slice_mut(&mut product[..columns * width], columns, width);
        gemm(tv.as_mut(), Accum::Replace, trailing.as_ref().transpose(), v1.as_ref(), T::ONE, control)?;
        gemm(y1.as_mut(), Accum::Replace, tv.as_ref(), triangles.s(), T::ONE, control)?;
        let (mut top, mut rest) = trailing.split_at_row_mut(width);
        let (v1_top, v1_rest) = v1.as_ref().split_at_row(width);
        gemm(top.as_mut(), Accum::Add, v1_top, y1.as_ref().transpose(), -T::ONE, control)?;

        // LQ of those rows, as QR of their transpose; zero rows make it tall when little is left.
        v2.fill(T::ZERO);
        v2.as_mut().subrows_mut(0, columns).copy_from(top.as_ref().transpose());
        panel::factor(isa, v2.as_mut(), &mut triangles);
        for i in 0..width {
            for j in 0..=i.min(columns - 1) {
                let at = band.at(k + i, k + width + j);
                band.data[at] = triangles.r()[(j, i)];
            }
        }
        let remaining = rows - width;
        if remaining == 0 {
            continue;
        }

        // X₂ = T·V₂S₂ − V₁·(Y₁ᵀV₂S₂).
        let v2 = v2.as_ref().subrows(0, columns);
        let mut small = small.as_mut().submatrix_mut(0, 0, width, width);
        let mut tv = MatMut::from_column_major_slice_mut(&mut product[..remaining * width], remaining, width);
        gemm(tv.as_mut(), Accum::Replace, rest.as_ref(), v2, T::ONE, control)?;
        gemm(small.as_mut(), Accum::Replace, y1.as_ref().transpose(), v2, T::ONE, control)?;
        gemm(tv.as_mut(), Accum::Add, v1_rest, small.as_ref(), -T::ONE, control)?;
        let x2 = x2.subrows_mut(width, remaining);
        gemm(x2, Accum::Replace, tv.as_ref(), triangles.s(), T::ONE, control)?;

        // T ← T − [V₁ X₂]·[Y₁ V₂]ᵀ.
        let left = MatRef::from_column_major_slice(&tall[..rows * 2 * width], rows, 2 * width);
        let right = MatRef::from_column_major_slice(&wide[..height * 2 * width], height, 2 * width);
        gemm(
            rest.as_mut(),
            Accum::Add,
            left.subrows(width, remaining),
            right.subrows(0, columns).transpose(),
            -T::ONE,
            control,
        )?;

        let share = 1.0 - (k + width) as f64 / n as f64;
        report(1.0 - share * share * share);
    }
    Ok(band)
}
