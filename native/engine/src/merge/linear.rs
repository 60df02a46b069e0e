//! Weighted sums.

use super::arithmetic::Real;
use super::inputs::Piece;
use super::method::Method;

/// Σ w_i θ_i, over Σ w_i when normalised; in the numbers that values are held as, in the order of the inputs.
#[derive(Debug)]
pub struct Linear<R> {
    weights: Vec<R>,
    /// Σ w_i.
    divisor: Option<R>,
}

impl<R: Real> Linear<R> {
    pub fn new(weights: &[f64], normalize: bool) -> Self {
        let weights: Vec<R> = weights.iter().map(|&weight| R::of(weight)).collect();
        let sum = weights.iter().fold(R::ZERO, |sum, weight| sum + *weight);
        Self { weights, divisor: normalize.then_some(sum) }
    }
}

impl<R: Real> Method<R> for Linear<R> {
    #[inline(always)]
    fn merge(&self, piece: &mut Piece<R>, out: &mut [R]) {
        let mut terms = self.weights.iter().zip(&*piece.of);
        if let Some((weight, values)) = terms.next() {
            out.iter_mut().zip(values).for_each(|(out, value)| *out = *weight * *value);
        }
        for (weight, values) in terms {
            out.iter_mut().zip(values).for_each(|(out, value)| *out += *weight * *value);
        }
        if let Some(divisor) = self.divisor {
            out.iter_mut().for_each(|out| *out = *out / divisor);
        }
    }
}
