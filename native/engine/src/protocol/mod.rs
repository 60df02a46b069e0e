//! The engine's messages, as `src/engine/protocol.ts` defines them. Unknown fields are refused.

mod comparison;
mod expression;
mod merge;
mod structure;

use serde::{Deserialize, Serialize};

use crate::numeric::Numeric;
use crate::tensor::Dtype;
pub use comparison::*;
pub use expression::*;
pub use merge::*;
pub use structure::*;

/// Raised whenever a message changes; client and engine refuse each other when it differs.
pub const PROTOCOL_VERSION: u32 = 4;

/// The engine's own version.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// How a computed block was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct How {
    /// Algorithm, in words a user can look up.
    pub method: String,
    /// Arithmetic of the accumulation.
    pub precision: String,
    /// Whether the answer is exact up to rounding.
    pub exact: bool,
    /// Absolute bound on the error of the main quantity, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_bound: Option<Numeric>,
    /// Seed of a random choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// `"cpu"`.
    pub backend: String,
    /// Threads the computation could use.
    pub threads: u64,
}

impl How {
    /// An exact computation on the CPU.
    pub fn exact(method: &str, precision: &str, threads: usize) -> Self {
        Self {
            method: method.into(),
            precision: precision.into(),
            exact: true,
            error_bound: None,
            seed: None,
            backend: "cpu".into(),
            threads: threads as u64,
        }
    }
}

/// The client's greeting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InitializeParams {
    /// The client's `PROTOCOL_VERSION`.
    pub protocol: u32,
    /// The client's name and version, for the log.
    pub client: String,
}

/// The engine's greeting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InitializeResult {
    /// `ENGINE_VERSION`.
    pub version: String,
    /// `PROTOCOL_VERSION`.
    pub protocol: u32,
    /// The processor.
    pub cpu: Cpu,
    /// Usable graphics adapters.
    pub gpu: Vec<Gpu>,
}

/// What the engine uses of the processor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// Instruction sets that kernels choose between.
    pub features: Vec<String>,
    /// Threads of the pool.
    pub threads: u64,
}

/// A graphics adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// The adapter's name.
    pub name: String,
    /// The API it is driven through.
    pub backend: String,
}

/// Parameters of `statistics` and `hash`: a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TensorParams {
    /// What to read.
    pub tensor: Expression,
    /// Token of the `$/progress` notifications, when some are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
}

/// Statistics of all elements; moments and quantiles over the finite ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "named after the statistic; documented in src/protocol/results.ts")]
pub struct Statistics {
    pub count: u64,
    pub finite: u64,
    pub nan: u64,
    pub positive_infinity: u64,
    pub negative_infinity: u64,
    pub zeros: u64,
    pub subnormals: u64,
    pub min: Numeric,
    pub max: Numeric,
    pub mean: Numeric,
    pub standard_deviation: Numeric,
    pub l1: Numeric,
    pub l2: Numeric,
    pub rms: Numeric,
    pub max_abs: Numeric,
    pub kurtosis: Numeric,
    pub quantiles: Quantiles,
    pub how: How,
}

/// Quantiles by linear interpolation between order statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "named after the probability")]
pub struct Quantiles {
    #[serde(rename = ".001")]
    pub q001: Numeric,
    #[serde(rename = ".01")]
    pub q01: Numeric,
    #[serde(rename = ".05")]
    pub q05: Numeric,
    #[serde(rename = ".25")]
    pub q25: Numeric,
    #[serde(rename = ".5")]
    pub q50: Numeric,
    #[serde(rename = ".75")]
    pub q75: Numeric,
    #[serde(rename = ".95")]
    pub q95: Numeric,
    #[serde(rename = ".99")]
    pub q99: Numeric,
    #[serde(rename = ".999")]
    pub q999: Numeric,
}

impl Quantiles {
    /// The probabilities, in the order of `new`.
    pub const PROBABILITIES: [f64; 9] = [0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999];

    /// Names the values of the quantiles at `PROBABILITIES`.
    pub fn new([q001, q01, q05, q25, q50, q75, q95, q99, q999]: [Numeric; 9]) -> Self {
        Self { q001, q01, q05, q25, q50, q75, q95, q99, q999 }
    }
}

/// Parameters of `histogram`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistogramParams {
    /// What to read.
    pub tensor: Expression,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
    /// Bins of the linear histogram (1 … 4096).
    pub bins: u64,
    /// Bins per factor of ten of the log-magnitude histogram (1 … 64).
    pub bins_per_decade: u64,
    /// Range of the linear histogram; default: the tensor's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<(f64, f64)>,
}

/// Answer of `histogram`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistogramResult {
    /// Equal bins over a range.
    pub linear: LinearHistogram,
    /// Equal bins over log10|x|.
    pub log_magnitude: LogHistogram,
    /// Elements equal to 0.
    pub zeros: u64,
    /// NaN and infinite elements.
    pub non_finite: u64,
    /// How it was computed.
    pub how: How,
}

/// `counts[i]` elements in [low + i·w, low + (i+1)·w), w = (high − low)/bins; the last bin includes `high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearHistogram {
    /// Lower end.
    pub low: Numeric,
    /// Upper end.
    pub high: Numeric,
    /// Elements in each bin.
    pub counts: Vec<u64>,
}

/// Bin i covers [10^(minExponent + i/binsPerDecade), 10^(minExponent + (i+1)/binsPerDecade)), by sign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogHistogram {
    /// log10 of the lower end of the first bin.
    pub min_exponent: i64,
    /// Bins per factor of ten.
    pub bins_per_decade: u64,
    /// Negative elements in each bin.
    pub negative: Vec<u64>,
    /// Positive elements in each bin.
    pub positive: Vec<u64>,
}

/// Answer of `blockScales`: the scales of a tensor of quantised blocks, and codes at the ends of their range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BlockScalesResult {
    /// Block type.
    pub r#type: BlockType,
    /// Number of blocks.
    pub blocks: u64,
    /// Number of scales: one or more to a block.
    pub scales: u64,
    /// Scales equal to 0.
    pub zeros: u64,
    /// NaN and infinite scales.
    pub non_finite: u64,
    /// Least magnitude of the other scales.
    pub min: Numeric,
    /// Greatest magnitude.
    pub max: Numeric,
    /// Magnitudes of the other scales.
    pub histogram: OctaveHistogram,
    /// Elements under the other scales.
    pub codes: u64,
    /// Those of them with the lowest code.
    pub lowest: u64,
    /// Those with the highest code.
    pub highest: u64,
    /// How it was computed.
    pub how: How,
}

/// Bin i covers from e(i) to e(i + 1), e(i) = 2^(minExponent + ⌊i/n⌋)·(1 + (i mod n)/n), n = binsPerOctave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OctaveHistogram {
    /// log2 of the lower end of the first bin.
    pub min_exponent: i64,
    /// Bins per factor of two.
    pub bins_per_octave: u64,
    /// Numbers in each bin.
    pub counts: Vec<u64>,
}

/// Parameters of `norms`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NormsParams {
    /// What to read.
    pub tensor: Expression,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
    /// Most points in `pooled` (1 … 4096).
    pub points: u64,
}

/// L2 norms along one axis of the matrix view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AxisNorms {
    /// How many rows (or columns).
    pub count: u64,
    /// How many of them are all zero.
    pub dead: u64,
    /// The first 100 of those.
    pub dead_indices: Vec<u64>,
    /// Smallest norm.
    pub min: Numeric,
    /// Median norm.
    pub median: Numeric,
    /// Largest norm.
    pub max: Numeric,
    /// Median absolute deviation from the median.
    pub mad: Numeric,
    /// Largest norm of each of at most `points` equal runs of neighbouring indices.
    pub pooled: Vec<Numeric>,
    /// Up to 16 indices furthest from the median, furthest first.
    pub outliers: Vec<Outlier>,
}

/// A row or column far from the median norm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outlier {
    /// Which row or column.
    pub index: u64,
    /// Its norm.
    pub norm: Numeric,
    /// |norm − median| / mad.
    pub deviations: Numeric,
}

/// Answer of `norms`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormsResult {
    /// Norms of the rows.
    pub rows: AxisNorms,
    /// Norms of the columns.
    pub columns: AxisNorms,
    /// How they were computed.
    pub how: How,
}

/// Which algorithm computes a spectrum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SpectrumMode {
    /// All singular values in f64.
    Exact,
    /// All singular values in f32.
    Fast,
    /// The k largest.
    Top,
}

/// Parameters of `spectrum`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpectrumParams {
    /// What to read.
    pub tensor: Expression,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
    /// Which algorithm.
    pub mode: SpectrumMode,
    /// How many singular values, for `Top`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k: Option<u64>,
}

/// Answer of `spectrum`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "documented in src/protocol/results.ts and src/engine/protocol.ts")]
pub struct SpectrumResult {
    pub rows: u64,
    pub columns: u64,
    pub singular_values: Vec<f64>,
    pub frobenius_norm: Numeric,
    pub spectral_norm: Numeric,
    pub stable_rank: Numeric,
    pub effective_rank: Numeric,
    pub energy_rank: EnergyRank,
    pub matrix_rank: u64,
    pub condition_number: Numeric,
    pub marchenko_pastur: MarchenkoPastur,
    pub power_law: Option<PowerLaw>,
    pub how: How,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flattened_from: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residuals: Option<Vec<f64>>,
}

/// Smallest k with Σ_{i≤k} σ² ≥ τ·Σσ².
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "named after τ")]
pub struct EnergyRank {
    #[serde(rename = "0.9")]
    pub e90: u64,
    #[serde(rename = "0.95")]
    pub e95: u64,
    #[serde(rename = "0.99")]
    pub e99: u64,
}

/// The bulk's upper edge for independent entries, and how many singular values exceed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarchenkoPastur {
    /// s·(√rows + √columns).
    pub edge: Numeric,
    /// #{σ > edge}.
    pub above: u64,
}

/// Clauset–Shalizi–Newman fit to λ = σ².
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "named as in the literature")]
pub struct PowerLaw {
    pub alpha: Numeric,
    pub xmin: Numeric,
    pub distance: Numeric,
}

/// A window of the matrix view, half-open, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "named after the bound")]
pub struct Window {
    pub row_start: u64,
    pub row_stop: u64,
    pub column_start: u64,
    pub column_stop: u64,
}

/// Parameters of `picture`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PictureParams {
    /// What to read.
    pub tensor: Expression,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
    /// Which part.
    pub window: Window,
    /// Most pixels downwards (1 … 1024).
    pub height: u64,
    /// Most pixels across (1 … 1024).
    pub width: u64,
}

/// Answer of `picture`: pixels row-major as base64 of little-endian f32.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PictureResult {
    /// Pixels downwards.
    pub height: u64,
    /// Pixels across.
    pub width: u64,
    /// Smallest finite element under each pixel.
    pub min: String,
    /// Mean of the finite elements under each pixel.
    pub mean: String,
    /// Largest finite element under each pixel.
    pub max: String,
    /// Largest |x| among the finite elements of the window.
    pub max_abs: Numeric,
    /// NaN elements in the window.
    pub nan: u64,
    /// Infinite elements in the window.
    pub infinite: u64,
    /// How it was computed.
    pub how: How,
}

/// Parameters of `values`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValuesParams {
    /// What to read.
    pub tensor: Expression,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
    /// Which part; at most 16,384 elements.
    pub window: Window,
}

/// Answer of `values`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValuesResult {
    /// The elements, exactly.
    pub rows: Vec<Vec<Numeric>>,
}

/// Answer of `hash`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashResult {
    /// BLAKE3 of the elements' stored bytes, row-major, in lower-case hex.
    pub hash: String,
}

/// Parameters of `write`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WriteParams {
    /// What to read.
    pub tensor: Expression,
    /// Token of the `$/progress` notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<String>,
    /// Element type to write.
    pub dtype: Dtype,
    /// Absolute path of a file that is there already and long enough.
    pub file: String,
    /// Byte of the file that the first element starts at.
    pub offset: u64,
}

/// Answer of `write`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WriteResult {
    /// How many were written.
    pub bytes: u64,
    /// Elements written, as values, that are not finite; 0 when elements were copied.
    pub non_finite: u64,
}

/// Parameters of `shutdown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownParams {}

/// What `$/cancelRequest` says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CancelParams {
    /// The request to cancel.
    pub id: lsp_server::RequestId,
}

/// Value of a `$/progress` notification, in units of the computation's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "two counts")]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}
