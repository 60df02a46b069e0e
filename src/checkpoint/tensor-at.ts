/** Tensors whose elements lie one after the other in a file: what a format says of one, as the engine reads it. */
import type { Tensor } from "./checkpoint";
import { bitsOf, isDecodable } from "./dtypes";
import { quote } from "./quote";

/** As many as the engine addresses. */
const MAX_ENGINE_AXES = 16;

/** Element types beyond safetensors': complex pairs of F64, and ONNX's small integers, packed low bits first. */
const FURTHER_BITS: ReadonlyMap<string, number> = new Map([["C128", 128], ["I4", 4], ["U4", 4], ["I2", 2], ["U2", 2]]);

/** Bits of one element of `dtype`; undefined for what is no plain number. */
export function elementBits(dtype: string): number | undefined {
  return bitsOf(dtype) ?? FURTHER_BITS.get(dtype);
}

/** Product of `shape`; undefined beyond 2^53. Entries are non-negative integers. */
export function elementCount(shape: readonly number[]): number | undefined {
  if (shape.includes(0)) return 0;
  const product = shape.reduce((total, length) => total * length, 1);
  return product <= Number.MAX_SAFE_INTEGER ? product : undefined;
}

/** Bytes of `count` packed elements of `dtype`, the last byte filled up; undefined beyond 2^53 and for unknown types. */
export function packedBytes(dtype: string, count: number): number | undefined {
  const bits = elementBits(dtype);
  if (bits === undefined) return undefined;
  const bytes = bits % 8 === 0 ? count * (bits / 8) : Math.ceil((count * bits) / 8);
  return bytes <= Number.MAX_SAFE_INTEGER / 8 ? bytes : undefined;
}

export interface Stored {
  name: string;
  dtype: string;
  shape: number[];
  /** Product of the shape. */
  parameters: number;
  bytes: number;
  /** Index into `Checkpoint.files`. */
  file: number;
  /** Of that file. */
  path: string;
  offset: number;
  order?: "big";
  /** Column-major: the first axis varies fastest. */
  fortran?: boolean;
}

/** Why the engine cannot have values of this type and shape; undefined when it can. */
export function whyUnreadable(dtype: string, shape: readonly number[]): string | undefined {
  if (!isDecodable(dtype)) return `values of dtype ${elementBits(dtype) === undefined ? quote(dtype) : dtype} cannot be decoded`;
  return tooManyAxes(shape);
}

/** As `whyUnreadable`, for values that are decoded to another type. */
export function tooManyAxes(shape: readonly number[]): string | undefined {
  return shape.length > MAX_ENGINE_AXES ? `it has ${shape.length} axes; values are read for up to ${MAX_ENGINE_AXES}` : undefined;
}

/** The tensor that `stored` describes. Its range is taken as checked. */
export function tensorAt({ name, dtype, shape, parameters, bytes, file, path, offset, order, fortran }: Stored): Tensor {
  const tensor: Tensor = { name, dtype, shape, parameters, bytes, file, offset, expression: null };
  const unreadable = whyUnreadable(dtype, shape);
  const transposed = fortran === true && shape.length > 1;
  const verbatim = !transposed && order === undefined;
  if (unreadable !== undefined || !isDecodable(dtype)) return { ...tensor, unreadable: unreadable!, ...(verbatim ? { verbatim } : {}) };
  const range = { kind: "range" as const, file: path, offset, bytes, dtype, shape: transposed ? [...shape].reverse() : shape, ...(order === undefined ? {} : { order }) };
  return { ...tensor, expression: transposed ? { kind: "permute", of: range, axes: shape.map((_, i) => shape.length - 1 - i) } : range };
}
