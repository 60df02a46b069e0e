//! Values −d, 0 and d, 256 to a block.

use super::{half, part};

/// Five digits to the base 3 in a byte, as a fraction of 256 so that multiplying by 3 brings the next digit to the top.
#[inline(always)]
pub fn tq1_0(block: &[u8; 54], out: &mut [f32; 256]) {
    let d = half(block, 52);
    let (fives, fours) = out.split_at_mut(240);
    let (wide, narrow) = fives.split_at_mut(160);
    digits(d, &block[..32], wide);
    digits(d, &block[32..48], narrow);
    digits(d, &block[48..52], fours);
}

/// The first digits of all bytes, then the second digits, and so on.
#[inline(always)]
fn digits(d: f32, bytes: &[u8], out: &mut [f32]) {
    let mut power = 1u8;
    for values in out.chunks_exact_mut(bytes.len()) {
        for (value, byte) in values.iter_mut().zip(bytes) {
            let digit = (u16::from(byte.wrapping_mul(power)) * 3) >> 8;
            *value = d * (i32::from(digit) - 1) as f32;
        }
        power = power.wrapping_mul(3);
    }
}

/// d·(q − 1), two bits; each 32 bytes hold 4 × 32 elements.
#[inline(always)]
pub fn tq2_0(block: &[u8; 66], out: &mut [f32; 256]) {
    let d = half(block, 64);
    for (group, values) in out.chunks_exact_mut(32).enumerate() {
        let codes: &[u8; 32] = part(block, group / 4 * 32);
        let shift = group % 4 * 2;
        for (value, &code) in values.iter_mut().zip(codes) {
            *value = d * (i32::from(code >> shift & 3) - 1) as f32;
        }
    }
}
