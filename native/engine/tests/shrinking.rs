//! Files that become shorter while they are read fail their own request and nothing else.
#![cfg(unix)]

mod common;

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{TempFile, range, store};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::{Code, Result};
use weight_loupe_engine::source::{Access, Method};
use weight_loupe_engine::statistics::statistics;
use weight_loupe_engine::tensor::{Dtype, Tensor};

const BYTES: u64 = 64 << 20;

/// Statistics of a sparse file that is cut to `left` bytes once they are under way.
fn statistics_while_cutting(method: Method, left: u64, threads: usize) -> Result<()> {
    let file = TempFile::new(&[]);
    let handle = File::options().write(true).open(file.path()).unwrap();
    handle.set_len(BYTES).unwrap();
    let expression = range(file.path(), 0, BYTES, Dtype::F32, &[BYTES / 4]);
    let tensor = Tensor::open_with(&expression, Access::Sequential, Some(method)).unwrap();
    let cut = AtomicBool::new(false);
    let progress = |_: u64, _: u64| {
        if !cut.swap(true, Ordering::Relaxed) {
            handle.set_len(left).unwrap();
        }
    };
    let cancel = CancelToken::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| statistics(&tensor, &Context { cancel: &cancel, progress: &progress, threads })).map(drop)
}

#[test]
fn a_file_cut_while_it_is_read_is_truncated() {
    for method in [Method::Map, Method::Read] {
        for threads in [1, 4] {
            // To nothing, to a whole page, and to a byte before the end, where no page is missing.
            for left in [0, 1 << 20, BYTES - 1] {
                let error = statistics_while_cutting(method, left, threads).unwrap_err();
                assert_eq!(error.code, Code::Truncated, "{method:?} {left}: {error}");
                assert_eq!(error.offset, Some(left));
                assert!(error.message.contains(&format!("ends at byte {left}")), "{error}");
            }
        }
    }
    // Mappings made afterwards are sound.
    let (_file, expression) = store(&1.5f32.to_le_bytes(), Dtype::F32, &[1]);
    let tensor = Tensor::open(&expression, Access::Sequential).unwrap();
    let cancel = CancelToken::default();
    assert_eq!(statistics(&tensor, &Context::quiet(&cancel, 1)).unwrap().mean.to_f64(), 1.5);
}

#[test]
fn a_file_too_short_from_the_start_is_truncated() {
    let file = TempFile::new(&[0; 100]);
    let error = Tensor::open(&range(file.path(), 96, 8, Dtype::F64, &[1]), Access::Random).unwrap_err();
    assert_eq!((error.code, error.offset), (Code::Truncated, Some(100)));
    let missing = file.path().with_extension("missing");
    let error = Tensor::open(&range(&missing, 0, 8, Dtype::F64, &[1]), Access::Random).unwrap_err();
    assert_eq!(error.code, Code::Io);
    assert!(error.message.contains("missing"), "{error}");
}

#[test]
fn reading_and_mapping_give_the_same() {
    let stored: Vec<u8> = (0..1u32 << 20).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 3).to_le_bytes()).collect();
    let (_file, expression) = store(&stored, Dtype::U32, &[1 << 10, 1 << 10]);
    let transposed = common::permute(expression.clone(), &[1, 0]);
    let cancel = CancelToken::default();
    for expression in [expression, transposed] {
        let answers = [Method::Map, Method::Read].map(|method| {
            let tensor = Tensor::open_with(&expression, Access::Sequential, Some(method)).unwrap();
            let context = Context::quiet(&cancel, 1);
            (tensor.to_f32_matrix(&context).unwrap(), statistics(&tensor, &context).unwrap())
        });
        assert_eq!(answers[0], answers[1]);
    }
}
