//! `match`: planted orders are found, nothing brings the units closer, and what is refused.

mod common;

use common::{Random, TempFile, store};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::{Code, Error};
use weight_loupe_engine::matching::matching;
use weight_loupe_engine::protocol::{Expression, MatchResult, MatchTerm, Operation};
use weight_loupe_engine::subspaces::subspaces;
use weight_loupe_engine::tensor::Dtype;

fn run_on(terms: &[MatchTerm], group: u64, threads: usize) -> Result<MatchResult, Error> {
    let cancel = CancelToken::default();
    matching(terms, group, &Context::quiet(&cancel, threads))
}

fn run(terms: &[MatchTerm], group: u64) -> MatchResult {
    run_on(terms, group, 1).expect("a match")
}

/// Rows of f64.
type Rows = Vec<Vec<f64>>;

fn normal(rows: usize, columns: usize, random: &mut Random) -> Rows {
    (0..rows).map(|_| (0..columns).map(|_| random.normal()).collect()).collect()
}

fn stored(rows: &Rows) -> (TempFile, Expression) {
    let bytes: Vec<u8> = rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    store(&bytes, Dtype::F64, &[rows.len() as u64, rows.first().map_or(0, Vec::len) as u64])
}

fn transposed(rows: &Rows) -> Rows {
    (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column]).collect()).collect()
}

/// An order without fixed rule.
fn shuffled(n: usize, random: &mut Random) -> Vec<u64> {
    let mut order: Vec<u64> = (0..n as u64).collect();
    (1..n).for_each(|i| order.swap(i, (random.word() >> 7) as usize % (i + 1)));
    order
}

fn in_order(rows: &Rows, order: &[u64]) -> Rows {
    order.iter().map(|&unit| rows[unit as usize].clone()).collect()
}

fn with_noise(rows: &Rows, scale: f64, random: &mut Random) -> Rows {
    rows.iter().map(|row| row.iter().map(|value| value + scale * random.normal()).collect()).collect()
}

fn distance(a: &Rows, b: &Rows) -> f64 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(x, y)| (x - y).powi(2)).sum()
}

fn term(a: &Expression, b: &Expression, axis: u64) -> MatchTerm {
    MatchTerm { a: a.clone(), b: b.clone(), axis }
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-12 * expected.abs()
}

#[test]
fn an_exact_order_is_found_and_leaves_nothing() {
    let mut random = Random(3);
    let a = normal(50, 40, &mut random);
    let order = shuffled(50, &mut random);
    let b = in_order(&a, &order);
    let ((_a, ea), (_b, eb)) = (stored(&a), stored(&b));
    let found = run(&[term(&ea, &eb, 0)], 1);
    assert_eq!(found.permutation, order);
    assert!(close(found.before.to_f64(), distance(&a, &b)));
    assert_eq!(found.after.to_f64(), 0.0);
    // As columns.
    let ((_a, ea), (_b, eb)) = (stored(&transposed(&a)), stored(&transposed(&b)));
    let found = run(&[term(&ea, &eb, 1)], 1);
    assert_eq!((found.permutation, found.after.to_f64()), (order, 0.0));
}

/// Hidden units of a gated MLP: rows of two matrices and columns of a third, in another order and with noise.
#[test]
fn an_order_under_noise_is_found_over_several_tensors() {
    let mut random = Random(11);
    let n = 64;
    let sides = [normal(n, 20, &mut random), normal(n, 9, &mut random), normal(n, 33, &mut random)];
    let order = shuffled(n, &mut random);
    let moved: Vec<Rows> = sides.iter().map(|a| with_noise(&in_order(a, &order), 0.3, &mut random)).collect();
    let files: Vec<_> = (0..3)
        .map(|i| {
            let turn = |rows: &Rows| if i == 2 { transposed(rows) } else { rows.clone() };
            (stored(&turn(&sides[i])), stored(&turn(&moved[i])))
        })
        .collect();
    let terms: Vec<_> = files.iter().enumerate().map(|(i, ((_, a), (_, b)))| term(a, b, u64::from(i == 2))).collect();
    let found = run(&terms, 1);
    assert_eq!(found.permutation, order);
    let before: f64 = sides.iter().zip(&moved).map(|(a, b)| distance(a, b)).sum();
    let after: f64 = sides.iter().zip(&moved).map(|(a, b)| distance(&in_order(a, &order), b)).sum();
    assert!(close(found.before.to_f64(), before) && close(found.after.to_f64(), after));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
    assert_eq!(pool.install(|| run_on(&terms, 1, 3)).expect("a match").after, found.after);
}

/// Units of four neighbouring rows, and the same of columns.
#[test]
fn heads_move_as_a_whole() {
    let mut random = Random(23);
    let (heads, width, inner) = (6, 4, 10);
    let a = normal(heads, width * inner, &mut random);
    let order = shuffled(heads, &mut random);
    let b = with_noise(&in_order(&a, &order), 0.1, &mut random);
    let rows = |side: &Rows| -> Rows { side.iter().flat_map(|head| head.chunks(inner).map(<[f64]>::to_vec)).collect() };
    let columns = |side: &Rows| transposed(&rows(side));
    let (a_rows, b_rows, a_columns, b_columns) = (rows(&a), rows(&b), columns(&a), columns(&b));
    let files = [stored(&a_rows), stored(&b_rows), stored(&a_columns), stored(&b_columns)];
    let terms = [term(&files[0].1, &files[1].1, 0), term(&files[2].1, &files[3].1, 1)];
    for terms in [&terms[..1], &terms[1..], &terms[..]] {
        assert_eq!(run(terms, width as u64).permutation, order);
    }
    let found = run(&terms, width as u64);
    assert!(close(found.after.to_f64(), 2.0 * distance(&in_order(&a, &order), &b)));
}

/// Of unrelated units no order is closer than the one that is found.
#[test]
fn no_order_brings_them_closer() {
    fn least(a: &Rows, b: &Rows, row: usize, free: &mut Vec<usize>) -> f64 {
        if free.is_empty() {
            return 0.0;
        }
        (0..free.len())
            .map(|at| {
                let unit = free.remove(at);
                let own: f64 = a[unit].iter().zip(&b[row]).map(|(x, y)| (x - y).powi(2)).sum();
                let all = own + least(a, b, row + 1, free);
                free.insert(at, unit);
                all
            })
            .fold(f64::INFINITY, f64::min)
    }
    let mut random = Random(31);
    for columns in [1, 2, 5] {
        for n in 1..=6 {
            let (a, b) = (normal(n, columns, &mut random), normal(n, columns, &mut random));
            let ((_a, ea), (_b, eb)) = (stored(&a), stored(&b));
            let found = run(&[term(&ea, &eb, 0)], 1);
            let expected = least(&a, &b, 0, &mut (0..n).collect());
            assert!(close(found.after.to_f64(), expected), "{n} × {columns}: {found:?}, {expected}");
            assert!(close(distance(&in_order(&a, &found.permutation), &b), expected));
        }
    }
}

#[test]
fn equal_units_stay_where_they_can() {
    let rows = |values: &[f64]| -> Rows { values.iter().map(|&value| vec![value, -value, 1.0]).collect() };
    let a = rows(&[7.0, 5.0, 0.0, 5.0, -0.0, 2.0]);
    for (b, expected) in [(a.clone(), [0, 1, 2, 3, 4, 5]), (rows(&[0.0, 5.0, 7.0, 2.0, 0.0, 5.0]), [2, 1, 0, 5, 4, 3])]
    {
        let ((_a, ea), (_b, eb)) = (stored(&a), stored(&b));
        let found = run(&[term(&ea, &eb, 0)], 1);
        assert_eq!((&found.permutation[..], found.after.to_f64()), (&expected[..], 0.0));
    }
    // Dead units on both sides, in other places, among units that differ by a little.
    let mut random = Random(41);
    let mut a = normal(40, 8, &mut random);
    (0..40).step_by(3).for_each(|unit| a[unit].fill(0.0));
    let order = shuffled(40, &mut random);
    let mut b = in_order(&a, &order);
    b.iter_mut().filter(|unit| unit[0] != 0.0).for_each(|unit| unit[2] += 1e-3);
    let ((_a, ea), (_b, eb)) = (stored(&a), stored(&b));
    let found = run(&[term(&ea, &eb, 0)], 1);
    for (place, (&found, &planted)) in found.permutation.iter().zip(&order).enumerate() {
        assert!(found == planted || a[found as usize] == a[planted as usize], "unit {place}");
    }
    assert!((found.after.to_f64() - 26e-6).abs() < 1e-12);
}

/// bfloat16 against the same values as f32.
#[test]
fn types_may_differ() {
    let mut random = Random(43);
    let values: Vec<half::bf16> = (0..30 * 7).map(|_| half::bf16::from_f64(random.normal())).collect();
    let order = shuffled(30, &mut random);
    let narrow: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let wide: Vec<u8> = order
        .iter()
        .flat_map(|&unit| &values[unit as usize * 7..(unit as usize + 1) * 7])
        .flat_map(|value| value.to_f32().to_le_bytes())
        .collect();
    let (_a, a) = store(&narrow, Dtype::BF16, &[30, 7]);
    let (_b, b) = store(&wide, Dtype::F32, &[30, 7, 1]);
    let found = run(&[term(&a, &b, 0)], 1);
    assert_eq!((found.permutation, found.after.to_f64()), (order, 0.0));
}

/// Sums of several computed tensors, whose memory is waited for while that of the products is held.
#[test]
fn computed_tensors_are_matched() {
    let mut random = Random(53);
    let a = normal(20, 6, &mut random);
    let order = shuffled(20, &mut random);
    let b = with_noise(&in_order(&a, &order), 0.01, &mut random);
    let ((_a, ea), (_b, eb)) = (stored(&a), stored(&b));
    let half = |of: &Expression, factor: f64| Expression::Compute {
        operation: Operation::Scale { factor },
        of: vec![of.clone()],
    };
    let sum = |of: &Expression| Expression::Combination {
        of: vec![half(of, 0.25), half(of, 0.5)],
        coefficients: vec![2.0, 1.0],
    };
    let found = run(&[term(&sum(&ea), &sum(&eb), 0)], 1);
    assert_eq!(found.permutation, order);
    assert!(close(found.after.to_f64(), distance(&in_order(&a, &order), &b)));
    let cancel = CancelToken::default();
    let same = subspaces(&sum(&ea), &ea, 3, &[], &Context::quiet(&cancel, 1)).expect("subspaces");
    assert!(same.left.iter().all(|cosine| (cosine.to_f64() - 1.0).abs() < 1e-12));
}

#[test]
fn what_cannot_be_matched_is_refused() {
    let mut random = Random(47);
    let (a, b) = (normal(6, 4, &mut random), normal(6, 4, &mut random));
    let (files, narrow) = ((stored(&a), stored(&b)), stored(&normal(6, 3, &mut random)));
    let (ea, eb) = (&files.0.1, &files.1.1);
    let refused = |terms: &[MatchTerm], group: u64| run_on(terms, group, 1).expect_err("a refusal").code;
    assert_eq!(refused(&[], 1), Code::InvalidParams);
    assert_eq!(refused(&[term(ea, &narrow.1, 0)], 1), Code::InvalidParams);
    assert_eq!(refused(&[term(ea, eb, 2)], 1), Code::InvalidParams);
    for group in [0, 4] {
        assert_eq!(refused(&[term(ea, eb, 0)], group), Code::InvalidParams);
    }
    assert_eq!(refused(&[term(ea, eb, 0), term(ea, eb, 1)], 1), Code::InvalidParams);
    for value in [f64::NAN, f64::INFINITY] {
        let mut broken = b.clone();
        broken[2][1] = value;
        let (_file, broken) = stored(&broken);
        let error = run_on(&[term(ea, &broken, 0)], 1, 1).expect_err("a refusal");
        assert_eq!(error.code, Code::Undefined);
        assert!(error.message.contains("not finite"), "{}", error.message);
    }
    let huge: Rows = b.iter().map(|row| row.iter().map(|value| value * 1e300).collect()).collect();
    let (_file, huge) = stored(&huge);
    let (_other, other) = stored(&a.iter().map(|row| row.iter().map(|value| value * 1e300).collect()).collect());
    assert_eq!(refused(&[term(&huge, &other, 0)], 1), Code::Undefined);
    // Two million units that are not the same on both sides.
    let bytes: Vec<u8> = (0..1u32 << 21).flat_map(|i| [(i % 251) as u8]).collect();
    let (_many, many) = store(&bytes, Dtype::U8, &[1 << 21, 1]);
    let (_fewer, fewer) = store(&vec![1; 1 << 21], Dtype::U8, &[1 << 21, 1]);
    assert_eq!(refused(&[term(&many, &fewer, 0)], 1), Code::TooLarge);
    let cancelled = CancelToken::default();
    cancelled.cancel();
    let outcome = matching(&[term(ea, eb, 0)], 1, &Context::quiet(&cancelled, 1));
    assert_eq!(outcome.expect_err("a refusal").code, Code::Cancelled);
    let (_empty, empty) = store(&[], Dtype::F32, &[0, 4]);
    assert_eq!(run(&[term(&empty, &empty, 0)], 1).permutation, Vec::<u64>::new());
}
