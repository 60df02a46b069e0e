//! Statistics against an f64 two-pass reference over every element.

mod common;

use common::{Random, codes, is_subnormal, permute, reshape, slice, store, value};
use proptest::prelude::*;
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::numeric::Numeric;
use weight_loupe_engine::protocol::{Expression, Quantiles, Statistics};
use weight_loupe_engine::source::Access;
use weight_loupe_engine::statistics::statistics;
use weight_loupe_engine::tensor::{Dtype, Tensor};

fn compute(expression: &Expression, threads: usize) -> Statistics {
    let tensor = Tensor::open(expression, Access::Sequential).unwrap();
    let cancel = CancelToken::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| statistics(&tensor, &Context::quiet(&cancel, threads))).unwrap()
}

fn close(found: Numeric, expected: f64) -> bool {
    let found = found.to_f64();
    found == expected || (found.is_nan() && expected.is_nan()) || (found - expected).abs() <= 1e-6 * expected.abs()
}

/// Compares with sums over the codes, computed directly.
fn check(statistics: &Statistics, dtype: Dtype, codes: &[u64]) {
    let all: Vec<f64> = codes.iter().map(|&code| value(dtype, code)).collect();
    let mut finite: Vec<f64> = all.iter().copied().filter(|x| x.is_finite()).collect();
    finite.sort_by(f64::total_cmp);
    let count = |which: &dyn Fn(f64) -> bool| all.iter().filter(|x| which(**x)).count() as u64;
    assert_eq!(statistics.count, all.len() as u64);
    assert_eq!(statistics.finite, finite.len() as u64);
    assert_eq!(statistics.nan, count(&f64::is_nan));
    assert_eq!(statistics.positive_infinity, count(&|x| x == f64::INFINITY));
    assert_eq!(statistics.negative_infinity, count(&|x| x == f64::NEG_INFINITY));
    assert_eq!(statistics.zeros, count(&|x| x == 0.0));
    let subnormals = codes.iter().filter(|code| is_subnormal(dtype, **code)).count() as u64;
    assert_eq!(statistics.subnormals, subnormals);
    if finite.is_empty() {
        assert!(statistics.min.to_f64().is_nan() && statistics.mean.to_f64().is_nan());
        return;
    }
    let n = finite.len() as f64;
    let (min, max) = (finite[0], finite[finite.len() - 1]);
    assert_eq!((statistics.min.to_f64(), statistics.max.to_f64()), (min, max));
    assert_eq!(statistics.max_abs.to_f64(), min.abs().max(max.abs()));
    // Scaled by a power of two, so that the reference's squares stay in range; summed with Kahan's compensation.
    let unit = 2f64.powi(-(min.abs().max(max.abs()).max(1e-300).log2() as i32));
    let scaled: Vec<f64> = finite.iter().map(|x| x * unit).collect();
    let sum = |term: &dyn Fn(f64) -> f64| {
        let (mut sum, mut lost) = (0.0, 0.0);
        for &x in &scaled {
            let next = term(x) - lost;
            let total: f64 = sum + next;
            lost = (total - sum) - next;
            sum = total;
        }
        sum
    };
    let mean = if min == max { min * unit } else { sum(&|x| x) / n };
    let variance = sum(&|x| (x - mean).powi(2)) / n;
    let expected = [
        ("standard deviation", statistics.standard_deviation, variance.sqrt() / unit),
        ("l1", statistics.l1, sum(&f64::abs) / unit),
        ("l2", statistics.l2, sum(&|x| x * x).sqrt() / unit),
        ("rms", statistics.rms, (sum(&|x| x * x) / n).sqrt() / unit),
        ("kurtosis", statistics.kurtosis, sum(&|x| (x - mean).powi(4)) / n / variance / variance),
    ];
    for (name, found, expected) in expected {
        // Values that only differ by rounding leave nothing but rounding in what is taken about their mean.
        let degenerate = variance.sqrt() < 1e-9 * mean.abs();
        assert!(close(found, expected) || degenerate, "{name}: {found:?}, expected {expected}");
    }
    // A mean that cancels is only as good as the sum of magnitudes.
    let mean_error = (statistics.mean.to_f64() * unit - mean).abs();
    assert!(
        mean_error <= 1e-6 * mean.abs() || mean_error <= 1e-12 * sum(&f64::abs) / n,
        "{:?}, {}",
        statistics.mean,
        mean / unit
    );
    let Quantiles { q001, q01, q05, q25, q50, q75, q95, q99, q999 } = statistics.quantiles;
    for (found, probability) in
        [q001, q01, q05, q25, q50, q75, q95, q99, q999].into_iter().zip(Quantiles::PROBABILITIES)
    {
        let position = (n - 1.0) * probability;
        let (below, above) = (finite[position.floor() as usize], finite[position.ceil() as usize]);
        let expected = below + (above - below) * position.fract();
        let slack = 1e-12 * (above - below).abs().max(expected.abs());
        assert!((found.to_f64() - expected).abs() <= slack, "quantile {probability}: {found:?}, expected {expected}");
    }
}

/// Random elements of a type: anything of 8 bits and less, else weights with some special values.
fn random_elements(dtype: Dtype, count: usize, random: &mut Random) -> Vec<u8> {
    let mut stored = Vec::new();
    for index in 0..count {
        let word = random.word();
        let weight = random.normal() * 0.02;
        let special = word % 97 == 0;
        match dtype {
            Dtype::F64 if special => {
                stored.extend([f64::NAN, f64::INFINITY, -0.0, 5e-324, f64::NEG_INFINITY][index % 5].to_le_bytes())
            }
            Dtype::F64 => stored.extend(weight.to_le_bytes()),
            Dtype::F32 if special => {
                stored.extend([f32::NAN, f32::INFINITY, -0.0, 1e-45, f32::NEG_INFINITY][index % 5].to_le_bytes())
            }
            Dtype::F32 => stored.extend((weight as f32).to_le_bytes()),
            Dtype::F16 if !special => stored.extend(half::f16::from_f64(weight).to_le_bytes()),
            Dtype::BF16 if !special => stored.extend(half::bf16::from_f64(weight).to_le_bytes()),
            Dtype::F4 if index % 2 == 1 => {}
            _ => stored.extend_from_slice(&word.to_le_bytes()[..dtype.width()]),
        }
    }
    stored
}

#[test]
fn every_type_equals_the_two_pass_reference() {
    let mut random = Random(1);
    for dtype in Dtype::ALL {
        for count in [1, 2, 30, 1000, 300_000] {
            let count = if dtype == Dtype::F4 { count + count % 2 } else { count };
            let stored = random_elements(dtype, count, &mut random);
            let (_file, expression) = store(&stored, dtype, &[count as u64]);
            check(&compute(&expression, 2), dtype, &codes(dtype, &stored));
        }
    }
}

#[test]
fn every_code_of_the_narrow_types_is_counted() {
    for dtype in Dtype::ALL.into_iter().filter(|dtype| dtype.width() <= 2) {
        let stored: Vec<u8> = match dtype.width() {
            1 => (0..=255).collect(),
            _ => (0..=u16::MAX).flat_map(u16::to_le_bytes).collect(),
        };
        let all = codes(dtype, &stored);
        let (_file, expression) = store(&stored, dtype, &[all.len() as u64]);
        check(&compute(&expression, 1), dtype, &all);
    }
}

/// Large tensors, which take the one-pass way, of shapes that mislead samples, pivots and scales.
fn large(name: &str, count: usize) -> Vec<f64> {
    let mut random = Random(42);
    (0..count)
        .map(|index| {
            let x = random.normal();
            let share = index as f64 / count as f64;
            match name {
                "normal" => x * 0.02,
                "shifted" => 1.0 + x * 0.01,
                "constant" => 0.3,
                "two values" => 0.0213f64.copysign(x),
                "sparse" => {
                    if random.word() % 100 == 0 {
                        x
                    } else {
                        0.0
                    }
                }
                "heavy tails" => x / (random.normal() + 1e-3),
                "trend" => (2.0 * share - 1.0).powi(3),
                "subnormal" => x * 1e-39,
                "outlier" => {
                    if index == 5 {
                        3e38
                    } else {
                        x
                    }
                }
                "blocks" => (index / 4096 % 997) as f64 - 400.0,
                "not finite" => match index % 1000 {
                    0 => f64::NAN,
                    1 => f64::INFINITY,
                    2 if index % 3000 == 2 => f64::NEG_INFINITY,
                    _ => x,
                },
                "nothing finite" => f64::NAN,
                _ => unreachable!("{name}"),
            }
        })
        .collect()
}

const LARGE: [&str; 12] = [
    "normal",
    "shifted",
    "constant",
    "two values",
    "sparse",
    "heavy tails",
    "trend",
    "subnormal",
    "outlier",
    "blocks",
    "not finite",
    "nothing finite",
];

fn encode(dtype: Dtype, values: &[f64]) -> Vec<u8> {
    let bytes = |x: &f64| -> Vec<u8> {
        match dtype {
            Dtype::F64 => x.to_le_bytes().to_vec(),
            Dtype::F32 => (*x as f32).to_le_bytes().to_vec(),
            Dtype::F16 => half::f16::from_f64(*x).to_le_bytes().to_vec(),
            _ => half::bf16::from_f64(*x).to_le_bytes().to_vec(),
        }
    };
    values.iter().flat_map(bytes).collect()
}

#[test]
fn large_tensors_equal_the_two_pass_reference() {
    for name in LARGE {
        let values = large(name, (1 << 20) + 1237);
        for dtype in [Dtype::F32, Dtype::BF16, Dtype::F16] {
            let stored = encode(dtype, &values);
            let (_file, expression) = store(&stored, dtype, &[values.len() as u64]);
            println!("{name} {dtype:?}");
            check(&compute(&expression, 2), dtype, &codes(dtype, &stored));
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for name in ["normal", "outlier", "not finite"] {
        let values = large(name, (1 << 21) + 77);
        for dtype in [Dtype::F64, Dtype::F32, Dtype::BF16, Dtype::F16] {
            let stored = encode(dtype, &values);
            let (_file, expression) = store(&stored, dtype, &[values.len() as u64]);
            let answers = [1, 2, 5].map(|threads| {
                let mut answer = compute(&expression, threads);
                assert_eq!(answer.how.threads, threads as u64);
                answer.how.threads = 0;
                serde_json::to_string(&answer).unwrap()
            });
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{name} {dtype:?}: {answers:?}");
        }
    }
}

#[test]
fn large_integers_are_exact() {
    let values = [i64::MIN, i64::MAX, (1 << 53) + 1, 0];
    let stored: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let (_file, expression) = store(&stored, Dtype::I64, &[4]);
    let answer = serde_json::to_value(compute(&expression, 1)).unwrap();
    assert_eq!(answer["min"], "-9223372036854775808");
    assert_eq!(answer["max"], "9223372036854775807");
    assert_eq!(answer["maxAbs"], "9223372036854775808");
    let (_file, expression) = store(&[0xff; 16], Dtype::U64, &[2]);
    let answer = serde_json::to_value(compute(&expression, 1)).unwrap();
    assert_eq!((&answer["min"], &answer["standardDeviation"]), (&"18446744073709551615".into(), &0.0.into()));
}

#[test]
fn doubles_at_the_ends_of_their_range_keep_their_moments() {
    for unit in [1e300, 1e-300] {
        let stored: Vec<u8> = (1..=100).flat_map(|i| (f64::from(i) * unit).to_le_bytes()).collect();
        let (_file, expression) = store(&stored, Dtype::F64, &[100]);
        let answer = compute(&expression, 1);
        // 1 … n: variance (n² − 1)/12, kurtosis 3(3n² − 7)/(5(n² − 1)).
        assert!(close(answer.mean, 50.5 * unit) && close(answer.standard_deviation, (9999f64 / 12.0).sqrt() * unit));
        assert!(close(answer.kurtosis, 3.0 / 5.0 * (3.0 * 10_000.0 - 7.0) / 9999.0));
        assert!(close(answer.l2, (100.0 * 101.0 * 201.0 / 6.0f64).sqrt() * unit));
    }
}

#[test]
fn a_tensor_without_elements_has_counts_of_zero() {
    let (_file, expression) = store(&[], Dtype::F32, &[3, 0, 5]);
    let answer = serde_json::to_value(compute(&expression, 2)).unwrap();
    assert_eq!((&answer["count"], &answer["finite"]), (&0.into(), &0.into()));
    assert_eq!((&answer["min"], &answer["mean"], &answer["l1"]), (&"NaN".into(), &"NaN".into(), &0.0.into()));
}

/// A shape, and a walk over it: which slice of each axis, and the order of the axes.
fn views() -> impl Strategy<Value = (Vec<u64>, Vec<(u64, u64)>, Vec<u64>)> {
    prop::collection::vec(1u64..6, 1..5).prop_flat_map(|shape| {
        let slices: Vec<_> =
            shape.iter().map(|&len| (0..=len, 0..=len).prop_map(|(a, b)| (a.min(b), a.max(b)))).collect();
        let order: Vec<u64> = (0..shape.len() as u64).collect();
        (Just(shape), slices, Just(order).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn views_hold_the_elements_that_index_arithmetic_says(
        (shape, slices, order) in views(),
        dtype in prop::sample::select(Dtype::ALL.to_vec()),
        seed in 1u64..,
    ) {
        let count: u64 = shape.iter().product();
        prop_assume!(dtype != Dtype::F4 || count % 2 == 0);
        let stored = random_elements(dtype, count as usize, &mut Random(seed));
        let all = codes(dtype, &stored);
        let (_file, mut expression) = store(&stored, dtype, &shape);
        for (axis, (start, stop)) in slices.iter().enumerate() {
            expression = slice(expression, axis as u64, *start, *stop);
        }
        expression = permute(expression, &order);
        // The elements in the view's order, index by index.
        let lens: Vec<u64> = order.iter().map(|&axis| slices[axis as usize].1 - slices[axis as usize].0).collect();
        let total: u64 = lens.iter().product();
        let element = |mut position: u64| {
            let mut index = vec![0; shape.len()];
            for (&axis, &len) in order.iter().zip(&lens).rev() {
                index[axis as usize] = slices[axis as usize].0 + position % len;
                position /= len;
            }
            let flat = index.iter().zip(&shape).fold(0, |flat, (index, len)| flat * len + index);
            all[flat as usize]
        };
        let expected: Vec<u64> = (0..total).map(element).collect();
        let flat = reshape(expression, &[total]);
        let tensor = Tensor::open(&flat, Access::Random).unwrap();
        let found = tensor.reader().elements(0, total as usize).unwrap().to_vec();
        let width = dtype.width();
        let found: Vec<u64> = found.chunks_exact(width).map(|e| e.iter().rev().fold(0, |c, b| c << 8 | u64::from(*b))).collect();
        prop_assert_eq!(&found, &expected);
        check(&compute(&flat, 1), dtype, &expected);
    }
}
