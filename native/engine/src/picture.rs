//! A picture of a window of the matrix view: each pixel is the minimum, mean and maximum of the elements under it.

use crate::base64;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::protocol::{How, PictureResult, Window};
use crate::tensor::{Tensor, decode};
use crate::tiles;

/// Most pixels along one side.
const MAX_SIDE: u64 = 1024;
/// Elements of one unit of work, where pixels allow.
const UNIT: u64 = 1 << 20;
/// Columns folded at once; their sums stay in the first-level cache.
const STRIP: usize = 1 << 10;

/// Pools `window` into at most `height × width` pixels. Pixel (i, j) covers rows ⌊i·R/H⌋ … ⌊(i+1)·R/H⌋ of the window's
/// R, and columns likewise; only finite elements count. The answer is the same bytes at any number of threads.
///
/// # Errors
/// `InvalidParams` for a side outside 1 … 1024 or a window outside the matrix; `Cancelled`, `Io`, `Truncated`.
pub fn picture(tensor: &Tensor, window: Window, height: u64, width: u64, context: &Context) -> Result<PictureResult> {
    if !(1..=MAX_SIDE).contains(&height) || !(1..=MAX_SIDE).contains(&width) {
        return Err(Error::invalid(format!("A picture has 1 … {MAX_SIDE} pixels to a side, not {height} × {width}.")));
    }
    let (rows, columns) = window.extent(tensor)?;
    let (height, width) = (height.min(rows), width.min(columns));
    let how = How::exact("min/mean/max pooling", "f64", context.threads);
    if height == 0 || width == 0 {
        return Ok(encode(&Canvas::default(), height, width, how));
    }
    let canvas = match tensor.transposed_for_reading() {
        Some(transposed) => {
            let turned = Window {
                row_start: window.column_start,
                row_stop: window.column_stop,
                column_start: window.row_start,
                column_stop: window.row_stop,
            };
            paint(&transposed, turned, width, height, context)?.transpose(width as usize, height as usize)
        }
        None => paint(tensor, window, height, width, context)?,
    };
    tensor.check()?;
    Ok(encode(&canvas, height, width, how))
}

fn encode(canvas: &Canvas, height: u64, width: u64, how: How) -> PictureResult {
    let pixels = |channel: fn(&Pixel) -> f32| {
        let bytes: Vec<u8> = canvas.pixels.iter().flat_map(|pixel| channel(pixel).to_le_bytes()).collect();
        base64::encode(&bytes)
    };
    PictureResult {
        height,
        width,
        min: pixels(|pixel| pixel.min),
        mean: pixels(|pixel| pixel.mean),
        max: pixels(|pixel| pixel.max),
        max_abs: canvas.max_abs.into(),
        nan: canvas.nan,
        infinite: canvas.infinite,
        how,
    }
}

/// One pixel, NaN where nothing under it is finite.
#[derive(Clone, Copy)]
struct Pixel {
    min: f32,
    mean: f32,
    max: f32,
}

/// Pixels row-major, and what the window holds besides.
#[derive(Default)]
struct Canvas {
    pixels: Vec<Pixel>,
    max_abs: f64,
    nan: u64,
    infinite: u64,
}

impl Canvas {
    fn transpose(self, height: usize, width: usize) -> Self {
        let pixels = (0..width).flat_map(|column| (0..height).map(move |row| row * width + column));
        Self { pixels: pixels.map(|index| self.pixels[index]).collect(), ..self }
    }
}

/// Folds the window, one unit of work being a run of pixels in one row of them.
fn paint(tensor: &Tensor, window: Window, height: u64, width: u64, context: &Context) -> Result<Canvas> {
    let (rows, columns) = window.extent(tensor)?;
    let runs = (rows / height * columns).div_ceil(UNIT).clamp(1, width);
    let pixel_rows = |row: u64| window.row_start + row * rows / height..window.row_start + (row + 1) * rows / height;
    let pixel_column = |column: u64| window.column_start + column * columns / width;
    let init = || (tensor.reader(), Strip::new());
    let (_, units) = tiles::for_each(context, height * runs, 1, init, |(reader, strip), unit| {
        let (row, run) = (unit.start / runs, unit.start % runs);
        let mut part = Canvas::default();
        let mut left = run * width / runs;
        let end = (run + 1) * width / runs;
        // As many whole pixels at once as fit a strip; a pixel wider than that is folded in pieces.
        while left < end {
            let mut right = left + 1;
            while right < end && pixel_column(right + 1) - pixel_column(left) <= STRIP as u64 {
                right += 1;
            }
            let mut folds = vec![Fold::default(); (right - left) as usize];
            let mut start = pixel_column(left);
            while start < pixel_column(right) {
                let length = (pixel_column(right) - start).min(STRIP as u64) as usize;
                strip.clear(length);
                for row in pixel_rows(row) {
                    if row % 256 == 0 {
                        context.cancel.check()?;
                    }
                    let bytes = reader.elements(row * tensor.columns() + start, length)?;
                    decode::to_f64(tensor.dtype(), bytes, &mut strip.values[..length]);
                    strip.fold_row(length, &mut part);
                }
                for (offset, fold) in (0..length as u64).map(|offset| (offset, strip.column(offset as usize))) {
                    // The pixel that holds the column.
                    let column = start + offset - window.column_start;
                    let pixel = ((column + 1) * width - 1) / columns;
                    folds[(pixel - left) as usize].merge(&fold);
                }
                start += length as u64;
            }
            part.max_abs = folds.iter().fold(part.max_abs, |most, fold| most.max(fold.max_abs()));
            part.pixels.extend(folds.iter().map(Fold::pixel));
            left = right;
        }
        Ok(part)
    })?;
    Ok(units.into_iter().fold(Canvas::default(), |mut canvas, unit| {
        canvas.pixels.extend(unit.pixels);
        canvas.max_abs = canvas.max_abs.max(unit.max_abs);
        canvas.nan += unit.nan;
        canvas.infinite += unit.infinite;
        canvas
    }))
}

/// Minimum, maximum, sum and number of some finite elements.
#[derive(Clone, Copy)]
struct Fold {
    min: f64,
    max: f64,
    sum: f64,
    count: u64,
}

impl Default for Fold {
    fn default() -> Self {
        Self { min: f64::INFINITY, max: f64::NEG_INFINITY, sum: 0.0, count: 0 }
    }
}

impl Fold {
    fn merge(&mut self, other: &Self) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.count += other.count;
    }

    fn max_abs(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.min.abs().max(self.max.abs()) }
    }

    fn pixel(&self) -> Pixel {
        if self.count == 0 {
            return Pixel { min: f32::NAN, mean: f32::NAN, max: f32::NAN };
        }
        // Adding 0 writes one zero, not two.
        let mean = self.sum / self.count as f64;
        Pixel { min: (self.min + 0.0) as f32, mean: (mean + 0.0) as f32, max: (self.max + 0.0) as f32 }
    }
}

/// A row of neighbouring columns, each being folded over the rows of a pixel.
struct Strip {
    values: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
    sum: Vec<f64>,
    rows: u64,
    /// Elements of each column that were left out; empty while there are none.
    missing: Vec<u64>,
}

impl Strip {
    fn new() -> Self {
        let zeros = || vec![0f64; STRIP];
        Self { values: zeros(), min: zeros(), max: zeros(), sum: zeros(), rows: 0, missing: Vec::new() }
    }

    fn clear(&mut self, length: usize) {
        self.min[..length].fill(f64::INFINITY);
        self.max[..length].fill(f64::NEG_INFINITY);
        self.sum[..length].fill(0.0);
        self.rows = 0;
        self.missing.clear();
    }

    /// Folds `values` into the columns; non-finite ones are counted in `canvas`.
    fn fold_row(&mut self, length: usize, canvas: &mut Canvas) {
        let values = &mut self.values[..length];
        self.rows += 1;
        // Looks at all values rather than stopping at the first, which takes the processor less time.
        if !values.iter().fold(false, |found, value| found | !value.is_finite()) {
            let columns = self.min[..length].iter_mut().zip(&mut self.max[..length]).zip(&mut self.sum[..length]);
            for (((min, max), sum), &value) in columns.zip(&*values) {
                *min = if value < *min { value } else { *min };
                *max = if value > *max { value } else { *max };
                *sum += value;
            }
            return;
        }
        self.missing.resize(length, 0);
        for (column, &value) in values.iter().enumerate() {
            if value.is_finite() {
                self.min[column] = self.min[column].min(value);
                self.max[column] = self.max[column].max(value);
                self.sum[column] += value;
            } else {
                self.missing[column] += 1;
                canvas.nan += u64::from(value.is_nan());
                canvas.infinite += u64::from(value.is_infinite());
            }
        }
    }

    fn column(&self, column: usize) -> Fold {
        let count = self.rows - self.missing.get(column).copied().unwrap_or(0);
        Fold { min: self.min[column], max: self.max[column], sum: self.sum[column], count }
    }
}
