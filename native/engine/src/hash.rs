//! Content hashes: equal exactly when the stored elements are.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::protocol::HashResult;
use crate::tensor::{Dtype, Tensor};

/// Elements fed to the hash at once.
const TILE: u64 = 1 << 20;

/// BLAKE3 of the stored bytes of the elements, row-major; of elements stored in big-endian order, of their bytes in
/// little-endian order.
///
/// # Errors
/// `Undefined` for a view of sub-byte elements that does not consist of whole bytes as they are stored; `Cancelled`,
/// `Io`, `Truncated`.
pub fn hash(tensor: &Tensor, context: &Context) -> Result<HashResult> {
    let mut hasher = blake3::Hasher::new();
    let mut reader = tensor.reader();
    let count = tensor.count();
    if tensor.dtype() == Dtype::F4 && !tensor.is_whole_bytes() {
        return Err(Error::undefined(
            "The elements of this view of F4 do not fill whole bytes of the file, so there are no stored bytes to hash.",
        ));
    }
    let mut first = 0;
    while first < count {
        context.cancel.check()?;
        let length = TILE.min(count - first);
        let bytes = reader.elements(first, length as usize)?;
        if tensor.dtype() == Dtype::F4 {
            let packed: Vec<u8> = bytes.chunks_exact(2).map(|pair| pair[0] | pair[1] << 4).collect();
            hasher.update(&packed);
        } else if context.threads > 1 {
            hasher.update_rayon(bytes);
        } else {
            hasher.update(bytes);
        }
        first += length;
        (context.progress)(first, count);
    }
    tensor.check()?;
    Ok(HashResult { hash: hasher.finalize().to_hex().to_string() })
}
