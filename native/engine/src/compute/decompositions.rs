//! Inverses, QR and singular value decompositions.

use weight_loupe_linalg::factors::{self, Qr, Svd};
use weight_loupe_linalg::{Control, Failure};

use super::array::Array;
use crate::context::Context;
use crate::error::{Error, Result};

/// Calls `with` with the linear algebra's view of `context`.
pub fn with_control<R>(context: &Context, with: impl FnOnce(&Control) -> R) -> R {
    let cancelled = || context.cancel.is_cancelled();
    with(&Control::new(context.threads, &cancelled, &|_| {}))
}

/// The failure as an answer.
pub fn refused(failure: Failure) -> Error {
    match failure {
        Failure::Cancelled => Error::cancelled(),
        Failure::Empty | Failure::NotFinite { .. } => {
            let mut sentence = failure.to_string();
            sentence[..1].make_ascii_uppercase();
            Error::undefined(sentence + ".")
        }
    }
}

/// Inverses of the matrices of a stack.
///
/// # Errors
/// `Undefined` for a singular or non-finite matrix, `Cancelled`.
pub fn inverse(array: &Array, context: &Context) -> Result<Array> {
    let [n, _] = array.matrix();
    let mut data = Vec::with_capacity(array.data.len());
    with_control(context, |control| {
        for matrix in array.matrices() {
            let inverse = factors::inverse(matrix, n, control).map_err(finite)?;
            let inverse =
                inverse.ok_or_else(|| Error::undefined(format!("A singular {n} × {n} matrix has no inverse.")))?;
            data.extend_from_slice(&inverse);
        }
        Ok(())
    })?;
    Ok(Array::new(array.shape.clone(), data))
}

/// Thin QR decompositions of the matrices of a stack: Q and R. R's diagonal has the signs that LAPACK's `geqrf` gives.
///
/// # Errors
/// `Undefined` for a matrix that is not finite, `Cancelled`.
pub fn qr(array: &Array, context: &Context) -> Result<[Array; 2]> {
    let [rows, columns] = array.matrix();
    let k = rows.min(columns);
    let (mut all_q, mut all_r) = (Vec::new(), Vec::new());
    with_control(context, |control| {
        for matrix in array.matrices() {
            let Qr { q, r } = factors::qr(matrix, rows, columns, control).map_err(finite)?;
            all_q.extend_from_slice(&q);
            all_r.extend_from_slice(&r);
        }
        Ok(())
    })?;
    let batch = &array.shape[..array.shape.len() - 2];
    let stack = |last: [usize; 2], data| Array::new([batch, &last].concat(), data);
    Ok([stack([rows, k], all_q), stack([k, columns], all_r)])
}

/// The thin singular value decomposition of a matrix: U, the values descending, Vᵀ.
///
/// # Errors
/// `Undefined` for a matrix that is not finite or whose iteration does not converge, `Cancelled`.
pub fn svd(array: &Array, context: &Context) -> Result<[Array; 3]> {
    let [rows, columns] = array.matrix();
    let k = rows.min(columns);
    let found = with_control(context, |control| factors::svd(&array.data, rows, columns, control)).map_err(finite)?;
    let Some(Svd { u, s, vt }) = found else {
        return Err(Error::undefined("The singular value decomposition of a matrix did not converge."));
    };
    Ok([Array::new(vec![rows, k], u), Array::new(vec![k], s), Array::new(vec![k, columns], vt)])
}

/// As `refused`, for what is decomposed on the way to a tensor.
fn finite(failure: Failure) -> Error {
    match failure {
        Failure::NotFinite { nan, infinite } => Error::undefined(format!(
            "A matrix with {} values that are not finite has no decomposition or inverse.",
            nan + infinite
        )),
        other => refused(other),
    }
}
