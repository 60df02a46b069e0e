//! Several tensors of equally many elements, read side by side.

use crate::error::{Error, Result};
use crate::tensor::{Dtype, Reader, Tensor, decode};

/// Reads the same elements of each tensor as f64; holds the buffers, so each thread has its own.
pub struct Aligned<'a> {
    parts: Vec<(Dtype, Reader<'a>)>,
    values: Vec<Vec<f64>>,
}

impl<'a> Aligned<'a> {
    pub fn new(tensors: &'a [Tensor]) -> Self {
        let parts: Vec<_> = tensors.iter().map(|tensor| (tensor.dtype(), tensor.reader())).collect();
        let values = vec![Vec::new(); parts.len()];
        Self { parts, values }
    }

    /// Elements `first .. first + count` in row-major order, of each tensor, with 0 in all where one of them is not finite; and
    /// how many are finite in all.
    ///
    /// # Errors
    /// `Truncated`, `Io`.
    pub fn finite(&mut self, first: u64, count: usize) -> Result<(&mut [Vec<f64>], u64)> {
        let mut all_finite = true;
        for ((dtype, reader), values) in self.parts.iter_mut().zip(&mut self.values) {
            values.resize(count, 0.0);
            decode::to_f64(*dtype, reader.elements(first, count)?, values);
            all_finite &= values.iter().fold(true, |finite, value| finite & value.is_finite());
        }
        if all_finite {
            return Ok((&mut self.values, count as u64));
        }
        let mut finite = 0;
        for index in 0..count {
            if self.values.iter().all(|values| values[index].is_finite()) {
                finite += 1;
            } else {
                self.values.iter_mut().for_each(|values| values[index] = 0.0);
            }
        }
        Ok((&mut self.values, finite))
    }
}

/// How many elements each of `tensors` has.
///
/// # Errors
/// `InvalidParams` when they do not have equally many.
pub fn equally_many(tensors: &[Tensor]) -> Result<u64> {
    let Some(first) = tensors.first() else { return Ok(0) };
    match tensors.iter().find(|other| other.count() != first.count()) {
        None => Ok(first.count()),
        Some(other) => Err(Error::invalid(format!(
            "Tensors of shapes {:?} and {:?} have {} and {} elements: only equally many can be compared.",
            first.shape(),
            other.shape(),
            first.count(),
            other.count()
        ))),
    }
}

/// Fails when a file of one of `tensors` has become shorter; see `Tensor::check`.
///
/// # Errors
/// `Truncated`.
pub fn check(tensors: &[Tensor]) -> Result<()> {
    tensors.iter().try_for_each(Tensor::check)
}

/// Elements of a tile that make at most 4096 tiles of `count`, and no tile smaller than is worth a look at the clock.
pub fn tile(count: u64) -> u64 {
    count.div_ceil(4096).max(1 << 17).next_multiple_of(PIECE as u64)
}

/// Elements worked on at once: those of a few tensors stay in the nearest caches.
pub const PIECE: usize = 1 << 10;
