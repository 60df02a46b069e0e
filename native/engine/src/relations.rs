//! How several tensors of equally many elements lie to each other: inner products, overlaps of what changed, conflicts of sign.

use crate::aligned::{self, Aligned, PIECE};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::lanes;
use crate::protocol::{How, RelationsResult};
use crate::tensor::Tensor;
use crate::tiles;

/// Most tensors of one request.
const MOST: usize = 32;
/// Elements to a word of flags.
const WORD: usize = 64;

/// The relations of τ_i = (tensor i) − base; of the tensors themselves when `with_base` is false. The base is the last of
/// `tensors`. Elements count that are finite in all. The answer is the same bytes at any number of threads.
///
/// # Errors
/// `InvalidParams` for none or more than 32 tensors, or when they do not have equally many elements; `Cancelled`, `Io`,
/// `Truncated`.
pub fn relations(tensors: &[Tensor], with_base: bool, context: &Context) -> Result<RelationsResult> {
    let n = tensors.len() - usize::from(with_base && !tensors.is_empty());
    if !(1..=MOST).contains(&n) {
        return Err(Error::invalid(format!("Relations are between 1 … {MOST} tensors, not {n}.")));
    }
    let count = aligned::equally_many(tensors)?;
    let start = || (Aligned::new(tensors), Overlaps::new(n));
    let (states, parts) = tiles::for_each(context, count, aligned::tile(count), start, |(aligned, overlaps), tile| {
        let mut gram = vec![0f64; n * n];
        for first in tile.clone().step_by(PIECE) {
            context.cancel.check()?;
            let (values, finite) = aligned.finite(first, (tile.end - first).min(PIECE as u64) as usize)?;
            overlaps.compared += finite;
            let (changes, base) = values.split_at_mut(n);
            if let Some(base) = base.first() {
                for change in &mut *changes {
                    change.iter_mut().zip(base).for_each(|(value, base)| *value -= base);
                }
            }
            for i in 0..n {
                for j in 0..=i {
                    gram[i * n + j] += lanes::dot(&changes[i], &changes[j]);
                }
            }
            overlaps.add(changes);
        }
        Ok(gram)
    })?;
    aligned::check(tensors)?;
    let mut gram = vec![0f64; n * n];
    for part in parts {
        gram.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    let overlaps = states.into_iter().map(|(_, overlaps)| overlaps).fold(Overlaps::new(n), Overlaps::merge);
    let at = |i: usize, j: usize| i.max(j) * n + i.min(j);
    let square = |counts: &[u64]| (0..n).map(|i| (0..n).map(|j| counts[at(i, j)]).collect()).collect();
    Ok(RelationsResult {
        count,
        compared: overlaps.compared,
        gram: (0..n).map(|i| (0..n).map(|j| gram[at(i, j)].into()).collect()).collect(),
        changed: (0..n).map(|i| overlaps.both[at(i, i)]).collect(),
        both_changed: square(&overlaps.both),
        conflicts: square(&overlaps.conflicts),
        signs: overlaps.signs,
        how: How::exact("one-pass inner products", "f64", context.threads),
    })
}

/// Which elements grew and which shrank, a bit each.
#[derive(Clone, Default)]
struct Flags {
    grown: Vec<u64>,
    shrunk: Vec<u64>,
}

/// Counts of elements, and room for the flags of a piece.
struct Overlaps {
    compared: u64,
    /// Lower triangles, row-major in n × n.
    both: Vec<u64>,
    conflicts: Vec<u64>,
    signs: (u64, u64),
    flags: Vec<Flags>,
}

impl Overlaps {
    fn new(n: usize) -> Self {
        let flags = vec![Flags::default(); n];
        Self { compared: 0, both: vec![0; n * n], conflicts: vec![0; n * n], signs: (0, 0), flags }
    }

    /// Counts the elements of a piece of τ.
    fn add(&mut self, changes: &[Vec<f64>]) {
        let n = changes.len();
        for (flags, change) in self.flags.iter_mut().zip(changes) {
            let bits = |test: fn(f64) -> bool| {
                let word = move |values: &[f64]| (0..).zip(values).fold(0, |w, (i, &x)| w | u64::from(test(x)) << i);
                change.chunks(WORD).map(word)
            };
            flags.grown.clear();
            flags.grown.extend(bits(|x| x > 0.0));
            flags.shrunk.clear();
            flags.shrunk.extend(bits(|x| x < 0.0));
        }
        let total = |words: &mut dyn Iterator<Item = u64>| words.map(|word| u64::from(word.count_ones())).sum::<u64>();
        for i in 0..n {
            for j in 0..=i {
                let (x, y) = (&self.flags[i], &self.flags[j]);
                let words = 0..x.grown.len();
                let mut both = words.clone().map(|w| (x.grown[w] | x.shrunk[w]) & (y.grown[w] | y.shrunk[w]));
                self.both[i * n + j] += total(&mut both);
                let mut conflicts = words.map(|w| x.grown[w] & y.shrunk[w] | x.shrunk[w] & y.grown[w]);
                self.conflicts[i * n + j] += total(&mut conflicts);
            }
        }
        for word in 0..self.flags[0].grown.len() {
            let (mut once, mut twice, mut grown, mut shrunk) = (0u64, 0u64, 0u64, 0u64);
            for flags in &self.flags {
                let changed = flags.grown[word] | flags.shrunk[word];
                twice |= once & changed;
                once |= changed;
                grown |= flags.grown[word];
                shrunk |= flags.shrunk[word];
            }
            let conflict = grown & shrunk;
            self.signs.0 += u64::from((twice & !conflict).count_ones());
            self.signs.1 += u64::from(conflict.count_ones());
        }
    }

    fn merge(mut self, other: Self) -> Self {
        let add = |to: &mut Vec<u64>, from: Vec<u64>| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        add(&mut self.both, other.both);
        add(&mut self.conflicts, other.conflicts);
        self.compared += other.compared;
        self.signs = (self.signs.0 + other.signs.0, self.signs.1 + other.signs.1);
        self
    }
}
