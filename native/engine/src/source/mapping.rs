//! A read-only memory mapping that survives its file shrinking.

use std::fs::File;

use memmap2::{Advice, Mmap, MmapOptions};

use super::Access;
use super::guard::Watch;

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

    /// Whether a part of the mapping could not be read and was replaced by zeros.
    pub fn is_damaged(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_damaged)
    }
}
