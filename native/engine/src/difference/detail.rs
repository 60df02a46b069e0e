//! Where two tensors differ: by row and by column, by magnitude, by block of neighbouring elements.

use std::ops::Range;

use super::piece::Piece;
use crate::base64;
use crate::decades::Decades;
use crate::error::{Error, Result};
use crate::lanes::with_avx2;
use crate::protocol::{DifferenceDetail, DifferenceHistogram, DifferenceLines, WorstBlock};
use crate::tensor::{Dtype, encode};

/// Most rows and columns together: what is known of each takes 20 bytes, and 27 in the answer.
const MAX_LINES: u64 = 1 << 20;
/// Most bins per factor of ten.
const MAX_PER_DECADE: u64 = 64;
/// Longest block.
const MAX_BLOCK: u64 = 1 << 16;
/// Blocks in the answer.
const WORST: usize = 16;
/// Columns of one unit of work when rows are long.
const COLUMN_BLOCK: u64 = 1 << 14;

/// How the matrix view is cut into units of work: groups of rows × runs of columns, chosen by the shape alone. A unit adds up
/// its part of the rows and of the columns; the parts are added in the grid's order.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    rows: u64,
    columns: u64,
    block: u64,
    /// Groups of rows.
    groups: u64,
    /// Columns of a run; whole blocks when there are several runs.
    width: u64,
}

impl Grid {
    /// # Errors
    /// `InvalidParams` for rows that do not divide `count`, bins outside 1 … 64 or blocks outside 1 … 65536; `TooLarge` beyond
    /// 1,048,576 rows and columns.
    pub fn new(count: u64, detail: DifferenceDetail) -> Result<Self> {
        let DifferenceDetail { rows, bins_per_decade, block } = detail;
        if !(1..=MAX_PER_DECADE).contains(&bins_per_decade) || !(1..=MAX_BLOCK).contains(&block) {
            return Err(Error::invalid(format!(
                "A difference is shown in 1 … {MAX_PER_DECADE} bins per decade and in blocks of 1 … {MAX_BLOCK} elements, not in \
                 {bins_per_decade} and {block}."
            )));
        }
        let columns = if count == 0 { 0 } else { count.checked_div(rows).unwrap_or(0) };
        if rows.checked_mul(columns) != Some(count) {
            return Err(Error::invalid(format!("{count} elements are no matrix of {rows} rows.")));
        }
        if rows.saturating_add(columns) > MAX_LINES {
            return Err(Error::too_large(format!(
                "The difference by {rows} rows and {columns} columns would need too much memory: at most {MAX_LINES} together \
                 are computed."
            )));
        }
        let (groups, width) = match columns {
            0..=0x1_0000 => (rows.min(32), columns),
            0x1_0001..=0x4_0000 => (rows.min(8), COLUMN_BLOCK.next_multiple_of(block)),
            _ => (1, COLUMN_BLOCK.next_multiple_of(block)),
        };
        Ok(Self { rows, columns, block, groups, width })
    }

    fn runs(&self) -> u64 {
        if self.columns == 0 { 0 } else { self.columns.div_ceil(self.width) }
    }

    /// Number of units.
    pub fn units(&self) -> u64 {
        self.groups * self.runs()
    }

    /// What unit `index` will hold.
    pub fn unit(&self, index: u64) -> Unit {
        let (group, run) = (index / self.runs(), index % self.runs());
        let rows = group * self.rows / self.groups..(group + 1) * self.rows / self.groups;
        let columns = run * self.width..((run + 1) * self.width).min(self.columns);
        let of = |range: &Range<u64>| Lines::new((range.end - range.start) as usize);
        let (row_lines, column_lines) = (of(&rows), of(&columns));
        Unit { grid: *self, rows, columns, row_lines, column_lines, block: Block::default() }
    }
}

/// Sums over each of some rows or columns.
struct Lines {
    squares: Vec<f64>,
    reference: Vec<f64>,
    differing: Vec<u32>,
}

impl Lines {
    fn new(count: usize) -> Self {
        Self { squares: vec![0.0; count], reference: vec![0.0; count], differing: vec![0; count] }
    }

    fn add(&mut self, first: u64, part: &Self) {
        let first = first as usize;
        self.squares[first..].iter_mut().zip(&part.squares).for_each(|(sum, part)| *sum += part);
        self.reference[first..].iter_mut().zip(&part.reference).for_each(|(sum, part)| *sum += part);
        self.differing[first..].iter_mut().zip(&part.differing).for_each(|(sum, part)| *sum += part);
    }

    fn finish(self) -> DifferenceLines {
        DifferenceLines {
            count: self.squares.len() as u64,
            squares: base64::encode(bytemuck::cast_slice(&self.squares)),
            reference: base64::encode(bytemuck::cast_slice(&self.reference)),
            differing: base64::encode(bytemuck::cast_slice(&self.differing)),
        }
    }
}

/// A block under way.
#[derive(Clone, Copy, Default)]
struct Block {
    squares: f64,
    reference: f64,
}

/// One unit of work: some rows of some columns.
pub struct Unit {
    grid: Grid,
    rows: Range<u64>,
    columns: Range<u64>,
    row_lines: Lines,
    column_lines: Lines,
    block: Block,
}

impl Unit {
    /// The unit's elements as runs of row-major positions.
    pub fn positions(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        let Grid { columns: all, .. } = self.grid;
        let (rows, columns) = (self.rows.clone(), self.columns.clone());
        // Whole rows follow one another.
        let step = if columns == (0..all) { rows.end - rows.start } else { 1 };
        rows.step_by(step as usize).map(move |row| row * all + columns.start..(row + step - 1) * all + columns.end)
    }

    /// Adds a piece whose first element stands at `first`; pieces come in the order of `positions`.
    pub fn add(&mut self, first: u64, piece: &Piece, tally: &mut Tally) {
        let Grid { columns, block, .. } = self.grid;
        let end = first + piece.a.len() as u64;
        let mut position = first;
        while position < end {
            // What is left of the row, cut at the ends of blocks.
            let (row, column) = (position / columns, position % columns);
            let length = (end - position).min(self.columns.end - column) as usize;
            let (from, at) = ((position - first) as usize, (column - self.columns.start) as usize);
            let (pairs, lines) = (from..from + length, at..at + length);
            tally.blocks.clear();
            let differing = add_run(
                &Run {
                    a: &piece.a[pairs.clone()],
                    difference: &piece.difference[pairs.clone()],
                    differs: &piece.differs[pairs],
                    before: (block - column % block) as usize,
                    block: block as usize,
                },
                &mut self.column_lines.squares[lines.clone()],
                &mut self.column_lines.reference[lines.clone()],
                &mut self.column_lines.differing[lines],
                &mut tally.blocks,
            );
            let row_at = (row - self.rows.start) as usize;
            self.row_lines.differing[row_at] += differing;
            let mut start = column - column % block;
            for index in 0..tally.blocks.len() {
                let sums = tally.blocks[index];
                self.row_lines.squares[row_at] += sums.squares;
                self.row_lines.reference[row_at] += sums.reference;
                self.block.squares += sums.squares;
                self.block.reference += sums.reference;
                let stop = (start + block).min(columns);
                if stop <= column + length as u64 {
                    tally.offer(row * columns + start, stop - start, std::mem::take(&mut self.block));
                }
                start = stop;
            }
            position += length as u64;
        }
        tally.count(&piece.difference);
    }
}

/// Neighbouring elements of one row.
struct Run<'a> {
    a: &'a [f64],
    difference: &'a [f64],
    differs: &'a [bool],
    /// Elements before the end of the first one's block.
    before: usize,
    block: usize,
}

with_avx2!(
    /// Adds the squares of differences and of a, and the elements that differ, to their columns; appends their sums by block and
    /// answers how many differ.
    fn add_run(
        run: &Run,
        squares: &mut [f64],
        reference: &mut [f64],
        differing: &mut [u32],
        blocks: &mut Vec<Block>,
    ) -> u32 = add_run_plainly
);

#[inline(always)]
fn add_run_plainly(
    run: &Run,
    squares: &mut [f64],
    reference: &mut [f64],
    differing: &mut [u32],
    blocks: &mut Vec<Block>,
) -> u32 {
    let mut start = 0;
    let mut stop = run.before.min(run.a.len());
    while start < run.a.len() {
        blocks.push(Block {
            squares: add_squares(&run.difference[start..stop], &mut squares[start..stop]),
            reference: add_squares(&run.a[start..stop], &mut reference[start..stop]),
        });
        start = stop;
        stop = (stop + run.block).min(run.a.len());
    }
    let mut total = 0;
    for (sum, &differs) in differing.iter_mut().zip(run.differs) {
        *sum += u32::from(differs);
        total += u32::from(differs);
    }
    total
}

/// Adds the square of each value to its column's sum; answers the sum of all squares, added in eight lanes.
#[inline(always)]
fn add_squares(values: &[f64], sums: &mut [f64]) -> f64 {
    let mut lanes = [0f64; 8];
    let whole = values.len() / 8 * 8;
    for (values, sums) in values[..whole].chunks_exact(8).zip(sums[..whole].chunks_exact_mut(8)) {
        for ((lane, sum), value) in lanes.iter_mut().zip(sums).zip(values) {
            *lane += value * value;
            *sum += value * value;
        }
    }
    let rest = sums[whole..].iter_mut().zip(&values[whole..]);
    rest.fold(lanes.iter().sum(), |total, (sum, value)| {
        *sum += value * value;
        total + value * value
    })
}

/// A finished block.
#[derive(Clone, Copy)]
struct Worst {
    start: u64,
    length: u64,
    sums: Block,
}

/// Counts by magnitude and the worst blocks: what can be put together in any order.
pub struct Tally<'a> {
    decades: &'a Decades,
    /// Of negative differences by bin, then of positive ones.
    bins: Vec<u64>,
    /// The largest first; of equals the one that starts first.
    worst: Vec<Worst>,
    /// Room for the blocks of one row of a piece.
    blocks: Vec<Block>,
}

/// Bins that hold every difference of elements of these types.
pub fn decades(dtypes: [Dtype; 2], detail: DifferenceDetail) -> Decades {
    let narrow = dtypes.into_iter().all(encode::fits_f32);
    // Differences of f32 are multiples of its smallest subnormal.
    let (least, greatest) = if narrow { (2f64.powi(-149), 2f64.powi(129)) } else { (5e-324, f64::MAX) };
    Decades::new(least, greatest, detail.bins_per_decade)
}

impl<'a> Tally<'a> {
    pub fn new(decades: &'a Decades) -> Self {
        let bins = vec![0; 2 * decades.count()];
        Self { decades, bins, worst: Vec::with_capacity(WORST + 1), blocks: Vec::new() }
    }

    fn count(&mut self, differences: &[f64]) {
        let positive = self.decades.count();
        let mut zeros = 0;
        for &difference in differences {
            zeros += u64::from(difference == 0.0);
            // A difference beyond f64 is among the largest.
            let bin = self.decades.bin(difference.abs().min(f64::MAX));
            self.bins[bin + positive * usize::from(difference > 0.0)] += 1;
        }
        // There is no branch for them, which would be hard to foresee: they have been counted as the least negative ones.
        self.bins[self.decades.bin(0.0)] -= zeros;
    }

    fn offer(&mut self, start: u64, length: u64, sums: Block) {
        let last = self.worst.get(WORST - 1);
        if sums.squares > 0.0 && last.is_none_or(|last| sums.squares >= last.sums.squares) {
            self.insert(Worst { start, length, sums });
        }
    }

    fn insert(&mut self, block: Worst) {
        let before = |other: &Worst| {
            let by_size = other.sums.squares.total_cmp(&block.sums.squares);
            by_size.then(block.start.cmp(&other.start)).is_gt()
        };
        let place = self.worst.partition_point(before);
        self.worst.insert(place, block);
        self.worst.truncate(WORST);
    }

    pub fn merge(mut self, other: Self) -> Self {
        self.bins.iter_mut().zip(other.bins).for_each(|(to, from)| *to += from);
        other.worst.into_iter().for_each(|block| self.insert(block));
        self
    }

    /// The histogram of `compared` differences, over the whole decades that occur.
    fn histogram(&self, compared: u64) -> DifferenceHistogram {
        let per_decade = self.decades.per_decade;
        let (negative, positive) = self.bins.split_at(self.decades.count());
        let occurs = |bin: &usize| negative[*bin] + positive[*bin] > 0;
        let bins = 0..negative.len();
        let span = bins.clone().find(occurs).zip(bins.rev().find(occurs)).map(|(first, last)| {
            let decade = per_decade as usize;
            first / decade * decade..(last / decade + 1) * decade
        });
        let span = span.unwrap_or(0..0);
        let min_exponent =
            if span.is_empty() { 0 } else { self.decades.min_exponent + (span.start as u64 / per_decade) as i64 };
        let (negative, positive) = (negative[span.clone()].to_vec(), positive[span].to_vec());
        let counted: u64 = negative.iter().chain(&positive).sum();
        DifferenceHistogram { min_exponent, bins_per_decade: per_decade, negative, positive, zeros: compared - counted }
    }

    fn worst_blocks(&self) -> Vec<WorstBlock> {
        let block = |&Worst { start, length, sums }: &Worst| WorstBlock {
            start,
            length,
            norm: sums.squares.sqrt().into(),
            relative: (sums.squares / sums.reference).sqrt().into(),
        };
        self.worst.iter().map(block).collect()
    }
}

/// What the detail of a difference adds to its answer.
pub struct Detail {
    pub histogram: DifferenceHistogram,
    pub rows: DifferenceLines,
    pub columns: DifferenceLines,
    pub worst_blocks: Vec<WorstBlock>,
}

impl Detail {
    /// Puts the units, in the grid's order, together.
    pub fn new(grid: &Grid, units: Vec<Unit>, tally: &Tally, compared: u64) -> Self {
        let (mut rows, mut columns) = (Lines::new(grid.rows as usize), Lines::new(grid.columns as usize));
        for unit in units {
            rows.add(unit.rows.start, &unit.row_lines);
            columns.add(unit.columns.start, &unit.column_lines);
        }
        Self {
            histogram: tally.histogram(compared),
            rows: rows.finish(),
            columns: columns.finish(),
            worst_blocks: tally.worst_blocks(),
        }
    }
}
