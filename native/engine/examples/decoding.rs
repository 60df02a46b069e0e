//! How fast stored elements become f32, by type.
//!
//! `cargo run --release --example decoding -- [MEBI_ELEMENTS] [THREADS]` prints one JSON object: thousand million elements
//! decoded per second for each type, medians of alternating runs, and the ratio to BF16 of the same run. Elements are
//! random codes in a warm temporary file, decoded tile by tile as kernels do.

use std::path::Path;
use std::time::Instant;

use weight_loupe_engine::error::Result;
use weight_loupe_engine::protocol::{BlockType, Expression};
use weight_loupe_engine::source::Access;
use weight_loupe_engine::tensor::{Dtype, Tensor, decode};

const ROUNDS: usize = 9;
/// Elements decoded at once.
const TILE: u64 = 1 << 14;
/// Columns of the tensors.
const COLUMNS: u64 = 4096;

enum Stored {
    Plain(Dtype),
    Blocks(BlockType),
}

const TYPES: [(&str, Stored); 10] = [
    ("BF16", Stored::Plain(Dtype::BF16)),
    ("F16", Stored::Plain(Dtype::F16)),
    ("F8_E4M3", Stored::Plain(Dtype::F8_E4M3)),
    ("I8", Stored::Plain(Dtype::I8)),
    ("Q8_0", Stored::Blocks(BlockType::Q8_0)),
    ("Q4_0", Stored::Blocks(BlockType::Q4_0)),
    ("Q4_K", Stored::Blocks(BlockType::Q4_K)),
    ("Q5_K", Stored::Blocks(BlockType::Q5_K)),
    ("Q6_K", Stored::Blocks(BlockType::Q6_K)),
    ("IQ4_XS", Stored::Blocks(BlockType::IQ4_XS)),
];

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mebi: u64 = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let threads: usize = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let count = mebi << 20;
    let path = std::env::temp_dir().join(format!("weight-loupe-decoding-{}.bin", std::process::id()));
    write_codes(&path, count * 2)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let outcome = pool.install(|| measure(&path, count, threads));
    std::fs::remove_file(&path)?;
    let rates = outcome?;
    let mut report = serde_json::json!({ "mebiElements": mebi, "threads": threads });
    for ((name, _), rate) in TYPES.iter().zip(&rates) {
        report[name] = serde_json::json!({ "gigaElementsPerSecond": round(*rate), "ratio": round(rate / rates[0]) });
    }
    println!("{report:#}");
    Ok(())
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Median rates of all types, which take turns.
fn measure(path: &Path, count: u64, threads: usize) -> Result<Vec<f64>> {
    let mut rates = vec![Vec::new(); TYPES.len()];
    for _ in 0..ROUNDS {
        for ((_, stored), rates) in TYPES.iter().zip(&mut rates) {
            let tensor = Tensor::open(&expression(path, count, stored), Access::Sequential)?;
            let start = Instant::now();
            decode_all(&tensor, threads)?;
            rates.push(count as f64 / 1e9 / start.elapsed().as_secs_f64());
        }
    }
    Ok(rates.into_iter().map(median).collect())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn expression(path: &Path, count: u64, stored: &Stored) -> Expression {
    let file = path.display().to_string();
    let (offset, shape) = (0, vec![count / COLUMNS, COLUMNS]);
    match *stored {
        Stored::Plain(dtype) => {
            let bytes = dtype.stored_bytes(count).expect("whole bytes");
            Expression::Range { file, offset, bytes, dtype, shape, order: None }
        }
        Stored::Blocks(r#type) => {
            let bytes = count / r#type.elements() as u64 * r#type.bytes() as u64;
            Expression::Blocks { file, offset, bytes, r#type, shape }
        }
    }
}

fn decode_all(tensor: &Tensor, threads: usize) -> Result<()> {
    let tiles = tensor.count() / TILE;
    let share = tiles.div_ceil(threads as u64);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads as u64)
            .map(|worker| {
                scope.spawn(move || {
                    let mut reader = tensor.reader();
                    let mut values = vec![0f32; TILE as usize];
                    for tile in worker * share..tiles.min((worker + 1) * share) {
                        let bytes = reader.elements(tile * TILE, TILE as usize)?;
                        decode::to_f32(tensor.dtype(), bytes, &mut values);
                        std::hint::black_box(&values);
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no panic"))
    })
}

/// Random bytes whose half-precision numbers, wherever blocks have them, are finite: no byte has all exponent bits set.
fn write_codes(path: &Path, bytes: u64) -> std::io::Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let codes: Vec<u8> = (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 29) as u8 & 0xbf
        })
        .collect();
    std::fs::write(path, codes)
}
