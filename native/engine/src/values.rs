//! The exact elements of a small window of the matrix view.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::protocol::{ValuesResult, Window};
use crate::tensor::Tensor;
use crate::tensor::decode;

/// Most elements of one answer.
const MAX_ELEMENTS: u64 = 16_384;

/// The elements of `window`, by row.
///
/// # Errors
/// `InvalidParams` when the window is not inside the matrix or holds more than 16,384 elements; the file's errors.
pub fn values(tensor: &Tensor, window: Window, context: &Context) -> Result<ValuesResult> {
    let (height, width) = window.extent(tensor)?;
    if height.max(1).saturating_mul(width.max(1)) > MAX_ELEMENTS {
        return Err(Error::invalid(format!(
            "The window holds {height} × {width} elements; at most {MAX_ELEMENTS} are answered."
        )));
    }
    let mut reader = tensor.reader();
    let size = tensor.dtype().width();
    let mut rows = Vec::with_capacity(height as usize);
    for row in window.row_start..window.row_stop {
        context.cancel.check()?;
        let bytes = reader.elements(row * tensor.columns() + window.column_start, width as usize)?;
        rows.push(bytes.chunks_exact(size).map(|element| decode::to_numeric(tensor.dtype(), element)).collect());
    }
    tensor.check()?;
    Ok(ValuesResult { rows })
}

impl Window {
    /// Height and width of the window.
    ///
    /// # Errors
    /// `InvalidParams` when it is not inside the matrix view of `tensor`.
    pub fn extent(&self, tensor: &Tensor) -> Result<(u64, u64)> {
        let Self { row_start, row_stop, column_start, column_stop } = *self;
        let (rows, columns) = (tensor.rows(), tensor.columns());
        if row_start > row_stop || column_start > column_stop || row_stop > rows || column_stop > columns {
            return Err(Error::invalid(format!(
                "The window of rows {row_start} … {row_stop} and columns {column_start} … {column_stop} is not inside the \
                 matrix of {rows} × {columns}."
            )));
        }
        Ok((row_stop - row_start, column_stop - column_start))
    }
}
