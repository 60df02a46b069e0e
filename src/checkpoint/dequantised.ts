/**
 * Linear layers whose weights are stored as codes with their scales beside them, as the values that they stand for: bitsandbytes'
 * int8 and 4-bit, scales by row or tensor (compressed-tensors and its kin), scales by block of 128 × 128 (DeepSeek's F8).
 */
import type { Expression } from "../engine/protocol";
import { add, fill, gather, hadamard, kronecker, literal, reshape, scale, ShapeMismatch, slice, subtract } from "./adapters/build";
import { JsonReader } from "./json-reader";
import { CheckpointError, type Checkpoint, type SourceOpener, type Tensor } from "./checkpoint";

/** Values of one weight, and the tensors that they are made of. */
interface Decoded {
  expression: Expression;
  shape: number[];
  dtype: string;
  from: Tensor[];
}

type Find = (name: string) => Tensor | undefined;

const CODES: ReadonlySet<string> = new Set(["I8", "F8_E4M3", "F8_E5M2", "U8"]);
/** Of DeepSeek's F8 weights. */
const BLOCK = 128;
/** bitsandbytes' int8: codes are of the row's largest magnitude over this. */
const INT8 = 127;
const MOST_STATE = 1 << 16;

/** The checkpoint with such weights decoded and without what they are made of; itself when there are none. */
export async function dequantised(checkpoint: Checkpoint, sources: SourceOpener): Promise<Checkpoint> {
  const candidates = checkpoint.tensors.filter(({ dtype, name }) => CODES.has(dtype) && name.endsWith("weight"));
  if (candidates.length === 0) return checkpoint;
  const byName = new Map(checkpoint.tensors.map((tensor) => [tensor.name, tensor]));
  const values = new Map<Tensor, Decoded>();
  for (const tensor of candidates) {
    const decoded = await decodedBy(tensor, (name) => byName.get(name), checkpoint, sources);
    if (decoded !== null) values.set(tensor, decoded);
  }
  if (values.size === 0) return checkpoint;
  const used = new Set([...values.values()].flatMap(({ from }) => from));
  const tensors = checkpoint.tensors.flatMap((tensor): Tensor[] => {
    const decoded = values.get(tensor);
    if (decoded === undefined) return used.has(tensor) ? [] : [tensor];
    const { expression, shape, dtype, from } = decoded;
    return [{ ...tensor, dtype, shape, parameters: shape.reduce((product, length) => product * length, 1), bytes: from.reduce((sum, { bytes }) => sum + bytes, tensor.bytes), offset: null, expression }];
  });
  return { ...checkpoint, tensors };
}

async function decodedBy(tensor: Tensor, find: Find, checkpoint: Checkpoint, sources: SourceOpener): Promise<Decoded | null> {
  if (tensor.expression === null) return null;
  try {
    return int8(tensor, find) ?? blockScales(tensor, find) ?? scales(tensor, find) ?? (await fourBits(tensor, find, checkpoint, sources));
  } catch (error) {
    // Scales of other shapes than the layout's are no scales, and bytes that are no state no state.
    if (error instanceof ShapeMismatch || error instanceof CheckpointError) return null;
    throw error;
  }
}

function int8({ name, dtype, shape, expression }: Tensor, find: Find): Decoded | null {
  const stem = name.slice(0, -"weight".length);
  const rows = find(`${stem}SCB`) ?? find(`${name}.SCB`);
  if (dtype !== "I8" || shape.length !== 2 || rows?.expression == null) return null;
  const format = find(`${stem}weight_format`) ?? find(`${name}.weight_format`);
  const values = scale(hadamard(expression!, reshape(rows.expression, [shape[0]!, 1])), 1 / INT8);
  return { expression: values, shape, dtype, from: [rows, ...(format === undefined ? [] : [format])] };
}

function scales({ name, dtype, shape, expression }: Tensor, find: Find): Decoded | null {
  const factor = find(`${name}_scale`);
  if (dtype === "U8" || factor?.expression == null) return null;
  const zero = find(`${name}_zero_point`);
  const others = [find(`${name}_shape`), find(`${name.slice(0, -"weight".length)}input_scale`)].filter((each) => each !== undefined);
  const spread = (of: Tensor): Expression => (of.parameters === 1 ? reshape(of.expression!, shape.map(() => 1)) : reshape(of.expression!, shape.map((length, axis) => (axis === 0 ? length : 1))));
  const codes = zero?.expression == null ? expression! : subtract(expression!, spread(zero));
  return { expression: hadamard(codes, spread(factor)), shape, dtype, from: [factor, ...(zero === undefined ? [] : [zero]), ...others] };
}

function blockScales({ name, dtype, shape, expression }: Tensor, find: Find): Decoded | null {
  const blocks = find(`${name}_scale_inv`);
  const [rows = 0, columns = 0] = shape;
  if (!dtype.startsWith("F8_") || shape.length !== 2 || blocks?.expression == null) return null;
  if (blocks.shape.length !== 2 || blocks.shape[0] !== Math.ceil(rows / BLOCK) || blocks.shape[1] !== Math.ceil(columns / BLOCK)) return null;
  const spread = slice(slice(kronecker(blocks.expression, fill([BLOCK, BLOCK], 1)), 0, 0, rows), 1, 0, columns);
  return { expression: hadamard(expression!, spread), shape, dtype, from: [blocks] };
}

/** bitsandbytes' NF4 and FP4: two codes in a byte, the first in its high half; scales of blocks, which may be quantised themselves. */
async function fourBits(tensor: Tensor, find: Find, checkpoint: Checkpoint, sources: SourceOpener): Promise<Decoded | null> {
  const part = (name: string): Tensor | undefined => find(`${tensor.name}.${name}`);
  const [absmax, map] = [part("absmax"), part("quant_map")];
  const stored = part("quant_state.bitsandbytes__nf4") ?? part("quant_state.bitsandbytes__fp4");
  if (tensor.dtype !== "U8" || absmax?.expression == null || map?.expression == null || stored === undefined) return null;
  const state = await stateIn(stored, checkpoint, sources);
  if (state === null) return null;
  const { shape, blocksize, offset } = state;
  const count = shape.reduce((product, length) => product * length, 1);
  const blocks = count / blocksize;
  if (count !== 2 * tensor.parameters || !Number.isInteger(blocks)) return null;
  const [nested, nestedMap] = [part("nested_absmax"), part("nested_quant_map")];
  let maxima = absmax.expression;
  if (nested?.expression != null && nestedMap?.expression != null) {
    const each = reshape(kronecker(reshape(nested.expression, [nested.parameters, 1]), fill([state.nestedBlocksize, 1], 1)), [nested.parameters * state.nestedBlocksize]);
    maxima = hadamard(gather(nestedMap.expression, 0, reshape(absmax.expression, [blocks])), slice(each, 0, 0, blocks));
    maxima = add(maxima, fill([1], offset));
  }
  const halves = literal([512], Array.from({ length: 512 }, (_, i) => (i % 2 === 0 ? i >> 5 : (i >> 1) & 15)));
  const table = reshape(gather(map.expression, 0, halves), [256, 2]);
  const codes = gather(table, 0, reshape(tensor.expression!, [tensor.parameters]));
  const values = hadamard(reshape(codes, [blocks, blocksize]), reshape(maxima, [blocks, 1]));
  const from = [absmax, map, stored, nested, nestedMap].filter((each) => each !== undefined);
  return { expression: reshape(values, shape), shape, dtype: stored.name.endsWith("nf4") ? "NF4" : "FP4", from };
}

/** The layout's JSON, which is stored as a tensor of bytes; null when it is none. */
async function stateIn({ offset, bytes, file }: Tensor, { files }: Checkpoint, sources: SourceOpener): Promise<{ shape: number[]; blocksize: number; nestedBlocksize: number; offset: number } | null> {
  if (offset === null || bytes > MOST_STATE) return null;
  const { path } = files[file]!;
  const source = await sources.open(path);
  try {
    const reader = new JsonReader(await source.read(offset, bytes), { file: path, what: "the state of a quantiser", pythonNumbers: true });
    const state = reader.value();
    if (typeof state !== "object" || state === null || Array.isArray(state)) return null;
    const { shape, blocksize, nested_blocksize: nestedBlocksize = 256, nested_offset: nestedOffset = 0 } = state;
    if (!Array.isArray(shape) || !shape.every(isCount) || !isCount(blocksize) || !isCount(nestedBlocksize) || typeof nestedOffset !== "number") return null;
    return { shape, blocksize, nestedBlocksize, offset: nestedOffset };
  } finally {
    await source.close();
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}
