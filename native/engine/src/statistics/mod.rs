//! Statistics of all elements of a tensor, exact, in one pass over memory for the types that models are stored in.

pub(crate) mod counted;
mod quantiles;
mod summary;
mod wide;

use crate::context::Context;
use crate::error::Result;
use crate::protocol::Statistics;
use crate::tensor::{Dtype, Tensor};

/// Computes count, extremes, moments, norms and quantiles of `tensor`. Sums are accumulated in f64; the answer is the
/// same bytes at any number of threads.
///
/// # Errors
/// `Cancelled`, and the file's `Io` and `Truncated`.
pub fn statistics(tensor: &Tensor, context: &Context) -> Result<Statistics> {
    // Nothing here depends on the order of the elements.
    let tensor = tensor.in_storage_order();
    let answer = match tensor.dtype() {
        Dtype::F64 => wide::statistics::<wide::F64>(&tensor, context),
        Dtype::F32 => wide::statistics::<wide::F32>(&tensor, context),
        Dtype::I64 => wide::statistics::<wide::I64>(&tensor, context),
        Dtype::I32 => wide::statistics::<wide::I32>(&tensor, context),
        Dtype::U64 => wide::statistics::<wide::U64>(&tensor, context),
        Dtype::U32 => wide::statistics::<wide::U32>(&tensor, context),
        _ => counted::statistics(&tensor, context),
    }?;
    tensor.source().check()?;
    Ok(answer)
}
