//! Random words that depend on a seed and a position alone: Philox 4×32 with ten rounds (Salmon et al., Parallel Random Numbers:
//! As Easy as 1, 2, 3, 2011).

/// Counters worked on side by side.
const LANES: usize = 8;
/// Words that they give.
const BLOCK: usize = 4 * LANES;

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;

/// Encrypts `LANES` counters, given word by word, with one key.
fn encrypt([a, b, c, d]: &mut [[u32; LANES]; 4], mut key: [u32; 2]) {
    let product = |x: u32, y: u32| u64::from(x) * u64::from(y);
    for _ in 0..ROUNDS {
        for lane in 0..LANES {
            let (first, second) = (product(a[lane], MULTIPLIERS[0]), product(c[lane], MULTIPLIERS[1]));
            (a[lane], b[lane]) = ((second >> 32) as u32 ^ b[lane] ^ key[0], second as u32);
            (c[lane], d[lane]) = ((first >> 32) as u32 ^ d[lane] ^ key[1], first as u32);
        }
        key = next(key);
    }
}

/// The key of the next round.
fn next([one, other]: [u32; 2]) -> [u32; 2] {
    [one.wrapping_add(WEYL[0]), other.wrapping_add(WEYL[1])]
}

/// The key of a seed.
fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// The words of block `block`: position 8·w + i of it is word w of counter 8·block + i.
fn block(seed: u64, block: u64) -> [[u32; LANES]; 4] {
    let mut counters = [[0u32; LANES]; 4];
    for (lane, counter) in (block * LANES as u64..).take(LANES).enumerate() {
        (counters[0][lane], counters[1][lane]) = (counter as u32, (counter >> 32) as u32);
    }
    encrypt(&mut counters, key(seed));
    counters
}

/// The words at positions `first ..` of the sequence of `seed`.
pub fn fill(seed: u64, first: u64, out: &mut [u32]) {
    let skipped = (first % BLOCK as u64) as usize;
    let mut number = first / BLOCK as u64;
    let (head, rest) = out.split_at_mut(if skipped == 0 { 0 } else { out.len().min(BLOCK - skipped) });
    if !head.is_empty() {
        let length = head.len();
        head.copy_from_slice(&block(seed, number).as_flattened()[skipped..skipped + length]);
        number += 1;
    }
    let (whole, tail) = rest.split_at_mut(rest.len() / BLOCK * BLOCK);
    blocks(seed, number, whole);
    if !tail.is_empty() {
        let length = tail.len();
        number += (whole.len() / BLOCK) as u64;
        tail.copy_from_slice(&block(seed, number).as_flattened()[..length]);
    }
}

/// The blocks from number `first` on; `out` has room for whole ones.
fn blocks(seed: u64, first: u64, out: &mut [u32]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has it.
        return unsafe { avx2::blocks(seed, first, out) };
    }
    for (number, out) in (first..).zip(out.chunks_exact_mut(BLOCK)) {
        out.copy_from_slice(block(seed, number).as_flattened());
    }
}

/// Words in the lower halves of 64 bits, as their products are, so that each step is one instruction; above them is whatever the
/// steps before left there. What compilers make of loops over arrays takes two to four times as long.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{BLOCK, LANES, MULTIPLIERS, ROUNDS, key, next};

    /// As `super::blocks`.
    #[target_feature(enable = "avx2")]
    pub fn blocks(seed: u64, first: u64, out: &mut [u32]) {
        // In this order the lower halves of two vectors are packed into one by a single shuffle.
        let lanes = [_mm256_setr_epi64x(0, 1, 4, 5), _mm256_setr_epi64x(2, 3, 6, 7)];
        let multipliers = MULTIPLIERS.map(|word| _mm256_set1_epi64x(i64::from(word)));
        let mut round = key(seed);
        let keys: [_; ROUNDS] = std::array::from_fn(|_| {
            let words = round;
            round = next(round);
            words.map(|word| _mm256_set1_epi64x(i64::from(word)))
        });
        for (number, out) in (first..).zip(out.chunks_exact_mut(BLOCK)) {
            let start = _mm256_set1_epi64x((number * LANES as u64) as i64);
            let zero = _mm256_setzero_si256();
            let mut words = lanes.map(|lane| {
                let counter = _mm256_add_epi64(start, lane);
                [counter, _mm256_srli_epi64::<32>(counter), zero, zero]
            });
            for keys in &keys {
                for [a, b, c, d] in &mut words {
                    let (first, second) = (_mm256_mul_epu32(*a, multipliers[0]), _mm256_mul_epu32(*c, multipliers[1]));
                    *a = _mm256_xor_si256(_mm256_srli_epi64::<32>(second), _mm256_xor_si256(*b, keys[0]));
                    *c = _mm256_xor_si256(_mm256_srli_epi64::<32>(first), _mm256_xor_si256(*d, keys[1]));
                    (*b, *d) = (second, first);
                }
            }
            let [one, other] = words;
            for ((one, other), out) in one.into_iter().zip(other).zip(out.chunks_exact_mut(LANES)) {
                let packed = _mm256_shuffle_ps::<0b10_00_10_00>(_mm256_castsi256_ps(one), _mm256_castsi256_ps(other));
                // SAFETY: `out` has room for eight words.
                unsafe { _mm256_storeu_ps(out.as_mut_ptr().cast(), packed) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that come with the authors' Random123 library.
    #[test]
    fn known_answers() {
        let ones = u32::MAX;
        for (counter, key, expected) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([ones; 4], [ones; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            let mut counters = counter.map(|word: u32| [word; LANES]);
            encrypt(&mut counters, key);
            assert_eq!(counters.map(|word| word[3]), expected);
        }
    }

    /// Whatever instructions they are made with; also where a counter's lower word is full.
    #[test]
    fn blocks_are_those_of_the_definition() {
        for (seed, first) in [(0, 0), (7, 1 << 20), (u64::MAX, (1 << 29) - 2), (0x0123_4567_89ab_cdef, (1 << 60) + 3)] {
            let mut found = [0; 5 * BLOCK];
            blocks(seed, first, &mut found);
            for (number, found) in (first..).zip(found.chunks_exact(BLOCK)) {
                assert_eq!(found, block(seed, number).as_flattened());
            }
        }
    }

    #[test]
    fn any_part_is_the_same() {
        let mut whole = vec![0; 300];
        fill(7, 1 << 33, &mut whole);
        for (first, length) in [(0, 300), (1, 5), (31, 2), (32, 40), (33, 267), (299, 1), (64, 0)] {
            let mut part = vec![0; length];
            fill(7, (1 << 33) + first as u64, &mut part);
            assert_eq!(part, whole[first..first + length], "{first}");
        }
    }
}
