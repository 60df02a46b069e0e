//! What is added up and counted of pairs of elements.

/// Sums over pairs that are finite on both sides, of the elements times powers of two (`Scales`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Σ(b − a)².
    pub squares: f64,
    /// Σa².
    pub a: f64,
    /// Σb².
    pub b: f64,
    /// Σa·b.
    pub dot: f64,
    /// Σ|b − a|.
    pub abs: f64,
}

impl Sums {
    pub fn add(&mut self, other: &Self) {
        self.squares += other.squares;
        self.a += other.a;
        self.b += other.b;
        self.dot += other.dot;
        self.abs += other.abs;
    }

    /// Adds neighbours pairwise until one is left: rounding grows with the logarithm of how many there are.
    pub fn add_all(mut parts: Vec<Self>) -> Self {
        while parts.len() > 1 {
            let pairs = parts.chunks(2).map(|pair| {
                let mut sum = pair[0];
                pair[1..].iter().for_each(|other| sum.add(other));
                sum
            });
            parts = pairs.collect();
        }
        parts.pop().unwrap_or_default()
    }
}

/// Elements of one side that are not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NonFinite {
    pub nan: u64,
    pub positive_infinity: u64,
    pub negative_infinity: u64,
}

impl NonFinite {
    pub fn count(&mut self, value: f64) {
        match () {
            () if value.is_nan() => self.nan += 1,
            () if value == f64::INFINITY => self.positive_infinity += 1,
            () if value == f64::NEG_INFINITY => self.negative_infinity += 1,
            () => {}
        }
    }

    fn add(&mut self, other: &Self) {
        self.nan += other.nan;
        self.positive_infinity += other.positive_infinity;
        self.negative_infinity += other.negative_infinity;
    }
}

/// The largest |b − a| and the first position with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Largest {
    pub magnitude: f64,
    pub at: u64,
}

/// Counts and extremes: what can be put together in any order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Pairs that are finite on both sides.
    pub compared: u64,
    pub differing: u64,
    pub beyond: u64,
    pub flips: u64,
    pub a: NonFinite,
    pub b: NonFinite,
    /// Of the pairs that are compared.
    pub largest: Option<Largest>,
    /// Largest |a| and |b| of them.
    pub extents: [f64; 2],
}

impl Counts {
    /// Takes note of a difference; positions come in ascending order.
    pub fn offer(&mut self, magnitude: f64, at: u64) {
        if self.largest.is_none_or(|largest| magnitude > largest.magnitude) {
            self.largest = Some(Largest { magnitude, at });
        }
    }

    pub fn merge(mut self, other: Self) -> Self {
        self.compared += other.compared;
        self.differing += other.differing;
        self.beyond += other.beyond;
        self.flips += other.flips;
        self.a.add(&other.a);
        self.b.add(&other.b);
        self.largest = match (self.largest, other.largest) {
            (Some(a), Some(b)) => {
                let second = b.magnitude > a.magnitude || b.magnitude == a.magnitude && b.at < a.at;
                Some(if second { b } else { a })
            }
            (a, b) => a.or(b),
        };
        self.extents = [0, 1].map(|side| self.extents[side].max(other.extents[side]));
        self
    }
}

/// Powers of two that keep squares inside the range of f64: of a, of b and of b − a.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scales {
    pub a: f64,
    pub b: f64,
    pub difference: f64,
}

/// Magnitudes whose squares can be added up as they are.
const SAFE: std::ops::Range<f64> = 1e-140..1e140;

impl Scales {
    /// The scales for what was counted; `None` when none are needed.
    pub fn for_counts(counts: &Counts) -> Option<Self> {
        let scale = |extent: f64| {
            if extent == 0.0 || SAFE.contains(&extent) {
                return 1.0;
            }
            // A power of two within a factor of two of the largest, clamped so that its reciprocal is finite.
            let power = f64::from_bits(extent.to_bits() & 0x7ff0_0000_0000_0000);
            power.clamp(f64::MIN_POSITIVE, 2f64.powi(1020)).recip()
        };
        let [a, b] = counts.extents.map(scale);
        let scales = Self { a, b, difference: scale(counts.largest.map_or(0.0, |largest| largest.magnitude)) };
        (scales != Self { a: 1.0, b: 1.0, difference: 1.0 }).then_some(scales)
    }
}
