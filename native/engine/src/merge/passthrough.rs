//! One tensor, as it is or times a number.

use super::arithmetic::Real;
use super::inputs::Piece;
use super::method::Method;

/// θ·scale.
#[derive(Debug)]
pub struct Passthrough<R> {
    scale: Option<R>,
}

impl<R: Real> Passthrough<R> {
    pub fn new(scale: Option<f64>) -> Self {
        Self { scale: scale.map(R::of) }
    }
}

impl<R: Real> Method<R> for Passthrough<R> {
    #[inline(always)]
    fn merge(&self, piece: &mut Piece<R>, out: &mut [R]) {
        match self.scale {
            Some(scale) => out.iter_mut().zip(&piece.of[0]).for_each(|(out, value)| *out = *value * scale),
            None => out.copy_from_slice(&piece.of[0]),
        }
    }
}
