//! A range of an open file.

use std::fs::File;
use std::path::{Path, PathBuf};

#[cfg(unix)]
use super::mapping;
use super::{Access, Method, network};
use crate::error::{Error, Result};

/// A range of an open file.
#[derive(Debug)]
pub struct Stored {
    path: PathBuf,
    file: File,
    offset: u64,
    length: u64,
    #[cfg(unix)]
    mapping: Option<mapping::Mapping>,
}

impl Stored {
    /// Opens bytes `offset .. offset + length` of the file at `path`. Unless `method` says otherwise they are mapped when
    /// the file is on a local disk and the platform lets us survive the file shrinking under the mapping, and read
    /// elsewhere; where a mapping cannot be had they are read in any case.
    ///
    /// # Errors
    /// `Io` when the file cannot be opened, `Truncated` when it is too short.
    pub fn open(path: &Path, offset: u64, length: u64, access: Access, method: Option<Method>) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, "open", &error))?;
        let fitting = || if cfg!(unix) && !network::is_remote(&file) { Method::Map } else { Method::Read };
        let method = method.unwrap_or_else(fitting);
        Self::from_file(path, file, offset, length, access, method)
    }

    fn from_file(path: &Path, file: File, offset: u64, length: u64, access: Access, method: Method) -> Result<Self> {
        let metadata = file.metadata().map_err(|error| Error::io(path, "read", &error))?;
        if metadata.is_dir() {
            return Err(Error::io(path, "read", &std::io::Error::from(std::io::ErrorKind::IsADirectory)));
        }
        let end = offset.checked_add(length).ok_or_else(|| Error::invalid("A range's end overflows."))?;
        if end > metadata.len() {
            return Err(Error::truncated(path, end, metadata.len()));
        }
        #[cfg(unix)]
        let mapping = match method {
            Method::Map => mapping::Mapping::new(&file, offset, length, access),
            Method::Read => None,
        };
        #[cfg(not(unix))]
        let _ = (access, method);
        Ok(Self {
            path: path.to_owned(),
            file,
            offset,
            length,
            #[cfg(unix)]
            mapping,
        })
    }

    /// Bytes `start .. start + length` of the range: borrowed from the mapping, or read into `buffer`.
    ///
    /// Another process may write to a mapped file meanwhile: contents may change between two looks, so nothing read here
    /// may be trusted for memory safety.
    ///
    /// # Errors
    /// `Truncated` when the file has become shorter, `Io` when it cannot be read.
    ///
    /// # Panics
    /// When the bytes are not inside the range.
    pub fn bytes<'a>(&'a self, start: u64, length: usize, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        assert!(start.checked_add(length as u64).is_some_and(|end| end <= self.length), "inside the range");
        #[cfg(unix)]
        if let Some(mapping) = &self.mapping {
            let start = usize::try_from(start).expect("a mapping fits the address space");
            return Ok(&mapping.bytes()[start..start + length]);
        }
        buffer.resize(length, 0);
        self.read_exact_at(buffer, self.offset + start)?;
        Ok(buffer)
    }

    /// Has the system read bytes that will be asked for soon, where that is worth while.
    pub fn fetch(&self, start: u64, length: usize) {
        #[cfg(unix)]
        if let Some(mapping) = &self.mapping {
            mapping.fetch(usize::try_from(start).expect("a mapping fits the address space"), length);
        }
        #[cfg(not(unix))]
        let _ = (start, length);
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        #[cfg(unix)]
        let outcome = std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset);
        #[cfg(windows)]
        let outcome = read_exact_at_windows(&self.file, buffer, offset);
        outcome.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.shrunk(),
            _ => Error { offset: Some(offset), ..Error::io(&self.path, "read", &error) },
        })
    }

    /// Fails when the file has become shorter than the range since it was opened. What was read before a success is
    /// what the file held; what was read before a failure must be dropped.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn check(&self) -> Result<()> {
        #[cfg(unix)]
        if self.mapping.as_ref().is_some_and(mapping::Mapping::is_damaged) {
            return Err(self.shrunk());
        }
        let metadata = self.file.metadata().map_err(|error| Error::io(&self.path, "read", &error))?;
        if metadata.len() < self.offset + self.length { Err(self.shrunk()) } else { Ok(()) }
    }

    /// A cheap look, for use between tiles, at whether reading hit the end of a shrunken file.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn check_damage(&self) -> Result<()> {
        #[cfg(unix)]
        if self.mapping.as_ref().is_some_and(mapping::Mapping::is_damaged) {
            return Err(self.shrunk());
        }
        Ok(())
    }

    fn shrunk(&self) -> Error {
        let needed = self.offset + self.length;
        match self.file.metadata() {
            Ok(metadata) if metadata.len() < needed => Error::truncated(&self.path, needed, metadata.len()),
            // A page that the disk could not deliver arrives here too.
            _ => {
                let unreadable = std::io::Error::other("a part of it could not be read");
                Error::io(&self.path, "read", &unreadable)
            }
        }
    }
}

#[cfg(windows)]
fn read_exact_at_windows(file: &File, mut buffer: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buffer.is_empty() {
        match file.seek_read(buffer, offset) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
