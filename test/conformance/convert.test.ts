/** Every reference file becomes a safetensors file with the bytes that its own library reads. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { convert, planConversion } from "../../src/analysis/conversion";
import { CheckpointError, type Checkpoint } from "../../src/checkpoint/checkpoint";
import { bitsOf } from "../../src/checkpoint/dtypes";
import { LocalFiles } from "../../src/checkpoint/file-source";
import { openCheckpoint } from "../../src/checkpoint/registry";
import { EngineClient } from "../../src/engine/client";
import { bundledEngine } from "../../src/engine/locate";
import { fixtures, root, Scratch } from "../files";

interface Twin {
  expect?: "refused";
  tensors: TwinTensor[];
}
interface TwinTensor {
  name: string;
  sha256_raw?: string;
  sha256_f32?: string;
  /** Of a sparse tensor. */
  components?: TwinTensor[];
}
const FOLDERS = ["safetensors", "torch", "numpy", "gguf", "hdf5", "msgpack", "onnx"];
const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(fixtures, folder), { recursive: true, encoding: "utf8" }).map((name) => join(fixtures, folder, name)).filter((path) => existsSync(`${path}.expect.json`)),
).sort();
const sources = new LocalFiles();

describe("convert conformance", () => {
  let scratch: Scratch;
  let engine: EngineClient;
  before(async () => { engine = await EngineClient.start(bundledEngine(join(root, "dist"))); });
  after(async () => engine.dispose());
  beforeEach(() => (scratch = new Scratch()));
  afterEach(() => scratch.remove());

  for (const path of files) {
    const twin = JSON.parse(readFileSync(`${path}.expect.json`, "utf8")) as Twin;
    if (twin.expect === "refused") continue;
    it(relative(fixtures, path), async () => {
      const before = await openCheckpoint(path);
      const target = join(scratch.folder, "out.safetensors");
      const unreadable = before.tensors.filter(({ expression, load, verbatim, dtype }) => expression === null && load === undefined && (verbatim === undefined || bitsOf(dtype) === undefined));
      if (unreadable.length > 0) {
        const refused = planConversion({ path }, sources);
        await assert.rejects(refused, (error) => error instanceof CheckpointError && unreadable.some(({ name }) => name === error.where.tensor));
        assert.deepEqual(readdirSync(scratch.folder), []);
      }
      // Names that are there twice come one at a time.
      const seen = new Set<string>();
      const chosen = before.tensors.flatMap((tensor, i) => (unreadable.includes(tensor) || seen.has(tensor.name) || !seen.add(tensor.name) ? [] : [i]));
      const conversion = await planConversion({ path, select: () => chosen }, sources);
      await convert(conversion, { engine, target });
      const after = await openCheckpoint(target);
      assert.deepEqual(new Set(after.tensors.map(({ name }) => name)), seen);
      assert.deepEqual(Object.keys(after.metadata).filter((key) => key !== "format").sort(), Object.keys(before.metadata).filter((key) => key !== "format").sort());
      compare(after, twin, target);
    });
  }
});

function compare(after: Checkpoint, twin: Twin, target: string): void {
  const data = readFileSync(target);
  const tensors = twin.tensors.flatMap((tensor) => tensor.components?.map((part) => ({ ...part, name: `${tensor.name}.${part.name}` })) ?? [tensor]);
  for (const { name, dtype, offset, bytes } of after.tensors) {
    const wanted = tensors.find((tensor) => tensor.name === name);
    // Scales and zero points of a quantised tensor are listed beside it.
    if (wanted === undefined && /\.(?:scales|zero_points)$/.test(name)) continue;
    assert.ok(wanted !== undefined, name);
    const found = data.subarray(offset!, offset! + bytes);
    if (sha256(found) === wanted.sha256_raw) continue;
    // Not a type of safetensors': decoded to F32.
    assert.deepEqual([name, dtype, sha256(withOneNaN(found))], [name, "F32", wanted.sha256_f32]);
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function withOneNaN(bytes: Uint8Array): Uint8Array {
  const values = new Float32Array(Uint8Array.from(bytes).buffer);
  const words = new Uint32Array(values.buffer);
  values.forEach((value, i) => {
    if (Number.isNaN(value)) words[i] = 0x7fc00000;
  });
  return new Uint8Array(values.buffer);
}
