//! Computed expressions against NumPy's results, against their definitions, and against hostile parameters.

mod common;

use common::{TempFile, permute, range, reshape, slice, store};
use proptest::prelude::*;
use serde_json::{Value, json};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::{Code, Error};
use weight_loupe_engine::protocol::Expression;
use weight_loupe_engine::source::Access;
use weight_loupe_engine::statistics::statistics;
use weight_loupe_engine::tensor::{Dtype, Tensor};

/// Shape and values, row-major.
fn evaluate_on(expression: &Expression, threads: usize) -> Result<(Vec<u64>, Vec<f64>), Error> {
    let cancel = CancelToken::default();
    let context = Context::quiet(&cancel, threads);
    let tensor = Tensor::open_in(expression, Access::Sequential, &context)?;
    assert_eq!(tensor.dtype(), Dtype::F64);
    Ok((tensor.shape().to_vec(), tensor.to_f64_matrix(&context)?))
}

fn evaluate(expression: &Expression) -> Result<(Vec<u64>, Vec<f64>), Error> {
    evaluate_on(expression, 1)
}

fn compute(operation: Value, of: Vec<Expression>) -> Expression {
    let operation = serde_json::from_value(operation).expect("an operation of the protocol");
    Expression::Compute { operation, of }
}

fn literal(shape: &[u64], values: &[f64]) -> Expression {
    compute(json!({ "name": "literal", "shape": shape, "values": values }), vec![])
}

fn fill(shape: &[u64]) -> Expression {
    compute(json!({ "name": "fill", "shape": shape, "value": 0.5 }), vec![])
}

fn binary(name: &str, left: Expression, right: Expression) -> Expression {
    compute(json!({ "name": name }), vec![left, right])
}

fn refused(expression: &Expression) -> Error {
    let error = evaluate(expression).expect_err("a refusal");
    assert!(error.message.ends_with('.') && !error.message.contains('\n'), "{}", error.message);
    error
}

/// An array of a fixture as a stored range.
fn stored(array: &Value) -> (TempFile, Expression) {
    let shape: Vec<u64> = serde_json::from_value(array["shape"].clone()).unwrap();
    let bytes: Vec<u8> = numbers(array).into_iter().flat_map(f64::to_le_bytes).collect();
    store(&bytes, Dtype::F64, &shape)
}

fn numbers(array: &Value) -> Vec<f64> {
    serde_json::from_value(array["values"].clone()).unwrap()
}

#[test]
fn operations_agree_with_numpy() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/fixtures/compute/operations.json");
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.len() > 100);
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let (_files, of): (Vec<_>, Vec<_>) = case["of"].as_array().unwrap().iter().map(stored).unzip();
        let expression = compute(case["operation"].clone(), of);
        let (shape, mut found) = evaluate(&expression).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(json!(shape), case["expected"]["shape"], "{name}");
        let expected = numbers(&case["expected"]);
        assert_eq!(found.len(), expected.len(), "{name}");
        if let Some(turned) = case["up_to_sign"].as_str() {
            turn(&mut found, &expected, shape[1] as usize, turned == "columns");
        }
        let scale = expected.iter().fold(0f64, |scale, value| scale.max(value.abs()));
        let tolerance = case["tolerance"].as_f64().unwrap() * scale;
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!((found - expected).abs() <= tolerance, "{name}[{i}]: {found:e} is not {expected:e}");
        }
    }
}

/// Gives each column (or row) of `found` the sign it has in `expected`.
fn turn(found: &mut [f64], expected: &[f64], width: usize, columns: bool) {
    let lines = if columns { width } else { found.len().checked_div(width).unwrap_or(0) };
    let of = |i: usize| if columns { i % width } else { i / width };
    for line in 0..lines {
        let along = |i: &usize| of(*i) == line;
        let product: f64 = (0..found.len()).filter(along).map(|i| found[i] * expected[i]).sum();
        if product < 0.0 {
            (0..found.len()).filter(along).for_each(|i| found[i] = -found[i]);
        }
    }
}

#[test]
fn torch_draws_these_numbers() {
    // The reference implementation's first outputs for the seed 5489 (Matsumoto & Nishimura), cut to 24 bits.
    let draws: [u32; 5] = [3_499_211_612, 581_869_302, 3_890_346_734, 3_586_334_585, 545_404_204];
    let expected = draws.map(|draw| f64::from(draw & 0x00ff_ffff) / f64::from(1 << 24));
    let uniform =
        json!({ "name": "torchUniform", "seed": 5489, "skip": 0, "low": 0, "high": 1, "dtype": "F32", "shape": [5] });
    assert_eq!(evaluate(&compute(uniform, vec![])).unwrap().1, expected);
}

#[test]
fn computed_values_are_viewed_as_stored_ones_are() {
    let values: Vec<f64> = (0..24).map(f64::from).collect();
    let stored: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let (_file, range) = store(&stored, Dtype::F64, &[2, 3, 4]);
    let views: [fn(Expression) -> Expression; 5] = [
        |of| of,
        |of| permute(of, &[2, 0, 1]),
        |of| slice(slice(of, 1, 1, 3), 2, 0, 1),
        |of| reshape(permute(of, &[1, 0, 2]), &[6, 4]),
        |of| reshape(permute(of, &[2, 1, 0]), &[3, 8]),
    ];
    for view in views {
        let of_range = view(range.clone());
        let tensor = Tensor::open(&of_range, Access::Sequential).unwrap();
        let cancel = CancelToken::default();
        let expected = tensor.to_f64_matrix(&Context::quiet(&cancel, 1)).unwrap();
        let computed = view(literal(&[2, 3, 4], &values));
        assert_eq!(evaluate(&computed).unwrap(), (tensor.shape().to_vec(), expected.clone()));
        // And as an operand.
        let doubled = compute(json!({ "name": "scale", "factor": 2 }), vec![computed]);
        assert_eq!(evaluate(&doubled).unwrap().1, expected.iter().map(|value| value * 2.0).collect::<Vec<_>>());
        let doubled = compute(json!({ "name": "scale", "factor": 2 }), vec![of_range]);
        assert_eq!(evaluate(&doubled).unwrap().1, expected.iter().map(|value| value * 2.0).collect::<Vec<_>>());
    }
}

#[test]
fn what_strides_cannot_express_is_put_in_order_first() {
    let values: Vec<f64> = (0..24).map(f64::from).collect();
    // Read by its own order: (4, 3, 2) flattened.
    let turned: Vec<f64> = (0..24).map(|i| f64::from(i % 2 * 12 + i / 2 % 3 * 4 + i / 6)).collect();
    let stored: Vec<u8> = (0..24u8).collect();
    let (_file, range) = store(&stored, Dtype::U8, &[2, 3, 4]);
    for of in [range, literal(&[2, 3, 4], &values)] {
        let reshaped = reshape(permute(of, &[2, 1, 0]), &[3, 8]);
        assert_eq!(evaluate(&slice(reshaped.clone(), 0, 1, 2)).unwrap(), (vec![1, 8], turned[8..16].to_vec()));
        let (shape, found) = evaluate(&permute(reshaped, &[1, 0])).unwrap();
        let expected: Vec<f64> = (0..24).map(|i| turned[i % 3 * 8 + i / 3]).collect();
        assert_eq!((shape, found), (vec![8, 3], expected));
    }
}

#[test]
fn values_are_computed_anew_when_a_file_changes() {
    let write = |value: f32| [value, 2.0].into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    let file = TempFile::new(&write(1.0));
    let sum = compute(json!({ "name": "sum", "axes": [0] }), vec![range(file.path(), 0, 8, Dtype::F32, &[2])]);
    for _ in 0..2 {
        assert_eq!(evaluate(&sum).unwrap().1, [3.0]);
    }
    std::fs::remove_file(file.path()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    std::fs::write(file.path(), write(5.0)).unwrap();
    assert_eq!(evaluate(&sum).unwrap().1, [7.0]);
    std::fs::write(file.path(), [0; 4]).unwrap();
    assert_eq!(refused(&sum).code, Code::Truncated);
}

#[test]
fn kernels_work_on_computed_values() {
    let sum = binary("add", fill(&[100, 1]), literal(&[1, 3], &[-0.5, 0.5, 1.5]));
    let tensor = Tensor::open(&sum, Access::Sequential).unwrap();
    let cancel = CancelToken::default();
    let found = statistics(&tensor, &Context::quiet(&cancel, 1)).unwrap();
    assert_eq!((found.count, found.zeros, found.l1), (300, 100, 300.0.into()));
}

#[test]
fn threads_do_not_change_a_bit() {
    let uniform = |seed: u64, shape: &[u64]| {
        compute(
            json!({ "name": "torchUniform", "seed": seed, "skip": 0, "low": -1, "high": 1, "dtype": "F32", "shape": shape }),
            vec![],
        )
    };
    let (a, b) = (uniform(1, &[400, 300]), uniform(2, &[300, 400]));
    let product = |scale: f64| {
        let scaled = compute(json!({ "name": "scale", "factor": scale }), vec![a.clone()]);
        binary("product", scaled, b.clone())
    };
    let pool = rayon_pool(4);
    let all: Vec<fn(Expression) -> Expression> = vec![
        |of| of,
        |of| compute(json!({ "name": "inverse" }), vec![of]),
        |of| compute(json!({ "name": "qr", "factor": "r" }), vec![of]),
        |of| compute(json!({ "name": "svd", "factor": "vt", "start": 0, "stop": 400 }), vec![of]),
        |of| compute(json!({ "name": "softmax" }), vec![of]),
        |of| compute(json!({ "name": "map", "function": "gelu" }), vec![of]),
    ];
    for operation in all {
        // Factors that leave every digit as it is, so that the second is not remembered from the first.
        let one = evaluate_on(&operation(product(1.0)), 1).unwrap().1;
        let again = compute(json!({ "name": "clamp" }), vec![operation(product(1.0))]);
        let other = pool(&again);
        assert!(one.iter().zip(&other).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}

/// Evaluates on a pool of so many threads.
fn rayon_pool(threads: usize) -> impl Fn(&Expression) -> Vec<f64> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    move |expression| pool.install(|| evaluate_on(expression, threads).unwrap().1)
}

proptest! {
    /// U·diag(S)·Vᵀ, Q·R and A·A⁻¹ give back what they were made of.
    #[test]
    fn factors_multiply_back(rows in 1usize..9, columns in 1usize..9, seed: u64) {
        let mut random = common::Random(seed | 1);
        let values: Vec<f64> = (0..rows * columns).map(|_| random.normal()).collect();
        let a = literal(&[rows as u64, columns as u64], &values);
        let k = rows.min(columns);
        let svd = |factor: &str| compute(json!({ "name": "svd", "factor": factor, "start": 0, "stop": k }), vec![a.clone()]);
        let qr = |factor: &str| compute(json!({ "name": "qr", "factor": factor }), vec![a.clone()]);
        let from_svd = binary("product", binary("multiply", svd("u"), svd("s")), svd("vt"));
        let from_qr = binary("product", qr("q"), qr("r"));
        for product in [from_svd, from_qr] {
            let (shape, found) = evaluate(&product).unwrap();
            prop_assert_eq!(shape, vec![rows as u64, columns as u64]);
            for (found, expected) in found.iter().zip(&values) {
                prop_assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
        // Diagonally dominant, so that it has an inverse.
        let n = rows;
        let square: Vec<f64> = (0..n * n).map(|i| random.normal() + if i % (n + 1) == 0 { 40.0 } else { 0.0 }).collect();
        let square = literal(&[n as u64, n as u64], &square);
        let unit = binary("product", square.clone(), compute(json!({ "name": "inverse" }), vec![square]));
        for (i, value) in evaluate(&unit).unwrap().1.into_iter().enumerate() {
            prop_assert!((value - f64::from(u8::from(i % (n + 1) == 0))).abs() < 1e-13);
        }
    }

    /// Broadcasting by the definition: indices along axes of length 1 or that are missing do not count.
    #[test]
    fn broadcasting_repeats(lens in proptest::collection::vec((1u64..4, any::<bool>(), any::<bool>()), 0..5), cut in 0usize..5) {
        let shape: Vec<u64> = lens.iter().map(|&(len, one, other)| if one && other { 1 } else { len }).collect();
        let left: Vec<u64> = lens.iter().map(|&(len, one, _)| if one { 1 } else { len }).collect();
        let right: Vec<u64> = lens.iter().map(|&(len, _, other)| if other { 1 } else { len }).collect();
        // Leading axes of length 1 may be left out.
        let missing = right.iter().take(cut).take_while(|&&len| len == 1).count();
        let count = |shape: &[u64]| shape.iter().product::<u64>();
        let values = |shape: &[u64], from: u64| (0..count(shape)).map(|i| (from + i) as f64).collect::<Vec<f64>>();
        let (x, y) = (values(&left, 1), values(&right, 1000));
        let sum = binary("subtract", literal(&left, &x), literal(&right[missing..], &y));
        let (found_shape, found) = evaluate(&sum).unwrap();
        prop_assert_eq!(&found_shape, &shape);
        for (position, found) in found.into_iter().enumerate() {
            let at = |of: &[u64]| {
                let (mut position, mut index, mut step) = (position as u64, 0, 1);
                for (&len, &own) in shape.iter().zip(of).rev() {
                    index += position % len % own * step;
                    step *= own;
                    position /= len;
                }
                index as usize
            };
            prop_assert_eq!(found, x[at(&left)] - y[at(&right)]);
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_with_a_sentence() {
    let (a, b) = (fill(&[2, 3]), fill(&[4, 5]));
    let unary = |operation: Value| compute(operation, vec![a.clone()]);
    let cases = [
        binary("add", a.clone(), b.clone()),
        binary("product", a.clone(), b.clone()),
        binary("product", a.clone(), fill(&[3])),
        binary("product", fill(&[2, 2, 3]), fill(&[3, 3, 2])),
        binary("kronecker", a.clone(), fill(&[])),
        compute(json!({ "name": "scatter", "shape": [9] }), vec![a.clone(), b.clone()]),
        compute(json!({ "name": "concatenate", "axis": 0 }), vec![]),
        compute(json!({ "name": "concatenate", "axis": 0 }), vec![a.clone(), b.clone()]),
        compute(json!({ "name": "concatenate", "axis": 2 }), vec![a.clone(), a.clone()]),
        compute(json!({ "name": "gather", "axis": 0 }), vec![a.clone(), b.clone()]),
        compute(json!({ "name": "gather", "axis": 7 }), vec![a.clone(), fill(&[1])]),
        compute(json!({ "name": "add" }), vec![a.clone()]),
        compute(json!({ "name": "identity", "n": 3 }), vec![a.clone()]),
        compute(json!({ "name": "literal", "shape": [2], "values": [1.0] }), vec![]),
        compute(json!({ "name": "literal", "shape": [1u64 << 40, 1u64 << 40], "values": [] }), vec![]),
        compute(json!({ "name": "fill", "shape": [1u64 << 40, 1u64 << 40], "value": 1 }), vec![]),
        compute(json!({ "name": "torchPermutation", "seed": 1, "count": 3, "take": 4 }), vec![]),
        compute(
            json!({ "name": "torchUniform", "seed": 1, "skip": 0, "low": 2, "high": 1, "dtype": "F32", "shape": [1] }),
            vec![],
        ),
        unary(json!({ "name": "sum", "axes": [2] })),
        unary(json!({ "name": "norm", "axes": [u64::MAX] })),
        unary(json!({ "name": "inverse" })),
        unary(json!({ "name": "blockDiagonal" })),
        unary(json!({ "name": "skew", "n": 2 })),
        unary(json!({ "name": "skew", "n": u64::MAX })),
        unary(json!({ "name": "topSoftmax", "k": 4 })),
        unary(json!({ "name": "topSoftmax", "k": 0 })),
        unary(json!({ "name": "topPositions", "k": 1 })),
        unary(json!({ "name": "svd", "factor": "u", "start": 0, "stop": 3 })),
        unary(json!({ "name": "svd", "factor": "u", "start": 2, "stop": 1 })),
        compute(json!({ "name": "inverseFourier" }), vec![fill(&[3])]),
        slice(a.clone(), 0, 1, 3),
        reshape(a.clone(), &[7]),
        Expression::Strided { of: Box::new(a.clone()), offset: 0, shape: vec![1], strides: vec![1] },
    ];
    for expression in cases {
        assert_eq!(refused(&expression).code, Code::InvalidParams, "{expression:?}");
    }
}

#[test]
fn values_that_an_operation_is_not_defined_for_are_refused() {
    let indices =
        |value: f64| compute(json!({ "name": "gather", "axis": 0 }), vec![fill(&[4]), literal(&[1], &[value])]);
    for value in [-1.0, 4.0, 0.5, 1e300] {
        assert_eq!(refused(&indices(value)).code, Code::InvalidParams);
        let scattered = vec![literal(&[1], &[value]), literal(&[1], &[1.0])];
        assert_eq!(refused(&compute(json!({ "name": "scatter", "shape": [4] }), scattered)).code, Code::InvalidParams);
    }
    let nan = binary("divide", literal(&[2, 2], &[0.0; 4]), literal(&[1], &[0.0]));
    assert_eq!(
        refused(&compute(json!({ "name": "gather", "axis": 0 }), vec![fill(&[4]), reshape(nan.clone(), &[4])])).code,
        Code::InvalidParams
    );
    for operation in [
        json!({ "name": "inverse" }),
        json!({ "name": "qr", "factor": "q" }),
        json!({ "name": "svd", "factor": "s", "start": 0, "stop": 1 }),
    ] {
        assert_eq!(refused(&compute(operation, vec![nan.clone()])).code, Code::Undefined);
    }
    let singular = literal(&[2, 2], &[1.0, 2.0, 2.0, 4.0]);
    assert_eq!(refused(&compute(json!({ "name": "inverse" }), vec![singular])).code, Code::Undefined);
}

#[test]
fn what_needs_too_much_memory_is_refused_before_it_is_begun() {
    let large = fill(&[1 << 20, 1 << 20]);
    assert_eq!(refused(&large).code, Code::TooLarge);
    // Small operands, a large result; a large operand, a small result; many at once.
    let column = fill(&[1 << 20, 1]);
    let outer = binary("product", column.clone(), reshape(column.clone(), &[1, 1 << 20]));
    assert_eq!(refused(&outer).code, Code::TooLarge);
    assert_eq!(refused(&compute(json!({ "name": "sum", "axes": [0, 1] }), vec![outer])).code, Code::TooLarge);
    assert_eq!(refused(&binary("add", column, fill(&[1, 1 << 20]))).code, Code::TooLarge);
    assert_eq!(refused(&compute(json!({ "name": "identity", "n": 1u64 << 40 }), vec![])).code, Code::InvalidParams);
    let permutation = json!({ "name": "torchPermutation", "seed": 1, "count": 1u64 << 40, "take": 1 });
    assert_eq!(refused(&compute(permutation, vec![])).code, Code::TooLarge);
    let (_file, byte) = store(&[1], Dtype::U8, &[1]);
    let many = Expression::Strided { of: Box::new(byte), offset: 0, shape: vec![1 << 40], strides: vec![0] };
    assert_eq!(refused(&compute(json!({ "name": "softmax" }), vec![many])).code, Code::TooLarge);
    let inverse = compute(json!({ "name": "inverse" }), vec![fill(&[8193, 8193])]);
    assert_eq!(refused(&inverse).code, Code::TooLarge);
}

/// Every code of a 16-bit type from every one of some others, and back to the bit.
#[test]
fn numbers_of_a_type_are_counted_there_and_back() {
    let bits = |expression: &Expression| -> Vec<u64> {
        evaluate(expression).unwrap().1.into_iter().map(f64::to_bits).collect()
    };
    for (name, dtype) in [("F16", Dtype::F16), ("BF16", Dtype::BF16)] {
        // Signalling NaNs become quiet ones as soon as they are read.
        let quiet = |code: u16| {
            if common::value(dtype, code.into()).is_nan() {
                code | 1 << if name == "F16" { 9 } else { 6 }
            } else {
                code
            }
        };
        let codes: Vec<u16> = (0..=u16::MAX).map(quiet).collect();
        let bytes: Vec<u8> = codes.iter().copied().flat_map(u16::to_le_bytes).collect();
        let (_file, all) = store(&bytes, dtype, &[1 << 16]);
        for code in [0u16, 0x8000, 0x3c01, 0xbc01, 0x7f80, 0xffff] {
            let code = quiet(code);
            let (_file, one) = store(&code.to_le_bytes(), dtype, &[1]);
            let distance = compute(json!({ "name": "ulpDistance", "dtype": name }), vec![all.clone(), one.clone()]);
            let (_, steps) = evaluate(&distance).unwrap();
            // Codes count away from 0, so that each sign's run on; −0 is the last of the negative ones.
            let place = |code: u16| if code < 0x8000 { i32::from(code) } else { -1 - i32::from(code & 0x7fff) };
            for (found, &other) in steps.iter().zip(&codes) {
                assert_eq!(*found, f64::from(place(other) - place(code)), "{name} {other:#x} from {code:#x}");
            }
            let back = compute(json!({ "name": "ulpShift", "dtype": name }), vec![one, distance]);
            let same = compute(json!({ "name": "scale", "factor": 1 }), vec![all.clone()]);
            assert_eq!(bits(&back), bits(&same), "{name} {code:#x}");
        }
    }
}

#[test]
fn numbers_that_cannot_be_counted_are_refused() {
    let ulp = |name: &str, dtype: &str, x: f64, y: f64| {
        compute(json!({ "name": name, "dtype": dtype }), vec![literal(&[1], &[x]), literal(&[1], &[y])])
    };
    // About 2⁶² numbers of F64: an odd number of that size f64 does not hold.
    let far = refused(&ulp("ulpDistance", "F64", 1.0 + f64::EPSILON, -0.0));
    assert_eq!(far.code, Code::Undefined);
    for (dtype, steps) in [("F16", 40_000.0), ("BF16", -70_000.0), ("F32", 0.5), ("F64", 1e300)] {
        assert_eq!(refused(&ulp("ulpShift", dtype, 1.0, steps)).code, Code::Undefined, "{dtype} {steps}");
    }
    let next = evaluate(&ulp("ulpShift", "F64", 1.0, 1.0)).unwrap().1;
    assert_eq!(next, [1.0 + f64::EPSILON]);
}

#[test]
fn nesting_is_bounded() {
    let nested =
        |depth: usize| (0..depth).fold(fill(&[2]), |of, _| compute(json!({ "name": "scale", "factor": 1 }), vec![of]));
    assert_eq!(evaluate(&nested(48)).unwrap().1, [0.5, 0.5]);
    assert_eq!(refused(&nested(49)).code, Code::InvalidParams);
}

#[test]
fn a_cancelled_computation_ends() {
    let cancel = CancelToken::default();
    let context = Context::quiet(&cancel, 1);
    let draws = json!({
        "name": "torchUniform", "seed": 1, "skip": 1u64 << 50, "low": 0, "high": 1, "dtype": "F32", "shape": [1]
    });
    let expression = compute(draws, vec![]);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| Tensor::open_in(&expression, Access::Sequential, &context).map(|_| ()));
        std::thread::sleep(std::time::Duration::from_millis(30));
        cancel.cancel();
        assert_eq!(running.join().unwrap().unwrap_err().code, Code::Cancelled);
    });
}
