//! Linear and log-magnitude histograms.

use crate::context::Context;
use crate::decades::Decades;
use crate::error::{Error, Result};
use crate::protocol::{HistogramResult, How, LinearHistogram, LogHistogram};
use crate::statistics::counted;
use crate::tensor::{Dtype, Tensor, decode};
use crate::tiles;

/// Most bins of the linear histogram.
const MAX_BINS: u64 = 4096;
/// Most bins per factor of ten.
const MAX_PER_DECADE: u64 = 64;
/// Elements of one tile.
const TILE: u64 = 1 << 18;
/// Elements decoded at once.
const DECODED: usize = 1 << 10;

/// The histograms of `tensor`: the linear one over `range` (default: the tensor's own), the log one over all
/// magnitudes that occur.
///
/// # Errors
/// `InvalidParams` for `bins` outside 1 … 4096, `per_decade` outside 1 … 64 or a range that is none; `Cancelled`, `Io`,
/// `Truncated`.
pub fn histogram(
    tensor: &Tensor,
    bins: u64,
    per_decade: u64,
    range: Option<(f64, f64)>,
    context: &Context,
) -> Result<HistogramResult> {
    if !(1..=MAX_BINS).contains(&bins) || !(1..=MAX_PER_DECADE).contains(&per_decade) {
        return Err(Error::invalid(format!(
            "A histogram has 1 … {MAX_BINS} bins and 1 … {MAX_PER_DECADE} bins per decade, not {bins} and {per_decade}."
        )));
    }
    if let Some((low, high)) = range.filter(|(low, high)| !(low.is_finite() && high.is_finite() && low < high)) {
        return Err(Error::invalid(format!(
            "A histogram needs a range of finite numbers, low below high, not {low} … {high}."
        )));
    }
    let tensor = tensor.in_storage_order();
    let answer = if tensor.dtype().width() <= 2 {
        from_counts(&tensor, bins, per_decade, range, context)
    } else {
        from_elements(&tensor, bins, per_decade, range, context)
    }?;
    tensor.check()?;
    Ok(answer)
}

fn from_counts(
    tensor: &Tensor,
    bins: u64,
    per_decade: u64,
    range: Option<(f64, f64)>,
    context: &Context,
) -> Result<HistogramResult> {
    let counts = counted::code_counts(tensor, context)?;
    let occurring = || {
        let all = counts.iter().enumerate().filter(|(_, times)| **times > 0);
        all.map(|(code, times)| (counted::value(tensor.dtype(), code), *times))
    };
    let mut extent = Extent::default();
    occurring().for_each(|(value, _)| extent.include(value));
    let axes = Axes::new(&extent, bins, per_decade, range);
    let mut tally = Tally::new(&axes);
    occurring().for_each(|(value, times)| tally.add(&axes, value, times));
    Ok(tally.finish(&axes, How::exact("one-pass code counts", "f64", context.threads)))
}

fn from_elements(
    tensor: &Tensor,
    bins: u64,
    per_decade: u64,
    range: Option<(f64, f64)>,
    context: &Context,
) -> Result<HistogramResult> {
    let total = tensor.count() * 2;
    let halves = [0, tensor.count()].map(|before| move |done: u64, _: u64| (context.progress)(before + done, total));
    let first = Context { progress: &halves[0], ..*context };
    let extents = each_value(tensor, &first, Extent::default, |extent, value| extent.include(value))?;
    let extent = extents.into_iter().fold(Extent::default(), Extent::merge);
    let axes = Axes::new(&extent, bins, per_decade, range);
    let second = Context { progress: &halves[1], ..*context };
    let tallies = each_value(tensor, &second, || Tally::new(&axes), |tally, value| tally.add(&axes, value, 1))?;
    let tally = tallies.into_iter().reduce(Tally::merge).unwrap_or_else(|| Tally::new(&axes));
    Ok(tally.finish(&axes, How::exact("two-pass binning", "f64", context.threads)))
}

/// Calls `visit` for every element; answers each worker's state.
fn each_value<S: Send>(
    tensor: &Tensor,
    context: &Context,
    init: impl Fn() -> S + Sync,
    visit: impl Fn(&mut S, f64) + Sync,
) -> Result<Vec<S>> {
    let dtype: Dtype = tensor.dtype();
    let start = || (tensor.reader(), vec![0f64; DECODED], init());
    let (states, _) = tiles::for_each(context, tensor.count(), TILE, start, |(reader, values, state), tile| {
        let bytes = reader.elements(tile.start, (tile.end - tile.start) as usize)?;
        for bytes in bytes.chunks(DECODED * dtype.width()) {
            let values = &mut values[..bytes.len() / dtype.width()];
            decode::to_f64(dtype, bytes, values);
            values.iter().for_each(|&value| visit(state, value));
        }
        Ok(())
    })?;
    Ok(states.into_iter().map(|(_, _, state)| state).collect())
}

/// The range of finite values, and of non-zero magnitudes.
#[derive(Clone, Copy)]
struct Extent {
    low: f64,
    high: f64,
    least: f64,
    greatest: f64,
}

impl Default for Extent {
    fn default() -> Self {
        Self { low: f64::INFINITY, high: f64::NEG_INFINITY, least: f64::INFINITY, greatest: 0.0 }
    }
}

impl Extent {
    #[inline]
    fn include(&mut self, value: f64) {
        let magnitude = value.abs();
        if magnitude < f64::INFINITY {
            self.low = self.low.min(value);
            self.high = self.high.max(value);
            self.greatest = self.greatest.max(magnitude);
            if magnitude > 0.0 {
                self.least = self.least.min(magnitude);
            }
        }
    }

    fn merge(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
        }
    }
}

/// Where the bins lie.
struct Axes {
    low: f64,
    high: f64,
    bins: usize,
    /// (high − low)/bins, computed so that it cannot overflow.
    width: f64,
    decades: Decades,
}

impl Axes {
    fn new(extent: &Extent, bins: u64, per_decade: u64, range: Option<(f64, f64)>) -> Self {
        let empty = extent.low > extent.high;
        let (low, high) =
            range.unwrap_or(if empty { (f64::NAN, f64::NAN) } else { (extent.low + 0.0, extent.high + 0.0) });
        let width = high / bins as f64 - low / bins as f64;
        let decades = Decades::new(extent.least, extent.greatest, per_decade);
        Self { low, high, bins: bins as usize, width, decades }
    }

    /// Lower end of linear bin `bin`.
    fn edge(&self, bin: usize) -> f64 {
        self.low + bin as f64 * self.width
    }

    /// The linear bin of a value; `None` outside the range.
    #[inline]
    fn linear_bin(&self, value: f64) -> Option<usize> {
        if !(self.low <= value && value <= self.high) {
            return None;
        }
        let last = self.bins - 1;
        // 0/0 in a range of one value, which is all in the last bin.
        let estimate = (value - self.low) / self.width;
        let mut bin = if estimate < last as f64 { estimate as usize } else { last };
        while bin > 0 && value < self.edge(bin) {
            bin -= 1;
        }
        while bin < last && value >= self.edge(bin + 1) {
            bin += 1;
        }
        Some(bin)
    }
}

/// Counts so far.
struct Tally {
    linear: Vec<u64>,
    negative: Vec<u64>,
    positive: Vec<u64>,
    zeros: u64,
    non_finite: u64,
}

impl Tally {
    fn new(axes: &Axes) -> Self {
        let decades = vec![0; axes.decades.count()];
        Self { linear: vec![0; axes.bins], negative: decades.clone(), positive: decades, zeros: 0, non_finite: 0 }
    }

    #[inline]
    fn add(&mut self, axes: &Axes, value: f64, times: u64) {
        if !value.is_finite() {
            self.non_finite += times;
            return;
        }
        if let Some(bin) = axes.linear_bin(value) {
            self.linear[bin] += times;
        }
        if value == 0.0 {
            self.zeros += times;
            return;
        }
        let side = if value < 0.0 { &mut self.negative } else { &mut self.positive };
        side[axes.decades.bin(value.abs())] += times;
    }

    fn merge(mut self, other: Self) -> Self {
        let add = |to: &mut Vec<u64>, from: Vec<u64>| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        add(&mut self.linear, other.linear);
        add(&mut self.negative, other.negative);
        add(&mut self.positive, other.positive);
        self.zeros += other.zeros;
        self.non_finite += other.non_finite;
        self
    }

    fn finish(self, axes: &Axes, how: How) -> HistogramResult {
        HistogramResult {
            linear: LinearHistogram { low: axes.low.into(), high: axes.high.into(), counts: self.linear },
            log_magnitude: LogHistogram {
                min_exponent: axes.decades.min_exponent,
                bins_per_decade: axes.decades.per_decade,
                negative: self.negative,
                positive: self.positive,
            },
            zeros: self.zeros,
            non_finite: self.non_finite,
            how,
        }
    }
}
