//! Bins of equal width over log10 of magnitudes.

/// Bins over whole decades.
pub struct Decades {
    /// log10 of the lower end of the first bin.
    pub min_exponent: i64,
    /// Bins per factor of ten.
    pub per_decade: u64,
    /// Lower ends of the bins, and the upper end of the last.
    edges: Vec<f64>,
    /// The bin of the least magnitude with given leading bits, from `first_key` on.
    starts: Vec<u32>,
    first_key: u64,
}

/// Leading bits of a magnitude: 11 of the exponent, 5 of the mantissa.
fn leading_bits(magnitude: f64) -> u64 {
    magnitude.to_bits() >> 47
}

impl Decades {
    /// The decades from the one of `least` to the one of `greatest`, both finite; none when `greatest` is 0.
    pub fn new(least: f64, greatest: f64, per_decade: u64) -> Self {
        let mut decades = Self { min_exponent: 0, per_decade, edges: Vec::new(), starts: Vec::new(), first_key: 0 };
        if greatest > 0.0 {
            decades.lay_out(least, greatest);
        }
        decades
    }

    fn lay_out(&mut self, least: f64, greatest: f64) {
        // Parsing rounds correctly; 0 below the range of f64, infinite above it.
        let power = |exponent: i64| format!("1e{exponent}").parse().unwrap_or(f64::NAN);
        let mut low = least.log10().floor() as i64;
        let mut high = greatest.log10().floor() as i64 + 1;
        // The logarithm may round across a power of ten.
        low -= i64::from(power(low) > least);
        high += i64::from(power(high) <= greatest);
        self.min_exponent = low;
        let edges = (high - low) * self.per_decade as i64;
        self.edges = (0..=edges)
            .map(|edge| {
                let (decade, step) = (edge / self.per_decade as i64, edge % self.per_decade as i64);
                match step {
                    0 => power(low + decade),
                    _ => 10f64.powf((low + decade) as f64 + step as f64 / self.per_decade as f64),
                }
            })
            .collect();
        self.first_key = leading_bits(least);
        let mut bin = 0;
        self.starts = (self.first_key..=leading_bits(greatest))
            .map(|key| {
                let least = f64::from_bits(key << 47).max(least);
                while self.edges[bin + 1] <= least {
                    bin += 1;
                }
                bin as u32
            })
            .collect();
    }

    /// Number of bins.
    pub fn count(&self) -> usize {
        self.edges.len().saturating_sub(1)
    }

    /// The bin of a magnitude between the least and the greatest; of a smaller one the bin of the least.
    #[inline]
    pub fn bin(&self, magnitude: f64) -> usize {
        let key = leading_bits(magnitude).max(self.first_key) - self.first_key;
        let mut bin = self.starts[key as usize] as usize;
        // Among numbers with the same leading bits, unless they are subnormal, at most one bin ends.
        bin += usize::from(self.edges[bin + 1] <= magnitude);
        if magnitude < f64::MIN_POSITIVE {
            while self.edges[bin + 1] <= magnitude {
                bin += 1;
            }
        }
        bin
    }
}
