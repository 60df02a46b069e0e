//! A few pairs of elements as f64: decoding them, telling which are compared, and adding them up.

use super::sums::{Counts, Scales, Sums};
use crate::lanes::{self, with_avx2};
use crate::numeric::Numeric;
use crate::tensor::{Dtype, decode};

/// Elements of a piece: their values stay in the nearest cache.
pub const PIECE: usize = 1 << 10;

/// Neighbouring pairs of elements. Those that are not compared are 0 on both sides.
pub struct Piece {
    pub a: Vec<f64>,
    pub b: Vec<f64>,
    /// b − a.
    pub difference: Vec<f64>,
    /// Whether the two are other bits; all NaN are the same.
    pub differs: Vec<bool>,
    /// Whether both are finite; as long as the piece only when some are not.
    finite: Vec<bool>,
}

impl Piece {
    pub fn new() -> Self {
        let values = || Vec::with_capacity(PIECE);
        let flags = || Vec::with_capacity(PIECE);
        Self { a: values(), b: values(), difference: values(), differs: flags(), finite: flags() }
    }

    /// Takes in at most `PIECE` elements of each side, in the bytes that a `Reader` gives.
    pub fn load(&mut self, [a, b]: [(Dtype, &[u8]); 2], counts: &mut Counts) {
        let count = a.1.len() / a.0.width();
        for (values, (dtype, bytes)) in [(&mut self.a, a), (&mut self.b, b)] {
            values.resize(count, 0.0);
            decode::to_f64(dtype, bytes, values);
        }
        self.difference.resize(count, 0.0);
        self.differs.resize(count, false);
        let wide = |dtype: Dtype| matches!(dtype, Dtype::I64 | Dtype::U64);
        if (wide(a.0) || wide(b.0)) && a.0.is_integer() && b.0.is_integer() {
            self.subtract_integers(a, b);
        } else {
            subtract(&self.a, &self.b, &mut self.difference, &mut self.differs);
        }
        counts.differing += self.differs.iter().map(|&differs| u64::from(differs)).sum::<u64>();
        self.finite.clear();
        if all_finite(&self.a, &self.b) {
            counts.compared += count as u64;
        } else {
            self.leave_out(counts);
        }
    }

    /// Of integers of which 64 bits are not exact in f64.
    fn subtract_integers(&mut self, a: (Dtype, &[u8]), b: (Dtype, &[u8])) {
        let pairs = a.1.chunks_exact(a.0.width()).zip(b.1.chunks_exact(b.0.width()));
        let results = self.difference.iter_mut().zip(&mut self.differs);
        for ((x, y), (difference, differs)) in pairs.zip(results) {
            let exact = integer(b.0, y) - integer(a.0, x);
            *difference = exact as f64;
            *differs = exact != 0;
        }
    }

    /// Counts what is not finite, and puts 0 on both sides there.
    fn leave_out(&mut self, counts: &mut Counts) {
        let sides = self.a.iter_mut().zip(&mut self.b);
        for ((a, b), difference) in sides.zip(&mut self.difference) {
            let finite = a.is_finite() && b.is_finite();
            self.finite.push(finite);
            if finite {
                counts.compared += 1;
                continue;
            }
            counts.a.count(*a);
            counts.b.count(*b);
            (*a, *b, *difference) = (0.0, 0.0, 0.0);
        }
    }

    /// Counts the pairs, the first of which stands at position `first`, and adds them up.
    pub fn measure(&self, first: u64, tolerance: f64, counts: &mut Counts) -> Sums {
        let found = measure(&self.a, &self.b, &self.difference, tolerance);
        counts.beyond += found.beyond;
        counts.flips += found.flips;
        counts.extents = [0, 1].map(|side| counts.extents[side].max(found.extents[side]));
        if counts.largest.is_none_or(|largest| found.largest > largest.magnitude) {
            let mut differences = self.difference.iter().enumerate();
            let compared = |index: usize| self.finite.get(index).copied().unwrap_or(true);
            let at = differences.find(|(index, value)| value.abs() == found.largest && compared(*index));
            if let Some((index, _)) = at {
                counts.offer(found.largest, first + index as u64);
            }
        }
        found.sums
    }

    /// Where in a block of both sides the first difference of `magnitude` stands.
    pub fn find(&mut self, dtype: Dtype, [a, b]: [&[u8]; 2], magnitude: f64) -> u64 {
        let [a, b] = [a, b].map(|side| side.chunks(PIECE * dtype.width()));
        for (first, (a, b)) in (0..).step_by(PIECE).zip(a.zip(b)) {
            for (values, bytes) in [(&mut self.a, a), (&mut self.b, b)] {
                values.resize(bytes.len() / dtype.width(), 0.0);
                decode::to_f64(dtype, bytes, values);
            }
            let found = self.a.iter().zip(&self.b).position(|(a, b)| (b - a).abs() == magnitude);
            if let Some(index) = found {
                return first + index as u64;
            }
        }
        0
    }

    /// The sums of the scaled elements.
    pub fn scaled(&mut self, scales: Scales) -> Sums {
        for ((a, b), difference) in self.a.iter_mut().zip(&mut self.b).zip(&mut self.difference) {
            // A difference of two large elements may be beyond f64 before it is scaled.
            *difference = if scales.difference < 1.0 {
                *b * scales.difference - *a * scales.difference
            } else {
                *difference * scales.difference
            };
            *a *= scales.a;
            *b *= scales.b;
        }
        measure(&self.a, &self.b, &self.difference, 0.0).sums
    }
}

fn integer(dtype: Dtype, element: &[u8]) -> i128 {
    match decode::to_numeric(dtype, element) {
        Numeric::Integer(value) => value,
        Numeric::Float(value) => value as i128,
    }
}

/// What `measure` finds.
struct Found {
    sums: Sums,
    beyond: u64,
    flips: u64,
    largest: f64,
    extents: [f64; 2],
}

with_avx2!(
    /// b − a, and which are other bits.
    fn subtract(a: &[f64], b: &[f64], difference: &mut [f64], differs: &mut [bool]) = subtract_plainly
);
with_avx2!(
    fn measure(a: &[f64], b: &[f64], difference: &[f64], tolerance: f64) -> Found = measure_plainly
);
with_avx2!(
    /// Whether all are finite on both sides.
    fn all_finite(a: &[f64], b: &[f64]) -> bool = all_finite_plainly
);

#[inline(always)]
fn subtract_plainly(a: &[f64], b: &[f64], difference: &mut [f64], differs: &mut [bool]) {
    for (difference, (a, b)) in difference.iter_mut().zip(a.iter().zip(b)) {
        *difference = b - a;
    }
    for (differs, (a, b)) in differs.iter_mut().zip(a.iter().zip(b)) {
        *differs = (a.to_bits() != b.to_bits()) & !(a.is_nan() & b.is_nan());
    }
}

#[inline(always)]
fn all_finite_plainly(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).fold(true, |all, (a, b)| all & a.is_finite() & b.is_finite())
}

/// Each quantity in a loop of its own over the nearest cache, which compilers turn into vectors.
#[inline(always)]
fn measure_plainly(a: &[f64], b: &[f64], difference: &[f64], tolerance: f64) -> Found {
    let most = |x: f64, y: f64| if x > y { x } else { y };
    let pairs = || a.iter().zip(b);
    let beyond = |((a, b), d): ((&f64, &f64), &f64)| u64::from(d.abs() > tolerance * most(a.abs(), b.abs()));
    let flip = |(&a, &b): (&f64, &f64)| u64::from((a > 0.0) & (b < 0.0) | (a < 0.0) & (b > 0.0));
    Found {
        sums: Sums {
            squares: lanes::sum_products(difference, difference),
            a: lanes::sum_products(a, a),
            b: lanes::sum_products(b, b),
            dot: lanes::sum_products(a, b),
            abs: lanes::sum_magnitudes(difference),
        },
        beyond: pairs().zip(difference).map(beyond).sum(),
        flips: pairs().map(flip).sum(),
        largest: lanes::largest_magnitude(difference),
        extents: [a, b].map(lanes::largest_magnitude),
    }
}
