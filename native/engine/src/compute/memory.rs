//! How much memory computed values may take, all requests together.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use super::{Computation, cache};
use crate::context::CancelToken;
use crate::error::{Error, Result};

/// Most bytes, however much memory the machine has.
const MOST: u64 = 8 << 30;

static TAKEN: Mutex<u64> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

/// Bytes that computed values may take: half the machine's memory, at most 8 GiB.
pub fn limit() -> u64 {
    static LIMIT: LazyLock<u64> = LazyLock::new(|| physical().map_or(MOST, |bytes| MOST.min(bytes / 2)));
    *LIMIT
}

/// Bytes of memory in the machine.
#[cfg(unix)]
fn physical() -> Option<u64> {
    // SAFETY: `sysconf` has no preconditions.
    let [pages, size] = unsafe { [libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)] };
    u64::try_from(pages).ok()?.checked_mul(u64::try_from(size).ok()?).filter(|&bytes| bytes > 0)
}

/// Bytes of memory in the machine, where that is not known.
#[cfg(not(unix))]
fn physical() -> Option<u64> {
    None
}

/// A share of the limit; given back when dropped.
#[derive(Debug)]
pub struct Reservation(u64);

impl Reservation {
    /// Takes `bytes` of the limit, waiting for other requests to give theirs back where need be.
    ///
    /// # Errors
    /// `TooLarge` when `bytes` is beyond the whole limit, `Cancelled`.
    pub fn take(bytes: u64, cancel: &CancelToken) -> Result<Self> {
        fits(bytes)?;
        loop {
            cancel.check()?;
            let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
            let mut taken = if *taken + bytes > limit() {
                drop(taken);
                cache::forget();
                TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
            } else {
                taken
            };
            if *taken + bytes <= limit() {
                *taken += bytes;
                return Ok(Self(bytes));
            }
            drop(GIVEN_BACK.wait_timeout(taken, Duration::from_millis(20)).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Gives back all but `bytes`.
    pub fn shrink(&mut self, bytes: u64) {
        let less = self.0.saturating_sub(bytes);
        self.0 -= less;
        give_back(less);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        give_back(self.0);
    }
}

static TURN: Mutex<bool> = Mutex::new(false);
static TURN_OVER: Condvar = Condvar::new();

thread_local! {
    /// Whether this thread has the turn.
    static MINE: Cell<bool> = const { Cell::new(false) };
}

/// Leave to hold some computed values while waiting for the memory of others. Of the requests that need several at once one
/// has it at a time: two that hold what the other waits for would wait for ever.
#[derive(Debug)]
pub struct Turn(bool);

impl Turn {
    /// Waits for the turn, when there is more than one of `computations`.
    ///
    /// # Errors
    /// `TooLarge` when they do not fit the limit together, `Cancelled`.
    pub fn take<'p, 'e: 'p>(
        computations: impl Iterator<Item = &'p Computation<'e>>,
        cancel: &CancelToken,
    ) -> Result<Self> {
        let needs: HashMap<_, u64> = computations.map(|one| (one.digest(), one.need())).collect();
        if needs.len() < 2 {
            return Ok(Self(false));
        }
        fits(needs.values().fold(0, |sum, need| sum.saturating_add(*need)))?;
        Self::wait(cancel)
    }

    /// Waits for the turn, unless this thread has it already.
    fn wait(cancel: &CancelToken) -> Result<Self> {
        if MINE.get() {
            return Ok(Self(false));
        }
        let mut taken = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            cancel.check()?;
            taken = TURN_OVER.wait_timeout(taken, Duration::from_millis(20)).unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken = true;
        MINE.set(true);
        Ok(Self(true))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.0 {
            MINE.set(false);
            *TURN.lock().unwrap_or_else(PoisonError::into_inner) = false;
            TURN_OVER.notify_one();
        }
    }
}

/// Memory that a request works with beside the computed values that it reads.
#[derive(Debug)]
pub struct Workspace {
    _reservation: Reservation,
    _turn: Turn,
}

impl Workspace {
    /// Takes `bytes` of the limit, and leave to wait for `computed` bytes more while holding them. The thread that takes it is the
    /// one that must evaluate what is computed.
    ///
    /// # Errors
    /// `TooLarge` when both together are beyond the whole limit, `Cancelled`.
    pub fn take(bytes: u64, computed: u64, cancel: &CancelToken) -> Result<Self> {
        fits(bytes.saturating_add(computed))?;
        let turn = if computed > 0 { Turn::wait(cancel)? } else { Turn(false) };
        Ok(Self { _reservation: Reservation::take(bytes, cancel)?, _turn: turn })
    }
}

/// Fails when `bytes` is beyond the whole limit.
fn fits(bytes: u64) -> Result<()> {
    if bytes <= limit() {
        return Ok(());
    }
    Err(Error::too_large(format!(
        "Computing these values would take {bytes} bytes of memory; the engine allows itself {}.",
        limit()
    )))
}

fn give_back(bytes: u64) {
    *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= bytes;
    GIVEN_BACK.notify_all();
}
