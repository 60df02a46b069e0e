//! Super-blocks of 256 whose sub-blocks' scales are quantised themselves.

use super::{half, part};

/// (d·s)·q − dmin·m, two bits; a scale and a minimum of four bits for each 16.
#[inline(always)]
pub fn q2_k(block: &[u8; 84], out: &mut [f32; 256]) {
    let scales: &[u8; 16] = part(block, 0);
    let codes: &[u8; 64] = part(block, 16);
    let (d, dmin) = (half(block, 80), half(block, 82));
    for (sub, values) in out.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(scales[sub] & 15);
        let minimum = dmin * f32::from(scales[sub] >> 4);
        let (start, shift) = two_bits(sub);
        for (value, &code) in values.iter_mut().zip(part::<16>(codes, start)) {
            *value = scale * f32::from(code >> shift & 3) - minimum;
        }
    }
}

/// Where the two-bit codes of sub-block `sub` are: first byte and shift. Each 32 bytes hold 4 × 32 elements.
#[inline(always)]
fn two_bits(sub: usize) -> (usize, usize) {
    (sub / 8 * 32 + sub % 2 * 16, sub % 8 / 2 * 2)
}

/// (d·(s − 32))·q, three bits: two, and a third that subtracts 4 where it is clear; a scale of six bits for each 16.
#[inline(always)]
pub fn q3_k(block: &[u8; 110], out: &mut [f32; 256]) {
    let high: &[u8; 32] = part(block, 0);
    let codes: &[u8; 64] = part(block, 32);
    let packed: &[u8; 12] = part(block, 96);
    let d = half(block, 108);
    for (sub, values) in out.chunks_exact_mut(16).enumerate() {
        let low = packed[sub % 8] >> (sub / 8 * 4) & 15;
        let top = packed[8 + sub % 4] >> (sub / 4 * 2) & 3;
        let scale = d * (i32::from(low | top << 4) - 32) as f32;
        let (start, shift) = two_bits(sub);
        let bits: &[u8; 16] = part(high, sub % 2 * 16);
        for ((value, &code), &bit) in values.iter_mut().zip(part::<16>(codes, start)).zip(bits) {
            let clear = !(bit >> (sub / 2)) & 1;
            *value = scale * (i32::from(code >> shift & 3) - i32::from(clear << 2)) as f32;
        }
    }
}

/// Scales and minima of eight sub-blocks, six bits each: the first four in the low bits of their bytes, the others' low
/// bits in the last four bytes and their high bits where the first leave room.
#[inline(always)]
fn scales_and_minima(packed: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
    let (mut scales, mut minima) = ([0; 8], [0; 8]);
    for j in 0..4 {
        scales[j] = packed[j] & 63;
        minima[j] = packed[j + 4] & 63;
        scales[j + 4] = packed[j + 8] & 15 | packed[j] >> 6 << 4;
        minima[j + 4] = packed[j + 8] >> 4 | packed[j + 4] >> 6 << 4;
    }
    (scales, minima)
}

/// (d·s)·q − dmin·m, four bits; a scale and a minimum of six bits for each 32.
#[inline(always)]
pub fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (d, dmin) = (half(block, 0), half(block, 2));
    let (scales, minima) = scales_and_minima(part(block, 4));
    let codes: &[u8; 128] = part(block, 16);
    for (pair, values) in out.chunks_exact_mut(64).enumerate() {
        let (low, high) = (2 * pair, 2 * pair + 1);
        let (scale_low, scale_high) = (d * f32::from(scales[low]), d * f32::from(scales[high]));
        let (minimum_low, minimum_high) = (dmin * f32::from(minima[low]), dmin * f32::from(minima[high]));
        let values: &mut [f32; 64] = values.try_into().expect("64 elements");
        for (j, &code) in part::<32>(codes, 32 * pair).iter().enumerate() {
            values[j] = scale_low * f32::from(code & 15) - minimum_low;
            values[j + 32] = scale_high * f32::from(code >> 4) - minimum_high;
        }
    }
}

/// As Q4_K with a fifth bit: that of elements 32·k … 32·k + 31 is bit k of 32 bytes.
#[inline(always)]
pub fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (d, dmin) = (half(block, 0), half(block, 2));
    let (scales, minima) = scales_and_minima(part(block, 4));
    let fifth: &[u8; 32] = part(block, 16);
    let codes: &[u8; 128] = part(block, 48);
    for (sub, values) in out.chunks_exact_mut(32).enumerate() {
        let scale = d * f32::from(scales[sub]);
        let minimum = dmin * f32::from(minima[sub]);
        let bytes: &[u8; 32] = part(codes, sub / 2 * 32);
        let shift = sub % 2 * 4;
        for ((value, &code), &bit) in values.iter_mut().zip(bytes).zip(fifth) {
            *value = scale * f32::from(code >> shift & 15 | (bit >> sub & 1) << 4) - minimum;
        }
    }
}

/// (d·s)·(q − 32), six bits: four, and two above; a scale of eight bits for each 16. Multiplied in this order.
#[inline(always)]
pub fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let low: &[u8; 128] = part(block, 0);
    let high: &[u8; 64] = part(block, 128);
    let scales: &[u8; 16] = part(block, 192);
    let d = half(block, 208);
    for (group, values) in out.chunks_exact_mut(128).enumerate() {
        for half in 0..2 {
            let first: &[u8; 16] = part(low, 64 * group + 16 * half);
            let second: &[u8; 16] = part(low, 64 * group + 32 + 16 * half);
            let top: &[u8; 16] = part(high, 32 * group + 16 * half);
            let scale: [f32; 4] = std::array::from_fn(|k| d * f32::from(scales[8 * group + 2 * k + half] as i8));
            let values = &mut values[16 * half..16 * half + 112];
            for j in 0..16 {
                let (first, second, top) = (first[j], second[j], top[j]);
                values[j] = scale[0] * less_32(first & 15 | (top & 3) << 4);
                values[j + 32] = scale[1] * less_32(second & 15 | (top >> 2 & 3) << 4);
                values[j + 64] = scale[2] * less_32(first >> 4 | (top >> 4 & 3) << 4);
                values[j + 96] = scale[3] * less_32(second >> 4 | top >> 6 << 4);
            }
        }
    }
}

#[inline(always)]
fn less_32(code: u8) -> f32 {
    (i32::from(code) - 32) as f32
}

/// d·q, eight bits, with an f32 scale; the sums after the codes are for dot products.
#[inline(always)]
pub fn q8_k(block: &[u8; 292], out: &mut [f32; 256]) {
    let d = f32::from_le_bytes(*part(block, 0));
    for (value, &code) in out.iter_mut().zip(part::<256>(block, 4)) {
        *value = d * f32::from(code as i8);
    }
}
