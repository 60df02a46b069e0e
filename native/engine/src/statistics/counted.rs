//! Types of at most 16 bits: every statistic is an exact function of how often each code occurs.

use super::summary::{self, Classes, Moments, Summary};
use crate::context::Context;
use crate::error::Result;
use crate::numeric::Numeric;
use crate::protocol::{How, Quantiles, Statistics};
use crate::tensor::{Dtype, Tensor, decode};
use crate::tiles;

/// Elements of one tile.
const TILE: u64 = 1 << 20;

/// How often each code of a type of one or two bytes occurs: 256 or 65,536 counts.
///
/// # Errors
/// `Cancelled`, `Io`, `Truncated`.
pub fn code_counts(tensor: &Tensor, context: &Context) -> Result<Vec<u64>> {
    let narrow = tensor.dtype().width() == 1;
    let init = || (tensor.reader(), Counter::new(narrow));
    let (states, _) = tiles::for_each(context, tensor.count(), TILE, init, |(reader, counter), tile| {
        let bytes = reader.elements(tile.start, (tile.end - tile.start) as usize)?;
        if narrow {
            counter.count_bytes(bytes)
        } else {
            counter.count_pairs(bytes)
        }
        Ok(())
    })?;
    let mut states = states.into_iter().map(|(_, counter)| counter.finish());
    let mut total = states.next().unwrap_or_default();
    for counts in states {
        total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    Ok(total)
}

/// Counts codes into several tables in turn, so that equal neighbours do not wait for each other's store.
struct Counter {
    /// `WAYS` tables, one after the other.
    tables: Vec<u32>,
    /// Elements since the tables were last emptied into `totals`.
    pending: u64,
    totals: Vec<u64>,
}

const WAYS: usize = 2;

impl Counter {
    fn new(narrow: bool) -> Self {
        let codes = if narrow { 256 } else { 65_536 };
        Self { tables: vec![0; WAYS * codes], pending: 0, totals: vec![0; codes] }
    }

    fn count_bytes(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        let [a, b] = self.split::<256>();
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let [e0, e1, e2, e3, e4, e5, e6, e7] = u64::from_le_bytes(chunk.try_into().expect("8 bytes")).to_le_bytes();
            a[usize::from(e0)] += 1;
            b[usize::from(e1)] += 1;
            a[usize::from(e2)] += 1;
            b[usize::from(e3)] += 1;
            a[usize::from(e4)] += 1;
            b[usize::from(e5)] += 1;
            a[usize::from(e6)] += 1;
            b[usize::from(e7)] += 1;
        }
        for &code in chunks.remainder() {
            a[usize::from(code)] += 1;
        }
    }

    fn count_pairs(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len() / 2);
        let [a, b] = self.split::<65_536>();
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let codes = u64::from_le_bytes(chunk.try_into().expect("8 bytes"));
            a[usize::from(codes as u16)] += 1;
            b[usize::from((codes >> 16) as u16)] += 1;
            a[usize::from((codes >> 32) as u16)] += 1;
            b[usize::from((codes >> 48) as u16)] += 1;
        }
        for pair in chunks.remainder().chunks_exact(2) {
            a[usize::from(u16::from_le_bytes([pair[0], pair[1]]))] += 1;
        }
    }

    fn split<const N: usize>(&mut self) -> [&mut [u32; N]; WAYS] {
        let mut parts = self.tables.chunks_exact_mut(N).map(|part| part.try_into().expect("N counts"));
        std::array::from_fn(|_| parts.next().expect("WAYS tables"))
    }

    /// Empties the 32-bit tables before they could overflow.
    fn make_room(&mut self, elements: usize) {
        self.pending += elements as u64;
        if self.pending > u64::from(u32::MAX) {
            self.empty();
            self.pending = elements as u64;
        }
    }

    fn empty(&mut self) {
        for table in self.tables.chunks_exact_mut(self.totals.len()) {
            for (total, count) in self.totals.iter_mut().zip(table) {
                *total += u64::from(std::mem::take(count));
            }
        }
    }

    fn finish(mut self) -> Vec<u64> {
        self.empty();
        self.totals
    }
}

/// The statistics of `tensor`, whose type has at most 16 bits.
///
/// # Errors
/// `Cancelled`, `Io`, `Truncated`.
pub fn statistics(tensor: &Tensor, context: &Context) -> Result<Statistics> {
    let counts = code_counts(tensor, context)?;
    let summary = summarise(tensor.dtype(), tensor.count(), &counts);
    Ok(summary.finish(How::exact("one-pass code counts", "f64", context.threads)))
}

/// The quantiles of `tensor`'s finite elements.
///
/// # Errors
/// `Cancelled`, `Io`, `Truncated`.
pub fn quantiles_of(tensor: &Tensor, context: &Context) -> Result<[f64; 9]> {
    let counts = code_counts(tensor, context)?;
    Ok(summarise(tensor.dtype(), tensor.count(), &counts).quantiles)
}

fn summarise(dtype: Dtype, count: u64, counts: &[u64]) -> Summary {
    let mut classes = Classes::default();
    let mut finite: Vec<(f64, u64)> = Vec::new();
    for (code, &times) in counts.iter().enumerate().filter(|(_, times)| **times > 0) {
        let value = value(dtype, code);
        match () {
            () if value.is_nan() => classes.nan += times,
            () if value == f64::INFINITY => classes.positive_infinity += times,
            () if value == f64::NEG_INFINITY => classes.negative_infinity += times,
            () => {
                classes.zeros += if value == 0.0 { times } else { 0 };
                classes.subnormals += if is_subnormal(dtype, code) { times } else { 0 };
                finite.push((value, times));
            }
        }
    }
    finite.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let numeric = |value: f64| {
        if dtype.is_integer() { Numeric::Integer(value as i128) } else { Numeric::Float(value + 0.0) }
    };
    Summary {
        count,
        classes,
        range: finite.first().zip(finite.last()).map(|(first, last)| (numeric(first.0), numeric(last.0))),
        moments: moments(&finite),
        scale: 1.0,
        quantiles: quantiles(&finite),
    }
}

/// The value of a code of at most 16 bits.
pub fn value(dtype: Dtype, code: usize) -> f64 {
    f64::from(match dtype.width() {
        1 => decode::byte_table(dtype)[code],
        _ => decode::decode_two_bytes(dtype, code as u16),
    })
}

/// Whether a code is a subnormal number of its floating-point type.
fn is_subnormal(dtype: Dtype, code: usize) -> bool {
    let (sign, mantissa) = match dtype {
        Dtype::F16 => (0x8000, 10),
        Dtype::BF16 => (0x8000, 7),
        Dtype::F8_E4M3 | Dtype::F8_E4M3FNUZ => (0x80, 3),
        Dtype::F8_E5M2 | Dtype::F8_E5M2FNUZ => (0x80, 2),
        Dtype::F4 => (0x8, 1),
        _ => return false,
    };
    (1..1 << mantissa).contains(&(code & (sign - 1)))
}

/// Moments of values that occur several times each, in ascending order.
fn moments(finite: &[(f64, u64)]) -> Moments {
    let n = finite.iter().map(|(_, times)| *times).sum::<u64>() as f64;
    if n == 0.0 {
        return Moments::default();
    }
    let mean = compensated_sum(finite.iter().map(|&(value, times)| value * times as f64)) / n;
    let sum = |term: &dyn Fn(f64) -> f64| finite.iter().map(|&(value, times)| term(value) * times as f64).sum::<f64>();
    Moments {
        n,
        mean,
        m2: sum(&|x| (x - mean).powi(2)),
        m3: sum(&|x| (x - mean).powi(3)),
        m4: sum(&|x| (x - mean).powi(4)),
        l1: sum(&f64::abs),
    }
}

/// The sum with the rounding errors added back (Neumaier 1974): positive and negative codes nearly cancel in a mean.
fn compensated_sum(terms: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    for term in terms {
        let next = sum + term;
        lost += if sum.abs() >= term.abs() { (sum - next) + term } else { (term - next) + sum };
        sum = next;
    }
    sum + lost
}

fn quantiles(finite: &[(f64, u64)]) -> [f64; 9] {
    let n: u64 = finite.iter().map(|(_, times)| times).sum();
    if n == 0 {
        return [f64::NAN; 9];
    }
    let at = |rank: u64| {
        let mut seen = 0;
        let found = finite.iter().find(|(_, times)| {
            seen += times;
            seen > rank
        });
        found.expect("a rank below the count").0
    };
    Quantiles::PROBABILITIES.map(|probability| {
        let (below, share) = summary::position(probability, n);
        summary::interpolate(at(below), at((below + 1).min(n - 1)), share)
    })
}
