//! SCE (Wan et al., FuseChat, 2024): select the elements that vary most, calculate each task vector's weight from its energy, erase
//! signs of the minority.

use std::marker::PhantomData;
use std::ops::Range;

use super::arithmetic::{Arithmetic, Real, in_steps};
use super::gram::{subtract_base, sum_of};
use super::inputs::{Inputs, Pass, Piece};
use super::method::Method;
use super::order::{self, Ordered, Quantity};
use crate::context::Context;
use crate::error::Result;

/// Energies whose sum is smaller count as equal; sums of weights below are taken to be this.
const LEAST: f64 = 1e-6;
/// Elements worked on at once.
const BLOCK: usize = 64;

/// base + Σ w_i τ_i / Σ w_i over the inputs whose τ has the sign of the sum, of the selected elements.
#[derive(Debug)]
pub struct Sce<A: Arithmetic> {
    selected: Selected<A::Real>,
    weights: Vec<A::Real>,
    least: A::Real,
}

impl<A: Arithmetic> Sce<A>
where
    A::Real: Ordered,
{
    /// With the share `top_k` of the elements whose variance over the inputs is not 0: those with the largest. Of equal ones the first
    /// are taken.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Truncated`.
    pub fn new(top_k: f64, inputs: &Inputs, context: &Context) -> Result<Self> {
        let selected = Selected::of::<A>(top_k, inputs, context)?;
        let energies = Energies::<A> { selected, n: inputs.len(), arithmetic: PhantomData };
        let (_, parts) = inputs.pass::<A::Real, _>(&energies, context)?;
        let mut energies = vec![0f64; inputs.len()];
        for part in parts {
            energies.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        let weights = weights::<A>(&energies, inputs.count()).into_iter().map(A::Real::of).collect();
        Ok(Self { selected, weights, least: A::Real::of(in_steps::<A>(LEAST)) })
    }
}

/// Weights from the sums of squares of `count` elements each.
fn weights<A: Arithmetic>(energies: &[f64], count: u64) -> Vec<f64> {
    let step = in_steps::<A>;
    let means: Vec<f64> = energies.iter().map(|energy| step(energy / count as f64)).collect();
    let sum = step(means.iter().sum());
    let share = |mean: f64| if sum.abs() < LEAST { 1.0 / energies.len() as f64 } else { mean / sum };
    means.into_iter().map(|mean| step(share(mean))).collect()
}

/// Which elements take part; τ of the others is 0.
#[derive(Clone, Copy, Debug)]
enum Selected<R> {
    All,
    None,
    /// Those with a variance beyond this one, and those that have it up to this position.
    From {
        variance: R,
        last: u64,
    },
}

impl<R: Ordered> Selected<R> {
    fn of<A: Arithmetic<Real = R>>(top_k: f64, inputs: &Inputs, context: &Context) -> Result<Self> {
        if top_k >= 1.0 {
            return Ok(Self::All);
        }
        if top_k <= 0.0 {
            return Ok(Self::None);
        }
        let variances = Variances::<A>(PhantomData);
        let ranks = |varying: u64| {
            // A product of f32, as mergekit's is.
            let taken = (varying as f32 * top_k as f32) as u64;
            if taken == 0 { Vec::new() } else { vec![inputs.count() - taken.min(varying)] }
        };
        let places = order::select(inputs, &variances, ranks, context)?;
        let Some(place) = places.first() else { return Ok(Self::None) };
        let last = place.equal.saturating_sub(place.among_equal + 1);
        let last = order::position(inputs, &variances, place.value, last, context)?;
        Ok(Self::From { variance: place.value, last })
    }
}

impl<R: Real> Selected<R> {
    /// Sets the τ that are left out to 0, in the block `range` of a piece that starts at position `first`; NaN stays.
    #[inline(always)]
    fn mask<A: Arithmetic<Real = R>>(self, of: &mut [Vec<R>], first: u64, range: Range<usize>) {
        let mut kept = [R::ONE; BLOCK];
        match self {
            Self::All => return,
            Self::None => kept = [R::ZERO; BLOCK],
            Self::From { variance, last } => {
                let variances = variances::<A>(of, range.clone());
                for ((kept, value), position) in kept.iter_mut().zip(variances).zip(first + range.start as u64..) {
                    // NaN counts as large.
                    if value < variance || value == variance && position > last {
                        *kept = R::ZERO;
                    }
                }
            }
        }
        for values in of {
            values[range.clone()].iter_mut().zip(kept).for_each(|(value, kept)| *value = *value * kept);
        }
    }
}

/// Of at most `BLOCK` elements over all inputs, the mean square distance from their mean.
#[inline(always)]
fn variances<A: Arithmetic>(of: &[Vec<A::Real>], range: Range<usize>) -> [A::Real; BLOCK] {
    let n = of.len() as f64;
    let mut means = [0f64; BLOCK];
    for values in of {
        means.iter_mut().zip(&values[range.clone()]).for_each(|(sum, value)| *sum += value.wide());
    }
    means.iter_mut().for_each(|mean| *mean /= n);
    let mut squares = [0f64; BLOCK];
    for values in of {
        for ((square, mean), value) in squares.iter_mut().zip(&means).zip(&values[range.clone()]) {
            let distance = value.wide() - mean;
            *square += distance * distance;
        }
    }
    squares.map(|square| A::round(A::Real::of(square / n)))
}

/// `count` elements in blocks.
fn blocks(count: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(BLOCK).map(move |start| start..count.min(start + BLOCK))
}

/// The variance of each element's τ.
struct Variances<A>(PhantomData<A>);

impl<A: Arithmetic> Quantity<A::Real> for Variances<A> {
    #[inline(always)]
    fn of(&self, piece: &mut Piece<A::Real>) {
        subtract_base::<A>(piece);
        for range in blocks(piece.base.len()) {
            let variances = variances::<A>(piece.of, range.clone());
            piece.of[0][range.clone()].copy_from_slice(&variances[..range.len()]);
        }
    }
}

/// Sums of squares of each input's selected τ.
struct Energies<A: Arithmetic> {
    selected: Selected<A::Real>,
    n: usize,
    arithmetic: PhantomData<A>,
}

impl<A: Arithmetic> Pass<A::Real> for Energies<A> {
    type State = ();
    type Part = Vec<f64>;

    fn state(&self) {}

    #[inline(always)]
    fn piece(&self, piece: &mut Piece<A::Real>, (): &mut (), sums: &mut Vec<f64>) {
        subtract_base::<A>(piece);
        sums.resize(self.n, 0.0);
        for range in blocks(piece.base.len()) {
            self.selected.mask::<A>(piece.of, piece.first, range);
        }
        for (sum, values) in sums.iter_mut().zip(&*piece.of) {
            *sum += sum_of(values, values, |value, _| A::mul(value, value).wide());
        }
    }
}

impl<A: Arithmetic> Method<A::Real> for Sce<A> {
    #[inline(always)]
    fn merge(&self, piece: &mut Piece<A::Real>, out: &mut [A::Real]) {
        subtract_base::<A>(piece);
        let zero = A::Real::ZERO;
        for range in blocks(out.len()) {
            self.selected.mask::<A>(piece.of, piece.first, range.clone());
            let (mut signs, mut sums, mut weights) = ([zero; BLOCK], [zero; BLOCK], [zero; BLOCK]);
            for values in &*piece.of {
                signs.iter_mut().zip(&values[range.clone()]).for_each(|(sum, value)| *sum += *value);
            }
            for (values, weight) in piece.of.iter().zip(&self.weights) {
                let values = values[range.clone()].iter().zip(&signs);
                for ((value, sign), (sum, total)) in values.zip(sums.iter_mut().zip(&mut weights)) {
                    // A sum of 0 elects the positive ones.
                    let elected = if *sign >= zero { *value > zero } else { *value < zero };
                    let weight = if elected { *weight } else { zero };
                    *sum += A::mul(*value, weight);
                    *total += weight;
                }
            }
            let merged = sums.iter().zip(weights).zip(&piece.base[range.clone()]);
            for (out, ((sum, weight), base)) in out[range].iter_mut().zip(merged) {
                let weight = A::round(weight);
                let weight = if weight < self.least { self.least } else { weight };
                *out = A::add(*base, A::div(A::round(*sum), weight));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::arithmetic::Double;
    use super::*;

    #[test]
    fn weights_are_shares_of_the_energy() {
        assert_eq!(weights::<Double>(&[6.0, 2.0], 2), [0.75, 0.25]);
        assert_eq!(weights::<Double>(&[6e-7, 2e-7], 1), [0.5, 0.5]);
    }

    #[test]
    fn population_variance() {
        let of = [vec![1.0, 5.0], vec![3.0, 5.0], vec![8.0, 5.0]];
        assert_eq!(variances::<Double>(&of, 0..2)[..2], [26.0 / 3.0, 0.0]);
    }
}
