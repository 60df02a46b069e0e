//! Elements into a file: copied as they are stored, or rounded to another type.

use std::fs::{File, OpenOptions};
use std::path::Path;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::numeric::Numeric;
use crate::protocol::WriteResult;
use crate::tensor::{Dtype, Reader, Rounding, Tensor, decode, encode};
use crate::tiles;

/// Elements of one tile; an even number, so that tiles of packed half bytes are whole.
const TILE: u64 = 1 << 18;

/// Writes the elements of `tensor`, row-major and little endian, as `dtype` at byte `offset` of the file at `path`, which is
/// there already and long enough. The same type is copied bit by bit; other types are rounded to nearest even, once; of integers
/// only values that they hold exactly are written.
///
/// # Errors
/// `InvalidParams` when the file is too short or values cannot be rounded to `dtype`; `Undefined` for a value that an integer
/// `dtype` does not hold; `Io` for the file written to;
/// `Cancelled`, `Io`, `Truncated` for what is read. What was written before a failure stays.
pub fn write(tensor: &Tensor, dtype: Dtype, path: &str, offset: u64, context: &Context) -> Result<WriteResult> {
    if dtype != tensor.dtype() && !encode::is_target(dtype) && encode::integers(dtype).is_none() {
        return Err(Error::invalid(format!(
            "Values cannot be rounded to {dtype:?}: only its own elements are copied."
        )));
    }
    let bytes = dtype
        .stored_bytes(tensor.count())
        .ok_or_else(|| Error::invalid(format!("{} elements of {dtype:?} do not fill whole bytes.", tensor.count())))?;
    let copied = dtype == tensor.dtype() && tensor.is_stored();
    let path = Path::new(path);
    let file = OpenOptions::new().write(true).open(path).map_err(|error| Error::io(path, "open", &error))?;
    let size = file.metadata().map_err(|error| Error::io(path, "open", &error))?.len();
    if offset.checked_add(bytes).is_none_or(|end| end > size) {
        let message = format!("The elements take {bytes} bytes from byte {offset}, but {} has {size}.", path.display());
        return Err(Error { file: Some(path.display().to_string()), offset: Some(offset), ..Error::invalid(message) });
    }
    let (_, non_finite) = tiles::for_each(
        context,
        tensor.count(),
        TILE,
        || Converter::new(tensor, dtype),
        |converter, range| {
            let first = dtype.stored_bytes(range.start).expect("no more than all of them");
            let elements = converter.convert(range.start, (range.end - range.start) as usize)?;
            write_all_at(&file, elements, offset + first).map_err(|error| Error::io(path, "write", &error))?;
            Ok(if copied { 0 } else { encode::non_finite(dtype, elements) })
        },
    )?;
    tensor.check()?;
    Ok(WriteResult { bytes, non_finite: non_finite.iter().sum() })
}

/// Turns elements of one tensor into those of another type; holds the buffers, so each thread has its own.
struct Converter<'a> {
    reader: Reader<'a>,
    from: Dtype,
    to: Dtype,
    rounding: Rounding,
    out: Vec<u8>,
}

impl<'a> Converter<'a> {
    fn new(tensor: &'a Tensor, to: Dtype) -> Self {
        let (reader, from) = (tensor.reader(), tensor.dtype());
        Self { reader, from, to, rounding: Rounding::default(), out: Vec::new() }
    }

    /// The `count` elements from `first` as they are to be stored.
    fn convert(&mut self, first: u64, count: usize) -> Result<&[u8]> {
        let bytes = self.reader.elements(first, count)?;
        self.out.clear();
        if self.from == self.to {
            if self.to != Dtype::F4 {
                return Ok(bytes);
            }
            self.out.extend(bytes.chunks_exact(2).map(|pair| pair[0] & 15 | pair[1] << 4));
        } else if let Some(range) = encode::integers(self.to) {
            let width = self.from.width();
            for (index, element) in (first..).zip(bytes.chunks_exact(width)) {
                let value = decode::to_numeric(self.from, element);
                let integer = whole(value).and_then(|integer| encode::from_integer(self.to, integer, &mut self.out));
                integer.ok_or_else(|| does_not_hold(self.to, range, index, value))?;
            }
        } else {
            self.rounding.append((self.from, bytes), count, self.to, &mut self.out);
        }
        Ok(&self.out)
    }
}

/// The value as an integer, if it is one.
fn whole(value: Numeric) -> Option<i128> {
    match value {
        Numeric::Integer(integer) => Some(integer),
        // The conversion saturates, beyond the range of any type.
        Numeric::Float(value) => (value.fract() == 0.0).then_some(value as i128),
    }
}

fn does_not_hold(dtype: Dtype, (least, most): (i128, i128), index: u64, value: Numeric) -> Error {
    let value = match value {
        Numeric::Integer(integer) => integer.to_string(),
        Numeric::Float(value) => value.to_string(),
    };
    Error::undefined(format!(
        "Element {index} is {value}, which {dtype:?} does not hold: only integers from {least} to {most} are written to it."
    ))
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> std::io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        match file.seek_write(bytes, offset) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
