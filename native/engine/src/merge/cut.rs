//! The magnitude beyond which a share of the elements of many task vectors lies: for trimming over a whole model.

use super::arithmetic::{Arithmetic, Brain, Double, Half, Real, Single, Word};
use super::inputs::Inputs;
use super::selection::{Digit, Group, Key, histograms};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::protocol::{CutResult, FloatingPoint, How};
use crate::tensor::Tensor;

/// The max(1, ⌊density·n⌋)-th largest |τ| of the n elements of all `pairs`, a tensor and its base each, τ rounded to `dtype`.
///
/// # Errors
/// `InvalidParams` for a density outside (0, 1) or a base of another shape, `Undefined` when there are no elements; `Cancelled`,
/// `Io`, `Truncated`.
pub fn cut(pairs: Vec<[Tensor; 2]>, dtype: FloatingPoint, density: f64, context: &Context) -> Result<CutResult> {
    if !(density > 0.0 && density < 1.0) {
        return Err(Error::invalid(format!("A cut is for a density between 0 and 1, not {density}.")));
    }
    if let Some([of, base]) = pairs.iter().find(|[of, base]| of.shape() != base.shape()) {
        return Err(Error::invalid(format!(
            "A task vector is of tensors of one shape, not of {:?} and {:?}.",
            of.shape(),
            base.shape()
        )));
    }
    let count = pairs.iter().map(|[of, _]| of.count()).sum();
    if count == 0 {
        return Err(Error::undefined("Tensors without elements have no largest magnitudes."));
    }
    let inputs: Vec<Inputs> = pairs.into_iter().map(|pair| Inputs::new(pair.into(), true, dtype.dtype())).collect();
    let wanted = ((density * count as f64) as u64).max(1);
    let found = match dtype {
        FloatingPoint::BF16 => search::<Brain>(&inputs, wanted, context),
        FloatingPoint::F16 => search::<Half>(&inputs, wanted, context),
        FloatingPoint::F32 => search::<Single>(&inputs, wanted, context),
        FloatingPoint::F64 => search::<Double>(&inputs, wanted, context),
    }?;
    let how = How::exact("radix histograms of magnitudes", "bits", context.threads);
    Ok(CutResult { cut: found.into(), count, how })
}

fn search<A: Arithmetic>(inputs: &[Inputs], wanted: u64, context: &Context) -> Result<f64> {
    let mut group = Group { input: 0, prefix: 0 };
    let mut left = wanted;
    let digits: Vec<Digit> = Digit::all(A::KEY_BITS).collect();
    let elements: u64 = inputs.iter().map(Inputs::count).sum();
    let mut done = 0;
    for &digit in &digits {
        let mut counts = vec![0u64; 1 << digit.width];
        for inputs in inputs {
            let found = histograms::<A>(inputs, &[group], digit, &context.without_progress())?;
            counts.iter_mut().zip(&found[0]).for_each(|(sum, count)| *sum += count);
            done += inputs.count();
            (context.progress)(done, elements * digits.len() as u64);
        }
        let (value, rest) = Digit::locate(&counts, left);
        group.prefix = group.prefix << digit.width | value;
        left = rest;
    }
    for inputs in inputs {
        inputs.tensors().iter().try_for_each(Tensor::check)?;
    }
    Ok(A::magnitude(Key::<A>::of(group.prefix)).wide())
}
