//! Random numbers as torch's generator on the CPU draws them.

use std::collections::HashMap;

use half::{bf16, f16};

use super::array::Array;
use crate::context::Context;
use crate::error::Result;
use crate::protocol::RoundedTo;

/// Draws between two looks at whether to stop.
const DRAWS: u64 = 1 << 16;

/// The 32-bit Mersenne Twister (Matsumoto & Nishimura, ACM TOMACS 8 (1998) 3–30), seeded as its `init_genrand`.
struct MersenneTwister {
    state: [u32; 624],
    next: usize,
}

impl MersenneTwister {
    fn new(seed: u64) -> Self {
        let mut state = [0u32; 624];
        // torch uses the low half of the seed.
        state[0] = seed as u32;
        for i in 1..624 {
            let before: u32 = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(before ^ before >> 30).wrapping_add(i as u32);
        }
        Self { state, next: 624 }
    }

    fn refill(&mut self) {
        for i in 0..624 {
            let bits = self.state[i] & 0x8000_0000 | self.state[(i + 1) % 624] & 0x7fff_ffff;
            let twist = if bits & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + 397) % 624] ^ bits >> 1 ^ twist;
        }
        self.next = 0;
    }

    fn draw(&mut self) -> u32 {
        if self.next == 624 {
            self.refill();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    /// Two draws, the first the higher half.
    fn draw_wide(&mut self) -> u64 {
        let high = self.draw();
        u64::from(high) << 32 | u64::from(self.draw())
    }

    fn skip(&mut self, mut draws: u64, context: &Context) -> Result<()> {
        context.cancel.check()?;
        let left = (624 - self.next) as u64;
        if draws <= left {
            self.next += draws as usize;
            return Ok(());
        }
        draws -= left;
        let mut refills = 0u64;
        loop {
            refills += 1;
            if refills % (DRAWS / 624) == 0 {
                context.cancel.check()?;
            }
            self.refill();
            if draws <= 624 {
                self.next = draws as usize;
                return Ok(());
            }
            draws -= 624;
        }
    }
}

/// Uniform values of `dtype` in [low, high): each takes the low 24 bits of a draw, times 2⁻²⁴·(high − low) plus low in f32
/// arithmetic with the bounds rounded to `dtype` first. F16 and BF16 are rounded at the end, and what rounds to `high`
/// becomes `low`, as torch 2.15 does (earlier versions draw fewer bits for these two types).
///
/// # Errors
/// `Cancelled`.
pub fn uniform(
    (seed, skip): (u64, u64),
    (low, high): (f64, f64),
    dtype: RoundedTo,
    shape: &[usize],
    context: &Context,
) -> Result<Array> {
    let round = |value: f32| match dtype {
        RoundedTo::F32 => value,
        RoundedTo::F16 => f16::from_f32(value).to_f32(),
        RoundedTo::BF16 => bf16::from_f32(value).to_f32(),
    };
    let (low, high) = (round(low as f32), round(high as f32));
    let mut generator = MersenneTwister::new(seed);
    generator.skip(skip, context)?;
    let count = shape.iter().product();
    let mut data = Vec::with_capacity(count);
    while data.len() < count {
        context.cancel.check()?;
        for _ in 0..(DRAWS as usize).min(count - data.len()) {
            let share = (generator.draw() & 0x00ff_ffff) as f32 / (1u32 << 24) as f32;
            let value = round(share * (high - low) + low);
            let end = dtype != RoundedTo::F32 && value == high;
            data.push(f64::from(if end { low } else { value }));
        }
    }
    Ok(Array::new(shape.to_vec(), data))
}

/// From so many numbers on torch's randperm draws 64 bits for each.
const WIDE: u64 = u32::MAX as u64 / 20;

/// Bytes that `permutation` works with.
pub fn permutation_workspace(count: u64, take: u64) -> u64 {
    if count < WIDE { count.min(take.saturating_mul(8)).saturating_mul(8) } else { count.saturating_mul(8) }
}

/// The first `take` numbers of torch's `randperm(count)`: position i is exchanged with position i + (draw mod (count − i)).
/// From 2³²/20 numbers on it is position (64-bit draw mod (i + 1)) that goes to position i and is replaced by i.
///
/// # Errors
/// `Cancelled`.
pub fn permutation(seed: u64, count: u64, take: u64, context: &Context) -> Result<Array> {
    let mut generator = MersenneTwister::new(seed);
    let mut data = Vec::with_capacity(take as usize);
    if count >= WIDE {
        let mut numbers: Vec<u64> = Vec::with_capacity(count as usize);
        for i in 0..count {
            if i % DRAWS == 0 {
                context.cancel.check()?;
            }
            let other = (generator.draw_wide() % (i + 1)) as usize;
            numbers.push(i);
            numbers[i as usize] = numbers[other];
            numbers[other] = i;
        }
        data.extend(numbers[..take as usize].iter().map(|&number| number as f64));
    } else if take.saturating_mul(8) < count {
        // Only the positions that hold another number than their own.
        let mut moved: HashMap<u64, u64> = HashMap::new();
        for i in 0..take {
            if i % DRAWS == 0 {
                context.cancel.check()?;
            }
            let other = i + u64::from(generator.draw()) % (count - i);
            let here = moved.remove(&i).unwrap_or(i);
            if other == i {
                data.push(here as f64);
            } else {
                data.push(moved.insert(other, here).unwrap_or(other) as f64);
            }
        }
    } else {
        let mut numbers: Vec<u64> = (0..count).collect();
        for i in 0..take {
            if i % DRAWS == 0 {
                context.cancel.check()?;
            }
            let other = i + u64::from(generator.draw()) % (count - i);
            numbers.swap(i as usize, other as usize);
        }
        data.extend(numbers[..take as usize].iter().map(|&number| number as f64));
    }
    Ok(Array::new(vec![take as usize], data))
}
