//! Element types.

use serde::{Deserialize, Serialize};

/// The element types the engine decodes, in safetensors' spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(non_camel_case_types, missing_docs, reason = "safetensors' own names")]
pub enum Dtype {
    F64,
    F32,
    F16,
    BF16,
    F8_E4M3,
    F8_E5M2,
    F8_E4M3FNUZ,
    F8_E5M2FNUZ,
    F8_E8M0,
    F4,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    BOOL,
}

impl Dtype {
    /// Every element type.
    pub const ALL: [Self; 19] = [
        Self::F64,
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::F8_E4M3,
        Self::F8_E5M2,
        Self::F8_E4M3FNUZ,
        Self::F8_E5M2FNUZ,
        Self::F8_E8M0,
        Self::F4,
        Self::I64,
        Self::I32,
        Self::I16,
        Self::I8,
        Self::U64,
        Self::U32,
        Self::U16,
        Self::U8,
        Self::BOOL,
    ];

    /// Bits of one stored element.
    pub const fn bits(self) -> u64 {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 64,
            Self::F32 | Self::I32 | Self::U32 => 32,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 16,
            Self::F4 => 4,
            _ => 8,
        }
    }

    /// Bytes of one element as kernels see it: sub-byte elements are unpacked to one code per byte.
    pub const fn width(self) -> usize {
        if self.bits() < 8 { 1 } else { self.bits() as usize / 8 }
    }

    /// Bytes that `elements` of this type take when stored together; `None` when that overflows or is not whole.
    pub fn stored_bytes(self, elements: u64) -> Option<u64> {
        let bits = u128::from(elements) * u128::from(self.bits());
        if bits % 8 == 0 { u64::try_from(bits / 8).ok() } else { None }
    }

    /// Whether the elements are whole numbers.
    pub const fn is_integer(self) -> bool {
        matches!(
            self,
            Self::I64 | Self::I32 | Self::I16 | Self::I8 | Self::U64 | Self::U32 | Self::U16 | Self::U8 | Self::BOOL
        )
    }
}
