//! From counts, moments and order statistics to the answer.

use crate::numeric::Numeric;
use crate::protocol::{How, Quantiles, Statistics};

/// How many elements are of which kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    pub nan: u64,
    pub positive_infinity: u64,
    pub negative_infinity: u64,
    pub zeros: u64,
    pub subnormals: u64,
}

impl Classes {
    pub fn non_finite(&self) -> u64 {
        self.nan + self.positive_infinity + self.negative_infinity
    }

    pub fn add(&mut self, other: &Self) {
        self.nan += other.nan;
        self.positive_infinity += other.positive_infinity;
        self.negative_infinity += other.negative_infinity;
        self.zeros += other.zeros;
        self.subnormals += other.subnormals;
    }
}

/// Number, mean, central power sums Σ(x−mean)^k and Σ|x| of a set of finite values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    pub n: f64,
    pub mean: f64,
    pub m2: f64,
    pub m3: f64,
    pub m4: f64,
    pub l1: f64,
}

impl Moments {
    /// The moments of the union of two disjoint sets (Pébay, SAND2008-6212, eq. 2.1 and 3.1).
    pub fn merge(&self, other: &Self) -> Self {
        if self.n == 0.0 {
            return *other;
        }
        if other.n == 0.0 {
            return *self;
        }
        let (a, b) = (self, other);
        let n = a.n + b.n;
        let delta = b.mean - a.mean;
        let by_n = delta / n;
        let cross = delta * by_n * a.n * b.n;
        Self {
            n,
            mean: a.mean + by_n * b.n,
            m2: a.m2 + b.m2 + cross,
            m3: a.m3 + b.m3 + cross * by_n * (a.n - b.n) + 3.0 * by_n * (a.n * b.m2 - b.n * a.m2),
            m4: a.m4
                + b.m4
                + cross * by_n * by_n * (a.n * a.n - a.n * b.n + b.n * b.n)
                + 6.0 * by_n * by_n * (a.n * a.n * b.m2 + b.n * b.n * a.m2)
                + 4.0 * by_n * (a.n * b.m3 - b.n * a.m3),
            l1: a.l1 + b.l1,
        }
    }

    /// Merges neighbours pairwise until one is left: rounding grows with the logarithm of how many there are.
    pub fn merge_all(mut parts: Vec<Self>) -> Self {
        while parts.len() > 1 {
            parts = parts.chunks(2).map(|pair| pair.iter().skip(1).fold(pair[0], |a, b| a.merge(b))).collect();
        }
        parts.pop().unwrap_or_default()
    }

    /// The moments of the values times `factor` > 0.
    pub fn scaled(&self, factor: f64) -> Self {
        let square = factor * factor;
        Self {
            n: self.n,
            mean: self.mean * factor,
            m2: self.m2 * square,
            m3: self.m3 * square * factor,
            m4: self.m4 * square * square,
            l1: self.l1 * factor,
        }
    }
}

/// Everything that is known of a tensor's elements.
pub struct Summary {
    pub count: u64,
    pub classes: Classes,
    /// Least and greatest finite element; `None` when there is none.
    pub range: Option<(Numeric, Numeric)>,
    /// Of the finite elements times `scale`.
    pub moments: Moments,
    /// A power of two that keeps the fourth powers of the elements inside the range of f64.
    pub scale: f64,
    /// Values at `Quantiles::PROBABILITIES`.
    pub quantiles: [f64; 9],
}

impl Summary {
    pub fn finish(&self, how: How) -> Statistics {
        let Moments { n, mean, m2, m4, l1, .. } = self.moments;
        let unscale = self.scale.recip();
        let square_sum = m2 + n * mean * mean;
        let empty = Numeric::Float(f64::NAN);
        let (min, max) = self.range.unwrap_or((empty, empty));
        let max_abs = match (min, max) {
            (Numeric::Integer(min), Numeric::Integer(max)) => Numeric::Integer(min.abs().max(max.abs())),
            _ => Numeric::Float(min.to_f64().abs().max(max.to_f64().abs())),
        };
        Statistics {
            count: self.count,
            finite: self.count - self.classes.non_finite(),
            nan: self.classes.nan,
            positive_infinity: self.classes.positive_infinity,
            negative_infinity: self.classes.negative_infinity,
            zeros: self.classes.zeros,
            subnormals: self.classes.subnormals,
            min,
            max,
            mean: if n > 0.0 { (mean * unscale).into() } else { empty },
            standard_deviation: ((m2 / n).sqrt() * unscale).into(),
            l1: (l1 * unscale).into(),
            l2: (square_sum.sqrt() * unscale).into(),
            rms: ((square_sum / n).sqrt() * unscale).into(),
            max_abs,
            kurtosis: if m2 > 0.0 { (m4 / n / (m2 / n) / (m2 / n)).into() } else { empty },
            quantiles: Quantiles::new(self.quantiles.map(|value| Numeric::Float(value + 0.0))),
            how,
        }
    }
}

/// Where the quantile at `probability` of `n` > 0 sorted values lies: the index at or below it, and how far towards the
/// next one.
pub fn position(probability: f64, n: u64) -> (u64, f64) {
    let position = (n - 1) as f64 * probability;
    let below = position.floor();
    (below as u64, position - below)
}

/// Linear interpolation between neighbouring order statistics, exact at both ends.
pub fn interpolate(below: f64, above: f64, share: f64) -> f64 {
    if share == 0.0 || below == above {
        return below;
    }
    let step = above - below;
    match (step.is_finite(), share < 0.5) {
        (true, true) => below + step * share,
        (true, false) => above - step * (1.0 - share),
        (false, _) => below * (1.0 - share) + above * share,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(values: &[f64]) -> Moments {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let power = |k: i32| values.iter().map(|x| (x - mean).powi(k)).sum();
        Moments { n, mean, m2: power(2), m3: power(3), m4: power(4), l1: values.iter().map(|x| x.abs()).sum() }
    }

    #[test]
    fn merging_equals_computing_on_the_union() {
        let values: Vec<f64> = (0..1000).map(|i| 5.0 + (f64::from(i) * 0.7).sin() * f64::from(i % 13)).collect();
        let parts: Vec<Moments> = [0..1, 1..200, 200..200, 200..999, 999..1000]
            .into_iter()
            .filter(|range| !range.is_empty())
            .map(|range| direct(&values[range]))
            .collect();
        let merged = Moments::merge_all(parts);
        let whole = direct(&values);
        for (a, b) in [
            (merged.n, whole.n),
            (merged.mean, whole.mean),
            (merged.m2, whole.m2),
            (merged.m3, whole.m3),
            (merged.m4, whole.m4),
            (merged.l1, whole.l1),
        ] {
            assert!((a - b).abs() <= 1e-12 * b.abs(), "{a} {b}");
        }
    }

    #[test]
    fn interpolation_is_exact_at_the_ends_and_never_overflows() {
        assert_eq!(interpolate(1.0, 3.0, 0.5), 2.0);
        assert_eq!(interpolate(1.0, 3.0, 0.0), 1.0);
        assert_eq!(interpolate(-f64::MAX, f64::MAX, 0.5), 0.0);
        assert_eq!(position(0.5, 5), (2, 0.0));
        assert_eq!(position(0.25, 2), (0, 0.25));
    }
}
