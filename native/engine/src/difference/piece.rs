//! A few pairs of elements as f64: decoding them, telling which are compared, and adding them up.

use super::sums::{Counts, Scales, Sums};
use crate::numeric::Numeric;
use crate::tensor::{Dtype, decode};

/// Elements of a piece: their values stay in the nearest cache.
pub const PIECE: usize = 1 << 10;
/// Elements added up side by side.
const LANES: usize = 8;

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
        let all_finite = self.a.iter().zip(&self.b).fold(true, |all, (a, b)| all & a.is_finite() & b.is_finite());
        if all_finite {
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

/// Compiles the body for AVX2 beside what the target guarantees, and picks one at run time. Both give the same bytes.
macro_rules! with_avx2 {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),*) $(-> $ret:ty)? = $body:ident) => {
        $(#[$doc])*
        $vis fn $name($($arg: $type),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $type),*) $(-> $ret)? {
                    $body($($arg),*)
                }
                // SAFETY: the processor has AVX2.
                return unsafe { avx2($($arg),*) };
            }
            $body($($arg),*)
        }
    };
}
pub(super) use with_avx2;

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
    fn measure(a: &[f64], b: &[f64], difference: &[f64], tolerance: f64) -> Found = measure_lanes
);

#[inline(always)]
fn subtract_plainly(a: &[f64], b: &[f64], difference: &mut [f64], differs: &mut [bool]) {
    for (((a, b), difference), differs) in a.iter().zip(b).zip(difference).zip(differs) {
        *difference = b - a;
        *differs = (a.to_bits() != b.to_bits()) & !(a.is_nan() & b.is_nan());
    }
}

/// Sums under way, by lane.
#[derive(Default)]
struct Lanes {
    squares: [f64; LANES],
    a: [f64; LANES],
    b: [f64; LANES],
    dot: [f64; LANES],
    abs: [f64; LANES],
    largest: [f64; LANES],
    extents: [[f64; LANES]; 2],
    beyond: [u64; LANES],
    flips: [u64; LANES],
}

#[inline(always)]
fn measure_lanes(a: &[f64], b: &[f64], difference: &[f64], tolerance: f64) -> Found {
    let mut lanes = Lanes::default();
    let whole = a.len() / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        let (a, b, d) = (&a[start..start + LANES], &b[start..start + LANES], &difference[start..start + LANES]);
        for lane in 0..LANES {
            add(&mut lanes, lane, a[lane], b[lane], d[lane], tolerance);
        }
    }
    for index in whole..a.len() {
        add(&mut lanes, index - whole, a[index], b[index], difference[index], tolerance);
    }
    let sum = |lanes: [f64; LANES]| lanes.iter().sum::<f64>();
    let most = |lanes: [f64; LANES]| lanes.iter().copied().fold(0.0, f64::max);
    Found {
        sums: Sums {
            squares: sum(lanes.squares),
            a: sum(lanes.a),
            b: sum(lanes.b),
            dot: sum(lanes.dot),
            abs: sum(lanes.abs),
        },
        beyond: lanes.beyond.iter().sum(),
        flips: lanes.flips.iter().sum(),
        largest: most(lanes.largest),
        extents: lanes.extents.map(most),
    }
}

#[inline(always)]
fn add(lanes: &mut Lanes, lane: usize, a: f64, b: f64, difference: f64, tolerance: f64) {
    let (magnitude, large) = (difference.abs(), [a.abs(), b.abs()]);
    lanes.squares[lane] += difference * difference;
    lanes.a[lane] += a * a;
    lanes.b[lane] += b * b;
    lanes.dot[lane] += a * b;
    lanes.abs[lane] += magnitude;
    let most = |x: f64, y: f64| if x > y { x } else { y };
    lanes.largest[lane] = most(magnitude, lanes.largest[lane]);
    for (extent, large) in lanes.extents.iter_mut().zip(large) {
        extent[lane] = most(large, extent[lane]);
    }
    lanes.beyond[lane] += u64::from(magnitude > tolerance * most(large[0], large[1]));
    lanes.flips[lane] += u64::from((a > 0.0) & (b < 0.0) | (a < 0.0) & (b > 0.0));
}
