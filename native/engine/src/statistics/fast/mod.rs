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
mod wide_vectors;

use super::summary::{Classes, Moments};
use crate::context::Context;
use crate::error::Result;
use crate::tensor::{Dtype, Tensor};
use crate::tiles;
use brackets::Bounds;
use element::{Bf16, Element, F16, F32};
use kept::{Codes, Keep, Values};
use sample::Sample;

/// Elements of one tile.
const TILE: u64 = 1 << 18;
/// Elements that go through one kernel after the other while they are in the first-level cache.
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
#[derive(Clone, Copy, Debug)]
struct Sums {
    /// Σ((x − pivot)·scale)^k for k = 1 … 4.
    powers: [f64; 4],
    /// Σ|x|·scale.
    l1: f64,
    min: f32,
    max: f32,
    zeros: u64,
    /// Zeros and subnormals.
    small: u64,
    /// False when an element is NaN or infinite; nothing else here means anything then.
    finite: bool,
}

impl Default for Sums {
    fn default() -> Self {
        Self { powers: [0.0; 4], l1: 0.0, min: f32::INFINITY, max: f32::NEG_INFINITY, zeros: 0, small: 0, finite: true }
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.powers.iter_mut().zip(other.powers).for_each(|(sum, other)| *sum += other);
        self.l1 += other.l1;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.zeros += other.zeros;
        self.small += other.small;
        self.finite &= other.finite;
    }
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
    reader: crate::tensor::Reader<'a>,
    /// Finite elements of a block that has others too.
    compacted: Vec<u8>,
    /// Keys inside the brackets, of one tile.
    keys: Vec<i32>,
    /// For each bracket, how many elements are at or above its lower end.
    at_or_above: [u64; 9],
    kept: K,
}

fn scan_elements<E: Element, K: Keep>(tensor: &Tensor, context: &Context) -> Result<Option<Scan>> {
    let sample = Sample::draw::<E>(tensor, context)?;
    let (Some(pivot), bounds) = (sample.pivot(), sample.bounds()) else { return Ok(None) };
    let init = || Worker {
        reader: tensor.reader(),
        compacted: Vec::new(),
        keys: Vec::new(),
        at_or_above: [0; 9],
        kept: K::new(&bounds, context.threads),
    };
    let (workers, parts) = tiles::for_each(context, tensor.count(), TILE, init, |worker, tile| {
        let bytes = worker.reader.elements(tile.start, (tile.end - tile.start) as usize)?;
        worker.keys.clear();
        let mut sums = Sums::default();
        let mut classes = Classes::default();
        for block in bytes.chunks(BLOCK * E::WIDTH) {
            let mut block = block;
            let mut part = E::measure(block, pivot);
            if !part.finite {
                element::compact::<E>(block, &mut classes, &mut worker.compacted);
                block = &worker.compacted;
                part = E::measure(block, pivot);
            }
            sums.add(&part);
            E::bracket(block, &bounds, &mut worker.at_or_above, &mut worker.keys);
        }
        classes.zeros = sums.zeros;
        classes.subnormals = sums.small - sums.zeros;
        worker.kept.keep(&worker.keys);
        Ok((sums, classes))
    })?;
    let mut sums = Sums::default();
    let mut classes = Classes::default();
    for (part, kinds) in &parts {
        sums.add(part);
        classes.add(kinds);
    }
    let finite = tensor.count() - classes.non_finite();
    let Some(moments) = moments(&sums, pivot, finite) else { return Ok(None) };
    let mut at_or_above = [0; 9];
    let mut kept = Vec::with_capacity(workers.len());
    for worker in workers {
        at_or_above.iter_mut().zip(worker.at_or_above).for_each(|(sum, part)| *sum += part);
        kept.push(worker.kept);
    }
    let quantiles = brackets::quantiles::<E, K>(&bounds, &at_or_above, finite, kept);
    Ok(Some(Scan { classes, range: (finite > 0).then_some((sums.min.into(), sums.max.into())), moments, quantiles }))
}

/// Moments about the mean of `n` elements; `None` when f32 or the pivot cost too many digits.
fn moments(sums: &Sums, pivot: Pivot, n: u64) -> Option<Moments> {
    if n == 0 {
        return Some(Moments::default());
    }
    let (center, scale) = (f64::from(pivot.value), f64::from(pivot.scale));
    let deviation = [sums.min, sums.max].map(|x| (f64::from(x) - center).abs() * scale);
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
