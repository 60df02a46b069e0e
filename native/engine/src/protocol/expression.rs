//! Tensors as expressions over bytes of files, as `src/engine/protocol.ts` defines them.

use serde::{Deserialize, Serialize};

use super::{MergeMethod, MergeProfile};
use crate::tensor::Dtype;

/// Byte order of stored elements; little endian when it is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ByteOrder {
    /// Most significant byte first.
    Big,
}

/// A tensor as an expression over bytes of files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Expression {
    /// Elements of `dtype` stored row-major, little endian, from byte `offset` of `file`, `bytes` long.
    Range {
        /// Absolute path.
        file: String,
        /// First byte.
        offset: u64,
        /// Length in bytes.
        bytes: u64,
        /// Element type.
        dtype: Dtype,
        /// Extent of each axis.
        shape: Vec<u64>,
        /// Byte order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<ByteOrder>,
    },
    /// Blocks of a quantised type, row-major: the last axis is a whole number of blocks. Values are F32.
    Blocks {
        /// Absolute path.
        file: String,
        /// First byte.
        offset: u64,
        /// Length in bytes.
        bytes: u64,
        /// Block type.
        r#type: BlockType,
        /// Extent of each axis.
        shape: Vec<u64>,
    },
    /// Elements of a range picked by steps: index (i, j, …) is element `offset` + i·strides[0] + j·strides[1] + … of it.
    Strided {
        /// A range.
        of: Box<Expression>,
        /// Element at index (0, 0, …).
        offset: u64,
        /// Extent of each axis.
        shape: Vec<u64>,
        /// Elements between neighbours along each axis.
        strides: Vec<u64>,
    },
    /// Σ coefficients[i]·of[i], element by element, of operands of one shape; products and sums in f64, in their order.
    Combination {
        /// Operands; at least one.
        of: Vec<Expression>,
        /// One for each operand.
        coefficients: Vec<f64>,
    },
    /// Operands of one type one after the other along the first axis.
    Concatenate {
        /// At least one; the axes after the first are of one length.
        of: Vec<Expression>,
    },
    /// Rows (along the first axis) of the operand.
    Select {
        /// Operand.
        of: Box<Expression>,
        /// Base64 of the rows' numbers, little-endian u32.
        rows: String,
    },
    /// Rounded to nearest even of another type.
    Cast {
        /// Operand.
        of: Box<Expression>,
        /// The other type.
        dtype: FloatingPoint,
    },
    /// Tensors of one shape merged.
    Merge {
        /// What makes one of them.
        method: MergeMethod,
        /// Where it rounds.
        profile: MergeProfile,
        /// What inputs are rounded to, and steps are computed in.
        dtype: FloatingPoint,
        /// Inputs without the base.
        of: Vec<Expression>,
        /// The base.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<Box<Expression>>,
    },
    /// Values computed in f64 from those of the operands.
    Compute {
        /// What is computed.
        operation: Operation,
        /// Operands.
        of: Vec<Expression>,
    },
    /// The part `start <= index < stop` of one axis.
    Slice {
        /// Operand.
        of: Box<Expression>,
        /// Axis of the operand.
        axis: u64,
        /// First index.
        start: u64,
        /// Index after the last.
        stop: u64,
    },
    /// Axis i of the result is axis `axes[i]` of the operand.
    Permute {
        /// Operand.
        of: Box<Expression>,
        /// A permutation of the operand's axes.
        axes: Vec<u64>,
    },
    /// Another shape over the same elements in row-major order.
    Reshape {
        /// Operand.
        of: Box<Expression>,
        /// The new shape, of as many elements.
        shape: Vec<u64>,
    },
}

/// GGUF's block-quantised types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(non_camel_case_types, missing_docs, reason = "GGUF's own names")]
pub enum BlockType {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    Q8_K,
    IQ1_S,
    IQ1_M,
    IQ2_XXS,
    IQ2_XS,
    IQ2_S,
    IQ3_XXS,
    IQ3_S,
    IQ4_NL,
    IQ4_XS,
    TQ1_0,
    TQ2_0,
    MXFP4,
    NVFP4,
    Q1_0,
}

/// What a computed expression does, on arrays of f64. Binary operations broadcast as NumPy's; matrix operations work on
/// the last two axes and broadcast the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs, reason = "said in src/engine/protocol.ts")]
pub enum Operation {
    Literal {
        shape: Vec<u64>,
        values: Vec<f64>,
    },
    Fill {
        shape: Vec<u64>,
        value: f64,
    },
    Identity {
        n: u64,
    },
    TorchUniform {
        seed: u64,
        skip: u64,
        low: f64,
        high: f64,
        dtype: RoundedTo,
        shape: Vec<u64>,
    },
    TorchPermutation {
        seed: u64,
        count: u64,
        take: u64,
    },
    Add {},
    Subtract {},
    Multiply {},
    Divide {},
    Scale {
        factor: f64,
    },
    Map {
        function: Function,
    },
    Clamp {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        low: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        high: Option<f64>,
    },
    Round {
        dtype: RoundedTo,
    },
    Product {},
    Kronecker {},
    Concatenate {
        axis: u64,
    },
    Gather {
        axis: u64,
    },
    Scatter {
        shape: Vec<u64>,
    },
    Sum {
        axes: Vec<u64>,
    },
    Norm {
        axes: Vec<u64>,
    },
    Softmax {},
    TopSoftmax {
        k: u64,
    },
    TopPositions {
        k: u64,
    },
    Inverse {},
    Qr {
        factor: QrFactor,
    },
    Svd {
        factor: SvdFactor,
        start: u64,
        stop: u64,
    },
    BlockDiagonal {},
    Skew {
        n: u64,
    },
    InverseFourier {},
    UlpDistance {
        dtype: FloatingPoint,
    },
    UlpShift {
        dtype: FloatingPoint,
    },
}

/// Narrower types that values are rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the types' own names")]
pub enum RoundedTo {
    F32,
    F16,
    BF16,
}

/// Types of floating point that are computed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the types' own names")]
pub enum FloatingPoint {
    F64,
    F32,
    F16,
    BF16,
}

impl FloatingPoint {
    /// The type that elements of it are stored as.
    pub const fn dtype(self) -> Dtype {
        match self {
            Self::F64 => Dtype::F64,
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::BF16 => Dtype::BF16,
        }
    }
}

/// Functions of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the functions' own names")]
pub enum Function {
    Square,
    SquareRoot,
    Reciprocal,
    Absolute,
    Exponential,
    Cosine,
    Sine,
    Sigmoid,
    Relu,
    Tanh,
    Gelu,
    Silu,
    InverseTanh,
    Logarithm2,
    Exponential2,
    Sign,
    NearestEven,
}

/// Factors of A = QR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the factors' own names")]
pub enum QrFactor {
    Q,
    R,
}

/// Factors of A = U·diag(S)·Vᵀ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the factors' own names")]
pub enum SvdFactor {
    U,
    S,
    Vt,
}
