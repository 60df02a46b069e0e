//! The largest singular values by block Krylov iteration with full reorthogonalisation (Musco & Musco, *Randomized block
//! Krylov methods for stronger and faster approximate singular value decomposition*, NeurIPS 2015), in f32 products with
//! an f64 projection.

use crate::control::{Control, Failure};
use crate::dense::{Dense, gemm};
use crate::isa::Isa;
use crate::panel::{self, Triangles};
use crate::scalar::Scalar;
use crate::values::{Prepared, SingularValues, exact, two_stage, zero};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Accum, Mat, MatMut, MatRef, Par};

/// The largest singular values of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Top {
    /// The values, descending.
    pub singular: SingularValues,
    /// ‖Av − σu‖ of each value, with u, v the vectors found for it: v is Aᵀu/σ, so that ‖Aᵀu − σv‖ vanishes up to f32
    /// rounding and a singular value of A lies within this distance. `None` when all values were computed instead.
    pub residuals: Option<Vec<f64>>,
}

/// Vectors beyond `k` in a block: they turn the gap σ_k/σ_{k+1} that convergence hangs on into a wider one.
const OVERSAMPLING: usize = 8;

/// Relative change that a further step would bring to a wanted value at which that value has settled.
const SETTLED: f64 = 5e-7;

/// Steps before the iteration is given up: a flat spectrum has no gap to find.
const STEPS: usize = 12;

/// The start block is drawn from this seed, so that the same matrix always gives the same answer.
const SEED: u64 = 1;

/// The `k` largest singular values (fewer when the matrix has fewer) of a row-major `rows` × `columns` matrix. The start
/// block is seeded. When `k` is not small against the matrix, or the values do not settle because there is no gap below
/// them, all values are computed with [`exact`] and the method says so.
///
/// # Errors
/// [`Failure::Empty`], [`Failure::NotFinite`], [`Failure::Cancelled`].
///
/// # Panics
/// When `matrix` is not `rows · columns` long or `k` is 0.
pub fn top(matrix: Vec<f64>, rows: usize, columns: usize, k: usize, control: &Control) -> Result<Top, Failure> {
    assert!(k > 0, "at least one singular value");
    let short = rows.min(columns);
    let k = k.min(short);
    let block = (k + OVERSAMPLING).next_multiple_of(8);
    // A basis of this many vectors costs as much as the whole reduction.
    if block * 6 > short {
        return all(
            matrix,
            rows,
            columns,
            k,
            "two-stage bidiagonalisation, as k is not small against the matrix",
            control,
        );
    }
    let Some(prepared) = Prepared::<f32>::rounded(&matrix, rows, columns, control)? else {
        return Ok(Top {
            singular: SingularValues { values: vec![0.0; k], ..zero(0, f32::NAME) },
            residuals: Some(vec![0.0; k]),
        });
    };
    match iterate(&prepared, k, block, control)? {
        Some(top) => Ok(top),
        None => {
            drop(prepared);
            all(matrix, rows, columns, k, "two-stage bidiagonalisation, as block Krylov found no gap", control)
        }
    }
}

/// The `k` largest out of all values.
fn all(
    matrix: Vec<f64>,
    rows: usize,
    columns: usize,
    k: usize,
    method: &'static str,
    control: &Control,
) -> Result<Top, Failure> {
    let mut singular = exact(matrix, rows, columns, control)?;
    singular.values.truncate(k);
    singular.method = method;
    Ok(Top { singular, residuals: None })
}

/// Grows an orthonormal basis Q of the Krylov space of AAᵀ, block by block, until the `k` largest singular values of QᵀA
/// settle; `None` when they do not.
fn iterate(prepared: &Prepared<f32>, k: usize, block: usize, control: &Control) -> Result<Option<Top>, Failure> {
    let a = prepared.matrix.as_ref();
    // The basis is kept on the short side.
    let a = if a.nrows() <= a.ncols() { a } else { a.transpose() };
    let (m, n) = (a.nrows(), a.ncols());
    let isa = Isa::detect();
    let most = STEPS.min(m / (2 * block));
    let mut basis = Mat::<f32>::zeros(m, most * block);
    let mut image = Mat::<f32>::zeros(n, most * block);
    let mut wide = Mat::<f64>::zeros(n, most * block);
    let mut gram = Mat::<f64>::zeros(most * block, most * block);
    let mut triangles = Triangles::new(block);

    let mut next = Mat::<f32>::zeros(m, block);
    let start = start_block(n, block);
    gemm(next.as_mut(), Accum::Replace, a, start.as_ref(), 1.0, control)?;
    let mut history: [Vec<f64>; 2] = Default::default();
    for step in 0..most {
        control.check()?;
        let known = step * block;
        let size = known + block;
        orthonormalise(isa, basis.as_ref().subcols(0, known), next.as_mut(), &mut triangles, control)?;
        basis.as_mut().subcols_mut(known, block).copy_from(&next);
        let mut z = image.as_mut().subcols_mut(known, block);
        gemm(z.as_mut(), Accum::Replace, a.transpose(), next.as_ref(), 1.0, control)?;
        for j in 0..block {
            for i in 0..n {
                wide[(i, known + j)] = z[(i, j)].into();
            }
        }
        // The new rows of (AᵀQ)ᵀ(AᵀQ); the rest is known.
        let new = wide.as_ref().subcols(known, block);
        gemm(
            gram.as_mut().submatrix_mut(known, 0, block, size),
            Accum::Replace,
            new.transpose(),
            wide.as_ref().subcols(0, size),
            1.0,
            control,
        )?;
        control.report((step + 1) as f64 / (most + 1) as f64);
        let squares = two_stage(isa, symmetric(&gram, size), &control.aside(), 0.0)?;
        let values: Vec<f64> = squares.iter().take(k).map(|s| s.sqrt()).collect();
        if settled(&history, &values) {
            return finish(prepared, a, &basis, &wide, &gram, size, k, control);
        }
        history.rotate_left(1);
        history[1] = values;
        if step + 1 < most {
            gemm(next.as_mut(), Accum::Replace, a, z.as_ref(), 1.0, control)?;
        }
    }
    Ok(None)
}

/// Whether a further step would change no value by more than [`SETTLED`]: each step's change is taken to be the same
/// fraction of the one before, whereas it really is a falling one.
fn settled([first, second]: &[Vec<f64>; 2], third: &[f64]) -> bool {
    let one = |((&first, &second), &third): ((&f64, &f64), &f64)| {
        let (before, now, limit) = ((second - first).abs(), (third - second).abs(), SETTLED * third);
        now <= limit || now <= 0.5 * before && now * (now / before) <= limit
    };
    first.len() == third.len() && first.iter().zip(second).zip(third).all(one)
}

/// Values, vectors and residuals from the basis.
#[allow(clippy::too_many_arguments, reason = "the state of one iteration")]
fn finish(
    prepared: &Prepared<f32>,
    a: MatRef<'_, f32>,
    basis: &Mat<f32>,
    image: &Mat<f64>,
    gram: &Mat<f64>,
    size: usize,
    k: usize,
    control: &Control,
) -> Result<Option<Top>, Failure> {
    let (m, n) = (a.nrows(), a.ncols());
    let Some((squares, vectors)) = eigenvectors(gram.as_ref().submatrix(0, 0, size, size)) else {
        return Ok(None);
    };
    let values: Vec<f64> = squares.iter().rev().take(k).map(|s| s.max(0.0).sqrt()).collect();
    let y = Mat::<f64>::from_fn(size, k, |i, j| vectors[(i, size - 1 - j)]);
    let y_narrow = Mat::<f32>::from_fn(size, k, |i, j| y[(i, j)] as f32);

    // u = Qy and v = AᵀQy/σ.
    let mut u = Mat::<f32>::zeros(m, k);
    gemm(u.as_mut(), Accum::Replace, basis.as_ref().subcols(0, size), y_narrow.as_ref(), 1.0, control)?;
    let mut v_wide = Mat::<f64>::zeros(n, k);
    gemm(v_wide.as_mut(), Accum::Replace, image.as_ref().subcols(0, size), y.as_ref(), 1.0, control)?;
    let v = Mat::<f32>::from_fn(n, k, |i, j| if values[j] > 0.0 { (v_wide[(i, j)] / values[j]) as f32 } else { 0.0 });
    let mut av = Mat::<f32>::zeros(m, k);
    gemm(av.as_mut(), Accum::Replace, a, v.as_ref(), 1.0, control)?;
    let residuals: Vec<f64> = (0..k).map(|j| prepared.unscale * distance(&av, &u, values[j], j)).collect();
    control.report(1.0);
    let error_bound = residuals.iter().fold(0.0f64, |m, &r| m.max(r));
    Ok(Some(Top {
        singular: SingularValues {
            values: values.iter().map(|s| s * prepared.unscale).collect(),
            method: "block Krylov with full reorthogonalisation",
            precision: f32::NAME,
            error_bound,
            exact: false,
            seed: Some(SEED),
            threads: control.threads(),
        },
        residuals: Some(residuals),
    }))
}

/// Both triangles of the leading `size` × `size` part, whose lower one is given.
fn symmetric(gram: &Mat<f64>, size: usize) -> Dense<f64> {
    let element = |at: usize| gram[((at % size).max(at / size), (at % size).min(at / size))];
    Dense::from_columns((0..size * size).map(element).collect(), size, size)
}

/// Eigenvalues, ascending, and eigenvectors of a small symmetric matrix given by its lower triangle; on one thread, and
/// `None` when the iteration does not converge.
fn eigenvectors(matrix: MatRef<'_, f64>) -> Option<(Vec<f64>, Mat<f64>)> {
    let size = matrix.nrows();
    let mut values = Diag::zeros(size);
    let mut vectors = Mat::zeros(size, size);
    let (par, parameters) = (Par::Seq, Default::default());
    let scratch = self_adjoint_evd_scratch::<f64>(size, ComputeEigenvectors::Yes, par, parameters);
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(matrix, values.as_mut(), Some(vectors.as_mut()), par, stack, parameters).ok()?;
    Some((values.column_vector().iter().copied().collect(), vectors))
}

/// ‖x_j − σ·y_j‖.
fn distance(x: &Mat<f32>, y: &Mat<f32>, sigma: f64, j: usize) -> f64 {
    let square = |i: usize| {
        let difference = f64::from(x[(i, j)]) - sigma * f64::from(y[(i, j)]);
        difference * difference
    };
    (0..x.nrows()).map(square).sum::<f64>().sqrt()
}

/// Makes the columns of `block` orthonormal and orthogonal to those of `basis`. Twice, which suffices whatever the block
/// holds: columns that vanish the first time are replaced by arbitrary ones.
fn orthonormalise(
    isa: Isa,
    basis: MatRef<'_, f32>,
    mut block: MatMut<'_, f32>,
    triangles: &mut Triangles<f32>,
    control: &Control,
) -> Result<(), Failure> {
    let width = block.ncols();
    let mut coefficients = Mat::zeros(basis.ncols(), width);
    for _ in 0..2 {
        if basis.ncols() > 0 {
            gemm(coefficients.as_mut(), Accum::Replace, basis.transpose(), block.as_ref(), 1.0, control)?;
            gemm(block.as_mut(), Accum::Add, basis, coefficients.as_ref(), -1.0, control)?;
        }
        panel::factor(isa, block.as_mut(), triangles);
        // The first columns of I − V·S·Vᵀ: E − V·(S·V_topᵀ).
        let v = block.as_ref().to_owned();
        let mut weights = Mat::zeros(width, width);
        gemm(weights.as_mut(), Accum::Replace, triangles.s(), v.as_ref().subrows(0, width).transpose(), 1.0, control)?;
        gemm(block.as_mut(), Accum::Replace, v.as_ref(), weights.as_ref(), -1.0, control)?;
        for j in 0..width {
            block[(j, j)] += 1.0;
        }
    }
    Ok(())
}

/// Independent uniform numbers in [−1, 1) from the SplitMix64 generator (Steele, Lea, Flood, OOPSLA 2014).
fn start_block(rows: usize, columns: usize) -> Mat<f32> {
    let mut state = SEED;
    Mat::from_fn(rows, columns, |_, _| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    })
}
