//! Spherical interpolation of two tensors, or of their differences from a base, as a whole or line by line.

use super::arithmetic::{Arithmetic, Real, in_steps};
use super::gram::{Gram, Lines, Vectors, subtract_base};
use super::inputs::{Inputs, Piece};
use super::method::Method;
use crate::context::Context;
use crate::error::Result;

/// Norms below this are taken to be this.
const LEAST_NORM: f64 = 1e-7;
/// Two vectors are interpolated on a line where 1 − cos² is at most this.
const PARALLEL: f64 = 1e-16;
/// Weights whose sum is smaller count as equal.
const LEAST_WEIGHTS: f64 = 1e-6;

/// (a·v₀ + b·v₁) / divisor, plus the base, with numbers of its own for each line.
#[derive(Debug)]
pub struct Nuslerp<A: Arithmetic> {
    lines: Lines,
    blends: Vec<Blend<A::Real>>,
}

#[derive(Clone, Copy, Debug)]
struct Blend<R> {
    a: R,
    b: R,
    divisor: R,
}

impl<A: Arithmetic> Nuslerp<A> {
    /// By the second's share of the two weights, along the lines that `flatten` and `row_wise` say: all as one vector, else along
    /// the first axis when row-wise, else along the last.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Truncated`.
    pub fn new(weights: &[f64], flatten: bool, row_wise: bool, inputs: &Inputs, context: &Context) -> Result<Self> {
        let total = weights[0] + weights[1];
        let t = if total.abs() < LEAST_WEIGHTS { 0.5 } else { weights[1] / total };
        let lines = match (flatten, row_wise) {
            (true, _) => Lines::Whole,
            (false, true) => Lines::first_axis(inputs.shape()),
            (false, false) => Lines::last_axis(inputs.shape()),
        };
        let gram = Gram::of::<A>(inputs, Vectors::Inputs, lines, context)?;
        let blend = |line| Blend::new::<A>(t, [gram.at(line, 0, 0), gram.at(line, 1, 1)], gram.at(line, 0, 1));
        let blends = (0..lines.count(inputs.count()) as usize).map(blend).collect();
        Ok(Self { lines, blends })
    }
}

impl<R: Real> Blend<R> {
    /// Of two vectors whose squared norms and inner product are given.
    fn new<A: Arithmetic<Real = R>>(t: f64, squares: [f64; 2], product: f64) -> Self {
        let step = in_steps::<A>;
        let [n0, n1] = squares.map(|square| step(square.sqrt().max(step(LEAST_NORM))));
        let cosine = R::of(step(product / n0 / n1).clamp(-1.0, 1.0)).wide();
        let (a, b, divisor) = if step(1.0 - step(cosine * cosine)) <= PARALLEL {
            (1.0 - t, t, 1.0)
        } else {
            let angle = step(cosine.acos());
            (step(step((1.0 - t) * angle).sin()), step(step(t * angle).sin()), step(angle.sin()))
        };
        Self { a: R::of(a), b: R::of(b), divisor: R::of(divisor) }
    }

    #[inline(always)]
    fn of<A: Arithmetic<Real = R>>(self, x: R, y: R) -> R {
        A::div(A::add(A::mul(self.a, x), A::mul(self.b, y)), self.divisor)
    }
}

impl<A: Arithmetic> Method<A::Real> for Nuslerp<A> {
    #[inline(always)]
    fn merge(&self, piece: &mut Piece<A::Real>, out: &mut [A::Real]) {
        subtract_base::<A>(piece);
        for (line, range) in self.lines.parts(piece.first, out.len()) {
            let pairs = piece.of[0][range.clone()].iter().zip(&piece.of[1][range.clone()]);
            let values = out[range].iter_mut().zip(pairs);
            if let Lines::Columns(_) = self.lines {
                values.zip(&self.blends[line..]).for_each(|((out, (x, y)), blend)| *out = blend.of::<A>(*x, *y));
            } else {
                let blend = self.blends[line];
                values.for_each(|(out, (x, y))| *out = blend.of::<A>(*x, *y));
            }
        }
        out.iter_mut().zip(piece.base).for_each(|(out, base)| *out = A::add(*base, *out));
    }
}

#[cfg(test)]
mod tests {
    use super::super::arithmetic::{Brain, Double};
    use super::*;

    /// At a right angle a and b are cosine and sine of the share of it; lengths do not count.
    #[test]
    fn right_angle() {
        let blend = Blend::new::<Double>(1.0 / 3.0, [4.0, 9.0], 0.0);
        let found = (blend.a / blend.divisor, blend.b / blend.divisor);
        assert!((found.0 - 0.75f64.sqrt()).abs() < 1e-15 && (found.1 - 0.5).abs() < 1e-15, "{found:?}");
    }

    #[test]
    fn same_and_opposite_directions_are_linear() {
        for product in [6.0, -6.0] {
            let blend = Blend::new::<Double>(0.25, [4.0, 9.0], product);
            assert_eq!((blend.a, blend.b, blend.divisor), (0.75, 0.25, 1.0));
        }
        // A vector of zeros is at a right angle to everything.
        assert_eq!(Blend::new::<Double>(0.5, [0.0, 9.0], 0.0).divisor, 1.0);
        assert!(Blend::new::<Double>(0.5, [0.0, 9.0], 0.0).a > 0.7);
    }

    /// Every number is one of the narrow type.
    #[test]
    fn narrow_steps() {
        let blend = Blend::new::<Brain>(0.3, [2.0, 3.0], 1.0);
        for value in [blend.a, blend.b, blend.divisor] {
            assert_eq!(value, Brain::round(value));
        }
    }
}
