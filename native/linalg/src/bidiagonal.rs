//! Singular values of a bidiagonal matrix by bisection.
//!
//! How many singular values lie below x is the number of negative pivots in the stationary quotient-difference
//! factorisation of BᵀB − x² (Fernando, *Accurately counting singular values of bidiagonal matrices and eigenvalues of
//! skew-symmetric tridiagonal matrices*, SIAM J. Matrix Anal. Appl. 20 (1998)). Counting cannot fail or stall on any
//! finite input, every value is found independently of the others, and sixteen are searched for at once in vector
//! registers.

use crate::chase::Bidiagonal;
use crate::control::{Control, Failure};
use crate::isa::{Isa, dispatch};
use crate::scalar::Scalar;
use rayon::prelude::*;

/// Searches that advance together: four AVX2 registers hide the latency of a division.
const TOGETHER: usize = 16;

/// Squares of the entries, interleaved: (d_i², e_i²), none below [`SMALLEST`].
struct Squares(Vec<[f64; 2]>);

/// Squares of entries too small to matter are raised to this: it moves no value by more than 10⁻²⁰ of the largest, and
/// keeps products of several squares within the range of f64.
const SMALLEST: f64 = 1e-40;

/// All singular values of `bidiagonal`, descending, each within `2^-bits` of the largest absolute row sum (at most
/// √2·σ₁). Entries must be finite with squares that do not overflow. `report` is told the share of the work done.
pub(crate) fn singular_values(
    isa: Isa,
    bidiagonal: &Bidiagonal,
    bits: u32,
    control: &Control,
) -> Result<Vec<f64>, Failure> {
    let n = bidiagonal.diagonal.len();
    let bound = bound(bidiagonal);
    if bound == 0.0 {
        return Ok(vec![0.0; n]);
    }
    let squares = Squares(
        (0..n)
            .map(|i| {
                let e = bidiagonal.superdiagonal.get(i).copied().unwrap_or(0.0) / bound;
                let d = bidiagonal.diagonal[i] / bound;
                [(d * d).max(SMALLEST), (e * e).max(SMALLEST)]
            })
            .collect(),
    );

    // One count on a uniform grid of 2^level cells replaces the first `level` bisections of every value.
    let level = n.ilog2().clamp(4, bits);
    let cells = 1usize << level;
    let grid = each_group(cells / TOGETHER, control, |group| {
        count_below(isa, &squares, &std::array::from_fn(|l| (group * TOGETHER + l + 1) as f64 / cells as f64))
    })?;
    let grid: Vec<usize> = grid.into_iter().flatten().collect();

    let width = 1.0 / cells as f64;
    let groups = n.div_ceil(TOGETHER);
    let ascending = each_group(groups, control, |group| {
        let index: [usize; TOGETHER] = std::array::from_fn(|l| (group * TOGETHER + l).min(n - 1));
        // σ_k lies in the first cell whose upper end has more than k values below it.
        let mut low = index.map(|k| grid.partition_point(|&count| count <= k).min(cells - 1) as f64 * width);
        let mut width = width;
        for _ in level..bits {
            width *= 0.5;
            let middle = low.map(|low| low + width);
            let below = count_below(isa, &squares, &middle);
            for l in 0..TOGETHER {
                if below[l] <= index[l] {
                    low[l] = middle[l];
                }
            }
        }
        // The middle of the last interval, but exactly 0 for what cannot be told from it.
        low.map(|low| if low == 0.0 { 0.0 } else { (low + 0.5 * width) * bound })
    })?;
    let mut values: Vec<f64> = ascending.into_iter().flatten().take(n).collect();
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    Ok(values)
}

/// No singular value is larger (Gershgorin's circles of the Golub–Kahan form).
fn bound(bidiagonal: &Bidiagonal) -> f64 {
    let (d, e) = (&bidiagonal.diagonal, &bidiagonal.superdiagonal);
    let beside = |i: usize| e.get(i).map_or(0.0, |e| e.abs());
    (0..d.len()).map(|i| d[i].abs() + beside(i).max(if i > 0 { beside(i - 1) } else { 0.0 })).fold(0.0, f64::max)
}

fn each_group<R: Send>(groups: usize, control: &Control, work: impl Fn(usize) -> R + Sync) -> Result<Vec<R>, Failure> {
    let one = |group: usize| {
        control.check()?;
        Ok(work(group))
    };
    if control.threads() > 1 && groups > 4 {
        (0..groups).into_par_iter().map(one).collect()
    } else {
        (0..groups).map(one).collect()
    }
}

/// For each x how many singular values are smaller.
fn count_below(isa: Isa, squares: &Squares, x: &[f64; TOGETHER]) -> [usize; TOGETHER] {
    // SAFETY: counting has no contract beyond its types.
    unsafe { count_below_dispatched::<f64>(isa, squares, x) }
}

dispatch! {
    unsafe fn count_below_dispatched<T>(squares: &Squares, x: &[f64; TOGETHER]) -> [usize; TOGETHER] = count_below_body
}

/// Fernando's recurrence s ← e·s/(q + s) − x², with s kept as a fraction a/b so that nothing is divided: the pivot q + s
/// is the quotient of two successive b, negative where b changes its sign. A pivot of zero counts once, whatever its sign.
#[inline(always)]
unsafe fn count_below_body<T: Scalar, const FUSED: bool>(squares: &Squares, x: &[f64; TOGETHER]) -> [usize; TOGETHER] {
    /// Steps between two normalisations: a step makes |a| and |b| at most 3 times as large, and none of the factors that
    /// shrink them is below [`SMALLEST`].
    const STEPS: usize = 4;
    let shift: [f64; TOGETHER] = std::array::from_fn(|l| -x[l] * x[l]);
    let mut a = shift;
    let mut b = [1.0f64; TOGETHER];
    let mut changes = [0u64; TOGETHER];
    for squares in squares.0.chunks(STEPS) {
        for &[q, e] in squares {
            for l in 0..TOGETHER {
                let next = q.multiply_add::<FUSED>(b[l], a[l]);
                changes[l] += (b[l].to_bits() ^ next.to_bits()) >> 63;
                a[l] = shift[l].multiply_add::<FUSED>(next, e * a[l]);
                b[l] = next;
            }
        }
        for l in 0..TOGETHER {
            // 2^−k for the exponent k of the larger of the two.
            let exponent = a[l].abs().max(b[l].abs()).to_bits() & (0x7ff << 52);
            let scale = f64::from_bits((0x7fe << 52) - exponent);
            a[l] *= scale;
            b[l] *= scale;
        }
    }
    changes.map(|count| count as usize)
}
