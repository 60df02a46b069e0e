//! Interpolation of several tensors on the sphere of their directions, weighted (Goddard, Multi-SLERP, 2025).

use super::arithmetic::{Arithmetic, Real, in_steps, is_narrow};
use super::gram::{Gram, Lines, Vectors, subtract_base};
use super::inputs::{Inputs, Piece};
use super::method::Method;
use crate::context::Context;
use crate::error::{Error, Result};

/// Below this share of the squares that were added up a mean direction is rounding alone.
const CANCELLED: f64 = 1e-12;

/// What is done with v_i: θ_i, or θ_i − base where there is a base, which is then added.
#[derive(Debug)]
pub enum Multislerp<A: Arithmetic> {
    /// The one input as it is.
    Lone,
    /// Σ c_i v_i.
    Linear(Vec<A::Real>),
    /// Step by step, each rounded.
    Steps(Steps<A::Real>),
}

/// The numbers that whole tensors are multiplied with, step by step.
#[derive(Debug)]
pub struct Steps<R> {
    weights: Vec<R>,
    /// Of u_i = v_i / divisor.
    divisors: Vec<R>,
    /// ‖Σ w_i u_i‖.
    mean: R,
    /// Of each u_i with the mean direction.
    cosines: Vec<R>,
    /// The cosine of the step along the tangent.
    cosine: R,
    /// Its sine over the step.
    sine: R,
    /// Σ w_i ‖v_i‖.
    length: R,
}

impl<A: Arithmetic> Multislerp<A> {
    /// The mean direction of the weighted tensors, times their weighted norm. `eps` is added to norms, and below it a mean has no
    /// direction: two tensors are then interpolated on a line.
    ///
    /// # Errors
    /// `Undefined` when the weighted directions of more than two tensors cancel; `Cancelled`, `Io`, `Truncated`.
    pub fn new(weights: &[f64], normalize: bool, eps: f64, inputs: &Inputs, context: &Context) -> Result<Self> {
        if weights.len() == 1 {
            return Ok(Self::Lone);
        }
        let gram = Gram::of::<A>(inputs, Vectors::Inputs, Lines::Whole, context)?;
        Self::of_products(weights, normalize, eps, |i, j| gram.at(0, i, j))
    }

    /// Of vectors with these inner products.
    ///
    /// The mean direction is the weighted sum's, so that the tangents' weighted sum, along which the way to the result leads, is 0 but
    /// for rounding: its length does not count beside `eps`.
    fn of_products(weights: &[f64], normalize: bool, eps: f64, product: impl Fn(usize, usize) -> f64) -> Result<Self> {
        let step = in_steps::<A>;
        let n = weights.len();
        let total = step(weights.iter().map(|&weight| step(weight)).sum());
        let weight = |weight: &f64| if normalize { step(step(*weight) / total) } else { step(*weight) };
        let weights: Vec<f64> = weights.iter().map(weight).collect();
        let norms: Vec<f64> = (0..n).map(|i| step(product(i, i).sqrt())).collect();
        let divisors: Vec<f64> = norms.iter().map(|norm| step(norm + eps)).collect();
        // ⟨u_i, w_j u_j⟩.
        let cosine = |i: usize, j: usize| weights[j] * product(i, j) / (divisors[i] * divisors[j]);
        let pairs = || (0..n).flat_map(|i| (0..n).map(move |j| (i, j)));
        let square: f64 = pairs().map(|(i, j)| weights[i] * cosine(i, j)).sum();
        let magnitude: f64 = pairs().map(|(i, j)| (weights[i] * cosine(i, j)).abs()).sum();
        // Not `max`, which takes no notice of NaN.
        let mean = step(if square < 0.0 { 0.0 } else { square.sqrt() });
        let number = |values: &[f64]| values.iter().map(|&value| A::Real::of(value)).collect::<Vec<_>>();
        // Where squares are NaN, so is the mean, and what is made of it.
        if mean < eps || square.abs() < CANCELLED * magnitude || magnitude == 0.0 {
            if n == 2 {
                return Ok(Self::Linear(number(&weights)));
            }
            return Err(Error::undefined(
                "multislerp is not defined where the weighted directions of the tensors cancel each other; other weights avoid it.",
            ));
        }
        let length = step(norms.iter().zip(&weights).map(|(norm, weight)| step(norm * weight)).sum());
        let tangent = step(eps);
        if !is_narrow::<A>() {
            let factor = tangent.cos() * length / mean;
            let coefficients: Vec<f64> =
                weights.iter().zip(&divisors).map(|(w, divisor)| w / divisor * factor).collect();
            return Ok(Self::Linear(number(&coefficients)));
        }
        let cosines: Vec<f64> = (0..n).map(|i| step((0..n).map(|j| cosine(i, j)).sum::<f64>() / mean)).collect();
        Ok(Self::Steps(Steps {
            weights: number(&weights),
            divisors: number(&divisors),
            mean: A::Real::of(mean),
            cosines: number(&cosines),
            cosine: A::Real::of(step(tangent.cos())),
            sine: A::Real::of(if tangent == 0.0 { 1.0 } else { step(step(tangent.sin()) / tangent) }),
            length: A::Real::of(length),
        }))
    }
}

impl<R: Real> Steps<R> {
    /// Element `at` of the merged tensors, less the base.
    #[inline(always)]
    fn element<A: Arithmetic<Real = R>>(&self, of: &[Vec<R>], at: usize) -> R {
        let unit = |i: usize| A::div(of[i][at], self.divisors[i]);
        let mut mean = R::ZERO;
        for (i, weight) in self.weights.iter().enumerate() {
            mean += A::mul(unit(i), *weight);
        }
        let mean = A::div(A::round(mean), self.mean);
        let mut tangent = R::ZERO;
        for (i, (weight, cosine)) in self.weights.iter().zip(&self.cosines).enumerate() {
            tangent += A::mul(A::sub(unit(i), A::mul(*cosine, mean)), *weight);
        }
        let step = A::mul(A::round(tangent), self.sine);
        A::mul(A::add(A::mul(mean, self.cosine), step), self.length)
    }
}

impl<A: Arithmetic> Method<A::Real> for Multislerp<A> {
    #[inline(always)]
    fn merge(&self, piece: &mut Piece<A::Real>, out: &mut [A::Real]) {
        if let Self::Lone = self {
            return out.copy_from_slice(&piece.of[0]);
        }
        subtract_base::<A>(piece);
        match self {
            Self::Steps(steps) => {
                out.iter_mut().enumerate().for_each(|(at, out)| *out = steps.element::<A>(piece.of, at));
            }
            Self::Linear(coefficients) => {
                out.fill(A::Real::ZERO);
                for (coefficient, values) in coefficients.iter().zip(&*piece.of) {
                    let terms = out.iter_mut().zip(values);
                    terms.for_each(|(out, value)| *out = A::add(*out, A::mul(*coefficient, *value)));
                }
            }
            Self::Lone => unreachable!("copied above"),
        }
        out.iter_mut().zip(piece.base).for_each(|(out, base)| *out = A::add(*out, *base));
    }
}

#[cfg(test)]
mod tests {
    use super::super::arithmetic::Double;
    use super::*;

    fn coefficients(weights: &[f64], normalize: bool, vectors: &[[f64; 2]]) -> Vec<f64> {
        let product = |i: usize, j: usize| vectors[i][0] * vectors[j][0] + vectors[i][1] * vectors[j][1];
        match Multislerp::<Double>::of_products(weights, normalize, 1e-8, product) {
            Ok(Multislerp::Linear(coefficients)) => coefficients,
            other => panic!("{other:?}"),
        }
    }

    /// Of vectors of unequal length the result has the weighted direction and the weighted length.
    #[test]
    fn weighted_direction_and_length() {
        let vectors = [[2.0, 0.0], [0.0, 5.0]];
        let c = coefficients(&[1.0, 3.0], true, &vectors);
        let (x, y) = (c[0] * 2.0, c[1] * 5.0);
        assert!((y / x - 3.0).abs() < 1e-7, "{x} {y}");
        assert!((x.hypot(y) - (0.25 * 2.0 + 0.75 * 5.0)).abs() < 1e-7, "{x} {y}");
        let twice = coefficients(&[2.0, 6.0], true, &vectors);
        assert!(c.iter().zip(&twice).all(|(c, t)| (c - t).abs() < 1e-15));
        let sum = coefficients(&[1.0, 3.0], false, &vectors);
        assert!((sum[0] / c[0] - 4.0).abs() < 1e-12);
    }

    /// Opposite directions: two are interpolated on a line, more are refused.
    #[test]
    fn directions_that_cancel() {
        assert_eq!(coefficients(&[1.0, 1.0], true, &[[1.0, 0.0], [-3.0, 0.0]]), [0.5, 0.5]);
        let product = |i: usize, j: usize| if i == j { 1.0 } else { -0.5 };
        let error = Multislerp::<Double>::of_products(&[1.0; 3], true, 1e-8, product).expect_err("cancels");
        assert!(error.message.contains("cancel"), "{}", error.message);
    }
}
