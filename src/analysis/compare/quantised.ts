/** Which tensors hold quantised values: their difference from others is quantisation error. */
import type { QuantisedSide } from "./numbers";

/** Elements that share a scale, by GGUF's type; others of its types share one among 256. */
const BLOCKS: Readonly<Record<string, number | undefined>> = { Q4_0: 32, Q4_1: 32, Q5_0: 32, Q5_1: 32, Q8_0: 32, Q8_1: 32, IQ4_NL: 32, MXFP4: 32, NVFP4: 16, Q1_0: 128 };
const GGUF = /^(?:I?Q\d(?:_[0-9A-Z]+)*|TQ\d_\d|MXFP4|NVFP4)$/;
const NARROW_FLOAT = /^F(?:4|6|8)(?:_|$)/;
/** What quantisers of linear layers store codes as. */
const CODES = /^(?:I8|U8|I4|U4|NF4|FP4)\b/;
const FLOATING = /^(?:F64|F32|F16|BF16)$/;
/** A usual block for types that have none of their own. */
const DEFAULT_BLOCK = 32;

/** The side whose dtype is a quantiser's, when the other's is of full floating point. */
export function quantisedSide(a: string, b: string): QuantisedSide | undefined {
  if (isQuantised(b) && FLOATING.test(a)) return "b";
  return isQuantised(a) && FLOATING.test(b) ? "a" : undefined;
}

function isQuantised(dtype: string): boolean {
  return GGUF.test(dtype) || NARROW_FLOAT.test(dtype) || CODES.test(dtype);
}

/** Neighbouring elements of a row that are looked at together. */
export function blockLength(dtype: string): number {
  return BLOCKS[dtype] ?? (GGUF.test(dtype) ? 256 : DEFAULT_BLOCK);
}

/** Bits of a significand, the leading one included: rounding to the type changes a normal number by no more than 2^−bits of it. */
const SIGNIFICAND: Readonly<Record<string, number | undefined>> = { F64: 53, F32: 24, F16: 11, BF16: 8 };

/** What rounding to the coarser of two dtypes does to an element, relative to it; 0 where that is no floating-point type. */
export function roundingOf(a: string, b: string): number {
  const bits = Math.min(SIGNIFICAND[a] ?? Infinity, SIGNIFICAND[b] ?? Infinity);
  return Number.isFinite(bits) && (SIGNIFICAND[a] !== undefined && SIGNIFICAND[b] !== undefined) ? 2 ** -bits : 0;
}
