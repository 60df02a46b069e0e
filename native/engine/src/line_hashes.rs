//! Hashes of rows or columns, to find those of one tensor again in another.

use std::ops::Range;

use crate::base64;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::protocol::LineHashesResult;
use crate::tensor::{Dtype, Reader, Tensor, decode, encode};
use crate::tiles;

/// Elements decoded at once.
const TILE: usize = 1 << 16;
/// Columns that are walked down together.
const STRIP: u64 = 512;
/// Bytes of each hash that are answered.
const ANSWERED: usize = 8;

/// BLAKE3 of the values of each `group` neighbouring rows (`axis` 0) or columns (1) of the matrix view, row-major: as little-endian
/// f32 where all of them are f32s, else as f64, so that equal values have equal hashes however they are stored. All NaN are
/// the same.
///
/// # Errors
/// `InvalidParams` for another axis or a group that does not divide the lines; `Cancelled`, `Io`, `Truncated`.
pub fn line_hashes(tensor: &Tensor, axis: u64, group: u64, context: &Context) -> Result<LineHashesResult> {
    let lines = match axis {
        0 => tensor.rows(),
        1 => tensor.columns(),
        _ => return Err(Error::invalid(format!("A matrix has rows (axis 0) and columns (axis 1), no axis {axis}."))),
    };
    if group == 0 || lines % group != 0 {
        return Err(Error::invalid(format!("Groups of {group} do not divide {lines} lines.")));
    }
    // One line is the same sequence either way.
    let transposed = tensor.transposed_for_reading().filter(|_| group == 1);
    let (tensor, axis) = transposed.as_ref().map_or((tensor, axis), |transposed| (transposed, 1 - axis));
    let hashes = if encode::fits_f32(tensor.dtype()) {
        Groups::<f32>::hash_all(tensor, axis, group, context)?
    } else {
        Groups::<f64>::hash_all(tensor, axis, group, context)?
    };
    tensor.check()?;
    Ok(LineHashesResult { count: lines / group, hashes: base64::encode(&hashes) })
}

/// Reads and hashes groups of lines as `T`; holds the buffers, so each thread has its own.
struct Groups<'a, T> {
    tensor: &'a Tensor,
    group: usize,
    context: &'a Context<'a>,
    reader: Reader<'a>,
    values: Vec<T>,
}

impl<'a, T: Element> Groups<'a, T> {
    fn hash_all(tensor: &'a Tensor, axis: u64, group: u64, context: &'a Context<'a>) -> Result<Vec<u8>> {
        let (lines, across) = if axis == 0 { (tensor.rows(), tensor.columns()) } else { (tensor.columns(), 1) };
        let most = if axis == 0 { TILE as u64 } else { STRIP };
        let tile = (most / group.saturating_mul(across).max(1)).max(1);
        let init = || Self { tensor, group: group as usize, context, reader: tensor.reader(), values: Vec::new() };
        let work = |groups: &mut Self, range| if axis == 0 { groups.rows(range) } else { groups.columns(range) };
        let (_, hashes) = tiles::for_each(context, lines / group, tile, init, work)?;
        Ok(hashes.concat())
    }

    /// Hashes of groups of rows, one after the other.
    fn rows(&mut self, groups: Range<u64>) -> Result<Vec<u8>> {
        let length = self.group as u64 * self.tensor.columns();
        let mut hashes = Vec::new();
        for group in groups {
            let mut hasher = Hasher::default();
            self.run(&mut hasher, group * length, length)?;
            hashes.extend_from_slice(&hasher.finish());
        }
        Ok(hashes)
    }

    /// Takes in the `length` elements from `first`.
    fn run(&mut self, hasher: &mut Hasher, mut first: u64, length: u64) -> Result<()> {
        let end = first + length;
        while first < end {
            self.context.cancel.check()?;
            let count = (TILE as u64).min(end - first) as usize;
            self.read(first, count)?;
            T::update(hasher, &self.values);
            first += count as u64;
        }
        Ok(())
    }

    /// Hashes of neighbouring groups of columns, some rows of all of them at a time.
    fn columns(&mut self, groups: Range<u64>) -> Result<Vec<u8>> {
        let (rows, columns) = (self.tensor.rows(), self.tensor.columns());
        let strip = (groups.end - groups.start) as usize * self.group;
        let mut hashers: Vec<Hasher> = groups.clone().map(|_| Hasher::default()).collect();
        if let [hasher] = &mut hashers[..] {
            for row in 0..rows {
                self.run(hasher, row * columns + groups.start * self.group as u64, strip as u64)?;
            }
            return Ok(hasher.finish().to_vec());
        }
        let at_once = (TILE / strip).max(1) as u64;
        let mut block = Vec::new();
        let mut first = 0;
        while first < rows {
            let height = at_once.min(rows - first) as usize;
            block.resize(height * strip, T::default());
            for row in 0..height {
                self.context.cancel.check()?;
                self.read((first + row as u64) * columns + groups.start * self.group as u64, strip)?;
                for (group, part) in self.values.chunks_exact(self.group).enumerate() {
                    let to = (group * height + row) * self.group;
                    block[to..to + self.group].copy_from_slice(part);
                }
            }
            for (hasher, part) in hashers.iter_mut().zip(block.chunks_exact(height * self.group)) {
                T::update(hasher, part);
            }
            first += height as u64;
        }
        Ok(hashers.iter().flat_map(Hasher::finish).collect())
    }

    /// Decodes the `count` elements from `first`.
    fn read(&mut self, first: u64, count: usize) -> Result<()> {
        let bytes = self.reader.elements(first, count)?;
        self.values.resize(count, T::default());
        T::decode(self.tensor.dtype(), bytes, &mut self.values);
        Ok(())
    }
}

/// What elements are decoded to.
trait Element: Copy + Default + Send {
    /// Values of `bytes`, with one NaN for all.
    fn decode(dtype: Dtype, bytes: &[u8], out: &mut [Self]);
    fn update(hasher: &mut Hasher, values: &[Self]);
}

impl Element for f32 {
    fn decode(dtype: Dtype, bytes: &[u8], out: &mut [Self]) {
        decode::to_f32(dtype, bytes, out);
        out.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = f32::NAN);
    }

    fn update(hasher: &mut Hasher, values: &[Self]) {
        hasher.narrow.update(bytemuck::cast_slice(values));
    }
}

impl Element for f64 {
    fn decode(dtype: Dtype, bytes: &[u8], out: &mut [Self]) {
        decode::to_f64(dtype, bytes, out);
        out.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = f64::NAN);
    }

    fn update(hasher: &mut Hasher, values: &[Self]) {
        let narrow: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        hasher.is_narrow &=
            values.iter().zip(&narrow).all(|(&wide, &narrow)| wide.is_nan() || f64::from(narrow) == wide);
        hasher.narrow.update(bytemuck::cast_slice(&narrow));
        hasher.wide.update(bytemuck::cast_slice(values));
    }
}

/// Hashes values both ways, since which one counts is known at their end.
struct Hasher {
    narrow: blake3::Hasher,
    wide: blake3::Hasher,
    /// Whether all values so far are f32s.
    is_narrow: bool,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { narrow: blake3::Hasher::new(), wide: blake3::Hasher::new(), is_narrow: true }
    }
}

impl Hasher {
    fn finish(&self) -> [u8; ANSWERED] {
        let hash = if self.is_narrow { self.narrow.finalize() } else { self.wide.finalize() };
        *hash.as_bytes().first_chunk().expect("longer than what is answered")
    }
}
