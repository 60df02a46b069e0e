//! A read-only memory mapping that survives its file shrinking.

use std::fs::File;

use memmap2::{Advice, Mmap, MmapOptions};

use super::Access;
use super::guard::Watch;

/// Whether the page of `byte` is in memory; true when that is not known.
fn is_resident(byte: &u8) -> bool {
    // SAFETY: `sysconf` has no preconditions; `mincore` writes one element for the one page that it is asked about.
    unsafe {
        let page = libc::sysconf(libc::_SC_PAGESIZE).max(1) as usize;
        let start = (std::ptr::from_ref(byte) as usize / page * page) as *mut libc::c_void;
        let mut state = [1u8];
        libc::mincore(start, 1, state.as_mut_ptr().cast()) != 0 || state[0] & 1 != 0
    }
}

/// A mapped range of a file.
#[derive(Debug)]
pub struct Mapping {
    /// Declared before `map`: the watch must end before the memory goes.
    watch: Option<Watch>,
    map: Option<Mmap>,
}

impl Mapping {
    /// Maps `length` bytes from `offset`; `None` where that is not possible (too many mappings, no address space, a
    /// file system that cannot).
    pub fn new(file: &File, offset: u64, length: u64, access: Access) -> Option<Self> {
        if length == 0 {
            return Some(Self { watch: None, map: None });
        }
        let length = usize::try_from(length).ok()?;
        // SAFETY: the mapping is only ever read, as bytes whose values nothing relies on; a fault past the end of a
        // shrunken file is caught by the watch.
        let map = unsafe { MmapOptions::new().offset(offset).len(length).map(file) }.ok()?;
        let watch = Watch::new(map.as_ptr() as usize, length)?;
        let _ = map.advise(match access {
            Access::Sequential => Advice::Sequential,
            Access::Random => Advice::Random,
        });
        Some(Self { watch: Some(watch), map: Some(map) })
    }

    /// The mapped bytes.
    pub fn bytes(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }

    /// Has the system read bytes `start .. start + length` while other work goes on, unless they are in memory already (their
    /// first page tells).
    pub fn fetch(&self, start: usize, length: usize) {
        let Some(map) = self.map.as_ref().filter(|_| length > 0) else { return };
        if !is_resident(&map[start]) {
            // Refused advice costs nothing but time.
            let _ = map.advise_range(Advice::WillNeed, start, length);
        }
    }

    /// Whether a part of the mapping could not be read and was replaced by zeros.
    pub fn is_damaged(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_damaged)
    }
}
