//! The kernels for AVX-512: 16 lanes of f32 for the sums, 16 or 32 lanes of keys for the brackets.

use std::arch::x86_64::*;

use super::brackets::Bounds;
use super::{BLOCK, Pivot, Sums};

/// Vectors added in f32 before the sums move on to f64: rounding stays below 2⁻²⁰ even for equal terms.
const SHORT: usize = 32;

/// Exactly `N` accumulators of 16 lanes that are emptied into f64.
struct Accumulators {
    first: [__m512d; 2],
    rest: [[__m512d; 2]; 4],
}

macro_rules! measure {
    ($(#[$doc:meta])* $name:ident, $width:literal, $least_normal:expr, |$pointer:ident| $load:expr, |$mask:ident, $from:ident| $load_part:expr) => {
        $(#[$doc])*
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
        pub unsafe fn $name(bytes: &[u8], pivot: Pivot) -> Sums {
            let count = bytes.len() / $width;
            let mut state = State::new(pivot, $least_normal);
            let mut index = 0;
            while index + 16 <= count {
                let stop = count.min(index + 16 * SHORT) - 15;
                while index < stop {
                    // SAFETY: 16 elements from `index` lie inside `bytes`.
                    let x = unsafe { let $pointer = bytes.as_ptr().add(index * $width); $load };
                    state.add(x, 0xffff);
                    index += 16;
                }
                state.fold();
            }
            if index < count {
                let $mask: __mmask16 = (1 << (count - index)) - 1;
                // SAFETY: the mask ends at the end of `bytes`; masked loads touch nothing beyond it.
                let x = unsafe { let $from = bytes.as_ptr().add(index * $width); $load_part };
                state.add(x, $mask);
                state.fold();
            }
            state.finish()
        }
    };
}

measure!(
    /// `Element::measure` for F32.
    measure_f32, 4, f32::MIN_POSITIVE,
    |pointer| _mm512_loadu_ps(pointer.cast()),
    |mask, from| _mm512_maskz_loadu_ps(mask, from.cast())
);
measure!(
    /// `Element::measure` for BF16.
    measure_bf16, 2, f32::MIN_POSITIVE,
    |pointer| widen_bf16(_mm256_loadu_si256(pointer.cast())),
    |mask, from| widen_bf16(_mm256_maskz_loadu_epi16(mask, from.cast()))
);
measure!(
    /// `Element::measure` for F16.
    measure_f16, 2, half::f16::MIN_POSITIVE.to_f32(),
    |pointer| _mm512_cvtph_ps(_mm256_loadu_si256(pointer.cast())),
    |mask, from| _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, from.cast()))
);

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
fn widen_bf16(codes: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(codes)))
}

/// Sums under way.
struct State {
    scale: __m512,
    offset: __m512,
    least_normal: __m512i,
    long: Accumulators,
    /// Σd², Σd³, Σd⁴, Σ|x|·scale of a short run.
    short: [__m512; 4],
    min: __m512,
    max: __m512,
    /// Bits of the largest magnitude.
    largest: __m512i,
    zeros: __m512i,
    small: __m512i,
}

impl State {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
    fn new(pivot: Pivot, least_normal: f32) -> Self {
        let nothing = [_mm512_setzero_pd(); 2];
        Self {
            scale: _mm512_set1_ps(pivot.scale),
            offset: _mm512_set1_ps(pivot.value * pivot.scale),
            least_normal: _mm512_set1_epi32(least_normal.to_bits() as i32),
            long: Accumulators { first: nothing, rest: [nothing; 4] },
            short: [_mm512_setzero_ps(); 4],
            min: _mm512_set1_ps(f32::INFINITY),
            max: _mm512_set1_ps(f32::NEG_INFINITY),
            largest: _mm512_setzero_si512(),
            zeros: _mm512_setzero_si512(),
            small: _mm512_setzero_si512(),
        }
    }

    /// Adds the lanes of `x` that `mask` names; the others are zero.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
    fn add(&mut self, x: __m512, mask: __mmask16) {
        let magnitude = _mm512_abs_ps(x);
        let bits = _mm512_castps_si512(magnitude);
        let d = _mm512_maskz_fmsub_ps(mask, x, self.scale, self.offset);
        let square = _mm512_mul_ps(d, d);
        self.long.first[0] = _mm512_add_pd(self.long.first[0], _mm512_cvtps_pd(_mm512_castps512_ps256(d)));
        self.long.first[1] = _mm512_add_pd(self.long.first[1], _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(d)));
        self.short[0] = _mm512_add_ps(self.short[0], square);
        self.short[1] = _mm512_fmadd_ps(square, d, self.short[1]);
        self.short[2] = _mm512_fmadd_ps(square, square, self.short[2]);
        self.short[3] = _mm512_fmadd_ps(magnitude, self.scale, self.short[3]);
        self.min = _mm512_mask_min_ps(self.min, mask, self.min, x);
        self.max = _mm512_mask_max_ps(self.max, mask, self.max, x);
        self.largest = _mm512_max_epu32(self.largest, bits);
        let one = _mm512_set1_epi32(1);
        let zero = _mm512_mask_testn_epi32_mask(mask, bits, bits);
        self.zeros = _mm512_mask_add_epi32(self.zeros, zero, self.zeros, one);
        let small = _mm512_mask_cmplt_epu32_mask(mask, bits, self.least_normal);
        self.small = _mm512_mask_add_epi32(self.small, small, self.small, one);
    }

    /// Moves the short sums on to f64.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
    fn fold(&mut self) {
        for (long, short) in self.long.rest.iter_mut().zip(&mut self.short) {
            long[0] = _mm512_add_pd(long[0], _mm512_cvtps_pd(_mm512_castps512_ps256(*short)));
            long[1] = _mm512_add_pd(long[1], _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(*short)));
            *short = _mm512_setzero_ps();
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
    fn finish(self) -> Sums {
        let sum = |pair: [__m512d; 2]| _mm512_reduce_add_pd(_mm512_add_pd(pair[0], pair[1]));
        let rest = self.long.rest.map(sum);
        Sums {
            powers: [sum(self.long.first), rest[0], rest[1], rest[2]],
            l1: rest[3],
            min: _mm512_reduce_min_ps(self.min),
            max: _mm512_reduce_max_ps(self.max),
            zeros: _mm512_reduce_add_epi32(self.zeros) as u64,
            small: _mm512_reduce_add_epi32(self.small) as u64,
            finite: _mm512_reduce_max_epu32(self.largest) < f32::INFINITY.to_bits(),
        }
    }
}

/// `Element::bracket` for types of four bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
pub unsafe fn bracket_32(bytes: &[u8], bounds: &Bounds, at_or_above: &mut [u64; 9], inside: &mut Vec<i32>) {
    let low = bounds.low.map(|key| _mm512_set1_epi32(key));
    let high = bounds.high.map(|key| _mm512_set1_epi32(key));
    let one = _mm512_set1_epi32(1);
    let mut counts = [_mm512_setzero_si512(); 9];
    let mut chosen = [0i32; BLOCK + 16];
    let mut number = 0;
    let count = bytes.len() / 4;
    assert!(count <= BLOCK);
    for index in (0..count).step_by(16) {
        let present: __mmask16 = if count - index < 16 { (1 << (count - index)) - 1 } else { 0xffff };
        // SAFETY: the mask ends at the end of `bytes`; masked loads touch nothing beyond it.
        let bits = unsafe { _mm512_maskz_loadu_epi32(present, bytes.as_ptr().add(index * 4).cast()) };
        let sign = _mm512_srai_epi32::<31>(bits);
        // bits ^ (sign & MAX)
        let key = _mm512_ternarylogic_epi32::<0x78>(bits, sign, _mm512_set1_epi32(i32::MAX));
        let mut within: __mmask16 = 0;
        for bracket in 0..9 {
            let above = _mm512_mask_cmpge_epi32_mask(present, key, low[bracket]);
            counts[bracket] = _mm512_mask_add_epi32(counts[bracket], above, counts[bracket], one);
            within |= _mm512_mask_cmplt_epi32_mask(above, key, high[bracket]);
        }
        // SAFETY: at most `index` keys were chosen before, so 16 more fit.
        unsafe { _mm512_storeu_si512(chosen.as_mut_ptr().add(number).cast(), _mm512_maskz_compress_epi32(within, key)) };
        number += within.count_ones() as usize;
    }
    for (sum, lanes) in at_or_above.iter_mut().zip(counts) {
        *sum += _mm512_reduce_add_epi32(lanes) as u64;
    }
    inside.extend_from_slice(&chosen[..number]);
}

/// `Element::bracket` for types of two bytes.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
pub unsafe fn bracket_16(bytes: &[u8], bounds: &Bounds, at_or_above: &mut [u64; 9], inside: &mut Vec<i32>) {
    let low = bounds.low.map(|key| _mm512_set1_epi16(key.max(i16::MIN.into()) as i16));
    // Finite keys end well before the largest 16-bit key.
    let high = bounds.high.map(|key| _mm512_set1_epi16(key.min(i16::MAX.into()) as i16));
    let one = _mm512_set1_epi16(1);
    let mut counts = [_mm512_setzero_si512(); 9];
    let mut chosen = [0i16; BLOCK + 32];
    let mut number = 0;
    let count = bytes.len() / 2;
    assert!(count <= BLOCK);
    for index in (0..count).step_by(32) {
        let present: __mmask32 = if count - index < 32 { (1 << (count - index)) - 1 } else { u32::MAX };
        // SAFETY: the mask ends at the end of `bytes`; masked loads touch nothing beyond it.
        let bits = unsafe { _mm512_maskz_loadu_epi16(present, bytes.as_ptr().add(index * 2).cast()) };
        let sign = _mm512_srai_epi16::<15>(bits);
        // bits ^ (sign & MAX)
        let key = _mm512_ternarylogic_epi32::<0x78>(bits, sign, _mm512_set1_epi16(i16::MAX));
        let mut within: __mmask32 = 0;
        for bracket in 0..9 {
            let above = _mm512_mask_cmpge_epi16_mask(present, key, low[bracket]);
            counts[bracket] = _mm512_mask_add_epi16(counts[bracket], above, counts[bracket], one);
            within |= _mm512_mask_cmplt_epi16_mask(above, key, high[bracket]);
        }
        // SAFETY: at most `index` keys were chosen before, so 32 more fit.
        unsafe { _mm512_storeu_si512(chosen.as_mut_ptr().add(number).cast(), _mm512_maskz_compress_epi16(within, key)) };
        number += within.count_ones() as usize;
    }
    for (sum, lanes) in at_or_above.iter_mut().zip(counts) {
        // At most BLOCK / 32 in each lane; pairs are added to 32 bits.
        *sum += _mm512_reduce_add_epi32(_mm512_madd_epi16(lanes, one)) as u64;
    }
    inside.extend(chosen[..number].iter().map(|&key| i32::from(key)));
}
