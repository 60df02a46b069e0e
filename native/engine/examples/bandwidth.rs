//! How fast statistics run, beside a plain read of the same warm file by the same threads.
//!
//! `cargo run --release --example bandwidth -- [MIB] [THREADS] [FILE]` writes (and removes) a file of normally
//! distributed weights and prints one JSON object: GB/s of a plain sum over the mapped file and of `statistics` for each
//! type, medians of alternating runs; the ratio to the plain read; and the process's anonymous memory after all of it.

mod measuring;

use std::path::{Path, PathBuf};

use measuring::{OFFSET, anonymous_mebibytes, median, plain_sum, rate, round, write_file};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::Result;
use weight_loupe_engine::protocol::Expression;
use weight_loupe_engine::source::{Access, Source};
use weight_loupe_engine::statistics::statistics;
use weight_loupe_engine::tensor::{Dtype, Tensor};

const ROUNDS: usize = 7;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mib: u64 = arguments.next().map_or(Ok(1024), |text| text.parse())?;
    let threads: usize = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let folder = std::env::temp_dir().join(format!("weight-loupe-bandwidth-{}.bin", std::process::id()));
    let path = arguments.next().map_or(folder, PathBuf::from);
    let bytes = mib << 20;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut report = serde_json::json!({ "mebibytes": mib, "threads": threads });
    for dtype in [Dtype::BF16, Dtype::F16, Dtype::F32, Dtype::F8_E4M3] {
        write_file(&path, bytes, dtype, 0.0)?;
        let outcome = pool.install(|| measure(&path, bytes, dtype, threads));
        std::fs::remove_file(&path)?;
        let (read, computed) = outcome?;
        report[format!("{dtype:?}")] = serde_json::json!({
            "readGBps": round(read), "statisticsGBps": round(computed), "ratio": round(computed / read)
        });
    }
    report["anonymousMiB"] = anonymous_mebibytes().into();
    println!("{report:#}");
    Ok(())
}

/// Median GB/s of a plain read and of the statistics.
fn measure(path: &Path, bytes: u64, dtype: Dtype, threads: usize) -> Result<(f64, f64)> {
    let count = bytes * 8 / dtype.bits();
    let file = path.display().to_string();
    let expression = Expression::Range { file, offset: OFFSET, bytes, dtype, shape: vec![count], order: None };
    let cancel = CancelToken::default();
    let (mut reads, mut runs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        reads.push(rate(bytes, || {
            let source = Source::open(path, OFFSET, bytes, Access::Sequential, None)?;
            plain_sum(&source, bytes, threads).map(drop)
        })?);
        runs.push(rate(bytes, || {
            let tensor = Tensor::open(&expression, Access::Sequential)?;
            statistics(&tensor, &Context::quiet(&cancel, threads)).map(drop)
        })?);
    }
    Ok((median(reads), median(runs)))
}
