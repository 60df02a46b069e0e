//! The kernels for AVX2, FMA and F16C.

use std::arch::x86_64::*;

use super::{BLOCK, Block, Kernels};
use crate::difference::sums::Sums;
use crate::tensor::Dtype;

/// Bytes of one side worked on in one step: a cache line.
const LINE: usize = 64;
/// Steps in f32 before the sums move on to f64: 32 terms in each lane of 8.
const SHORT: usize = 8;
/// How far ahead of the computation cache lines are asked for: across the end of a page, where the processor's own
/// prefetching stops.
const AHEAD: usize = 1 << 11;
/// Sums of squares in f32 below this may have lost terms to its smallest numbers.
const LEAST_SQUARES: f64 = f64::from_bits((1023 - 90) << 52);
/// Doubt about a comparison in f32.
const DOUBT: f64 = f64::from_bits((1023 - 20) << 52);

/// The kernels for pairs of `dtype`, when the processor has what they need.
pub fn kernels(dtype: Dtype) -> Option<Kernels> {
    let present =
        is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
    match dtype {
        _ if !present => None,
        Dtype::BF16 => Some(Kernels { block: bf16, largest: Some(bf16_largest) }),
        Dtype::F16 => Some(Kernels { block: f16, largest: Some(f16_largest) }),
        Dtype::F32 => Some(Kernels { block: f32, largest: None }),
        _ => None,
    }
}

/// Asks for cache lines ahead of both sides; asking for what is not there has no effect.
#[inline(always)]
fn fetch_ahead(a: &[u8], b: &[u8]) {
    // SAFETY: every x86-64 processor has the instruction, and it cannot fault.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(a.as_ptr().wrapping_add(AHEAD).cast());
        _mm_prefetch::<_MM_HINT_T0>(b.as_ptr().wrapping_add(AHEAD).cast());
    }
}

/// Sums of a block that f32 was wide enough for.
fn sound(block: Block) -> Option<Block> {
    let Sums { squares, a, b, .. } = block.sums;
    let wide_enough = |squares: f64| squares.is_finite() && squares >= LEAST_SQUARES;
    let unchanged = block.differing == 0 && squares == 0.0;
    (wide_enough(a) && wide_enough(b) && (unchanged || wide_enough(squares))).then_some(block)
}

/// `sum` plus 8 lanes of f32.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn widened(sum: [__m256d; 2], x: __m256) -> [__m256d; 2] {
    let low = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
    let high = _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x));
    [_mm256_add_pd(sum[0], low), _mm256_add_pd(sum[1], high)]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn lanes(x: __m256d) -> [f64; 4] {
    let mut lanes = [0f64; 4];
    // SAFETY: the array is as long as what is stored.
    unsafe { _mm256_storeu_pd(lanes.as_mut_ptr(), x) };
    lanes
}

/// The sum of all lanes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn total(x: [__m256d; 2]) -> f64 {
    // SAFETY: the caller's processor has the features.
    unsafe { lanes(_mm256_add_pd(x[0], x[1])) }.iter().sum()
}

/// The largest lane.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn most(x: __m256d) -> f64 {
    // SAFETY: the caller's processor has the features.
    unsafe { lanes(x) }.iter().copied().fold(0.0, f64::max)
}

/// The sum of lanes of unsigned 16 bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn total_16(x: __m256i) -> u64 {
    let mut lanes = [0u16; 16];
    // SAFETY: the array is as long as what is stored.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), x) };
    lanes.iter().map(|&lane| u64::from(lane)).sum()
}

/// The least of lanes of unsigned 16 bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn least_16(x: __m256i) -> u16 {
    let mut lanes = [0u16; 16];
    // SAFETY: the array is as long as what is stored.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), x) };
    lanes.iter().copied().fold(u16::MAX, u16::min)
}

/// The sum of lanes of unsigned 32 bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn total_32(x: __m256i) -> u64 {
    let mut lanes = [0u32; 8];
    // SAFETY: the array is as long as what is stored.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), x) };
    lanes.iter().map(|&lane| u64::from(lane)).sum()
}

/// Pairs with a zero.
#[derive(Default)]
struct Zeros {
    /// Of other bits, both zero.
    apart: u64,
    /// Of other signs.
    turned: u64,
    /// The code of the least other magnitude, for elements of 16 bits; all ones when there is none.
    least: u16,
}

/// The pairs of 16 bits with a zero.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn zeros_16(a: &[u8], b: &[u8]) -> Zeros {
    let zero = _mm256_setzero_si256();
    let (mut apart, mut turned) = (zero, zero);
    let (ones, mut least) = (_mm256_set1_epi16(-1), _mm256_set1_epi16(-1));
    for (a, b) in a.chunks_exact(32).zip(b.chunks_exact(32)) {
        // SAFETY: a chunk is as long as what is loaded.
        let [x, y] = unsafe { [a, b].map(|side| _mm256_loadu_si256(side.as_ptr().cast())) };
        // Without their signs.
        let (p, q) = (_mm256_slli_epi16::<1>(x), _mm256_slli_epi16::<1>(y));
        // One less: that of zero is the largest code.
        least = _mm256_min_epu16(least, _mm256_add_epi16(p, ones));
        least = _mm256_min_epu16(least, _mm256_add_epi16(q, ones));
        let both_zero = _mm256_cmpeq_epi16(_mm256_or_si256(p, q), zero);
        let one_zero = _mm256_cmpeq_epi16(_mm256_min_epu16(p, q), zero);
        let signs = _mm256_srai_epi16::<15>(_mm256_xor_si256(x, y));
        apart = _mm256_sub_epi16(apart, _mm256_and_si256(both_zero, signs));
        turned = _mm256_sub_epi16(turned, _mm256_and_si256(one_zero, signs));
    }
    // SAFETY: this function's features.
    unsafe {
        let least = least_16(least);
        // Back to the code as it was; all ones stay.
        let least = if least == u16::MAX { least } else { least + 1 };
        Zeros { apart: total_16(apart), turned: total_16(turned), least }
    }
}

macro_rules! halves {
    (
        $(#[$doc:meta])* $name:ident, $largest:ident, $vectors:ident, $largest_vectors:ident, $float:ty, $gap:literal,
        |$codes:ident| $widen:expr
    ) => {
        $(#[$doc])*
        fn $name(a: &[u8], b: &[u8], tolerance: f64) -> Option<Block> {
            assert!(a.len() == b.len() && a.len() <= 2 * BLOCK);
            if a.len() % LINE != 0 || a.is_empty() {
                return None;
            }
            // SAFETY: `kernels` saw that the processor has the features.
            unsafe { if tolerance > 0.0 { $vectors::<true>(a, b, tolerance) } else { $vectors::<false>(a, b, 0.0) } }
        }

        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn $vectors<const TOLERANT: bool>(a: &[u8], b: &[u8], tolerance: f64) -> Option<Block> {
            let magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(i32::MAX));
            let zero = _mm256_setzero_si256();
            // What is certainly beyond, and what may be.
            let limits = [1.0 + DOUBT, 1.0 - DOUBT].map(|factor| _mm256_set1_ps((tolerance * factor) as f32));
            let (mut same, mut turned) = (zero, zero);
            // The least magnitude, as a code.
            let mut least = _mm256_set1_epi16(-1);
            let mut beyond = [zero; 2];
            let mut largest = _mm256_setzero_ps();
            let mut long = [[_mm256_setzero_pd(); 2]; 5];
            for (a, b) in a.chunks(SHORT * LINE).zip(b.chunks(SHORT * LINE)) {
                let [mut squares, mut aa, mut bb, mut dot, mut abs] = [_mm256_setzero_ps(); 5];
                for (a, b) in a.chunks_exact(LINE).zip(b.chunks_exact(LINE)) {
                    fetch_ahead(a, b);
                    for half in [0, LINE / 2] {
                        // SAFETY: half a line is as long as what is loaded.
                        let [x, y] = unsafe {
                            [a, b].map(|side| _mm256_loadu_si256(side.as_ptr().add(half).cast()))
                        };
                        let wide = [x, y].map(|$codes| $widen);
                        for part in 0..2 {
                            let (x, y): (__m256, __m256) = (wide[0][part], wide[1][part]);
                            let d = _mm256_sub_ps(y, x);
                            let size = _mm256_and_ps(d, magnitude);
                            squares = _mm256_fmadd_ps(d, d, squares);
                            aa = _mm256_fmadd_ps(x, x, aa);
                            bb = _mm256_fmadd_ps(y, y, bb);
                            dot = _mm256_fmadd_ps(x, y, dot);
                            abs = _mm256_add_ps(abs, size);
                            largest = _mm256_max_ps(size, largest);
                            if TOLERANT {
                                let large = _mm256_max_ps(_mm256_and_ps(x, magnitude), _mm256_and_ps(y, magnitude));
                                for (beyond, limit) in beyond.iter_mut().zip(limits) {
                                    let over = _mm256_cmp_ps::<_CMP_GT_OQ>(size, _mm256_mul_ps(large, limit));
                                    *beyond = _mm256_sub_epi32(*beyond, _mm256_castps_si256(over));
                                }
                            }
                        }
                        same = _mm256_sub_epi16(same, _mm256_cmpeq_epi16(x, y));
                        turned = _mm256_add_epi16(turned, _mm256_srli_epi16::<15>(_mm256_xor_si256(x, y)));
                        least = _mm256_min_epu16(least, _mm256_slli_epi16::<1>(x));
                        least = _mm256_min_epu16(least, _mm256_slli_epi16::<1>(y));
                    }
                }
                for (long, short) in long.iter_mut().zip([squares, aa, bb, dot, abs]) {
                    // SAFETY: this function's features.
                    *long = unsafe { widened(*long, short) };
                }
            }
            // SAFETY: this function's features.
            unsafe {
                let [squares, aa, bb, dot, abs] = long.map(|sum| total(sum));
                let count = (a.len() / 2) as u64;
                let same = total_16(same);
                let has_zero = _mm256_movemask_epi8(_mm256_cmpeq_epi16(least, zero)) != 0;
                let zeros =
                    if has_zero { zeros_16(a, b) } else { Zeros { least: least_16(least), ..Zeros::default() } };
                let wide = [
                    _mm256_cvtps_pd(_mm256_castps256_ps128(largest)),
                    _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(largest)),
                ];
                let [certain, possible] = beyond.map(|lanes| total_32(lanes));
                if TOLERANT && certain != possible {
                    return None;
                }
                let largest = most(_mm256_max_pd(wide[0], wide[1]));
                // A difference is rounded when the two are further apart than f32 has digits; one near the largest is not when
                // all elements but zeros are larger than this share of it.
                let least = f64::from(<$float>::from_bits(zeros.least >> 1));
                let exact = zeros.least == u16::MAX || least > largest * 2f64.powi(-$gap);
                sound(Block {
                    exact,
                    sums: Sums { squares, a: aa, b: bb, dot, abs },
                    differing: count - same,
                    beyond: if TOLERANT { certain } else { count - same - zeros.apart },
                    flips: total_16(turned) - zeros.turned,
                    largest,
                })
            }
        }

        fn $largest(a: &[u8], b: &[u8]) -> f64 {
            assert!(a.len() == b.len() && a.len() % LINE == 0);
            // SAFETY: `kernels` saw that the processor has the features.
            unsafe { $largest_vectors(a, b) }
        }

        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn $largest_vectors(a: &[u8], b: &[u8]) -> f64 {
            let sign = _mm256_set1_pd(-0.0);
            let mut largest = [_mm256_setzero_pd(); 2];
            for (a, b) in a.chunks_exact(32).zip(b.chunks_exact(32)) {
                // SAFETY: a chunk is as long as what is loaded.
                let sides = unsafe { [a, b].map(|side| _mm256_loadu_si256(side.as_ptr().cast())) };
                let wide: [[__m256; 2]; 2] = sides.map(|$codes| $widen);
                for part in 0..2 {
                    let [x, y] = [wide[0][part], wide[1][part]].map(|x| {
                        [_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x))]
                    });
                    for (half, largest) in largest.iter_mut().enumerate() {
                        let size = _mm256_andnot_pd(sign, _mm256_sub_pd(y[half], x[half]));
                        *largest = _mm256_max_pd(size, *largest);
                    }
                }
            }
            // SAFETY: this function's features.
            unsafe { most(_mm256_max_pd(largest[0], largest[1])) }
        }
    };
}

halves!(
    /// bfloat16.
    bf16, bf16_largest, bf16_vectors, bf16_largest_vectors, half::bf16, 14, |codes| {
        // The leading half of an f32 each: even elements move up, odd ones are there already.
        let odd = _mm256_and_si256(codes, _mm256_set1_epi32(0xffff_0000_u32 as i32));
        [_mm256_castsi256_ps(_mm256_slli_epi32::<16>(codes)), _mm256_castsi256_ps(odd)]
    }
);
halves!(
    /// IEEE 754 binary16.
    f16, f16_largest, f16_vectors, f16_largest_vectors, half::f16, 11, |codes| {
        [_mm256_cvtph_ps(_mm256_castsi256_si128(codes)), _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(codes))]
    }
);

/// The pairs of 32 bits with a zero.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn zeros_32(a: &[u8], b: &[u8]) -> Zeros {
    let zero = _mm256_setzero_si256();
    let (mut apart, mut turned) = (zero, zero);
    for (a, b) in a.chunks_exact(32).zip(b.chunks_exact(32)) {
        // SAFETY: a chunk is as long as what is loaded.
        let [x, y] = unsafe { [a, b].map(|side| _mm256_loadu_si256(side.as_ptr().cast())) };
        // Without their signs.
        let (p, q) = (_mm256_slli_epi32::<1>(x), _mm256_slli_epi32::<1>(y));
        let both_zero = _mm256_cmpeq_epi32(_mm256_or_si256(p, q), zero);
        let one_zero = _mm256_cmpeq_epi32(_mm256_min_epu32(p, q), zero);
        let signs = _mm256_srai_epi32::<31>(_mm256_xor_si256(x, y));
        apart = _mm256_sub_epi32(apart, _mm256_and_si256(both_zero, signs));
        turned = _mm256_sub_epi32(turned, _mm256_and_si256(one_zero, signs));
    }
    // SAFETY: this function's features.
    unsafe { Zeros { apart: total_32(apart), turned: total_32(turned), least: 0 } }
}

/// IEEE 754 binary32.
fn f32(a: &[u8], b: &[u8], tolerance: f64) -> Option<Block> {
    assert!(a.len() == b.len() && a.len() <= 4 * BLOCK);
    if a.len() % LINE != 0 || a.is_empty() {
        return None;
    }
    // SAFETY: `kernels` saw that the processor has the features.
    unsafe { if tolerance > 0.0 { f32_vectors::<true>(a, b, tolerance) } else { f32_vectors::<false>(a, b, 0.0) } }
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn f32_vectors<const TOLERANT: bool>(a: &[u8], b: &[u8], tolerance: f64) -> Option<Block> {
    let sign = _mm256_set1_pd(-0.0);
    let zero = _mm256_setzero_si256();
    let limit = _mm256_set1_pd(tolerance);
    let (mut same, mut turned, mut beyond) = (zero, zero, zero);
    // The least magnitude, as a code.
    let mut least = _mm256_set1_epi32(-1);
    let [mut squares, mut aa, mut bb, mut dot, mut abs, mut largest] = [_mm256_setzero_pd(); 6];
    for (a, b) in a.chunks_exact(LINE).zip(b.chunks_exact(LINE)) {
        fetch_ahead(a, b);
        for half in [0, LINE / 2] {
            // SAFETY: half a line is as long as what is loaded.
            let [p, q] = unsafe { [a, b].map(|side| _mm256_loadu_si256(side.as_ptr().add(half).cast())) };
            let [x, y] = [p, q].map(|codes| {
                let x = _mm256_castsi256_ps(codes);
                [_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x))]
            });
            for part in 0..2 {
                let (x, y) = (x[part], y[part]);
                let d = _mm256_sub_pd(y, x);
                let size = _mm256_andnot_pd(sign, d);
                squares = _mm256_fmadd_pd(d, d, squares);
                aa = _mm256_fmadd_pd(x, x, aa);
                bb = _mm256_fmadd_pd(y, y, bb);
                dot = _mm256_fmadd_pd(x, y, dot);
                abs = _mm256_add_pd(abs, size);
                largest = _mm256_max_pd(size, largest);
                if TOLERANT {
                    let large = _mm256_max_pd(_mm256_andnot_pd(sign, x), _mm256_andnot_pd(sign, y));
                    let over = _mm256_cmp_pd::<_CMP_GT_OQ>(size, _mm256_mul_pd(large, limit));
                    beyond = _mm256_sub_epi64(beyond, _mm256_castpd_si256(over));
                }
            }
            same = _mm256_sub_epi32(same, _mm256_cmpeq_epi32(p, q));
            turned = _mm256_add_epi32(turned, _mm256_srli_epi32::<31>(_mm256_xor_si256(p, q)));
            least = _mm256_min_epu32(least, _mm256_slli_epi32::<1>(p));
            least = _mm256_min_epu32(least, _mm256_slli_epi32::<1>(q));
        }
    }
    // SAFETY: this function's features.
    unsafe {
        let (count, same) = ((a.len() / 4) as u64, total_32(same));
        let has_zero = _mm256_movemask_epi8(_mm256_cmpeq_epi32(least, zero)) != 0;
        let zeros = if has_zero { zeros_32(a, b) } else { Zeros::default() };
        let [squares, aa, bb, dot, abs] = [squares, aa, bb, dot, abs].map(|sum| total([sum, _mm256_setzero_pd()]));
        // Squares of f32 are far inside the range of f64.
        (aa.is_finite() && bb.is_finite()).then(|| Block {
            sums: Sums { squares, a: aa, b: bb, dot, abs },
            differing: count - same,
            // Lanes of 64 bits, whose upper halves are 0.
            beyond: if TOLERANT { total_32(beyond) } else { count - same - zeros.apart },
            flips: total_32(turned) - zeros.turned,
            largest: most(largest),
            exact: true,
        })
    }
}
