//! Exponential and logarithm in operations of which compilers make vectors; the same bytes on every processor and system.

/// e^x for x ≤ 0 (or NaN), to the last place or two down to e^−708, which it does not go below, in operations that compilers make vectors of.
#[inline(always)]
pub fn exponential(x: f64) -> f64 {
    /// Added to a number of magnitude below 2⁵¹ it leaves the nearest integer in the lowest bits.
    const INTEGER: f64 = 6_755_399_441_055_744.0;
    /// ln 2 in two parts, the first with enough zeros at its end that its products with exponents are exact.
    const LN_2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];
    let x = if x < -708.0 { -708.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + INTEGER;
    let exponent = shifted - INTEGER;
    let rest = x - exponent * LN_2[0] - exponent * LN_2[1];
    // 1/n!, n from 13 to 0.
    const TERMS: [f64; 14] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let mut sum = TERMS[0];
    for term in &TERMS[1..] {
        sum = sum * rest + term;
    }
    sum * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52))
}

/// ln x of a positive normal number, to the last place or two.
#[inline(always)]
pub fn logarithm(x: f64) -> f64 {
    const FRACTION: u64 = (1 << 52) - 1;
    /// The bits of 2⁵², to which small integers are added by setting them.
    const TWO_52: u64 = 0x4330_0000_0000_0000;
    let bits = x.to_bits();
    let fraction = f64::from_bits(bits & FRACTION | 1023 << 52);
    let exponent = f64::from_bits(bits >> 52 | TWO_52) - (4_503_599_627_370_496.0 + 1023.0);
    let large = fraction > std::f64::consts::SQRT_2;
    let fraction = if large { fraction * 0.5 } else { fraction };
    let exponent = if large { exponent + 1.0 } else { exponent };
    // ln f = 2 artanh((f − 1)/(f + 1)).
    let t = (fraction - 1.0) / (fraction + 1.0);
    let square = t * t;
    let mut sum = 1.0 / 21.0;
    for odd in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        sum = sum * square + 1.0 / odd;
    }
    let logarithm = exponent * std::f64::consts::LN_2 + 2.0 * t * sum;
    if x.is_nan() { x } else { logarithm }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, of: f64) {
        assert!((found - expected).abs() <= 5e-16 * expected.abs(), "{of:e}: {found:e}, not {expected:e}");
    }

    #[test]
    fn agree_with_the_library() {
        for step in 0..200_000 {
            let part = f64::from(step) / 200_000.0;
            for x in [-part, -700.0 * part, -1e-9 * part] {
                close(exponential(x), x.exp(), x);
            }
            for x in [1.0 + 1e-6 * (part - 0.5), 0.5 + part, 1e-8 + part, 1e8 * part + 1.0] {
                close(logarithm(x), x.ln(), x);
            }
        }
    }

    #[test]
    fn edges() {
        assert_eq!((exponential(0.0), logarithm(1.0)), (1.0, 0.0));
        assert!(exponential(f64::NEG_INFINITY) < 1e-300);
        assert!(exponential(f64::NAN).is_nan() && logarithm(f64::NAN).is_nan());
    }
}
