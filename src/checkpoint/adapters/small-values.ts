/** The few values of an adapter that decide its structure: scales kept as tensors, flags, indices. Everything else is the engine's. */
import type { Dtype, Expression } from "../../engine/protocol";
import { CheckpointError } from "../checkpoint";
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
  const place = placeOf(expression);
  const count = tensor.parameters;
  if (place === undefined || count > MOST_VALUES) {
    throw new CheckpointError("unsupported", `the values of ${quote(tensor.name)} decide the adapter's structure and cannot be read`, source.checkpoint.path, { tensor: tensor.name });
  }
  const { range, first } = place;
  const width = WIDTHS[range.dtype];
  if (width === undefined) {
    throw new CheckpointError("unsupported", `${quote(tensor.name)} decides the adapter's structure and has the dtype ${range.dtype}`, source.checkpoint.path, { tensor: tensor.name });
  }
  if (count === 0) return [];
  const file = await source.sources.open(range.file);
  try {
    const bytes = await file.read(range.offset + first * width, count * width);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Array.from({ length: count }, (_, i) => number(view, i * width, range.dtype, range.order !== "big"));
  } finally {
    await file.close();
  }
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

/** The range behind an expression whose elements lie one after the other, and the index of the first. */
function placeOf(expression: Expression): { range: Extract<Expression, { kind: "range" }>; first: number } | undefined {
  if (expression.kind === "range") return { range: expression, first: 0 };
  if (expression.kind === "reshape") return placeOf(expression.of);
  if (expression.kind !== "strided" || expression.of.kind !== "range") return undefined;
  let stride = 1;
  for (let axis = expression.shape.length - 1; axis >= 0; axis--) {
    if (expression.shape[axis] !== 1 && expression.strides[axis] !== stride) return undefined;
    stride *= expression.shape[axis]!;
  }
  return { range: expression.of, first: expression.offset };
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
