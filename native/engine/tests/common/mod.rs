//! Files of elements, and what their elements are by the formats' definitions.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use weight_loupe_engine::protocol::Expression;
use weight_loupe_engine::tensor::Dtype;

/// A file that is removed when dropped.
pub struct TempFile(PathBuf);

impl TempFile {
    pub fn new(bytes: &[u8]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("weight-loupe-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).expect("room for a test file");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Bytes before the elements in `store`: no alignment to rely on.
pub const OFFSET: u64 = 13;

/// A file with `stored` after some other bytes, and the range over it.
pub fn store(stored: &[u8], dtype: Dtype, shape: &[u64]) -> (TempFile, Expression) {
    let mut bytes = vec![0xa5; OFFSET as usize];
    bytes.extend_from_slice(stored);
    let file = TempFile::new(&bytes);
    let range = range(file.path(), OFFSET, stored.len() as u64, dtype, shape);
    (file, range)
}

pub fn range(path: &Path, offset: u64, bytes: u64, dtype: Dtype, shape: &[u64]) -> Expression {
    Expression::Range { file: path.display().to_string(), offset, bytes, dtype, shape: shape.to_vec(), order: None }
}

pub fn slice(of: Expression, axis: u64, start: u64, stop: u64) -> Expression {
    Expression::Slice { of: Box::new(of), axis, start, stop }
}

pub fn permute(of: Expression, axes: &[u64]) -> Expression {
    Expression::Permute { of: Box::new(of), axes: axes.to_vec() }
}

pub fn reshape(of: Expression, shape: &[u64]) -> Expression {
    Expression::Reshape { of: Box::new(of), shape: shape.to_vec() }
}

/// A small xorshift generator.
pub struct Random(pub u64);

impl Random {
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Roughly standard normal.
    pub fn normal(&mut self) -> f64 {
        (0..3)
            .flat_map(|_| {
                let w = self.word();
                (0..4).map(move |i| (w >> (16 * i)) as u16)
            })
            .map(|part| f64::from(part) / 65_536.0)
            .sum::<f64>()
            - 6.0
    }
}

/// The stored elements as one code each.
pub fn codes(dtype: Dtype, stored: &[u8]) -> Vec<u64> {
    if dtype == Dtype::F4 {
        return stored.iter().flat_map(|byte| [u64::from(byte & 15), u64::from(byte >> 4)]).collect();
    }
    let width = (dtype.bits() / 8) as usize;
    let code = |element: &[u8]| element.iter().rev().fold(0, |code, byte| code << 8 | u64::from(*byte));
    stored.chunks_exact(width).map(code).collect()
}

/// A value by its format's definition: sign, exponent, fraction; for integers the rounded f64.
pub fn value(dtype: Dtype, code: u64) -> f64 {
    let float = |exponent_bits: u32, fraction_bits: u32, bias: i32| {
        let sign = if code >> (exponent_bits + fraction_bits) & 1 == 1 { -1.0 } else { 1.0 };
        let exponent = (code >> fraction_bits & ((1 << exponent_bits) - 1)) as i32;
        let fraction = (code & ((1 << fraction_bits) - 1)) as f64 / (1u64 << fraction_bits) as f64;
        match exponent {
            0 => sign * fraction * 2f64.powi(1 - bias),
            _ => sign * (1.0 + fraction) * 2f64.powi(exponent - bias),
        }
    };
    match dtype {
        Dtype::F64 => f64::from_bits(code),
        Dtype::F32 => f64::from(f32::from_bits(code as u32)),
        Dtype::F16 => half::f16::from_bits(code as u16).to_f64(),
        Dtype::BF16 => half::bf16::from_bits(code as u16).to_f64(),
        Dtype::F8_E4M3 if code & 0x7f == 0x7f => f64::NAN,
        Dtype::F8_E4M3 => float(4, 3, 7),
        Dtype::F8_E5M2 if code & 0x7f > 0x7c => f64::NAN,
        Dtype::F8_E5M2 if code == 0x7c => f64::INFINITY,
        Dtype::F8_E5M2 if code == 0xfc => f64::NEG_INFINITY,
        Dtype::F8_E5M2 => float(5, 2, 15),
        Dtype::F8_E4M3FNUZ | Dtype::F8_E5M2FNUZ if code == 0x80 => f64::NAN,
        Dtype::F8_E4M3FNUZ => float(4, 3, 8),
        Dtype::F8_E5M2FNUZ => float(5, 2, 16),
        Dtype::F8_E8M0 if code == 255 => f64::NAN,
        Dtype::F8_E8M0 => 2f64.powi(code as i32 - 127),
        Dtype::F4 => float(2, 1, 1),
        Dtype::I64 => code as i64 as f64,
        Dtype::I32 => f64::from(code as i32),
        Dtype::I16 => f64::from(code as i16),
        Dtype::I8 => f64::from(code as i8),
        Dtype::U64 | Dtype::U32 | Dtype::U16 | Dtype::U8 => code as f64,
        Dtype::BOOL => f64::from(u8::from(code != 0)),
    }
}

/// Whether a code is a subnormal number of its type.
pub fn is_subnormal(dtype: Dtype, code: u64) -> bool {
    let least_normal = match dtype {
        Dtype::F64 => f64::MIN_POSITIVE,
        Dtype::F32 | Dtype::BF16 => 2f64.powi(-126),
        Dtype::F16 | Dtype::F8_E5M2 => 2f64.powi(-14),
        Dtype::F8_E5M2FNUZ => 2f64.powi(-15),
        Dtype::F8_E4M3 => 2f64.powi(-6),
        Dtype::F8_E4M3FNUZ => 2f64.powi(-7),
        Dtype::F4 => 1.0,
        _ => return false,
    };
    let value = value(dtype, code);
    value != 0.0 && value.abs() < least_normal
}
