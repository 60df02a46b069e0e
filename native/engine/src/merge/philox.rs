//! Random words that depend on a seed and a position alone: Philox 4×32 with ten rounds (Salmon et al., Parallel Random Numbers:
//! As Easy as 1, 2, 3, 2011).

/// Counters worked on side by side.
const LANES: usize = 8;
/// Words that they give.
const BLOCK: usize = 4 * LANES;

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;

/// Bits of a word.
const WORD: u64 = u32::MAX as u64;

/// Encrypts `LANES` counters, given word by word, with one key. Words stand in 64 bits each, as their products do: so compilers
/// make vectors of all steps.
#[inline(always)]
fn encrypt([a, b, c, d]: &mut [[u64; LANES]; 4], mut key: [u32; 2]) {
    for _ in 0..ROUNDS {
        let [one, other] = key.map(u64::from);
        let (mut first, mut second) = ([0u64; LANES], [0u64; LANES]);
        for lane in 0..LANES {
            first[lane] = (a[lane] & WORD) * u64::from(MULTIPLIERS[0]);
        }
        for lane in 0..LANES {
            second[lane] = (c[lane] & WORD) * u64::from(MULTIPLIERS[1]);
        }
        for lane in 0..LANES {
            a[lane] = second[lane] >> 32 ^ b[lane] ^ one;
            b[lane] = second[lane] & WORD;
        }
        for lane in 0..LANES {
            c[lane] = first[lane] >> 32 ^ d[lane] ^ other;
            d[lane] = first[lane] & WORD;
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
}

/// The words of block `block`: position 8·w + i of it is word w of counter 8·block + i.
#[inline(always)]
fn block(seed: u64, block: u64) -> [[u32; LANES]; 4] {
    let mut counters = [[0u64; LANES]; 4];
    let [low, high, ..] = &mut counters;
    for (counter, (low, high)) in (block * LANES as u64..).zip(low.iter_mut().zip(high)) {
        *low = counter & WORD;
        *high = counter >> 32;
    }
    encrypt(&mut counters, [seed as u32, (seed >> 32) as u32]);
    counters.map(|words| words.map(|word| word as u32))
}

/// The words at positions `first ..` of the sequence of `seed`.
#[inline(always)]
pub fn fill(seed: u64, first: u64, out: &mut [u32]) {
    let skipped = (first % BLOCK as u64) as usize;
    let mut number = first / BLOCK as u64;
    let (head, whole) = out.split_at_mut(if skipped == 0 { 0 } else { out.len().min(BLOCK - skipped) });
    if !head.is_empty() {
        let length = head.len();
        head.copy_from_slice(&block(seed, number).as_flattened()[skipped..skipped + length]);
        number += 1;
    }
    for words in whole.chunks_mut(BLOCK) {
        let found = block(seed, number);
        words.copy_from_slice(&found.as_flattened()[..words.len()]);
        number += 1;
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
            let mut counters = counter.map(|word: u32| [u64::from(word); LANES]);
            encrypt(&mut counters, key);
            assert_eq!(counters.map(|word| word[3] as u32), expected);
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
