//! `subspaces`: closed forms, what holds for every pair, and degenerate matrices.

mod common;

use common::{Random, TempFile, store};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::{Code, Error};
use weight_loupe_engine::numeric::Numeric;
use weight_loupe_engine::protocol::{Expression, SubspacesResult};
use weight_loupe_engine::subspaces::subspaces;
use weight_loupe_engine::tensor::Dtype;

/// Row-major, with its number of columns.
#[derive(Clone)]
struct Matrix(Vec<f64>, usize);

impl Matrix {
    fn normal(rows: usize, columns: usize, seed: u64) -> Self {
        let mut random = Random(seed);
        Self((0..rows * columns).map(|_| random.normal()).collect(), columns)
    }

    fn diagonal(values: &[f64]) -> Self {
        let n = values.len();
        let mut data = vec![0.0; n * n];
        values.iter().enumerate().for_each(|(i, value)| data[i * n + i] = *value);
        Self(data, n)
    }

    fn rows(&self) -> usize {
        self.0.len() / self.1
    }

    /// Rows i and j turned by `angle`.
    fn turned(mut self, i: usize, j: usize, angle: f64) -> Self {
        let (sin, cos) = angle.sin_cos();
        for column in 0..self.1 {
            let (x, y) = (self.0[i * self.1 + column], self.0[j * self.1 + column]);
            self.0[i * self.1 + column] = cos * x - sin * y;
            self.0[j * self.1 + column] = sin * x + cos * y;
        }
        self
    }

    fn transposed(&self) -> Self {
        let rows = self.rows();
        Self((0..self.0.len()).map(|at| self.0[at % rows * self.1 + at / rows]).collect(), rows)
    }

    fn in_order(&self, order: &[usize]) -> Self {
        Self(order.iter().flat_map(|&row| &self.0[row * self.1..(row + 1) * self.1]).copied().collect(), self.1)
    }

    fn stored(&self) -> (TempFile, Expression) {
        let bytes: Vec<u8> = self.0.iter().flat_map(|value| value.to_le_bytes()).collect();
        store(&bytes, Dtype::F64, &[self.rows() as u64, self.1 as u64])
    }
}

fn run_on(a: &Matrix, b: &Matrix, k: u64, gammas: &[f64], threads: usize) -> Result<SubspacesResult, Error> {
    let ((_a, a), (_b, b)) = (a.stored(), b.stored());
    let cancel = CancelToken::default();
    subspaces(&a, &b, k, gammas, &Context::quiet(&cancel, threads))
}

fn run(a: &Matrix, b: &Matrix, k: u64) -> SubspacesResult {
    run_on(a, b, k, &[0.0, 0.3], 1).expect("subspaces")
}

fn dot(a: &Matrix, b: &Matrix) -> f64 {
    a.0.iter().zip(&b.0).map(|(x, y)| x * y).sum()
}

#[track_caller]
fn assert_close(found: &[Numeric], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found.to_f64() - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found:?} is not {expected}");
    }
}

/// R for γ of the first, and of the second.
fn r(found: &SubspacesResult) -> Vec<Numeric> {
    found.matching.iter().map(|one| Numeric::Float(one.sum.to_f64() / one.count as f64)).collect()
}

#[test]
fn of_a_matrix_and_itself_all_agree() {
    for (rows, columns) in [(12, 12), (30, 7), (7, 30), (1, 9), (9, 1), (1, 1)] {
        let a = Matrix::normal(rows, columns, 5);
        let found = run(&a, &a, 4);
        let k = rows.min(columns).min(4);
        assert_eq!(found.k as usize, k);
        assert_close(&found.left, &vec![1.0; k]);
        assert_close(&found.right, &vec![1.0; k]);
        assert_close(&r(&found), &[1.0, 1.0]);
        assert_close(&[found.inner, found.dot], &[dot(&a, &a); 2]);
        assert_eq!((found.intruders.len(), &found.singular_values_a), (0, &found.singular_values_b));
        assert_eq!(found.alignment.side as usize, rows.min(columns));
    }
}

/// Two planes that share one direction; the other is turned by a known angle.
#[test]
fn principal_angles_are_those_planted() {
    let a = Matrix::diagonal(&[4.0, 3.0, 2.0, 1.0]);
    let angle = 0.7f64;
    let b = a.clone().turned(0, 2, angle);
    let found = run(&a, &b, 2);
    assert_close(&found.left, &[1.0, angle.cos()]);
    assert_close(&found.right, &[1.0, 1.0]);
    // All four of A's left vectors: two agree, two are turned.
    assert_close(&r(&found), &[(2.0 + 2.0 * angle.cos()) / 4.0, (1.0 + 2.0 * angle.cos()) / 3.0]);
    // The other way round.
    let found = run(&a, &b.transposed(), 2);
    assert_close(&found.right, &[1.0, angle.cos()]);
    assert_close(&found.left, &[1.0, 1.0]);
    let pictured: Vec<f32> = pixels(&found);
    assert_eq!(pictured.len(), 16);
    assert!((0..16).all(|at| (pictured[at] - if at / 4 == at % 4 { 1.0 } else { 0.0 }).abs() < 1e-6));
}

fn pixels(found: &SubspacesResult) -> Vec<f32> {
    let value = |symbol: u8| match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let symbols = found.alignment.values.bytes().filter(|&symbol| symbol != b'=').map(value);
    let bits: Vec<u8> = symbols.flat_map(|symbol| (0..6).rev().map(move |bit| symbol >> bit & 1)).collect();
    let bytes: Vec<u8> = bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect()
}

/// Where all singular values are equal the single vectors are arbitrary, but not their sum: ⟨UₐVₐᵀ, U_bV_bᵀ⟩.
#[test]
fn equal_singular_values_do_not_matter_to_r() {
    let a = Matrix::diagonal(&[2.0; 5]);
    let b = Matrix::diagonal(&[3.0; 5]).turned(0, 3, 1.1).turned(1, 4, 0.4);
    let found = run(&a, &b, 3);
    assert_close(&r(&found), &[(1.0 + 2.0 * 1.1f64.cos() + 2.0 * 0.4f64.cos()) / 5.0; 2]);
}

/// Theorem 4.1 of the weight-matching analysis: ⟨A, B⟩ = Σ_ij σ_i σ_j (u_i·u_j)(v_i·v_j).
#[test]
fn the_identity_holds() {
    for (rows, columns) in [(20, 20), (35, 8), (8, 35), (3, 100)] {
        let (a, b) = (Matrix::normal(rows, columns, 7), Matrix::normal(rows, columns, 8));
        let found = run(&a, &b, 1);
        let expected = dot(&a, &b);
        assert!((found.dot.to_f64() - expected).abs() < 1e-12 * expected.abs().max(1.0));
        assert!((found.inner.to_f64() - expected).abs() < 2e-12 * (rows * columns) as f64);
    }
}

/// Rows in another order: the same singular values; R falls, and is 1 again once the order is undone.
#[test]
fn an_order_of_rows_changes_vectors_and_no_values() {
    let a = Matrix::normal(40, 25, 9);
    let order: Vec<usize> = (0..40).map(|row| row * 17 % 40).collect();
    let b = a.in_order(&order);
    let found = run(&a, &b, 5);
    for (x, y) in found.singular_values_a.iter().zip(&found.singular_values_b) {
        assert!((x - y).abs() <= 1e-13 * found.singular_values_a[0]);
    }
    assert!(r(&found)[0].to_f64() < 0.5);
    let mut back = vec![0; 40];
    order.iter().enumerate().for_each(|(at, &row)| back[row] = at);
    assert_close(&r(&run(&a, &b.in_order(&back), 5)), &[1.0, 1.0]);
}

/// A direction that lies between five of A's is none of them: 1/√5 < ½. Between four it is ½, and no intruder.
#[test]
fn intruders_resemble_none_of_the_others() {
    for (n, expected) in [(5usize, vec![1.0 / 5f64.sqrt()]), (3, vec![])] {
        let a = Matrix::diagonal(&(1..=n).map(|value| value as f64).collect::<Vec<_>>());
        let mut b = a.clone();
        (0..n).for_each(|row| b.0[row * n] += 1e6);
        let found = run(&a, &b, 2);
        let similarities: Vec<Numeric> =
            found.intruders.iter().filter(|one| one.index == 0).map(|one| one.similarity).collect();
        assert_eq!(similarities.len(), expected.len(), "{n}");
        similarities
            .iter()
            .zip(&expected)
            .for_each(|(found, expected)| assert!((found.to_f64() - expected).abs() < 1e-5));
    }
}

/// Vectors of singular values that are 0 are arbitrary: they count nowhere.
#[test]
fn matrices_without_full_rank() {
    let mut a = Matrix::normal(10, 8, 13);
    let row: Vec<f64> = a.0[..8].to_vec();
    (3..10).for_each(|at| (0..8).for_each(|column| a.0[at * 8 + column] = row[column] * at as f64));
    let order: Vec<usize> = (0..10).rev().collect();
    let b = a.in_order(&order).in_order(&order);
    let found = run(&a, &b, 6);
    assert_eq!((found.k, found.matching[0].count, found.alignment.side), (3, 3, 3));
    assert_close(&r(&found), &[1.0, 1.0]);
    assert_close(&found.left, &[1.0; 3]);
    let zero = Matrix(vec![0.0; 80], 8);
    for (a, b, intruders) in [(&zero, &zero, 0), (&a, &zero, 0), (&zero, &a, 3)] {
        let found = run(a, b, 6);
        assert_eq!((found.k, found.left.len(), found.right.len(), found.alignment.side), (0, 0, 0, 0));
        assert_close(&[found.inner, found.dot, found.matching[0].sum], &[0.0; 3]);
        assert_eq!(found.intruders.len(), intruders);
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let (a, b) = (Matrix::normal(150, 90, 17), Matrix::normal(150, 90, 18));
    let expected = serde_json::to_value(run(&a, &b, 20)).expect("plain data");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
    let found = pool.install(|| run_on(&a, &b, 20, &[0.0, 0.3], 3)).expect("subspaces");
    let mut found = serde_json::to_value(found).expect("plain data");
    found["how"]["threads"] = 1.into();
    assert_eq!(found, expected);
}

#[test]
fn what_is_not_defined_is_refused() {
    let a = Matrix::normal(4, 6, 19);
    let code = |outcome: Result<SubspacesResult, Error>| outcome.expect_err("a refusal").code;
    assert_eq!(code(run_on(&a, &Matrix::normal(6, 4, 1), 2, &[], 1)), Code::InvalidParams);
    for k in [0, 257] {
        assert_eq!(code(run_on(&a, &a, k, &[], 1)), Code::InvalidParams);
    }
    for gamma in [-0.1, f64::NAN, f64::INFINITY] {
        assert_eq!(code(run_on(&a, &a, 2, &[gamma], 1)), Code::InvalidParams);
    }
    let mut broken = a.clone();
    broken.0[5] = f64::NAN;
    assert_eq!(code(run_on(&a, &broken, 2, &[], 1)), Code::Undefined);
    let cancel = CancelToken::default();
    let of = |shape: &[u64]| store(&vec![0; shape.iter().product::<u64>() as usize * 8], Dtype::F64, shape);
    for (shape, expected) in
        [(vec![4], Code::Undefined), (vec![0, 3], Code::Undefined), (vec![8193, 8193], Code::TooLarge)]
    {
        let Expression::Range { file, .. } = &of(&[1]).1 else { unreachable!() };
        // Refused by its shape, before a file is opened.
        let range = Expression::Range {
            file: file.clone(),
            offset: 0,
            bytes: shape.iter().product::<u64>() * 8,
            dtype: Dtype::F64,
            shape,
            order: None,
        };
        assert_eq!(code(subspaces(&range, &range, 2, &[], &Context::quiet(&cancel, 1))), expected);
    }
}
