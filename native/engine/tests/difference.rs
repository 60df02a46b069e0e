//! Differences of two tensors against a plain loop in f64, closed forms and properties.

mod common;

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{TempFile, permute, range, reshape, slice, store};
use proptest::prelude::*;
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::difference::difference;
use weight_loupe_engine::error::{Code, Error};
use weight_loupe_engine::numeric::Numeric;
use weight_loupe_engine::protocol::{DifferenceDetail, DifferenceLines, DifferenceResult, Expression};
use weight_loupe_engine::source::{Access, Method};
use weight_loupe_engine::tensor::{Dtype, Tensor};

fn open(expression: &Expression) -> Tensor {
    Tensor::open(expression, Access::Sequential).unwrap()
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce(&Context) -> T + Send) -> T {
    let cancel = CancelToken::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| work(&Context::quiet(&cancel, threads)))
}

/// The answer at several numbers of threads, which must be the same but for what it says about them.
fn compare_in(
    a: &Expression,
    b: &Expression,
    tolerance: f64,
    detail: Option<DifferenceDetail>,
) -> Result<DifferenceResult, Error> {
    let (a, b) = (open(a), open(b));
    let mut answers =
        [1, 2, 5].map(|threads| on_threads(threads, |context| difference(&a, &b, tolerance, detail, context)));
    for answer in answers.iter_mut().flatten() {
        answer.how.threads = 0;
    }
    let [one, two, five] = answers;
    let text =
        |answer: &Result<DifferenceResult, Error>| answer.as_ref().map(|a| serde_json::to_string(a).unwrap()).ok();
    assert_eq!(text(&one), text(&two));
    assert_eq!(text(&one), text(&five));
    one
}

fn compare(a: &Expression, b: &Expression) -> DifferenceResult {
    compare_in(a, b, 0.0, None).unwrap()
}

/// What a loop over the pairs finds, `exact` where values are integers.
#[derive(Debug, Default)]
struct Naive {
    compared: u64,
    norm: f64,
    l2: [f64; 2],
    dot: f64,
    sum_abs: f64,
    max_abs: f64,
    max_at: Option<u64>,
    differing: u64,
    beyond: u64,
    sign_flips: u64,
    non_finite: [[u64; 3]; 2],
}

fn naive(a: &[f64], b: &[f64], tolerance: f64) -> Naive {
    let mut naive = Naive::default();
    for (index, (&x, &y)) in (0..).zip(a.iter().zip(b)) {
        naive.differing += u64::from(x.to_bits() != y.to_bits() && !(x.is_nan() && y.is_nan()));
        for (side, value) in [x, y].into_iter().enumerate() {
            naive.non_finite[side][0] += u64::from(value.is_nan());
            naive.non_finite[side][1] += u64::from(value == f64::INFINITY);
            naive.non_finite[side][2] += u64::from(value == f64::NEG_INFINITY);
        }
        if !(x.is_finite() && y.is_finite()) {
            continue;
        }
        let d = y - x;
        naive.compared += 1;
        naive.norm += d * d;
        naive.l2[0] += x * x;
        naive.l2[1] += y * y;
        naive.dot += x * y;
        naive.sum_abs += d.abs();
        if naive.max_at.is_none() || d.abs() > naive.max_abs {
            (naive.max_abs, naive.max_at) = (d.abs(), Some(index));
        }
        naive.beyond += u64::from(d.abs() > tolerance * x.abs().max(y.abs()));
        naive.sign_flips += u64::from(x < 0.0 && y > 0.0 || x > 0.0 && y < 0.0);
    }
    naive.norm = naive.norm.sqrt();
    naive.l2 = naive.l2.map(f64::sqrt);
    naive
}

/// Fails unless the answer is the naive one: counts and positions exactly, sums within `share` of their terms' size.
fn assert_is(found: &DifferenceResult, naive: &Naive, share: f64) {
    let near = |what: &str, a: Numeric, b: f64, size: f64| {
        assert!((a.to_f64() - b).abs() <= share * size.abs(), "{what}: {a:?} {b}\n{found:?}\n{naive:?}");
    };
    near("norm", found.norm, naive.norm, naive.norm);
    near("a", found.a.l2, naive.l2[0], naive.l2[0]);
    near("b", found.b.l2, naive.l2[1], naive.l2[1]);
    near("dot", found.dot, naive.dot, naive.l2[0] * naive.l2[1]);
    near("sum", found.sum_abs, naive.sum_abs, naive.sum_abs);
    let sides = [&found.a, &found.b].map(|side| [side.nan, side.positive_infinity, side.negative_infinity]);
    assert_eq!(sides, naive.non_finite);
    let counts =
        (found.compared, found.differing, found.beyond, found.sign_flips, found.max_at, found.max_abs.to_f64());
    let expected = (naive.compared, naive.differing, naive.beyond, naive.sign_flips, naive.max_at, naive.max_abs);
    assert_eq!(counts, expected);
}

fn values(dtype: Dtype, stored: &[u8]) -> Vec<f64> {
    common::codes(dtype, stored).into_iter().map(|code| common::value(dtype, code)).collect()
}

/// Elements of every kind; of F64 none whose squares leave its range, of integers none that f64 rounds.
fn any_elements(dtype: Dtype, count: usize, random: &mut common::Random) -> Vec<u8> {
    let bytes = (count as u64 * dtype.bits()).div_ceil(8) as usize;
    let mut stored: Vec<u8> = (0..bytes.div_ceil(8)).flat_map(|_| random.word().to_le_bytes()).take(bytes).collect();
    match dtype {
        Dtype::F64 => stored.chunks_exact_mut(8).for_each(|x| {
            let value = match random.word() % 9 {
                0 => f64::NAN,
                1 => f64::NEG_INFINITY,
                2 => -0.0,
                _ => random.normal(),
            };
            x.copy_from_slice(&value.to_le_bytes());
        }),
        Dtype::I64 | Dtype::U64 => stored.chunks_exact_mut(8).for_each(|x| x[6..].fill(0)),
        _ => {}
    }
    stored
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_two_types(
        a in proptest::sample::select(Dtype::ALL.to_vec()),
        b in proptest::sample::select(Dtype::ALL.to_vec()),
        half in 0usize..1500,
        seed: u64,
        alike in 0u64..4,
        tolerance in prop_oneof![Just(0.0), 0.0f64..1.5],
    ) {
        let count = 2 * half;
        let mut random = common::Random(seed | 1);
        let x = any_elements(a, count, &mut random);
        let mut y = any_elements(b, count, &mut random);
        if a == b && alike > 0 {
            // Most elements the same.
            let width = a.width();
            y.chunks_mut(width).zip(x.chunks(width)).filter(|_| random.word() % 4 < alike).for_each(|(y, x)| y.copy_from_slice(x));
        }
        let (_x, first) = store(&x, a, &[count as u64]);
        let (_y, second) = store(&y, b, &[half as u64, 2]);
        let found = compare_in(&first, &second, tolerance, None).unwrap();
        prop_assert_eq!(found.count, count as u64);
        assert_is(&found, &naive(&values(a, &x), &values(b, &y), tolerance), 1e-11);
    }
}

/// Large enough for the kernels: noise, and in some blocks what these leave to f64; with `extremes` also magnitudes whose squares
/// f32 does not hold, beside which the others count for nothing in the sums.
fn large(dtype: Dtype, seed: u64, extremes: bool) -> [Vec<u8>; 2] {
    const COUNT: usize = (1 << 19) + 777;
    let mut random = common::Random(seed);
    let mut sides = [Vec::new(), Vec::new()];
    for index in 0..COUNT {
        let x = random.normal();
        let y = if index % 3 == 0 { x } else { x + 0.01 * random.normal() };
        let scale = match index / 10_000 {
            3 => 1e-30,
            7 if extremes => 1e25,
            _ => 1.0,
        };
        let pair = match index {
            50_001 => [f64::NAN, f64::NAN],
            50_002 => [f64::INFINITY, 1.0],
            90_000 => [0.0, f64::NEG_INFINITY],
            120_000..125_000 => [0.0, -0.0],
            130_000..140_000 => [0.0, 0.0],
            150_000..160_000 => [x, -y],
            170_000..200_000 => [0.5, 0.75],
            _ => [x * scale, y * scale],
        };
        for (side, value) in sides.iter_mut().zip(pair) {
            match dtype {
                Dtype::BF16 => side.extend(half::bf16::from_f64(value).to_le_bytes()),
                Dtype::F16 => side.extend(half::f16::from_f64(value).to_le_bytes()),
                _ => side.extend((value as f32).to_le_bytes()),
            }
        }
    }
    sides
}

#[test]
fn the_kernels_find_what_the_loop_finds() {
    for (dtype, extremes) in [Dtype::BF16, Dtype::F16, Dtype::F32].into_iter().flat_map(|d| [(d, false), (d, true)]) {
        let [x, y] = large(dtype, 3, extremes);
        let count = (x.len() / dtype.width()) as u64;
        let ((_x, a), (_y, b)) = (store(&x, dtype, &[count]), store(&y, dtype, &[count]));
        let values = [&x, &y].map(|side| values(dtype, side));
        for tolerance in [0.0, 1.0 / 256.0, 0.004, 0.1, 0.3333] {
            let found = compare_in(&a, &b, tolerance, None).unwrap();
            // The loop itself rounds half a million times.
            let share = if dtype == Dtype::F32 { 1e-11 } else { 1e-7 };
            assert_is(&found, &naive(&values[0], &values[1], tolerance), share);
        }
        // Every element the same.
        let found = compare(&a, &a);
        assert_eq!((found.norm.to_f64(), found.differing, found.beyond, found.max_abs.to_f64()), (0.0, 0, 0, 0.0));
        // The same numbers in a wider type, which the kernels do not read.
        let wide: Vec<u8> = values[1].iter().flat_map(|value| value.to_le_bytes()).collect();
        let (_wide, wide) = store(&wide, Dtype::F64, &[count]);
        let (narrow, wide) = (compare(&a, &b), compare(&a, &wide));
        assert_eq!(
            (narrow.differing, narrow.max_at, narrow.sign_flips),
            (wide.differing, wide.max_at, wide.sign_flips)
        );
    }
}

/// Of ties the first counts, wherever tiles and blocks begin.
#[test]
fn the_first_of_the_largest_is_told() {
    for dtype in [Dtype::BF16, Dtype::F32] {
        let count = 1u64 << 19;
        let encode = |value: f32| match dtype {
            Dtype::BF16 => half::bf16::from_f32(value).to_le_bytes().to_vec(),
            _ => value.to_le_bytes().to_vec(),
        };
        let zeros = vec![0; count as usize * dtype.width()];
        let (_a, a) = store(&zeros, dtype, &[count]);
        for first in [0, 4095, 4096, 300_000, count - 1] {
            let mut stored = zeros.clone();
            for at in [first, (first + 70_000).min(count - 1), count - 1] {
                let at = at as usize * dtype.width();
                stored[at..at + dtype.width()].copy_from_slice(&encode(-2.5));
            }
            let (_b, b) = store(&stored, dtype, &[count]);
            let found = compare(&a, &b);
            assert_eq!((found.max_abs.to_f64(), found.max_at), (2.5, Some(first)), "{dtype:?}");
        }
        // f32 cannot tell 1 from 1 + 2⁻³⁰ in these differences; the position is that of the larger all the same.
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for index in 0..count {
            x.extend(encode(if index == 400_000 { -2f32.powi(-30) } else { 0.0 }));
            y.extend(encode(1.0));
        }
        let ((_x, a), (_y, b)) = (store(&x, dtype, &[count]), store(&y, dtype, &[count]));
        let found = compare(&a, &b);
        assert_eq!((found.max_abs.to_f64(), found.max_at), (1.0 + 2f64.powi(-30), Some(400_000)), "{dtype:?}");
    }
}

#[test]
fn closed_forms() {
    // a = 1, b = −3: Δ = −4 everywhere.
    for (dtype, one, other) in [
        (Dtype::BF16, half::bf16::ONE.to_le_bytes().to_vec(), half::bf16::from_f32(-3.0).to_le_bytes().to_vec()),
        (Dtype::F16, half::f16::ONE.to_le_bytes().to_vec(), half::f16::from_f32(-3.0).to_le_bytes().to_vec()),
        (Dtype::F32, 1f32.to_le_bytes().to_vec(), (-3f32).to_le_bytes().to_vec()),
        (Dtype::I8, vec![1], vec![253]),
    ] {
        let count = 1u64 << 20;
        let [(_a, a), (_b, b)] = [one, other].map(|element| store(&element.repeat(count as usize), dtype, &[count]));
        let found = compare(&a, &b);
        let n = count as f64;
        assert_eq!(found.norm.to_f64(), 4.0 * n.sqrt());
        assert_eq!((found.a.l2.to_f64(), found.b.l2.to_f64()), (n.sqrt(), 3.0 * n.sqrt()));
        assert_eq!((found.dot.to_f64(), found.sum_abs.to_f64()), (-3.0 * n, 4.0 * n));
        assert_eq!((found.max_abs.to_f64(), found.max_at), (4.0, Some(0)));
        assert_eq!((found.differing, found.beyond, found.sign_flips), (count, count, count));
    }
}

fn doubles(values: &[f64]) -> (TempFile, Expression) {
    store(&values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>(), Dtype::F64, &[values.len() as u64])
}

#[test]
fn squares_beyond_f64_do_not_leave_its_range() {
    for scale in [1e200, 1e-200, 1e-320, 1e300] {
        let ((_a, a), (_b, b)) = (doubles(&[3.0 * scale, 0.0, -scale]), doubles(&[0.0, 4.0 * scale, -scale]));
        let found = compare(&a, &b);
        let near = |x: Numeric, y: f64| assert!((x.to_f64() / scale - y).abs() < 1e-3, "{scale}: {x:?} {y}");
        near(found.norm, 5.0);
        near(found.a.l2, 10f64.sqrt());
        near(found.b.l2, 17f64.sqrt());
        near(found.sum_abs, 7.0);
        near(found.max_abs, 4.0);
    }
    // A small change of large elements, and a difference that is itself beyond f64.
    let ((_a, a), (_b, b)) = (doubles(&[1.0, 1e-180]), doubles(&[1.0, 3e-180]));
    let found = compare(&a, &b);
    assert!((found.norm.to_f64() / 2e-180 - 1.0).abs() < 1e-12 && found.a.l2.to_f64() == 1.0, "{found:?}");
    let ((_a, a), (_b, b)) = (doubles(&[f64::MAX]), doubles(&[-f64::MAX]));
    let found = compare(&a, &b);
    assert_eq!((found.max_abs.to_f64(), found.a.l2.to_f64(), found.compared), (f64::INFINITY, f64::MAX, 1));
}

#[test]
fn integers_of_64_bits_differ_in_their_last_bit() {
    let of = |values: [u64; 3], dtype| store(&values.map(u64::to_le_bytes).concat(), dtype, &[3]);
    let big = 1u64 << 62;
    let ((_a, a), (_b, b)) = (of([big, big + 1, 7], Dtype::I64), of([big + 1, big + 1, 7], Dtype::U64));
    let found = compare(&a, &b);
    assert_eq!((found.differing, found.norm.to_f64(), found.max_at), (1, 1.0, Some(0)));
    let ((_a, a), (_b, b)) = (of([u64::MAX, 0, 0], Dtype::I64), of([u64::MAX, 0, 0], Dtype::U64));
    assert_eq!(compare(&a, &b).max_abs.to_f64(), 2f64.powi(64));
}

#[test]
fn views_are_compared_in_row_major_order() {
    let mut random = common::Random(11);
    let (rows, columns) = (90u64, 130u64);
    let x: Vec<f64> = (0..rows * columns).map(|_| random.normal()).collect();
    let y: Vec<f64> = x.iter().map(|x| x + 0.1 * random.normal()).collect();
    let (_a, a) = doubles(&x);
    let turned: Vec<f64> = (0..rows * columns).map(|i| y[(i % rows * columns + i / rows) as usize]).collect();
    let (_b, b) = doubles(&turned);
    let b = permute(reshape(b, &[columns, rows]), &[1, 0]);
    assert_is(&compare(&a, &b), &naive(&x, &y, 0.0), 1e-12);
    let (from, to) = (columns as usize * 7, columns as usize * 40);
    let parts = [slice(reshape(a, &[rows, columns]), 0, 7, 40), slice(b, 0, 7, 40)];
    assert_is(&compare(&parts[0], &parts[1]), &naive(&x[from..to], &y[from..to], 0.0), 1e-12);
    // A combination and computed values.
    let half = Expression::Combination { of: parts.to_vec(), coefficients: vec![0.5, 0.5] };
    let mean: Vec<f64> = (from..to).map(|i| 0.5 * x[i] + 0.5 * y[i]).collect();
    assert_is(&compare(&half, &parts[1]), &naive(&mean, &y[from..to], 0.0), 1e-12);
    let operation = serde_json::from_value(serde_json::json!({ "name": "scale", "factor": 3 })).unwrap();
    let tripled = Expression::Compute { operation, of: vec![parts[0].clone()] };
    let expected: Vec<f64> = x[from..to].iter().map(|x| 3.0 * x).collect();
    assert_is(&compare(&half, &tripled), &naive(&mean, &expected, 0.0), 1e-12);
}

fn decoded(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    for group in text.as_bytes().chunks(4) {
        let digits: Vec<u32> =
            group.iter().filter_map(|c| ALPHABET.iter().position(|a| a == c)).map(|at| at as u32).collect();
        let bits = digits.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - digits.len()));
        bytes.extend(&bits.to_be_bytes()[1..digits.len()]);
    }
    bytes
}

/// Squares, reference and differing elements of lines.
fn lines(lines: &DifferenceLines) -> Vec<(f64, f64, u32)> {
    let f64s = |text: &str| -> Vec<f64> {
        decoded(text).chunks_exact(8).map(|x| f64::from_le_bytes(x.try_into().unwrap())).collect()
    };
    let counts = decoded(&lines.differing);
    let counts = counts.chunks_exact(4).map(|x| u32::from_le_bytes(x.try_into().unwrap()));
    let all: Vec<_> = f64s(&lines.squares).into_iter().zip(f64s(&lines.reference)).zip(counts).collect();
    assert_eq!(all.len() as u64, lines.count);
    all.into_iter().map(|((squares, reference), differing)| (squares, reference, differing)).collect()
}

/// A matrix of F32 with changes in some elements, NaN and infinities in some others.
fn changed_matrix(count: usize, seed: u64) -> [Vec<f64>; 2] {
    let mut random = common::Random(seed | 1);
    let mut sides = [Vec::with_capacity(count), Vec::with_capacity(count)];
    for _ in 0..count {
        let x = random.normal() as f32;
        let y = if random.word() % 3 == 0 { x } else { x + 10f32.powi((random.word() % 9) as i32 - 6) * x };
        let (x, y) = match random.word() % 500 {
            0 => (f32::NAN, y),
            1 => (x, f32::INFINITY),
            2 => (0.0, -0.0),
            _ => (x, y),
        };
        sides[0].push(f64::from(x));
        sides[1].push(f64::from(y));
    }
    sides
}

fn assert_detail([x, y]: &[Vec<f64>; 2], detail: DifferenceDetail) {
    let stored = |side: &[f64]| -> Vec<u8> { side.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect() };
    let count = x.len() as u64;
    let ((_a, a), (_b, b)) = (store(&stored(x), Dtype::F32, &[count]), store(&stored(y), Dtype::F32, &[count]));
    let found = compare_in(&a, &b, 0.0, Some(detail)).unwrap();
    assert_is(&found, &naive(x, y, 0.0), 1e-11);
    let columns = count.checked_div(detail.rows).unwrap_or(0);
    let finite = |i: usize| x[i].is_finite() && y[i].is_finite();
    let delta = |i: usize| if finite(i) { y[i] - x[i] } else { 0.0 };
    let line = |positions: &mut dyn Iterator<Item = usize>| {
        positions.fold((0.0, 0.0, 0), |(squares, reference, differing), i| {
            let reference = reference + if finite(i) { x[i] * x[i] } else { 0.0 };
            let differs = x[i].to_bits() != y[i].to_bits() && !(x[i].is_nan() && y[i].is_nan());
            (squares + delta(i) * delta(i), reference, differing + u32::from(differs))
        })
    };
    let near = |found: Vec<(f64, f64, u32)>, expected: Vec<(f64, f64, u32)>| {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(&expected) {
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-11 * b;
            assert!(close(a.0, b.0) && close(a.1, b.1) && a.2 == b.2, "{a:?} {b:?}");
        }
    };
    let (r, c) = (detail.rows as usize, columns as usize);
    near(lines(found.rows.as_ref().unwrap()), (0..r).map(|row| line(&mut (row * c..(row + 1) * c))).collect());
    near(
        lines(found.columns.as_ref().unwrap()),
        (0..c).map(|column| line(&mut (column..x.len()).step_by(c))).collect(),
    );

    let histogram = found.histogram.unwrap();
    let bins = histogram.negative.len() as i32;
    let edge = |bin: i32| 10f64.powf(histogram.min_exponent as f64 + f64::from(bin) / detail.bins_per_decade as f64);
    for (counts, sign) in [(&histogram.negative, -1.0), (&histogram.positive, 1.0)] {
        // Elements within rounding of an edge may be on either side of it here.
        let below =
            |limit: f64| (0..x.len()).filter(|&i| delta(i) * sign > 0.0 && delta(i).abs() < limit).count() as u64;
        let mut total = 0;
        for (bin, counted) in (0..bins).zip(counts) {
            total += counted;
            let limit = edge(bin + 1);
            assert!((below(limit * (1.0 - 1e-12))..=below(limit * (1.0 + 1e-12))).contains(&total), "{bin}");
        }
        assert_eq!(total, below(f64::INFINITY));
    }
    let unchanged = (0..x.len()).filter(|&i| finite(i) && delta(i) == 0.0).count() as u64;
    assert_eq!(histogram.zeros, unchanged);

    let mut blocks: Vec<(u64, u64, f64, f64)> = (0..r)
        .flat_map(|row| {
            (0..c)
                .step_by(detail.block as usize)
                .map(move |start| (row * c + start, (c - start).min(detail.block as usize)))
        })
        .map(|(start, length)| {
            let (squares, reference, _) = line(&mut (start..start + length));
            (start as u64, length as u64, squares.sqrt(), (squares / reference).sqrt())
        })
        .filter(|block| block.2 > 0.0)
        .collect();
    blocks.sort_by(|p, q| q.2.total_cmp(&p.2));
    let worst = found.worst_blocks.unwrap();
    assert_eq!(worst.len(), blocks.len().min(16));
    for (found, expected) in worst.iter().zip(&blocks) {
        assert_eq!((found.start, found.length), (expected.0, expected.1));
        assert!((found.norm.to_f64() / expected.2 - 1.0).abs() < 1e-11);
        assert!((found.relative.to_f64() - expected.3).abs() <= 1e-11 * expected.3);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn detail_is_what_the_loop_finds(rows in 1u64..80, columns in 1u64..400, bins_per_decade in 1u64..=64, block in 1u64..500, seed: u64) {
        let sides = changed_matrix((rows * columns) as usize, seed);
        assert_detail(&sides, DifferenceDetail { rows, bins_per_decade, block });
    }
}

/// Rows that are cut into runs of columns, and one line either way.
#[test]
fn detail_of_long_rows_and_columns() {
    for (rows, columns, block) in
        [(9, 70_001, 100), (2, 300_000, 65_536), (1, 150_000, 7), (150_000, 1, 32), (70_000, 3, 2)]
    {
        assert_detail(
            &changed_matrix(rows * columns, 5),
            DifferenceDetail { rows: rows as u64, bins_per_decade: 8, block },
        );
    }
}

/// Magnitudes at the ends of f64's range have their bins.
#[test]
fn the_histogram_holds_every_magnitude() {
    let changes = [5e-324, -1e-310, 1e-200, 0.0, -1.0, 1e300, f64::MAX];
    let ((_a, a), (_b, b)) = (doubles(&[0.0; 7]), doubles(&changes));
    let detail = DifferenceDetail { rows: 7, bins_per_decade: 1, block: 1 };
    let histogram = compare_in(&a, &b, 0.0, Some(detail)).unwrap().histogram.unwrap();
    assert_eq!((histogram.min_exponent, histogram.zeros), (-324, 1));
    let bins = |counts: &[u64]| -> Vec<i64> {
        (0..).zip(counts).filter(|(_, count)| **count > 0).map(|(bin, _)| histogram.min_exponent + bin).collect()
    };
    assert_eq!(bins(&histogram.negative), [-310, 0]);
    assert_eq!(bins(&histogram.positive), [-324, -200, 300, 308]);
    let ((_a, a), (_b, b)) = (doubles(&[-f64::MAX]), doubles(&[f64::MAX]));
    let detail = DifferenceDetail { rows: 1, ..detail };
    assert_eq!(compare_in(&a, &b, 0.0, Some(detail)).unwrap().histogram.unwrap().positive, [1]);
}

#[test]
fn tensors_without_elements() {
    let ((_a, a), (_b, b)) = (store(&[], Dtype::BF16, &[3, 0]), store(&[], Dtype::F32, &[0]));
    for detail in [
        None,
        Some(DifferenceDetail { rows: 3, bins_per_decade: 4, block: 32 }),
        Some(DifferenceDetail { rows: 0, bins_per_decade: 4, block: 32 }),
    ] {
        let found = compare_in(&a, &b, 0.0, detail).unwrap();
        assert_eq!((found.count, found.compared, found.differing, found.max_at), (0, 0, 0, None));
        assert_eq!((found.norm.to_f64(), found.max_abs.to_f64(), found.dot.to_f64()), (0.0, 0.0, 0.0));
        if let Some(detail) = detail {
            assert_eq!(lines(&found.rows.unwrap()), vec![(0.0, 0.0, 0); detail.rows as usize]);
            assert_eq!((found.columns.unwrap().count, found.worst_blocks.unwrap().len()), (0, 0));
        }
    }
    // Nothing that is finite on both sides.
    let ((_a, a), (_b, b)) = (doubles(&[f64::NAN, 1.0]), doubles(&[1.0, f64::INFINITY]));
    let found = compare(&a, &b);
    assert_eq!((found.compared, found.differing, found.max_at, found.max_abs.to_f64()), (0, 2, None, 0.0));
}

#[test]
fn refuses_what_cannot_be_subtracted() {
    let ((_a, a), (_b, b)) = (store(&[0; 24], Dtype::F32, &[2, 3]), store(&[0; 10], Dtype::BF16, &[5]));
    let detail = DifferenceDetail { rows: 2, bins_per_decade: 4, block: 32 };
    for (b, tolerance, detail, reason) in [
        (&b, 0.0, None, "[2, 3] and [5] have 6 and 5"),
        (&a, -1.0, None, "tolerance"),
        (&a, f64::INFINITY, None, "tolerance"),
        (&a, 0.0, Some(DifferenceDetail { rows: 4, ..detail }), "no matrix of 4 rows"),
        (&a, 0.0, Some(DifferenceDetail { rows: 0, ..detail }), "no matrix of 0 rows"),
        (&a, 0.0, Some(DifferenceDetail { bins_per_decade: 0, ..detail }), "bins per decade"),
        (&a, 0.0, Some(DifferenceDetail { block: 0, ..detail }), "blocks"),
        (&a, 0.0, Some(DifferenceDetail { block: 65_537, ..detail }), "blocks"),
    ] {
        let error = compare_in(&a, b, tolerance, detail).unwrap_err();
        assert_eq!(error.code, Code::InvalidParams);
        assert!(error.message.contains(reason) && error.message.ends_with('.'), "{error}");
    }
    let file = TempFile::new(&[]);
    File::options().write(true).open(file.path()).unwrap().set_len(2 << 20).unwrap();
    let many = range(file.path(), 0, 2 << 20, Dtype::U8, &[2 << 20]);
    let error = compare_in(&many, &many, 0.0, Some(DifferenceDetail { rows: 2 << 20, ..detail })).unwrap_err();
    assert_eq!(error.code, Code::TooLarge);
    assert!(error.message.contains("2097152 rows and 1 columns"), "{error}");
}

const BYTES: u64 = 64 << 20;

/// Two sparse files of `BYTES`, and what is done to the second once the difference is under way.
fn interrupted(method: Method, threads: usize, detail: bool, interrupt: impl Fn(&File, &CancelToken) + Sync) -> Error {
    let files = [0, 1].map(|_| TempFile::new(&[]));
    let handles = files.each_ref().map(|file| File::options().write(true).open(file.path()).unwrap());
    handles.iter().for_each(|handle| handle.set_len(BYTES).unwrap());
    let [a, b] = files.each_ref().map(|file| {
        let expression = range(file.path(), 0, BYTES, Dtype::BF16, &[BYTES / 2]);
        Tensor::open_with(&expression, Access::Sequential, Some(method)).unwrap()
    });
    let begun = AtomicBool::new(false);
    let cancel = CancelToken::default();
    let progress = |_: u64, _: u64| {
        if !begun.swap(true, Ordering::Relaxed) {
            interrupt(&handles[1], &cancel);
        }
    };
    let detail = detail.then_some(DifferenceDetail { rows: 4096, bins_per_decade: 4, block: 32 });
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| difference(&a, &b, 0.0, detail, &Context { cancel: &cancel, progress: &progress, threads }))
        .unwrap_err()
}

#[test]
fn a_file_cut_meanwhile_is_truncated_and_a_cancelled_request_ends() {
    for method in [Method::Map, Method::Read] {
        for (threads, detail) in [(1, false), (3, false), (2, true)] {
            let error = interrupted(method, threads, detail, |file, _| file.set_len(1 << 20).unwrap());
            assert_eq!((error.code, error.offset), (Code::Truncated, Some(1 << 20)), "{method:?}: {error}");
            assert!(error.message.contains("ends at byte 1048576"), "{error}");
            let error = interrupted(method, threads, detail, |_, cancel| cancel.cancel());
            assert_eq!(error.code, Code::Cancelled, "{error}");
        }
    }
}
