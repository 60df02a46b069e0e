//! Methods whose result is one linear combination of whole tensors: spherical interpolation of two, the Karcher mean of several.

use super::arithmetic::{Arithmetic, Real};
use super::gram::{Gram, Lines, Vectors};
use super::inputs::{Inputs, Piece};
use super::method::Method;
use crate::context::Context;
use crate::error::Result;

/// Norms up to this count as 1 in slerp.
const LEAST_NORM: f64 = 1e-8;
/// Beyond this cosine two tensors are interpolated on a line.
const PARALLEL: f64 = 0.9995;

/// Σ c_i θ_i of the inputs, and c θ of the base where there is one, in the numbers that values are held as.
#[derive(Debug)]
pub struct Combination<R> {
    of: Vec<R>,
    base: R,
}

impl<R: Real> Combination<R> {
    /// Of inputs without a base.
    pub fn new(of: &[f64]) -> Self {
        Self { of: of.iter().map(|&coefficient| R::of(coefficient)).collect(), base: R::ZERO }
    }

    /// From the base to the one input along the great circle of their directions, by the share `t` of the angle between them
    /// (Shoemake, 1985); on a line where they are nearly parallel. Lengths are the tensors' own.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Truncated`.
    pub fn slerp<A: Arithmetic<Real = R>>(t: f64, inputs: &Inputs, context: &Context) -> Result<Self> {
        let gram = Gram::of::<A>(inputs, Vectors::All, Lines::Whole, context)?;
        let (base, of) = slerp(t, [gram.at(0, 1, 1), gram.at(0, 0, 0)], gram.at(0, 0, 1));
        Ok(Self { of: vec![R::of(of)], base: R::of(base) })
    }

    /// The point of the sphere that lies closest to all tensors' directions, times their mean norm (Karcher, 1977): see `karcher`.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Truncated`.
    pub fn karcher<A: Arithmetic<Real = R>>(
        iterations: u64,
        tolerance: f64,
        inputs: &Inputs,
        context: &Context,
    ) -> Result<Self> {
        let n = inputs.len();
        if n == 1 {
            return Ok(Self::new(&[1.0]));
        }
        let gram = Gram::of::<A>(inputs, Vectors::All, Lines::Whole, context)?;
        let gram = (0..n).map(|i| (0..n).map(|j| gram.at(0, i, j)).collect()).collect::<Vec<_>>();
        Ok(Self::new(&karcher(&gram, iterations, tolerance)))
    }
}

impl<R: Real> Method<R> for Combination<R> {
    #[inline(always)]
    fn merge(&self, piece: &mut Piece<R>, out: &mut [R]) {
        if piece.base.is_empty() {
            out.fill(R::ZERO);
        } else {
            out.iter_mut().zip(piece.base).for_each(|(out, value)| *out = self.base * *value);
        }
        for (coefficient, values) in self.of.iter().zip(&*piece.of) {
            out.iter_mut().zip(values).for_each(|(out, value)| *out += *coefficient * *value);
        }
    }
}

/// Coefficients of two vectors whose squared norms and inner product are given.
fn slerp(t: f64, squares: [f64; 2], product: f64) -> (f64, f64) {
    let [a, b] = squares.map(|square| {
        let norm = square.sqrt();
        // Written so that NaN is replaced too: it stays in the product.
        if norm > LEAST_NORM { norm } else { 1.0 }
    });
    let cosine = (product / a / b).clamp(-1.0, 1.0);
    if cosine.abs() > PARALLEL {
        return (1.0 - t, t);
    }
    let angle = cosine.acos();
    (((1.0 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin())
}

/// Coefficients of the Karcher mean of vectors with the Gram matrix `gram`, by at most `iterations` steps along the mean tangent
/// until it is shorter than `tolerance`, which is also the norm up to which a vector has no direction. The length is the mean norm
/// of all vectors. Every vector of the iteration is held by its coefficients.
fn karcher(gram: &[Vec<f64>], iterations: u64, tolerance: f64) -> Vec<f64> {
    let norms: Vec<f64> = (0..gram.len()).map(|i| gram[i][i].sqrt()).collect();
    let length = norms.iter().sum::<f64>() / norms.len() as f64;
    // NaN has a direction, so that it shows in the result.
    let directed: Vec<usize> = (0..norms.len()).filter(|&i| norms[i] > tolerance || norms[i].is_nan()).collect();
    let n = directed.len();
    let cosine = |i: usize, j: usize| gram[directed[i]][directed[j]] / (norms[directed[i]] * norms[directed[j]]);
    let cosines: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { cosine(i, j) }).collect()).collect();
    let products =
        |x: &[f64]| -> Vec<f64> { cosines.iter().map(|row| row.iter().zip(x).map(|(c, x)| c * x).sum()).collect() };
    let norm = |x: &[f64]| products(x).iter().zip(x).map(|(c, x)| c * x).sum::<f64>().max(0.0).sqrt();
    let share = 1.0 / n as f64;
    let mut mean = vec![share; n];
    let first = norm(&mean);
    if first < tolerance {
        mean.iter_mut().enumerate().for_each(|(i, x)| *x = if i == 0 { 1.0 } else { 0.0 });
    } else {
        mean.iter_mut().for_each(|x| *x /= first);
    }
    for _ in 0..iterations {
        let mut tangent = vec![0.0; n];
        for (i, cosine) in products(&mean).into_iter().enumerate() {
            let cosine = cosine.clamp(-1.0, 1.0);
            let angle = cosine.acos();
            if angle < tolerance {
                continue;
            }
            let weight = share * angle / angle.sin();
            tangent.iter_mut().zip(&mean).for_each(|(t, m)| *t -= weight * cosine * m);
            tangent[i] += weight;
        }
        let step = norm(&tangent);
        if step < tolerance {
            break;
        }
        mean.iter_mut().zip(&tangent).for_each(|(m, t)| *m = step.cos() * *m + step.sin() * (t / step));
        let unit = norm(&mean);
        if unit > tolerance {
            mean.iter_mut().for_each(|m| *m /= unit);
        }
    }
    let mut coefficients = vec![0.0; norms.len()];
    for (&i, mean) in directed.iter().zip(mean) {
        coefficients[i] = length * mean / norms[i];
    }
    coefficients
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
        }
    }

    /// Between (2, 0) and (0, 3): the angle is right, so the coefficients are a cosine and a sine.
    #[test]
    fn slerp_of_a_right_angle() {
        let (a, b) = slerp(1.0 / 3.0, [4.0, 9.0], 0.0);
        close(&[a, b], &[(std::f64::consts::FRAC_PI_6).cos(), 0.5]);
    }

    #[test]
    fn slerp_of_parallel_vectors_is_linear() {
        for product in [6.0, -6.0, 6.0 * 0.9996] {
            assert_eq!(slerp(0.25, [4.0, 9.0], product), (0.75, 0.25));
        }
        let (a, b) = slerp(0.25, [4.0, 9.0], 6.0 * 0.9994);
        assert!(a != 0.75 && (a - 0.75).abs() < 1e-3 && (b - 0.25).abs() < 1e-3, "{a} {b}");
    }

    /// A vector of zeros is at a right angle to everything.
    #[test]
    fn slerp_of_nothing() {
        let (a, b) = slerp(0.5, [0.0, 9.0], 0.0);
        close(&[a, b], &[0.5f64.sqrt(), 0.5f64.sqrt()]);
    }

    /// Of two vectors the mean lies half-way; of three on one great circle it is the mean angle.
    #[test]
    fn karcher_means_on_a_circle() {
        let plane = |vectors: &[(f64, f64)]| -> Vec<Vec<f64>> {
            let dot = |(r, a): (f64, f64), (s, b): (f64, f64)| r * s * (a - b).cos();
            vectors.iter().map(|&x| vectors.iter().map(|&y| dot(x, y)).collect()).collect()
        };
        for vectors in [&[(1.0, 0.0), (2.0, 1.0)][..], &[(1.0, 0.1), (1.5, 0.4), (3.0, 1.3)]] {
            let n = vectors.len() as f64;
            let coefficients = karcher(&plane(vectors), 100, 1e-12);
            let sum =
                |f: fn(f64) -> f64| vectors.iter().zip(&coefficients).map(|((r, a), c)| c * r * f(*a)).sum::<f64>();
            let mean = |f: fn(&(f64, f64)) -> f64| vectors.iter().map(f).sum::<f64>() / n;
            let (length, angle) = (mean(|v| v.0), mean(|v| v.1));
            close(&[sum(f64::cos), sum(f64::sin)], &[length * angle.cos(), length * angle.sin()]);
        }
    }

    /// Vectors without a direction count for the length alone; where none has one there is nothing.
    #[test]
    fn karcher_of_short_vectors() {
        close(&karcher(&[vec![4.0, 0.0], vec![0.0, 0.0]], 10, 1e-5), &[0.5, 0.0]);
        close(&karcher(&[vec![0.0, 0.0], vec![0.0, 0.0]], 10, 1e-5), &[0.0, 0.0]);
        // Opposite vectors have no mean: the first one's direction.
        close(&karcher(&[vec![4.0, -4.0], vec![-4.0, 4.0]], 10, 1e-5), &[1.0, 0.0]);
    }
}
