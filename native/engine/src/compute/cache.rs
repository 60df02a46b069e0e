//! The last computed values, so that the questions asked about one tensor compute it once.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::{Array, memory};
use crate::context::CancelToken;
use crate::error::Result;

/// What values are kept under: a hash of the expression and of its files' identities.
pub type Key = blake3::Hash;

/// Most values kept.
const ENTRIES: usize = 64;

enum Entry {
    /// Some request is computing it.
    Pending,
    Ready(Arc<Array>),
}

/// The last used entry is the last.
static KEPT: Mutex<Vec<(Key, Entry)>> = Mutex::new(Vec::new());
static SETTLED: Condvar = Condvar::new();

/// The values under `key`, computed by `compute` unless they are kept. Of several requests at once one computes and the
/// others wait for it.
///
/// # Errors
/// `Cancelled`, and what `compute` fails with.
pub fn get(key: Key, cancel: &CancelToken, compute: impl FnOnce() -> Result<Array>) -> Result<Arc<Array>> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        cancel.check()?;
        let Some(index) = kept.iter().position(|(other, _)| *other == key) else { break };
        if let (_, Entry::Ready(array)) = &kept[index] {
            let array = Arc::clone(array);
            let entry = kept.remove(index);
            kept.push(entry);
            return Ok(array);
        }
        kept = SETTLED.wait_timeout(kept, Duration::from_millis(20)).unwrap_or_else(PoisonError::into_inner).0;
    }
    kept.push((key, Entry::Pending));
    drop(kept);
    let promise = Promise(key);
    let array = Arc::new(compute()?);
    let dropped = settle(key, Some(&array));
    std::mem::forget(promise);
    drop(dropped);
    Ok(array)
}

/// Takes the pending entry away when the computation fails or panics.
struct Promise(Key);

impl Drop for Promise {
    fn drop(&mut self) {
        settle(self.0, None);
    }
}

/// Puts `array` in the place of the pending entry, as far as it may be kept. Answers what is no longer kept, to be dropped
/// without the lock.
fn settle(key: Key, array: Option<&Arc<Array>>) -> Vec<(Key, Entry)> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.retain(|(other, _)| *other != key);
    let bytes = |entry: &Entry| match entry {
        Entry::Ready(array) => array.bytes().len() as u64,
        Entry::Pending => 0,
    };
    let most = memory::limit() / 4;
    let mut dropped = Vec::new();
    if let Some(array) = array.filter(|array| array.bytes().len() as u64 <= most) {
        kept.push((key, Entry::Ready(Arc::clone(array))));
        while kept.iter().map(|(_, entry)| bytes(entry)).sum::<u64>() > most || kept.len() > ENTRIES {
            let Some(oldest) = kept.iter().position(|(_, entry)| matches!(entry, Entry::Ready(_))) else { break };
            dropped.push(kept.remove(oldest));
        }
    }
    SETTLED.notify_all();
    dropped
}

/// Drops all kept values.
pub fn forget() {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let (ready, pending) = kept.drain(..).partition(|(_, entry)| matches!(entry, Entry::Ready(_)));
    *kept = pending;
    drop(kept);
    // Outside the lock: what is freed here gives its memory back.
    drop::<Vec<_>>(ready);
}

/// Adds to `hasher` what tells one state of the file at `path` from another: length, times, inode.
pub fn identify(path: &Path, hasher: &mut blake3::Hasher) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    hasher.update(&metadata.len().to_le_bytes());
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    hasher.update(&modified.map_or(0, |time| time.as_nanos()).to_le_bytes());
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let state = [metadata.dev(), metadata.ino(), metadata.ctime() as u64, metadata.ctime_nsec() as u64];
        for part in state {
            hasher.update(&part.to_le_bytes());
        }
    }
}
