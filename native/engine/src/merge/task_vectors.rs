//! Task vectors made sparse, weighted, their signs elected, summed: task arithmetic (Ilharco et al., 2023), TIES (Yadav et al., 2023),
//! DARE (Yu et al., 2024), Model Breadcrumbs (Davari & Belilovsky, 2024), DELLA (Deep et al., 2024).

use super::arithmetic::{Arithmetic, Real};
use super::inputs::{Inputs, Piece};
use super::method::Method;
use super::selection::subtract;
use super::sparse::Mask;
use super::sparsify;
use crate::context::Context;
use crate::error::Result;
use crate::protocol::{MergeProfile, Sparsify};

/// Elements whose signs are elected at once.
const ELECTED: usize = 512;

/// θ₀ + λ·mix of the masked, rescaled and weighted τ_i; every step rounded in arithmetic `A`.
#[derive(Debug)]
pub struct TaskVectors<A: Arithmetic> {
    vectors: Vec<Vector<A>>,
    elect: bool,
    normalize: bool,
    /// Σ w_i; 1 when it is 0.
    divisor: A::Real,
    lambda: Option<A::Real>,
}

/// What becomes of one task vector.
#[derive(Debug)]
struct Vector<A: Arithmetic> {
    mask: Mask<A>,
    /// What is left is multiplied by it.
    scale: Option<A::Real>,
    weight: A::Real,
}

/// The parameters of the protocol.
#[derive(Clone, Copy)]
pub struct Parameters<'a> {
    pub weights: &'a [f64],
    pub sparsify: Option<&'a Sparsify>,
    pub elect: bool,
    pub normalize: bool,
    pub lambda: f64,
}

impl<A: Arithmetic> TaskVectors<A> {
    /// Finds the masks, in passes where they depend on whole tensors.
    ///
    /// # Errors
    /// `TooLarge`, `Undefined`, `Cancelled`, `Io`, `Truncated`.
    pub fn prepare(of: Parameters, inputs: &Inputs, profile: MergeProfile, context: &Context) -> Result<Self> {
        let masks = match of.sparsify {
            Some(sparsify) => sparsify::masks::<A>(sparsify, inputs, profile, context)?,
            None => of.weights.iter().map(|_| (Mask::All, None)).collect(),
        };
        let vectors = masks.into_iter().zip(of.weights).map(|((mask, scale), weight)| {
            let weight = A::round(A::Real::of(*weight));
            Vector { mask, scale, weight }
        });
        let vectors: Vec<Vector<A>> = vectors.collect();
        let sum = A::round(vectors.iter().fold(A::Real::ZERO, |sum, vector| sum + vector.weight));
        let divisor = if sum.abs().wide() < 1e-8 { A::Real::ONE } else { sum };
        let lambda = (of.lambda != 1.0).then(|| A::Real::of(of.lambda));
        Ok(Self { vectors, elect: of.elect, normalize: of.normalize, divisor, lambda })
    }

    /// Σ D_i over the inputs of one sign, that of their sum, and the sum of these inputs' weights.
    #[inline(always)]
    fn elected(&self, of: &[&[A::Real]], sums: &mut [A::Real], weights: &mut [A::Real]) {
        let (zero, one) = (A::Real::ZERO, A::Real::ONE);
        add::<A::Real>(of, sums);
        let mut signs = [zero; ELECTED];
        for (sign, sum) in signs.iter_mut().zip(&mut *sums) {
            *sign = if *sum >= zero { one } else { -one };
            *sum = zero;
        }
        weights.fill(zero);
        for (vector, values) in self.vectors.iter().zip(of) {
            for (((sum, weight), value), sign) in sums.iter_mut().zip(&mut *weights).zip(*values).zip(&signs) {
                let agrees = if *value * *sign > zero { one } else { zero };
                *sum += *value * agrees;
                *weight += vector.weight * agrees;
            }
        }
    }
}

/// Σ of `of`, in their order.
#[inline(always)]
fn add<R: Real>(of: &[&[R]], out: &mut [R]) {
    out.copy_from_slice(of[0]);
    for values in &of[1..] {
        out.iter_mut().zip(*values).for_each(|(out, value)| *out += *value);
    }
}

impl<A: Arithmetic> Method<A::Real> for TaskVectors<A> {
    fn unit(&self) -> u64 {
        self.vectors.iter().map(|vector| vector.mask.unit()).max().unwrap_or(1)
    }

    #[inline(always)]
    fn merge(&self, piece: &mut Piece<A::Real>, out: &mut [A::Real]) {
        for (vector, values) in self.vectors.iter().zip(&mut *piece.of) {
            subtract::<A>(values, piece.base);
            vector.mask.apply(piece.first, values);
            if let Some(scale) = vector.scale {
                values.iter_mut().for_each(|value| *value = A::round(*value * scale));
            }
            values.iter_mut().for_each(|value| *value = A::round(vector.weight * *value));
        }
        let mut weights = [A::Real::ZERO; ELECTED];
        let mut parts: Vec<&[A::Real]> = Vec::with_capacity(piece.of.len());
        for ((start, out), base) in (0..).step_by(ELECTED).zip(out.chunks_mut(ELECTED)).zip(piece.base.chunks(ELECTED))
        {
            parts.clear();
            parts.extend(piece.of.iter().map(|values| &values[start..start + out.len()]));
            let weights = &mut weights[..out.len()];
            if self.elect {
                self.elected(&parts, out, weights);
            } else {
                add(&parts, out);
            }
            out.iter_mut().for_each(|mix| *mix = A::round(*mix));
            match (self.normalize, self.elect) {
                (true, true) => {
                    for (mix, weight) in out.iter_mut().zip(weights) {
                        let weight = A::round(*weight);
                        *mix = A::round(*mix / if weight == A::Real::ZERO { A::Real::ONE } else { weight });
                    }
                }
                (true, false) => out.iter_mut().for_each(|mix| *mix = A::round(*mix / self.divisor)),
                (false, _) => {}
            }
            if let Some(lambda) = self.lambda {
                out.iter_mut().for_each(|mix| *mix = A::round(*mix * lambda));
            }
            out.iter_mut().zip(base).for_each(|(mix, base)| *mix = A::round(*base + *mix));
        }
    }
}
