//! Model Stock (Jang et al., 2024): from the base towards the mean of the inputs, as far as the angles between their task vectors say.

use super::arithmetic::{Arithmetic, Real, in_steps};
use super::gram::{Gram, Lines, Vectors};
use super::inputs::{Inputs, Piece};
use super::method::Method;
use crate::context::Context;
use crate::error::Result;

/// Products of norms below this are taken to be this.
const LEAST_NORMS: f64 = 1e-6;
/// Where 1 + (N − 1) cos is smaller the base is kept.
const SINGULAR: f64 = 1e-6;

/// t·mean(θ_i) + (1 − t)·base, with a t for each line.
#[derive(Debug)]
pub struct ModelStock<A: Arithmetic> {
    lines: Lines,
    ratios: Vec<[A::Real; 2]>,
    count: A::Real,
}

impl<A: Arithmetic> ModelStock<A> {
    /// Of whole tensors, or of what lies along the last axis when `filter_wise`.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Truncated`.
    pub fn new(filter_wise: bool, inputs: &Inputs, context: &Context) -> Result<Self> {
        let n = inputs.len();
        let lines = if filter_wise { Lines::last_axis(inputs.shape()) } else { Lines::Whole };
        let gram = Gram::of::<A>(inputs, Vectors::Inputs, lines, context)?;
        let ratio = |line| {
            let t = ratio::<A>(n, |i, j| gram.at(line, i, j));
            [t, in_steps::<A>(1.0 - t)].map(A::Real::of)
        };
        let ratios = (0..lines.count(inputs.count()) as usize).map(ratio).collect();
        Ok(Self { lines, ratios, count: A::Real::of(n as f64) })
    }
}

/// t = N cos / (1 + (N − 1) cos), cos being the mean of those of all pairs of N task vectors with these inner products; 1 of one.
fn ratio<A: Arithmetic>(n: usize, product: impl Fn(usize, usize) -> f64) -> f64 {
    let step = in_steps::<A>;
    let norms: Vec<f64> = (0..n).map(|i| step(product(i, i).sqrt())).collect();
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let cosine = |(i, j): (usize, usize)| {
        let least = step(LEAST_NORMS);
        let norms = step(norms[i] * norms[j]);
        // NaN stays NaN.
        let norms = if norms < least { least } else { norms };
        step(step(product(i, j)) / norms).clamp(-1.0, 1.0)
    };
    let cosine = match n {
        1 => 1.0,
        _ => step(pairs.map(cosine).sum::<f64>() / (n * (n - 1) / 2) as f64),
    };
    let n = n as f64;
    let divisor = step(1.0 + step((n - 1.0) * cosine));
    if divisor.abs() < SINGULAR { 0.0 } else { step(step(n * cosine) / divisor) }
}

impl<A: Arithmetic> Method<A::Real> for ModelStock<A> {
    #[inline(always)]
    fn merge(&self, piece: &mut Piece<A::Real>, out: &mut [A::Real]) {
        out.copy_from_slice(&piece.of[0]);
        for values in &piece.of[1..] {
            out.iter_mut().zip(values).for_each(|(sum, value)| *sum = A::add(*sum, *value));
        }
        for (line, range) in self.lines.parts(piece.first, out.len()) {
            let [t, rest] = self.ratios[line];
            let pairs = out[range.clone()].iter_mut().zip(&piece.base[range]);
            pairs.for_each(|(out, base)| *out = A::add(A::mul(t, A::div(*out, self.count)), A::mul(rest, *base)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::arithmetic::Double;
    use super::*;

    /// Task vectors of one length at 60° to each other: t = N/(N + 1); at right angles the base is all that is left; in one direction
    /// it is the mean.
    #[test]
    fn ratios_of_angles() {
        let equal = |cosine: f64| move |i: usize, j: usize| if i == j { 4.0 } else { 4.0 * cosine };
        assert!((ratio::<Double>(2, equal(0.5)) - 2.0 / 3.0).abs() < 1e-15);
        assert!((ratio::<Double>(3, equal(0.5)) - 3.0 / 4.0).abs() < 1e-15);
        assert_eq!(ratio::<Double>(3, equal(0.0)), 0.0);
        assert_eq!(ratio::<Double>(4, equal(1.0)), 1.0);
    }

    /// Opposite task vectors, and task vectors of zeros.
    #[test]
    fn ratios_without_an_angle() {
        assert_eq!(ratio::<Double>(2, |i, j| if i == j { 1.0 } else { -1.0 }), 0.0);
        assert_eq!(ratio::<Double>(2, |_, _| 0.0), 0.0);
    }
}
