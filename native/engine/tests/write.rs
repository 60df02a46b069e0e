//! `write`: copies bit by bit, conversions against the definitions, and what is refused.

mod common;

use common::{OFFSET, TempFile, permute, slice, store};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::Code;
use weight_loupe_engine::protocol::Expression;
use weight_loupe_engine::source::Access;
use weight_loupe_engine::tensor::{Dtype, Tensor};
use weight_loupe_engine::write::write;

fn run(expression: &Expression, dtype: Dtype, offset: u64, room: usize, cancel: &CancelToken) -> Result<Vec<u8>, Code> {
    let out = TempFile::new(&vec![0xeeu8; room]);
    let outcome = Tensor::open(expression, Access::Sequential).and_then(|tensor| {
        write(&tensor, dtype, &out.path().display().to_string(), offset, &Context::quiet(cancel, 1))
    });
    outcome.map(|_| std::fs::read(out.path()).expect("what was written")).map_err(|error| error.code)
}

fn written(expression: &Expression, dtype: Dtype, bytes: usize) -> Vec<u8> {
    let out = run(expression, dtype, 3, bytes + 5, &CancelToken::default()).expect("written");
    assert_eq!((&out[..3], &out[3 + bytes..]), (&[0xee; 3][..], &[0xee; 2][..]), "nothing beside it");
    out[3..3 + bytes].to_vec()
}

#[test]
fn the_same_type_is_copied_bit_by_bit() {
    let stored: Vec<u8> = (0..=255).cycle().take(1 << 20).map(|code| code as u8).collect();
    for dtype in Dtype::ALL {
        let count = stored.len() as u64 * 8 / dtype.bits();
        let (_file, range) = store(&stored, dtype, &[count]);
        assert!(written(&range, dtype, stored.len()) == stored, "{dtype:?}");
    }
}

#[test]
fn parts_and_transposes_come_out_row_major() {
    let stored: Vec<u8> = (0..12u16).flat_map(u16::to_le_bytes).collect();
    let (_file, range) = store(&stored, Dtype::I16, &[3, 4]);
    let view = permute(slice(range, 1, 1, 3), &[1, 0]);
    let expected: Vec<u8> = [1u16, 5, 9, 2, 6, 10].into_iter().flat_map(u16::to_le_bytes).collect();
    assert_eq!(written(&view, Dtype::I16, 12), expected);
}

#[test]
fn values_are_rounded_once() {
    // 1 + 2^-11 + 2^-30: rounding to f32 first would make it a tie for f16, and round it down.
    let value = 1.0 + 2f64.powi(-11) + 2f64.powi(-30);
    let (_file, range) = store(&value.to_le_bytes(), Dtype::F64, &[1]);
    assert_eq!(written(&range, Dtype::F16, 2), 0x3c01u16.to_le_bytes());
    assert_eq!(written(&range, Dtype::F32, 4), (value as f32).to_le_bytes());
    let integers: Vec<u8> = [i64::MIN, -1, 0, 1 << 53].into_iter().flat_map(i64::to_le_bytes).collect();
    let (_file, range) = store(&integers, Dtype::I64, &[4]);
    let expected: Vec<u8> =
        [i64::MIN as f64, -1.0, 0.0, (1i64 << 53) as f64].into_iter().flat_map(f64::to_le_bytes).collect();
    assert_eq!(written(&range, Dtype::F64, 32), expected);
}

/// Each integer type's least and greatest, from values of a type that holds them, and what is just outside or between.
#[test]
fn integers_are_written_exactly_or_not_at_all() {
    let never = CancelToken::default();
    let of = |values: &[f64]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        store(&bytes, Dtype::F64, &[values.len() as u64])
    };
    let (_file, range) = of(&[-128.0, -0.0, 127.0]);
    assert_eq!(written(&range, Dtype::I8, 3), [0x80, 0, 0x7f]);
    assert_eq!(written(&range, Dtype::I16, 6), [0x80, 0xff, 0, 0, 0x7f, 0]);
    let (_file, range) = of(&[0.0, 255.0]);
    assert_eq!(written(&range, Dtype::U8, 2), [0, 255]);
    assert_eq!(written(&range, Dtype::U32, 8), [0, 0, 0, 0, 255, 0, 0, 0]);
    let (_file, range) = of(&[-2_147_483_648.0, 2_147_483_647.0]);
    assert_eq!(written(&range, Dtype::I32, 8), [0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0x7f]);
    for (dtype, value) in [
        (Dtype::U8, -1.0),
        (Dtype::U8, 256.0),
        (Dtype::I8, 128.0),
        (Dtype::I8, -129.0),
        (Dtype::U16, 65_536.0),
        (Dtype::I16, 32_768.0),
        (Dtype::I32, 2_147_483_648.0),
        (Dtype::I32, 0.5),
        (Dtype::I64, f64::NAN),
        (Dtype::I64, f64::NEG_INFINITY),
        (Dtype::I64, 9_223_372_036_854_775_808.0),
        (Dtype::U64, 18_446_744_073_709_551_616.0),
        (Dtype::BOOL, 2.0),
    ] {
        let (_file, range) = of(&[1.0, value]);
        assert_eq!(run(&range, dtype, 0, 64, &never), Err(Code::Undefined), "{dtype:?} {value}");
    }
    // No way over f64, which would round them.
    let large: Vec<u8> = [(1i64 << 53) + 1, i64::MAX].into_iter().flat_map(i64::to_le_bytes).collect();
    let (_file, range) = store(&large, Dtype::I64, &[2]);
    assert_eq!(written(&range, Dtype::U64, 16), large);
    assert_eq!(run(&range, Dtype::I32, 0, 64, &never), Err(Code::Undefined));
    let (_file, range) = store(&half::bf16::from_f32(-3.0).to_le_bytes(), Dtype::BF16, &[1]);
    assert_eq!(written(&range, Dtype::I8, 1), [0xfd]);
}

#[test]
fn the_sentence_names_the_element() {
    let bytes: Vec<u8> = [1.0f32, 300.5].into_iter().flat_map(f32::to_le_bytes).collect();
    let (_file, range) = store(&bytes, Dtype::F32, &[2]);
    let out = TempFile::new(&[0; 2]);
    let tensor = Tensor::open(&range, Access::Sequential).expect("a tensor");
    let never = CancelToken::default();
    let path = out.path().display().to_string();
    let error = write(&tensor, Dtype::I8, &path, 0, &Context::quiet(&never, 1)).expect_err("a refusal");
    assert_eq!(
        error.message,
        "Element 1 is 300.5, which I8 does not hold: only integers from -128 to 127 are written to it."
    );
}

#[test]
fn refuses_what_it_cannot_write() {
    let (_file, range) = store(&[0; 16], Dtype::F32, &[4]);
    let never = CancelToken::default();
    assert_eq!(run(&range, Dtype::F8_E8M0, 0, 16, &never), Err(Code::InvalidParams));
    assert_eq!(run(&range, Dtype::F4, 0, 16, &never), Err(Code::InvalidParams));
    assert_eq!(run(&range, Dtype::F32, 1, 16, &never), Err(Code::InvalidParams));
    assert_eq!(run(&range, Dtype::F32, u64::MAX, 16, &never), Err(Code::InvalidParams));
    let cancelled = CancelToken::default();
    cancelled.cancel();
    assert_eq!(run(&range, Dtype::F32, 0, 16, &cancelled), Err(Code::Cancelled));
    let tensor = Tensor::open(&range, Access::Sequential).expect("a tensor");
    let absent = std::env::temp_dir().join("weight-loupe-no-such-folder/out").display().to_string();
    let error = write(&tensor, Dtype::F32, &absent, 0, &Context::quiet(&never, 1)).expect_err("no file");
    assert_eq!((error.code, error.file), (Code::Io, Some(absent)));
}

#[test]
fn reads_only_the_range() {
    let (file, range) = store(&1f32.to_le_bytes(), Dtype::F32, &[]);
    assert_eq!(written(&range, Dtype::BF16, 2), [0x80, 0x3f]);
    assert_eq!(std::fs::metadata(file.path()).expect("a file").len(), OFFSET + 4);
}
