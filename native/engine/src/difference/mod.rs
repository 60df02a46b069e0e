//! B − A of two tensors of equally many elements, element i of one with element i of the other in row-major order, in one pass
//! over both.

mod detail;
mod piece;
mod sums;

use std::ops::Range;

use crate::context::Context;
use crate::decades::Decades;
use crate::error::{Error, Result};
use crate::protocol::{DifferenceDetail, DifferenceResult, DifferenceSide, How};
use crate::tensor::{Reader, Tensor};
use crate::tiles;
use detail::{Detail, Grid, Tally, Unit};
use piece::{PIECE, Piece};
use sums::{Counts, NonFinite, Scales, Sums};

/// Elements of one tile.
const TILE: u64 = 1 << 18;
/// Elements read at once.
const READ: usize = 1 << 15;

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
        None => pair.in_tiles(context)?,
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

/// What a pass over both found.
struct Found {
    sums: Sums,
    counts: Counts,
    detail: Option<Detail>,
}

fn answer(count: u64, found: Found, sums: Sums, scales: Option<Scales>, context: &Context) -> DifferenceResult {
    let Found { counts, detail, .. } = found;
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
        how: How::exact("one pass over both", "f64", context.threads),
    }
}

/// Two tensors of equally many elements.
struct Pair<'a> {
    a: &'a Tensor,
    b: &'a Tensor,
    tolerance: f64,
}

/// What one worker holds.
struct Worker<'a> {
    a: Reader<'a>,
    b: Reader<'a>,
    piece: Piece,
    counts: Counts,
}

impl<'a> Pair<'a> {
    fn worker(&self) -> Worker<'a> {
        Worker { a: self.a.reader(), b: self.b.reader(), piece: Piece::new(), counts: Counts::default() }
    }

    fn in_tiles(&self, context: &Context) -> Result<Found> {
        let (workers, sums) = tiles::for_each(
            context,
            self.a.count(),
            TILE,
            || self.worker(),
            |worker, tile| {
                let mut sums = Sums::default();
                self.each_piece(worker, tile, context, |piece, first, counts| {
                    sums.add(&piece.measure(first, self.tolerance, counts));
                })?;
                Ok(sums)
            },
        )?;
        let counts = workers.into_iter().map(|worker| worker.counts).fold(Counts::default(), Counts::merge);
        Ok(Found { sums: Sums::add_all(sums), counts, detail: None })
    }

    fn in_detail(&self, detail: DifferenceDetail, context: &Context) -> Result<Found> {
        let grid = Grid::new(self.a.count(), detail)?;
        let decades: Decades = detail::decades([self.a.dtype(), self.b.dtype()], detail);
        let init = || (self.worker(), Tally::new(&decades));
        let (workers, parts) = tiles::for_each(context, grid.units(), 1, init, |(worker, tally), unit| {
            let mut unit: Unit = grid.unit(unit.start);
            let mut sums = Sums::default();
            for run in unit.positions() {
                self.each_piece(worker, run, context, |piece, first, counts| {
                    sums.add(&piece.measure(first, self.tolerance, counts));
                    unit.add(first, piece, tally);
                })?;
            }
            Ok((sums, unit))
        })?;
        let (sums, units): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let (mut counts, mut tally) = (Counts::default(), Tally::new(&decades));
        for (worker, part) in workers {
            counts = counts.merge(worker.counts);
            tally = tally.merge(part);
        }
        let detail = Detail::new(&grid, units, &tally, counts.compared);
        Ok(Found { sums: Sums::add_all(sums), counts, detail: Some(detail) })
    }

    /// The sums of the scaled elements.
    fn scaled(&self, scales: Scales, context: &Context) -> Result<Sums> {
        let (_, sums) = tiles::for_each(
            context,
            self.a.count(),
            TILE,
            || self.worker(),
            |worker, tile| {
                let mut sums = Sums::default();
                self.each_piece(worker, tile, context, |piece, _, _| sums.add(&piece.scaled(scales)))?;
                Ok(sums)
            },
        )?;
        Ok(Sums::add_all(sums))
    }

    /// Calls `visit(piece, its first position, counts)` for the elements at `positions`, in their order.
    fn each_piece(
        &self,
        worker: &mut Worker,
        positions: Range<u64>,
        context: &Context,
        mut visit: impl FnMut(&mut Piece, u64, &mut Counts),
    ) -> Result<()> {
        let Worker { a, b, piece, counts } = worker;
        let dtypes = [self.a.dtype(), self.b.dtype()];
        for first in positions.clone().step_by(READ) {
            context.cancel.check()?;
            let length = (positions.end - first).min(READ as u64) as usize;
            let bytes = [a.elements(first, length)?, b.elements(first, length)?];
            let [a, b] = [0, 1].map(|side| bytes[side].chunks(PIECE * dtypes[side].width()));
            for (first, (a, b)) in (first..).step_by(PIECE).zip(a.zip(b)) {
                piece.load([(dtypes[0], a), (dtypes[1], b)], counts);
                visit(piece, first, counts);
            }
        }
        Ok(())
    }
}
