//! Codebook types: groups of four or eight elements are points of a grid, or single ones entries of a table.

use super::grids::{IQ1_S, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS};
use super::{half, half_of, long, part, word};

/// Levels of the grids of IQ2.
const LEVELS_2: [f32; 4] = [8.0, 25.0, 43.0, 0.0];
/// Levels of the grid of IQ3_XXS.
const LEVELS_3_XXS: [f32; 8] = [4.0, 12.0, 20.0, 28.0, 36.0, 44.0, 52.0, 62.0];

/// The table of IQ4.
const TABLE_4: [f32; 16] =
    [-127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0];

/// Eight signs from seven bits: an even number of them is negative.
#[inline(always)]
fn even_signs(seven: u32) -> u8 {
    let seven = (seven & 127) as u8;
    seven | (seven.count_ones() as u8 & 1) << 7
}

/// `value`, negated where bit `index` of `signs` is set.
#[inline(always)]
fn signed(value: f32, signs: u8, index: usize) -> f32 {
    f32::from_bits(value.to_bits() ^ u32::from(signs >> index & 1) << 31)
}

/// Eight elements of an IQ2 grid, two bits each.
#[inline(always)]
fn point_2(scale: f32, point: u16, signs: u8, out: &mut [f32]) {
    for (i, value) in out.iter_mut().enumerate() {
        *value = signed(scale * LEVELS_2[usize::from(point >> (2 * i) & 3)], signs, i);
    }
}

#[inline(always)]
pub fn iq2_xxs(block: &[u8; 66], out: &mut [f32; 256]) {
    let d = half(block, 0);
    for (group, values) in out.chunks_exact_mut(32).enumerate() {
        let points: &[u8; 4] = part(block, 2 + 8 * group);
        let rest = long(block, 6 + 8 * group);
        let scale = d * (0.5 + (rest >> 28) as f32) * 0.25;
        for (k, values) in values.chunks_exact_mut(8).enumerate() {
            point_2(scale, IQ2_XXS[usize::from(points[k])], even_signs(rest >> (7 * k)), values);
        }
    }
}

#[inline(always)]
pub fn iq2_xs(block: &[u8; 74], out: &mut [f32; 256]) {
    let d = half(block, 0);
    for (sub, values) in out.chunks_exact_mut(16).enumerate() {
        let scale = d * (0.5 + f32::from(block[66 + sub / 2] >> (sub % 2 * 4) & 15)) * 0.25;
        for (k, values) in values.chunks_exact_mut(8).enumerate() {
            let code = word(block, 2 + 4 * sub + 2 * k);
            point_2(scale, IQ2_XS[usize::from(code & 511)], even_signs(u32::from(code >> 9)), values);
        }
    }
}

#[inline(always)]
pub fn iq2_s(block: &[u8; 82], out: &mut [f32; 256]) {
    let d = half(block, 0);
    for (k, values) in out.chunks_exact_mut(8).enumerate() {
        let scale = d * (0.5 + f32::from(block[74 + k / 4] >> (k / 2 % 2 * 4) & 15)) * 0.25;
        let point = usize::from(block[2 + k]) | usize::from(block[66 + k / 4] >> (k % 4 * 2) & 3) << 8;
        point_2(scale, IQ2_S[point], block[34 + k], values);
    }
}

#[inline(always)]
pub fn iq3_xxs(block: &[u8; 98], out: &mut [f32; 256]) {
    let d = half(block, 0);
    for (group, values) in out.chunks_exact_mut(32).enumerate() {
        let points: &[u8; 8] = part(block, 2 + 8 * group);
        let rest = long(block, 66 + 4 * group);
        let scale = d * (0.5 + (rest >> 28) as f32) * 0.5;
        for (k, values) in values.chunks_exact_mut(8).enumerate() {
            let signs = even_signs(rest >> (7 * k));
            for (i, value) in values.iter_mut().enumerate() {
                let point = IQ3_XXS[usize::from(points[2 * k + i / 4])];
                *value = signed(scale * LEVELS_3_XXS[usize::from(point >> (i % 4 * 4) & 7)], signs, i);
            }
        }
    }
}

#[inline(always)]
pub fn iq3_s(block: &[u8; 110], out: &mut [f32; 256]) {
    let d = half(block, 0);
    for (k, values) in out.chunks_exact_mut(4).enumerate() {
        let group = k / 8;
        let scale = d * f32::from(1 + 2 * (block[106 + group / 2] >> (group % 2 * 4) & 15));
        let point = IQ3_S[usize::from(block[2 + k]) | usize::from(block[66 + group] >> (k % 8) & 1) << 8];
        let signs = block[74 + k / 2] >> (k % 2 * 4);
        for (i, value) in values.iter_mut().enumerate() {
            // Levels are the odd numbers.
            *value = signed(scale * f32::from(2 * (point >> (i * 4) & 7) + 1), signs, i);
        }
    }
}

/// Eight elements of the IQ1 grid, two bits each: −1, 0 and 1, shifted by ±1/8.
#[inline(always)]
fn point_1(scale: f32, point: u16, negative: bool, out: &mut [f32]) {
    let delta = if negative { -0.125 } else { 0.125 };
    for (i, value) in out.iter_mut().enumerate() {
        *value = scale * (f32::from(point >> (2 * i) & 3) - 1.0 + delta);
    }
}

#[inline(always)]
pub fn iq1_s(block: &[u8; 50], out: &mut [f32; 256]) {
    let d = half(block, 0);
    for (group, values) in out.chunks_exact_mut(32).enumerate() {
        let high = word(block, 34 + 2 * group);
        let scale = d * f32::from(2 * (high >> 12 & 7) + 1);
        for (k, values) in values.chunks_exact_mut(8).enumerate() {
            let point = usize::from(block[2 + 4 * group + k]) | usize::from(high >> (3 * k) & 7) << 8;
            point_1(scale, IQ1_S[point], high >> 15 == 1, values);
        }
    }
}

/// The scale of the block is in the top four bits of four words, whose lower bits are the sub-blocks' scales.
#[inline(always)]
pub fn iq1_m(block: &[u8; 56], out: &mut [f32; 256]) {
    let words: [u16; 4] = std::array::from_fn(|i| word(block, 48 + 2 * i));
    let d = half_of(words[0] >> 12 | words[1] >> 12 << 4 | words[2] >> 12 << 8 | words[3] >> 12 << 12);
    for (sub, values) in out.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(2 * (words[sub / 4] >> (sub % 4 * 3) & 7) + 1);
        for (k, values) in values.chunks_exact_mut(8).enumerate() {
            let high = block[32 + sub] >> (4 * k) & 15;
            let point = usize::from(block[2 * sub + k]) | usize::from(high & 7) << 8;
            point_1(scale, IQ1_S[point], high & 8 != 0, values);
        }
    }
}

#[inline(always)]
pub fn iq4_nl(block: &[u8; 18], out: &mut [f32; 32]) {
    table_4(half(block, 0), part(block, 2), out);
}

#[inline(always)]
pub fn iq4_xs(block: &[u8; 136], out: &mut [f32; 256]) {
    let d = half(block, 0);
    let high = word(block, 2);
    for (group, values) in out.chunks_exact_mut(32).enumerate() {
        let low = block[4 + group / 2] >> (group % 2 * 4) & 15;
        let scale = d * (i32::from(low) + i32::from(high >> (2 * group) & 3) * 16 - 32) as f32;
        table_4(scale, part(block, 8 + 16 * group), values.try_into().expect("32 elements"));
    }
}

/// d times table entries: the low halves of the bytes, then the high ones.
#[inline(always)]
fn table_4(d: f32, codes: &[u8; 16], out: &mut [f32; 32]) {
    for (j, &code) in codes.iter().enumerate() {
        out[j] = d * TABLE_4[usize::from(code & 15)];
        out[j + 16] = d * TABLE_4[usize::from(code >> 4)];
    }
}
