//! Relations and residuals of several tensors, against a plain loop in f64 and closed forms.

mod common;

use common::{TempFile, range, store};
use proptest::prelude::*;
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::{Code, Result};
use weight_loupe_engine::numeric::Numeric;
use weight_loupe_engine::protocol::{Expression, RelationsResult, ResidualResult};
use weight_loupe_engine::relations::relations;
use weight_loupe_engine::residual::residual;
use weight_loupe_engine::source::Access;
use weight_loupe_engine::tensor::{Dtype, Tensor};

fn open(expressions: &[Expression]) -> Vec<Tensor> {
    expressions.iter().map(|expression| Tensor::open(expression, Access::Sequential).unwrap()).collect()
}

/// The answer at one and at three threads, which must be the same but for what it says about them.
fn on_threads<T: PartialEq + std::fmt::Debug + Send>(work: impl Fn(&Context) -> Result<T> + Sync) -> Result<T> {
    let cancel = CancelToken::default();
    let [one, three] = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| work(&Context::quiet(&cancel, threads)))
    });
    if let (Ok(one), Ok(three)) = (&one, &three) {
        assert_eq!(one, three);
    }
    one
}

fn related(tensors: &[Tensor], with_base: bool) -> Result<RelationsResult> {
    on_threads(|context| {
        let mut found = relations(tensors, with_base, context)?;
        found.how.threads = 0;
        Ok(found)
    })
}

fn left(tensors: &[Tensor], coefficients: &[f64]) -> Result<ResidualResult> {
    on_threads(|context| {
        let mut found = residual(tensors, coefficients, context)?;
        found.how.threads = 0;
        Ok(found)
    })
}

fn floats(values: &[f64]) -> (TempFile, Expression) {
    let bytes: Vec<u8> = values.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect();
    store(&bytes, Dtype::F32, &[values.len() as u64])
}

fn near(found: Numeric, expected: f64, size: f64) {
    assert!((found.to_f64() - expected).abs() <= 1e-12 * size, "{found:?} {expected}");
}

/// Tensors of f32 near a base, some elements unchanged, some not finite. The base is the last.
fn family(n: usize, count: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut random = common::Random(seed | 1);
    let mut family = vec![Vec::with_capacity(count); n + 1];
    for _ in 0..count {
        let base = random.normal() as f32;
        for (index, values) in family.iter_mut().enumerate() {
            let changed = index < n && random.word() % 3 > 0;
            let value = if changed { base + 0.1 * random.normal() as f32 } else { base };
            let value =
                if random.word() % 2000 == 0 { [f32::NAN, f32::INFINITY][(random.word() % 2) as usize] } else { value };
            values.push(f64::from(value));
        }
    }
    family
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn relations_are_what_the_loop_finds(n in 1usize..6, count in 0usize..5000, seed: u64, with_base: bool) {
        let family = family(n, count, seed);
        let used = if with_base { n + 1 } else { n };
        let (_files, expressions): (Vec<_>, Vec<_>) = family[..used].iter().map(|values| floats(values)).unzip();
        let found = related(&open(&expressions), with_base).unwrap();
        let finite: Vec<usize> = (0..count).filter(|&i| family[..used].iter().all(|values| values[i].is_finite())).collect();
        let tau = |k: usize, i: usize| family[k][i] - if with_base { family[n][i] } else { 0.0 };
        prop_assert_eq!((found.count, found.compared), (count as u64, finite.len() as u64));
        let counted = |test: &dyn Fn(usize) -> bool| finite.iter().filter(|&&i| test(i)).count() as u64;
        for a in 0..n {
            prop_assert_eq!(found.changed[a], counted(&|i| tau(a, i) != 0.0));
            for b in 0..n {
                let terms = finite.iter().map(|&i| tau(a, i) * tau(b, i));
                near(found.gram[a][b], terms.clone().sum(), terms.map(f64::abs).sum());
                prop_assert_eq!(found.both_changed[a][b], counted(&|i| tau(a, i) != 0.0 && tau(b, i) != 0.0));
                prop_assert_eq!(found.conflicts[a][b], counted(&|i| tau(a, i) * tau(b, i) < 0.0));
            }
        }
        let changed = |i: usize| (0..n).filter(|&k| tau(k, i) != 0.0).count();
        let conflict = |i: usize| (0..n).any(|k| tau(k, i) > 0.0) && (0..n).any(|k| tau(k, i) < 0.0);
        let expected = (counted(&|i| changed(i) > 1 && !conflict(i)), counted(&|i| changed(i) > 1 && conflict(i)));
        prop_assert_eq!(found.signs, expected);
    }

    #[test]
    fn residuals_are_what_the_loop_finds(n in 0usize..5, count in 0usize..5000, seed: u64, coefficients in proptest::collection::vec(-2.0f64..2.0, 5)) {
        // The target is the last of the family; here it comes first.
        let mut family = family(n, count, seed);
        family.rotate_right(1);
        let (_files, expressions): (Vec<_>, Vec<_>) = family.iter().map(|values| floats(values)).unzip();
        let found = left(&open(&expressions), &coefficients[..n]).unwrap();
        let finite: Vec<usize> = (0..count).filter(|&i| family.iter().all(|values| values[i].is_finite())).collect();
        let rest = |i: usize| (0..n).fold(family[0][i], |rest, k| rest - coefficients[k] * family[k + 1][i]);
        prop_assert_eq!((found.count, found.compared), (count as u64, finite.len() as u64));
        let norm = finite.iter().map(|&i| rest(i) * rest(i)).sum::<f64>().sqrt();
        near(found.norm, norm, norm);
        let norm = finite.iter().map(|&i| family[0][i] * family[0][i]).sum::<f64>().sqrt();
        near(found.target_norm, norm, norm);
        for (k, dot) in found.dots.iter().enumerate() {
            let terms = finite.iter().map(|&i| rest(i) * family[k + 1][i]);
            near(*dot, terms.clone().sum(), terms.map(f64::abs).sum());
        }
    }
}

/// Over several tiles; τ_1 = 1, τ_2 = −2 on the even elements, τ_3 = 0.
#[test]
fn closed_forms_over_many_tiles() {
    let count = 300_001usize;
    let base = vec![0.5; count];
    let one = vec![1.5; count];
    let two: Vec<f64> = (0..count).map(|i| if i % 2 == 0 { -1.5 } else { 0.5 }).collect();
    let (_files, expressions): (Vec<_>, Vec<_>) =
        [&one, &two, &base, &base].map(|values| floats(values)).into_iter().unzip();
    let found = related(&open(&expressions), true).unwrap();
    let (n, even) = (count as f64, count.div_ceil(2) as u64);
    let gram: Vec<Vec<f64>> = found.gram.iter().map(|row| row.iter().map(|x| x.to_f64()).collect()).collect();
    let (cross, square) = (-2.0 * even as f64, 4.0 * even as f64);
    assert_eq!(gram, [[n, cross, 0.0], [cross, square, 0.0], [0.0; 3]]);
    assert_eq!(found.changed, [count as u64, even, 0]);
    assert_eq!(found.both_changed, [[count as u64, even, 0], [even, even, 0], [0; 3]]);
    assert_eq!(found.conflicts, [[0, even, 0], [even, 0, 0], [0; 3]]);
    assert_eq!(found.signs, (0, even));
}

/// Half of the one and half of the other, rounded to f32: what is left is the rounding, about 2.6·10⁻⁸ of the whole. Its exact
/// size is known from each element, and a Gram matrix would have lost it.
#[test]
fn a_residual_of_rounding_keeps_its_digits() {
    let mut random = common::Random(123);
    let count = 400_000;
    let [x, y] = [0, 1].map(|_| (0..count).map(|_| (0.02 * random.normal()) as f32).collect::<Vec<f32>>());
    let mixed: Vec<f32> = x.iter().zip(&y).map(|(&x, &y)| (0.5 * f64::from(x) + 0.5 * f64::from(y)) as f32).collect();
    let (_files, expressions): (Vec<_>, Vec<_>) = [&mixed, &x, &y]
        .map(|side| store(&side.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>(), Dtype::F32, &[count]))
        .into_iter()
        .unzip();
    let found = left(&open(&expressions), &[0.5, 0.5]).unwrap();
    // Halves and sums of f32 are exact in f64, so each term here is.
    let squares: Vec<f64> = (0..count as usize)
        .map(|i| (f64::from(mixed[i]) - (0.5 * f64::from(x[i]) + 0.5 * f64::from(y[i]))).powi(2))
        .collect();
    let expected = squares.iter().sum::<f64>().sqrt();
    near(found.norm, expected, expected);
    let share = found.norm.to_f64() / found.target_norm.to_f64();
    assert!((1e-8..5e-8).contains(&share), "{share}");
}

#[test]
fn refuses_what_does_not_belong_together() {
    let ((_a, a), (_b, b)) = (floats(&[1.0, 2.0]), floats(&[1.0, 2.0, 3.0]));
    let pair = open(&[a.clone(), b]);
    for error in
        [related(&pair, false).unwrap_err(), related(&pair, true).unwrap_err(), left(&pair, &[1.0]).unwrap_err()]
    {
        assert_eq!(error.code, Code::InvalidParams);
        assert!(error.message.contains("[2] and [3] have 2 and 3 elements"), "{error}");
    }
    let many = open(&vec![a.clone(); 33]);
    for (tensors, with_base) in [(&many[..33], false), (&many[..0], false), (&many[..1], true)] {
        let error = related(tensors, with_base).unwrap_err();
        assert!(error.message.contains("1 … 32"), "{error}");
    }
    assert!(related(&many, true).is_ok());
    assert!(left(&open(&[a]), &[1.0]).unwrap_err().message.contains("0 terms has 1 coefficients"));
}

#[test]
fn cancelled_and_cut_requests_end() {
    let bytes = 32u64 << 20;
    let files = [0, 1].map(|_| TempFile::new(&[]));
    let handles = files.each_ref().map(|file| std::fs::File::options().write(true).open(file.path()).unwrap());
    let grow = || handles.iter().for_each(|handle| handle.set_len(bytes).unwrap());
    grow();
    let tensors = || open(&files.each_ref().map(|file| range(file.path(), 0, bytes, Dtype::F32, &[bytes / 4])));
    let cancel = CancelToken::default();
    cancel.cancel();
    let context = Context::quiet(&cancel, 1);
    assert_eq!(relations(&tensors(), false, &context).unwrap_err().code, Code::Cancelled);
    assert_eq!(residual(&tensors(), &[1.0], &context).unwrap_err().code, Code::Cancelled);
    for which in [0, 1] {
        let cancel = CancelToken::default();
        let cut = |_: u64, _: u64| handles[which].set_len(1 << 20).unwrap();
        let context = Context { cancel: &cancel, progress: &cut, threads: 1 };
        let opened = tensors();
        assert_eq!(relations(&opened, true, &context).unwrap_err().code, Code::Truncated);
        grow();
        let opened = tensors();
        assert_eq!(residual(&opened, &[1.0], &context).unwrap_err().code, Code::Truncated);
        grow();
    }
}
