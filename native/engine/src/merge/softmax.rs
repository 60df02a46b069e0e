//! How far the softmax of each row of a tensor lies from that of another: the Kullback–Leibler divergence, in f64.

use std::marker::PhantomData;

use super::arithmetic::{Arithmetic, Real, in_steps};
use super::elementary::{exponential, logarithm};
use super::gram::Lines;
use super::inputs::{Inputs, Pass, Piece};
use crate::context::Context;
use crate::error::Result;

/// Added to each share.
const EPSILON: f64 = 1e-8;
/// Elements worked on at once.
const BLOCK: usize = 256;
/// Values worked on side by side.
const LANES: usize = 8;

/// Σ p·ln(p/q) of each line along the last axis, p the softmax of the first input's and q of the base's, ε added to both.
///
/// # Errors
/// `Cancelled`, `Io`, `Truncated`.
pub fn divergences<A: Arithmetic>(inputs: &Inputs, lines: Lines, context: &Context) -> Result<Vec<f64>> {
    let scales = each_row::<A, _>(Scales, inputs, lines, context)?;
    let divergences = each_row::<A, _>(Terms { scales }, inputs, lines, context)?;
    Ok(divergences.into_iter().map(in_steps::<A>).collect())
}

/// What softmax divides exponentials by: Σ exp(x − most), and the largest x.
#[derive(Clone, Copy, Debug)]
struct Scale {
    most: f64,
    sum: f64,
}

impl Default for Scale {
    fn default() -> Self {
        Self { most: f64::NEG_INFINITY, sum: 0.0 }
    }
}

impl Scale {
    #[inline(always)]
    fn of<R: Real>(values: &[R]) -> Self {
        let most = largest(values).wide();
        let sum =
            values.chunks(BLOCK).map(|values| sum_of_each(values, values, |value, _| exponential(value.wide() - most)));
        Self { most, sum: sum.sum() }
    }

    fn join(self, other: Self) -> Self {
        let most = self.most.max(other.most);
        let at = |scale: Self| if scale.sum == 0.0 { 0.0 } else { scale.sum * (scale.most - most).exp() };
        Self { most, sum: at(self) + at(other) }
    }

    #[inline(always)]
    fn share<A: Arithmetic>(self, value: A::Real) -> f64 {
        let step = in_steps::<A>;
        step(step(exponential(value.wide() - self.most) / self.sum) + EPSILON)
    }
}

/// The largest of the values that are not NaN.
#[inline(always)]
fn largest<R: Real>(values: &[R]) -> R {
    let most = |x: R, y: R| if x > y { x } else { y };
    let mut lanes = [R::of(f64::NEG_INFINITY); LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for values in chunks {
        lanes.iter_mut().zip(values).for_each(|(lane, value)| *lane = most(*value, *lane));
    }
    lanes.iter().chain(rest).fold(R::of(f64::NEG_INFINITY), |largest, value| most(*value, largest))
}

/// The sum of what `term` makes of each of at most `BLOCK` pairs: all terms first, in a loop that becomes one of vectors.
#[inline(always)]
fn sum_of_each<R: Real>(x: &[R], y: &[R], term: impl Fn(R, R) -> f64) -> f64 {
    let mut terms = [0f64; BLOCK];
    for (slot, (x, y)) in terms.iter_mut().zip(x.iter().zip(y)) {
        *slot = term(*x, *y);
    }
    let mut lanes = [0f64; LANES];
    for terms in terms.chunks_exact(LANES) {
        lanes.iter_mut().zip(terms).for_each(|(lane, term)| *lane += term);
    }
    lanes.iter().sum()
}

/// A number of each row, from neighbouring elements of it.
trait Row<A: Arithmetic>: Sync {
    type Of: Copy + Default + Send;

    /// Of the first input's elements and the base's.
    fn of(&self, row: usize, values: &[A::Real], base: &[A::Real]) -> Self::Of;

    /// Of all elements of two parts, in this order.
    fn join(part: Self::Of, next: Self::Of) -> Self::Of;
}

struct Scales;

impl<A: Arithmetic> Row<A> for Scales {
    type Of = [Scale; 2];

    #[inline(always)]
    fn of(&self, _: usize, values: &[A::Real], base: &[A::Real]) -> [Scale; 2] {
        [Scale::of(values), Scale::of(base)]
    }

    fn join(part: [Scale; 2], next: [Scale; 2]) -> [Scale; 2] {
        [part[0].join(next[0]), part[1].join(next[1])]
    }
}

struct Terms {
    scales: Vec<[Scale; 2]>,
}

impl<A: Arithmetic> Row<A> for Terms {
    type Of = f64;

    #[inline(always)]
    fn of(&self, row: usize, values: &[A::Real], base: &[A::Real]) -> f64 {
        let step = in_steps::<A>;
        let [scale, base_scale] = self.scales[row];
        let term = |value, base| {
            let (p, q) = (scale.share::<A>(value), base_scale.share::<A>(base));
            step(p * step(logarithm(step(p / q))))
        };
        values.chunks(BLOCK).zip(base.chunks(BLOCK)).map(|(values, base)| sum_of_each(values, base, term)).sum()
    }

    fn join(part: f64, next: f64) -> f64 {
        part + next
    }
}

/// What `row` finds of each line.
fn each_row<A: Arithmetic, F: Row<A>>(row: F, inputs: &Inputs, lines: Lines, context: &Context) -> Result<Vec<F::Of>> {
    let mut rows = vec![F::Of::default(); lines.count(inputs.count()) as usize];
    let (_, parts) = inputs.pass(&Rows { lines, row, arithmetic: PhantomData::<A> }, context)?;
    for Parts { first, of } in parts {
        rows[first..].iter_mut().zip(of).for_each(|(whole, part)| *whole = F::join(*whole, part));
    }
    Ok(rows)
}

/// A pass that finds something of each row, or of its parts where tiles or pieces end within it.
struct Rows<A, F> {
    lines: Lines,
    row: F,
    arithmetic: PhantomData<A>,
}

/// Of neighbouring rows.
#[derive(Default)]
struct Parts<T> {
    /// The first row.
    first: usize,
    of: Vec<T>,
}

impl<A: Arithmetic, F: Row<A>> Pass<A::Real> for Rows<A, F> {
    type State = ();
    type Part = Parts<F::Of>;

    fn state(&self) {}

    #[inline(always)]
    fn piece(&self, piece: &mut Piece<A::Real>, (): &mut (), parts: &mut Parts<F::Of>) {
        for (row, range) in self.lines.parts(piece.first, piece.base.len()) {
            let part = self.row.of(row, &piece.of[0][range.clone()], &piece.base[range]);
            if parts.of.is_empty() {
                parts.first = row;
            }
            match parts.of.get_mut(row - parts.first) {
                Some(whole) => *whole = F::join(*whole, part),
                None => parts.of.push(part),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Taken apart anywhere, a softmax is divided by the same sum.
    #[test]
    fn scales_join() {
        let values = [0.3, -2.0, 7.5, 7.5, 1.0];
        let whole: f64 = values.iter().map(|x: &f64| x.exp()).sum();
        for middle in 0..=values.len() {
            let (left, right) = values.split_at(middle);
            let scale = Scale::of(left).join(Scale::of(right));
            assert_eq!(scale.most, 7.5);
            assert!((scale.sum * scale.most.exp() / whole - 1.0).abs() < 1e-15);
        }
    }
}
