//! Linear combinations of tensors, against the sum formed element by element.

mod common;

use std::fs::File;

use common::{TempFile, permute, range, reshape, slice, store};
use proptest::prelude::*;
use serde_json::json;
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::{Code, Error};
use weight_loupe_engine::hash::hash;
use weight_loupe_engine::numeric::Numeric;
use weight_loupe_engine::protocol::{Expression, SpectrumMode, Window};
use weight_loupe_engine::source::{Access, Method};
use weight_loupe_engine::tensor::{Dtype, Tensor};
use weight_loupe_engine::{histogram, norms, picture, spectrum, statistics, values, write};

fn combination(of: Vec<Expression>, coefficients: &[f64]) -> Expression {
    Expression::Combination { of, coefficients: coefficients.to_vec() }
}

fn compute(operation: serde_json::Value, of: Vec<Expression>) -> Expression {
    Expression::Compute { operation: serde_json::from_value(operation).expect("an operation of the protocol"), of }
}

fn open(expression: &Expression) -> Result<Tensor, Error> {
    Tensor::open(expression, Access::Sequential)
}

fn elements(expression: &Expression, method: Method) -> Result<(Vec<u64>, Vec<f64>), Error> {
    let tensor = Tensor::open_with(expression, Access::Sequential, Some(method))?;
    assert_eq!(tensor.dtype(), Dtype::F64);
    let values = tensor.to_f64_matrix(&Context::quiet(&CancelToken::default(), 1))?;
    Ok((tensor.shape().to_vec(), values))
}

/// Three tensors of one shape: F32, BF16, and F64 turned round in its file.
fn operands(shape: [u64; 2], seed: u64) -> (Vec<TempFile>, Vec<Expression>, Vec<Vec<f64>>) {
    let mut random = common::Random(seed | 1);
    let count = (shape[0] * shape[1]) as usize;
    let mut draw = || (0..count).map(|_| random.normal()).collect::<Vec<f64>>();
    let (x, y, z) = (draw(), draw(), draw());
    let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    let y: Vec<half::bf16> = y.iter().map(|&y| half::bf16::from_f64(y)).collect();
    let (file_x, of_x) = store(&x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>(), Dtype::F32, &shape);
    let (file_y, of_y) = store(&y.iter().flat_map(|y| y.to_le_bytes()).collect::<Vec<_>>(), Dtype::BF16, &shape);
    let turned: Vec<u8> = (0..count)
        .flat_map(|i| z[i % shape[0] as usize * shape[1] as usize + i / shape[0] as usize].to_le_bytes())
        .collect();
    let (file_z, of_z) = store(&turned, Dtype::F64, &[shape[1], shape[0]]);
    let values = vec![x.iter().map(|&x| f64::from(x)).collect(), y.iter().map(|y| y.to_f64()).collect(), z];
    (vec![file_x, file_y, file_z], vec![of_x, of_y, permute(of_z, &[1, 0])], values)
}

fn summed(values: &[Vec<f64>], coefficients: &[f64]) -> Vec<f64> {
    (0..values[0].len())
        .map(|i| (1..values.len()).fold(coefficients[0] * values[0][i], |sum, k| sum + coefficients[k] * values[k][i]))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_view_of_a_combination_is_that_view_of_the_sum(
        rows in 1u64..70,
        columns in 1u64..90,
        seed: u64,
        coefficients in proptest::array::uniform3(-2.0f64..2.0),
        cut in 0.0f64..1.0,
    ) {
        let (_files, of, values) = operands([rows, columns], seed);
        let sum = summed(&values, &coefficients);
        let whole = combination(of, &coefficients);
        let turned: Vec<f64> =
            (0..columns * rows).map(|i| sum[(i % rows * columns + i / rows) as usize]).collect();
        let start = (cut * rows as f64) as u64;
        let below = sum[(start * columns) as usize..].to_vec();
        for method in [Method::Map, Method::Read] {
            prop_assert_eq!(elements(&whole, method).unwrap(), (vec![rows, columns], sum.clone()));
            let view = permute(whole.clone(), &[1, 0]);
            prop_assert_eq!(elements(&view, method).unwrap(), (vec![columns, rows], turned.clone()));
            // A reshape that strides cannot express, and a part of it.
            let flat = reshape(view, &[rows * columns]);
            prop_assert_eq!(elements(&slice(flat, 0, start, rows * columns), method).unwrap().1, &turned[start as usize..]);
            let part = slice(whole.clone(), 0, start, rows);
            prop_assert_eq!(elements(&part, method).unwrap(), (vec![rows - start, columns], below.clone()));
        }
    }
}

/// Inside a combination and inside computed values, and around computed values.
#[test]
fn combinations_nest() {
    let (_files, of, values) = operands([40, 30], 5);
    let inner = summed(&values, &[0.5, -1.0, 2.0]);
    let combined = combination(of.clone(), &[0.5, -1.0, 2.0]);
    let doubled = compute(json!({ "name": "scale", "factor": 2 }), vec![combined.clone()]);
    let twice: Vec<f64> = inner.iter().map(|x| 2.0 * x).collect();
    assert_eq!(elements(&doubled, Method::Map).unwrap(), (vec![40, 30], twice.clone()));
    let outer = combination(vec![doubled.clone(), combined, of[0].clone()], &[1.0, -3.0, 0.25]);
    let expected = summed(&[twice, inner, values[0].clone()], &[1.0, -3.0, 0.25]);
    assert_eq!(elements(&outer, Method::Map).unwrap(), (vec![40, 30], expected));
    // The other way about: of two computed operands neither waits for the other's memory.
    let squared = compute(json!({ "name": "multiply" }), vec![of[0].clone(), of[0].clone()]);
    let both = combination(vec![squared, doubled], &[1.0, 0.0]);
    let squares: Vec<f64> = values[0].iter().map(|x| x * x).collect();
    assert_eq!(elements(&both, Method::Map).unwrap().1, squares);
}

/// Every request answers as on a file that holds the sum in f64.
#[test]
fn every_request_works_on_a_combination() {
    let (rows, columns) = (300, 200);
    let (_files, of, values) = operands([rows, columns], 9);
    let sum = summed(&values, &[1.0, -1.0, 0.5]);
    let (_file, stored) =
        store(&sum.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>(), Dtype::F64, &[rows, columns]);
    let cancel = CancelToken::default();
    let context = Context::quiet(&cancel, 1);
    let expression = combination(of, &[1.0, -1.0, 0.5]);
    for (combined, plain) in
        [(expression.clone(), stored.clone()), (permute(expression, &[1, 0]), permute(stored, &[1, 0]))]
    {
        let [a, b] = [&combined, &plain].map(|expression| open(expression).unwrap());
        // The order in which terms are added up hangs on how elements lie.
        let near =
            |a: Numeric, b: Numeric| assert!((a.to_f64() - b.to_f64()).abs() <= 1e-13 * b.to_f64(), "{a:?} {b:?}");
        let [one, other] = [&a, &b].map(|tensor| statistics::statistics(tensor, &context).unwrap());
        near(one.l2, other.l2);
        assert_eq!((one.min, one.max, one.quantiles, one.zeros), (other.min, other.max, other.quantiles, other.zeros));
        let both = [&a, &b].map(|tensor| histogram::histogram(tensor, 64, 4, None, &context).unwrap());
        assert_eq!(both[0], both[1]);
        let [one, other] = [&a, &b].map(|tensor| norms::norms(tensor, 4096, &context).unwrap());
        for (one, other) in [(one.rows, other.rows), (one.columns, other.columns)] {
            assert_eq!(one.pooled.len(), other.pooled.len());
            one.pooled.into_iter().zip(other.pooled).for_each(|(one, other)| near(one, other));
        }
        let window = Window { row_start: 3, row_stop: a.rows(), column_start: 1, column_stop: a.columns() - 1 };
        let both = [&a, &b].map(|tensor| picture::picture(tensor, window, 20, 30, &context).unwrap());
        assert_eq!(both[0], both[1]);
        let window = Window { row_start: 7, row_stop: 9, column_start: 100, column_stop: 120 };
        let both = [&a, &b].map(|tensor| values::values(tensor, window, &context).unwrap());
        assert_eq!(both[0], both[1]);
        let both = [&a, &b].map(|tensor| hash(tensor, &context).unwrap());
        assert_eq!(both[0], both[1]);
        let both =
            [&combined, &plain].map(|e| spectrum::of_expression(e, SpectrumMode::Exact, None, &context).unwrap());
        assert_eq!(both[0].singular_values, both[1].singular_values);
        let bytes = [&a, &b].map(|tensor| {
            let file = TempFile::new(&vec![0; 2 * sum.len()]);
            let path = file.path().display().to_string();
            write::write(tensor, Dtype::BF16, &path, 0, &context).unwrap();
            std::fs::read(file.path()).unwrap()
        });
        assert_eq!(bytes[0], bytes[1]);
    }
}

/// 1 + 2⁻⁸ + 2⁻³⁰ lies above the middle of two numbers of BF16, which f32 cannot see.
#[test]
fn writing_rounds_once() {
    let (_a, one) = store(&1.0f64.to_le_bytes(), Dtype::F64, &[1]);
    let (_b, half) = store(&2f64.powi(-8).to_le_bytes(), Dtype::F64, &[1]);
    let (_c, tiny) = store(&2f64.powi(-30).to_le_bytes(), Dtype::F64, &[1]);
    let tensor = open(&combination(vec![one, half, tiny], &[1.0, 1.0, 1.0])).unwrap();
    let file = TempFile::new(&[0; 2]);
    let cancel = CancelToken::default();
    write::write(&tensor, Dtype::BF16, &file.path().display().to_string(), 0, &Context::quiet(&cancel, 1)).unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    assert_eq!(half::bf16::from_le_bytes([bytes[0], bytes[1]]).to_f64(), 1.0 + 2f64.powi(-7));
}

#[test]
fn signs_of_zeros_and_what_is_not_finite_come_through() {
    let values = [-0.0f64, f64::INFINITY, f64::NAN, 3.0];
    let (_file, of) = store(&values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>(), Dtype::F64, &[4]);
    let (_, same) = elements(&combination(vec![of.clone()], &[1.0]), Method::Map).unwrap();
    assert_eq!(same[0].to_bits(), (-0.0f64).to_bits());
    let (_, less) = elements(&combination(vec![of.clone(), of], &[1.0, -1.0]), Method::Map).unwrap();
    assert!(less[0] == 0.0 && less[1].is_nan() && less[2].is_nan() && less[3] == 0.0, "{less:?}");
}

#[test]
fn combinations_of_products_have_their_spectrum() {
    let cancel = CancelToken::default();
    let context = Context::quiet(&cancel, 1);
    let mut random = common::Random(77);
    let mut matrix = |shape: [u64; 2]| {
        let bytes: Vec<u8> = (0..shape[0] * shape[1]).flat_map(|_| random.normal().to_le_bytes()).collect();
        store(&bytes, Dtype::F64, &shape)
    };
    let (stored, factors): (Vec<_>, Vec<_>) = [[40, 2], [2, 50], [40, 3], [3, 50]].map(&mut matrix).into_iter().unzip();
    let product = |i: usize| compute(json!({ "name": "product" }), vec![factors[i].clone(), factors[i + 1].clone()]);
    let sum = combination(vec![product(0), product(2)], &[2.0, -0.5]);
    let found = spectrum::of_expression(&sum, SpectrumMode::Exact, None, &context).unwrap();
    assert!(found.how.method.contains("product"), "{}", found.how.method);
    let dense = spectrum::spectrum(&open(&sum).unwrap(), SpectrumMode::Exact, None, &context).unwrap();
    for (a, b) in found.singular_values.iter().zip(&dense.singular_values) {
        assert!((a - b).abs() <= 1e-12 * dense.singular_values[0], "{a} {b}");
    }
    assert_eq!((found.matrix_rank, stored.len()), (5, 4));
}

#[test]
fn refuses_what_is_no_combination() {
    let (_file, of) = store(&[0; 24], Dtype::F32, &[2, 3]);
    for (bad, reason) in [
        (combination(vec![], &[]), "at least one"),
        (combination(vec![of.clone()], &[1.0, 2.0]), "1 tensors has 2 coefficients"),
        (combination(vec![of.clone(), permute(of, &[1, 0])], &[1.0, 2.0]), "[2, 3] and [3, 2]"),
    ] {
        let error = open(&bad).unwrap_err();
        assert_eq!(error.code, Code::InvalidParams);
        assert!(error.message.contains(reason) && error.message.ends_with('.'), "{error}");
    }
}

/// Each operand's file is guarded.
#[test]
fn a_file_cut_under_any_operand_is_truncated() {
    for cut in [0, 1] {
        let files = [0, 1].map(|_| TempFile::new(&vec![0; 1 << 20]));
        let of = files.each_ref().map(|file| range(file.path(), 0, 1 << 20, Dtype::F32, &[1 << 18])).to_vec();
        for method in [Method::Map, Method::Read] {
            let tensor =
                Tensor::open_with(&combination(of.clone(), &[1.0, 1.0]), Access::Sequential, Some(method)).unwrap();
            File::options().write(true).open(files[cut].path()).unwrap().set_len(1 << 16).unwrap();
            let cancel = CancelToken::default();
            let error = statistics::statistics(&tensor, &Context::quiet(&cancel, 1)).unwrap_err();
            assert_eq!((error.code, error.offset), (Code::Truncated, Some(1 << 16)), "{error}");
            assert!(error.message.contains(&files[cut].path().display().to_string()), "{error}");
            File::options().write(true).open(files[cut].path()).unwrap().set_len(1 << 20).unwrap();
        }
    }
    let missing = range(std::path::Path::new("/nowhere/at/all"), 0, 4, Dtype::F32, &[1]);
    let (_file, there) = store(&[0; 4], Dtype::F32, &[1]);
    assert_eq!(open(&combination(vec![there, missing], &[1.0, 1.0])).unwrap_err().code, Code::Io);
}
