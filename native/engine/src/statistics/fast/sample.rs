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

/// Keys of the sampled finite elements, ascending, and their mean and deviation.
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
                Ok(keys)
            },
        )?;
        let mut keys = parts.concat();
        let (mean, deviation) = spread(keys.iter().map(|&key| f64::from(E::from_key(key))));
        if context.threads > 1 {
            rayon::slice::ParallelSliceMut::par_sort_unstable(&mut keys[..]);
        } else {
            keys.sort_unstable();
        }
        Ok(Self { keys, mean, deviation })
    }

    /// A pivot near the mean and a scale that makes the deviation about 1; `None` without finite elements.
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
        let exponent = -size.log2().round().clamp(-100.0, 100.0);
        Some(Pivot { value, scale: exponent.exp2() as f32 })
    }

    /// A bracket around each quantile that holds it unless the sample is far off.
    pub fn bounds(&self) -> Bounds {
        let size = self.keys.len() as f64;
        let mut bounds = Bounds { low: [i32::MIN; 9], high: [i32::MAX; 9] };
        for (index, probability) in Quantiles::PROBABILITIES.into_iter().enumerate() {
            let error = STANDARD_ERRORS * (size * probability * (1.0 - probability)).sqrt() + 2.0;
            let (below, above) = (size * probability - error, size * probability + error);
            if below >= 0.0 {
                bounds.low[index] = self.keys[below as usize];
            }
            if above < size {
                bounds.high[index] = self.keys[above as usize].saturating_add(1);
            }
        }
        bounds
    }
}

/// Mean and standard deviation.
fn spread(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let deviation = (values.map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    (mean, deviation)
}

/// A well-mixed function of `x` (the finaliser of SplitMix64).
fn scramble(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
