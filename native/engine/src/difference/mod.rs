//! B − A of two tensors of equally many elements, element i of one with element i of the other in row-major order, in one pass
//! over both.

mod detail;
mod fast;
mod pass;
mod piece;
mod sums;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::protocol::{DifferenceDetail, DifferenceResult, DifferenceSide, How};
use crate::tensor::Tensor;
use detail::Detail;
use pass::{Found, Pair};
use sums::{NonFinite, Scales, Sums};

/// What B − A is like. Sums are accumulated in f64 and kept inside its range; elements that are not finite on both sides are
/// counted and left out of them. The answer is the same bytes at any number of threads.
///
/// # Errors
/// `InvalidParams` when there are not equally many elements, for a tolerance that is negative or not finite and for a `detail`
/// that does not fit; `TooLarge` for one of more than 1,048,576 rows and columns; `Cancelled`, `Io`, `Truncated`.
pub fn difference(
    a: &Tensor,
    b: &Tensor,
    tolerance: f64,
    detail: Option<DifferenceDetail>,
    context: &Context,
) -> Result<DifferenceResult> {
    let pair = Pair { a, b, tolerance };
    if a.count() != b.count() {
        return Err(Error::invalid(format!(
            "Tensors of shapes {:?} and {:?} have {} and {} elements: only equally many can be subtracted.",
            a.shape(),
            b.shape(),
            a.count(),
            b.count()
        )));
    }
    if !(tolerance.is_finite() && tolerance >= 0.0) {
        return Err(Error::invalid(format!("A tolerance is a finite number of at least 0, not {tolerance}.")));
    }
    let found = match detail {
        Some(detail) => pair.in_detail(detail, context)?,
        None => pair.whole(context)?,
    };
    let scales = Scales::for_counts(&found.counts);
    let sums = match scales {
        Some(scales) => pair.scaled(scales, context)?,
        None => found.sums,
    };
    a.check()?;
    b.check()?;
    Ok(answer(a.count(), found, sums, scales, context))
}

fn answer(count: u64, found: Found, sums: Sums, scales: Option<Scales>, context: &Context) -> DifferenceResult {
    let Found { counts, detail, precision, .. } = found;
    let scales = scales.unwrap_or(Scales { a: 1.0, b: 1.0, difference: 1.0 });
    let side = |squares: f64, scale: f64, non_finite: NonFinite| DifferenceSide {
        l2: (squares.sqrt() / scale).into(),
        nan: non_finite.nan,
        positive_infinity: non_finite.positive_infinity,
        negative_infinity: non_finite.negative_infinity,
    };
    let (histogram, rows, columns, worst_blocks) = match detail {
        Some(Detail { histogram, rows, columns, worst_blocks }) => {
            (Some(histogram), Some(rows), Some(columns), Some(worst_blocks))
        }
        None => (None, None, None, None),
    };
    DifferenceResult {
        count,
        compared: counts.compared,
        a: side(sums.a, scales.a, counts.a),
        b: side(sums.b, scales.b, counts.b),
        norm: (sums.squares.sqrt() / scales.difference).into(),
        // Adding 0 writes one zero, not two.
        dot: (sums.dot / scales.a / scales.b + 0.0).into(),
        sum_abs: (sums.abs / scales.difference).into(),
        max_abs: counts.largest.map_or(0.0, |largest| largest.magnitude).into(),
        max_at: counts.largest.map(|largest| largest.at),
        differing: counts.differing,
        beyond: counts.beyond,
        sign_flips: counts.flips,
        histogram,
        rows,
        columns,
        worst_blocks,
        how: How::exact("one pass over both", precision, context.threads),
    }
}
