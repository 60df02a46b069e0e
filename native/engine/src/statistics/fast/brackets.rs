//! Ranges of keys that should hold the quantiles, and what they say once elements have been counted.

use super::element::Element;
use super::kept::Keep;
use crate::protocol::Quantiles;
use crate::statistics::summary;

/// For each quantile, the keys `low .. high` to look for it in.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub low: [i32; 9],
    pub high: [i32; 9],
}

/// A coarser filter around the brackets, made of fewer comparisons: everything below the end of the first three and
/// everything above the start of the last three (the tails), the middle three themselves, and zeros and subnormals.
/// What it holds back includes all that brackets, extremes and the count of small elements need to see.
#[derive(Clone, Debug)]
pub struct Sieve {
    /// Keys below this are held back.
    pub lower_tail: i32,
    /// Keys from this on are held back.
    pub upper_tail: i32,
    /// So are those inside the brackets of .25, .5 and .75.
    pub low: [i32; 3],
    pub high: [i32; 3],
}

impl Bounds {
    /// The sieve for these brackets.
    pub fn sieve(&self) -> Sieve {
        let (q05, [q25, q50, q75], q95) = (2, [3, 4, 5], 6);
        Sieve {
            lower_tail: self.high[..=q05].iter().copied().fold(i32::MIN, i32::max),
            upper_tail: self.low[q95..].iter().copied().fold(i32::MAX, i32::min),
            low: [q25, q50, q75].map(|index| self.low[index]),
            high: [q25, q50, q75].map(|index| self.high[index]),
        }
    }
}

/// How many finite elements are below each bracket, from what the sieve let by and held back.
///
/// `middle` counts all elements below the middle brackets; `chosen` of the elements were held back, and `tails` counts
/// those of them below each bracket. Everything below the first three is held back, and so is everything that is not
/// below the last three.
pub fn below_brackets(finite: u64, middle: [u64; 3], chosen: u64, tails: [u64; 9]) -> [u64; 9] {
    std::array::from_fn(|bracket| match bracket {
        0..=2 => tails[bracket],
        3..=5 => middle[bracket - 3],
        _ => finite - (chosen - tails[bracket]),
    })
}

/// The quantiles of `finite` elements, of which `below[i]` are below bracket i and those inside were kept; `None` when a bracket does not hold its quantile, or too many elements were kept.
pub fn quantiles<E: Element, K: Keep>(
    bounds: &Bounds,
    below: &[u64; 9],
    finite: u64,
    kept: Vec<K>,
) -> Option<[f64; 9]> {
    if finite == 0 {
        return Some([f64::NAN; 9]);
    }
    let positions = Quantiles::PROBABILITIES.map(|probability| summary::position(probability, finite));
    // Ranks inside each bracket: of the element at or below the quantile, and of the next.
    let mut ranks = [[0u64; 2]; 9];
    for index in 0..9 {
        let rank = positions[index].0;
        ranks[index] = [rank.checked_sub(below[index])?, (rank + 1).min(finite - 1).checked_sub(below[index])?];
    }
    let keys = K::select(kept, bounds, &ranks)?;
    let mut values = [0.0; 9];
    for ((value, [below, above]), (_, share)) in values.iter_mut().zip(keys).zip(positions) {
        *value = summary::interpolate(E::from_key(below).into(), E::from_key(above).into(), share);
    }
    Some(values)
}
