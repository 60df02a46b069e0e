//! Reading linear combinations of tensors, a few elements at a time.

use super::{Reader, Tensor, decode};
use crate::error::Result;

/// Elements combined at once: they stay in the nearest caches.
const PIECE: usize = 1 << 11;

/// Reads Σ coefficient·tensor; holds the buffers, so each thread has its own.
#[derive(Debug)]
pub struct Combination<'a> {
    terms: Vec<(f64, &'a Tensor, Reader<'a>)>,
    /// Of one term.
    values: Vec<f64>,
    sums: Vec<f64>,
}

impl<'a> Combination<'a> {
    pub fn new(terms: &'a [(f64, Tensor)]) -> Self {
        let terms = terms.iter().map(|(coefficient, tensor)| (*coefficient, tensor, tensor.reader())).collect();
        Self { terms, values: vec![0.0; PIECE], sums: Vec::new() }
    }

    /// As `Reader::fetch`, for each term.
    pub fn fetch(&self, first: u64, count: u64) {
        self.terms.iter().for_each(|(_, _, reader)| reader.fetch(first, count));
    }

    /// Little-endian f64 of elements `first .. first + count` in row-major order.
    ///
    /// # Errors
    /// `Truncated`, `Io`.
    pub fn elements(&mut self, first: u64, count: usize) -> Result<&[u8]> {
        self.sums.resize(count, 0.0);
        for (piece, sums) in (first..).step_by(PIECE).zip(self.sums.chunks_mut(PIECE)) {
            let values = &mut self.values[..sums.len()];
            for (index, (coefficient, tensor, reader)) in self.terms.iter_mut().enumerate() {
                decode::to_f64(tensor.dtype(), reader.elements(piece, sums.len())?, values);
                let pairs = sums.iter_mut().zip(&*values);
                match index {
                    // Not added to 0, which would turn −0 into 0.
                    0 => pairs.for_each(|(sum, value)| *sum = *coefficient * value),
                    _ => pairs.for_each(|(sum, value)| *sum += *coefficient * value),
                }
            }
        }
        Ok(bytemuck::cast_slice(&self.sums))
    }
}
