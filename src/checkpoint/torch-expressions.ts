/** From what a pickle says of a tensor to a `Tensor` that can be listed and read. */
import type { Expression } from "../engine/protocol";
import type { Tensor } from "./checkpoint";
import { isDecodable } from "./dtypes";
import { elementCount, tooManyAxes } from "./tensor-at";
import type { StorageRecord } from "./torch-storage";
import type { Quantizer, StridedTensor, TorchTensor } from "./torch-tensors";
import type { NamedTensor } from "./torch-tree";

/** Names of one group of overlapping tensors that each of them carries. */
const MAX_SHARED = 100;

/** The integers that quantised types are stored as. */
const STORED_AS = new Map([["QINT8", "I8"], ["QUINT8", "U8"], ["QINT32", "I32"]] as const);

/**
 * The tensors of one file as they are listed, with the names that share their bytes.
 * @param path the file that holds them.
 * @param file what `Tensor.file` is to be.
 */
export function listed(tensors: readonly NamedTensor[], path: string, file: number): Tensor[] {
  const result = tensors.map(({ name, tensor }) => tensorOf(name, tensor, path, file));
  addShared(tensors, result);
  return result;
}

function tensorOf(name: string, tensor: TorchTensor, path: string, file: number): Tensor {
  const { dtype, shape } = tensor;
  const parameters = elementCount(shape) ?? 0;
  const bare = { name, dtype: dtype.name, shape, parameters, bytes: Math.ceil((parameters * dtype.bytes) / (dtype.packed ?? 1)), file, offset: null, expression: null };
  if (tensor.kind === "dataless") return { ...bare, bytes: 0, unreadable: tensor.reason };
  if (tensor.kind === "sparse") {
    const bytes = tensor.components.reduce((sum, { tensor: { dtype: type, shape: of } }) => sum + (elementCount(of) ?? 0) * type.bytes, 0);
    return { ...bare, bytes, unreadable: `it is stored sparsely (${tensor.layout}); its components are listed below it` };
  }
  const { record, offset: storageOffset } = tensor.storage;
  const offset = isContiguous(tensor) && record.fileOffset !== null ? record.fileOffset + storageOffset + (parameters === 0 ? 0 : tensor.offset * dtype.bytes) : null;
  const unreadable = whyUnreadable(tensor);
  const verbatim = offset !== null && !tensor.conjugated && !tensor.negated && !record.bigEndian && tensor.quantizer === undefined;
  if (unreadable !== null) return { ...bare, offset, unreadable, ...(verbatim ? { verbatim } : {}) };
  if (record.fileOffset !== null) return { ...bare, offset, expression: valuesOf(tensor, path, record.fileOffset) };
  return { ...bare, load: async (signal) => valuesOf(tensor, await spooled(record, signal), 0) };
}

function spooled(record: StorageRecord, signal: AbortSignal | undefined): Promise<string> {
  if (record.spool === undefined) throw new Error(`no way to read ${record.name}`);
  return record.spool(signal);
}

function whyUnreadable({ dtype, shape, quantizer }: StridedTensor): string | null {
  if (quantizer !== undefined && !dequantisable(dtype.name, quantizer, shape)) return `values of dtype ${dtype.name}, quantised ${quantizer.scheme}, cannot be decoded`;
  if (quantizer === undefined && !isDecodable(dtype.name)) return `values of dtype ${dtype.name} cannot be decoded`;
  return tooManyAxes(shape) ?? null;
}

function dequantisable(dtype: string, { scheme, scale, scales, zeroPoints, axis = -1 }: Quantizer, shape: readonly number[]): boolean {
  if (!STORED_AS.has(dtype as "QINT8")) return false;
  if (scale !== undefined) return Number.isFinite(scale);
  const readable = (tensor: TorchTensor | undefined): boolean => 
    tensor?.kind === "strided" && tensor.quantizer === undefined && isDecodable(tensor.dtype.name) && tensor.storage.record.fileOffset !== null
    && tensor.shape.length === 1 && tensor.shape[0] === shape[axis];
  return scheme === "per_channel_affine" && readable(scales) && readable(zeroPoints);
}

/** Row-major without gaps; strides of axes of length 1 mean nothing. */
function isContiguous({ shape, strides }: StridedTensor): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    if (strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

/** @param start where in `file` the storage's record starts. */
function valuesOf(tensor: StridedTensor, file: string, start: number): Expression {
  const stored = storedOf(tensor, file, start);
  const { quantizer } = tensor;
  if (quantizer !== undefined) return dequantised(stored, quantizer, tensor.shape, file);
  // The conjugate of a real number is itself.
  return tensor.negated ? { kind: "compute", operation: { name: "scale", factor: -1 }, of: [stored] } : stored;
}

function storedOf(tensor: StridedTensor, file: string, start: number): Expression {
  const { storage: { record, offset: storageOffset }, dtype: { name, bytes: itemBytes }, shape, strides, offset } = tensor;
  const dtype = STORED_AS.get(name as "QINT8") ?? name;
  if (!isDecodable(dtype)) throw new Error(`${dtype} is not decoded`);
  const empty = shape.includes(0);
  const order = record.bigEndian && itemBytes > 1 ? { order: "big" as const } : {};
  const at = start + storageOffset + (empty ? 0 : offset * itemBytes);
  const elements = empty ? 0 : shape.reduce((sum, length, axis) => sum + (length - 1) * strides[axis]!, 1);
  if (isContiguous(tensor)) return { kind: "range", file, offset: at, bytes: elements * itemBytes, dtype, shape, ...order };
  return { kind: "strided", of: { kind: "range", file, offset: at, bytes: elements * itemBytes, dtype, shape: [elements], ...order }, offset: 0, shape, strides };
}

/** scale · (q − zero point) rounded to F32, as torch's `dequantize`: one scale is rounded first, those of channels are not. */
function dequantised(stored: Expression, { scale, zeroPoint, scales, zeroPoints, axis }: Quantizer, shape: readonly number[], file: string): Expression {
  const along = shape.map((length, i) => (i === axis ? length : 1));
  const channel = (tensor: TorchTensor | undefined): Expression => {
    const strided = tensor as StridedTensor;
    return { kind: "reshape", of: storedOf(strided, file, strided.storage.record.fileOffset!), shape: along };
  };
  const scalar = (value: number): Expression => ({ kind: "compute", operation: { name: "fill", shape: [], value }, of: [] });
  const zero = zeroPoint === undefined ? channel(zeroPoints) : scalar(zeroPoint);
  const factor = scale === undefined ? channel(scales) : scalar(Math.fround(scale));
  const centred: Expression = { kind: "compute", operation: { name: "subtract" }, of: [stored, zero] };
  return { kind: "compute", operation: { name: "round", dtype: "F32" }, of: [{ kind: "compute", operation: { name: "multiply" }, of: [centred, factor] }] };
}

/** Tensors whose bytes overlap, directly or through others, carry each other's names. */
function addShared(tensors: readonly NamedTensor[], result: readonly Tensor[]): void {
  interface Extent {
    index: number;
    start: number;
    end: number;
  }
  const byRecord = new Map<StorageRecord, Extent[]>();
  tensors.forEach(({ tensor }, index) => {
    // An empty tensor has no bytes to share.
    if (tensor.kind !== "strided" || tensor.shape.includes(0)) return;
    const { storage, shape, strides, offset, dtype } = tensor;
    const start = storage.offset + offset * dtype.bytes;
    const span = shape.reduce((sum, length, axis) => sum + (length - 1) * strides[axis]!, 1) * dtype.bytes;
    const extents = byRecord.get(storage.record);
    if (extents === undefined) byRecord.set(storage.record, [{ index, start, end: start + span }]);
    else extents.push({ index, start, end: start + span });
  });
  for (const extents of byRecord.values()) {
    if (extents.length === 1) continue;
    extents.sort((a, b) => a.start - b.start || a.index - b.index);
    let group: number[] = [];
    let reached = -1;
    for (const { index, start, end } of extents) {
      if (start >= reached) {
        share(group, result);
        group = [];
      }
      group.push(index);
      reached = Math.max(reached, end);
    }
    share(group, result);
  }
}

function share(group: number[], result: readonly Tensor[]): void {
  if (group.length < 2) return;
  const indices = group.sort((a, b) => a - b);
  const first = indices.slice(0, MAX_SHARED + 1);
  for (const index of indices) result[index]!.sharedWith = first.filter((other) => other !== index).slice(0, MAX_SHARED).map((other) => result[other]!.name);
}
