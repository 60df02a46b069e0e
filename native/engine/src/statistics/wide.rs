//! Types of 32 and 64 bits.

use super::quantiles;
use super::summary::{self, Classes, Moments, Summary};
use crate::context::Context;
use crate::error::Result;
use crate::numeric::Numeric;
use crate::protocol::{How, Quantiles, Statistics};
use crate::tensor::Tensor;
use crate::tiles;

/// Elements of one tile.
pub const TILE: u64 = 1 << 18;
/// Elements whose moments are taken at once, about their own mean: they stay in the first-level cache.
const BLOCK: usize = 1024;

/// An element type of 32 or 64 bits.
pub trait Wide: 'static {
    /// Bytes of an element.
    const WIDTH: usize;
    /// Bits of an order key.
    const KEY_BITS: u32;
    /// Order keys of the least and greatest finite values.
    const FINITE: (u64, u64);
    /// Key of little-endian element bytes: an unsigned integer that sorts as the values do.
    fn key(bytes: &[u8]) -> u64;
    /// The exact value of a key.
    fn numeric(key: u64) -> Numeric;
    /// The nearest double of a key's value.
    fn value(key: u64) -> f64 {
        Self::numeric(key).to_f64()
    }
    /// Counts the element's kind.
    fn classify(key: u64, classes: &mut Classes);
}

macro_rules! float {
    ($name:ident, $float:ty, $bits:ty) => {
        #[doc = concat!("`", stringify!($float), "`")]
        pub struct $name;

        impl $name {
            const SIGN: $bits = 1 << (<$bits>::BITS - 1);

            const fn order(bits: $bits) -> $bits {
                if bits & Self::SIGN != 0 { !bits } else { bits | Self::SIGN }
            }

            fn float(key: u64) -> $float {
                let key = key as $bits;
                <$float>::from_bits(if key & Self::SIGN != 0 { key & !Self::SIGN } else { !key })
            }
        }

        impl Wide for $name {
            const WIDTH: usize = size_of::<$float>();
            const KEY_BITS: u32 = <$bits>::BITS;
            const FINITE: (u64, u64) =
                (Self::order(<$float>::MIN.to_bits()) as u64, Self::order(<$float>::MAX.to_bits()) as u64);

            #[inline(always)]
            fn key(bytes: &[u8]) -> u64 {
                Self::order(<$bits>::from_le_bytes(bytes.try_into().expect("an element"))).into()
            }

            fn numeric(key: u64) -> Numeric {
                Numeric::Float(f64::from(Self::float(key)) + 0.0)
            }

            fn value(key: u64) -> f64 {
                f64::from(Self::float(key))
            }

            fn classify(key: u64, classes: &mut Classes) {
                let value = Self::float(key);
                match value.classify() {
                    std::num::FpCategory::Nan => classes.nan += 1,
                    std::num::FpCategory::Infinite if value > 0.0 => classes.positive_infinity += 1,
                    std::num::FpCategory::Infinite => classes.negative_infinity += 1,
                    std::num::FpCategory::Zero => classes.zeros += 1,
                    std::num::FpCategory::Subnormal => classes.subnormals += 1,
                    std::num::FpCategory::Normal => {}
                }
            }
        }
    };
}

macro_rules! integer {
    ($name:ident, $integer:ty, $bits:ty) => {
        #[doc = concat!("`", stringify!($integer), "`")]
        pub struct $name;

        impl $name {
            /// Flips the sign bit of signed types.
            const FLIP: $bits = if <$integer>::MIN == 0 { 0 } else { 1 << (<$bits>::BITS - 1) };
        }

        impl Wide for $name {
            const WIDTH: usize = size_of::<$integer>();
            const KEY_BITS: u32 = <$bits>::BITS;
            const FINITE: (u64, u64) = (0, <$bits>::MAX as u64);

            #[inline(always)]
            fn key(bytes: &[u8]) -> u64 {
                (<$bits>::from_le_bytes(bytes.try_into().expect("an element")) ^ Self::FLIP).into()
            }

            fn numeric(key: u64) -> Numeric {
                Numeric::Integer(((key as $bits ^ Self::FLIP) as $integer).into())
            }

            fn classify(key: u64, classes: &mut Classes) {
                classes.zeros += u64::from(key == u64::from(Self::FLIP));
            }
        }
    };
}

float!(F64, f64, u64);
float!(F32, f32, u32);
integer!(I64, i64, u64);
integer!(I32, i32, u32);
integer!(U64, u64, u64);
integer!(U32, u32, u32);

/// What one tile holds.
#[derive(Clone, Debug)]
struct Part {
    classes: Classes,
    /// Keys of the least and greatest finite elements.
    range: Option<(u64, u64)>,
    moments: Moments,
}

/// The statistics of `tensor`, whose elements are `T`.
///
/// # Errors
/// `Cancelled`, `Io`, `Truncated`.
pub fn statistics<T: Wide>(tensor: &Tensor, context: &Context) -> Result<Statistics> {
    let mut whole = scan::<T>(tensor, context, 1.0)?;
    let mut scale = 1.0;
    if let Some((min, max)) = whole.range {
        // Fourth powers of very large or very small doubles leave the range of f64.
        let max_abs = T::value(min).abs().max(T::value(max).abs());
        if max_abs > 0.0 && !(1e-70..1e70).contains(&max_abs) {
            scale = power_of_two_near(max_abs).recip();
            whole = scan::<T>(tensor, context, scale)?;
        }
    }
    let finite = tensor.count() - whole.classes.non_finite();
    let summary = Summary {
        count: tensor.count(),
        classes: whole.classes,
        range: whole.range.map(|(min, max)| (T::numeric(min), T::numeric(max))),
        moments: whole.moments,
        scale,
        quantiles: quantiles::<T>(tensor, finite, context)?,
    };
    Ok(summary.finish(How::exact("one-pass moments, radix-selected quantiles", "f64", context.threads)))
}

/// A power of two within a factor of two of `x`, clamped so that its reciprocal is finite.
fn power_of_two_near(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & 0x7ff0_0000_0000_0000).clamp(f64::MIN_POSITIVE, 2f64.powi(1020))
}

/// One pass over all elements; moments are of the elements times `scale`.
fn scan<T: Wide>(tensor: &Tensor, context: &Context, scale: f64) -> Result<Part> {
    let (_, parts) = tiles::for_each(
        context,
        tensor.count(),
        TILE,
        || (tensor.reader(), Vec::with_capacity(BLOCK)),
        |(reader, values), tile| {
            let bytes = reader.elements(tile.start, (tile.end - tile.start) as usize)?;
            Ok(scan_tile::<T>(bytes, scale, values))
        },
    )?;
    let mut whole = Part { classes: Classes::default(), range: None, moments: Moments::default() };
    for part in &parts {
        whole.classes.add(&part.classes);
        whole.range = match (whole.range, part.range) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (a, b) => a.or(b),
        };
    }
    whole.moments = Moments::merge_all(parts.into_iter().map(|part| part.moments).collect());
    Ok(whole)
}

fn scan_tile<T: Wide>(bytes: &[u8], scale: f64, values: &mut Vec<f64>) -> Part {
    let mut classes = Classes::default();
    let (mut min, mut max) = (u64::MAX, 0);
    let mut moments = Vec::with_capacity(bytes.len() / T::WIDTH / BLOCK + 1);
    for block in bytes.chunks(BLOCK * T::WIDTH) {
        values.clear();
        for element in block.chunks_exact(T::WIDTH) {
            let key = T::key(element);
            T::classify(key, &mut classes);
            if (T::FINITE.0..=T::FINITE.1).contains(&key) {
                min = min.min(key);
                max = max.max(key);
                values.push(T::value(key) * scale);
            }
        }
        moments.push(block_moments(values));
    }
    Part { classes, range: (min <= max).then_some((min, max)), moments: Moments::merge_all(moments) }
}

fn block_moments(values: &[f64]) -> Moments {
    if values.is_empty() {
        return Moments::default();
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let mut moments = Moments { n, mean, ..Moments::default() };
    for &value in values {
        let d = value - mean;
        let square = d * d;
        moments.m2 += square;
        moments.m3 += square * d;
        moments.m4 += square * square;
        moments.l1 += value.abs();
    }
    moments
}

/// The quantiles of the `finite` finite elements.
///
/// # Errors
/// `Cancelled`, `Io`, `Truncated`.
pub fn quantiles<T: Wide>(tensor: &Tensor, finite: u64, context: &Context) -> Result<[f64; 9]> {
    if finite == 0 {
        return Ok([f64::NAN; 9]);
    }
    let positions = Quantiles::PROBABILITIES.map(|probability| summary::position(probability, finite));
    let mut ranks: Vec<u64> = positions.iter().flat_map(|&(below, _)| [below, (below + 1).min(finite - 1)]).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let keys = quantiles::select::<T>(tensor, &ranks, context)?;
    let at = |rank: u64| T::value(keys[ranks.binary_search(&rank).expect("a selected rank")]);
    Ok(positions.map(|(below, share)| summary::interpolate(at(below), at((below + 1).min(finite - 1)), share)))
}
