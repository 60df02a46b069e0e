//! L2 norms of the rows and columns of the matrix view, and which of them stand out.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::numeric::Numeric;
use crate::protocol::{AxisNorms, How, NormsResult, Outlier};
use crate::tensor::{Tensor, decode};
use crate::tiles;

/// Most points of `pooled`.
const MAX_POINTS: u64 = 4096;
/// Most rows and columns together: their sums of squares stay within 64 MiB.
const MAX_LINES: u64 = 8 << 20;
/// Columns of one unit of work when rows are long.
const COLUMN_BLOCK: u64 = 1 << 14;
/// Elements decoded at once.
const DECODED: usize = 1 << 12;
/// Most indices of dead rows or columns in the answer.
const DEAD_LISTED: usize = 100;
/// Most outliers in the answer.
const OUTLIERS: usize = 16;

/// The norms of `tensor`'s rows and columns. Sums are accumulated in f64; the answer is the same bytes at any number of
/// threads. NaN and infinite elements make their row's and column's norm NaN or infinite; NaN norms are left out of the
/// order statistics.
///
/// # Errors
/// `InvalidParams` for `points` outside 1 … 4096, `TooLarge` beyond 8,388,608 rows and columns; `Cancelled`, `Io`,
/// `Truncated`.
pub fn norms(tensor: &Tensor, points: u64, context: &Context) -> Result<NormsResult> {
    if !(1..=MAX_POINTS).contains(&points) {
        return Err(Error::invalid(format!("Norms can be pooled to 1 … {MAX_POINTS} points, not {points}.")));
    }
    if tensor.rows().saturating_add(tensor.columns()) > MAX_LINES && tensor.count() > 0 {
        return Err(Error::too_large(format!(
            "Norms of {} rows and {} columns would need too much memory: at most {MAX_LINES} together are computed.",
            tensor.rows(),
            tensor.columns()
        )));
    }
    let (rows, columns) = match tensor.transposed_for_reading() {
        Some(transposed) => {
            let (rows, columns) = square_sums(&transposed, context)?;
            (columns, rows)
        }
        None => square_sums(tensor, context)?,
    };
    tensor.check()?;
    Ok(NormsResult {
        rows: describe(rows, tensor.rows(), points),
        columns: describe(columns, tensor.columns(), points),
        how: How::exact("one-pass sums of squares", "f64", context.threads),
    })
}

/// Sums of squares of each row and each column.
fn square_sums(tensor: &Tensor, context: &Context) -> Result<(Vec<f64>, Vec<f64>)> {
    if tensor.count() == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    let (rows, columns) = (tensor.rows(), tensor.columns());
    // A grid of units, chosen by the shape alone: groups of rows × blocks of columns. A unit sums its part of the rows
    // and of the columns; the parts are added in the grid's order.
    let (groups, block) = match columns {
        0..=0x1_0000 => (rows.min(32), columns),
        0x1_0001..=0x4_0000 => (rows.min(8), COLUMN_BLOCK),
        _ => (1, COLUMN_BLOCK),
    };
    let blocks = columns.div_ceil(block);
    let unit_rows = |group: u64| (group * rows / groups)..((group + 1) * rows / groups);
    let unit_columns = |index: u64| index * block..((index + 1) * block).min(columns);
    let init = || (tensor.reader(), vec![0f64; DECODED]);
    let (_, units) = tiles::for_each(context, groups * blocks, 1, init, |(reader, values), unit| {
        let rows = unit_rows(unit.start / blocks);
        let span = unit_columns(unit.start % blocks);
        let mut row_sums = vec![0f64; (rows.end - rows.start) as usize];
        let mut column_sums = vec![0f64; (span.end - span.start) as usize];
        for (row, row_sum) in rows.zip(&mut row_sums) {
            if row % 64 == 0 {
                context.cancel.check()?;
            }
            let bytes = reader.elements(row * columns + span.start, column_sums.len())?;
            let bytes = bytes.chunks(DECODED * tensor.dtype().width());
            for (bytes, column_sums) in bytes.zip(column_sums.chunks_mut(DECODED)) {
                let values = &mut values[..column_sums.len()];
                decode::to_f64(tensor.dtype(), bytes, values);
                *row_sum += add_squares(values, column_sums);
            }
        }
        Ok((row_sums, column_sums))
    })?;
    let mut row_sums = vec![0f64; rows as usize];
    let mut column_sums = vec![0f64; columns as usize];
    for (unit, (row_part, column_part)) in (0u64..).zip(&units) {
        let first_row = unit_rows(unit / blocks).start as usize;
        let first_column = unit_columns(unit % blocks).start as usize;
        row_sums[first_row..].iter_mut().zip(row_part).for_each(|(sum, part)| *sum += part);
        column_sums[first_column..].iter_mut().zip(column_part).for_each(|(sum, part)| *sum += part);
    }
    Ok((row_sums, column_sums))
}

/// Adds the square of each value to its column's sum; answers the sum of all squares, added in eight lanes.
fn add_squares(values: &[f64], column_sums: &mut [f64]) -> f64 {
    let mut lanes = [0f64; 8];
    let whole = values.len() / 8 * 8;
    for (values, sums) in values[..whole].chunks_exact(8).zip(column_sums[..whole].chunks_exact_mut(8)) {
        for ((lane, sum), value) in lanes.iter_mut().zip(sums).zip(values) {
            let square = value * value;
            *lane += square;
            *sum += square;
        }
    }
    let mut total: f64 = lanes.iter().sum();
    for (sum, value) in column_sums[whole..].iter_mut().zip(&values[whole..]) {
        let square = value * value;
        *sum += square;
        total += square;
    }
    total
}

/// From sums of squares to the answer for one axis of `count` rows or columns.
fn describe(square_sums: Vec<f64>, count: u64, points: u64) -> AxisNorms {
    // Without elements every row and column is empty, and its norm 0.
    let norms: Vec<f64> =
        if square_sums.is_empty() { Vec::new() } else { square_sums.into_iter().map(f64::sqrt).collect() };
    let mut sorted: Vec<f64> = norms.iter().copied().filter(|norm| !norm.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = middle(&sorted);
    let mut distances: Vec<f64> = sorted.iter().map(|norm| (norm - median).abs()).filter(|d| !d.is_nan()).collect();
    distances.sort_unstable_by(f64::total_cmp);
    let mad = middle(&distances);
    let dead: Vec<u64> = (0..).zip(&norms).filter(|(_, norm)| **norm == 0.0).map(|(index, _)| index).collect();
    AxisNorms {
        count,
        dead: dead.len() as u64,
        dead_indices: dead.into_iter().take(DEAD_LISTED).collect(),
        min: sorted.first().copied().unwrap_or(f64::NAN).into(),
        median: median.into(),
        max: sorted.last().copied().unwrap_or(f64::NAN).into(),
        mad: mad.into(),
        pooled: pool(&norms, points as usize),
        outliers: outliers(&norms, median, mad),
    }
}

/// Median of sorted values; NaN when there are none.
fn middle(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n if sorted[n / 2 - 1] == sorted[n / 2] => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// The largest norm of each of at most `points` runs; NaN where a run has nothing else.
fn pool(norms: &[f64], points: usize) -> Vec<Numeric> {
    let points = points.min(norms.len());
    let run = |point: usize| point * norms.len() / points..(point + 1) * norms.len() / points;
    (0..points).map(|point| norms[run(point)].iter().copied().fold(f64::NAN, f64::max).into()).collect()
}

fn outliers(norms: &[f64], median: f64, mad: f64) -> Vec<Outlier> {
    let deviations = |norm: f64| if norm == median { 0.0 } else { (norm - median).abs() / mad };
    let mut far: Vec<(u64, f64, f64)> = (0..)
        .zip(norms)
        .map(|(index, &norm)| (index, norm, deviations(norm)))
        .filter(|(_, _, deviations)| *deviations > 0.0)
        .collect();
    far.sort_unstable_by(|a, b| {
        let distance = |norm: f64| (norm - median).abs();
        distance(b.1).total_cmp(&distance(a.1)).then(a.0.cmp(&b.0))
    });
    far.truncate(OUTLIERS);
    far.into_iter()
        .map(|(index, norm, deviations)| Outlier { index, norm: norm.into(), deviations: deviations.into() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_is_described_by_its_order_statistics() {
        let axis = describe(vec![1.0, 4.0, 0.0, 9.0, 10_000.0], 5, 2);
        assert_eq!((axis.dead, axis.dead_indices), (1, vec![2]));
        assert_eq!((axis.min, axis.median, axis.max), (0.0.into(), 2.0.into(), 100.0.into()));
        assert_eq!(axis.mad, 1.0.into());
        assert_eq!(axis.pooled, vec![2.0.into(), 100.0.into()]);
        let indices: Vec<u64> = axis.outliers.iter().map(|outlier| outlier.index).collect();
        assert_eq!(indices, [4, 2, 0, 3]);
        assert_eq!(axis.outliers[0].deviations, 98.0.into());
    }

    #[test]
    fn nan_norms_are_shown_but_not_counted() {
        let axis = describe(vec![f64::NAN, 4.0, f64::INFINITY], 3, 3);
        assert_eq!((axis.min, axis.max), (2.0.into(), f64::INFINITY.into()));
        assert!(axis.pooled[0].to_f64().is_nan());
        assert_eq!(axis.dead, 0);
    }
}
