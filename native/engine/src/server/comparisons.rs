//! The methods that work on several tensors at once.

use serde_json::Value;

use super::methods::Job;
use crate::error::Result;
use crate::protocol::{CutParams, DifferenceParams, RelationsParams, ResidualParams};
use crate::{difference, merge, relations, residual};

/// # Errors
/// `InvalidParams`.
pub fn difference(params: Value) -> Result<Job> {
    let DifferenceParams { a, b, tolerance, detail, progress_token } = super::parse(params)?;
    Ok(Job::together(vec![a, b], progress_token, move |tensors, context| {
        difference::difference(&tensors[0], &tensors[1], tolerance.unwrap_or(0.0), detail, context)
    }))
}

/// # Errors
/// `InvalidParams`.
pub fn relations(params: Value) -> Result<Job> {
    let RelationsParams { mut tensors, base, progress_token } = super::parse(params)?;
    let with_base = base.is_some();
    tensors.extend(base);
    Ok(Job::together(tensors, progress_token, move |tensors, context| {
        relations::relations(tensors, with_base, context)
    }))
}

/// # Errors
/// `InvalidParams`.
pub fn residual(params: Value) -> Result<Job> {
    let ResidualParams { target, terms, coefficients, progress_token } = super::parse(params)?;
    let tensors = [vec![target], terms].concat();
    Ok(Job::together(tensors, progress_token, move |tensors, context| {
        residual::residual(tensors, &coefficients, context)
    }))
}

/// # Errors
/// `InvalidParams`.
pub fn cut(params: Value) -> Result<Job> {
    let CutParams { tensors, dtype, density, progress_token } = super::parse(params)?;
    let tensors: Vec<_> = tensors.into_iter().flat_map(|pair| [pair.of, pair.base]).collect();
    Ok(Job::together(tensors, progress_token, move |tensors, context| {
        let pairs = tensors.chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect();
        merge::cut(pairs, dtype, density, context)
    }))
}
