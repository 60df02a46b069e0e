//! Elements of a merge, by their position.

use super::arithmetic::Real;
use super::inputs::{PIECE, Reading, pieces};
use super::method::Kernel;
use super::{Merged, Prepared};
use crate::error::Result;
use crate::tensor::Dtype;

/// Reads elements of one merge; holds the buffers, so each thread has its own.
#[derive(Debug)]
pub struct Reader<'a> {
    count: u64,
    worker: Worker<'a>,
}

#[derive(Debug)]
enum Worker<'a> {
    Narrow(Pieces<'a, f32>),
    Wide(Pieces<'a, f64>),
}

/// Merges pieces.
#[derive(Debug)]
struct Pieces<'a, R> {
    kernel: &'a dyn Kernel<R>,
    reading: Reading<'a, R>,
    dtype: Dtype,
    values: Vec<R>,
    elements: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(merged: &'a Merged) -> Self {
        let worker = match &merged.kernel {
            Prepared::Narrow(kernel) => Worker::Narrow(Pieces::new(merged, &**kernel)),
            Prepared::Wide(kernel) => Worker::Wide(Pieces::new(merged, &**kernel)),
        };
        Self { count: merged.inputs.count(), worker }
    }

    /// Elements `first .. first + count`, little endian.
    ///
    /// # Errors
    /// `Truncated`, `Io`.
    pub fn elements(&mut self, first: u64, count: usize) -> Result<&[u8]> {
        match &mut self.worker {
            Worker::Narrow(pieces) => pieces.elements(first, count, self.count),
            Worker::Wide(pieces) => pieces.elements(first, count, self.count),
        }
    }

    /// As `tensor::Reader::fetch`, for all inputs.
    pub fn fetch(&self, first: u64, count: u64) {
        match &self.worker {
            Worker::Narrow(pieces) => pieces.reading.fetch(first, count),
            Worker::Wide(pieces) => pieces.reading.fetch(first, count),
        }
    }
}

impl<'a, R: Real> Pieces<'a, R> {
    fn new(merged: &'a Merged, kernel: &'a dyn Kernel<R>) -> Self {
        Self { kernel, reading: merged.inputs.reading(), dtype: merged.dtype, values: Vec::new(), elements: Vec::new() }
    }

    /// Elements `first .. first + count` of `all`.
    fn elements(&mut self, first: u64, count: usize, all: u64) -> Result<&[u8]> {
        let unit = self.kernel.unit();
        let end = first + count as u64;
        let start = first - first % unit;
        let stop = all.min(end.next_multiple_of(unit));
        self.elements.clear();
        for range in pieces(start..stop, (PIECE as u64).next_multiple_of(unit)) {
            self.values.resize((range.end - range.start) as usize, R::ZERO);
            let mut piece = self.reading.load(range.clone())?;
            self.kernel.run(&mut piece, &mut self.values);
            let wanted = first.max(range.start) - range.start..end.min(range.end) - range.start;
            let wanted = &self.values[wanted.start as usize..wanted.end as usize];
            R::encode(self.dtype, wanted, &mut self.elements);
        }
        Ok(&self.elements)
    }
}
