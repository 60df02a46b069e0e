//! Counting the floating-point numbers of a type from one value to another, and back: what leads from one to the other exactly,
//! where a difference of the values would be rounded.

use std::sync::OnceLock;

use half::{bf16, f16};

use super::array::Array;
use super::elementwise::pairs;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::protocol::FloatingPoint;
use crate::tensor::encode;

impl FloatingPoint {
    const fn bits(self) -> u32 {
        match self {
            Self::F64 => 64,
            Self::F32 => 32,
            Self::F16 | Self::BF16 => 16,
        }
    }

    /// Where the number nearest to `value` stands among all codes of the type in ascending order, from 0: negative NaNs, −∞ … −0,
    /// 0 … ∞, the other NaNs.
    fn place(self, value: f64) -> u64 {
        let code = match self {
            Self::F64 => value.to_bits(),
            Self::F32 => u64::from((value as f32).to_bits()),
            Self::F16 => u64::from(encode::half_bits(value)),
            Self::BF16 => u64::from(encode::brain_bits(value)),
        };
        let sign = 1u64 << (self.bits() - 1);
        // Codes count away from 0 on either side of it.
        if code & sign == 0 { code | sign } else { !code & (sign | (sign - 1)) }
    }

    /// The number at `place`.
    fn at(self, place: u64) -> f64 {
        let sign = 1u64 << (self.bits() - 1);
        let code = if place & sign != 0 { place ^ sign } else { !place & (sign | (sign - 1)) };
        match self {
            Self::F64 => f64::from_bits(code),
            Self::F32 => f64::from(f32::from_bits(code as u32)),
            Self::F16 => f16::from_bits(code as u16).to_f64(),
            Self::BF16 => bf16::from_bits(code as u16).to_f64(),
        }
    }

    fn distance(self, to: f64, from: f64) -> Result<f64> {
        let steps = i128::from(self.place(to)) - i128::from(self.place(from));
        let distance = steps as f64;
        if distance as i128 != steps {
            return Err(Error::undefined(format!(
                "From {from:e} to {to:e} there are {steps} numbers of {self:?}, more than are counted exactly."
            )));
        }
        Ok(distance)
    }

    fn shift(self, from: f64, steps: f64) -> Result<f64> {
        let places = 1i128 << self.bits();
        // The conversion saturates, far beyond any place.
        let place = i128::from(self.place(from)).saturating_add(steps as i128);
        if steps.fract() != 0.0 || !(0..places).contains(&place) {
            return Err(Error::undefined(format!(
                "{steps} numbers further than {from:e} there is no number of {self:?}."
            )));
        }
        Ok(self.at(place as u64))
    }
}

/// How many numbers of `dtype` each value of `to` lies after that of `from`, both rounded to it, of arrays broadcast to `shape`.
///
/// # Errors
/// `Undefined` for a distance that f64 does not hold (of F64, between numbers of very different size), `Cancelled`.
pub fn distance(to: &Array, from: &Array, dtype: FloatingPoint, shape: &[usize], context: &Context) -> Result<Array> {
    fallible(to, from, shape, |to, from| dtype.distance(to, from), context)
}

/// The numbers of `dtype` that lie as many further than `from`, rounded to it, as `steps` says, of arrays broadcast to `shape`.
///
/// # Errors
/// `Undefined` where there is no such number or a step is not whole, `Cancelled`.
pub fn shift(from: &Array, steps: &Array, dtype: FloatingPoint, shape: &[usize], context: &Context) -> Result<Array> {
    fallible(from, steps, shape, |from, steps| dtype.shift(from, steps), context)
}

fn fallible(
    left: &Array,
    right: &Array,
    shape: &[usize],
    function: impl Fn(f64, f64) -> Result<f64> + Sync,
    context: &Context,
) -> Result<Array> {
    let failure = OnceLock::new();
    let value = |x, y| {
        function(x, y).unwrap_or_else(|error| {
            // Of several failures one is told.
            let _ = failure.set(error);
            f64::NAN
        })
    };
    let array = pairs(left, right, shape, value, context)?;
    match failure.into_inner() {
        Some(error) => Err(error),
        None => Ok(array),
    }
}
