//! How fast statistics run, beside a plain read of the same warm file by the same threads.
//!
//! `cargo run --release --example bandwidth -- [MIB] [THREADS] [FILE]` writes (and removes) a file of normally
//! distributed weights and prints one JSON object: GB/s of a plain sum over the mapped file and of `statistics` for each
//! type, medians of alternating runs; the ratio to the plain read; and the process's anonymous memory after all of it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::error::Result;
use weight_loupe_engine::protocol::Expression;
use weight_loupe_engine::source::{Access, Source};
use weight_loupe_engine::statistics::statistics;
use weight_loupe_engine::tensor::{Dtype, Tensor};

const ROUNDS: usize = 7;
/// Where the tensor starts: no alignment that kernels could rely on.
const OFFSET: u64 = 1001;

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
        write_weights(&path, bytes, dtype)?;
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

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
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

fn rate(bytes: u64, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(bytes as f64 / 1e9 / start.elapsed().as_secs_f64())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The wrapping sum of all words, in interleaved tiles as the statistics read them.
fn plain_sum(source: &Source, bytes: u64, threads: usize) -> Result<u64> {
    const TILE: u64 = 1 << 20;
    let next = AtomicU64::new(0);
    let total = AtomicU64::new(0);
    rayon::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|_| {
                let mut sum = 0u64;
                loop {
                    let start = next.fetch_add(TILE, Ordering::Relaxed);
                    if start >= bytes {
                        break;
                    }
                    let mut buffer = Vec::new();
                    let length = TILE.min(bytes - start) as usize;
                    let tile = source.bytes(start, length, &mut buffer).expect("a file that nobody else touches");
                    let mut lanes = [0u64; 16];
                    for words in tile.chunks_exact(128) {
                        for (lane, word) in lanes.iter_mut().zip(words.chunks_exact(8)) {
                            *lane = lane.wrapping_add(u64::from_ne_bytes(word.try_into().expect("8 bytes")));
                        }
                    }
                    sum = lanes.iter().fold(sum, |sum, lane| sum.wrapping_add(*lane));
                }
                total.fetch_add(sum, Ordering::Relaxed);
            });
        }
    });
    Ok(std::hint::black_box(total.into_inner()))
}

/// Normally distributed weights with deviation 0.02, from sums of a counter-based generator.
fn write_weights(path: &Path, bytes: u64, dtype: Dtype) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(&vec![0; OFFSET as usize])?;
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut block = Vec::with_capacity(1 << 20);
    let mut written = 0;
    while written < bytes {
        block.clear();
        while block.len() < 1 << 20 {
            let mut sum = 0.0f32;
            for _ in 0..2 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                sum += [0, 16, 32, 48]
                    .map(|shift| (state >> shift) as u16)
                    .iter()
                    .map(|&part| f32::from(part))
                    .sum::<f32>();
            }
            let weight = (sum / 65_536.0 - 4.0) * 0.0245;
            match dtype {
                Dtype::BF16 => block.extend(half::bf16::from_f32(weight).to_le_bytes()),
                Dtype::F16 => block.extend(half::f16::from_f32(weight).to_le_bytes()),
                Dtype::F32 => block.extend(weight.to_le_bytes()),
                _ => block.push((state >> 29) as u8),
            }
        }
        out.write_all(&block)?;
        written += block.len() as u64;
    }
    out.flush()
}

#[cfg(target_os = "linux")]
fn anonymous_mebibytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? >> 10)
}

#[cfg(not(target_os = "linux"))]
fn anonymous_mebibytes() -> Option<u64> {
    None
}
