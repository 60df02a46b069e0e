//! Householder reflectors H = I − τ·v·vᵀ with v₀ = 1, and the kernels that apply them to small dense blocks.
//!
//! Bodies are written over fixed-width lanes that the compiler keeps in registers; `FUSED` says whether multiply-add is
//! one instruction.

use crate::scalar::Scalar;

/// Lanes of one step: two AVX2 registers of `f64`, one of `f32`.
pub(crate) const LANES: usize = 8;

#[inline(always)]
fn sum_of_lanes<T: Scalar>(mut lanes: [T; LANES]) -> T {
    for i in 0..4 {
        lanes[i] += lanes[i + 4];
    }
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

/// xᵀy for slices of one length.
#[inline(always)]
pub(crate) fn dot<T: Scalar, const FUSED: bool>(x: &[T], y: &[T]) -> T {
    const CHAINS: usize = 4;
    let mut sums = [[T::ZERO; LANES]; CHAINS];
    let (x_blocks, x_tail) = x.as_chunks_of::<LANES>();
    let (y_blocks, y_tail) = y.as_chunks_of::<LANES>();
    let mut x_groups = x_blocks.chunks_exact(CHAINS);
    let mut y_groups = y_blocks.chunks_exact(CHAINS);
    for (x, y) in (&mut x_groups).zip(&mut y_groups) {
        for k in 0..CHAINS {
            for l in 0..LANES {
                sums[k][l] = x[k][l].multiply_add::<FUSED>(y[k][l], sums[k][l]);
            }
        }
    }
    for (x, y) in x_groups.remainder().iter().zip(y_groups.remainder()) {
        for l in 0..LANES {
            sums[0][l] = x[l].multiply_add::<FUSED>(y[l], sums[0][l]);
        }
    }
    let mut total = T::ZERO;
    for (&x, &y) in x_tail.iter().zip(y_tail) {
        total = x.multiply_add::<FUSED>(y, total);
    }
    let mut lanes = sums[0];
    for l in 0..LANES {
        lanes[l] = (sums[0][l] + sums[1][l]) + (sums[2][l] + sums[3][l]);
    }
    total + sum_of_lanes(lanes)
}

/// y ← y + factor·x for slices of one length.
#[inline(always)]
pub(crate) fn axpy<T: Scalar, const FUSED: bool>(factor: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = factor.multiply_add::<FUSED>(x, *y);
    }
}

/// `slice::as_chunks`, which the oldest supported compiler lacks.
trait Chunked<T> {
    fn as_chunks_of<const N: usize>(&self) -> (&[[T; N]], &[T]);
}
impl<T> Chunked<T> for [T] {
    #[inline(always)]
    fn as_chunks_of<const N: usize>(&self) -> (&[[T; N]], &[T]) {
        let blocks = self.len() / N;
        let (head, tail) = self.split_at(blocks * N);
        // SAFETY: `head` holds exactly `blocks` arrays of N elements.
        (unsafe { std::slice::from_raw_parts(head.as_ptr().cast(), blocks) }, tail)
    }
}

/// Turns `x` into v of the reflector with Hx = (β, 0, …, 0) and answers (β, τ); τ = 0 and v = e₀ when there is nothing to
/// annihilate.
///
/// H stays orthogonal to working precision whatever the magnitude of `x`: where squares would leave the range of `T`,
/// the norm is computed on rescaled values, and a tail below ε²·|x₀| is dropped.
#[inline(always)]
pub(crate) fn make_reflector<T: Scalar, const FUSED: bool>(x: &mut [T]) -> (T, T) {
    let epsilon_squared = T::EPSILON * T::EPSILON;
    let mut tail = dot::<T, FUSED>(&x[1..], &x[1..]);
    let mut unscale = T::ONE;
    if tail <= T::MIN_POSITIVE / epsilon_squared {
        let largest = x[1..].iter().fold(T::ZERO, |m, v| if v.magnitude() > m { v.magnitude() } else { m });
        if largest <= epsilon_squared * x[0].magnitude() || largest <= T::MIN_POSITIVE / T::EPSILON {
            let beta = x[0];
            x.fill(T::ZERO);
            x[0] = T::ONE;
            return (beta, T::ZERO);
        }
        let scale = T::ONE / largest;
        x.iter_mut().for_each(|v| *v *= scale);
        unscale = largest;
        tail = dot::<T, FUSED>(&x[1..], &x[1..]);
    }
    let alpha = x[0];
    let norm = (alpha * alpha + tail).root();
    // β takes the sign opposite to α, so that α − β never cancels.
    let beta = if alpha < T::ZERO { norm } else { -norm };
    let inverse = T::ONE / (alpha - beta);
    x[0] = T::ONE;
    x[1..].iter_mut().for_each(|v| *v *= inverse);
    (beta * unscale, (beta - alpha) / beta)
}

/// A column-major block inside a larger array: element (i, j) is `*start.add(i + j * stride)`.
#[derive(Clone, Copy)]
pub(crate) struct Block<T> {
    pub(crate) start: *mut T,
    pub(crate) stride: usize,
}

/// C ← C·(I − τ·v·vᵀ) for `rows` rows (a multiple of [`LANES`]) and `v.len()` columns.
///
/// # Safety
/// The block lies inside one allocation and nobody else reads or writes its elements meanwhile.
#[inline(always)]
pub(crate) unsafe fn apply_right<T: Scalar, const FUSED: bool>(block: Block<T>, rows: usize, v: &[T], tau: T) {
    let mut first = 0;
    // SAFETY: each strip lies inside the block.
    unsafe {
        while first + 4 * LANES <= rows {
            apply_right_strip::<T, { 4 * LANES }, FUSED>(block, first, v, tau);
            first += 4 * LANES;
        }
        while first < rows {
            apply_right_strip::<T, LANES, FUSED>(block, first, v, tau);
            first += LANES;
        }
    }
}

/// The `STRIP` rows from `first` of [`apply_right`]: their product with v stays in registers.
#[inline(always)]
unsafe fn apply_right_strip<T: Scalar, const STRIP: usize, const FUSED: bool>(
    block: Block<T>,
    first: usize,
    v: &[T],
    tau: T,
) {
    // SAFETY: rows first..first + STRIP of column j lie inside the block, by the caller's contract.
    let column = |j: usize| unsafe { block.start.add(first + j * block.stride).cast::<[T; STRIP]>() };
    let mut product = [T::ZERO; STRIP];
    for (j, &factor) in v.iter().enumerate() {
        let column = unsafe { &*column(j) };
        for i in 0..STRIP {
            product[i] = factor.multiply_add::<FUSED>(column[i], product[i]);
        }
    }
    for value in &mut product {
        *value *= -tau;
    }
    for (j, &factor) in v.iter().enumerate() {
        let column = unsafe { &mut *column(j) };
        for i in 0..STRIP {
            column[i] = factor.multiply_add::<FUSED>(product[i], column[i]);
        }
    }
}

/// C ← (I − τ·v·vᵀ)·C for `v.len()` rows (a multiple of [`LANES`]) and `columns` columns.
///
/// # Safety
/// As for [`apply_right`].
#[inline(always)]
pub(crate) unsafe fn apply_left<T: Scalar, const FUSED: bool>(block: Block<T>, columns: usize, v: &[T], tau: T) {
    let mut first = 0;
    // SAFETY: the groups of columns lie inside the block.
    unsafe {
        while first + 4 <= columns {
            apply_left_columns::<T, 4, FUSED>(block, first, v, tau);
            first += 4;
        }
        while first < columns {
            apply_left_columns::<T, 1, FUSED>(block, first, v, tau);
            first += 1;
        }
    }
}

/// The `WIDTH` columns from `first` of [`apply_left`], with v loaded once for all of them.
#[inline(always)]
unsafe fn apply_left_columns<T: Scalar, const WIDTH: usize, const FUSED: bool>(
    block: Block<T>,
    first: usize,
    v: &[T],
    tau: T,
) {
    let (v, _) = v.as_chunks_of::<LANES>();
    // SAFETY: chunk i of column k lies inside the block, by the caller's contract.
    let part =
        |k: usize, i: usize| unsafe { block.start.add((first + k) * block.stride + i * LANES).cast::<[T; LANES]>() };
    let mut sums = [[T::ZERO; LANES]; WIDTH];
    for (i, v) in v.iter().enumerate() {
        for (k, sum) in sums.iter_mut().enumerate() {
            let part = unsafe { &*part(k, i) };
            for l in 0..LANES {
                sum[l] = v[l].multiply_add::<FUSED>(part[l], sum[l]);
            }
        }
    }
    let factors = sums.map(|sum| -(tau * sum_of_lanes(sum)));
    for (i, v) in v.iter().enumerate() {
        for (k, &factor) in factors.iter().enumerate() {
            let part = unsafe { &mut *part(k, i) };
            for l in 0..LANES {
                part[l] = factor.multiply_add::<FUSED>(v[l], part[l]);
            }
        }
    }
}
