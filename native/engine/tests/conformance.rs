//! Every element of the reference files, against what the formats' reference libraries read from them. The headers are
//! parsed by the `safetensors` crate.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::protocol::{Expression, Window};
use weight_loupe_engine::source::Access;
use weight_loupe_engine::tensor::{Dtype, Tensor};
use weight_loupe_engine::values::values;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks one file; answers how many tensors were compared.
fn check(path: &Path) -> usize {
    let expected: Value =
        serde_json::from_slice(&std::fs::read(path.with_extension("safetensors.expect.json")).unwrap()).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let (header, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let cancel = CancelToken::default();
    let context = Context::quiet(&cancel, 1);
    let mut compared = 0;
    for twin in expected["tensors"].as_array().into_iter().flatten() {
        let name = twin["name"].as_str().unwrap();
        // Types that the engine does not decode are listed by the client alone.
        let Ok(dtype) = serde_json::from_value::<Dtype>(twin["dtype"].clone()) else { continue };
        let info = metadata.info(name).unwrap();
        let shape: Vec<u64> = info.shape.iter().map(|&len| len as u64).collect();
        assert_eq!(serde_json::json!(shape), twin["shape"], "{name}");
        let expression = Expression::Range {
            file: path.display().to_string(),
            offset: (8 + header + info.data_offsets.0) as u64,
            bytes: (info.data_offsets.1 - info.data_offsets.0) as u64,
            dtype,
            shape,
            order: None,
        };
        let tensor = Tensor::open(&expression, Access::Sequential).unwrap();
        if let Some(sum) = twin["sha256_raw"].as_str() {
            let stored = tensor.reader().elements(0, tensor.count() as usize).unwrap().to_vec();
            let stored = match dtype {
                Dtype::F4 => stored.chunks(2).map(|pair| pair[0] | pair[1] << 4).collect(),
                _ => stored,
            };
            assert_eq!(hex(&Sha256::digest(&stored)), sum, "stored bytes of {name}");
        }
        if let Some(sum) = twin["sha256_f32"].as_str() {
            let decoded = tensor.to_f32_matrix(&context).unwrap();
            let bits = |value: &f32| if value.is_nan() { 0x7fc0_0000 } else { value.to_bits() };
            let decoded: Vec<u8> = decoded.iter().flat_map(|value| bits(value).to_le_bytes()).collect();
            assert_eq!(hex(&Sha256::digest(&decoded)), sum, "values of {name}");
        }
        if let Some(first) = twin["first"].as_array() {
            let flat = Expression::Reshape { of: Box::new(expression), shape: vec![1, tensor.count()] };
            let flat = Tensor::open(&flat, Access::Random).unwrap();
            let stop = first.len() as u64;
            let window = Window { row_start: 0, row_stop: 1, column_start: 0, column_stop: stop };
            let found = serde_json::to_value(values(&flat, window, &context).unwrap()).unwrap();
            for (found, expected) in found["rows"][0].as_array().unwrap().iter().zip(first) {
                let equal = match (found.as_f64(), expected.as_f64()) {
                    (Some(found), Some(expected)) => found.to_bits() == expected.to_bits() || found == expected,
                    _ => found == expected,
                };
                // The twins write 2^53 as a string as well.
                let integer = |value: &Value| value.as_str().map_or_else(|| value.to_string(), String::from);
                assert!(equal || integer(found) == integer(expected), "{name}: {found} is not {expected}");
            }
        }
        compared += 1;
    }
    compared
}

#[test]
fn reference_files_decode_as_their_reference_libraries_read_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/safetensors");
    let mut compared = 0;
    for name in [
        "every_dtype",
        "json_escapes",
        "leading_whitespace",
        "many_tensors",
        "model",
        "special_values",
        "tied_dropped",
        "trailing_spaces",
        "unaligned_header",
        "unordered_odd_names",
        "zero_size_and_scalars",
    ] {
        compared += check(&folder.join(name).with_extension("safetensors"));
    }
    assert!(compared > 100, "{compared} tensors");
}
