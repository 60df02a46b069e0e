/** The few values of an adapter that decide its structure: scales kept as tensors, flags, indices. Everything else is the engine's. */
import type { Dtype, Expression } from "../../engine/protocol";
import { CheckpointError, type ByteSource } from "../checkpoint";
import { quote } from "../quote";
import type { AdapterSource } from "./adapter";
import type { Factor } from "./peft-names";

/** Structure needs single numbers and short lists; more than this is no such tensor. */
const MOST_VALUES = 4096;

/**
 * All values of a small tensor, row-major.
 * @throws CheckpointError when it has more than 4,096 values, or its storage cannot be read in place.
 */
export async function readSmall(source: AdapterSource, { tensor, expression }: Factor): Promise<number[]> {
  const place = tensor.parameters > MOST_VALUES ? undefined : storedAt(expression);
  if (place === undefined) {
    throw new CheckpointError("unsupported", `the values of ${quote(tensor.name)} decide the adapter's structure and cannot be read`, source.checkpoint.path, { tensor: tensor.name });
  }
  if (tensor.parameters === 0) return [];
  const file = await source.sources.open(place.file);
  try {
    return await readStored(file, place, 0, tensor.parameters);
  } finally {
    await file.close();
  }
}

/** Elements that lie one after the other in a file. */
export interface Stored {
  file: string;
  /** Of the first element. */
  offset: number;
  dtype: Dtype;
  width: number;
  little: boolean;
}

/** Where an expression's elements lie; undefined when they are not one after the other, or not of a plain type. */
export function storedAt(expression: Expression): Stored | undefined {
  if (expression.kind === "reshape") return storedAt(expression.of);
  if (expression.kind === "range") {
    const { file, offset, dtype } = expression;
    const width = WIDTHS[dtype];
    return width === undefined ? undefined : { file, offset, dtype, width, little: expression.order !== "big" };
  }
  if (expression.kind !== "strided") return undefined;
  let stride = 1;
  for (let axis = expression.shape.length - 1; axis >= 0; axis--) {
    if (expression.shape[axis] !== 1 && expression.strides[axis] !== stride) return undefined;
    stride *= expression.shape[axis]!;
  }
  const of = storedAt(expression.of);
  return of === undefined ? undefined : { ...of, offset: of.offset + expression.offset * of.width };
}

/** `count` elements from the element `first`. */
export async function readStored(file: ByteSource, { offset, dtype, width, little }: Stored, first: number, count: number): Promise<number[]> {
  const bytes = await file.read(offset + first * width, count * width);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, i) => number(view, i * width, dtype, little));
}

/** The one value of a tensor. @throws CheckpointError when it holds another number of values, or none that is finite. */
export async function readScalar(source: AdapterSource, factor: Factor): Promise<number> {
  const values = factor.tensor.parameters === 1 ? await readSmall(source, factor) : [];
  const [value] = values;
  if (value === undefined || !Number.isFinite(value)) {
    throw new CheckpointError("malformed", `${quote(factor.tensor.name)} is not one finite number`, source.checkpoint.path, { tensor: factor.tensor.name });
  }
  return value;
}

const WIDTHS: Partial<Record<Dtype, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1 };

function number(view: DataView, at: number, dtype: Dtype, little: boolean): number {
  switch (dtype) {
    case "F64": return view.getFloat64(at, little);
    case "F32": return view.getFloat32(at, little);
    case "F16": return half(view.getUint16(at, little));
    case "BF16": return bfloat16(view.getUint16(at, little));
    case "I64": return Number(view.getBigInt64(at, little));
    case "U64": return Number(view.getBigUint64(at, little));
    case "I32": return view.getInt32(at, little);
    case "U32": return view.getUint32(at, little);
    case "I16": return view.getInt16(at, little);
    case "U16": return view.getUint16(at, little);
    case "I8": return view.getInt8(at);
    default: return view.getUint8(at);
  }
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

function bfloat16(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, bits);
  return view.getFloat32(0);
}
