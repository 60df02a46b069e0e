//! Arcee fusion: of the changes from the base those that matter most, by their size and by how far their row's softmax moved.

use super::arithmetic::{Arithmetic, Real, in_steps};
use super::gram::Lines;
use super::inputs::{Inputs, Piece};
use super::method::Method;
use super::order::{self, Ordered, Place, Quantity};
use super::softmax;
use crate::context::Context;
use crate::error::Result;

/// base + τ where importance |τ|·KL(row of θ ‖ row of the base) is at least the threshold; the base elsewhere.
#[derive(Debug)]
pub struct ArceeFusion<A: Arithmetic> {
    importance: Importance<A>,
    threshold: A::Real,
}

impl<A: Arithmetic> ArceeFusion<A>
where
    A::Real: Ordered,
{
    /// The threshold is the median and one and a half times the distance between the quartiles of all importances.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Truncated`.
    pub fn new(inputs: &Inputs, context: &Context) -> Result<Self> {
        let step = in_steps::<A>;
        let lines = Lines::last_axis(inputs.shape());
        let divergences = softmax::divergences::<A>(inputs, lines, context)?;
        let importance = Importance { lines, divergences: divergences.into_iter().map(A::Real::of).collect() };
        let last = inputs.count() - 1;
        let ranks = |_| vec![last / 4, last / 2, last / 4 * 3 + last % 4 * 3 / 4];
        let quartiles: Vec<Place<A::Real>> = order::select(inputs, &importance, ranks, context)?;
        let [low, median, high] = [0, 1, 2].map(|index: usize| quartiles[index].value.wide());
        let threshold = A::Real::of(step(median + step(1.5 * step(high - low))));
        Ok(Self { importance, threshold })
    }
}

impl<A: Arithmetic> Method<A::Real> for ArceeFusion<A> {
    #[inline(always)]
    fn merge(&self, piece: &mut Piece<A::Real>, out: &mut [A::Real]) {
        for (row, range) in self.importance.lines.parts(piece.first, out.len()) {
            let divergence = self.importance.divergences[row];
            let pairs = piece.of[0][range.clone()].iter().zip(&piece.base[range.clone()]);
            for (out, (value, base)) in out[range].iter_mut().zip(pairs) {
                let change = A::sub(*value, *base);
                let kept = A::mul(change.abs(), divergence) >= self.threshold;
                // Times 0, so that NaN stays.
                *out = *base + change * if kept { A::Real::ONE } else { A::Real::ZERO };
            }
        }
    }
}

/// |τ| times the divergence of its row.
#[derive(Debug)]
struct Importance<A: Arithmetic> {
    lines: Lines,
    divergences: Vec<A::Real>,
}

impl<A: Arithmetic> Quantity<A::Real> for Importance<A> {
    #[inline(always)]
    fn of(&self, piece: &mut Piece<A::Real>) {
        for (row, range) in self.lines.parts(piece.first, piece.base.len()) {
            let divergence = self.divergences[row];
            let pairs = piece.of[0][range.clone()].iter_mut().zip(&piece.base[range]);
            pairs.for_each(|(value, base)| *value = A::mul(A::sub(*value, *base).abs(), divergence));
        }
    }
}
