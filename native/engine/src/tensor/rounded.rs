//! Reading a tensor's values rounded to another type.

use super::{Dtype, Reader, Tensor, decode, encode};
use crate::error::Result;

/// Rounds elements to a type of floating point, once; holds the buffers, so each thread has its own.
#[derive(Debug, Default)]
pub struct Rounding {
    narrow: Vec<f32>,
    wide: Vec<f64>,
}

impl Rounding {
    /// Appends the `count` elements of type `from` in `bytes` to `out` as elements of type `to`.
    pub fn append(&mut self, (from, bytes): (Dtype, &[u8]), count: usize, to: Dtype, out: &mut Vec<u8>) {
        if encode::fits_f32(from) {
            self.narrow.resize(count, 0.0);
            decode::to_f32(from, bytes, &mut self.narrow);
            encode::from_f32(to, &self.narrow, out);
        } else {
            self.wide.resize(count, 0.0);
            decode::to_f64(from, bytes, &mut self.wide);
            encode::from_f64(to, &self.wide, out);
        }
    }
}

/// Reads values of one tensor as elements of another type of floating point; holds the buffers, so each thread has its own.
#[derive(Debug)]
pub struct Rounded<'a> {
    reader: Reader<'a>,
    from: Dtype,
    to: Dtype,
    rounding: Rounding,
    out: Vec<u8>,
}

impl<'a> Rounded<'a> {
    pub fn new(tensor: &'a Tensor, to: Dtype) -> Self {
        let (reader, from) = (tensor.reader(), tensor.dtype());
        Self { reader, from, to, rounding: Rounding::default(), out: Vec::new() }
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
        self.rounding.append((self.from, bytes), count, self.to, &mut self.out);
        Ok(&self.out)
    }
}
