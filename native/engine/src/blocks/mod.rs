//! GGUF's block-quantised types → f32, in the arithmetic of ggml's reference dequantisers (ggml-quants.c, MIT) and with
//! their results bit for bit. One file per family of types.

mod fp4;
mod grids;
mod iq;
mod k_quants;
mod legacy;
mod scales;
mod ternary;

pub use scales::block_scales;

use crate::protocol::BlockType;

impl BlockType {
    /// Elements of a block.
    pub const fn elements(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 | Self::Q8_1 => 32,
            Self::IQ4_NL | Self::MXFP4 => 32,
            Self::NVFP4 => 64,
            Self::Q1_0 => 128,
            _ => 256,
        }
    }

    /// Bytes of a block.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Q4_0 | Self::IQ4_NL | Self::Q1_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q8_1 | Self::NVFP4 => 36,
            Self::Q2_K => 84,
            Self::Q3_K | Self::IQ3_S => 110,
            Self::Q4_K => 144,
            Self::Q5_K => 176,
            Self::Q6_K => 210,
            Self::Q8_K => 292,
            Self::IQ1_S => 50,
            Self::IQ1_M => 56,
            Self::IQ2_XXS | Self::TQ2_0 => 66,
            Self::IQ2_XS => 74,
            Self::IQ2_S => 82,
            Self::IQ3_XXS => 98,
            Self::IQ4_XS => 136,
            Self::TQ1_0 => 54,
            Self::MXFP4 => 17,
        }
    }
}

/// Decodes whole blocks.
///
/// # Panics
/// When `blocks` are not the blocks of `out.len()` elements.
pub fn decode(r#type: BlockType, blocks: &[u8], out: &mut [f32]) {
    assert_eq!(out.len() % r#type.elements(), 0, "whole blocks");
    assert_eq!(blocks.len(), out.len() / r#type.elements() * r#type.bytes(), "the blocks of these elements");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        unsafe { decode_avx2(r#type, blocks, out) };
        return;
    }
    decode_here(r#type, blocks, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn decode_avx2(r#type: BlockType, blocks: &[u8], out: &mut [f32]) {
    decode_here(r#type, blocks, out);
}

/// Compiled once for every instruction set: inlined, with all it calls.
#[inline(always)]
fn decode_here(r#type: BlockType, blocks: &[u8], out: &mut [f32]) {
    match r#type {
        BlockType::Q4_0 => each(blocks, out, legacy::q4_0),
        BlockType::Q4_1 => each(blocks, out, legacy::q4_1),
        BlockType::Q5_0 => each(blocks, out, legacy::q5_0),
        BlockType::Q5_1 => each(blocks, out, legacy::q5_1),
        BlockType::Q8_0 => each(blocks, out, legacy::q8_0),
        BlockType::Q8_1 => each(blocks, out, legacy::q8_1),
        BlockType::Q1_0 => each(blocks, out, legacy::q1_0),
        BlockType::Q2_K => each(blocks, out, k_quants::q2_k),
        BlockType::Q3_K => each(blocks, out, k_quants::q3_k),
        BlockType::Q4_K => each(blocks, out, k_quants::q4_k),
        BlockType::Q5_K => each(blocks, out, k_quants::q5_k),
        BlockType::Q6_K => each(blocks, out, k_quants::q6_k),
        BlockType::Q8_K => each(blocks, out, k_quants::q8_k),
        BlockType::IQ1_S => each(blocks, out, iq::iq1_s),
        BlockType::IQ1_M => each(blocks, out, iq::iq1_m),
        BlockType::IQ2_XXS => each(blocks, out, iq::iq2_xxs),
        BlockType::IQ2_XS => each(blocks, out, iq::iq2_xs),
        BlockType::IQ2_S => each(blocks, out, iq::iq2_s),
        BlockType::IQ3_XXS => each(blocks, out, iq::iq3_xxs),
        BlockType::IQ3_S => each(blocks, out, iq::iq3_s),
        BlockType::IQ4_NL => each(blocks, out, iq::iq4_nl),
        BlockType::IQ4_XS => each(blocks, out, iq::iq4_xs),
        BlockType::TQ1_0 => each(blocks, out, ternary::tq1_0),
        BlockType::TQ2_0 => each(blocks, out, ternary::tq2_0),
        BlockType::MXFP4 => each(blocks, out, fp4::mxfp4),
        BlockType::NVFP4 => each(blocks, out, fp4::nvfp4),
    }
}

/// Calls `decode` for each block of `BYTES` bytes and its `ELEMENTS` elements.
#[inline(always)]
fn each<const BYTES: usize, const ELEMENTS: usize>(
    blocks: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; BYTES], &mut [f32; ELEMENTS]),
) {
    for (block, values) in blocks.chunks_exact(BYTES).zip(out.chunks_exact_mut(ELEMENTS)) {
        decode(block.try_into().expect("a block's bytes"), values.try_into().expect("a block's elements"));
    }
}

/// The `N` bytes from `start`.
#[inline(always)]
fn part<const N: usize>(block: &[u8], start: usize) -> &[u8; N] {
    block[start..start + N].try_into().expect("N bytes")
}

/// The little-endian u16 at byte `at`.
#[inline(always)]
fn word(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(*part(block, at))
}

/// The little-endian u32 at byte `at`.
#[inline(always)]
fn long(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*part(block, at))
}

/// The IEEE binary16 of `bits`, without the call that `half` makes to find out what the processor can do.
#[inline(always)]
fn half_of(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff);
    // Moved into place the exponent is too small by 127 − 15, for subnormals too.
    let value = if magnitude >= 0x7c00 {
        f32::from_bits(magnitude << 13 | 0x7f80_0000)
    } else {
        f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23)
    };
    f32::from_bits(value.to_bits() | sign)
}

/// The IEEE binary16 at byte `at`.
#[inline(always)]
fn half(block: &[u8], at: usize) -> f32 {
    half_of(word(block, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_those_of_the_half_crate() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (half_of(bits), half::f16::from_bits(bits).to_f32());
            assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{bits:04x}");
        }
    }
}
