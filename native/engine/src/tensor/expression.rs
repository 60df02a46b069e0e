//! Lowering an expression to a strided walk, with every check before a file is opened.

use std::path::Path;

use super::dtype::Dtype;
use super::layout::{self, Axis};
use crate::compute::Computation;
use crate::error::{Error, Result};
use crate::merge::Merge;
use crate::protocol::{BlockType, ByteOrder, Expression};

/// Most axes of a tensor.
const MAX_AXES: usize = 16;
/// Most operations around a range.
const MAX_DEPTH: usize = 48;

/// What a walk goes through.
#[derive(Debug)]
pub(super) enum Origin<'a> {
    /// Stored elements.
    File {
        path: &'a str,
        /// Byte of the file at which the stored range starts.
        offset: u64,
    },
    /// Computed values, row-major.
    Computed(Box<Computation<'a>>),
    /// Σ coefficient·walk, element by element, of walks of the plan's shape: the plan's own walk is over all of it in order.
    Combined(Vec<(f64, Plan<'a>)>),
    /// Walks one after the other.
    Concatenated(Vec<Plan<'a>>),
    /// Rows of a walk.
    Selected { of: Box<Plan<'a>>, rows: Vec<u32> },
    /// The values of a walk, of the plan's shape, rounded to the plan's type: the plan's own walk is over all of it in order.
    Cast(Box<Plan<'a>>),
    /// Walks of one shape merged; the base last where there is one.
    Merged { merge: Merge<'a>, of: Vec<Plan<'a>> },
}

/// A checked expression.
#[derive(Debug)]
pub struct Plan<'a> {
    pub(super) origin: Origin<'a>,
    pub dtype: Dtype,
    pub order: Option<ByteOrder>,
    /// What the stored blocks are, when elements are not stored one by one.
    pub blocks: Option<BlockType>,
    pub shape: Vec<u64>,
    pub count: u64,
    /// Elements from the start of the range to the first element of the walk.
    pub start: u64,
    pub axes: Vec<Axis>,
    /// Whether `axes` are the axes of `shape`; false after a reshape that no strides can express.
    pub(super) aligned: bool,
}

impl<'a> Plan<'a> {
    /// The values `computation` gives, row-major.
    fn computed(computation: Computation<'a>) -> Result<Self> {
        let shape = computation.shape.clone();
        Self::whole(Origin::Computed(Box::new(computation)), Dtype::F64, shape)
    }

    /// Σ coefficient·walk of `terms`, element by element.
    fn combined(terms: Vec<(f64, Self)>) -> Result<Self> {
        let Some((_, first)) = terms.first() else {
            return Err(Error::invalid("A combination needs at least one tensor."));
        };
        if let Some((_, other)) = terms.iter().find(|(_, other)| other.shape != first.shape) {
            return Err(Error::invalid(format!(
                "A combination is of tensors of one shape, not of {:?} and {:?}.",
                first.shape, other.shape
            )));
        }
        let shape = first.shape.clone();
        Self::whole(Origin::Combined(terms), Dtype::F64, shape)
    }

    /// What computes the values, when that is one computation.
    pub fn computation(&self) -> Option<&Computation<'a>> {
        match &self.origin {
            Origin::Computed(computation) => Some(computation),
            _ => None,
        }
    }

    /// The file that holds the elements, when one does.
    pub fn file(&self) -> Option<&'a Path> {
        match self.origin {
            Origin::File { path, .. } => Some(path.as_ref()),
            _ => None,
        }
    }

    /// Whether the walk is over all computed values as they are, in the shape they have.
    pub fn is_whole(&self) -> bool {
        self.start == 0
            && self.aligned
            && self.axes == row_major(&self.shape)
            && self.computation().is_some_and(|computation| computation.shape == self.shape)
    }

    /// Equal for walks over the same elements in the same order and shape.
    pub fn digest(&self) -> blake3::Hash {
        // Every field, so that one that is added is not forgotten here.
        let Self { origin: _, dtype, order, blocks, shape, count, start, axes, aligned } = self;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.distinction());
        for operand in self.operands() {
            hasher.update(operand.digest().as_bytes());
        }
        hasher
            .update(format!("{dtype:?} {order:?} {blocks:?} {shape:?} {count} {start} {axes:?} {aligned}").as_bytes());
        hasher.finalize()
    }

    /// The bytes of `path` that the walk touches: first byte in the file, how many, and the walk's first element counted
    /// from there. `None` for values that no file holds.
    pub fn touched(&self) -> Result<Option<(&'a str, u64, u64, u64)>> {
        let Origin::File { path, offset } = self.origin else { return Ok(None) };
        if self.count == 0 {
            return Ok(Some((path, offset, 0, 0)));
        }
        let last = self.start + self.axes.iter().map(|axis| (axis.len - 1) * axis.stride).sum::<u64>();
        if let Some(blocks) = self.blocks {
            let elements = blocks.elements() as u64;
            let first_block = self.start / elements;
            let bytes = (last / elements - first_block + 1) * blocks.bytes() as u64;
            let first_byte = offset + first_block * blocks.bytes() as u64;
            return Ok(Some((path, first_byte, bytes, self.start - first_block * elements)));
        }
        // Sub-byte elements: from the byte that holds the first to the byte that holds the last.
        let per_byte = if self.dtype.bits() < 8 { 8 / self.dtype.bits() } else { 1 };
        let width = self.dtype.width() as u64;
        let first_unit = self.start / per_byte;
        let bytes = (last / per_byte - first_unit + 1) * width;
        let first_byte =
            offset.checked_add(first_unit * width).ok_or_else(|| Error::invalid("A range's end overflows."))?;
        Ok(Some((path, first_byte, bytes, self.start - first_unit * per_byte)))
    }
}

/// Checks `expression` and lowers it to a walk.
///
/// # Errors
/// `InvalidParams` with the reason.
pub fn lower(expression: &Expression) -> Result<Plan<'_>> {
    lower_at(expression, 0)
}

fn lower_at(expression: &Expression, depth: usize) -> Result<Plan<'_>> {
    if depth > MAX_DEPTH {
        return Err(Error::invalid(format!("The expression nests more than {MAX_DEPTH} operations.")));
    }
    match expression {
        Expression::Range { file, offset, bytes, dtype, shape, order } => {
            Ok(Plan { order: *order, ..range(file, *offset, *bytes, *dtype, shape)? })
        }
        Expression::Blocks { file, offset, bytes, r#type, shape } => blocks(file, *offset, *bytes, *r#type, shape),
        Expression::Strided { of, offset, shape, strides } => match &**of {
            of @ Expression::Range { .. } => strided(lower_at(of, depth + 1)?, *offset, shape, strides),
            _ => Err(Error::invalid("Strides are taken over a range of stored elements, not over another expression.")),
        },
        Expression::Slice { of, axis, start, stop } => {
            each_term(lower_at(of, depth + 1)?, &|plan| slice(plan, *axis, *start, *stop))
        }
        Expression::Permute { of, axes } => each_term(lower_at(of, depth + 1)?, &|plan| permute(plan, axes)),
        Expression::Reshape { of, shape } => each_term(lower_at(of, depth + 1)?, &|plan| reshape(plan, shape)),
        Expression::Combination { of, coefficients } => {
            if of.len() != coefficients.len() {
                return Err(Error::invalid(format!(
                    "A combination of {} tensors has {} coefficients.",
                    of.len(),
                    coefficients.len()
                )));
            }
            let terms = of.iter().zip(coefficients);
            let terms = terms.map(|(of, &coefficient)| Ok((coefficient, lower_at(of, depth + 1)?)));
            Plan::combined(terms.collect::<Result<_>>()?)
        }
        Expression::Concatenate { of } => {
            Plan::concatenated(of.iter().map(|of| lower_at(of, depth + 1)).collect::<Result<_>>()?)
        }
        Expression::Select { of, rows } => Plan::selected(lower_at(of, depth + 1)?, rows),
        Expression::Cast { of, dtype } => Plan::cast(lower_at(of, depth + 1)?, dtype.dtype()),
        Expression::Merge { method, profile, dtype, of, base } => {
            let merge = Merge { method, profile: *profile, dtype: *dtype, with_base: base.is_some() };
            let inputs = of.iter().chain(base.as_deref());
            Plan::merged(merge, inputs.map(|of| lower_at(of, depth + 1)).collect::<Result<_>>()?)
        }
        Expression::Compute { operation, of } => {
            let operands = of.iter().map(|operand| lower_at(operand, depth + 1)).collect::<Result<_>>()?;
            Plan::computed(Computation::new(operation, operands)?)
        }
    }
}

/// Number of elements of `shape`.
pub(super) fn elements(shape: &[u64]) -> Result<u64> {
    if shape.len() > MAX_AXES {
        return Err(Error::invalid(format!("A tensor has {} axes; at most {MAX_AXES} are supported.", shape.len())));
    }
    if shape.contains(&0) {
        return Ok(0);
    }
    let product = shape.iter().try_fold(1u64, |product, &len| product.checked_mul(len));
    product.ok_or_else(|| Error::invalid(format!("The number of elements of shape {shape:?} overflows.")))
}

fn range<'a>(file: &'a str, offset: u64, bytes: u64, dtype: Dtype, shape: &[u64]) -> Result<Plan<'a>> {
    let needed = dtype.stored_bytes(elements(shape)?);
    stored(file, offset, bytes, dtype, shape, needed, &format!("{dtype:?}"))
}

fn blocks<'a>(file: &'a str, offset: u64, bytes: u64, r#type: BlockType, shape: &[u64]) -> Result<Plan<'a>> {
    let block = r#type.elements() as u64;
    let row = shape.last().copied().unwrap_or(1);
    if row % block != 0 {
        return Err(Error::invalid(format!(
            "Rows of {row} elements are no whole number of {type:?} blocks of {block}."
        )));
    }
    let needed = (elements(shape)? / block).checked_mul(r#type.bytes() as u64);
    let plan = stored(file, offset, bytes, Dtype::F32, shape, needed, &format!("{type:?}"))?;
    Ok(Plan { blocks: Some(r#type), ..plan })
}

/// The walk over all of a stored range, which must be as long as its elements need.
fn stored<'a>(
    file: &'a str,
    offset: u64,
    bytes: u64,
    dtype: Dtype,
    shape: &[u64],
    needed: Option<u64>,
    name: &str,
) -> Result<Plan<'a>> {
    if file.is_empty() {
        return Err(Error::invalid("A range names no file."));
    }
    let count = elements(shape)?;
    if needed != Some(bytes) {
        let needed = needed.map_or("no whole number of bytes".into(), |needed| format!("{needed} bytes"));
        let message = format!("Shape {shape:?} of {name} needs {needed}, but the range at byte {offset} has {bytes}.");
        return Err(Error { file: Some(file.into()), offset: Some(offset), ..Error::invalid(message) });
    }
    offset.checked_add(bytes).ok_or_else(|| Error::invalid("A range's end overflows."))?;
    let (origin, shape, axes) = (Origin::File { path: file, offset }, shape.to_vec(), row_major(shape));
    Ok(Plan { origin, dtype, order: None, blocks: None, shape, count, start: 0, axes, aligned: true })
}

/// The walk over elements of `shape` as they follow one another.
pub(super) fn row_major(shape: &[u64]) -> Vec<Axis> {
    let mut axes = vec![Axis { len: 0, stride: 1 }; shape.len()];
    let mut stride = 1u64;
    for (axis, &len) in axes.iter_mut().zip(shape).rev() {
        *axis = Axis { len, stride };
        // Only saturates in a tensor without elements, where strides are never used.
        stride = stride.saturating_mul(len);
    }
    axes
}

/// A walk by `strides` over the elements of a range: every element it reaches is inside.
fn strided<'a>(plan: Plan<'a>, start: u64, shape: &[u64], strides: &[u64]) -> Result<Plan<'a>> {
    if shape.len() != strides.len() {
        return Err(Error::invalid(format!("Shape {shape:?} needs a stride for each axis, but has {strides:?}.")));
    }
    let count = elements(shape)?;
    let mut last = Some(u128::from(start));
    for (&len, &stride) in shape.iter().zip(strides).filter(|_| count > 0) {
        last = last.and_then(|last| last.checked_add(u128::from(len - 1) * u128::from(stride)));
    }
    if count > 0 && last.is_none_or(|last| last >= u128::from(plan.count)) {
        return Err(Error::invalid(format!(
            "Shape {shape:?} with strides {strides:?} from element {start} reaches beyond the {} elements of its range.",
            plan.count
        )));
    }
    // The stride of an axis with one position is never taken.
    let axis = |(&len, &stride): (&u64, &u64)| Axis { len, stride: if len > 1 { stride } else { 1 } };
    let axes = shape.iter().zip(strides).map(axis).collect();
    let start = if count > 0 { start } else { 0 };
    Ok(Plan { shape: shape.to_vec(), count, start, axes, aligned: true, ..plan })
}

/// `plan` with the axes of its shape: where no strides express them, its elements are put in order first.
fn in_order(plan: Plan) -> Result<Plan> {
    if plan.aligned { Ok(plan) } else { Plan::computed(Computation::copy(plan)) }
}

/// What `view` makes of `plan`; of what goes element by element through its operands (a combination, a cast), the same of what
/// it makes of each of them.
fn each_term<'a>(plan: Plan<'a>, view: &impl Fn(Plan<'a>) -> Result<Plan<'a>>) -> Result<Plan<'a>> {
    match plan.origin {
        Origin::Combined(terms) => {
            let terms = terms.into_iter().map(|(coefficient, term)| Ok((coefficient, each_term(term, view)?)));
            Plan::combined(terms.collect::<Result<_>>()?)
        }
        Origin::Cast(of) => Plan::cast(each_term(*of, view)?, plan.dtype),
        _ => view(plan),
    }
}

fn slice(plan: Plan, axis: u64, start: u64, stop: u64) -> Result<Plan> {
    let mut plan = in_order(plan)?;
    let index = usize::try_from(axis).ok().filter(|&index| index < plan.axes.len());
    let Some(index) = index else {
        return Err(Error::invalid(format!("A slice names axis {axis} of a tensor with {} axes.", plan.axes.len())));
    };
    let len = plan.shape[index];
    if start > stop || stop > len {
        return Err(Error::invalid(format!(
            "A slice takes {start} … {stop} of axis {axis}, which has {len} positions."
        )));
    }
    plan.shape[index] = stop - start;
    plan.axes[index].len = stop - start;
    plan.count = elements(&plan.shape)?;
    if plan.count > 0 {
        plan.start += start * plan.axes[index].stride;
    }
    Ok(plan)
}

fn permute<'a>(plan: Plan<'a>, order: &[u64]) -> Result<Plan<'a>> {
    let mut plan = in_order(plan)?;
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..plan.axes.len() as u64) {
        return Err(Error::invalid(format!("{order:?} is not a permutation of {} axes.", plan.axes.len())));
    }
    plan.shape = order.iter().map(|&axis| plan.shape[axis as usize]).collect();
    plan.axes = order.iter().map(|&axis| plan.axes[axis as usize]).collect();
    Ok(plan)
}

fn reshape<'a>(mut plan: Plan<'a>, shape: &[u64]) -> Result<Plan<'a>> {
    let count = elements(shape)?;
    if count != plan.count {
        return Err(Error::invalid(format!(
            "A reshape to {shape:?} ({count} elements) of a tensor of shape {:?} ({} elements).",
            plan.shape, plan.count
        )));
    }
    match layout::reshape(&plan.axes, shape) {
        Some(axes) => {
            plan.axes = axes;
            plan.aligned = true;
        }
        None => plan.aligned = false,
    }
    plan.shape = shape.to_vec();
    Ok(plan)
}
