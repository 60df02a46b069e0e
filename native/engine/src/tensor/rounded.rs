//! Reading a tensor's values rounded to another type.

use super::{Dtype, Reader, Tensor, decode, encode};
use crate::error::Result;

/// Reads values of one tensor as elements of another type of floating point; holds the buffers, so each thread has its own.
#[derive(Debug)]
pub struct Rounded<'a> {
    reader: Reader<'a>,
    from: Dtype,
    to: Dtype,
    narrow: Vec<f32>,
    wide: Vec<f64>,
    out: Vec<u8>,
}

impl<'a> Rounded<'a> {
    pub fn new(tensor: &'a Tensor, to: Dtype) -> Self {
        let (reader, from) = (tensor.reader(), tensor.dtype());
        Self { reader, from, to, narrow: Vec::new(), wide: Vec::new(), out: Vec::new() }
    }

    /// As `Reader::fetch`.
    pub fn fetch(&self, first: u64, count: u64) {
        self.reader.fetch(first, count);
    }

    /// The `count` elements from `first`, rounded once.
    ///
    /// # Errors
    /// `Truncated`, `Io`.
    pub fn elements(&mut self, first: u64, count: usize) -> Result<&[u8]> {
        let bytes = self.reader.elements(first, count)?;
        if self.from == self.to {
            return Ok(bytes);
        }
        self.out.clear();
        if encode::fits_f32(self.from) {
            self.narrow.resize(count, 0.0);
            decode::to_f32(self.from, bytes, &mut self.narrow);
            encode::from_f32(self.to, &self.narrow, &mut self.out);
        } else {
            self.wide.resize(count, 0.0);
            decode::to_f64(self.from, bytes, &mut self.wide);
            encode::from_f64(self.to, &self.wide, &mut self.out);
        }
        Ok(&self.out)
    }
}
