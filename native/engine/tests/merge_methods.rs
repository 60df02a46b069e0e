//! Merge methods that look at whole tensors, against what mergekit makes of small ones, and by what they must fulfil.

mod common;

use common::{Random, TempFile, store};
use serde_json::{Value, json};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::{Code, Result};
use weight_loupe_engine::protocol::Expression;
use weight_loupe_engine::source::Access;
use weight_loupe_engine::tensor::{Dtype, Tensor, decode};
use weight_loupe_engine::write::write;

/// The elements of `expression` as `dtype`, computed on so many threads.
fn written(expression: &Expression, dtype: Dtype, threads: usize) -> Result<Vec<u8>> {
    let cancel = CancelToken::default();
    let context = Context::quiet(&cancel, threads);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let tensor = Tensor::open_in(expression, Access::Sequential, &context)?;
        let file = TempFile::new(&vec![0; dtype.stored_bytes(tensor.count()).unwrap() as usize]);
        write(&tensor, dtype, &file.path().display().to_string(), 0, &context)?;
        Ok(std::fs::read(file.path()).unwrap())
    })
}

fn merge(method: &Value, profile: &str, dtype: &str, of: &[&Expression], base: Option<&Expression>) -> Expression {
    let mut merge = json!({ "kind": "merge", "method": method, "profile": profile, "dtype": dtype, "of": of });
    if let Some(base) = base {
        merge["base"] = json!(base);
    }
    serde_json::from_value(merge).expect("an expression")
}

/// The values of elements.
fn values(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    let mut values = vec![0f64; bytes.len() / dtype.width()];
    decode::to_f64(dtype, bytes, &mut values);
    values
}

/// Integers whose distance is that in units in the last place.
fn order(dtype: Dtype, bytes: &[u8]) -> Vec<i64> {
    let width = dtype.width();
    let integer = |element: &[u8]| {
        let bits = element.iter().rev().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        let sign = 1u64 << (8 * width - 1);
        if bits & sign == 0 { bits as i64 } else { -((bits & !sign) as i64) }
    };
    bytes.chunks_exact(width).map(integer).collect()
}

fn dtype(name: &Value) -> Dtype {
    serde_json::from_value(name.clone()).unwrap()
}

fn hexadecimal(digits: &Value) -> Vec<u8> {
    let digits = digits.as_str().unwrap().as_bytes();
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    digits.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// The small tensors of the fixture, as F32, and its cases.
fn fixture() -> (Vec<(TempFile, Expression)>, Vec<Value>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/fixtures/merge-methods/cases.json");
    let mut fixture: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let tensor = |tensor: &Value| {
        let shape: Vec<u64> = serde_json::from_value(tensor["shape"].clone()).unwrap();
        store(&hexadecimal(&tensor["values"]), Dtype::F32, &shape)
    };
    let tensors = fixture["tensors"].as_array().unwrap().iter().map(tensor).collect();
    (tensors, serde_json::from_value(fixture["cases"].take()).unwrap())
}

fn inputs<'a>(case: &Value, tensors: &'a [(TempFile, Expression)]) -> (Vec<&'a Expression>, Option<&'a Expression>) {
    let at = |index: &Value| &tensors[index.as_u64().unwrap() as usize].1;
    let base = Some(&case["base"]).filter(|base| !base.is_null());
    (case["of"].as_array().unwrap().iter().map(at).collect(), base.map(at))
}

#[test]
fn methods_agree_with_mergekit() {
    let (tensors, cases) = fixture();
    assert!(cases.len() > 200);
    for case in &cases {
        let name = format!("{} of {} and {} in {}", case["method"], case["of"], case["base"], case["dtype"]);
        let (of, base) = inputs(case, &tensors);
        let result = dtype(&case["result"]);
        let merge = merge(&case["method"], "mergekit", case["dtype"].as_str().unwrap(), &of, base);
        let found = written(&merge, result, 2).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = hexadecimal(&case["expected"]);
        assert_eq!(found.len(), expected.len(), "{name}");
        let distances = order(result, &found).into_iter().zip(order(result, &expected)).map(|(x, y)| x.abs_diff(y));
        let (found, expected) = (values(result, &found), values(result, &expected));
        let rms = (expected.iter().map(|x| x * x).sum::<f64>() / expected.len() as f64).sqrt();
        // What rounding to the type that is computed in does to elements that nearly cancel, and to numbers of the whole tensor.
        let computed = dtype(&case["dtype"]);
        let (loose, most_apart) = match computed {
            Dtype::F64 => (2e-15, 1.0),
            Dtype::F32 => (2e-6, 1.0),
            Dtype::F16 => (5e-3, 0.25),
            _ => (3e-2, 0.25),
        };
        // Where nothing is found of whole tensors but decisions, every step is the same.
        let stepwise =
            ["nearswap", "arceeFusion", "ram", "ramPlus"].contains(&case["method"]["name"].as_str().unwrap());
        let mut apart = 0;
        for (i, distance) in distances.enumerate() {
            let difference = (found[i] - expected[i]).abs();
            let close = distance <= 1 || !stepwise && difference <= loose * rms;
            assert!(close, "{name}[{i}]: {:e}, not {:e}", found[i], expected[i]);
            apart += usize::from(distance > 1);
        }
        assert!(apart as f64 <= most_apart * found.len() as f64, "{name}: {apart} of {}", found.len());
    }
}

/// A tensor of so many rows and columns: elements about 0.1 times normal, most of them `like` plus a little where that is given.
fn random(seed: u64, shape: [u64; 2], like: Option<&[f64]>) -> Vec<f64> {
    let mut random = Random(seed);
    let mut next = move || random.normal() * 0.1;
    match like {
        None => (0..shape[0] * shape[1]).map(|_| next()).collect(),
        Some(like) => like.iter().map(|x| if next() > -0.05 { x + next() * 0.1 } else { *x }).collect(),
    }
}

fn brain(values: &[f64], shape: [u64; 2]) -> (TempFile, Expression) {
    let bytes: Vec<u8> = values.iter().flat_map(|&x| half::bf16::from_f64(x).to_le_bytes()).collect();
    store(&bytes, Dtype::BF16, &shape)
}

/// Every method with a pass over whole tensors, whether it takes a base and how many inputs.
fn methods() -> Vec<(Value, bool, usize)> {
    vec![
        (json!({ "name": "slerp", "t": 0.3 }), true, 1),
        (json!({ "name": "nuslerp", "weights": [0.4, 0.3], "flatten": true, "rowWise": false }), true, 2),
        (json!({ "name": "nuslerp", "weights": [0.4, 0.3], "flatten": false, "rowWise": true }), false, 2),
        (json!({ "name": "nuslerp", "weights": [0.4, 0.3], "flatten": false, "rowWise": false }), true, 2),
        (json!({ "name": "multislerp", "weights": [0.4, 0.3, 0.5], "normalizeWeights": true, "eps": 1e-8 }), true, 3),
        (json!({ "name": "karcher", "maxIterations": 10, "tolerance": 1e-5 }), false, 3),
        (json!({ "name": "modelStock", "filterWise": false }), true, 3),
        (json!({ "name": "modelStock", "filterWise": true }), true, 2),
        (json!({ "name": "nearswap", "t": 0.01 }), true, 1),
        (json!({ "name": "arceeFusion" }), true, 1),
        (json!({ "name": "sce", "topK": 0.4 }), true, 3),
        (json!({ "name": "ram", "epsilon": 1e-5 }), true, 3),
        (json!({ "name": "ramPlus", "epsilon": 1e-5, "r": 0.1, "alpha": 0.5 }), true, 3),
    ]
}

/// Rows that are no divisor of a piece, more pieces than threads, and several tiles.
const SHAPE: [u64; 2] = [613, 1001];

/// Three tensors and their base, in bfloat16.
fn stored_models() -> Vec<(TempFile, Expression)> {
    let base = random(1, SHAPE, None);
    (2..5)
        .map(|seed| random(seed, SHAPE, Some(&base)))
        .chain([base.clone()])
        .map(|values| brain(&values, SHAPE))
        .collect()
}

#[test]
fn bytes_depend_neither_on_threads_nor_on_what_is_read() {
    let models = stored_models();
    for (method, with_base, n) in methods() {
        for (profile, dtype) in [("mergekit", "BF16"), ("mergekit", "F32"), ("paper", "F16")] {
            let of: Vec<_> = models[..n].iter().map(|(_, range)| range).collect();
            let merge = merge(&method, profile, dtype, &of, with_base.then_some(&models[3].1));
            let one = written(&merge, Dtype::F32, 1).expect("merged");
            for threads in [2, 5] {
                assert!(one == written(&merge, Dtype::F32, threads).unwrap(), "{method} {profile} {dtype} {threads}");
            }
            let part = common::slice(common::slice(merge, 0, 300, 303), 1, 7, 900);
            let part = written(&part, Dtype::F32, 1).expect("merged");
            let line = 4 * 893;
            for (row, found) in (300..303).zip(part.chunks_exact(line)) {
                let first = 4 * (row * 1001 + 7);
                assert!(found == &one[first..first + line], "{method} {profile} {dtype} row {row}");
            }
        }
    }
}

/// Computed in f64 the same decisions are taken, so that the paper's profile differs by its one rounding and that of f32's sums.
#[test]
fn papers_profile_rounds_once() {
    let models = stored_models();
    for (method, with_base, n) in methods() {
        let of: Vec<_> = models[..n].iter().map(|(_, range)| range).collect();
        let base = with_base.then_some(&models[3].1);
        let exact = written(&merge(&method, "paper", "F64", &of, base), Dtype::BF16, 2).expect("merged");
        let found = written(&merge(&method, "paper", "BF16", &of, base), Dtype::BF16, 2).expect("merged");
        let distances =
            order(Dtype::BF16, &found).into_iter().zip(order(Dtype::BF16, &exact)).map(|(x, y)| x.abs_diff(y));
        let (found, exact) = (values(Dtype::BF16, &found), values(Dtype::BF16, &exact));
        let mut differing = 0;
        for (i, distance) in distances.enumerate() {
            // Where terms cancel f32 leaves less than this.
            let close = distance <= 1 || (found[i] - exact[i]).abs() < 1e-7;
            assert!(close, "{method}[{i}]: {:e}, not {:e}", found[i], exact[i]);
            differing += usize::from(distance != 0);
        }
        assert!(differing * 200 < exact.len(), "{method}: {differing} of {}", exact.len());
    }
}

/// Of elements that vary equally the first are selected, as many as the share says.
#[test]
fn sce_selects_as_many_as_it_should() {
    let (rows, columns) = (700u64, 500u64);
    let zeros = vec![0f64; (rows * columns) as usize];
    // 1/8 in every seventh element of one model, larger in a few; all τ of the other are 0.
    let one: Vec<f64> = (0..zeros.len())
        .map(|i| {
            if i % 7000 == 7 {
                0.5
            } else if i % 7 == 0 {
                0.125
            } else {
                0.0
            }
        })
        .collect();
    let varying = one.iter().filter(|x| **x != 0.0).count();
    let (_a, one_stored) = brain(&one, [rows, columns]);
    let (_b, zeros_stored) = brain(&zeros, [rows, columns]);
    let of = [&one_stored, &zeros_stored];
    let merged = merge(&json!({ "name": "sce", "topK": 0.25 }), "mergekit", "F32", &of, Some(&zeros_stored));
    let found = values(Dtype::F32, &written(&merged, Dtype::F32, 2).unwrap());
    let taken = (varying as f32 * 0.25) as usize;
    let large = one.iter().filter(|x| **x == 0.5).count();
    let mut small = one.iter().enumerate().filter(|(_, x)| **x == 0.125).map(|(i, _)| i);
    let last = small.nth(taken - large - 1).expect("more than that");
    for (i, (found, one)) in found.iter().zip(&one).enumerate() {
        let expected = if *one == 0.5 || i <= last { *one } else { 0.0 };
        assert_eq!(*found, expected, "{i}");
    }
}

/// A NaN spoils the whole of what is made of norms, and its own element elsewhere.
#[test]
fn not_a_number_stays() {
    let models = stored_models();
    let mut with_nan = random(2, SHAPE, None);
    with_nan[1234] = f64::NAN;
    let (_file, with_nan) = brain(&with_nan, SHAPE);
    for (method, with_base, n) in methods() {
        let mut of: Vec<_> = models[..n].iter().map(|(_, range)| range).collect();
        of[0] = &with_nan;
        let merge = merge(&method, "mergekit", "BF16", &of, with_base.then_some(&models[3].1));
        let found = values(Dtype::F32, &written(&merge, Dtype::F32, 2).expect("merged"));
        assert!(found[1234].is_nan(), "{method}");
    }
}

#[test]
fn directions_that_cancel_have_no_mean() {
    let (_a, one) = store(&1f32.to_le_bytes(), Dtype::F32, &[1]);
    let (_b, minus_two) = store(&(-2f32).to_le_bytes(), Dtype::F32, &[1]);
    let method = json!({ "name": "multislerp", "weights": [1.0, 2.0, 1.0], "normalizeWeights": true, "eps": 1e-8 });
    let error = written(&merge(&method, "mergekit", "F32", &[&one, &minus_two, &one], None), Dtype::F32, 1);
    let error = error.expect_err("no direction");
    assert_eq!(error.code, Code::Undefined);
    assert!(error.message.contains("cancel"), "{}", error.message);
}
