//! Sums of thin products, found in an expression without forming them.

use crate::context::Context;
use crate::error::Result;
use crate::protocol::{Expression, Operation};
use crate::source::Access;
use crate::tensor::{Tensor, shape_of};

/// Most columns of L: its decomposition cannot be interrupted.
const MAX_INNER: u64 = 4096;

/// A matrix L·R of small inner dimension.
#[derive(Debug)]
pub struct LowRank {
    /// L, row-major, `rows × inner`.
    pub left: Vec<f64>,
    /// R, row-major, `inner × columns`.
    pub right: Vec<f64>,
    /// Rows of L.
    pub rows: usize,
    /// Columns of L and rows of R.
    pub inner: usize,
    /// Columns of R.
    pub columns: usize,
    /// Shape of the tensor whose matrix view it is.
    pub shape: Vec<u64>,
}

/// factor · left · right.
struct Term<'a> {
    factor: f64,
    left: Factor<'a>,
    right: Factor<'a>,
}

/// A matrix as an expression, transposed or as it is.
#[derive(Clone, Copy)]
struct Factor<'a> {
    of: &'a Expression,
    transposed: bool,
}

/// The matrix view of `expression` as a product, when it is one of inner dimension below half its short side: products of two
/// matrices, their multiples, sums, differences and transposes, and reshapes that leave the first axis as it is. The factors
/// are computed, the product is not. `None` for everything else.
///
/// # Errors
/// Those of the expression, as when it is opened.
pub fn low_rank(expression: &Expression, context: &Context) -> Result<Option<LowRank>> {
    let shape = shape_of(expression)?;
    let Some(terms) = terms(expression)? else { return Ok(None) };
    let mut sides = Vec::with_capacity(terms.len());
    for term in &terms {
        sides.push((term.left.shape()?, term.right.shape()?));
    }
    let ([rows, _], [_, columns]) = sides[0];
    let inner = sides.iter().fold(0u64, |inner, ([_, own], _)| inner.saturating_add(*own));
    if inner == 0 || inner > MAX_INNER || inner >= rows.min(columns).div_ceil(2) {
        return Ok(None);
    }
    let (rows, inner, columns) = (rows as usize, inner as usize, columns as usize);
    // One product: the left factors side by side, the right ones one below the other.
    let mut left = vec![0f64; rows * inner];
    let mut right = Vec::with_capacity(inner * columns);
    let mut first = 0;
    for (term, ([_, own], _)) in terms.iter().zip(&sides) {
        let own = *own as usize;
        for (out, values) in left.chunks_mut(inner).zip(term.left.values(context)?.chunks(own.max(1))) {
            let scaled = out[first..first + own].iter_mut().zip(values);
            scaled.for_each(|(out, value)| *out = term.factor * value);
        }
        right.extend(term.right.values(context)?);
        first += own;
    }
    Ok(Some(LowRank { left, right, rows, inner, columns, shape }))
}

/// The products that `expression` is the sum of.
fn terms(expression: &Expression) -> Result<Option<Vec<Term<'_>>>> {
    Ok(match expression {
        Expression::Compute { operation: Operation::Product {}, of } => match &of[..] {
            [left, right] if shape_of(left)?.len() == 2 && shape_of(right)?.len() == 2 => {
                let factor = |of| Factor { of, transposed: false };
                Some(vec![Term { factor: 1.0, left: factor(left), right: factor(right) }])
            }
            _ => None,
        },
        Expression::Combination { of, coefficients } => combined(of, coefficients)?,
        Expression::Compute { operation: Operation::Scale { factor }, of } => scaled(terms(&of[0])?, *factor),
        Expression::Compute { operation: Operation::Add {}, of } => both(of, 1.0)?,
        Expression::Compute { operation: Operation::Subtract {}, of } => both(of, -1.0)?,
        Expression::Permute { of, axes } if axes[..] == [1, 0] => {
            terms(of)?.map(|terms| terms.into_iter().map(Term::turned).collect())
        }
        Expression::Permute { of, axes } if axes[..] == [0, 1] => terms(of)?,
        Expression::Reshape { of, shape } => {
            let before = shape_of(of)?;
            let same = before.len() == 2 && shape.first() == before.first();
            if same { terms(of)? } else { None }
        }
        _ => None,
    })
}

fn scaled(terms: Option<Vec<Term<'_>>>, factor: f64) -> Option<Vec<Term<'_>>> {
    let mut terms = terms?;
    terms.iter_mut().for_each(|term| term.factor *= factor);
    Some(terms)
}

/// The terms of a combination of products.
fn combined<'a>(of: &'a [Expression], coefficients: &[f64]) -> Result<Option<Vec<Term<'a>>>> {
    let mut all = Vec::new();
    for (of, &coefficient) in of.iter().zip(coefficients) {
        let Some(terms) = scaled(terms(of)?, coefficient) else { return Ok(None) };
        all.extend(terms);
    }
    Ok(Some(all))
}

/// The terms of a sum, or difference, of two matrices of one shape.
fn both(of: &[Expression], sign: f64) -> Result<Option<Vec<Term<'_>>>> {
    if shape_of(&of[0])? != shape_of(&of[1])? {
        return Ok(None);
    }
    Ok(match (terms(&of[0])?, scaled(terms(&of[1])?, sign)) {
        (Some(mut terms), Some(others)) => {
            terms.extend(others);
            Some(terms)
        }
        _ => None,
    })
}

impl Term<'_> {
    /// The transpose.
    fn turned(self) -> Self {
        Self { factor: self.factor, left: self.right.turned(), right: self.left.turned() }
    }
}

impl Factor<'_> {
    /// The transpose.
    fn turned(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    fn shape(&self) -> Result<[u64; 2]> {
        let shape = shape_of(self.of)?;
        Ok(if self.transposed { [shape[1], shape[0]] } else { [shape[0], shape[1]] })
    }

    fn values(&self, context: &Context) -> Result<Vec<f64>> {
        let tensor = if self.transposed {
            let turned = Expression::Permute { of: Box::new(self.of.clone()), axes: vec![1, 0] };
            Tensor::open_in(&turned, Access::Sequential, context)?
        } else {
            Tensor::open_in(self.of, Access::Sequential, context)?
        };
        tensor.to_f64_matrix(context)
    }
}
