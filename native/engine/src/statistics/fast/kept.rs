//! The elements inside the brackets, and the order statistics among them.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, IntoParallelRefMutIterator, ParallelIterator};

use super::brackets::Bounds;

/// A bracket's index and the keys at its two ranks.
type Found = (usize, [i32; 2]);

/// What a worker keeps of the elements inside the brackets.
pub trait Keep: Send {
    /// Room for one of `workers`.
    fn new(bounds: &Bounds, workers: usize) -> Self;
    /// Keeps keys, each inside a bracket.
    fn keep(&mut self, keys: &[i32]);
    /// The keys at two ranks inside each bracket; `None` when a bracket has too few or not everything was kept.
    fn select(workers: Vec<Self>, bounds: &Bounds, ranks: &[[u64; 2]; 9]) -> Option<[[i32; 2]; 9]>
    where
        Self: Sized;
}

/// Keys of 16 bits: how often each occurs.
pub struct Codes(Vec<u64>);

/// The place of a 16-bit key in the table.
fn place(key: i32) -> usize {
    key.wrapping_sub(i32::from(i16::MIN)) as usize
}

impl Keep for Codes {
    fn new(_: &Bounds, _: usize) -> Self {
        Self(vec![0; 1 << 16])
    }

    fn keep(&mut self, keys: &[i32]) {
        for &key in keys {
            self.0[place(key) & 0xffff] += 1;
        }
    }

    fn select(workers: Vec<Self>, bounds: &Bounds, ranks: &[[u64; 2]; 9]) -> Option<[[i32; 2]; 9]> {
        let mut workers = workers.into_iter();
        let mut counts = workers.next()?.0;
        for Self(part) in workers {
            counts.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        let limit = |key: i32| key.clamp(i16::MIN.into(), i32::from(i16::MAX) + 1);
        let find = |bracket: usize, mut rank: u64| {
            (limit(bounds.low[bracket])..limit(bounds.high[bracket])).find(|&key| {
                let count = counts[place(key)];
                let found = rank < count;
                rank = rank.saturating_sub(count);
                found
            })
        };
        let mut keys = [[0; 2]; 9];
        for (bracket, [below, above]) in ranks.iter().enumerate() {
            keys[bracket] = [find(bracket, *below)?, find(bracket, *above)?];
        }
        Some(keys)
    }
}

/// Most keys kept by all workers together: 64 MiB.
const MOST_KEPT: usize = 16 << 20;

/// Wider keys: the keys themselves, by interval of keys. Brackets that overlap share an interval.
pub struct Values {
    /// Starts and ends of the intervals, ascending.
    intervals: Vec<(i32, i32)>,
    /// For each leading half of a key, the first interval that could hold it.
    first: Vec<u8>,
    kept: Vec<Vec<i32>>,
    room: usize,
}

/// The union of the brackets, as disjoint intervals.
fn intervals(bounds: &Bounds) -> Vec<(i32, i32)> {
    let mut brackets: Vec<(i32, i32)> = bounds.low.into_iter().zip(bounds.high).collect();
    brackets.sort_unstable();
    let mut merged: Vec<(i32, i32)> = Vec::new();
    for (low, high) in brackets {
        match merged.last_mut() {
            Some(last) if low <= last.1 => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}

fn leading_half(key: i32) -> usize {
    ((key >> 16) + (1 << 15)) as usize
}

impl Keep for Values {
    fn new(bounds: &Bounds, workers: usize) -> Self {
        let intervals = intervals(bounds);
        let ends_after = |key: i32| intervals.iter().position(|(_, end)| *end > key).unwrap_or(intervals.len() - 1);
        let first = (i32::from(i16::MIN)..=i16::MAX.into()).map(|half| ends_after(half << 16) as u8).collect();
        let kept = vec![Vec::new(); intervals.len()];
        Self { intervals, first, kept, room: MOST_KEPT / workers.max(1) }
    }

    fn keep(&mut self, keys: &[i32]) {
        if self.room < keys.len() {
            self.room = 0;
            return;
        }
        self.room -= keys.len();
        for &key in keys {
            let mut interval = usize::from(self.first[leading_half(key)]);
            while key >= self.intervals[interval].1 {
                interval += 1;
            }
            self.kept[interval].push(key);
        }
    }

    fn select(workers: Vec<Self>, bounds: &Bounds, ranks: &[[u64; 2]; 9]) -> Option<[[i32; 2]; 9]> {
        if workers.iter().any(|worker| worker.room == 0) {
            return None;
        }
        let intervals = intervals(bounds);
        let mut parts: Vec<Vec<Vec<i32>>> = intervals.iter().map(|_| Vec::new()).collect();
        for worker in workers {
            parts.iter_mut().zip(worker.kept).for_each(|(parts, kept)| parts.push(kept));
        }
        let found: Vec<Option<Vec<Found>>> = parts
            .par_iter_mut()
            .zip(intervals.into_par_iter())
            .map(|(parts, (start, end))| {
                let mut keys = std::mem::take(parts).concat();
                let inside = (0..9).filter(|&bracket| (start..end).contains(&bounds.low[bracket]));
                inside.map(|bracket| Some((bracket, among(&mut keys, bounds.low[bracket], ranks[bracket])?))).collect()
            })
            .collect();
        let mut keys = [[0; 2]; 9];
        for (bracket, pair) in found.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten() {
            // A rank beyond the bracket's end would have found an element that others were not counted up to.
            keys[bracket] = pair;
        }
        Some(keys)
    }
}

/// The keys at `ranks` among those of `keys` that are at or above `low`.
fn among(keys: &mut [i32], low: i32, ranks: [u64; 2]) -> Option<[i32; 2]> {
    // A bracket that starts inside an interval: the keys before it are another's.
    let before = keys.iter().filter(|key| **key < low).count() as u64;
    let [below, above] = ranks.map(|rank| usize::try_from(rank + before).unwrap_or(usize::MAX));
    if above >= keys.len() {
        return None;
    }
    let (_, &mut first, rest) = keys.select_nth_unstable(below);
    let second = if above == below { Some(first) } else { rest.iter().copied().min() };
    Some([first, second?])
}
