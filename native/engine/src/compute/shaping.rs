//! The same values in other places.

use super::array::Array;
use crate::context::Context;
use crate::error::{Error, Result};

/// Runs of values between two looks at whether to stop.
const RUNS: usize = 1 << 12;

/// Extents before, of and after axis `axis`.
fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

/// The arrays one after the other along `axis`.
///
/// # Errors
/// `Cancelled`.
pub fn concatenate(arrays: &[&Array], axis: usize, shape: &[usize], context: &Context) -> Result<Array> {
    let mut data = Vec::with_capacity(shape.iter().product());
    let [outer, ..] = around(shape, axis);
    for index in 0..outer {
        if index % RUNS == 0 {
            context.cancel.check()?;
        }
        for array in arrays {
            let [_, len, inner] = around(&array.shape, axis);
            data.extend_from_slice(&array.data[index * len * inner..(index + 1) * len * inner]);
        }
    }
    Ok(Array::new(shape.to_vec(), data))
}

/// `value` as an index below `len`.
fn index(value: f64, len: usize) -> Result<usize> {
    // Beyond 2⁵³ no f64 names one index.
    if value.fract() == 0.0 && value >= 0.0 && value < len as f64 {
        return Ok(value as usize);
    }
    Err(Error::invalid(format!("{value} is no index into {len} positions.")))
}

/// The parts of `array` along `axis` at `indices`.
///
/// # Errors
/// `InvalidParams` for a value that is no index, `Cancelled`.
pub fn gather(array: &Array, indices: &Array, axis: usize, context: &Context) -> Result<Array> {
    let [outer, len, inner] = around(&array.shape, axis);
    let indices = indices.data.iter().map(|&value| index(value, len)).collect::<Result<Vec<_>>>()?;
    let mut data = Vec::with_capacity(outer * indices.len() * inner);
    for block in 0..outer {
        for (at, &index) in indices.iter().enumerate() {
            if at % RUNS == 0 {
                context.cancel.check()?;
            }
            let start = (block * len + index) * inner;
            data.extend_from_slice(&array.data[start..start + inner]);
        }
    }
    let mut shape = array.shape.clone();
    shape[axis] = indices.len();
    Ok(Array::new(shape, data))
}

/// Zeros of `shape` to which `values` are added at the flat `positions`.
///
/// # Errors
/// `InvalidParams` for a value that is no position, `Cancelled`.
pub fn scatter(positions: &Array, values: &Array, shape: &[usize], context: &Context) -> Result<Array> {
    let mut data = vec![0f64; shape.iter().product()];
    for (at, (&position, value)) in positions.data.iter().zip(&values.data).enumerate() {
        if at % RUNS == 0 {
            context.cancel.check()?;
        }
        let position = index(position, data.len())?;
        data[position] += value;
    }
    Ok(Array::new(shape.to_vec(), data))
}

/// The matrices of a stack on the diagonal of one matrix.
pub fn block_diagonal(array: &Array) -> Array {
    let [rows, columns] = array.matrix();
    let count = array.shape[0];
    let width = count * columns;
    let mut data = vec![0f64; count * rows * width];
    for (block, matrix) in array.matrices().enumerate() {
        for row in 0..rows {
            let start = (block * rows + row) * width + block * columns;
            data[start..start + columns].copy_from_slice(&matrix[row * columns..(row + 1) * columns]);
        }
    }
    Array::new(vec![count * rows, width], data)
}

/// Skew-symmetric n × n matrices from the entries above the diagonal, row by row.
pub fn skew(array: &Array, n: usize) -> Array {
    let entries = array.last();
    let batch = &array.shape[..array.shape.len() - 1];
    let count: usize = batch.iter().product();
    let mut data = vec![0f64; count * n * n];
    for matrix in 0..count {
        let mut values = array.data[matrix * entries..(matrix + 1) * entries].iter();
        let data = &mut data[matrix * n * n..(matrix + 1) * n * n];
        for row in 0..n {
            for (column, value) in (row + 1..n).zip(values.by_ref().take(n - row - 1)) {
                data[row * n + column] = *value;
                data[column * n + row] = -value;
            }
        }
    }
    Array::new([batch, &[n, n]].concat(), data)
}

/// Sums over `axes`, which stay with length 1, of `term` of every value, `finish`ed.
///
/// # Errors
/// `Cancelled`.
pub fn reduce(
    array: &Array,
    axes: &[u64],
    term: fn(f64) -> f64,
    finish: fn(f64) -> f64,
    context: &Context,
) -> Result<Array> {
    let mut shape = array.shape.clone();
    let mut data: Option<Vec<f64>> = None;
    let mut axes = axes.to_vec();
    axes.sort_unstable();
    axes.dedup();
    // The innermost axis first: the largest array is then walked in the order of memory.
    for axis in axes.into_iter().rev() {
        let axis = axis as usize;
        let [outer, len, inner] = around(&shape, axis);
        shape[axis] = 1;
        let mut sums = vec![0f64; outer * inner];
        let (values, term): (&[f64], fn(f64) -> f64) = match &data {
            Some(data) => (data, |x| x),
            None => (&array.data, term),
        };
        for block in 0..outer {
            context.cancel.check()?;
            let values = &values[block * len * inner..(block + 1) * len * inner];
            if inner == 1 {
                sums[block] = pairwise(values, term);
                continue;
            }
            let sums = &mut sums[block * inner..(block + 1) * inner];
            for run in values.chunks(inner.max(1)) {
                sums.iter_mut().zip(run).for_each(|(sum, &value)| *sum += term(value));
            }
        }
        data = Some(sums);
    }
    let mut data = data.unwrap_or_else(|| array.data.iter().map(|&value| term(value)).collect());
    data.iter_mut().for_each(|value| *value = finish(*value));
    Ok(Array::new(shape, data))
}

/// The sum by halves, whose error grows with the logarithm of the number of values.
fn pairwise(values: &[f64], term: fn(f64) -> f64) -> f64 {
    if values.len() <= 64 {
        return values.iter().map(|&value| term(value)).sum();
    }
    let (left, right) = values.split_at(values.len() / 2);
    pairwise(left, term) + pairwise(right, term)
}
