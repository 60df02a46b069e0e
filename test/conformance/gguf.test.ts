/** What gguf-py reads from the same files, we read too: metadata and structure here, values through the engine. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { bitsOf } from "../../src/checkpoint/dtypes";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { EngineClient } from "../../src/engine/client";
import { bundledEngine } from "../../src/engine/locate";
import { BLOCK_TYPES } from "../../src/engine/protocol";
import { toNumber } from "../../src/protocol/results";
import { fixtures, root } from "../files";
import { allValues, hashOfF32 } from "./values";

interface ExpectedValue {
  type: string;
  value?: unknown;
  item?: string;
  length?: number;
}
interface Expected {
  tensors: { name: string; dtype: string; shape: number[]; sha256_raw?: string; sha256_blocks?: string; sha256_f32?: string; first: (number | string)[]; file?: string }[];
  metadata: Record<string, ExpectedValue>;
  part_of?: string;
}

const folder = join(fixtures, "gguf");
const files = ["", "split"].flatMap((sub) => readdirSync(join(folder, sub)).map((name) => join(folder, sub, name))).filter((path) => path.endsWith(".gguf"));
const expectedOf = (path: string): Expected => JSON.parse(readFileSync(`${path}.expect.json`, "utf8")) as Expected;

/** The twin's `{type, value}` as the reader shows it: the value alone; arrays it gives only the ends of, whole. */
function shown(entry: unknown): unknown {
  if (typeof entry !== "object" || entry === null) return entry;
  const { type, value } = entry as ExpectedValue;
  if (value === undefined) return entry;
  return type === "array" ? (value as unknown[]).map(shown) : value;
}

describe("GGUF conformance", () => {
  let engine: EngineClient;
  before(async () => { engine = await EngineClient.start(bundledEngine(join(root, "dist"))); });
  after(async () => engine.dispose());

  it("finds the reference files, and in them every type", () => {
    assert.ok(files.length >= 17);
    const types = new Set(files.flatMap((path) => expectedOf(path).tensors.map(({ dtype }) => dtype)));
    for (const type of BLOCK_TYPES) assert.ok(types.has(type), type);
  });

  for (const path of files) {
    describe(basename(path), () => {
      it("lists the same tensors, in the same order, with the same metadata", async () => {
        const checkpoint = await openCheckpoint(path);
        const { tensors, metadata, part_of: first } = expectedOf(path);
        assert.deepEqual(
          checkpoint.tensors.map(({ name, dtype, shape, file }) => ({ name, dtype, shape, file: basename(checkpoint.files[file]!.path) })),
          tensors.map(({ name, dtype, shape, file }) => ({ name, dtype, shape, file: file ?? basename(path) })),
        );
        assert.deepEqual(Object.entries(checkpoint.metadata), Object.entries(metadata).map(([key, value]) => [key, shown(value)]));
        assert.deepEqual(checkpoint.findings, []);
        assert.equal(checkpoint.wholeModel, first === undefined ? undefined : join(path, "..", first));
      });

      it("finds the same bytes", async () => {
        const checkpoint = await openCheckpoint(path);
        const { tensors } = expectedOf(path);
        for (const [i, tensor] of checkpoint.tensors.entries()) {
          const bytes = readFileSync(checkpoint.files[tensor.file]!.path).subarray(tensor.offset!, tensor.offset! + tensor.bytes);
          const { sha256_raw, sha256_blocks } = tensors[i]!;
          assert.equal(createHash("sha256").update(bytes).digest("hex"), bitsOf(tensor.dtype) === undefined ? sha256_blocks : sha256_raw, tensor.name);
        }
      });

      it("decodes the same values", async () => {
        const checkpoint = await openCheckpoint(path);
        const { tensors } = expectedOf(path);
        for (const [i, tensor] of checkpoint.tensors.entries()) {
          const { first, sha256_f32 } = tensors[i]!;
          const values = await allValues(engine, tensor);
          assert.deepEqual(values.slice(0, 8).map(toNumber), first.map(Number), `${tensor.name}, ${tensor.dtype}`);
          if (sha256_f32 !== undefined) assert.equal(hashOfF32(values), sha256_f32, `${tensor.name}, ${tensor.dtype}`);
        }
      });
    });
  }
});
