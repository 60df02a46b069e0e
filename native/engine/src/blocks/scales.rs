//! How the scales of quantised blocks are distributed, and how many codes lie at the ends of their range.

use super::decode;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::protocol::{BlockScalesResult, BlockType, How, OctaveHistogram};
use crate::tensor::Tensor;
use crate::tiles;

/// Blocks of one tile.
const TILE: u64 = 1 << 12;
/// Bins of a factor of two: as many as two bits of the mantissa tell apart.
const BINS_PER_OCTAVE: u64 = 4;

/// Where a type keeps its codes, and what they reach from and to.
struct Codes {
    /// Elements that share a scale.
    per_scale: usize,
    /// Bytes of the codes in a block.
    from: usize,
    to: usize,
    /// Bytes that set every code to the lowest and to the highest.
    lowest: u8,
    highest: u8,
    /// Scales between the lowest and the highest value.
    range: f64,
}

fn codes_of(r#type: BlockType) -> Option<Codes> {
    let codes = |per_scale, (from, to), (lowest, highest), range| Codes { per_scale, from, to, lowest, highest, range };
    let all = (0x00, 0xff);
    // Symmetric quantisers do not use −128.
    let signed = (0x81, 0x7f);
    // E2M1: −6 and 6.
    let e2m1 = (0xff, 0x77);
    Some(match r#type {
        BlockType::Q4_0 => codes(32, (2, 18), all, 15.0),
        BlockType::Q4_1 => codes(32, (4, 20), all, 15.0),
        BlockType::Q5_0 => codes(32, (2, 22), all, 31.0),
        BlockType::Q5_1 => codes(32, (4, 24), all, 31.0),
        BlockType::Q8_0 => codes(32, (2, 34), signed, 254.0),
        BlockType::Q8_1 => codes(32, (4, 36), signed, 254.0),
        BlockType::Q2_K => codes(16, (16, 80), all, 3.0),
        BlockType::Q3_K => codes(16, (0, 96), all, 7.0),
        BlockType::Q4_K => codes(32, (16, 144), all, 15.0),
        BlockType::Q5_K => codes(32, (16, 176), all, 31.0),
        BlockType::Q6_K => codes(16, (0, 192), all, 63.0),
        BlockType::Q8_K => codes(256, (4, 260), signed, 254.0),
        BlockType::IQ4_NL => codes(32, (2, 18), all, 240.0),
        BlockType::IQ4_XS => codes(32, (8, 136), all, 240.0),
        BlockType::TQ1_0 => codes(256, (0, 52), all, 2.0),
        BlockType::TQ2_0 => codes(256, (0, 64), (0x00, 0xaa), 2.0),
        BlockType::MXFP4 => codes(32, (1, 17), e2m1, 12.0),
        BlockType::NVFP4 => codes(16, (4, 36), e2m1, 12.0),
        BlockType::Q1_0 => codes(128, (2, 18), all, 2.0),
        BlockType::IQ1_S
        | BlockType::IQ1_M
        | BlockType::IQ2_XXS
        | BlockType::IQ2_XS
        | BlockType::IQ2_S
        | BlockType::IQ3_XXS
        | BlockType::IQ3_S => return None,
    })
}

/// What one worker counted.
#[derive(Default)]
struct Tally {
    zeros: u64,
    non_finite: u64,
    least: f64,
    greatest: f64,
    /// By exponent and the first two bits of the mantissa.
    bins: std::collections::BTreeMap<i64, u64>,
    codes: u64,
    lowest: u64,
    highest: u64,
}

impl Tally {
    fn new() -> Self {
        Self { least: f64::INFINITY, ..Self::default() }
    }

    /// One scale and its elements: values of the lowest code, of the highest, and as stored.
    fn add(&mut self, low: f32, high: f32, range: f64, values: &[f32]) {
        let scale = (f64::from(high) - f64::from(low)).abs() / range;
        if !scale.is_finite() {
            self.non_finite += 1;
            return;
        }
        if scale == 0.0 {
            self.zeros += 1;
            return;
        }
        self.least = self.least.min(scale);
        self.greatest = self.greatest.max(scale);
        *self.bins.entry(bin_of(scale)).or_default() += 1;
        self.codes += values.len() as u64;
        let (at_low, at_high) = match low < high {
            true => (
                values.iter().filter(|&&value| value <= low).count(),
                values.iter().filter(|&&value| value >= high).count(),
            ),
            // A negative scale.
            false => (
                values.iter().filter(|&&value| value >= low).count(),
                values.iter().filter(|&&value| value <= high).count(),
            ),
        };
        self.lowest += at_low as u64;
        self.highest += at_high as u64;
    }

    fn merge(mut self, other: Self) -> Self {
        for (bin, count) in other.bins {
            *self.bins.entry(bin).or_default() += count;
        }
        Self {
            zeros: self.zeros + other.zeros,
            non_finite: self.non_finite + other.non_finite,
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
            bins: self.bins,
            codes: self.codes + other.codes,
            lowest: self.lowest + other.lowest,
            highest: self.highest + other.highest,
        }
    }

    /// The bins from the first octave that has any to the last.
    fn histogram(&self) -> OctaveHistogram {
        let per_octave = BINS_PER_OCTAVE as i64;
        let octave = |bin: Option<(&i64, &u64)>| bin.map_or(0, |(bin, _)| bin.div_euclid(per_octave));
        let (first, last) = (octave(self.bins.first_key_value()), octave(self.bins.last_key_value()));
        let bins = if self.bins.is_empty() { 0..0 } else { first * per_octave..(last + 1) * per_octave };
        OctaveHistogram {
            min_exponent: first,
            bins_per_octave: BINS_PER_OCTAVE,
            counts: bins.map(|bin| self.bins.get(&bin).copied().unwrap_or(0)).collect(),
        }
    }
}

/// Four times the exponent of a normal number, and the first two bits of its mantissa.
fn bin_of(scale: f64) -> i64 {
    (scale.to_bits() >> 50) as i64 - 1023 * BINS_PER_OCTAVE as i64
}

/// Counts scales and codes of a whole tensor of blocks. A scale is what neighbouring codes differ by (of types whose codes
/// are not evenly spaced, what table or E2M1 entries are multiplied by).
///
/// # Errors
/// `Undefined` for a tensor that is no whole range of blocks, or of points of a grid (IQ1, IQ2, IQ3); `Cancelled`, `Io`,
/// `Truncated`.
pub fn block_scales(tensor: &Tensor, context: &Context) -> Result<BlockScalesResult> {
    let Some((r#type, blocks, source)) = tensor.stored_blocks() else {
        return Err(Error::undefined("Only a whole tensor of quantised blocks has block scales."));
    };
    let Some(codes) = codes_of(r#type) else {
        return Err(Error::undefined(format!(
            "{type:?} stores points of a grid, which have no lowest and highest code."
        )));
    };
    let (bytes, elements) = (r#type.bytes(), r#type.elements());
    let start = || (Vec::new(), Vec::new(), vec![vec![0f32; elements]; 3], Tally::new());
    let (states, _) = tiles::for_each(context, blocks, TILE, start, |(buffer, block, values, tally), tile| {
        let length = (tile.end - tile.start) as usize * bytes;
        let stored = source.bytes(tile.start * bytes as u64, length, buffer)?;
        for stored in stored.chunks_exact(bytes) {
            decode(r#type, stored, &mut values[0]);
            for (fill, values) in [codes.lowest, codes.highest].into_iter().zip(&mut values[1..]) {
                block.clear();
                block.extend_from_slice(stored);
                block[codes.from..codes.to].fill(fill);
                decode(r#type, block, values);
            }
            for first in (0..elements).step_by(codes.per_scale) {
                let shared = &values[0][first..first + codes.per_scale];
                tally.add(values[1][first], values[2][first], codes.range, shared);
            }
        }
        Ok(())
    })?;
    tensor.check()?;
    let tally = states.into_iter().map(|(.., tally)| tally).fold(Tally::new(), Tally::merge);
    let ends = if tally.bins.is_empty() { (f64::NAN, f64::NAN) } else { (tally.least, tally.greatest) };
    Ok(BlockScalesResult {
        r#type,
        blocks,
        scales: blocks * (elements / codes.per_scale) as u64,
        zeros: tally.zeros,
        non_finite: tally.non_finite,
        min: ends.0.into(),
        max: ends.1.into(),
        histogram: tally.histogram(),
        codes: tally.codes,
        lowest: tally.lowest,
        highest: tally.highest,
        how: How::exact("scales from decoded lowest and highest codes", "f64", context.threads),
    })
}
