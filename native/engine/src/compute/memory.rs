//! How much memory computed values may take, all requests together.

use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use super::cache;
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
        if bytes > limit() {
            return Err(Error::too_large(format!(
                "Computing these values would take {bytes} bytes of memory; the engine allows itself {}.",
                limit()
            )));
        }
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

fn give_back(bytes: u64) {
    *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= bytes;
    GIVEN_BACK.notify_all();
}
