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

/// The quantiles of `finite` elements, of which `at_or_above[i]` are at or above bracket i's lower end and those inside
/// were kept; `None` when a bracket does not hold its quantile, or too many elements were kept.
pub fn quantiles<E: Element, K: Keep>(
    bounds: &Bounds,
    at_or_above: &[u64; 9],
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
        let below_bracket = finite - at_or_above[index];
        let rank = positions[index].0;
        ranks[index] = [rank.checked_sub(below_bracket)?, (rank + 1).min(finite - 1).checked_sub(below_bracket)?];
    }
    let keys = K::select(kept, bounds, &ranks)?;
    let mut values = [0.0; 9];
    for ((value, [below, above]), (_, share)) in values.iter_mut().zip(keys).zip(positions) {
        *value = summary::interpolate(E::from_key(below).into(), E::from_key(above).into(), share);
    }
    Some(values)
}
