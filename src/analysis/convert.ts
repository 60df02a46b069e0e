/** From checkpoints of any format to one safetensors file: what is in it, and how each tensor's values come there. */
import type { Checkpoint, Tensor } from "../checkpoint/checkpoint";
import { CheckpointError } from "../checkpoint/checkpoint";
import { bitsOf, isDecodable } from "../checkpoint/dtypes";
import { grouped } from "../checkpoint/quote";
import type { Dtype, Expression } from "../engine/protocol";
import { expressionOf } from "./readable";

/** The types that values can be rounded to. */
export const FLOATING_TYPES = ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"] as const satisfies readonly Dtype[];
export type FloatingType = (typeof FLOATING_TYPES)[number];

/** One tensor of a file to be written. */
export interface OutputTensor {
  name: string;
  /** In safetensors' spelling, also one that the engine cannot decode: those are copied. */
  dtype: string;
  shape: readonly number[];
  bytes: number;
  /** The type that the engine writes: `dtype`, or U8 for bytes that are copied. */
  written: Dtype;
  /** How the engine reads the values. */
  read(signal?: AbortSignal): Promise<Expression>;
}

/** A file to be written. */
export interface Output {
  tensors: OutputTensor[];
  metadata: Record<string, string>;
  /** The JSON of a header to write as it is, in the place of one made from `tensors` and `metadata`; it is of the same tensors. */
  header?: Uint8Array;
}

/** `text` as a type that values can be rounded to, in any case; null when it is none. */
export function parseFloatingType(text: string): FloatingType | null {
  return FLOATING_TYPES.find((dtype) => dtype === text.toUpperCase()) ?? null;
}

/**
 * The tensors of a checkpoint as they are to be written: decoded, in their own type when safetensors has it, else F32.
 * @param selection indices of the tensors.
 * @param dtype takes the place of every floating-point type; integers and truth values keep theirs.
 * @throws CheckpointError when the values of one cannot be decoded.
 */
export async function convertedTensors(checkpoint: Checkpoint, selection: readonly number[], dtype?: FloatingType, signal?: AbortSignal): Promise<OutputTensor[]> {
  const tensors = [];
  for (const index of selection) tensors.push(await convertedTensor(checkpoint, checkpoint.tensors[index]!, dtype, signal));
  return tensors;
}

/** One tensor as `convertedTensors` has it. */
export async function convertedTensor(checkpoint: Checkpoint, tensor: Tensor, dtype: FloatingType | undefined, signal?: AbortSignal): Promise<OutputTensor> {
  const { name, shape } = tensor;
  const file = checkpoint.files[tensor.file]!.path;
  if (tensor.expression === null && tensor.load === undefined) return copied(tensor, file);
  const stored = tensor.expression === null && isDecodable(tensor.dtype) ? tensor.dtype : await ownType(tensor, file, signal);
  // An odd number of half bytes is nothing that safetensors has.
  const own = stored === "F4" && tensor.parameters % 2 === 1 ? "F32" : stored;
  const written = dtype !== undefined && isFloating(own) ? dtype : own;
  return { name, dtype: written, shape, bytes: storedBytes(tensor, written, file), written, read: (later) => expressionOf(tensor, file, later) };
}

/** The stored bytes of a type that safetensors has and the engine does not decode. */
function copied(tensor: Tensor, file: string): OutputTensor {
  const { name, dtype, shape, bytes, offset, verbatim, unreadable } = tensor;
  if (verbatim !== true || offset === null || bitsOf(dtype) === undefined || storedBytes(tensor, dtype, file) !== bytes) {
    throw new CheckpointError("unsupported", `it cannot be converted: ${unreadable ?? "its values cannot be decoded"}`, file, { tensor: name });
  }
  const expression: Expression = { kind: "range", file, offset, bytes, dtype: "U8", shape: [bytes] };
  return { name, dtype, shape, bytes, written: "U8", read: () => Promise.resolve(expression) };
}

/** The tensor's own type when safetensors has it, else F32. */
async function ownType(tensor: Tensor, file: string, signal: AbortSignal | undefined): Promise<Dtype> {
  const stored = storedType(await expressionOf(tensor, file, signal));
  // Narrow integers, say, are read as wider ones.
  if (stored !== null) return isDecodable(tensor.dtype) ? stored : "F32";
  // Values that are computed (scaled, dequantised) are of no stored type: narrow ones would lose what the scale is for.
  return tensor.dtype === "F64" || tensor.dtype === "F16" || tensor.dtype === "BF16" ? tensor.dtype : "F32";
}

/** The type of the stored elements that `expression` picks; null when its values are computed or decoded from blocks. */
function storedType(expression: Expression): Dtype | null {
  switch (expression.kind) {
    case "range":
      return expression.dtype;
    case "blocks":
    case "combination":
    case "cast":
    case "concatenate":
    case "merge":
    case "compute":
      return null;
    default:
      return storedType(expression.of);
  }
}

function isFloating(dtype: Dtype): boolean {
  return dtype.includes("F");
}

/**
 * Bytes of `tensor` in another type.
 * @throws CheckpointError when they do not fill whole bytes, or are more than a file can have.
 */
export function storedBytes({ name, parameters }: Pick<Tensor, "name" | "parameters">, dtype: string, file: string): number {
  const bytes = (parameters * bitsOf(dtype)!) / 8;
  if (!Number.isInteger(bytes)) throw new CheckpointError("unsupported", `${grouped(parameters)} elements of ${dtype} do not fill whole bytes`, file, { tensor: name });
  if (bytes > Number.MAX_SAFE_INTEGER) throw new CheckpointError("unsupported", `${grouped(parameters)} elements are more than a file can hold`, file, { tensor: name });
  return bytes;
}

/** Metadata as safetensors has it: strings stay as they are, everything else becomes JSON. */
export function stringMetadata(metadata: Readonly<Record<string, unknown>>): Record<string, string> {
  const strings = Object.create(null) as Record<string, string>;
  for (const [key, value] of Object.entries(metadata)) {
    const text = typeof value === "string" ? value : JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? String(part) : part));
    if (text !== undefined) strings[wellFormed(key)] = wellFormed(text);
  }
  return strings;
}

/** Halves of surrogate pairs, which UTF-8 cannot hold, replaced. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}
