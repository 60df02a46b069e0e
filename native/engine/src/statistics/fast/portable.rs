//! The kernels in plain Rust, in fixed lanes that compilers turn into vectors.

use super::brackets::Bounds;
use super::element::Element;
use super::{Pivot, Sums};

/// Elements added up side by side.
const LANES: usize = 16;
/// Elements of each lane added in f32 before the sums move on to f64.
const SHORT: usize = 32;
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
    /// `Element::measure`.
    pub fn measure(bytes: &[u8], pivot: Pivot) -> Sums = measure_lanes
);
with_avx2!(
    /// `Element::bracket`.
    pub fn bracket(bytes: &[u8], bounds: &Bounds, at_or_above: &mut [u64; 9], inside: &mut Vec<i32>) = bracket_batches
);

#[inline(always)]
fn measure_lanes<E: Element>(bytes: &[u8], pivot: Pivot) -> Sums {
    let offset = pivot.value * pivot.scale;
    let (mut first, mut powers, mut l1) = ([0f64; LANES], [[0f64; LANES]; 3], [0f64; LANES]);
    let (mut min, mut max) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let (mut zeros, mut small, mut broken) = ([0u32; LANES], [0u32; LANES], [0u32; LANES]);
    for run in bytes.chunks(LANES * SHORT * E::WIDTH) {
        let (mut short, mut short_l1) = ([[0f32; LANES]; 3], [0f32; LANES]);
        for group in run.chunks(LANES * E::WIDTH) {
            // Lanes beyond the end hold the pivot, which adds nothing to the powers; what it adds elsewhere is undone.
            let mut x = [pivot.value; LANES];
            for (x, element) in x.iter_mut().zip(group.chunks_exact(E::WIDTH)) {
                *x = E::from_key(E::key(element));
            }
            let present = group.len() / E::WIDTH;
            for lane in 0..LANES {
                let counted = u32::from(lane < present);
                let magnitude = x[lane].abs();
                let d = x[lane] * pivot.scale - offset;
                let square = d * d;
                first[lane] += f64::from(d);
                short[0][lane] += square;
                short[1][lane] += square * d;
                short[2][lane] += square * square;
                short_l1[lane] += if lane < present { magnitude * pivot.scale } else { 0.0 };
                let (low, high) = if lane < present { (x[lane], x[lane]) } else { (f32::INFINITY, f32::NEG_INFINITY) };
                min[lane] = if low < min[lane] { low } else { min[lane] };
                max[lane] = if high > max[lane] { high } else { max[lane] };
                zeros[lane] += counted & u32::from(magnitude == 0.0);
                small[lane] += counted & u32::from(magnitude == 0.0 || E::is_subnormal(x[lane]));
                broken[lane] |= counted & u32::from(!magnitude.is_finite());
            }
        }
        for lane in 0..LANES {
            (0..3).for_each(|power| powers[power][lane] += f64::from(short[power][lane]));
            l1[lane] += f64::from(short_l1[lane]);
        }
    }
    let sum = |lanes: &[f64; LANES]| lanes.iter().sum::<f64>();
    Sums {
        powers: [sum(&first), sum(&powers[0]), sum(&powers[1]), sum(&powers[2])],
        l1: sum(&l1),
        min: min.into_iter().fold(f32::INFINITY, f32::min),
        max: max.into_iter().fold(f32::NEG_INFINITY, f32::max),
        zeros: zeros.iter().copied().map(u64::from).sum(),
        small: small.iter().copied().map(u64::from).sum(),
        finite: broken == [0; LANES],
    }
}

#[inline(always)]
fn bracket_batches<E: Element>(bytes: &[u8], bounds: &Bounds, at_or_above: &mut [u64; 9], inside: &mut Vec<i32>) {
    for batch in bytes.chunks(BATCH * E::WIDTH) {
        let size = batch.len() / E::WIDTH;
        let mut keys = [0i32; BATCH];
        for (key, element) in keys.iter_mut().zip(batch.chunks_exact(E::WIDTH)) {
            *key = E::key(element);
        }
        let mut within = [0i32; BATCH];
        for ((&low, &high), count) in bounds.low.iter().zip(&bounds.high).zip(at_or_above.iter_mut()) {
            let mut reached = 0;
            for (key, within) in keys[..size].iter().zip(&mut within) {
                let above = i32::from(*key >= low);
                reached += above;
                *within |= above & i32::from(*key < high);
            }
            *count += reached as u64;
        }
        // Writes every key and moves on past those inside: no branch to mispredict.
        let mut chosen = [0i32; BATCH];
        let mut number = 0;
        for (key, within) in keys[..size].iter().zip(within) {
            chosen[number % BATCH] = *key;
            number += within as usize;
        }
        inside.extend_from_slice(&chosen[..number]);
    }
}
