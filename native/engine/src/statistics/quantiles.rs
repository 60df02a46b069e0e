//! Order statistics by radix selection: the keys' digits, most significant first, are counted and narrowed down in one
//! pass each.

use super::wide::{TILE, Wide};
use crate::context::Context;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tiles;

/// Bits of a digit.
const DIGIT: u32 = 16;
const DIGITS: usize = 1 << DIGIT;

/// A rank that is being narrowed down.
struct Search {
    /// Rank among the elements whose key starts with `prefix`.
    rank: u64,
    /// The key's leading digits.
    prefix: u64,
}

/// The keys of the finite elements at `ranks` (0-based, ascending, below the number of finite elements).
///
/// # Errors
/// `Cancelled`, `Io`, `Truncated`.
pub fn select<T: Wide>(tensor: &Tensor, ranks: &[u64], context: &Context) -> Result<Vec<u64>> {
    let mut searches: Vec<Search> = ranks.iter().map(|&rank| Search { rank, prefix: 0 }).collect();
    for level in (0..T::KEY_BITS / DIGIT).rev() {
        let shift = level * DIGIT;
        let mut prefixes: Vec<u64> = searches.iter().map(|search| search.prefix).collect();
        prefixes.dedup();
        let counts = count_digits::<T>(tensor, &prefixes, shift, context)?;
        for search in &mut searches {
            let table = prefixes.binary_search(&search.prefix).expect("a counted prefix");
            let mut digit = 0;
            for &count in &counts[table * DIGITS..(table + 1) * DIGITS] {
                if search.rank < count {
                    break;
                }
                search.rank -= count;
                digit += 1;
            }
            search.prefix = search.prefix << DIGIT | digit;
        }
    }
    Ok(searches.into_iter().map(|search| search.prefix).collect())
}

/// For each of `prefixes` (ascending), how often each value of the digit at `shift` occurs among the finite elements
/// whose key starts with that prefix.
fn count_digits<T: Wide>(tensor: &Tensor, prefixes: &[u64], shift: u32, context: &Context) -> Result<Vec<u64>> {
    let init = || (tensor.reader(), vec![0u64; prefixes.len() * DIGITS]);
    let (states, _) = tiles::for_each(context, tensor.count(), TILE, init, |(reader, counts), tile| {
        let bytes = reader.elements(tile.start, (tile.end - tile.start) as usize)?;
        for element in bytes.chunks_exact(T::WIDTH) {
            let key = T::key(element);
            if !(T::FINITE.0..=T::FINITE.1).contains(&key) {
                continue;
            }
            // The first digit has no prefix; shifting by all 64 bits is not defined.
            let prefix = key.checked_shr(shift + DIGIT).unwrap_or(0);
            if let Ok(table) = prefixes.binary_search(&prefix) {
                counts[table * DIGITS + (key >> shift) as usize % DIGITS] += 1;
            }
        }
        Ok(())
    })?;
    let mut states = states.into_iter().map(|(_, counts)| counts);
    let mut total = states.next().unwrap_or_default();
    for counts in states {
        total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    Ok(total)
}
