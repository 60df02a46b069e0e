//! Numbers → stored elements: IEEE 754 round to nearest, ties to even, once.
//!
//! Values beyond the range of a type become infinite where it has infinities and NaN where it has none (the OCP and FNUZ
//! 8-bit types but E5M2), as in the conversions of OCP OFP8 without saturation.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::decode;
use super::dtype::Dtype;
use crate::lanes::with_avx2;

/// Whether values can be rounded to `dtype`; elements of every other type are only ever copied.
pub const fn is_target(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16) || small(dtype).is_some()
}

/// The integers that `dtype` holds; `None` for other types.
pub const fn integers(dtype: Dtype) -> Option<(i128, i128)> {
    Some(match dtype {
        Dtype::I64 => (i64::MIN as i128, i64::MAX as i128),
        Dtype::I32 => (i32::MIN as i128, i32::MAX as i128),
        Dtype::I16 => (i16::MIN as i128, i16::MAX as i128),
        Dtype::I8 => (i8::MIN as i128, i8::MAX as i128),
        Dtype::U64 => (0, u64::MAX as i128),
        Dtype::U32 => (0, u32::MAX as i128),
        Dtype::U16 => (0, u16::MAX as i128),
        Dtype::U8 => (0, u8::MAX as i128),
        Dtype::BOOL => (0, 1),
        _ => return None,
    })
}

/// Appends `value` as a little-endian element of `dtype`; `None` when that type does not hold it.
pub fn from_integer(dtype: Dtype, value: i128, out: &mut Vec<u8>) -> Option<()> {
    let (least, most) = integers(dtype)?;
    if value < least || value > most {
        return None;
    }
    out.extend_from_slice(&value.to_le_bytes()[..dtype.width()]);
    Some(())
}

/// Whether f32 holds every value of `dtype`.
pub const fn fits_f32(dtype: Dtype) -> bool {
    !matches!(dtype, Dtype::F64 | Dtype::I64 | Dtype::U64 | Dtype::I32 | Dtype::U32)
}

/// Appends `values` as little-endian elements of `dtype`.
///
/// # Panics
/// When `dtype` is no target.
pub fn from_f64(dtype: Dtype, values: &[f64], out: &mut Vec<u8>) {
    match dtype {
        Dtype::F64 => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        Dtype::F32 => out.extend(values.iter().flat_map(|&value| (value as f32).to_le_bytes())),
        Dtype::F16 => out.extend(values.iter().flat_map(|&value| half_bits(value).to_le_bytes())),
        Dtype::BF16 => out.extend(values.iter().flat_map(|&value| brain_bits(value).to_le_bytes())),
        _ => {
            let format = small(dtype).expect("a type that values can be rounded to");
            out.extend(values.iter().map(|&value| format.encode(value) as u8));
        }
    }
}

/// Appends `values` as little-endian elements of `dtype`.
///
/// # Panics
/// When `dtype` is no target.
pub fn from_f32(dtype: Dtype, values: &[f32], out: &mut Vec<u8>) {
    const BLOCK: usize = 256;
    match dtype {
        Dtype::F64 => out.extend(values.iter().flat_map(|&value| f64::from(value).to_le_bytes())),
        Dtype::F32 => {
            let start = out.len();
            out.resize(start + 4 * values.len(), 0);
            let slots = out[start..].chunks_exact_mut(4);
            slots.zip(values).for_each(|(slot, value)| slot.copy_from_slice(&value.to_le_bytes()));
        }
        Dtype::F16 => {
            let mut halves = [f16::ZERO; BLOCK];
            for values in values.chunks(BLOCK) {
                let halves = &mut halves[..values.len()];
                halves.convert_from_f32_slice(values);
                out.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
            }
        }
        Dtype::BF16 => {
            let start = out.len();
            out.resize(start + 2 * values.len(), 0);
            f32_to_brain(values, &mut out[start..]);
        }
        _ => {
            let format = small(dtype).expect("a type that values can be rounded to");
            out.extend(values.iter().map(|&value| format.encode(f64::from(value)) as u8));
        }
    }
}

with_avx2!(
    fn f32_to_brain(values: &[f32], out: &mut [u8]) = brain
);

#[inline(always)]
fn brain(values: &[f32], out: &mut [u8]) {
    for (slot, &value) in out.chunks_exact_mut(2).zip(values) {
        let bits = value.to_bits();
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
        // Without a branch, so that compilers make vectors of it; NaN becomes quiet.
        let code = if value.is_nan() { bits >> 16 | 0x40 } else { rounded };
        slot.copy_from_slice(&(code as u16).to_le_bytes());
    }
}

/// How many of the stored elements of `dtype`, one after the other, are not finite.
pub fn non_finite(dtype: Dtype, elements: &[u8]) -> u64 {
    match dtype {
        Dtype::F64 => with(elements, |element| !f64::from_le_bytes(element).is_finite()),
        Dtype::F32 => with(elements, |element| !f32::from_le_bytes(element).is_finite()),
        Dtype::F16 => full_exponents(elements, 0x7c00),
        Dtype::BF16 => full_exponents(elements, 0x7f80),
        Dtype::F8_E4M3 | Dtype::F8_E5M2 | Dtype::F8_E4M3FNUZ | Dtype::F8_E5M2FNUZ | Dtype::F8_E8M0 => {
            let table = decode::byte_table(dtype);
            with(elements, |[code]| !table[usize::from(code)].is_finite())
        }
        _ => 0,
    }
}

/// How many of the elements of `N` bytes the test holds for.
fn with<const N: usize>(elements: &[u8], test: impl Fn([u8; N]) -> bool) -> u64 {
    let elements = elements.chunks_exact(N).map(|element| element.try_into().expect("N bytes"));
    elements.map(|element| u64::from(test(element))).sum()
}

with_avx2!(
    /// How many of the elements of two bytes have all bits of `exponent`.
    fn full_exponents(elements: &[u8], exponent: u16) -> u64 = count_full_exponents
);

#[inline(always)]
fn count_full_exponents(elements: &[u8], exponent: u16) -> u64 {
    // Counts of a chunk fit 16 bits, as wide as the elements.
    let chunks = elements.chunks(1 << 15).map(|chunk| {
        let full = |element: &[u8]| u16::from_le_bytes([element[0], element[1]]) & exponent == exponent;
        chunk.chunks_exact(2).map(|element| u16::from(full(element))).sum::<u16>()
    });
    chunks.map(u64::from).sum()
}

/// What a value beyond the largest finite one becomes.
#[derive(Clone, Copy)]
enum Overflow {
    /// The code with an all-ones exponent and no fraction.
    Infinity,
    /// The code of all ones.
    NotANumber,
    /// The code of −0, which is NaN there: there is no −0.
    UnsignedZero,
}

/// A binary floating-point format of at most 16 bits.
#[derive(Clone, Copy)]
struct Format {
    exponent: u32,
    mantissa: u32,
    bias: i32,
    overflow: Overflow,
}

const HALF: Format = Format { exponent: 5, mantissa: 10, bias: 15, overflow: Overflow::Infinity };
const BRAIN: Format = Format { exponent: 8, mantissa: 7, bias: 127, overflow: Overflow::Infinity };

/// Bits of the f16 nearest to `value`.
pub fn half_bits(value: f64) -> u16 {
    HALF.encode(value) as u16
}

/// Bits of the bf16 nearest to `value`.
pub fn brain_bits(value: f64) -> u16 {
    BRAIN.encode(value) as u16
}

const fn small(dtype: Dtype) -> Option<Format> {
    Some(match dtype {
        Dtype::F8_E4M3 => Format { exponent: 4, mantissa: 3, bias: 7, overflow: Overflow::NotANumber },
        Dtype::F8_E5M2 => Format { exponent: 5, mantissa: 2, bias: 15, overflow: Overflow::Infinity },
        Dtype::F8_E4M3FNUZ => Format { exponent: 4, mantissa: 3, bias: 8, overflow: Overflow::UnsignedZero },
        Dtype::F8_E5M2FNUZ => Format { exponent: 5, mantissa: 2, bias: 16, overflow: Overflow::UnsignedZero },
        _ => return None,
    })
}

impl Format {
    /// The code of the value nearest to `value`.
    fn encode(self, value: f64) -> u32 {
        let sign = if value.is_sign_negative() { 1 << (self.exponent + self.mantissa) } else { 0 };
        let ones = (1 << (self.exponent + self.mantissa)) - 1;
        let infinity = ones - ((1 << self.mantissa) - 1);
        let nan = match self.overflow {
            // Quiet, with what fits of the rest of the significand.
            Overflow::Infinity => {
                infinity | 1 << (self.mantissa - 1) | (value.to_bits() << 12 >> (64 - self.mantissa)) as u32
            }
            Overflow::NotANumber => ones,
            Overflow::UnsignedZero => ones + 1,
        };
        if value.is_nan() {
            return nan | sign;
        }
        let beyond = match self.overflow {
            Overflow::Infinity => infinity,
            Overflow::NotANumber => ones,
            Overflow::UnsignedZero => ones + 1,
        };
        let magnitude = if value.is_infinite() { beyond } else { self.magnitude(value.abs()).min(beyond) };
        // There NaN has no sign, and neither has 0.
        let unsigned = matches!(self.overflow, Overflow::UnsignedZero) && (magnitude == 0 || magnitude == beyond);
        if unsigned { magnitude } else { magnitude | sign }
    }

    /// Codes count upwards with the values, so that a rounded significand carries into the exponent by itself. The answer
    /// may be beyond the largest code.
    fn magnitude(self, value: f64) -> u32 {
        let lowest = 1 - self.bias;
        // The exponent of f64's subnormals is far below any format's here.
        let exponent = ((value.to_bits() >> 52) as i32 - 1023).clamp(lowest, 1 << self.exponent);
        // Two steps, since f64 cannot hold 2^133, the reciprocal of bfloat16's smallest subnormal, times its largest values;
        // each is exact or far below half of the smallest subnormal.
        let units = value * 2f64.powi(-exponent) * 2f64.powi(self.mantissa as i32);
        if units >= 2f64.powi(self.mantissa as i32 + 2) {
            return u32::MAX;
        }
        (((exponent - lowest) as u32) << self.mantissa) + units.round_ties_even() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::decode;

    fn code_of(dtype: Dtype, value: f64) -> u32 {
        let mut bytes = Vec::new();
        from_f64(dtype, &[value], &mut bytes);
        bytes.iter().rev().fold(0, |code, byte| code << 8 | u32::from(*byte))
    }

    fn value_of(dtype: Dtype, code: u32) -> f64 {
        let mut value = [0f64];
        decode::to_f64(dtype, &code.to_le_bytes()[..dtype.width()], &mut value);
        value[0]
    }

    const NARROW: [Dtype; 6] =
        [Dtype::F16, Dtype::BF16, Dtype::F8_E4M3, Dtype::F8_E5M2, Dtype::F8_E4M3FNUZ, Dtype::F8_E5M2FNUZ];

    /// Every number of a type comes back as its own code, and the middle between neighbours goes to the even one.
    #[test]
    fn rounds_to_nearest_even() {
        for dtype in NARROW {
            let codes = 1u32 << dtype.bits();
            for code in 0..codes {
                let value = value_of(dtype, code);
                if value.is_nan() {
                    assert!(value_of(dtype, code_of(dtype, value)).is_nan(), "{dtype:?} {code}");
                    continue;
                }
                assert_eq!(code_of(dtype, value), code, "{dtype:?}");
                let next = if code + 1 < codes { value_of(dtype, code + 1) } else { f64::NAN };
                if next.is_finite() && value.is_finite() {
                    let middle = f64::midpoint(value, next);
                    let even = if code % 2 == 0 { code } else { code + 1 };
                    assert_eq!(code_of(dtype, middle), even, "{dtype:?} {middle}");
                    assert_eq!(code_of(dtype, middle + (next - middle) * 1e-6), code + 1, "{dtype:?} {middle}");
                    assert_eq!(code_of(dtype, middle + (value - middle) * 1e-6), code, "{dtype:?} {middle}");
                }
            }
        }
    }

    #[test]
    fn overflows_as_the_type_says() {
        for (dtype, largest, beyond) in [
            (Dtype::F16, 65_504.0, f64::INFINITY),
            (Dtype::BF16, 3.389_531_389_251_535_5e38, f64::INFINITY),
            (Dtype::F8_E5M2, 57_344.0, f64::INFINITY),
            (Dtype::F8_E4M3, 448.0, f64::NAN),
            (Dtype::F8_E4M3FNUZ, 240.0, f64::NAN),
            (Dtype::F8_E5M2FNUZ, 57_344.0, f64::NAN),
        ] {
            assert_eq!(value_of(dtype, code_of(dtype, -largest)), -largest, "{dtype:?}");
            for value in [largest * 1.2, f64::MAX, f64::INFINITY] {
                let found = value_of(dtype, code_of(dtype, value));
                assert!(found == beyond || found.is_nan() && beyond.is_nan(), "{dtype:?} {value}: {found}");
            }
        }
    }

    /// The way over f32 gives the same codes.
    #[test]
    fn both_ways_agree() {
        let mut state = 0x9e37_79b9u32;
        let values: Vec<f32> = (0..100_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f32::from_bits(state)
            })
            .filter(|value| !value.is_nan())
            .collect();
        let wide: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
        for dtype in NARROW.into_iter().chain([Dtype::F32, Dtype::F64]) {
            let (mut narrow, mut direct) = (Vec::new(), Vec::new());
            from_f32(dtype, &values, &mut narrow);
            from_f64(dtype, &wide, &mut direct);
            assert_eq!(narrow, direct, "{dtype:?}");
        }
    }
}
