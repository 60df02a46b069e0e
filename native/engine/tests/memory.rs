//! What large pairs take of memory: in a program of its own, so that nothing else is counted.
#![cfg(target_os = "linux")]

mod common;

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{TempFile, range};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::difference::difference;
use weight_loupe_engine::protocol::DifferenceDetail;
use weight_loupe_engine::source::{Access, Method};
use weight_loupe_engine::tensor::{Dtype, Tensor};

fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap() << 10
}

/// The difference of two files of 512 MiB, by rows and columns too and whether mapped or read, takes a small part of that.
#[test]
fn a_pair_takes_no_memory_of_its_size() {
    let bytes = 512u64 << 20;
    let files = [0, 1].map(|_| TempFile::new(&[]));
    for file in &files {
        File::options().write(true).open(file.path()).unwrap().set_len(bytes).unwrap();
    }
    let detail = DifferenceDetail { rows: 1 << 13, bins_per_decade: 64, block: 32 };
    for (method, detail) in [(Method::Map, None), (Method::Read, None), (Method::Map, Some(detail))] {
        let [a, b] = files.each_ref().map(|file| {
            let expression = range(file.path(), 0, bytes, Dtype::BF16, &[bytes / 2]);
            Tensor::open_with(&expression, Access::Sequential, Some(method)).unwrap()
        });
        let before = anonymous_bytes();
        let most = AtomicU64::new(0);
        let progress = |_: u64, _: u64| {
            most.fetch_max(anonymous_bytes(), Ordering::Relaxed);
        };
        let cancel = CancelToken::default();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        let context = Context { cancel: &cancel, progress: &progress, threads: 4 };
        let found = pool.install(|| difference(&a, &b, 0.0, detail, &context)).unwrap();
        assert_eq!((found.compared, found.differing), (bytes / 2, 0));
        let taken = most.into_inner().saturating_sub(before);
        assert!(taken > 0 && taken < 64 << 20, "{method:?}: {taken}");
    }
}
