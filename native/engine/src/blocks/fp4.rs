//! E2M1 elements under a shared scale: OCP microscaling (MXFP4) and NVIDIA's (NVFP4).

use super::part;

/// Twice the values of E2M1 (OCP MX 1.0 §5.3.3): scales are halved in turn, so that products stay exact.
const DOUBLED: [f32; 16] = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0];

/// One E8M0 scale to 32 elements.
#[inline(always)]
pub fn mxfp4(block: &[u8; 17], out: &mut [f32; 32]) {
    let d = half_e8m0(block[0]);
    let codes: &[u8; 16] = part(block, 1);
    for (j, &code) in codes.iter().enumerate() {
        out[j] = d * DOUBLED[usize::from(code & 15)];
        out[j + 16] = d * DOUBLED[usize::from(code >> 4)];
    }
}

/// 2^(code − 128); 255, NaN in the specification, is a number here as it is to ggml.
#[inline(always)]
fn half_e8m0(code: u8) -> f32 {
    f32::from_bits(if code < 2 { 0x0020_0000 << code } else { (u32::from(code) - 1) << 23 })
}

/// Four UE4M3 scales to 64 elements.
#[inline(always)]
pub fn nvfp4(block: &[u8; 36], out: &mut [f32; 64]) {
    for (sub, values) in out.chunks_exact_mut(16).enumerate() {
        let d = half_ue4m3(block[sub]);
        let codes: &[u8; 8] = part(block, 4 + 8 * sub);
        for (j, &code) in codes.iter().enumerate() {
            values[j] = d * DOUBLED[usize::from(code & 15)];
            values[j + 8] = d * DOUBLED[usize::from(code >> 4)];
        }
    }
}

/// Half of an E4M3 without sign; 0x7F, NaN in the specification, is 0 here as it is to ggml.
#[inline(always)]
fn half_ue4m3(code: u8) -> f32 {
    let exponent = u32::from(code >> 3 & 15);
    let fraction = f32::from(code & 7);
    match (code, exponent) {
        (0x7f, _) => 0.0,
        (_, 0) => fraction * f32::from_bits((127 - 10) << 23),
        _ => (8.0 + fraction) * f32::from_bits((127 + exponent - 11) << 23),
    }
}
