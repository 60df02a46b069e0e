//! Which units of one tensor, or of several together, stand where in another: weight matching by linear assignment (Ainsworth,
//! Hayase & Srinivasa, *Git Re-Basin*, ICLR 2023).

use std::collections::HashMap;

use rayon::prelude::*;
use weight_loupe_linalg::assignment::assignment;
use weight_loupe_linalg::{Control, factors};

use crate::compute::{Workspace, limit, refused, with_control};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::numeric::Numeric;
use crate::protocol::{Expression, How, MatchResult, MatchTerm};
use crate::source::Access;
use crate::tensor::{self, Tensor};

/// Values of one side that are in memory at once, about: 64 MiB.
const PANEL: u64 = 1 << 23;
/// Progress is told in these units.
const STEPS: u64 = 1000;

/// The order of A's units that maximises Σ_terms Σ_i ⟨a unit π(i), b unit i⟩, which is the one that brings A closest to B.
///
/// Where A has the same units as B, in whatever order, that is found by their hashes; units that are the same twice stay where
/// they are if they can, else the earlier comes first. Otherwise inner products in f64 and an exact assignment over them: O(n³) for
/// n units at worst. The answer is the same bytes at any number of threads.
///
/// # Errors
/// `InvalidParams` for terms that do not fit one another; `Undefined` for values that are not finite, or too large for their
/// products to be; `TooLarge` where the inner products do not fit the memory that the engine allows itself; `Cancelled`, `Io`,
/// `Truncated`.
pub fn matching(terms: &[MatchTerm], group: u64, context: &Context) -> Result<MatchResult> {
    let panels = Panels::new(terms, group)?;
    let n = panels.units as usize;
    let workspace = Workspace::take(panels.bytes(), panels.computed, context.cancel)?;
    let mut sides = [vec![Digest::default(); n], vec![Digest::default(); n]];
    let mut before = vec![0f64; n];
    let in_place: Vec<usize> = (0..n).collect();
    panels.each(context, [0, 100], |a, b, width| {
        finite(a, b)?;
        for (digests, panel) in sides.iter_mut().zip([a, b]) {
            each(context, digests, |unit, digest| digest.update(&panel[unit * width..(unit + 1) * width]));
        }
        add_distances(context, &mut before, a, b, width, &in_place);
        Ok(())
    })?;
    let [a, b] = &sides;
    if let Some(permutation) = equal_units(a, b) {
        let how = How::exact("equal units by their BLAKE3 hashes", "integer", context.threads);
        return Ok(answer(&permutation, &before, &[], how));
    }
    drop(workspace);
    let (permutation, _workspace) = closest(&panels, context)?;
    let mut after = vec![0f64; n];
    panels.each(context, [900, STEPS], |a, b, width| {
        finite(a, b)?;
        add_distances(context, &mut after, a, b, width, &permutation);
        Ok(())
    })?;
    let method = "inner products of the units, linear assignment by shortest augmenting paths (Jonker & Volgenant)";
    Ok(answer(&permutation, &before, &after, How::exact(method, "f64", context.threads)))
}

fn answer(permutation: &[usize], before: &[f64], after: &[f64], how: How) -> MatchResult {
    // Sums over blocks, whose error does not grow with the number of units.
    let sum = |squares: &[f64]| Numeric::Float(squares.chunks(64).map(|part| part.iter().sum::<f64>()).sum());
    let permutation = permutation.iter().map(|&unit| unit as u64).collect();
    MatchResult { permutation, before: sum(before), after: sum(after), how }
}

/// The order of A's units by assignment over all inner products, and the memory to go on with.
fn closest(panels: &Panels, context: &Context) -> Result<(Vec<usize>, Workspace)> {
    let n = panels.units as usize;
    let products = panels.units.saturating_mul(panels.units).saturating_mul(8);
    let whole = products.saturating_add(panels.bytes());
    if whole > limit() {
        return Err(Error::too_large(format!(
            "Matching {n} units that are not the same on both sides would take {whole} bytes of memory; the engine allows \
             itself {}.",
            limit()
        )));
    }
    let workspace = Workspace::take(whole, panels.computed, context.cancel)?;
    let mut costs = vec![0f64; n * n];
    panels.each(context, [100, 600], |a, b, width| {
        with_control(context, |control| {
            factors::add_outer_product(&mut costs, b, a, [n, width, n], -1.0, control).map_err(refused)
        })
    })?;
    if costs.iter().any(|cost| !cost.is_finite()) {
        return Err(Error::undefined("Units cannot be matched: their inner products are beyond the range of f64."));
    }
    let cancelled = || context.cancel.is_cancelled();
    let progress = |share: f64| (context.progress)(600 + (share * 300.0) as u64, STEPS);
    let order = assignment(&costs, n, &Control::new(context.threads, &cancelled, &progress)).map_err(refused)?;
    Ok((order, workspace))
}

/// For each unit of B the unit of A that is the same, when A's are B's in some order.
fn equal_units(a: &[Digest], b: &[Digest]) -> Option<Vec<usize>> {
    let mut places: HashMap<Digest, Vec<usize>> = HashMap::new();
    for unit in (0..a.len()).rev().filter(|&unit| a[unit] != b[unit]) {
        places.entry(a[unit]).or_default().push(unit);
    }
    let mut place = |unit: usize| if a[unit] == b[unit] { Some(unit) } else { places.get_mut(&b[unit])?.pop() };
    (0..b.len()).map(&mut place).collect()
}

/// A hash of the values of one unit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Digest([u8; 32]);

impl Digest {
    fn update(&mut self, values: &[f64]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        let mut block = [0f64; 512];
        for part in values.chunks(block.len()) {
            // −0 + 0 is 0.
            block.iter_mut().zip(part).for_each(|(slot, value)| *slot = value + 0.0);
            hasher.update(bytemuck::cast_slice(&block[..part.len()]));
        }
        self.0 = *hasher.finalize().as_bytes();
    }
}

/// Adds to `squares[i]` the squared distance of unit `order[i]` of `a` from unit i of `b`.
fn add_distances(context: &Context, squares: &mut [f64], a: &[f64], b: &[f64], width: usize, order: &[usize]) {
    each(context, squares, |unit, square| {
        let from = &a[order[unit] * width..(order[unit] + 1) * width];
        let to = &b[unit * width..(unit + 1) * width];
        let part = |(from, to): (&[f64], &[f64])| from.iter().zip(to).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
        *square += from.chunks(64).zip(to.chunks(64)).map(part).sum::<f64>();
    });
}

/// Calls `with` for each unit's value, on all threads.
fn each<T: Send>(context: &Context, values: &mut [T], with: impl Fn(usize, &mut T) + Sync) {
    if context.threads > 1 {
        values.par_iter_mut().enumerate().for_each(|(unit, value)| with(unit, value));
    } else {
        values.iter_mut().enumerate().for_each(|(unit, value)| with(unit, value));
    }
}

fn finite(a: &[f64], b: &[f64]) -> Result<()> {
    let count = [a, b].into_iter().flatten().filter(|value| !value.is_finite()).count();
    if count == 0 {
        return Ok(());
    }
    let values = if count == 1 { "a value" } else { "values" };
    Err(Error::undefined(format!("Units cannot be matched by {values} that are not finite ({count} were found).")))
}

/// The values of the units of all terms, read some at a time.
struct Panels {
    units: u64,
    /// Bytes of memory that what is computed of the terms takes.
    computed: u64,
    terms: Vec<Units>,
}

/// One term, its units along the first axis.
struct Units {
    a: Expression,
    b: Expression,
    /// Extent of the second axis.
    len: u64,
    /// Values of a unit in each of its positions.
    width: u64,
}

impl Panels {
    fn new(terms: &[MatchTerm], group: u64) -> Result<Self> {
        if terms.is_empty() {
            return Err(Error::invalid("Units are matched by at least one pair of tensors."));
        }
        let mut counts = Vec::with_capacity(terms.len());
        let mut units = Vec::with_capacity(terms.len());
        for MatchTerm { a, b, axis } in terms {
            let [rows, columns] = matrix(a)?;
            let other = matrix(b)?;
            if other != [rows, columns] {
                return Err(Error::invalid(format!(
                    "Units of a {rows} × {columns} matrix are not those of a {} × {} matrix.",
                    other[0], other[1]
                )));
            }
            let lines = match axis {
                0 => rows,
                1 => columns,
                _ => {
                    return Err(Error::invalid(format!(
                        "Units are rows (axis 0) or columns (axis 1), not axis {axis}."
                    )));
                }
            };
            if group == 0 || lines % group != 0 {
                return Err(Error::invalid(format!("Units of {group} lines do not divide {lines} lines.")));
            }
            let count = lines / group;
            counts.push(count);
            let along = |of: &Expression| {
                let of = Box::new(of.clone());
                if *axis == 0 {
                    return Expression::Reshape { of, shape: vec![count, group * columns] };
                }
                let of = Box::new(Expression::Reshape { of, shape: vec![rows, count, group] });
                Expression::Permute { of, axes: vec![1, 0, 2] }
            };
            let (len, width) = if *axis == 0 { (group * columns, 1) } else { (rows, group) };
            units.push(Units { a: along(a), b: along(b), len, width });
        }
        if let Some(other) = counts.iter().find(|&&count| count != counts[0]) {
            return Err(Error::invalid(format!("One pair of tensors has {} units and another {other}.", counts[0])));
        }
        let sides: Vec<&Expression> = units.iter().flat_map(|term| [&term.a, &term.b]).collect();
        Ok(Self { units: counts[0], computed: tensor::needed_bytes(&sides)?, terms: units })
    }

    /// Positions of a unit that are read at once.
    fn step(&self, term: &Units) -> u64 {
        (PANEL / (self.units * term.width).max(1)).max(1)
    }

    /// Bytes of memory that reading takes: both sides, and one of them turned round.
    fn bytes(&self) -> u64 {
        let values = |term: &Units| self.step(term).min(term.len) * term.width * self.units;
        self.terms.iter().map(values).max().unwrap_or(0).saturating_mul(3 * 8)
    }

    /// Calls `with` with the values of A's and B's units, a row for each of so many values, until all were seen. Progress goes
    /// from `first` to `last`.
    fn each(
        &self,
        context: &Context,
        [first, last]: [u64; 2],
        mut with: impl FnMut(&[f64], &[f64], usize) -> Result<()>,
    ) -> Result<()> {
        let quiet = context.without_progress();
        let total: u64 = self.terms.iter().map(|term| term.len * term.width).sum();
        let mut done = 0;
        for term in &self.terms {
            let mut start = 0;
            while start < term.len {
                let stop = term.len.min(start + self.step(term));
                let read = |of: &Expression| {
                    let part = Expression::Slice { of: Box::new(of.clone()), axis: 1, start, stop };
                    Tensor::open_in(&part, Access::Sequential, &quiet)?.to_f64_matrix(&quiet)
                };
                with(&read(&term.a)?, &read(&term.b)?, ((stop - start) * term.width) as usize)?;
                done += (stop - start) * term.width;
                (context.progress)(first + (last - first) * done / total, STEPS);
                start = stop;
            }
        }
        Ok(())
    }
}

/// Rows and columns of the matrix view.
fn matrix(of: &Expression) -> Result<[u64; 2]> {
    let shape = tensor::shape_of(of)?;
    Ok([shape.first().copied().unwrap_or(1), shape.iter().skip(1).product()])
}
