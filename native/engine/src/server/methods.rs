//! The methods that compute: from parameters to a job, from a job to an answer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde_json::Value;

use super::comparisons;
use super::progress::{Reporter, Sender};
use super::schedule::Lane;
use super::structure;
use crate::context::{CancelToken, Context};
use crate::error::{Code, Error, Result};
use crate::protocol::{
    Expression, HistogramParams, NormsParams, PictureParams, SpectrumParams, TensorParams, ValuesParams, WriteParams,
};
use crate::source::Access;
use crate::tensor::{self, Tensor};
use crate::{blocks, hash, histogram, norms, picture, spectrum, statistics, values, write};

/// Bytes up to which a job is not worth splitting over threads.
const SMALL: u64 = 4 << 20;

/// A request that has been understood.
pub struct Job {
    /// Where it queues.
    pub lane: Lane,
    progress_token: Option<String>,
    compute: Compute,
}

type Compute = Box<dyn FnOnce(&Context) -> Result<Value> + Send>;

impl Job {
    /// A job that works on the opened tensor.
    pub fn new<R: Serialize>(
        lane: Lane,
        request: (Expression, Option<String>),
        access: Access,
        compute: impl FnOnce(&Tensor, &Context) -> Result<R> + Send + 'static,
    ) -> Self {
        Self::unopened(lane, request, move |expression, context| {
            compute(&Tensor::open_in(expression, access, &context.without_progress())?, context)
        })
    }

    /// A job that works on several opened tensors, read from front to back together; the lane is by what they read.
    pub fn together<R: Serialize>(
        tensors: Vec<Expression>,
        progress_token: Option<String>,
        compute: impl FnOnce(&[Tensor], &Context) -> Result<R> + Send + 'static,
    ) -> Self {
        let bytes = tensors.iter().fold(0u64, |bytes, tensor| bytes.saturating_add(stored_bytes(tensor)));
        let lane = if bytes <= SMALL { Lane::Small } else { Lane::Large };
        Self::of(lane, progress_token, move |context| {
            let expressions: Vec<&Expression> = tensors.iter().collect();
            let tensors = Tensor::open_all(&expressions, Access::Sequential, &context.without_progress())?;
            compute(&tensors, context)
        })
    }

    /// A job that opens what it needs.
    fn unopened<R: Serialize>(
        lane: Lane,
        (expression, progress_token): (Expression, Option<String>),
        compute: impl FnOnce(&Expression, &Context) -> Result<R> + Send + 'static,
    ) -> Self {
        Self::of(lane, progress_token, move |context| compute(&expression, context))
    }

    /// A job that is described by nothing but what it computes.
    pub fn of<R: Serialize>(
        lane: Lane,
        progress_token: Option<String>,
        compute: impl FnOnce(&Context) -> Result<R> + Send + 'static,
    ) -> Self {
        let compute = Box::new(|context: &Context| Ok(serde_json::to_value(compute(context)?).expect("plain data")));
        Self { lane, progress_token, compute }
    }
}

/// Understands the parameters of `method`.
///
/// # Errors
/// `MethodNotFound`, `InvalidParams`.
pub fn job(method: &str, params: Value) -> Result<Job> {
    let job = match method {
        "statistics" => {
            let TensorParams { tensor, progress_token } = super::parse(params)?;
            let lane = by_size(&tensor);
            Job::new(lane, (tensor, progress_token), Access::Sequential, statistics::statistics)
        }
        "histogram" => {
            let HistogramParams { tensor, progress_token, bins, bins_per_decade, range } = super::parse(params)?;
            let lane = if stored_bytes(&tensor) <= SMALL { Lane::Interactive } else { Lane::Large };
            Job::new(lane, (tensor, progress_token), Access::Sequential, move |tensor, context| {
                histogram::histogram(tensor, bins, bins_per_decade, range, context)
            })
        }
        "norms" => {
            let NormsParams { tensor, progress_token, points } = super::parse(params)?;
            let lane = by_size(&tensor);
            Job::new(lane, (tensor, progress_token), Access::Sequential, move |tensor, context| {
                norms::norms(tensor, points, context)
            })
        }
        "blockScales" => {
            let TensorParams { tensor, progress_token } = super::parse(params)?;
            let lane = by_size(&tensor);
            Job::new(lane, (tensor, progress_token), Access::Sequential, blocks::block_scales)
        }
        "hash" => {
            let TensorParams { tensor, progress_token } = super::parse(params)?;
            let lane = by_size(&tensor);
            Job::new(lane, (tensor, progress_token), Access::Sequential, hash::hash)
        }
        "spectrum" => {
            let SpectrumParams { tensor, progress_token, mode, k } = super::parse(params)?;
            let lane = if spectrum::is_small(stored_bytes(&tensor)) { Lane::Small } else { Lane::Large };
            Job::unopened(lane, (tensor, progress_token), move |expression, context| {
                spectrum::of_expression(expression, mode, k, context)
            })
        }
        "picture" => {
            let PictureParams { tensor, progress_token, window, height, width } = super::parse(params)?;
            Job::new(Lane::Interactive, (tensor, progress_token), Access::Sequential, move |tensor, context| {
                picture::picture(tensor, window, height, width, context)
            })
        }
        "values" => {
            let ValuesParams { tensor, progress_token, window } = super::parse(params)?;
            Job::new(Lane::Interactive, (tensor, progress_token), Access::Random, move |tensor, context| {
                values::values(tensor, window, context)
            })
        }
        "write" => {
            let WriteParams { tensor, progress_token, dtype, file, offset } = super::parse(params)?;
            let lane = by_size(&tensor);
            Job::new(lane, (tensor, progress_token), Access::Sequential, move |tensor, context| {
                write::write(tensor, dtype, &file, offset, context)
            })
        }
        "cut" => comparisons::cut(params)?,
        "difference" => comparisons::difference(params)?,
        "relations" => comparisons::relations(params)?,
        "residual" => comparisons::residual(params)?,
        "lineHashes" => structure::line_hashes(params)?,
        "match" => structure::matching(params)?,
        "subspaces" => structure::subspaces(params)?,
        _ => return Err(super::unknown_method(method)),
    };
    Ok(job)
}

/// The lane for a computation that reads all of `expression` once.
pub fn by_size(expression: &Expression) -> Lane {
    if stored_bytes(expression) <= SMALL { Lane::Small } else { Lane::Large }
}

/// Length of the stored range under an expression: an upper bound of what it reads. For computed values the memory that
/// they take, and nothing for what will be refused.
pub fn stored_bytes(expression: &Expression) -> u64 {
    let all = |of: &[Expression]| of.iter().fold(0u64, |sum, of| stored_bytes(of).saturating_add(sum));
    match expression {
        Expression::Range { bytes, .. } | Expression::Blocks { bytes, .. } => *bytes,
        Expression::Strided { of, .. }
        | Expression::Slice { of, .. }
        | Expression::Permute { of, .. }
        | Expression::Reshape { of, .. }
        | Expression::Select { of, .. }
        | Expression::Cast { of, .. } => stored_bytes(of),
        Expression::Combination { of, .. } | Expression::Concatenate { of } => all(of),
        Expression::Merge { of, base, .. } => all(of).saturating_add(base.as_deref().map_or(0, stored_bytes)),
        Expression::Compute { .. } => tensor::computed_bytes(expression).ok().flatten().unwrap_or(0),
    }
}

/// Runs a job. A panic is a defect of the engine and fails this request alone.
///
/// # Errors
/// The computation's own, `Cancelled`, or `Internal` after a panic.
pub fn run(job: Job, cancel: &CancelToken, threads: usize, sender: &Sender) -> Result<Value> {
    let work = || {
        cancel.check()?;
        let reporter = Reporter::new(sender, job.progress_token);
        let progress = |done, total| reporter.report(done, total);
        (job.compute)(&Context { cancel, progress: &progress, threads })
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let reason =
            panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let reason = reason.unwrap_or("no reason given");
        Err(Error::new(Code::Internal, format!("The engine failed on this request ({reason}); please report it.")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Dtype;

    /// A panic fails its own request with a sentence, and the thread goes on.
    #[test]
    fn a_panic_is_an_answer() {
        let file = std::env::current_exe().expect("a file that exists").display().to_string();
        let expression = Expression::Range { file, offset: 0, bytes: 4, dtype: Dtype::U8, shape: vec![4], order: None };
        let (channel, _messages) = crossbeam_channel::unbounded();
        let job =
            Job::new(Lane::Small, (expression, None), Access::Random, |_, _| -> Result<()> { panic!("of no use") });
        let outcome = run(job, &CancelToken::default(), 1, &Sender::new(channel));
        let error = outcome.expect_err("a failure");
        assert_eq!(error.code, Code::Internal);
        assert!(error.message.contains("of no use"), "{}", error.message);
    }
}
