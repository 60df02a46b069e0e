//! Statistics of all elements of a tensor, exact, in one pass over memory for the types that models are stored in.

pub(crate) mod counted;
mod fast;
mod quantiles;
mod summary;
mod wide;

use crate::context::Context;
use crate::error::Result;
use crate::numeric::Numeric;
use crate::protocol::{How, Statistics};
use crate::tensor::{Dtype, Tensor};
use summary::{Classes, Summary};

/// Computes count, extremes, moments, norms and quantiles of `tensor`. Sums are accumulated in f64; the answer is the
/// same bytes at any number of threads.
///
/// # Errors
/// `Cancelled`, and the file's `Io` and `Truncated`.
pub fn statistics(tensor: &Tensor, context: &Context) -> Result<Statistics> {
    // Nothing here depends on the order of the elements.
    let tensor = tensor.in_storage_order();
    if let Some(scan) = fast::scan(&tensor, context)? {
        let quantiles = match scan.quantiles {
            Some(quantiles) => quantiles,
            None => selected_quantiles(&tensor, scan.classes, context)?,
        };
        tensor.check()?;
        let summary = Summary {
            count: tensor.count(),
            classes: scan.classes,
            range: scan.range.map(|(min, max)| (Numeric::Float(min + 0.0), Numeric::Float(max + 0.0))),
            moments: scan.moments,
            scale: 1.0,
            quantiles,
        };
        return Ok(summary.finish(How::exact(
            "one-pass moments, bracketed quantiles",
            "f32 in short runs, f64",
            context.threads,
        )));
    }
    let answer = match tensor.dtype() {
        Dtype::F64 => wide::statistics::<wide::F64>(&tensor, context),
        Dtype::F32 => wide::statistics::<wide::F32>(&tensor, context),
        Dtype::I64 => wide::statistics::<wide::I64>(&tensor, context),
        Dtype::I32 => wide::statistics::<wide::I32>(&tensor, context),
        Dtype::U64 => wide::statistics::<wide::U64>(&tensor, context),
        Dtype::U32 => wide::statistics::<wide::U32>(&tensor, context),
        _ => counted::statistics(&tensor, context),
    }?;
    tensor.check()?;
    Ok(answer)
}

/// The quantiles of a tensor whose brackets missed.
fn selected_quantiles(tensor: &Tensor, classes: Classes, context: &Context) -> Result<[f64; 9]> {
    if tensor.dtype() == Dtype::F32 {
        return wide::quantiles::<wide::F32>(tensor, tensor.count() - classes.non_finite(), context);
    }
    counted::quantiles_of(tensor, context)
}
