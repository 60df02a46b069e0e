//! The largest magnitudes of task vectors, exactly, in passes over radix histograms: keys of halves have 15 bits and take one pass,
//! those of wider types 16 bits more each. Of equal magnitudes those at the lowest positions come first.

use std::marker::PhantomData;
use std::ops::Range;

use super::arithmetic::{Arithmetic, Real, Word};
use super::inputs::{Inputs, PIECE, Pass, Piece, pieces};
use crate::context::Context;
use crate::error::Result;

/// A key of arithmetic `A`.
pub type Key<A> = <<A as Arithmetic>::Real as Real>::Key;

/// The boundary of so many of the largest: those with larger keys, and those with this key before a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge<K> {
    pub key: K,
    pub before: u64,
}

/// Which keys a histogram is of: those of one input whose bits above the digit are these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    pub input: usize,
    pub prefix: u64,
}

/// Bits of keys that are counted in one pass.
#[derive(Clone, Copy, Debug)]
pub struct Digit {
    pub shift: u32,
    pub width: u32,
}

impl Digit {
    /// Those of keys of so many bits, the highest first.
    pub fn all(bits: u32) -> impl Iterator<Item = Self> {
        let highest = (bits - 1) / 16 * 16;
        (0..=highest).rev().step_by(16).map(move |shift| Self { shift, width: (bits - shift).min(16) })
    }

    /// Which of the digit's values the `wanted`-th largest key is among, of which there are `counts`, and how many of the wanted
    /// are left there.
    pub fn locate(counts: &[u64], wanted: u64) -> (u64, u64) {
        let mut left = wanted;
        for (value, &count) in counts.iter().enumerate().rev() {
            if left <= count {
                return (value as u64, left);
            }
            left -= count;
        }
        // Only where the file changed between two passes.
        (0, left.min(counts[0]))
    }
}

/// τ = θ − base, in place.
#[inline(always)]
pub fn subtract<A: Arithmetic>(values: &mut [A::Real], base: &[A::Real]) {
    values.iter_mut().zip(base).for_each(|(value, base)| *value = A::round(*value - *base));
}

/// How often each value of `digit` occurs among the keys of each of `groups`.
///
/// # Errors
/// `Cancelled`, `Io`, `Truncated`.
pub fn histograms<A: Arithmetic>(
    inputs: &Inputs,
    groups: &[Group],
    digit: Digit,
    context: &Context,
) -> Result<Vec<Vec<u64>>> {
    let pass = Histograms { groups, digit, arithmetic: PhantomData::<A> };
    let (states, _) = inputs.pass(&pass, context)?;
    let mut totals = vec![vec![0u64; 1 << digit.width]; groups.len()];
    for mut state in states {
        state.spill();
        for (total, counts) in totals.iter_mut().zip(state.wide) {
            total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        }
    }
    Ok(totals)
}

struct Histograms<'a, A> {
    groups: &'a [Group],
    digit: Digit,
    arithmetic: PhantomData<A>,
}

/// Counts of one worker: in 32 bits, which stay in its cache, until they might overflow.
struct Counts {
    narrow: Vec<Vec<u32>>,
    wide: Vec<Vec<u64>>,
    counted: u32,
}

impl Counts {
    fn spill(&mut self) {
        for (wide, narrow) in self.wide.iter_mut().zip(&mut self.narrow) {
            wide.iter_mut().zip(narrow).for_each(|(wide, narrow)| *wide += u64::from(std::mem::take(narrow)));
        }
        self.counted = 0;
    }
}

impl<A: Arithmetic> Pass<A::Real> for Histograms<'_, A> {
    type State = Counts;
    type Part = ();

    fn state(&self) -> Counts {
        let (values, groups) = (1 << self.digit.width, self.groups.len());
        Counts { narrow: vec![vec![0; values]; groups], wide: vec![vec![0; values]; groups], counted: 0 }
    }

    #[inline(always)]
    fn piece(&self, piece: &mut Piece<A::Real>, counts: &mut Counts, (): &mut ()) {
        let Digit { shift, width } = self.digit;
        let mask = (1u64 << width) - 1;
        let above = shift + width;
        let mut keys = [Key::<A>::default(); PIECE];
        for (group, counts) in self.groups.iter().zip(&mut counts.narrow) {
            let pairs = piece.of[group.input].iter().zip(piece.base);
            keys.iter_mut().zip(pairs).for_each(|(key, (value, base))| *key = A::key(A::round(*value - *base)));
            let keys = &keys[..piece.base.len()];
            let counts = &mut counts[..1 << width];
            if above == A::KEY_BITS {
                keys.iter().for_each(|key| counts[(key.wide() >> shift & mask) as usize] += 1);
            } else {
                let found = keys.iter().map(|key| key.wide()).filter(|key| key >> above == group.prefix);
                found.for_each(|key| counts[(key >> shift & mask) as usize] += 1);
            }
        }
        counts.counted += piece.base.len() as u32;
        if counts.counted > u32::MAX / 2 {
            counts.spill();
        }
    }
}

/// Of each of `wanted`, an input and a number between 1 and that of its elements: the boundary of so many of its largest |τ|.
///
/// # Errors
/// `Cancelled`, `Io`, `Truncated`.
pub fn edges<A: Arithmetic>(inputs: &Inputs, wanted: &[(usize, u64)], context: &Context) -> Result<Vec<Edge<Key<A>>>> {
    /// What is known of one.
    struct Search {
        group: Group,
        left: u64,
        equal: u64,
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let start = |&(input, left): &(usize, u64)| Search { group: Group { input, prefix: 0 }, left, equal: 0 };
    let mut searches: Vec<Search> = wanted.iter().map(start).collect();
    for digit in Digit::all(A::KEY_BITS) {
        let mut groups: Vec<Group> = searches.iter().map(|search| search.group).collect();
        groups.dedup();
        let counts = histograms::<A>(inputs, &groups, digit, context)?;
        for search in &mut searches {
            let counts = groups.iter().zip(&counts).find(|(group, _)| **group == search.group);
            let counts = counts.expect("a histogram of each group").1;
            let (value, left) = Digit::locate(counts, search.left);
            search.group.prefix = search.group.prefix << digit.width | value;
            (search.left, search.equal) = (left, counts[value as usize]);
        }
    }
    // Of the searches that do not take all equal ones: how many there are in each tile.
    let split: Vec<Group> =
        searches.iter().filter(|search| search.left < search.equal).map(|search| search.group).collect();
    let mut limits = Vec::new();
    if !split.is_empty() {
        let (_, tiles) = inputs.pass(&Equal { groups: &split, arithmetic: PhantomData::<A> }, context)?;
        for (index, search) in searches.iter().filter(|search| search.left < search.equal).enumerate() {
            let mut left = search.left;
            let tile = tiles.iter().position(|tile: &Vec<u64>| {
                let here = left <= tile[index];
                left -= if here { 0 } else { tile[index] };
                here
            });
            // None only where the file changed between the passes.
            let tile = tile.unwrap_or_default() as u64;
            limits.push(position_after::<A>(inputs, search.group, left, Inputs::tile(tile, inputs.count()))?);
        }
    }
    let mut limits = limits.into_iter();
    Ok(searches
        .iter()
        .map(|search| Edge {
            key: Key::<A>::of(search.group.prefix),
            before: if search.left < search.equal { limits.next().expect("one for each") } else { u64::MAX },
        })
        .collect())
}

/// The position after the `wanted`-th element with the key of `group` in `tile`.
fn position_after<A: Arithmetic>(inputs: &Inputs, group: Group, wanted: u64, tile: Range<u64>) -> Result<u64> {
    let mut reading = inputs.reading::<A::Real>();
    let mut left = wanted;
    for range in pieces(tile, PIECE as u64) {
        let piece = reading.load(range)?;
        for (position, (value, base)) in (piece.first..).zip(piece.of[group.input].iter().zip(piece.base)) {
            if A::key(A::round(*value - *base)).wide() == group.prefix {
                left -= 1;
                if left == 0 {
                    return Ok(position + 1);
                }
            }
        }
    }
    Ok(u64::MAX)
}

/// How many keys are equal to each of some.
struct Equal<'a, A> {
    groups: &'a [Group],
    arithmetic: PhantomData<A>,
}

impl<A: Arithmetic> Pass<A::Real> for Equal<'_, A> {
    type State = ();
    type Part = Vec<u64>;

    fn state(&self) {}

    #[inline(always)]
    fn piece(&self, piece: &mut Piece<A::Real>, (): &mut (), counts: &mut Vec<u64>) {
        counts.resize(self.groups.len(), 0);
        for (group, count) in self.groups.iter().zip(counts) {
            let wanted = Key::<A>::of(group.prefix);
            let pairs = piece.of[group.input].iter().zip(piece.base);
            let equal = pairs.map(|(value, base)| u32::from(A::key(A::round(*value - *base)) == wanted)).sum::<u32>();
            *count += u64::from(equal);
        }
    }
}
