//! The element types that have kernels.

use super::brackets::{Bounds, Sieve};
use super::{Pivot, Sums, Survey, portable};
use crate::statistics::summary::Classes;

/// A floating-point type that is exact in f32. Keys sort as the values do.
pub trait Element: 'static {
    /// Bytes of an element.
    const WIDTH: usize;
    /// Key of little-endian element bytes.
    fn key(bytes: &[u8]) -> i32;
    /// The value of a key.
    fn from_key(key: i32) -> f32;
    /// Most elements of a sample: more cost time, and save time on elements inside brackets.
    const LARGEST_SAMPLE: u64;
    /// Zeros and subnormals have the keys `-SMALL_KEYS .. SMALL_KEYS`.
    const SMALL_KEYS: i32;
    /// Adds up elements about `pivot`, appends those that the sieve holds back to `chosen`, and adds to `below` how many
    /// of all are below each of its brackets. At most `BLOCK` elements.
    fn sweep(bytes: &[u8], pivot: Pivot, sieve: &Sieve, below: &mut [u64; 3], chosen: &mut Vec<u8>) -> Sums;
    /// Appends the keys of the elements inside a bracket, and adds to `below` how many are below each.
    fn bracket(bytes: &[u8], bounds: &Bounds, below: &mut [u64; 9], inside: &mut Vec<i32>);
    /// Adds elements to what is known of the extremes and of small elements.
    fn survey(bytes: &[u8], survey: &mut Survey);
}

/// Whether the kernels for AVX-512 were compiled in and can run.
pub fn has_wide_vectors() -> bool {
    #[cfg(avx512)]
    return is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("avx512bitalg")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("popcnt");
    #[cfg(not(avx512))]
    false
}

/// Collects the finite elements of `block` and counts the others.
pub fn compact<E: Element>(block: &[u8], classes: &mut Classes, finite: &mut Vec<u8>) {
    finite.clear();
    for element in block.chunks_exact(E::WIDTH) {
        let value = E::from_key(E::key(element));
        match () {
            () if value.is_finite() => finite.extend_from_slice(element),
            () if value.is_nan() => classes.nan += 1,
            () if value > 0.0 => classes.positive_infinity += 1,
            () => classes.negative_infinity += 1,
        }
    }
}

/// Makes the bits of a float sort as signed integers, and back: the magnitude of negative numbers is inverted.
fn order32(bits: i32) -> i32 {
    bits ^ (bits >> 31 & i32::MAX)
}

fn order16(bits: i16) -> i16 {
    bits ^ (bits >> 15 & i16::MAX)
}

/// IEEE 754 binary32.
pub struct F32;

impl F32 {
    /// The value of a bracket's end; keys beyond all values are infinite.
    #[cfg(avx512)]
    pub fn bound(key: i32) -> f32 {
        Self::from_key(key.clamp(order32(f32::NEG_INFINITY.to_bits() as i32), f32::INFINITY.to_bits() as i32))
    }
}

impl Element for F32 {
    const WIDTH: usize = 4;
    const LARGEST_SAMPLE: u64 = 1 << 20;
    const SMALL_KEYS: i32 = 1 << 23;

    #[inline(always)]
    fn key(bytes: &[u8]) -> i32 {
        order32(i32::from_le_bytes(bytes.try_into().expect("four bytes")))
    }

    #[inline(always)]
    fn from_key(key: i32) -> f32 {
        f32::from_bits(order32(key) as u32)
    }

    fn survey(bytes: &[u8], survey: &mut Survey) {
        #[cfg(avx512)]
        if has_wide_vectors() {
            // SAFETY: the processor has the features.
            return unsafe { super::wide_vectors::survey_f32(bytes, survey) };
        }
        portable::survey::<Self>(bytes, survey);
    }

    fn sweep(bytes: &[u8], pivot: Pivot, sieve: &Sieve, below: &mut [u64; 3], chosen: &mut Vec<u8>) -> Sums {
        #[cfg(avx512)]
        if has_wide_vectors() {
            // SAFETY: the processor has the features.
            return unsafe { super::wide_vectors::sweep_f32(bytes, pivot, sieve, below, chosen) };
        }
        portable::sweep::<Self>(bytes, pivot, sieve, below, chosen)
    }

    fn bracket(bytes: &[u8], bounds: &Bounds, below: &mut [u64; 9], inside: &mut Vec<i32>) {
        #[cfg(avx512)]
        if has_wide_vectors() {
            // SAFETY: the processor has the features.
            return unsafe { super::wide_vectors::bracket_f32(bytes, bounds, below, inside) };
        }
        portable::bracket::<Self>(bytes, bounds, below, inside);
    }
}

macro_rules! half {
    ($(#[$doc:meta])* $name:ident, $float:ty, $sweep:ident, $mantissa:literal) => {
        $(#[$doc])*
        pub struct $name;

        impl Element for $name {
            const WIDTH: usize = 2;
            const LARGEST_SAMPLE: u64 = 1 << 17;
            const SMALL_KEYS: i32 = 1 << $mantissa;

            #[inline(always)]
            fn key(bytes: &[u8]) -> i32 {
                order16(i16::from_le_bytes(bytes.try_into().expect("two bytes"))).into()
            }

            #[inline(always)]
            fn from_key(key: i32) -> f32 {
                <$float>::from_bits(order16(key as i16) as u16).to_f32()
            }

            fn survey(bytes: &[u8], survey: &mut Survey) {
                #[cfg(avx512)]
                if has_wide_vectors() {
                    // SAFETY: the processor has the features.
                    return unsafe { super::wide_vectors::survey_16::<Self>(bytes, survey) };
                }
                portable::survey::<Self>(bytes, survey);
            }

            fn sweep(bytes: &[u8], pivot: Pivot, sieve: &Sieve, below: &mut [u64; 3], chosen: &mut Vec<u8>) -> Sums {
                #[cfg(avx512)]
                if has_wide_vectors() {
                    // SAFETY: the processor has the features.
                    return unsafe { super::wide_vectors::$sweep(bytes, pivot, sieve, below, chosen) };
                }
                portable::sweep::<Self>(bytes, pivot, sieve, below, chosen)
            }

            fn bracket(bytes: &[u8], bounds: &Bounds, below: &mut [u64; 9], inside: &mut Vec<i32>) {
                #[cfg(avx512)]
                if has_wide_vectors() {
                    // SAFETY: the processor has the features.
                    return unsafe { super::wide_vectors::bracket_16::<Self>(bytes, bounds, below, inside) };
                }
                portable::bracket::<Self>(bytes, bounds, below, inside);
            }
        }
    };
}

half!(
    /// bfloat16.
    Bf16,
    half::bf16,
    sweep_bf16,
    7
);
half!(
    /// IEEE 754 binary16.
    F16,
    half::f16,
    sweep_f16,
    10
);
