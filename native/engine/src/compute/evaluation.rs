//! Evaluating a checked computation, operands first.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{
    Array, Computation, Work, copied, decompositions, elementwise, products, random, shaping, transforms, ulp,
};
use crate::context::Context;
use crate::error::Result;
use crate::protocol::{Operation, QrFactor, SvdFactor};
use crate::source::Access;
use crate::tensor::{Plan, Tensor};

/// One walk through a computation.
pub struct Evaluation<'a> {
    context: &'a Context<'a>,
    /// What occurs more than once.
    shared: HashSet<blake3::Hash>,
    /// Its values, once they are known: one array, or all factors of a decomposition.
    known: HashMap<blake3::Hash, Vec<Arc<Array>>>,
}

impl<'a> Evaluation<'a> {
    /// `shared` are the computations and decompositions whose values are held for a second use.
    pub fn new(shared: impl Iterator<Item = blake3::Hash>, context: &'a Context<'a>) -> Self {
        Self { context, shared: shared.collect(), known: HashMap::new() }
    }

    /// The values of `computation`.
    ///
    /// # Errors
    /// `InvalidParams`, `Undefined`, `Cancelled`, and the errors of the files.
    pub fn run(mut self, computation: &Computation) -> Result<Arc<Array>> {
        self.evaluate(computation)
    }

    fn evaluate(&mut self, computation: &Computation) -> Result<Arc<Array>> {
        self.context.cancel.check()?;
        if let Some(known) = self.known.get(&computation.digest) {
            return Ok(Arc::clone(&known[0]));
        }
        let array = match computation.work {
            Work::Operation(Operation::Qr { factor }) => {
                let factors =
                    self.decomposition(computation, |array, context| Ok(decompositions::qr(array, context)?.into()))?;
                Arc::clone(
                    &factors[match factor {
                        QrFactor::Q => 0,
                        QrFactor::R => 1,
                    }],
                )
            }
            Work::Operation(Operation::Svd { factor, start, stop }) => {
                let factors =
                    self.decomposition(computation, |array, context| Ok(decompositions::svd(array, context)?.into()))?;
                Arc::new(triplets(&factors, *factor, *start as usize, *stop as usize))
            }
            Work::Copy => {
                let operand = self.operand(&computation.of[0])?;
                Arc::new(Array::new(extents(&computation.shape), take(operand).data))
            }
            Work::Operation(operation) => {
                let operands = computation.of.iter().map(|plan| self.operand(plan)).collect::<Result<Vec<_>>>()?;
                Arc::new(self.apply(operation, operands, &extents(&computation.shape))?)
            }
        };
        if self.shared.contains(&computation.digest) {
            self.known.insert(computation.digest, vec![Arc::clone(&array)]);
        }
        Ok(array)
    }

    /// All factors of a decomposition.
    fn decomposition(
        &mut self,
        computation: &Computation,
        decompose: impl FnOnce(&Array, &Context) -> Result<Vec<Array>>,
    ) -> Result<Vec<Arc<Array>>> {
        let key = computation.decomposed().expect("a decomposition");
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let operand = self.operand(&computation.of[0])?;
        let factors: Vec<Arc<Array>> = decompose(&operand, self.context)?.into_iter().map(Arc::new).collect();
        if self.shared.contains(&key) {
            self.known.insert(key, factors.clone());
        }
        Ok(factors)
    }

    /// The values of an operand, in the order of its shape.
    fn operand(&mut self, plan: &Plan) -> Result<Arc<Array>> {
        if let Some(computation) = plan.computation().filter(|_| plan.is_whole()) {
            return self.evaluate(computation);
        }
        let context = self.context;
        let evaluate = &mut |computation: &Computation| self.evaluate(computation);
        let tensor = Tensor::of_plan(plan, Access::Sequential, None, evaluate, context)?;
        Ok(Arc::new(Array::new(extents(&plan.shape), tensor.to_f64_matrix(context)?)))
    }

    fn apply(&self, operation: &Operation, mut of: Vec<Arc<Array>>, shape: &[usize]) -> Result<Array> {
        let context = self.context;
        let pair = |function: fn(f64, f64) -> f64| elementwise::pairs(&of[0], &of[1], shape, function, context);
        match operation {
            Operation::Literal { values, .. } => Ok(Array::new(shape.to_vec(), values.clone())),
            Operation::Fill { value, .. } => Ok(Array::new(shape.to_vec(), vec![*value; shape.iter().product()])),
            Operation::Identity { n } => {
                let n = *n as usize;
                let mut data = vec![0f64; n * n];
                data.iter_mut().step_by(n + 1).for_each(|value| *value = 1.0);
                Ok(Array::new(shape.to_vec(), data))
            }
            Operation::TorchUniform { seed, skip, low, high, dtype, .. } => {
                random::uniform((*seed, *skip), (*low, *high), *dtype, shape, context)
            }
            Operation::TorchPermutation { seed, count, take } => random::permutation(*seed, *count, *take, context),
            Operation::Add {} => pair(|x, y| x + y),
            Operation::Subtract {} => pair(|x, y| x - y),
            Operation::Multiply {} => pair(|x, y| x * y),
            Operation::Divide {} => pair(|x, y| x / y),
            Operation::UlpDistance { dtype } => ulp::distance(&of[0], &of[1], *dtype, shape, context),
            Operation::UlpShift { dtype } => ulp::shift(&of[0], &of[1], *dtype, shape, context),
            Operation::Scale { factor } => elementwise::map(take(of.remove(0)), |x| x * factor, context),
            Operation::Map { function } => {
                elementwise::map(take(of.remove(0)), elementwise::function(*function), context)
            }
            Operation::Clamp { low, high } => {
                let clamp = |x: f64| {
                    let x = if low.is_some_and(|low| x < low) { low.unwrap_or(x) } else { x };
                    if high.is_some_and(|high| x > high) { high.unwrap_or(x) } else { x }
                };
                elementwise::map(take(of.remove(0)), clamp, context)
            }
            Operation::Round { dtype } => {
                elementwise::map(take(of.remove(0)), |x| elementwise::rounded(x, *dtype), context)
            }
            Operation::Product {} => products::product(&of[0], &of[1], shape, context),
            Operation::Kronecker {} => products::kronecker(&of[0], &of[1], shape, context),
            Operation::Concatenate { axis } => {
                let arrays: Vec<&Array> = of.iter().map(Arc::as_ref).collect();
                shaping::concatenate(&arrays, *axis as usize, shape, context)
            }
            Operation::Gather { axis } => shaping::gather(&of[0], &of[1], *axis as usize, context),
            Operation::Scatter { .. } => shaping::scatter(&of[0], &of[1], shape, context),
            Operation::Sum { axes } => shaping::reduce(&of[0], axes, |x| x, |x| x, context),
            Operation::Norm { axes } => shaping::reduce(&of[0], axes, |x| x * x, f64::sqrt, context),
            Operation::Softmax {} => transforms::softmax(take(of.remove(0)), context),
            Operation::TopSoftmax { k } => transforms::top_softmax(take(of.remove(0)), *k as usize, context),
            Operation::TopPositions { k } => Ok(transforms::top_positions(&of[0], *k as usize)),
            Operation::Inverse {} => decompositions::inverse(&of[0], context),
            Operation::BlockDiagonal {} => Ok(shaping::block_diagonal(&of[0])),
            Operation::Skew { n } => Ok(shaping::skew(&of[0], *n as usize)),
            Operation::InverseFourier {} => transforms::inverse_fourier(&of[0], context),
            Operation::Qr { .. } | Operation::Svd { .. } => {
                unreachable!("decompositions are evaluated for all factors")
            }
        }
    }
}

/// The array itself where nobody else holds it, else a copy.
fn take(array: Arc<Array>) -> Array {
    Arc::try_unwrap(array).unwrap_or_else(|array| copied(&array))
}

/// Extents that fit memory, as the peak of the whole was found to.
fn extents(shape: &[u64]) -> Vec<usize> {
    shape.iter().map(|&len| usize::try_from(len).expect("an extent that fits memory")).collect()
}

/// Singular triplets `start .. stop` of U, S, Vᵀ.
fn triplets(factors: &[Arc<Array>], factor: SvdFactor, start: usize, stop: usize) -> Array {
    match factor {
        SvdFactor::U => {
            let [rows, k] = factors[0].matrix();
            let data = factors[0].data.chunks(k.max(1)).flat_map(|row| &row[start..stop]).copied().collect();
            Array::new(vec![rows, stop - start], data)
        }
        SvdFactor::S => Array::new(vec![stop - start], factors[1].data[start..stop].to_vec()),
        SvdFactor::Vt => {
            let [_, columns] = factors[2].matrix();
            Array::new(vec![stop - start, columns], factors[2].data[start * columns..stop * columns].to_vec())
        }
    }
}
