//! Walks over tensors that are put together from others: one after the other, row by row, merged.

use super::{Origin, Reader, Tensor};
use crate::error::Result;
use crate::merge;

/// Reads one of them; holds the buffers, so each thread has its own.
#[derive(Debug)]
pub struct Gathered<'a> {
    tensor: &'a Tensor,
    run: u64,
    whole: Whole<'a>,
    elements: Vec<u8>,
}

/// All elements of what is walked over, by their position.
#[derive(Debug)]
enum Whole<'a> {
    /// Tensors one after the other, and the first position of each.
    Parts {
        parts: Vec<(u64, Reader<'a>)>,
        width: usize,
        elements: Vec<u8>,
    },
    /// Rows of `length` elements.
    Rows {
        reader: Reader<'a>,
        rows: &'a [u32],
        length: u64,
        width: usize,
        elements: Vec<u8>,
    },
    Merged(merge::Reader<'a>),
}

impl<'a> Gathered<'a> {
    /// # Panics
    /// For a tensor of another origin.
    pub fn new(tensor: &'a Tensor) -> Self {
        let width = tensor.dtype.width();
        let whole = match &tensor.origin {
            Origin::Parts(parts) => {
                let mut next = 0;
                let parts = parts.iter().map(|part| {
                    next += part.count;
                    (next - part.count, part.reader())
                });
                Whole::Parts { parts: parts.collect(), width, elements: Vec::new() }
            }
            Origin::Rows(rows) => {
                let (of, rows) = &**rows;
                Whole::Rows { reader: of.reader(), rows, length: of.columns(), width, elements: Vec::new() }
            }
            Origin::Merged(merged) => Whole::Merged(merged.reader()),
            Origin::Source(_) | Origin::Terms(_) | Origin::Cast(_) => unreachable!("read as they are"),
        };
        Self { tensor, run: tensor.run(), whole, elements: Vec::new() }
    }

    /// As `Reader::fetch`.
    pub fn fetch(&self, first: u64, count: u64) {
        if self.run > 1 && first % self.run + count <= self.run {
            self.whole.fetch(self.tensor.position(first), count);
        }
    }

    /// Elements `first .. first + count` in row-major order.
    ///
    /// # Errors
    /// Those of the operands.
    pub fn elements(&mut self, first: u64, count: usize) -> Result<&[u8]> {
        let Self { tensor, run, whole, elements } = self;
        if first % *run + count as u64 <= *run {
            return whole.elements(tensor.position(first), count);
        }
        elements.clear();
        let end = first + count as u64;
        let mut next = first;
        while next < end {
            let length = (*run - next % *run).min(end - next);
            elements.extend_from_slice(whole.elements(tensor.position(next), length as usize)?);
            next += length;
        }
        Ok(elements)
    }
}

impl Whole<'_> {
    fn fetch(&self, first: u64, count: u64) {
        match self {
            Self::Parts { parts, .. } => {
                let ends = parts.iter().skip(1).map(|(start, _)| *start).chain([u64::MAX]);
                for ((start, reader), end) in parts.iter().zip(ends) {
                    let (from, to) = (first.max(*start), (first + count).min(end));
                    if from < to {
                        reader.fetch(from - start, to - from);
                    }
                }
            }
            Self::Rows { .. } => {}
            Self::Merged(reader) => reader.fetch(first, count),
        }
    }

    fn elements(&mut self, first: u64, count: usize) -> Result<&[u8]> {
        match self {
            Self::Parts { parts, width, elements } => {
                // The last part that starts at or before the position; parts without elements start where the next one does.
                let mut index = parts.partition_point(|(start, _)| *start <= first) - 1;
                let end = first + count as u64;
                let stop =
                    |parts: &[(u64, Reader)], index: usize| parts.get(index + 1).map_or(u64::MAX, |(next, _)| *next);
                if end <= stop(parts, index) {
                    let (start, reader) = &mut parts[index];
                    return reader.elements(first - *start, count);
                }
                elements.clear();
                elements.reserve(count * *width);
                let mut next = first;
                while next < end {
                    let length = stop(parts, index).min(end) - next;
                    let (start, reader) = &mut parts[index];
                    elements.extend_from_slice(reader.elements(next - *start, length as usize)?);
                    next += length;
                    index += 1;
                }
                Ok(elements)
            }
            Self::Rows { reader, rows, length, width, elements } => {
                elements.clear();
                elements.reserve(count * *width);
                let end = first + count as u64;
                let mut next = first;
                while next < end {
                    let (row, column) = (next / *length, next % *length);
                    // Rows that follow one another there are read together.
                    let from = rows[row as usize];
                    let together = (1..).zip(&rows[row as usize + 1..]);
                    let rows_left = (end - next + column).div_ceil(*length) as usize - 1;
                    let together = together
                        .take(rows_left)
                        .take_while(|(step, other)| **other == from.wrapping_add(*step))
                        .count() as u64;
                    let run = ((together + 1) * *length - column).min(end - next);
                    elements.extend_from_slice(reader.elements(u64::from(from) * *length + column, run as usize)?);
                    next += run;
                }
                Ok(elements)
            }
            Self::Merged(reader) => reader.elements(first, count),
        }
    }
}
