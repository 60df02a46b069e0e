//! Order statistics of a number that belongs to each element, by radix selection: digits of the numbers' keys, most significant
//! first, are counted and narrowed down in one pass each.

use super::arithmetic::Real;
use super::inputs::{Inputs, PIECE, Pass, Piece, pieces};
use crate::context::Context;
use crate::error::Result;

/// Bits of a digit.
const DIGIT: u32 = 16;
const DIGITS: usize = 1 << DIGIT;

/// Numbers that sort by a key.
pub trait Ordered: Real {
    /// Bits of a key.
    const BITS: u32;
    /// An unsigned integer that sorts as the numbers do, −0 before 0 and NaN last.
    fn key(self) -> u64;
    /// The number that has this key.
    fn of_key(key: u64) -> Self;
}

macro_rules! ordered {
    ($float:ty, $bits:ty) => {
        impl Ordered for $float {
            const BITS: u32 = <$bits>::BITS;

            #[inline(always)]
            fn key(self) -> u64 {
                const SIGN: $bits = 1 << (<$bits>::BITS - 1);
                let bits = self.to_bits();
                let key = if bits & SIGN == 0 { bits | SIGN } else { !bits };
                u64::from(if self.is_nan() { <$bits>::MAX } else { key })
            }

            fn of_key(key: u64) -> Self {
                const SIGN: $bits = 1 << (<$bits>::BITS - 1);
                let key = key as $bits;
                Self::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
            }
        }
    };
}

ordered!(f32, u32);
ordered!(f64, u64);

/// A number that belongs to each element. `of` is to be `#[inline(always)]`.
pub trait Quantity<R>: Sync {
    /// Those of a piece, into the values of its first input.
    fn of(&self, piece: &mut Piece<R>);
}

/// An element in the order of a quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place<R> {
    /// The quantity.
    pub value: R,
    /// Its rank among the elements with the same quantity.
    pub among_equal: u64,
    /// How many there are of these.
    pub equal: u64,
}

/// The elements at `ranks` (ascending, from 0, below the number of elements), which may depend on how many quantities are not 0.
///
/// # Errors
/// `Cancelled`, `Io`, `Truncated`.
pub fn select<R: Ordered, Q: Quantity<R>>(
    inputs: &Inputs,
    quantity: &Q,
    ranks: impl FnOnce(u64) -> Vec<u64>,
    context: &Context,
) -> Result<Vec<Place<R>>> {
    let mut ranks = Some(ranks);
    let mut searches: Vec<Search> = Vec::new();
    for level in (0..R::BITS / DIGIT).rev() {
        let mut prefixes: Vec<u64> = searches.iter().map(|search| search.prefix).collect();
        prefixes.dedup();
        if level + 1 == R::BITS / DIGIT {
            prefixes.push(0);
        }
        let digits = Digits { quantity, prefixes, shift: level * DIGIT };
        let (counts, _) = inputs.pass(&digits, context)?;
        let counts = counts.into_iter().fold(digits.none(), Counts::merge);
        if let Some(ranks) = ranks.take() {
            searches = ranks(counts.nonzero).into_iter().map(|rank| Search { rank, prefix: 0, equal: 0 }).collect();
        }
        for search in &mut searches {
            let table = digits.prefixes.binary_search(&search.prefix).expect("a counted prefix");
            let counts = &counts.digits[table * DIGITS..(table + 1) * DIGITS];
            let mut digit = 0;
            // The last is beyond the rank where it is not, unless the file changed between two passes.
            while digit < DIGITS - 1 && search.rank >= counts[digit] {
                search.rank -= counts[digit];
                digit += 1;
            }
            search.equal = counts[digit];
            search.prefix = search.prefix << DIGIT | digit as u64;
        }
    }
    let place =
        |search: Search| Place { value: R::of_key(search.prefix), among_equal: search.rank, equal: search.equal };
    Ok(searches.into_iter().map(place).collect())
}

/// The position of the element that is `index`-th, from 0, among those whose quantity is `value`, of which there are more.
///
/// # Errors
/// `Cancelled`, `Io`, `Truncated`.
pub fn position<R: Ordered, Q: Quantity<R>>(
    inputs: &Inputs,
    quantity: &Q,
    value: R,
    index: u64,
    context: &Context,
) -> Result<u64> {
    let key = value.key();
    let (_, tiles) = inputs.pass(&Equal { quantity, key }, context)?;
    let (mut left, mut first) = (index, 0);
    for (tile, count) in (0..).zip(tiles) {
        if left < count {
            first = Inputs::tile(tile, inputs.count()).start;
            break;
        }
        left -= count;
    }
    let mut reading = inputs.reading::<R>();
    for range in pieces(first..inputs.count(), PIECE as u64) {
        context.cancel.check()?;
        let mut piece = reading.load(range)?;
        quantity.of(&mut piece);
        for (position, value) in (piece.first..).zip(&piece.of[0]) {
            if value.key() == key {
                if left == 0 {
                    return Ok(position);
                }
                left -= 1;
            }
        }
    }
    // Only where the file changed between the passes.
    Ok(inputs.count())
}

/// A rank that is being narrowed down.
struct Search {
    /// Rank among the elements whose key starts with `prefix`.
    rank: u64,
    /// The key's leading digits.
    prefix: u64,
    /// How many elements' keys start with `prefix`.
    equal: u64,
}

/// Counts, for each of `prefixes` (ascending), how often each value of the digit at `shift` occurs among the keys that start with it.
struct Digits<'a, Q> {
    quantity: &'a Q,
    prefixes: Vec<u64>,
    shift: u32,
}

struct Counts {
    /// A table for each prefix.
    digits: Vec<u64>,
    /// Quantities that are not 0.
    nonzero: u64,
}

impl Counts {
    fn merge(mut self, other: Self) -> Self {
        self.digits.iter_mut().zip(other.digits).for_each(|(sum, count)| *sum += count);
        self.nonzero += other.nonzero;
        self
    }
}

impl<Q> Digits<'_, Q> {
    fn none(&self) -> Counts {
        Counts { digits: vec![0; self.prefixes.len() * DIGITS], nonzero: 0 }
    }
}

impl<R: Ordered, Q: Quantity<R>> Pass<R> for Digits<'_, Q> {
    type State = Counts;
    type Part = ();

    fn state(&self) -> Counts {
        self.none()
    }

    #[inline(always)]
    fn piece(&self, piece: &mut Piece<R>, counts: &mut Counts, (): &mut ()) {
        self.quantity.of(piece);
        let values = &piece.of[0];
        counts.nonzero += values.iter().map(|value| u64::from(*value != R::ZERO)).sum::<u64>();
        for value in values {
            let key = value.key();
            // The first digit has no prefix; shifting by all 64 bits is not defined.
            let prefix = key.checked_shr(self.shift + DIGIT).unwrap_or(0);
            if let Ok(table) = self.prefixes.binary_search(&prefix) {
                counts.digits[table * DIGITS + (key >> self.shift) as usize % DIGITS] += 1;
            }
        }
    }
}

/// Counts the elements with one key.
struct Equal<'a, Q> {
    quantity: &'a Q,
    key: u64,
}

impl<R: Ordered, Q: Quantity<R>> Pass<R> for Equal<'_, Q> {
    type State = ();
    type Part = u64;

    fn state(&self) {}

    #[inline(always)]
    fn piece(&self, piece: &mut Piece<R>, (): &mut (), count: &mut u64) {
        self.quantity.of(piece);
        *count += piece.of[0].iter().map(|value| u64::from(value.key() == self.key)).sum::<u64>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_numbers_do() {
        let ascending = [f32::NEG_INFINITY, -1.5, -1e-45, -0.0, 0.0, 1e-45, 1.0, f32::INFINITY, f32::NAN];
        assert!(ascending.windows(2).all(|pair| pair[0].key() < pair[1].key()));
        assert!((-f32::NAN).key() == f32::NAN.key());
        for value in ascending {
            assert!(f32::of_key(value.key()).to_bits() == value.to_bits() || value.is_nan());
            let wide = f64::from(value);
            assert!(f64::of_key(wide.key()).to_bits() == wide.to_bits() || value.is_nan());
        }
    }
}
