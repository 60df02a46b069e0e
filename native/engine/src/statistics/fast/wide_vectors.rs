//! The kernels for AVX-512, over whole vectors; the portable ones finish the rest of a block.
//!
//! Comparisons go through the sign of a difference rather than through mask registers, which processors write at a
//! quarter of the rate: x < y is the sign bit of x − y, whether by IEEE subtraction or by saturating integers.

use std::arch::x86_64::*;

use super::brackets::{Bounds, Sieve};
use super::element::Element;
use super::{BLOCK, Pivot, Sums, Survey, portable};

/// Vectors added in f32 before the sums move on to f64: rounding stays below 2⁻²⁰ even for equal terms.
const SHORT: usize = 32;

/// How far ahead of the computation cache lines are asked for: across the end of a page, where the processor's own
/// prefetching stops.
const AHEAD: usize = 1 << 11;

/// Asks for a cache line ahead of `vector`; asking for what is not there has no effect.
#[inline(always)]
fn fetch_ahead(vector: &[u8]) {
    // SAFETY: every x86-64 processor has the instruction, and it cannot fault.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(vector.as_ptr().wrapping_add(AHEAD).cast()) };
}

/// Whether the pivot changes nothing and zeros and subnormals lie in the middle bracket, as in most weights: then the
/// kernels have less to do.
fn is_centred<E: Element>(pivot: Pivot, sieve: &Sieve) -> bool {
    let middle = sieve.low[1] <= -E::SMALL_KEYS && E::SMALL_KEYS <= sieve.high[1];
    pivot.value == 0.0 && pivot.scale == 1.0 && middle
}

/// Sums under way, in 16 lanes.
struct State {
    scale: __m512,
    offset: __m512,
    /// Σd.
    first: [__m512d; 2],
    /// Σd², Σd³, Σd⁴, Σ|x|·scale of a short run, and of all before.
    short: [__m512; 4],
    long: [[__m512d; 2]; 4],
}

impl State {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
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
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
    fn add<const CENTRED: bool>(&mut self, x: __m512) -> __m512 {
        let d = if CENTRED { x } else { _mm512_fmsub_ps(x, self.scale, self.offset) };
        let square = _mm512_mul_ps(d, d);
        self.short[0] = _mm512_add_ps(self.short[0], square);
        self.short[1] = _mm512_fmadd_ps(square, d, self.short[1]);
        self.short[2] = _mm512_fmadd_ps(square, square, self.short[2]);
        let magnitude = _mm512_abs_ps(x);
        self.short[3] = if CENTRED {
            _mm512_add_ps(self.short[3], magnitude)
        } else {
            _mm512_fmadd_ps(magnitude, self.scale, self.short[3])
        };
        d
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
    fn add_deviations(&mut self, d: __m512) {
        self.first = add_widened(self.first, d);
    }

    /// Moves the short sums on to f64.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
    fn fold(&mut self) {
        for (long, short) in self.long.iter_mut().zip(&mut self.short) {
            *long = add_widened(*long, *short);
            *short = _mm512_setzero_ps();
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
    fn finish(&self) -> Sums {
        let sum = |pair: [__m512d; 2]| _mm512_reduce_add_pd(_mm512_add_pd(pair[0], pair[1]));
        let long = self.long.map(sum);
        Sums { powers: [sum(self.first), long[0], long[1], long[2]], l1: long[3] }
    }
}

/// `sum` plus 16 lanes of f32.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
fn add_widened(sum: [__m512d; 2], x: __m512) -> [__m512d; 2] {
    let low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    let high = _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(x));
    [_mm512_add_pd(sum[0], low), _mm512_add_pd(sum[1], high)]
}

/// `Element::sweep` for F32.
///
/// # Safety
/// The processor must have the features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
pub unsafe fn sweep_f32(bytes: &[u8], pivot: Pivot, sieve: &Sieve, below: &mut [u64; 3], chosen: &mut Vec<u8>) -> Sums {
    type E = super::element::F32;
    let (vectors, rest) = bytes.split_at(bytes.len() / 64 * 64);
    // SAFETY: the processor has the features.
    let mut sums = unsafe {
        if is_centred::<E>(pivot, sieve) {
            sweep_f32_vectors::<true>(vectors, pivot, sieve, below, chosen)
        } else {
            sweep_f32_vectors::<false>(vectors, pivot, sieve, below, chosen)
        }
    };
    if !rest.is_empty() {
        sums.add(&portable::sweep::<E>(rest, pivot, sieve, below, chosen));
    }
    sums
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
unsafe fn sweep_f32_vectors<const CENTRED: bool>(
    bytes: &[u8],
    pivot: Pivot,
    sieve: &Sieve,
    below: &mut [u64; 3],
    chosen: &mut Vec<u8>,
) -> Sums {
    type E = super::element::F32;
    let splat = |key: i32| _mm512_set1_ps(E::bound(key));
    let (low, high) = (sieve.low.map(splat), sieve.high.map(splat));
    let (lower_tail, upper_tail) = (splat(sieve.lower_tail), splat(sieve.upper_tail.saturating_sub(1)));
    let small = _mm512_set1_epi32(E::SMALL_KEYS);
    let magnitude = _mm512_set1_epi32(i32::MAX);
    let mut lanes = [_mm512_setzero_si512(); 3];
    let mut state = State::new(pivot);
    chosen.reserve(bytes.len() + 64);
    let mut to = chosen.as_mut_ptr().wrapping_add(chosen.len());
    for group in bytes.chunks(64 * SHORT) {
        // The signs of a bracket's differences, one bit for each vector.
        let mut signs = [_mm512_setzero_si512(); 3];
        for vector in group.chunks_exact(64) {
            fetch_ahead(vector);
            // SAFETY: `vector` is as long as what is loaded.
            let x = unsafe { _mm512_loadu_ps(vector.as_ptr().cast()) };
            let deviations = state.add::<CENTRED>(x);
            state.add_deviations(deviations);
            let bits = _mm512_castps_si512(x);
            let under = _mm512_castps_si512(_mm512_sub_ps(x, lower_tail));
            let over = _mm512_castps_si512(_mm512_sub_ps(upper_tail, x));
            let mut within = if CENTRED {
                _mm512_or_si512(under, over)
            } else {
                let tiny = _mm512_sub_epi32(_mm512_and_si512(bits, magnitude), small);
                // under | over | tiny
                _mm512_ternarylogic_epi32::<0xfe>(under, over, tiny)
            };
            for bracket in 0..3 {
                let from_low = _mm512_castps_si512(_mm512_sub_ps(x, low[bracket]));
                let from_high = _mm512_castps_si512(_mm512_sub_ps(x, high[bracket]));
                signs[bracket] = _mm512_shldi_epi32::<1>(signs[bracket], from_low);
                // within | (from_low ^ from_high)
                within = _mm512_ternarylogic_epi32::<0xf6>(within, from_low, from_high);
            }
            let mask = _mm512_movepi32_mask(within);
            // SAFETY: room for all elements and a vector more was reserved.
            unsafe { _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi32(mask, bits)) };
            to = to.wrapping_add(4 * mask.count_ones() as usize);
        }
        state.fold();
        for (lanes, signs) in lanes.iter_mut().zip(signs) {
            *lanes = _mm512_add_epi32(*lanes, _mm512_popcnt_epi32(signs));
        }
    }
    // SAFETY: everything up to `to` has been written, inside the reserved room.
    unsafe { chosen.set_len(to.offset_from(chosen.as_ptr()) as usize) };
    for (sum, lanes) in below.iter_mut().zip(lanes) {
        *sum += _mm512_reduce_add_epi32(lanes) as u64;
    }
    state.finish()
}

macro_rules! sweep_halves {
    ($(#[$doc:meta])* $name:ident, $vectors:ident, $element:ty, |$codes:ident| $widen:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// The processor must have the features.
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
        pub unsafe fn $name(
            bytes: &[u8],
            pivot: Pivot,
            sieve: &Sieve,
            below: &mut [u64; 3],
            chosen: &mut Vec<u8>,
        ) -> Sums {
            let (vectors, rest) = bytes.split_at(bytes.len() / 64 * 64);
            // SAFETY: the processor has the features.
            let mut sums = unsafe {
                if is_centred::<$element>(pivot, sieve) {
                    $vectors::<true>(vectors, pivot, sieve, below, chosen)
                } else {
                    $vectors::<false>(vectors, pivot, sieve, below, chosen)
                }
            };
            if !rest.is_empty() {
                sums.add(&portable::sweep::<$element>(rest, pivot, sieve, below, chosen));
            }
            sums
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
        unsafe fn $vectors<const CENTRED: bool>(
            bytes: &[u8],
            pivot: Pivot,
            sieve: &Sieve,
            below: &mut [u64; 3],
            chosen: &mut Vec<u8>,
        ) -> Sums {
            type E = $element;
            // No lane of 16 bits overflows.
            assert!(bytes.len() <= 2 * BLOCK);
            // Finite keys keep well clear of both ends of i16.
            let splat = |key: i32| _mm512_set1_epi16(key.clamp(i16::MIN.into(), i16::MAX.into()) as i16);
            let (low, high) = (sieve.low.map(splat), sieve.high.map(splat));
            let (lower_tail, upper_tail) = (splat(sieve.lower_tail), splat(sieve.upper_tail.saturating_sub(1)));
            let (small_low, small_high) = (splat(-E::SMALL_KEYS), splat(E::SMALL_KEYS));
            let mut lanes = [_mm512_setzero_si512(); 3];
            let mut state = State::new(pivot);
            chosen.reserve(bytes.len() + 64);
            let mut to = chosen.as_mut_ptr().wrapping_add(chosen.len());
            for group in bytes.chunks(64 * SHORT / 2) {
                // A lane's deviations of one short run are all but exact in f32: a code has few digits.
                let mut deviations = _mm512_setzero_ps();
                // The signs of a bracket's differences, one bit for each vector.
                let mut signs = [_mm512_setzero_si512(); 3];
                for vector in group.chunks_exact(64) {
                    fetch_ahead(vector);
                    // SAFETY: `vector` is as long as what is loaded.
                    let $codes = unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) };
                    for x in $widen {
                        deviations = _mm512_add_ps(deviations, state.add::<CENTRED>(x));
                    }
                    // codes ^ (sign & MAX)
                    let sign = _mm512_srai_epi16::<15>($codes);
                    let key = _mm512_ternarylogic_epi32::<0x78>($codes, sign, _mm512_set1_epi16(i16::MAX));
                    let under = _mm512_subs_epi16(key, lower_tail);
                    let over = _mm512_subs_epi16(upper_tail, key);
                    let mut within = _mm512_or_si512(under, over);
                    if !CENTRED {
                        let (from_low, from_high) = (_mm512_subs_epi16(key, small_low), _mm512_subs_epi16(key, small_high));
                        // within | (from_low ^ from_high)
                        within = _mm512_ternarylogic_epi32::<0xf6>(within, from_low, from_high);
                    }
                    for bracket in 0..3 {
                        let from_low = _mm512_subs_epi16(key, low[bracket]);
                        let from_high = _mm512_subs_epi16(key, high[bracket]);
                        signs[bracket] = _mm512_shldi_epi16::<1>(signs[bracket], from_low);
                        // within | (from_low ^ from_high)
                        within = _mm512_ternarylogic_epi32::<0xf6>(within, from_low, from_high);
                    }
                    let mask = _mm512_movepi16_mask(within);
                    // SAFETY: room for all elements and a vector more was reserved.
                    unsafe { _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi16(mask, $codes)) };
                    to = to.wrapping_add(2 * mask.count_ones() as usize);
                }
                state.add_deviations(deviations);
                state.fold();
                for (lanes, signs) in lanes.iter_mut().zip(signs) {
                    *lanes = _mm512_add_epi16(*lanes, _mm512_popcnt_epi16(signs));
                }
            }
            // SAFETY: everything up to `to` has been written, inside the reserved room.
            unsafe { chosen.set_len(to.offset_from(chosen.as_ptr()) as usize) };
            let one = _mm512_set1_epi16(1);
            for (sum, lanes) in below.iter_mut().zip(lanes) {
                // At most BLOCK / 32 in each lane; pairs are added to 32 bits.
                *sum += _mm512_reduce_add_epi32(_mm512_madd_epi16(lanes, one)) as u64;
            }
            state.finish()
        }
    };
}

sweep_halves!(
    /// `Element::sweep` for BF16.
    sweep_bf16, sweep_bf16_vectors, super::element::Bf16, |codes| {
        // The leading half of an f32 each: even elements move up, odd ones are there already.
        let odd = _mm512_and_si512(codes, _mm512_set1_epi32(0xffff_0000_u32 as i32));
        [_mm512_castsi512_ps(_mm512_slli_epi32::<16>(codes)), _mm512_castsi512_ps(odd)]
    }
);
sweep_halves!(
    /// `Element::sweep` for F16.
    sweep_f16, sweep_f16_vectors, super::element::F16, |codes| {
        [_mm512_cvtph_ps(_mm512_castsi512_si256(codes)), _mm512_cvtph_ps(_mm512_extracti64x4_epi64::<1>(codes))]
    }
);

/// `Element::bracket` for F32.
///
/// # Safety
/// The processor must have the features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
pub unsafe fn bracket_f32(bytes: &[u8], bounds: &Bounds, below: &mut [u64; 9], inside: &mut Vec<i32>) {
    type E = super::element::F32;
    let splat = |key: i32| _mm512_set1_ps(E::bound(key));
    let (low, high) = (bounds.low.map(splat), bounds.high.map(splat));
    let (vectors, rest) = bytes.split_at(bytes.len() / 64 * 64);
    let mut lanes = [_mm512_setzero_si512(); 9];
    inside.reserve(bytes.len() / 4 + 16);
    let mut to = inside.as_mut_ptr().wrapping_add(inside.len());
    for group in vectors.chunks(64 * 32) {
        // The signs of a bracket's differences, one bit for each vector.
        let mut signs = [_mm512_setzero_si512(); 9];
        for vector in group.chunks_exact(64) {
            // SAFETY: `vector` is as long as what is loaded.
            let x = unsafe { _mm512_loadu_ps(vector.as_ptr().cast()) };
            let mut within = _mm512_setzero_si512();
            for bracket in 0..9 {
                let from_low = _mm512_castps_si512(_mm512_sub_ps(x, low[bracket]));
                let from_high = _mm512_castps_si512(_mm512_sub_ps(x, high[bracket]));
                signs[bracket] = _mm512_shldi_epi32::<1>(signs[bracket], from_low);
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
        for (lanes, signs) in lanes.iter_mut().zip(signs) {
            *lanes = _mm512_add_epi32(*lanes, _mm512_popcnt_epi32(signs));
        }
    }
    // SAFETY: everything up to `to` has been written, inside the reserved room.
    unsafe { inside.set_len(to.offset_from(inside.as_ptr()) as usize) };
    for (sum, lanes) in below.iter_mut().zip(lanes) {
        *sum += _mm512_reduce_add_epi32(lanes) as u64;
    }
    if !rest.is_empty() {
        portable::bracket::<E>(rest, bounds, below, inside);
    }
}

/// `Element::bracket` for types of two bytes.
///
/// # Safety
/// The processor must have the features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
pub unsafe fn bracket_16<E: Element>(bytes: &[u8], bounds: &Bounds, below: &mut [u64; 9], inside: &mut Vec<i32>) {
    let splat = |key: i32| _mm512_set1_epi16(key.clamp(i16::MIN.into(), i16::MAX.into()) as i16);
    let (low, high) = (bounds.low.map(splat), bounds.high.map(splat));
    let (vectors, rest) = bytes.split_at(bytes.len() / 64 * 64);
    let mut lanes = [_mm512_setzero_si512(); 9];
    inside.reserve(bytes.len() / 2 + 32);
    let mut to = inside.as_mut_ptr().wrapping_add(inside.len());
    for group in vectors.chunks(64 * 16) {
        // The signs of a bracket's differences, one bit for each vector.
        let mut signs = [_mm512_setzero_si512(); 9];
        for vector in group.chunks_exact(64) {
            // SAFETY: `vector` is as long as what is loaded.
            let bits = unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) };
            let sign = _mm512_srai_epi16::<15>(bits);
            // bits ^ (sign & MAX)
            let key = _mm512_ternarylogic_epi32::<0x78>(bits, sign, _mm512_set1_epi16(i16::MAX));
            let mut within = _mm512_setzero_si512();
            for bracket in 0..9 {
                let from_low = _mm512_subs_epi16(key, low[bracket]);
                let from_high = _mm512_subs_epi16(key, high[bracket]);
                signs[bracket] = _mm512_shldi_epi16::<1>(signs[bracket], from_low);
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
        for (lanes, signs) in lanes.iter_mut().zip(signs) {
            // Pairs of counts are added to 32 bits.
            let counts = _mm512_madd_epi16(_mm512_popcnt_epi16(signs), _mm512_set1_epi16(1));
            *lanes = _mm512_add_epi32(*lanes, counts);
        }
    }
    // SAFETY: everything up to `to` has been written, inside the reserved room.
    unsafe { inside.set_len(to.offset_from(inside.as_ptr()) as usize) };
    for (sum, lanes) in below.iter_mut().zip(lanes) {
        *sum += _mm512_reduce_add_epi32(lanes) as u64;
    }
    if !rest.is_empty() {
        portable::bracket::<E>(rest, bounds, below, inside);
    }
}

/// `Element::survey` for F32.
///
/// # Safety
/// The processor must have the features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
pub unsafe fn survey_f32(bytes: &[u8], survey: &mut Survey) {
    type E = super::element::F32;
    let magnitude = _mm512_set1_epi32(i32::MAX);
    let limit = _mm512_set1_epi32(E::SMALL_KEYS);
    let (mut min, mut max) = (_mm512_set1_epi32(survey.min), _mm512_set1_epi32(survey.max));
    let vectors = bytes.chunks_exact(64);
    let rest = vectors.remainder();
    for vector in vectors {
        // SAFETY: `vector` is as long as what is loaded.
        let bits = unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) };
        // bits ^ (sign & MAX)
        let key = _mm512_ternarylogic_epi32::<0x78>(bits, _mm512_srai_epi32::<31>(bits), magnitude);
        min = _mm512_min_epi32(min, key);
        max = _mm512_max_epi32(max, key);
        let size = _mm512_and_si512(bits, magnitude);
        survey.zeros += u64::from(_mm512_testn_epi32_mask(size, size).count_ones());
        survey.small += u64::from(_mm512_cmplt_epi32_mask(size, limit).count_ones());
    }
    survey.min = _mm512_reduce_min_epi32(min);
    survey.max = _mm512_reduce_max_epi32(max);
    portable::survey::<E>(rest, survey);
}

/// `Element::survey` for types of two bytes.
///
/// # Safety
/// The processor must have the features.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,avx512bitalg,avx512vpopcntdq,popcnt")]
pub unsafe fn survey_16<E: Element>(bytes: &[u8], survey: &mut Survey) {
    let magnitude = _mm512_set1_epi16(i16::MAX);
    let limit = _mm512_set1_epi16(E::SMALL_KEYS as i16);
    let (mut min, mut max) = (_mm512_set1_epi16(i16::MAX), _mm512_set1_epi16(i16::MIN));
    let vectors = bytes.chunks_exact(64);
    let rest = vectors.remainder();
    for vector in vectors {
        // SAFETY: `vector` is as long as what is loaded.
        let bits = unsafe { _mm512_loadu_si512(vector.as_ptr().cast()) };
        // bits ^ (sign & MAX)
        let key = _mm512_ternarylogic_epi32::<0x78>(bits, _mm512_srai_epi16::<15>(bits), magnitude);
        min = _mm512_min_epi16(min, key);
        max = _mm512_max_epi16(max, key);
        let size = _mm512_and_si512(bits, magnitude);
        survey.zeros += u64::from(_mm512_testn_epi16_mask(size, size).count_ones());
        survey.small += u64::from(_mm512_cmplt_epi16_mask(size, limit).count_ones());
    }
    if bytes.len() >= 64 {
        // Half the lanes at a time, widened.
        let ends = |keys: __m512i| {
            [_mm512_castsi512_si256(keys), _mm512_extracti64x4_epi64::<1>(keys)].map(|half| _mm512_cvtepi16_epi32(half))
        };
        let [a, b] = ends(min);
        survey.min = survey.min.min(_mm512_reduce_min_epi32(_mm512_min_epi32(a, b)));
        let [a, b] = ends(max);
        survey.max = survey.max.max(_mm512_reduce_max_epi32(_mm512_max_epi32(a, b)));
    }
    portable::survey::<E>(rest, survey);
}
