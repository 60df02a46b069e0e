//! QR factorisation of a tall panel, with its compact WY form Q = I − V·S·Vᵀ (Schreiber & Van Loan, SIAM J. Sci. Stat.
//! Comput. 10 (1989)), by recursion on the columns (Elmroth & Gustavson, IBM J. Res. Dev. 44 (2000)).
//!
//! Unlike faer's factorisation it never treats a small column as null, so that singular values far below σ₁ keep their
//! absolute accuracy; it runs on one thread, which for panels is faster than several.

use crate::isa::{Isa, dispatch};
use crate::reflector::{axpy, dot, make_reflector};
use crate::scalar::Scalar;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};

/// Columns at which the recursion ends.
const NARROW: usize = 8;

/// The upper triangular factors of a panel's factorisation.
pub(crate) struct Triangles<T: Scalar> {
    r: Mat<T>,
    s: Mat<T>,
    width: usize,
}

impl<T: Scalar> Triangles<T> {
    /// Room for panels of up to `width` columns.
    pub(crate) fn new(width: usize) -> Self {
        Self { r: Mat::zeros(width, width), s: Mat::zeros(width, width), width }
    }

    /// R, zeros below its diagonal.
    pub(crate) fn r(&self) -> MatRef<'_, T> {
        self.r.as_ref().submatrix(0, 0, self.width, self.width)
    }

    /// S, zeros below its diagonal.
    pub(crate) fn s(&self) -> MatRef<'_, T> {
        self.s.as_ref().submatrix(0, 0, self.width, self.width)
    }
}

/// Factors `panel` (rows × width, rows ≥ width, unit row stride) as Q·R. On return the panel holds V, unit lower
/// trapezoidal with its ones and zeros written out, and `triangles` R and S.
pub(crate) fn factor<T: Scalar>(isa: Isa, panel: MatMut<'_, T>, triangles: &mut Triangles<T>) {
    let width = panel.ncols();
    assert!(panel.nrows() >= width && panel.row_stride() == 1 && width <= triangles.r.ncols());
    triangles.width = width;
    triangles.r.fill(T::ZERO);
    triangles.s.fill(T::ZERO);
    let r = triangles.r.as_mut().submatrix_mut(0, 0, width, width);
    let s = triangles.s.as_mut().submatrix_mut(0, 0, width, width);
    recurse(isa, panel, r, s);
}

fn recurse<T: Scalar>(isa: Isa, panel: MatMut<'_, T>, mut r: MatMut<'_, T>, mut s: MatMut<'_, T>) {
    let width = panel.ncols();
    if width <= NARROW {
        // SAFETY: the panel is borrowed for this call, its rows are adjacent, and R and S are `width` square.
        unsafe { factor_narrow(isa, panel, r, s) };
        return;
    }
    let left = (width / 2).next_multiple_of(NARROW);
    let right = width - left;
    let (mut v, mut c) = panel.split_at_col_mut(left);
    recurse(isa, v.as_mut(), r.as_mut().submatrix_mut(0, 0, left, left), s.as_mut().submatrix_mut(0, 0, left, left));

    // C ← QᵀC = C − V·(Sᵀ·(VᵀC)).
    let mut vc = Mat::zeros(left, right);
    let mut svc = Mat::zeros(left, right);
    multiply(vc.as_mut(), v.as_ref().transpose(), c.as_ref());
    multiply(svc.as_mut(), s.as_ref().submatrix(0, 0, left, left).transpose(), vc.as_ref());
    matmul(c.as_mut(), Accum::Add, v.as_ref(), svc.as_ref(), -T::ONE, Par::Seq);

    let (mut top, mut bottom) = c.split_at_row_mut(left);
    r.as_mut().submatrix_mut(0, left, left, right).copy_from(top.as_ref());
    top.fill(T::ZERO);
    recurse(
        isa,
        bottom.as_mut(),
        r.submatrix_mut(left, left, right, right),
        s.as_mut().submatrix_mut(left, left, right, right),
    );

    // S₁₂ = −S₁·(V₁ᵀV₂)·S₂; the top of V₂ is zero.
    multiply(vc.as_mut(), v.as_ref().subrows(left, bottom.nrows()).transpose(), bottom.as_ref());
    multiply(svc.as_mut(), vc.as_ref(), s.as_ref().submatrix(left, left, right, right));
    let (s_left, s_right) = s.split_at_col_mut(left);
    matmul(
        s_right.submatrix_mut(0, 0, left, right),
        Accum::Replace,
        s_left.as_ref().subrows(0, left),
        svc.as_ref(),
        -T::ONE,
        Par::Seq,
    );
}

fn multiply<T: Scalar>(product: MatMut<'_, T>, left: MatRef<'_, T>, right: MatRef<'_, T>) {
    matmul(product, Accum::Replace, left, right, T::ONE, Par::Seq);
}

dispatch! {
    /// [`factor`] for at most [`NARROW`] columns, one reflector at a time.
    ///
    /// # Safety
    /// The panel has unit row stride and no fewer rows than columns; R and S are as wide.
    unsafe fn factor_narrow<T>(panel: MatMut<'_, T>, r: MatMut<'_, T>, s: MatMut<'_, T>) = factor_narrow_body
}

#[inline(always)]
unsafe fn factor_narrow_body<T: Scalar, const FUSED: bool>(
    panel: MatMut<'_, T>,
    mut r: MatMut<'_, T>,
    mut s: MatMut<'_, T>,
) {
    let (rows, width) = (panel.nrows(), panel.ncols());
    let stride = panel.col_stride().unsigned_abs();
    let start = panel.as_ptr_mut();
    // SAFETY: column j is a run of `rows` elements at j·stride, disjoint from the other columns.
    let column = |j: usize| unsafe { std::slice::from_raw_parts_mut(start.add(j * stride), rows) };
    for j in 0..width {
        let v = column(j);
        for i in 0..j {
            r[(i, j)] = v[i];
            v[i] = T::ZERO;
        }
        let (beta, tau) = make_reflector::<T, FUSED>(&mut v[j..]);
        r[(j, j)] = beta;
        if tau != T::ZERO {
            for k in j + 1..width {
                let c = &mut column(k)[j..];
                let factor = -(tau * dot::<T, FUSED>(&v[j..], c));
                axpy::<T, FUSED>(factor, &v[j..], c);
            }
        }
        // Column j of S: −τ·S·(Vᵀv) above the diagonal.
        s[(j, j)] = tau;
        let mut products = [T::ZERO; NARROW];
        for (i, product) in products[..j].iter_mut().enumerate() {
            *product = dot::<T, FUSED>(&column(i)[j..], &v[j..]);
        }
        for i in 0..j {
            let mut sum = T::ZERO;
            for (k, &product) in products[..j].iter().enumerate().skip(i) {
                sum += s[(i, k)] * product;
            }
            s[(i, j)] = -(tau * sum);
        }
    }
}
