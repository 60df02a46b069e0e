//! Computed values: operations on arrays of f64, evaluated whole.
//!
//! Shapes and memory are checked over the whole expression before anything is read (`shape`, `Computation`); then one
//! function per operation works on whole arrays (`elementwise`, `products`, `shaping`, `decompositions`, `random`,
//! `transforms`, `ulp`). Adding an operation: its variant in `protocol`, its arm in `shape::of` and in `Evaluation::apply`.

mod array;
mod cache;
mod decompositions;
mod elementwise;
mod evaluation;
mod low_rank;
mod memory;
mod products;
mod random;
mod shape;
mod shaping;
mod transforms;
mod ulp;

use std::collections::HashMap;
use std::sync::Arc;

pub use array::Array;
pub(crate) use decompositions::{refused, with_control};
use evaluation::Evaluation;
pub use low_rank::{LowRank, low_rank};
use memory::Reservation;
pub(crate) use memory::{Turn, Workspace, limit};
pub(crate) use shape::MAX_SHORT_SIDE;

use crate::context::Context;
use crate::error::Result;
use crate::protocol::Operation;
use crate::tensor::Plan;

/// What a computation does with its operands.
#[derive(Clone, Copy, Debug)]
pub enum Work<'a> {
    /// An operation of the protocol.
    Operation(&'a Operation),
    /// The operand's values in the order of its shape: what strides cannot express is put into one.
    Copy,
}

/// An operation on checked operands.
#[derive(Debug)]
pub struct Computation<'a> {
    work: Work<'a>,
    of: Vec<Plan<'a>>,
    /// Extent of each axis of the result.
    pub shape: Vec<u64>,
    /// Equal for equal computations on equal ranges of files.
    digest: blake3::Hash,
    /// Bytes that the arrays take that live at the same time, at most.
    peak: u64,
}

impl<'a> Computation<'a> {
    /// Checks that `operation` is defined for operands of these shapes.
    ///
    /// # Errors
    /// `InvalidParams`, `TooLarge`.
    pub fn new(operation: &'a Operation, of: Vec<Plan<'a>>) -> Result<Self> {
        let shapes: Vec<&[u64]> = of.iter().map(|plan| &plan.shape[..]).collect();
        let shape = shape::of(operation, &shapes)?;
        Ok(Self::with(Work::Operation(operation), of, shape))
    }

    /// The values of `of` in the order of its shape.
    pub fn copy(of: Plan<'a>) -> Self {
        let shape = of.shape.clone();
        Self::with(Work::Copy, vec![of], shape)
    }

    fn with(work: Work<'a>, of: Vec<Plan<'a>>, shape: Vec<u64>) -> Self {
        let mut hasher = blake3::Hasher::new();
        match work {
            Work::Operation(operation) => hasher.update(&serde_json::to_vec(operation).expect("plain data")),
            Work::Copy => hasher.update(b"copy"),
        };
        for plan in &of {
            hasher.update(plan.digest().as_bytes());
        }
        let (mut held, mut peak) = (0u64, 0u64);
        for plan in &of {
            let own = operand_peak(plan);
            peak = peak.max(held.saturating_add(own).saturating_add(bytes(&plan.shape)));
            held = held.saturating_add(bytes(&plan.shape));
        }
        let whole = held.saturating_add(bytes(&shape)).saturating_add(workspace(work, held, &shape));
        Self { work, of, shape, digest: hasher.finalize(), peak: peak.max(whole) }
    }

    /// Equal for equal computations on equal ranges of files.
    pub fn digest(&self) -> blake3::Hash {
        self.digest
    }

    /// Bytes that the arrays take that live at the same time, at most: a measure of the work.
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// The values; those of the last computations are kept.
    ///
    /// # Errors
    /// `TooLarge` before anything is read; `InvalidParams` and `Undefined` for values that an operation is not defined for;
    /// `Cancelled`, and the errors of the files.
    pub fn evaluate(&self, context: &Context) -> Result<Arc<Array>> {
        let (times, need) = self.times_and_need();
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.digest.as_bytes());
        self.identify(&mut hasher);
        let key = hasher.finalize();
        cache::get(key, context.cancel, || {
            let mut reservation = Reservation::take(need, context.cancel)?;
            let shared = times.into_iter().filter(|(_, (times, _))| *times > 1).map(|(digest, _)| digest);
            let array = Evaluation::new(shared, context).run(self)?;
            // The evaluation holds no array any more; one that is still shared is not the result.
            let mut array = Arc::try_unwrap(array).unwrap_or_else(|array| copied(&array));
            reservation.shrink(array.bytes().len() as u64);
            array.reservation = Some(reservation);
            Ok(array)
        })
    }

    /// Bytes that evaluating it takes.
    pub fn need(&self) -> u64 {
        self.times_and_need().1
    }

    fn times_and_need(&self) -> (HashMap<blake3::Hash, (usize, u64)>, u64) {
        let mut times = HashMap::new();
        self.count(&mut times);
        // What occurs more than once is held from its first use on.
        let shared: u64 = times.values().filter(|(times, _)| *times > 1).map(|(_, bytes)| *bytes).sum();
        (times, self.peak.saturating_add(shared))
    }

    /// Counts how often each computation, and each decomposition, occurs, and the bytes of its values.
    fn count(&self, times: &mut HashMap<blake3::Hash, (usize, u64)>) {
        let (digest, bytes) = match self.decomposed() {
            Some(digest) => (digest, self.of.iter().map(|of| bytes(&of.shape).saturating_mul(3)).sum()),
            None => (self.digest, bytes(&self.shape)),
        };
        let (seen, _) = times.entry(digest).and_modify(|(times, _)| *times += 1).or_insert((1, bytes));
        // What is not evaluated again needs none of its operands again.
        if *seen == 1 {
            let leaves = self.of.iter().flat_map(Plan::leaves);
            leaves.filter_map(Plan::computation).for_each(|computation| computation.count(times));
        }
    }

    /// For a factor of a decomposition what all factors of it are kept under.
    fn decomposed(&self) -> Option<blake3::Hash> {
        let kind = match self.work {
            Work::Operation(Operation::Qr { .. }) => "qr",
            Work::Operation(Operation::Svd { .. }) => "svd",
            _ => return None,
        };
        let of = self.of.first()?.digest();
        Some(blake3::Hasher::new().update(kind.as_bytes()).update(of.as_bytes()).finalize())
    }

    fn identify(&self, hasher: &mut blake3::Hasher) {
        for plan in self.of.iter().flat_map(Plan::leaves) {
            match plan.computation() {
                Some(computation) => computation.identify(hasher),
                None => plan.file().into_iter().for_each(|file| cache::identify(file, hasher)),
            }
        }
    }
}

/// Bytes that the values of an operand take while they are put together, besides those of the result.
fn operand_peak(plan: &Plan) -> u64 {
    if let Some(computation) = plan.computation() {
        return computation.peak;
    }
    // A file's elements may be turned round on the way.
    let operands = plan.operands().into_iter();
    let computed = operands.filter(|operand| operand.leaves().iter().any(|leaf| leaf.computation().is_some()));
    computed.fold(bytes(&plan.shape), |sum, operand| sum.saturating_add(operand_peak(operand)))
}

/// Bytes of values of `shape`.
fn bytes(shape: &[u64]) -> u64 {
    let count = if shape.contains(&0) { 0 } else { shape.iter().fold(1u64, |count, &len| count.saturating_mul(len)) };
    count.saturating_mul(8)
}

/// Bytes that an operation works with besides its operands, `held` bytes, and its result.
fn workspace(work: Work, held: u64, shape: &[u64]) -> u64 {
    match work {
        Work::Operation(Operation::Svd { .. }) => held.saturating_mul(6),
        Work::Operation(Operation::Qr { .. } | Operation::Inverse {}) => held.saturating_mul(4),
        Work::Operation(Operation::InverseFourier {} | Operation::TopPositions { .. }) => held.saturating_mul(3),
        Work::Operation(Operation::Product {}) => bytes(shape),
        Work::Operation(Operation::Gather { .. } | Operation::Concatenate { .. }) => held,
        Work::Operation(Operation::TorchPermutation { count, take, .. }) => {
            random::permutation_workspace(*count, *take)
        }
        _ => 0,
    }
}

fn copied(array: &Array) -> Array {
    Array::new(array.shape.clone(), array.data.clone())
}
