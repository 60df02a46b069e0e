//! Stored elements → numbers.
//!
//! Formats: IEEE 754 binary16/32/64; bfloat16; OCP 8-bit floating point (E4M3, E5M2) and the microscaling E8M0 and E2M1
//! (OCP MX 1.0); the FNUZ variants of Noune et al. (arXiv 2206.02915).

use std::sync::LazyLock;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::dtype::Dtype;
use crate::lanes::with_avx2;
use crate::numeric::Numeric;

/// What the codes of a small float with an all-ones exponent (or the code of −0) mean.
enum Specials {
    /// Infinities and NaNs as in IEEE 754.
    Ieee,
    /// No infinity; only S.1111.111 is NaN.
    Finite,
    /// No infinity and no −0; the code of −0 is NaN.
    UnsignedZero,
    /// Every code is a number.
    None,
}

/// A sign, `exponent` bits with `bias`, `mantissa` bits.
struct SmallFloat {
    exponent: u32,
    mantissa: u32,
    bias: i32,
    specials: Specials,
}

impl SmallFloat {
    fn decode(&self, code: u8) -> f32 {
        let sign_bit = 1u8 << (self.exponent + self.mantissa);
        let sign = if code & sign_bit != 0 { -1.0 } else { 1.0 };
        let magnitude = code & (sign_bit - 1);
        let top = (1u32 << self.exponent) - 1;
        let exponent = u32::from(magnitude) >> self.mantissa;
        let fraction = u32::from(magnitude) & ((1 << self.mantissa) - 1);
        match self.specials {
            Specials::Ieee if exponent == top => {
                return if fraction == 0 { sign * f32::INFINITY } else { f32::NAN };
            }
            Specials::Finite if magnitude == sign_bit - 1 => return f32::NAN,
            Specials::UnsignedZero if code == sign_bit => return f32::NAN,
            _ => {}
        }
        let (significand, power) = match exponent {
            0 => (fraction, 1 - self.bias),
            _ => (1 << self.mantissa | fraction, exponent as i32 - self.bias),
        };
        sign * significand as f32 * 2f32.powi(power - self.mantissa as i32)
    }
}

const E4M3: SmallFloat = SmallFloat { exponent: 4, mantissa: 3, bias: 7, specials: Specials::Finite };
const E5M2: SmallFloat = SmallFloat { exponent: 5, mantissa: 2, bias: 15, specials: Specials::Ieee };
const E4M3_FNUZ: SmallFloat = SmallFloat { exponent: 4, mantissa: 3, bias: 8, specials: Specials::UnsignedZero };
const E5M2_FNUZ: SmallFloat = SmallFloat { exponent: 5, mantissa: 2, bias: 16, specials: Specials::UnsignedZero };
const E2M1: SmallFloat = SmallFloat { exponent: 2, mantissa: 1, bias: 1, specials: Specials::None };

/// 2^(code − 127); 255 is NaN (OCP MX §5.4.1).
fn decode_e8m0(code: u8) -> f32 {
    match code {
        255 => f32::NAN,
        0 => f32::from_bits(0x0040_0000),
        _ => f32::from_bits(u32::from(code) << 23),
    }
}

/// The value of one-byte code `code` of `dtype`.
fn decode_byte(dtype: Dtype, code: u8) -> f32 {
    match dtype {
        Dtype::F8_E4M3 => E4M3.decode(code),
        Dtype::F8_E5M2 => E5M2.decode(code),
        Dtype::F8_E4M3FNUZ => E4M3_FNUZ.decode(code),
        Dtype::F8_E5M2FNUZ => E5M2_FNUZ.decode(code),
        Dtype::F8_E8M0 => decode_e8m0(code),
        Dtype::F4 => E2M1.decode(code & 15),
        Dtype::I8 => f32::from(code as i8),
        Dtype::BOOL => f32::from(u8::from(code != 0)),
        Dtype::U8 => f32::from(code),
        _ => unreachable!("{dtype:?} is wider than a byte"),
    }
}

/// All 256 values of a one-byte type (or of unpacked F4).
pub fn byte_table(dtype: Dtype) -> &'static [f32; 256] {
    static TABLES: LazyLock<Vec<(Dtype, [f32; 256])>> = LazyLock::new(|| {
        let narrow = Dtype::ALL.into_iter().filter(|dtype| dtype.width() == 1);
        narrow.map(|dtype| (dtype, std::array::from_fn(|code| decode_byte(dtype, code as u8)))).collect()
    });
    let table = TABLES.iter().find(|(of, _)| *of == dtype);
    &table.expect("a one-byte type").1
}

/// The value of two-byte code `code` of `dtype`.
pub fn decode_two_bytes(dtype: Dtype, code: u16) -> f32 {
    match dtype {
        Dtype::F16 => f16::from_bits(code).to_f32(),
        Dtype::BF16 => f32::from_bits(u32::from(code) << 16),
        Dtype::I16 => f32::from(code as i16),
        Dtype::U16 => f32::from(code),
        _ => unreachable!("{dtype:?} is not two bytes wide"),
    }
}

/// The little-endian elements of `N` bytes in `bytes`.
fn elements<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.chunks_exact(N).map(|chunk| chunk.try_into().expect("a chunk of N bytes"))
}

fn fill<T, const N: usize>(bytes: &[u8], out: &mut [T], convert: impl Fn([u8; N]) -> T) {
    for (slot, element) in out.iter_mut().zip(elements::<N>(bytes)) {
        *slot = convert(element);
    }
}

/// Decodes unpacked elements to f64; 64-bit integers beyond 2^53 are rounded to nearest. `bytes` holds
/// `out.len()` elements of `dtype.width()` bytes.
pub fn to_f64(dtype: Dtype, bytes: &[u8], out: &mut [f64]) {
    assert_eq!(bytes.len(), out.len() * dtype.width());
    match dtype {
        Dtype::F64 => fill(bytes, out, f64::from_le_bytes),
        Dtype::F32 => fill(bytes, out, |b| f64::from(f32::from_le_bytes(b))),
        Dtype::BF16 => fill(bytes, out, |b| f64::from(f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16))),
        Dtype::F16 => {
            let mut block = [0f32; 256];
            for (bytes, out) in bytes.chunks(512).zip(out.chunks_mut(256)) {
                let block = &mut block[..out.len()];
                f16_to_f32(bytes, block);
                out.iter_mut().zip(block).for_each(|(slot, value)| *slot = f64::from(*value));
            }
        }
        Dtype::I64 => fill(bytes, out, |b| i64::from_le_bytes(b) as f64),
        Dtype::U64 => fill(bytes, out, |b| u64::from_le_bytes(b) as f64),
        Dtype::I32 => fill(bytes, out, |b| f64::from(i32::from_le_bytes(b))),
        Dtype::U32 => fill(bytes, out, |b| f64::from(u32::from_le_bytes(b))),
        Dtype::I16 => fill(bytes, out, |b| f64::from(i16::from_le_bytes(b))),
        Dtype::U16 => fill(bytes, out, |b| f64::from(u16::from_le_bytes(b))),
        _ => {
            let table = byte_table(dtype);
            fill(bytes, out, |[code]| f64::from(table[usize::from(code)]));
        }
    }
}

/// Decodes unpacked elements to f32, rounding to nearest even; values beyond its range become infinite.
pub fn to_f32(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    assert_eq!(bytes.len(), out.len() * dtype.width());
    match dtype {
        Dtype::F64 => fill(bytes, out, |b| f64::from_le_bytes(b) as f32),
        Dtype::F32 => fill(bytes, out, f32::from_le_bytes),
        Dtype::BF16 => brain_to_f32(bytes, out),
        Dtype::F16 => f16_to_f32(bytes, out),
        Dtype::I64 => fill(bytes, out, |b| i64::from_le_bytes(b) as f32),
        Dtype::U64 => fill(bytes, out, |b| u64::from_le_bytes(b) as f32),
        Dtype::I32 => fill(bytes, out, |b| i32::from_le_bytes(b) as f32),
        Dtype::U32 => fill(bytes, out, |b| u32::from_le_bytes(b) as f32),
        Dtype::I16 => fill(bytes, out, |b| f32::from(i16::from_le_bytes(b))),
        Dtype::U16 => fill(bytes, out, |b| f32::from(u16::from_le_bytes(b))),
        _ => {
            let table = byte_table(dtype);
            fill(bytes, out, |[code]| table[usize::from(code)]);
        }
    }
}

with_avx2!(
    fn brain_to_f32(bytes: &[u8], out: &mut [f32]) = brain
);

#[inline(always)]
fn brain(bytes: &[u8], out: &mut [f32]) {
    for (slot, element) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *slot = f32::from_bits(u32::from(u16::from_le_bytes([element[0], element[1]])) << 16);
    }
}

fn f16_to_f32(bytes: &[u8], out: &mut [f32]) {
    let mut halves = [f16::ZERO; 256];
    for (bytes, out) in bytes.chunks(512).zip(out.chunks_mut(256)) {
        let halves = &mut halves[..out.len()];
        fill(bytes, halves, f16::from_le_bytes);
        halves.convert_to_f32_slice(out);
    }
}

/// One unpacked element, exactly.
pub fn to_numeric(dtype: Dtype, bytes: &[u8]) -> Numeric {
    fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
        bytes.try_into().expect("an element's width")
    }
    match dtype {
        Dtype::I64 => Numeric::Integer(i64::from_le_bytes(array(bytes)).into()),
        Dtype::U64 => Numeric::Integer(u64::from_le_bytes(array(bytes)).into()),
        _ => {
            let mut value = [0f64];
            to_f64(dtype, bytes, &mut value);
            if dtype.is_integer() { Numeric::Integer(value[0] as i128) } else { Numeric::Float(value[0]) }
        }
    }
}
