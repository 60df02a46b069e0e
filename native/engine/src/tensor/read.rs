//! Reading elements of a strided walk by their row-major position.

use super::combination::Combination;
use super::gathered::Gathered;
use super::layout::Axis;
use super::rounded::Rounded;
use super::{Dtype, Origin, Tensor};
use crate::blocks;
use crate::error::Result;
use crate::protocol::{BlockType, ByteOrder};
use crate::source::Source;

/// Reads elements of one tensor; holds the buffers, so each thread has its own.
#[derive(Debug)]
pub struct Reader<'a> {
    count: u64,
    way: Way<'a>,
}

#[derive(Debug)]
enum Way<'a> {
    Walk(Walk<'a>),
    Combination(Combination<'a>),
    Rounded(Box<Rounded<'a>>),
    Gathered(Box<Gathered<'a>>),
}

impl<'a> Reader<'a> {
    pub(super) fn new(tensor: &'a Tensor) -> Self {
        let way = match &tensor.origin {
            Origin::Source(source) => Way::Walk(Walk::new(tensor, source)),
            Origin::Terms(terms) => Way::Combination(Combination::new(terms)),
            Origin::Cast(of) => Way::Rounded(Box::new(Rounded::new(of, tensor.dtype))),
            Origin::Parts(_) | Origin::Rows(_) | Origin::Merged(_) => Way::Gathered(Box::new(Gathered::new(tensor))),
        };
        Self { count: tensor.count, way }
    }

    /// Elements `first .. first + count` in row-major order, each `dtype.width()` bytes, little endian, F4 as one code
    /// per byte, those of blocks decoded. Borrowed from the file's mapping where they lie together there, else gathered
    /// into a buffer.
    ///
    /// # Errors
    /// `Truncated`, `Io`.
    ///
    /// # Panics
    /// When the elements are not inside the tensor.
    pub fn elements(&mut self, first: u64, count: usize) -> Result<&[u8]> {
        assert!(first.checked_add(count as u64).is_some_and(|end| end <= self.count), "inside the tensor");
        match &mut self.way {
            _ if count == 0 => Ok(&[]),
            Way::Walk(walk) => walk.elements(first, count),
            Way::Combination(combination) => combination.elements(first, count),
            Way::Rounded(rounded) => rounded.elements(first, count),
            Way::Gathered(gathered) => gathered.elements(first, count),
        }
    }
}

impl Reader<'_> {
    /// Has the system read the bytes of elements `first .. first + count` while other work goes on, where they lie together.
    ///
    /// # Panics
    /// When the elements are not inside the tensor.
    pub fn fetch(&self, first: u64, count: u64) {
        assert!(first.checked_add(count).is_some_and(|end| end <= self.count), "inside the tensor");
        match &self.way {
            _ if count == 0 => {}
            Way::Walk(walk) => walk.fetch(first, count),
            Way::Combination(combination) => combination.fetch(first, count),
            Way::Rounded(rounded) => rounded.fetch(first, count),
            Way::Gathered(gathered) => gathered.fetch(first, count),
        }
    }
}

/// A strided walk through the bytes of one source.
#[derive(Debug)]
struct Walk<'a> {
    tensor: &'a Tensor,
    source: &'a Source,
    /// Elements in one contiguous run of the innermost axis; 1 where that axis is strided.
    run: u64,
    elements: Vec<u8>,
    stored: Vec<u8>,
    /// Decoded blocks.
    values: Vec<f32>,
}

/// Elements decoded from blocks at once: their values stay in the nearest cache.
const DECODED: usize = 4096;

impl<'a> Walk<'a> {
    fn new(tensor: &'a Tensor, source: &'a Source) -> Self {
        Self { tensor, source, run: tensor.run(), elements: Vec::new(), stored: Vec::new(), values: Vec::new() }
    }

    fn elements(&mut self, first: u64, count: usize) -> Result<&[u8]> {
        let tensor = self.tensor;
        self.source.check_damage()?;
        let as_stored = tensor.dtype != Dtype::F4 && tensor.order.is_none() && tensor.blocks.is_none();
        if as_stored && self.run > 1 && first % self.run + count as u64 <= self.run {
            let width = tensor.dtype.width();
            return self.source.bytes(self.tensor.position(first) * width as u64, count * width, &mut self.stored);
        }
        self.gather(first, count)?;
        Ok(&self.elements)
    }

    fn fetch(&self, first: u64, count: u64) {
        if self.run > 1 && first % self.run + count <= self.run {
            let position = self.tensor.position(first);
            let (start, end) = match self.tensor.blocks {
                Some(blocks) => {
                    let (elements, bytes) = (blocks.elements() as u64, blocks.bytes() as u64);
                    (position / elements * bytes, (position + count).div_ceil(elements) * bytes)
                }
                None => {
                    let bits = self.tensor.dtype.bits();
                    (position * bits / 8, ((position + count) * bits).div_ceil(8))
                }
            };
            self.source.fetch(start, (end - start) as usize);
        }
    }

    /// Copies the elements, run by run, into the buffer.
    fn gather(&mut self, first: u64, count: usize) -> Result<()> {
        let mut out = std::mem::take(&mut self.elements);
        out.clear();
        out.reserve(count * self.tensor.dtype.width());
        let outcome = if self.run > 1 {
            self.gather_runs(first, count, &mut out)
        } else {
            self.gather_strided(first, count, &mut out)
        };
        if self.tensor.order == Some(ByteOrder::Big) {
            swap_bytes(&mut out, self.tensor.dtype.width());
        }
        self.elements = out;
        outcome
    }

    fn gather_runs(&mut self, first: u64, count: usize, out: &mut Vec<u8>) -> Result<()> {
        let end = first + count as u64;
        let mut index = first;
        while index < end {
            let length = (self.run - index % self.run).min(end - index);
            let position = self.tensor.position(index);
            self.append(position, length as usize, out)?;
            index += length;
        }
        Ok(())
    }

    fn gather_strided(&mut self, first: u64, count: usize, out: &mut Vec<u8>) -> Result<()> {
        let inner = self.tensor.axes.last().copied().unwrap_or(Axis { len: 1, stride: 1 });
        let end = first + count as u64;
        let mut index = first;
        while index < end {
            let length = (inner.len - index % inner.len).min(end - index);
            let position = self.tensor.position(index);
            for step in 0..length {
                self.append(position + step * inner.stride, 1, out)?;
            }
            index += length;
        }
        Ok(())
    }

    /// Appends `length` neighbouring elements from `position`.
    fn append(&mut self, position: u64, length: usize, out: &mut Vec<u8>) -> Result<()> {
        if let Some(blocks) = self.tensor.blocks {
            return self.append_decoded(blocks, position, length, out);
        }
        let source = self.source;
        if self.tensor.dtype == Dtype::F4 {
            let first_byte = position / 2;
            let bytes = (position + length as u64).div_ceil(2) - first_byte;
            let packed = source.bytes(first_byte, bytes as usize, &mut self.stored)?;
            let codes = packed.iter().flat_map(|byte| [byte & 15, byte >> 4]);
            out.extend(codes.skip((position % 2) as usize).take(length));
            return Ok(());
        }
        let width = self.tensor.dtype.width();
        out.extend_from_slice(source.bytes(position * width as u64, length * width, &mut self.stored)?);
        Ok(())
    }

    /// Appends `length` neighbouring values from `position`, decoded from the blocks that hold them.
    fn append_decoded(&mut self, r#type: BlockType, position: u64, length: usize, out: &mut Vec<u8>) -> Result<()> {
        let (elements, bytes) = (r#type.elements(), r#type.bytes());
        let end = position + length as u64;
        let mut next = position;
        while next < end {
            let first_block = next / elements as u64;
            let skipped = (next % elements as u64) as usize;
            let wanted = ((end - next) as usize).min(DECODED - skipped);
            let count = (skipped + wanted).div_ceil(elements);
            let stored = self.source.bytes(first_block * bytes as u64, count * bytes, &mut self.stored)?;
            self.values.resize(count * elements, 0.0);
            blocks::decode(r#type, stored, &mut self.values);
            let values = &self.values[skipped..skipped + wanted];
            let start = out.len();
            out.resize(start + 4 * wanted, 0);
            for (slot, value) in out[start..].chunks_exact_mut(4).zip(values) {
                slot.copy_from_slice(&value.to_le_bytes());
            }
            next += wanted as u64;
        }
        Ok(())
    }
}

/// Turns the bytes of each element round.
fn swap_bytes(elements: &mut [u8], width: usize) {
    fn swap<const N: usize>(elements: &mut [u8]) {
        elements.chunks_exact_mut(N).for_each(<[u8]>::reverse);
    }
    match width {
        2 => swap::<2>(elements),
        4 => swap::<4>(elements),
        8 => swap::<8>(elements),
        _ => {}
    }
}
