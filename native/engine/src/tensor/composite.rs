//! Walks put together from others: one after the other, row by row, rounded, merged.

use super::dtype::Dtype;
use super::expression::{Origin, Plan, elements, row_major};
use crate::base64;
use crate::error::{Error, Result};
use crate::merge::Merge;

impl<'a> Plan<'a> {
    /// All values of `origin`, row-major.
    pub(super) fn whole(origin: Origin<'a>, dtype: Dtype, shape: Vec<u64>) -> Result<Self> {
        let (count, axes) = (elements(&shape)?, row_major(&shape));
        Ok(Self { origin, dtype, order: None, blocks: None, shape, count, start: 0, axes, aligned: true })
    }

    /// `parts` one after the other along the first axis.
    pub(super) fn concatenated(parts: Vec<Self>) -> Result<Self> {
        let Some(first) = parts.first() else {
            return Err(Error::invalid("A concatenation needs at least one tensor."));
        };
        let Some((_, rest)) = first.shape.split_first() else {
            return Err(Error::invalid("Tensors without axes cannot be put one after the other."));
        };
        for part in &parts {
            if part.shape.get(1..) != Some(rest) {
                return Err(Error::invalid(format!(
                    "Tensors of shapes {:?} and {:?} cannot be put one after the other along the first axis.",
                    first.shape, part.shape
                )));
            }
            if part.dtype != first.dtype {
                return Err(Error::invalid(format!(
                    "Tensors put one after the other are of one type, not of {:?} and {:?}.",
                    first.dtype, part.dtype
                )));
            }
        }
        let rows = parts.iter().try_fold(0u64, |rows, part| rows.checked_add(part.shape[0]));
        let rows = rows.ok_or_else(|| Error::invalid("The number of rows of a concatenation overflows."))?;
        let shape = [&[rows], rest].concat();
        let dtype = first.dtype;
        Self::whole(Origin::Concatenated(parts), dtype, shape)
    }

    /// Rows of `of`, by their numbers as base64 of little-endian u32.
    pub(super) fn selected(of: Self, rows: &str) -> Result<Self> {
        let bytes = base64::decode(rows).filter(|bytes| bytes.len() % 4 == 0);
        let bytes = bytes.ok_or_else(|| Error::invalid("Rows are selected by base64 of little-endian u32."))?;
        let rows: Vec<u32> =
            bytes.chunks_exact(4).map(|row| u32::from_le_bytes(row.try_into().expect("4 bytes"))).collect();
        let Some((&available, rest)) = of.shape.split_first() else {
            return Err(Error::invalid("A tensor without axes has no rows to select."));
        };
        if let Some(row) = rows.iter().find(|&&row| u64::from(row) >= available) {
            return Err(Error::invalid(format!(
                "Row {row} is selected of a tensor of shape {:?}, which has {available} rows.",
                of.shape
            )));
        }
        let shape = [&[rows.len() as u64], rest].concat();
        let dtype = of.dtype;
        Self::whole(Origin::Selected { of: Box::new(of), rows }, dtype, shape)
    }

    /// `of` rounded to `dtype`.
    pub(super) fn cast(of: Self, dtype: Dtype) -> Result<Self> {
        let shape = of.shape.clone();
        Self::whole(Origin::Cast(Box::new(of)), dtype, shape)
    }

    /// `of`, the base last where there is one, merged.
    pub(super) fn merged(merge: Merge<'a>, of: Vec<Self>) -> Result<Self> {
        let shapes: Vec<&[u64]> = of.iter().map(|plan| &plan.shape[..]).collect();
        merge.check(&shapes)?;
        let shape = of[0].shape.clone();
        Self::whole(Origin::Merged { merge, of }, merge.result(), shape)
    }

    /// What the values are put together from; none for those of a file or a computation.
    pub fn operands(&self) -> Vec<&Self> {
        match &self.origin {
            Origin::File { .. } | Origin::Computed(_) => Vec::new(),
            Origin::Combined(terms) => terms.iter().map(|(_, term)| term).collect(),
            Origin::Concatenated(of) | Origin::Merged { of, .. } => of.iter().collect(),
            Origin::Selected { of, .. } | Origin::Cast(of) => vec![of],
        }
    }

    /// Every walk that the values come out of: those of the operands, theirs, or this one.
    pub fn leaves(&self) -> Vec<&Self> {
        match &self.origin {
            Origin::File { .. } | Origin::Computed(_) => vec![self],
            _ => self.operands().into_iter().flat_map(Self::leaves).collect(),
        }
    }

    /// What tells this origin from others over the same operands.
    pub(super) fn distinction(&self) -> Vec<u8> {
        let tagged = |tag: &[u8], rest: &[u8]| [tag, rest].concat();
        match &self.origin {
            Origin::File { path, offset } => format!("file {path:?} {offset}").into_bytes(),
            Origin::Computed(computation) => tagged(b"computed ", computation.digest().as_bytes()),
            Origin::Combined(terms) => {
                let bits: Vec<u8> = terms.iter().flat_map(|(factor, _)| factor.to_bits().to_le_bytes()).collect();
                tagged(b"combined ", &bits)
            }
            Origin::Concatenated(_) => b"concatenated".to_vec(),
            Origin::Selected { rows, .. } => {
                tagged(b"selected ", &rows.iter().flat_map(|row| row.to_le_bytes()).collect::<Vec<u8>>())
            }
            Origin::Cast(_) => b"cast".to_vec(),
            Origin::Merged { merge, .. } => tagged(b"merged ", merge.digest().as_bytes()),
        }
    }
}
