//! A fixed sample of a tensor's elements.

use super::brackets::Bounds;
use super::element::Element;
use super::{Pivot, tiles};
use crate::context::Context;
use crate::error::Result;
use crate::protocol::Quantiles;
use crate::tensor::Tensor;

/// Neighbouring elements taken together: a few cache lines.
const RUN: u64 = 64;
/// Runs drawn in one piece of work.
const RUNS_PER_TILE: u64 = 256;
/// Fewest elements drawn.
const LEAST: u64 = 1 << 16;
/// One element in this many is drawn, up to the type's limit.
const SPARSITY: u64 = 256;
/// Half width of a bracket in standard errors of the sample's quantile.
const STANDARD_ERRORS: f64 = 4.0;
/// Largest |pivot|·scale.
const LARGEST_PIVOT: f64 = (1u64 << 40) as f64;

/// Deviations whose fourth powers are far from both ends of f32's range: 2⁻²⁰ … 2²⁰.
const USUAL_SIZES: std::ops::Range<f64> = 1.0 / (1u64 << 20) as f64..(1u64 << 20) as f64;

/// Keys of the sampled finite elements, and about their mean and deviation.
pub struct Sample {
    keys: Vec<i32>,
    mean: f64,
    deviation: f64,
}

impl Sample {
    /// Draws runs of elements, spread evenly with a jitter that only depends on their number.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Truncated`.
    pub fn draw<E: Element>(tensor: &Tensor, context: &Context) -> Result<Self> {
        let count = tensor.count();
        let runs = ((count / SPARSITY).clamp(LEAST, E::LARGEST_SAMPLE) / RUN).min(count / RUN);
        let spacing = count / runs;
        let quiet = Context { progress: &|_, _| {}, ..*context };
        let (_, parts) = tiles::for_each(
            &quiet,
            runs,
            RUNS_PER_TILE,
            || tensor.reader(),
            |reader, tile| {
                let mut keys = Vec::with_capacity(((tile.end - tile.start) * RUN) as usize);
                for run in tile {
                    // Each run may wait for the disk.
                    context.cancel.check()?;
                    let first = run * spacing + scramble(run) % (spacing - RUN + 1);
                    let bytes = reader.elements(first, RUN as usize)?;
                    keys.extend(bytes.chunks_exact(E::WIDTH).map(E::key).filter(|&key| E::from_key(key).is_finite()));
                }
                let values = keys.iter().map(|&key| f64::from(E::from_key(key)));
                let sums = values.fold([0.0; 2], |[sum, squares], x| [sum + x, squares + x * x]);
                Ok((keys, sums))
            },
        )?;
        let (mut keys, mut sum, mut squares) = (Vec::new(), 0.0, 0.0);
        for (part, [part_sum, part_squares]) in parts {
            keys.extend(part);
            sum += part_sum;
            squares += part_squares;
        }
        let mean = sum / keys.len() as f64;
        let deviation = (squares / keys.len() as f64 - mean * mean).max(0.0).sqrt();
        Ok(Self { keys, mean, deviation })
    }

    /// A pivot near the mean and a scale that keeps powers of deviations within f32; `None` without finite elements.
    pub fn pivot(&self) -> Option<Pivot> {
        if self.keys.is_empty() {
            return None;
        }
        // Zero costs no digits, so it is the pivot wherever it is near enough.
        let value = if self.mean.abs() > self.deviation / 4.0 { self.mean as f32 } else { 0.0 };
        let size = match (self.deviation, value.abs()) {
            (deviation, _) if deviation > 0.0 => deviation.max(f64::from(value.abs()) / LARGEST_PIVOT),
            (_, value) if value > 0.0 => value.into(),
            _ => 1.0,
        };
        // Powers of usual sizes need no scaling.
        let exponent = if USUAL_SIZES.contains(&size) { 0.0 } else { -size.log2().round().clamp(-100.0, 100.0) };
        Some(Pivot { value, scale: exponent.exp2() as f32 })
    }

    /// A bracket around each quantile that holds it unless the sample is far off.
    pub fn bounds<E: Element>(&self) -> Bounds {
        let size = self.keys.len() as f64;
        let ends = Quantiles::PROBABILITIES.map(|probability| {
            let error = STANDARD_ERRORS * (size * probability * (1.0 - probability)).sqrt() + 2.0;
            [size * probability - error, size * probability + error]
        });
        // Ranks beyond both ends of the sample bound nothing.
        let inside = |rank: &f64| (0.0..size).contains(rank);
        let ranks: Vec<usize> = ends.iter().flatten().filter(|rank| inside(rank)).map(|rank| *rank as usize).collect();
        let mut keys = at_ranks::<E>(&self.keys, &ranks).into_iter();
        let mut next = |rank: f64| if inside(&rank) { keys.next() } else { None };
        let mut bounds = Bounds { low: [i32::MIN; 9], high: [i32::MAX; 9] };
        for (index, [low, high]) in ends.into_iter().enumerate() {
            bounds.low[index] = next(low).unwrap_or(i32::MIN);
            bounds.high[index] = next(high).map_or(i32::MAX, |key| key.saturating_add(1));
        }
        bounds
    }
}

/// The keys at `ranks`, each less than the number of keys, in their order: counts the leading 16 bits of each key and sorts only
/// those keys that share theirs with a key looked for.
fn at_ranks<E: Element>(keys: &[i32], ranks: &[usize]) -> Vec<i32> {
    let shift = 8 * E::WIDTH - 16;
    let place = |key: i32| ((key >> shift) + (1 << 15)) as usize & 0xffff;
    let mut counts = vec![0usize; 1 << 16];
    keys.iter().for_each(|&key| counts[place(key)] += 1);
    let mut ends = counts;
    for index in 1..ends.len() {
        ends[index] += ends[index - 1];
    }
    let holder = |rank: usize| ends.partition_point(|&end| end <= rank);
    let mut sought = vec![false; 1 << 16];
    ranks.iter().for_each(|&rank| sought[holder(rank)] = true);
    let mut held: Vec<i32> = keys.iter().copied().filter(|&key| sought[place(key)]).collect();
    held.sort_unstable();
    let find = |&rank: &usize| {
        let bucket = holder(rank);
        let before = if bucket == 0 { 0 } else { ends[bucket - 1] };
        held[held.partition_point(|&key| place(key) < bucket) + rank - before]
    };
    ranks.iter().map(find).collect()
}

/// A well-mixed function of `x` (the finaliser of SplitMix64).
fn scramble(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
