//! What is left of a tensor when a linear combination of others is taken away.

use crate::aligned::{self, Aligned, PIECE};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::lanes;
use crate::protocol::{How, ResidualResult};
use crate::tensor::Tensor;
use crate::tiles;

/// Norm of the first of `tensors` less Σ coefficients[i]·(tensor i of the others), and its inner products with these, over the
/// elements that are finite in all. Every element's residual is formed by itself in f64, so that a small one keeps its digits;
/// the answer is the same bytes at any number of threads.
///
/// # Errors
/// `InvalidParams` when there is not one coefficient for each term, or not equally many elements in each tensor; `Cancelled`,
/// `Io`, `Truncated`.
///
/// # Panics
/// Without a tensor.
pub fn residual(tensors: &[Tensor], coefficients: &[f64], context: &Context) -> Result<ResidualResult> {
    let count = aligned::equally_many(tensors)?;
    if coefficients.len() + 1 != tensors.len() {
        return Err(Error::invalid(format!(
            "A residual of {} terms has {} coefficients.",
            tensors.len() - 1,
            coefficients.len()
        )));
    }
    let start = || (Aligned::new(tensors), vec![0f64; PIECE], 0u64);
    let (states, parts) =
        tiles::for_each(context, count, aligned::tile(count), start, |(aligned, rest, compared), tile| {
            // Σ r², Σ target², and Σ r·term of each term.
            let mut sums = vec![0f64; tensors.len() + 1];
            for first in tile.clone().step_by(PIECE) {
                context.cancel.check()?;
                let (values, finite) = aligned.finite(first, (tile.end - first).min(PIECE as u64) as usize)?;
                *compared += finite;
                let (target, terms) = values.split_first().expect("a target");
                let rest = &mut rest[..target.len()];
                rest.copy_from_slice(target);
                for (term, coefficient) in terms.iter().zip(coefficients) {
                    rest.iter_mut().zip(term).for_each(|(rest, value)| *rest -= coefficient * value);
                }
                sums[0] += lanes::dot(rest, rest);
                sums[1] += lanes::dot(target, target);
                for (sum, term) in sums[2..].iter_mut().zip(terms) {
                    *sum += lanes::dot(rest, term);
                }
            }
            Ok(sums)
        })?;
    aligned::check(tensors)?;
    let mut sums = vec![0f64; tensors.len() + 1];
    for part in parts {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    Ok(ResidualResult {
        count,
        compared: states.iter().map(|(.., compared)| compared).sum(),
        norm: sums[0].sqrt().into(),
        target_norm: sums[1].sqrt().into(),
        dots: sums[2..].iter().map(|&dot| dot.into()).collect(),
        how: How::exact("one-pass residual, element by element", "f64", context.threads),
    })
}
