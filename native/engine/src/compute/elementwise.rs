//! One value out of one, or out of two with NumPy's broadcasting.

use half::{bf16, f16};

use super::array::{Array, by_rows};
use crate::context::Context;
use crate::error::Result;
use crate::protocol::{Function, RoundedTo};
use crate::tensor::encode;

/// `function` of every value.
///
/// # Errors
/// `Cancelled`.
pub fn map(mut array: Array, function: impl Fn(f64) -> f64 + Sync, context: &Context) -> Result<Array> {
    by_rows(&mut array.data, 1, context, |_, values| {
        values.iter_mut().for_each(|value| *value = function(*value));
        Ok(())
    })?;
    Ok(array)
}

/// `function` of every pair of values, of arrays broadcast to `shape`.
///
/// # Errors
/// `Cancelled`.
pub fn pairs(
    left: &Array,
    right: &Array,
    shape: &[usize],
    function: impl Fn(f64, f64) -> f64 + Sync,
    context: &Context,
) -> Result<Array> {
    let mut data = vec![0f64; shape.iter().product()];
    // Axes that run on in both operands and in the result are one.
    let merged = merge(&left.shape, &right.shape);
    let width = merged.last().map_or(1, |axis| axis.len);
    let outer = &merged[..merged.len().saturating_sub(1)];
    let [a_step, b_step] = merged.last().map_or([0, 0], |axis| axis.strides);
    by_rows(&mut data, width.max(1), context, |first, piece| {
        for (row, out) in (first..).zip(piece.chunks_mut(width)) {
            let (mut index, mut a, mut b) = (row, 0, 0);
            for axis in outer.iter().rev() {
                let at = index % axis.len;
                index /= axis.len;
                a += at * axis.strides[0];
                b += at * axis.strides[1];
            }
            // Whole runs, so that the common cases are loops over slices.
            match (a_step, b_step) {
                (0, 0) => out.fill(function(left.data[a], right.data[b])),
                (0, _) => {
                    let x = left.data[a];
                    out.iter_mut().zip(&right.data[b..]).for_each(|(out, &y)| *out = function(x, y));
                }
                (_, 0) => {
                    let y = right.data[b];
                    out.iter_mut().zip(&left.data[a..]).for_each(|(out, &x)| *out = function(x, y));
                }
                _ => {
                    let operands = left.data[a..].iter().zip(&right.data[b..]);
                    out.iter_mut().zip(operands).for_each(|(out, (&x, &y))| *out = function(x, y));
                }
            }
        }
        Ok(())
    })?;
    Ok(Array::new(shape.to_vec(), data))
}

/// One axis of a broadcast: its length and the step it is in each operand, 0 where that is repeated.
struct Axis {
    len: usize,
    strides: [usize; 2],
}

/// The axes of the broadcast of two shapes, neighbours joined where both operands run on or both are repeated.
fn merge(a: &[usize], b: &[usize]) -> Vec<Axis> {
    let axes = a.len().max(b.len());
    let mut merged: Vec<Axis> = Vec::with_capacity(axes);
    let mut runs = [1usize; 2];
    for back in 1..=axes {
        let lens = [a, b].map(|shape| if back <= shape.len() { shape[shape.len() - back] } else { 1 });
        let len = if lens[0] == 1 { lens[1] } else { lens[0] };
        let strides = [0, 1].map(|i| if lens[i] == 1 { 0 } else { runs[i] });
        runs = [0, 1].map(|i| runs[i] * lens[i]);
        if len == 1 {
            continue;
        }
        match merged.last_mut() {
            // The inner neighbour, which this axis continues.
            Some(inner) if (0..2).all(|i| strides[i] == inner.strides[i] * inner.len) => inner.len *= len,
            _ => merged.push(Axis { len, strides }),
        }
    }
    merged.reverse();
    merged
}

/// The function that `function` names.
pub fn function(function: Function) -> fn(f64) -> f64 {
    match function {
        Function::Square => |x| x * x,
        Function::SquareRoot => f64::sqrt,
        Function::Reciprocal => f64::recip,
        Function::Absolute => f64::abs,
        Function::Exponential => f64::exp,
        Function::Cosine => f64::cos,
        Function::Sine => f64::sin,
        Function::Sigmoid => sigmoid,
        Function::Relu => |x| if x < 0.0 { 0.0 } else { x },
        Function::Tanh => f64::tanh,
        Function::Gelu => {
            |x| if x == f64::NEG_INFINITY { -0.0 } else { 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)) }
        }
        Function::Silu => |x| if x == f64::NEG_INFINITY { -0.0 } else { x * sigmoid(x) },
        // As an odd function: for negative x the argument of ln(1 + …) would be rounded near −1.
        Function::InverseTanh => |x| x.abs().atanh().copysign(x),
        Function::Logarithm2 => f64::log2,
        Function::Exponential2 => f64::exp2,
        Function::Sign => |x| if x == 0.0 || x.is_nan() { x.abs() } else { x.signum() },
        Function::NearestEven => f64::round_ties_even,
    }
}

fn sigmoid(x: f64) -> f64 {
    // Neither branch overflows.
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// The error function, to about 10⁻¹⁵: erf x = 2/√π·e^(−x²)·Σ 2ⁿ·x^(2n+1)/(2n+1)!! (Abramowitz & Stegun 7.1.6), whose terms
/// have one sign.
fn erf(x: f64) -> f64 {
    if x.is_nan() || x.abs() > 6.0 {
        return if x.is_nan() { x } else { x.signum() };
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > sum.abs() * 1e-17 {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// The value of `dtype` nearest to `value`, ties to even; infinite beyond its range.
pub fn rounded(value: f64, dtype: RoundedTo) -> f64 {
    match dtype {
        RoundedTo::F32 => f64::from(value as f32),
        RoundedTo::F16 => f16::from_bits(encode::half_bits(value)).to_f64(),
        RoundedTo::BF16 => bf16::from_bits(encode::brain_bits(value)).to_f64(),
    }
}
