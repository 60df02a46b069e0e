//! Strides and byte orders of stored elements, against the definition read element by element.

mod common;

use common::{permute, reshape, slice, store};
use proptest::prelude::*;
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::{Code, Error};
use weight_loupe_engine::hash::hash;
use weight_loupe_engine::protocol::{ByteOrder, Expression};
use weight_loupe_engine::source::{Access, Method};
use weight_loupe_engine::statistics::statistics;
use weight_loupe_engine::tensor::{Dtype, Tensor};

/// All elements, row-major.
fn elements(expression: &Expression, method: Method) -> Result<Vec<f64>, Error> {
    let tensor = Tensor::open_with(expression, Access::Sequential, Some(method))?;
    tensor.to_f64_matrix(&Context::quiet(&CancelToken::default(), 1))
}

fn strided(of: Expression, offset: u64, shape: &[u64], strides: &[u64]) -> Expression {
    Expression::Strided { of: Box::new(of), offset, shape: shape.to_vec(), strides: strides.to_vec() }
}

fn big_endian(of: Expression) -> Expression {
    match of {
        Expression::Range { file, offset, bytes, dtype, shape, .. } => {
            Expression::Range { file, offset, bytes, dtype, shape, order: Some(ByteOrder::Big) }
        }
        other => other,
    }
}

/// The elements that `shape` and `strides` reach from `offset`, by the definition.
fn reached(values: &[f64], offset: u64, shape: &[u64], strides: &[u64]) -> Vec<f64> {
    let mut positions = vec![offset];
    for (&len, &stride) in shape.iter().zip(strides) {
        positions = positions.iter().flat_map(|at| (0..len).map(move |i| at + i * stride)).collect();
    }
    positions.iter().map(|&at| values[at as usize]).collect()
}

/// A shape with strides (zeros and overlaps among them) and an offset, and how many elements they reach over.
fn walk() -> impl Strategy<Value = (u64, Vec<u64>, Vec<u64>, u64)> {
    (0u64..5, proptest::collection::vec((1u64..5, 0u64..9), 0..4)).prop_map(|(offset, axes)| {
        let reach = offset + axes.iter().map(|(len, stride)| (len - 1) * stride).sum::<u64>() + 1;
        let (shape, strides) = axes.into_iter().unzip();
        (offset, shape, strides, reach)
    })
}

proptest! {
    #[test]
    fn strides_reach_what_they_say((offset, shape, strides, reach) in walk(), spare in 0u64..3, big: bool) {
        let count = reach + spare;
        let values: Vec<f64> = (0..count).map(|i| i as f64 * 0.25 - 3.0).collect();
        let bytes = |value: &f64| {
            let value = *value as f32;
            if big { value.to_be_bytes() } else { value.to_le_bytes() }
        };
        let stored: Vec<u8> = values.iter().flat_map(bytes).collect();
        let (_file, range) = store(&stored, Dtype::F32, &[count]);
        let range = if big { big_endian(range) } else { range };
        let view = strided(range.clone(), offset, &shape, &strides);
        let expected = reached(&values, offset, &shape, &strides);
        for method in [Method::Map, Method::Read] {
            prop_assert_eq!(&elements(&view, method).unwrap(), &expected);
        }
        // Turned round, every axis is the other way about.
        let order: Vec<u64> = (0..shape.len() as u64).rev().collect();
        let turned = |axes: &[u64]| axes.iter().rev().copied().collect::<Vec<_>>();
        let transposed = reached(&values, offset, &turned(&shape), &turned(&strides));
        prop_assert_eq!(elements(&permute(view.clone(), &order), Method::Map).unwrap(), transposed);
        if let Some(&len) = shape.first() {
            let rest = expected.len() / len as usize;
            let sliced = elements(&slice(view.clone(), 0, len - 1, len), Method::Map).unwrap();
            prop_assert_eq!(&sliced[..], &expected[expected.len() - rest..]);
        }
        let flat = reshape(view.clone(), &[expected.len() as u64]);
        prop_assert_eq!(elements(&flat, Method::Map).unwrap(), expected);
        // One element less in the range is one too few.
        let short = strided(slice_of(&range, reach - 1), offset, &shape, &strides);
        prop_assert_eq!(elements(&short, Method::Map).unwrap_err().code, Code::InvalidParams);
    }
}

/// The first `count` elements of a range, as a range.
fn slice_of(range: &Expression, count: u64) -> Expression {
    match range.clone() {
        Expression::Range { file, offset, dtype, order, .. } => {
            let bytes = dtype.stored_bytes(count).unwrap();
            Expression::Range { file, offset, bytes, dtype, shape: vec![count], order }
        }
        other => other,
    }
}

#[test]
fn every_type_reads_the_same_in_both_byte_orders() {
    for dtype in Dtype::ALL.into_iter().filter(|dtype| dtype.bits() >= 8) {
        let width = dtype.width();
        // As any float type these are ordinary numbers.
        let little: Vec<u8> = (0..24 * width).map(|i| 0x31 + (i * 7 % 13) as u8).collect();
        let big: Vec<u8> = little.chunks_exact(width).flat_map(|element| element.iter().rev().copied()).collect();
        let (_one, range) = store(&little, dtype, &[4, 6]);
        let (_other, swapped) = store(&big, dtype, &[4, 6]);
        let swapped = big_endian(swapped);
        let views: [fn(Expression) -> Expression; 3] =
            [|of| of, |of| permute(of, &[1, 0]), |of| slice(reshape(of, &[6, 4]), 1, 1, 3)];
        for view in views {
            let expected = elements(&view(range.clone()), Method::Map).unwrap();
            for method in [Method::Map, Method::Read] {
                assert_eq!(elements(&view(swapped.clone()), method).unwrap(), expected, "{dtype:?}");
            }
            let digest = |expression: &Expression| {
                let tensor = Tensor::open(expression, Access::Sequential).unwrap();
                hash(&tensor, &Context::quiet(&CancelToken::default(), 1)).unwrap()
            };
            assert_eq!(digest(&view(swapped.clone())), digest(&view(range.clone())), "{dtype:?}");
        }
    }
}

#[test]
fn half_bytes_can_be_stepped_over() {
    let (_file, range) = store(&[0x21, 0x43, 0x65, 0x17], Dtype::F4, &[8]);
    // Codes 1 2 3 4 5 6 7 1 are 0.5 1 1.5 2 3 4 6 0.5.
    let view = strided(range, 1, &[2, 2], &[3, 2]);
    assert_eq!(elements(&view, Method::Map).unwrap(), [1.0, 2.0, 3.0, 6.0]);
}

#[test]
fn a_repeated_row_is_counted_as_often_as_it_is_repeated() {
    let stored: Vec<u8> = (1..=4u8).collect();
    let (_file, range) = store(&stored, Dtype::U8, &[4]);
    let tensor = Tensor::open(&strided(range, 0, &[1000, 4], &[0, 1]), Access::Sequential).unwrap();
    let found = statistics(&tensor, &Context::quiet(&CancelToken::default(), 1)).unwrap();
    assert_eq!((found.count, found.l1), (4000, 10_000.0.into()));
}

#[test]
fn hostile_strides_are_refused() {
    let refused = |range: &Expression, offset, shape: &[u64], strides: &[u64]| {
        let error = elements(&strided(range.clone(), offset, shape, strides), Method::Map).unwrap_err();
        assert_eq!(error.code, Code::InvalidParams);
        error.message
    };
    let (_file, range) = store(&[0; 16], Dtype::U8, &[16]);
    for (offset, shape, strides) in [
        (16, &[1u64][..], &[1u64][..]),
        (u64::MAX, &[2], &[u64::MAX]),
        (0, &[u64::MAX, u64::MAX], &[0, 0]),
        (0, &[2, 1 << 63], &[u64::MAX, u64::MAX]),
        (0, &[4, 5], &[4, 1]),
        (0, &[2], &[]),
        (0, &[1; 17], &[1; 17]),
    ] {
        refused(&range, offset, shape, strides);
    }
    let (_empty, nothing) = store(&[], Dtype::F32, &[0]);
    refused(&nothing, 0, &[], &[]);
    refused(&strided(range.clone(), 0, &[4], &[2]), 0, &[2], &[1]);
    // Nothing is reached by a walk without elements, wherever it starts.
    let walk = strided(range, u64::MAX, &[0, 3], &[u64::MAX, 7]);
    assert_eq!(elements(&walk, Method::Map).unwrap(), [0.0; 0]);
}
