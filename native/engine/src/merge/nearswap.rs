//! Nearswap: the second tensor where it is close to the base, the base where it is not.

use super::arithmetic::{Arithmetic, Real, in_steps};
use super::inputs::Piece;
use super::method::Method;

/// Distances below this are taken to be this.
const LEAST: f64 = 1e-6;

/// λ·θ + (1 − λ)·base with λ = t/|θ − base|, in [0, 1].
#[derive(Debug)]
pub struct Nearswap<A: Arithmetic> {
    t: A::Real,
    least: A::Real,
}

impl<A: Arithmetic> Nearswap<A> {
    pub fn new(t: f64) -> Self {
        Self { t: A::Real::of(t), least: A::Real::of(in_steps::<A>(LEAST)) }
    }
}

impl<A: Arithmetic> Method<A::Real> for Nearswap<A> {
    #[inline(always)]
    fn merge(&self, piece: &mut Piece<A::Real>, out: &mut [A::Real]) {
        let (zero, one) = (A::Real::ZERO, A::Real::ONE);
        // Reciprocals of small distances may be infinite: nothing of that is 0 all the same.
        if self.t == zero {
            return out.copy_from_slice(piece.base);
        }
        for ((out, value), base) in out.iter_mut().zip(&piece.of[0]).zip(piece.base) {
            let distance = A::sub(*base, *value).abs();
            // Comparisons are such that NaN stays NaN.
            let distance = if distance < self.least { self.least } else { distance };
            let share = A::mul(A::div(one, distance), self.t);
            let share = if share < zero { zero } else { share };
            let share = if share > one { one } else { share };
            *out = A::add(A::mul(share, *value), A::mul(A::sub(one, share), *base));
        }
    }
}
