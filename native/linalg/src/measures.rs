//! What is read off a singular spectrum: norms, ranks and the random-matrix edge.

/// Elementwise sums of a matrix, gathered before its spectrum is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// √Σ w².
    pub frobenius_norm: f64,
    /// Population standard deviation of the elements.
    pub standard_deviation: f64,
}

impl Moments {
    /// Moments of finite `elements`; scaled, so that squares neither overflow nor vanish.
    pub fn of<T: Copy + Into<f64>>(elements: &[T]) -> Self {
        let largest = elements.iter().fold(0.0f64, |m, &x| m.max(x.into().abs()));
        if largest == 0.0 {
            return Self { frobenius_norm: 0.0, standard_deviation: 0.0 };
        }
        let count = elements.len() as f64;
        // Pairwise by blocks: the error of a sum grows with the number of blocks, not of elements.
        let sum_of = |term: &dyn Fn(f64) -> f64| -> f64 {
            elements.chunks(4096).map(|block| block.iter().map(|&x| term(x.into() / largest)).sum::<f64>()).sum()
        };
        let mean = sum_of(&|x| x) / count;
        let squares = sum_of(&|x| x * x);
        let deviations = sum_of(&|x| (x - mean) * (x - mean));
        Self { frobenius_norm: squares.sqrt() * largest, standard_deviation: (deviations / count).sqrt() * largest }
    }
}

/// `exp(−Σ p ln p)` with p = σ/Σσ: Roy & Vetterli, *The effective rank*, EUSIPCO 2007. NaN when all values are zero.
pub fn effective_rank(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0f64, |m, &s| m.max(s));
    let total: f64 = values.iter().map(|s| s / largest).sum();
    let entropy: f64 = values.iter().map(|s| s / largest / total).filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum();
    if largest > 0.0 { entropy.exp() } else { f64::NAN }
}

/// The smallest k whose k largest values hold the share `share` of `frobenius_norm`², i.e. `Σ_{i≤k} σ² ≥ share·‖W‖²_F`.
/// `None` when all `values` (descending) together do not.
pub fn energy_rank(values: &[f64], frobenius_norm: f64, share: f64) -> Option<usize> {
    if frobenius_norm == 0.0 {
        return Some(0);
    }
    let mut energy = 0.0;
    for (i, s) in values.iter().enumerate() {
        let relative = s / frobenius_norm;
        energy += relative * relative;
        if energy >= share {
            return Some(i + 1);
        }
    }
    None
}

/// `#{σ > σ₁·max(rows, columns)·2⁻⁵²}` for descending `values`: numpy's and LAPACK's convention for f64 data.
pub fn matrix_rank(values: &[f64], rows: usize, columns: usize) -> usize {
    let tolerance = values.first().copied().unwrap_or(0.0) * (rows.max(columns) as f64 * f64::EPSILON);
    values.iter().filter(|&&s| s > tolerance).count()
}

/// `s·(√rows + √columns)`: the largest singular value, for large shapes, of a matrix with independent entries of
/// standard deviation s (Marchenko & Pastur 1967; Bai & Yin 1988).
pub fn marchenko_pastur_edge(standard_deviation: f64, rows: usize, columns: usize) -> f64 {
    standard_deviation * ((rows as f64).sqrt() + (columns as f64).sqrt())
}
