//! What holds for the singular values of every matrix.

use proptest::prelude::*;
use weight_loupe_linalg::{Control, Failure, exact};

fn values(matrix: Vec<f64>, rows: usize, columns: usize) -> Vec<f64> {
    exact(matrix, rows, columns, &Control::unattended(1)).expect("finite").values
}

/// Shapes around the block sizes, elements of mixed magnitude with many zeros and repeats.
fn matrices() -> impl Strategy<Value = (usize, usize, Vec<f64>)> {
    (1usize..150, 1usize..90).prop_flat_map(|(rows, columns)| {
        let element = prop_oneof![
            4 => -1.0..1.0f64,
            2 => Just(0.0),
            1 => Just(1.0),
            1 => (-30i32..3).prop_map(|e| 10f64.powi(e)),
        ];
        (Just(rows), Just(columns), prop::collection::vec(element, rows * columns))
    })
}

fn close(a: &[f64], b: &[f64]) -> bool {
    let scale = a[0].max(b[0]);
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-9 * scale)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn squares_sum_to_the_frobenius_norm((rows, columns, matrix) in matrices()) {
        let energy: f64 = matrix.iter().map(|x| x * x).sum();
        let found = values(matrix, rows, columns);
        prop_assert_eq!(found.len(), rows.min(columns));
        prop_assert!(found.windows(2).all(|pair| pair[0] >= pair[1]) && found[found.len() - 1] >= 0.0);
        let sum: f64 = found.iter().map(|s| s * s).sum();
        prop_assert!((sum - energy).abs() <= 1e-12 * energy.max(f64::MIN_POSITIVE));
    }

    #[test]
    fn the_transpose_has_the_same((rows, columns, matrix) in matrices()) {
        let transposed = (0..columns * rows).map(|at| matrix[at % rows * columns + at / rows]).collect();
        prop_assert!(close(&values(matrix, rows, columns), &values(transposed, columns, rows)));
    }

    #[test]
    fn permuting_and_negating_rows_changes_nothing((rows, columns, matrix) in matrices(), shift in 0usize..150) {
        let moved = (0..rows * columns)
            .map(|at| {
                let row = (at / columns + shift) % rows;
                let sign = if row % 3 == 0 { -1.0 } else { 1.0 };
                sign * matrix[row * columns + at % columns]
            })
            .collect();
        prop_assert!(close(&values(matrix, rows, columns), &values(moved, rows, columns)));
    }

    #[test]
    fn rotating_two_rows_changes_nothing((rows, columns, matrix) in matrices(), angle in 0.0..6.3f64) {
        let mut rotated = matrix.clone();
        let (sin, cos) = angle.sin_cos();
        if rows > 1 {
            for j in 0..columns {
                let (a, b) = (matrix[j], matrix[(rows - 1) * columns + j]);
                rotated[j] = cos * a - sin * b;
                rotated[(rows - 1) * columns + j] = sin * a + cos * b;
            }
        }
        prop_assert!(close(&values(matrix, rows, columns), &values(rotated, rows, columns)));
    }

    #[test]
    fn scaling_scales((rows, columns, matrix) in matrices(), factor in 1e-3..1e3f64) {
        let scaled = matrix.iter().map(|x| x * factor).collect();
        let expected: Vec<f64> = values(matrix, rows, columns).iter().map(|s| s * factor).collect();
        prop_assert!(close(&expected, &values(scaled, rows, columns)));
    }
}

#[test]
fn undefined_spectra_say_why() {
    let control = Control::unattended(1);
    assert_eq!(exact(vec![], 0, 4, &control), Err(Failure::Empty));
    let matrix = vec![1.0, f64::NAN, f64::NAN, f64::INFINITY];
    let failure = exact(matrix, 2, 2, &control).expect_err("not finite");
    assert_eq!(failure, Failure::NotFinite { nan: 2, infinite: 1 });
    assert_eq!(
        failure.to_string(),
        "the matrix contains 2 NaN and 1 infinite values; singular values are defined for finite matrices only"
    );
}

/// Cancelling at any moment ends the computation with `Cancelled`, whatever stage and thread it has reached.
#[test]
fn cancelling_ends_every_stage() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let n = 700;
    let matrix: Vec<f64> = (0..n * n).map(|at| ((at * 7919) % 10007) as f64 / 10007.0 - 0.5).collect();
    for threads in [1, 3] {
        let asked = AtomicUsize::new(0);
        let count = || {
            asked.fetch_add(1, Ordering::Relaxed);
            false
        };
        exact(matrix.clone(), n, n, &Control::new(threads, &count, &|_| {})).expect("finite");
        let total = asked.into_inner();
        assert!(total > n, "asked {total} times");
        for part in 0..8 {
            let left = AtomicUsize::new(part * total / 8);
            let stop = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_err();
            let outcome = exact(matrix.clone(), n, n, &Control::new(threads, &stop, &|_| {}));
            assert_eq!(outcome, Err(Failure::Cancelled), "{threads} threads, after {part}/8");
        }
    }
}
