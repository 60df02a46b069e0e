/** Codes with their scales beside them, as the values that they stand for: by the layouts' own formulas, by hand. */
import assert from "node:assert/strict";
import { dequantised } from "../../../src/checkpoint/dequantised";
import { LocalFiles } from "../../../src/checkpoint/file-source";
import { openCheckpoint } from "../../../src/checkpoint/registry";
import type { Checkpoint } from "../../../src/checkpoint/checkpoint";
import type { Expression } from "../../../src/engine/protocol";
import { evaluate } from "../../expressions";
import { headerOf, safetensorsBytes, Scratch } from "../../files";

type Stored = { dtype: string; shape: number[]; bytes: Uint8Array };
const f32 = (shape: number[], values: number[]): Stored => ({ dtype: "F32", shape, bytes: Buffer.from(Float32Array.from(values).buffer) });
const bytes = (dtype: string, shape: number[], values: number[]): Stored => ({ dtype, shape, bytes: Uint8Array.from(values.map((value) => value & 255)) });

describe("weights stored as codes with scales", () => {
  let scratch: Scratch;
  beforeEach(() => (scratch = new Scratch()));
  afterEach(() => scratch.remove());

  async function decoded(tensors: Record<string, Stored>): Promise<Checkpoint> {
    const header = headerOf(Object.fromEntries(Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => [name, { dtype, shape, bytes: bytes.length }])));
    const path = scratch.write("model.safetensors", safetensorsBytes(header, Buffer.concat(Object.values(tensors).map((tensor) => tensor.bytes))));
    return dequantised(await openCheckpoint(path), new LocalFiles());
  }
  const shown = ({ tensors }: Checkpoint): [string, string, number[], number[]][] => tensors.map(({ name, dtype, expression }) => [name, dtype, evaluate(expression!).shape, [...evaluate(expression!).data]]);

  it("int8 by row: codes · SCB/127", async () => {
    const found = shown(await decoded({ "l.SCB": f32([2], [127, 254]), "l.weight": bytes("I8", [2, 3], [1, -2, 127, 3, 0, -127]), "norm.weight": f32([1], [5]) }));
    assert.deepEqual(found.map(([name, dtype, shape]) => [name, dtype, shape]), [["l.weight", "I8", [2, 3]], ["norm.weight", "F32", [1]]]);
    [1, -2, 127, 6, 0, -254].forEach((value, i) => assert.ok(Math.abs(found[0]![3][i]! - value) < 1e-12));
  });

  it("scales of rows and of the whole, with zero points", async () => {
    const codes = bytes("I8", [2, 2], [1, 2, -3, 4]);
    assert.deepEqual(shown(await decoded({ "l.weight": codes, "l.weight_scale": f32([2, 1], [0.5, 2]) }))[0]![3], [0.5, 1, -6, 8]);
    assert.deepEqual(shown(await decoded({ "l.weight": codes, "l.weight_scale": f32([1], [3]) }))[0]![3], [3, 6, -9, 12]);
    assert.deepEqual(shown(await decoded({ "l.weight": codes, "l.weight_scale": f32([2, 1], [0.5, 2]), "l.weight_zero_point": bytes("I8", [2, 1], [1, -1]) }))[0]![3], [0, 0.5, -4, 10]);
    // Scales that fit nothing leave the codes as they are.
    const kept = await decoded({ "l.weight": codes, "l.weight_scale": f32([3], [1, 1, 1]) });
    assert.deepEqual(kept.tensors.map(({ name }) => name), ["l.weight", "l.weight_scale"]);
  });

  it("F8 by blocks of 128 × 128, the last ones cut short", async () => {
    const { tensors } = await decoded({ "l.weight": bytes("F8_E4M3", [130, 2], Array<number>(260).fill(0x38)), "l.weight_scale_inv": f32([2, 1], [2, 3]) });
    const product = tensors[0]!.expression as Extract<Expression, { kind: "compute" }>;
    assert.deepEqual([tensors.length, product.operation.name, product.of[0]!.kind], [1, "multiply", "range"]);
    const { shape, data } = evaluate(product.of[1]!);
    assert.deepEqual([shape, data[0], data[255], data[256], data[259]], [[130, 2], 2, 2, 3, 3]);
  });

  it("NF4: two codes in a byte, the first in the high half, times the block's scale, which may be coded too", async () => {
    const map = f32([16], Array.from({ length: 16 }, (_, i) => (i - 8) / 8));
    const state = (more: object): Stored => {
      const text = Buffer.from(JSON.stringify({ quant_type: "nf4", blocksize: 4, dtype: "bfloat16", shape: [2, 4], ...more }));
      return { dtype: "U8", shape: [text.length], bytes: text };
    };
    const weight = bytes("U8", [4, 1], [0x0f, 0x80, 0xc4, 0x9a]);
    const codes = [-1, 0.875, 0, -1, 0.5, -0.5, 0.125, 0.25];
    const plain = shown(await decoded({ w: f32([1], [1]), "l.weight": weight, "l.weight.absmax": f32([2], [2, 8]), "l.weight.quant_map": map, "l.weight.quant_state.bitsandbytes__nf4": state({}) }));
    assert.deepEqual(plain[1], ["l.weight", "NF4", [2, 4], codes.map((code, i) => code * (i < 4 ? 2 : 8))]);
    const nested = shown(await decoded({
      "l.weight": weight, "l.weight.absmax": bytes("U8", [2], [1, 0]), "l.weight.quant_map": map, "l.weight.nested_absmax": f32([1], [4]), "l.weight.nested_quant_map": f32([256], Array.from({ length: 256 }, (_, i) => i / 2)),
      "l.weight.quant_state.bitsandbytes__nf4": state({ nested_blocksize: 256, nested_offset: 1 }),
    }));
    // Scales 0.5·4 + 1 and 0·4 + 1.
    assert.deepEqual(nested, [["l.weight", "NF4", [2, 4], codes.map((code, i) => code * (i < 4 ? 3 : 1))]]);
  });
});
