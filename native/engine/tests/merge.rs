//! Merges against closed forms and against sorting everything, element by element, in the half-precision crate's arithmetic.

mod common;

use common::{Random, TempFile, permute, slice, store};
use serde_json::{Value, json};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::{Code, Result};
use weight_loupe_engine::hash::hash;
use weight_loupe_engine::merge;
use weight_loupe_engine::numeric::Numeric;
use weight_loupe_engine::protocol::{Expression, FloatingPoint};
use weight_loupe_engine::source::Access;
use weight_loupe_engine::tensor::{Dtype, Tensor};
use weight_loupe_engine::write::write;

fn expression(value: Value) -> Expression {
    serde_json::from_value(value).expect("an expression of the protocol")
}

fn merging(method: &Value, profile: &str, dtype: Dtype, of: &[&Expression], base: Option<&Expression>) -> Expression {
    let mut merging = json!({ "kind": "merge", "method": method, "profile": profile, "dtype": dtype, "of": of });
    if let Some(base) = base {
        merging["base"] = json!(base);
    }
    expression(merging)
}

fn task_vectors(sparsify: &Value, weights: &[f64], elect: bool, normalize: bool, lambda: f64) -> Value {
    json!({ "name": "taskVectors", "weights": weights, "sparsify": sparsify, "elect": elect, "normalize": normalize, "lambda": lambda })
}

fn values(expression: &Expression) -> Vec<f64> {
    try_values(expression).expect("values")
}

fn try_values(expression: &Expression) -> Result<Vec<f64>> {
    Tensor::open(expression, Access::Sequential)?.to_f64_matrix(&Context::quiet(&CancelToken::default(), 1))
}

fn refused(expression: &Expression) -> String {
    let error = try_values(expression).expect_err("a refusal");
    assert_eq!(error.code, Code::InvalidParams, "{}", error.message);
    error.message
}

/// What `value` is as a number of `dtype`.
fn rounded(dtype: Dtype, value: f64) -> f64 {
    match dtype {
        Dtype::BF16 => half::bf16::from_f64(value).to_f64(),
        Dtype::F16 => half::f16::from_f64(value).to_f64(),
        Dtype::F32 => f64::from(value as f32),
        _ => value,
    }
}

fn stored(dtype: Dtype, values: &[f64], shape: &[u64]) -> (TempFile, Expression) {
    let bytes: Vec<u8> = match dtype {
        Dtype::BF16 => values.iter().flat_map(|&value| half::bf16::from_f64(value).to_le_bytes()).collect(),
        Dtype::F16 => values.iter().flat_map(|&value| half::f16::from_f64(value).to_le_bytes()).collect(),
        Dtype::F32 => values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    };
    store(&bytes, dtype, shape)
}

/// A base and two inputs near it, of so many elements that passes take several tiles; many changes are equal, some are 0.
fn models(dtype: Dtype, shape: &[u64]) -> (Vec<TempFile>, Vec<Expression>, Vec<Vec<f64>>) {
    let count = shape.iter().product::<u64>() as usize;
    let mut random = Random(0x51ed_270b);
    let base: Vec<f64> = (0..count).map(|_| rounded(dtype, random.normal() * 0.05)).collect();
    let mut change = |share: u64| {
        let of =
            base.iter().map(|value| if random.word() % 8 < share { value + random.normal() * 0.004 } else { *value });
        of.map(|value| rounded(dtype, value)).collect::<Vec<f64>>()
    };
    let all = vec![change(6), change(8), base.clone()];
    let (files, of) = all.iter().map(|values| stored(dtype, values, shape)).unzip();
    (files, of, all)
}

/// The mask of the largest so many, by sorting: of equal ones the first.
fn largest(of: &[f64], keep: usize, but: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..of.len()).collect();
    order.sort_by(|&i, &j| of[j].abs().total_cmp(&of[i].abs()));
    let mut mask = vec![false; of.len()];
    order[but..keep].iter().for_each(|&index| mask[index] = true);
    mask
}

/// The formulas of the task-vector family, a step at a time.
fn expected(
    dtype: Dtype,
    all: &[Vec<f64>],
    weights: &[f64],
    mask: impl Fn(usize, &[f64]) -> Vec<bool>,
    (elect, normalize, lambda): (bool, bool, f64),
) -> Vec<f64> {
    let round = |value: f64| rounded(dtype, value);
    let single = |value: f64| f64::from(value as f32);
    let base = all.last().expect("a base");
    let mut vectors = Vec::new();
    for (index, weight) in weights.iter().enumerate() {
        let tau: Vec<f64> = all[index].iter().zip(base).map(|(value, base)| round(value - base)).collect();
        let mask = mask(index, &tau);
        let weighted =
            tau.iter().zip(mask).map(|(value, kept)| round(round(*weight) * if kept { *value } else { 0.0 }));
        vectors.push(weighted.collect::<Vec<f64>>());
    }
    let element = |position: usize| {
        let of: Vec<f64> = vectors.iter().map(|vector| vector[position]).collect();
        let positive = of.iter().fold(0.0, |sum, value| single(sum + value)) >= 0.0;
        let (mut mix, mut divisor) = (0.0, 0.0);
        for (value, weight) in of.iter().zip(weights) {
            if !elect || *value != 0.0 && (*value > 0.0) == positive {
                mix = single(mix + value);
                divisor = single(divisor + round(*weight));
            }
        }
        mix = round(mix);
        if normalize {
            divisor = round(divisor);
            mix = round(mix / if divisor == 0.0 { 1.0 } else { divisor });
        }
        round(base[position] + round(mix * lambda))
    };
    (0..base.len()).map(element).collect()
}

const SHAPE: [u64; 2] = [701, 431];
const NONE: Value = Value::Null;

#[test]
fn linear_is_the_weighted_sum() {
    let (_a, a) = stored(Dtype::F32, &[1.0, -2.0, 0.5], &[3]);
    let (_b, b) = stored(Dtype::BF16, &[3.0, 4.0, f64::NAN], &[3]);
    let linear = |normalize: bool| json!({ "name": "linear", "weights": [0.5, 1.5], "normalize": normalize });
    let sums = values(&merging(&linear(false), "mergekit", Dtype::F32, &[&a, &b], None));
    assert_eq!(sums[..2], [5.0, 5.0]);
    let means = merging(&linear(true), "paper", Dtype::BF16, &[&a, &b], None);
    assert_eq!(values(&means)[..2], [2.5, 2.5]);
    let out = TempFile::new(&[0; 6]);
    let tensor = Tensor::open(&means, Access::Sequential).expect("a merge");
    let cancel = CancelToken::default();
    let written = write(&tensor, Dtype::BF16, &out.path().display().to_string(), 0, &Context::quiet(&cancel, 1));
    assert_eq!(written.map(|written| (written.bytes, written.non_finite)).expect("written"), (6, 1));
    // Copied as they are, NaN is not looked for.
    let tensor = Tensor::open(&b, Access::Sequential).expect("a tensor");
    let written = write(&tensor, Dtype::BF16, &out.path().display().to_string(), 0, &Context::quiet(&cancel, 1));
    assert_eq!(written.expect("written").non_finite, 0);
}

#[test]
fn magnitude_trims_elects_and_averages_as_sorting_does() {
    for dtype in [Dtype::BF16, Dtype::F16, Dtype::F32, Dtype::F64] {
        let (_files, of, all) = models(dtype, &SHAPE);
        let (weights, densities) = ([0.7, -0.4], [0.3, 0.55]);
        let count = all[0].len();
        let mask = |index: usize, tau: &[f64]| largest(tau, (densities[index] * count as f64) as usize, 0);
        let sparsify = json!({ "kind": "magnitude", "densities": densities, "rescale": false });
        for (elect, normalize, lambda) in [(true, true, 1.0), (false, true, 0.5), (true, false, 1.0)] {
            let method = task_vectors(&sparsify, &weights, elect, normalize, lambda);
            let found = values(&merging(&method, "mergekit", dtype, &[&of[0], &of[1]], Some(&of[2])));
            let expected = expected(dtype, &all, &weights, mask, (elect, normalize, lambda));
            // Sums are in f32 for all but F64, whose expected sums are too.
            let near = |(x, y): (&f64, &f64)| (x - y).abs() <= if dtype == Dtype::F64 { 1e-8 } else { 0.0 };
            let wrong = found.iter().zip(&expected).position(|pair| !near(pair));
            assert_eq!(wrong, None, "{dtype:?} {elect} {normalize}: {:?}", wrong.map(|at| (found[at], expected[at])));
        }
    }
}

#[test]
fn outliers_leave_out_the_largest() {
    let (_files, of, all) = models(Dtype::BF16, &SHAPE);
    let count = all[0].len();
    // The second gives up on some outliers, as both do not fit.
    let (weights, densities, gammas) = ([1.0, 0.5], [0.4, 0.95], [0.01, 0.3]);
    let sparsify = json!({ "kind": "outliers", "densities": densities, "gammas": gammas, "rescale": false });
    let mask = |index: usize, tau: &[f64]| {
        let [keep, top] = [densities[index], gammas[index]].map(|share| (share * count as f64) as usize);
        let lowest = count.saturating_sub(keep + top);
        largest(tau, count - lowest, count - lowest - keep)
    };
    let method = task_vectors(&sparsify, &weights, false, false, 1.0);
    let found = values(&merging(&method, "mergekit", Dtype::BF16, &[&of[0], &of[1]], Some(&of[2])));
    assert_eq!(found, expected(Dtype::BF16, &all, &weights, mask, (false, false, 1.0)));
}

#[test]
fn bytes_depend_neither_on_threads_nor_on_how_they_are_read() {
    let (_files, of, _) = models(Dtype::BF16, &SHAPE);
    let seeds = ["1", "18446744073709551615"];
    for sparsify in [
        json!({ "kind": "magnitude", "densities": [0.3, 0.6], "rescale": true }),
        json!({ "kind": "random", "densities": [0.3, 0.6], "rescale": true, "seeds": seeds }),
        json!({ "kind": "ranked", "densities": [0.3, 0.6], "epsilons": [0.1, 0.2], "rescale": true, "seeds": seeds }),
    ] {
        let method = task_vectors(&sparsify, &[0.5, 0.5], true, true, 1.0);
        let merged = merging(&method, "mergekit", Dtype::BF16, &[&of[0], &of[1]], Some(&of[2]));
        let cancel = CancelToken::default();
        let hashed = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                let context = Context::quiet(&cancel, threads);
                let tensor = Tensor::open_in(&merged, Access::Sequential, &context)?;
                hash(&tensor, &context).map(|found| found.hash)
            })
        };
        assert_eq!(hashed(1).expect("a hash"), hashed(3).expect("a hash"));
        let whole = values(&merged);
        let part = values(&slice(slice(merged.clone(), 0, 613, 640), 1, 7, 400));
        let columns = SHAPE[1] as usize;
        let expected: Vec<f64> =
            (613..640).flat_map(|row| &whole[row * columns + 7..row * columns + 400]).copied().collect();
        assert_eq!(part, expected);
        let turned = values(&permute(slice(merged, 0, 3, 5), &[1, 0]));
        let expected: Vec<f64> =
            (0..columns).flat_map(|column| [whole[3 * columns + column], whole[4 * columns + column]]).collect();
        assert_eq!(turned, expected);
    }
}

/// τ of 1 everywhere: what is kept is seen from the result, and by what it is multiplied.
fn of_ones(shape: &[u64], sparsify: &Value, profile: &str) -> Vec<f64> {
    let count = shape.iter().product::<u64>() as usize;
    let (_one, one) = stored(Dtype::F32, &vec![1.0; count], shape);
    let (_zero, zero) = stored(Dtype::F32, &vec![0.0; count], shape);
    values(&merging(&task_vectors(sparsify, &[1.0], false, false, 1.0), profile, Dtype::F32, &[&one], Some(&zero)))
}

#[test]
fn random_masks_keep_their_share_and_restore_the_sum() {
    let random = |seed: &str, rescale: bool| json!({ "kind": "random", "densities": [0.3], "rescale": rescale, "seeds": [seed] });
    let count = (SHAPE[0] * SHAPE[1]) as f64;
    let plain = of_ones(&SHAPE, &random("7", false), "mergekit");
    let kept: f64 = plain.iter().sum();
    assert!((kept - 0.3 * count).abs() < 5.0 * (0.21 * count).sqrt(), "{kept}");
    assert!(plain.iter().all(|&value| value == 0.0 || value == 1.0));
    assert_eq!(plain, of_ones(&SHAPE, &random("7", false), "mergekit"), "a seed is a mask");
    let other = of_ones(&SHAPE, &random("8", false), "mergekit");
    let both = plain.iter().zip(&other).filter(|(x, y)| **x * **y == 1.0).count() as f64;
    assert!((both - 0.09 * count).abs() < 5.0 * (0.09 * 0.91 * count).sqrt(), "{both}");
    let restored = of_ones(&SHAPE, &random("7", true), "mergekit");
    assert!((restored.iter().sum::<f64>() / count - 1.0).abs() < 1e-6);
    let divided = of_ones(&SHAPE, &random("7", true), "paper");
    assert!(divided.iter().all(|&value| value == 0.0 || (value - 1.0 / 0.3).abs() < 1e-6));
}

#[test]
fn ranked_masks_favour_the_larger_of_each_line() {
    let sparsify =
        json!({ "kind": "ranked", "densities": [0.5], "epsilons": [0.25], "rescale": false, "seeds": ["3"] });
    // Along the rows of a matrix; along the second axis, whose lines lie side by side, of three axes; along a long vector.
    for shape in [vec![400, 300], vec![4, 300, 100], vec![120_000]] {
        let count = shape.iter().product::<u64>();
        let (length, stride) = match shape[..] {
            [length] => (length, 1),
            [_, length] => (length, 1),
            _ => (300, 100),
        };
        let rank = |position: u64| position / stride % length;
        let tau: Vec<f64> = (0..count).map(|position| 1.0 + rank(position) as f64).collect();
        let (_of, of) = stored(Dtype::F32, &tau, &shape);
        let (_base, base) = stored(Dtype::F32, &vec![0.0; count as usize], &shape);
        let method = task_vectors(&sparsify, &[1.0], false, false, 1.0);
        let found = values(&merging(&method, "mergekit", Dtype::F32, &[&of], Some(&base)));
        // Tenths of the ranks: the share kept rises from 1/4 to 3/4.
        for tenth in 0..10 {
            let within = |position: &u64| rank(*position) * 10 / length == tenth;
            let (of, kept) = (0..count).filter(within).fold((0.0, 0.0), |(of, kept), position| {
                (of + 1.0, kept + f64::from(u8::from(found[position as usize] != 0.0)))
            });
            let chance = 0.25 + 0.5 * (tenth as f64 + 0.5) / 10.0;
            assert!((kept - chance * of).abs() < 5.0 * (0.25 * of).sqrt(), "{shape:?} {tenth}: {kept} of {of}");
        }
    }
    let divided = json!({ "kind": "ranked", "densities": [0.5], "epsilons": [0.25], "rescale": true, "seeds": ["3"] });
    let found = of_ones(&[50, 3], &divided, "paper");
    let rates = [0.25, 0.5, 0.75].map(|chance| 1.0 / chance);
    assert!(found.iter().enumerate().all(|(index, &value)| value == 0.0 || (value - rates[index % 3]).abs() < 1e-6));
}

#[test]
fn fisher_weighs_by_information() {
    let (_a, a) = stored(Dtype::BF16, &[1.0, 1.0, 4.0], &[3]);
    let (_b, b) = stored(Dtype::BF16, &[2.0, 3.0, 1.0], &[3]);
    // Far below what halves hold.
    let (_f, f) = stored(Dtype::F32, &[1e-12, 3e-12, 0.0], &[3]);
    let (_g, g) = stored(Dtype::F32, &[1e-12, 1e-12, 0.0], &[3]);
    let method = json!({ "name": "fisher", "coefficients": [1.0, 2.0], "floor": 0.0 });
    let found = values(&merging(&method, "paper", Dtype::F32, &[&a, &b, &f, &g], None));
    let expected = [5.0 / 3.0, 9.0 / 5.0, 2.0];
    assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{found:?}");
}

#[test]
fn tensors_are_put_together_row_by_row() {
    let (_a, a) = stored(Dtype::F32, &[0.0, 1.0, 2.0, 3.0], &[2, 2]);
    let (_b, b) = stored(Dtype::F32, &[4.0, 5.0], &[1, 2]);
    let (_none, none) = stored(Dtype::F32, &[], &[0, 2]);
    let all = json!({ "kind": "concatenate", "of": [none, a, none, b, none] });
    assert_eq!(values(&expression(all.clone())), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    // Rows 2, 0, 1, 2 and 2.
    let rows = expression(json!({ "kind": "select", "of": all, "rows": "AgAAAAAAAAABAAAAAgAAAAIAAAA=" }));
    assert_eq!(values(&rows), [4.0, 5.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 4.0, 5.0]);
    assert_eq!(values(&slice(permute(rows.clone(), &[1, 0]), 0, 1, 2)), [5.0, 1.0, 3.0, 5.0, 5.0]);
    let (_c, c) = stored(Dtype::F64, &[1.0 + 2f64.powi(-11) + 2f64.powi(-30)], &[1]);
    let cast = expression(json!({ "kind": "cast", "of": c, "dtype": "F16" }));
    assert_eq!(values(&cast), [1.0 + 2f64.powi(-10)], "rounded once");
    for (wrong, words) in [
        (json!({ "kind": "select", "of": a, "rows": "AgAAAA==" }), "Row 2"),
        (json!({ "kind": "select", "of": a, "rows": "AgAA" }), "u32"),
        (json!({ "kind": "concatenate", "of": [a, c] }), "[2, 2] and [1]"),
        (json!({ "kind": "concatenate", "of": [] }), "at least one"),
    ] {
        assert!(refused(&expression(wrong)).contains(words), "{words}");
    }
}

#[test]
fn what_does_not_fit_is_refused_before_a_file_is_opened() {
    let absent = |shape: [u64; 2]| json!({ "kind": "range", "file": "/absent", "offset": 0, "bytes": 4 * shape[0] * shape[1], "dtype": "F32", "shape": shape });
    let (a, b) = (expression(absent([2, 3])), expression(absent([3, 2])));
    let sparse = |sparsify: Value| task_vectors(&sparsify, &[1.0], true, true, 1.0);
    let ranked = json!({ "kind": "ranked", "densities": [0.9], "epsilons": [0.2], "rescale": true, "seeds": ["1"] });
    let negative = json!({ "kind": "random", "densities": [-0.1], "rescale": true, "seeds": ["1"] });
    let seed = json!({ "kind": "random", "densities": [0.5], "rescale": true, "seeds": ["-1"] });
    for (method, of, base, words) in [
        (
            json!({ "name": "linear", "weights": [1.0], "normalize": true }),
            vec![&a, &a],
            None,
            "2 tensors has 1 weights",
        ),
        (json!({ "name": "linear", "weights": [1.0, 1.0], "normalize": true }), vec![&a, &b], None, "of one shape"),
        (sparse(NONE), vec![&a], None, "needs a base"),
        (sparse(ranked), vec![&a], Some(&a), "between 0 and 1"),
        (sparse(negative), vec![&a], Some(&a), "no probability"),
        (sparse(seed), vec![&a], Some(&a), "seed"),
    ] {
        let message = refused(&merging(&method, "mergekit", Dtype::F32, &of, base));
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_cut_is_of_all_tensors_together() {
    let (_files, of, all) = models(Dtype::F32, &SHAPE);
    let base = all[2].clone();
    for (dtype, target) in
        [(Dtype::BF16, FloatingPoint::BF16), (Dtype::F16, FloatingPoint::F16), (Dtype::F32, FloatingPoint::F32)]
    {
        let mut magnitudes: Vec<f64> = Vec::new();
        for values in &all[..2] {
            let tau = values.iter().zip(&base).map(|(x, y)| (rounded(dtype, *x) - rounded(dtype, *y)).abs());
            magnitudes.extend(tau.map(|tau| rounded(dtype, tau)));
        }
        magnitudes.sort_by(|x, y| y.total_cmp(x));
        let open = |expression: &Expression| Tensor::open(expression, Access::Sequential).expect("a tensor");
        let pairs = || of[..2].iter().map(|of_one| [open(of_one), open(&of[2])]).collect();
        let cancel = CancelToken::default();
        for density in [0.2, 0.7, 1e-9] {
            let found = merge::cut(pairs(), target, density, &Context::quiet(&cancel, 1)).expect("a cut");
            let wanted = ((density * magnitudes.len() as f64) as usize).max(1);
            let Numeric::Float(cut) = found.cut else { panic!("a number") };
            assert_eq!((cut, found.count), (magnitudes[wanted - 1], magnitudes.len() as u64), "{dtype:?} {density}");
        }
        let refused = merge::cut(pairs(), target, 1.0, &Context::quiet(&cancel, 1)).expect_err("a refusal");
        assert_eq!(refused.code, Code::InvalidParams);
    }
}
