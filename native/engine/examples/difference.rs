//! How fast the difference of two tensors is, beside a plain read of the same files.
//!
//! `cargo run --release --example difference -- FOLDER [MIB] [THREADS] [COLD_MIB]` writes pairs of files of MIB each into FOLDER
//! and prints one JSON object: for each type GB/s, counting both sides, of a plain sum over the mapped files and of `difference`
//! with the files in memory, medians of alternating runs, and their ratio; the same for two tensors exactly 512 MiB apart in one
//! file, and with its rows, columns, histogram and blocks (`detail`). Then, with nothing of the files in memory, of reading one after
//! the other in pieces of 1 MiB and of `difference` on a pair of COLD_MIB each, and the most anonymous memory meanwhile. The
//! pair of BF16 stays in FOLDER as `a.bin` and `b.bin`, from byte 1001 on.

mod measuring;

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use measuring::{OFFSET, anonymous_mebibytes, median, plain_sum, rate, round, write_file, write_weights};
use serde_json::{Value, json};
use weight_loupe_engine::context::{CancelToken, Context};
use weight_loupe_engine::difference::difference;
use weight_loupe_engine::error::Result;
use weight_loupe_engine::protocol::{DifferenceDetail, Expression};
use weight_loupe_engine::source::{Access, Source};
use weight_loupe_engine::tensor::{Dtype, Tensor};

const ROUNDS: usize = 7;
const COLD_ROUNDS: usize = 3;
/// A change as fine-tuning makes it.
const CHANGE: f32 = 1e-5;

/// One side: bytes of a file.
#[derive(Clone)]
struct Side {
    path: PathBuf,
    offset: u64,
    bytes: u64,
}

impl Side {
    fn expression(&self, dtype: Dtype) -> Expression {
        let (file, bytes) = (self.path.display().to_string(), self.bytes);
        let shape = vec![bytes * 8 / dtype.bits()];
        Expression::Range { file, offset: self.offset, bytes, dtype, shape, order: None }
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("a folder to write into")?);
    let mib: u64 = arguments.next().map_or(Ok(512), |text| text.parse())?;
    let threads: usize = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let cold_mib: u64 = arguments.next().map_or(Ok(mib), |text| text.parse())?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut report = json!({ "mebibytes": mib, "threads": threads });
    let pair = |bytes: u64| ["a.bin", "b.bin"].map(|name| Side { path: folder.join(name), offset: OFFSET, bytes });
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        let [a, b] = pair(mib << 20);
        write_file(&a.path, a.bytes, dtype, 0.0)?;
        write_file(&b.path, b.bytes, dtype, CHANGE)?;
        report[format!("{dtype:?}")] = pool.install(|| warm(&[a, b], dtype, None, threads))?;
    }
    let detail = DifferenceDetail { rows: 4096, bins_per_decade: 8, block: 32 };
    report["detail"] = pool.install(|| warm(&pair(mib << 20), Dtype::BF16, Some(detail), threads))?;

    let one = folder.join("apart.bin");
    let sides = [0, 512 << 20].map(|from| Side { path: one.clone(), offset: OFFSET + from, bytes: 512 << 20 });
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&one)?);
    out.write_all(&vec![0; OFFSET as usize])?;
    write_weights(&mut out, 512 << 20, Dtype::BF16, 0.0)?;
    write_weights(&mut out, 512 << 20, Dtype::BF16, CHANGE)?;
    out.flush()?;
    report["apart"] = pool.install(|| warm(&sides, Dtype::BF16, None, threads))?;
    std::fs::remove_file(&one)?;

    if cold_mib > 0 {
        let sides = pair(cold_mib << 20);
        if cold_mib != mib {
            write_file(&sides[0].path, sides[0].bytes, Dtype::BF16, 0.0)?;
            write_file(&sides[1].path, sides[1].bytes, Dtype::BF16, CHANGE)?;
        }
        report["cold"] = pool.install(|| cold(&sides, threads))?;
    }
    println!("{report:#}");
    Ok(())
}

/// One difference of the pair.
fn run(sides: &[Side; 2], dtype: Dtype, detail: Option<DifferenceDetail>, threads: usize) -> Result<()> {
    let cancel = CancelToken::default();
    let expressions = sides.each_ref().map(|side| side.expression(dtype));
    let expressions: Vec<&Expression> = expressions.iter().collect();
    let context = Context::quiet(&cancel, threads);
    let tensors = Tensor::open_all(&expressions, Access::Sequential, &context)?;
    difference(&tensors[0], &tensors[1], 0.0, detail, &context).map(drop)
}

fn warm(sides: &[Side; 2], dtype: Dtype, detail: Option<DifferenceDetail>, threads: usize) -> Result<Value> {
    let both = sides[0].bytes + sides[1].bytes;
    let (mut reads, mut runs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        reads.push(rate(both, || {
            for Side { path, offset, bytes } in sides {
                let source = Source::open(path, *offset, *bytes, Access::Sequential, None)?;
                plain_sum(&source, *bytes, threads)?;
            }
            Ok(())
        })?);
        runs.push(rate(both, || run(sides, dtype, detail, threads))?);
    }
    let (read, computed) = (median(reads), median(runs));
    Ok(json!({ "readGBps": round(read), "differenceGBps": round(computed), "ratio": round(computed / read) }))
}

fn cold(sides: &[Side; 2], threads: usize) -> std::result::Result<Value, Box<dyn std::error::Error + Send + Sync>> {
    let both = sides[0].bytes + sides[1].bytes;
    let most = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(anonymous_mebibytes().unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let (mut reads, mut runs) = (Vec::new(), Vec::new());
        for _ in 0..COLD_ROUNDS {
            forget(sides)?;
            reads.push(rate(both, || {
                sides.iter().for_each(|side| read_through(&side.path).expect("a readable file"));
                Ok(())
            })?);
            forget(sides)?;
            runs.push(rate(both, || run(sides, Dtype::BF16, None, threads))?);
        }
        done.store(true, Ordering::Relaxed);
        let (read, computed) = (median(reads), median(runs));
        Ok(json!({
            "mebibytes": sides[0].bytes >> 20, "readGBps": round(read), "differenceGBps": round(computed),
            "ratio": round(computed / read), "anonymousMiB": most.load(Ordering::Relaxed),
        }))
    })
}

/// Reads a file from front to back.
fn read_through(path: &Path) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Takes the files out of memory.
#[cfg(target_os = "linux")]
fn forget(sides: &[Side; 2]) -> std::io::Result<()> {
    use std::os::fd::AsRawFd;
    for side in sides {
        let file = File::open(&side.path)?;
        file.sync_all()?;
        // SAFETY: the call takes a descriptor and numbers.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn forget(_: &[Side; 2]) -> std::io::Result<()> {
    Ok(())
}
