//! Times singular spectra for `npm run bench`: started with the number of threads, reads one JSON request a line and
//! answers each with one JSON line, `{"seconds": …, "values": […]}`.
//!
//! A request is `{"what", "file", "rows", "columns", "count", "k"}`: `file` holds `count` matrices as little-endian f64,
//! row-major; `what` is `exact`, `fast`, `top` (the `k` largest values), `loop` (`count` matrices across the threads,
//! each on one thread) or `assign` (a linear assignment, the matrix taken as costs). Only the computation is timed, on a matrix that is already in memory.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::time::Instant;
use weight_loupe_linalg::assignment::assignment;
use weight_loupe_linalg::{Control, Failure, exact, fast, top};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    what: What,
    file: String,
    rows: usize,
    columns: usize,
    #[serde(default = "one")]
    count: usize,
    #[serde(default = "sixteen")]
    k: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Exact,
    Fast,
    Top,
    Loop,
    Assign,
}

#[derive(Serialize)]
struct Answer {
    seconds: f64,
    /// The first `k` singular values, of the first matrix.
    values: Vec<f64>,
}

fn one() -> usize {
    1
}

fn sixteen() -> usize {
    16
}

fn main() -> Result<(), Box<dyn Error>> {
    let threads: usize = std::env::args().nth(1).ok_or("usage: spectra THREADS")?.parse()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    for line in io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let matrices = read(&request)?;
        let answer = pool.install(|| measure(&request, matrices, threads))?;
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, &answer)?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

fn read(request: &Request) -> Result<Vec<Vec<f64>>, Box<dyn Error>> {
    let mut file = File::open(&request.file)?;
    let mut bytes = vec![0; 8 * request.rows * request.columns];
    (0..request.count)
        .map(|_| {
            file.read_exact(&mut bytes)?;
            Ok(bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes"))).collect())
        })
        .collect()
}

fn measure(request: &Request, mut matrices: Vec<Vec<f64>>, threads: usize) -> Result<Answer, Failure> {
    let (rows, columns, k) = (request.rows, request.columns, request.k);
    let control = Control::unattended(threads);
    let single = Control::unattended(1);
    let begun = Instant::now();
    let mut values = match request.what {
        What::Exact => exact(matrices.swap_remove(0), rows, columns, &control)?.values,
        What::Fast => fast(matrices.swap_remove(0), rows, columns, &control)?.values,
        What::Top => top(matrices.swap_remove(0), rows, columns, k, &control)?.singular.values,
        What::Loop => {
            let spectra = matrices.into_par_iter().map(|matrix| exact(matrix, rows, columns, &single));
            spectra.collect::<Result<Vec<_>, _>>()?.swap_remove(0).values
        }
        What::Assign => {
            let assigned = assignment(&matrices[0], rows, &control)?;
            vec![assigned.iter().enumerate().map(|(row, column)| matrices[0][row * columns + column]).sum()]
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    values.truncate(k);
    Ok(Answer { seconds, values })
}
