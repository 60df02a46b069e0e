//! The element types that have kernels.

use super::brackets::Bounds;
use super::{Pivot, Sums, portable};
use crate::statistics::summary::Classes;

/// A floating-point type that is exact in f32. Keys sort as the values do.
pub trait Element: 'static {
    /// Bytes of an element.
    const WIDTH: usize;
    /// Key of little-endian element bytes.
    fn key(bytes: &[u8]) -> i32;
    /// The value of a key.
    fn from_key(key: i32) -> f32;
    /// Whether a finite value is subnormal.
    fn is_subnormal(value: f32) -> bool;
    /// Adds up elements about `pivot`.
    fn measure(bytes: &[u8], pivot: Pivot) -> Sums;
    /// Counts the elements at or above each bracket's lower end, and appends the keys of those inside a bracket.
    fn bracket(bytes: &[u8], bounds: &Bounds, at_or_above: &mut [u64; 9], inside: &mut Vec<i32>);
}

/// Whether the kernels for AVX-512 were compiled in and can run.
pub fn has_wide_vectors() -> bool {
    #[cfg(avx512)]
    return is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi2");
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

impl Element for F32 {
    const WIDTH: usize = 4;

    #[inline(always)]
    fn key(bytes: &[u8]) -> i32 {
        order32(i32::from_le_bytes(bytes.try_into().expect("four bytes")))
    }

    #[inline(always)]
    fn from_key(key: i32) -> f32 {
        f32::from_bits(order32(key) as u32)
    }

    #[inline(always)]
    fn is_subnormal(value: f32) -> bool {
        value.is_subnormal()
    }

    fn measure(bytes: &[u8], pivot: Pivot) -> Sums {
        #[cfg(avx512)]
        if has_wide_vectors() {
            // SAFETY: the processor has the features.
            return unsafe { super::wide_vectors::measure_f32(bytes, pivot) };
        }
        portable::measure::<Self>(bytes, pivot)
    }

    fn bracket(bytes: &[u8], bounds: &Bounds, at_or_above: &mut [u64; 9], inside: &mut Vec<i32>) {
        #[cfg(avx512)]
        if has_wide_vectors() {
            // SAFETY: the processor has the features.
            return unsafe { super::wide_vectors::bracket_32(bytes, bounds, at_or_above, inside) };
        }
        portable::bracket::<Self>(bytes, bounds, at_or_above, inside);
    }
}

macro_rules! half {
    ($(#[$doc:meta])* $name:ident, $float:ty, $measure:ident, $least_normal:expr) => {
        $(#[$doc])*
        pub struct $name;

        impl Element for $name {
            const WIDTH: usize = 2;

            #[inline(always)]
            fn key(bytes: &[u8]) -> i32 {
                order16(i16::from_le_bytes(bytes.try_into().expect("two bytes"))).into()
            }

            #[inline(always)]
            fn from_key(key: i32) -> f32 {
                <$float>::from_bits(order16(key as i16) as u16).to_f32()
            }

            #[inline(always)]
            fn is_subnormal(value: f32) -> bool {
                value != 0.0 && value.abs() < $least_normal
            }

            fn measure(bytes: &[u8], pivot: Pivot) -> Sums {
                #[cfg(avx512)]
                if has_wide_vectors() {
                    // SAFETY: the processor has the features.
                    return unsafe { super::wide_vectors::$measure(bytes, pivot) };
                }
                portable::measure::<Self>(bytes, pivot)
            }

            fn bracket(bytes: &[u8], bounds: &Bounds, at_or_above: &mut [u64; 9], inside: &mut Vec<i32>) {
                #[cfg(avx512)]
                if has_wide_vectors() {
                    // SAFETY: the processor has the features.
                    return unsafe { super::wide_vectors::bracket_16(bytes, bounds, at_or_above, inside) };
                }
                portable::bracket::<Self>(bytes, bounds, at_or_above, inside);
            }
        }
    };
}

half!(
    /// bfloat16.
    Bf16,
    half::bf16,
    measure_bf16,
    f32::MIN_POSITIVE
);
half!(
    /// IEEE 754 binary16.
    F16,
    half::f16,
    measure_f16,
    half::f16::MIN_POSITIVE.to_f32()
);
