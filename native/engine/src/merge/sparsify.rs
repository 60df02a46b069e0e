//! From how task vectors are to be made sparse to masks, with what has to be known of whole tensors for that.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::arithmetic::{Arithmetic, Real};
use super::inputs::{Inputs, Pass, Piece};
use super::ranks::{Draw, Ranking};
use super::selection::{edges, subtract};
use super::sparse::Mask;
use crate::compute::Workspace;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::protocol::{MergeProfile, Sparsify};
use crate::tiles;

/// Longest line of elements that is ranked wherever it is read; the masks of longer ones are found beforehand, a bit each.
const LINE: u64 = 1 << 16;
/// Longest line that is ranked at all.
const MOST: u64 = 1 << 26;

/// Each input's mask, and what is multiplied by afterwards.
type Masks<A> = Vec<(Mask<A>, Option<<A as Arithmetic>::Real>)>;

/// The mask of each input. Rescaling restores Σ|τ| in the profile `mergekit`; in the profile `paper` what is kept by chance is
/// divided by its probability.
///
/// # Errors
/// `TooLarge` for ranks along lines of more than 2²⁶ elements, or masks that memory has no room for; `Cancelled`, `Io`,
/// `Truncated`.
pub fn masks<A: Arithmetic>(
    sparsify: &Sparsify,
    inputs: &Inputs,
    profile: MergeProfile,
    context: &Context,
) -> Result<Masks<A>> {
    let paper = profile == MergeProfile::Paper;
    let count = inputs.count();
    let whole = |density: f64| (density >= 1.0).then_some(Mask::All).or((density <= 0.0).then_some(Mask::Nothing));
    let mut scales: Vec<Option<A::Real>> = vec![None; inputs.len()];
    let (masks, rescale) = match sparsify {
        Sparsify::Magnitude { densities, rescale, cuts: Some(cuts) } => {
            let each = densities.iter().zip(cuts);
            let masks = each.map(|(&density, &cut)| whole(density).unwrap_or(Mask::Beyond(A::Real::of(cut))));
            (masks.collect(), *rescale)
        }
        Sparsify::Magnitude { densities, rescale, cuts: None } => {
            let bounds = densities.iter().map(|&density| (density, [share(density, count).max(1), 0]));
            (largest(bounds, inputs, context)?, *rescale)
        }
        Sparsify::Outliers { densities, rescale, gammas } => {
            let bounds = densities.iter().zip(gammas).map(|(&density, &gamma)| {
                let (keep, top) = (share(density, count), share(gamma, count));
                let lowest = count.saturating_sub(keep).saturating_sub(top);
                (density, [count - lowest, count - lowest - keep])
            });
            (largest(bounds, inputs, context)?, *rescale)
        }
        Sparsify::Random { densities, rescale, seeds } => {
            let each = densities.iter().zip(seeds).zip(&mut scales);
            let masks = each.map(|((&density, seed), scale)| {
                whole(density).unwrap_or_else(|| {
                    let chance = A::round_chance(A::Real::of(density)).wide();
                    *scale = (paper && *rescale).then(|| A::Real::of(1.0 / chance));
                    let below = (chance * 2f64.powi(32)).round();
                    // What rounds to 1 keeps all.
                    if below >= 2f64.powi(32) {
                        Mask::All
                    } else {
                        Mask::Drawn { seed: number(seed), below: below as u32 }
                    }
                })
            });
            (masks.collect(), *rescale && !paper)
        }
        Sparsify::Ranked { densities, rescale, epsilons, seeds } => {
            let draws = densities.iter().zip(epsilons).zip(seeds).map(|((&density, &epsilon), seed)| {
                whole(density).map_or_else(|| Ok(Draw::new::<A>(number(seed), density, epsilon)), Err)
            });
            (ranked(draws.collect(), inputs, (paper, paper && *rescale), context)?, *rescale && !paper)
        }
    };
    if rescale {
        scales =
            restoring(&masks, inputs, matches!(sparsify, Sparsify::Random { .. } | Sparsify::Ranked { .. }), context)?;
    }
    Ok(masks.into_iter().zip(scales).collect())
}

/// ⌊share·count⌋, as mergekit rounds it; no more than all.
fn share(share: f64, count: u64) -> u64 {
    ((share * count as f64) as u64).min(count)
}

/// A seed, which was checked to be a number.
fn number(seed: &str) -> u64 {
    seed.parse().unwrap_or_default()
}

/// Of each input the density and how many of its largest are kept, but for how many of its largest.
fn largest<A: Arithmetic>(
    bounds: impl Iterator<Item = (f64, [u64; 2])>,
    inputs: &Inputs,
    context: &Context,
) -> Result<Vec<Mask<A>>> {
    let count = inputs.count();
    let bounds: Vec<(f64, [u64; 2])> = bounds.collect();
    let divides = |density: f64, [within, without]: [u64; 2]| density > 0.0 && density < 1.0 && within > without;
    let mut wanted = Vec::new();
    for (input, &(density, bounds)) in bounds.iter().enumerate().filter(|_| count > 0) {
        if divides(density, bounds) {
            wanted.extend(bounds.into_iter().filter(|&bound| bound > 0).map(|bound| (input, bound)));
        }
    }
    let mut edges = edges::<A>(inputs, &wanted, context)?.into_iter();
    Ok(bounds
        .into_iter()
        .map(|(density, bounds)| match (density, divides(density, bounds) && count > 0) {
            (1.0.., _) => Mask::All,
            (_, false) => Mask::Nothing,
            (_, true) => {
                let within = edges.next().expect("an edge for each bound");
                Mask::Largest { within, without: if bounds[1] > 0 { edges.next() } else { None } }
            }
        })
        .collect())
}

/// Masks by rank: in the profile `mergekit` along the second axis (all of a vector), in the profile `paper` along the last; kept
/// values divided by their probability when `inverse`.
fn ranked<A: Arithmetic>(
    draws: Vec<std::result::Result<Draw<A::Real>, Mask<A>>>,
    inputs: &Inputs,
    (paper, inverse): (bool, bool),
    context: &Context,
) -> Result<Vec<Mask<A>>> {
    let shape = inputs.shape();
    let (length, stride) = match shape {
        [] => (1, 1),
        [.., last] if paper => (*last, 1),
        [length] => (*length, 1),
        [_, length, rest @ ..] => (*length, rest.iter().product()),
    };
    if length > MOST || inverse && length > LINE {
        return Err(Error::too_large(format!(
            "Ranks along lines of {length} elements (of shape {shape:?}) are too many to be had at once."
        )));
    }
    let near = stride == 1 && length <= LINE;
    let mut masks = Vec::with_capacity(draws.len());
    for (input, draw) in draws.into_iter().enumerate() {
        masks.push(match draw {
            Err(mask) => mask,
            Ok(_) if inputs.count() == 0 => Mask::All,
            Ok(draw) if near => Mask::Ranked { draw, length: length as usize, inverse },
            Ok(draw) => Mask::Bits(bits::<A>(draw, inputs, input, (length, stride), context)?),
        });
    }
    Ok(masks)
}

/// Lines side by side whose masks are found together.
const ABREAST: u64 = 64;

/// The mask of one input, ranked along lines of `length` elements `stride` apart.
fn bits<A: Arithmetic>(
    draw: Draw<A::Real>,
    inputs: &Inputs,
    input: usize,
    (length, stride): (u64, u64),
    context: &Context,
) -> Result<Arc<[u64]>> {
    let words = inputs.count().div_ceil(64);
    let lines = stride.min(ABREAST);
    let working = lines * length * (size_of::<A::Real>() as u64 * 3 + 16) * context.threads as u64;
    let _memory = Workspace::take(words * 8 + working, 0, context.cancel)?;
    let bits: Vec<AtomicU64> = (0..words).map(|_| AtomicU64::new(0)).collect();
    let groups = stride.div_ceil(lines);
    let slabs = inputs.count() / (length * stride);
    let start = || (inputs.reading::<A::Real>(), Ranking::default());
    tiles::for_each(&context.without_progress(), slabs * groups, 1, start, |(reading, ranking), job| {
        let (slab, from) = (job.start / groups * length * stride, job.start % groups * lines);
        let abreast = lines.min(stride - from) as usize;
        let mut keys = vec![Default::default(); abreast * length as usize];
        for row in 0..length {
            let first = slab + row * stride + from;
            let piece = reading.load(first..first + abreast as u64)?;
            let pairs = piece.of[input].iter().zip(piece.base).enumerate();
            for (line, (value, base)) in pairs {
                keys[line * length as usize + row as usize] = A::key(A::round(*value - *base));
            }
        }
        let (mut chances, mut word) = (Vec::new(), [0u32]);
        for (line, keys) in keys.chunks(length as usize).enumerate() {
            context.cancel.check()?;
            draw.chances::<A>(keys, ranking, &mut chances);
            for (row, chance) in (0..).zip(&chances) {
                let position = slab + row * stride + from + line as u64;
                draw.words(position, &mut word);
                if Draw::keeps(*chance, word[0]) {
                    bits[(position / 64) as usize].fetch_or(1 << (position % 64), Ordering::Relaxed);
                }
            }
        }
        Ok(())
    })?;
    Ok(bits.into_iter().map(AtomicU64::into_inner).collect())
}

/// What brings Σ|τ| of what each mask keeps back to that of all; nothing where there is nothing to bring back. Of random choices it
/// is not rounded beyond what these are made in.
fn restoring<A: Arithmetic>(
    masks: &[Mask<A>],
    inputs: &Inputs,
    random: bool,
    context: &Context,
) -> Result<Vec<Option<A::Real>>> {
    if !masks.iter().any(Mask::divides) {
        return Ok(vec![None; masks.len()]);
    }
    let unit = masks.iter().map(Mask::unit).max().unwrap_or(1);
    let (_, tiles) = inputs.pass(&Sums { masks, unit, arithmetic: PhantomData }, context)?;
    let mut sums = vec![[0f64; 2]; masks.len()];
    for tile in tiles {
        for (sum, part) in sums.iter_mut().zip(tile) {
            *sum = [sum[0] + part[0], sum[1] + part[1]];
        }
    }
    let round = |value: A::Real| if random { A::round_chance(value) } else { A::round(value) };
    let scale = |(mask, sums): (&Mask<A>, [f64; 2])| {
        // Beyond the type's numbers a sum is taken as it is.
        let [all, kept] =
            sums.map(|sum| Some(round(A::Real::of(sum)).wide()).filter(|sum| sum.is_finite()).unwrap_or(sum));
        let restores = mask.divides() && all >= 1e-7 && kept >= 1e-7;
        restores.then(|| round(A::Real::of(all / kept)))
    };
    Ok(masks.iter().zip(sums).map(scale).collect())
}

/// Σ|τ| of all elements and of those that each mask keeps.
struct Sums<'a, A: Arithmetic> {
    masks: &'a [Mask<A>],
    unit: u64,
    arithmetic: PhantomData<A>,
}

impl<A: Arithmetic> Pass<A::Real> for Sums<'_, A> {
    type State = ();
    type Part = Vec<[f64; 2]>;

    fn unit(&self) -> u64 {
        self.unit
    }

    fn state(&self) {}

    #[inline(always)]
    fn piece(&self, piece: &mut Piece<A::Real>, (): &mut (), sums: &mut Vec<[f64; 2]>) {
        sums.resize(self.masks.len(), [0.0; 2]);
        for ((mask, values), sums) in self.masks.iter().zip(&mut *piece.of).zip(sums) {
            if !mask.divides() {
                continue;
            }
            subtract::<A>(values, piece.base);
            sums[0] += sum_of_magnitudes(values);
            mask.apply(piece.first, values);
            sums[1] += sum_of_magnitudes(values);
        }
    }
}

/// Σ|x| in f64, in lanes that compilers turn into vectors.
#[inline(always)]
fn sum_of_magnitudes<R: Real>(values: &[R]) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0f64; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f64 = chunks.remainder().iter().map(|value| value.abs().wide()).sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += value.abs().wide());
    }
    lanes.iter().sum::<f64>() + rest
}
