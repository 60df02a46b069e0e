/** What the reference library reads from the same files, we read too: structure here, values through the engine. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { bundledEngine } from "../../src/engine/locate";
import { EngineClient } from "../../src/engine/client";
import { toNumber } from "../../src/protocol/results";
import { fixtures, root } from "../files";
import { allValues, hashOfF32 } from "./values";

interface ExpectedTensor {
  name: string;
  dtype: string;
  shape: number[];
  sha256_raw: string;
  sha256_f32?: string;
  first?: (number | string)[];
  undecodable?: string;
  file?: string;
}
interface Expected {
  tensors: ExpectedTensor[];
  metadata: Record<string, unknown>;
}

const folder = join(fixtures, "safetensors");
const files = ["", "sharded"]
  .flatMap((sub) => readdirSync(join(folder, sub)).map((name) => join(folder, sub, name)))
  .filter((path) => /\.(?:safetensors|index\.json)$/.test(path));
const expectedOf = (path: string): Expected => JSON.parse(readFileSync(`${path}.expect.json`, "utf8")) as Expected;

describe("safetensors conformance", () => {
  let engine: EngineClient;
  before(async () => { engine = await EngineClient.start(bundledEngine(join(root, "dist"))); });
  after(async () => engine.dispose());

  it("finds the reference files", () => assert.ok(files.length >= 15));

  for (const path of files) {
    describe(basename(path), () => {
      it("lists the same tensors, in the same order, with the same metadata", async () => {
        const checkpoint = await openCheckpoint(path);
        const { tensors, metadata } = expectedOf(path);
        assert.deepEqual(
          checkpoint.tensors.map(({ name, dtype, shape, file }) => ({ name, dtype, shape, file: basename(checkpoint.files[file]!.path) })),
          tensors.map(({ name, dtype, shape, file }) => ({ name, dtype, shape, file: file ?? basename(path) })),
        );
        assert.deepEqual(checkpoint.metadata, metadata);
        assert.deepEqual(checkpoint.findings, []);
      });

      it("finds the same bytes", async () => {
        const checkpoint = await openCheckpoint(path);
        const { tensors } = expectedOf(path);
        for (const [i, tensor] of checkpoint.tensors.entries()) {
          const bytes = readFileSync(checkpoint.files[tensor.file]!.path).subarray(tensor.offset!, tensor.offset! + tensor.bytes);
          assert.equal(createHash("sha256").update(bytes).digest("hex"), tensors[i]!.sha256_raw, tensor.name);
        }
      });

      it("decodes the same values", async () => {
        const checkpoint = await openCheckpoint(path);
        const { tensors } = expectedOf(path);
        for (const [i, tensor] of checkpoint.tensors.entries()) {
          const { first, sha256_f32, undecodable } = tensors[i]!;
          if (tensor.expression === null) {
            assert.ok(undecodable !== undefined || tensor.dtype === "C64", tensor.name);
            assert.match(tensor.unreadable!, /cannot be decoded/);
            continue;
          }
          const values = await allValues(engine, tensor);
          const shown = values.slice(0, 8);
          assert.deepEqual(shown.map(toNumber), first!.map(Number), tensor.name);
          for (const [j, value] of first!.entries()) if (typeof value === "string") assert.equal(String(shown[j]), value, tensor.name);
          if (sha256_f32 !== undefined) assert.equal(hashOfF32(values), sha256_f32, tensor.name);
        }
      });
    });
  }
});
