//! Tensors of quantised blocks: every view shows the elements of the whole, and kernels see what is decoded.

mod common;

use common::{OFFSET, Random, TempFile, permute, reshape, slice};
use proptest::prelude::*;
use weight_loupe_engine::blocks::{self, block_scales};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::Code;
use weight_loupe_engine::hash::hash;
use weight_loupe_engine::protocol::{BlockType, Expression};
use weight_loupe_engine::source::{Access, Method};
use weight_loupe_engine::statistics::statistics;
use weight_loupe_engine::tensor::{Dtype, Tensor};

const TYPES: [BlockType; 26] = [
    BlockType::Q4_0,
    BlockType::Q4_1,
    BlockType::Q5_0,
    BlockType::Q5_1,
    BlockType::Q8_0,
    BlockType::Q8_1,
    BlockType::Q2_K,
    BlockType::Q3_K,
    BlockType::Q4_K,
    BlockType::Q5_K,
    BlockType::Q6_K,
    BlockType::Q8_K,
    BlockType::IQ1_S,
    BlockType::IQ1_M,
    BlockType::IQ2_XXS,
    BlockType::IQ2_XS,
    BlockType::IQ2_S,
    BlockType::IQ3_XXS,
    BlockType::IQ3_S,
    BlockType::IQ4_NL,
    BlockType::IQ4_XS,
    BlockType::TQ1_0,
    BlockType::TQ2_0,
    BlockType::MXFP4,
    BlockType::NVFP4,
    BlockType::Q1_0,
];

/// Random blocks, some bytes into a file.
fn store(r#type: BlockType, shape: &[u64], seed: u64) -> (TempFile, Vec<u8>, Expression) {
    let count: u64 = shape.iter().product();
    let bytes = count as usize / r#type.elements() * r#type.bytes();
    let mut random = Random(seed | 1);
    let stored: Vec<u8> = (0..bytes).map(|_| (random.word() >> 33) as u8).collect();
    let mut whole = vec![0xa5; OFFSET as usize];
    whole.extend_from_slice(&stored);
    let file = TempFile::new(&whole);
    let path = file.path().display().to_string();
    let expression =
        Expression::Blocks { file: path, offset: OFFSET, bytes: bytes as u64, r#type, shape: shape.to_vec() };
    (file, stored, expression)
}

fn bits(expression: &Expression, method: Method) -> Vec<u32> {
    let tensor = Tensor::open_with(expression, Access::Random, Some(method)).unwrap();
    let count = tensor.count() as usize;
    let mut reader = tensor.reader();
    let words = reader.elements(0, count).unwrap().chunks_exact(4);
    words.map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

fn decoded(r#type: BlockType, stored: &[u8]) -> Vec<u32> {
    let mut values = vec![0f32; stored.len() / r#type.bytes() * r#type.elements()];
    blocks::decode(r#type, stored, &mut values);
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn views_show_the_elements_of_the_whole(
        which in 0..TYPES.len(),
        rows in 1u64..5,
        per_row in 1u64..4,
        cut in any::<[u64; 4]>(),
        seed in any::<u64>(),
        mapped in any::<bool>(),
    ) {
        let r#type = TYPES[which];
        let columns = per_row * r#type.elements() as u64;
        let method = if mapped { Method::Map } else { Method::Read };
        let (_file, stored, whole) = store(r#type, &[2, rows, columns], seed);
        let values = decoded(r#type, &stored);
        let at = |plane: u64, row: u64, column: u64| values[((plane * rows + row) * columns + column) as usize];
        prop_assert_eq!(&bits(&whole, method), &values);

        let (first_row, first_column) = (cut[0] % rows, cut[1] % columns);
        let last_row = first_row + 1 + cut[2] % (rows - first_row);
        let last_column = first_column + 1 + cut[3] % (columns - first_column);
        let window = slice(slice(whole.clone(), 1, first_row, last_row), 2, first_column, last_column);
        let expected: Vec<u32> = (0..2)
            .flat_map(|plane| (first_row..last_row).map(move |row| (plane, row)))
            .flat_map(|(plane, row)| (first_column..last_column).map(move |column| (plane, row, column)))
            .map(|(plane, row, column)| at(plane, row, column))
            .collect();
        prop_assert_eq!(bits(&window, method), expected);

        let turned = permute(slice(whole.clone(), 0, 1, 2), &[2, 0, 1]);
        let expected: Vec<u32> = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column))).map(|(row, column)| at(1, row, column)).collect();
        prop_assert_eq!(bits(&turned, method), expected);

        prop_assert_eq!(bits(&reshape(whole, &[columns, 2 * rows]), method), values);
    }
}

#[test]
fn every_type_has_its_size() {
    // Bits per weight, as `llama-quantize --help` and ggml-common.h's static assertions give them.
    let expected = [
        4.5, 5.0, 5.5, 6.0, 8.5, 9.0, 2.625, 3.4375, 4.5, 5.5, 6.5625, 9.125, 1.5625, 1.75, 2.0625, 2.3125, 2.5625,
        3.0625, 3.4375, 4.5, 4.25, 1.6875, 2.0625, 4.25, 4.5, 1.125,
    ];
    for (r#type, expected) in TYPES.iter().zip(expected) {
        let bits = 8.0 * r#type.bytes() as f64 / r#type.elements() as f64;
        assert!((bits - expected).abs() < 1e-12, "{:?}: {bits}", r#type);
    }
}

#[test]
fn kernels_see_decoded_values() {
    let (_file, stored, expression) = store(BlockType::Q8_0, &[64, 4096], 7);
    let tensor = Tensor::open(&expression, Access::Sequential).unwrap();
    assert_eq!(tensor.dtype(), Dtype::F32);
    let cancel = CancelToken::default();
    let context = Context::quiet(&cancel, 1);
    let found = statistics(&tensor, &context).unwrap();
    let values: Vec<f64> =
        decoded(BlockType::Q8_0, &stored).into_iter().map(|bits| f64::from(f32::from_bits(bits))).collect();
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    assert_eq!(found.count, values.len() as u64);
    assert_eq!(found.finite, finite.len() as u64);
    assert_eq!(found.nan, values.iter().filter(|value| value.is_nan()).count() as u64);
    assert_eq!(found.max.to_f64(), finite.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    let stretched = reshape(expression.clone(), &[64 * 4096]);
    let same = Tensor::open(&stretched, Access::Sequential).unwrap();
    assert_eq!(hash(&tensor, &context).unwrap(), hash(&same, &context).unwrap());
}

#[test]
fn what_does_not_add_up_is_refused() {
    let blocks = |bytes: u64, shape: &[u64]| Expression::Blocks {
        file: "/none".into(),
        offset: 0,
        bytes,
        r#type: BlockType::Q4_K,
        shape: shape.to_vec(),
    };
    for (expression, says) in [
        (blocks(144, &[128, 2]), "Rows of 2 elements are no whole number of Q4_K blocks of 256."),
        (blocks(144, &[]), "Rows of 1 elements"),
        (blocks(143, &[256]), "needs 144 bytes, but the range at byte 0 has 143"),
        (blocks(144, &[1 << 40, 1 << 40]), "overflows"),
        (blocks(144, &[1 << 54, 256]), "needs"),
    ] {
        let error = Tensor::open(&expression, Access::Random).unwrap_err();
        assert_eq!(error.code, Code::InvalidParams);
        assert!(error.message.contains(says), "{}", error.message);
    }
    let error = Tensor::open(&blocks(144, &[256]), Access::Random).unwrap_err();
    assert_eq!(error.code, Code::Io);
}

#[test]
fn scales_and_saturated_codes_are_counted() {
    // Q4_0: scales 2, −0.5 and 0; codes 0 (lowest) and 15 (highest) among 8.
    let block = |d: f32, first: u8| {
        let mut block = half::f16::from_f32(d).to_le_bytes().to_vec();
        block.push(first);
        block.extend([0x88; 15]);
        block
    };
    let stored = [block(2.0, 0x0f), block(-0.5, 0xf8), block(0.0, 0xff)].concat();
    let file = TempFile::new(&stored);
    let path = file.path().display().to_string();
    let r#type = BlockType::Q4_0;
    let whole = Expression::Blocks { file: path, offset: 0, bytes: 54, r#type, shape: vec![3, 32] };
    let cancel = CancelToken::default();
    let context = Context::quiet(&cancel, 1);
    let found = block_scales(&Tensor::open(&whole, Access::Sequential).unwrap(), &context).unwrap();
    assert_eq!((found.blocks, found.scales, found.zeros, found.non_finite), (3, 3, 1, 0));
    assert_eq!((found.min.to_f64(), found.max.to_f64()), (0.5, 2.0));
    assert_eq!(found.histogram.min_exponent, -1);
    assert_eq!(found.histogram.counts, [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!((found.codes, found.lowest, found.highest), (64, 1, 2));
    let part = Tensor::open(&slice(whole, 1, 0, 16), Access::Random).unwrap();
    assert_eq!(block_scales(&part, &context).unwrap_err().code, Code::Undefined);
}

#[test]
fn every_evenly_coded_type_has_scales() {
    let cancel = CancelToken::default();
    let context = Context::quiet(&cancel, 1);
    for r#type in TYPES {
        let (_file, stored, whole) = store(r#type, &[4, 512], 5);
        let outcome = block_scales(&Tensor::open(&whole, Access::Sequential).unwrap(), &context);
        if format!("{type:?}").starts_with("IQ") && !format!("{type:?}").starts_with("IQ4") {
            assert_eq!(outcome.unwrap_err().code, Code::Undefined);
            continue;
        }
        let found = outcome.unwrap();
        assert_eq!(found.blocks as usize, stored.len() / r#type.bytes());
        let counted: u64 = found.histogram.counts.iter().sum();
        assert_eq!(counted + found.zeros + found.non_finite, found.scales, "{type:?}");
        assert!(found.lowest + found.highest <= found.codes, "{type:?}");
        assert!(found.lowest > 0 && found.highest > 0, "{type:?}: {found:?}");
    }
}
