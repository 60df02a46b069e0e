//! One pass over two tensors.

use std::ops::Range;

use super::detail::{self, Detail, Grid, Tally};
use super::fast::{BLOCK, Kernels};
use super::piece::{PIECE, Piece};
use super::sums::{Counts, Scales, Sums};
use crate::context::Context;
use crate::error::Result;
use crate::protocol::DifferenceDetail;
use crate::tensor::{Reader, Tensor};
use crate::tiles;

/// Elements of one tile.
const TILE: u64 = 1 << 18;
/// Elements read at once, to be decoded.
const READ: usize = 1 << 15;
/// Elements from which less than f64 for each of them pays.
const WORTHWHILE: u64 = 1 << 18;

/// Elements that the system is asked to read at once.
const FETCHED: u64 = 16 * TILE;

/// Two tensors of equally many elements.
pub struct Pair<'a> {
    pub a: &'a Tensor,
    pub b: &'a Tensor,
    pub tolerance: f64,
}

/// What a pass over both found.
pub struct Found {
    pub sums: Sums,
    pub counts: Counts,
    pub detail: Option<Detail>,
    /// Arithmetic of the sums.
    pub precision: &'static str,
}

/// What one worker holds.
struct Worker<'a> {
    a: Reader<'a>,
    b: Reader<'a>,
    piece: Piece,
    counts: Counts,
}

impl Worker<'_> {
    /// Has the system read elements of both sides while other work goes on.
    fn fetch(&self, positions: Range<u64>) {
        for side in [&self.a, &self.b] {
            side.fetch(positions.start, positions.end - positions.start);
        }
    }

    /// When `position` is the first of every `FETCHED` of the positions `of` a walk: has those read that come after the next
    /// `FETCHED`; at the start these as well.
    fn fetch_ahead(&self, of: Range<u64>, position: u64) {
        if (position - of.start) % FETCHED == 0 {
            let from = if position == of.start { of.start } else { of.end.min(position + FETCHED) };
            self.fetch(from..of.end.min(position + 2 * FETCHED));
        }
    }
}

impl<'a> Pair<'a> {
    fn worker(&self) -> Worker<'a> {
        Worker { a: self.a.reader(), b: self.b.reader(), piece: Piece::new(), counts: Counts::default() }
    }

    /// Kernels for both types, where they pay.
    fn kernels(&self) -> Option<Kernels> {
        let (a, b) = (self.a.dtype(), self.b.dtype());
        if a == b && self.a.count() >= WORTHWHILE { Kernels::of(a) } else { None }
    }

    /// Sums and counts over all elements.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Truncated`.
    pub fn whole(&self, context: &Context) -> Result<Found> {
        let kernels = self.kernels();
        let count = self.a.count();
        let (workers, sums) = tiles::for_each(
            context,
            count,
            TILE,
            || self.worker(),
            |worker, tile| {
                if let Some(kernels) = kernels {
                    worker.fetch_ahead(0..count, tile.start);
                    return self.in_blocks(worker, tile, kernels);
                }
                let mut sums = Sums::default();
                self.each_piece(worker, tile, 0..count, context, |piece, first, counts| {
                    sums.add(&piece.measure(first, self.tolerance, counts));
                })?;
                Ok(sums)
            },
        )?;
        let counts = workers.into_iter().map(|worker| worker.counts).fold(Counts::default(), Counts::merge);
        let narrow = kernels.is_some() && self.a.dtype().width() < 4;
        let precision = if narrow { "f32 in short runs, f64" } else { "f64" };
        Ok(Found { sums: Sums::add_all(sums), counts, detail: None, precision })
    }

    /// The elements of `tile`, a block at a time.
    fn in_blocks(&self, worker: &mut Worker, tile: Range<u64>, kernels: Kernels) -> Result<Sums> {
        let Worker { a, b, piece, counts } = worker;
        let dtype = self.a.dtype();
        let length = (tile.end - tile.start) as usize;
        let sides = [a.elements(tile.start, length)?, b.elements(tile.start, length)?];
        let mut sums = Sums::default();
        let [a, b] = sides.map(|side| side.chunks(BLOCK * dtype.width()));
        for (first, (a, b)) in (tile.start..).step_by(BLOCK).zip(a.zip(b)) {
            let Some(block) = (kernels.block)(a, b, self.tolerance) else {
                let [a, b] = [a, b].map(|side| side.chunks(PIECE * dtype.width()));
                for (first, (a, b)) in (first..).step_by(PIECE).zip(a.zip(b)) {
                    piece.load([(dtype, a), (dtype, b)], counts);
                    sums.add(&piece.measure(first, self.tolerance, counts));
                }
                continue;
            };
            sums.add(&block.sums);
            counts.compared += (a.len() / dtype.width()) as u64;
            counts.differing += block.differing;
            counts.beyond += block.beyond;
            counts.flips += block.flips;
            if let Some(largest) = kernels.larger(&block, [a, b], counts.largest.map(|largest| largest.magnitude)) {
                counts.offer(largest, first + piece.find(dtype, [a, b], largest));
            }
        }
        Ok(sums)
    }

    /// As `whole`, with where the elements differ.
    ///
    /// # Errors
    /// As `whole`, and those of `Grid::new`.
    pub fn in_detail(&self, detail: DifferenceDetail, context: &Context) -> Result<Found> {
        let grid = Grid::new(self.a.count(), detail)?;
        let decades = detail::decades([self.a.dtype(), self.b.dtype()], detail);
        let init = || (self.worker(), Tally::new(&decades));
        let (workers, parts) = tiles::for_each(context, grid.units(), 1, init, |(worker, tally), unit| {
            let mut unit = grid.unit(unit.start);
            let mut sums = Sums::default();
            for run in unit.positions() {
                self.each_piece(worker, run.clone(), run, context, |piece, first, counts| {
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
        Ok(Found { sums: Sums::add_all(sums), counts, detail: Some(detail), precision: "f64" })
    }

    /// The sums of the scaled elements.
    ///
    /// # Errors
    /// As `whole`.
    pub fn scaled(&self, scales: Scales, context: &Context) -> Result<Sums> {
        let count = self.a.count();
        let init = || self.worker();
        let (_, sums) = tiles::for_each(context, count, TILE, init, |worker, tile| {
            let mut sums = Sums::default();
            self.each_piece(worker, tile, 0..count, context, |piece, _, _| sums.add(&piece.scaled(scales)))?;
            Ok(sums)
        })?;
        Ok(Sums::add_all(sums))
    }

    /// Calls `visit(piece, its first position, counts)` for the elements at `positions`, part `of` a walk, in their order.
    fn each_piece(
        &self,
        worker: &mut Worker,
        positions: Range<u64>,
        of: Range<u64>,
        context: &Context,
        mut visit: impl FnMut(&mut Piece, u64, &mut Counts),
    ) -> Result<()> {
        let dtypes = [self.a.dtype(), self.b.dtype()];
        for first in positions.clone().step_by(READ) {
            context.cancel.check()?;
            worker.fetch_ahead(of.clone(), first);
            let Worker { a, b, piece, counts } = &mut *worker;
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
