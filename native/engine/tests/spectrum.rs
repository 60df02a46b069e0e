//! Spectra of the example models against NumPy's, and of tensors that have none.

use serde_json::Value;
use std::path::{Path, PathBuf};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::{Code, Error};
use weight_loupe_engine::protocol::{Expression, SpectrumMode, SpectrumResult};
use weight_loupe_engine::source::Access;
use weight_loupe_engine::spectrum::spectrum;
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
