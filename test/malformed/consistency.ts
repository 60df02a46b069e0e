/** What must hold of whatever a reader makes of any bytes: a consistent checkpoint, or a `CheckpointError` in one sentence. */
import assert from "node:assert/strict";
import { CheckpointError, type Checkpoint } from "../../src/checkpoint/checkpoint";
import { bitsOf } from "../../src/checkpoint/dtypes";
import type { Expression } from "../../src/engine/protocol";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { MemoryFiles } from "./memory-files";

/**
 * Opens `path` among `files`.
 * @returns the checkpoint, or null when it was refused.
 * @throws AssertionError when the outcome is neither consistent nor a proper refusal.
 */
export async function openOrRefuse(path: string, files: Map<string, Uint8Array>): Promise<Checkpoint | null> {
  const sources = new MemoryFiles(files);
  let checkpoint: Checkpoint;
  try {
    checkpoint = await openCheckpoint(path, sources);
  } catch (error) {
    assert.ok(error instanceof CheckpointError, `not a CheckpointError: ${error instanceof Error ? error.stack : String(error)}`);
    assert.ok(error.message.length > 0 && error.message.length < 1000, "the length of the message");
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(error.message, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/, "controls in the message");
    assert.ok(error.where.offset === undefined || Number.isSafeInteger(error.where.offset), "the offset");
    return null;
  }
  const largest = Math.max(...[...files.values()].map(({ length }) => length));
  assert.ok(sources.counts.largest <= largest, "a read larger than any file");
  if (checkpoint.format === "safetensors") assertConsistent(checkpoint, files);
  else assertReadable(checkpoint, files);
  return checkpoint;
}

/** Every byte that an expression names is in its file, and each tensor says why when it has none. */
export function assertReadable({ tensors, files: listed }: Checkpoint, files: Map<string, Uint8Array>): void {
  for (const tensor of tensors) {
    assert.ok(listed[tensor.file] !== undefined, "its file");
    assert.ok(tensor.shape.every((length) => Number.isSafeInteger(length) && length >= 0), "the shape");
    assert.ok(tensor.expression !== null || tensor.load !== undefined || tensor.unreadable !== undefined, "why it cannot be decoded");
    if (tensor.expression !== null) assertInside(tensor.expression, files);
  }
}

function assertInside(expression: Expression, files: Map<string, Uint8Array>): void {
  switch (expression.kind) {
    case "range":
    case "blocks": {
      const { file, offset, bytes } = expression;
      assert.ok(offset >= 0 && bytes >= 0 && offset + bytes <= (files.get(file)?.length ?? -1), "the byte range");
      return;
    }
    case "combination":
    case "concatenate":
    case "merge":
    case "compute":
      for (const operand of expression.of) assertInside(operand, files);
      return;
    case "strided": {
      assert.ok(expression.of.kind === "range", "strides over a range");
      const last = expression.shape.includes(0) ? -1 : expression.shape.reduce((sum, length, axis) => sum + (length - 1) * expression.strides[axis]!, expression.offset);
      assert.ok(expression.offset >= 0 && last < expression.of.shape.reduce((a, b) => a * b, 1), "the strides");
      return assertInside(expression.of, files);
    }
    default:
      assertInside(expression.of, files);
  }
}

/** Tensors lie in their files, one after the other, and are as large as their dtype and shape say. */
export function assertConsistent({ tensors, files: listed }: Checkpoint, files: Map<string, Uint8Array>): void {
  const names = new Set<string>();
  const reached = new Map<number, number>();
  for (const tensor of tensors) {
    assert.ok(!names.has(tensor.name), `${tensor.name} twice`);
    names.add(tensor.name);
    const file = listed[tensor.file];
    assert.ok(file !== undefined);
    assert.ok((tensor.expression === null) === (tensor.unreadable !== undefined), "why it cannot be decoded");
    if (tensor.offset === null) continue;
    const size = files.get(file.path)!.length;
    assert.equal(file.bytes, size);
    assert.ok(tensor.offset >= (reached.get(tensor.file) ?? 8) && tensor.offset + tensor.bytes <= size, "the byte range");
    reached.set(tensor.file, tensor.offset + tensor.bytes);
    assert.equal(tensor.parameters, tensor.shape.reduce((a, b) => a * b, 1));
    const bits = bitsOf(tensor.dtype);
    if (bits !== undefined) assert.equal(BigInt(tensor.parameters) * BigInt(bits), BigInt(tensor.bytes) * 8n, "the size");
    if (tensor.expression?.kind === "range") {
      const { offset, bytes, shape, dtype } = tensor.expression;
      assert.deepEqual([offset, bytes, shape, dtype], [tensor.offset, tensor.bytes, tensor.shape, tensor.dtype]);
    }
  }
}
