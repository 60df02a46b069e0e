//! Tensors: expressions over bytes of files, lowered to strided views of one stored range or of computed values, and to what is
//! put together from such views: linear combinations, rows, merges.

mod combination;
mod composite;
pub mod decode;
mod dtype;
pub mod encode;
mod expression;
mod gathered;
mod layout;
mod read;
mod rounded;

use std::sync::Arc;

pub use dtype::Dtype;
pub(crate) use expression::{Plan, lower};
pub use layout::Axis;
pub use read::Reader;
pub(crate) use rounded::Rounding;

use crate::compute::{self, Array, Computation};
use crate::context::{CancelToken, Context};
use crate::error::{Error, Result};
use crate::merge::{self, Merged};
use crate::protocol::{BlockType, ByteOrder, Expression};
use crate::source::{Access, Method, Source};

/// Shape of the tensor that `expression` describes.
///
/// # Errors
/// `InvalidParams` when it is inconsistent, `TooLarge`.
pub fn shape_of(expression: &Expression) -> Result<Vec<u64>> {
    Ok(lower(expression)?.shape)
}

/// Bytes of memory that computing `expression` takes; `None` when it is not computed.
///
/// # Errors
/// `InvalidParams`, `TooLarge`.
pub fn computed_bytes(expression: &Expression) -> Result<Option<u64>> {
    Ok(lower(expression)?.computation().map(Computation::peak))
}

/// Bytes of memory that opening `expressions` takes, what is computed for any of them.
///
/// # Errors
/// `InvalidParams`, `TooLarge`.
pub fn needed_bytes(expressions: &[&Expression]) -> Result<u64> {
    let plans = expressions.iter().map(|expression| lower(expression)).collect::<Result<Vec<_>>>()?;
    let computations = plans.iter().flat_map(Plan::leaves).filter_map(Plan::computation);
    Ok(computations.fold(0, |bytes, computation| computation.need().saturating_add(bytes)))
}

/// What elements come out of.
#[derive(Clone, Debug)]
enum Origin {
    /// An open range of bytes or an array in memory.
    Source(Arc<Source>),
    /// Σ coefficient·tensor, element by element, of tensors of one shape.
    Terms(Arc<[(f64, Tensor)]>),
    /// The values of a tensor of the same shape, rounded to this one's type.
    Cast(Arc<Tensor>),
    /// Tensors one after the other along the first axis.
    Parts(Arc<[Tensor]>),
    /// Rows of a tensor.
    Rows(Arc<(Tensor, Vec<u32>)>),
    /// Tensors of one shape merged.
    Merged(Arc<Merged>),
}

/// A resolved tensor: a shape over a strided walk through one open range of bytes, an array in memory, or what is put together
/// from such tensors.
#[derive(Clone, Debug)]
pub struct Tensor {
    origin: Origin,
    dtype: Dtype,
    /// Byte order of the stored elements.
    order: Option<ByteOrder>,
    /// What blocks the elements are decoded from.
    blocks: Option<BlockType>,
    shape: Vec<u64>,
    /// First element, counted in elements from the start of the source (for F4 in half bytes).
    start: u64,
    /// The walk in row-major order, outermost axis first, with neighbouring axes joined where they are contiguous. That of a
    /// combination or a cast is over its elements as they follow one another.
    axes: Vec<Axis>,
    count: u64,
}

impl Tensor {
    /// Checks `expression`, opens its file and maps (or prepares to read) the bytes it touches. What is computed is computed
    /// on one thread, to the end.
    ///
    /// # Errors
    /// `InvalidParams` with the reason when the expression is inconsistent, `Io` or `Truncated` for a file; for computed
    /// values `TooLarge` and `Undefined`.
    pub fn open(expression: &Expression, access: Access) -> Result<Self> {
        Self::open_with(expression, access, None)
    }

    /// As `open`, with the way of reading given rather than chosen by the file system.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_with(expression: &Expression, access: Access, method: Option<Method>) -> Result<Self> {
        Self::resolve(expression, access, method, &Context::quiet(&CancelToken::default(), 1))
    }

    /// As `open`, computing what is computed in `context`.
    ///
    /// # Errors
    /// As `open`; `Cancelled`.
    pub fn open_in(expression: &Expression, access: Access, context: &Context) -> Result<Self> {
        Self::resolve(expression, access, None, context)
    }

    /// As `open_in`, of several tensors that are read together.
    ///
    /// # Errors
    /// As `open_in`.
    pub fn open_all(expressions: &[&Expression], access: Access, context: &Context) -> Result<Vec<Self>> {
        let plans = expressions.iter().map(|expression| lower(expression)).collect::<Result<Vec<_>>>()?;
        Self::resolve_all(&plans, access, None, context)
    }

    fn resolve(expression: &Expression, access: Access, method: Option<Method>, context: &Context) -> Result<Self> {
        let tensors = Self::resolve_all(&[lower(expression)?], access, method, context)?;
        Ok(tensors.into_iter().next().expect("one for each plan"))
    }

    fn resolve_all(plans: &[Plan], access: Access, method: Option<Method>, context: &Context) -> Result<Vec<Self>> {
        let computations = plans.iter().flat_map(Plan::leaves).filter_map(Plan::computation);
        let _turn = compute::Turn::take(computations, context.cancel)?;
        let evaluate = &mut |computation: &Computation| computation.evaluate(context);
        plans.iter().map(|plan| Self::of_plan(plan, access, method, evaluate, context)).collect()
    }

    /// The elements that `plan` walks through, `evaluate` giving the values of computations. What merges need of whole tensors is
    /// found on the way.
    ///
    /// # Errors
    /// `Io` or `Truncated`, and what `evaluate` fails with; for merges `Undefined`, `Cancelled`.
    pub(crate) fn of_plan(
        plan: &Plan,
        access: Access,
        method: Option<Method>,
        evaluate: &mut dyn FnMut(&Computation) -> Result<Arc<Array>>,
        context: &Context,
    ) -> Result<Self> {
        let mut open = |plan: &Plan| Self::of_plan(plan, access, method, evaluate, context);
        let mut start = plan.start;
        let origin = match &plan.origin {
            expression::Origin::File { .. } => {
                let (path, first_byte, bytes, first) = plan.touched()?.expect("elements of a file");
                start = first;
                Origin::Source(Arc::new(Source::open(path.as_ref(), first_byte, bytes, access, method)?))
            }
            expression::Origin::Computed(computation) => {
                Origin::Source(Arc::new(Source::Computed(evaluate(computation)?)))
            }
            expression::Origin::Combined(terms) => {
                let terms = terms.iter().map(|(coefficient, term)| Ok((*coefficient, open(term)?)));
                Origin::Terms(terms.collect::<Result<_>>()?)
            }
            expression::Origin::Concatenated(of) => Origin::Parts(of.iter().map(open).collect::<Result<_>>()?),
            expression::Origin::Selected { of, rows } => Origin::Rows(Arc::new((open(of)?, rows.clone()))),
            expression::Origin::Cast(of) => Origin::Cast(Arc::new(open(of)?)),
            expression::Origin::Merged { merge, of } => {
                let of = of.iter().map(open).collect::<Result<_>>()?;
                Origin::Merged(Arc::new(merge::open(merge, of, context)?))
            }
        };
        let &Plan { dtype, blocks, count, .. } = plan;
        // There is nothing to turn round in a byte.
        let order = plan.order.filter(|_| dtype.width() > 1);
        let axes = layout::join(&plan.axes);
        Ok(Self { origin, dtype, order, blocks, shape: plan.shape.clone(), start, axes, count })
    }

    /// Element type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Extent of each axis.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Number of elements.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Fails when a file has become shorter than what of it was opened. What was read before a success is what the files
    /// held; what was read before a failure must be dropped.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn check(&self) -> Result<()> {
        match &self.origin {
            Origin::Source(source) => source.check(),
            Origin::Terms(terms) => terms.iter().try_for_each(|(_, tensor)| tensor.check()),
            Origin::Cast(of) => of.check(),
            Origin::Parts(parts) => parts.iter().try_for_each(Self::check),
            Origin::Rows(rows) => rows.0.check(),
            Origin::Merged(merged) => merged.inputs().iter().try_for_each(Self::check),
        }
    }

    /// The type and number of blocks when the tensor is all of a range of blocks, in their order, and the range.
    pub fn stored_blocks(&self) -> Option<(BlockType, u64, &Source)> {
        let blocks = self.blocks?;
        let Origin::Source(source) = &self.origin else { return None };
        let elements = blocks.elements() as u64;
        let contiguous = matches!(self.axes[..], [] | [Axis { stride: 1, .. }]);
        let whole = contiguous && self.start == 0 && self.count % elements == 0;
        whole.then_some((blocks, self.count / elements, source))
    }

    /// Whether the elements are those of files, bit by bit.
    pub fn is_stored(&self) -> bool {
        match &self.origin {
            Origin::Source(source) => matches!(**source, Source::Stored(_)) && self.blocks.is_none(),
            Origin::Terms(_) | Origin::Cast(_) | Origin::Merged(_) => false,
            Origin::Parts(parts) => parts.iter().all(Self::is_stored),
            Origin::Rows(rows) => rows.0.is_stored(),
        }
    }

    /// Where the element at row-major position `index` is, in elements from the start of the source.
    fn position(&self, mut index: u64) -> u64 {
        let mut position = self.start;
        for axis in self.axes.iter().rev() {
            position += index % axis.len * axis.stride;
            index /= axis.len;
        }
        position
    }

    /// Elements in one contiguous run of the innermost axis; 1 where that axis is strided.
    fn run(&self) -> u64 {
        match self.axes.last() {
            Some(Axis { len, stride: 1 }) => *len,
            _ => 1,
        }
    }

    /// Rows of the matrix view: the first axis; 1 for a scalar.
    pub fn rows(&self) -> u64 {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Columns of the matrix view: the product of all axes but the first.
    pub fn columns(&self) -> u64 {
        self.shape.iter().skip(1).product()
    }

    /// The same elements in the order in which they are stored, as a vector: for what does not depend on order.
    pub fn in_storage_order(&self) -> Self {
        let mut axes = self.axes.clone();
        axes.sort_by_key(|axis| std::cmp::Reverse(axis.stride));
        Self { shape: vec![self.count], axes: layout::join(&axes), ..self.clone() }
    }

    /// The transpose of the matrix view when the columns lie closer together in memory the other way round, so that
    /// walking the result's rows is sequential; `None` when the tensor is best walked as it is (as one repeated row is).
    pub fn transposed_for_reading(&self) -> Option<Self> {
        if let Origin::Terms(terms) = &self.origin {
            let turned = |(coefficient, term): &(f64, Self)| Some((*coefficient, term.transposed_for_reading()?));
            let origin = Origin::Terms(terms.iter().map(turned).collect::<Option<_>>()?);
            return Some(Self { origin, shape: vec![self.columns(), self.rows()], ..self.clone() });
        }
        if let Origin::Cast(of) = &self.origin {
            let origin = Origin::Cast(Arc::new(of.transposed_for_reading()?));
            return Some(Self { origin, shape: vec![self.columns(), self.rows()], ..self.clone() });
        }
        let [outer, inner] = layout::split(&self.axes, self.rows(), self.columns())?;
        if inner.stride <= outer.stride || outer.stride == 0 || inner.len <= 1 || outer.len <= 1 {
            return None;
        }
        let axes = layout::join(&[inner, outer]);
        Some(Self { shape: vec![self.columns(), self.rows()], axes, ..self.clone() })
    }

    /// Whether the elements are stored as one run of whole bytes.
    pub fn is_whole_bytes(&self) -> bool {
        let per_byte = (8 / self.dtype.bits()).max(1);
        let contiguous = matches!(self.axes[..], [] | [Axis { stride: 1, .. }]);
        self.count == 0 || (contiguous && self.start % per_byte == 0 && self.count % per_byte == 0)
    }

    /// Reads elements by their row-major position.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(self)
    }

    /// The matrix view as f64, row-major, `rows() × columns()`.
    ///
    /// # Errors
    /// `Cancelled`, `Io`, `Truncated`; `TooLarge` when the matrix does not fit the address space.
    pub fn to_f64_matrix(&self, context: &Context) -> Result<Vec<f64>> {
        self.to_matrix(context, decode::to_f64)
    }

    /// The matrix view as f32, row-major; values of wider types are rounded to nearest.
    ///
    /// # Errors
    /// As `to_f64_matrix`.
    pub fn to_f32_matrix(&self, context: &Context) -> Result<Vec<f32>> {
        self.to_matrix(context, decode::to_f32)
    }

    fn to_matrix<T: Copy + Default>(&self, context: &Context, decode: fn(Dtype, &[u8], &mut [T])) -> Result<Vec<T>> {
        if let Some(transposed) = self.transposed_for_reading() {
            let stored = transposed.to_matrix(context, decode)?;
            return Ok(transpose(&stored, self.columns() as usize, self.rows() as usize));
        }
        let count = usize::try_from(self.count).map_err(|_| Error::too_large("The matrix does not fit in memory."))?;
        let mut matrix = Vec::new();
        matrix.try_reserve_exact(count).map_err(|_| {
            let bytes = self.count.saturating_mul(size_of::<T>() as u64);
            Error::too_large(format!("The matrix needs {bytes} bytes of memory, which are not to be had."))
        })?;
        let mut reader = self.reader();
        const TILE: usize = 1 << 16;
        while matrix.len() < count {
            context.cancel.check()?;
            let first = matrix.len();
            let length = TILE.min(count - first);
            matrix.resize(first + length, T::default());
            decode(self.dtype, reader.elements(first as u64, length)?, &mut matrix[first..]);
        }
        self.check()?;
        Ok(matrix)
    }
}

/// The transpose of a row-major `rows × columns` matrix, in blocks that stay in cache.
pub(crate) fn transpose<T: Copy + Default>(matrix: &[T], rows: usize, columns: usize) -> Vec<T> {
    const BLOCK: usize = 32;
    let mut out = vec![T::default(); matrix.len()];
    for top in (0..rows).step_by(BLOCK) {
        for left in (0..columns).step_by(BLOCK) {
            for row in top..rows.min(top + BLOCK) {
                for column in left..columns.min(left + BLOCK) {
                    out[column * rows + row] = matrix[row * columns + column];
                }
            }
        }
    }
    out
}
