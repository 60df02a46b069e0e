//! Spectra of the example models against NumPy's, and of tensors that have none.

use serde_json::Value;
use std::path::{Path, PathBuf};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::{Code, Error};
use weight_loupe_engine::numeric::Numeric;
use weight_loupe_engine::protocol::{Expression, SpectrumMode, SpectrumResult};
use weight_loupe_engine::source::Access;
use weight_loupe_engine::spectrum::{of_expression, spectrum};
use weight_loupe_engine::tensor::Tensor;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn compute(expression: &Expression, mode: SpectrumMode, k: Option<u64>) -> Result<SpectrumResult, Error> {
    let tensor = Tensor::open(expression, Access::Sequential)?;
    spectrum(&tensor, mode, k, &Context::quiet(&CancelToken::default(), 2))
}

/// The tensors of a safetensors file for which `expected` has a spectrum, with that spectrum.
fn tensors(model: &str, expected: &str) -> Vec<(String, Expression, Value)> {
    let file = root().join("examples").join(model);
    let bytes = std::fs::read(&file).expect("an example");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    let text = std::fs::read_to_string(root().join("test/fixtures/expected").join(expected)).expect("expected numbers");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let tensors = expected["tensors"].as_object().expect("tensors");
    let with_spectrum = tensors.iter().filter(|(_, tensor)| tensor["spectrum"].is_object());
    with_spectrum
        .map(|(name, tensor)| {
            let offsets: [u64; 2] = serde_json::from_value(tensor["offsets"].clone()).expect("offsets");
            let expression = Expression::Range {
                file: file.display().to_string(),
                offset: 8 + header + offsets[0],
                bytes: offsets[1] - offsets[0],
                dtype: serde_json::from_value(tensor["dtype"].clone()).expect("a dtype"),
                shape: serde_json::from_value(tensor["shape"].clone()).expect("a shape"),
                order: None,
            };
            (name.clone(), expression, tensor["spectrum"].clone())
        })
        .collect()
}

fn agrees_with_numpy(model: &str, expected: &str) {
    let tensors = tensors(model, expected);
    assert!(tensors.len() >= 5, "{model} has matrices");
    for (name, expression, expected) in tensors {
        let found = compute(&expression, SpectrumMode::Exact, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let number = |key: &str| expected[key].as_f64().unwrap_or_else(|| panic!("{name}: {key}"));
        let top: Vec<f64> = serde_json::from_value(expected["sigma_top"].clone()).expect("values");
        assert_eq!(serde_json::json!([found.rows, found.columns]), expected["matrix"], "{name}");
        assert_eq!(found.singular_values.len() as f64, number("sigma_count"), "{name}");
        for (value, expected) in found.singular_values.iter().zip(&top) {
            assert!((value - expected).abs() <= 1e-9 * top[0], "{name}: {value}, not {expected}");
        }
        let smallest = found.singular_values[found.singular_values.len() - 1];
        assert!((smallest - number("sigma_min")).abs() <= 1e-9 * top[0], "{name}: σ_min {smallest}");
        let close = |value: f64, key: &str| (value - number(key)).abs() <= 1e-9 * number(key);
        assert!(close(found.stable_rank.to_f64(), "stable_rank"), "{name}: {:?}", found.stable_rank);
        assert!(close(found.effective_rank.to_f64(), "effective_rank"), "{name}: {:?}", found.effective_rank);
        assert_eq!(serde_json::to_value(&found.energy_rank).expect("plain data"), expected["energy_rank"], "{name}");

        let fast = compute(&expression, SpectrumMode::Fast, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (rough, value) in fast.singular_values.iter().zip(&found.singular_values) {
            assert!((rough - value).abs() <= 2e-5 * top[0], "{name}: {rough}, not {value}");
        }
        let few = compute(&expression, SpectrumMode::Top, Some(3)).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (rough, value) in few.singular_values.iter().zip(&found.singular_values) {
            assert!((rough - value).abs() <= 1e-5 * top[0], "{name}: {rough}, not {value} by {}", few.how.method);
        }
    }
}

#[test]
fn silero_vad_agrees_with_numpy() {
    agrees_with_numpy("silero-vad/silero_vad_16k.safetensors", "silero-vad.json");
}

#[test]
fn tiny_llama_agrees_with_numpy() {
    agrees_with_numpy("tiny-llama/checkpoint-1200/model.safetensors", "tiny-llama-1200.json");
}

/// A tensor of f64 `values` in a file of its own.
fn stored(name: &str, shape: &[u64], values: &[f64]) -> Expression {
    let directory = std::env::temp_dir().join(format!("weight-loupe-spectrum-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a temporary folder");
    let file = directory.join(name);
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(&file, &bytes).expect("a temporary file");
    Expression::Range {
        file: file.display().to_string(),
        offset: 0,
        bytes: bytes.len() as u64,
        dtype: serde_json::from_value("F64".into()).expect("a dtype"),
        shape: shape.to_vec(),
        order: None,
    }
}

#[test]
fn undefined_spectra_say_why() {
    let cases = [
        (stored("vector", &[3], &[1.0, 2.0, 3.0]), "shape [3]"),
        (stored("nan", &[2, 2], &[1.0, f64::NAN, f64::NAN, f64::NAN]), "contains 3 NaN values"),
        (stored("infinite", &[2, 2], &[1.0, f64::NEG_INFINITY, 0.0, 0.0]), "contains 1 infinite value;"),
    ];
    for (expression, says) in cases {
        for mode in [SpectrumMode::Exact, SpectrumMode::Fast, SpectrumMode::Top] {
            let error = compute(&expression, mode, None).expect_err("undefined");
            assert_eq!(error.code, Code::Undefined);
            assert!(error.message.contains(says), "{}", error.message);
        }
    }
}

#[test]
fn zero_and_rank_one_matrices_have_spectra() {
    let zero = compute(&stored("zero", &[4, 3], &[0.0; 12]), SpectrumMode::Exact, None).expect("defined");
    assert_eq!((zero.singular_values, zero.matrix_rank, zero.power_law), (vec![0.0; 3], 0, None));
    assert!(zero.stable_rank.to_f64().is_nan() && zero.condition_number.to_f64().is_nan());

    let ones = compute(&stored("ones", &[8, 2, 3], &[1.0; 48]), SpectrumMode::Exact, None).expect("defined");
    assert_eq!((ones.rows, ones.columns, ones.flattened_from), (8, 6, Some(vec![8, 2, 3])));
    assert_eq!(ones.matrix_rank, 1);
    assert!((ones.spectral_norm.to_f64() - 48f64.sqrt()).abs() < 1e-14 * 48.0);
    assert!((ones.stable_rank.to_f64() - 1.0).abs() < 1e-13);
    // Constant entries have no variance, so that everything stands out of the bulk.
    assert_eq!(ones.marchenko_pastur.edge.to_f64(), 0.0);
}

fn made(operation: Value, of: Vec<Expression>) -> Expression {
    Expression::Compute { operation: serde_json::from_value(operation).expect("an operation"), of }
}

/// Values between −1 and 1.
fn drawn(seed: u64, shape: &[u64]) -> Expression {
    let uniform = serde_json::json!({
        "name": "torchUniform", "seed": seed, "skip": 0, "low": -1, "high": 1, "dtype": "F32", "shape": shape
    });
    made(uniform, vec![])
}

#[test]
fn thin_products_have_the_spectrum_of_what_they_make() {
    let simple = |name: &str, of| made(serde_json::json!({ "name": name }), of);
    let scale = |factor: f64, of| made(serde_json::json!({ "name": "scale", "factor": factor }), vec![of]);
    let product = |seed: u64, [rows, inner, columns]: [u64; 3]| {
        simple("product", vec![drawn(seed, &[rows, inner]), drawn(seed + 1, &[inner, columns])])
    };
    let permute = |of| Expression::Permute { of: Box::new(of), axes: vec![1, 0] };
    let reshape = |of, shape: &[u64]| Expression::Reshape { of: Box::new(of), shape: shape.to_vec() };
    let cases = [
        product(1, [60, 4, 90]),
        product(2, [90, 1, 60]),
        scale(0.25, permute(scale(-3.0, product(3, [50, 8, 40])))),
        reshape(scale(1e-3, product(4, [48, 5, 36])), &[48, 4, 3, 3]),
        simple("add", vec![product(5, [70, 3, 64]), permute(product(7, [64, 6, 70]))]),
        simple("subtract", vec![scale(2.0, product(5, [70, 3, 64])), product(9, [70, 5, 64])]),
        simple("product", vec![simple("multiply", vec![drawn(11, &[80, 6]), drawn(12, &[6])]), drawn(13, &[6, 70])]),
        // Rank 2 out of an inner dimension of 6.
        simple("product", vec![drawn(20, &[50, 6]), product(21, [6, 2, 50])]),
    ];
    for expression in cases {
        let cancel = CancelToken::default();
        let context = Context::quiet(&cancel, 2);
        let found = of_expression(&expression, SpectrumMode::Exact, None, &context).unwrap();
        assert!(found.how.method.starts_with("QR of the factors"), "{}", found.how.method);
        let dense = compute(&expression, SpectrumMode::Exact, None).unwrap();
        assert_eq!(
            (found.rows, found.columns, &found.flattened_from),
            (dense.rows, dense.columns, &dense.flattened_from)
        );
        assert_eq!(found.singular_values.len(), dense.singular_values.len());
        let largest = dense.singular_values[0];
        for (value, expected) in found.singular_values.iter().zip(&dense.singular_values) {
            assert!((value - expected).abs() <= 1e-13 * largest, "{value}, not {expected}, of {largest}");
        }
        assert_eq!(found.singular_values[found.singular_values.len() / 2], 0.0);
        let close = |a: Numeric, b: Numeric, what: &str| {
            let (Numeric::Float(a), Numeric::Float(b)) = (a, b) else { panic!("{what}") };
            assert!((a - b).abs() <= 1e-12 * b.abs(), "{what}: {a}, not {b}");
        };
        close(found.frobenius_norm, dense.frobenius_norm, "‖W‖");
        close(found.stable_rank, dense.stable_rank, "stable rank");
        close(found.marchenko_pastur.edge, dense.marchenko_pastur.edge, "edge");
        close(found.effective_rank, dense.effective_rank, "effective rank");
        assert_eq!((found.matrix_rank, found.energy_rank), (dense.matrix_rank, dense.energy_rank));
        let top = of_expression(&expression, SpectrumMode::Top, Some(3), &context).unwrap();
        assert_eq!(top.singular_values, found.singular_values[..3]);
    }
}

#[test]
fn thick_products_and_other_expressions_are_formed() {
    let simple = |name: &str, of| made(serde_json::json!({ "name": name }), of);
    let slice = Expression::Slice { of: Box::new(drawn(5, &[30, 9])), axis: 0, start: 3, stop: 20 };
    for expression in [
        simple("product", vec![drawn(1, &[20, 10]), drawn(2, &[10, 20])]),
        simple("multiply", vec![drawn(1, &[20, 10]), drawn(2, &[20, 10])]),
        Expression::Slice {
            of: Box::new(simple("product", vec![drawn(1, &[20, 2]), drawn(2, &[2, 20])])),
            axis: 0,
            start: 1,
            stop: 9,
        },
        slice,
    ] {
        let cancel = CancelToken::default();
        let context = Context::quiet(&cancel, 1);
        let found = of_expression(&expression, SpectrumMode::Exact, None, &context).unwrap();
        assert!(!found.how.method.contains("factors"), "{}", found.how.method);
    }
}

#[test]
fn a_product_of_zeros_or_of_infinities() {
    let fill = |shape: [u64; 2], value: f64| {
        made(serde_json::json!({ "name": "fill", "shape": shape, "value": value }), vec![])
    };
    let product = |left, right| made(serde_json::json!({ "name": "product" }), vec![left, right]);
    let cancel = CancelToken::default();
    let context = Context::quiet(&cancel, 1);
    let zero = product(fill([20, 2], 0.0), drawn(1, &[2, 30]));
    let found = of_expression(&zero, SpectrumMode::Exact, None, &context).unwrap();
    assert_eq!((found.singular_values, found.matrix_rank), (vec![0.0; 20], 0));
    let infinite = product(fill([20, 2], 1e200), fill([2, 30], 1e200));
    assert_eq!(of_expression(&infinite, SpectrumMode::Exact, None, &context).unwrap_err().code, Code::Undefined);
    let empty = product(fill([20, 0], 0.0), fill([0, 30], 0.0));
    assert_eq!(of_expression(&empty, SpectrumMode::Exact, None, &context).unwrap().singular_values, [0.0; 20]);
}
