//! Work on all elements of a tensor in fixed tiles, on as many threads as the context allows.
//!
//! The partition depends on the tensor alone and partial results come back in its order, so that combining them gives
//! the same bytes at any number of threads.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::context::Context;
use crate::error::{Error, Result};

/// Splits `0 .. count` into tiles of `tile` units and calls `work(state, range)` for each; every worker has a state of
/// its own from `init`. Answers the states, in no particular order, and what the calls returned, in tile order.
/// Progress is reported in units.
///
/// # Errors
/// The first failure of `work`, or `Cancelled`.
pub fn for_each<S: Send, P: Send>(
    context: &Context,
    count: u64,
    tile: u64,
    init: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, Range<u64>) -> Result<P> + Sync,
) -> Result<(Vec<S>, Vec<P>)> {
    let tiles = count.div_ceil(tile);
    let next = AtomicU64::new(0);
    let done = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let run = || -> Result<(S, Vec<(u64, P)>)> {
        let mut state = init();
        let mut partials = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= tiles || failed.load(Ordering::Relaxed) {
                return Ok((state, partials));
            }
            let start = index * tile;
            let stop = count.min(start + tile);
            let outcome = context.cancel.check().and_then(|()| work(&mut state, start..stop));
            let partial = outcome.inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            partials.push((index, partial));
            let so_far = done.fetch_add(stop - start, Ordering::Relaxed) + (stop - start);
            (context.progress)(so_far, count);
        }
    };
    let workers = (context.threads as u64).min(tiles).max(1);
    let mut outcomes = Vec::new();
    if workers == 1 {
        outcomes.push(run());
    } else {
        let collected = Mutex::new(Vec::new());
        rayon::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|_| {
                    let outcome = run();
                    collected.lock().expect("no worker panicked").push(outcome);
                });
            }
        });
        outcomes = collected.into_inner().map_err(|_| Error::cancelled())?;
    }
    let mut states = Vec::new();
    let mut indexed = Vec::new();
    for outcome in outcomes {
        let (state, partials) = outcome?;
        states.push(state);
        indexed.extend(partials);
    }
    indexed.sort_unstable_by_key(|(index, _)| *index);
    Ok((states, indexed.into_iter().map(|(_, partial)| partial).collect()))
}
