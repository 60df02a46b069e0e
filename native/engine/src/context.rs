//! What every computation is given: a way to be stopped, a way to say how far it is, and how many threads it may use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Tells a computation to stop. Clones share one flag.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks the computation to stop at its next check.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the computation was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails with the code `Cancelled` once the computation was asked to stop; called often enough that the work between
    /// two calls takes milliseconds.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

/// The surroundings of one computation.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Stops the computation.
    pub cancel: &'a CancelToken,
    /// Called with (done, total) in units of the computation's choice; calls are cheap and may come from any thread.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Threads to use. With more than one the computation runs inside a rayon pool of that many; with one it uses none.
    pub threads: usize,
}

impl<'a> Context<'a> {
    /// A context that reports no progress.
    pub fn quiet(cancel: &'a CancelToken, threads: usize) -> Self {
        Self { cancel, progress: &|_, _| {}, threads }
    }

    /// The same without reports of progress.
    pub fn without_progress(&self) -> Self {
        Self { progress: &|_, _| {}, ..*self }
    }
}
