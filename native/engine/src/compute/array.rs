//! Arrays of f64 in memory, row-major.

use super::memory::Reservation;
use crate::context::Context;
use crate::error::Result;

#[cfg(target_endian = "big")]
compile_error!("computed values are read as little-endian bytes of memory");

/// Values of a shape, row-major.
#[derive(Debug)]
pub struct Array {
    /// Extent of each axis.
    pub shape: Vec<usize>,
    /// The values; as many as the product of `shape`.
    pub data: Vec<f64>,
    /// The memory it was promised, given back with it.
    pub(super) reservation: Option<Reservation>,
}

impl Array {
    /// The given values.
    ///
    /// # Panics
    /// When there are not as many values as `shape` has elements.
    pub fn new(shape: Vec<usize>, data: Vec<f64>) -> Self {
        assert_eq!(data.len(), shape.iter().product::<usize>(), "values of shape {shape:?}");
        Self { shape, data, reservation: None }
    }

    /// Little-endian bytes of the values.
    pub fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.data)
    }

    /// Extent of the last axis, 1 for a scalar.
    pub fn last(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Rows and columns of the matrices in the last two axes.
    ///
    /// # Panics
    /// When there are fewer than two axes.
    pub fn matrix(&self) -> [usize; 2] {
        self.shape[self.shape.len() - 2..].try_into().expect("two axes")
    }

    /// The matrices in the last two axes, each row-major.
    pub fn matrices(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        let [rows, columns] = self.matrix();
        let count = self.shape[..self.shape.len() - 2].iter().product();
        (0..count).map(move |i| &self.data[i * rows * columns..(i + 1) * rows * columns])
    }
}

/// Values worked on between two looks at whether to stop.
const PIECE: usize = 1 << 16;

/// Values written by `fill(first row, rows)`, for rows of `width` values, in pieces of whole rows on all threads.
///
/// # Errors
/// `Cancelled`, and the first failure of `fill`.
pub fn by_rows(
    out: &mut [f64],
    width: usize,
    context: &Context,
    fill: impl Fn(usize, &mut [f64]) -> Result<()> + Sync,
) -> Result<()> {
    use rayon::prelude::*;
    if out.is_empty() {
        return Ok(());
    }
    let rows = (PIECE / width).max(1);
    let piece = |(index, piece): (usize, &mut [f64])| {
        context.cancel.check()?;
        fill(index * rows, piece)
    };
    if context.threads > 1 && out.len() > PIECE {
        out.par_chunks_mut(rows * width).enumerate().try_for_each(piece)
    } else {
        out.chunks_mut(rows * width).enumerate().try_for_each(piece)
    }
}
