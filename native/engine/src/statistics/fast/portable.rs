//! The kernels in plain Rust, in fixed lanes that compilers turn into vectors.

use super::brackets::{Bounds, Sieve};
use super::element::Element;
use super::{Pivot, Sums, Survey};

/// Elements added up side by side.
const LANES: usize = 16;
/// Elements of each lane added in f32 before the sums move on to f64.
const SHORT: usize = 16;
/// Elements bracketed at once.
const BATCH: usize = 64;

/// Compiles `body` for AVX2 beside what the target guarantees, and picks one at run time.
macro_rules! with_avx2 {
    ($(#[$doc:meta])* pub fn $name:ident($($arg:ident: $type:ty),*) $(-> $ret:ty)? = $body:ident) => {
        $(#[$doc])*
        pub fn $name<E: Element>($($arg: $type),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                #[target_feature(enable = "avx2")]
                fn avx2<E: Element>($($arg: $type),*) $(-> $ret)? {
                    $body::<E>($($arg),*)
                }
                // SAFETY: the processor has AVX2.
                return unsafe { avx2::<E>($($arg),*) };
            }
            $body::<E>($($arg),*)
        }
    };
}

with_avx2!(
    /// `Element::sweep`.
    pub fn sweep(
        bytes: &[u8], pivot: Pivot, sieve: &Sieve, below: &mut [u64; 3], chosen: &mut Vec<u8>
    ) -> Sums = sweep_lanes
);
with_avx2!(
    /// `Element::bracket`.
    pub fn bracket(bytes: &[u8], bounds: &Bounds, below: &mut [u64; 9], inside: &mut Vec<i32>) = bracket_batches
);
with_avx2!(
    /// `Element::survey`.
    pub fn survey(bytes: &[u8], survey: &mut Survey) = survey_batches
);

#[inline(always)]
fn sweep_lanes<E: Element>(
    bytes: &[u8],
    pivot: Pivot,
    sieve: &Sieve,
    below: &mut [u64; 3],
    chosen: &mut Vec<u8>,
) -> Sums {
    filter_batches::<E>(bytes, sieve, below, chosen);
    measure_lanes::<E>(bytes, pivot)
}

#[inline(always)]
fn measure_lanes<E: Element>(bytes: &[u8], pivot: Pivot) -> Sums {
    let offset = pivot.value * pivot.scale;
    let (mut first, mut long) = ([0f64; LANES], [[0f64; LANES]; 4]);
    for run in bytes.chunks(LANES * SHORT * E::WIDTH) {
        let mut short = [[0f32; LANES]; 4];
        let groups = run.chunks_exact(LANES * E::WIDTH);
        for element in groups.remainder().chunks_exact(E::WIDTH) {
            add_element(E::from_key(E::key(element)), pivot, offset, &mut first, &mut short, 0);
        }
        for group in groups {
            let mut x = [0f32; LANES];
            for (x, element) in x.iter_mut().zip(group.chunks_exact(E::WIDTH)) {
                *x = E::from_key(E::key(element));
            }
            for (lane, &x) in x.iter().enumerate() {
                add_element(x, pivot, offset, &mut first, &mut short, lane);
            }
        }
        for (long, short) in long.iter_mut().flatten().zip(short.iter().flatten()) {
            *long += f64::from(*short);
        }
    }
    let sum = |lanes: &[f64; LANES]| lanes.iter().sum::<f64>();
    Sums { powers: [sum(&first), sum(&long[0]), sum(&long[1]), sum(&long[2])], l1: sum(&long[3]) }
}

#[inline(always)]
fn add_element(
    x: f32,
    pivot: Pivot,
    offset: f32,
    first: &mut [f64; LANES],
    short: &mut [[f32; LANES]; 4],
    lane: usize,
) {
    let d = x * pivot.scale - offset;
    let square = d * d;
    first[lane] += f64::from(d);
    short[0][lane] += square;
    short[1][lane] += square * d;
    short[2][lane] += square * square;
    short[3][lane] += x.abs() * pivot.scale;
}

/// The keys of at most `BATCH` elements; the rest is 0.
#[inline(always)]
fn keys<E: Element>(batch: &[u8]) -> [i32; BATCH] {
    let mut keys = [0i32; BATCH];
    for (key, element) in keys.iter_mut().zip(batch.chunks_exact(E::WIDTH)) {
        *key = E::key(element);
    }
    keys
}

/// Marks the keys inside `low .. high`; answers how many are below.
#[inline(always)]
fn mark(keys: &[i32], low: i32, high: i32, within: &mut [i32; BATCH]) -> u64 {
    let mut below = 0;
    for (&key, within) in keys.iter().zip(within) {
        below += i32::from(key < low);
        *within |= i32::from(key >= low) & i32::from(key < high);
    }
    below as u64
}

#[inline(always)]
fn filter_batches<E: Element>(bytes: &[u8], sieve: &Sieve, below: &mut [u64; 3], chosen: &mut Vec<u8>) {
    for batch in bytes.chunks(BATCH * E::WIDTH) {
        let keys = keys::<E>(batch);
        let keys = &keys[..batch.len() / E::WIDTH];
        let mut within = [0i32; BATCH];
        for (&key, within) in keys.iter().zip(&mut within) {
            let tail = i32::from(key < sieve.lower_tail) | i32::from(key >= sieve.upper_tail);
            *within = tail | (i32::from(key >= -E::SMALL_KEYS) & i32::from(key < E::SMALL_KEYS));
        }
        for ((&low, &high), below) in sieve.low.iter().zip(&sieve.high).zip(below.iter_mut()) {
            *below += mark(keys, low, high, &mut within);
        }
        // Copies every element and moves on past those held back: no branch to mispredict.
        let mut kept = [0u8; 4 * BATCH];
        let mut end = 0;
        for (element, within) in batch.chunks_exact(E::WIDTH).zip(within) {
            kept[end..end + E::WIDTH].copy_from_slice(element);
            end += within as usize * E::WIDTH;
        }
        chosen.extend_from_slice(&kept[..end]);
    }
}

#[inline(always)]
fn bracket_batches<E: Element>(bytes: &[u8], bounds: &Bounds, below: &mut [u64; 9], inside: &mut Vec<i32>) {
    for batch in bytes.chunks(BATCH * E::WIDTH) {
        let keys = keys::<E>(batch);
        let keys = &keys[..batch.len() / E::WIDTH];
        let mut within = [0i32; BATCH];
        for ((&low, &high), below) in bounds.low.iter().zip(&bounds.high).zip(below.iter_mut()) {
            *below += mark(keys, low, high, &mut within);
        }
        inside.extend(keys.iter().zip(within).filter(|(_, within)| *within != 0).map(|(key, _)| key));
    }
}

#[inline(always)]
fn survey_batches<E: Element>(bytes: &[u8], survey: &mut Survey) {
    for batch in bytes.chunks(BATCH * E::WIDTH) {
        let keys = keys::<E>(batch);
        let (mut zeros, mut small) = (0u32, 0u32);
        for &key in &keys[..batch.len() / E::WIDTH] {
            survey.min = survey.min.min(key);
            survey.max = survey.max.max(key);
            // The keys of +0 and −0.
            zeros += u32::from(key == 0) + u32::from(key == -1);
            small += u32::from(key >= -E::SMALL_KEYS) & u32::from(key < E::SMALL_KEYS);
        }
        survey.zeros += u64::from(zeros);
        survey.small += u64::from(small);
    }
}
