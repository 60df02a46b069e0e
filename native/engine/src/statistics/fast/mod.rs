//! BF16, F16 and F32 at memory bandwidth: moments and quantiles together in one pass.
//!
//! A sample says about where each quantile lies. The pass counts the elements at or above the lower end of a bracket
//! around each, and keeps the few elements inside the brackets; where a bracket caught its quantile, counts and kept
//! elements give its exact value. Where one did not (the sample misled), the quantiles are selected in further passes.
//! Sums are taken about a pivot near the mean, scaled so that fourth powers stay within f32.

mod brackets;
mod element;
mod kept;
mod portable;
mod sample;
#[cfg(avx512)]
#[expect(clippy::incompatible_msrv, reason = "build.rs sets the cfg only for compilers that have these intrinsics")]
mod wide_vectors;

use super::summary::{Classes, Moments};
use crate::context::Context;
use crate::error::Result;
use crate::tensor::{Dtype, Reader, Tensor};
use crate::tiles;
use element::{Bf16, Element, F16, F32};
use kept::{Codes, Keep, Values};
use sample::Sample;

/// Elements of one tile.
const TILE: u64 = 1 << 18;
/// Elements swept at once: their counts fit 16 bits, and those of a block with NaN are swept again.
const BLOCK: usize = 1 << 12;
/// Elements from which the sample pays.
const WORTHWHILE: u64 = 1 << 20;
/// Largest |x − pivot|·scale whose fourth powers f32 can add up.
const LARGEST_DEVIATION: f64 = 1e8;
/// Share of Σ(x−pivot)² that must be left about the mean; less means that the pivot lost too many digits.
const LEAST_SHARE: f64 = 0.01;

/// What one pass found.
pub struct Scan {
    pub classes: Classes,
    /// Least and greatest finite element.
    pub range: Option<(f64, f64)>,
    pub moments: Moments,
    /// The quantiles of the finite elements; `None` when a bracket missed.
    pub quantiles: Option<[f64; 9]>,
}

/// Where sums are taken about: they are of (x − value)·scale.
#[derive(Clone, Copy, Debug)]
struct Pivot {
    value: f32,
    /// A power of two.
    scale: f32,
}

/// What the kernels add up over a block of elements.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    /// Σ((x − pivot)·scale)^k for k = 1 … 4.
    powers: [f64; 4],
    /// Σ|x|·scale.
    l1: f64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.powers.iter_mut().zip(other.powers).for_each(|(sum, other)| *sum += other);
        self.l1 += other.l1;
    }

    /// False when an element is NaN or infinite (or too far from the pivot for f32).
    fn is_finite(&self) -> bool {
        self.powers[0].is_finite()
    }
}

/// What the elements held back by the sieve say about all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Survey {
    /// Keys of the least and the greatest element.
    min: i32,
    max: i32,
    zeros: u64,
    /// Zeros and subnormals.
    small: u64,
}

/// Scans `tensor`; `None` when another way is better: a type or processor without kernels for it, a small tensor, or
/// elements so far apart that f32 cannot hold their powers.
///
/// # Errors
/// `Cancelled`, `Io`, `Truncated`.
pub fn scan(tensor: &Tensor, context: &Context) -> Result<Option<Scan>> {
    if tensor.count() < WORTHWHILE {
        return Ok(None);
    }
    match tensor.dtype() {
        Dtype::F32 => scan_elements::<F32, Values>(tensor, context),
        // Without wide vectors, counting every code is faster.
        Dtype::BF16 if element::has_wide_vectors() => scan_elements::<Bf16, Codes>(tensor, context),
        Dtype::F16 if element::has_wide_vectors() => scan_elements::<F16, Codes>(tensor, context),
        _ => Ok(None),
    }
}

/// What one worker holds.
struct Worker<'a, K> {
    reader: Reader<'a>,
    /// Finite elements of a block that has others too.
    compacted: Vec<u8>,
    /// Elements of one tile that the sieve held back, and the keys of those inside brackets.
    chosen: Vec<u8>,
    inside: Vec<i32>,
    counts: Counts,
    kept: K,
}

/// Counts that need no order.
#[derive(Clone, Copy)]
struct Counts {
    /// Elements below each middle bracket.
    middle: [u64; 3],
    /// Elements held back, and those of them below each bracket.
    chosen: u64,
    tails: [u64; 9],
    survey: Survey,
    classes: Classes,
}

impl Counts {
    fn new() -> Self {
        Self {
            middle: [0; 3],
            chosen: 0,
            tails: [0; 9],
            survey: Survey { min: i32::MAX, max: i32::MIN, zeros: 0, small: 0 },
            classes: Classes::default(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.middle.iter_mut().zip(other.middle).for_each(|(sum, part)| *sum += part);
        self.tails.iter_mut().zip(other.tails).for_each(|(sum, part)| *sum += part);
        self.chosen += other.chosen;
        self.survey.min = self.survey.min.min(other.survey.min);
        self.survey.max = self.survey.max.max(other.survey.max);
        self.survey.zeros += other.survey.zeros;
        self.survey.small += other.survey.small;
        self.classes.add(&other.classes);
    }
}

fn scan_elements<E: Element, K: Keep>(tensor: &Tensor, context: &Context) -> Result<Option<Scan>> {
    let sample = Sample::draw::<E>(tensor, context)?;
    let Some(pivot) = sample.pivot() else { return Ok(None) };
    let bounds = sample.bounds::<E>();
    drop(sample);
    let sieve = bounds.sieve();
    let init = || Worker {
        reader: tensor.reader(),
        compacted: Vec::new(),
        chosen: Vec::new(),
        inside: Vec::new(),
        counts: Counts::new(),
        kept: K::new(&bounds, context.threads),
    };
    let (workers, sums) = tiles::for_each(context, tensor.count(), TILE, init, |worker, tile| {
        let bytes = worker.reader.elements(tile.start, (tile.end - tile.start) as usize)?;
        let counts = &mut worker.counts;
        worker.chosen.clear();
        worker.inside.clear();
        let mut sums = Sums::default();
        for block in bytes.chunks(BLOCK * E::WIDTH) {
            let before = (counts.middle, worker.chosen.len());
            let mut part = E::sweep(block, pivot, &sieve, &mut counts.middle, &mut worker.chosen);
            if !part.is_finite() {
                counts.middle = before.0;
                worker.chosen.truncate(before.1);
                element::compact::<E>(block, &mut counts.classes, &mut worker.compacted);
                part = E::sweep(&worker.compacted, pivot, &sieve, &mut counts.middle, &mut worker.chosen);
            }
            sums.add(&part);
        }
        counts.chosen += (worker.chosen.len() / E::WIDTH) as u64;
        E::survey(&worker.chosen, &mut counts.survey);
        E::bracket(&worker.chosen, &bounds, &mut counts.tails, &mut worker.inside);
        worker.kept.keep(&worker.inside);
        Ok(sums)
    })?;
    let total = sums.iter().fold(Sums::default(), |mut total, part| {
        total.add(part);
        total
    });
    let mut counts = Counts::new();
    let mut kept = Vec::with_capacity(workers.len());
    for worker in workers {
        counts.add(&worker.counts);
        kept.push(worker.kept);
    }
    let finite = tensor.count() - counts.classes.non_finite();
    let range = [counts.survey.min, counts.survey.max].map(|key| f64::from(E::from_key(key)));
    let Some(moments) = moments(&total, range, pivot, finite) else { return Ok(None) };
    let below = brackets::below_brackets(finite, counts.middle, counts.chosen, counts.tails);
    let quantiles = brackets::quantiles::<E, K>(&bounds, &below, finite, kept);
    let survey = counts.survey;
    let classes = Classes { zeros: survey.zeros, subnormals: survey.small - survey.zeros, ..counts.classes };
    Ok(Some(Scan { classes, range: (finite > 0).then_some((range[0], range[1])), moments, quantiles }))
}

/// Moments about the mean of `n` elements between the ends of `range`; `None` when f32 or the pivot cost too many digits.
fn moments(sums: &Sums, range: [f64; 2], pivot: Pivot, n: u64) -> Option<Moments> {
    if n == 0 {
        return Some(Moments::default());
    }
    let (center, scale) = (f64::from(pivot.value), f64::from(pivot.scale));
    let deviation = range.map(|x| (x - center).abs() * scale);
    if deviation[0].max(deviation[1]) > LARGEST_DEVIATION {
        return None;
    }
    let n = n as f64;
    let [s1, s2, s3, s4] = sums.powers;
    let d = s1 / n;
    let m2 = s2 - n * d * d;
    if m2 < LEAST_SHARE * s2 {
        return None;
    }
    let scaled = Moments {
        n,
        mean: d,
        m2,
        m3: s3 - 3.0 * d * s2 + 2.0 * n * d.powi(3),
        m4: s4 - 4.0 * d * s3 + 6.0 * d * d * s2 - 3.0 * n * d.powi(4),
        l1: sums.l1,
    };
    let moments = scaled.scaled(scale.recip());
    Some(Moments { mean: center + moments.mean, ..moments })
}

#[cfg(all(test, avx512))]
mod tests {
    use super::brackets::Bounds;
    use super::*;

    /// Elements of all sizes, with zeros and subnormals; not finite ones are dropped.
    fn elements<E: Element>(count: usize, mut seed: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count * E::WIDTH {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut element = (seed >> 32).to_le_bytes()[..E::WIDTH].to_vec();
            if seed >> 29 & 7 == 0 {
                element.fill(0);
            }
            // Magnitudes up to about 2, so that powers stay in range.
            let value = E::from_key(E::key(&element));
            if value.abs() < 2.0 {
                bytes.extend(element);
            }
        }
        bytes
    }

    fn agree<E: Element>(pivot: Pivot, centred: bool) {
        if !element::has_wide_vectors() {
            return;
        }
        for count in [0, 1, 15, 16, 17, 31, 32, 33, 64, 1000, BLOCK] {
            let bytes = elements::<E>(count, count as u64);
            let mut keys: Vec<i32> = bytes.chunks_exact(E::WIDTH).map(E::key).collect();
            keys.extend([i32::MIN, i32::MAX]);
            keys.sort_unstable();
            let at = |share: usize| keys[(keys.len() - 1) * share / 18];
            let mut bounds =
                Bounds { low: std::array::from_fn(|i| at(2 * i)), high: std::array::from_fn(|i| at(2 * i + 1)) };
            if centred {
                // The bracket of the median holds zeros and subnormals.
                (bounds.low[4], bounds.high[4]) = (-E::SMALL_KEYS, E::SMALL_KEYS);
            }
            let sieve = bounds.sieve();
            let (mut below, mut chosen) = ([[0; 3]; 2], [Vec::new(), Vec::new()]);
            let wide = E::sweep(&bytes, pivot, &sieve, &mut below[0], &mut chosen[0]);
            let plain = portable::sweep::<E>(&bytes, pivot, &sieve, &mut below[1], &mut chosen[1]);
            for (a, b) in wide.powers.iter().chain([&wide.l1]).zip(plain.powers.iter().chain([&plain.l1])) {
                assert!((a - b).abs() <= 1e-6 * (count as f64 + 1.0), "{wide:?} {plain:?}");
            }
            assert_eq!(below[0], below[1], "{count}");
            assert_eq!(chosen[0], chosen[1], "{count}");
            let (mut below, mut inside) = ([[0; 9]; 2], [Vec::new(), Vec::new()]);
            E::bracket(&bytes, &bounds, &mut below[0], &mut inside[0]);
            portable::bracket::<E>(&bytes, &bounds, &mut below[1], &mut inside[1]);
            assert_eq!(below[0], below[1], "{count}");
            assert_eq!(inside[0], inside[1], "{count}");
            let mut surveys = [Counts::new().survey; 2];
            E::survey(&bytes, &mut surveys[0]);
            portable::survey::<E>(&bytes, &mut surveys[1]);
            assert_eq!(surveys[0], surveys[1], "{count}");
        }
    }

    #[test]
    fn wide_vectors_do_what_the_portable_kernels_do() {
        for (pivot, centred) in [(Pivot { value: 0.25, scale: 2.0 }, false), (Pivot { value: 0.0, scale: 1.0 }, true)] {
            agree::<F32>(pivot, centred);
            agree::<Bf16>(pivot, centred);
            agree::<F16>(pivot, centred);
        }
    }
}
