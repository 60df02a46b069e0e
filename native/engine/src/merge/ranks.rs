//! Ranks of magnitudes along one axis, and what is kept of them by chance: DELLA's MagPrune (Deep et al., DELLA-Merging, 2024).

use super::arithmetic::{Arithmetic, Real, Word};
use super::philox;
use super::selection::Key;

/// Ascending ranks of `keys` from 0; equal keys in their order. By radix sort of a byte at a time.
#[derive(Debug, Default)]
pub struct Ranking {
    order: Vec<u32>,
    other: Vec<u32>,
    ranks: Vec<u32>,
}

impl Ranking {
    /// # Panics
    /// For 2³² keys or more.
    pub fn of<K: Word>(&mut self, keys: &[K], bits: u32) -> &[u32] {
        let length = u32::try_from(keys.len()).expect("fewer than 2^32 keys");
        self.order.clear();
        self.order.extend(0..length);
        self.other.resize(keys.len(), 0);
        for shift in (0..bits).step_by(8) {
            let digit = |index: u32| (keys[index as usize].wide() >> shift & 0xff) as usize;
            let mut starts = [0u32; 257];
            self.order.iter().for_each(|&index| starts[digit(index) + 1] += 1);
            for value in 1..starts.len() {
                starts[value] += starts[value - 1];
            }
            for &index in &self.order {
                let place = &mut starts[digit(index)];
                self.other[*place as usize] = index;
                *place += 1;
            }
            std::mem::swap(&mut self.order, &mut self.other);
        }
        self.ranks.resize(keys.len(), 0);
        for (rank, &index) in (0..).zip(&self.order) {
            self.ranks[index as usize] = rank;
        }
        &self.ranks
    }
}

/// Which elements of a line (a row, say) are kept: that of rank r of n with probability low + span·r/(n − 1), that of a line of one
/// with the probability in the middle.
#[derive(Clone, Copy, Debug)]
pub struct Draw<R> {
    pub seed: u64,
    pub low: R,
    pub span: R,
}

impl<R: Real> Draw<R> {
    /// Probabilities from density − epsilon to density + epsilon.
    pub fn new<A: Arithmetic<Real = R>>(seed: u64, density: f64, epsilon: f64) -> Self {
        let [low, span] = [density - epsilon, 2.0 * epsilon].map(|value| A::round_chance(R::of(value)));
        Self { seed, low, span }
    }

    /// The probability with which each element of a line is kept, from the keys of its magnitudes.
    #[inline(always)]
    pub fn chances<A: Arithmetic<Real = R>>(&self, keys: &[Key<A>], ranking: &mut Ranking, out: &mut Vec<R>) {
        let last = A::round_chance(R::of(keys.len() as f64 - 1.0));
        let ranks = ranking.of(keys, A::KEY_BITS);
        out.clear();
        out.extend(ranks.iter().map(|&rank| {
            let share = if keys.len() > 1 {
                A::round_chance(A::round_chance(R::of(f64::from(rank))) / last)
            } else {
                R::of(0.5)
            };
            A::round_chance(self.low + A::round_chance(self.span * share))
        }));
    }

    /// Whether the word drawn for an element keeps it.
    #[inline(always)]
    pub fn keeps(chance: R, word: u32) -> bool {
        // 24 bits, which f32 holds.
        R::of(f64::from(word >> 8) * (1.0 / f64::from(1u32 << 24))) < chance
    }

    /// The words for the elements from position `first` on.
    #[inline(always)]
    pub fn words(&self, first: u64, out: &mut [u32]) {
        philox::fill(self.seed, first, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_a_stable_sort() {
        let mut state = 1u64;
        let keys: Vec<u64> = (0..5000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // Many equal ones.
                state >> 33 & 0x7f03_0101
            })
            .collect();
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|&index| keys[index]);
        let mut expected = vec![0; keys.len()];
        for (rank, index) in (0..).zip(order) {
            expected[index] = rank;
        }
        assert_eq!(Ranking::default().of(&keys, 31), expected);
    }
}
