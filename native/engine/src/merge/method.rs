//! What a merge method is to the rest of the engine.

use std::fmt::Debug;

use super::arithmetic::{Real, for_wide_vectors};
use super::inputs::Piece;

/// A method that knows its parameters and what it needs of whole tensors. Adding one: its variant in `protocol::MergeMethod`, its
/// check in `check`, a module with a type that implements this, an arm in `prepare`.
pub trait Method<R: Real>: Debug + Send + Sync {
    /// Neighbouring elements that are only merged together (a row, say): pieces start at its multiples, and end there or with
    /// the tensor.
    fn unit(&self) -> u64 {
        1
    }

    /// The merged values of a piece. To be `#[inline(always)]`: it is compiled into code for wider vectors.
    fn merge(&self, piece: &mut Piece<R>, out: &mut [R]);
}

/// A method behind a pointer.
pub trait Kernel<R>: Debug + Send + Sync {
    /// As `Method::unit`.
    fn unit(&self) -> u64;

    /// As `Method::merge`, compiled for the processor.
    fn run(&self, piece: &mut Piece<R>, out: &mut [R]);
}

impl<R: Real, M: Method<R>> Kernel<R> for M {
    fn unit(&self) -> u64 {
        Method::unit(self)
    }

    fn run(&self, piece: &mut Piece<R>, out: &mut [R]) {
        merge(self, piece, out);
    }
}

for_wide_vectors!(
    fn merge<R: Real, M: Method<R>>(method: &M, piece: &mut Piece<R>, out: &mut [R]) = Method::merge
);
