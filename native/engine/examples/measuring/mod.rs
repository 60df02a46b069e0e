//! What the measuring programs share: files of weights, a plain read, rates.
#![allow(dead_code, reason = "each program uses its part")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use weight_loupe_engine::error::Result;
use weight_loupe_engine::source::Source;
use weight_loupe_engine::tensor::Dtype;

/// Where the tensor starts: no alignment that kernels could rely on.
pub const OFFSET: u64 = 1001;

pub fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// GB/s of `work` on so many bytes.
pub fn rate(bytes: u64, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(bytes as f64 / 1e9 / start.elapsed().as_secs_f64())
}

pub fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The wrapping sum of all words, in interleaved tiles as the statistics read them.
pub fn plain_sum(source: &Source, bytes: u64, threads: usize) -> Result<u64> {
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

/// Bytes of weights after which the same ones come again.
const PERIOD: usize = 64 << 20;

/// Normally distributed weights with deviation 0.02, from sums of a counter-based generator, each with its own small `change`.
pub fn write_weights(out: &mut impl Write, bytes: u64, dtype: Dtype, change: f32) -> std::io::Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut block = Vec::with_capacity(PERIOD);
    while (block.len() as u64) < bytes && block.len() < PERIOD {
        let end = block.len() + (1 << 20);
        while block.len() < end {
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
            let weight = (sum / 65_536.0 - 4.0) * 0.0245 + change * ((state >> 40 & 0xff) as f32 - 127.5);
            match dtype {
                Dtype::BF16 => block.extend(half::bf16::from_f32(weight).to_le_bytes()),
                Dtype::F16 => block.extend(half::f16::from_f32(weight).to_le_bytes()),
                Dtype::F32 => block.extend(weight.to_le_bytes()),
                _ => block.push((state >> 29) as u8),
            }
        }
    }
    let mut written = 0;
    while written < bytes {
        let length = (block.len() as u64).min(bytes - written);
        out.write_all(&block[..length as usize])?;
        written += length;
    }
    Ok(())
}

/// A file of such weights from byte `OFFSET` on.
pub fn write_file(path: &Path, bytes: u64, dtype: Dtype, change: f32) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    out.write_all(&vec![0; OFFSET as usize])?;
    write_weights(&mut out, bytes, dtype, change)?;
    out.flush()
}

/// The process's anonymous memory.
#[cfg(target_os = "linux")]
pub fn anonymous_mebibytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? >> 10)
}

#[cfg(not(target_os = "linux"))]
pub fn anonymous_mebibytes() -> Option<u64> {
    None
}
