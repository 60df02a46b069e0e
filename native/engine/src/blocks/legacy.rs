//! Blocks of 32 with one scale (`_0`) or a scale and a minimum (`_1`), and one-bit Q1_0.

use super::{half, long, part};

/// d·(q − 8), four bits. Elements 0 … 15 are the low halves of the bytes, 16 … 31 the high ones: so in all of this file.
#[inline(always)]
pub fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = half(block, 0);
    let codes: &[u8; 16] = part(block, 2);
    for (j, &code) in codes.iter().enumerate() {
        out[j] = d * (i32::from(code & 15) - 8) as f32;
        out[j + 16] = d * (i32::from(code >> 4) - 8) as f32;
    }
}

/// d·q + m, four bits.
#[inline(always)]
pub fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (d, m) = (half(block, 0), half(block, 2));
    let codes: &[u8; 16] = part(block, 4);
    for (j, &code) in codes.iter().enumerate() {
        out[j] = d * f32::from(code & 15) + m;
        out[j + 16] = d * f32::from(code >> 4) + m;
    }
}

/// d·(q − 16), five bits; the fifth of element j is bit j of a word.
#[inline(always)]
pub fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let d = half(block, 0);
    let high = long(block, 2);
    let codes: &[u8; 16] = part(block, 6);
    for (j, &code) in codes.iter().enumerate() {
        let low = u32::from(code & 15) | (high >> j & 1) << 4;
        let next = u32::from(code >> 4) | (high >> (j + 16) & 1) << 4;
        out[j] = d * (low as i32 - 16) as f32;
        out[j + 16] = d * (next as i32 - 16) as f32;
    }
}

/// d·q + m, five bits.
#[inline(always)]
pub fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m) = (half(block, 0), half(block, 2));
    let high = long(block, 4);
    let codes: &[u8; 16] = part(block, 8);
    for (j, &code) in codes.iter().enumerate() {
        let low = u32::from(code & 15) | (high >> j & 1) << 4;
        let next = u32::from(code >> 4) | (high >> (j + 16) & 1) << 4;
        out[j] = d * low as i32 as f32 + m;
        out[j + 16] = d * next as i32 as f32 + m;
    }
}

/// d·q, eight bits.
#[inline(always)]
pub fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    bytes(half(block, 0), part(block, 2), out);
}

/// d·q, eight bits; the second half-precision number is the sum of the values, for dot products.
#[inline(always)]
pub fn q8_1(block: &[u8; 36], out: &mut [f32; 32]) {
    bytes(half(block, 0), part(block, 4), out);
}

#[inline(always)]
fn bytes(d: f32, codes: &[u8; 32], out: &mut [f32; 32]) {
    for (value, &code) in out.iter_mut().zip(codes) {
        *value = d * f32::from(code as i8);
    }
}

/// +d for a set bit, −d for a clear one.
#[inline(always)]
pub fn q1_0(block: &[u8; 18], out: &mut [f32; 128]) {
    let d = half(block, 0);
    let bits: &[u8; 16] = part(block, 2);
    for (values, &byte) in out.chunks_exact_mut(8).zip(bits) {
        for (bit, value) in values.iter_mut().enumerate() {
            *value = if byte >> bit & 1 == 1 { d } else { -d };
        }
    }
}
