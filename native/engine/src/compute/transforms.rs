//! Softmax, positions of the largest values, and the inverse Fourier transform.

use std::cmp::Ordering;
use std::f64::consts::PI;

use super::array::{Array, by_rows};
use crate::context::Context;
use crate::error::Result;

/// e^x over the sum of e^x, along the last axis.
///
/// # Errors
/// `Cancelled`.
pub fn softmax(mut array: Array, context: &Context) -> Result<Array> {
    let width = array.last().max(1);
    by_rows(&mut array.data, width, context, |_, rows| {
        rows.chunks_mut(width).for_each(normalise);
        Ok(())
    })?;
    Ok(array)
}

fn normalise(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|value| *value = (*value - largest).exp());
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|value| *value /= sum);
}

/// Positions of the `k` largest values, the largest first; of equal values the earlier first, NaN before all numbers.
fn largest(values: &[f64], k: usize) -> Vec<usize> {
    let order = |&a: &usize, &b: &usize| -> Ordering {
        let (x, y) = (values[a], values[b]);
        let descending = match (x.is_nan(), y.is_nan()) {
            (false, false) => y.partial_cmp(&x).expect("numbers"),
            (x, y) => y.cmp(&x),
        };
        descending.then(a.cmp(&b))
    };
    let mut positions: Vec<usize> = (0..values.len()).collect();
    if k < positions.len() {
        positions.select_nth_unstable_by(k, order);
        positions.truncate(k);
    }
    positions.sort_unstable_by(order);
    positions
}

/// Softmax over the `k` largest values along the last axis, zeros elsewhere.
///
/// # Errors
/// `Cancelled`.
pub fn top_softmax(mut array: Array, k: usize, context: &Context) -> Result<Array> {
    let width = array.last().max(1);
    by_rows(&mut array.data, width, context, |_, rows| {
        for row in rows.chunks_mut(width) {
            let positions = largest(row, k);
            let mut weights: Vec<f64> = positions.iter().map(|&position| row[position]).collect();
            normalise(&mut weights);
            row.fill(0.0);
            positions.iter().zip(weights).for_each(|(&position, weight)| row[position] = weight);
        }
        Ok(())
    })?;
    Ok(array)
}

/// Positions of the `k` largest values of a vector.
pub fn top_positions(array: &Array, k: usize) -> Array {
    let positions = largest(&array.data, k).into_iter().map(|position| position as f64).collect();
    Array::new(vec![k], positions)
}

/// The real part of the inverse discrete Fourier transform over the last two axes, normalised by the number of elements.
///
/// # Errors
/// `Cancelled`.
pub fn inverse_fourier(array: &Array, context: &Context) -> Result<Array> {
    let [rows, columns] = array.matrix();
    let mut data = Vec::with_capacity(array.data.len());
    let (across, down) = (Fourier::new(columns), Fourier::new(rows));
    for matrix in array.matrices() {
        let mut work: Vec<Complex> = matrix.iter().map(|&re| Complex { re, im: 0.0 }).collect();
        for row in work.chunks_mut(columns.max(1)) {
            context.cancel.check()?;
            across.transform(row);
        }
        let mut column = vec![Complex::default(); rows];
        for j in 0..columns {
            context.cancel.check()?;
            (0..rows).for_each(|i| column[i] = work[i * columns + j]);
            down.transform(&mut column);
            (0..rows).for_each(|i| work[i * columns + j] = column[i]);
        }
        let count = (rows * columns) as f64;
        data.extend(work.iter().map(|value| value.re / count));
    }
    Ok(Array::new(array.shape.clone(), data))
}

#[derive(Clone, Copy, Default)]
struct Complex {
    re: f64,
    im: f64,
}

impl Complex {
    /// e^(iπ·numerator/denominator), `numerator` below 2·denominator.
    fn root(numerator: usize, denominator: usize) -> Self {
        let (im, re) = (PI * numerator as f64 / denominator as f64).sin_cos();
        Self { re, im }
    }

    fn times(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }

    fn conjugate(self) -> Self {
        Self { re: self.re, im: -self.im }
    }
}

/// X_j = Σ x_k·e^(2πi·jk/n) of one length n: by halves (Cooley & Tukey 1965) where n is a power of two, else as a convolution
/// of such a length (Bluestein 1970).
struct Fourier {
    /// e^(2πi·k/m) for k below m/2, m the power of two that is transformed.
    roots: Vec<Complex>,
    chirp: Option<Chirp>,
}

/// Bluestein's factors: jk = (j² + k² − (j − k)²)/2.
struct Chirp {
    /// e^(πi·k²/n).
    factors: Vec<Complex>,
    /// The transform of the convolution's kernel, over its length.
    kernel: Vec<Complex>,
}

impl Fourier {
    fn new(n: usize) -> Self {
        let m = if n.is_power_of_two() || n == 0 { n } else { (2 * n - 1).next_power_of_two() };
        let roots: Vec<Complex> = (0..m / 2).map(|k| Complex::root(2 * k, m)).collect();
        let mut transform = Self { roots, chirp: None };
        if m != n {
            // Angles repeat after 2n, which keeps them exact however large k² is.
            let square = |k: usize| ((k as u128 * k as u128) % (2 * n as u128)) as usize;
            let factors: Vec<Complex> = (0..n).map(|k| Complex::root(square(k), n)).collect();
            let mut kernel = vec![Complex::default(); m];
            for (k, factor) in factors.iter().enumerate() {
                kernel[k] = factor.conjugate();
                kernel[(m - k) % m] = factor.conjugate();
            }
            transform.by_halves(&mut kernel);
            let scale = 1.0 / m as f64;
            kernel.iter_mut().for_each(|value| *value = Complex { re: value.re * scale, im: value.im * scale });
            transform.chirp = Some(Chirp { factors, kernel });
        }
        transform
    }

    fn transform(&self, values: &mut [Complex]) {
        let Some(Chirp { factors, kernel }) = &self.chirp else {
            return self.by_halves(values);
        };
        let mut work = vec![Complex::default(); kernel.len()];
        for ((work, value), factor) in work.iter_mut().zip(&*values).zip(factors) {
            *work = value.times(*factor);
        }
        self.by_halves(&mut work);
        // The way back is the same transform of the conjugates.
        work.iter_mut().zip(kernel).for_each(|(work, kernel)| *work = work.times(*kernel).conjugate());
        self.by_halves(&mut work);
        for ((value, work), factor) in values.iter_mut().zip(&work).zip(factors) {
            *value = work.conjugate().times(*factor);
        }
    }

    /// In place, for a power of two.
    fn by_halves(&self, values: &mut [Complex]) {
        let n = values.len();
        if n < 2 {
            return;
        }
        let bits = n.trailing_zeros();
        for i in 0..n {
            let j = i.reverse_bits() >> (usize::BITS - bits);
            if i < j {
                values.swap(i, j);
            }
        }
        let mut half = 1;
        while half < n {
            let step = n / (2 * half);
            for block in values.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for (k, (a, b)) in low.iter_mut().zip(high).enumerate() {
                    let turned = b.times(self.roots[k * step]);
                    *b = Complex { re: a.re - turned.re, im: a.im - turned.im };
                    *a = Complex { re: a.re + turned.re, im: a.im + turned.im };
                }
            }
            half *= 2;
        }
    }
}
