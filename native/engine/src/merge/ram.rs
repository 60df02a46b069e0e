//! Reinforced Agent Merging (2026): what only one task vector changes is kept whole, what several change is their mean.

use super::arithmetic::{Arithmetic, Real, in_steps};
use super::gram::subtract_base;
use super::inputs::{Inputs, Pass, Piece};
use super::method::Method;
use crate::context::Context;
use crate::error::Result;

/// base + Σ over the inputs with |τ| > ε of τ, divided by their number where there are several. With `factors`, what an input alone
/// changes is multiplied by its own.
#[derive(Debug)]
pub struct Ram<A: Arithmetic> {
    epsilon: A::Real,
    /// Values of the result are not rounded to `A` with them.
    factors: Option<Vec<A::Real>>,
}

impl<A: Arithmetic> Ram<A> {
    pub fn new(epsilon: f64) -> Self {
        Self { epsilon: A::Real::of(in_steps::<A>(epsilon)), factors: None }
    }

    /// With factors 1 + r·min(shared/alone, α), by how many of its elements an input shares with others and how many it alone changes.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Truncated`.
    pub fn plus(epsilon: f64, r: f64, alpha: f64, inputs: &Inputs, context: &Context) -> Result<Self> {
        let without = Self::new(epsilon);
        let (states, _) = inputs.pass::<A::Real, _>(&Counting { ram: &without, n: inputs.len() }, context)?;
        let mut counts = vec![[0u64; 2]; inputs.len()];
        for state in states {
            counts.iter_mut().zip(state).for_each(|(sum, count)| *sum = [sum[0] + count[0], sum[1] + count[1]]);
        }
        let factors = counts.iter().map(|&counts| A::Real::of(factor(counts, epsilon, r, alpha).into())).collect();
        Ok(Self { factors: Some(factors), ..without })
    }

    /// How many inputs change element `at` of τ.
    #[inline(always)]
    fn changed(&self, of: &[Vec<A::Real>], at: usize) -> u32 {
        of.iter().map(|values| u32::from(values[at].abs() > self.epsilon)).sum()
    }
}

/// The factor of an input that alone changes `counts[0]` elements, and `counts[1]` with others; in f32, as mergekit's is.
fn factor([alone, shared]: [u64; 2], epsilon: f64, r: f64, alpha: f64) -> f32 {
    let ratio = shared as f32 / (alone as f32).max(epsilon as f32);
    // Not `clamp`, which refuses a negative α.
    1.0 + r as f32 * ratio.max(0.0).min(alpha as f32)
}

/// Counts how many elements each input changes alone and with others.
struct Counting<'a, A: Arithmetic> {
    ram: &'a Ram<A>,
    n: usize,
}

impl<A: Arithmetic> Pass<A::Real> for Counting<'_, A> {
    type State = Vec<[u64; 2]>;
    type Part = ();

    fn state(&self) -> Self::State {
        vec![[0; 2]; self.n]
    }

    #[inline(always)]
    fn piece(&self, piece: &mut Piece<A::Real>, counts: &mut Self::State, (): &mut ()) {
        subtract_base::<A>(piece);
        for at in 0..piece.base.len() {
            let shared = usize::from(self.ram.changed(piece.of, at) > 1);
            for (values, counts) in piece.of.iter().zip(&mut *counts) {
                counts[shared] += u64::from(values[at].abs() > self.ram.epsilon);
            }
        }
    }
}

impl<A: Arithmetic> Method<A::Real> for Ram<A> {
    #[inline(always)]
    fn merge(&self, piece: &mut Piece<A::Real>, out: &mut [A::Real]) {
        subtract_base::<A>(piece);
        for (at, out) in out.iter_mut().enumerate() {
            let changed = self.changed(piece.of, at);
            let divisor = A::Real::of(changed.max(1).into());
            let mut sum = A::Real::ZERO;
            for (i, values) in piece.of.iter().enumerate() {
                let value = values[at];
                // Times 0, so that NaN stays.
                let value = if value.abs() > self.epsilon { value } else { value * A::Real::ZERO };
                sum += match &self.factors {
                    Some(factors) if changed == 1 => value * factors[i],
                    _ => A::div(value, divisor),
                };
            }
            *out = match self.factors {
                Some(_) => piece.base[at] + sum,
                None => A::add(piece.base[at], A::round(sum)),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors() {
        assert_eq!(factor([4, 1], 1e-5, 0.1, 1.0), 1.0 + 0.1 * 0.25);
        assert_eq!(factor([4, 8], 1e-5, 0.1, 0.2), 1.0 + 0.1 * 0.2);
        assert_eq!(factor([0, 8], 1e-5, 0.1, 0.2), 1.0 + 0.1 * 0.2);
        assert_eq!(factor([0, 0], 1e-5, 0.1, 0.2), 1.0);
    }
}
