//! `lineHashes`: equal for equal lines however they are stored, different for others.

mod common;

use common::{Random, permute, slice, store};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::Code;
use weight_loupe_engine::line_hashes::line_hashes;
use weight_loupe_engine::protocol::Expression;
use weight_loupe_engine::source::Access;
use weight_loupe_engine::tensor::{Dtype, Tensor};

fn hashes_on(expression: &Expression, axis: u64, group: u64, threads: usize) -> Result<Vec<[u8; 8]>, Code> {
    let cancel = CancelToken::default();
    let tensor = Tensor::open(expression, Access::Sequential).expect("a tensor");
    let found = line_hashes(&tensor, axis, group, &Context::quiet(&cancel, threads)).map_err(|error| error.code)?;
    let bytes = decode(&found.hashes);
    assert_eq!(bytes.len() as u64, 8 * found.count);
    Ok(bytes.chunks_exact(8).map(|hash| hash.try_into().expect("eight bytes")).collect())
}

fn hashes(expression: &Expression, axis: u64, group: u64) -> Vec<[u8; 8]> {
    hashes_on(expression, axis, group, 1).expect("hashes")
}

fn decode(base64: &str) -> Vec<u8> {
    let value = |symbol: u8| match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let symbols: Vec<u8> = base64.bytes().filter(|&symbol| symbol != b'=').map(value).collect();
    let bits: Vec<u8> = symbols.iter().flat_map(|symbol| (0..6).rev().map(move |bit| symbol >> bit & 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

fn blake3_of(values: &[f32]) -> [u8; 8] {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    blake3::hash(&bytes).as_bytes()[..8].try_into().expect("eight bytes")
}

fn f32_store(values: &[f32], shape: &[u64]) -> (common::TempFile, Expression) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    store(&bytes, Dtype::F32, shape)
}

#[test]
fn they_are_the_first_bytes_of_blake3_of_each_group_row_major() {
    let (rows, columns) = (12usize, 2100usize);
    let mut random = Random(5);
    let values: Vec<f32> = (0..rows * columns).map(|_| random.normal() as f32).collect();
    let (_file, matrix) = f32_store(&values, &[rows as u64, 21, 100]);
    for group in [1, 3, 12] {
        let expected: Vec<_> = values.chunks(group * columns).map(blake3_of).collect();
        assert_eq!(hashes(&matrix, 0, group as u64), expected, "{group} rows");
    }
    for group in [1, 7, 700, 2100] {
        let of = |first: usize| -> Vec<f32> {
            (0..rows).flat_map(|row| &values[row * columns + first..row * columns + first + group]).copied().collect()
        };
        let expected: Vec<_> = (0..columns).step_by(group).map(|first| blake3_of(&of(first))).collect();
        assert_eq!(hashes(&matrix, 1, group as u64), expected, "{group} columns");
    }
}

#[test]
fn long_lines_are_hashed_in_pieces() {
    let (rows, columns) = (3usize, 200_000usize);
    let values: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
    let (_file, matrix) = f32_store(&values, &[rows as u64, columns as u64]);
    assert_eq!(hashes(&matrix, 0, 1), values.chunks(columns).map(blake3_of).collect::<Vec<_>>());
    assert_eq!(hashes(&matrix, 1, columns as u64), [blake3_of(&values)]);
    let turned = permute(matrix, &[1, 0]);
    assert_eq!(hashes(&turned, 1, 1), values.chunks(columns).map(blake3_of).collect::<Vec<_>>());
}

/// Values of BF16 have the hashes of the same values as F32 and F64; what F32 does not hold has others.
#[test]
fn equal_values_have_equal_hashes_however_they_are_stored() {
    let mut random = Random(9);
    let mut values: Vec<half::bf16> = (0..40).map(|_| half::bf16::from_f64(random.normal())).collect();
    values[7] = half::bf16::NAN;
    values[8] = half::bf16::from_bits(0xffff);
    values[9] = half::bf16::NEG_INFINITY;
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let (_narrow, narrow) = store(&bytes, Dtype::BF16, &[8, 5]);
    let single: Vec<f32> = values.iter().map(|value| value.to_f32()).collect();
    let (_single, single) = f32_store(&single, &[8, 5]);
    let mut doubles: Vec<f64> = values.iter().map(|value| value.to_f64()).collect();
    let wide = |values: &[f64]| {
        store(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>(), Dtype::F64, &[8, 5])
    };
    let (_double, double) = wide(&doubles);
    doubles[11] += 1e-12;
    let (_changed, changed) = wide(&doubles);
    for axis in [0, 1] {
        let expected = hashes(&narrow, axis, 1);
        assert_eq!(hashes(&single, axis, 1), expected);
        assert_eq!(hashes(&double, axis, 1), expected);
        let found = hashes(&changed, axis, 1);
        let differing: Vec<usize> = (0..found.len()).filter(|&line| found[line] != expected[line]).collect();
        assert_eq!(differing, [if axis == 0 { 2 } else { 1 }]);
    }
}

/// A permutation of rows is a permutation of hashes, through views and at any number of threads.
#[test]
fn views_and_threads_change_nothing() {
    let (rows, columns) = (300usize, 700usize);
    let values: Vec<f32> =
        (0..rows * columns).map(|i| (i / columns * 7919 % rows * columns + i % columns) as f32).collect();
    let (_file, matrix) = f32_store(&values, &[rows as u64, columns as u64]);
    let plain: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
    let (_plain, plain) = f32_store(&plain, &[rows as u64, columns as u64]);
    let (found, expected) = (hashes(&matrix, 0, 1), hashes(&plain, 0, 1));
    assert!((0..rows).all(|row| found[row] == expected[row * 7919 % rows]));
    let turned = permute(slice(matrix.clone(), 0, 10, 20), &[1, 0]);
    assert_eq!(hashes(&turned, 1, 1), found[10..20]);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
    for (axis, group) in [(0, 1), (1, 1), (1, 50), (0, 100)] {
        assert_eq!(pool.install(|| hashes_on(&matrix, axis, group, 3)), hashes_on(&matrix, axis, group, 1));
    }
}

#[test]
fn degenerate_shapes() {
    let (_file, vector) = f32_store(&[1.0, 2.0, 1.0], &[3]);
    let found = hashes(&vector, 0, 1);
    assert!(found[0] == found[2] && found[0] != found[1]);
    assert_eq!(hashes(&vector, 1, 1), [blake3_of(&[1.0, 2.0, 1.0])]);
    let (_file, empty) = f32_store(&[], &[0, 4]);
    assert_eq!((hashes(&empty, 0, 1).len(), hashes(&empty, 1, 2)), (0, vec![blake3_of(&[]); 2]));
    for (axis, group) in [(2, 1), (0, 0), (0, 2), (1, 3)] {
        assert_eq!(hashes_on(&vector, axis, group, 1), Err(Code::InvalidParams), "{axis} {group}");
    }
}
