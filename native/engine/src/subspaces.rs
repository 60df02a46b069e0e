//! How the singular spaces of two matrices lie to each other: principal angles, intruder dimensions, and how far weight matching
//! has aligned singular vectors.

use weight_loupe_linalg::factors::{self, Svd};
use weight_loupe_linalg::{Control, Failure, exact, measures};

use crate::base64;
use crate::compute::{self, Workspace, refused, with_control};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::numeric::Numeric;
use crate::protocol::{Alignment, Expression, How, Intruder, Matching, SubspacesResult};
use crate::source::Access;
use crate::spectrum;
use crate::tensor::{self, Tensor, transpose};

/// Most dimensions of the spaces whose angles are computed.
const MAX_K: u64 = 256;
/// Vectors of each side in the picture.
const PICTURED: usize = 64;
/// A left singular vector of B is an intruder below this similarity: ε of Shuttleworth et al., *LoRA vs Full Fine-tuning: An
/// Illusion of Equivalence*, 2024.
const INTRUDER: f64 = 0.5;
/// Most γ in one request.
const MAX_GAMMAS: usize = 64;

/// What the singular value decompositions of `a` and `b`, two matrices of one shape (first axis × the rest), say of each other.
///
/// Singular vectors whose σ is 0 up to rounding (numerical rank as LAPACK's) are arbitrary and count nowhere; `k` becomes the smaller
/// rank where it is more.
///
/// # Errors
/// `InvalidParams` for matrices of different shape, a `k` outside 1 … 256 or a γ that is negative or not finite; `Undefined` for
/// tensors with fewer than two axes, without elements or with elements that are not finite; `TooLarge`; `Cancelled`, `Io`,
/// `Truncated`.
pub fn subspaces(a: &Expression, b: &Expression, k: u64, gammas: &[f64], context: &Context) -> Result<SubspacesResult> {
    if !(1..=MAX_K).contains(&k) {
        return Err(Error::invalid(format!("Spaces of 1 … {MAX_K} dimensions are compared, not of {k}.")));
    }
    if gammas.len() > MAX_GAMMAS || gammas.iter().any(|gamma| !gamma.is_finite() || *gamma < 0.0) {
        return Err(Error::invalid(format!("At most {MAX_GAMMAS} shares of σ₁ of at least 0 are taken.")));
    }
    let [rows, columns] = shape(a, b)?;
    let short = rows.min(columns);
    let computed = tensor::needed_bytes(&[a, b])?;
    let _memory = Workspace::take(bytes(rows, columns, context.threads), computed, context.cancel)?;
    let (rows, columns) = (rows as usize, columns as usize);
    let read = |of| Tensor::open_in(of, Access::Sequential, &context.without_progress())?.to_f64_matrix(context);
    let quiet = context.without_progress();
    let (left, right) = (read(a)?, read(b)?);
    (context.progress)(1, 10);
    let decompose = |matrix: &[f64]| Decomposed::new(matrix, rows, columns, &quiet);
    let (a, b) = if context.threads > 1 {
        rayon::join(|| decompose(&left), || decompose(&right))
    } else {
        (decompose(&left), decompose(&right))
    };
    let (a, b) = (a?, b?);
    (context.progress)(9, 10);
    let dot: f64 = left.chunks(1024).zip(right.chunks(1024)).map(|(x, y)| product(x, y)).sum();
    let short = short as usize;
    // Inner products of all pairs of vectors: of A's i-th and B's j-th at i·short + j.
    let ([u, v], [left, right]) = with_control(context, |control| {
        let all = |x: &[f64], y: &[f64], length| {
            let mut products = vec![0f64; short * short];
            factors::add_outer_product(&mut products, x, y, [short, length, short], 1.0, control)?;
            Ok(products)
        };
        let (u, v) = (all(&a.ut, &b.ut, rows)?, all(&a.vt, &b.vt, columns)?);
        let k = (k as usize).min(a.rank).min(b.rank);
        let angles = [cosines(&u, short, k, control)?, cosines(&v, short, k, control)?];
        Ok(([u, v], angles))
    })
    .map_err(refused)?;
    let side = PICTURED.min(a.rank).min(b.rank);
    let picture = (0..side).flat_map(|i| u[i * short..i * short + side].iter().map(|x| x.abs() as f32));
    let pixels: Vec<u8> = picture.flat_map(f32::to_le_bytes).collect();
    let weighted = |i: usize, j: usize| (a.s[i] * u[i * short + j]) * (b.s[j] * v[i * short + j]);
    Ok(SubspacesResult {
        k: left.len() as u64,
        left,
        right,
        intruders: intruders(&u, short, a.rank, b.rank.min(k as usize)),
        matching: gammas.iter().map(|&gamma| matching(gamma, [&a, &b], [&u, &v])).collect(),
        inner: Numeric::Float((0..a.rank).map(|i| (0..b.rank).map(|j| weighted(i, j)).sum::<f64>()).sum()),
        dot: Numeric::Float(dot),
        alignment: Alignment { side: side as u64, values: base64::encode(&pixels) },
        singular_values_a: a.s,
        singular_values_b: b.s,
        how: How::exact("singular value decompositions, inner products of their vectors", "f64", context.threads),
    })
}

/// A thin singular value decomposition with the vectors in rows.
struct Decomposed {
    /// short × rows.
    ut: Vec<f64>,
    s: Vec<f64>,
    /// short × columns.
    vt: Vec<f64>,
    /// How many singular values are not 0 up to rounding.
    rank: usize,
}

impl Decomposed {
    fn new(matrix: &[f64], rows: usize, columns: usize, context: &Context) -> Result<Self> {
        let found = with_control(context, |control| factors::svd(matrix, rows, columns, control)).map_err(refused)?;
        let Some(Svd { u, s, vt }) = found else {
            return Err(Error::undefined("The singular value decomposition of a matrix did not converge."));
        };
        let rank = measures::matrix_rank(&s, rows, columns);
        Ok(Self { ut: transpose(&u, rows, s.len()), s, vt, rank })
    }

    /// How many singular values are at least `gamma`·σ₁.
    fn counted(&self, gamma: f64) -> usize {
        self.s[..self.rank].iter().filter(|&&s| s >= gamma * self.s[0]).count()
    }
}

/// Cosines of the principal angles between the spaces of the first `k` vectors, descending: the singular values of the vectors'
/// inner products (Björck & Golub 1973).
fn cosines(products: &[f64], short: usize, k: usize, control: &Control) -> std::result::Result<Vec<Numeric>, Failure> {
    if k == 0 {
        return Ok(Vec::new());
    }
    let block = (0..k).flat_map(|i| &products[i * short..i * short + k]).copied().collect();
    let values = exact(block, k, k, control)?.values;
    Ok(values.into_iter().map(|cosine| Numeric::Float(cosine.clamp(0.0, 1.0))).collect())
}

/// Of the first `most` of B's left vectors those that resemble none of A's first `known`.
fn intruders(u: &[f64], short: usize, known: usize, most: usize) -> Vec<Intruder> {
    let similarity = |j: usize| (0..known).map(|i| u[i * short + j].abs()).fold(0.0, f64::max);
    let found = (0..most).map(|j| (j, similarity(j))).filter(|&(_, similarity)| similarity < INTRUDER);
    found.map(|(j, similarity)| Intruder { index: j as u64, similarity: Numeric::Float(similarity) }).collect()
}

/// Σ (u_i·u_j)(v_i·v_j) over the singular values of either side that are at least γ of the side's largest.
fn matching(gamma: f64, [a, b]: [&Decomposed; 2], [u, v]: [&[f64]; 2]) -> Matching {
    let (of_a, of_b, short) = (a.counted(gamma), b.counted(gamma), a.s.len());
    let row = |i: usize| product(&u[i * short..i * short + of_b], &v[i * short..i * short + of_b]);
    Matching { gamma, sum: Numeric::Float((0..of_a).map(row).sum()), count: of_a.max(of_b) as u64 }
}

fn product(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Rows and columns of the matrix views of both.
fn shape(a: &Expression, b: &Expression) -> Result<[u64; 2]> {
    let [rows, columns] = spectrum::matrix_shape(&tensor::shape_of(a)?)?;
    let other = spectrum::matrix_shape(&tensor::shape_of(b)?)?;
    if other != [rows, columns] {
        return Err(Error::invalid(format!(
            "Singular spaces of a {rows} × {columns} matrix cannot be compared with those of a {} × {} matrix.",
            other[0], other[1]
        )));
    }
    if rows.min(columns) > compute::MAX_SHORT_SIDE {
        return Err(Error::too_large(format!(
            "Singular vectors of a {rows} × {columns} matrix would take too long: at most {} on the short side are computed.",
            compute::MAX_SHORT_SIDE
        )));
    }
    Ok([rows, columns])
}

/// Bytes of memory, about: the matrices, their factors and what decomposing works with; products of all pairs of vectors.
fn bytes(rows: u64, columns: u64, threads: usize) -> u64 {
    let short = rows.min(columns);
    let matrix = rows.saturating_mul(columns).saturating_mul(8);
    let at_once = threads.min(2) as u64;
    matrix.saturating_mul(2 * 3 + 6 * at_once).saturating_add(short.saturating_mul(short).saturating_mul(16))
}
