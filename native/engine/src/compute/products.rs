//! Products of matrices.

use weight_loupe_linalg::factors;

use super::array::{Array, by_rows};
use super::decompositions::{refused, with_control};
use crate::context::Context;
use crate::error::Result;

/// For each matrix of a stack of shape `batch` the index of the matrix of a stack of shape `of` that broadcasting puts
/// there.
fn broadcast_indices(batch: &[usize], of: &[usize]) -> Vec<usize> {
    let count = batch.iter().product();
    let missing = batch.len() - of.len();
    let index = |mut position: usize| {
        let (mut index, mut step) = (0, 1);
        for axis in (0..batch.len()).rev() {
            let at = position % batch[axis];
            position /= batch[axis];
            if axis >= missing {
                let len = of[axis - missing];
                index += if len == 1 { 0 } else { at * step };
                step *= len;
            }
        }
        index
    };
    (0..count).map(index).collect()
}

/// Calls `with` with the matrices that broadcasting brings together, in order.
fn each_pair(
    left: &Array,
    right: &Array,
    batch: &[usize],
    mut with: impl FnMut(usize, &[f64], &[f64]) -> Result<()>,
) -> Result<()> {
    let stack = |array: &Array| array.shape[..array.shape.len() - 2].to_vec();
    let ([a, b], [c, d]) = (left.matrix(), right.matrix());
    let pairs = broadcast_indices(batch, &stack(left)).into_iter().zip(broadcast_indices(batch, &stack(right)));
    for (position, (i, j)) in pairs.enumerate() {
        with(position, &left.data[i * a * b..(i + 1) * a * b], &right.data[j * c * d..(j + 1) * c * d])?;
    }
    Ok(())
}

/// Matrix products, of shape `shape`.
///
/// # Errors
/// `Cancelled`.
pub fn product(left: &Array, right: &Array, shape: &[usize], context: &Context) -> Result<Array> {
    let ([rows, inner], [_, columns]) = (left.matrix(), right.matrix());
    let batch = &shape[..shape.len() - 2];
    let mut data = Vec::with_capacity(shape.iter().product());
    with_control(context, |control| {
        each_pair(left, right, batch, |_, left, right| {
            let product = factors::product(left, right, [rows, inner, columns], control).map_err(refused)?;
            // The only product of all is not copied.
            if batch.iter().product::<usize>() == 1 {
                data = product
            } else {
                data.extend_from_slice(&product)
            }
            Ok(())
        })
    })?;
    Ok(Array::new(shape.to_vec(), data))
}

/// Kronecker products, of shape `shape`: element (i·p + k, j·q + l) is a_ij·b_kl for a p × q matrix b.
///
/// # Errors
/// `Cancelled`.
pub fn kronecker(left: &Array, right: &Array, shape: &[usize], context: &Context) -> Result<Array> {
    let ([_, n], [p, q]) = (left.matrix(), right.matrix());
    let batch = &shape[..shape.len() - 2];
    let mut data = vec![0f64; shape.iter().product()];
    let [rows, columns] = [shape[shape.len() - 2], shape[shape.len() - 1]];
    each_pair(left, right, batch, |position, left, right| {
        let out = &mut data[position * rows * columns..(position + 1) * rows * columns];
        by_rows(out, columns.max(1), context, |first, piece| {
            for (row, out) in (first..).zip(piece.chunks_mut(columns)) {
                let factors = &left[row / p * n..(row / p + 1) * n];
                let block = &right[row % p * q..(row % p + 1) * q];
                for (out, factor) in out.chunks_mut(q).zip(factors) {
                    out.iter_mut().zip(block).for_each(|(out, value)| *out = factor * value);
                }
            }
            Ok(())
        })
    })?;
    Ok(Array::new(shape.to_vec(), data))
}
