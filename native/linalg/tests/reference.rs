//! Spectra against NumPy's (`fixtures/generate.py`) and against closed forms.

use serde::Deserialize;
use std::f64::consts::PI;
use weight_loupe_linalg::measures::{self, Moments};
use weight_loupe_linalg::{Control, exact, fast, power_law, top};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    kind: String,
    rows: usize,
    columns: usize,
    seed: u64,
    values: Vec<f64>,
    rank: usize,
    effective_rank: f64,
    frobenius: f64,
    standard_deviation: f64,
    power_law: Option<Fit>,
}

#[derive(Deserialize)]
struct Fit {
    alpha: f64,
    xmin: f64,
    distance: f64,
}

fn references() -> Vec<Reference> {
    serde_json::from_str(include_str!("fixtures/reference.json")).expect("generated")
}

/// The SplitMix64 sequence as multiples of 2⁻⁵² in [−1, 1).
fn uniform(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

impl Reference {
    fn matrix(&self) -> Vec<f64> {
        let mut a = uniform(self.seed, self.rows * self.columns);
        match self.kind.as_str() {
            "uniform" => {}
            "duplicated rows" => a.copy_within(..self.rows / 2 * self.columns, self.rows / 2 * self.columns),
            "graded" => {
                for (at, x) in a.iter_mut().enumerate() {
                    *x *= 0.5f64.powi((at % self.columns / 4) as i32);
                }
            }
            "heavy tail" => a.iter_mut().for_each(|x| *x = *x * *x * *x),
            other => panic!("unknown kind {other}"),
        }
        a
    }
}

fn spectrum(matrix: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    exact(matrix.to_vec(), rows, columns, &Control::unattended(2)).expect("finite").values
}

/// The largest deviation, relative to the largest expected value.
fn deviation(values: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(values.len(), expected.len());
    values.iter().zip(expected).fold(0.0, |worst: f64, (v, e)| worst.max((v - e).abs())) / expected[0]
}

#[test]
fn exact_values_and_ranks_are_numpys() {
    for case in references() {
        let name = format!("{} {}×{}", case.kind, case.rows, case.columns);
        let matrix = case.matrix();
        let found = exact(matrix, case.rows, case.columns, &Control::unattended(1)).expect("finite");
        let off = deviation(&found.values, &case.values);
        // The Gram matrix, where it is used, loses digits below σ₁ but none that matter above 10⁻⁶·σ₁.
        let allowed = if found.method.starts_with("Gram") { 1e-10 } else { 1e-13 };
        assert!(off <= allowed, "{name}: {off:e} by {}", found.method);
        assert!(
            off * case.values[0] <= found.error_bound + 1e-13 * case.values[0],
            "{name}: bound {:e}",
            found.error_bound
        );
        assert_eq!(measures::matrix_rank(&found.values, case.rows, case.columns), case.rank, "{name}: rank");
    }
}

#[test]
fn fast_values_are_within_their_precision() {
    for case in references() {
        let found = fast(case.matrix(), case.rows, case.columns, &Control::unattended(2)).expect("finite");
        let off = deviation(&found.values, &case.values);
        assert!(off <= 2e-5, "{} {}×{}: {off:e}", case.kind, case.rows, case.columns);
    }
}

#[test]
fn measures_are_numpys() {
    for case in references() {
        let moments = Moments::of(&case.matrix());
        assert!((moments.frobenius_norm - case.frobenius).abs() <= 1e-14 * case.frobenius);
        assert!((moments.standard_deviation - case.standard_deviation).abs() <= 1e-13 * case.frobenius);
        let effective = measures::effective_rank(&case.values);
        assert!((effective - case.effective_rank).abs() <= 1e-12 * case.effective_rank);
    }
}

#[test]
fn power_laws_follow_the_definition() {
    for case in references() {
        for threads in [1, 2] {
            let fit = power_law(&case.values, &Control::unattended(threads)).expect("not cancelled");
            match (fit, &case.power_law) {
                (Some(fit), Some(expected)) => {
                    assert!(
                        (fit.alpha - expected.alpha).abs() <= 1e-9 * expected.alpha,
                        "{} {}",
                        fit.alpha,
                        expected.alpha
                    );
                    assert!((fit.xmin - expected.xmin).abs() <= 1e-12 * expected.xmin);
                    assert!((fit.distance - expected.distance).abs() <= 1e-9);
                }
                (None, None) => {}
                (fit, _) => panic!("{} {}×{}: {fit:?}", case.kind, case.rows, case.columns),
            }
        }
    }
}

/// σ_i = 2·cos(iπ/(2n+1)) for the n × n bidiagonal matrix of ones (Strang, SIAM Review 41 (1999)).
#[test]
fn bidiagonal_of_ones() {
    for n in [2usize, 17, 100, 333] {
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            matrix[i * n + i] = 1.0;
            if i + 1 < n {
                matrix[i * n + i + 1] = 1.0;
            }
        }
        let expected: Vec<f64> = (1..=n).map(|i| 2.0 * (i as f64 * PI / (2 * n + 1) as f64).cos()).collect();
        assert!(deviation(&spectrum(&matrix, n, n), &expected) < 1e-13, "{n}");
    }
}

/// Orthogonal·diagonal·orthogonal with the discrete cosine transform: the diagonal, down to 10⁻¹²·σ₁.
#[test]
fn prescribed_values() {
    let n = 160;
    let cosine = |i: usize, j: usize| {
        let scale = if i == 0 { (1.0 / n as f64).sqrt() } else { (2.0 / n as f64).sqrt() };
        scale * ((2 * j + 1) as f64 * i as f64 * PI / (2 * n) as f64).cos()
    };
    let expected: Vec<f64> = (0..n).map(|i| 10f64.powf(-12.0 * i as f64 / (n - 1) as f64)).collect();
    let mut matrix = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            matrix[i * n + j] = (0..n).map(|k| cosine(k, i) * expected[k] * cosine((k + 7) % n, j)).sum();
        }
    }
    assert!(deviation(&spectrum(&matrix, n, n), &expected) < 1e-14 * 10.0);
}

/// Diagonals between products of reflections, at sizes where every stage works on many blocks.
#[test]
fn prescribed_values_of_large_matrices() {
    for (rows, columns) in [(1024, 1024), (1500, 1100), (700, 2300)] {
        let short = rows.min(columns);
        let expected: Vec<f64> = (0..short).map(|i| 10f64.powf(-7.0 * i as f64 / (short - 1) as f64)).collect();
        let mut matrix = vec![0.0; rows * columns];
        for (i, value) in expected.iter().enumerate() {
            matrix[i * columns + i] = *value;
        }
        for seed in 1..=3 {
            // Rows: A − 2u(uᵀA)/uᵀu; columns alike.
            let u = uniform(seed, rows);
            let mut sums = vec![0.0; columns];
            for (row, weight) in matrix.chunks_exact(columns).zip(&u) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x);
            }
            let factor = 2.0 / u.iter().map(|x| x * x).sum::<f64>();
            for (row, weight) in matrix.chunks_exact_mut(columns).zip(&u) {
                row.iter_mut().zip(&sums).for_each(|(x, sum)| *x -= factor * weight * sum);
            }
            let v = uniform(seed + 10, columns);
            let factor = 2.0 / v.iter().map(|x| x * x).sum::<f64>();
            for row in matrix.chunks_exact_mut(columns) {
                let along: f64 = row.iter().zip(&v).map(|(x, weight)| x * weight).sum();
                row.iter_mut().zip(&v).for_each(|(x, weight)| *x -= factor * along * weight);
            }
        }
        assert!(deviation(&spectrum(&matrix, rows, columns), &expected) < 1e-12, "{rows} × {columns}");
    }
}

/// Values of matrices that make iterative methods stall or divide by zero.
#[test]
fn degenerate_matrices() {
    for (rows, columns) in [(1, 1), (40, 40), (200, 200), (300, 120), (90, 400)] {
        let largest = ((rows * columns) as f64).sqrt();
        let ones = spectrum(&vec![1.0; rows * columns], rows, columns);
        assert!((ones[0] - largest).abs() < 1e-13 * largest);
        assert_eq!(measures::matrix_rank(&ones, rows, columns), 1);

        assert!(spectrum(&vec![0.0; rows * columns], rows, columns).iter().all(|&s| s == 0.0));

        // One element, and one row: exactly rank 1, most of the bidiagonal exactly zero.
        let mut single = vec![0.0; rows * columns];
        single[rows * columns - 1] = -3.0;
        let values = spectrum(&single, rows, columns);
        assert!((values[0] - 3.0).abs() < 1e-14 && values[1..].iter().all(|&s| s < 1e-15));
    }
    let n = 130;
    let identity: Vec<f64> = (0..n * n).map(|at| if at % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
    assert!(spectrum(&identity, n, n).iter().all(|s| (s - 1.0).abs() < 1e-14));
}

#[test]
fn extreme_magnitudes_scale() {
    let n = 70;
    let matrix = uniform(5, n * n);
    let expected = spectrum(&matrix, n, n);
    for exponent in [-1000, -300, 300, 1000] {
        let factor = 2f64.powi(exponent);
        let scaled: Vec<f64> = matrix.iter().map(|x| x * factor).collect();
        let back: Vec<f64> = spectrum(&scaled, n, n).iter().map(|s| s / factor).collect();
        assert!(deviation(&back, &expected) < 1e-13, "2^{exponent}");
        let rough = fast(scaled, n, n, &Control::unattended(1)).expect("finite").values;
        let rough: Vec<f64> = rough.iter().map(|s| s / factor).collect();
        assert!(deviation(&rough, &expected) < 2e-5, "2^{exponent} in f32");
    }
}

/// The kernels for the processor at hand and the threads they run on leave no trace in the result.
#[test]
fn threads_do_not_change_the_values() {
    for (rows, columns) in [(600, 600), (900, 300)] {
        let matrix = uniform(9, rows * columns);
        let one = exact(matrix.clone(), rows, columns, &Control::unattended(1)).expect("finite").values;
        for threads in [2, 3, 5] {
            let many = exact(matrix.clone(), rows, columns, &Control::unattended(threads)).expect("finite").values;
            assert!(deviation(&many, &one) < 1e-14 * 10.0, "{threads}");
        }
    }
}

/// A matrix with σ_i = i^−0.8 up to the noise of its factors: what `top` is for.
fn heavy_tailed(n: usize) -> Vec<f64> {
    // H·D·P with a Hadamard matrix H (n a power of two): exact values on the diagonal.
    let sign = |i: usize, j: usize| if (i & j).count_ones() % 2 == 0 { 1.0 } else { -1.0 };
    let norm = (n as f64).sqrt().recip();
    let mut matrix = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            let column = (j * 5 + 3) % n;
            matrix[i * n + column] = sign(i, j) * norm * ((j + 1) as f64).powf(-0.8);
        }
    }
    matrix
}

#[test]
fn top_values_lie_within_their_residuals() {
    let n = 1024;
    let found = top(heavy_tailed(n), n, n, 16, &Control::unattended(2)).expect("finite");
    let residuals = found.residuals.expect("a gap");
    assert!(found.singular.method.starts_with("block Krylov"));
    for (i, value) in found.singular.values.iter().enumerate() {
        let expected = ((i + 1) as f64).powf(-0.8);
        assert!((value - expected).abs() <= 1e-5 * expected, "σ{i}: {value} for {expected}");
        assert!((value - expected).abs() <= residuals[i] + 1e-7, "σ{i}: residual {}", residuals[i]);
    }
    let again = top(heavy_tailed(n), n, n, 16, &Control::unattended(2)).expect("finite");
    assert_eq!(again.singular.values, found.singular.values);
}

#[test]
fn top_without_a_gap_is_the_full_spectrum() {
    let n = 512;
    let matrix = uniform(3, n * n);
    let expected = spectrum(&matrix, n, n);
    let found = top(matrix, n, n, 8, &Control::unattended(1)).expect("finite");
    let off = deviation(&found.singular.values, &expected[..8]);
    assert!(off < 1e-5, "{off:e} by {}", found.singular.method);
}

#[test]
fn top_of_low_rank_and_of_zero() {
    let n = 600;
    let (u, v) = (uniform(1, n), uniform(2, n));
    let outer: Vec<f64> = (0..n * n).map(|at| u[at / n] * v[at % n]).collect();
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let expected = norm(&u) * norm(&v);
    let values = top(outer, n, n, 4, &Control::unattended(1)).expect("finite").singular.values;
    assert!(
        (values[0] - expected).abs() < 1e-5 * expected && values[1..].iter().all(|&s| s < 1e-5 * expected),
        "{values:?}"
    );
    let values = top(vec![0.0; n * n], n, n, 4, &Control::unattended(1)).expect("finite").singular.values;
    assert_eq!(values, [0.0; 4]);
}
