//! The tensors that are merged, a piece at a time, and passes over all of them.

use std::ops::Range;

use super::arithmetic::{Real, for_wide_vectors, round_to};
use crate::context::Context;
use crate::error::Result;
use crate::tensor::{Dtype, Reader, Tensor, encode};
use crate::tiles;

/// Elements worked on at once: those of a few tensors stay in the nearest caches.
pub const PIECE: usize = 1 << 12;
/// Elements of a tile of a pass.
const TILE: u64 = 1 << 18;

/// The inputs of a merge: tensors of one shape, and the base where there is one.
#[derive(Debug)]
pub struct Inputs {
    /// The base is the last where there is one.
    tensors: Vec<Tensor>,
    with_base: bool,
    /// What each is rounded to; nothing where its values are taken as they are.
    rounding: Vec<Option<Dtype>>,
}

impl Inputs {
    /// `tensors`, at least one, of one shape, the base last where there is one, each rounded to `dtype`.
    pub fn new(tensors: Vec<Tensor>, with_base: bool, dtype: Dtype) -> Self {
        let rounding = tensors.iter().map(|tensor| needs_rounding(tensor.dtype(), dtype).then_some(dtype)).collect();
        Self { tensors, with_base, rounding }
    }

    /// The same with the inputs from `first` on taken as they are.
    pub fn unrounded_from(mut self, first: usize) -> Self {
        let end = self.len();
        self.rounding[first..end].fill(None);
        self
    }

    /// Number of inputs, without the base.
    pub fn len(&self) -> usize {
        self.tensors.len() - usize::from(self.with_base)
    }

    /// All tensors, the base last where there is one.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Extent of each axis.
    pub fn shape(&self) -> &[u64] {
        self.tensors[0].shape()
    }

    /// Elements of each.
    pub fn count(&self) -> u64 {
        self.tensors[0].count()
    }

    /// The positions of tile `index` of a pass with units of one element over `count` elements.
    pub fn tile(index: u64, count: u64) -> Range<u64> {
        index * TILE..count.min((index + 1) * TILE)
    }

    /// Reads pieces.
    pub fn reading<R: Real>(&self) -> Reading<'_, R> {
        let parts = self.tensors.iter().zip(&self.rounding);
        let parts = parts.map(|(tensor, rounding)| (tensor.dtype(), tensor.reader(), *rounding)).collect();
        let values = vec![Vec::new(); self.tensors.len()];
        Reading { parts, values, with_base: self.with_base }
    }

    /// Goes over all pieces: what each worker's state became, in no particular order, and each tile's part in theirs. Tiles and
    /// pieces depend on the number of elements alone.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Truncated`.
    pub fn pass<R: Real, P: Pass<R>>(&self, pass: &P, context: &Context) -> Result<Passed<R, P>> {
        let unit = pass.unit();
        let [tile, piece] = [TILE, PIECE as u64].map(|length| length.next_multiple_of(unit));
        let (workers, parts) = tiles::for_each(
            context,
            self.count(),
            tile,
            || (self.reading(), pass.state()),
            |(reading, state), range| {
                let mut part = P::Part::default();
                for range in pieces(range, piece) {
                    context.cancel.check()?;
                    let mut piece = reading.load(range)?;
                    take(pass, &mut piece, state, &mut part);
                }
                Ok(part)
            },
        )?;
        Ok((workers.into_iter().map(|(_, state)| state).collect(), parts))
    }
}

for_wide_vectors!(
    fn take<R: Real, P: Pass<R>>(pass: &P, piece: &mut Piece<R>, state: &mut P::State, part: &mut P::Part) = Pass::piece
);

/// The states of the workers, and the parts of the tiles in order.
pub type Passed<R, P> = (Vec<<P as Pass<R>>::State>, Vec<<P as Pass<R>>::Part>);

/// What is found in one pass over all elements; `piece` is to be `#[inline(always)]`.
pub trait Pass<R: Real>: Sync {
    /// Of a worker: what is put together in any order, such as counts.
    type State: Send;
    /// Of a tile: what is put together in order, such as sums.
    type Part: Default + Send;

    /// Neighbouring elements that are never taken apart.
    fn unit(&self) -> u64 {
        1
    }

    /// A worker's state.
    fn state(&self) -> Self::State;

    /// Takes a piece in.
    fn piece(&self, piece: &mut Piece<R>, state: &mut Self::State, part: &mut Self::Part);
}

/// The same few neighbouring elements of all inputs.
#[derive(Debug)]
pub struct Piece<'a, R> {
    /// Row-major position of the first.
    pub first: u64,
    /// Values of each input, rounded; room to work in.
    pub of: &'a mut [Vec<R>],
    /// Values of the base; none where there is no base.
    pub base: &'a [R],
}

/// Reads pieces; holds the buffers, so each thread has its own.
#[derive(Debug)]
pub struct Reading<'a, R> {
    parts: Vec<(Dtype, Reader<'a>, Option<Dtype>)>,
    values: Vec<Vec<R>>,
    with_base: bool,
}

impl<R: Real> Reading<'_, R> {
    /// The elements at `positions`.
    ///
    /// # Errors
    /// `Truncated`, `Io`.
    pub fn load(&mut self, positions: Range<u64>) -> Result<Piece<'_, R>> {
        let count = (positions.end - positions.start) as usize;
        for ((dtype, reader, rounding), values) in self.parts.iter_mut().zip(&mut self.values) {
            values.resize(count, R::ZERO);
            let bytes = reader.elements(positions.start, count)?;
            match rounding {
                Some(rounding) if !encode::fits_f32(*dtype) => {
                    let mut wide = vec![0f64; count];
                    f64::decode(*dtype, bytes, &mut wide);
                    round_to(*rounding, &mut wide);
                    values.iter_mut().zip(wide).for_each(|(value, wide)| *value = R::of(wide));
                }
                Some(rounding) => {
                    R::decode(*dtype, bytes, values);
                    round_to(*rounding, values);
                }
                None => R::decode(*dtype, bytes, values),
            }
        }
        let (of, base) = self.values.split_at_mut(self.parts.len() - usize::from(self.with_base));
        Ok(Piece { first: positions.start, of, base: base.first().map_or(&[], |base| &base[..]) })
    }

    /// As `Reader::fetch`, for all.
    pub fn fetch(&self, first: u64, count: u64) {
        self.parts.iter().for_each(|(_, reader, _)| reader.fetch(first, count));
    }
}

/// Whether values of `from`, decoded to the numbers that `to` is held as, may be none of `to`.
fn needs_rounding(from: Dtype, to: Dtype) -> bool {
    from != to && matches!(to, Dtype::F16 | Dtype::BF16)
}

/// `range` in pieces of so many.
pub fn pieces(range: Range<u64>, piece: u64) -> impl Iterator<Item = Range<u64>> {
    (range.start..range.end).step_by(piece as usize).map(move |start| start..range.end.min(start + piece))
}
