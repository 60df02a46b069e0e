//! What a merge computes in: numbers of one type, and the type that every step is rounded to.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use crate::tensor::{Dtype, decode, encode};

/// Integers that magnitudes are compared as.
pub trait Word: Copy + Debug + Default + Ord + Send + Sync + 'static {
    /// As u64.
    fn wide(self) -> u64;
    /// What of a u64 fits.
    fn of(value: u64) -> Self;
}

impl Word for u32 {
    #[inline(always)]
    fn of(value: u64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn wide(self) -> u64 {
        u64::from(self)
    }
}

impl Word for u64 {
    #[inline(always)]
    fn of(value: u64) -> Self {
        value
    }

    #[inline(always)]
    fn wide(self) -> u64 {
        self
    }
}

/// Numbers that values are held as.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// What keys of their magnitudes are held as.
    type Key: Word;
    /// To nearest even.
    fn of(value: f64) -> Self;
    /// Exactly.
    fn wide(self) -> f64;
    /// Magnitude.
    fn abs(self) -> Self;
    /// Decodes unpacked elements of `dtype`, rounding to nearest even.
    fn decode(dtype: Dtype, bytes: &[u8], out: &mut [Self]);
    /// Appends `values` as little-endian elements of `dtype`, rounded to nearest even.
    fn encode(dtype: Dtype, values: &[Self], out: &mut Vec<u8>);
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    type Key = u32;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self::abs(self)
    }

    fn decode(dtype: Dtype, bytes: &[u8], out: &mut [Self]) {
        decode::to_f32(dtype, bytes, out);
    }

    fn encode(dtype: Dtype, values: &[Self], out: &mut Vec<u8>) {
        encode::from_f32(dtype, values, out);
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    type Key = u64;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self::abs(self)
    }

    fn decode(dtype: Dtype, bytes: &[u8], out: &mut [Self]) {
        decode::to_f64(dtype, bytes, out);
    }

    fn encode(dtype: Dtype, values: &[Self], out: &mut Vec<u8>) {
        encode::from_f64(dtype, values, out);
    }
}

/// Numbers and the type that every step is rounded to. Sums, products and quotients of halves that are rounded to f32 first and
/// to a half type then are the correctly rounded ones.
pub trait Arithmetic: Copy + Debug + Default + Send + Sync + 'static {
    /// What values are held as.
    type Real: Real;
    /// Bits of a key.
    const KEY_BITS: u32;
    /// To nearest even.
    fn round(value: Self::Real) -> Self::Real;
    /// Of a number of the type an integer that grows with its magnitude, that of NaN no smaller than infinity's.
    fn key(value: Self::Real) -> <Self::Real as Real>::Key;
    /// The magnitude of a key.
    fn magnitude(key: <Self::Real as Real>::Key) -> Self::Real;
    /// As `round`, in what random choices are made in: of halves, mergekit makes those of binary16 in f32.
    #[inline(always)]
    fn round_chance(value: Self::Real) -> Self::Real {
        Self::round(value)
    }

    #[inline(always)]
    fn add(x: Self::Real, y: Self::Real) -> Self::Real {
        Self::round(x + y)
    }

    #[inline(always)]
    fn sub(x: Self::Real, y: Self::Real) -> Self::Real {
        Self::round(x - y)
    }

    #[inline(always)]
    fn mul(x: Self::Real, y: Self::Real) -> Self::Real {
        Self::round(x * y)
    }

    #[inline(always)]
    fn div(x: Self::Real, y: Self::Real) -> Self::Real {
        Self::round(x / y)
    }
}

/// Whether `A` is narrower than f32, so that results show where it rounds.
pub const fn is_narrow<A: Arithmetic>() -> bool {
    A::KEY_BITS < 16
}

/// A number that belongs to a whole tensor as it is after a step in `A`: rounded where `A` is narrow. Elsewhere such numbers stay in
/// f64 to the end: every element would have their rounding.
#[inline(always)]
pub fn in_steps<A: Arithmetic>(value: f64) -> f64 {
    if is_narrow::<A>() { A::round(A::Real::of(value)).wide() } else { value }
}

/// bfloat16.
#[derive(Clone, Copy, Debug, Default)]
pub struct Brain;
/// binary16.
#[derive(Clone, Copy, Debug, Default)]
pub struct Half;
/// binary32.
#[derive(Clone, Copy, Debug, Default)]
pub struct Single;
/// binary64.
#[derive(Clone, Copy, Debug, Default)]
pub struct Double;

/// The bit of an f32 by which a NaN is a quiet one.
const QUIET: u32 = 0x0040_0000;

impl Arithmetic for Brain {
    type Real = f32;
    const KEY_BITS: u32 = 15;

    #[inline(always)]
    fn key(value: f32) -> u32 {
        value.abs().to_bits() >> 16
    }

    #[inline(always)]
    fn magnitude(key: u32) -> f32 {
        f32::from_bits(key << 16)
    }

    #[inline(always)]
    fn round(value: f32) -> f32 {
        let bits = value.to_bits();
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000;
        // Without a branch, so that compilers make vectors of it. A NaN becomes a quiet one rather than staying what it is: in place
        // that would be stores under a mask, which are slow.
        f32::from_bits(if value.is_nan() { bits & 0xffff_0000 | QUIET } else { rounded })
    }
}

impl Arithmetic for Half {
    type Real = f32;
    const KEY_BITS: u32 = 15;

    #[inline(always)]
    fn key(value: f32) -> u32 {
        // Brings the exponents of halves to those that halves store, subnormal ones included.
        let stored = value.abs() * f32::from_bits((127 - 112) << 23);
        (stored.to_bits() >> 13).min(0x7fff)
    }

    #[inline(always)]
    fn magnitude(key: u32) -> f32 {
        half::f16::from_bits(if key == 0x7fff { 0x7c00 } else { key as u16 }).to_f32()
    }

    #[inline(always)]
    fn round_chance(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    fn round(value: f32) -> f32 {
        /// 2⁻¹⁴, the least normal number.
        const LEAST: f32 = f32::from_bits((127 - 14) << 23);
        /// The largest number and half a unit of it.
        const BEYOND: f32 = 65_520.0;
        let bits = value.to_bits();
        let magnitude = value.abs();
        let normal = f32::from_bits((bits.wrapping_add(0x0fff + (bits >> 13 & 1)) & 0xffff_e000) & 0x7fff_ffff);
        // Neighbours of 0.5 in f32 lie 2⁻²⁴ apart, as subnormal numbers do.
        let small = (magnitude + 0.5) - 0.5;
        let rounded = if magnitude < LEAST { small } else { normal };
        let rounded = if magnitude >= BEYOND { f32::INFINITY } else { rounded };
        let rounded = f32::from_bits(rounded.to_bits() | bits & 0x8000_0000);
        if value.is_nan() { f32::from_bits(bits | QUIET) } else { rounded }
    }
}

impl Arithmetic for Single {
    type Real = f32;
    const KEY_BITS: u32 = 31;

    #[inline(always)]
    fn key(value: f32) -> u32 {
        value.abs().to_bits()
    }

    #[inline(always)]
    fn magnitude(key: u32) -> f32 {
        f32::from_bits(key)
    }

    #[inline(always)]
    fn round(value: f32) -> f32 {
        value
    }
}

impl Arithmetic for Double {
    type Real = f64;
    const KEY_BITS: u32 = 63;

    #[inline(always)]
    fn key(value: f64) -> u64 {
        value.abs().to_bits()
    }

    #[inline(always)]
    fn magnitude(key: u64) -> f64 {
        f64::from_bits(key)
    }

    #[inline(always)]
    fn round(value: f64) -> f64 {
        value
    }
}

/// Rounds each of `values` to `dtype`, which is one that values can be rounded to.
pub fn round_to<R: Real>(dtype: Dtype, values: &mut [R]) {
    let mut bytes = Vec::with_capacity(values.len() * dtype.width());
    R::encode(dtype, values, &mut bytes);
    R::decode(dtype, &bytes, values);
}

/// Compiles `$body`, which is `#[inline(always)]`, for AVX2 and F16C beside what the target guarantees, and picks one at run time.
macro_rules! for_wide_vectors {
    ($(#[$doc:meta])* $vis:vis fn $name:ident<$($generic:ident: $bound:path),*>($($arg:ident: $type:ty),* $(,)?) = $body:path) => {
        $(#[$doc])*
        $vis fn $name<$($generic: $bound),*>($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
                #[target_feature(enable = "avx2,f16c")]
                fn wide<$($generic: $bound),*>($($arg: $type),*) {
                    $body($($arg),*);
                }
                // SAFETY: the processor has both.
                return unsafe { wide($($arg),*) };
            }
            $body($($arg),*);
        }
    };
}
pub(super) use for_wide_vectors;

/// Calls `work` compiled for AVX2 and F16C where the processor has them; what is inlined into it becomes vectors.
#[inline(always)]
pub fn vectorised<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
        #[target_feature(enable = "avx2,f16c")]
        fn wide<T>(work: impl FnOnce() -> T) -> T {
            work()
        }
        // SAFETY: the processor has both.
        return unsafe { wide(work) };
    }
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every bit pattern's neighbourhood: numbers of the type stay, the rest rounds as the encoder does.
    #[test]
    fn rounds_as_the_encoder_does() {
        let mut state = 0x2545_f491u32;
        let mut values: Vec<f32> = (0..=u16::MAX)
            .flat_map(|high| [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff].map(|low| u32::from(high) << 16 | low))
            .map(f32::from_bits)
            .collect();
        values.extend((0..200_000).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Exponents around those of halves.
            f32::from_bits(state & 0x807f_ffff | (100 + (state >> 3) % 46) << 23)
        }));
        for (dtype, round) in [(Dtype::BF16, Brain::round as fn(f32) -> f32), (Dtype::F16, Half::round)] {
            let mut expected = values.clone();
            round_to(dtype, &mut expected);
            for (&value, expected) in values.iter().zip(expected) {
                let found = round(value);
                assert!(
                    found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
                    "{dtype:?} {value:e}: {found:e}, {expected:e}"
                );
            }
        }
    }
}
