/** Where a safetensors file's tensors lie, and its header. Specification: https://github.com/huggingface/safetensors#format. */
import { CheckpointError } from "../checkpoint/checkpoint";
import { bitsOf } from "../checkpoint/dtypes";
import { grouped, quote } from "../checkpoint/quote";
import { MAX_HEADER_BYTES, parseHeader } from "../checkpoint/safetensors-header";

/** Where a tensor's bytes begin in the file. */
export interface Place<T extends LaidOutTensor> {
  tensor: T;
  offset: number;
}

export interface Layout<T extends LaidOutTensor> {
  /** The length, the JSON and its padding. */
  header: Uint8Array;
  /** In file order. */
  places: Place<T>[];
  bytes: number;
}

/** What a file's header says of a tensor. */
export interface LaidOutTensor {
  name: string;
  dtype: string;
  shape: readonly number[];
  bytes: number;
}

/**
 * Wide types first, else in the order given: every element is aligned, as the format's own library lays files out.
 * @param head the file's metadata; or the JSON of a header of the same tensors, to write as it is.
 * @param target for messages.
 * @throws CheckpointError when a name is taken twice or cannot be written down, or the header is too long.
 */
export function layOut<T extends LaidOutTensor>(tensors: readonly T[], { metadata, header: given }: { metadata: Readonly<Record<string, string>>; header?: Uint8Array }, target: string): Layout<T> {
  if (given !== undefined) return laidOut(given, tensors, target);
  const width = ({ dtype }: LaidOutTensor): number => Math.ceil(bitsOf(dtype)! / 8);
  const ordered = [...tensors].sort((a, b) => width(b) - width(a));
  const entries: string[] = Object.keys(metadata).length === 0 ? [] : [`"__metadata__":${JSON.stringify(metadata)}`];
  const names = new Set<string>();
  let end = 0;
  const begins = ordered.map((tensor) => {
    const { name, dtype, shape, bytes } = tensor;
    if (names.has(name)) throw new CheckpointError("unsupported", `there are two tensors of the name ${quote(name)}, and a safetensors file can hold one`, target, { tensor: name });
    names.add(name);
    if (name === "__metadata__" || !isUnicode(name)) throw new CheckpointError("unsupported", `a safetensors file cannot hold a tensor of the name ${quote(name)}`, target, { tensor: name });
    const begin = end;
    end += bytes;
    entries.push(`${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":[${begin},${end}]}`);
    return begin;
  });
  const json = Buffer.from(`{${entries.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) throw new CheckpointError("unsupported", `names and metadata take ${grouped(length)} bytes, and a safetensors header can have ${grouped(MAX_HEADER_BYTES)}`, target);
  const header = Buffer.alloc(8 + length, " ");
  header.writeBigUInt64LE(BigInt(length));
  header.set(json, 8);
  if (!Number.isSafeInteger(header.length + end)) throw new CheckpointError("unsupported", "the tensors take more bytes than a file can hold", target);
  return { header, places: ordered.map((tensor, i) => ({ tensor, offset: header.length + begins[i]! })), bytes: header.length + end };
}

/** As `header` says. @throws CheckpointError when that is no header of these tensors. */
function laidOut<T extends LaidOutTensor>(json: Uint8Array, tensors: readonly T[], target: string): Layout<T> {
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const stored = parseHeader(json, target, { dataBytes: bytes });
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const header = Buffer.alloc(8 + json.length);
  header.writeBigUInt64LE(BigInt(json.length));
  header.set(json, 8);
  const places = stored.tensors.map(({ name, dtype, shape, offset }) => {
    const tensor = byName.get(name);
    const same = tensor?.dtype === dtype && tensor.shape.length === shape.length && tensor.shape.every((length, i) => length === shape[i]);
    if (!same) throw new CheckpointError("malformed", `the header to write has ${quote(name)}, which is no tensor of the model`, target, { tensor: name });
    return { tensor, offset };
  });
  if (places.length !== tensors.length) throw new CheckpointError("malformed", `the header to write has ${places.length} tensors, and the model ${tensors.length}`, target);
  return { header, places, bytes: header.length + bytes };
}

/** Whether a text is one that UTF-8 can hold: no half of a surrogate pair. */
function isUnicode(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
