//! BF16, F16 and F32 pairs at memory bandwidth, on processors with AVX2, FMA and F16C.
//!
//! Elements of 16 bits are subtracted and multiplied in f32, where products are exact, and added up in f32 in short runs, then
//! in f64; elements of 32 bits are worked on in f64. Blocks that this does not suit (something is not finite, squares that f32
//! cannot hold, comparisons that f32 leaves in doubt) are refused, to be worked on in f64.

#[cfg(target_arch = "x86_64")]
mod avx2;

use super::sums::Sums;
use crate::tensor::Dtype;

/// Elements of a block: their counts fit 16 bits, and both sides the nearest cache.
pub const BLOCK: usize = 1 << 12;
/// Share of a magnitude that rounding to f32 takes away at most.
const ROUNDING: f64 = f64::from_bits((1023 - 23) << 52);

/// What a kernel finds in a block.
pub struct Block {
    pub sums: Sums,
    pub differing: u64,
    pub beyond: u64,
    pub flips: u64,
    /// The largest |b − a|, of elements of 16 bits rounded to f32.
    largest: f64,
    /// Whether none near it was rounded.
    exact: bool,
}

type Largest = fn(a: &[u8], b: &[u8]) -> f64;

/// Kernels for one type.
#[derive(Clone, Copy)]
pub struct Kernels {
    /// Works on the bytes of both sides, at most `BLOCK` elements, with a tolerance; `None` for what it does not suit, as for a
    /// number of bytes that is no multiple of 64.
    pub block: fn(a: &[u8], b: &[u8], tolerance: f64) -> Option<Block>,
    /// The largest |b − a| in f64, where the other is rounded.
    largest: Option<Largest>,
}

impl Kernels {
    /// The kernels for pairs of `dtype`, where there are some.
    pub fn of(dtype: Dtype) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return avx2::kernels(dtype);
        #[cfg(not(target_arch = "x86_64"))]
        return None;
    }

    /// The largest |b − a| of a block, when it is above `before`.
    pub fn larger(&self, block: &Block, [a, b]: [&[u8]; 2], before: Option<f64>) -> Option<f64> {
        let largest = match (self.largest, before) {
            (_, Some(before)) if block.largest < before * (1.0 - ROUNDING) => return None,
            (Some(exactly), _) if !block.exact => exactly(a, b),
            _ => block.largest,
        };
        before.is_none_or(|before| largest > before).then_some(largest)
    }
}
