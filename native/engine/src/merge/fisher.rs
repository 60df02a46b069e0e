//! Averages weighted by Fisher information (Matena & Raffel, Merging Models with Fisher-Weighted Averaging, 2022).

use super::arithmetic::Real;
use super::inputs::Piece;
use super::method::Method;

/// Σ c_i (F_i + floor) θ_i / Σ c_i (F_i + floor), element by element: of the inputs the first half are the θ_i, the others the F_i.
/// Where all information is 0, Σ c_i θ_i / Σ c_i.
#[derive(Debug)]
pub struct Fisher<R> {
    coefficients: Vec<R>,
    floor: R,
}

impl<R: Real> Fisher<R> {
    pub fn new(coefficients: &[f64], floor: f64) -> Self {
        Self { coefficients: coefficients.iter().map(|&coefficient| R::of(coefficient)).collect(), floor: R::of(floor) }
    }
}

impl<R: Real> Method<R> for Fisher<R> {
    #[inline(always)]
    fn merge(&self, piece: &mut Piece<R>, out: &mut [R]) {
        let (values, information) = piece.of.split_at(self.coefficients.len());
        for (index, out) in out.iter_mut().enumerate() {
            let (mut sum, mut weight, mut plain, mut total) = (R::ZERO, R::ZERO, R::ZERO, R::ZERO);
            for ((coefficient, values), information) in self.coefficients.iter().zip(values).zip(information) {
                let own = *coefficient * (information[index] + self.floor);
                sum += own * values[index];
                weight += own;
                plain += *coefficient * values[index];
                total += *coefficient;
            }
            *out = if weight == R::ZERO { plain / total } else { sum / weight };
        }
    }
}
