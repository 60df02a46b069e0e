//! Shapes of computed values, and every check that shapes allow, before anything is read.

use crate::error::{Error, Result};
use crate::protocol::{Operation, QrFactor, SvdFactor};

/// Longest short side of a matrix that is decomposed or inverted; the work grows with its square and the long side, and
/// cannot be interrupted.
pub const MAX_SHORT_SIDE: u64 = 8192;

/// The shape of what `operation` makes of operands of the shapes `of`.
///
/// # Errors
/// `InvalidParams` when it is not defined for them, `TooLarge` for a decomposition beyond 8192 on the short side.
pub fn of(operation: &Operation, of: &[&[u64]]) -> Result<Vec<u64>> {
    arity(operation, of.len())?;
    let first = of.first().copied().unwrap_or_default();
    let second = of.get(1).copied().unwrap_or_default();
    match operation {
        Operation::Literal { shape, values } => {
            let count = shape.iter().try_fold(1u64, |count, &len| count.checked_mul(len));
            if count != Some(values.len() as u64) {
                return Err(Error::invalid(format!("{} values do not fill the shape {shape:?}.", values.len())));
            }
            Ok(shape.clone())
        }
        Operation::Fill { shape, .. } => Ok(shape.clone()),
        Operation::TorchUniform { shape, low, high, .. } => {
            if !(low.is_finite() && high.is_finite() && low <= high) {
                return Err(Error::invalid(format!("Random values cannot be drawn between {low} and {high}.")));
            }
            Ok(shape.clone())
        }
        Operation::Scatter { shape } => {
            if first != second {
                return Err(misfit("A scatter takes one value for each position", first, second));
            }
            Ok(shape.clone())
        }
        Operation::Identity { n } => Ok(vec![*n, *n]),
        Operation::TorchPermutation { count, take, .. } => {
            if take > count {
                return Err(Error::invalid(format!("{take} numbers cannot be taken of a permutation of {count}.")));
            }
            Ok(vec![*take])
        }
        Operation::Add {}
        | Operation::Subtract {}
        | Operation::Multiply {}
        | Operation::Divide {}
        | Operation::UlpDistance { .. }
        | Operation::UlpShift { .. } => {
            broadcast(first, second).ok_or_else(|| misfit("Shapes do not broadcast", first, second))
        }
        Operation::Scale { .. } | Operation::Map { .. } | Operation::Clamp { .. } | Operation::Round { .. } => {
            Ok(first.to_vec())
        }
        Operation::Product {} => product(first, second),
        Operation::Kronecker {} => kronecker(first, second),
        Operation::Concatenate { axis } => concatenate(of, *axis),
        Operation::Gather { axis } => gather(first, second, *axis),
        Operation::Sum { axes } | Operation::Norm { axes } => reduced(first, axes),
        Operation::Softmax {} => Ok(first.to_vec()),
        Operation::TopSoftmax { k } => {
            let last = first.last().copied().unwrap_or(1);
            if *k == 0 || *k > last {
                return Err(Error::invalid(format!("The largest {k} of {last} values cannot be taken.")));
            }
            Ok(first.to_vec())
        }
        Operation::TopPositions { k } => match first {
            [count] if k <= count => Ok(vec![*k]),
            _ => Err(Error::invalid(format!("The largest {k} positions of a vector cannot be those of {first:?}."))),
        },
        Operation::Inverse {} => {
            let [rows, columns] = decomposed(first, "An inverse")?;
            if rows != columns {
                return Err(Error::invalid(format!("Only square matrices have an inverse, not those of {first:?}.")));
            }
            Ok(first.to_vec())
        }
        Operation::Qr { factor } => {
            let [rows, columns] = decomposed(first, "A QR decomposition")?;
            let k = rows.min(columns);
            let factor = match factor {
                QrFactor::Q => [rows, k],
                QrFactor::R => [k, columns],
            };
            Ok([&first[..first.len() - 2], &factor].concat())
        }
        Operation::Svd { factor, start, stop } => {
            let [rows, columns] = decomposed(first, "A singular value decomposition")?;
            if first.len() != 2 {
                return Err(Error::invalid(format!("Singular triplets are those of one matrix, not of {first:?}.")));
            }
            let k = rows.min(columns);
            if start > stop || *stop > k {
                return Err(Error::invalid(format!(
                    "A {rows} × {columns} matrix has {k} singular values, which do not include {start} … {stop}."
                )));
            }
            Ok(match factor {
                SvdFactor::U => vec![rows, stop - start],
                SvdFactor::S => vec![stop - start],
                SvdFactor::Vt => vec![stop - start, columns],
            })
        }
        Operation::BlockDiagonal {} => {
            let &[count, rows, columns] = first else {
                return Err(Error::invalid(format!("Diagonal blocks are a stack of matrices, not {first:?}.")));
            };
            let sides = count.checked_mul(rows).zip(count.checked_mul(columns));
            let (rows, columns) = sides.ok_or_else(|| overflows(first))?;
            Ok(vec![rows, columns])
        }
        Operation::Skew { n } => {
            let entries = u128::from(*n) * u128::from(n.saturating_sub(1)) / 2;
            match first.split_last() {
                Some((&last, batch)) if u128::from(last) == entries => Ok([batch, &[*n, *n]].concat()),
                _ => Err(Error::invalid(format!(
                    "Skew-symmetric {n} × {n} matrices take {entries} entries, not {first:?}."
                ))),
            }
        }
        Operation::InverseFourier {} => {
            matrix(first, "A two-dimensional transform")?;
            Ok(first.to_vec())
        }
    }
}

/// Fails unless `operation` takes `operands` operands.
fn arity(operation: &Operation, operands: usize) -> Result<()> {
    let (least, most) = match operation {
        Operation::Literal { .. }
        | Operation::Fill { .. }
        | Operation::Identity { .. }
        | Operation::TorchUniform { .. }
        | Operation::TorchPermutation { .. } => (0, 0),
        Operation::Add {}
        | Operation::Subtract {}
        | Operation::Multiply {}
        | Operation::Divide {}
        | Operation::UlpDistance { .. }
        | Operation::UlpShift { .. }
        | Operation::Product {}
        | Operation::Kronecker {}
        | Operation::Gather { .. }
        | Operation::Scatter { .. } => (2, 2),
        Operation::Concatenate { .. } => (1, usize::MAX),
        _ => (1, 1),
    };
    if (least..=most).contains(&operands) {
        return Ok(());
    }
    let name = serde_json::to_value(operation).expect("plain data");
    let name = name["name"].as_str().unwrap_or_default();
    Err(Error::invalid(format!("The operation {name} does not take {operands} operands.")))
}

/// NumPy's broadcast of two shapes.
pub fn broadcast(a: &[u64], b: &[u64]) -> Option<Vec<u64>> {
    let axes = a.len().max(b.len());
    let extent = |shape: &[u64], axis: usize| {
        let missing = axes - shape.len();
        if axis < missing { 1 } else { shape[axis - missing] }
    };
    (0..axes)
        .map(|axis| match (extent(a, axis), extent(b, axis)) {
            (1, len) | (len, 1) => Some(len),
            (one, other) => (one == other).then_some(one),
        })
        .collect()
}

fn product(a: &[u64], b: &[u64]) -> Result<Vec<u64>> {
    let ([rows, inner], [other, columns]) = (matrix(a, "A matrix product")?, matrix(b, "A matrix product")?);
    let batch = broadcast(&a[..a.len() - 2], &b[..b.len() - 2]).filter(|_| inner == other);
    let batch = batch.ok_or_else(|| misfit("Matrices cannot be multiplied", a, b))?;
    Ok([&batch[..], &[rows, columns]].concat())
}

fn kronecker(a: &[u64], b: &[u64]) -> Result<Vec<u64>> {
    let (left, right) = (matrix(a, "A Kronecker product")?, matrix(b, "A Kronecker product")?);
    let batch = broadcast(&a[..a.len() - 2], &b[..b.len() - 2]);
    let batch = batch.ok_or_else(|| misfit("Stacks of matrices do not broadcast", a, b))?;
    let sides = left[0].checked_mul(right[0]).zip(left[1].checked_mul(right[1]));
    let (rows, columns) = sides.ok_or_else(|| overflows(a))?;
    Ok([&batch[..], &[rows, columns]].concat())
}

fn concatenate(of: &[&[u64]], axis: u64) -> Result<Vec<u64>> {
    let mut shape = of[0].to_vec();
    let along = axis_of(&shape, axis)?;
    for &other in &of[1..] {
        let fits = other.len() == shape.len() && (0..shape.len()).all(|i| i == along || other[i] == shape[i]);
        if !fits {
            return Err(misfit(&format!("Shapes do not fit one after the other along axis {axis}"), &shape, other));
        }
        shape[along] = shape[along].checked_add(other[along]).ok_or_else(|| overflows(&shape))?;
    }
    Ok(shape)
}

fn gather(a: &[u64], indices: &[u64], axis: u64) -> Result<Vec<u64>> {
    let along = axis_of(a, axis)?;
    let &[count] = indices else {
        return Err(Error::invalid(format!("Indices to gather at have one axis, not the shape {indices:?}.")));
    };
    let mut shape = a.to_vec();
    shape[along] = count;
    Ok(shape)
}

fn reduced(shape: &[u64], axes: &[u64]) -> Result<Vec<u64>> {
    let mut shape = shape.to_vec();
    for &axis in axes {
        let along = axis_of(&shape, axis)?;
        shape[along] = 1;
    }
    Ok(shape)
}

fn axis_of(shape: &[u64], axis: u64) -> Result<usize> {
    let index = usize::try_from(axis).ok().filter(|&index| index < shape.len());
    index.ok_or_else(|| Error::invalid(format!("There is no axis {axis} in the shape {shape:?}.")))
}

/// The last two axes.
fn matrix(shape: &[u64], what: &str) -> Result<[u64; 2]> {
    match shape {
        [.., rows, columns] => Ok([*rows, *columns]),
        _ => Err(Error::invalid(format!("{what} is of matrices, not of the shape {shape:?}."))),
    }
}

fn decomposed(shape: &[u64], what: &str) -> Result<[u64; 2]> {
    let [rows, columns] = matrix(shape, what)?;
    if rows.min(columns) > MAX_SHORT_SIDE {
        return Err(Error::too_large(format!(
            "{what} of a {rows} × {columns} matrix would take too long: at most {MAX_SHORT_SIDE} on the short side are computed."
        )));
    }
    Ok([rows, columns])
}

fn misfit(what: &str, a: &[u64], b: &[u64]) -> Error {
    Error::invalid(format!("{what}: {a:?} and {b:?}."))
}

fn overflows(shape: &[u64]) -> Error {
    Error::invalid(format!("A shape that is made of {shape:?} overflows."))
}
