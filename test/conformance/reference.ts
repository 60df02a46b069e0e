/** Compares what we read from a file with what the format's reference library read from it (`NAME.expect.json`). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { CheckpointError, type Checkpoint, type Tensor } from "../../src/checkpoint/checkpoint";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { EngineClient } from "../../src/engine/client";
import { bundledEngine } from "../../src/engine/locate";
import type { Expression } from "../../src/engine/protocol";
import { toNumber } from "../../src/protocol/results";
import { fixtures, root } from "../files";
import { allValues, hashOfF32 } from "./values";

export interface ExpectedTensor {
  name: string;
  dtype: string;
  shape?: number[];
  sha256_raw?: string;
  sha256_f32?: string;
  first?: (number | string | [number, number])[];
  unsupported?: string;
}
export interface Expected {
  expect?: "refused";
  tensors: ExpectedTensor[];
  metadata: Record<string, unknown>;
}

const expectedOf = (path: string): Expected => JSON.parse(readFileSync(`${path}.expect.json`, "utf8")) as Expected;

/** Files under `fixtures/folder` that have a twin. */
export function referenceFiles(folder: string): string[] {
  const top = join(fixtures, folder);
  return readdirSync(top, { recursive: true, encoding: "utf8" })
    .map((name) => join(top, name))
    .filter((path) => existsSync(`${path}.expect.json`))
    .sort();
}

export interface Differences {
  /** Which tensors of the twin are to be found, and how; default: as they stand there. */
  expected?(tensor: ExpectedTensor): ExpectedTensor;
}

/** One test each of structure, bytes and values for every reference file in `folder`. */
export function describeReferenceFiles(folder: string, atLeast: number, { expected = (tensor) => tensor }: Differences = {}): void {
  const files = referenceFiles(folder);
  let engine: EngineClient;
  before(async () => { engine = await EngineClient.start(bundledEngine(join(root, "dist"))); });
  after(async () => engine.dispose());

  it("finds the reference files", () => assert.ok(files.length >= atLeast, `${files.length} files`));

  for (const path of files) {
    const twin = expectedOf(path);
    const tensors = twin.tensors.map(expected);
    describe(relative(join(fixtures, folder), path), () => {
      if (twin.expect === "refused") {
        it("is refused in one sentence", () => assert.rejects(openCheckpoint(path), (error) => error instanceof CheckpointError && error.file === path && /^[^.]{20,}$/.test(error.message)));
        return;
      }
      let checkpoint: Checkpoint;
      before(async () => { checkpoint = await openCheckpoint(path); });

      it("lists the same tensors, in the same order, with the same metadata", () => {
        assert.deepEqual(
          checkpoint.tensors.map(({ name, dtype, shape, unreadable }, i) => ({
            name, dtype: plainText(dtype), ...(tensors[i]?.shape === undefined ? {} : { shape }), ...(tensors[i]?.unsupported === undefined ? {} : { unreadable }),
          })),
          tensors.map(({ name, dtype, shape, unsupported }) => ({ name, dtype: plainText(dtype), ...(shape === undefined ? {} : { shape }), ...(unsupported === undefined ? {} : { unreadable: unsupported }) })),
        );
        assert.deepEqual(checkpoint.metadata, twin.metadata);
      });

      it("finds the same bytes", async () => {
        for (const [i, tensor] of checkpoint.tensors.entries()) {
          const { sha256_raw, unsupported } = tensors[i]!;
          if (unsupported !== undefined || sha256_raw === undefined || !isWholeBytes(tensor)) continue;
          const bytes = await rowMajorBytes(checkpoint, tensor);
          if (bytes !== null) assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256_raw, tensor.name);
        }
      });

      it("decodes the same values", async () => {
        for (const [i, tensor] of checkpoint.tensors.entries()) {
          const { first, sha256_f32, unsupported } = tensors[i]!;
          const expression = tensor.expression ?? (await tensor.load?.());
          if (expression === undefined) {
            assert.ok(unsupported !== undefined || /^C\d+$/.test(tensor.dtype) || first === undefined, `${tensor.name} (${tensor.dtype}) has no values`);
            assert.ok(tensor.unreadable !== undefined, tensor.name);
            continue;
          }
          assert.equal(unsupported, undefined, tensor.name);
          const values = await allValues(engine, tensor, expression);
          const shown = values.slice(0, 8);
          assert.deepEqual(shown.map(toNumber), first!.map(Number), tensor.name);
          for (const [j, value] of first!.entries()) if (typeof value === "string") assert.equal(String(shown[j]), value, tensor.name);
          if (sha256_f32 !== undefined) assert.equal(hashOfF32(values), sha256_f32, tensor.name);
        }
      });
    });
  }
}

/** The description of a structured type, however its text is escaped. */
function plainText(dtype: string): unknown {
  return dtype.startsWith("[") ? (JSON.parse(dtype) as unknown) : dtype;
}

/** Elements of a byte or more: the packed ones are unpacked when they are decoded. */
function isWholeBytes({ dtype }: Tensor): boolean {
  return !/^(?:[IU][24]|F4|F6_\w+)$/.test(dtype);
}

/** The tensor's bytes in row-major order, little endian; null for one without values. */
async function rowMajorBytes({ files }: Checkpoint, tensor: Tensor): Promise<Buffer | null> {
  const expression = tensor.expression ?? (await tensor.load?.());
  if (expression !== undefined) return evaluate(expression);
  const { file, offset, bytes, dtype } = tensor;
  return offset === null || !dtype.startsWith("C") ? null : readFileSync(files[file]!.path).subarray(offset, offset + bytes);
}

const WIDTHS: Readonly<Record<string, number>> = { F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2 };

/** A second reading of the expressions that readers make, to compare bytes and not only values. */
function evaluate(expression: Expression): Buffer {
  if (expression.kind === "range") {
    const bytes = Buffer.from(readFileSync(expression.file).subarray(expression.offset, expression.offset + expression.bytes));
    assert.equal(bytes.length, expression.bytes, "the range lies inside the file");
    const width = WIDTHS[expression.dtype] ?? 1;
    if (expression.order === "big") for (let at = 0; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse();
    return bytes;
  }
  assert.ok(expression.kind === "permute" && expression.of.kind === "range", expression.kind);
  const { of, axes } = expression;
  const inner = evaluate(of);
  const width = WIDTHS[of.dtype] ?? 1;
  const strides = of.shape.map((_, axis) => of.shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const shape = axes.map((axis) => of.shape[axis]!);
  return Buffer.concat(
    Array.from({ length: inner.length / width }, (_, flat) => {
      let at = 0;
      for (let axis = shape.length - 1, rest = flat; axis >= 0; rest = Math.floor(rest / shape[axis--]!)) at += (rest % shape[axis]!) * strides[axes[axis]!]!;
      return inner.subarray(at * width, (at + 1) * width);
    }),
  );
}
