//! Tensors of one shape merged into one: what a method needs of whole tensors is found in passes when the merge is opened, its
//! values are then computed a piece at a time, wherever they are read. Memory is a few pieces per thread, and bytes depend neither
//! on threads nor on how they are read.
//!
//! `check` before a file is opened; `inputs`, the tensors a piece at a time; `arithmetic`, what is computed in; `method`, what a
//! method is; `reader`, elements of the result; then one module per family of methods.

mod arcee_fusion;
mod arithmetic;
mod check;
mod combination;
mod cut;
mod elementary;
mod fisher;
mod gram;
mod inputs;
mod linear;
mod method;
mod model_stock;
mod multislerp;
mod nearswap;
mod nuslerp;
mod order;
mod passthrough;
mod philox;
mod ram;
mod ranks;
mod reader;
mod sce;
mod selection;
mod softmax;
mod sparse;
mod sparsify;
mod task_vectors;

pub use cut::cut;
pub use reader::Reader;

use arcee_fusion::ArceeFusion;
use arithmetic::{Arithmetic, Brain, Double, Half, Single};
use combination::Combination;
use fisher::Fisher;
use inputs::Inputs;
use linear::Linear;
use method::Kernel;
use model_stock::ModelStock;
use multislerp::Multislerp;
use nearswap::Nearswap;
use nuslerp::Nuslerp;
use order::Ordered;
use passthrough::Passthrough;
use ram::Ram;
use sce::Sce;
use task_vectors::{Parameters, TaskVectors};

use crate::context::Context;
use crate::error::Result;
use crate::protocol::{FloatingPoint, MergeMethod, MergeProfile};
use crate::tensor::{Dtype, Tensor};

/// A method on operands that it fits.
#[derive(Clone, Copy, Debug)]
pub struct Merge<'a> {
    /// The method and its parameters.
    pub method: &'a MergeMethod,
    /// Where it rounds.
    pub profile: MergeProfile,
    /// What inputs are rounded to, and what is computed in.
    pub dtype: FloatingPoint,
    /// Whether the last tensor is the base.
    pub with_base: bool,
}

impl Merge<'_> {
    /// The type of the merged values.
    pub fn result(&self) -> Dtype {
        match (self.method, self.dtype) {
            (MergeMethod::ArceeFusion {} | MergeMethod::RamPlus { .. }, FloatingPoint::F16 | FloatingPoint::BF16) => {
                Dtype::F32
            }
            (_, dtype) => dtype.dtype(),
        }
    }

    /// Equal for equal methods.
    pub fn digest(&self) -> blake3::Hash {
        let Self { method, profile, dtype, with_base } = self;
        blake3::hash(&serde_json::to_vec(&(method, profile, dtype, with_base)).expect("plain data"))
    }
}

/// A merge that is ready to be read.
#[derive(Debug)]
pub struct Merged {
    inputs: Inputs,
    kernel: Prepared,
    dtype: Dtype,
}

/// A method with its parameters and what it needs of whole tensors, by what it computes in.
#[derive(Debug)]
enum Prepared {
    Narrow(Box<dyn Kernel<f32>>),
    Wide(Box<dyn Kernel<f64>>),
}

impl Merged {
    /// All tensors that are read, the base last where there is one.
    pub fn inputs(&self) -> &[Tensor] {
        self.inputs.tensors()
    }

    /// Reads elements.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(self)
    }
}

/// Opens the merge of `tensors`, the base last where there is one, which passed `Merge::check`: passes over all of them where the
/// method needs some.
///
/// # Errors
/// `Undefined` for values that the method is not defined for; `Cancelled`, `Io`, `Truncated`.
pub fn open(merge: &Merge, tensors: Vec<Tensor>, context: &Context) -> Result<Merged> {
    let mut inputs = Inputs::new(tensors, merge.with_base, merge.dtype.dtype());
    if let MergeMethod::Fisher { coefficients, floor } = merge.method {
        // Information far below 1 is none of the values: it is taken as it is, and the sums in f64.
        inputs = inputs.unrounded_from(coefficients.len());
        let kernel = Prepared::Wide(Box::new(Fisher::new(coefficients, *floor)));
        return Ok(Merged { inputs, kernel, dtype: merge.result() });
    }
    let stepwise = merge.profile == MergeProfile::Mergekit && rounds_steps(merge.method);
    let kernel = match merge.dtype {
        FloatingPoint::BF16 if stepwise => Prepared::Narrow(prepare::<Brain>(merge, &inputs, context)?),
        FloatingPoint::F16 if stepwise => Prepared::Narrow(prepare::<Half>(merge, &inputs, context)?),
        FloatingPoint::F64 => Prepared::Wide(prepare::<Double>(merge, &inputs, context)?),
        _ => Prepared::Narrow(prepare::<Single>(merge, &inputs, context)?),
    };
    Ok(Merged { inputs, kernel, dtype: merge.result() })
}

/// Whether mergekit rounds the method's intermediate values to the compute type.
fn rounds_steps(method: &MergeMethod) -> bool {
    use MergeMethod::{Karcher, Linear, Passthrough, Slerp};
    !matches!(method, Linear { .. } | Slerp { .. } | Karcher { .. } | Passthrough { .. })
}

/// The method, after the passes that it needs, in arithmetic `A`.
fn prepare<A: Arithmetic>(merge: &Merge, inputs: &Inputs, context: &Context) -> Result<Box<dyn Kernel<A::Real>>>
where
    A::Real: Ordered,
{
    Ok(match merge.method {
        // There is nothing to be found, nor to be merged.
        _ if inputs.count() == 0 => Box::new(Passthrough::new(None)),
        MergeMethod::Linear { weights, normalize } => Box::new(Linear::new(weights, *normalize)),
        MergeMethod::Passthrough { scale } => Box::new(Passthrough::new(*scale)),
        MergeMethod::TaskVectors { weights, sparsify, elect, normalize, lambda } => {
            let (sparsify, lambda) = (sparsify.as_ref(), *lambda);
            let parameters = Parameters { weights, sparsify, elect: *elect, normalize: *normalize, lambda };
            Box::new(TaskVectors::<A>::prepare(parameters, inputs, merge.profile, context)?)
        }
        MergeMethod::Slerp { t } => Box::new(Combination::slerp::<A>(*t, inputs, context)?),
        MergeMethod::Karcher { max_iterations, tolerance } => {
            Box::new(Combination::karcher::<A>(*max_iterations, *tolerance, inputs, context)?)
        }
        MergeMethod::Nuslerp { weights, flatten, row_wise } => {
            Box::new(Nuslerp::<A>::new(weights, *flatten, *row_wise, inputs, context)?)
        }
        MergeMethod::Multislerp { weights, normalize_weights, eps } => {
            Box::new(Multislerp::<A>::new(weights, *normalize_weights, *eps, inputs, context)?)
        }
        MergeMethod::ModelStock { filter_wise } => Box::new(ModelStock::<A>::new(*filter_wise, inputs, context)?),
        MergeMethod::Nearswap { t } => Box::new(Nearswap::<A>::new(*t)),
        MergeMethod::ArceeFusion {} => Box::new(ArceeFusion::<A>::new(inputs, context)?),
        MergeMethod::Sce { top_k } => Box::new(Sce::<A>::new(*top_k, inputs, context)?),
        MergeMethod::Ram { epsilon } => Box::new(Ram::<A>::new(*epsilon)),
        MergeMethod::RamPlus { epsilon, r, alpha } => Box::new(Ram::<A>::plus(*epsilon, *r, *alpha, inputs, context)?),
        MergeMethod::Fisher { .. } => unreachable!("it is computed in f64 always"),
    })
}
