//! Bytes of elements: of files, mapped into memory where that is fast and safe and read in tiles elsewhere, or computed.

#[cfg(unix)]
mod guard;
#[cfg(unix)]
mod mapping;
mod network;
mod stored;

use std::path::Path;
use std::sync::Arc;

use crate::compute::Array;
use crate::error::Result;
use stored::Stored;

/// In which order a computation will touch the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything, front to back.
    Sequential,
    /// A few places.
    Random,
}

/// How bytes come out of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Mapped into memory.
    Map,
    /// Read into buffers.
    Read,
}

/// Where the bytes of elements come from.
#[derive(Debug)]
pub enum Source {
    /// A range of a file.
    Stored(Stored),
    /// The little-endian bytes of values in memory.
    Computed(Arc<Array>),
}

impl Source {
    /// Opens bytes `offset .. offset + length` of the file at `path`. Unless `method` says otherwise they are mapped when
    /// the file is on a local disk and the platform lets us survive the file shrinking under the mapping, and read
    /// elsewhere; where a mapping cannot be had they are read in any case.
    ///
    /// # Errors
    /// `Io` when the file cannot be opened, `Truncated` when it is too short.
    pub fn open(path: &Path, offset: u64, length: u64, access: Access, method: Option<Method>) -> Result<Self> {
        Stored::open(path, offset, length, access, method).map(Self::Stored)
    }

    /// Bytes `start .. start + length` of the source: borrowed from memory, or read into `buffer`.
    ///
    /// Another process may write to a mapped file meanwhile: contents may change between two looks, so nothing read here
    /// may be trusted for memory safety.
    ///
    /// # Errors
    /// `Truncated` when the file has become shorter, `Io` when it cannot be read.
    ///
    /// # Panics
    /// When the bytes are not inside the source.
    pub fn bytes<'a>(&'a self, start: u64, length: usize, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        match self {
            Self::Stored(stored) => stored.bytes(start, length, buffer),
            Self::Computed(array) => {
                let start = usize::try_from(start).expect("inside the array");
                Ok(&array.bytes()[start..start + length])
            }
        }
    }

    /// Has the system read bytes `start .. start + length` of a file while other work goes on.
    ///
    /// # Panics
    /// When the bytes are not inside the source.
    pub fn fetch(&self, start: u64, length: usize) {
        if let Self::Stored(stored) = self {
            stored.fetch(start, length);
        }
    }

    /// Fails when the file has become shorter than the range since it was opened. What was read before a success is
    /// what the file held; what was read before a failure must be dropped.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Stored(stored) => stored.check(),
            Self::Computed(_) => Ok(()),
        }
    }

    /// A cheap look, for use between tiles, at whether reading hit the end of a shrunken file.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn check_damage(&self) -> Result<()> {
        match self {
            Self::Stored(stored) => stored.check_damage(),
            Self::Computed(_) => Ok(()),
        }
    }
}
