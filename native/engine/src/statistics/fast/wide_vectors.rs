//! The kernels for AVX-512, over whole vectors; the portable ones finish the rest of a block.
//!
//! Comparisons go through the sign of a difference rather than through mask registers, which processors write at a
//! quarter of the rate: x < y is the sign bit of x − y, whether by IEEE subtraction or by saturating integers.

use std::arch::x86_64::*;

use super::brackets::{Bounds, Sieve};
use super::element::Element;
use super::{BLOCK, Pivot, Sums, portable};

/// Vectors added in f32 before the sums move on to f64: rounding stays below 2⁻²¹ even for equal terms.
const SHORT: usize = 16;

/// Sums under way, in 16 lanes.
struct State {
    scale: __m512,
    offset: __m512,
    /// Σd, in f64 from the start (a mean may be far smaller than the deviation).
    first: [__m512d; 2],
    /// Σd², Σd³, Σd⁴, Σ|x|·scale of a short run, and of all before.
    short: [__m512; 4],
    long: [[__m512d; 2]; 4],
}

impl State {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
    fn new(pivot: Pivot) -> Self {
        let nothing = [_mm512_setzero_pd(); 2];
        Self {
            scale: _mm512_set1_ps(pivot.scale),
            offset: _mm512_set1_ps(pivot.value * pivot.scale),
            first: nothing,
            short: [_mm512_setzero_ps(); 4],
            long: [nothing; 4],
        }
    }

    /// Adds `x` to all sums but the first; answers its deviations, for `add_deviations`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
    fn add(&mut self, x: __m512) -> __m512 {
        let d = _mm512_fmsub_ps(x, self.scale, self.offset);
        let square = _mm512_mul_ps(d, d);
        self.short[0] = _mm512_add_ps(self.short[0], square);
        self.short[1] = _mm512_fmadd_ps(square, d, self.short[1]);
        self.short[2] = _mm512_fmadd_ps(square, square, self.short[2]);
        self.short[3] = _mm512_fmadd_ps(_mm512_abs_ps(x), self.scale, self.short[3]);
        d
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
    fn add_deviations(&mut self, d: __m512) {
        self.first = add_widened(self.first, d);
    }

    /// Moves the short sums on to f64.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
    fn fold(&mut self) {
        for (long, short) in self.long.iter_mut().zip(&mut self.short) {
            *long = add_widened(*long, *short);
            *short = _mm512_setzero_ps();
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
    fn finish(&self) -> Sums {
        let sum = |pair: [__m512d; 2]| _mm512_reduce_add_pd(_mm512_add_pd(pair[0], pair[1]));
        let long = self.long.map(sum);
        Sums { powers: [sum(self.first), long[0], long[1], long[2]], l1: long[3] }
    }
}

/// `sum` plus 16 lanes of f32.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
fn add_widened(sum: [__m512d; 2], x: __m512) -> [__m512d; 2] {
    let low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    let high = _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(x));
    [_mm512_add_pd(sum[0], low), _mm512_add_pd(sum[1], high)]
}

/// `Element::measure` for F32.
///
/// # Safety
/// The processor must have the features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
pub unsafe fn measure_f32(bytes: &[u8], pivot: Pivot) -> Sums {
    let mut state = State::new(pivot);
    let vectors = bytes.chunks_exact(64);
    let rest = vectors.remainder();
    for (index, vector) in vectors.enumerate() {
        // SAFETY: `vector` is as long as what is loaded.
        let x = unsafe { _mm512_loadu_ps(vector.as_ptr().cast()) };
        let deviations = state.add(x);
        state.add_deviations(deviations);
        if index % SHORT == SHORT - 1 {
            state.fold();
        }
    }
    state.fold();
    let mut sums = state.finish();
    sums.add(&portable::measure::<super::element::F32>(rest, pivot));
    sums
}

macro_rules! measure_halves {
    ($(#[$doc:meta])* $name:ident, $element:ty, |$codes:ident| $widen:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor must have the features.
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
        pub unsafe fn $name(bytes: &[u8], pivot: Pivot) -> Sums {
            let mut state = State::new(pivot);
            let groups = bytes.chunks_exact(128);
            let rest = groups.remainder();
            for (index, group) in groups.enumerate() {
                let mut deviations = _mm512_setzero_ps();
                for vector in group.chunks_exact(64) {
                    // SAFETY: `vector` is as long as what is loaded.
                    let $codes = unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) };
                    let [a, b] = $widen;
                    // Four deviations, exact in f32 but for the tiniest, before they are widened.
                    let pair = _mm512_add_ps(state.add(a), state.add(b));
                    deviations = _mm512_add_ps(deviations, pair);
                }
                state.add_deviations(deviations);
                if index % (SHORT / 4) == SHORT / 4 - 1 {
                    state.fold();
                }
            }
            state.fold();
            let mut sums = state.finish();
            sums.add(&portable::measure::<$element>(rest, pivot));
            sums
        }
    };
}

measure_halves!(
    /// `Element::measure` for BF16.
    measure_bf16, super::element::Bf16, |codes| {
        // The leading half of an f32 each: even elements move up, odd ones are there already.
        let odd = _mm512_and_si512(codes, _mm512_set1_epi32(0xffff_0000_u32 as i32));
        [_mm512_castsi512_ps(_mm512_slli_epi32::<16>(codes)), _mm512_castsi512_ps(odd)]
    }
);
measure_halves!(
    /// `Element::measure` for F16.
    measure_f16, super::element::F16, |codes| {
        [_mm512_cvtph_ps(_mm512_castsi512_si256(codes)), _mm512_cvtph_ps(_mm512_extracti64x4_epi64::<1>(codes))]
    }
);

/// `Element::filter` for F32.
///
/// # Safety
/// The processor must have the features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
pub unsafe fn filter_f32(bytes: &[u8], sieve: &Sieve, below: &mut [u64; 3], chosen: &mut Vec<u8>) {
    type E = super::element::F32;
    let splat = |key: i32| _mm512_set1_ps(E::bound(key));
    let (low, high) = (sieve.low.map(splat), sieve.high.map(splat));
    let (lower_tail, upper_tail) = (splat(sieve.lower_tail), splat(sieve.upper_tail.saturating_sub(1)));
    let small = _mm512_set1_epi32(f32::MIN_POSITIVE.to_bits() as i32);
    let magnitude = _mm512_set1_epi32(i32::MAX);
    let mut lanes = [_mm512_setzero_si512(); 3];
    let vectors = bytes.chunks_exact(64);
    let rest = vectors.remainder();
    let start = chosen.len();
    chosen.reserve(bytes.len() + 64);
    let mut to = chosen.as_mut_ptr().wrapping_add(start);
    for vector in vectors {
        _mm_prefetch::<_MM_HINT_T0>(vector.as_ptr().wrapping_add(4 * BLOCK).cast());
        // SAFETY: `vector` is as long as what is loaded.
        let x = unsafe { _mm512_loadu_ps(vector.as_ptr().cast()) };
        let bits = _mm512_castps_si512(x);
        let under = _mm512_castps_si512(_mm512_sub_ps(x, lower_tail));
        let over = _mm512_castps_si512(_mm512_sub_ps(upper_tail, x));
        let tiny = _mm512_sub_epi32(_mm512_and_si512(bits, magnitude), small);
        // under | over | tiny
        let mut within = _mm512_ternarylogic_epi32::<0xfe>(under, over, tiny);
        for bracket in 0..3 {
            let from_low = _mm512_castps_si512(_mm512_sub_ps(x, low[bracket]));
            let from_high = _mm512_castps_si512(_mm512_sub_ps(x, high[bracket]));
            lanes[bracket] = _mm512_add_epi32(lanes[bracket], _mm512_srli_epi32::<31>(from_low));
            // within | (from_low ^ from_high)
            within = _mm512_ternarylogic_epi32::<0xf6>(within, from_low, from_high);
        }
        let mask = _mm512_movepi32_mask(within);
        // SAFETY: room for all elements and a vector more was reserved.
        unsafe { _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi32(mask, bits)) };
        to = to.wrapping_add(4 * mask.count_ones() as usize);
    }
    // SAFETY: everything up to `to` has been written, inside the reserved room.
    unsafe { chosen.set_len(to.offset_from(chosen.as_ptr()) as usize) };
    for (sum, lanes) in below.iter_mut().zip(lanes) {
        *sum += _mm512_reduce_add_epi32(lanes) as u64;
    }
    portable::filter::<E>(rest, sieve, below, chosen);
}

/// `Element::filter` for types of two bytes.
///
/// # Safety
/// The processor must have the features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
pub unsafe fn filter_16<E: Element>(bytes: &[u8], sieve: &Sieve, below: &mut [u64; 3], chosen: &mut Vec<u8>) {
    // No lane of 16 bits overflows.
    assert!(bytes.len() <= 2 * BLOCK);
    // Finite keys keep well clear of both ends of i16.
    let splat = |key: i32| _mm512_set1_epi16(key.clamp(i16::MIN.into(), i16::MAX.into()) as i16);
    let (low, high) = (sieve.low.map(splat), sieve.high.map(splat));
    let (lower_tail, upper_tail) = (splat(sieve.lower_tail), splat(sieve.upper_tail.saturating_sub(1)));
    let (small_low, small_high) = (splat(-E::SMALL_KEYS), splat(E::SMALL_KEYS));
    let mut lanes = [_mm512_setzero_si512(); 3];
    let vectors = bytes.chunks_exact(64);
    let rest = vectors.remainder();
    let start = chosen.len();
    chosen.reserve(bytes.len() + 64);
    let mut to = chosen.as_mut_ptr().wrapping_add(start);
    for vector in vectors {
        _mm_prefetch::<_MM_HINT_T0>(vector.as_ptr().wrapping_add(2 * BLOCK).cast());
        // SAFETY: `vector` is as long as what is loaded.
        let bits = unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) };
        let sign = _mm512_srai_epi16::<15>(bits);
        // bits ^ (sign & MAX)
        let key = _mm512_ternarylogic_epi32::<0x78>(bits, sign, _mm512_set1_epi16(i16::MAX));
        let under = _mm512_subs_epi16(key, lower_tail);
        let over = _mm512_subs_epi16(upper_tail, key);
        let mut within = _mm512_or_si512(under, over);
        // within | (above −small ^ above small)
        let (from_low, from_high) = (_mm512_subs_epi16(key, small_low), _mm512_subs_epi16(key, small_high));
        within = _mm512_ternarylogic_epi32::<0xf6>(within, from_low, from_high);
        for bracket in 0..3 {
            let from_low = _mm512_subs_epi16(key, low[bracket]);
            let from_high = _mm512_subs_epi16(key, high[bracket]);
            lanes[bracket] = _mm512_add_epi16(lanes[bracket], _mm512_srli_epi16::<15>(from_low));
            // within | (from_low ^ from_high)
            within = _mm512_ternarylogic_epi32::<0xf6>(within, from_low, from_high);
        }
        let mask = _mm512_movepi16_mask(within);
        // SAFETY: room for all elements and a vector more was reserved.
        unsafe { _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi16(mask, bits)) };
        to = to.wrapping_add(2 * mask.count_ones() as usize);
    }
    // SAFETY: everything up to `to` has been written, inside the reserved room.
    unsafe { chosen.set_len(to.offset_from(chosen.as_ptr()) as usize) };
    let one = _mm512_set1_epi16(1);
    for (sum, lanes) in below.iter_mut().zip(lanes) {
        // At most BLOCK / 32 in each lane; pairs are added to 32 bits.
        *sum += _mm512_reduce_add_epi32(_mm512_madd_epi16(lanes, one)) as u64;
    }
    portable::filter::<E>(rest, sieve, below, chosen);
}

/// `Element::bracket` for F32.
///
/// # Safety
/// The processor must have the features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
pub unsafe fn bracket_f32(bytes: &[u8], bounds: &Bounds, below: &mut [u64; 9], inside: &mut Vec<i32>) {
    type E = super::element::F32;
    let splat = |key: i32| _mm512_set1_ps(E::bound(key));
    let (low, high) = (bounds.low.map(splat), bounds.high.map(splat));
    let vectors = bytes.chunks_exact(64);
    let rest = vectors.remainder();
    let mut lanes = [_mm512_setzero_si512(); 9];
    inside.reserve(bytes.len() / 4 + 16);
    let mut to = inside.as_mut_ptr().wrapping_add(inside.len());
    for vector in vectors {
        // SAFETY: `vector` is as long as what is loaded.
        let x = unsafe { _mm512_loadu_ps(vector.as_ptr().cast()) };
        let mut within = _mm512_setzero_si512();
        for bracket in 0..9 {
            let from_low = _mm512_castps_si512(_mm512_sub_ps(x, low[bracket]));
            let from_high = _mm512_castps_si512(_mm512_sub_ps(x, high[bracket]));
            lanes[bracket] = _mm512_add_epi32(lanes[bracket], _mm512_srli_epi32::<31>(from_low));
            // within | (from_low ^ from_high)
            within = _mm512_ternarylogic_epi32::<0xf6>(within, from_low, from_high);
        }
        let mask = _mm512_movepi32_mask(within);
        let bits = _mm512_castps_si512(x);
        let sign = _mm512_srai_epi32::<31>(bits);
        // bits ^ (sign & MAX)
        let key = _mm512_ternarylogic_epi32::<0x78>(bits, sign, _mm512_set1_epi32(i32::MAX));
        // SAFETY: room for all elements and a vector more was reserved.
        unsafe { _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi32(mask, key)) };
        to = to.wrapping_add(mask.count_ones() as usize);
    }
    // SAFETY: everything up to `to` has been written, inside the reserved room.
    unsafe { inside.set_len(to.offset_from(inside.as_ptr()) as usize) };
    for (sum, lanes) in below.iter_mut().zip(lanes) {
        *sum += _mm512_reduce_add_epi32(lanes) as u64;
    }
    portable::bracket::<E>(rest, bounds, below, inside);
}

/// `Element::bracket` for types of two bytes.
///
/// # Safety
/// The processor must have the features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2")]
pub unsafe fn bracket_16<E: Element>(bytes: &[u8], bounds: &Bounds, below: &mut [u64; 9], inside: &mut Vec<i32>) {
    let splat = |key: i32| _mm512_set1_epi16(key.clamp(i16::MIN.into(), i16::MAX.into()) as i16);
    let (low, high) = (bounds.low.map(splat), bounds.high.map(splat));
    let one = _mm512_set1_epi16(1);
    // Few enough that no lane of 16 bits overflows.
    for part in bytes.chunks(1 << 16) {
        let vectors = part.chunks_exact(64);
        let rest = vectors.remainder();
        let mut lanes = [_mm512_setzero_si512(); 9];
        inside.reserve(part.len() / 2 + 32);
        let mut to = inside.as_mut_ptr().wrapping_add(inside.len());
        for vector in vectors {
            // SAFETY: `vector` is as long as what is loaded.
            let bits = unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) };
            let sign = _mm512_srai_epi16::<15>(bits);
            // bits ^ (sign & MAX)
            let key = _mm512_ternarylogic_epi32::<0x78>(bits, sign, _mm512_set1_epi16(i16::MAX));
            let mut within = _mm512_setzero_si512();
            for bracket in 0..9 {
                let from_low = _mm512_subs_epi16(key, low[bracket]);
                let from_high = _mm512_subs_epi16(key, high[bracket]);
                lanes[bracket] = _mm512_add_epi16(lanes[bracket], _mm512_srli_epi16::<15>(from_low));
                // within | (from_low ^ from_high)
                within = _mm512_ternarylogic_epi32::<0xf6>(within, from_low, from_high);
            }
            let mask = _mm512_movepi16_mask(within);
            let packed = _mm512_maskz_compress_epi16(mask, key);
            // SAFETY: room for all elements and a vector more was reserved.
            unsafe {
                _mm512_storeu_si512(to.cast(), _mm512_cvtepi16_epi32(_mm512_castsi512_si256(packed)));
                let upper = _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64::<1>(packed));
                _mm512_storeu_si512(to.wrapping_add(16).cast(), upper);
            }
            to = to.wrapping_add(mask.count_ones() as usize);
        }
        // SAFETY: everything up to `to` has been written, inside the reserved room.
        unsafe { inside.set_len(to.offset_from(inside.as_ptr()) as usize) };
        for (sum, lanes) in below.iter_mut().zip(lanes) {
            *sum += _mm512_reduce_add_epi32(_mm512_madd_epi16(lanes, one)) as u64;
        }
        portable::bracket::<E>(rest, bounds, below, inside);
    }
}
