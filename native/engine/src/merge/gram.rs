//! Inner products of the tensors that are merged, of whole tensors or along their lines.

use std::marker::PhantomData;
use std::ops::Range;

use super::arithmetic::{Arithmetic, Real, vectorised};
use super::inputs::{Inputs, PIECE, Pass, Piece};
use crate::context::Context;
use crate::error::Result;
use crate::tiles;

/// Values added side by side.
const LANES: usize = 8;
/// Most groups of rows whose sums for each column are held at once.
const GROUPS: u64 = 16;

/// What of a tensor is taken as one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// All of it.
    Whole,
    /// What lies along the last axis: this many neighbouring elements.
    Rows(u64),
    /// What lies along the first axis: every so many-th element.
    Columns(u64),
}

impl Lines {
    /// Along the last axis of `shape`, which has an element.
    pub fn last_axis(shape: &[u64]) -> Self {
        match shape {
            [] | [_] => Self::Whole,
            [.., last] => Self::Rows(*last),
        }
    }

    /// Along the first axis of `shape`, which has an element.
    pub fn first_axis(shape: &[u64]) -> Self {
        match shape.iter().skip(1).product() {
            1 => Self::Whole,
            columns => Self::Columns(columns),
        }
    }

    /// How many there are among `elements`.
    pub fn count(self, elements: u64) -> u64 {
        match self {
            Self::Whole => 1,
            Self::Rows(length) => elements / length,
            Self::Columns(count) => count,
        }
    }

    /// `count` elements from position `first` taken apart where a line of neighbours ends, or the columns start again: the line
    /// that each part's first element is in, and the part, counted from `first`.
    pub fn parts(self, first: u64, count: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
        let (length, column) = match self {
            Self::Whole => (u64::MAX, false),
            Self::Rows(length) => (length, false),
            Self::Columns(count) => (count, true),
        };
        let mut start = 0;
        std::iter::from_fn(move || {
            let position = first + start as u64;
            let left = (count - start) as u64;
            let part = start..start + left.min(length - position % length) as usize;
            start = part.end;
            let line = if column { position % length } else { position / length };
            (!part.is_empty()).then_some((line as usize, part))
        })
    }
}

/// Which vectors are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectors {
    /// The inputs, less the base where there is one.
    Inputs,
    /// The inputs as they are, and the base as the last.
    All,
}

impl Vectors {
    /// The vectors of a piece by their index.
    #[inline(always)]
    fn of<'a, A: Arithmetic>(self, piece: &'a mut Piece<A::Real>) -> impl Fn(usize) -> &'a [A::Real] {
        if self == Self::Inputs {
            subtract_base::<A>(piece);
        }
        let (of, base) = (&*piece.of, piece.base);
        move |index| of.get(index).map_or(base, |values| &values[..])
    }

    fn count(self, inputs: &Inputs) -> usize {
        if self == Self::All { inputs.tensors().len() } else { inputs.len() }
    }
}

/// Lower triangles of Gram matrices, row by row, one for each line.
#[derive(Debug)]
pub struct Gram {
    /// Of how many tensors.
    n: usize,
    sums: Vec<f64>,
}

impl Gram {
    /// Inner products in f64, of the inputs rounded to `A`, over pieces that depend on the shape alone.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Truncated`.
    pub fn of<A: Arithmetic>(inputs: &Inputs, vectors: Vectors, lines: Lines, context: &Context) -> Result<Self> {
        let n = vectors.count(inputs);
        let sums = match lines {
            Lines::Columns(columns) => by_column::<A>(inputs, vectors, columns, context)?,
            _ => {
                let pass = Along::<A> { vectors, lines, n, arithmetic: PhantomData };
                let (_, parts) = inputs.pass::<A::Real, _>(&pass, context)?;
                let mut sums = vec![0.0; lines.count(inputs.count()) as usize * triangle(n)];
                for Sums { first, sums: part } in parts {
                    add(&mut sums[first * triangle(n)..], &part);
                }
                sums
            }
        };
        Ok(Self { n, sums })
    }

    /// The inner product of tensors i and j along a line.
    pub fn at(&self, line: usize, i: usize, j: usize) -> f64 {
        self.sums[line * triangle(self.n) + triangle(i.max(j)) + i.min(j)]
    }
}

/// Entries of the first `n` rows of a lower triangle.
const fn triangle(n: usize) -> usize {
    n * (n + 1) / 2
}

/// Takes the base away from each of the inputs, where there is one, rounding to `A`.
#[inline(always)]
pub fn subtract_base<A: Arithmetic>(piece: &mut Piece<A::Real>) {
    for values in &mut *piece.of {
        values.iter_mut().zip(piece.base).for_each(|(value, base)| *value = A::sub(*value, *base));
    }
}

/// Sums of neighbouring lines.
#[derive(Default)]
struct Sums {
    /// The first line.
    first: usize,
    sums: Vec<f64>,
}

/// Sums along the whole or along rows.
struct Along<A> {
    vectors: Vectors,
    lines: Lines,
    n: usize,
    arithmetic: PhantomData<A>,
}

impl<A: Arithmetic> Pass<A::Real> for Along<A> {
    type State = ();
    type Part = Sums;

    fn state(&self) {}

    #[inline(always)]
    fn piece(&self, piece: &mut Piece<A::Real>, _: &mut (), part: &mut Sums) {
        let parts = self.lines.parts(piece.first, piece.of[0].len());
        let at = self.vectors.of::<A>(piece);
        for (line, range) in parts {
            if part.sums.is_empty() {
                part.first = line;
            }
            let slot = (line - part.first) * triangle(self.n);
            part.sums.resize(part.sums.len().max(slot + triangle(self.n)), 0.0);
            for i in 0..self.n {
                for j in 0..=i {
                    let product = dot(&at(i)[range.clone()], &at(j)[range.clone()]);
                    part.sums[slot + triangle(i) + j] += product;
                }
            }
        }
    }
}

/// Σ x·y in f64.
#[inline(always)]
fn dot<R: Real>(x: &[R], y: &[R]) -> f64 {
    sum_of(x, y, |x, y| x.wide() * y.wide())
}

/// The sum of what `term` makes of each pair, in lanes.
#[inline(always)]
pub fn sum_of<R: Real>(x: &[R], y: &[R], term: impl Fn(R, R) -> f64) -> f64 {
    let mut lanes = [0f64; LANES];
    let (x, y) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest = x.remainder().iter().zip(y.remainder());
    for (x, y) in x.zip(y) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane += term(*x, *y);
        }
    }
    lanes[0] = rest.fold(lanes[0], |sum, (x, y)| sum + term(*x, *y));
    lanes.iter().sum()
}

/// Sums along columns: groups of rows, each summed down its columns by one worker, then added in order.
fn by_column<A: Arithmetic>(inputs: &Inputs, vectors: Vectors, columns: u64, context: &Context) -> Result<Vec<f64>> {
    let (n, rows) = (vectors.count(inputs), inputs.count() / columns);
    let groups = rows.min(GROUPS);
    let (_, parts) = tiles::for_each(
        context,
        groups,
        1,
        || inputs.reading::<A::Real>(),
        |reading, group| {
            let mut sums = vec![0f64; columns as usize * triangle(n)];
            let elements = group.start * rows / groups * columns..group.end * rows / groups * columns;
            for range in super::inputs::pieces(elements, PIECE as u64) {
                context.cancel.check()?;
                let mut piece = reading.load(range)?;
                vectorised(|| add_by_column::<A>(&mut piece, vectors, Lines::Columns(columns), n, &mut sums));
            }
            Ok(sums)
        },
    )?;
    let mut sums = vec![0f64; columns as usize * triangle(n)];
    parts.iter().for_each(|part| add(&mut sums, part));
    Ok(sums)
}

#[inline(always)]
fn add_by_column<A: Arithmetic>(
    piece: &mut Piece<A::Real>,
    vectors: Vectors,
    lines: Lines,
    n: usize,
    sums: &mut [f64],
) {
    let parts = lines.parts(piece.first, piece.of[0].len());
    let at = vectors.of::<A>(piece);
    for (column, range) in parts {
        for i in 0..n {
            for j in 0..=i {
                let slots = sums[column * triangle(n)..].iter_mut().skip(triangle(i) + j).step_by(triangle(n));
                let pairs = at(i)[range.clone()].iter().zip(&at(j)[range.clone()]);
                slots.zip(pairs).for_each(|(sum, (x, y))| *sum += x.wide() * y.wide());
            }
        }
    }
}

fn add(sums: &mut [f64], part: &[f64]) {
    sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(lines: Lines, first: u64, count: usize) -> Vec<(usize, Range<usize>)> {
        lines.parts(first, count).collect()
    }

    #[test]
    fn lines_of_shapes() {
        assert_eq!(Lines::last_axis(&[]), Lines::Whole);
        assert_eq!(Lines::last_axis(&[7]), Lines::Whole);
        assert_eq!(Lines::last_axis(&[2, 3, 5]), Lines::Rows(5));
        assert_eq!(Lines::first_axis(&[7]), Lines::Whole);
        assert_eq!(Lines::first_axis(&[2, 3, 5]), Lines::Columns(15));
        assert_eq!(Lines::Rows(5).count(30), 6);
    }

    #[test]
    fn parts_end_with_lines() {
        assert_eq!(parts(Lines::Whole, 9, 4), [(0, 0..4)]);
        assert_eq!(parts(Lines::Rows(5), 8, 9), [(1, 0..2), (2, 2..7), (3, 7..9)]);
        assert_eq!(parts(Lines::Columns(5), 8, 9), [(3, 0..2), (0, 2..7), (0, 7..9)]);
        assert_eq!(parts(Lines::Rows(1), 3, 2), [(3, 0..1), (4, 1..2)]);
        assert_eq!(parts(Lines::Rows(5), 3, 0), []);
    }
}
